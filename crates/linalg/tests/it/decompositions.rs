use crate::support::*;
use elbo_linalg::{LinalgError, Lu, MatMut, MatRef, Real, lstsq, qr, svd, syevd};

fn eigen<T: Real>() {
    for n in [0, 1, 2, 10, 70, 150] {
        let a = covariance::<T>(n, 41);
        let found = syevd(MatRef::row_major(&a, n, n)).unwrap();
        assert!(found.values.is_sorted_by(|a, b| a <= b));
        let v = MatRef::row_major(&found.vectors, n, n);
        assert_close(&naive(v.transpose(), v), &identity(n), 16.0 * n as f64);
        let scaled: Vec<T> = (0..n * n).map(|x| found.vectors[x] * found.values[x % n]).collect();
        assert_close(&naive(MatRef::row_major(&scaled, n, n), v.transpose()), &a, 16.0 * n as f64);
    }
}

#[test]
fn eigenvectors_are_orthonormal_and_rebuild_the_matrix() {
    eigen::<f64>();
    eigen::<f32>();
}

fn singular<T: Real>() {
    for (m, n) in [(0, 3), (1, 1), (5, 3), (3, 5), (60, 20), (20, 60), (140, 140)] {
        let a = normals::<T>(m, n, 42);
        let k = m.min(n);
        let found = svd(MatRef::row_major(&a, m, n)).unwrap();
        assert!(found.s.is_sorted_by(|a, b| a >= b) && found.s.iter().all(|s| *s >= T::ZERO));
        let (u, v) = (MatRef::row_major(&found.u, m, k), MatRef::row_major(&found.v, n, k));
        assert_close(&naive(u.transpose(), u), &identity(k), 16.0 * (m + n) as f64);
        assert_close(&naive(v.transpose(), v), &identity(k), 16.0 * (m + n) as f64);
        let scaled: Vec<T> = (0..m * k).map(|x| found.u[x] * found.s[x % k]).collect();
        assert_close(&naive(MatRef::row_major(&scaled, m, k), v.transpose()), &a, 16.0 * (m + n) as f64);
    }
}

#[test]
fn singular_vectors_are_orthonormal_and_rebuild_the_matrix() {
    singular::<f64>();
    singular::<f32>();
}

fn orthogonal<T: Real>() {
    for (m, n) in [(0, 3), (1, 1), (5, 3), (3, 5), (60, 20), (20, 60), (200, 150)] {
        let a = normals::<T>(m, n, 43);
        let k = m.min(n);
        let found = qr(MatRef::row_major(&a, m, n));
        let (q, r) = (MatRef::row_major(&found.q, m, k), MatRef::row_major(&found.r, k, n));
        assert_close(&naive(q.transpose(), q), &identity(k), 16.0 * (m + n) as f64);
        assert_close(&naive(q, r), &a, 16.0 * (m + n) as f64);
        for i in 0..k {
            assert!(r.get(i, i) >= T::ZERO, "the diagonal of R is not negative");
            assert!((0..i).all(|j| r.get(i, j) == T::ZERO), "R is zero below the diagonal");
        }
    }
}

#[test]
fn an_orthogonal_basis_times_its_triangle_is_the_matrix() {
    orthogonal::<f64>();
    orthogonal::<f32>();
}

#[test]
fn lu_solves_a_general_system_and_its_transpose() {
    for n in [1, 2, 7, 90] {
        let (a, b) = (normals::<f64>(n, n, 44), normals::<f64>(n, 3, 45));
        let view = MatRef::row_major(&a, n, n);
        let lu = Lu::new(view).unwrap();
        let mut x = b.clone();
        lu.solve(MatMut::row_major(&mut x, n, 3));
        assert_close(&naive(view, MatRef::row_major(&x, n, 3)), &b, 1e5);
        let mut x = b.clone();
        lu.solve_transposed(MatMut::row_major(&mut x, n, 3));
        assert_close(&naive(view.transpose(), MatRef::row_major(&x, n, 3)), &b, 1e5);
        let singular: f64 = svd(view).unwrap().s.iter().map(|s| s.ln()).sum();
        assert!((lu.sign_and_log_det().1 - singular).abs() < 1e-10);
    }
    // det [[0, 1], [1, 0]] = -1
    assert_eq!(Lu::new(MatRef::row_major(&[0.0, 1.0, 1.0, 0.0], 2, 2)).unwrap().sign_and_log_det(), (-1.0, 0.0));
    let failure = Lu::new(MatRef::row_major(&[1.0, 2.0, 2.0, 4.0], 2, 2)).unwrap_err();
    assert_eq!(failure, LinalgError::Singular { size: 2, row: 1 });
    assert!(!elbo_core::Error::from(failure).is_recoverable());
}

#[test]
fn least_squares_leaves_an_orthogonal_residual_and_finds_the_shortest_solution() {
    for (m, n) in [(30, 5), (5, 30)] {
        let (a, b) = (normals::<f64>(m, n, 46), normals::<f64>(m, 2, 47));
        let view = MatRef::row_major(&a, m, n);
        let (x, rank) = lstsq(view, MatRef::row_major(&b, m, 2)).unwrap();
        assert_eq!(rank, m.min(n));
        let fitted = naive(view, MatRef::row_major(&x, n, 2));
        let residual: Vec<f64> = b.iter().zip(&fitted).map(|(b, f)| b - f).collect();
        let normal = naive(view.transpose(), MatRef::row_major(&residual, m, 2));
        assert_close(&normal, &vec![0.0; n * 2], 1e4);
    }
    // Two equal columns share the weight.
    let a = [1.0, 1.0, 2.0, 2.0];
    let (x, rank) = lstsq(MatRef::row_major(&a, 2, 2), MatRef::column(&[2.0, 4.0])).unwrap();
    assert_eq!(rank, 1);
    assert_close(&x, &[1.0, 1.0], 64.0);
}

#[test]
fn a_nan_is_refused_before_an_iteration_starts() {
    let a = [1.0, f64::NAN, f64::NAN, 1.0];
    let view = MatRef::row_major(&a, 2, 2);
    let expected = |e: &LinalgError| matches!(e, LinalgError::NotFinite { .. });
    assert!(
        expected(&syevd(view).unwrap_err())
            && expected(&svd(view).unwrap_err())
            && expected(&Lu::new(view).unwrap_err())
    );
}
