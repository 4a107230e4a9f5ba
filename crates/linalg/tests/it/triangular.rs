use crate::support::*;
use elbo_linalg::{Diagonal, MatMut, MatRef, Real, Side, Triangle, triangular_inverse, trsm};

/// A triangular matrix that is far from singular, with rubbish in the other triangle.
fn triangle<T: Real>(n: usize, which: Triangle, diagonal: Diagonal) -> (Vec<T>, Vec<T>) {
    let noise = normals::<T>(n, n, 21);
    let (mut stored, mut meant) = (vec![T::ZERO; n * n], vec![T::ZERO; n * n]);
    for x in 0..n * n {
        let (i, j) = (x / n, x % n);
        let inside = if which == Triangle::Lower { i > j } else { i < j };
        let value = if i == j { T::from_f64(2.0) + noise[x].abs() } else { noise[x] / T::from_f64(n as f64) };
        stored[x] = if i == j && diagonal == Diagonal::Unit { T::from_f64(f64::NAN) } else { value };
        meant[x] = match (i == j, inside) {
            (true, _) if diagonal == Diagonal::Unit => T::ONE,
            (true, _) | (_, true) => value,
            _ => T::ZERO,
        };
    }
    (stored, meant)
}

fn every_case<T: Real>() {
    for n in [1, 2, 5, 31, 97] {
        for m in [1, 3, 70] {
            for which in [Triangle::Lower, Triangle::Upper] {
                for diagonal in [Diagonal::Stored, Diagonal::Unit] {
                    let (stored, meant) = triangle::<T>(n, which, diagonal);
                    let (stored, meant) = (MatRef::row_major(&stored, n, n), MatRef::row_major(&meant, n, n));
                    for transposed in [false, true] {
                        let (a, exact) =
                            if transposed { (stored.transpose(), meant.transpose()) } else { (stored, meant) };
                        let read = if transposed { which.transpose() } else { which };
                        let b = normals::<T>(n, m, 22);
                        let mut x = b.clone();
                        trsm(Side::Left, read, diagonal, a, MatMut::row_major(&mut x, n, m));
                        assert_close(&naive(exact, MatRef::row_major(&x, n, m)), &b, 64.0);
                        let mut x = b.clone();
                        trsm(Side::Right, read, diagonal, a, MatMut::row_major(&mut x, m, n));
                        assert_close(&naive(MatRef::row_major(&x, m, n), exact), &b, 64.0);
                        let mut x = b.clone();
                        trsm(Side::Left, read, diagonal, a, MatMut::column_major(&mut x, n, m));
                        assert_close(
                            &naive(exact, MatRef::column_major(&x, n, m)),
                            &MatRef::column_major(&b, n, m).to_row_major(),
                            64.0,
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn multiplying_back_a_triangular_solution_gives_the_right_hand_side() {
    every_case::<f64>();
    every_case::<f32>();
}

#[test]
fn a_triangle_times_its_inverse_is_the_identity() {
    for n in [1, 2, 33, 100] {
        for which in [Triangle::Lower, Triangle::Upper] {
            let (stored, meant) = triangle::<f64>(n, which, Diagonal::Stored);
            let mut inverse = vec![0.0; n * n];
            triangular_inverse(
                MatMut::row_major(&mut inverse, n, n),
                which,
                Diagonal::Stored,
                MatRef::row_major(&stored, n, n),
            );
            let back = naive(MatRef::row_major(&meant, n, n), MatRef::row_major(&inverse, n, n));
            assert_close(&back, &identity(n), 64.0);
        }
    }
}

#[test]
fn nothing_is_done_without_rows_or_right_hand_sides() {
    let a = [1.0];
    trsm(Side::Left, Triangle::Lower, Diagonal::Stored, MatRef::row_major(&a, 1, 1), MatMut::row_major(&mut [], 1, 0));
    trsm::<f64>(
        Side::Left,
        Triangle::Lower,
        Diagonal::Stored,
        MatRef::row_major(&[], 0, 0),
        MatMut::row_major(&mut [], 0, 3),
    );
}
