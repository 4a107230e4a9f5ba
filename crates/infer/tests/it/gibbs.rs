//! Gibbs sweeps, slices and paths of hidden states: closed forms, known autocorrelations, calibration, and what they refuse.

use crate::calibration::{DRAWS, assert_calibrated};
use crate::support::{assert_close, assert_moments};
use elbo_core::{Rng, Run};
use elbo_infer::Estimate;
use elbo_infer::diagnostics::sbc;
use elbo_infer::gaussian::Gaussian;
use elbo_infer::mcmc::{
    Chains, Gibbs, ParticleGibbs, Slice, StateSpace, Transition, particle_filter, sample_by, slice_number,
};
use elbo_tensor::special::LOG_SQRT_TAU;

/// A normal of two unknowns with unit variances, each drawn given the other.
fn correlated_by_turns<'a>(rho: f64) -> Gibbs<'a> {
    let rest = (1.0 - rho * rho).sqrt();
    Gibbs::new()
        .then(move |z: &mut [f64], rng: &mut Rng| z[0] = rho * z[1] + rest * rng.normal())
        .then(move |z: &mut [f64], rng: &mut Rng| z[1] = rho * z[0] + rest * rng.normal())
}

#[test]
fn a_sweep_over_a_normal_has_its_moments_and_the_autocorrelation_of_the_squared_correlation() {
    let rho = 0.8;
    let settings = Chains { draws: 5000, ..Chains::default() };
    for seed in [1, 2, 3] {
        let draws = sample_by(&correlated_by_turns(rho), &settings, &[vec![3.0, -3.0]], &mut Run::new(seed)).unwrap();
        assert_moments("by turns", &draws, &[0.0, 0.0], &[1.0, 1.0]);
        let lagged: Vec<f64> =
            draws.column(0).chunks(5000).flat_map(|c| c.windows(2).map(|w| w[0] * w[1]).collect::<Vec<_>>()).collect();
        let found = lagged.iter().sum::<f64>() / lagged.len() as f64;
        // The chain of one unknown is autoregressive with rho^2. By the covariances of its products, the deviation of
        // this mean of 20,000 of them is sqrt((1 + 4 rho^4 - rho^8) / (1 - rho^4) / 20000) = 0.0145.
        assert_close("lag one", found, rho * rho, 0.0145);
        assert!(draws.log_density().iter().all(|l| l.is_nan()) && draws.gradients() == 0);
    }
}

#[test]
fn conditional_draws_and_slices_mix_in_a_sweep_that_is_calibrated() {
    // m ~ N(0, 1), precision ~ Gamma(2, 1), ten y ~ N(m, 1 / precision): both conditionals are closed. In the second sweep the precision is
    // sliced on the log scale.
    for (sliced, seed) in [(false, 21), (true, 22)] {
        let found = sbc(300, &mut Rng::new(seed), |rng| {
            let (m, precision) = (rng.normal(), rng.gamma(2.0));
            let y: Vec<f64> = (0..10).map(|_| m + rng.normal() / precision.sqrt()).collect();
            let square = |m: f64| y.iter().map(|y| (y - m).powi(2)).sum::<f64>();
            let sum: f64 = y.iter().sum();
            let mean = |z: &mut [f64], rng: &mut Rng| {
                let (data, total) = (z[1].exp(), 1.0 + 10.0 * z[1].exp());
                z[0] = data * sum / total + rng.normal() / total.sqrt();
            };
            let closed = |z: &mut [f64], rng: &mut Rng| z[1] = (rng.gamma(7.0) / (1.0 + 0.5 * square(z[0]))).ln();
            let joint = |z: &[f64]| {
                let log_prior = -0.5 * z[0] * z[0] + 2.0 * z[1] - z[1].exp();
                log_prior + 5.0 * z[1] - 0.5 * z[1].exp() * square(z[0])
            };
            let sweep = Gibbs::new().then(mean);
            let sweep = if sliced { sweep.then(Slice::new(joint, &[1.0, 1.0]).only(&[1])) } else { sweep.then(closed) };
            let settings = Chains { chains: 1, warmup: 100, draws: DRAWS, thin: 15 };
            let mut run = Run::new(rng.next_u64() % 1_000_000);
            let draws = sample_by(&sweep, &settings, &[vec![0.0, 0.0]], &mut run)?;
            Ok((vec![m, precision.ln()], draws.rows().map(<[f64]>::to_vec).collect()))
        });
        assert_calibrated(if sliced { "mean and sliced precision" } else { "mean and precision" }, &found.unwrap());
    }
}

