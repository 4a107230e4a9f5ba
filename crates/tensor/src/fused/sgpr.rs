//! The collapsed bound of sparse Gaussian-process regression, with its gradient.
//!
//! With `L = chol(Kuu)`, `A = L⁻¹ Kuf`, weights `w = 1/σ²`, `Φ = A diag(w) Aᵀ`, `B = I + Φ`, `b = A (w ∘ y)`, `γ = B⁻¹ b`, the bound is
//! `½ Σ [log w - w (y² + k)] - N/2 log 2π + ½ tr Φ - ½ log|B| + ½ bᵀγ`. Its derivatives need only `C = I - B⁻¹ - γγᵀ`:
//! `dA = (C A + γ yᵀ) diag(w)`, `dKuf = L⁻ᵀ dA`, `dKuu = ½ L⁻ᵀ (C - Φ) L⁻¹`. Everything is a sum over columns of A, so blocks of
//! rows of the data can be taken one after another.

use elbo_core::Result;
use elbo_linalg::{
    Diagonal, Jitter, Ladder, MatMut, MatRef, Side, Triangle, cholesky_in_place, gemm, log_det_from_factor,
    mirror_lower, potri, trsm,
};

use super::{all_f64, collect_rows, shaped};
use crate::tensor::Tensor;
use elbo_core::recycle::Kept;

/// Rows of the data taken together.
pub(super) const BLOCK: usize = 2048;

/// Evidence lower bound of regression through `M` inducing variables with the best `q(u)`, in nats.
///
/// # Shapes
/// `kuu: [M, M]`, `kuf: [M, N]`, `kdiag: [N]`, `noise: []`, `[1]` or `[N]` (variances), `y: [N]` (residuals). Returns a scalar, differentiable in
/// all of them. Holds `A: [M, N]` and, for the gradient, another: for many rows see [`super::sgpr_bound_in_blocks`].
///
/// # Errors
/// Recoverable, when `kuu` is not positive definite within the jitter policy.
///
/// # Source
/// Titsias (2009); per-datum noise and the gradients as derived above.
pub fn sgpr_bound(kuu: &Tensor, kuf: &Tensor, kdiag: &Tensor, noise: &Tensor, y: &Tensor) -> Result<Tensor> {
    Ok(sgpr_bound_with(kuu, kuf, kdiag, noise, y, Ladder::standard::<f64>())?.0)
}

/// [`sgpr_bound`] with these jitters on `kuu`, and the one that was used.
///
/// # Errors
/// As there.
pub fn sgpr_bound_with(
    kuu: &Tensor,
    kuf: &Tensor,
    kdiag: &Tensor,
    noise: &Tensor,
    y: &Tensor,
    ladder: Ladder,
) -> Result<(Tensor, Jitter)> {
    let (m, n) = (kuf.size(0), kuf.size(1));
    assert!(
        kuu.shape() == [m, m] && kdiag.shape() == [n] && y.shape() == [n],
        "kuu {:?}, kuf [{m}, {n}], kdiag {:?}, y {:?}",
        kuu.shape(),
        kdiag.shape(),
        y.shape()
    );
    if !all_f64(&[kuu, kuf, kdiag, noise, y]) {
        return composed(kuu, kuf, kdiag, noise, y, ladder);
    }
    let data = Data { kdiag: kdiag.to_vec(), noise: noise.to_vec(), y: y.to_vec() };
    let (l, jitter) = factor(kuu, ladder)?;
    let mut a = kuf.to_vec();
    whiten(&l, m, &mut a, n);
    let mut sums = Sums::new(m);
    for start in (0..n).step_by(BLOCK) {
        let end = n.min(start + BLOCK);
        sums.add(MatRef::row_major(&a, m, n).block(0, start, m, end - start), &data, start);
    }
    let bound = sums.finish()?;
    let value = bound.value;
    let shapes = [kuu, kuf, kdiag, noise, y].map(|t| t.shape().to_vec());
    let backward = move |grad: &Tensor, wanted: &[bool]| {
        let g = grad.item();
        let dkuu = wanted[0].then(|| shaped(bound.kuu_gradient(&l, g), &shapes[0])).flatten();
        let mut rows = RowGradients::new(n);
        let mut da = vec![0.0; m * n];
        for start in (0..n).step_by(BLOCK) {
            let width = n.min(start + BLOCK) - start;
            let block = MatRef::row_major(&a, m, n).block(0, start, m, width);
            let out = MatMut::row_major(&mut da, m, n).block(0, start, m, width);
            bound.block_gradient(block, &data, start, g, out, &mut rows);
        }
        let dkuf = wanted[1].then(|| {
            let upper = MatRef::row_major(&l, m, m).transpose();
            trsm(Side::Left, Triangle::Upper, Diagonal::Stored, upper, MatMut::row_major(&mut da, m, n));
            Tensor::from_vec(da, &shapes[1])
        });
        let [dkdiag, dnoise, dy] = rows.tensors([&shapes[2], &shapes[3], &shapes[4]]);
        vec![dkuu, dkuf, dkdiag, dnoise, dy].into_iter().zip(wanted).map(|(g, w)| g.filter(|_| *w)).collect()
    };
    let inputs = [kuu, kuf, kdiag, noise, y].map(Tensor::clone).to_vec();
    let out = Tensor::custom("sgpr_bound", inputs, Tensor::scalar(value), backward).with_twin(move |i| {
        let fixed = Ladder::Fixed(jitter.relative);
        composed(&i[0], &i[1], &i[2], &i[3], &i[4], fixed).expect("the same matrix was factored before").0
    });
    Ok((out, jitter))
}

