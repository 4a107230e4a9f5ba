//! Maps along the flow, and the network that learns one.

use elbo_core::{Rng, Run};
use elbo_diffusion::denoiser::{GaussianMixture, estimate};
use elbo_diffusion::flow_map::{
    Boundary, Consistency, DistillConfig, Distillation, FlowMap, GaussianFlow, MeanVelocity, MeanVelocityConfig,
    MeanVelocityTraining, OneStep, Span, mean_velocity, mean_velocity_target,
};
use elbo_diffusion::network::{Network, NetworkConfig, Trainee};
use elbo_nn::Build;
use elbo_tensor::{Parameters, Tensor};

fn gaussian() -> (GaussianMixture, GaussianFlow) {
    let (mean, variances) = (vec![0.5, -0.2], vec![0.3, 1.2]);
    let law = GaussianMixture::new(&[(1.0, mean.clone(), vec![0.3, 0.0, 0.0, 1.2])]).unwrap();
    (law, GaussianFlow { mean: Tensor::from_vec(mean, &[1, 2]), variances: Tensor::from_vec(variances, &[1, 2]) })
}

fn network_of(shape: &[usize]) -> Box<dyn Network> {
    let config = NetworkConfig { hidden: vec![48, 48], widths: vec![4, 4], embedding: 16, ..NetworkConfig::default() };
    config.build(shape, &mut Build::new(&mut Rng::new(1))).unwrap()
}

fn network() -> Box<dyn Network> {
    network_of(&[2])
}

fn rms(x: &Tensor) -> f64 {
    x.square().mean().sqrt().item()
}

#[test]
fn the_velocity_is_the_mean_velocity_and_its_change_along_the_flow() {
    let (law, flow) = gaussian();
    let x = Tensor::from_vec(vec![3.0, -4.0, 1.0, 2.0], &[2, 2]);
    for (from, to, h) in [(4.0, 0.1, 1e-4), (0.7, 0.3, 1e-5)] {
        let velocity = (&x - estimate(&law, &x, from)) / from;
        let at = |level: f64| mean_velocity(&flow, &flow.carry(&x, from, level), level, to);
        let change = (at(from + h) - at(from - h)) / (2.0 * h);
        let found = at(from) + change * (from - to);
        assert!((found - velocity).abs().max().item() < 1e-6, "{from} to {to}");
    }
}

#[test]
fn the_two_points_of_a_pair_end_at_the_same_place_to_the_third_order_of_the_step() {
    let (law, flow) = gaussian();
    let clean = Tensor::from_f32(vec![0.0; 2], &[1, 2]).to_f64();
    let training = Distillation::new(&law, &[0.0, 0.0], 2, &DistillConfig::default()).unwrap();
    let error = |ratio: f64| {
        let (high, low) = training.pair(&clean, (1.0, 1.0 / ratio), &mut Rng::new(3)).unwrap();
        (flow.carry(&high, 1.0, 0.01) - flow.carry(&low, 1.0 / ratio, 0.01)).abs().max().item()
    };
    let (coarse, middle, fine) = (error(1.2), error(1.1), error(1.05));
    for order in [(coarse / middle).log2(), (middle / fine).log2()] {
        assert!((order - 3.0).abs() < 0.4, "order {order} from {coarse:e}, {middle:e}, {fine:e}");
    }
}

#[test]
fn a_consistency_model_is_the_identity_at_its_least_level() {
    let boundary = Boundary { data_sd: 0.5, low: 0.01 };
    let model = Consistency::new(network(), boundary, 2, 80.0);
    let x = Tensor::from_vec(vec![0.5, -0.25, 3.0, 2.0], &[2, 2]);
    assert_eq!(model.carry(&x, 0.01).to_vec(), x.to_vec());
    assert!(model.draw(0, 3, &mut Rng::new(0)).is_err());
    let drawn = model.draw(3, 5, &mut Rng::new(0)).unwrap();
    assert_eq!((drawn.x.shape(), drawn.evaluations), (&[5, 2][..], 3));
}

