//! Oracles: targets whose answers are known in closed form, against the methods that find them and those that are known to fail.

use crate::support::{assert_close, assert_gradient, assert_moments};
use elbo_core::{Rng, Run};
use elbo_dist::batched::{Batched, Beta, Categorical};
use elbo_dist::{Rule as Quadrature, quantile};
use elbo_infer::diagnostics::mcse_quantile;
use elbo_infer::estimator::SiteEstimator;
use elbo_infer::family::MeanField;
use elbo_infer::fit::{Fit, ViSettings, vi};
use elbo_infer::gaussian::{Expectation, Gaussian, Rule};
use elbo_infer::mcmc::{Hamiltonian, Start, sample};
use elbo_infer::{Explicit, LogDensity, Unknowns};
use elbo_tensor::optim::{Adam, Rule as _, Schedule, descend, golden_section};
use elbo_tensor::special::{LOG_SQRT_TAU, lgamma, log_beta};
use elbo_tensor::{Constraint, Parameter, Parameters, Tensor, grad};

/// Unknowns of the large Gaussian.
const D: usize = 100;

/// A Gaussian of condition 10^4: deviations from 0.1 to 10 along axes that a reflection has turned out of the coordinates'.
struct Reflected {
    mean: Vec<f64>,
    /// Eigenvalues of the precision, from 0.01 to 100.
    eigenvalues: Vec<f64>,
    /// The reflection is $I - 2 v v'$.
    v: Vec<f64>,
}

impl Reflected {
    fn new() -> Self {
        let raw: Vec<f64> = (0..D).map(|i| (1.0 + i as f64).sin()).collect();
        let norm = raw.iter().map(|v| v * v).sum::<f64>().sqrt();
        Self {
            mean: (0..D).map(|i| (0.3 * i as f64).cos()).collect(),
            eigenvalues: (0..D).map(|i| 10f64.powf(-2.0 + 4.0 * i as f64 / (D - 1) as f64)).collect(),
            v: raw.iter().map(|v| v / norm).collect(),
        }
    }

    fn reflect(&self, x: &[f64]) -> Vec<f64> {
        let along = 2.0 * self.v.iter().zip(x).map(|(v, x)| v * x).sum::<f64>();
        x.iter().zip(&self.v).map(|(x, v)| x - along * v).collect()
    }

    /// The reflected diagonal matrix, row-major.
    fn matrix(&self, diagonal: impl Fn(f64) -> f64) -> Vec<f64> {
        let rows = (0..D).map(|i| {
            let mut unit = vec![0.0; D];
            unit[i] = 1.0;
            let turned = self.reflect(&unit);
            self.reflect(&turned.iter().zip(&self.eigenvalues).map(|(t, e)| t * diagonal(*e)).collect::<Vec<_>>())
        });
        rows.flatten().collect()
    }

    fn posterior(&self) -> Gaussian {
        Gaussian { mean: self.mean.clone(), covariance: self.matrix(|e| 1.0 / e) }
    }
}

impl LogDensity for Reflected {
    fn dim(&self) -> usize {
        D
    }

    fn log_prob(&self, z: &Tensor) -> Tensor {
        let r = z - Tensor::from_slice(&self.mean, &[D]);
        (r.matmul(&Tensor::from_vec(self.matrix(|e| e), &[D, D])) * &r).sum_axis(-1, false) * -0.5
    }

    fn value_and_gradient(&self, z: &[f64], gradient: &mut [f64]) -> f64 {
        let r: Vec<f64> = z.iter().zip(&self.mean).map(|(z, m)| z - m).collect();
        let scaled: Vec<f64> = self.reflect(&r).iter().zip(&self.eigenvalues).map(|(y, e)| -y * e).collect();
        gradient.copy_from_slice(&self.reflect(&scaled));
        0.5 * r.iter().zip(&*gradient).map(|(r, g)| r * g).sum::<f64>()
    }
}

#[test]
fn closed_updates_reach_a_gaussian_of_a_hundred_unknowns_and_condition_ten_thousand() {
    let target = Reflected::new();
    let best = target.posterior();
    for rule in [Rule::Newton, Rule::Natural] {
        let mut q = Gaussian::isotropic(vec![0.0; D], 1.0);
        for _ in 0..40 {
            let energy = Expectation::Mean.energy(&target, &q, &mut Rng::new(0)).unwrap();
            q = rule.step(&q, &energy.gradient, &energy.hessian, 1.0).unwrap();
        }
        // Rounding: a hundred unknowns times the condition times 1e-16, and two orders more.
        let divergence = q.kl(&best).unwrap();
        assert!(divergence.abs() < 1e-8, "{rule:?}: {divergence}");
    }
}

