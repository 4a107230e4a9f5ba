//! Outputs that mix functions of different kernels: the linear model of coregionalisation, densely.

use super::kronecker::kronecker;
use super::{ensure_table, noise_parameter};
use crate::exact::{checked_variances, in_blocks};
use crate::fit::{diagnosis, with_remedy};
use crate::kernel::{Index, Kernel};
use elbo_core::{Error, Result};
use elbo_tensor::{Parameter, Tensor, fused, no_grad};

/// One term of the covariance, `B_q ⊗ k_q`.
#[derive(Clone)]
pub struct Component {
    /// `B_q`, over the outputs.
    pub coregionalisation: Index,
    /// `k_q`, over the inputs.
    pub kernel: Box<dyn Kernel>,
}
elbo_tensor::parameters!(Component { coregionalisation, kernel });

impl Component {
    /// `B_q[p, p'] k_q(x, x')` for all outputs `p`, `p'` and the rows of two matrices, `[P N, P M]`, output by output.
    fn gram(&self, x: &Tensor, z: &Tensor) -> Tensor {
        kronecker(&self.coregionalisation.covariance(), &self.kernel.gram(x, z))
    }

    fn gram_symmetric(&self, x: &Tensor) -> Tensor {
        kronecker(&self.coregionalisation.covariance(), &self.kernel.gram_symmetric(x))
    }

    /// Variances, `[P, N]`.
    fn diag(&self, x: &Tensor) -> Tensor {
        self.coregionalisation.covariance().diagonal().unsqueeze(1) * self.kernel.diag(x).unsqueeze(0)
    }
}

fn total(components: &[Component], term: impl Fn(&Component) -> Tensor) -> Tensor {
    components.iter().map(term).reduce(|a, b| a + b).expect("a model has a component")
}

/// `y_p = f_p(x) + noise_p`, `cov(f_p(x), f_p'(x')) = Σ_q B_q[p, p'] k_q(x, x')`, some of the outputs missing.
///
/// Costs the cube of the observed numbers, and holds a few matrices of their square.
///
/// Parameters: `components.Q.coregionalisation.*` and `components.Q.kernel.*`; `noise` `[P]`, or `[1]` for all outputs
/// together.
///
/// # Source
/// Journel and Huijbregts (1978); Álvarez, Rosasco and Lawrence (2012).
pub struct Lmc {
    components: Vec<Component>,
    noise: Parameter,
    x: Tensor,
    outputs: usize,
    /// Places of the observed numbers among all `P N`, output by output.
    observed: Vec<usize>,
    /// The observed numbers.
    y: Tensor,
}
elbo_tensor::parameters!(Lmc { components, noise });

impl Lmc {
    /// A model of `x: [N, D]`, `y: [N, P]`, where NaN stands for a missing target, with these starts for the noise
    /// variances: `P`, or one that all outputs share.
    ///
    /// # Errors
    /// [`elbo_core::Error::Data`] when there is no row or no output, an output is never seen, or a target is infinite.
    pub fn new(components: Vec<Component>, noise: &[f64], x: Tensor, y: Tensor) -> Result<Self> {
        ensure_table(&x, &y)?;
        let outputs = y.size(1);
        assert!(!components.is_empty(), "a model has a component");
        let fits = components.iter().all(|c| c.coregionalisation.variance.len() == outputs);
        assert!(fits, "one level of each covariance an output");
        let observed = observed(&y)?;
        let stacked = y.t().flatten().to_vec();
        let values: Vec<f64> = observed.iter().map(|i| stacked[*i]).collect();
        let y = Tensor::from_slice(&values, &[values.len()]);
        Ok(Self { components, noise: noise_parameter(noise, outputs), x, outputs, observed, y })
    }

    /// The terms of the covariance.
    pub fn components(&self) -> &[Component] {
        &self.components
    }

    /// The terms of the covariance, to change or freeze their parameters.
    pub fn components_mut(&mut self) -> &mut [Component] {
        &mut self.components
    }

    /// The noise variances: one for each output, or one.
    pub fn noise(&self) -> Vec<f64> {
        self.noise.value()
    }

    /// Number of targets that are not missing.
    pub fn observed(&self) -> usize {
        self.observed.len()
    }