#[test]
fn slices_of_any_width_have_the_moments_of_a_bounded_and_of_a_skewed_density() {
    // Uniform on (0, 1), which ends abruptly, and the log of a Gamma(2, 3) number.
    let uniform = |z: &[f64]| if z[0] > 0.0 && z[0] < 1.0 { 0.0 } else { f64::NEG_INFINITY };
    let skewed = |z: &[f64]| 2.0 * z[0] - 3.0 * z[0].exp();
    let (mean, variance) = (elbo_tensor::special::digamma(2.0) - 3f64.ln(), elbo_tensor::special::trigamma(2.0));
    for (width, steps) in [(0.05, 100), (1.0, 1), (1.0, 100), (50.0, 100)] {
        let settings = Chains { draws: 2000, thin: if steps == 1 { 5 } else { 1 }, ..Chains::default() };
        let slice = Slice::new(uniform, &[width]).within(steps);
        let draws = sample_by(&slice, &settings, &[vec![0.5]], &mut Run::new(3)).unwrap();
        assert_moments(&format!("uniform, width {width}"), &draws, &[0.5], &[1.0 / 12.0]);
        assert!(draws.values().iter().all(|z| *z > 0.0 && *z < 1.0) && draws.gradients() > 0);
        let slice = Slice::new(skewed, &[width]).within(steps);
        let draws = sample_by(&slice, &settings, &[vec![0.0]], &mut Run::new(4)).unwrap();
        assert_moments(&format!("skewed, width {width}"), &draws, &[mean], &[variance]);
        assert_eq!(draws.log_density()[7], skewed(&draws.values()[7..8]));
    }
}

#[test]
fn a_slice_returns_the_density_of_where_it_ends_and_refuses_a_start_without_one() {
    let mut rng = Rng::new(2);
    let log_density = |x: f64| -0.5 * x * x;
    let mut x = 0.3;
    for _ in 0..100 {
        let (next, height) = slice_number(x, log_density(x), 0.7, 10, &mut rng, log_density);
        assert_eq!(height, log_density(next));
        x = next;
    }
    let slice = Slice::new(|z: &[f64]| z[0].ln(), &[1.0]);
    let error = sample_by(&slice, &Chains::default(), &[vec![-1.0]], &mut Run::new(0)).unwrap_err();
    assert!(error.to_string().contains("where a chain stands"), "{error}");
    let none = Chains { draws: 0, ..Chains::default() };
    let error = sample_by(&slice, &none, &[vec![1.0]], &mut Run::new(0)).unwrap_err();
    assert!(error.to_string().contains("`draws` is 0"), "{error}");
    // Infinite half-way: no later unknown can be moved from there.
    let infinite = Slice::new(|z: &[f64]| if z[0] > 0.5 { f64::INFINITY } else { 0.0 }, &[1.0, 1.0]);
    let error = sample_by(&infinite, &Chains::default(), &[vec![0.0, 0.0]], &mut Run::new(0)).unwrap_err();
    assert!(error.to_string().contains("the log density is inf where a chain stands"), "{error}");
}

#[test]
fn states_of_another_length_are_refused() {
    let refused = |found: elbo_core::Result<u64>, text: &str| {
        let error = found.unwrap_err();
        assert!(error.to_string().contains(text), "{error}");
    };
    let slice = Slice::new(|_: &[f64]| 0.0, &[1.0]);
    refused(slice.advance(&mut [0.0, 0.0], &mut Rng::new(0)), "`widths` is 1 numbers for 2 unknowns");
    for start in [vec![], vec![vec![]], vec![vec![0.0], vec![0.0, 1.0]]] {
        let error = sample_by(&slice, &Chains::default(), &start, &mut Run::new(0)).unwrap_err();
        assert!(error.to_string().contains("`start` is of lengths ["), "{error}");
    }
    let (_, model) = Autoregression::simulate(0.9, 4.0, 0.7, 3, &mut Rng::new(1));
    let mut state = vec![0.0; 3];
    for path in [0..2, 1..4, 0..0] {
        let kernel = ParticleGibbs::new(|_: &[f64]| &model, path, 5);
        refused(kernel.advance(&mut state, &mut Rng::new(1)), "of 3 numbers, for 3 states of 1");
    }
    let alone = ParticleGibbs::new(|_: &[f64]| &model, 0..3, 1);
    refused(alone.advance(&mut state, &mut Rng::new(1)), "`particles` is 1");
    assert!(particle_filter(&model, 0, &mut Rng::new(1)).unwrap_err().to_string().contains("`particles` is 0"));
}