#[test]
fn chains_have_the_moments_of_a_gaussian_of_a_hundred_unknowns_and_condition_ten_thousand() {
    let target = Reflected::new();
    assert_gradient(&target, &(0..D).map(|i| (0.7 * i as f64).sin()).collect::<Vec<_>>());
    let covariance = target.posterior().covariance;
    let variance: Vec<f64> = (0..D).map(|i| covariance[i * D + i]).collect();
    for seed in [1, 2] {
        let draws = sample(&target, &Hamiltonian::nuts(), &Start::default(), &mut Run::new(seed)).unwrap();
        // Within five Monte Carlo standard errors, two hundred numbers a seed.
        assert_moments("reflected", &draws, &target.mean, &variance);
    }
}

/// Neal's funnel: $v \sim N(0, 3^2)$ and nine $x_i \sim N(0, e^v)$, normalised.
fn funnel() -> impl LogDensity {
    Explicit::new(10, |z: &[f64], gradient: &mut [f64]| {
        let (v, precision) = (z[0], (-z[0]).exp());
        let square: f64 = z[1..].iter().map(|x| x * x).sum();
        gradient[0] = -v / 9.0 - 4.5 + 0.5 * precision * square;
        gradient[1..].iter_mut().zip(&z[1..]).for_each(|(g, x)| *g = -precision * x);
        -v * v / 18.0 - 4.5 * v - 0.5 * precision * square - 3f64.ln() - 10.0 * LOG_SQRT_TAU
    })
}

/// The same in `v` and $x_i e^{-v/2}$, which are independent.
fn unfolded_funnel() -> impl LogDensity {
    Explicit::new(10, |z: &[f64], gradient: &mut [f64]| {
        let square: f64 = z[1..].iter().map(|x| x * x).sum();
        gradient[0] = -z[0] / 9.0;
        gradient[1..].iter_mut().zip(&z[1..]).for_each(|(g, x)| *g = -x);
        -z[0] * z[0] / 18.0 - 0.5 * square - 3f64.ln() - 10.0 * LOG_SQRT_TAU
    })
}

fn mean_field(target: &dyn LogDensity, seed: u64) -> Fit {
    let d = target.dim();
    let settings = ViSettings { evaluated: 10_000, ..ViSettings::default() };
    vi(target, Box::new(MeanField::new(&vec![0.0; d], &vec![1.0; d])), &settings, &mut Run::new(seed)).unwrap()
}

#[test]
fn independent_normals_fit_a_funnel_as_badly_as_they_must_and_its_other_form_exactly() {
    assert_gradient(&funnel(), &[0.4, 0.1, -0.3, 1.0, 0.7, 0.2, -1.1, 0.5, 0.9, -0.6]);
    // With x integrated out of the bound, log t - t^2 (1/9 + 9/2) / 2 is left of it in the deviation t of v: the best is 0.466 in place of 3, and
    // the bound is off by log(3 / t).
    let best: f64 = (18.0f64 / 83.0).sqrt();
    let mut k = 0.0;
    for seed in [1, 2, 3] {
        let fit = mean_field(&funnel(), seed);
        let packed = fit.family.pack();
        // A few times the tolerance of the average, 0.03 in units of each parameter. Along v's mean m, with the x after it, the bound falls by m^2 / 18
        // alone: no more than is allowed to it below.
        assert!((packed[10] - best.ln()).abs() < 0.1 && packed[0].powi(2) / 18.0 < 0.02, "seed {seed}: {packed:?}");
        let bound = (best / 3.0).ln();
        // Twenty parameters off by their tolerance cost 20 * 0.03^2 nats.
        assert!((fit.elbo.value - bound).abs() < 4.0 * fit.elbo.error + 0.02, "seed {seed}: {:?} {bound}", fit.elbo);
        // Of the funnel's neck, a sixth of its mass, there is nothing.
        assert!(fit.draws.iter().step_by(10).all(|v| *v > -3.0), "seed {seed}");
        k += fit.psis.k / 3.0;

        let fit = mean_field(&unfolded_funnel(), seed);
        let packed = fit.family.pack();
        assert!((packed[10] - 3f64.ln()).abs() < 0.1 && packed[0].abs() < 0.3, "seed {seed}: {packed:?}");
        assert!(fit.elbo.value.abs() < 4.0 * fit.elbo.error + 0.02, "seed {seed}: {:?}", fit.elbo);
        assert!(fit.psis.is_reliable(), "seed {seed}: {}", fit.psis.verdict());
        let neck = fit.draws.iter().step_by(10).filter(|v| **v < -3.0).count() as f64 / 10_000.0;
        // P(v < -3) = 0.1587: four standard errors of the share, and what a deviation off by 0.05 in its logarithm moves.
        assert!((neck - 0.1587).abs() < 0.015 + 0.05 * 0.242, "seed {seed}: {neck}");
    }
    // Weights have no moment above the first, so that k is one in the limit; that of 10,000 draws is near 0.85, with a deviation of 0.07.
    assert!(k > 0.7, "k-hat {k}");
}

