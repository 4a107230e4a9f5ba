//! What a measurement does to a picture.
//!
//! | what is measured | operator | linear |
//! |---|---|---|
//! | some of the pixels | [`Mask`] | yes |
//! | a blurred picture, in a circle or with black around it | [`Blur`] | yes |
//! | a smaller picture | [`Shrink`] | yes |
//! | a grey picture of a colour one | [`Grey`] | yes |
//! | sums along rays, parallel or from a point | [`Rays`], of pictures with channels [`Shadow`] | yes, affine |
//! | one operator after another | [`Chain`] | where both are |
//! | a picture through haze | [`Haze`] | affine |
//! | an overexposed picture | [`Clip`] | no |
//! | what an affine operator does without its constant | [`LinearPart`] | yes |
//! | the same with a weight for each number | [`Weighted`] | where the operator is |
//!
//! To add one, implement [`Operator`] and put it into `every_operator` of the crate's tests, which check its adjoint to rounding.

mod affine;
mod blur;
mod picture;
mod rays;
mod solve;

pub use affine::{LinearPart, Shadow, Weighted};
pub use blur::{Blur, Boundary, gaussian_kernel};
pub use picture::{Chain, Clip, Grey, Haze, Mask, Shrink};
pub use rays::{Fan, Parallel, Rays};
pub use solve::{conjugate_gradient, proximal, pseudo_inverse, regularised};

use elbo_core::Rng;
use elbo_linalg::vector::{dot, norm};

/// A differentiable map from a picture to a measurement, both as plain lists of numbers.
pub trait Operator: Send + Sync {
    /// Numbers of a picture.
    fn input(&self) -> usize;

    /// Numbers of a measurement.
    fn output(&self) -> usize;

    /// What is measured of a picture `[input]`.
    fn apply(&self, x: &[f64]) -> Vec<f64>;

    /// The transposed derivative at `x`, applied to `v: [output]`. For a linear operator it is the adjoint and does not look at `x`.
    fn pullback(&self, x: &[f64], v: &[f64]) -> Vec<f64>;

    /// Whether it is linear, so that closed forms and conjugate gradients apply.
    fn is_linear(&self) -> bool {
        true
    }
}

impl dyn Operator + '_ {
    /// The adjoint of a linear operator. `v: [output]`.
    pub fn adjoint(&self, v: &[f64]) -> Vec<f64> {
        assert!(self.is_linear(), "only a linear operator has an adjoint");
        self.pullback(&[], v)
    }

    /// |⟨Ax, v⟩ - ⟨x, Aᵀv⟩| / (‖Ax‖ ‖v‖) for random x and v: rounding for an exact adjoint.
    pub fn adjoint_error(&self, rng: &mut Rng) -> f64 {
        let (x, v) = (rng.normals(self.input()), rng.normals(self.output()));
        let ax = self.apply(&x);
        (dot(&ax, &v) - dot(&x, &self.adjoint(&v))).abs() / (norm(&ax) * norm(&v))
    }
}

/// What a detector adds to a measurement.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Noise {
    /// Normal with this standard deviation.
    Gaussian(f64),
    /// Counts: a measurement times `scale` is the mean of a Poisson number, which is divided by `scale` again.
    Poisson {
        /// Counts a unit.
        scale: f64,
    },
}

impl Noise {
    /// A noisy measurement. Negative means of counts are taken as zero.
    pub fn add(self, y: &[f64], rng: &mut Rng) -> Vec<f64> {
        match self {
            Self::Gaussian(sd) => y.iter().map(|v| v + sd * rng.normal()).collect(),
            Self::Poisson { scale } => y.iter().map(|v| rng.poisson((v * scale).max(0.0)) as f64 / scale).collect(),
        }
    }
}
