use crate::support::*;
use elbo_linalg::{
    Ladder, LinalgError, MatMut, MatRef, Real, cholesky_in_place, cholesky_with_jitter, log_det_from_factor,
    pivoted_cholesky, potrf, potri, potri_lower,
};

fn residuals<T: Real>() {
    for n in [1, 2, 3, 16, 65, 129, 300, 513, 600] {
        let a = covariance::<T>(n, 31);
        let view = MatRef::row_major(&a, n, n);
        let mut l = a.clone();
        potrf(MatMut::row_major(&mut l, n, n), true).unwrap();
        let factor = MatRef::row_major(&l, n, n);
        assert_close(&product(factor, factor.transpose()), &a, 8.0 * n as f64);
        assert!((0..n).all(|i| (i + 1..n).all(|j| factor.get(i, j) == T::ZERO)), "the upper part is not cleared");
        // The inverse and the log-determinant follow from the factor.
        let mut inverse = vec![T::ZERO; n * n];
        potri(MatMut::row_major(&mut inverse, n, n), factor);
        assert_close(&product(view, MatRef::row_major(&inverse, n, n)), &identity(n), 64.0 * n as f64);
        let log_det: f64 = elbo_linalg::syevd(view).unwrap().values.iter().map(|v| v.to_f64().ln()).sum();
        assert!((log_det_from_factor(factor) - log_det).abs() <= 64.0 * n as f64 * T::EPSILON.to_f64(), "{n}");
        // The other storage order.
        let mut columns = a.clone();
        potrf(MatMut::column_major(&mut columns, n, n), true).unwrap();
        assert_close(&MatRef::column_major(&columns, n, n).to_row_major(), &l, 8.0 * n as f64);
    }
}

#[test]
fn a_factor_times_its_transpose_is_the_matrix() {
    residuals::<f64>();
    residuals::<f32>();
}

#[test]
fn a_lower_inverse_leaves_the_upper_triangle_alone() {
    for n in [1, 40, 96, 97, 200] {
        let a = covariance::<f64>(n, 39);
        let cholesky = cholesky_with_jitter(MatRef::row_major(&a, n, n), Ladder::Fixed(0.0)).unwrap();
        let both = cholesky.inverse();
        let mut lower = vec![7.0; n * n];
        potri_lower(MatMut::row_major(&mut lower, n, n), cholesky.factor());
        for i in 0..n {
            assert_eq!(lower[i * n..=i * n + i], both[i * n..=i * n + i]);
            assert!(lower[i * n + i + 1..(i + 1) * n].iter().all(|v| *v == 7.0));
        }
    }
}

#[test]
fn only_the_lower_triangle_is_read_and_the_upper_kept_when_asked() {
    for n in [40, 300, 600] {
        let a = covariance::<f64>(n, 32);
        let mut l = a.clone();
        potrf(MatMut::row_major(&mut l, n, n), true).unwrap();
        let mut spoilt = a.clone();
        (0..n).for_each(|i| (i + 1..n).for_each(|j| spoilt[i * n + j] = 7.0));
        potrf(MatMut::row_major(&mut spoilt, n, n), false).unwrap();
        for i in 0..n {
            assert_eq!(spoilt[i * n..=i * n + i], l[i * n..=i * n + i]);
            assert!(spoilt[i * n + i + 1..(i + 1) * n].iter().all(|v| *v == 7.0));
        }
        // Of a symmetric matrix in column order, the other triangle is above.
        let mut columns = a.clone();
        (0..n).for_each(|i| columns[i * n..i * n + i].fill(7.0));
        potrf(MatMut::column_major(&mut columns, n, n), false).unwrap();
        for i in 0..n {
            assert!(columns[i * n..i * n + i].iter().all(|v| *v == 7.0), "above row {i} of {n}");
            assert!((i..n).all(|j| (columns[i * n + j] - l[j * n + i]).abs() < 1e-12), "column {i} of {n}");
        }
    }
}

#[test]
fn the_failing_row_is_named() {
    for (n, bad) in [(4, 2), (200, 150), (700, 650)] {
        let mut a = identity::<f64>(n);
        a[bad * n + bad] = -1.0;
        let failure = potrf(MatMut::row_major(&mut a, n, n), true).unwrap_err();
        assert_eq!(failure, LinalgError::NotPositiveDefinite { size: n, row: bad, jitter: 0.0 });
    }
}

#[test]
fn solving_multiplies_back_and_the_inverse_agrees() {
    let (n, m) = (60, 4);
    let a = covariance::<f64>(n, 33);
    let b = normals::<f64>(n, m, 34);
    let cholesky = cholesky_with_jitter(MatRef::row_major(&a, n, n), Ladder::standard::<f64>()).unwrap();
    assert_eq!(cholesky.jitter().absolute, 0.0);
    let mut x = b.clone();
    cholesky.solve(MatMut::row_major(&mut x, n, m));
    assert_close(&naive(MatRef::row_major(&a, n, n), MatRef::row_major(&x, n, m)), &b, 1e3);
    let inverse = cholesky.inverse();
    assert_close(&naive(MatRef::row_major(&inverse, n, n), MatRef::row_major(&b, n, m)), &x, 1e3);
}

/// Correlations of points so close together that rounding makes the matrix indefinite.
fn nearly_singular<T: Real>(n: usize) -> Vec<T> {
    (0..n * n).map(|x| T::from_f64((-0.5 * ((x / n) as f64 - (x % n) as f64).powi(2) * 1e-4).exp())).collect()
}

