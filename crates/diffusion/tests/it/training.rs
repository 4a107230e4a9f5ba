//! Networks: what they are, how they learn, what a checkpoint keeps.

use elbo_core::run::Checkpoints;
use elbo_core::step::Snapshot;
use elbo_core::{ModelFile, Rng, Run};
use elbo_diffusion::denoiser::{GaussianMixture, estimate};
use elbo_diffusion::network::{NetworkConfig, NetworkDenoiser, Trainee, Training, TrainingConfig};
use elbo_diffusion::parameterisation::Preconditioning;
use elbo_nn::Build;
use elbo_tensor::{Parameters, Tensor};
use std::time::Duration;

fn trainee(shape: &[usize], config: &NetworkConfig) -> Trainee {
    let build = || config.build(shape, &mut Build::new(&mut Rng::new(1))).unwrap();
    Trainee::new(build(), build())
}

#[test]
fn a_trained_network_comes_near_the_exact_denoiser() {
    let law = GaussianMixture::isotropic(&[(0.5, vec![1.0, 0.5], 0.02), (0.5, vec![-1.0, -0.5], 0.02)]).unwrap();
    let points: Vec<f32> = law.sample(500, &mut Rng::new(2)).to_vec().iter().map(|v| *v as f32).collect();
    let network = NetworkConfig { hidden: vec![64, 64], ..NetworkConfig::default() };
    for preconditioning in [Preconditioning::Noise, Preconditioning::Edm { data_sd: 0.8 }] {
        let config =
            TrainingConfig { iterations: 1500, batch: 64, average: 0.99, preconditioning, ..TrainingConfig::default() };
        let mut trainee = trainee(&[2], &network);
        Training::new(&points, 2, &config).unwrap().run(&mut trainee, &mut Run::new(3)).unwrap();
        let denoiser = trainee.finish(&config, 2);
        let (x, sigma) = (law.sample(200, &mut Rng::new(4)), 0.7);
        let noisy = &x + Tensor::from_vec(Rng::new(5).normals(400), &[200, 2]) * sigma;
        let error = |clean: &Tensor| (clean - &x).square().mean().item();
        let (found, exact) = (error(&estimate(&denoiser, &noisy, sigma)), error(&estimate(&law, &noisy, sigma)));
        let linear = 1.0 / (1.0 + 0.49 / 0.645);
        let best_linear = error(&(&noisy * linear));
        assert!(
            found < 2.0 * exact && found < 0.75 * best_linear,
            "{preconditioning:?}: {found} of {exact}, {best_linear}"
        );
    }
}

#[test]
fn a_network_that_is_told_classes_comes_near_the_denoiser_of_each_and_of_all() {
    let law = GaussianMixture::isotropic(&[(0.5, vec![1.0, 0.5], 0.02), (0.5, vec![-1.0, -0.5], 0.02)]).unwrap();
    let parts = [0, 1].map(|k| law.restricted(&[k]).unwrap());
    let of = |k: usize, count: usize, seed: u64| parts[k].sample(count, &mut Rng::new(seed)).to_vec();
    let points: Vec<f32> = [of(0, 250, 2), of(1, 250, 3)].concat().iter().map(|v| *v as f32).collect();
    let classes: Vec<usize> = (0..500).map(|i| i / 250).collect();
    let network = NetworkConfig { hidden: vec![64, 64], classes: 2, ..NetworkConfig::default() };
    let preconditioning = Preconditioning::Edm { data_sd: 0.8 };
    let config =
        TrainingConfig { iterations: 1500, batch: 64, average: 0.99, preconditioning, ..TrainingConfig::default() };
    let mut trainee = trainee(&[2], &network);
    Training::new(&points, 2, &config).unwrap().with_classes(&classes).run(&mut trainee, &mut Run::new(3)).unwrap();
    let denoiser = trainee.finish(&config, 2);
    // A level at which the point alone does not tell its class.
    let sigma = 1.5;
    for k in 0..2 {
        let x = Tensor::from_vec(of(k, 300, 4 + k as u64), &[300, 2]);
        let noisy = &x + Tensor::from_vec(Rng::new(6).normals(600), &[300, 2]) * sigma;
        let error = |clean: &Tensor| (clean - &x).square().mean().item();
        let told = error(&estimate(&denoiser.of_classes(&[k]), &noisy, sigma));
        let (free, exact) = (error(&estimate(&denoiser, &noisy, sigma)), error(&estimate(&law, &noisy, sigma)));
        let exact_told = error(&estimate(&parts[k], &noisy, sigma));
        assert!(told < 1.2 * exact_told, "class {k} told: {told} of {exact_told}");
        assert!(free < 1.2 * exact && told < 0.25 * free, "class {k} not told: {free} of {exact}, told {told}");
    }
}

