use crate::support::*;
use elbo_linalg::{MatMut, MatRef, Real, Shape, gemm, gemm_batched, gemm_structured, mirror_lower, syrk_lower, vector};

fn every_size_and_stride<T: Real>() {
    let sizes = [(1, 1, 1), (3, 1, 5), (1, 4, 3), (7, 5, 1), (17, 9, 33), (64, 65, 66), (5, 1, 700), (1, 300, 200)];
    for (m, n, k) in sizes {
        let (a, b, c) = (normals::<T>(m, k, 1), normals::<T>(k, n, 2), normals::<T>(m, n, 3));
        // The same operands stored the other way round.
        let at: Vec<T> = MatRef::row_major(&a, m, k).transpose().to_row_major();
        let bt: Vec<T> = MatRef::row_major(&b, k, n).transpose().to_row_major();
        let (a, at) = (MatRef::row_major(&a, m, k), MatRef::row_major(&at, k, m).transpose());
        let (b, bt) = (MatRef::row_major(&b, k, n), MatRef::row_major(&bt, n, k).transpose());
        let exact = naive(a, b);
        for (a, b) in [(a, b), (at, b), (a, bt), (at, bt)] {
            for (alpha, beta) in [(1.0, 0.0), (1.0, 1.0), (-0.5, 2.0)] {
                let (alpha, beta) = (T::from_f64(alpha), T::from_f64(beta));
                let expected: Vec<T> = exact.iter().zip(&c).map(|(p, c)| alpha * *p + beta * *c).collect();
                let mut out = c.clone();
                gemm(MatMut::row_major(&mut out, m, n), alpha, a, b, beta);
                assert_close(&out, &expected, 16.0 * (k as f64).sqrt());
                // Into columns, and into a block of a larger matrix.
                let mut columns = MatRef::row_major(&c, m, n).transpose().to_row_major();
                gemm(MatMut::column_major(&mut columns, m, n), alpha, a, b, beta);
                assert_close(&MatRef::column_major(&columns, m, n).to_row_major(), &expected, 16.0 * (k as f64).sqrt());
                let mut large = vec![T::ONE; (m + 2) * (n + 3)];
                let mut block = MatMut::row_major(&mut large, m + 2, n + 3).block(1, 2, m, n);
                block.copy_from(MatRef::row_major(&c, m, n));
                gemm(block, alpha, a, b, beta);
                let large = MatRef::row_major(&large, m + 2, n + 3);
                assert_close(&large.block(1, 2, m, n).to_row_major(), &expected, 16.0 * (k as f64).sqrt());
                assert!(large.get(0, 0) == T::ONE && large.get(m + 1, n + 2) == T::ONE, "written outside of the block");
            }
        }
    }
}

#[test]
fn products_match_three_loops() {
    every_size_and_stride::<f64>();
    every_size_and_stride::<f32>();
}

#[test]
fn an_empty_sum_clears_and_an_empty_result_is_left() {
    let mut c = vec![f64::NAN; 6];
    gemm(MatMut::row_major(&mut c, 2, 3), 1.0, MatRef::row_major(&[], 2, 0), MatRef::row_major(&[], 0, 3), 0.0);
    assert_eq!(c, [0.0; 6]);
    let mut c = vec![1.0; 6];
    gemm(MatMut::row_major(&mut c, 2, 3), 1.0, MatRef::row_major(&[], 2, 0), MatRef::row_major(&[], 0, 3), 0.5);
    assert_eq!(c, [0.5; 6]);
    gemm(MatMut::row_major(&mut [], 0, 3), 1.0, MatRef::row_major(&[], 0, 2), MatRef::row_major(&c, 2, 3), 0.0);
}

#[test]
fn a_zero_beta_does_not_read_the_result() {
    for n in [1, 2, 40] {
        let a = normals::<f64>(n, n, 4);
        let mut c = vec![f64::NAN; n * n];
        let a = MatRef::row_major(&a, n, n);
        gemm(MatMut::row_major(&mut c, n, n), 1.0, a, a, 0.0);
        assert_close(&c, &naive(a, a), 64.0);
    }
}

#[test]
fn a_stride_of_zero_repeats_a_row() {
    let row = [1.0, 2.0, 3.0];
    let b = normals::<f64>(3, 4, 5);
    let repeated = MatRef::strided(&row, 5, 3, 0, 1);
    assert_close(&product(repeated, MatRef::row_major(&b, 3, 4)), &naive(repeated, MatRef::row_major(&b, 3, 4)), 16.0);
}