/// What the rows of the data bring besides covariances.
pub(super) struct Data {
    pub kdiag: Vec<f64>,
    pub noise: Vec<f64>,
    pub y: Vec<f64>,
}

impl Data {
    fn weight(&self, i: usize) -> f64 {
        1.0 / self.noise[if self.noise.len() == 1 { 0 } else { i }]
    }
}

/// `chol(kuu)`, row-major; what stands above its diagonal is not meant.
pub(super) fn factor(kuu: &Tensor, ladder: Ladder) -> Result<(Kept<f64>, Jitter)> {
    let mut l = Kept::copy_of(&kuu.as_f64());
    let jitter = cholesky_in_place(&mut l, kuu.size(0), ladder, false)?;
    Ok((l, jitter))
}

/// Replaces `a: [m, n]` by `L⁻¹ a`.
pub(super) fn whiten(l: &[f64], m: usize, a: &mut [f64], n: usize) {
    trsm(Side::Left, Triangle::Lower, Diagonal::Stored, MatRef::row_major(l, m, m), MatMut::row_major(a, m, n));
}

/// Sums over rows of the data; see the top of the file.
pub(super) struct Sums {
    m: usize,
    /// Lower triangle of Φ.
    phi: Vec<f64>,
    b: Vec<f64>,
    /// `½ Σ [log w - w (y² + k)] - N/2 log 2π`.
    rest: f64,
}

impl Sums {
    pub fn new(m: usize) -> Self {
        Self { m, phi: vec![0.0; m * m], b: vec![0.0; m], rest: 0.0 }
    }

    /// Adds the rows that start at `start`, whose whitened covariances are `a: [M, B]`.
    pub fn add(&mut self, a: MatRef<'_, f64>, data: &Data, start: usize) {
        let (m, width) = (self.m, a.columns());
        let mut scaled = vec![0.0; m * width];
        let roots: Vec<f64> = (start..start + width).map(|i| data.weight(i).sqrt()).collect();
        for (k, row) in scaled.chunks_exact_mut(width).enumerate() {
            let source = &a.data()[k * a.row_stride()..][..width];
            row.iter_mut().zip(source).zip(&roots).for_each(|((o, a), root)| *o = a * root);
        }
        let scaled = MatRef::row_major(&scaled, m, width);
        elbo_linalg::syrk_lower(MatMut::row_major(&mut self.phi, m, m), 1.0, scaled, 1.0);
        let target: Vec<f64> = (0..width).map(|j| roots[j] * data.y[start + j]).collect();
        gemm(MatMut::column(&mut self.b), 1.0, scaled, MatRef::column(&target), 1.0);
        for i in start..start + width {
            let w = data.weight(i);
            self.rest += 0.5 * (w.ln() - w * (data.y[i] * data.y[i] + data.kdiag[i]) - std::f64::consts::TAU.ln());
        }
    }

    /// The bound and what its gradient needs.
    pub fn finish(mut self) -> Result<Bound> {
        let m = self.m;
        mirror_lower(MatMut::row_major(&mut self.phi, m, m));
        let mut l = self.phi.clone();
        (0..m).for_each(|i| l[i * m + i] += 1.0);
        cholesky_in_place(&mut l, m, Ladder::Fixed(0.0), true)?;
        let factor = MatRef::row_major(&l, m, m);
        let mut gamma = self.b.clone();
        trsm(Side::Left, Triangle::Lower, Diagonal::Stored, factor, MatMut::column(&mut gamma));
        let quadratic = elbo_linalg::vector::dot(&gamma, &gamma);
        trsm(Side::Left, Triangle::Upper, Diagonal::Stored, factor.transpose(), MatMut::column(&mut gamma));
        let trace: f64 = (0..m).map(|i| self.phi[i * m + i]).sum();
        let value = self.rest + 0.5 * (trace - log_det_from_factor(factor) + quadratic);
        Ok(Bound { m, l_b: l, phi: self.phi, gamma, value, core: std::sync::OnceLock::new() })
    }
}

/// A finished bound.
pub(super) struct Bound {
    m: usize,
    l_b: Vec<f64>,
    phi: Vec<f64>,
    gamma: Vec<f64>,
    pub value: f64,
    core: std::sync::OnceLock<Vec<f64>>,
}

impl Bound {
    /// `C = I - B⁻¹ - γγᵀ`, computed when a gradient first needs it.
    fn core(&self) -> &[f64] {
        self.core.get_or_init(|| {
            let m = self.m;
            let mut c = vec![0.0; m * m];
            potri(MatMut::row_major(&mut c, m, m), MatRef::row_major(&self.l_b, m, m));
            for i in 0..m {
                for j in 0..m {
                    c[i * m + j] = -c[i * m + j] - self.gamma[i] * self.gamma[j];
                }
                c[i * m + i] += 1.0;
            }
            c
        })
    }

