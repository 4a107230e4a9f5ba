//! Divergences vanish in the mean for equal distributions and see differences.

use crate::common::normals;
use elbo_core::Rng;
use elbo_nn::vae::divergence::{Kernel, energy_distance, mmd, precision_recall, sliced_wasserstein, stein};
use elbo_tensor::{Tensor, grad};

const KERNELS: [Kernel; 4] = [Kernel::InverseMultiquadric, Kernel::Rbf, Kernel::RbfMedian, Kernel::Original];

/// Mean and standard error of repeated values.
fn repeated(count: u64, value: impl Fn(&mut Rng) -> f64) -> (f64, f64) {
    let values: Vec<f64> = (0..count).map(|seed| value(&mut Rng::new(seed))).collect();
    let n = count as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (mean, (variance / n).sqrt())
}

#[test]
fn the_discrepancy_is_zero_in_the_mean_for_equal_distributions_and_grows_with_a_shift() {
    for kernel in KERNELS {
        let same = repeated(400, |rng| mmd(&normals(&[30, 3], rng), &normals(&[30, 3], rng), &kernel).item());
        let shifted = repeated(50, |rng| mmd(&(normals(&[30, 3], rng) + 1.0), &normals(&[30, 3], rng), &kernel).item());
        // The median depends on the points themselves, which biases by less than the error here.
        assert!(same.0.abs() < 4.0 * same.1, "{kernel:?}: {} with error {}", same.0, same.1);
        assert!(shifted.0 > 10.0 * shifted.1, "{kernel:?}: {} with error {}", shifted.0, shifted.1);
    }
}

#[test]
fn the_stein_discrepancy_is_zero_in_the_mean_at_the_prior_only() {
    for kernel in KERNELS {
        let same = repeated(400, |rng| stein(&normals(&[30, 3], rng), &kernel).item());
        let narrow = repeated(50, |rng| stein(&(normals(&[30, 3], rng) * 0.5), &kernel).item());
        let shifted = repeated(50, |rng| stein(&(normals(&[30, 3], rng) + 1.0), &kernel).item());
        let slack = if kernel == Kernel::RbfMedian { 10.0 } else { 4.0 };
        assert!(same.0.abs() < slack * same.1, "{kernel:?}: {} with error {}", same.0, same.1);
        assert!(narrow.0 > 5.0 * narrow.1 && shifted.0 > 5.0 * shifted.1, "{kernel:?}: {narrow:?} {shifted:?}");
    }
}

#[test]
fn the_stein_kernel_is_the_definition_by_finite_differences() {
    let mut rng = Rng::new(4);
    let points = normals(&[2, 2], &mut rng);
    let (a, b) = (points.row(0), points.row(1));
    for kernel in [Kernel::InverseMultiquadric, Kernel::Rbf, Kernel::Original] {
        // k(a, b) from the discrepancy of two pairs: mmd of {a, a'} and {b, b'} is awkward, so differentiate the kernel itself.
        let k = |a: &Tensor, b: &Tensor| -> Tensor {
            let r2 = (a - b).square().sum();
            match kernel {
                Kernel::InverseMultiquadric => {
                    [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0].iter().map(|s| (&r2 + 4.0 * s).recip() * (4.0 * s)).sum()
                }
                Kernel::Rbf => (r2 * (-0.5 / 2.0)).exp(),
                _ => (r2 * (-1.0 / 4.0)).exp(),
            }
        };
        let (x, y) = (a.clone().variable(), b.clone().variable());
        let value = k(&x, &y);
        let first = elbo_tensor::grad_graph(&value, &[&x, &y]);
        let trace: f64 = (0..2).map(|i| grad(&first[0].select(0, i), &[&y])[0].select(0, i).item()).sum();
        let expected = a.dot(&b).item() * value.item() - a.dot(&first[1]).item() - b.dot(&first[0]).item() + trace;
        let found = stein(&points, &kernel).item();
        assert!((found - expected).abs() < 1e-10 * expected.abs().max(1.0), "{kernel:?}: {found} vs {expected}");
    }
}

