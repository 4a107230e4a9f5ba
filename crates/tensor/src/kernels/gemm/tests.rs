//! Products against sums that are written out, small enough for Miri, which checks every access (CONTRIBUTING.md).

use super::*;
use crate::kernels::matmul::{View, gemm};

/// Small whole numbers, so that sums are exact in any order.
fn numbers<T: Tiled>(count: usize) -> Vec<T> {
    (0..count).map(|i| T::from_f64(((7 * i + 3) % 11) as f64 - 5.0)).collect()
}

/// Element (i, j) of A B for `a: [m, k]`, `b: [k, n]`, both row-major.
fn entry<T: Tiled>(a: &[T], b: &[T], [k, n]: [usize; 2], i: usize, j: usize) -> f64 {
    (0..k).map(|p| a[i * k + p].to_f64() * b[p * n + j].to_f64()).sum()
}

fn packed<T: Tiled>(a: &[T], m: usize, k: usize) -> Packed<T> {
    Packed::new(&Strided { data: a, lines: m, line: k, step: 1 }, m, k)
}

fn right<T>(b: &[T], n: usize) -> Strided<'_, T> {
    Strided { data: b, lines: n, line: 1, step: n }
}

/// One product in every way that C can start, compared with its sums; what lies between the rows stays as it was.
fn check<T: Tiled>([m, k, n]: [usize; 3]) {
    let (a, b) = (numbers::<T>(m * k), numbers::<T>(k * n));
    let bias = numbers::<T>(m);
    let row = n + 3;
    for start in [Start::Zero, Start::Add, Start::Bias(&bias)] {
        let mut c = vec![T::from_f64(2.0); (m - 1) * row + n];
        product(&packed(&a, m, k), &right(&b, n), n, (&mut c, row, Columns::Plain), start, false);
        for (at, value) in c.iter().enumerate() {
            let (i, j) = (at / row, at % row);
            let expected = match start {
                _ if j >= n => 2.0,
                Start::Zero => entry(&a, &b, [k, n], i, j),
                Start::Add => 2.0 + entry(&a, &b, [k, n], i, j),
                Start::Bias(bias) => bias[i].to_f64() + entry(&a, &b, [k, n], i, j),
            };
            assert_eq!(value.to_f64(), expected, "({i}, {j}) of [{m}, {k}, {n}]");
        }
    }
}

#[test]
fn products_are_their_sums_also_where_tiles_are_not_full() {
    for size in [[1, 1, 1], [6, 2, 16], [7, 3, 17], [13, 5, 35], [5, 0, 9], [6, 9, 8]] {
        check::<f32>(size);
        check::<f64>(size);
    }
}

#[test]
fn a_deep_product_is_added_in_passes() {
    check::<f32>([2, DEPTH + 3, 3]);
}

#[test]
fn a_packed_triangle_counts_nothing_on_its_other_side() {
    for n in [1, 6, 8, 15, 31] {
        let mut a = numbers::<f64>(n * n);
        let b = numbers::<f64>(n * 11);
        for shape in [Shape::Lower, Shape::Upper] {
            let kept = |i: usize, p: usize| if shape == Shape::Lower { p <= i } else { p >= i };
            (0..n * n).filter(|at| !kept(at / n, at % n)).for_each(|at| a[at] = f64::NAN);
            let clean: Vec<f64> = a.iter().map(|v| if v.is_nan() { 0.0 } else { *v }).collect();
            let lines = Strided { data: &a[..], lines: n, line: n, step: 1 };
            let mut c = vec![f64::NAN; n * 11];
            product(
                &Packed::triangle(lines, shape),
                &right(&b, 11),
                11,
                (&mut c, 11, Columns::Plain),
                Start::Zero,
                false,
            );
            for (at, value) in c.iter().enumerate() {
                assert_eq!(*value, entry(&clean, &b, [n, 11], at / 11, at % 11), "{at} of {n} rows, {shape:?}");
            }
            // The same triangle, read from its transpose.
            let turned: Vec<f64> = (0..n * n).map(|at| a[at % n * n + at / n]).collect();
            let lines = Strided { data: &turned[..], lines: n, line: 1, step: n };
            let before = c.clone();
            product(
                &Packed::triangle(lines, shape),
                &right(&b, 11),
                11,
                (&mut c, 11, Columns::Plain),
                Start::Add,
                false,
            );
            assert!(c.iter().zip(&before).all(|(twice, once)| *twice == 2.0 * once), "{n} rows, {shape:?}");
            a = numbers::<f64>(n * n);
        }
    }
}