#[test]
fn chains_are_reported_in_a_funnel_and_exact_in_its_other_form() {
    let settings = Hamiltonian { warmup: 500, draws: 500, ..Hamiltonian::nuts() };
    let mut variance = vec![1.0; 10];
    variance[0] = 9.0;
    for seed in [1, 2, 3] {
        let mut run = Run::new(seed);
        sample(&funnel(), &settings, &Start::default(), &mut run).unwrap();
        assert!(!run.warnings().is_empty(), "seed {seed}: a funnel that nothing is said of");
        let draws = sample(&unfolded_funnel(), &settings, &Start::default(), &mut Run::new(seed)).unwrap();
        assert_eq!(draws.divergences(), 0, "seed {seed}");
        assert_moments("unfolded funnel", &draws, &[0.0; 10], &variance);
    }
}

/// Log density of Student's distribution.
fn log_student(z: f64, freedom: f64) -> f64 {
    let height = lgamma(0.5 * (freedom + 1.0)) - lgamma(0.5 * freedom) - 0.5 * (freedom * std::f64::consts::PI).ln();
    height - 0.5 * (freedom + 1.0) * (z * z / freedom).ln_1p()
}

fn student(freedom: f64) -> impl LogDensity {
    Explicit::new(1, move |z: &[f64], gradient: &mut [f64]| {
        gradient[0] = -(freedom + 1.0) * z[0] / (freedom + z[0] * z[0]);
        log_student(z[0], freedom)
    })
}

#[test]
fn a_normal_fits_heavy_tails_as_well_as_it_can_and_is_flagged() {
    let rule = Quadrature::hermite(100);
    for freedom in [2.0, 3.0] {
        let target = student(freedom);
        assert_gradient(&target, &[1.3]);
        let bound = |sd: f64| rule.expect(0.0, sd * sd, |z| log_student(z, freedom)) + sd.ln() + LOG_SQRT_TAU + 0.5;
        let best = golden_section(0.5, 3.0, 60, |sd| -bound(sd));
        for seed in [1, 2, 3] {
            let fit = mean_field(&target, seed);
            let packed = fit.family.pack();
            // A few times the tolerance of the average, 0.03 in units of each parameter.
            let is_near = (packed[1] - best.ln()).abs() < 0.1 && packed[0].abs() < 0.1 * best;
            assert!(is_near, "{freedom}, seed {seed}: {packed:?} and {best}");
            let lost = bound(best) - fit.elbo.value;
            assert!(lost.abs() < 4.0 * fit.elbo.error + 0.005, "{freedom}: {:?} and {}", fit.elbo, bound(best));
            // The weights' tail is that of a power over a normal: no moment above the first.
            assert!(!fit.psis.is_reliable(), "{freedom}, seed {seed}: {}", fit.psis.verdict());
        }
    }
}

#[test]
fn chains_have_the_quantiles_of_heavy_tails() {
    // Two degrees of freedom: a variance does not exist, quantiles are closed.
    let exact = |p: f64| (2.0 * p - 1.0) * (0.5 / (p * (1.0 - p))).sqrt();
    for seed in [1, 2, 3] {
        let draws = sample(&student(2.0), &Hamiltonian::nuts(), &Start::default(), &mut Run::new(seed)).unwrap();
        let column = draws.column(0);
        let mut sorted = column.clone();
        sorted.sort_by(f64::total_cmp);
        for p in [0.05, 0.25, 0.5, 0.75, 0.95] {
            let error = mcse_quantile(&column, draws.chains(), p);
            assert_close(&format!("seed {seed}, quantile {p}"), quantile(&sorted, p), exact(p), error);
        }
    }
}

/// Events of a coin, and how many there were.
const HEADS: f64 = 7.0;
const THROWS: f64 = 10.0;

/// Log likelihood of the throws in their order.
fn log_throws(p: &Tensor) -> Tensor {
    p.log() * HEADS + (-p).log1p() * (THROWS - HEADS)
}

/// Log evidence of the throws under a beta prior.
fn log_throws_evidence(a: f64, b: f64) -> f64 {
    log_beta(a + HEADS, b + THROWS - HEADS) - log_beta(a, b)
}

