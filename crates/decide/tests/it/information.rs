//! Expected information against closed forms.

use elbo_core::Rng;
use elbo_decide::information::{Simulator, bald, contrastive, d_optimality, entropy, gaussian_bounds, linear_gaussian};
use elbo_linalg::vector::dot;

/// `y = Σ_i design_i θ_i + e`, one number, with standard normal θ and noise of variance 1/4.
struct Line;

const NOISE: f64 = 0.25;

impl Simulator for Line {
    fn draw(&self, rng: &mut Rng) -> Vec<f64> {
        rng.normals(2)
    }

    fn simulate(&self, theta: &[f64], design: &[f64], rng: &mut Rng) -> Vec<f64> {
        vec![dot(theta, design) + NOISE.sqrt() * rng.normal()]
    }

    fn log_likelihood(&self, y: &[f64], theta: &[f64], design: &[f64]) -> f64 {
        -0.5 * (y[0] - dot(theta, design)).powi(2) / NOISE - 0.5 * (std::f64::consts::TAU * NOISE).ln()
    }
}

#[test]
fn the_linear_gaussian_value_is_the_known_one_and_adds_up_over_a_sequence() {
    let identity = [1.0, 0.0, 0.0, 1.0];
    let one = |design: &[f64], c: &[f64]| linear_gaussian(design, c, &[NOISE]).unwrap();
    assert!((one(&[3.0, 4.0], &identity) - 0.5 * (1.0f64 + 25.0 / NOISE).ln()).abs() < 1e-12);
    // The second experiment is judged by the posterior after the first.
    let (first, second) = ([1.0, 0.5], [0.2, -1.0]);
    let gain = 1.25 + NOISE;
    let after: Vec<f64> = (0..4).map(|at| identity[at] - first[at / 2] * first[at % 2] / gain).collect();
    let both = linear_gaussian(&[first, second].concat(), &identity, &[NOISE, 0.0, 0.0, NOISE]).unwrap();
    assert!((both - one(&first, &identity) - one(&second, &after)).abs() < 1e-12);
    assert!(linear_gaussian(&first, &identity, &[-1.0]).is_err());
    let error = linear_gaussian(&first[..1], &identity, &[NOISE]).unwrap_err();
    assert!(error.to_string().contains("the map has 1 values"), "{error}");
}

#[test]
fn contrastive_bounds_enclose_the_truth_and_close_on_it() {
    let design = [1.0, 0.5];
    let truth = linear_gaussian(&design, &[1.0, 0.0, 0.0, 1.0], &[NOISE]).unwrap();
    let mut width = f64::INFINITY;
    for inner in [4, 32, 256] {
        let [lower, upper] = contrastive(&Line, &design, 2000, inner, &mut Rng::new(8)).unwrap();
        // Four standard errors.
        assert!(
            lower.mean < truth + 4.0 * lower.error && upper.mean > truth - 4.0 * upper.error,
            "{lower:?} {upper:?}"
        );
        assert!(lower.mean <= ((inner + 1) as f64).ln());
        assert!(upper.mean - lower.mean < width);
        width = upper.mean - lower.mean;
    }
    assert!(width < 0.05, "{width}");
    assert!(contrastive(&Line, &design, 1, 4, &mut Rng::new(8)).is_err());
}

#[test]
fn gaussian_bounds_are_tight_for_linear_models_and_apart_for_others() {
    let (members, design) = (20_000, [[1.0, 0.5], [0.3, -1.0]]);
    let mut rng = Rng::new(6);
    let theta = rng.normals(2 * members);
    let noise = [NOISE, 0.1, 0.1, 0.5];
    let g: Vec<f64> = theta.chunks(2).flat_map(|t| design.map(|d| dot(t, &d))).collect();
    let truth = linear_gaussian(&design.concat(), &[1.0, 0.0, 0.0, 1.0], &noise).unwrap();
    let [lower, upper] = gaussian_bounds(&theta, &g, &noise, members, None).unwrap();
    // Both are functions of the same moments, which err by about one in a hundred.
    assert!((lower - upper).abs() < 1e-9 && (lower - truth).abs() < 0.03, "{lower} {upper} {truth}");
    let entropy = (std::f64::consts::TAU * std::f64::consts::E).ln();
    let known = gaussian_bounds(&theta, &g, &noise, members, Some(entropy)).unwrap();
    assert!((known[0] - lower).abs() < 0.03);
    // y = θ² + e tells nothing linear.
    let square: Vec<f64> = theta.iter().map(|t| t * t).collect();
    let [lower, upper] = gaussian_bounds(&theta, &square, &noise, members, None).unwrap();
    assert!(lower < 0.05 && upper > 1.0, "{lower} {upper}");
    assert!(gaussian_bounds(&theta, &g, &noise, 3, None).is_err());
}

#[test]
fn labels_tell_models_apart_only_where_they_disagree() {
    let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
    assert!(close(bald(&[vec![0.5, 0.5], vec![0.5, 0.5]]), 0.0));
    assert!(close(bald(&[vec![1.0, 0.0], vec![0.0, 1.0]]), 2f64.ln()));
    assert!(close(entropy(&[0.25; 4]), 4f64.ln()));
    assert!(close(d_optimality(&[2.0, 0.0, 0.0, 3.0], &[4.0, 0.0, 0.0, 1.0]).unwrap(), 9f64.ln()));
    // Two rows along one direction do not determine two parameters.
    assert!(d_optimality(&[1.0, 1.0, 2.0, 2.0], &[1.0, 0.0, 0.0, 1.0]).is_err());
}
