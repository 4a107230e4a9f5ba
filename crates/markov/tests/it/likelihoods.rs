//! Every likelihood of one number: the Markov posterior with its sites is the dense one, and so is every sweep.

use crate::dense;
use crate::problems::{assert_near, every_kernel, series};
use elbo_core::Rng;
use elbo_gp::kernel::{Kernel as _, Stationary};
use elbo_gp::likelihood::{
    BernoulliLogit, BernoulliProbit, Beta, Binomial, Exponential, Gamma, Gaussian, Laplace, Likelihood, LogGaussian,
    NegativeBinomial, Ordinal, Poisson, StudentT, Weibull, ZeroInflatedPoisson,
};
use elbo_gp::prior::{DensePrior, LatentPrior, SitePosterior};
use elbo_gp::site::{Cvi, Laplace as LaplaceRule, Marginal, PosteriorLinearisation, PowerEp, SiteRule, Sites};
use elbo_markov::process::SiteProcess;
use elbo_markov::{Kernel, counts};
use elbo_tensor::Tensor;

/// A likelihood, and an observation that a latent value may give.
type Observed = (Box<dyn Likelihood>, fn(f64) -> f64);

fn every_likelihood() -> Vec<Observed> {
    fn sign(f: f64) -> f64 {
        if f > 0.0 { 1.0 } else { -1.0 }
    }
    vec![
        (Box::new(Gaussian::new(0.3)) as Box<dyn Likelihood>, (|f| f) as fn(f64) -> f64),
        (Box::new(Poisson::new(1.0)), |f| f.exp().round()),
        (Box::new(BernoulliLogit::new()), sign),
        (Box::new(BernoulliProbit::new()), sign),
        (Box::new(NegativeBinomial::new(2.0)), |f| f.exp().round()),
        (Box::new(StudentT::new(4.0, 0.3)), |f| f),
        (Box::new(Laplace::new(0.3)), |f| f),
        (Box::new(Gamma::new(2.0)), f64::exp),
        (Box::new(Exponential::new()), f64::exp),
        (Box::new(LogGaussian::new(0.2)), f64::exp),
        (Box::new(Weibull::new(1.4)), f64::exp),
        (Box::new(Beta::new(6.0)), |f| 1.0 / (1.0 + (-f).exp())),
        (Box::new(Binomial::new(7)), |f| (7.0 / (1.0 + (-f).exp())).round()),
        (Box::new(Ordinal::new(&[-0.5, 0.4, 1.0], 0.6)), |f| {
            f64::from(u8::from(f > -0.5) + u8::from(f > 0.4) + u8::from(f > 1.0))
        }),
        (Box::new(ZeroInflatedPoisson::new(0.3)), |f| if f < -0.3 { 0.0 } else { f.exp().round() }),
    ]
}

/// Rows of the identities: irregular times, some of them equal.
const ROWS: usize = 300;

/// The first sweep sees the prior, the second one a posterior.
const SWEEPS: usize = 2;