#[test]
fn a_u_shaped_network_keeps_the_shape_of_pictures_of_odd_sides_and_starts_silent() {
    for shape in [[1, 7, 5], [3, 8, 8]] {
        let config = NetworkConfig { widths: vec![6, 8, 10], embedding: 8, ..NetworkConfig::default() };
        let network = config.build(&shape, &mut Build::new(&mut Rng::new(0))).unwrap();
        let dims = shape.iter().product();
        let x = Tensor::from_f32(Rng::new(1).normals(2 * dims).iter().map(|v| *v as f32).collect(), &[2, dims]);
        let y = network.forward(&x, &[0.1, -0.5], &[]);
        assert_eq!(y.shape(), [2, dims]);
        // The last convolution starts at zero; its bias too.
        assert_eq!(y.abs().max().item(), 0.0);
        let denoiser = NetworkDenoiser::new(network, Preconditioning::Edm { data_sd: 0.5 }, dims);
        let clean = estimate(&denoiser, &x.to_f64(), 0.5);
        assert!((clean - x.to_f64() * 0.5).abs().max().item() < 1e-6);
    }
    let config = NetworkConfig { widths: vec![4, 4, 4, 4], ..NetworkConfig::default() };
    let message = config.build(&[1, 7, 7], &mut Build::new(&mut Rng::new(0))).err().unwrap().to_string();
    assert!(message.contains("halves pictures of 7 x 7 pixels 3 times"), "{message}");
}

#[test]
fn a_networks_gradient_agrees_with_central_differences() {
    let config = NetworkConfig { widths: vec![4, 6], embedding: 4, ..NetworkConfig::default() };
    let mut network = {
        let mut rng = Rng::new(3);
        let mut build = Build::new(&mut rng);
        build.dtype = elbo_tensor::DType::F32;
        config.build(&[1, 4, 4], &mut build).unwrap()
    };
    // Away from the silent start.
    let mut rng = Rng::new(4);
    let free: Vec<f64> = network.pack().iter().map(|v| v + 0.1 * rng.normal()).collect();
    network.unpack(&free);
    let x = Tensor::from_f32(rng.normals(32).iter().map(|v| *v as f32).collect(), &[2, 16]);
    let loss = |network: &dyn elbo_diffusion::network::Network| network.forward(&x, &[0.2, -0.7], &[]).square().mean();
    let gradient = network.gradient(&loss(network.as_ref()));
    let direction: Vec<f64> = rng.normals(free.len());
    let exact: f64 = gradient.iter().zip(&direction).map(|(g, d)| g * d).sum();
    let mut at = |h: f64| {
        network.unpack(&free.iter().zip(&direction).map(|(f, d)| f + h * d).collect::<Vec<_>>());
        loss(network.as_ref()).item()
    };
    // Single precision: a wide difference, and a hundredth of the slope.
    let numeric = (at(2e-3) - at(-2e-3)) / 4e-3;
    assert!((numeric - exact).abs() < 0.02 * exact.abs().max(0.1), "{numeric} {exact}");
}

#[test]
fn a_resumed_training_ends_with_the_same_bits() {
    let points: Vec<f32> = Rng::new(1).normals(40).iter().map(|v| *v as f32).collect();
    let network = NetworkConfig { hidden: vec![8], embedding: 4, ..NetworkConfig::default() };
    let config = TrainingConfig { iterations: 12, batch: 7, ..TrainingConfig::default() };
    let training = Training::new(&points, 2, &config).unwrap();
    let mut whole = trainee(&[2], &network);
    training.run(&mut whole, &mut Run::new(9)).unwrap();

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let checkpoints = Checkpoints { path: path.clone(), every: Duration::ZERO, header: ModelFile::new("test") };
    let flag = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let raised = flag.clone();
    let mut run = Run::new(9).with_checkpoints(checkpoints).with_cancel(flag).with_watcher(move |event| {
        if let elbo_core::Event::Step { step: 5, .. } = event {
            raised.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    });
    training.run(&mut trainee(&[2], &network), &mut run).unwrap();
    let mut resumed = trainee(&[2], &network);
    training.run(&mut resumed, &mut Run::new(0).resuming(ModelFile::read(&path).unwrap())).unwrap();
    let bytes = |trainee: &Trainee| {
        let mut file = ModelFile::new("test");
        trainee.save(&mut file, "t");
        file.to_bytes()
    };
    assert!(bytes(&whole) == bytes(&resumed));
}

#[test]
fn bad_settings_of_training_are_refused() {
    let refuse = |config: TrainingConfig| config.check().unwrap_err().to_string();
    assert!(refuse(TrainingConfig { iterations: 0, ..TrainingConfig::default() }).contains("iterations"));
    assert!(refuse(TrainingConfig { rate: 0.0, ..TrainingConfig::default() }).contains("rate"));
    assert!(refuse(TrainingConfig { average: 1.0, ..TrainingConfig::default() }).contains("average"));
    assert!(Training::new(&[], 2, &TrainingConfig::default()).is_err());
    assert!(NetworkConfig { embedding: 3, ..NetworkConfig::default() }.check().is_err());
    assert!(NetworkConfig { widths: vec![], ..NetworkConfig::default() }.check().is_err());
}
