//! A generalised linear model from some of its rows.

use super::Glm;
use crate::target::{LogDensity, Parted, with_gradient};
use elbo_tensor::Tensor;

/// Some rows, their likelihood scaled as if they were all.
struct Part {
    rows: Glm,
    /// All rows over those taken.
    scale: f64,
}

impl Parted for Glm {
    fn rows(&self) -> usize {
        Glm::rows(self)
    }

    fn part(&self, rows: &[usize]) -> Box<dyn LogDensity + '_> {
        Box::new(Part { rows: self.of_rows(rows), scale: Glm::rows(self) as f64 / rows.len() as f64 })
    }
}

impl LogDensity for Part {
    fn dim(&self) -> usize {
        LogDensity::dim(&self.rows)
    }

    fn log_prob(&self, z: &Tensor) -> Tensor {
        let (values, gradient) = self.values_and_gradients(&z.as_f64());
        with_gradient("glm of some rows", z, values, gradient)
    }

    fn values_and_gradients(&self, z: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let p = self.dim();
        let (mut values, mut gradient) = self.rows.values_and_gradients(z);
        for ((value, gradient), z) in values.iter_mut().zip(gradient.chunks_exact_mut(p)).zip(z.chunks_exact(p)) {
            let mut slope = vec![0.0; p];
            let prior = self.rows.prior(z, &mut slope);
            *value = self.scale * (*value - prior) + prior;
            gradient.iter_mut().zip(&slope).for_each(|(g, s)| *g = self.scale * (*g - s) + s);
        }
        (values, gradient)
    }

    fn hessian(&self, z: &[f64]) -> Option<Vec<f64>> {
        let p = self.dim();
        let mut hessian = self.rows.hessian(z)?;
        hessian.iter_mut().for_each(|h| *h *= self.scale);
        for (i, curvature) in self.rows.prior_curvature(z).into_iter().enumerate() {
            hessian[i * p + i] += (1.0 - self.scale) * curvature;
        }
        Some(hessian)
    }
}
