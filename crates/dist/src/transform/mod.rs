//! Bijections with their log-determinants.
//!
//! | to | use |
//! |---|---|
//! | keep numbers in a range | [`Exp`], [`Softplus`], [`Interval`], [`Tanh`] |
//! | shift, scale, mix coordinates | [`Affine`], [`Triangular`], [`Permutation`], [`Lu`], [`Householder`] |
//! | make increasing vectors, points of the simplex, covariances, correlations | [`Ordered`], [`StickBreaking`], [`PositiveDefinite`], [`CholeskyFactor`], [`CorrelationCholesky`] |
//! | split vectors into a point of the circle or sphere and a radius | [`Sphere`] |
//! | put bijections together | [`Chain`], [`Invert`], [`Blocks`], [`Masked`] |
//! | push a distribution through one | [`Transformed`] |
//! | learn one | the layers of [`flow`](crate::flow), which are bijections too |
//!
//! A bijection works on points of a fixed number of axes, [`Bijector::ranks`]; leading axes are a batch. To add one, implement [`Bijector`] and
//! add it to the list in `tests/it/bijectors.rs`, whose three laws (inverse, log-determinant, shapes) it must then obey.

mod combine;
mod constrained;
mod distribution;
mod elementwise;
mod linear;
mod sphere;

pub(crate) use combine::merged;
pub use combine::{Blocks, Chain, Invert, Masked};
pub use constrained::{
    CholeskyFactor, CorrelationCholesky, Ordered, PositiveDefinite, StickBreaking, lkj_cholesky_log_prob,
};
pub use distribution::Transformed;
pub use elementwise::{Affine, Exp, Interval, Softplus, Tanh};
pub use linear::{Householder, Lu, Permutation, Triangular};
pub use sphere::Sphere;

use elbo_tensor::{Parameters, Tensor, no_grad};
use std::fmt::Debug;

/// An invertible differentiable map.
pub trait Bijector: Parameters + Debug + Send + Sync {
    /// Number of axes of a point before and after the map: 0 elementwise, 1 for vectors, 2 for matrices.
    fn ranks(&self) -> (usize, usize) {
        (0, 0)
    }

    /// Images of the points, and $\log|\det \partial y / \partial x|$ in nats, one a point, both differentiable.
    ///
    /// # Shapes
    /// `x: [batch..., point...]`, returns `[batch..., image...]` and `[batch...]`. Where a point has redundant coordinates (a simplex, a symmetric
    /// matrix), the determinant is that of the free ones.
    fn forward(&self, x: &Tensor) -> (Tensor, Tensor);

    /// Points of the images, and $\log|\det \partial x / \partial y|$; `None` where there is no closed inverse.
    fn inverse(&self, y: &Tensor) -> Option<(Tensor, Tensor)>;

    /// The shape of the image of a point of this shape.
    fn image_shape(&self, point: &[usize]) -> Vec<usize> {
        no_grad(|| self.forward(&Tensor::zeros(point, elbo_tensor::DType::F64)).0.shape().to_vec())
    }
}

impl Bijector for Box<dyn Bijector> {
    fn ranks(&self) -> (usize, usize) {
        (**self).ranks()
    }
    fn forward(&self, x: &Tensor) -> (Tensor, Tensor) {
        (**self).forward(x)
    }
    fn inverse(&self, y: &Tensor) -> Option<(Tensor, Tensor)> {
        (**self).inverse(y)
    }
    fn image_shape(&self, point: &[usize]) -> Vec<usize> {
        (**self).image_shape(point)
    }
}

/// Zeros for the log-determinants of a map that keeps volumes: one a point of `rank` axes.
pub(crate) fn no_change(x: &Tensor, rank: usize) -> Tensor {
    Tensor::zeros(&x.shape()[..x.rank() - rank], x.dtype())
}
