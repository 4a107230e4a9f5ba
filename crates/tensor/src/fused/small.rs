//! The inverse of a small covariance, by rows in one thread: below some hundred rows the library's recursion costs more than its
//! arithmetic, and a sampler of hyperparameters inverts thousands of such matrices a second.

use elbo_linalg::multiversion;

/// Rows up to which [`inverse_by_rows`] is the faster way.
pub(super) const SMALL: usize = 96;

/// `out += Σ_k factors[k] rows[k]`, over the length of `out`.
#[inline(always)]
fn add<const FMA: bool, const N: usize>(factors: [f64; N], rows: [&[f64]; N], out: &mut [f64]) {
    let rows = rows.map(|row| &row[..out.len()]);
    for (i, o) in out.iter_mut().enumerate() {
        for (factor, row) in factors.iter().zip(rows) {
            *o = if FMA { factor.mul_add(row[i], *o) } else { factor * row[i] + *o };
        }
    }
}

multiversion! {
    /// Lower triangle of `(L Lᵀ)⁻¹` into `out: [n, n]`, from the lower triangle of `l: [n, n]`. `half` becomes `L⁻¹`. Both must be zeros.
    pub(super) fn inverse_by_rows[FMA](l: &[f64], n: usize, half: &mut [f64], out: &mut [f64]) {
        for i in 0..n {
            let (above, rest) = half.split_at_mut(i * n);
            let (own, factors) = (&mut rest[..=i], &l[i * n..=i * n + i]);
            // What stands above the diagonal of earlier rows is zero, so four of them go together.
            let mut k = 0;
            while k + 4 <= i {
                let rows = std::array::from_fn(|r| &above[(k + r) * n..(k + r + 1) * n]);
                let scales = std::array::from_fn::<f64, 4, _>(|r| -factors[k + r]);
                add::<FMA, 4>(scales, rows, &mut own[..k + 4]);
                k += 4;
            }
            for k in k..i {
                add::<FMA, 1>([-factors[k]], [&above[k * n..(k + 1) * n]], &mut own[..=k]);
            }
            let scale = 1.0 / factors[i];
            own[..i].iter_mut().for_each(|o| *o *= scale);
            own[i] = scale;
        }
        let mut i = 0;
        while i + 4 <= n {
            let rows: [&[f64]; 4] = std::array::from_fn(|r| &half[(i + r) * n..(i + r + 1) * n]);
            for j in 0..i + 4 {
                add::<FMA, 4>(rows.map(|row| row[j]), rows, &mut out[j * n..=j * n + j]);
            }
            i += 4;
        }
        for i in i..n {
            let row = &half[i * n..(i + 1) * n];
            for j in 0..=i {
                add::<FMA, 1>([row[j]], [row], &mut out[j * n..=j * n + j]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_linalg::{Ladder, MatMut, MatRef, cholesky_in_place, potri};

    #[test]
    fn the_inverse_by_rows_is_the_library_s() {
        for n in [1, 2, 3, 4, 5, 31, SMALL] {
            let mut l: Vec<f64> = (0..n * n).map(|at| (-0.5 * (at / n).abs_diff(at % n).pow(2) as f64).exp()).collect();
            (0..n).for_each(|i| l[i * n + i] += 0.1);
            cholesky_in_place(&mut l, n, Ladder::Fixed(0.0), true).unwrap();
            let mut expected = vec![0.0; n * n];
            potri(MatMut::row_major(&mut expected, n, n), MatRef::row_major(&l, n, n));
            let (mut half, mut found) = (vec![0.0; n * n], vec![0.0; n * n]);
            inverse_by_rows(&l, n, &mut half, &mut found);
            for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))) {
                let wanted = if j <= i { expected[i * n + j] } else { 0.0 };
                assert!((found[i * n + j] - wanted).abs() < 1e-12, "{n} rows, ({i}, {j})");
            }
        }
    }
}