#[test]
fn the_first_sufficient_jitter_is_found_and_can_be_fixed() {
    let n = 120;
    let a = nearly_singular::<f64>(n);
    let view = MatRef::row_major(&a, n, n);
    let climbed = cholesky_with_jitter(view, Ladder::standard::<f64>()).unwrap();
    let rung = climbed.jitter().relative;
    assert!([1e-10, 1e-8].contains(&rung), "{rung}");
    let fixed = cholesky_with_jitter(view, Ladder::Fixed(rung)).unwrap();
    assert_eq!(climbed, fixed);
    // It is the factor of the jittered matrix.
    let mut jittered = a.clone();
    (0..n).for_each(|i| jittered[i * n + i] += climbed.jitter().absolute);
    assert_close(&product(climbed.factor(), climbed.factor().transpose()), &jittered, 8.0 * n as f64);
    // f32 starts higher.
    let a = nearly_singular::<f32>(n);
    let climbed = cholesky_with_jitter(MatRef::row_major(&a, n, n), Ladder::standard::<f32>()).unwrap();
    assert!(climbed.jitter().relative >= 1e-6);
}

#[test]
fn an_indefinite_matrix_fails_above_the_last_rung_with_a_remedy() {
    let a = [1.0, 2.0, 2.0, 1.0];
    let failure = cholesky_with_jitter(MatRef::row_major(&a, 2, 2), Ladder::standard::<f64>()).unwrap_err();
    assert_eq!(failure, LinalgError::NotPositiveDefinite { size: 2, row: 1, jitter: 1e-4 });
    let shown: elbo_core::Error = failure.into();
    assert!(shown.is_recoverable());
    assert_eq!(
        shown.to_string(),
        "the 2x2 matrix is not positive definite at row 1, even with jitter 1e-4 of its mean diagonal"
    );
    assert!(shown.remedy().contains("repeated inputs"));
}

#[test]
fn a_nan_or_an_infinity_is_named_by_its_place() {
    for value in [f64::NAN, f64::INFINITY] {
        for n in [5, 600] {
            let mut a = covariance::<f64>(n, 35);
            a[3 * n + 1] = value;
            a[n + 3] = value;
            let failure = cholesky_with_jitter(MatRef::row_major(&a, n, n), Ladder::standard::<f64>()).unwrap_err();
            assert!(matches!(failure, LinalgError::NotFinite { row: 1, column: 3, .. }), "{failure}");
            assert!(cholesky_in_place(&mut a, n, Ladder::Fixed(1e-6), true).is_err());
        }
    }
}

#[test]
fn an_appended_row_gives_the_factor_of_the_larger_matrix() {
    let n = 30;
    let a = covariance::<f64>(n + 1, 36);
    let large = MatRef::row_major(&a, n + 1, n + 1);
    let mut cholesky = cholesky_with_jitter(large.block(0, 0, n, n), Ladder::Fixed(0.0)).unwrap();
    let column: Vec<f64> = (0..n).map(|i| large.get(i, n)).collect();
    cholesky.append(&column, large.get(n, n)).unwrap();
    let refit = cholesky_with_jitter(large, Ladder::Fixed(0.0)).unwrap();
    assert_close(&cholesky.into_factor(), &refit.into_factor(), 64.0);
    // From nothing, and a row that says nothing new.
    let mut cholesky = cholesky_with_jitter(MatRef::<f64>::row_major(&[], 0, 0), Ladder::Fixed(0.0)).unwrap();
    cholesky.append(&[], 4.0).unwrap();
    let failure = cholesky.append(&[4.0], 4.0).unwrap_err();
    assert_eq!(failure, LinalgError::NotPositiveDefinite { size: 2, row: 1, jitter: 0.0 });
    assert_eq!(cholesky.into_factor(), [2.0]);
}

#[test]
fn a_pivoted_factor_is_exact_at_full_rank_and_leaves_the_stated_trace() {
    let n = 50;
    let a = covariance::<f64>(n, 37);
    let diagonal: Vec<f64> = (0..n).map(|i| a[i * n + i]).collect();
    let column = |i: usize, out: &mut [f64]| out.copy_from_slice(&a[i * n..(i + 1) * n]);
    let full = pivoted_cholesky(&diagonal, column, 0.0, n).unwrap();
    let factor = MatRef::row_major(&full.factor, n, n);
    assert_close(&naive(factor.transpose(), factor), &a, 1e3);
    let partial = pivoted_cholesky(&diagonal, column, 1e-12, 10).unwrap();
    let factor = MatRef::row_major(&partial.factor, 10, n);
    let back = naive(factor.transpose(), factor);
    let left: f64 = (0..n).map(|i| a[i * n + i] - back[i * n + i]).sum();
    assert!((left - partial.residual).abs() < 1e-10);
    for &p in &partial.pivots {
        assert_close(&back[p * n..(p + 1) * n], &a[p * n..(p + 1) * n], 1e3);
    }
}

#[test]
fn a_pivoted_factor_stops_at_the_rank_or_the_tolerance() {
    let (n, rank) = (40, 3);
    let f = normals::<f64>(n, rank, 38);
    let a = naive(MatRef::row_major(&f, n, rank), MatRef::row_major(&f, n, rank).transpose());
    let diagonal: Vec<f64> = (0..n).map(|i| a[i * n + i]).collect();
    let found = pivoted_cholesky(&diagonal, |i, out| out.copy_from_slice(&a[i * n..(i + 1) * n]), 1e-12, n).unwrap();
    assert_eq!(found.pivots.len(), rank);
    assert!(found.residual < 1e-10);
    let nan = pivoted_cholesky(&[1.0, f64::NAN], |_, _| (), 0.0, 2);
    assert!(matches!(nan, Err(LinalgError::NotFinite { row: 1, .. })));
}