#[test]
fn the_sliced_distance_of_a_shift_is_its_square_over_the_dimensions() {
    let mut rng = Rng::new(6);
    let points = normals(&[50, 4], &mut rng);
    let shift = Tensor::from_slice(&[1.0, -2.0, 0.5, 0.0], &[4]);
    let found = sliced_wasserstein(&points, &(&points + &shift), 4000, &mut rng);
    let expected = shift.square().sum().item() / 4.0;
    // The mean over directions of (u·s)² is |s|²/4; its standard deviation is about 1.2 of it.
    assert!((found / expected - 1.0).abs() < 4.0 * 1.2 / 4000f64.sqrt(), "{found} vs {expected}");
    assert_eq!(sliced_wasserstein(&points, &points, 5, &mut rng), 0.0);
}

#[test]
fn the_energy_distance_is_zero_in_the_mean_for_equal_distributions_and_known_for_few_points() {
    // 2 E|a - b| = 2 (3 + 5 + 2 + 4) / 4, within the sets 1 and 2.
    let (a, b) = (Tensor::from_vec(vec![0.0, 1.0], &[2, 1]), Tensor::from_vec(vec![3.0, 5.0], &[2, 1]));
    assert!((energy_distance(&a, &b) - (7.0 - 1.0 - 2.0)).abs() < 1e-7);
    assert!((energy_distance(&a, &b) - energy_distance(&b, &a)).abs() < 1e-12);
    let same = repeated(400, |rng| energy_distance(&normals(&[20, 3], rng), &normals(&[30, 3], rng)));
    assert!(same.0.abs() < 4.0 * same.1, "{} with error {}", same.0, same.1);
    for change in [(1.0, 0.5), (0.5, 0.0)] {
        let other = |rng: &mut Rng| normals(&[30, 3], rng) * change.0 + change.1;
        let found = repeated(100, |rng| energy_distance(&normals(&[20, 3], rng), &other(rng)));
        assert!(found.0 > 5.0 * found.1, "{change:?}: {} with error {}", found.0, found.1);
    }
}

#[test]
fn precision_and_recall_are_shares_of_points_in_balls() {
    let line = |values: &[f64]| Tensor::from_slice(values, &[values.len(), 1]);
    let (real, made) = (line(&[0.0, 1.0, 2.0, 3.0]), line(&[-1.0, -1.5, 3.5, 10.0, 4.0]));
    // With one neighbour the real balls cover [-1, 4], their ends included; of the made ones [3, 4] alone holds a real point, 3.
    assert_eq!(precision_recall(&real, &made, 1), (0.6, 0.25));
    assert_eq!(precision_recall(&made, &real, 1), (0.25, 0.6));
    // With three the last real ball is [0, 6], and the first made one [-6, 4].
    assert_eq!(precision_recall(&real, &made, 3), (0.8, 1.0));

    let mut rng = Rng::new(4);
    let points = normals(&[60, 3], &mut rng);
    assert_eq!(precision_recall(&points, &points, 3), (1.0, 1.0));
    assert_eq!(precision_recall(&points, &(&points + 100.0), 3), (0.0, 0.0));
    // Neither the unit nor the place matters.
    let others = normals(&[50, 3], &mut rng) * 1.5;
    let moved = |t: &Tensor| t * 8.0 + 2.0;
    assert_eq!(precision_recall(&points, &others, 3), precision_recall(&moved(&points), &moved(&others), 3));
}

#[test]
fn made_points_of_one_cluster_are_precise_and_do_not_recall_the_other() {
    let mut rng = Rng::new(5);
    let near = normals(&[100, 2], &mut rng);
    let far = normals(&[100, 2], &mut rng) + 50.0;
    let real = Tensor::cat(&[near, far], 0);
    let (precision, recall) = precision_recall(&real, &normals(&[200, 2], &mut rng), 3);
    assert!(precision > 0.8 && recall <= 0.5 && recall > 0.4, "{precision} {recall}");
    // Points between both are neither.
    let (precision, recall) = precision_recall(&real, &(normals(&[200, 2], &mut rng) + 25.0), 3);
    assert_eq!((precision, recall), (0.0, 0.0));
}
