//! The collapsed bound over uncertain and latent inputs.

use crate::problems::{assert_close, gradient_check};
use elbo_core::{Rng, Run};
use elbo_dist::Rule;
use elbo_gp::exact::ExactGp;
use elbo_gp::fit::{Search, search};
use elbo_gp::kernel::{Profile, Stationary};
use elbo_gp::latent::LatentGp;
use elbo_gp::mean::Zero;
use elbo_gp::sgpr::Sgpr;
use elbo_tensor::{Tensor, no_grad};

const NOISE: f64 = 0.1;

fn kernel() -> Stationary {
    Stationary::new(Profile::Rbf, &[0.8, 1.5]).with_variance(1.3)
}

/// Means and variances of the inputs, targets of two outputs, and inducing inputs.
struct Case {
    mean: Tensor,
    variance: Tensor,
    y: Tensor,
    z: Tensor,
}

fn case(rows: usize, seed: u64) -> Case {
    let mut rng = Rng::new(seed);
    let mean = Tensor::from_vec(rng.normals(2 * rows), &[rows, 2]);
    let variance = Tensor::from_vec((0..2 * rows).map(|_| rng.range(0.05, 0.4)).collect(), &[rows, 2]);
    let first = mean.select(1, 0).sin();
    let y = Tensor::stack(&[first.clone(), mean.select(1, 1).cos() + first], 1);
    let y = y + Tensor::from_vec(rng.normals(2 * rows), &[rows, 2]) * NOISE.sqrt();
    let z = Tensor::from_vec(vec![-1.2, -0.9, -1.0, 1.1, 0.2, 0.1, 1.1, -1.0, 1.3, 1.2], &[5, 2]);
    Case { mean, variance, y, z }
}

fn uncertain(c: &Case, variance: &Tensor) -> LatentGp {
    LatentGp::new(kernel(), NOISE, &c.z, &c.mean, variance, c.y.clone()).unwrap().with_held_inputs()
}

fn latent(c: &Case, mean: &Tensor, variance: &Tensor) -> LatentGp {
    LatentGp::new(kernel(), NOISE, &c.z, mean, variance, c.y.clone()).unwrap()
}

/// Draws of all inputs, one matrix each.
fn draws(c: &Case, count: usize, seed: u64) -> Vec<Tensor> {
    let (mut rng, sd, shape) = (Rng::new(seed), c.variance.sqrt(), c.mean.shape().to_vec());
    (0..count).map(|_| &c.mean + &sd * Tensor::from_vec(rng.normals(c.mean.len()), &shape)).collect()
}

/// Mean and its standard error.
fn average(values: &[f64]) -> (f64, f64) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    (mean, (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n * (n - 1.0))).sqrt())
}

#[test]
fn certain_inputs_give_the_bound_and_the_posterior_of_sparse_regression() {
    let c = case(20, 71);
    let certain = uncertain(&c, &Tensor::full(&[20, 2], 1e-12, c.y.dtype()));
    let new = case(4, 72).mean;
    let found = certain.condition().unwrap().marginals(&new).unwrap();
    let mut total = 0.0;
    for p in 0..2 {
        let y = c.y.select(1, p).contiguous();
        let sgpr = Sgpr::new(Box::new(kernel()), Box::new(Zero), NOISE, c.z.clone(), c.mean.clone(), y);
        total += sgpr.bound().unwrap().item();
        let expected = sgpr.condition().unwrap().marginals(&new).unwrap();
        for i in 0..4 {
            assert_close(found.0[2 * i + p], expected.0[i], 1e-7, "mean");
            assert_close(found.1[2 * i + p], expected.1[i], 1e-7, "variance");
        }
    }
    assert_close(certain.bound().unwrap().item(), total, 1e-7, "bound");
    let blurred = uncertain(&c, &c.variance).bound().unwrap().item();
    assert!((blurred - total).abs() > 1.0, "uncertain inputs give {blurred}, certain ones {total}");
}

/// The expected log density of the targets at `x` under the whitened `q(u) = N(m, S)`.
fn expected_log_density(c: &Case, (m, s): &(Tensor, Tensor), x: &Tensor) -> f64 {
    let a = kernel().composed(&c.z, &c.z).cholesky().unwrap().solve_lower(&kernel().composed(&c.z, x));
    let mean = a.t().matmul(m);
    let variance = (&a * s.matmul(&a)).sum_axis(0, true) - a.square().sum_axis(0, true) + 1.3;
    let squares = (&c.y - mean).square() + variance.t();
    -0.5 * (squares.sum().item() / NOISE + c.y.len() as f64 * (std::f64::consts::TAU * NOISE).ln())
}

