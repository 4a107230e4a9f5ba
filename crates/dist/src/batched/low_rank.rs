use super::noise::{batch_axes, common_shape, joined, normals};
use super::{Batched, Kl, Support};
use elbo_core::Rng;
use elbo_tensor::special::LOG_SQRT_TAU;
use elbo_tensor::{DType, LinalgError, Tensor};

/// Gaussian vectors with covariance $\mathrm{diag}(\delta) + V V^\top$ of low rank plus diagonal; every operation costs $O(D R^2)$.
///
/// # Shapes
/// Mean and variances $\delta$ `[batch..., D]`, factor $V$ `[batch..., D, R]`.
#[derive(Debug, Clone)]
pub struct LowRankNormal {
    mean: Tensor,
    diagonal: Tensor,
    factor: Tensor,
    /// Cholesky factor of $I + V^\top \delta^{-1} V$, `[batch..., R, R]`.
    capacity: Tensor,
}

impl LowRankNormal {
    /// From the mean, the variances on the diagonal (positive) and the factor.
    ///
    /// # Errors
    /// [`LinalgError`] when a parameter is not finite.
    pub fn new(mean: Tensor, diagonal: Tensor, factor: Tensor) -> Result<Self, LinalgError> {
        let (d, r) = (factor.size(-2), factor.size(-1));
        let batch = common_shape(&[&batch_axes(&mean, 1), &batch_axes(&diagonal, 1), &batch_axes(&factor, 2)]);
        let vector = joined(&[&batch, &[d]]);
        let (mean, diagonal) = (mean.broadcast_to(&vector), diagonal.broadcast_to(&vector));
        let factor = factor.broadcast_to(&joined(&[&batch, &[d, r]]));
        let scaled = &factor / diagonal.unsqueeze(-1);
        let capacity = (factor.t().matmul(&scaled) + Tensor::eye(r, factor.dtype())).cholesky()?;
        Ok(Self { mean, diagonal, factor, capacity })
    }

    /// Mean, `[batch..., D]`.
    pub fn location(&self) -> &Tensor {
        &self.mean
    }

    /// Number of dimensions, `D`.
    pub fn dimension(&self) -> usize {
        self.mean.size(-1)
    }

    /// Covariance as a dense matrix, `[batch..., D, D]`.
    pub fn covariance(&self) -> Tensor {
        self.diagonal.diag() + self.factor.matmul(&self.factor.t())
    }

    /// $\log|\Sigma|$, `[batch...]`.
    pub fn log_det(&self) -> Tensor {
        self.diagonal.log().sum_axis(-1, false) + self.capacity.cholesky_log_det()
    }

    /// The draws that noise `[lead..., batch..., D]` on the diagonal and noise `[lead..., batch..., R]` on the factor become.
    pub fn at(&self, diagonal_noise: &Tensor, factor_noise: &Tensor) -> Tensor {
        let common = if self.factor.rank() == 2 && factor_noise.rank() >= 2 {
            factor_noise.matmul(&self.factor.t())
        } else {
            self.factor.matmul(&factor_noise.unsqueeze(-1)).squeeze(-1)
        };
        &self.mean + diagonal_noise * self.diagonal.sqrt() + common
    }

    /// Divergence to the standard normal, `[batch...]`, in nats.
    pub fn kl_standard(&self) -> Tensor {
        let trace = self.diagonal.sum_axis(-1, false) + self.factor.square().sum_axes(&[-1, -2], false);
        (trace + self.mean.square().sum_axis(-1, false) - self.dimension() as f64 - self.log_det()) * 0.5
    }

    /// $\mathrm{tr}(W^\top \Sigma^{-1} W)$ over the columns of `w: [..., D, n]`, by Woodbury's identity; `[...]`.
    fn inverse_trace(&self, w: &Tensor) -> Tensor {
        let diagonal = self.diagonal.unsqueeze(-1);
        let plain = (w.square() / &diagonal).sum_axes(&[-1, -2], false);
        let inner = self.factor.t().matmul(&(w / &diagonal));
        plain - self.capacity.solve_lower(&inner).square().sum_axes(&[-1, -2], false)
    }

    /// $r^\top \Sigma^{-1} r$ for `r: [lead..., batch..., D]`; `[lead..., batch...]`.
    fn quadratic(&self, r: &Tensor) -> Tensor {
        let scaled = r / &self.diagonal;
        let plain = (r * &scaled).sum_axis(-1, false);
        let correction = if self.factor.rank() == 2 {
            let rows = r.len() / self.dimension().max(1);
            let inner = scaled.reshape(&[rows, self.dimension()]).matmul(&self.factor);
            self.capacity.solve_lower(&inner.t()).square().sum_axis(0, false).reshape(plain.shape())
        } else {
            let inner = self.factor.t().matmul(&scaled.unsqueeze(-1));
            self.capacity.solve_lower(&inner).square().sum_axes(&[-1, -2], false)
        };
        plain - correction
    }
}

impl Batched for LowRankNormal {
    fn batch_shape(&self) -> Vec<usize> {
        batch_axes(&self.mean, 1)
    }
    fn event_shape(&self) -> Vec<usize> {
        vec![self.dimension()]
    }
    fn dtype(&self) -> DType {
        self.mean.dtype()
    }
    fn log_prob(&self, x: &Tensor) -> Tensor {
        (self.quadratic(&(x - &self.mean)) + self.log_det()) * -0.5 - self.dimension() as f64 * LOG_SQRT_TAU
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        let on_diagonal = normals(&joined(&[lead, self.mean.shape()]), self.dtype(), rng);
        let on_factor = normals(&joined(&[lead, &self.batch_shape(), &[self.factor.size(-1)]]), self.dtype(), rng);
        Some(self.at(&on_diagonal, &on_factor))
    }
    fn entropy(&self) -> Option<Tensor> {
        Some(self.log_det() * 0.5 + self.dimension() as f64 * (0.5 + LOG_SQRT_TAU))
    }
    fn mean(&self) -> Option<Tensor> {
        Some(self.mean.clone())
    }
    fn variance(&self) -> Option<Tensor> {
        Some(&self.diagonal + self.factor.square().sum_axis(-1, false))
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Real)
    }
    fn detached(&self) -> Box<dyn Batched> {
        let [mean, diagonal, factor, capacity] =
            [&self.mean, &self.diagonal, &self.factor, &self.capacity].map(Tensor::detach);
        Box::new(Self { mean, diagonal, factor, capacity })
    }
}

impl Kl for LowRankNormal {
    fn kl(&self, p: &Self) -> Tensor {
        let trace = p.inverse_trace(&self.diagonal.sqrt().diag()) + p.inverse_trace(&self.factor);
        let distance = p.inverse_trace(&(&self.mean - &p.mean).unsqueeze(-1));
        (trace + distance - self.dimension() as f64 + p.log_det() - self.log_det()) * 0.5
    }
}