#[test]
fn sweeps_give_the_dense_sites_and_posterior_for_every_likelihood_and_rule() {
    let mut rng = Rng::new(3);
    let (times, _) = series(ROWS, 3);
    let latent: Vec<f64> = times.iter().map(|t| (1.5 * t).sin() + 0.4 * rng.normal()).collect();
    let rules: [Box<dyn SiteRule>; 4] = [
        Box::new(Cvi { rho: 0.5 }),
        Box::new(PowerEp { alpha: 1.0, damping: 0.5 }),
        Box::new(LaplaceRule { damping: 0.5 }),
        Box::new(PosteriorLinearisation { damping: 0.5 }),
    ];
    let kernel: Kernel = "matern52(lengthscale=0.9, variance=1.2)".parse().unwrap();
    let gram = dense::gram(&kernel, &times, &times, 0.0);
    for (j, (likelihood, observe)) in every_likelihood().into_iter().enumerate() {
        let y: Vec<f64> = latent.iter().map(|f| observe(*f)).collect();
        for (k, rule) in rules.iter().enumerate() {
            let what = format!("{} by {}", likelihood.name(), rule.name());
            let mut process = SiteProcess::new(kernel.clone(), likelihood.clone_box(), &times, &y).unwrap();
            process.infer(rule.as_ref(), SWEEPS, 0.0).unwrap();
            let found = process.posterior().unwrap();
            // As many sweeps of the dense process from the same start.
            let mut sites = Sites::flat(ROWS);
            for _ in 0..SWEEPS {
                let (mean, variance, _) = dense::under_sites(&gram, &sites.shift, &sites.precision);
                let marginal = |(mean, variance): (&f64, &f64)| {
                    let (mean, variance) = (*mean, *variance);
                    Marginal { mean, variance, site_variance: variance, offset: 0.0 }
                };
                let marginals: Vec<Marginal> = mean.iter().zip(&variance).map(marginal).collect();
                rule.update(likelihood.as_ref(), &y, &marginals, &mut sites);
            }
            assert_near(&format!("{what}: shift"), &process.sites.shift, &sites.shift, 1e-9);
            assert_near(&format!("{what}: precision"), &process.sites.precision, &sites.precision, 1e-9);
            let (mean, variance, log_z) = dense::under_sites(&gram, &sites.shift, &sites.precision);
            assert_near(&format!("{what}: mean"), &found.mean, &mean, 1e-9);
            assert_near(&format!("{what}: variance"), &found.variance, &variance, 1e-9);
            assert_near(&format!("{what}: log normaliser"), &[found.log_z], &[log_z], 1e-9);
            assert!(process.elbo().unwrap().is_finite(), "{what}");
            // The dense process of the library, whose posterior does not depend on where sites come from.
            if k == j % rules.len() {
                let expected = library_posterior(&times, &process.sites);
                assert_near(&what, &found.mean, &expected.mean.to_vec(), 1e-9);
                assert_near(&what, &found.variance, &expected.variance.to_vec(), 1e-9);
                assert_near(&what, &[found.log_z], &[expected.log_z.item()], 1e-9);
            }
        }
    }
}

/// The posterior of a dense process with a Matérn kernel of lengthscale 0.9 and variance 1.2.
fn library_posterior(times: &[f64], sites: &Sites) -> SitePosterior {
    let mut kernel: Box<dyn elbo_gp::kernel::Kernel> = Stationary::matern52(1).with_variance(1.2).clone_box();
    elbo_tensor::Parameters::visit_mut(kernel.as_mut(), &mut |name, p| {
        if name.ends_with("lengthscale") {
            p.set(&[0.9]).unwrap();
        }
    });
    let (shift, precision) = sites.tensors();
    DensePrior::new(kernel, Tensor::from_slice(times, &[times.len(), 1])).posterior(&shift, &precision).unwrap()
}

#[test]
fn one_step_of_length_one_is_exact_for_gaussian_noise() {
    let mut rng = Rng::new(5);
    let times: Vec<f64> = (0..40).map(|k| 0.3 * k as f64).collect();
    let y: Vec<f64> = times.iter().map(|t| t.sin() + 0.3 * rng.normal()).collect();
    let kernel: Kernel = "matern32(lengthscale=1.1)".parse().unwrap();
    let series = elbo_markov::Series::new(&times, &y).unwrap();
    let gp = elbo_markov::MarkovGp::new(kernel.clone(), 0.09, &series);
    let direct = gp.predict(&series, &times).unwrap();
    let rules: [&dyn SiteRule; 2] = [&Cvi { rho: 1.0 }, &PosteriorLinearisation { damping: 1.0 }];
    for rule in rules {
        let mut process = SiteProcess::new(kernel.clone(), Box::new(Gaussian::new(0.09)), &times, &y).unwrap();
        process.infer(rule, 1, 0.0).unwrap();
        assert!((process.elbo().unwrap() - gp.log_marginal(&series).unwrap()).abs() < 1e-9, "{}", rule.name());
        assert_near(rule.name(), &process.posterior().unwrap().mean, &direct.mean, 1e-9);
    }
}

