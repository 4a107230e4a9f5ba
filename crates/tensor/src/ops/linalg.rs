//! Factorisations and triangular solves of the last two axes, with leading axes as a batch.
//!
//! Values come from `elbo-linalg`; adjoints are the textbook ones (Giles 2008; Murray 2016; Townsend 2016), written in tensor
//! operations. Gradients of functions of symmetric matrices are symmetric.

use elbo_linalg::{Diagonal, Jitter, Ladder, LinalgError, Lu, MatMut, MatRef, Result, Side, Triangle};
use rayon::prelude::*;

use crate::dtype::{Element, with_real};
use crate::kernels::same_type;
use crate::layout::{Dims, broadcast_shape, count};
use crate::tensor::Tensor;

/// Matrices of a batch below this many elements are not worth a thread each.
const SMALL: usize = 32 * 32;

impl Tensor {
    fn square_size(&self, name: &str) -> usize {
        assert!(self.rank() >= 2 && self.size(-1) == self.size(-2), "`{name}` of shape {:?}", self.shape());
        self.size(-1)
    }

    /// The matrices of the batch, in order, as views. The tensor must be contiguous in its leading axes.
    fn matrices<T: Element>(&self) -> Vec<MatRef<'_, T>> {
        let rank = self.rank();
        let (m, n) = (self.size(-2), self.size(-1));
        let lead = &self.shape()[..rank - 2];
        let (rows, columns) = (self.layout.strides[rank - 2], self.layout.strides[rank - 1]);
        let mut starts = vec![self.layout.offset];
        for (size, stride) in lead.iter().zip(&self.layout.strides) {
            starts = starts.iter().flat_map(|s| (0..*size).map(move |i| s + i * stride)).collect();
        }
        let data = self.raw::<T>();
        starts.into_iter().map(|start| MatRef::strided(data.get(start..).unwrap_or(&[]), m, n, rows, columns)).collect()
    }

    /// The factor with the jitter that the project's ladder needed.
    ///
    /// `self` is a symmetric positive definite matrix `[..., n, n]`, of which the lower triangle is read; the factor is zero above its
    /// diagonal. The jitter counts as a constant in derivatives; of a batch, the largest is returned.
    ///
    /// # Errors
    /// [`LinalgError::NotPositiveDefinite`] after the last jitter, [`LinalgError::NotFinite`]; both recoverable by a shorter step.
    pub fn cholesky_jittered(&self) -> Result<(Tensor, Jitter)> {
        let standard = with_real!("cholesky", self.dtype(), T => Ladder::standard::<T>());
        self.cholesky_with(standard)
    }

    /// [`Tensor::cholesky_jittered`] without the report of the jitter.
    ///
    /// # Errors
    /// As there.
    pub fn cholesky(&self) -> Result<Tensor> {
        Ok(self.cholesky_jittered()?.0)
    }

    /// [`Tensor::cholesky_jittered`] with these jitters.
    ///
    /// # Errors
    /// As there.
    pub fn cholesky_with(&self, ladder: Ladder) -> Result<(Tensor, Jitter)> {
        let n = self.square_size("cholesky");
        let (value, jitter) = with_real!("cholesky", self.dtype(), T => {
            let mut out = vec![T::default(); self.len()];
            let mut most = Jitter { relative: 0.0, absolute: 0.0 };
            if n > 0 {
                for (out, a) in out.chunks_exact_mut(n * n).zip(self.matrices::<T>()) {
                    let factor = elbo_linalg::cholesky_with_jitter(a, ladder)?;
                    if factor.jitter().relative >= most.relative {
                        most = factor.jitter();
                    }
                    out.copy_from_slice(&factor.into_factor());
                }
            }
            (Tensor::new(out, self.shape()), most)
        });
        let factor = value.record_output("cholesky", [self], |g, l| {
            let inner = l.t().matmul(&g.grad.tril(0)).tril(0);
            let inner = &inner - (inner.diagonal() * 0.5).diag();
            let half = l.solve_triangular(&inner, true, true);
            let full = l.solve_triangular(&half.t(), true, true);
            [Some((&full + full.t()) * 0.5)]
        });
        Ok((factor, jitter))
    }

    /// Solves `A X = B`, or `A' X = B` when `transposed`, where `self` is triangular and only its lower (or upper) triangle is read.
    ///
    /// # Shapes
    /// `self: [..., n, n]`, `b: [..., n, m]` or `[n]`; leading axes broadcast.
    pub fn solve_triangular(&self, b: &Tensor, lower: bool, transposed: bool) -> Tensor {
        let n = self.square_size("solve_triangular");
        same_type("solve_triangular", self, b);
        if b.rank() == 1 {
            return self.solve_triangular(&b.unsqueeze(1), lower, transposed).squeeze(-1);
        }
        assert!(b.rank() >= 2 && b.size(-2) == n, "`solve_triangular`: {:?} and {:?}", self.shape(), b.shape());
        let (a, b) = batched(self, b);
        let value = with_real!("solve_triangular", a.dtype(), T => {
            let triangle = if lower { Triangle::Lower } else { Triangle::Upper };
            solve_each::<T>(&a, &b, |a, out| {
                let (a, triangle) = if transposed { (a.transpose(), triangle.transpose()) } else { (a, triangle) };
                elbo_linalg::trsm(Side::Left, triangle, Diagonal::Stored, a, out);
                Ok(())
            })
        })
        .expect("a triangular solve cannot fail");
        let saved = a.clone();
        value.record_output("solve_triangular", [&a, &b], move |g, x| {
            let back = saved.solve_triangular(g.grad, lower, !transposed);
            let matrix = g.when(0, || {
                let product = if transposed { x.matmul(&back.t()) } else { back.matmul(&x.t()) };
                -(if lower { product.tril(0) } else { product.triu(0) })
            });
            [matrix, g.when(1, || back.clone())]
        })
    }

    /// `L^-1 b` for the factor `self = L`.
    pub fn solve_lower(&self, b: &Tensor) -> Tensor {
        self.solve_triangular(b, true, false)
    }

    /// `L^-T b` for the factor `self = L`.
    pub fn solve_lower_t(&self, b: &Tensor) -> Tensor {
        self.solve_triangular(b, true, true)
    }

    /// `(L L')^-1 b` for the factor `self = L`.
    pub fn cholesky_solve(&self, b: &Tensor) -> Tensor {
        self.solve_lower_t(&self.solve_lower(b))
    }

    /// `log |L L'|` in nats for the factor `self = L: [..., n, n]`; returns `[...]`.
    pub fn cholesky_log_det(&self) -> Tensor {
        self.diagonal().log().sum_axis(-1, false) * 2.0
    }

    /// `(L L')^-1` for the factor `self = L`, symmetric. Prefer [`Tensor::cholesky_solve`] unless every entry is needed.
    pub fn cholesky_inverse(&self) -> Tensor {
        let n = self.square_size("cholesky_inverse");
        let value = with_real!("cholesky_inverse", self.dtype(), T => {
            let mut out = vec![T::default(); self.len()];
            if n > 0 {
                let pairs = out.chunks_exact_mut(n * n).zip(self.matrices::<T>());
                pairs.for_each(|(out, l)| elbo_linalg::potri(MatMut::row_major(out, n, n), l));
            }
            Tensor::new(out, self.shape())
        });
        let l = self.clone();
        value.record_output("cholesky_inverse", [self], move |g, inverse| {
            let inner = inverse.matmul(&(g.grad + g.grad.t())).matmul(&inverse);
            [Some(-(inner.matmul(&l)).tril(0))]
        })
    }

    /// Inverse of a symmetric positive definite matrix, through its factor.
    ///
    /// # Errors
    /// As [`Tensor::cholesky_jittered`].
    pub fn inverse_spd(&self) -> Result<Tensor> {
        Ok(self.cholesky()?.cholesky_inverse())
    }

    /// Solves `A X = B` for a general square matrix, by LU. Shapes as [`Tensor::solve_triangular`].
    ///
    /// # Errors
    /// [`LinalgError::Singular`], [`LinalgError::NotFinite`].
    pub fn solve(&self, b: &Tensor) -> Result<Tensor> {
        let n = self.square_size("solve");
        same_type("solve", self, b);
        if b.rank() == 1 {
            return Ok(self.solve(&b.unsqueeze(1))?.squeeze(-1));
        }
        assert!(b.rank() >= 2 && b.size(-2) == n, "`solve`: {:?} and {:?}", self.shape(), b.shape());
        let (a, b) = batched(self, b);
        let value = with_real!("solve", a.dtype(), T => {
            solve_each::<T>(&a, &b, |a, out| {
                Lu::new(a)?.solve(out);
                Ok(())
            })
        })?;
        let saved = a.clone();
        Ok(value.record_output("solve", [&a, &b], move |g, x| {
            let back = saved.t().solve(g.grad).expect("the same matrix was solved in the forward pass");
            [g.when(0, || -back.matmul(&x.t())), g.when(1, || back.clone())]
        }))
    }

    /// Inverse of a general square matrix.
    ///
    /// # Errors
    /// As [`Tensor::solve`].
    pub fn inverse(&self) -> Result<Tensor> {
        self.solve(&Tensor::eye(self.square_size("inverse"), self.dtype()))
    }

    /// Sign of the determinant (outside the graph) and the logarithm of its absolute value: `[..., n, n]` to two of `[...]`.
    ///
    /// # Errors
    /// As [`Tensor::solve`].
    pub fn sign_and_log_det(&self) -> Result<(Tensor, Tensor)> {
        let shape = Dims::from_slice(&self.shape()[..self.rank() - 2]);
        self.square_size("sign_and_log_det");
        let (sign, log) = with_real!("sign_and_log_det", self.dtype(), T => {
            let mut found = (vec![], vec![]);
            for a in self.matrices::<T>() {
                let (sign, log) = Lu::new(a)?.sign_and_log_det();
                found.0.push(T::from_f64(sign));
                found.1.push(T::from_f64(log));
            }
            (Tensor::new(found.0, &shape), Tensor::new(found.1, &shape))
        });
        let a = self.clone();
        let log = log.record("log_det", [self], move |g| {
            let inverse = a.inverse().expect("the same matrix was factored in the forward pass");
            [Some(g.grad.unsqueeze(-1).unsqueeze(-1) * inverse.t())]
        });
        Ok((sign, log))
    }

    /// Eigenvalues (ascending, `[..., n]`) and orthonormal eigenvectors (columns, `[..., n, n]`) of a symmetric matrix, of which the lower
    /// triangle is read. Where eigenvalues coincide, gradients through the eigenvectors count as zero.
    ///
    /// # Errors
    /// [`LinalgError::NotFinite`], [`LinalgError::NoConvergence`].
    pub fn eigh(&self) -> Result<(Tensor, Tensor)> {
        let n = self.square_size("eigh");
        // The eigenvalues are the first row of what the graph sees, the eigenvectors the others.
        let packed = with_real!("eigh", self.dtype(), T => {
            pack_each::<T>(self, n + 1, n, |a, out| {
                let found = elbo_linalg::syevd(a)?;
                out[..n].copy_from_slice(&found.values);
                out[n..].copy_from_slice(&found.vectors);
                Ok(())
            })
        })?;
        let unpack = move |p: &Tensor| (p.narrow(-2, 0, 1).squeeze(-2), p.narrow(-2, 1, n));
        let packed = packed.record_output("eigh", [self], move |g, packed| {
            let (values, vectors) = unpack(&packed);
            let (values_grad, vectors_grad) = unpack(g.grad);
            let gaps = gaps(&values);
            let inner = values_grad.diag() + gaps * vectors.t().matmul(&vectors_grad);
            let full = vectors.matmul(&inner).matmul(&vectors.t());
            [Some((&full + full.t()) * 0.5)]
        });
        Ok(unpack(&packed))
    }

    /// Thin singular value decomposition `A = U diag(s) V'` of `[..., m, n]`, with `k = min(m, n)`: U `[..., m, k]`, s `[..., k]` descending,
    /// V `[..., n, k]`. Gradients need singular values that are distinct and not zero.
    ///
    /// # Errors
    /// [`LinalgError::NotFinite`], [`LinalgError::NoConvergence`].
    pub fn svd(&self) -> Result<(Tensor, Tensor, Tensor)> {
        assert!(self.rank() >= 2, "`svd` needs a matrix, found shape {:?}", self.shape());
        let (m, n) = (self.size(-2), self.size(-1));
        let k = m.min(n);
        let packed = with_real!("svd", self.dtype(), T => {
            pack_each::<T>(self, 1 + m + n, k, |a, out| {
                let found = elbo_linalg::svd(a)?;
                out[..k].copy_from_slice(&found.s);
                out[k..k + m * k].copy_from_slice(&found.u);
                out[k + m * k..].copy_from_slice(&found.v);
                Ok(())
            })
        })?;
        let unpack = move |p: &Tensor| (p.narrow(-2, 1, m), p.narrow(-2, 0, 1).squeeze(-2), p.narrow(-2, 1 + m, n));
        let packed = packed.record_output("svd", [self], move |g, packed| {
            let (u, s, v) = unpack(&packed);
            let (du, ds, dv) = unpack(g.grad);
            let gaps = gaps(&s.square());
            let (row, column) = (s.unsqueeze(-2), s.unsqueeze(-1));
            let (left, right) = (u.t().matmul(&du), v.t().matmul(&dv));
            let inner = &gaps * (&left - left.t()) * &row + &gaps * (&right - right.t()) * &column + ds.diag();
            let mut a = u.matmul(&inner).matmul(&v.t());
            if m > k {
                a = a + ((&du - u.matmul(&left)) / &row).matmul(&v.t());
            }
            if n > k {
                a = a + (&u / &row).matmul(&(&dv - v.matmul(&right)).t());
            }
            [Some(a)]
        });
        Ok(unpack(&packed))
    }

    /// Thin QR decomposition of `[..., m, n]` with `m >= n`: orthonormal columns Q `[..., m, n]`, and R `[..., n, n]` upper triangular
    /// with a diagonal that is not negative. Gradients need full column rank.
    pub fn qr(&self) -> (Tensor, Tensor) {
        assert!(self.rank() >= 2 && self.size(-2) >= self.size(-1), "`qr` of a wide shape {:?}", self.shape());
        let (m, n) = (self.size(-2), self.size(-1));
        let packed = with_real!("qr", self.dtype(), T => {
            pack_each::<T>(self, m + n, n, |a, out| {
                let found = elbo_linalg::qr(a);
                out[..m * n].copy_from_slice(&found.q);
                out[m * n..].copy_from_slice(&found.r);
                Ok(())
            })
        })
        .expect("a QR decomposition cannot fail");
        let unpack = move |p: &Tensor| (p.narrow(-2, 0, m), p.narrow(-2, m, n));
        let packed = packed.record_output("qr", [self], move |g, packed| {
            let (q, r) = unpack(&packed);
            let (dq, dr) = unpack(g.grad);
            let inner = r.matmul(&dr.t()) - dq.t().matmul(&q);
            let inner = inner.tril(0) + inner.tril(-1).t();
            let right = dq + q.matmul(&inner);
            [Some(r.solve_triangular(&right.t(), false, false).t())]
        });
        unpack(&packed)
    }
}

