use super::noise::{batch_axes, common_shape, joined, normals};
use super::{Batched, Kl, Support};
use elbo_core::Rng;
use elbo_tensor::special::LOG_SQRT_TAU;
use elbo_tensor::{DType, LinalgError, Tensor};

/// Gaussian vectors with dense covariance $\Sigma = L L^\top$, held by mean and Cholesky factor.
///
/// # Shapes
/// Mean `[batch..., D]`, factor `[batch..., D, D]`, lower triangular with a positive diagonal.
///
/// | parameters | from | to |
/// |---|---|---|
/// | mean, factor | [`new`](Self::new) | [`location`](Self::location), [`chol`](Self::chol) |
/// | mean, covariance | [`from_covariance`](Self::from_covariance) | [`covariance`](Self::covariance) |
/// | mean, precision $\Lambda$ | [`from_precision`](Self::from_precision) | [`precision`](Self::precision) |
/// | natural $(\Lambda m, -\Lambda/2)$ | [`from_natural`](Self::from_natural) | [`natural`](Self::natural) |
/// | expectation $(m, \Sigma + m m^\top)$ | [`from_expectation`](Self::from_expectation) | [`expectation`](Self::expectation) |
#[derive(Debug, Clone)]
pub struct MultivariateNormal {
    mean: Tensor,
    chol: Tensor,
}

impl MultivariateNormal {
    /// From mean and lower Cholesky factor. What stands above the diagonal must be zero.
    pub fn new(mean: Tensor, chol: Tensor) -> Self {
        let d = mean.size(-1);
        assert!(
            chol.rank() >= 2 && chol.size(-1) == d && chol.size(-2) == d,
            "a factor of shape {:?} for means of shape {:?}",
            chol.shape(),
            mean.shape()
        );
        let batch = common_shape(&[&batch_axes(&mean, 1), &batch_axes(&chol, 2)]);
        Self { mean: mean.broadcast_to(&joined(&[&batch, &[d]])), chol: chol.broadcast_to(&joined(&[&batch, &[d, d]])) }
    }

    /// From mean and covariance.
    ///
    /// # Errors
    /// [`LinalgError`] when the covariance is not positive definite within the jitter policy.
    pub fn from_covariance(mean: Tensor, covariance: &Tensor) -> Result<Self, LinalgError> {
        Ok(Self::new(mean, covariance.cholesky()?))
    }

    /// From mean and precision (inverse covariance).
    ///
    /// # Errors
    /// [`LinalgError`] when the precision is not positive definite within the jitter policy.
    pub fn from_precision(mean: Tensor, precision: &Tensor) -> Result<Self, LinalgError> {
        Ok(Self::new(mean, factor_of_inverse(precision)?))
    }

    /// From natural parameters $\eta_1 = \Lambda m$, `[batch..., D]`, and $\eta_2 = -\Lambda/2$, `[batch..., D, D]`.
    ///
    /// # Errors
    /// [`LinalgError`] when $-\eta_2$ is not positive definite within the jitter policy.
    pub fn from_natural(eta1: &Tensor, eta2: &Tensor) -> Result<Self, LinalgError> {
        let chol = factor_of_inverse(&(eta2 * -2.0))?;
        let mean = multiply(&chol, &multiply(&chol.t(), eta1));
        Ok(Self::new(mean, chol))
    }

    /// From expectation parameters $\mu_1 = m$ and $\mu_2 = \Sigma + m m^\top$.
    ///
    /// # Errors
    /// [`LinalgError`] when they belong to no positive definite covariance.
    pub fn from_expectation(mu1: &Tensor, mu2: &Tensor) -> Result<Self, LinalgError> {
        Self::from_covariance(mu1.clone(), &(mu2 - outer(mu1)))
    }

    /// Number of dimensions, `D`.
    pub fn dimension(&self) -> usize {
        self.mean.size(-1)
    }

    /// Mean, `[batch..., D]`.
    pub fn location(&self) -> &Tensor {
        &self.mean
    }

    /// Lower Cholesky factor of the covariance, `[batch..., D, D]`.
    pub fn chol(&self) -> &Tensor {
        &self.chol
    }

    /// Covariance, `[batch..., D, D]`.
    pub fn covariance(&self) -> Tensor {
        self.chol.matmul(&self.chol.t())
    }

    /// Precision, `[batch..., D, D]`.
    pub fn precision(&self) -> Tensor {
        self.chol.cholesky_inverse()
    }

    /// Natural parameters $(\Lambda m, -\Lambda/2)$.
    pub fn natural(&self) -> (Tensor, Tensor) {
        let precision = self.precision();
        (multiply(&precision, &self.mean), precision * -0.5)
    }

