//! Conjugate oracles: posterior, evidence and predictive probabilities in closed form, against bounds and the methods that have to find them.

use crate::support::assert_close;
use elbo_core::{Rng, Run};
use elbo_dist::batched::{Batched, Dirichlet, Gamma, Kl, Multinomial, NegativeBinomial, Poisson};
use elbo_dist::tanh_sinh;
use elbo_infer::family::MeanField;
use elbo_infer::fit::{Fit, PathfinderSettings, ViSettings, multipath, vi};
use elbo_infer::{Estimate, LogDensity, Objective, Unknowns};
use elbo_tensor::Tensor;
use elbo_tensor::special::lgamma;

/// Counts of one Poisson mean with a gamma prior.
#[derive(Clone)]
struct GammaPoisson {
    shape: f64,
    rate: f64,
    counts: Vec<f64>,
}

impl GammaPoisson {
    fn new() -> Self {
        Self { shape: 2.5, rate: 0.8, counts: vec![3.0, 0.0, 4.0, 2.0, 5.0, 1.0, 3.0] }
    }

    /// Shape and rate.
    fn posterior(&self) -> (f64, f64) {
        (self.shape + self.counts.iter().sum::<f64>(), self.rate + self.counts.len() as f64)
    }

    fn log_evidence(&self) -> f64 {
        let (shape, rate) = self.posterior();
        let factorials: f64 = self.counts.iter().map(|x| lgamma(x + 1.0)).sum();
        self.shape * self.rate.ln() - lgamma(self.shape) + lgamma(shape) - shape * rate.ln() - factorials
    }

    /// Of one more count: a negative binomial.
    fn log_predictive(&self, x: f64) -> f64 {
        let (shape, rate) = self.posterior();
        lgamma(shape + x) - lgamma(shape) - lgamma(x + 1.0) + shape * (rate / (rate + 1.0)).ln() - x * rate.ln_1p()
    }

    /// At means `[S]`.
    fn log_joint(&self, mean: &Tensor) -> Tensor {
        let counts = Tensor::from_slice(&self.counts, &[self.counts.len()]);
        let likelihood = Poisson::new(mean.unsqueeze(-1)).log_prob(&counts).sum_axis(-1, false);
        likelihood + gamma(self.shape, self.rate).log_prob(mean)
    }
}

fn gamma(shape: f64, rate: f64) -> Gamma {
    Gamma::new(Tensor::scalar(shape), Tensor::scalar(rate))
}

/// Counts of three classes, with a Dirichlet prior on their shares.
#[derive(Clone)]
struct DirichletMultinomial {
    concentration: Vec<f64>,
    counts: Vec<f64>,
}

/// The logarithm of the multivariate beta function.
fn log_beta(concentration: &[f64]) -> f64 {
    concentration.iter().map(|a| lgamma(*a)).sum::<f64>() - lgamma(concentration.iter().sum())
}

/// The logarithm of the number of orders.
fn log_orders(counts: &[f64]) -> f64 {
    lgamma(counts.iter().sum::<f64>() + 1.0) - counts.iter().map(|x| lgamma(x + 1.0)).sum::<f64>()
}

impl DirichletMultinomial {
    fn new() -> Self {
        Self { concentration: vec![1.5, 0.7, 2.0], counts: vec![6.0, 1.0, 3.0] }
    }

    fn posterior(&self) -> Vec<f64> {
        self.concentration.iter().zip(&self.counts).map(|(a, x)| a + x).collect()
    }

    fn log_evidence(&self) -> f64 {
        log_orders(&self.counts) + log_beta(&self.posterior()) - log_beta(&self.concentration)
    }

    /// Of more counts, in any order.
    fn log_predictive(&self, counts: &[f64]) -> f64 {
        Self { concentration: self.posterior(), counts: counts.to_vec() }.log_evidence()
    }

    /// At shares `[S, K]`.
    fn log_joint(&self, shares: &Tensor) -> Tensor {
        let counts = Tensor::from_slice(&self.counts, &[self.counts.len()]);
        let trials = self.counts.iter().sum::<f64>() as usize;
        Multinomial::new(trials, &shares.log()).log_prob(&counts) + dirichlet(&self.concentration).log_prob(shares)
    }
}

