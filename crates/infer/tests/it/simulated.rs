//! Fits by simulation: the exact posterior of a linear Gaussian model, resuming, refusals.

use elbo_core::{Rng, Run};
use elbo_infer::family::{Conditional, Conditioned, FullRank, MeanField};
use elbo_infer::fit::{SimulatedSettings, simulated};
use elbo_infer::gaussian::Gaussian;
use elbo_tensor::{Parameters, Tensor, no_grad};

/// x = A z + 0.8 e with z ~ N(0, I) in the plane.
const A: [f64; 4] = [1.0, 0.5, -0.3, 0.9];
const NOISE: f64 = 0.8;

fn simulate(count: usize, rng: &mut Rng) -> (Vec<f64>, Vec<f64>) {
    let z = rng.normals(2 * count);
    let e = rng.normals(2 * count);
    let x = (0..2 * count).map(|i| {
        let (z, row) = (&z[i / 2 * 2..], i % 2 * 2);
        A[row] * z[0] + A[row + 1] * z[1] + NOISE * e[i]
    });
    let x: Vec<f64> = x.collect();
    (z, x)
}

/// The posterior at `x`: covariance (I + A'A / s^2)^-1, mean its product with A'x / s^2.
fn posterior(x: [f64; 2]) -> Gaussian {
    let square = NOISE * NOISE;
    let precision = |i: usize, j: usize| f64::from(u8::from(i == j)) + (A[i] * A[j] + A[2 + i] * A[2 + j]) / square;
    let (a, b, d) = (precision(0, 0), precision(0, 1), precision(1, 1));
    let determinant = a * d - b * b;
    let covariance = vec![d / determinant, -b / determinant, -b / determinant, a / determinant];
    let pull = [(A[0] * x[0] + A[2] * x[1]) / square, (A[1] * x[0] + A[3] * x[1]) / square];
    let mean =
        vec![covariance[0] * pull[0] + covariance[1] * pull[1], covariance[2] * pull[0] + covariance[3] * pull[1]];
    Gaussian { mean, covariance }
}

/// Mean and covariance of a Gaussian conditional at `x`, exactly: by noise that has the moments of a standard normal.
fn moments(family: &dyn Conditional, x: [f64; 2]) -> Gaussian {
    let r = 2f64.sqrt();
    let noise = Tensor::from_vec(vec![r, 0.0, -r, 0.0, 0.0, r, 0.0, -r], &[4, 2]);
    let z = no_grad(|| family.draw(&Tensor::from_vec(x.repeat(4), &[4, 2]), &noise)).z.to_vec();
    let mean: Vec<f64> = (0..2).map(|i| (0..4).map(|s| z[2 * s + i]).sum::<f64>() / 4.0).collect();
    let product =
        |i: usize, j: usize| (0..4).map(|s| (z[2 * s + i] - mean[i]) * (z[2 * s + j] - mean[j])).sum::<f64>() / 4.0;
    let covariance = vec![product(0, 0), product(0, 1), product(1, 0), product(1, 1)];
    Gaussian { mean, covariance }
}

fn start() -> Box<dyn Conditional> {
    Box::new(Conditioned::linear(Box::new(FullRank::new(&[0.0; 2], &[1.0; 2])), &[0.0; 4]).unwrap())
}

#[test]
fn the_posterior_of_a_linear_gaussian_model_is_reached_for_all_data() {
    let settings = SimulatedSettings { steps: 1500, rate: 0.02, ..SimulatedSettings::default() };
    for seed in [1, 2, 3] {
        let fit = simulated(simulate, start(), &settings, &mut Run::new(seed)).unwrap();
        assert_eq!((fit.steps, fit.simulations), (1500, 1500 * 256 + 10_000));
        for x in [[0.0, 0.0], [1.0, -0.5], [-1.5, 1.2]] {
            let (found, exact) = (moments(&*fit.family, x), posterior(x));
            // At the last rates the parameters scatter by about 0.004, means at these data by 0.01.
            for i in 0..2 {
                let sd = exact.covariance[3 * i].sqrt();
                let off = (found.mean[i] - exact.mean[i]).abs() / sd;
                assert!(off < 0.05, "seed {seed}, x = {x:?}: mean {:?} and {:?}", found.mean, exact.mean);
            }
            for (a, b) in found.covariance.iter().zip(&exact.covariance) {
                assert!((a - b).abs() < 0.03, "seed {seed}: {:?} and {:?}", found.covariance, exact.covariance);
            }
        }
        // No density scores above the exact posterior, whose mean score is minus its entropy.
        let log_det = posterior([0.0; 2]).log_det().unwrap();
        let entropy = (2.0 * std::f64::consts::PI * std::f64::consts::E).ln() + 0.5 * log_det;
        let off = (fit.log_prob.value + entropy).abs();
        assert!(off < 4.0 * fit.log_prob.error + 0.005, "seed {seed}: {:?} and {}", fit.log_prob, -entropy);
    }
}