#[test]
fn the_bound_is_the_sampled_expectation_under_its_own_posterior_less_the_divergence() {
    let c = case(8, 73);
    let model = uncertain(&c, &c.variance);
    let q = model.condition().unwrap().whitened();
    let values: Vec<f64> = no_grad(|| draws(&c, 5000, 74).iter().map(|x| expected_log_density(&c, &q, x)).collect());
    let (found, error) = average(&values);
    // KL[q(u) || p(u)] of each of the two outputs; their covariances are equal.
    let (m, s) = (&q.0, &q.1);
    let log_det = s.cholesky().unwrap().cholesky_log_det().item();
    let divergence = s.trace().item() - 5.0 - log_det + 0.5 * m.square().sum().item();
    let bound = model.bound().unwrap().item();
    assert!((found - divergence - bound).abs() < 4.0 * error, "{bound}, sampled {} +- {error}", found - divergence);
    assert!(error < 0.5, "the samples say something: {error}");
}

#[test]
fn the_bound_is_below_the_sampled_evidence() {
    for seed in [75, 76, 77] {
        let c = case(6, seed);
        let log_densities: Vec<f64> = draws(&c, 4000, seed + 10)
            .iter()
            .map(|x| {
                let of = |p: usize| {
                    let y = c.y.select(1, p).contiguous();
                    let exact = ExactGp::new(Box::new(kernel()), Box::new(Zero), NOISE, x.clone(), y);
                    no_grad(|| exact.log_marginal()).unwrap().item()
                };
                of(0) + of(1)
            })
            .collect();
        let largest = log_densities.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let (mean, error) = average(&log_densities.iter().map(|l| (l - largest).exp()).collect::<Vec<_>>());
        let (evidence, error) = (largest + mean.ln(), error / mean);
        let bound = uncertain(&c, &c.variance).bound().unwrap().item();
        assert!(bound < evidence + 4.0 * error, "{bound} and {evidence} +- {error}, seed {seed}");
    }
}

#[test]
fn latent_inputs_cost_their_divergence_from_the_prior() {
    let c = case(8, 78);
    let (zeros, ones) = (c.mean.zeros_like(), c.mean.ones_like());
    let prior = Case { mean: zeros.clone(), variance: ones.clone(), y: c.y.clone(), z: c.z.clone() };
    let (free, known) = (latent(&c, &zeros, &ones), uncertain(&prior, &ones));
    assert_close(free.bound().unwrap().item(), known.bound().unwrap().item(), 1e-12, "at the prior");
    let rule = Rule::hermite(20);
    let one = |m: f64, s: f64| rule.expect(m, s, |x| -0.5 * ((x - m).powi(2) / s + s.ln()) + 0.5 * x * x);
    let divergence: f64 = c.mean.to_vec().iter().zip(c.variance.to_vec()).map(|(m, s)| one(*m, s)).sum();
    let (free, known) = (latent(&c, &c.mean, &c.variance), uncertain(&c, &c.variance));
    assert_close(free.bound().unwrap().item(), known.bound().unwrap().item() - divergence, 1e-10, "away from it");
}

#[test]
fn the_bound_has_the_gradient_of_finite_differences_and_a_search_climbs_it() {
    let c = case(7, 79);
    gradient_check(&mut uncertain(&c, &c.variance), |m: &mut LatentGp| m.bound(), 1e-5, "uncertain inputs");
    let mut model = latent(&c, &c.mean, &c.variance);
    gradient_check(&mut model, |m: &mut LatentGp| m.bound(), 1e-5, "latent inputs");
    let before = model.bound().unwrap().item();
    let found = search(&mut model, Search { starts: 1, iterations: 15 }, &mut Run::new(1)).unwrap();
    assert!(-found.loss > before, "{} after {before}", -found.loss);
    assert_close(model.bound().unwrap().item(), -found.loss, 1e-9, "the model is left at the best end");
}

#[test]
fn inputs_and_targets_that_cannot_be_used_are_named() {
    let c = case(3, 80);
    let with = |table: &Tensor, value: f64| {
        let mut values = table.to_vec();
        values[3] = value;
        Tensor::from_vec(values, table.shape())
    };
    let error = |mean: &Tensor, variance: &Tensor, y: Tensor| {
        LatentGp::new(kernel(), NOISE, &c.z, mean, variance, y).err().unwrap().to_string()
    };
    let gap = error(&c.mean, &c.variance, with(&c.y, f64::NAN));
    assert!(gap.contains("the target in row 2, column 2 is NaN"), "{gap}");
    let flat = error(&c.mean, &with(&c.variance, 0.0), c.y.clone());
    assert!(flat.contains("variance of the inputs in row 2, column 2 is 0"), "{flat}");
    let far = error(&with(&c.mean, f64::INFINITY), &c.variance, c.y.clone());
    assert!(far.contains("mean of the inputs in row 2"), "{far}");
}
