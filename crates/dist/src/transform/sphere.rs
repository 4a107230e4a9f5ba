//! Points of spheres.

use super::Bijector;
use elbo_tensor::Tensor;

/// Vectors, but for zero, to their direction and their length: `D` numbers to a point of the unit sphere in `D` dimensions (the circle for two), and
/// behind it the radius $r = \|x\|$, `D + 1` numbers together.
///
/// $$ u = x / r, \qquad \log|\det| = -(D - 1) \log r $$
///
/// The determinant is that of the area on the sphere and the radius. The direction of a standard normal vector is uniform, and its radius an auxiliary
/// number that nothing depends on; see [`Sphere::radial_log_prob`].
#[derive(Debug, Clone, Copy)]
pub struct Sphere;

elbo_tensor::parameters!(Sphere {});

impl Sphere {
    /// The area of the unit sphere in `dimension` dimensions, $2 \pi^{D/2} / \Gamma(D/2)$, as a logarithm.
    pub fn log_area(dimension: usize) -> f64 {
        let half = 0.5 * dimension as f64;
        std::f64::consts::LN_2 + half * std::f64::consts::PI.ln() - elbo_tensor::special::lgamma(half)
    }

    /// Log density, in nats, of a radius whose law leaves directions free: that of a standard normal vector's length (chi with `D` degrees of freedom).
    pub fn radial_log_prob(radius: &Tensor, dimension: usize) -> Tensor {
        let (d, tau) = (dimension as f64, std::f64::consts::TAU);
        // The normal density, times the area of the sphere of this radius.
        let constant = Self::log_area(dimension) - 0.5 * d * tau.ln();
        radius.log() * (d - 1.0) - radius.square() * 0.5 + constant
    }
}

impl Bijector for Sphere {
    fn ranks(&self) -> (usize, usize) {
        (1, 1)
    }
    /// The direction of zero is NaN.
    fn forward(&self, x: &Tensor) -> (Tensor, Tensor) {
        let radius = x.square().sum_axis(-1, true).sqrt();
        let log_det = radius.log().squeeze(-1) * (1.0 - x.size(-1) as f64);
        (Tensor::cat(&[x / &radius, radius], -1), log_det)
    }
    /// Directions must have length one, and radii be positive.
    fn inverse(&self, y: &Tensor) -> Option<(Tensor, Tensor)> {
        let d = y.size(-1) - 1;
        let (direction, radius) = (y.narrow(-1, 0, d), y.narrow(-1, d, 1));
        Some((direction * &radius, radius.log().squeeze(-1) * (d as f64 - 1.0)))
    }
    fn image_shape(&self, point: &[usize]) -> Vec<usize> {
        let mut shape = point.to_vec();
        *shape.last_mut().expect("a vector has an axis") += 1;
        shape
    }
}
