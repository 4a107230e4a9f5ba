//! What the paper promises: bounds that close with the draws, a gradient whose signal drowns or rises, and better likelihoods of digits.

use super::IwaeConfig;
use elbo_core::{Claim, Figure, Mark, Result, Rng, Run, Table};
use elbo_infer::Objective;
use elbo_infer::objective::Estimate;
use elbo_nn::Activation;
use elbo_nn::fidelity::{FeatureKind, Fidelity};
use elbo_nn::model::{LatentSettings, fidelity, trial};
use elbo_nn::network::{DecoderConfig, EncoderConfig, MlpConfig, Start};
use elbo_nn::vae::{Decay, EvaluationConfig, Gradient, LikelihoodConfig, Noise, ObjectiveConfig, Vae, VaeConfig};
use elbo_tensor::{Parameters, Tensor};

pub(super) fn claim(run: &mut Run) -> Result<Claim> {
    let seeds = run.seeds(3);
    let mut claim = Claim::new(seeds.clone());
    known_model(&mut claim, run);
    signal_to_noise(&mut claim, &seeds, run)?;
    digits(&mut claim, &seeds, run)?;
    Ok(claim)
}

/// z ~ N(0, I₂), x = z₁ + z₂ + N(0, 0.01), x = 1, under the best posterior with independent dimensions: how far each bound stays below
/// log p(x).
fn known_model(claim: &mut Claim, run: &Run) {
    let total = run.pick(200_000usize, 10_000_000);
    let log_evidence = -0.5 * ((std::f64::consts::TAU * 2.01).ln() + 1.0 / 2.01);
    let (mean, sd) = (1.0 / 2.01, 101f64.sqrt().recip());
    // KL of N(m, 1/101) twice from the posterior with precision I + 100 11': trace 2, log determinant 101² against 201.
    let closed = 0.5 * (2.0 * 101f64.ln() - 201f64.ln());
    let normal = |z: f64, mean: f64, sd: f64| -0.5 * (((z - mean) / sd).powi(2) + std::f64::consts::TAU.ln()) - sd.ln();
    let mut rng = Rng::new(run.seed);
    let mut gap = |draws: usize| {
        let repeats = total / draws.max(50);
        let weight = |noise: &[f64]| {
            let (a, b) = (mean + sd * noise[0], mean + sd * noise[1]);
            normal(1.0, a + b, 0.1) + normal(a, 0.0, 1.0) + normal(b, 0.0, 1.0)
                - normal(a, mean, sd)
                - normal(b, mean, sd)
        };
        let mut values = Vec::with_capacity(repeats);
        // Some repeats at a time, so that memory stays small.
        while values.len() < repeats {
            let count = (1_000_000 / draws).clamp(1, repeats - values.len());
            let weights: Vec<f64> = rng.normals(2 * draws * count).chunks_exact(2).map(weight).collect();
            values.extend(Objective::IWAE.value(&Tensor::from_vec(weights, &[draws, count])).to_vec());
        }
        let found = Estimate::mean(&values);
        (log_evidence - found.value, found.error)
    };
    let gaps: Vec<(f64, f64)> = [1, 5, 50, 500].map(&mut gap).into();
    let least_fall = gaps.windows(2).map(|w| w[0].0 - w[1].0).fold(f64::INFINITY, f64::min);
    let least_gap = gaps.iter().map(|(gap, error)| gap / error).fold(f64::INFINITY, f64::min);
    claim.at_most(
        "known model: distance of one draw's gap from the closed divergence",
        (gaps[0].0 - closed).abs(),
        None,
        0.02,
    );
    claim.at_least(
        "known model: least fall of the gap from 1 to 5 to 50 to 500 draws (nats)",
        least_fall,
        Some(0.0),
        1e-9,
    );
    claim.at_least("known model: least gap in standard errors", least_gap, None, -3.0);
    claim.at_most("known model: gap with 500 draws (nats)", gaps[3].0, Some(gaps[0].0), gaps[0].0);
}