/// A first-order autoregression seen with noise: x_0 ~ N(0, 1), x_t ~ N(a x_(t-1), 1 / precision), y_t ~ N(x_t, sd^2).
#[derive(Clone)]
struct Autoregression {
    a: f64,
    precision: f64,
    sd: f64,
    y: Vec<f64>,
}

fn log_normal(x: f64, mean: f64, precision: f64) -> f64 {
    -0.5 * precision * (x - mean).powi(2) + 0.5 * precision.ln() - LOG_SQRT_TAU
}

impl StateSpace for Autoregression {
    fn dim(&self) -> usize {
        1
    }
    fn times(&self) -> usize {
        self.y.len()
    }
    fn first(&self, state: &mut [f64], rng: &mut Rng) {
        state[0] = rng.normal();
    }
    fn next(&self, _: usize, before: &[f64], state: &mut [f64], rng: &mut Rng) {
        state[0] = self.a * before[0] + rng.normal() / self.precision.sqrt();
    }
    fn log_next(&self, _: usize, before: &[f64], state: &[f64]) -> f64 {
        log_normal(state[0], self.a * before[0], self.precision)
    }
    fn log_observed(&self, time: usize, state: &[f64]) -> f64 {
        log_normal(self.y[time], state[0], self.sd.powi(-2))
    }
}

impl Autoregression {
    /// A path and data of it.
    fn simulate(a: f64, precision: f64, sd: f64, times: usize, rng: &mut Rng) -> (Vec<f64>, Self) {
        let mut path: Vec<f64> = vec![rng.normal()];
        for t in 1..times {
            path.push(a * path[t - 1] + rng.normal() / precision.sqrt());
        }
        let y = path.iter().map(|x| x + sd * rng.normal()).collect();
        (path, Self { a, precision, sd, y })
    }

    /// The posterior of the path, from its precision, which has three diagonals.
    fn posterior(&self) -> (Vec<f64>, Vec<f64>) {
        let (n, seen) = (self.y.len(), self.sd.powi(-2));
        let mut precision = vec![0.0; n * n];
        for t in 0..n {
            let from_last = if t == 0 { 1.0 } else { self.precision };
            let to_next = if t + 1 < n { self.a * self.a * self.precision } else { 0.0 };
            precision[t * n + t] = from_last + to_next + seen;
            if t > 0 {
                (precision[t * n + t - 1], precision[(t - 1) * n + t]) =
                    (-self.a * self.precision, -self.a * self.precision);
            }
        }
        let covariance = Gaussian { mean: vec![0.0; n], covariance: precision }.precision().unwrap();
        let mean = (0..n).map(|t| (0..n).map(|s| covariance[t * n + s] * self.y[s] * seen).sum()).collect();
        (mean, (0..n).map(|t| covariance[t * n + t]).collect())
    }

    /// The log density of the data by the Kalman filter.
    fn log_evidence(&self) -> f64 {
        let (mut mean, mut variance, mut total) = (0.0, 1.0, 0.0);
        for y in &self.y {
            let spread = variance + self.sd * self.sd;
            total += log_normal(*y, mean, 1.0 / spread);
            let gain = variance / spread;
            (mean, variance) = (mean + gain * (y - mean), variance * (1.0 - gain));
            (mean, variance) = (self.a * mean, self.a * self.a * variance + 1.0 / self.precision);
        }
        total
    }
}