/// Sites as the likelihood would ask for, and none at a tenth of the rows.
#[test]
fn sites_of_every_likelihood_give_the_dense_posterior_for_every_kernel() {
    let mut rng = Rng::new(6);
    let (times, seen) = series(ROWS, 6);
    let latent: Vec<f64> = times.iter().map(|t| 0.8 * (1.5 * t).sin() + 0.3 * rng.normal()).collect();
    let origin = times.iter().copied().fold(f64::INFINITY, f64::min);
    for (i, (name, kernel)) in every_kernel().into_iter().enumerate() {
        let gram = dense::gram(&kernel, &times, &times, origin);
        for (j, (likelihood, observe)) in every_likelihood().into_iter().enumerate() {
            let what = format!("{name}, {}", likelihood.name());
            let y: Vec<f64> = latent.iter().map(|f| observe(*f)).collect();
            let mut process = SiteProcess::new(kernel.clone(), likelihood.clone_box(), &times, &y).unwrap();
            assert_eq!(process.origin.to_bits(), origin.to_bits());
            // Sites that the likelihood would ask for at a latent near the truth, whatever the kernel makes of them.
            for (n, f) in latent.iter().enumerate().filter(|(n, _)| !seen[*n].is_nan()) {
                let expected = likelihood.expected(y[n], f + 0.1 * ((i + j + n) as f64).sin(), 0.2);
                let precision = (-2.0 * expected.dv).max(0.05);
                (process.sites.shift[n], process.sites.precision[n]) = (expected.dm + precision * f, precision);
            }
            let found = process.posterior().unwrap();
            let (mean, variance, log_z) = dense::under_sites(&gram, &process.sites.shift, &process.sites.precision);
            assert_near(&format!("{what}: mean"), &found.mean, &mean, 1e-9);
            assert_near(&format!("{what}: variance"), &found.variance, &variance, 1e-9);
            assert_near(&format!("{what}: log normaliser"), &[found.log_z], &[log_z], 1e-9);
        }
    }
}

#[test]
fn sites_that_would_push_away_are_counted() {
    let times: Vec<f64> = (0..20).map(|k| 0.3 * k as f64).collect();
    let mut y: Vec<f64> = times.iter().map(|t| t.sin()).collect();
    (y[4], y[11]) = (9.0, -12.0);
    let heavy: Box<dyn Likelihood> = Box::new(StudentT::new(4.0, 0.1));
    // The two far rows, and few of the others.
    for (likelihood, expected) in [(heavy, 2..=5), (Box::new(Gaussian::new(0.1)), 0..=0)] {
        let kernel: Kernel = "matern52(lengthscale=2)".parse().unwrap();
        let mut process = SiteProcess::new(kernel, likelihood, &times, &y).unwrap();
        process.infer(&Cvi { rho: 0.5 }, 40, 1e-8).unwrap();
        assert!(expected.contains(&process.floored), "{} of {expected:?}", process.floored);
    }
}

#[test]
fn the_gradient_at_a_fixed_point_is_that_of_the_elbo() {
    let times: Vec<f64> = (0..30).map(|k| 0.3 * k as f64).collect();
    let y: Vec<f64> = times.iter().map(|t| (1.5 * t.sin()).exp().round()).collect();
    let at = |log: f64| {
        let kernel = Kernel::matern(1, 1.0, log.exp());
        let mut process = SiteProcess::new(kernel, Box::new(Poisson::new(1.0)), &times, &y).unwrap();
        process.infer(&Cvi { rho: 0.7 }, 500, 1e-13).unwrap();
        process
    };
    let numeric = (at(1e-4).elbo().unwrap() - at(-1e-4).elbo().unwrap()) / 2e-4;
    let exact = at(0.0).posterior().unwrap().gradient[1];
    assert!((numeric - exact).abs() < 1e-5 * exact.abs().max(1.0), "{numeric} {exact}");
}