/// A linear model with one latent, and a data point.
///
/// Its encoder is near the exact posterior, so that the ratios of signal to noise follow their laws in the number of draws from the first draw on. Far from
/// it they need not: the bound's gradient may change its sign between one draw and a thousand.
fn linear(rng: &mut Rng) -> Result<(Vae, Tensor)> {
    const DIMS: usize = 4;
    let none = MlpConfig::new(&[], Activation::Identity);
    let config = VaeConfig {
        encoder: EncoderConfig::Mlp(none.clone()),
        decoder: DecoderConfig::Mlp(none),
        likelihood: LikelihoodConfig::Gaussian { noise: Noise::Fixed { sd: 1.0 } },
        start: Start { is_double: true, ..Start::default() },
        ..VaeConfig::new(1)
    };
    let mut vae = config.build(&[DIMS], &ObjectiveConfig::default(), rng)?;
    move_to_posterior(&mut vae, rng)?;
    Ok((vae, Tensor::from_vec(rng.normals(DIMS), &[1, DIMS])))
}

/// Sets the encoder of a linear model with one latent and unit noise to its exact posterior, each number off by a normal one of standard deviation 0.01.
fn move_to_posterior(vae: &mut Vae, rng: &mut Rng) -> Result<()> {
    const OFFSET: f64 = 0.01;
    let (mut weight, mut bias) = (vec![], vec![]);
    vae.visit(&mut |name, p| match name.strip_prefix("decoder.") {
        Some(rest) if rest.ends_with("weight") => weight = p.value(),
        Some(rest) if rest.ends_with("bias") => bias = p.value(),
        _ => {}
    });
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(p, q)| p * q).sum::<f64>();
    // p(z | x) has precision 1 + w'w and mean w'(x - b) over it.
    let precision = 1.0 + dot(&weight, &weight);
    let slopes: Vec<f64> = weight.iter().map(|w| w / precision).collect();
    let constant = -dot(&weight, &bias) / precision;
    let mut moved = Ok(());
    vae.visit_mut(&mut |name, p| {
        let exact = match name.strip_prefix("encoder.") {
            Some(rest) if rest.ends_with("weight") => [slopes.clone(), vec![0.0; weight.len()]].concat(),
            Some(rest) if rest.ends_with("bias") => vec![constant, -precision.ln()],
            _ => return,
        };
        let near: Vec<f64> = exact.iter().map(|v| v + OFFSET * rng.normal()).collect();
        if let Err(error) = p.set(&near) {
            moved = Err(error);
        }
    });
    moved
}

/// Draws at which the signal and the noise of the encoder's gradient are measured.
const DRAWS: [usize; 4] = [1, 10, 100, 1000];

/// Logarithms of the signal-to-noise ratio at each of [`DRAWS`], for the plain and the doubly reparameterised estimator.
type Ratios = [[f64; 4]; 2];

/// The signal of the encoder's gradient drowns with more draws under the plain estimator and rises under the doubly reparameterised one; means over
/// the seeds.
fn signal_to_noise(claim: &mut Claim, seeds: &[u64], run: &mut Run) -> Result<()> {
    let repeats = run.pick(40, 2000);
    let ratios = seeds.iter().map(|seed| ratios(*seed, repeats)).collect::<Result<Vec<Ratios>>>()?;
    show_ratios(&ratios, run);
    let slopes: Vec<[f64; 2]> = ratios.iter().map(slopes).collect();
    // Of distances, so that seeds on both sides do not cancel.
    let distance = |which: usize, from: f64| {
        slopes.iter().map(|found| (found[which] - from).abs()).sum::<f64>() / slopes.len() as f64
    };
    claim.at_most(
        "signal to noise, plain: distance of the log-log slope from -1/2, mean over seeds",
        distance(0, -0.5),
        None,
        0.1,
    );
    claim.at_most(
        "signal to noise, doubly reparameterised: distance of the log-log slope from +1/2, mean over seeds",
        distance(1, 0.5),
        Some(distance(0, 0.5)),
        0.1,
    );
    Ok(())
}

