//! A prior given by samples, and codes that are moved to the law of a prior's draws: closed forms, laws, training, and what is refused.

use crate::common::{normals, objective, small};
use elbo_core::{ModelFile, Rng, Run};
use elbo_nn::Activation;
use elbo_nn::network::{DecoderConfig, EncoderConfig, MlpConfig};
use elbo_nn::vae::matching::{clean_estimate, direction, score};
use elbo_nn::vae::{
    Family, Field, Gradient, LikelihoodConfig, Noise, ObjectiveConfig, Path, PriorConfig, PriorPass, SphereConfig,
    Term, Training, TrainingConfig, Vae, VaeConfig, Weighted,
};
use elbo_tensor::{DType, Parameters, Tensor};

/// The law that samples of tests are from: means and standard deviations of two dimensions.
const MEAN: [f64; 2] = [3.0, -2.0];
const SD: [f64; 2] = [0.5, 1.5];

fn gaussian(rows: usize, rng: &mut Rng) -> Tensor {
    normals(&[rows, 2], rng) * Tensor::from_slice(&SD, &[2]) + Tensor::from_slice(&MEAN, &[2])
}

fn samples(points: &Tensor, bandwidth: Option<f64>) -> PriorConfig {
    PriorConfig::Samples { points: points.to_vec(), bandwidth }
}

/// A model without a spread and without hidden layers.
fn config(prior: PriorConfig) -> VaeConfig {
    let none = MlpConfig::new(&[], Activation::Identity);
    let likelihood = LikelihoodConfig::Gaussian { noise: Noise::Fixed { sd: 1.0 } };
    VaeConfig {
        encoder: EncoderConfig::Mlp(none.clone()),
        decoder: DecoderConfig::Mlp(none),
        ..small(likelihood, Family::Dirac, prior)
    }
}

fn matching(field: Field) -> Term {
    Term::DistributionMatching { field }
}

#[test]
fn clean_estimates_and_scores_of_gaussian_samples_are_the_closed_ones_within_four_standard_errors() {
    const POINTS: usize = 20_000;
    for seed in 1..=3 {
        let mut rng = Rng::new(seed);
        let points = gaussian(POINTS, &mut rng);
        for share in [0.2, 0.5, 0.7] {
            // One standard deviation of the noisy law beside its mean, in both dimensions.
            let variance = SD.map(|sd| share * share * sd * sd + (1.0 - share) * (1.0 - share));
            let x = [share * MEAN[0] + variance[0].sqrt(), share * MEAN[1] - variance[1].sqrt()];
            let (at, t) = (Tensor::from_slice(&x, &[1, 2]), Tensor::from_slice(&[share], &[1, 1]));
            let found = clean_estimate(&points, &at, &t, false);
            let slope = score(&found, &at, &t).to_vec();
            // Weights in the open, for the standard error of a mean of weighted points.
            let noise = 2.0 * (1.0 - share) * (1.0 - share);
            let all = points.to_vec();
            let weigh = |p: &[f64]| (-((x[0] - share * p[0]).powi(2) + (x[1] - share * p[1]).powi(2)) / noise).exp();
            let weights: Vec<f64> = all.chunks(2).map(weigh).collect();
            let total: f64 = weights.iter().sum();
            for d in 0..2 {
                let closed = MEAN[d] + SD[d] * SD[d] * share * (x[d] - share * MEAN[d]) / variance[d];
                let value = found.to_vec()[d];
                let spread = all.chunks(2).zip(&weights).map(|(p, w)| (w / total * (p[d] - value)).powi(2));
                let error = spread.sum::<f64>().sqrt();
                assert!((value - closed).abs() < 4.0 * error, "{seed}, {share}: {value} for {closed}, error {error}");
                let closed = (share * MEAN[d] - x[d]) / variance[d];
                let error = error * share / (1.0 - share).powi(2);
                assert!((slope[d] - closed).abs() < 4.0 * error, "{seed}, {share}: {} for {closed}", slope[d]);
            }
        }
    }
}

#[test]
fn a_row_that_skips_its_own_point_sees_all_others() {
    let mut rng = Rng::new(4);
    let (points, x) = (gaussian(5, &mut rng), gaussian(5, &mut rng));
    let t = Tensor::from_slice(&[0.1, 0.3, 0.5, 0.7, 0.9], &[5, 1]);
    let found = clean_estimate(&points, &x, &t, true);
    for row in 0..5 {
        let others: Vec<usize> = (0..5).filter(|i| *i != row).collect();
        let others = points.index_select(0, &Tensor::indices(&others));
        let alone = clean_estimate(&others, &x.narrow(0, row, 1), &t.narrow(0, row, 1), false);
        let off = (found.narrow(0, row, 1) - alone).abs().max().item();
        assert!(off < 1e-12, "row {row}: {off}");
    }
}