#[test]
fn a_lower_triangle_of_a_product_is_its_sums_also_for_a_triangle() {
    for (n, k) in [(1, 3), (7, 0), (20, 9), (40, 6)] {
        let (a, b) = (numbers::<f64>(n * k), numbers::<f64>(k * n));
        let mut c = vec![f64::NAN; n * n];
        product_lower(&packed(&a, n, k), &right(&b, n), &mut c);
        for at in (0..n * n).filter(|at| at % n <= at / n) {
            assert_eq!(c[at], entry(&a, &b, [k, n], at / n, at % n), "{at} of {n} rows");
        }
    }
    let n = 33;
    let (a, b) = (numbers::<f64>(n * n), numbers::<f64>(n * n));
    let upper: Vec<f64> = (0..n * n).map(|at| if at % n >= at / n { a[at] } else { 0.0 }).collect();
    let lines = Strided { data: &a[..], lines: n, line: n, step: 1 };
    let mut c = vec![f64::NAN; n * n];
    product_lower(&Packed::triangle(lines, Shape::Upper), &right(&b, n), &mut c);
    for at in (0..n * n).filter(|at| at % n <= at / n) {
        assert_eq!(c[at], entry(&upper, &b, [n, n], at / n, at % n), "{at}");
    }
}

#[test]
fn an_upper_triangle_of_a_product_is_its_sums_and_so_are_the_tiles_across_the_diagonal() {
    for (n, k) in [(1, 3), (7, 0), (20, 9), (40, 6)] {
        let (a, b) = (numbers::<f64>(n * k), numbers::<f64>(k * n));
        let mut c = vec![f64::NAN; n * n];
        product_upper(&packed(&a, n, k), &right(&b, n), &mut c);
        for at in (0..n * n).filter(|at| at % n >= at / n / ROWS * ROWS) {
            assert_eq!(c[at], entry(&a, &b, [k, n], at / n, at % n), "{at} of {n} rows");
        }
    }
    let n = 33;
    let (a, b) = (numbers::<f64>(n * n), numbers::<f64>(n * n));
    let upper: Vec<f64> = (0..n * n).map(|at| if at % n >= at / n { a[at] } else { 0.0 }).collect();
    let lines = Strided { data: &a[..], lines: n, line: n, step: 1 };
    let mut c = vec![f64::NAN; n * n];
    product_upper(&Packed::triangle(lines, Shape::Upper), &right(&b, n), &mut c);
    for at in (0..n * n).filter(|at| at % n >= at / n) {
        assert_eq!(c[at], entry(&upper, &b, [n, n], at / n, at % n), "{at}");
    }
    assert!(c[(n - 1) * n].is_nan(), "the lower left corner is left out");
}

#[test]
fn two_threads_share_one_result() {
    let [m, k, n] = [13, 4, 40];
    let (a, b) = (numbers::<f32>(m * k), numbers::<f32>(k * n));
    let left = packed(&a, m, k);
    let mut c = vec![0.0_f32; m * n];
    let columns = Columns::Plain;
    columns.check([m, n], n, c.len());
    let target = Target { first: c.as_mut_ptr(), row: n, shape: Shape::Full };
    let panels = [m.div_ceil(ROWS), n.div_ceil(f32::WIDTH)];
    std::thread::scope(|scope| {
        for half in [0..1, 1..panels[1]] {
            let (left, b, target) = (&left, right(&b, n), &target);
            scope.spawn(move || task(left, &b, 0..panels[0], half, target, columns, Start::Zero));
        }
    });
    for (at, value) in c.iter().enumerate() {
        assert_eq!(f64::from(*value), entry(&a, &b, [k, n], at / n, at % n), "{at}");
    }
}

