use super::noise::{common_shape, joined, normals};
use super::{Batched, MultivariateNormal, Support, log_gamma_draws};
use elbo_core::Rng;
use elbo_tensor::{DType, Tensor};
use std::f64::consts::PI;

/// Student-t vectors: a Gaussian vector about the location, over the root of one gamma variable for all its coordinates.
///
/// $$ x = m + L e / \sqrt w, \qquad e \sim \mathcal N(0, I), \quad w \sim \mathrm{Gamma}(\nu/2, \nu/2) $$
///
/// # Shapes
/// Location `[batch..., D]`, factor `[batch..., D, D]` lower triangular with a positive diagonal, degrees of freedom `[batch...]`.
#[derive(Debug, Clone)]
pub struct MultivariateStudentT {
    normal: MultivariateNormal,
    dof: Tensor,
}

impl MultivariateStudentT {
    /// From location, lower factor of the scale matrix and degrees of freedom, whose batches broadcast.
    pub fn new(location: &Tensor, chol: Tensor, dof: &Tensor) -> Self {
        let d = location.size(-1);
        let normal = MultivariateNormal::new(location.clone(), chol);
        let batch = common_shape(&[&normal.batch_shape(), dof.shape()]);
        let wide = normal.location().broadcast_to(&joined(&[&batch, &[d]]));
        Self { normal: MultivariateNormal::new(wide, normal.chol().clone()), dof: dof.broadcast_to(&batch) }
    }

    /// The log density at the location, `[batch...]`.
    fn log_height(&self) -> Tensor {
        let (half, dims) = (&self.dof * 0.5, self.normal.dimension() as f64);
        let gammas = (&half + 0.5 * dims).lgamma() - half.lgamma();
        gammas - (self.dof.log() + PI.ln()) * (0.5 * dims) - self.normal.chol().cholesky_log_det() * 0.5
    }

    /// $(\nu + D) / 2$.
    fn power(&self) -> Tensor {
        (&self.dof + self.normal.dimension() as f64) * 0.5
    }
}

impl Batched for MultivariateStudentT {
    fn batch_shape(&self) -> Vec<usize> {
        self.dof.shape().to_vec()
    }
    fn event_shape(&self) -> Vec<usize> {
        self.normal.event_shape()
    }
    fn dtype(&self) -> DType {
        self.dof.dtype()
    }
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let distance = self.normal.whiten(x).square().sum_axis(-1, false);
        self.log_height() - (distance / &self.dof).log1p() * self.power()
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        let half = &self.dof * 0.5;
        let log_w = log_gamma_draws(&half, lead, rng) - half.log();
        let noise = normals(&joined(&[lead, self.normal.location().shape()]), self.dtype(), rng);
        Some(self.normal.at(&(noise * (log_w * -0.5).exp().unsqueeze(-1))))
    }
    fn entropy(&self) -> Option<Tensor> {
        let power = self.power();
        let spread = power.digamma() - (&self.dof * 0.5).digamma();
        Some(power * spread - self.log_height())
    }
    fn mean(&self) -> Option<Tensor> {
        let location = self.normal.location();
        let has_mean = self.dof.gt_scalar(1.0).unsqueeze(-1);
        Some(has_mean.where_(location, &location.full_like(f64::NAN)))
    }
    fn variance(&self) -> Option<Tensor> {
        let dof = self.dof.unsqueeze(-1);
        let finite = self.normal.variance()? * &dof / (&dof - 2.0);
        let beyond = dof.gt_scalar(1.0).where_(&finite.full_like(f64::INFINITY), &finite.full_like(f64::NAN));
        Some(dof.gt_scalar(2.0).where_(&finite, &beyond))
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Real)
    }
    fn detached(&self) -> Box<dyn Batched> {
        let [location, chol] = [self.normal.location(), self.normal.chol()].map(Tensor::detach);
        Box::new(Self { normal: MultivariateNormal::new(location, chol), dof: self.dof.detach() })
    }
}
