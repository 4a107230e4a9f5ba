//! The arithmetic of [`svgp_marginals`](super::svgp_marginals), in the symbols that stand at the top of `svgp.rs`.

use elbo_linalg::{MatMut, Shape, mirror_lower};
use rayon::prelude::*;

use super::by_rows;
use super::columns::ColumnPanels;
use super::whitening::{Whitening, multiply, sandwich};
use crate::kernels::gemm::{Columns, Packed, Start, Strided, product, product_lower};
use crate::kernels::{buffer, zeros};
use crate::tensor::Tensor;
use elbo_core::recycle::Kept;

/// Rows and columns of a block that is turned.
const BLOCK: usize = 32;

/// What the value leaves for the gradient.
pub(super) struct Marginals {
    m: usize,
    b: usize,
    latents: usize,
    whitening: Whitening,
    /// `A`.
    a: ColumnPanels,
    /// `W` of each latent function.
    spreads: Vec<ColumnPanels>,
    /// `[P, M]`.
    means: Vec<f64>,
    /// `[P, M, M]`, contiguous; of each matrix the lower triangle counts.
    chols: Tensor,
}

/// How the gradients by matrices are made of the adjoints.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    /// A product over the batch for each of them.
    Direct,
    /// All from `A diag(h) Aᵀ`.
    Gram,
}

impl Way {
    /// The one of fewer operations. A lower triangle of a product over the batch takes M²B. Directly there are P of them for the factors and one
    /// for `kuu`; otherwise P, and for each latent function a product with all of a triangle, M³, and a lower triangle of another, 2M³/3. What needs
    /// only one of the two gradients goes directly.
    fn cheaper([m, b, latents]: [usize; 3], both: bool) -> Self {
        if both && 3 * b > 5 * latents * m { Self::Gram } else { Self::Direct }
    }
}

impl Marginals {
    /// With means and variances as `[2, P, B]`. `l: [M, M]` is the factor of `kuu`, of which the lower triangle counts, `means: [P, M]` and
    /// `chols: [P, M, M]`.
    pub fn new(
        l: &[f64],
        kuf: &[f64],
        kff: &[f64],
        (means, chols): (Vec<f64>, Tensor),
        [m, b, latents]: [usize; 3],
    ) -> (Self, Vec<f64>) {
        let whitening = Whitening::new(l, m);
        let a = whitening.whiten(kuf, b);
        let mut out = Self { m, b, latents, whitening, a, spreads: vec![], means, chols };
        let mut value = vec![0.0; 2 * latents * b];
        let (fm, fv) = value.split_at_mut(latents * b);
        // kff - colsum(A²)
        let mut missing = kff.to_vec();
        out.a.add_squares(-1.0, &mut missing);
        for p in 0..latents {
            out.a.transposed_times(&out.means[p * m..(p + 1) * m], &mut fm[p * b..(p + 1) * b]);
            let spread = ColumnPanels::product(&out.factor_transposed(p), m, &out.a.columns(None));
            let fv = &mut fv[p * b..(p + 1) * b];
            fv.copy_from_slice(&missing);
            spread.add_squares(1.0, fv);
            out.spreads.push(spread);
        }
        (out, value)
    }

    /// Gradients by `kuu`, `kuf`, `kff`, the means and the factors, those that are wanted, from `[2, P, B]` adjoints of the values.
    pub fn gradients(&self, adjoints: &[f64], wanted: &[bool]) -> [Option<Vec<f64>>; 5] {
        let way = Way::cheaper([self.m, self.b, self.latents], wanted[0] && wanted[4]);
        self.gradients_by(way, adjoints, wanted)
    }