#[test]
fn a_coin_has_the_evidence_and_the_mean_of_its_conjugate_posterior() {
    let (a, b) = (2.0, 3.0);
    let target = Unknowns::new().interval("p", &[], 0.0, 1.0).density(move |u| {
        let p = &u["p"];
        p.log() * (a - 1.0) + (-p).log1p() * (b - 1.0) - log_beta(a, b) + log_throws(p)
    });
    let exact = log_throws_evidence(a, b);
    for seed in [1, 2, 3] {
        let fit = mean_field(&target, seed);
        let found = fit.log_evidence;
        // The normal on log odds is not exact: weights put that right, with their own error.
        assert!((found.value - exact).abs() < 5.0 * found.error + 1e-3, "seed {seed}: {found:?} and {exact}");
        assert!(fit.elbo.value < exact + 4.0 * fit.elbo.error, "seed {seed}: {:?} above {exact}", fit.elbo);
        let p = target.natural(&fit.draws);
        let mean: f64 = p.iter().zip(&fit.psis.log_weights).map(|(p, l)| p * l.exp()).sum();
        let (alpha, beta) = (a + HEADS, b + THROWS - HEADS);
        let variance = alpha * beta / ((alpha + beta).powi(2) * (alpha + beta + 1.0));
        let error = (variance / fit.psis.effective_size()).sqrt();
        assert_close(&format!("seed {seed}, mean"), mean, alpha / (alpha + beta), error);
    }
}

/// A kind of coin and, for each kind, how often it shows heads.
struct Guide {
    kinds: Parameter,
    a: Parameter,
    b: Parameter,
}

elbo_tensor::parameters!(Guide { kinds, a, b });

#[test]
fn a_kind_of_coin_and_its_odds_are_found_together() {
    // A mixture of beta priors; the posterior is one of beta posteriors, which the guide holds.
    let (share, prior) = ([0.7, 0.3], [(4.0, 2.0), (2.0, 4.0)]);
    let parts: Vec<f64> = (0..2).map(|k| share[k] * log_throws_evidence(prior[k].0, prior[k].1).exp()).collect();
    let evidence: f64 = parts.iter().sum();
    let log_share = Tensor::from_vec(share.map(f64::ln).to_vec(), &[2]);
    let priors = Beta::new(
        Tensor::from_vec(prior.map(|p| p.0).to_vec(), &[2]),
        Tensor::from_vec(prior.map(|p| p.1).to_vec(), &[2]),
    );
    for seed in [1, 2, 3] {
        let mut guide = Guide {
            kinds: Parameter::new(&[0.0; 2], &[2], Constraint::Real),
            a: Parameter::new(&[2.0; 2], &[2], Constraint::Positive),
            b: Parameter::new(&[2.0; 2], &[2], Constraint::Positive),
        };
        let mut rng = Rng::new(seed);
        let bound = |guide: &Guide, draws: usize, rng: &mut Rng| {
            let kinds = Categorical::new(&guide.kinds.get());
            let coins = Beta::new(guide.a.get(), guide.b.get());
            // The rule: the kind is enumerated, and the odds of each kind are drawn along paths.
            assert_eq!(SiteEstimator::default_for(&kinds), SiteEstimator::Enumeration);
            assert_eq!(SiteEstimator::default_for(&coins), SiteEstimator::Paths);
            let p = coins.rsample(&[draws], rng).expect("a beta has paths");
            // Parameters held inside the density: no variance where the guide is exact.
            let each = priors.log_prob(&p) + log_throws(&p) - coins.detached().log_prob(&p);
            let each = each.mean_axis(0, false) + &log_share - kinds.log_probs();
            SiteEstimator::Enumeration.surrogate(&kinds, 1, rng, |z| each.index_select(0, z)).unwrap()
        };
        let rule = Adam::with_rate(Schedule::Cosine { start: 0.05, end: 5e-4, steps: 1500 });
        let mut memory = rule.start_parts(&guide.parts());
        for _ in 0..1500 {
            let loss = -bound(&guide, 8, &mut rng);
            let leaves = guide.leaves();
            let gradients = grad(&loss, &leaves.iter().collect::<Vec<_>>());
            descend(&rule, &mut guide, &gradients, &mut memory);
        }
        // At the optimum every draw has the evidence as its weight, so that what is left is the optimiser's.
        let found = bound(&guide, 1000, &mut rng).item();
        assert!((found - evidence.ln()).abs() < 5e-3, "seed {seed}: {found} and {}", evidence.ln());
        let kinds = guide.kinds.get().softmax(-1).to_vec();
        assert!((kinds[0] - parts[0] / evidence).abs() < 5e-3, "seed {seed}: {kinds:?} and {parts:?}");
        for k in 0..2 {
            let (alpha, beta) = (prior[k].0 + HEADS, prior[k].1 + THROWS - HEADS);
            let (a, b) = (guide.a.value()[k], guide.b.value()[k]);
            let error = (a / (a + b) - alpha / (alpha + beta)).abs();
            assert!(error < 0.02 && ((a + b) / (alpha + beta)).ln().abs() < 0.2, "seed {seed}, kind {k}: {a} {b}");
        }
    }
}
