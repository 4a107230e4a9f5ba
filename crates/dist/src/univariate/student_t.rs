use super::Distribution;
use elbo_core::Rng;
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
