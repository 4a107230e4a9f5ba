//! Distributions of targets given a network's numbers: densities of single numbers, differences, the weights of varying noise.

use crate::common::assert_gradient;
use elbo_core::Rng;
use elbo_dist::{Bernoulli, Distribution, Laplace, Normal, Poisson, StudentT};
use elbo_nn::bayes::{Observation, ObservationConfig};
use elbo_tensor::{DType, Parameter, Tensor, grad};

const EVERY: [ObservationConfig; 9] = [
    ObservationConfig::Fixed { sd: 0.7 },
    ObservationConfig::Learned { sd: 0.4 },
    ObservationConfig::Varying { beta: 0.0 },
    ObservationConfig::Varying { beta: 0.5 },
    ObservationConfig::StudentT { scale: 0.6, dof: 3.5 },
    ObservationConfig::Laplace { scale: 0.8 },
    ObservationConfig::Categorical { classes: 4 },
    ObservationConfig::Bernoulli,
    ObservationConfig::Poisson,
];

/// Numbers of a network and the targets' distribution, as one model.
struct Case {
    output: Parameter,
    observation: Observation,
}

elbo_tensor::parameters!(Case { output, observation });

/// Five rows of one or two targets.
fn case(config: ObservationConfig) -> (Case, Tensor) {
    let mut rng = Rng::new(1);
    let targets = if matches!(config, ObservationConfig::Categorical { .. }) { 1 } else { 2 };
    let observation = config.build(targets, DType::F64).unwrap();
    let outputs = observation.outputs();
    let output = Parameter::real(&Tensor::from_vec(rng.normals(5 * outputs), &[5, outputs]));
    let y = match config {
        ObservationConfig::Categorical { classes } => Tensor::indices(&(0..5).map(|i| i % classes).collect::<Vec<_>>()),
        ObservationConfig::Bernoulli => Tensor::from_vec((0..10).map(|i| f64::from(i % 3 == 0)).collect(), &[5, 2]),
        ObservationConfig::Poisson => Tensor::from_vec((0..10).map(|i| f64::from(i % 4)).collect(), &[5, 2]),
        _ => Tensor::from_vec(rng.normals(10), &[5, 2]),
    };
    (Case { output, observation }, y)
}

#[test]
fn log_probabilities_are_those_of_single_numbers() {
    for config in EVERY {
        let (case, y) = case(config);
        let found = case.observation.log_prob(&case.output.get(), &y).to_vec();
        let (output, y) = (case.output.value(), y.to_vec());
        let width = case.observation.outputs();
        for row in 0..5 {
            let o = &output[row * width..(row + 1) * width];
            let of = |k: usize| -> f64 {
                let x = y[2 * row + k];
                match config {
                    ObservationConfig::Fixed { sd } | ObservationConfig::Learned { sd } => {
                        Normal { mean: o[k], sd }.log_prob(x)
                    }
                    ObservationConfig::Varying { .. } => Normal { mean: o[k], sd: (0.5 * o[2 + k]).exp() }.log_prob(x),
                    ObservationConfig::StudentT { scale, dof } => StudentT { location: o[k], scale, dof }.log_prob(x),
                    ObservationConfig::Laplace { scale } => Laplace { location: o[k], scale }.log_prob(x),
                    ObservationConfig::Bernoulli => Bernoulli { probability: 1.0 / (1.0 + (-o[k]).exp()) }.log_prob(x),
                    ObservationConfig::Poisson => Poisson { mean: o[k].exp() }.log_prob(x),
                    ObservationConfig::Categorical { .. } => unreachable!("classes have no second target"),
                }
            };
            let expected = match config {
                ObservationConfig::Categorical { classes } => {
                    o[row % classes] - o.iter().map(|l| l.exp()).sum::<f64>().ln()
                }
                _ => of(0) + of(1),
            };
            assert!((found[row] - expected).abs() < 1e-10, "{config:?} row {row}: {} {expected}", found[row]);
        }
    }
}

#[test]
fn gradients_of_every_loss_agree_with_differences() {
    for config in EVERY {
        // A weight that counts as a constant has no differences; the next test looks at it.
        if config == (ObservationConfig::Varying { beta: 0.5 }) {
            continue;
        }
        let (mut case, y) = case(config);
        let loss = |c: &Case| c.observation.loss(&c.output.get(), &y).sum();
        assert_gradient(&format!("{config:?}"), &mut case, loss, 1e-6);
        let (loss, log) = (loss(&case), case.observation.log_prob(&case.output.get(), &y).sum());
        assert!((loss + log).item().abs() < 1e-12, "{config:?}");
    }
}

#[test]
fn the_weight_of_varying_noise_is_a_power_of_the_variance_that_is_not_differentiated() {
    for beta in [0.0, 0.5, 1.0] {
        let (case, y) = case(ObservationConfig::Varying { beta });
        let output = case.output.get();
        let slope = grad(&case.observation.loss(&output, &y).sum(), &[&output]).remove(0).to_vec();
        let (o, y) = (output.to_vec(), y.to_vec());
        for row in 0..5 {
            for k in 0..2 {
                let (mean, level) = (o[4 * row + k], o[4 * row + 2 + k]);
                let (v, error) = (level.exp(), mean - y[2 * row + k]);
                // v^beta times the slopes of (log v + error² / v) / 2 in the mean and in log v.
                let weight = v.powf(beta);
                let (by_mean, by_level) = (weight * error / v, weight * 0.5 * (1.0 - error * error / v));
                assert!((slope[4 * row + k] - by_mean).abs() < 1e-12, "beta {beta}, mean");
                assert!((slope[4 * row + 2 + k] - by_level).abs() < 1e-12, "beta {beta}, log variance");
                // With beta 1 means are fitted as by squared errors, whatever the noise.
                assert!(beta != 1.0 || (slope[4 * row + k] - error).abs() < 1e-12);
            }
        }
    }
}

#[test]
fn log_variances_are_held_and_degrees_of_freedom_keep_a_variance() {
    let varying = ObservationConfig::default().build(1, DType::F64).unwrap();
    let y = Tensor::from_vec(vec![1.0, 1.0], &[2, 1]);
    let at = |level: f64| varying.loss(&Tensor::from_vec(vec![0.0, level, 0.0, -level], &[2, 2]), &y).to_vec();
    assert_eq!(at(500.0), at(10.0));
    assert!(at(500.0).iter().all(|l| l.is_finite()));
    let student = ObservationConfig::StudentT { scale: 1.0, dof: 2.0001 }.build(2, DType::F64).unwrap();
    let output = Tensor::from_vec(vec![0.3, -0.2], &[1, 2]);
    let variance = student.distribution(&output).variance().unwrap();
    assert!(variance.is_finite() && variance.min().item() > 0.0);
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    for (name, config, targets) in [
        ("sd", ObservationConfig::Fixed { sd: 0.0 }, 1),
        ("sd", ObservationConfig::Learned { sd: f64::NAN }, 1),
        ("beta", ObservationConfig::Varying { beta: 1.5 }, 1),
        ("dof", ObservationConfig::StudentT { scale: 1.0, dof: 2.0 }, 1),
        ("scale", ObservationConfig::Laplace { scale: -1.0 }, 1),
        ("classes", ObservationConfig::Categorical { classes: 1 }, 1),
        ("targets", ObservationConfig::Categorical { classes: 3 }, 2),
        ("targets", ObservationConfig::Bernoulli, 0),
    ] {
        let error = config.build(targets, DType::F64).err().unwrap();
        assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
    }
}
