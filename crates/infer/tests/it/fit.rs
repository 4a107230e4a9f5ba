//! Fits: each family reaches its own known optimum, hard targets are flagged, methods agree through one call.

use crate::common::{assert_close, interrupted};
use elbo_core::run::Checkpoints;
use elbo_core::{ModelFile, Rng, Run};
use elbo_infer::estimator::Baseline;
use elbo_infer::family::{FlowFamily, FullRank, LowRank, MeanField, Mixture};
use elbo_infer::fit::{
    AnnealedSettings, Method, MethodSettings, PathfinderSettings, ViSettings, annealed, compare, infer, pathfinder, vi,
};
use elbo_infer::gaussian::Gaussian;
use elbo_infer::glm::{Glm, GlmLikelihood};
use elbo_infer::mcmc::Hamiltonian;
use elbo_infer::{Estimator, Explicit, LogDensity, Objective, Unknowns, Variational};
use elbo_tensor::optim::Optimiser;
use elbo_tensor::{Parameters, Tensor};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// N(mean, Lambda^-1), normalised, in two dimensions.
struct Correlated;

const PRECISION: [f64; 4] = [3.0, -2.0, -2.0, 2.0];
const MEAN: [f64; 2] = [1.0, -4.0];

impl LogDensity for Correlated {
    fn dim(&self) -> usize {
        2
    }

    fn log_prob(&self, z: &Tensor) -> Tensor {
        let r = z - Tensor::from_slice(&MEAN, &[2]);
        let square = (r.matmul(&Tensor::from_slice(&PRECISION, &[2, 2])) * &r).sum_axis(-1, false);
        square * -0.5 + (0.5 * 2f64.ln() - (2.0 * std::f64::consts::PI).ln())
    }
}

#[test]
fn a_full_covariance_of_too_many_unknowns_is_refused_with_the_memory_it_would_take() {
    let wide = Explicit::new(100_000, |_: &[f64], _: &mut [f64]| -> f64 { unreachable!("refused before any work") });
    for method in [Method::FullRank, Method::Pathfinder, Method::Multipath] {
        let error = infer(&wide, method, &MethodSettings::default(), &mut Run::new(1)).err().unwrap().to_string();
        assert!(error.contains(&format!("{method} for 100000 unknowns")) && error.contains("80.0 GB"), "{error}");
    }
}

#[test]
fn each_gaussian_family_reaches_its_own_optimum() {
    let settings = ViSettings { tolerance: 0.02, steps: 60_000, ..ViSettings::default() };
    for seed in [1, 2, 3] {
        // Reverse divergence: a mean field has variances 1 / Lambda_ii, not those of the posterior, and loses log det in its bound.
        let fit =
            vi(&Correlated, Box::new(MeanField::new(&[0.0; 2], &[1.0; 2])), &settings, &mut Run::new(seed)).unwrap();
        let packed = fit.family.pack();
        // A few times the tolerance, of standard deviations 0.6 and 0.7.
        assert!((packed[0] - MEAN[0]).abs() < 0.1 && (packed[1] - MEAN[1]).abs() < 0.1, "{packed:?}");
        let sd: Vec<f64> = packed[2..].iter().map(|s| s.exp()).collect();
        assert_close(&sd, &[3f64.sqrt().recip(), 2f64.sqrt().recip()], 0.04, "mean-field sd");
        let best = -0.5 * (6.0f64 / 2.0).ln();
        assert!((fit.elbo.value - best).abs() < 4.0 * fit.elbo.error + 0.003, "{:?} and {best}", fit.elbo);
        assert_eq!(fit.is_converged, Some(true));

        for (name, family) in [
            ("full rank", Box::new(FullRank::new(&[0.0; 2], &[1.0; 2])) as Box<dyn Variational>),
            ("low rank", Box::new(LowRank::new(&[0.0; 2], &[1.0; 2], 1))),
            ("rank two", Box::new(LowRank::new(&[0.0; 2], &[1.0; 2], 2))),
        ] {
            let fit = vi(&Correlated, family, &settings, &mut Run::new(seed)).unwrap();
            // The family holds the posterior: bound and evidence meet, k-hat is small.
            assert!(fit.elbo.value.abs() < 0.01, "{name}: {:?}", fit.elbo);
            assert!(fit.log_evidence.value.abs() < 0.01, "{name}: {:?}", fit.log_evidence);
            assert!(fit.psis.is_reliable(), "{name}: {}", fit.psis.verdict());
        }
    }
}