    fn gradients_by(&self, way: Way, adjoints: &[f64], wanted: &[bool]) -> [Option<Vec<f64>>; 5] {
        let (m, b) = (self.m, self.b);
        let (g, h) = adjoints.split_at(self.latents * b);
        let dm: Vec<f64> = (0..self.latents).flat_map(|p| self.a.times(&g[p * b..(p + 1) * b])).collect();
        let total: Vec<f64> = (0..b).map(|j| (0..self.latents).map(|p| h[p * b + j]).sum()).collect();
        let doubled: Vec<f64> = h.iter().map(|h| 2.0 * h).collect();
        let da = (wanted[1] || (wanted[0] && way == Way::Direct)).then(|| self.by_whitened(g, &doubled, &total));
        let (inner, dr) = match way {
            Way::Direct => {
                let inner = da.as_ref().filter(|_| wanted[0]).map(|da| self.inner(da));
                (inner, wanted[4].then(|| self.by_factors(&doubled)))
            }
            Way::Gram => {
                let (inner, dr) = self.by_gram(h, &dm);
                (Some(inner), Some(dr))
            }
        };
        let transposed = (wanted[0] || wanted[1]).then(|| self.whitening.transposed());
        let dkuu = inner.zip(transposed.as_ref()).map(|(mut inner, transposed)| {
            mirror_lower(MatMut::row_major(&mut inner, m, m));
            sandwich(transposed, m, &mut inner);
            inner
        });
        let dkuf = da.filter(|_| wanted[1]).zip(transposed.as_ref()).map(|(da, transposed)| {
            let mut out: Vec<f64> = buffer(m * b);
            product(transposed, &da.columns(None), b, (&mut out[..], b, Columns::Plain), Start::Zero, true);
            out
        });
        [dkuu, dkuf, Some(total), Some(dm), dr]
    }

    /// `dA = Σ_p m gᵀ + 2 (R W - A) diag(h)`.
    fn by_whitened(&self, g: &[f64], doubled: &[f64], total: &[f64]) -> ColumnPanels {
        let lost: Vec<f64> = total.iter().map(|h| -2.0 * h).collect();
        let mut da = self.a.scaled_plus(&lost, (&self.means[..], g));
        for (p, spread) in self.spreads.iter().enumerate() {
            let factors = &doubled[p * self.b..(p + 1) * self.b];
            da.add_product(&self.factor(p), &spread.columns(Some(factors)));
        }
        da
    }

    /// `dR = tril(2 A diag(h) Wᵀ)` of each latent function.
    fn by_factors(&self, doubled: &[f64]) -> Vec<f64> {
        let (m, b) = (self.m, self.b);
        let a = Packed::new(&self.a.rows(None), m, b);
        let mut dr: Vec<f64> = buffer(self.latents * m * m);
        for (p, (spread, out)) in self.spreads.iter().zip(dr.chunks_exact_mut((m * m).max(1))).enumerate() {
            product_lower(&a, &spread.rows(Some(&doubled[p * b..(p + 1) * b])), out);
            by_rows(out, m, |i, row| row[i + 1..].fill(0.0));
        }
        dr
    }

    /// Lower triangle of `-½ dA Aᵀ`; what stands above is arbitrary.
    fn inner(&self, da: &ColumnPanels) -> Vec<f64> {
        let (m, b) = (self.m, self.b);
        let mut inner: Vec<f64> = buffer(m * m);
        product_lower(&Packed::new(&da.rows(None), m, b), &self.a.rows(None), &mut inner);
        by_rows(&mut inner, m, |i, row| row[..=i].iter_mut().for_each(|v| *v *= -0.5));
        inner
    }

    /// [`Marginals::inner`] and [`Marginals::by_factors`] from `G = A diag(h) Aᵀ` and `T = Rᵀ G` of each latent function: `dR = 2 tril(Tᵀ)` and
    /// `-½ dA Aᵀ = Σ_p G - R T - ½ m dmᵀ`.
    fn by_gram(&self, h: &[f64], dm: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let (m, b) = (self.m, self.b);
        let a = Packed::new(&self.a.rows(None), m, b);
        let mut inner: Vec<f64> = zeros(m * m);
        let mut dr: Vec<f64> = buffer(self.latents * m * m);
        let [mut gram, mut turned, mut spread]: [Kept<f64>; 3] = std::array::from_fn(|_| Kept::new(m * m));
        for (p, dr) in dr.chunks_exact_mut((m * m).max(1)).enumerate() {
            product_lower(&a, &self.a.rows(Some(&h[p * b..(p + 1) * b])), &mut gram);
            mirror_lower(MatMut::row_major(&mut gram, m, m));
            multiply(&self.factor_transposed(p), &gram, m, Start::Zero, &mut turned);
            product_lower(&self.factor(p), &Strided { data: &turned[..], lines: m, line: 1, step: m }, &mut spread);
            let (mean, dm) = (&self.means[p * m..(p + 1) * m], &dm[p * m..(p + 1) * m]);
            by_rows(&mut inner, m, |i, row| {
                let own = i * m..=i * m + i;
                let products = gram[own.clone()].iter().zip(&spread[own]).zip(dm);
                for (v, ((gram, spread), dm)) in row.iter_mut().zip(products) {
                    *v += gram - spread - 0.5 * mean[i] * dm;
                }
            });
            twice_lower_of_transposed(&turned, m, dr);
        }
        (inner, dr)
    }

