//! Paths and what a network says on them.

use elbo_diffusion::Parameterisation;
use elbo_diffusion::parameterisation::{Preconditioning, Weighting};
use elbo_diffusion::path::every_path;
use elbo_diffusion::schedule::NoiseLaw;

/// Times in the inside of a path.
fn times(path: &elbo_diffusion::Path) -> Vec<f64> {
    let (low, high) = path.interval();
    [0.05, 0.3, 0.5, 0.7, 0.95].map(|s| low + s * (high - low)).into()
}

#[test]
fn derivatives_of_every_path_agree_with_central_differences() {
    for (name, path) in every_path() {
        for t in times(&path) {
            let h = 1e-6 * t.max(1e-2);
            let (a, b, c) = (path.at(t - h), path.at(t + h), path.at(t));
            let check = |what: &str, exact: f64, low: f64, high: f64| {
                let numeric = (high - low) / (2.0 * h);
                assert!(
                    (numeric - exact).abs() < 1e-5 * exact.abs().max(1.0),
                    "{name} {what} at {t}: {numeric} vs {exact}"
                );
            };
            check("alpha", c.alpha_dot, a.alpha, b.alpha);
            check("sigma", c.sigma_dot, a.sigma, b.sigma);
            check("snr / snr", c.snr_dot() / c.snr(), a.snr().ln(), b.snr().ln());
        }
    }
}

#[test]
fn paths_that_preserve_variance_do_and_levels_are_found_again() {
    for (name, path) in every_path() {
        for t in times(&path) {
            let at = path.at(t);
            if name.starts_with("vp") || name == "ornstein_uhlenbeck" {
                assert!((at.alpha.powi(2) + at.sigma.powi(2) - 1.0).abs() < 1e-12, "{name} at {t}");
            }
            assert!((path.time_of(at.level()) - t).abs() < 1e-8 * t.max(1.0), "{name} at {t}");
            assert!((at.half_log_snr() + at.level().ln()).abs() < 1e-12);
        }
    }
}

#[test]
fn every_conversion_and_its_way_back_is_the_identity_to_rounding() {
    let (clean, noise) = (0.7, -1.3);
    for (name, path) in every_path() {
        for t in times(&path) {
            let at = path.at(t);
            let x = at.alpha * clean + at.sigma * noise;
            let truth = |p: Parameterisation| match p {
                Parameterisation::Noise => noise,
                Parameterisation::Data => clean,
                Parameterisation::V => at.alpha * noise - at.sigma * clean,
                Parameterisation::Velocity => at.alpha_dot * clean + at.sigma_dot * noise,
                Parameterisation::Score => -noise / at.sigma,
            };
            for from in Parameterisation::ALL {
                for to in Parameterisation::ALL {
                    let (a, b) = from.convert(to, &at);
                    let found = a * x + b * truth(from);
                    // Relative to the terms that may cancel.
                    let size = (a * x).abs() + (b * truth(from)).abs() + 1.0;
                    assert!((found - truth(to)).abs() < 1e-12 * size, "{name} {from:?} to {to:?} at {t}");
                }
            }
        }
    }
}

#[test]
fn the_flow_is_the_velocity_and_the_reverse_drift_has_half_the_diffusion_more() {
    for (name, path) in every_path() {
        for t in times(&path) {
            let at = path.at(t);
            let (x, score) = (0.4, -0.9);
            let (a, b) = at.flow();
            let (c, d) = Parameterisation::Score.convert(Parameterisation::Velocity, &at);
            let size = (a * x).abs() + (b * score).abs() + 1.0;
            assert!((a * x + b * score - c * x - d * score).abs() < 1e-10 * size, "{name} at {t}");
            let (e, f) = at.reverse_drift(0.8);
            assert!((e - a).abs() < 1e-15 && (f - b + 0.32).abs() < 1e-12 * size);
        }
    }
}

#[test]
fn a_wrapped_network_says_what_its_name_says() {
    let (clean, noise) = (0.7, -1.3);
    for sigma in [0.01f64, 0.5, 40.0] {
        let x = clean + sigma * noise;
        let alpha = 1.0 / (1.0 + sigma * sigma).sqrt();
        let said = [
            (Preconditioning::Noise, noise),
            (Preconditioning::Data, clean),
            (Preconditioning::V, alpha * noise - alpha * sigma * clean),
        ];
        for (how, output) in said {
            let w = how.at(sigma);
            assert!((w.skip * x + w.out * output - clean).abs() < 1e-10, "{how:?} at {sigma}");
        }
        // Input and target of the EDM network have unit variance for data of its own variance.
        let data_sd = 0.5f64;
        let w = Preconditioning::Edm { data_sd }.at(sigma);
        assert!((w.input.powi(2) * (data_sd.powi(2) + sigma * sigma) - 1.0).abs() < 1e-12);
        let target = ((1.0 - w.skip).powi(2) * data_sd.powi(2) + (w.skip * sigma).powi(2)) / w.out.powi(2);
        assert!((target - 1.0).abs() < 1e-10);
        let weight = Weighting::Edm { data_sd }.at(sigma, &Preconditioning::Edm { data_sd });
        assert!((weight * w.out.powi(2) - 1.0).abs() < 1e-10);
        assert!((Weighting::Simple.at(sigma, &Preconditioning::Noise) * sigma * sigma - 1.0).abs() < 1e-12);
    }
}

#[test]
fn weightings_are_the_published_ones_on_every_path() {
    let how = Preconditioning::Noise;
    for (name, path) in every_path() {
        for level in [0.05, 0.4, 3.0] {
            let at = path.at(path.time_of(level));
            let (sigma, snr) = (at.level(), at.snr());
            // Of errors of the noise, which are α²/σ² times those of the data: min(SNR, 5) / SNR.
            let capped = Weighting::MinSnr { gamma: 5.0 }.at(sigma, &how);
            let published = if snr > 5.0 { 5.0 / snr } else { 1.0 };
            assert!((capped / snr / published - 1.0).abs() < 1e-12, "{name} at {level}");
            // The bound has -½ dSNR/dt in the path's time, and so that over d ln σ/dt in time ln σ.
            let rate = at.sigma_dot / at.sigma - at.alpha_dot / at.alpha;
            let bound = Weighting::Elbo.at(sigma, &how);
            assert!((bound * rate / (-0.5 * at.snr_dot()) - 1.0).abs() < 1e-10, "{name} at {level}");
        }
    }
}

#[test]
fn stratified_levels_follow_their_law() {
    let mut rng = elbo_core::Rng::new(4);
    let law = NoiseLaw::LogNormal { mean: -1.2, sd: 1.2 };
    let logs: Vec<f64> = law.draw(2000, &mut rng).iter().map(|s| s.ln()).collect();
    let mean = logs.iter().sum::<f64>() / 2000.0;
    let sd = (logs.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 2000.0).sqrt();
    // One draw in each of 2000 shares: far closer than the 0.027 of independent draws.
    assert!((mean + 1.2).abs() < 0.005 && (sd - 1.2).abs() < 0.01, "{mean} {sd}");
}
