//! A mixture of independent normals.

use super::gaussian::log_standard;
use super::{Drawn, Variational};
use elbo_core::Rng;
use elbo_tensor::{Constraint, Parameter, Parameters, Tensor, no_grad};

/// A mixture of `K` mean-field normals. Draws are stratified: every component is drawn from equally often and weighted, so that the
/// choice of a component is integrated out and never differentiated.
#[derive(Debug, Clone)]
pub struct Mixture {
    logits: Parameter,
    mean: Parameter,
    sd: Parameter,
}

impl Mixture {
    /// `count` components around independent normals `[D]`, moved apart by draws of them so that they can part.
    ///
    /// # Panics
    /// Without components, and for deviations of another number than means or not positive.
    pub fn new(mean: &[f64], sd: &[f64], count: usize, rng: &mut Rng) -> Self {
        let d = mean.len();
        assert!(count > 0, "a mixture has components");
        let means: Vec<f64> = (0..count * d).map(|i| mean[i % d] + sd[i % d] * rng.normal()).collect();
        Self {
            logits: Parameter::new(&vec![0.0; count], &[count], Constraint::Real),
            mean: Parameter::new(&means, &[count, d], Constraint::Real),
            sd: Parameter::new(&sd.repeat(count), &[count, d], Constraint::Positive),
        }
    }

    /// Weights of the components, `[K]`.
    pub fn weights(&self) -> Vec<f64> {
        self.logits.get().softmax(-1).to_vec()
    }

    /// Means of the components, `[K, D]` row-major.
    pub fn means(&self) -> Vec<f64> {
        self.mean.value()
    }

    fn density(&self, z: &Tensor) -> Tensor {
        let white = (z.unsqueeze(1) - self.mean.get()) / self.sd.get();
        let parts = log_standard(&white) - self.sd.leaf().sum_axis(-1, false) + self.logits.get().log_softmax(-1);
        parts.log_sum_exp(-1, false)
    }
}

impl Parameters for Mixture {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        f("logits", &self.logits);
        f("mean", &self.mean);
        f("sd", &self.sd);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        f("logits", &mut self.logits);
        f("mean", &mut self.mean);
        f("sd", &mut self.sd);
    }
}

impl Variational for Mixture {
    fn dim(&self) -> usize {
        self.mean.shape()[1]
    }

    fn strata(&self) -> usize {
        self.logits.len()
    }

    fn draw(&self, noise: &Tensor) -> Drawn {
        let (k, d, rows) = (self.strata(), self.dim(), noise.size(0));
        assert!(rows.is_multiple_of(k), "{rows} draws do not spread evenly over {k} components");
        // Row s belongs to component s mod K.
        let folded = noise.reshape(&[rows / k, k, d]);
        let z = (folded * self.sd.get() + self.mean.get()).reshape(&[rows, d]);
        let weights = (self.logits.get().softmax(-1) * k as f64).broadcast_to(&[rows / k, k]).reshape(&[rows]);
        Drawn { log_prob: self.density(&z), z, weights: Some(weights) }
    }

    fn log_prob(&self, z: &Tensor) -> Option<Tensor> {
        Some(self.density(z))
    }

    fn units(&self) -> Option<Vec<f64>> {
        let mut units = vec![1.0; self.strata()];
        units.extend(self.sd.value());
        units.extend(vec![1.0; self.sd.len()]);
        Some(units)
    }

    fn sample(&self, count: usize, rng: &mut Rng) -> (Tensor, Tensor) {
        let (weights, mean, sd) = (self.weights(), self.mean.value(), self.sd.value());
        let d = self.dim();
        let mut z = Vec::with_capacity(count * d);
        for _ in 0..count {
            let k = rng.weighted(&weights);
            z.extend((0..d).map(|i| mean[k * d + i] + sd[k * d + i] * rng.normal()));
        }
        let z = Tensor::from_vec(z, &[count, d]);
        let log_prob = no_grad(|| self.density(&z));
        (z, log_prob)
    }

    fn title(&self) -> String {
        format!("mixture of {} Gaussians", self.strata())
    }
}
