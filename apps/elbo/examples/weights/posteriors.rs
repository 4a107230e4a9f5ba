//! One function a posterior: its predictions, or draws of the weights.

use super::problem::{NOISE, ROWS, loss, misfit, network, penalty, with_weights};
use elbo::core::{Stop, drive};
use elbo::dist::Normals;
use elbo::infer::fit::{MethodSettings, infer};
use elbo::infer::target::ParametersDensity;
use elbo::nn::bayes::{
    Averaged, Curvature, Laplace, LaplaceConfig, Newton, NewtonConfig, NewtonStep, ObservationConfig, Scope, Stack,
    Swag, SwagStep,
};
use elbo::prelude::*;
use elbo::tensor::optim::{Adam, Rule, Schedule, Sgd};
use elbo::tensor::{DType, Parameters, Tensor};

/// Rows to learn from, and steps of training.
pub struct Training {
    /// `[N, 1]`.
    pub x: Tensor,
    /// `[N, 1]`.
    pub y: Tensor,
    /// Of each kind.
    pub steps: usize,
}

impl Training {
    fn stop(&self) -> Stop {
        Stop::after(self.steps, "training", "loss (nats a row)")
    }

    /// A network at a mode of the weights' density; several, from different starts, are an ensemble.
    pub fn mode(&self, seed: u64, run: &mut Run) -> Result<Stack> {
        let mut network = network(seed);
        let objective = |w: &Stack, _: &mut Run| -> Result<Tensor> { Ok(loss(w, &self.x, &self.y)) };
        drive(&Adam::with_rate(0.02).on(objective), &mut network, &self.stop(), run)?;
        Ok(network)
    }

    /// The curvature at the mode, of all layers or of the last.
    pub fn laplace(&self, mode: &Stack, scope: Scope, at: &Tensor) -> Result<Normals> {
        let observation = ObservationConfig::Fixed { sd: NOISE }.build(1, DType::F64)?;
        let config = LaplaceConfig::new(Curvature::Full, scope, 1.0);
        let (mean, variance) = Laplace::new(mode, &self.x, &self.y, &observation, &config)?.predict(at);
        Ok(Normals { mean: mean.to_vec(), sd: variance.sqrt().to_vec() })
    }

    /// Gradient descent that goes on from the mode at a constant rate.
    pub fn swag(&self, mode: &Stack, run: &mut Run) -> Result<Vec<Vec<f64>>> {
        let noisy = |w: &Stack, run: &mut Run| -> Result<Tensor> {
            let batch = Tensor::indices(&run.rng.choose(ROWS, 10));
            Ok(loss(w, &self.x.index_select(0, &batch), &self.y.index_select(0, &batch)))
        };
        let step = Sgd { rate: 2e-3.into(), ..Sgd::default() }.on(noisy);
        let mut averaged = Averaged { model: with_weights(&mode.pack()), swag: Swag::new(20) };
        drive(&SwagStep { step, burn_in: self.steps / 4, every: 10 }, &mut averaged, &self.stop(), run)?;
        Ok((0..200).map(|_| averaged.swag.sample(&mut run.rng)).collect())
    }

    /// An optimiser that goes on from the mode and keeps variances.
    pub fn ivon(&self, mode: &Stack, run: &mut Run) -> Result<Vec<Vec<f64>>> {
        let rate = Schedule::Cosine { start: 0.02, end: 2e-4, steps: self.steps };
        let config = NewtonConfig {
            decay: 1.0 / ROWS as f64,
            beta2: 0.999,
            curvature: 50.0,
            draws: 2,
            ..NewtonConfig::new(ROWS, rate)
        };
        let mut newton = Newton::new(with_weights(&mode.pack()), &config)?;
        let objective = |w: &Stack, _: &mut Run| -> Result<Tensor> { Ok(misfit(w, &self.x, &self.y)) };
        let step: NewtonStep<'_, Stack, _> = NewtonStep { config, objective, exact: None };
        drive(&step, &mut newton, &self.stop(), run)?;
        Ok((0..200).map(|_| newton.sample(&mut run.rng)).collect())
    }

    /// A network with priors is a log density like any other.
    pub fn variational(
        &self,
        method: &str,
        mode: &Stack,
        settings: &MethodSettings,
        run: &mut Run,
    ) -> Result<Vec<Vec<f64>>> {
        let log_prob = |w: &Stack| -> Result<Tensor> { Ok(misfit(w, &self.x, &self.y) * -(ROWS as f64) - penalty(w)) };
        let density = ParametersDensity::new(|| network(0), log_prob);
        let settings = MethodSettings { start: Some(mode.pack()), ..settings.clone() };
        let fit = infer(&density, method.parse()?, &settings, run)?;
        Ok(fit.draws.chunks(mode.pack().len()).take(200).map(<[f64]>::to_vec).collect())
    }
}
