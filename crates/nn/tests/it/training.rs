//! Training: it improves, ends with the same bits after an interruption, and refuses what it cannot use.

use elbo_core::run::Checkpoints;
use elbo_core::{ModelFile, Rng, Run, Stop, drive};
use elbo_nn::Activation;
use elbo_nn::network::{ConvConfig, DecoderConfig, EncoderConfig, MlpConfig, Norm, SequenceConfig, Start};
use elbo_nn::vae::divergence::Kernel;
use elbo_nn::vae::{
    AdversarialLoss, Binarise, DecoderWeights, EvaluationConfig, Family, LikelihoodConfig, Noise, ObjectiveConfig,
    Posterior, PriorConfig, Term, Training, TrainingConfig, Vae, VaeConfig, WATCHED_ELBO, WATCHED_IWAE, Weight,
    Weighted,
};
use elbo_tensor::Parameters;
use std::time::Duration;

/// Pictures of a bright half, upper or lower, left or right: two bits.
fn pictures(rows: usize, rng: &mut Rng) -> Vec<f32> {
    let picture = |kind: usize| {
        move |i: usize| {
            let (y, x) = (i / 6, i % 6);
            let on = [y < 3, y >= 3, x < 3, x >= 3][kind];
            if on { 0.9 } else { 0.1 }
        }
    };
    (0..rows).flat_map(|_| (0..36).map(picture(rng.below(4)))).collect()
}

fn conv() -> VaeConfig {
    let conv = ConvConfig { channels: vec![4], norm: Norm::Batch, ..ConvConfig::default() };
    VaeConfig {
        latent: 2,
        family: Family::GaussDiag,
        least_log_variance: -30.0,
        start_log_variance: 0.0,
        prior: PriorConfig::Standard,
        encoder: EncoderConfig::Conv(conv),
        decoder: DecoderConfig::Mlp(MlpConfig { dropout: 0.1, ..MlpConfig::new(&[16], Activation::Relu) }),
        likelihood: LikelihoodConfig::Bernoulli,
        start: Start::default(),
        topk: None,
        nan_is_missing: false,
        condition: None,
        flow: None,
        weights: DecoderWeights::Point,
    }
}

/// An objective with all that training has to remember: a controller, two adversaries, a schedule.
fn rich() -> ObjectiveConfig {
    let terms = vec![
        Weighted::from(Term::Reconstruction),
        Weighted::new(Weight::Target { start: 1.0, target: 1.0 }, Term::Kl { estimate: Default::default() }),
        Weighted::new(Weight::WarmUp { value: 5.0, steps: 20 }, Term::Mmd { kernel: Kernel::Rbf, buffer: 50 }),
        Weighted::new(0.5, Term::Adversarial { hidden: vec![8] }),
        Weighted::new(0.5, Term::PatchAdversarial { channels: vec![4], loss: AdversarialLoss::Logistic }),
    ];
    ObjectiveConfig { draws: 2, terms }
}

fn bits(vae: &Vae) -> Vec<u64> {
    let mut all = vec![];
    vae.visit(&mut |_, p| all.extend(p.value().into_iter().map(f64::to_bits)));
    all
}

#[test]
fn a_resumed_training_ends_with_the_same_bits() {
    let values = pictures(60, &mut Rng::new(1));
    let config = TrainingConfig { epochs: 10, batch: 12, binarise: Binarise::Dynamic, ..TrainingConfig::default() };
    let build = |seed| conv().build(&[1, 6, 6], &rich(), &mut Rng::new(seed)).unwrap();
    let training = || Training::new(&values, 36, &rich(), &config, &mut Rng::new(0)).unwrap();
    let mut whole = build(3);
    training().run(&mut whole, &mut Run::new(4)).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let checkpoints = Checkpoints { path: path.clone(), every: Duration::ZERO, header: ModelFile::new("test") };
    let (mut begun, training) = (build(3), training());
    let stop = Stop::after(17, "training", "loss");
    drive(&training, &mut begun, &stop, &mut Run::new(4).with_checkpoints(checkpoints)).unwrap();
    assert_ne!(bits(&begun), bits(&whole));

    // Other starting weights and another seed: everything must come from the checkpoint.
    let mut resumed = build(77);
    let mut run = Run::new(99).resuming(ModelFile::read(&path).unwrap());
    training.run(&mut resumed, &mut run).unwrap();
    assert_eq!(bits(&resumed), bits(&whole));
}