fn triangles<T: Real>() {
    use Shape::{Full, Lower, Upper};
    for n in [1, 5, 48, 130] {
        let (a, b, c) = (normals::<T>(n, n, 6), normals::<T>(n, n, 7), normals::<T>(n, n, 8));
        let keep = |shape, values: &[T]| -> Vec<T> {
            (0..n * n)
                .map(|x| match shape {
                    Lower if x / n < x % n => T::ZERO,
                    Upper if x / n > x % n => T::ZERO,
                    _ => values[x],
                })
                .collect()
        };
        for shapes in [
            (Lower, Full, Full),
            (Full, Lower, Full),
            (Full, Full, Upper),
            (Lower, Upper, Lower),
            (Upper, Lower, Upper),
        ] {
            let (ka, kb) = (keep(shapes.1, &a), keep(shapes.2, &b));
            let exact = naive(MatRef::row_major(&ka, n, n), MatRef::row_major(&kb, n, n));
            for beta in [0.0, 1.0, 3.0] {
                let beta = T::from_f64(beta);
                let mut out = c.clone();
                let (a, b) = (MatRef::row_major(&a, n, n), MatRef::row_major(&b, n, n));
                let target = (shapes.0, MatMut::row_major(&mut out, n, n));
                gemm_structured(target, T::ONE, (shapes.1, a), (shapes.2, b), beta);
                let inside = keep(shapes.0, &vec![T::ONE; n * n]);
                let expected: Vec<T> =
                    (0..n * n).map(|x| if inside[x] == T::ONE { exact[x] + beta * c[x] } else { c[x] }).collect();
                assert_close(&out, &expected, 16.0 * (n as f64).sqrt());
            }
        }
    }
}

#[test]
fn triangular_products_read_and_write_only_their_triangles() {
    triangles::<f64>();
    triangles::<f32>();
}

#[test]
fn a_mirrored_rank_update_is_the_full_product() {
    let (n, k) = (70, 9);
    let a = normals::<f64>(n, k, 9);
    let a = MatRef::row_major(&a, n, k);
    let mut c = vec![0.0; n * n];
    syrk_lower(MatMut::row_major(&mut c, n, n), 1.0, a, 0.0);
    mirror_lower(MatMut::row_major(&mut c, n, n));
    assert_close(&c, &naive(a, a.transpose()), 32.0);
}

#[test]
fn products_of_a_batch_match_one_by_one() {
    for (batch, m, n, k) in [(0, 2, 2, 2), (1, 3, 4, 5), (300, 4, 3, 2), (5, 1, 4, 3), (3, 130, 130, 140)] {
        let (a, b) = (normals::<f64>(batch * m, k, 10), normals::<f64>(k, n, 11));
        let a = |i: usize| MatRef::row_major(&a[i * m * k..(i + 1) * m * k], m, k);
        let b = MatRef::row_major(&b, k, n);
        let mut c = vec![f64::NAN; batch * m * n];
        gemm_batched(&mut c, (m, n), 2.0, a, |_| b, 0.0);
        for (i, c) in c.chunks(m * n).enumerate() {
            let expected: Vec<f64> = naive(a(i), b).iter().map(|v| 2.0 * v).collect();
            assert_close(c, &expected, 200.0);
        }
    }
}

#[test]
fn sums_and_dots_match_loops_at_every_length() {
    for n in [0, 1, 7, 16, 17, 8191, 8193, 100_003] {
        let (x, y) = (normals::<f64>(n, 1, 12), normals::<f64>(n, 1, 13));
        let exact: f64 = x.iter().zip(&y).map(|(a, b)| a * b).sum();
        let tolerance = 1e-13 * (n as f64).max(1.0);
        assert!((vector::dot(&x, &y) - exact).abs() <= tolerance);
        assert!((vector::sum(&x) - x.iter().sum::<f64>()).abs() <= tolerance);
        assert!((vector::norm(&x).powi(2) - x.iter().map(|v| v * v).sum::<f64>()).abs() <= tolerance);
    }
}

#[test]
#[should_panic(expected = "shapes do not fit in a product: [2, 2] = [2, 3] [2, 2]")]
fn shapes_that_do_not_fit_are_named() {
    let values = [0.0; 6];
    let mut c = [0.0; 4];
    gemm(MatMut::row_major(&mut c, 2, 2), 1.0, MatRef::row_major(&values, 2, 3), MatRef::row_major(&values, 2, 2), 0.0);
}

#[test]
#[should_panic(expected = "overlap")]
fn a_result_whose_entries_overlap_is_refused() {
    let mut c = [0.0; 4];
    let _ = MatMut::strided(&mut c, 2, 2, 1, 1);
}