    /// `g ½ L⁻ᵀ (C - Φ) L⁻¹`.
    pub fn kuu_gradient(&self, l: &[f64], g: f64) -> Vec<f64> {
        let mut inner: Vec<f64> = self.core().iter().zip(&self.phi).map(|(c, p)| 0.5 * g * (c - p)).collect();
        sandwich(l, self.m, &mut inner);
        inner
    }

    /// `g (C A + γ yᵀ) diag(w)` into `out`, both with rows that are contiguous, and the gradients that belong to the rows themselves.
    pub fn block_gradient(
        &self,
        a: MatRef<'_, f64>,
        data: &Data,
        start: usize,
        g: f64,
        mut out: MatMut<'_, f64>,
        rows: &mut RowGradients,
    ) {
        let (m, width) = (self.m, a.columns());
        gemm(out.reborrow(), 1.0, MatRef::row_major(self.core(), m, m), a, 0.0);
        let mut fitted = vec![0.0; width];
        gemm(MatMut::column(&mut fitted), 1.0, a.transpose(), MatRef::column(&self.gamma), 0.0);
        // aᵀ C a of each row.
        let mut inner = vec![0.0; width];
        let rows_of = start..start + width;
        let scales: Vec<f64> = rows_of.map(|i| g * data.weight(i)).collect();
        let (a_stride, out_stride) = (a.row_stride(), out.row_stride());
        for (k, gamma) in self.gamma.iter().enumerate() {
            let source = &a.data()[k * a_stride..][..width];
            let target = &mut out.data_mut()[k * out_stride..][..width];
            inner.iter_mut().zip(source).zip(target.iter()).for_each(|((sum, a), ca)| *sum += a * ca);
            let y = &data.y[start..start + width];
            target.iter_mut().zip(y).zip(&scales).for_each(|((o, y), scale)| *o = scale * (*o + gamma * y));
        }
        for j in 0..width {
            let i = start + j;
            let (w, y) = (data.weight(i), data.y[i]);
            let by_weight = 0.5 * (1.0 / w - y * y - data.kdiag[i] + inner[j]) + y * fitted[j];
            rows.kdiag[i] = -0.5 * g * w;
            rows.noise[i] = -g * w * w * by_weight;
            rows.y[i] = g * w * (fitted[j] - y);
        }
    }
}

/// Replaces a symmetric `x: [m, m]` by `L⁻ᵀ x L⁻¹`, exactly symmetric.
fn sandwich(l: &[f64], m: usize, x: &mut [f64]) {
    let lower = MatRef::row_major(l, m, m);
    trsm(Side::Left, Triangle::Upper, Diagonal::Stored, lower.transpose(), MatMut::row_major(x, m, m));
    trsm(Side::Right, Triangle::Lower, Diagonal::Stored, lower, MatMut::row_major(x, m, m));
    // Symmetric but for rounding.
    mirror_lower(MatMut::row_major(x, m, m));
}

/// Gradients with respect to what each row brings.
pub(super) struct RowGradients {
    kdiag: Vec<f64>,
    noise: Vec<f64>,
    y: Vec<f64>,
}

impl RowGradients {
    pub fn new(n: usize) -> Self {
        Self { kdiag: vec![0.0; n], noise: vec![0.0; n], y: vec![0.0; n] }
    }

    /// For `kdiag`, `noise` and `y` in these shapes.
    pub fn tensors(self, shapes: [&[usize]; 3]) -> [Option<Tensor>; 3] {
        let noise = collect_rows(self.noise, shapes[1].iter().product());
        [shaped(self.kdiag, shapes[0]), shaped(noise, shapes[1]), shaped(self.y, shapes[2])]
    }
}

/// The twin.
pub(super) fn composed(
    kuu: &Tensor,
    kuf: &Tensor,
    kdiag: &Tensor,
    noise: &Tensor,
    y: &Tensor,
    ladder: Ladder,
) -> Result<(Tensor, Jitter)> {
    let (m, n) = (kuf.size(0), kuf.size(1));
    let noise = if noise.len() == 1 { noise.reshape(&[1]).broadcast_to(&[n]) } else { noise.clone() };
    let (l, jitter) = kuu.cholesky_with(ladder)?;
    let a = l.solve_lower(kuf) / noise.sqrt().unsqueeze(0);
    let phi = a.matmul(&a.t());
    let l_b = (&phi + Tensor::eye(m, kuf.dtype())).cholesky_with(Ladder::Fixed(0.0))?.0;
    let c = l_b.solve_lower(&a.matmul(&(y / noise.sqrt()).unsqueeze(1)));
    let rows = (y.square() + kdiag) / &noise + noise.log();
    let value = phi.trace() - l_b.cholesky_log_det() + c.square().sum() - rows.sum();
    Ok((value * 0.5 - 0.5 * n as f64 * std::f64::consts::TAU.ln(), jitter))
}