#[test]
fn rows_that_are_watched_leave_curves_and_not_a_bit_of_the_training() {
    let mut rng = Rng::new(6);
    let (values, held) = (pictures(60, &mut rng), pictures(20, &mut rng));
    let config = TrainingConfig { epochs: 4, batch: 12, ..TrainingConfig::default() };
    let objective = ObjectiveConfig::iwae(3, Default::default());
    let build = || conv().build(&[1, 6, 6], &objective, &mut Rng::new(3)).unwrap();
    let plain = || Training::new(&values, 36, &objective, &config, &mut Rng::new(0)).unwrap();
    let watching = || plain().watching(&held, Rng::new(9)).unwrap();
    let (mut alone, mut watched, mut run) = (build(), build(), Run::new(4));
    plain().run(&mut alone, &mut Run::new(4)).unwrap();
    watching().run(&mut watched, &mut run).unwrap();
    assert_eq!(bits(&alone), bits(&watched));

    let curve = |run: &Run, name: &str| run.metrics().iter().find(|(n, _)| n == name).unwrap().1.clone();
    let elbos = curve(&run, WATCHED_ELBO);
    let steps: Vec<f64> = elbos.iter().map(|(step, _)| *step).collect();
    assert_eq!(steps, [5.0, 10.0, 15.0, 20.0], "four epochs of five batches");
    let found = watched.mean_bounds(&held, 3, &mut Rng::new(9));
    assert_eq!((elbos[3].1, curve(&run, WATCHED_IWAE)[3].1), (-found.elbo, -found.iwae));
    assert!(found.iwae > found.elbo && found.reconstruction.is_finite(), "{found:?}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let checkpoints = Checkpoints { path: path.clone(), every: Duration::ZERO, header: ModelFile::new("test") };
    let stop = Stop::after(7, "training", "loss");
    drive(&watching(), &mut build(), &stop, &mut Run::new(4).with_checkpoints(checkpoints)).unwrap();
    let mut resumed = Run::new(99).resuming(ModelFile::read(&path).unwrap());
    watching().run(&mut build(), &mut resumed).unwrap();
    assert_eq!(curve(&resumed, WATCHED_ELBO), elbos);

    for bad in [&held[..35], &[]] {
        let error = plain().watching(bad, Rng::new(9)).err().unwrap();
        assert!(error.to_string().contains("are no rows of 36"), "{error}");
    }
}

/// A model of one number with a code of one number, in which everything is linear.
fn linear() -> VaeConfig {
    let none = MlpConfig::new(&[], Activation::Identity);
    VaeConfig {
        encoder: EncoderConfig::Mlp(none.clone()),
        decoder: DecoderConfig::Mlp(none),
        likelihood: LikelihoodConfig::Gaussian { noise: Noise::Fixed { sd: 1.0 } },
        ..VaeConfig::new(1)
    }
}

#[test]
fn a_long_training_is_watched_every_few_epochs_and_at_its_end() {
    let mut rng = Rng::new(7);
    let values = rng.normals(2).iter().map(|v| *v as f32).collect::<Vec<f32>>();
    let objective = ObjectiveConfig::default();
    let mut vae = linear().build(&[1], &objective, &mut rng).unwrap();
    let config = TrainingConfig { epochs: 1001, batch: 2, ..TrainingConfig::default() };
    let training = Training::new(&values, 1, &objective, &config, &mut rng).unwrap();
    let mut run = Run::new(1);
    training.watching(&values, Rng::new(2)).unwrap().run(&mut vae, &mut run).unwrap();
    let (_, curve) = run.metrics().iter().find(|(name, _)| name == WATCHED_ELBO).unwrap();
    assert_eq!((curve.len(), curve[0].0, curve[500].0), (501, 2.0, 1001.0));
    assert!(!run.metrics().iter().any(|(name, _)| name == WATCHED_IWAE), "one draw is no importance weighting");
}

#[test]
fn weights_that_are_alike_but_for_rounding_have_no_pareto_k() {
    let mut rng = Rng::new(8);
    let values = rng.normals(20).iter().map(|v| *v as f32).collect::<Vec<f32>>();
    let mut vae = linear().build(&[1], &ObjectiveConfig::default(), &mut rng).unwrap();
    // Posteriors are the prior, and the decoder sees no code.
    let count = vae.pack().len();
    vae.unpack(&vec![0.0; count]);
    let each = vae.bounds_of_each(&values, 50, &mut rng);
    assert!(each.iter().all(|point| point.pareto_k.is_none() && point.effective_draws > 49.9), "{each:?}");
}

#[test]
fn training_learns_the_pictures_with_every_prior() {
    let priors = [
        PriorConfig::Standard,
        PriorConfig::Diagonal,
        PriorConfig::mixture(4),
        PriorConfig::Vamp { components: 4 },
        PriorConfig::Hierarchical { latent: 2, hidden: vec![8] },
    ];
    for prior in priors {
        for objective in [ObjectiveConfig::default(), ObjectiveConfig::iwae(3, Default::default())] {
            let mut rng = Rng::new(5);
            let values = pictures(120, &mut rng);
            let mlp = MlpConfig::new(&[24], Activation::Tanh);
            let config = VaeConfig {
                prior: prior.clone(),
                encoder: EncoderConfig::Mlp(mlp.clone()),
                decoder: DecoderConfig::Mlp(mlp),
                ..conv()
            };
            let mut vae = config.build(&[1, 6, 6], &objective, &mut rng).unwrap();
            let measure = EvaluationConfig { draws: 50, pairs: 100 };
            let before = vae.evaluate(&values, &measure, &mut rng);
            let training = TrainingConfig { epochs: 90, batch: 20, rate: 5e-3, ..TrainingConfig::default() };
            let training = Training::new(&values, 36, &objective, &training, &mut rng).unwrap();
            training.run(&mut vae, &mut Run::new(5)).unwrap();
            let after = vae.evaluate(&values, &measure, &mut rng);
            // Without a code the best is 36 ln 2 = 25 nats; with it, the entropy of the grey values, 11.7, and two bits.
            assert!(before.elbo < -24.0 && after.elbo > -16.0, "{prior:?}: {} to {}", before.elbo, after.elbo);
            assert!(after.mutual_information > 1.0, "{prior:?}: {}", after.mutual_information);
            assert!(after.iwae >= after.elbo);
        }
    }
}

#[test]
fn a_sequence_model_predicts_tokens_and_draws_them_in_order() {
    // Two kinds of sequences: 0 1 0 1 ... and 2 2 2 2 ...
    let mut rng = Rng::new(2);
    let sequence = |kind: usize| (0..6).map(move |t| if kind == 0 { (t % 2) as f32 } else { 2.0 });
    let values: Vec<f32> = (0..64).flat_map(|_| sequence(rng.below(2))).collect();
    let network = SequenceConfig { hidden: 12, levels: 3, embedding: 4 };
    let config = VaeConfig {
        encoder: EncoderConfig::Gru(network.clone()),
        decoder: DecoderConfig::Gru(network),
        likelihood: LikelihoodConfig::Categorical { levels: 3 },
        ..conv()
    };
    let objective = ObjectiveConfig::default();
    let mut vae = config.build(&[6], &objective, &mut rng).unwrap();
    let training = TrainingConfig { epochs: 60, batch: 16, rate: 2e-2, ..TrainingConfig::default() };
    Training::new(&values, 6, &objective, &training, &mut rng).unwrap().run(&mut vae, &mut Run::new(1)).unwrap();
    let found = vae.evaluate(&values, &EvaluationConfig { draws: 10, pairs: 64 }, &mut rng);
    // One bit of which kind: 0.69 nats, whether or not the code holds it.
    assert!(found.elbo > -1.0, "{}", found.elbo);
    let z = vae.sample_prior(20, &mut rng);
    let drawn = vae.generate(&z, true, &mut rng);
    let known = drawn
        .to_vec()
        .chunks(6)
        .filter(|row| {
            let of = |kind| sequence(kind).zip(row.iter()).all(|(a, b)| f64::from(a) == *b);
            of(0) || of(1)
        })
        .count();
    assert!(known >= 17, "{known} of 20 sequences are of a known kind");
}

#[test]
fn values_are_binarised_as_named() {
    let grey = vec![0.25f32; 40_000];
    let mean = |values: &[f32]| f64::from(values.iter().sum::<f32>()) / values.len() as f64;
    let once = Binarise::Static.once(&grey, &mut Rng::new(1));
    assert!(once.iter().all(|v| *v == 0.0 || *v == 1.0) && (mean(&once) - 0.25).abs() < 0.01);
    assert_eq!(once, Binarise::Static.once(&grey, &mut Rng::new(1)));
    assert_eq!(mean(&Binarise::Threshold.once(&grey, &mut Rng::new(1))), 0.0);
    assert_eq!(Binarise::None.once(&grey, &mut Rng::new(1)), grey);
    Binarise::Dynamic.check_values(&grey).unwrap();
    let error = Binarise::Dynamic.check_values(&[0.5, -1.5]).unwrap_err();
    assert!(error.to_string().contains("a value is -1.5"), "{error}");
}

#[test]
fn networks_that_look_up_levels_need_a_likelihood_with_no_more() {
    let check = |levels, likelihood| {
        let network = SequenceConfig { hidden: 4, levels, embedding: 4 };
        let (encoder, decoder) = (EncoderConfig::Gru(network.clone()), DecoderConfig::Gru(network));
        VaeConfig { encoder, decoder, likelihood, ..conv() }.check()
    };
    let gaussian = || LikelihoodConfig::Gaussian { noise: Default::default() };
    check(3, LikelihoodConfig::Categorical { levels: 3 }).unwrap();
    check(0, gaussian()).unwrap();
    for likelihood in [LikelihoodConfig::Categorical { levels: 4 }, gaussian()] {
        let error = check(3, likelihood).unwrap_err();
        assert!(error.to_string().contains("`encoder.levels` is 3"), "{error}");
    }
}

#[test]
fn posteriors_start_as_wide_as_the_settings_say() {
    let values = pictures(5, &mut Rng::new(2));
    for family in [Family::GaussDiag, Family::GaussFull] {
        let encode = |start_log_variance| {
            let config = VaeConfig { family, start_log_variance, ..conv() };
            config.build(&[1, 6, 6], &ObjectiveConfig::default(), &mut Rng::new(1)).unwrap().encode(&values)
        };
        let (wide, narrow) = (encode(0.0), encode(-4.0));
        assert_eq!(wide.mean().to_vec(), narrow.mean().to_vec(), "{family:?}");
        // The factor below its diagonal stays, so that the first dimension alone is narrower by this much in both families.
        let first = |q: &Posterior| q.variance().narrow(-1, 0, 1).to_vec();
        for (wide, narrow) in first(&wide).iter().zip(first(&narrow)) {
            assert!((narrow / wide - (-4f64).exp()).abs() < 1e-6, "{family:?}: {narrow} beside {wide}");
        }
    }
    let error = VaeConfig { start_log_variance: -31.0, ..conv() }.check().unwrap_err();
    assert!(error.to_string().contains("`start_log_variance` is -31"), "{error}");
}

#[test]
fn training_without_data_points_is_refused() {
    let (objective, config) = (ObjectiveConfig::default(), TrainingConfig::default());
    let error = Training::new(&[], 36, &objective, &config, &mut Rng::new(0)).err().unwrap();
    assert!(error.to_string().contains("no data points"), "{error}");
}

#[test]
fn a_loss_that_is_not_finite_stops_with_a_remedy() {
    let mut rng = Rng::new(1);
    let objective = ObjectiveConfig::default();
    let config = VaeConfig { likelihood: LikelihoodConfig::Poisson, ..conv() };
    let mut vae = config.build(&[1, 6, 6], &objective, &mut rng).unwrap();
    let values = vec![1e36f32; 36 * 4];
    let training = TrainingConfig { epochs: 1, batch: 4, ..TrainingConfig::default() };
    let error = Training::new(&values, 36, &objective, &training, &mut rng).unwrap().run(&mut vae, &mut Run::new(1));
    assert!(error.unwrap_err().remedy().contains("`rate`"));
}