#[test]
fn the_direction_is_a_positive_multiple_of_the_difference_of_scores_and_free_of_scale() {
    let mut rng = Rng::new(5);
    let (codes, drawn) = (gaussian(6, &mut rng), normals(&[9, 2], &mut rng));
    let t = Tensor::from_vec((0..6).map(|_| rng.range(0.1, 0.9)).collect(), &[6, 1]);
    let x = &codes * &t + normals(&[6, 2], &mut rng) * (1.0 - &t);
    let [of_codes, of_prior] = [clean_estimate(&codes, &x, &t, true), clean_estimate(&drawn, &x, &t, false)];
    let found = direction(&codes, &of_codes, &of_prior);
    let scores = score(&of_codes, &x, &t) - score(&of_prior, &x, &t);
    let size = (&codes - &of_prior).abs().mean_axis(-1, true);
    let expected = scores * ((1.0 - &t).square() / &t) / size;
    assert!((&found - expected).abs().max().item() < 1e-10);
    let larger = direction(&(&codes * 7.0), &(&of_codes * 7.0), &(&of_prior * 7.0));
    assert!((&found - larger).abs().max().item() < 1e-12);
    assert_eq!(direction(&codes, &of_prior, &of_prior).abs().max().item(), 0.0);
}

/// Distance of the mean code from the mean of the samples, before training and after it.
fn trained(field: Field, seed: u64) -> (f64, f64) {
    let mut rng = Rng::new(seed);
    let points = gaussian(300, &mut rng);
    let objective =
        ObjectiveConfig { draws: 1, terms: vec![Term::Reconstruction.into(), Weighted::new(20.0, matching(field))] };
    let mut vae = config(samples(&points, None)).build(&[3], &objective, &mut rng).unwrap();
    let values: Vec<f32> = normals(&[200, 3], &mut rng).to_vec().iter().map(|v| *v as f32).collect();
    let centre = points.mean_axis(0, true);
    let distance = |vae: &Vae| (vae.encode(&values).mean() - &centre).mean_axis(0, false).norm().item();
    let before = distance(&vae);
    let settings = TrainingConfig { epochs: 100, batch: 50, rate: 0.02, ..TrainingConfig::default() };
    let training = Training::new(&values, 3, &objective, &settings, &mut rng).unwrap();
    training.run(&mut vae, &mut Run::new(seed)).unwrap();
    (before, distance(&vae))
}

#[test]
fn training_moves_codes_to_the_samples_of_the_prior() {
    let (before, after) = trained(Field::Kernel { points: 200 }, 6);
    assert!(before > 2.0 && after < 0.3 * before, "{before} before, {after} after");
}

#[test]
fn training_with_velocity_fields_moves_codes_to_the_samples_of_the_prior() {
    let field = Field::Network { hidden: vec![32], teacher_steps: 1000, updates: 2 };
    let (before, after) = trained(field, 7);
    assert!(before > 2.0 && after < 0.7 * before, "{before} before, {after} after");
}

#[test]
fn velocity_fields_are_stored_with_the_model_and_are_no_part_of_its_gradient() {
    let field = Field::Network { hidden: vec![4], teacher_steps: 3, updates: 1 };
    let objective = objective(&[Term::Reconstruction, matching(field)], 1);
    let mut rng = Rng::new(8);
    let vae = config(PriorConfig::Standard).build(&[3], &objective, &mut rng).unwrap();
    let mut file = ModelFile::new("test");
    vae.write_to(&mut file, "vae");
    for part in ["teacher", "student"] {
        let prefix = format!("vae.fields.{part}");
        assert!(file.names().any(|name| name.starts_with(&prefix)), "{prefix}");
    }
    let terms = vae.losses(&normals(&[4, 3], &mut rng), &objective, 0, &mut rng).unwrap().terms;
    let gradient = vae.gradient(&terms[1]);
    let mut at = 0;
    vae.visit(&mut |name, p| {
        let part = &gradient[at..at + p.len()];
        // The decoder does not see where codes are to move, and what gives the direction is held.
        let moves = name.starts_with("encoder");
        assert_eq!(part.iter().any(|g| *g != 0.0), moves, "{name}");
        at += p.len();
    });
}

/// log p(z) of a prior at `z: [N, 2]`.
fn log_prob(prior: &PriorConfig, z: &Tensor) -> Vec<f64> {
    let vae = config(prior.clone()).build(&[3], &objective(&[Term::Reconstruction], 1), &mut Rng::new(0)).unwrap();
    let (path, rng) = (Path::new(Gradient::Plain), &mut Rng::new(0));
    let mut pass = PriorPass { pseudo: None, labels: &[], rng, path: &path };
    vae.prior().log_prob(&z.unsqueeze(0), &mut pass).to_vec()
}

#[test]
fn the_density_of_samples_is_the_sum_of_normals_by_hand() {
    let points = Tensor::from_slice(&[0.0, 0.0, 2.0, 4.0], &[2, 2]);
    // Standard deviations of the samples are 1 and 2, and half of them the bandwidths.
    let found = log_prob(&samples(&points, Some(0.5)), &Tensor::from_slice(&[0.5, 1.0], &[1, 2]))[0];
    let one = |x: f64, y: f64| (-0.5 * ((x / 0.5).powi(2) + y * y)).exp() / (std::f64::consts::TAU * 0.5);
    let expected = (0.5 * (one(0.5, 1.0) + one(1.5, 3.0))).ln();
    assert!((found - expected).abs() < 1e-12, "{found} for {expected}");
}