#[test]
fn a_distilled_network_is_the_flow_map_of_its_teacher() {
    let (law, flow) = gaussian();
    let points: Vec<f32> = law.sample(500, &mut Rng::new(2)).to_vec().iter().map(|v| *v as f32).collect();
    let config = DistillConfig { iterations: 1200, levels: 12, high: 20.0, data_sd: 0.9, ..DistillConfig::default() };
    let training = Distillation::new(&law, &points, 2, &config).unwrap();
    let model = training.run(Trainee::new(network(), network()), &mut Run::new(5)).unwrap();
    let clean = law.sample(300, &mut Rng::new(7));
    let one_step = OneStep { denoiser: &law };
    for level in [0.5, 3.0, 20.0] {
        let noisy = &clean + Tensor::from_vec(Rng::new(8).normals(600), &[300, 2]) * level;
        let exact = flow.carry(&noisy, level, config.low);
        let (found, rival) = (model.carry(&noisy, level), one_step.carry(&noisy, level, config.low));
        let (error, other) = (rms(&(found - &exact)), rms(&(rival - &exact)));
        // In units of the data's spread, which is what one step of DDIM misses from far away.
        assert!(error < 0.15, "{level}: {error} beside {other}");
        assert!(level < 1.0 || error < 0.3 * other, "{level}: {error} beside {other}");
    }
    let drawn = model.draw(1, 2000, &mut Rng::new(9)).unwrap().x.to_vec();
    let (mean, covariance) = elbo_diffusion::frechet::moments(&drawn, 2).unwrap();
    // Five standard errors of 2,000 draws, and the error above.
    assert!((mean[0] - 0.5).abs() < 0.13 && (mean[1] + 0.2).abs() < 0.2, "{mean:?}");
    assert!((covariance[0] - 0.3).abs() < 0.15 && (covariance[3] - 1.2).abs() < 0.4, "{covariance:?}");
}

#[test]
fn bad_settings_of_distillation_are_refused() {
    let (law, _) = gaussian();
    let refuse = |config: DistillConfig| Distillation::new(&law, &[0.0; 4], 2, &config).err().unwrap().to_string();
    let usual = DistillConfig::default;
    assert!(refuse(DistillConfig { levels: 1, ..usual() }).contains("levels"));
    assert!(refuse(DistillConfig { low: 90.0, ..usual() }).contains("low 90"));
    assert!(refuse(DistillConfig { average: 1.0, ..usual() }).contains("average"));
    assert!(refuse(DistillConfig { data_sd: 0.0, ..usual() }).contains("data_sd"));
    assert!(Distillation::new(&law, &[], 2, &usual()).is_err());
}

#[test]
fn the_exact_mean_velocity_is_the_target_that_it_makes() {
    let (law, flow) = gaussian();
    let x = Tensor::from_vec(vec![3.0, -4.0, 1.0, 2.0], &[2, 2]);
    for (from, to) in [(4.0, 0.1), (0.7, 0.3), (20.0, 19.0)] {
        let average = |x: &Tensor, levels: &[f64]| mean_velocity(&flow, x, levels[0], to);
        let target = |velocity: &Tensor| mean_velocity_target(&average, &x, velocity, (&[from; 2], &[to; 2]));
        let velocity = (&x - estimate(&law, &x, from)) / from;
        let exact = mean_velocity(&flow, &x, from, to);
        // The difference has an error of the order of its squared step, 2.5e-5.
        assert!((target(&velocity) - &exact).abs().max().item() < 1e-4, "{from} to {to}");
        // Noise about the velocity has no share in the mean: the target is affine in it.
        let noise = Tensor::from_vec(vec![0.3, -0.2, 0.5, 0.1], &[2, 2]);
        let mean = (target(&(&velocity + &noise)) + target(&(&velocity - &noise))) / 2.0;
        assert!((mean - &exact).abs().max().item() < 1e-4, "{from} to {to}");
    }
}