#[test]
fn every_optimiser_takes_a_fit_to_the_same_optimum() {
    let best = -0.5 * (6.0f64 / 2.0).ln();
    for optimiser in [
        Optimiser::AmsGrad,
        Optimiser::Adagrad,
        Optimiser::RmsProp { momentum: 0.0 },
        // Not its weighted form, which noise can drive away.
        Optimiser::Dog,
        Optimiser::Coin { alpha: 0.0 },
    ] {
        // The steps of Adagrad shorten from the first one on, which has to be longer.
        let rate = if optimiser == Optimiser::Adagrad { 0.5 } else { 0.05 };
        let settings = ViSettings { optimiser, rate, ..ViSettings::default() };
        for seed in [1, 2, 3] {
            let family = Box::new(MeanField::new(&[0.0; 2], &[1.0; 2]));
            let fit = vi(&Correlated, family, &settings, &mut Run::new(seed)).unwrap();
            let packed = fit.family.pack();
            // A few times the tolerance of 0.03, of standard deviations 0.6 and 0.7.
            let off = (packed[0] - MEAN[0]).abs().max((packed[1] - MEAN[1]).abs());
            assert!(off < 0.15, "{optimiser:?}, seed {seed}: {packed:?}");
            let lost = best - fit.elbo.value;
            assert!(lost.abs() < 4.0 * fit.elbo.error + 0.03, "{optimiser:?}, seed {seed}: {:?}, {best}", fit.elbo);
        }
    }
}

#[test]
fn a_score_with_a_running_baseline_fits_without_gradients() {
    // A constant of 30 nats would drown the signal of a score without a baseline.
    let target = Explicit::new(1, |z: &[f64], g: &mut [f64]| {
        g[0] = f64::NAN;
        -0.5 * ((z[0] - 2.0) / 0.5).powi(2) - 30.0
    });
    let estimator = Some(Estimator::Score { baseline: Baseline::Running { decay: 0.9 } });
    let settings = ViSettings { estimator, draws: 50, steps: 4000, ..ViSettings::default() };
    let fit = vi(&target, Box::new(MeanField::new(&[0.0], &[1.0])), &settings, &mut Run::new(2)).unwrap();
    let packed = fit.family.pack();
    assert!((packed[0] - 2.0).abs() < 0.1 && (packed[1] - 0.5f64.ln()).abs() < 0.15, "{packed:?}");
    assert_eq!(fit.gradients, 0);
}

#[test]
fn forward_divergence_covers_where_reverse_fits_within() {
    // The moments of a Gaussian fit under KL(p, q) are the posterior's: variances Sigma_ii.
    let settings =
        ViSettings { objective: Objective::ForwardKl, draws: 200, rate: 0.05, steps: 6000, ..ViSettings::default() };
    let target = Explicit::new(2, |z: &[f64], g: &mut [f64]| {
        g[0] = -3.0 * z[0] + 2.0 * z[1];
        g[1] = 2.0 * z[0] - 2.0 * z[1];
        -1.5 * z[0] * z[0] + 2.0 * z[0] * z[1] - z[1] * z[1]
    });
    let fit = vi(&target, Box::new(MeanField::new(&[0.0; 2], &[1.5; 2])), &settings, &mut Run::new(1)).unwrap();
    let sd: Vec<f64> = fit.family.pack()[2..].iter().map(|s| s.exp()).collect();
    // Sigma = Lambda^-1 = [[1, 1], [1, 1.5]]; self-normalised weights of 200 draws are biased by about 1 %.
    assert_close(&sd, &[1.0, 1.5f64.sqrt()], 0.06, "forward sd");
}