/// A figure and a table of the ratios over the draws, geometric means over the seeds, beside the laws that they are to follow.
fn show_ratios(all: &[Ratios], run: &mut Run) {
    let mean = |which: usize| {
        (0..DRAWS.len()).map(move |k| (all.iter().map(|found| found[which][k]).sum::<f64>() / all.len() as f64).exp())
    };
    let (plain, double): (Vec<f64>, Vec<f64>) = (mean(0).collect(), mean(1).collect());
    let draws = DRAWS.map(|k| k as f64);
    let line =
        |label: &str, y: Vec<f64>, dashed: bool| Mark::Line { label: label.into(), x: draws.to_vec(), y, dashed };
    let law = |first: f64, power: f64| draws.iter().map(|k| first * k.powf(power)).collect();
    run.figure(Figure {
        name: "signal-to-noise".into(),
        caption: "Signal over noise of the encoder's gradient, over the draws: it drowns under the plain estimator and rises under the doubly reparameterised one. Dashed: their \
                  laws from one draw on, the root of the draws and one over it."
            .into(),
        x_label: "draws K".into(),
        y_label: "mean over standard deviation of the gradient".into(),
        x_log: true,
        y_log: true,
        marks: vec![
            line("", law(plain[0], -0.5), true),
            line("", law(double[0], 0.5), true),
            line("plain", plain.clone(), false),
            line("doubly reparameterised", double.clone(), false),
        ],
    });
    let caption = "Signal over noise of the encoder's gradient: geometric means over its numbers and over the seeds.";
    let mut table = Table::new("signal-to-noise", caption, &["draws", "plain", "doubly reparameterised"]);
    for (k, draws) in DRAWS.iter().enumerate() {
        table.push(vec![draws.to_string(), format!("{:.4}", plain[k]), format!("{:.4}", double[k])]);
    }
    run.table(table);
}

/// Logarithms of the signal-to-noise ratio of the encoder's gradient, means over its numbers: a model, a data point and draws of this seed.
fn ratios(seed: u64, repeats: usize) -> Result<Ratios> {
    let (vae, x) = linear(&mut Rng::new(seed))?;
    let mut encoder = 0;
    vae.visit(&mut |name, p| encoder += if name.starts_with("encoder") { p.len() } else { 0 });
    let mut rng = Rng::new(seed).split(1);
    let mut moments = |draws: usize, gradient: Gradient| -> Result<Vec<(f64, f64)>> {
        let objective = IwaeConfig { draws, gradient, ..IwaeConfig::default() }.objective();
        let once = |_| Ok(vae.gradient(&vae.losses(&x, &objective, 0, &mut rng)?.total(&[1.0])));
        let all = (0..repeats).map(once).collect::<Result<Vec<Vec<f64>>>>()?;
        let of = |i: usize| {
            let found = Estimate::mean(&all.iter().map(|g| g[i]).collect::<Vec<_>>());
            (found.value, found.error * (repeats as f64).sqrt())
        };
        Ok((0..encoder).map(of).collect())
    };
    let mut found = [[0.0; DRAWS.len()]; 2];
    for (k, draws) in DRAWS.into_iter().enumerate() {
        let good = moments(draws, Gradient::DoublyReparameterised)?;
        let noisy = moments(draws, Gradient::Plain)?;
        // Both have the same mean; the good estimator knows it better.
        let ratio = |other: &[(f64, f64)]| {
            good.iter().zip(other).map(|((mean, _), (_, sd))| (mean.abs() / sd).ln()).sum::<f64>() / encoder as f64
        };
        (found[0][k], found[1][k]) = (ratio(&noisy), ratio(&good));
    }
    Ok(found)
}

/// How the logarithms of the ratios grow with that of the draws, for each estimator.
fn slopes(ratios: &Ratios) -> [f64; 2] {
    let slope = |values: &[f64; 4]| {
        let at: Vec<f64> = DRAWS.iter().map(|k| (*k as f64).ln()).collect();
        let (mx, my) = (at.iter().sum::<f64>() / 4.0, values.iter().sum::<f64>() / 4.0);
        let products = at.iter().zip(values).map(|(x, y)| (x - mx) * (y - my)).sum::<f64>();
        products / at.iter().map(|x| (x - mx).powi(2)).sum::<f64>()
    };
    [slope(&ratios[0]), slope(&ratios[1])]
}

