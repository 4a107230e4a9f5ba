//! The task: a cubic with a gap, a small network for it, and the density of its weights.

use elbo::data::{MakeOptions, make};
use elbo::nn::bayes::Stack;
use elbo::nn::{Activation, Build};
use elbo::prelude::*;
use elbo::tensor::{DType, Parameters, Tensor};

/// Standard deviation of the noise, which is known; each weight is standard normal beforehand.
pub const NOISE: f64 = 0.1;
/// Rows to learn from.
pub const ROWS: usize = 100;

/// Rows of the cubic, `x: [N, 1]` and `y: [N, 1]`, both of order one.
pub fn rows(count: usize, seed: u64) -> Result<(Tensor, Tensor)> {
    let data = make("cubic-gap", seed, &MakeOptions { rows: Some(count), ..MakeOptions::default() })?;
    let column = |name: &str, scale: f64| -> Result<Tensor> {
        let values = data.get(name)?.to_f64().expect("the recipe makes numbers");
        Ok(Tensor::from_vec(values, &[count, 1]) * (1.0 / scale))
    };
    Ok((column("x0", 4.0)?, column(data.target()?, 30.0)?))
}

/// A network with ten hidden units, before training.
pub fn network(seed: u64) -> Stack {
    let mut rng = Rng::new(seed);
    let mut build = Build::new(&mut rng);
    build.dtype = DType::F64;
    Stack::new(&[1, 10, 1], Activation::Tanh, &mut build)
}

/// The network with these weights.
pub fn with_weights(weights: &[f64]) -> Stack {
    let mut network = network(0);
    network.unpack(weights);
    network
}

/// Minus the mean log likelihood of rows, less its constant.
pub fn misfit(network: &Stack, x: &Tensor, y: &Tensor) -> Tensor {
    (network.forward(x) - y).square().mean() * (0.5 / (NOISE * NOISE))
}

/// Minus the log prior of all weights, less its constant.
pub fn penalty(network: &Stack) -> Tensor {
    network.leaves().iter().map(|weight| weight.square().sum()).sum::<Tensor>() * 0.5
}

/// Minus the log density of the weights for each row to learn from, by some of them, less its constant.
pub fn loss(network: &Stack, x: &Tensor, y: &Tensor) -> Tensor {
    misfit(network, x, y) + penalty(network) * (1.0 / ROWS as f64)
}