#[test]
fn the_density_of_gaussian_samples_is_that_of_the_widened_law_within_four_standard_errors() {
    const ROWS: usize = 4000;
    const SHARE: f64 = 0.5;
    for seed in 11..=13 {
        let mut rng = Rng::new(seed);
        let points = gaussian(ROWS, &mut rng);
        let sd = points.variance_axis(0, false, 0).sqrt().to_vec();
        let at = [MEAN[0] + 0.3, MEAN[1] - 1.0];
        let found = log_prob(&samples(&points, Some(SHARE)), &Tensor::from_slice(&at, &[1, 2]))[0].exp();
        let normal = |x: f64, sd: f64| (-0.5 * (x / sd).powi(2)).exp() / (std::f64::consts::TAU.sqrt() * sd);
        let wide = |d: usize| normal(at[d] - MEAN[d], (SD[d] * SD[d] + (SHARE * sd[d]).powi(2)).sqrt());
        let expected = wide(0) * wide(1);
        let all = points.to_vec();
        let each: Vec<f64> =
            all.chunks(2).map(|p| (0..2).map(|d| normal(at[d] - p[d], SHARE * sd[d])).product()).collect();
        let spread = each.iter().map(|v| (v - found).powi(2)).sum::<f64>() / ROWS as f64;
        let error = (spread / ROWS as f64).sqrt();
        assert!((found - expected).abs() < 4.0 * error, "{seed}: {found} for {expected}, error {error}");
    }
}

#[test]
fn draws_have_the_moments_of_the_samples_and_their_bandwidth() {
    const DRAWS: usize = 20_000;
    let points = gaussian(50, &mut Rng::new(14));
    let vae = config(samples(&points, Some(0.4))).build(&[3], &objective(&[Term::Reconstruction], 1), &mut Rng::new(0));
    let drawn = vae.unwrap().sample_prior(DRAWS, &mut Rng::new(15));
    assert_eq!((drawn.shape(), drawn.dtype()), (&[DRAWS, 2][..], DType::F64));
    let (mean, variance) = (points.mean_axis(0, false).to_vec(), points.variance_axis(0, false, 0).to_vec());
    let (found, spread) = (drawn.mean_axis(0, false).to_vec(), drawn.variance_axis(0, false, 0).to_vec());
    for d in 0..2 {
        let expected = variance[d] * 1.16;
        // Four standard errors; the kurtosis of such a law is about three, and taken to be below six.
        let n = DRAWS as f64;
        assert!((found[d] - mean[d]).abs() < 4.0 * (expected / n).sqrt(), "{} for {}", found[d], mean[d]);
        assert!((spread[d] / expected - 1.0).abs() < 4.0 * (5.0 / n).sqrt(), "{} for {expected}", spread[d]);
    }
}

#[test]
fn samples_that_are_no_codes_and_terms_that_know_no_direction_are_refused() {
    let refused = |config: VaeConfig, terms: &[Term], part: &str| {
        let error = config.build(&[3], &objective(terms, 1), &mut Rng::new(0)).err().unwrap().to_string();
        assert!(error.contains(part), "{error}");
    };
    let of = |points: Vec<f64>, bandwidth| config(PriorConfig::Samples { points, bandwidth });
    let only = &[Term::Reconstruction];
    refused(of(vec![], None), only, "`prior.points`");
    refused(of(vec![1.0, f64::NAN, 2.0, 3.0], None), only, "1 of them not finite");
    refused(of(vec![1.0, 2.0, 3.0], None), only, "3 numbers for codes of 2 dimensions");
    refused(of(vec![1.0, 2.0], None), only, "two samples at least");
    refused(of(vec![1.0, 0.1, 2.0, 0.1, 3.0, 0.1], None), only, "the same in dimension 2");
    refused(of(vec![1.0, 2.0, 3.0, 5.0], Some(0.0)), only, "`prior.bandwidth`");

    let with = |field| [Term::Reconstruction, matching(field)];
    let network = Field::Network { hidden: vec![4], teacher_steps: 1, updates: 1 };
    refused(config(PriorConfig::Diagonal), &with(network.clone()), "diagonal with networks that match distributions");
    let sphere = VaeConfig { family: Family::Vmf(SphereConfig::default()), ..config(PriorConfig::Standard) };
    refused(sphere, &with(Field::default()), "distribution matching with the family `vmf`");
    let error = objective(&with(Field::default()), 1).check(1).unwrap_err().to_string();
    assert!(error.contains("`batch` is 1"), "{error}");
    let error = objective(&with(Field::Kernel { points: 0 }), 1).check(9).unwrap_err().to_string();
    assert!(error.contains("`field.points` is 0"), "{error}");
    let twice = [Term::Reconstruction, matching(network.clone()), matching(network)];
    let error = objective(&twice, 1).check(9).unwrap_err().to_string();
    assert!(error.contains("one pair of networks"), "{error}");
}