    /// Rows of a matrix or entries of a vector that belong to observed numbers.
    fn seen(&self, stacked: &Tensor) -> Tensor {
        if stacked.size(0) == self.observed.len() {
            return stacked.clone();
        }
        stacked.index_select(0, &Tensor::indices(&self.observed))
    }

    /// Covariances and noise variances of the observed numbers.
    fn covariance(&self) -> (Tensor, Tensor) {
        let k = total(&self.components, |c| c.gram_symmetric(&self.x));
        let (p, n) = (self.outputs, self.x.size(0));
        let noise = self.noise.get().broadcast_to(&[p]).unsqueeze(1).broadcast_to(&[p, n]).reshape(&[p * n]);
        (self.seen(&self.seen(&k).t()), self.seen(&noise))
    }

    /// Log marginal likelihood of the observed targets in nats, a scalar, differentiable in all parameters.
    ///
    /// # Errors
    /// Recoverable, when the covariance is not positive definite within the jitter policy.
    pub fn log_marginal(&self) -> Result<Tensor> {
        let (k, noise) = self.covariance();
        fused::gaussian_log_marginal(&k, &noise, &self.y).map_err(|error| self.diagnose(error))
    }

    fn diagnose(&self, error: Error) -> Error {
        let least = self.noise().into_iter().fold(f64::INFINITY, f64::min);
        with_remedy(error, || diagnosis(&self.x, least))
    }

    /// The posterior at the present parameters.
    ///
    /// # Errors
    /// As [`Lmc::log_marginal`].
    pub fn condition(&self) -> Result<LmcPosterior> {
        no_grad(|| {
            let (k, noise) = self.covariance();
            let (chol, jitter) = (k + noise.diag()).cholesky_jittered().map_err(|error| self.diagnose(error.into()))?;
            Ok(LmcPosterior {
                components: self.components.clone(),
                noise: self.noise.get().broadcast_to(&[self.outputs]).to_vec(),
                x: self.x.detach(),
                observed: Tensor::indices(&self.observed),
                alpha: chol.cholesky_solve(&self.y.unsqueeze(1)),
                chol,
                jitter: jitter.relative,
            })
        })
    }
}

/// Places of the numbers of `y: [N, P]` that are not NaN, output by output.
fn observed(y: &Tensor) -> Result<Vec<usize>> {
    let (rows, outputs, values) = (y.size(0), y.size(1), y.t().flatten().to_vec());
    if let Some(i) = values.iter().position(|v| v.is_infinite()) {
        return Err(Error::data(
            format!("the target in row {}, output {} is infinite", i % rows + 1, i / rows + 1),
            "correct it, or leave it out as NaN",
        ));
    }
    if let Some(p) = (0..outputs).find(|p| values[p * rows..(p + 1) * rows].iter().all(|v| v.is_nan())) {
        return Err(Error::data(format!("output {} has no observed target", p + 1), "leave this output out"));
    }
    Ok((0..values.len()).filter(|i| !values[*i].is_nan()).collect())
}

/// What is known of every output after seeing some.
pub struct LmcPosterior {
    components: Vec<Component>,
    noise: Vec<f64>,
    x: Tensor,
    observed: Tensor,
    chol: Tensor,
    alpha: Tensor,
    jitter: f64,
}

impl LmcPosterior {
    /// Means and variances of every output's `f` (noise not included) at `x: [N*, D]`, both `[N*, P]` row-major.
    ///
    /// # Errors
    /// When a variance is negative beyond rounding.
    pub fn marginals(&self, x: &Tensor) -> Result<(Vec<f64>, Vec<f64>)> {
        let outputs = self.noise.len();
        in_blocks(x, |x| {
            let by_row = |stacked: Tensor| stacked.reshape(&[outputs, x.size(0)]).t().to_vec();
            let cross = total(&self.components, |c| c.gram(&self.x, x)).index_select(0, &self.observed);
            let explained = self.chol.solve_lower(&cross).square().sum_axis(0, false);
            let prior = total(&self.components, |c| c.diag(x)).flatten();
            let variance = by_row(&prior - explained);
            Ok((by_row(cross.t().matmul(&self.alpha)), checked_variances(variance, &by_row(prior))?))
        })
    }

    /// The noise variance of each output.
    pub fn noise(&self) -> &[f64] {
        &self.noise
    }

    /// The jitter that the factorisation needed, zero as a rule.
    pub fn jitter(&self) -> f64 {
        self.jitter
    }
}