    /// Expectation parameters $(m, \Sigma + m m^\top)$.
    pub fn expectation(&self) -> (Tensor, Tensor) {
        (self.mean.clone(), self.covariance() + outer(&self.mean))
    }

    /// The log partition function $A(\eta)$ of natural parameters, `[batch...]`; its gradient in them is the expectation parameters.
    ///
    /// $$ A = -\tfrac14 \eta_1^\top \eta_2^{-1} \eta_1 - \tfrac12 \log|-2\eta_2| + \tfrac D2 \log 2\pi $$
    ///
    /// # Errors
    /// [`LinalgError`] when $-\eta_2$ is not positive definite within the jitter policy.
    pub fn log_partition(eta1: &Tensor, eta2: &Tensor) -> Result<Tensor, LinalgError> {
        let factor = (eta2 * -2.0).cholesky()?;
        let white = factor.solve_lower(&eta1.unsqueeze(-1)).squeeze(-1);
        let log_det = factor.cholesky_log_det();
        Ok(white.square().sum_axis(-1, false) * 0.5 - log_det * 0.5 + eta1.size(-1) as f64 * LOG_SQRT_TAU)
    }

    /// The draws that standard normal noise `[lead..., batch..., D]` becomes.
    pub fn at(&self, noise: &Tensor) -> Tensor {
        &self.mean + multiply(&self.chol, noise)
    }

    /// $L^{-1}(x - m)$ for `x: [lead..., batch..., D]`.
    pub fn whiten(&self, x: &Tensor) -> Tensor {
        let residual = x - &self.mean;
        let d = self.dimension();
        if self.chol.rank() == 2 {
            // One factor for all points: a single solve.
            let shape = residual.shape().to_vec();
            let rows = residual.len() / d.max(1);
            return self.chol.solve_lower(&residual.reshape(&[rows, d]).t()).t().reshape(&shape);
        }
        self.chol.solve_lower(&residual.unsqueeze(-1)).squeeze(-1)
    }

    /// Divergence to the standard normal, `[batch...]`, in nats.
    pub fn kl_standard(&self) -> Tensor {
        let squares = self.chol.square().sum_axes(&[-1, -2], false) + self.mean.square().sum_axis(-1, false);
        (squares - self.dimension() as f64) * 0.5 - self.chol.diagonal().log().sum_axis(-1, false)
    }
}

impl Batched for MultivariateNormal {
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
        let quadratic = self.whiten(x).square().sum_axis(-1, false);
        quadratic * -0.5 - self.chol.diagonal().log().sum_axis(-1, false) - self.dimension() as f64 * LOG_SQRT_TAU
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        Some(self.at(&normals(&joined(&[lead, self.mean.shape()]), self.dtype(), rng)))
    }
    fn entropy(&self) -> Option<Tensor> {
        let d = self.dimension() as f64;
        Some(self.chol.diagonal().log().sum_axis(-1, false) + d * (0.5 + LOG_SQRT_TAU))
    }
    fn mean(&self) -> Option<Tensor> {
        Some(self.mean.clone())
    }
    fn variance(&self) -> Option<Tensor> {
        Some(self.chol.square().sum_axis(-1, false))
    }
    fn support(&self) -> Option<Support> {
        Some(Support::Real)
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self { mean: self.mean.detach(), chol: self.chol.detach() })
    }
}

impl Kl for MultivariateNormal {
    fn kl(&self, p: &Self) -> Tensor {
        let trace = p.chol.solve_lower(&self.chol).square().sum_axes(&[-1, -2], false);
        let quadratic = p.whiten(&self.mean).square().sum_axis(-1, false);
        let log_diagonal = |t: &Tensor| t.diagonal().log().sum_axis(-1, false);
        (trace + quadratic - self.dimension() as f64) * 0.5 + log_diagonal(&p.chol) - log_diagonal(&self.chol)
    }
}

/// `A v` for matrices `[batch..., D, D]` and vectors `[lead..., batch..., D]`.
fn multiply(a: &Tensor, v: &Tensor) -> Tensor {
    if a.rank() == 2 && v.rank() >= 2 { v.matmul(&a.t()) } else { a.matmul(&v.unsqueeze(-1)).squeeze(-1) }
}

fn outer(v: &Tensor) -> Tensor {
    v.unsqueeze(-1) * v.unsqueeze(-2)
}

/// The lower Cholesky factor of the inverse of a positive definite matrix.
fn factor_of_inverse(precision: &Tensor) -> Result<Tensor, LinalgError> {
    // With the axes reversed, the lower factor of the precision is an upper one U: precision = U U', and the inverse of U' is lower.
    let upper = precision.flip(-1).flip(-2).cholesky()?.flip(-1).flip(-2);
    let d = precision.size(-1);
    Ok(upper.t().solve_lower(&Tensor::eye(d, precision.dtype())))
}