#[test]
fn a_mixture_finds_two_modes_and_a_flow_bends() {
    let bimodal = Explicit::new(1, |z: &[f64], g: &mut [f64]| {
        let (a, b) = (-0.5 * ((z[0] + 3.0) / 0.5).powi(2), -0.5 * ((z[0] - 3.0) / 0.5).powi(2));
        let top = a.max(b);
        let (ea, eb) = ((a - top).exp(), (b - top).exp());
        g[0] = (-ea * (z[0] + 3.0) - eb * (z[0] - 3.0)) / (0.25 * (ea + eb));
        top + (0.5 * (ea + eb)).ln() - 0.5f64.ln() - 0.5 * (2.0 * std::f64::consts::PI).ln()
    });
    let mut family = Mixture::new(&[0.0], &[1.0], 2, &mut Rng::new(1));
    family.assign("mean", &[-1.0, 1.0]).unwrap();
    let fit = vi(&bimodal, Box::new(family), &ViSettings::default(), &mut Run::new(2)).unwrap();
    assert!(fit.elbo.value.abs() < 0.01 && fit.psis.is_reliable(), "{:?}, {}", fit.elbo, fit.psis.verdict());

    // Banana: z1 ~ N(0, 1), z2 | z1 ~ N(z1^2, 0.5^2); evidence zero.
    let banana = Unknowns::new().real("z", &[2]).density(|u| {
        let (a, b) = (u["z"].select(-1, 0), u["z"].select(-1, 1));
        a.square() * -0.5 - ((b - a.square()) * 2.0).square() * 0.5 - (2.0 * std::f64::consts::PI).ln() + 2f64.ln()
    });
    let gaussian =
        vi(&banana, Box::new(FullRank::new(&[0.0; 2], &[1.0; 2])), &ViSettings::default(), &mut Run::new(3)).unwrap();
    let flow = FlowFamily::new("realnvp:4x16".parse().unwrap(), &[0.0, 1.0], &[0.7, 0.8], &mut Rng::new(1)).unwrap();
    let settings = ViSettings { steps: 1500, rate: 0.01, ..ViSettings::default() };
    let flow = vi(&banana, Box::new(flow), &settings, &mut Run::new(3)).unwrap();
    assert!(
        flow.elbo.value > -0.1 && flow.elbo.value > gaussian.elbo.value + 0.3,
        "{:?} {:?}",
        flow.elbo,
        gaussian.elbo
    );
    assert!(flow.is_converged.is_none() && flow.steps == 1500);
}

#[test]
fn a_continuous_flow_bends_where_a_gaussian_cannot() {
    // Banana: z1 ~ N(0, 1), z2 | z1 ~ N(z1^2, 0.5^2); evidence zero. The best Gaussian loses 0.56 nats.
    let banana = Unknowns::new().real("z", &[2]).density(|u| {
        let (a, b) = (u["z"].select(-1, 0), u["z"].select(-1, 1));
        a.square() * -0.5 - ((b - a.square()) * 2.0).square() * 0.5 - (2.0 * std::f64::consts::PI).ln() + 2f64.ln()
    });
    for seed in [1, 2, 3] {
        let full = Box::new(FullRank::new(&[0.0; 2], &[1.0; 2]));
        let gaussian = vi(&banana, full, &ViSettings::default(), &mut Run::new(seed)).unwrap();
        let spec = "continuous:6x16".parse().unwrap();
        let flow = FlowFamily::new(spec, &[0.0, 1.0], &[0.7, 0.8], &mut Rng::new(seed)).unwrap();
        // Through the draws' own density: one integration a step in place of three.
        let estimator = Some(Estimator::Reparameterised);
        let settings = ViSettings { steps: 1000, rate: 0.02, estimator, ..ViSettings::default() };
        let flow = vi(&banana, Box::new(flow), &settings, &mut Run::new(seed)).unwrap();
        let (found, best) = (flow.elbo, gaussian.elbo);
        let error = found.error.hypot(best.error);
        // Half of what the Gaussian loses, at least, and never above the evidence.
        assert!(found.value > 0.5 * best.value + 4.0 * error, "seed {seed}: {found:?} {best:?}");
        assert!(found.value < 4.0 * found.error, "seed {seed}: {found:?}");
    }
}

