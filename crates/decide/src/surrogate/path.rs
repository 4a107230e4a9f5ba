//! A draw from the posterior as a function, by Matheron's rule.

use super::posterior::Gp;
use elbo_core::Rng;
use elbo_linalg::vector::dot;
use std::f64::consts::TAU;

/// `f(x) = m(x) + f_0(x) + k(x, X) K⁻¹ (y - m - f_0(X) - e)`, with `f_0` a draw from the prior by random Fourier features and `e` drawn noise.
///
/// # Source
/// Wilson, Borovitskiy, Terenin, Mostowsky and Deisenroth (2020).
#[derive(Debug, Clone)]
pub struct Path<'a> {
    gp: &'a Gp,
    frequencies: Vec<f64>,
    phases: Vec<f64>,
    amplitudes: Vec<f64>,
    weights: Vec<f64>,
}

impl<'a> Path<'a> {
    /// A draw with this many random features.
    pub fn draw(gp: &'a Gp, features: usize, rng: &mut Rng) -> Self {
        let width = gp.width();
        let mut frequencies = Vec::with_capacity(features * width);
        for _ in 0..features {
            // The Matern-5/2's spectrum is a Student t with five degrees of freedom.
            let scale = (5.0 / rng.chi_squared(5.0)).sqrt();
            frequencies.extend(gp.inverse.iter().map(|i| rng.normal() * scale * i));
        }
        let phases = (0..features).map(|_| rng.range(0.0, TAU)).collect();
        let size = (2.0 * gp.hyper().variance / features as f64).sqrt();
        let amplitudes = rng.normals(features).into_iter().map(|a| size * a).collect();
        let mut path = Self { gp, frequencies, phases, amplitudes, weights: vec![] };
        let target: Vec<f64> = (gp.x.chunks_exact(width).zip(&gp.y).zip(&gp.noise))
            .map(|((x, y), noise)| y - gp.prior_mean(x) - path.prior(x, None) - noise.sqrt() * rng.normal())
            .collect();
        path.weights = gp.solve(&target);
        // A Student-t process is a Gaussian one of a drawn scale, by which the draw lies farther from the mean or nearer to it.
        if let Some(stretch) = gp.stretch(rng) {
            path.amplitudes.iter_mut().for_each(|a| *a *= stretch);
            path.weights.iter_mut().zip(&gp.alpha).for_each(|(w, alpha)| *w = alpha + stretch * (*w - alpha));
        }
        path
    }

    /// The prior's draw at `x`; adds its gradient.
    fn prior(&self, x: &[f64], mut gradient: Option<&mut [f64]>) -> f64 {
        let mut value = 0.0;
        for ((frequency, phase), amplitude) in
            self.frequencies.chunks_exact(x.len()).zip(&self.phases).zip(&self.amplitudes)
        {
            let (sin, cos) = (dot(frequency, x) + phase).sin_cos();
            value += amplitude * cos;
            if let Some(gradient) = gradient.as_deref_mut() {
                gradient.iter_mut().zip(frequency).for_each(|(g, f)| *g -= amplitude * sin * f);
            }
        }
        value
    }

    /// The standardised value at `x: [E]`; writes its gradient.
    pub fn value_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        gradient.fill(0.0);
        let gp = self.gp;
        let mut value = gp.prior_mean(x) + self.prior(x, Some(gradient));
        gp.mean_function().add_gradient(x, 1.0, gradient);
        value += gp.x.chunks_exact(x.len()).zip(&self.weights).map(|(data, w)| w * gp.kernel(x, data)).sum::<f64>();
        gp.add_cross_gradient(x, &self.weights, gradient);
        value
    }
}