#[test]
fn a_mean_velocity_is_told_the_end_of_points_of_every_shape() {
    let span = Span { data_sd: 0.5, low: 0.01, high: 80.0 };
    for (shape, seen) in [(vec![2], vec![3]), (vec![1, 4, 6], vec![2, 4, 6])] {
        assert_eq!(MeanVelocity::seen(&shape), seen);
        let mut network = network_of(&seen);
        // The last layer of a network of pictures starts at zero.
        let mut rng = Rng::new(4);
        network.visit_mut(&mut |_, p| {
            let moved: Vec<f64> = p.value().iter().map(|v| v + 0.1 * rng.normal()).collect();
            p.set(&moved).unwrap();
        });
        let model = MeanVelocity::new(network, span, &shape);
        let dims: usize = shape.iter().product();
        let x = Tensor::from_vec(Rng::new(2).normals(3 * dims), &[3, dims]);
        assert_eq!(model.carry(&x, 0.3, 0.3).to_vec(), x.to_vec());
        assert_eq!(model.carry(&x, 0.3, 0.0).to_vec(), model.carry(&x, 0.3, 0.01).to_vec());
        let mean = |to: f64| mean_velocity(&model, &x, 5.0, to);
        assert!(rms(&(mean(0.01) - mean(1.0))) > 1e-6, "{shape:?}: the end makes no difference");
        let drawn = model.draw(3, 5, &mut Rng::new(0)).unwrap();
        assert_eq!((drawn.x.shape(), drawn.evaluations), (&[5, dims][..], 3));
        assert!(model.draw(0, 3, &mut Rng::new(0)).is_err());
    }
}

#[test]
fn a_mean_velocity_learned_from_data_is_nearer_to_the_flow_than_a_step_with_the_exact_denoiser() {
    let (law, flow) = gaussian();
    let points: Vec<f32> = law.sample(500, &mut Rng::new(2)).to_vec().iter().map(|v| *v as f32).collect();
    let usual = MeanVelocityConfig::default();
    let config = MeanVelocityConfig { iterations: 2000, rate: 5e-3, high: 20.0, data_sd: 0.9, ..usual };
    let training = MeanVelocityTraining::new(&points, &[2], &config).unwrap();
    let model = training.run(Trainee::new(network_of(&[3]), network_of(&[3])), &mut Run::new(5)).unwrap();
    let clean = law.sample(300, &mut Rng::new(7));
    let one_step = OneStep { denoiser: &law };
    for (level, most) in [(0.5, 1.0), (3.0, 0.7), (20.0, 0.7)] {
        let noisy = &clean + Tensor::from_vec(Rng::new(8).normals(600), &[300, 2]) * level;
        let exact = flow.carry(&noisy, level, config.low);
        let (found, rival) = (model.carry(&noisy, level, config.low), one_step.carry(&noisy, level, config.low));
        let (error, other) = (rms(&(found - &exact)), rms(&(rival - &exact)));
        assert!(error < most * other, "{level}: {error} beside {other}");
    }
    let drawn = model.draw(2, 2000, &mut Rng::new(9)).unwrap().x.to_vec();
    let (mean, covariance) = elbo_diffusion::frechet::moments(&drawn, 2).unwrap();
    // The law has the means 0.5 and -0.2 and the variances 0.3 and 1.2.
    assert!((mean[0] - 0.5).abs() < 0.3 && (mean[1] + 0.2).abs() < 0.4, "{mean:?}");
    assert!((0.1..0.5).contains(&covariance[0]) && (0.6..2.0).contains(&covariance[3]), "{covariance:?}");
}

#[test]
fn bad_settings_of_mean_velocities_are_refused() {
    let refuse = |config: MeanVelocityConfig| {
        MeanVelocityTraining::new(&[0.0; 4], &[2], &config).err().expect("refused").to_string()
    };
    let usual = MeanVelocityConfig::default;
    assert!(refuse(MeanVelocityConfig { instantaneous: 1.5, ..usual() }).contains("instantaneous"));
    assert!(refuse(MeanVelocityConfig { low: 90.0, ..usual() }).contains("low 90"));
    assert!(refuse(MeanVelocityConfig { rate: 1.0, ..usual() }).contains("rate"));
    assert!(refuse(MeanVelocityConfig { data_sd: f64::NAN, ..usual() }).contains("data_sd"));
    assert!(refuse(MeanVelocityConfig { batch: 0, ..usual() }).contains("batch"));
    assert!(MeanVelocityTraining::new(&[], &[2], &usual()).is_err());
}