fn dirichlet(concentration: &[f64]) -> Dirichlet {
    Dirichlet::new(Tensor::from_slice(concentration, &[concentration.len()]))
}

#[test]
fn a_gamma_poisson_model_predicts_what_its_evidence_and_its_posterior_say() {
    let model = GammaPoisson::new();
    let (shape, rate) = model.posterior();
    let mass = |mean: f64| (model.log_joint(&Tensor::from_vec(vec![mean], &[1])).item() - model.log_evidence()).exp();
    let integral = tanh_sinh(mass, 0.0, 30.0, 1e-10);
    assert!((integral - 1.0).abs() < 1e-8, "{integral}");
    // One count after the other.
    let step = |i: usize| {
        let before = GammaPoisson { counts: model.counts[..i].to_vec(), ..model.clone() };
        before.log_predictive(model.counts[i])
    };
    let chain: f64 = (0..model.counts.len()).map(step).sum();
    assert!((chain - model.log_evidence()).abs() < 1e-12, "{chain} {}", model.log_evidence());
    let total: f64 = (0..300).map(|x| model.log_predictive(f64::from(x)).exp()).sum();
    assert!((total - 1.0).abs() < 1e-12, "{total}");
    let law = NegativeBinomial::new(Tensor::scalar(shape / rate), Tensor::scalar(shape));
    let means = gamma(shape, rate).sample(&[20_000], &mut Rng::new(1));
    for x in [0.0, 2.0, 7.0] {
        let exact = model.log_predictive(x);
        assert!((law.log_prob(&Tensor::scalar(x)).item() - exact).abs() < 1e-12, "{x}");
        let found = Estimate::mean(&Poisson::new(means.clone()).log_prob(&Tensor::scalar(x)).exp().to_vec());
        assert_close(&format!("probability of {x}"), found.value, exact.exp(), found.error);
    }
}

#[test]
fn a_dirichlet_multinomial_model_predicts_what_its_evidence_and_its_posterior_say() {
    let model = DirichletMultinomial::new();
    // One draw after the other, in one of the orders.
    let mut so_far = DirichletMultinomial { counts: vec![0.0; 3], ..model.clone() };
    let mut chain = log_orders(&model.counts);
    for k in [0, 0, 2, 1, 0, 2, 0, 0, 2, 0] {
        let mut one = [0.0; 3];
        one[k] = 1.0;
        let posterior = so_far.posterior();
        let share = posterior[k] / posterior.iter().sum::<f64>();
        assert!((so_far.log_predictive(&one) - share.ln()).abs() < 1e-12, "{posterior:?}");
        chain += share.ln();
        so_far.counts[k] += 1.0;
    }
    assert_eq!(so_far.counts, model.counts);
    assert!((chain - model.log_evidence()).abs() < 1e-12, "{chain} {}", model.log_evidence());
    let all = (0..=4).flat_map(|i| (0..=4 - i).map(move |j| [f64::from(i), f64::from(j), f64::from(4 - i - j)]));
    let total: f64 = all.map(|counts| model.log_predictive(&counts).exp()).sum();
    assert!((total - 1.0).abs() < 1e-12, "{total}");
    let shares = dirichlet(&model.posterior()).sample(&[20_000], &mut Rng::new(2));
    let counts = [2.0, 0.0, 1.0];
    let each = Multinomial::new(3, &shares.log()).log_prob(&Tensor::from_slice(&counts, &[3])).exp();
    let found = Estimate::mean(&each.to_vec());
    assert_close("probability of three more", found.value, model.log_predictive(&counts).exp(), found.error);
}

/// Log weights `[S]` of draws of an approximation.
fn log_weights(log_joint: impl Fn(&Tensor) -> Tensor, q: &dyn Batched, count: usize, rng: &mut Rng) -> Tensor {
    let z = q.sample(&[count], rng);
    log_joint(&z) - q.log_prob(&z)
}