/// Rubin's eight schools, centred or not.
fn eight_schools(is_centred: bool) -> impl LogDensity {
    let y = Tensor::from_vec(vec![28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0], &[8]);
    let se = Tensor::from_vec(vec![15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0], &[8]);
    Unknowns::new().real("mu", &[]).positive("tau", &[]).real("school", &[8]).density(move |u| {
        let (mu, tau) = (u["mu"].unsqueeze(-1), u["tau"].unsqueeze(-1));
        let hyper = (&u["mu"] * 0.2).square() * -0.5 - (&u["tau"] * 0.2).square().log1p();
        let (theta, prior) = if is_centred {
            (u["school"].clone(), ((&u["school"] - &mu) / &tau).square() * -0.5 - tau.log())
        } else {
            (&mu + &u["school"] * &tau, u["school"].square() * -0.5)
        };
        let fit = ((&y - theta) / &se).square() * -0.5;
        hyper + (prior + fit).sum_axis(-1, false)
    })
}

#[test]
fn eight_schools_is_flagged_centred_and_not_flagged_otherwise() {
    // One k-hat of 10,000 draws has a standard error near 0.1, hence the mean over seeds.
    let fit = |is_centred, seed| {
        let settings = ViSettings { steps: 4000, evaluated: 10_000, ..ViSettings::default() };
        let family = Box::new(MeanField::new(&[0.0; 10], &[1.0; 10]));
        vi(&eight_schools(is_centred), family, &settings, &mut Run::new(seed)).unwrap()
    };
    let mean = |is_centred| (1..=4).map(|seed| fit(is_centred, seed).psis.k).sum::<f64>() / 4.0;
    let (centred, other) = (mean(true), mean(false));
    assert!(centred > 0.75 && other < 0.7, "k-hat centred {centred}, non-centred {other}");
    let warnings = fit(true, 1).warnings;
    assert!(warnings.iter().any(|w| w.contains("unreliable")), "{warnings:?}");
}

#[test]
fn methods_agree_on_a_conjugate_regression_through_one_call() {
    let mut rng = Rng::new(4);
    let (n, d) = (30, 3);
    let x: Vec<f64> = rng.normals(n * d);
    let y: Vec<f64> = (0..n).map(|i| x[i * d] - 0.5 * x[i * d + 2] + 0.4 * rng.normal()).collect();
    let glm = Glm::new(GlmLikelihood::Gaussian { noise: Some(0.4) }, x, y, vec![1.0; d]);
    let settings = MethodSettings {
        nuts: Hamiltonian { warmup: 300, draws: 400, ..Hamiltonian::nuts() },
        ..MethodSettings::default()
    };
    let methods = ["nuts", "mean-field", "full-rank", "low-rank:1", "pathfinder"].map(|m| m.parse::<Method>().unwrap());
    let result = compare(&glm, &methods, &settings, &mut Run::new(5)).unwrap();
    assert_eq!(result.trusted().unwrap().method, Method::Nuts);
    let (mean, sd) = (result.answers[0].mean(), result.answers[0].sd());
    let full = &result.answers[2];
    assert!(full.doubt().is_none() && full.elbo.unwrap().error < 0.01);
    // The log joint is quadratic, so its value, slope and curvature at zero give the log evidence: the full-rank bound reaches it.
    let mut slope = vec![0.0; d];
    let value = glm.value_and_gradient(&[0.0; 3], &mut slope);
    let curvature = glm.hessian(&[0.0; 3]).unwrap().iter().map(|h| -h).collect();
    let precision = Gaussian { mean: vec![0.0; d], covariance: curvature };
    let covariance = precision.precision().unwrap();
    let square: f64 = (0..d * d).map(|ij| slope[ij / d] * covariance[ij] * slope[ij % d]).sum();
    let evidence = value + 0.5 * (square + d as f64 * (2.0 * std::f64::consts::PI).ln() - precision.log_det().unwrap());
    // Parameters within a few times the tolerance of 0.03 cost a few hundredths of a nat at most.
    let bound = full.elbo.unwrap();
    assert!((bound.value - evidence).abs() < 4.0 * bound.error + 0.05, "{bound:?} and {evidence}");
    for i in 0..d {
        // 1600 draws of NUTS: two standard errors are 0.05 sd.
        assert!((full.mean()[i] - mean[i]).abs() < 0.12 * sd[i] && (full.sd()[i] / sd[i] - 1.0).abs() < 0.1);
    }
    // A normal posterior is among the normals along the way, if not quite with its covariance.
    let found = &result.answers[4];
    assert!(found.doubt().is_none() && found.gradients < 200, "{:?}, {} gradients", found.doubt(), found.gradients);
    assert!((found.elbo.unwrap().value - evidence).abs() < 0.1, "{:?} and {evidence}", found.elbo);
    let text = result.to_string();
    assert!(text.contains("Trust nuts") && text.contains("k-hat") && result.table().rows.len() == 5, "{text}");
}