#[test]
fn a_channels_readout_is_found_where_its_latents_are_known() {
    let mut rng = Rng::new(8);
    let steps = 4000;
    let mean: Vec<f64> = rng.normals(2 * steps);
    let covariance = vec![0.0; 4 * steps];
    let y: Vec<f64> =
        (0..steps).map(|t| rng.poisson((0.8 * mean[2 * t] - 0.3 * mean[2 * t + 1] - 0.5).exp()) as f64).collect();
    let mut readout = counts::Readout { c: vec![0.0; 2], d: vec![0.0], latents: 2 };
    let data = [counts::Moments { seen: counts::Seen::plain(&y), mean: &mean, covariance: &covariance }];
    counts::fit_channel(&mut readout, 0, &data, 1e-6, 50).unwrap();
    // Four standard errors: the information is about 0.8 a step.
    assert_near("c", &readout.c, &[0.8, -0.3], 0.05);
    assert_near("d", &readout.d, &[-0.5], 0.05);
    let flat = vec![0.0; steps];
    let data = [counts::Moments { seen: counts::Seen::plain(&flat), mean: &mean, covariance: &covariance }];
    assert!(counts::fit_channel(&mut readout, 0, &data, 0.0, 5).is_ok_and(f64::is_finite as fn(f64) -> bool));
}

#[test]
fn a_channels_readout_is_found_at_any_count_and_from_any_start() {
    let mut rng = Rng::new(11);
    let steps = 200;
    let mean: Vec<f64> = rng.normals(2 * steps);
    let covariance = vec![0.0; 4 * steps];
    for count in [3.0f64, 34.0, 300.0, 5000.0, 1e8] {
        // Numbers without noise: the maximum is at the truth, but for the ridge.
        let log_rate = |t: usize| 0.3 * mean[2 * t] - 0.2 * mean[2 * t + 1] + count.ln();
        let y: Vec<f64> = (0..steps).map(|t| log_rate(t).exp()).collect();
        let data = [counts::Moments { seen: counts::Seen::plain(&y), mean: &mean, covariance: &covariance }];
        for start in [0.0, -20.0, 30.0, 300.0] {
            let mut readout = counts::Readout { c: vec![0.0; 2], d: vec![start], latents: 2 };
            let value = counts::fit_channel(&mut readout, 0, &data, 1e-6, 20).unwrap();
            assert_near(&format!("c of {count} from {start}"), &readout.c, &[0.3, -0.2], 1e-5);
            assert_near(&format!("d of {count} from {start}"), &readout.d, &[count.ln()], 1e-5);
            let at_truth: f64 = y.iter().map(|y| y * y.ln() - y).sum();
            assert!((value / at_truth - 1.0).abs() < 1e-6, "{count} from {start}: {value} {at_truth}");
        }
    }
}

/// Latents with some uncertainty, known offsets, and what a channel makes of them.
fn one_channel(likelihood: &dyn Likelihood, steps: usize) -> [Vec<f64>; 4] {
    let mut rng = Rng::new(9);
    let mean = rng.normals(2 * steps);
    let covariance = [0.3, 0.1, 0.1, 0.2].repeat(steps);
    let offset: Vec<f64> = (0..steps).map(|t| 0.5 * (0.3 * t as f64).sin()).collect();
    let eta = |t: usize| 0.8 * mean[2 * t] - 0.3 * mean[2 * t + 1] - 0.5 + offset[t];
    let y = (0..steps).map(|t| likelihood.sample(eta(t), &mut rng)).collect();
    [mean, covariance, offset, y]
}