/// What is known of an approximation: the evidence, its divergence to the posterior, and the logarithm of the mean squared ratio of posterior to it.
struct Known {
    log_evidence: f64,
    divergence: f64,
    log_square: f64,
}

/// Log weights `[S]` of draws of an approximation: the bounds they give are ordered, and have their closed values.
fn assert_bounds(name: &str, known: &Known, log_weights: impl Fn(usize, &mut Rng) -> Tensor) {
    const COUNT: usize = 40_000;
    let Known { log_evidence, divergence, log_square } = known;
    for seed in [1, 2] {
        let l = log_weights(COUNT, &mut Rng::new(seed));
        let bound = |objective: Objective, draws: usize| {
            Estimate::mean(&objective.value(&l.reshape(&[draws, COUNT / draws])).to_vec())
        };
        let elbo = bound(Objective::ELBO, 1);
        assert_close(&format!("{name}, ELBO"), elbo.value, log_evidence - divergence, elbo.error);
        let mut previous = elbo.value;
        for draws in [5, 50] {
            let found = bound(Objective::IWAE, draws);
            assert!(found.value > previous, "{name}: {found:?} of {draws} draws does not tighten {previous}");
            assert!(found.value < log_evidence + 4.0 * found.error, "{name}: {found:?} above {log_evidence}");
            // Between the ELBO and the importance-weighted bound of the same draws, and above without log K.
            let halfway = bound(Objective::renyi(0.5), draws).value;
            assert!(elbo.value < halfway && halfway < found.value, "{name}: {halfway}");
            let largest = bound(Objective::VR_MAX, draws).value;
            assert!(largest > found.value && largest - (draws as f64).ln() < found.value, "{name}: {largest}");
            previous = found.value;
        }
        // The estimate's error by the delta method, of the mean of squares.
        let squares = Estimate::log_mean(&l.to_vec().iter().map(|l| 2.0 * l).collect::<Vec<_>>());
        let cubo = bound(Objective::cubo(2.0), COUNT).value;
        let exact = log_evidence + 0.5 * log_square;
        assert_close(&format!("{name}, CUBO"), cubo, exact, 0.5 * squares.error);
        assert!(exact > *log_evidence && cubo > previous, "{name}: {cubo} and {exact}");
    }
}

/// Log weights of draws of the posterior itself are the log evidence, all of them, and so is every bound.
fn assert_tight(name: &str, log_evidence: f64, log_weights: &Tensor) {
    let l = log_weights.reshape(&[10, log_weights.len() / 10]);
    for objective in [
        Objective::ELBO,
        Objective::IWAE,
        Objective::renyi(-3.0),
        Objective::renyi(f64::INFINITY),
        Objective::VR_MAX,
        Objective::cubo(2.0),
    ] {
        let found = objective.value(&l).to_vec();
        assert!(found.iter().all(|v| (v - log_evidence).abs() < 1e-10), "{name}, {objective:?}: {found:?}");
    }
}

#[test]
fn bounds_of_a_gamma_poisson_model_are_ordered_and_meet_at_its_posterior() {
    let model = GammaPoisson::new();
    let log_joint = |mean: &Tensor| model.log_joint(mean);
    let (shape, rate) = model.posterior();
    let posterior = gamma(shape, rate);
    // Wider than the posterior, so that squared weights have a variance.
    let (a, b) = (10.0, 4.5);
    let q = gamma(a, b);
    let (square_shape, square_rate) = (2.0 * shape - a, 2.0 * rate - b);
    let log_square = 2.0 * (shape * rate.ln() - lgamma(shape)) - (a * b.ln() - lgamma(a))
        + (lgamma(square_shape) - square_shape * square_rate.ln());
    let known = Known { log_evidence: model.log_evidence(), divergence: q.kl(&posterior).item(), log_square };
    assert_bounds("gamma-poisson", &known, |count, rng| log_weights(log_joint, &q, count, rng));
    assert_tight("gamma-poisson", model.log_evidence(), &log_weights(log_joint, &posterior, 200, &mut Rng::new(3)));
}

