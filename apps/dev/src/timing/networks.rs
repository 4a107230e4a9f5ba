//! Networks in f32: a training step with Adam of two variational autoencoders and a denoiser, and one convolution both ways.
//!
//! Weights, inputs and noise come from `benches/peers/nn_data.py`; the value is the loss after three steps, so that updates are compared
//! too, and with them the directions of gradients (Adam does not see their size).

use super::{Outcome, array, measure};
use crate::error::Result;
use elbo::core::{Run, Step};
use elbo::tensor::optim::{Adam, Rule};
use elbo::tensor::{Convolution, Parameter, Tensor, grad};
use std::path::Path;

/// Steps before the value is read.
const STEPS: usize = 3;

/// Reads the parameters `NAME_0`, `NAME_1`, ... of a network.
fn parameters(folder: &Path, name: &str, count: usize) -> Result<Vec<Parameter>> {
    (0..count).map(|i| Ok(Parameter::real(&array(folder, &format!("{name}_{i}"))?))).collect()
}

/// Trains: the loss after some steps, then the time of a step.
fn train(
    mut network: Vec<Parameter>,
    seconds: f64,
    loss: impl Fn(&[Tensor]) -> Tensor + Send + Sync,
) -> Result<Outcome> {
    let adam = Adam::with_rate(1e-3)
        .on(|network: &Vec<Parameter>, _: &mut Run| Ok(loss(&network.iter().map(Parameter::get).collect::<Vec<_>>())));
    let mut run = Run::new(0);
    let mut memory = adam.init(&mut network, &mut run)?;
    let mut value = 0.0;
    for _ in 0..=STEPS {
        value = adam.step(&mut network, &mut memory, &mut run)?.objective;
    }
    let timing = measure(seconds, 5, || {
        adam.step(&mut network, &mut memory, &mut run)?;
        Ok(())
    })?;
    Ok(Outcome { timing, value, evaluations: None, gradient: vec![] })
}

/// The negative bound of a batch, per image, from the posterior's mean and log variance and the decoder's logits.
fn negative_bound(logits: &Tensor, x: &Tensor, mean: &Tensor, log_variance: &Tensor) -> Tensor {
    let likelihood = logits.bernoulli_log_prob(x).sum();
    let divergence = (log_variance.exp() + mean.square() - log_variance - 1.0).sum() * 0.5;
    (divergence - likelihood) / x.size(0) as f64
}

fn sample(mean: &Tensor, log_variance: &Tensor, noise: &Tensor) -> Tensor {
    mean + (log_variance * 0.5).exp() * noise
}

/// Autoencoder 784-400-20 with fully connected layers.
pub(super) fn vae(folder: &Path, seconds: f64) -> Result<Outcome> {
    let (x, noise) = (array(folder, "vae_x")?, array(folder, "vae_noise")?);
    train(parameters(folder, "vae", 10)?, seconds, move |p| {
        let layer = |x: &Tensor, i: usize| x.linear(&p[2 * i], Some(&p[2 * i + 1]));
        let hidden = layer(&x, 0).relu();
        let (mean, log_variance) = (layer(&hidden, 1), layer(&hidden, 2));
        let z = sample(&mean, &log_variance, &noise);
        let logits = layer(&layer(&z, 3).relu(), 4);
        negative_bound(&logits, &x, &mean, &log_variance)
    })
}

/// Convolutional autoencoder of 28x28 images: 32 and 64 channels at stride 2, 16 latent numbers.
pub(super) fn conv_vae(folder: &Path, seconds: f64) -> Result<Outcome> {
    let (x, noise) = (array(folder, "conv_vae_x")?, array(folder, "conv_vae_noise")?);
    let halved = Convolution::default().strided(2).padded(1);
    train(parameters(folder, "conv_vae", 14)?, seconds, move |p| {
        let layer = |x: &Tensor, i: usize| x.linear(&p[2 * i], Some(&p[2 * i + 1]));
        let down = |x: &Tensor, i: usize| x.conv2d(&p[2 * i], Some(&p[2 * i + 1]), &halved);
        let up = |x: &Tensor, i: usize| x.conv_transpose2d(&p[2 * i], Some(&p[2 * i + 1]), &halved);
        let batch = x.size(0);
        let hidden = down(&down(&x, 0).relu(), 1).relu().reshape(&[batch, 3136]);
        let (mean, log_variance) = (layer(&hidden, 2), layer(&hidden, 3));
        let z = sample(&mean, &log_variance, &noise);
        let image = layer(&z, 4).relu().reshape(&[batch, 64, 7, 7]);
        let logits = up(&up(&image, 5).relu(), 6);
        negative_bound(&logits, &x, &mean, &log_variance)
    })
}

/// A small U-shaped denoiser of 3x32x32 images with group norms and a skip connection.
pub(super) fn denoiser(folder: &Path, seconds: f64) -> Result<Outcome> {
    let x = array(folder, "denoiser_x")?;
    let same = Convolution::default().padded(1);
    let halved = same.strided(2);
    train(parameters(folder, "denoiser", 18)?, seconds, move |p| {
        let conv = |x: &Tensor, i: usize, how: &Convolution| x.conv2d(&p[2 * i], Some(&p[2 * i + 1]), how);
        let norm = |x: &Tensor, i: usize| x.group_norm(8, Some(&p[2 * i]), Some(&p[2 * i + 1]), 1e-5);
        let fine = norm(&conv(&x, 0, &same), 1).silu();
        let coarse = norm(&conv(&fine, 2, &halved), 3).silu();
        let coarse = &coarse + conv(&conv(&coarse, 4, &same).silu(), 5, &same);
        let up = coarse.conv_transpose2d(&p[12], Some(&p[13]), &halved);
        let joined = conv(&Tensor::cat(&[up, fine], 1), 7, &same).silu();
        (conv(&joined, 8, &same) - &x).square().mean()
    })
}

/// A 3x3 convolution of 64 channels on 64x64 images, forward, and backward by everything.
pub(super) fn convolution(folder: &Path, seconds: f64) -> Result<Outcome> {
    let read = |name: &str| Ok::<_, crate::error::DevError>(array(folder, name)?.variable());
    let (x, w, b) = (read("conv_x")?, read("conv_0")?, read("conv_1")?);
    let call = || {
        let loss = x.conv2d(&w, Some(&b), &Convolution::default().padded(1)).square().mean();
        let gradients = grad(&loss, &[&w, &b, &x]);
        (loss, gradients)
    };
    let timing = measure(seconds, 5, || {
        call();
        Ok(())
    })?;
    let (loss, gradients) = call();
    let gradient = gradients.iter().map(|gradient| gradient.square().sum().sqrt().item()).collect();
    Ok(Outcome { timing, value: loss.item(), evaluations: None, gradient })
}
