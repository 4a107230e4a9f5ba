//! Targets in the plane whose shape is known: what methods of inference are tried on.

use super::{LogDensity, with_gradient};
use elbo_tensor::Tensor;
use elbo_tensor::special::LOG_SQRT_TAU;

/// A target in the plane, known up to a constant where nothing else is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Toy {
    /// Normal with mean (-1, 1) and precision [[3, -1/2], [-1/2, 1]].
    Gaussian,
    /// Equal mixture of normals at (-2, 2) and (2, -2), both with variance 1/2.
    TwoModes,
    /// $(-x_1, -x_2 - x_1^2 - 1)$ is standard normal: a banana.
    Rosenbrock,
    /// $-(r - 5/2)^2 / (1/2)$ in the distance $r$ to the origin: a ring.
    Ring,
    /// $x_2 \sim N(4, 3^2)$, $x_1 \sim N(1, e^{x_2})$.
    Funnel,
    /// $(x_1, x_2 + \sin 2 x_1)$ is standard normal.
    Squiggle,
    /// A cone met by a plane: $x_1, x_2 \sim N(0, 10^2)$, $r = x_1^2 + x_2^2$, and 5 was observed of $N(r, (0.1 + r / 100)^2)$. Normalised, so that its
    /// evidence is that of the observation, $e^{-5.3232}$; the best independent normals have an evidence lower bound of -8.0745.
    ///
    /// # Source
    /// Becker et al. (2024), "Probabilistic programming with programmable variational inference".
    Cone,
}

impl Toy {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Gaussian, Self::TwoModes, Self::Rosenbrock, Self::Ring, Self::Funnel, Self::Squiggle, Self::Cone];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gaussian => "gaussian",
            Self::TwoModes => "two modes",
            Self::Rosenbrock => "rosenbrock",
            Self::Ring => "ring",
            Self::Funnel => "funnel",
            Self::Squiggle => "squiggle",
            Self::Cone => "cone",
        }
    }
}

impl LogDensity for Toy {
    fn dim(&self) -> usize {
        2
    }

    fn log_prob(&self, z: &Tensor) -> Tensor {
        let (values, gradient) = self.values_and_gradients(&z.as_f64());
        with_gradient("toy", z, values, gradient)
    }

    fn value_and_gradient(&self, z: &[f64], gradient: &mut [f64]) -> f64 {
        let (x, y) = (z[0], z[1]);
        match self {
            Self::Gaussian => {
                let (a, b) = (x + 1.0, y - 1.0);
                gradient[0] = -3.0 * a + 0.5 * b;
                gradient[1] = 0.5 * a - b;
                0.5 * (a * gradient[0] + b * gradient[1])
            }
            Self::TwoModes => {
                let (first, second) = (-(x + 2.0).powi(2) - (y - 2.0).powi(2), -(x - 2.0).powi(2) - (y + 2.0).powi(2));
                let value = first.max(second) + (-(first - second).abs()).exp().ln_1p();
                let share = (first - value).exp();
                gradient[0] = -2.0 * (share * (x + 2.0) + (1.0 - share) * (x - 2.0));
                gradient[1] = -2.0 * (share * (y - 2.0) + (1.0 - share) * (y + 2.0));
                value
            }
            Self::Rosenbrock => {
                let v = y + x * x + 1.0;
                gradient[0] = -x - 2.0 * x * v;
                gradient[1] = -v;
                -0.5 * (x * x + v * v)
            }
            Self::Ring => {
                // The gradient has no direction at the origin: it is zero there, not NaN.
                let r = x.hypot(y).max(1e-300);
                let slope = -4.0 * (r - 2.5) / r;
                (gradient[0], gradient[1]) = (slope * x, slope * y);
                -2.0 * (r - 2.5).powi(2)
            }
            Self::Funnel => {
                let (a, b) = (x - 1.0, (y - 4.0) / 3.0);
                let precision = (-y).exp();
                gradient[0] = -precision * a;
                gradient[1] = -b / 3.0 - 0.5 + 0.5 * precision * a * a;
                -0.5 * (b * b + y + precision * a * a)
            }
            Self::Squiggle => {
                let v = y + (2.0 * x).sin();
                gradient[0] = -x - 2.0 * (2.0 * x).cos() * v;
                gradient[1] = -v;
                -0.5 * (x * x + v * v)
            }
            Self::Cone => {
                let r = x * x + y * y;
                let sd = 0.1 + 0.01 * r;
                let residual = (5.0 - r) / sd;
                // d/dr of the prior, of the deviation and of the residual.
                let slope = -0.005 - 0.01 / sd + residual * (1.0 + 0.01 * residual) / sd;
                (gradient[0], gradient[1]) = (2.0 * slope * x, 2.0 * slope * y);
                -3.0 * LOG_SQRT_TAU - 100f64.ln() - 0.005 * r - sd.ln() - 0.5 * residual * residual
            }
        }
    }

    fn hessian(&self, _: &[f64]) -> Option<Vec<f64>> {
        None
    }
}