#[test]
fn bounds_of_a_dirichlet_multinomial_model_are_ordered_and_meet_at_its_posterior() {
    let model = DirichletMultinomial::new();
    let log_joint = |shares: &Tensor| model.log_joint(shares);
    let concentration = model.posterior();
    let posterior = dirichlet(&concentration);
    // Wider than the posterior, as above.
    let wide = [4.0, 1.2, 2.5];
    let q = dirichlet(&wide);
    let square: Vec<f64> = concentration.iter().zip(&wide).map(|(a, b)| 2.0 * a - b).collect();
    let log_square = log_beta(&square) + log_beta(&wide) - 2.0 * log_beta(&concentration);
    let known = Known { log_evidence: model.log_evidence(), divergence: q.kl(&posterior).item(), log_square };
    assert_bounds("dirichlet-multinomial", &known, |count, rng| log_weights(log_joint, &q, count, rng));
    assert_tight(
        "dirichlet-multinomial",
        model.log_evidence(),
        &log_weights(log_joint, &posterior, 200, &mut Rng::new(3)),
    );
}

/// Weights put right what a normal on free numbers gets wrong, with their own error: evidence, and the means of natural values.
fn assert_found(name: &str, target: &dyn LogDensity, fit: &Fit, log_evidence: f64, moments: &[(f64, f64)]) {
    let found = fit.log_evidence;
    assert!((found.value - log_evidence).abs() < 5.0 * found.error + 1e-3, "{name}: {found:?} and {log_evidence}");
    assert!(fit.elbo.value < log_evidence + 4.0 * fit.elbo.error, "{name}: {:?} above {log_evidence}", fit.elbo);
    let natural = target.natural(&fit.draws);
    for (i, (mean, variance)) in moments.iter().enumerate() {
        let column = natural.iter().skip(i).step_by(moments.len());
        let average: f64 = column.zip(&fit.psis.log_weights).map(|(v, l)| v * l.exp()).sum();
        assert_close(&format!("{name}, mean {i}"), average, *mean, (variance / fit.psis.effective_size()).sqrt());
    }
}

#[test]
fn normals_on_free_numbers_find_conjugate_evidences_and_means_by_their_weights() {
    let settings = ViSettings { evaluated: 10_000, ..ViSettings::default() };
    let climbs = PathfinderSettings { evaluated: 10_000, ..PathfinderSettings::default() };
    let counts = GammaPoisson::new();
    let (shape, rate) = counts.posterior();
    let moments = [(shape / rate, shape / (rate * rate))];
    let model = counts.clone();
    let target = Unknowns::new().positive("mean", &[]).density(move |u| model.log_joint(&u["mean"]));
    let fit = vi(&target, Box::new(MeanField::new(&[0.0], &[1.0])), &settings, &mut Run::new(1)).unwrap();
    assert_found("mean-field counts", &target, &fit, counts.log_evidence(), &moments);
    let fit = multipath(&target, &[0.0], &climbs, &mut Run::new(1)).unwrap();
    assert_found("climbs to counts", &target, &fit, counts.log_evidence(), &moments);

    let classes = DirichletMultinomial::new();
    let posterior = dirichlet(&classes.posterior());
    let (mean, variance) = (posterior.mean().unwrap().to_vec(), posterior.variance().unwrap().to_vec());
    let moments: Vec<(f64, f64)> = mean.into_iter().zip(variance).collect();
    let model = classes.clone();
    let target = Unknowns::new().simplex("shares", &[3]).density(move |u| model.log_joint(&u["shares"]));
    let fit = vi(&target, Box::new(MeanField::new(&[0.0; 2], &[1.0; 2])), &settings, &mut Run::new(1)).unwrap();
    assert_found("mean-field classes", &target, &fit, classes.log_evidence(), &moments);
    let fit = multipath(&target, &[0.0; 2], &climbs, &mut Run::new(1)).unwrap();
    assert_found("climbs to classes", &target, &fit, classes.log_evidence(), &moments);
}
