//! What several tests need.

use elbo_core::Rng;
use elbo_nn::network::{DecoderConfig, EncoderConfig, MlpConfig, Start};
use elbo_nn::vae::{
    DecoderWeights, Family, LikelihoodConfig, ObjectiveConfig, PriorConfig, Term, Vae, VaeConfig, Weighted,
};
use elbo_nn::{Activation, Init};
use elbo_tensor::{Parameters, Tensor};

/// Normal numbers, f64.
pub fn normals(shape: &[usize], rng: &mut Rng) -> Tensor {
    Tensor::from_vec(rng.normals(shape.iter().product()), shape)
}

/// Zeros and ones, `[rows, 3]`.
pub fn bernoulli(rows: usize, rng: &mut Rng) -> Tensor {
    Tensor::from_vec((0..rows * 3).map(|_| f64::from(u8::from(rng.uniform() < 0.4))).collect(), &[rows, 3])
}

/// The sum of these terms.
pub fn objective(terms: &[Term], draws: usize) -> ObjectiveConfig {
    ObjectiveConfig { draws, terms: terms.iter().map(|t| Weighted::from(t.clone())).collect() }
}

/// Moves every parameter that may move by a random step, so that nothing is special: at their start posteriors are near the prior, and most flows
/// the identity.
pub fn shake(model: &mut impl Parameters, sd: f64, rng: &mut Rng) {
    let packed: Vec<f64> = model.pack().iter().map(|p| p + sd * rng.normal()).collect();
    model.unpack(&packed);
}

/// A model of three elements away from its start.
pub fn shaken(config: &VaeConfig, objective: &ObjectiveConfig, rng: &mut Rng) -> Vae {
    let mut vae = config.build(&[3], objective, rng).unwrap();
    shake(&mut vae, 0.5, rng);
    vae
}

/// Central differences agree with the gradient of `loss` in the parameters, relative to its size.
pub fn assert_gradient<P: Parameters>(name: &str, model: &mut P, loss: impl Fn(&P) -> Tensor, tolerance: f64) {
    let gradient = model.gradient(&loss(model));
    let start = model.pack();
    // Every parameter of a small model, and at most forty of a large one.
    let stride = (start.len() / 40).max(1);
    for i in (0..start.len()).step_by(stride) {
        let h = 1e-5 * start[i].abs().max(1.0);
        let mut at = |delta: f64| {
            let mut moved = start.clone();
            moved[i] += delta;
            model.unpack(&moved);
            loss(model).item()
        };
        let numeric = (at(h) - at(-h)) / (2.0 * h);
        let exact = gradient[i];
        assert!(
            (numeric - exact).abs() <= tolerance * exact.abs().max(1.0),
            "{name}, parameter {i}: {numeric} (numeric) vs {exact}"
        );
    }
    model.unpack(&start);
}

/// A small model in double precision.
pub fn small(likelihood: LikelihoodConfig, family: Family, prior: PriorConfig) -> VaeConfig {
    let mlp = MlpConfig::new(&[5], Activation::Tanh);
    VaeConfig {
        latent: 2,
        family,
        least_log_variance: -30.0,
        start_log_variance: 0.0,
        prior,
        encoder: EncoderConfig::Mlp(mlp.clone()),
        decoder: DecoderConfig::Mlp(mlp),
        likelihood,
        start: Start { init: Init::Torch, is_double: true },
        topk: None,
        nan_is_missing: false,
        condition: None,
        flow: None,
        weights: DecoderWeights::Point,
    }
}