/// On digits, more draws give a better likelihood and use at least as many dimensions.
fn digits(claim: &mut Claim, seeds: &[u64], run: &mut Run) -> Result<()> {
    let (train, test) = elbo_data::digits8_split(1437)?;
    let (rows, epochs, draws) = run.pick((200, 2, 20), (1437, 40, 1000));
    let tested = run.pick(40, test.len());
    let form = &train.form;
    let effort = EvaluationConfig { draws, pairs: 360 };
    let (mut gain, mut units) = (f64::INFINITY, f64::INFINITY);
    let mut all = [vec![], vec![], vec![]];
    let caption = "Digits: distances of samples from the training pictures, as many as there are of these.";
    let mut table = Table::new("samples", caption, &[&["seed", "draws"][..], &Fidelity::COLUMNS].concat());
    for seed in seeds {
        let mut found = |draws: usize| -> Result<(f64, usize)> {
            let settings = IwaeConfig::default().common;
            let decay = Decay::None;
            let common = LatentSettings { latent: 16, hidden: vec![64], epochs, decay, ..settings };
            let config = IwaeConfig { common, draws, ..IwaeConfig::default() };
            let data = (&train.values[..rows * 64], &test.values[..tested * 64]);
            let model = config.common.model(form);
            let training = config.common.training();
            let mut child = run.child(*seed);
            let (vae, found) = trial(&model, &form.shape, &config.objective(), &training, data, &effort, &mut child)?;
            let mut rng = child.rng.fork();
            let features = (FeatureKind::Pca16, None);
            if let Some(measured) = fidelity(features, &vae, None, data.0, form, &mut rng, &mut child) {
                table.push([vec![seed.to_string(), draws.to_string()], measured.cells()].concat());
            }
            Ok((found.iwae, found.active_units))
        };
        let results = [found(1)?, found(5)?, found(20)?];
        gain = gain.min(results[2].0 - results[0].0);
        units = units.min(results[2].1 as f64 - results[0].1 as f64);
        results.iter().zip(&mut all).for_each(|((bound, _), all)| all.push(*bound));
    }
    run.table(table);
    let [one, five, twenty] = all.map(|v| v.iter().sum::<f64>() / v.len() as f64);
    claim.at_least("digits: least gain of 20 draws over one (nats)", gain, Some(0.0), 0.3);
    claim.at_least("digits: least number of dimensions in use that 20 draws add", units, Some(0.0), 0.0);
    claim.at_least("digits: bound of 1000 draws after training with 5, mean over seeds", five, Some(one), one);
    claim.at_least("digits: the same after training with 20", twenty, Some(one), one);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slopes_of(seed: u64, repeats: usize) -> [f64; 2] {
        slopes(&ratios(seed, repeats).unwrap())
    }

    #[test]
    fn every_seed_has_draws_of_its_own_and_the_estimators_part() {
        let found = [0, 1].map(|seed| slopes_of(seed, 20));
        assert_eq!(found[0], slopes_of(0, 20));
        assert!(found[0] != found[1], "{found:?}");
        // Over three decades the ratio falls and rises about thirtyfold, far more than twenty repeats blur it.
        assert!(found.iter().all(|[plain, double]| *plain < 0.0 && *double > 0.0), "{found:?}");
    }

    #[test]
    fn near_the_exact_posterior_the_ratios_follow_their_laws_for_every_model() {
        for seed in 10..14 {
            let [plain, double] = slopes_of(seed, 300);
            assert!((plain + 0.5).abs() < 0.1 && (double - 0.5).abs() < 0.1, "{seed}: {plain} {double}");
        }
    }

    #[test]
    fn a_claim_has_the_mean_over_its_seeds() {
        let mut run = Run::new(3).with_budget(elbo_core::Budget::Smoke);
        let mut of = |seeds: &[u64]| {
            let mut claim = Claim::new(seeds.to_vec());
            signal_to_noise(&mut claim, seeds, &mut run).unwrap();
            claim.checks.iter().map(|check| check.value).collect::<Vec<f64>>()
        };
        let (first, second, both) = (of(&[3]), of(&[4]), of(&[3, 4]));
        for k in 0..2 {
            assert!(first[k] != second[k] && (both[k] - 0.5 * (first[k] + second[k])).abs() < 1e-12, "{k}");
        }
    }

    #[test]
    fn the_ratios_are_shown_over_the_draws() {
        let mut run = Run::new(0);
        // Two seeds whose geometric means are 2 and 4 at one draw.
        let all =
            [[[1.0f64, 0.5, 0.25, 0.125], [2.0, 6.0, 18.0, 54.0]], [[4.0, 2.0, 1.0, 0.5], [8.0, 24.0, 72.0, 216.0]]];
        show_ratios(&all.map(|found| found.map(|of| of.map(f64::ln))), &mut run);
        let table = &run.tables()[0];
        assert_eq!(table.rows[0], ["1", "2.0000", "4.0000"]);
        assert_eq!(table.rows[3], ["1000", "0.2500", "108.0000"]);
        let Mark::Line { x, y, dashed: true, .. } = &run.figures()[0].marks[1] else { panic!("a law is dashed") };
        assert!((y[2] - 40.0).abs() < 1e-9 && *x == [1.0, 10.0, 100.0, 1000.0], "{y:?}");
    }
}
