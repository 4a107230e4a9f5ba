//! One kernel before a point, another after it.

use elbo_core::Result;
use elbo_tensor::{Parameter, Tensor};

use super::Kernel;
use super::parameter::{positive, real, show};

/// `σ(x) σ(x') k_after + (1 - σ(x))(1 - σ(x')) k_before`, with a logistic `σ` of `(x - c) t` in one dimension.
///
/// Parameters: `location` (`c`) `[]`, `steepness` (`t`) `[]`, and those of the two kernels.
#[derive(Clone)]
pub struct Changepoint {
    dim: usize,
    /// `c`.
    pub location: Parameter,
    /// `t`, positive.
    pub steepness: Parameter,
    /// The kernel before the change.
    pub before: Box<dyn Kernel>,
    /// The kernel after it.
    pub after: Box<dyn Kernel>,
}
elbo_tensor::parameters!(Changepoint { location, steepness, before, after });

impl Changepoint {
    /// A change at `location` of dimension `dim`, with this steepness.
    pub fn new(dim: usize, location: f64, steepness: f64, before: Box<dyn Kernel>, after: Box<dyn Kernel>) -> Self {
        Self { dim, location: real(&[location], &[]), steepness: positive(&[steepness], &[]), before, after }
    }

    /// Weights after and before the change, each `[N]`.
    fn weights(&self, x: &Tensor) -> (Tensor, Tensor) {
        let t = (x.select(1, self.dim) - self.location.get()) * self.steepness.get();
        (t.sigmoid(), (-t).sigmoid())
    }

    fn joined(&self, x: &Tensor, z: &Tensor, after: Tensor, before: Tensor) -> Tensor {
        let ((ax, bx), (az, bz)) = (self.weights(x), self.weights(z));
        after * ax.outer(&az) + before * bx.outer(&bz)
    }
}

impl Kernel for Changepoint {
    fn gram(&self, x: &Tensor, z: &Tensor) -> Tensor {
        self.joined(x, z, self.after.gram(x, z), self.before.gram(x, z))
    }

    fn gram_symmetric(&self, x: &Tensor) -> Tensor {
        self.joined(x, x, self.after.gram_symmetric(x), self.before.gram_symmetric(x))
    }

    fn diag(&self, x: &Tensor) -> Tensor {
        let (after, before) = self.weights(x);
        self.after.diag(x) * after.square() + self.before.diag(x) * before.square()
    }

    fn summary(&self) -> String {
        let (c, t) = (show(&self.location), show(&self.steepness));
        format!("{} until {c}, then {} (steepness {t})", self.before.summary(), self.after.summary())
    }

    fn clone_box(&self) -> Box<dyn Kernel> {
        Box::new(self.clone())
    }

    fn check_inputs(&self, x: &Tensor) -> Result<()> {
        self.before.check_inputs(x)?;
        self.after.check_inputs(x)
    }
}
