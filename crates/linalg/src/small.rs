//! The inverse of a small covariance, by rows in one thread: below some hundred rows the library's recursion costs more than its
//! arithmetic, and a sampler of hyperparameters inverts thousands of such matrices a second.

use crate::view::{MatMut, MatRef};

/// Rows up to which [`crate::potri`] works by rows, in double precision; what is larger goes to the library.
pub const BY_ROWS: usize = 96;

/// Lower triangle of the inverse of `L L^T`; the strictly upper part of `out` is not touched.
pub(crate) fn potri(mut out: MatMut<'_, f64>, l: MatRef<'_, f64>) {
    let n = l.rows();
    let copy;
    let l: &[f64] = if l.column_stride() == 1 && l.row_stride() == n {
        &l.data()[..n * n]
    } else {
        copy = l.to_row_major();
        &copy
    };
    let mut half = vec![0.0; n * n];
    if out.column_stride() == 1 && out.row_stride() == n {
        let out = &mut out.data_mut()[..n * n];
        (0..n).for_each(|i| out[i * n..=i * n + i].fill(0.0));
        return inverse_by_rows(l, n, &mut half, out);
    }
    let mut rows = vec![0.0; n * n];
    inverse_by_rows(l, n, &mut half, &mut rows);
    for i in 0..n {
        for j in 0..=i {
            out.set(i, j, rows[i * n + j]);
        }
    }
}

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

crate::multiversion! {
    /// Lower triangle of `(L Lᵀ)⁻¹` into `out: [n, n]`, from the lower triangle of `l: [n, n]`. `half` becomes `L⁻¹`. All of `half`, and
    /// of `out` the lower triangle, must be zeros.
    fn inverse_by_rows[FMA](l: &[f64], n: usize, half: &mut [f64], out: &mut [f64]) {
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
    use super::BY_ROWS;
    use crate::threads::Threads;
    use crate::{MatMut, MatRef, library, potrf, potri_lower};

    #[test]
    fn a_small_inverse_is_the_library_s_in_every_layout() {
        for n in [1, 2, 3, 4, 5, 31, BY_ROWS, BY_ROWS + 1] {
            let mut l: Vec<f64> = (0..n * n).map(|at| (-0.5 * (at / n).abs_diff(at % n).pow(2) as f64).exp()).collect();
            (0..n).for_each(|i| l[i * n + i] += 0.1);
            // What stands above the diagonal stays, and is to be ignored.
            potrf(MatMut::row_major(&mut l, n, n), false).unwrap();
            let factor = MatRef::row_major(&l, n, n);
            let mut expected = vec![7.0; n * n];
            library::potri(MatMut::row_major(&mut expected, n, n), factor, Threads::All);
            let mut found = vec![7.0; n * n];
            potri_lower(MatMut::row_major(&mut found, n, n), factor);
            for (i, j) in (0..n).flat_map(|i| (0..n).map(move |j| (i, j))) {
                let wanted = if j <= i { expected[i * n + j] } else { 7.0 };
                assert!((found[i * n + j] - wanted).abs() < 1e-12, "{n} rows, ({i}, {j})");
            }
            let columns: Vec<f64> = (0..n * n).map(|at| l[(at % n) * n + at / n]).collect();
            let mut wide = vec![7.0; (n + 2) * (n + 1)];
            let block = MatMut::column_major(&mut wide, n + 2, n + 1).block(2, 1, n, n);
            potri_lower(block, MatRef::column_major(&columns, n, n));
            let seen = MatRef::column_major(&wide, n + 2, n + 1).block(2, 1, n, n).to_row_major();
            assert!(n > BY_ROWS || seen == found, "{n} rows in column order have other bits");
            assert!(seen.iter().zip(&found).all(|(s, f)| (s - f).abs() < 1e-12), "{n} rows in column order");
        }
    }
}