#[test]
fn a_network_fits_a_noise_level_that_depends_on_the_data() {
    // z ~ N(0, 1) seen with error 0.3 where the second datum is 1 and with error 2 where it is -1.
    let simulate = |count: usize, rng: &mut Rng| {
        let z = rng.normals(count);
        let x = z.iter().flat_map(|z| {
            let side = if rng.uniform() < 0.5 { -1.0 } else { 1.0 };
            let sd = if side > 0.0 { 0.3 } else { 2.0 };
            [z + sd * rng.normal(), side]
        });
        let x: Vec<f64> = x.collect();
        (z, x)
    };
    let settings = SimulatedSettings { steps: 2000, rate: 0.02, ..SimulatedSettings::default() };
    let residual = || Box::new(MeanField::new(&[0.0], &[1.0]));
    let network = Conditioned::network(residual(), 2, 16, &mut Rng::new(4)).unwrap();
    let line = Conditioned::linear(residual(), &[0.0; 2]).unwrap();
    let scores = [Box::new(network) as Box<dyn Conditional>, Box::new(line)]
        .map(|family| simulated(simulate, family, &settings, &mut Run::new(1)).unwrap().log_prob);
    // In closed form: variances 0.09 / 1.09 and 4 / 5, half of the pairs each.
    let best =
        -0.5 * (2.0 * std::f64::consts::PI * std::f64::consts::E).ln() - 0.25 * ((0.09f64 / 1.09).ln() + 0.8f64.ln());
    assert!(scores[0].value < best + 4.0 * scores[0].error, "{scores:?} and {best}");
    // One slope and one width for both cannot: at best 0.48 nats less.
    assert!(scores[0].value > scores[1].value + 0.1, "{scores:?} and {best}");
}

#[test]
fn the_same_seed_gives_the_same_fit() {
    let settings = SimulatedSettings { steps: 20, ..SimulatedSettings::default() };
    let fit = || simulated(simulate, start(), &settings, &mut Run::new(3)).unwrap();
    let (a, b) = (fit(), fit());
    assert_eq!((a.family.pack(), a.log_prob), (b.family.pack(), b.log_prob));
}

#[test]
fn simulations_and_settings_without_meaning_are_refused() {
    let settings = SimulatedSettings { steps: 3, ..SimulatedSettings::default() };
    let short = |count: usize, rng: &mut Rng| (rng.normals(2 * count), rng.normals(count));
    let error = simulated(short, start(), &settings, &mut Run::new(1)).err().expect("refused");
    assert!(error.to_string().contains("gave 512 unknowns and 256 data"), "{error}");
    assert!(error.remedy().contains("2 unknowns and 2 data a pair"), "{}", error.remedy());
    let broken = |count: usize, rng: &mut Rng| (rng.normals(2 * count), vec![f64::NAN; 2 * count]);
    let error = simulated(broken, start(), &settings, &mut Run::new(1)).err().expect("refused").to_string();
    assert!(error.contains("not finite"), "{error}");
    for wrong in [
        SimulatedSettings { steps: 0, ..settings },
        SimulatedSettings { batch: 0, ..settings },
        SimulatedSettings { rate: 0.0, ..settings },
        SimulatedSettings { evaluated: 10, ..settings },
    ] {
        assert!(simulated(simulate, start(), &wrong, &mut Run::new(1)).is_err(), "{wrong:?}");
    }
}
