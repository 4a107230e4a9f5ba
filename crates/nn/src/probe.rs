//! A linear classifier of codes: how much of a class they hold in plain sight.

use elbo_core::step::Snapshot;
use elbo_core::{ModelFile, Result, Run, Stop, drive};
use elbo_tensor::optim::Lbfgs;
use elbo_tensor::{Constraint, Parameter, Parameters, Tensor};

/// Precision of the normal prior over the weights, for codes of variance one.
const RIDGE: f64 = 1.0;
const STEPS: usize = 200;

/// Multinomial logistic regression on standardised codes, at its penalised maximum.
pub struct Probe {
    shift: Tensor,
    scale: Tensor,
    weights: Weights,
}

struct Weights {
    weight: Parameter,
    bias: Parameter,
}

elbo_tensor::parameters!(Weights { "weight": weight, "bias": bias });

impl Snapshot for Weights {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)
    }
}

impl Weights {
    fn logits(&self, x: &Tensor) -> Tensor {
        x.linear(&self.weight.get(), Some(&self.bias.get()))
    }
}

impl Probe {
    /// Learns to tell `classes` classes. `x: [N, L]`, f64, `y: [N]`.
    ///
    /// # Errors
    /// When the arithmetic fails.
    pub fn fit(x: &Tensor, y: &[usize], classes: usize, run: &mut Run) -> Result<Self> {
        let (rows, dims) = (x.size(0), x.size(1));
        let shift = x.mean_axis(0, true);
        let scale = x.variance_axis(0, true, 0).sqrt() + 1e-12;
        let (codes, labels) = ((x - &shift) / &scale, Tensor::indices(y));
        let zeros = |shape: &[usize]| Parameter::new(&vec![0.0; shape.iter().product()], shape, Constraint::Real);
        let mut weights = Weights { weight: zeros(&[classes, dims]), bias: zeros(&[classes]) };
        let loss = move |w: &Weights, _: &mut Run| {
            let fit = w.logits(&codes).categorical_log_prob(&labels).sum();
            Ok((w.weight.get().square().sum() * (0.5 * RIDGE) - fit) * (1.0 / rows as f64))
        };
        drive(&Lbfgs::default().on(loss), &mut weights, &Stop::after(STEPS, "probe", "loss"), run)?;
        Ok(Self { shift, scale, weights })
    }

    /// Share of the rows whose likeliest class is theirs.
    pub fn accuracy(&self, x: &Tensor, y: &[usize]) -> f64 {
        let found = self.weights.logits(&((x - &self.shift) / &self.scale)).detach().argmax(-1, false).to_vec();
        found.iter().zip(y).filter(|(a, b)| **a as usize == **b).count() as f64 / y.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_core::Rng;

    #[test]
    fn separated_classes_are_told_and_mixed_ones_are_not() {
        let mut rng = Rng::new(1);
        let y: Vec<usize> = (0..300).map(|i| i % 3).collect();
        let mut codes = |gap: f64| {
            let at = |i: usize| [(i % 3) as f64 * gap, (i % 3 == 1) as u8 as f64 * gap].map(|m| m + 0.3 * rng.normal());
            Tensor::from_vec((0..300).flat_map(at).collect(), &[300, 2])
        };
        let (far, near) = (codes(3.0), codes(0.0));
        let accuracy = |x: &Tensor| Probe::fit(x, &y, 3, &mut Run::new(0)).unwrap().accuracy(x, &y);
        assert!(accuracy(&far) > 0.99);
        // One third, and what the training rows themselves allow.
        assert!(accuracy(&near) < 0.5);
    }
}