    /// `R` of latent function `p`.
    fn factor(&self, p: usize) -> Packed<f64> {
        let m = self.m;
        let data = &self.chols.row_major::<f64>()[p * m * m..(p + 1) * m * m];
        Packed::triangle(Strided { data, lines: m, line: m, step: 1 }, Shape::Lower)
    }

    /// `Rᵀ` of latent function `p`.
    fn factor_transposed(&self, p: usize) -> Packed<f64> {
        let m = self.m;
        let data = &self.chols.row_major::<f64>()[p * m * m..(p + 1) * m * m];
        Packed::triangle(Strided { data, lines: m, line: 1, step: m }, Shape::Upper)
    }
}

/// `2 tril(xᵀ)` into `out`, both `[M, M]`.
fn twice_lower_of_transposed(x: &[f64], m: usize, out: &mut [f64]) {
    out.par_chunks_mut((BLOCK * m).max(1)).enumerate().for_each(|(block, rows)| {
        for start in (0..m).step_by(BLOCK) {
            for (i, row) in (block * BLOCK..).zip(rows.chunks_exact_mut(m)) {
                for j in start..m.min(start + BLOCK) {
                    row[j] = if j <= i { 2.0 * x[j * m + i] } else { 0.0 };
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waves(count: usize, rate: f64) -> Vec<f64> {
        (0..count).map(|i| (i as f64 * rate + 0.3).sin()).collect()
    }

    /// A problem of `P` latent functions with a well-conditioned factor.
    fn marginals([m, b, latents]: [usize; 3]) -> Marginals {
        let mut l = waves(m * m, 0.7);
        (0..m * m).for_each(|at| l[at] *= if at % m <= at / m { 0.3 / m as f64 } else { 0.0 });
        (0..m).for_each(|i| l[i * m + i] += 1.0);
        let chols = Tensor::from_vec(waves(latents * m * m, 1.3), &[latents, m, m]);
        let posterior = (waves(latents * m, 0.4), chols);
        Marginals::new(&l, &waves(m * b, 0.9), &vec![2.0; b], posterior, [m, b, latents]).0
    }

    #[test]
    fn both_ways_to_the_gradients_agree() {
        for size in [[1, 1, 1], [7, 5, 2], [40, 133, 1], [65, 64, 3]] {
            let problem = marginals(size);
            let adjoints = waves(2 * size[2] * size[1], 2.1);
            let [direct, gram] = [Way::Direct, Way::Gram].map(|way| problem.gradients_by(way, &adjoints, &[true; 5]));
            for (i, (direct, gram)) in direct.iter().zip(&gram).enumerate() {
                let (direct, gram) = (direct.as_ref().unwrap(), gram.as_ref().unwrap());
                let scale = direct.iter().fold(1.0f64, |most, v| most.max(v.abs()));
                assert_eq!(direct.len(), gram.len(), "input {i} of {size:?}");
                for (at, (d, g)) in direct.iter().zip(gram).enumerate() {
                    assert!((d - g).abs() < 1e-12 * scale, "input {i} of {size:?}, entry {at}: {d} and {g}");
                }
            }
        }
    }

    #[test]
    fn the_way_follows_the_count_of_operations() {
        let way = |size| Way::cheaper(size, true);
        assert_eq!((way([500, 1024, 1]), way([500, 256, 1])), (Way::Gram, Way::Direct));
        // 3 B = 5 P M is as many either way.
        assert_eq!((way([30, 100, 2]), way([30, 101, 2])), (Way::Direct, Way::Gram));
        assert_eq!(Way::cheaper([500, 1024, 1], false), Way::Direct);
    }
}
