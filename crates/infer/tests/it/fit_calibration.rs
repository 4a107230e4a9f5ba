//! Calibration of variational fits: exact ones pass, and those with a wrong centre or width are told apart.

use elbo_core::{Error, Result, Rng, Run};
use elbo_infer::family::MeanField;
use elbo_infer::fit::{Finding, Fit, VariationalCalibration, ViSettings, vi};
use elbo_infer::{LogDensity, Unknowns};
use elbo_tensor::{Parameters, Tensor};
use std::sync::Arc;
use std::time::Duration;

/// The posterior of two means with standard normal priors from ten values each, moved by `shift` of its deviations and with this multiple of its
/// precision.
fn posterior(means: [f64; 2], precision: f64, shift: f64) -> impl LogDensity {
    let centre = Tensor::from_vec(means.map(|mean| mean + shift / 11f64.sqrt()).to_vec(), &[2]);
    Unknowns::new()
        .real("mean", &[2])
        .density(move |u| (&u["mean"] - &centre).square().sum_axis(-1, false) * (-0.5 * 11.0 * precision))
}

fn settings() -> ViSettings {
    // Two hundred steps from the farthest start and as many to average, whose error is far below a deviation.
    ViSettings { steps: 400, tolerance: 0.1, evaluated: 100, ..ViSettings::default() }
}

fn first() -> Fit {
    let family = Box::new(MeanField::new(&[0.0; 2], &[0.3; 2]));
    vi(&posterior([0.2, -0.4], 1.0, 0.0), family, &settings(), &mut Run::new(1)).unwrap()
}

/// Calibration of mean-field fits to [`posterior`], which they can equal.
fn calibration(precision: f64, shift: f64, simulations: usize) -> VariationalCalibration {
    let simulate = |rng: &mut Rng| -> Result<_> {
        let truth = [rng.normal(), rng.normal()];
        let means = truth.map(|t| (0..10).map(|_| t + rng.normal()).sum::<f64>() / 11.0);
        Ok((truth.to_vec(), posterior(means, precision, shift)))
    };
    first().calibration(&settings(), simulations, simulate, &mut Run::new(3)).unwrap()
}

#[test]
fn an_exact_mean_field_passes() {
    let found = calibration(1.0, 0.0, 100);
    assert_eq!((found.ranks.simulations(), found.ranks.dim, found.ranks.draws), (100, 2, 99));
    for unknown in 0..2 {
        // One chance in a thousand for each of two tests of two unknowns.
        assert_eq!(found.finding(unknown, 1e-3, &mut Rng::new(4)), Finding::Sound, "{}", found.spread(unknown));
    }
    // The k-hat of a hundred draws is itself uncertain: 3 of the 100 fits were above their threshold when this was written.
    assert!(found.unreliable < 10, "{}", found.unreliable);
}

#[test]
fn a_mean_field_that_is_overdispersed_too_narrow_or_off_centre_is_flagged_as_that() {
    // Twice and half the width of the posterior, and a deviation beside it.
    let cases = [(0.25, 0.0, Finding::TooWide), (4.0, 0.0, Finding::TooNarrow), (1.0, 1.0, Finding::OffCentre)];
    for (precision, shift, expected) in cases {
        let found = calibration(precision, shift, 100);
        for unknown in 0..2 {
            assert_eq!(found.finding(unknown, 1e-3, &mut Rng::new(4)), expected, "{}", found.spread(unknown));
        }
    }
}

#[test]
fn the_fit_comes_back_as_it_was() {
    let before = first();
    let after = calibration(1.0, 0.0, 2).fit;
    assert_eq!(before.family.pack(), after.family.pack());
    assert_eq!((before.draws, before.elbo), (after.draws, after.elbo));
}

#[test]
fn simulations_that_do_not_fit_are_refused() {
    let tried = |simulations: usize, truth: Vec<f64>, run: &mut Run| {
        let simulate = |_: &mut Rng| Ok((truth.clone(), posterior([0.0; 2], 1.0, 0.0)));
        first().calibration(&settings(), simulations, simulate, run).err().unwrap().to_string()
    };
    let none = tried(0, vec![0.0; 2], &mut Run::new(1));
    assert!(none.contains("`simulations` is 0"), "{none}");
    let short = tried(3, vec![0.0], &mut Run::new(1));
    assert!(short.contains("`truth` is of 1 unknowns"), "{short}");
    let broken = |_: &mut Rng| -> Result<(Vec<f64>, Arc<dyn LogDensity + Send>)> {
        Err(Error::data("no data come of this truth", "draw another"))
    };
    let error = first().calibration(&settings(), 3, broken, &mut Run::new(1)).err().unwrap().to_string();
    assert!(error.contains("no data come of this truth"), "{error}");
    let simulate = |_: &mut Rng| Ok((vec![0.0; 2], posterior([0.0; 2], 1.0, 0.0)));
    let mut over = Run::new(1).with_time(Duration::ZERO);
    assert!(matches!(first().calibration(&settings(), 3, simulate, &mut over), Err(Error::Stopped)));
}