#[test]
fn pathfinder_is_near_a_logistic_posterior() {
    let mut rng = Rng::new(6);
    let (n, d) = (100, 8);
    let x = rng.normals(n * d);
    let y: Vec<f64> = x.chunks(d).map(|x| f64::from(u8::from(2.0 * x[0] - x[1] + rng.normal() > 0.0))).collect();
    let glm = Glm::new(GlmLikelihood::Bernoulli, x, y, vec![2.0; d]);
    let full =
        vi(&glm, Box::new(FullRank::new(&[0.0; 8], &[1.0; 8])), &ViSettings::default(), &mut Run::new(1)).unwrap();
    for seed in [1, 2, 3] {
        let fit = pathfinder(&glm, &[0.0; 8], &PathfinderSettings::default(), &mut Run::new(seed)).unwrap();
        assert!(fit.gradients < 500, "{} gradients", fit.gradients);
        // The full-rank optimum is the best normal; the climb's has fitted no draws. Standard deviations half as large lose 2.5 nats more.
        let lost = full.elbo.value - fit.elbo.value;
        assert!(lost > -4.0 * fit.elbo.error - 0.05 && lost < 1.5, "{lost} nats below {}", full.elbo.value);
    }
}

#[test]
fn a_resumed_fit_ends_with_the_same_bits() {
    let target = eight_schools(false);
    let running = Some(Estimator::Score { baseline: Baseline::Running { decay: 0.9 } });
    let coin = Optimiser::Coin { alpha: 0.0 };
    for (optimiser, estimator) in
        [(Optimiser::Adam, None), (Optimiser::Dog, None), (coin, None), (Optimiser::Adam, running)]
    {
        let settings = |steps| ViSettings { steps, optimiser, estimator, ..ViSettings::default() };
        let family = || Box::new(MeanField::new(&[0.0; 10], &[1.0; 10])) as Box<dyn Variational>;
        let whole = vi(&target, family(), &settings(450), &mut Run::new(7)).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint");
        let checkpoints = Checkpoints { path: path.clone(), every: Duration::ZERO, header: ModelFile::new("test") };
        vi(&target, family(), &settings(230), &mut Run::new(7).with_checkpoints(checkpoints)).unwrap();
        let mut run = Run::new(999).resuming(ModelFile::read(&path).unwrap());
        let resumed = vi(&target, family(), &settings(450), &mut run).unwrap();
        assert_eq!(resumed.family.pack(), whole.family.pack(), "{optimiser:?}");
        assert_eq!(resumed.draws, whole.draws, "{optimiser:?}");
    }
}

#[test]
fn a_pathfinder_that_was_stopped_says_so() {
    let flag = Arc::new(AtomicBool::new(false));
    let (raised, seen) = (flag.clone(), AtomicUsize::new(0));
    // A quartic, whose climb takes more than a few gradients.
    let target = Explicit::new(2, move |z: &[f64], g: &mut [f64]| {
        if seen.fetch_add(1, Ordering::Relaxed) == 40 {
            raised.store(true, Ordering::Relaxed);
        }
        g.iter_mut().zip(z).for_each(|(g, z)| *g = -z - z.powi(3));
        z.iter().map(|z| -0.5 * z * z - 0.25 * z.powi(4)).sum()
    });
    let run = &mut Run::new(0).with_cancel(flag);
    let fit = pathfinder(&target, &[3.0, -3.0], &PathfinderSettings { paths: 50, ..Default::default() }, run).unwrap();
    assert!(run.stopped_early());
    assert!(fit.warnings.iter().any(|text| text.contains("of 50 climbs were stopped")), "{:?}", fit.warnings);
}