#[test]
fn columns_go_to_their_runs_and_places() {
    // Two images of 2 channels and 9 pixels, of which the second layout fills every other one.
    let [m, k, pixels] = [2, 3, 9];
    let every_other: Vec<usize> = (0..2).flat_map(|image| (0..5).map(move |p| 18 * image + 2 * p)).collect();
    for columns in [Columns::Runs { length: pixels, step: 18 }, Columns::Places { places: &every_other, step: 18 }] {
        let n = if matches!(columns, Columns::Places { .. }) { 10 } else { 18 };
        let (a, b) = (numbers::<f64>(m * k), numbers::<f64>(k * n));
        let mut c = vec![f64::INFINITY; 36];
        product(&packed(&a, m, k), &right(&b, n), n, (&mut c, pixels, columns), Start::Zero, false);
        for i in 0..m {
            for j in 0..n {
                assert_eq!(c[i * pixels + columns.at(j)], entry(&a, &b, [k, n], i, j), "({i}, {j}) {columns:?}");
            }
        }
        let untouched = c.iter().filter(|v| v.is_infinite()).count();
        assert_eq!(untouched, 36 - m * n);
    }
}

#[test]
fn elements_that_share_a_place_or_leave_the_slice_are_refused() {
    let refused = |columns: Columns<'_>, size: [usize; 2], row: usize, length: usize| {
        let call = std::panic::AssertUnwindSafe(|| columns.check(size, row, length));
        std::panic::catch_unwind(call).is_err()
    };
    assert!(refused(Columns::Plain, [2, 5], 4, 100) && !refused(Columns::Plain, [1, 5], 0, 5));
    assert!(refused(Columns::Plain, [2, 5], 5, 9) && !refused(Columns::Plain, [2, 5], 5, 10));
    assert!(refused(Columns::Plain, [3, 5], usize::MAX / 2 + 1, 10));
    let runs = |step| Columns::Runs { length: 4, step };
    assert!(refused(runs(7), [2, 8], 4, 100) && !refused(runs(8), [2, 8], 4, 16));
    assert!(refused(runs(1), [1, 5], 4, 100));
    let places = |places| Columns::Places { places, step: 8 };
    assert!(refused(places(&[0, 0]), [2, 2], 4, 100) && refused(places(&[3, 4]), [2, 2], 4, 100));
    assert!(refused(places(&[0, 8]), [3, 2], 4, 100) && !refused(places(&[0, 3, 9]), [2, 3], 4, 14));
}

#[test]
fn lines_are_copied_together_and_apart() {
    let data = numbers::<f32>(60);
    let starts = [0, 20, 5, 21];
    // Nine places side by side, and two apart.
    let places: Vec<usize> = (0..9).chain([20, 30]).collect();
    let lines = Lines::new(&data, &starts, &places);
    let width = 6;
    let mut panel = vec![f32::NAN; places.len() * width];
    lines.fill(0, 4, 0..places.len(), width, &mut panel);
    for (p, place) in places.iter().enumerate() {
        for i in 0..width {
            let expected = starts.get(i).map_or(0.0, |start| data[start + place]);
            assert_eq!(panel[p * width + i], expected, "place {p} of line {i}");
        }
    }
    assert!(std::panic::catch_unwind(|| Lines::new(&data[..51], &starts, &places)).is_err());
    assert!(std::panic::catch_unwind(|| lines.fill(0, 4, 0..11, 3, &mut [0.0; 33])).is_err());
}

#[test]
fn the_small_kernel_gives_the_same_sums() {
    for [m, k, n] in [[4, 3, 16], [5, 2, 19], [2, 4, 3]] {
        let (a, b) = (numbers::<f32>(m * k), numbers::<f32>(k * n));
        let mut c = vec![0.0_f32; m * n];
        let (left, right) = (View { data: &a, row: k, column: 1 }, View { data: &b, row: n, column: 1 });
        gemm::<f32>(left, right, &mut c, [m, k, n], false);
        for (at, value) in c.iter().enumerate() {
            assert_eq!(f64::from(*value), entry(&a, &b, [k, n], at / n, at % n), "{at} of [{m}, {k}, {n}]");
        }
    }
}