#[test]
fn particle_gibbs_has_the_posterior_of_a_linear_gaussian_path() {
    let (_, model) = Autoregression::simulate(0.9, 4.0, 0.7, 20, &mut Rng::new(7));
    let (mean, variance) = model.posterior();
    for (particles, seed) in [(3, 1), (10, 2)] {
        let kernel = ParticleGibbs::new(|_: &[f64]| &model, 0..20, particles);
        let mut start = vec![0.0; 20];
        kernel.start(&mut start, &mut Rng::new(seed)).unwrap();
        let settings = Chains { draws: 1500, ..Chains::default() };
        let draws = sample_by(&kernel, &settings, &[start], &mut Run::new(seed)).unwrap();
        assert_moments(&format!("path by {particles} particles"), &draws, &mean, &variance);
    }
}

#[test]
fn a_particle_filter_estimates_the_evidence_without_bias() {
    let (_, model) = Autoregression::simulate(0.9, 4.0, 0.7, 10, &mut Rng::new(8));
    let exact = model.log_evidence();
    let mut rng = Rng::new(9);
    let ratios: Vec<f64> =
        (0..3000).map(|_| (particle_filter(&model, 20, &mut rng).unwrap().1 - exact).exp()).collect();
    let found = Estimate::mean(&ratios);
    // Four standard errors.
    assert!((found.value - 1.0).abs() < 4.0 * found.error && found.error < 0.05, "{found:?}");
}

#[test]
fn particle_gibbs_beside_a_draw_of_the_dynamics_is_calibrated() {
    // The state is the log precision of the steps, Gamma(3, 1), and the path of ten.
    let found = sbc(300, &mut Rng::new(23), |rng| {
        let precision = rng.gamma(3.0);
        let (path, simulated) = Autoregression::simulate(0.8, precision, 0.5, 10, rng);
        let kernel = ParticleGibbs::new(
            |state: &[f64]| Autoregression { precision: state[0].exp(), ..simulated.clone() },
            1..11,
            8,
        );
        let mut start = vec![1.0; 11];
        kernel.start(&mut start, rng)?;
        let sweep = Gibbs::new().then(kernel).then(|z: &mut [f64], rng: &mut Rng| {
            let square: f64 = z[1..].windows(2).map(|w| (w[1] - 0.8 * w[0]).powi(2)).sum();
            z[0] = (rng.gamma(3.0 + 4.5) / (1.0 + 0.5 * square)).ln();
        });
        let settings = Chains { chains: 1, warmup: 100, draws: DRAWS, thin: 20 };
        let mut run = Run::new(rng.next_u64() % 1_000_000);
        let draws = sample_by(&sweep, &settings, &[start], &mut run)?;
        // The precision, and the path's two ends and middle.
        let kept = |z: &[f64]| vec![z[0], z[1], z[6], z[10]];
        let truth = [vec![precision.ln()], path].concat();
        Ok((kept(&truth), draws.rows().map(kept).collect()))
    });
    assert_calibrated("autoregression", &found.unwrap());
}

#[test]
fn data_that_no_particle_explains_are_told_with_their_time() {
    /// A path that is seen exactly at its second time.
    struct Impossible;

    impl StateSpace for Impossible {
        fn dim(&self) -> usize {
            1
        }
        fn times(&self) -> usize {
            3
        }
        fn first(&self, state: &mut [f64], rng: &mut Rng) {
            state[0] = rng.normal();
        }
        fn next(&self, _: usize, _: &[f64], state: &mut [f64], rng: &mut Rng) {
            state[0] = rng.normal();
        }
        fn log_next(&self, _: usize, _: &[f64], state: &[f64]) -> f64 {
            log_normal(state[0], 0.0, 1.0)
        }
        fn log_observed(&self, time: usize, state: &[f64]) -> f64 {
            if time == 1 && state[0] != 0.25 { f64::NEG_INFINITY } else { 0.0 }
        }
    }

    let error = particle_filter(&Impossible, 5, &mut Rng::new(1)).unwrap_err();
    assert!(error.to_string().contains("none of 5 particles has a density at time 1"), "{error}");
    // A path that fits keeps itself where nothing else does.
    let kernel = ParticleGibbs::new(|_: &[f64]| Impossible, 0..3, 4);
    let mut path = vec![0.1, 0.25, -0.3];
    kernel.advance(&mut path, &mut Rng::new(2)).unwrap();
    assert_eq!(path[1], 0.25);
}