#[test]
fn the_readout_of_any_likelihood_ends_where_its_objective_is_flat() {
    let likelihoods: [Box<dyn Likelihood>; 4] = [
        Box::new(Gaussian::new(0.3)),
        Box::new(BernoulliLogit::new()),
        Box::new(NegativeBinomial::new(2.0)),
        Box::new(Poisson::new(1.0)),
    ];
    let (steps, ridge) = (400, 0.1);
    for likelihood in likelihoods {
        let [mean, covariance, offset, y] = one_channel(likelihood.as_ref(), steps);
        let seen = counts::Seen { y: &y, offset: Some(&offset) };
        let data = [counts::Moments { seen, mean: &mean, covariance: &covariance }];
        let mut readout = counts::Readout { c: vec![0.0; 2], d: vec![0.0], latents: 2 };
        let value = counts::fit_channel_under(likelihood.as_ref(), &mut readout, 0, &data, ridge, 100).unwrap();
        let objective = |x: &[f64]| -> f64 {
            let at = counts::Readout { c: x[..2].to_vec(), d: vec![x[2]], latents: 2 };
            let told: f64 = data[0].terms(&at, 0).iter().map(|(y, m, v)| likelihood.expected(*y, *m, *v).value).sum();
            told - 0.5 * ridge * (x[0] * x[0] + x[1] * x[1])
        };
        let x = [readout.c[0], readout.c[1], readout.d[0]];
        let name = likelihood.name();
        assert!((value - objective(&x)).abs() < 1e-9 * (1.0 + value.abs()), "{name}: {value}");
        for i in 0..3 {
            for by in [-1e-2, 1e-2] {
                let mut other = x;
                other[i] += by;
                assert!(objective(&other) < value, "{name}, {i}: {} {value}", objective(&other));
            }
        }
        if name == "poisson" {
            let mut closed = counts::Readout { c: vec![0.0; 2], d: vec![0.0], latents: 2 };
            counts::fit_channel(&mut closed, 0, &data, ridge, 100).unwrap();
            assert_near("loadings", &readout.c, &closed.c, 1e-3);
            assert_near("offset", &readout.d, &closed.d, 1e-3);
        }
    }
}

#[test]
fn known_offsets_move_the_sites_as_a_readouts_own_offset_does() {
    let likelihood: Box<dyn Likelihood> = Box::new(Poisson::new(1.0));
    let steps = 30;
    let [mean, covariance, _, y] = one_channel(likelihood.as_ref(), steps);
    let offset = vec![0.4; steps];
    let readout = |d: f64| counts::Readout { c: vec![0.8, -0.3], d: vec![d], latents: 2 };
    let likelihoods = [likelihood];
    let seen = counts::Seen { y: &y, offset: Some(&offset) };
    let with = counts::propose(&likelihoods, &readout(-0.5), seen, &mean, &covariance, true);
    let own = counts::propose(&likelihoods, &readout(-0.1), counts::Seen::plain(&y), &mean, &covariance, true);
    let without = counts::propose(&likelihoods, &readout(-0.5), counts::Seen::plain(&y), &mean, &covariance, true);
    assert_near("shift", &with.sites.shift, &own.sites.shift, 1e-12);
    assert_near("precision", &with.sites.precision, &own.sites.precision, 1e-12);
    assert!((with.expected - own.expected).abs() < 1e-9 && (with.expected - without.expected).abs() > 0.1);
    // One likelihood a channel: with two channels of one readout each has its own.
    let two = counts::Readout { c: [0.8, -0.3].repeat(2), d: vec![-0.5; 2], latents: 2 };
    let both: Vec<f64> = y.iter().flat_map(|y| [*y, *y]).collect();
    let each: [Box<dyn Likelihood>; 2] = [Box::new(Poisson::new(1.0)), Box::new(NegativeBinomial::new(1.0))];
    let found = counts::propose(&each, &two, counts::Seen::plain(&both), &mean, &covariance, false);
    let alone = |k: usize| {
        let own = [each[k].clone_box()];
        counts::propose(&own, &readout(-0.5), counts::Seen::plain(&y), &mean, &covariance, false).expected
    };
    assert!((found.expected - alone(0) - alone(1)).abs() < 1e-9, "{}", found.expected);
}