/// 1 / (x_j - x_i) at (i, j), zero where they are equal: `[..., n]` to `[..., n, n]`.
fn gaps(x: &Tensor) -> Tensor {
    let difference = x.unsqueeze(-2) - x.unsqueeze(-1);
    difference.masked_fill(&difference.eq_scalar(0.0), f64::INFINITY).recip()
}

/// Both operands with their common leading axes.
fn batched(a: &Tensor, b: &Tensor) -> (Tensor, Tensor) {
    let (ra, rb) = (a.rank(), b.rank());
    if ra == 2 && rb == 2 {
        return (a.clone(), b.clone());
    }
    let lead = broadcast_shape("solve", &a.shape()[..ra - 2], &b.shape()[..rb - 2]);
    let with = |t: &Tensor| t.broadcast_to(&[&lead, &t.shape()[t.rank() - 2..]].concat());
    (with(a), with(b))
}

/// Solves each system of a batch in a copy of its right-hand side.
fn solve_each<T: Element + elbo_linalg::Real>(
    a: &Tensor,
    b: &Tensor,
    solve: impl Fn(MatRef<'_, T>, MatMut<'_, T>) -> Result<()> + Sync,
) -> Result<Tensor> {
    let (n, m) = (b.size(-2), b.size(-1));
    let mut out = b.contiguous_value().into_elements::<T>();
    if out.is_empty() {
        return Ok(Tensor::new(out, b.shape()));
    }
    let all = a.matrices::<T>();
    let one = |(out, a): (&mut [T], &MatRef<'_, T>)| solve(*a, MatMut::row_major(out, n, m));
    if all.len() > 1 && n * m >= SMALL {
        out.par_chunks_exact_mut(n * m).zip(&all).map(one).collect::<Result<Vec<()>>>()?;
    } else {
        out.chunks_exact_mut(n * m).zip(&all).try_for_each(one)?;
    }
    Ok(Tensor::new(out, b.shape()))
}

/// A decomposition of each matrix of a batch, written into `rows x columns` numbers each.
fn pack_each<T: Element + elbo_linalg::Real>(
    x: &Tensor,
    rows: usize,
    columns: usize,
    decompose: impl Fn(MatRef<'_, T>, &mut [T]) -> Result<(), LinalgError>,
) -> Result<Tensor> {
    let lead = &x.shape()[..x.rank() - 2];
    let mut out = vec![<T as Default>::default(); count(lead) * rows * columns];
    if rows * columns > 0 {
        for (out, a) in out.chunks_exact_mut(rows * columns).zip(x.matrices::<T>()) {
            decompose(a, out)?;
        }
    }
    Ok(Tensor::new(out, &[lead, &[rows, columns]].concat()))
}