#[test]
fn a_flow_that_is_stopped_goes_on_to_the_same_bits_without_its_base_being_fitted_again() {
    let calls = AtomicUsize::new(0);
    let target = Explicit::new(2, |z: &[f64], g: &mut [f64]| {
        calls.fetch_add(1, Ordering::Relaxed);
        g.iter_mut().zip(z).for_each(|(g, z)| *g = -z - z.powi(3));
        z.iter().map(|z| -0.5 * z * z - 0.25 * z.powi(4)).sum()
    });
    let vi = ViSettings { steps: 300, evaluated: 100, ..ViSettings::default() };
    let settings = MethodSettings { vi, flow_steps: 20, ..MethodSettings::default() };
    let work = |run: &mut Run| {
        calls.store(0, Ordering::Relaxed);
        let found = infer(&target, "planar:2".parse().unwrap(), &settings, run).unwrap();
        (found.draws, found.elbo, found.gradients, calls.load(Ordering::Relaxed))
    };
    let whole = work(&mut Run::new(6));
    let (run, stopped, resumed) = interrupted(7, work);
    assert!(run.stopped_early() && stopped.0 != whole.0);
    assert_eq!((&resumed.0, resumed.1, resumed.2), (&whole.0, whole.1, whole.2));
    // Of 3000 gradients for the base and 200 for the flow, 130 are left, and two times a hundred draws to be judged.
    assert!(resumed.3 < 1000 && whole.3 > 2000, "{} and {} calls", resumed.3, whole.3);
}

#[test]
fn bad_settings_and_targets_without_support_are_refused() {
    let message = |text: &str| text.parse::<Method>().unwrap_err().to_string();
    assert!(message("nutz").contains("mean-field") && message("mixture:0").contains("mixture:K"));
    for text in [
        "nuts",
        "pathfinder",
        "multipath",
        "low-rank:2",
        "mixture:3",
        "spline:4x8",
        "planar:4",
        "hamiltonian:4",
        "langevin:2",
    ] {
        assert_eq!(text.parse::<Method>().unwrap().to_string(), text);
    }
    let nowhere = Explicit::new(1, |_: &[f64], g: &mut [f64]| {
        g[0] = f64::NAN;
        f64::NAN
    });
    let error = infer(&nowhere, Method::MeanField, &MethodSettings::default(), &mut Run::new(0)).unwrap_err();
    assert!(error.to_string().contains("not finite"), "{error}");
    let error = infer(&nowhere, Method::Pathfinder, &MethodSettings::default(), &mut Run::new(0)).unwrap_err();
    assert!(error.to_string().contains("along any climb"), "{error}");
    let line = Explicit::new(1, |z: &[f64], g: &mut [f64]| {
        g[0] = -z[0];
        -0.5 * z[0] * z[0]
    });
    let settings = MethodSettings { start: Some(vec![0.0; 2]), ..MethodSettings::default() };
    for method in [Method::MeanField, Method::Pathfinder, Method::Multipath, Method::Nuts] {
        let error = infer(&line, method, &settings, &mut Run::new(0)).unwrap_err();
        assert!(error.to_string().contains("`start` is of 2 unknowns"), "{error}");
    }
    let run = &mut Run::new(0);
    let error = pathfinder(&line, &[0.0; 3], &PathfinderSettings::default(), run).err().unwrap();
    assert!(error.to_string().contains("`start` is of 3 unknowns"), "{error}");
    let wide = || Box::new(MeanField::new(&[0.0; 2], &[1.0; 2]));
    let by_vi = vi(&line, wide(), &ViSettings::default(), run).err().unwrap();
    let by_annealing = annealed(&line, wide(), &AnnealedSettings::default(), run).err().unwrap();
    for error in [by_vi, by_annealing] {
        assert!(error.to_string().contains("`family` is of 2 unknowns"), "{error}");
    }
    let error = compare(&line, &[], &MethodSettings::default(), run).err().unwrap();
    assert!(error.to_string().contains("`methods` is empty"), "{error}");
    assert!(PathfinderSettings { draws: 1, ..PathfinderSettings::default() }.check().is_err());
    assert!(ViSettings { rate: 0.0, ..ViSettings::default() }.check().is_err());
}
