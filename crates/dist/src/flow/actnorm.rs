use crate::transform::{Affine, Bijector};
use elbo_tensor::Tensor;

/// Shift and scale of each coordinate, to be set from data once, then learnt.
///
/// # Source
/// Kingma and Dhariwal (2018).
#[derive(Debug, Clone)]
pub struct Actnorm {
    affine: Affine,
}

impl Actnorm {
    /// The identity of `dimension` coordinates.
    pub fn identity(dimension: usize) -> Self {
        let of = |v: f64| Tensor::from_vec(vec![v; dimension], &[dimension]);
        Self { affine: Affine::new(&of(0.0), &of(1.0)) }
    }

    /// The map that gives these points `[N, D]` zero mean and unit variance. A coordinate that does not vary keeps its scale.
    pub fn fitted(x: &Tensor) -> Self {
        let mean = x.detach().mean_axis(0, false);
        let sd = x.detach().variance_axis(0, false, 0).sqrt();
        let scale = sd.gt_scalar(0.0).where_(&sd.recip(), &sd.ones_like());
        Self { affine: Affine::new(&(-(mean * &scale)), &scale) }
    }
}

elbo_tensor::parameters!(Actnorm { affine });

impl Bijector for Actnorm {
    fn ranks(&self) -> (usize, usize) {
        (1, 1)
    }
    fn forward(&self, x: &Tensor) -> (Tensor, Tensor) {
        self.affine.forward(x)
    }
    fn inverse(&self, y: &Tensor) -> Option<(Tensor, Tensor)> {
        self.affine.inverse(y)
    }
}
