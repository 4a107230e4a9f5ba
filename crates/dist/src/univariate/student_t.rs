use super::Distribution;
use elbo_core::Rng;
use elbo_tensor::optim::golden_section;
use elbo_tensor::special::{digamma, log_beta, student_t_cdf, student_t_quantile};
use serde::{Deserialize, Serialize};

/// Student's t distribution with location and scale.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct StudentT {
    /// Location: the median.
    pub location: f64,
    /// Scale, positive; the variance is `scale^2 dof / (dof - 2)`.
    pub scale: f64,
    /// Degrees of freedom, positive.
    pub dof: f64,
}

impl StudentT {
    /// The likeliest distribution around zero for standardised residuals, of 2.1 to 1000 degrees of freedom, so that there is a variance.
    /// Ten quantiles of a standard normal join the residuals: with few of them the answer stays near a standard normal, which is
    /// the answer for none.
    pub fn of_residuals(residuals: &[f64]) -> Self {
        let quantiles = (0..10).map(|k| super::Normal { mean: 0.0, sd: 1.0 }.quantile((f64::from(k) + 0.5) / 10.0));
        let values: Vec<f64> = residuals.iter().copied().chain(quantiles).collect();
        let loss = |log_scale: f64, log_dof: f64| {
            let law = Self { location: 0.0, scale: log_scale.exp(), dof: log_dof.exp() };
            -values.iter().map(|z| law.log_prob(*z)).sum::<f64>()
        };
        let scale = |log_dof: f64| golden_section(-6.0, 6.0, 50, |log_scale| loss(log_scale, log_dof));
        let log_dof = golden_section(2.1f64.ln(), 1000f64.ln(), 40, |log_dof| loss(scale(log_dof), log_dof));
        Self { location: 0.0, scale: scale(log_dof).exp(), dof: log_dof.exp() }
    }
}

impl Distribution for StudentT {
    fn log_prob(&self, x: f64) -> f64 {
        let z = (x - self.location) / self.scale;
        -0.5 * (self.dof + 1.0) * (z * z / self.dof).ln_1p()
            - log_beta(0.5, 0.5 * self.dof)
            - 0.5 * self.dof.ln()
            - self.scale.ln()
    }

    fn cdf(&self, x: f64) -> f64 {
        student_t_cdf((x - self.location) / self.scale, self.dof)
    }

    fn quantile(&self, p: f64) -> f64 {
        self.location + self.scale * student_t_quantile(p, self.dof)
    }

    fn mean(&self) -> f64 {
        if self.dof > 1.0 { self.location } else { f64::NAN }
    }

    fn variance(&self) -> f64 {
        if self.dof > 2.0 { self.scale * self.scale * self.dof / (self.dof - 2.0) } else { f64::INFINITY }
    }

    fn sample(&self, rng: &mut Rng) -> f64 {
        self.location + self.scale * rng.normal() / (rng.chi_squared(self.dof) / self.dof).sqrt()
    }

    fn entropy(&self) -> Option<f64> {
        let half = 0.5 * (self.dof + 1.0);
        let spread = half * (digamma(half) - digamma(0.5 * self.dof));
        Some(spread + 0.5 * self.dof.ln() + log_beta(0.5 * self.dof, 0.5) + self.scale.ln())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_and_degrees_of_freedom_of_residuals_are_found() {
        for seed in [1, 2, 3] {
            let mut rng = Rng::new(seed);
            let truth = StudentT { location: 0.0, scale: 0.7, dof: 4.0 };
            let drawn: Vec<f64> = (0..4000).map(|_| truth.sample(&mut rng)).collect();
            let found = StudentT::of_residuals(&drawn);
            // About three standard errors of the likeliest values for as many draws.
            assert!((found.scale - 0.7).abs() < 0.05 && (found.dof - 4.0).abs() < 1.0, "{found:?}");
            let normal: Vec<f64> = (0..4000).map(|_| 1.3 * rng.normal()).collect();
            let found = StudentT::of_residuals(&normal);
            assert!((found.scale - 1.3).abs() < 0.06 && found.dof > 20.0, "{found:?}");
        }
    }

    #[test]
    fn without_residuals_it_is_a_standard_normal_nearly() {
        let found = StudentT::of_residuals(&[]);
        assert!((0.8..1.05).contains(&found.scale) && found.dof > 100.0, "{found:?}");
        // Residuals that are all zero, as of rows that are copies of others, shrink it and keep it finite.
        let found = StudentT::of_residuals(&[0.0; 200]);
        assert!(found.scale > 0.0 && found.scale < 0.1 && found.dof >= 2.0, "{found:?}");
    }
}
