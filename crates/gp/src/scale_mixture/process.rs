//! Regression: the evidence in closed form for an inverse gamma scale, by quadrature for any other.

use super::{ScalePrior, ScaleWeights};
use crate::exact::{NOISE_FLOOR, in_blocks};
use crate::fit::{Loss, diagnosis, with_remedy};
use crate::jitter::{Clamps, Rung};
use crate::kernel::Kernel;
use crate::path::{ensure_joint, joint_samples};
use elbo_core::{Marginals, ModelFile, Result, Rng, Snapshot};
use elbo_dist::{Distribution, GaussianMixtures, InverseGamma, Normals, StudentTs};
use elbo_tensor::{Constraint, Parameter, Parameters, Tensor, nested, nested_mut, no_grad};

/// `s ~ p(s)`, `y | s ~ N(0, s K)` with `K = k(X, X) + ε I`: the noise is scaled with the function.
///
/// For an inverse gamma scale, with `d = yᵀ K⁻¹ y`,
///
/// $$ \log p(y) = \log\Gamma(\alpha + \tfrac n2) - \log\Gamma(\alpha) - \tfrac n2 \log 2\pi\beta - \tfrac12 \log|K|
///    - (\alpha + \tfrac n2) \log(1 + \tfrac{d}{2\beta}) . $$
///
/// Parameters: the kernel's, `noise` `[]` (`ε`), and for an inverse gamma scale `alpha` `[]` and `beta` `[]`.
///
/// # Source
/// Lee, Yun, Yang and Lee (2022), after Shah, Wilson and Ghahramani (2014) for the Student-t process.
pub struct ScaleMixtureGp {
    kernel: Box<dyn Kernel>,
    noise: Parameter,
    tails: Option<(Parameter, Parameter)>,
    prior: ScalePrior,
    x: Tensor,
    y: Tensor,
    rung: Rung,
}

impl ScaleMixtureGp {
    /// A model of `x: [N, D]`, `y: [N]`, with these starts; `N` may be zero.
    pub fn new(kernel: Box<dyn Kernel>, noise: f64, prior: ScalePrior, x: Tensor, y: Tensor) -> Self {
        assert_eq!(x.shape()[0], y.len(), "one target a row");
        let positive = |v: f64| Parameter::scalar(v, Constraint::Positive);
        let tails = match prior {
            ScalePrior::InverseGamma { alpha, beta } => Some((positive(alpha), positive(beta))),
            _ => None,
        };
        let noise = Parameter::scalar(noise, Constraint::Above(NOISE_FLOOR));
        Self { kernel, noise, tails, prior, x, y, rung: Rung::default() }
    }

    /// The same, with later solves at the jitter that earlier ones have needed; see [`Rung`].
    pub fn with_held_jitter(mut self) -> Self {
        self.rung = Rung::held();
        self
    }

    /// The kernel.
    pub fn kernel(&self) -> &dyn Kernel {
        self.kernel.as_ref()
    }

    /// The kernel, to change or freeze its parameters.
    pub fn kernel_mut(&mut self) -> &mut dyn Kernel {
        self.kernel.as_mut()
    }

    /// Shape and scale of an inverse gamma prior, to change or freeze.
    pub fn tails_mut(&mut self) -> Option<(&mut Parameter, &mut Parameter)> {
        self.tails.as_mut().map(|(alpha, beta)| (alpha, beta))
    }

    /// The noise variance `ε`, before it is scaled.
    pub fn noise(&self) -> f64 {
        self.noise.get().item()
    }

    /// The prior over the scale at the present parameters.
    pub fn prior(&self) -> ScalePrior {
        match &self.tails {
            Some((alpha, beta)) => ScalePrior::InverseGamma { alpha: alpha.get().item(), beta: beta.get().item() },
            None => self.prior,
        }
    }

    /// The factor of the covariance, and the jitter that it needed, relative to the mean of the diagonal.
    fn factor(&self) -> Result<(Tensor, f64)> {
        let n = self.y.len();
        let gram = self.kernel.gram_symmetric(&self.x) + Tensor::eye(n, self.x.dtype()) * self.noise.get();
        let (chol, jitter) = gram
            .cholesky_with(self.rung.ladder())
            .map_err(|error| with_remedy(error.into(), || diagnosis(&self.x, self.noise())))?;
        Ok((self.rung.keep((chol, jitter)), jitter.relative))
    }

    /// Log marginal likelihood in nats, a scalar, differentiable in all parameters.
    ///
    /// # Errors
    /// Recoverable, when the covariance is not positive definite within the jitter policy.
    pub fn log_marginal(&self) -> Result<Tensor> {
        let n = self.y.len();
        let half = 0.5 * n as f64;
        let (chol, _) = self.factor()?;
        let d = chol.solve_lower(&self.y.unsqueeze(1)).square().sum();
        let log_det = chol.diagonal().log().sum();
        if let Some((alpha, beta)) = &self.tails {
            let (alpha, beta) = (alpha.get(), beta.get());
            let shape = &alpha + half;
            let scale = (&beta * std::f64::consts::TAU).log() * half;
            // 1 + d / (2 β) near one for a nearly Gaussian process: log1p keeps its digits.
            return Ok(shape.lgamma() - alpha.lgamma() - scale - log_det - shape * (d / (beta * 2.0)).log1p());
        }
        // Nodes follow the data but carry no gradient: the rule is exact at any of them.
        let scales = self.prior.given(d.detach().item(), n);
        let count = scales.nodes.len();
        let constant = |j: usize| {
            let s: f64 = scales.nodes[j];
            scales.log_prior[j] - half * (std::f64::consts::TAU * s).ln()
        };
        let constants = Tensor::from_vec((0..count).map(constant).collect(), &[count]);
        let slopes = Tensor::from_vec(scales.nodes.iter().map(|s| -0.5 / s).collect(), &[count]);
        Ok((slopes * d + constants).log_sum_exp(0, false) - log_det)
    }

    /// The posterior at the present parameters.
    ///
    /// # Errors
    /// As [`ScaleMixtureGp::log_marginal`].
    pub fn condition(&self) -> Result<ScaleMixturePosterior> {
        no_grad(|| {
            let n = self.y.len();
            let (factors, d, jitter) = if n == 0 {
                (None, 0.0, 0.0)
            } else {
                let (chol, jitter) = self.factor()?;
                let d = chol.solve_lower(&self.y.unsqueeze(1)).square().sum().item();
                let weights = chol.cholesky_solve(&self.y.unsqueeze(1)).reshape(&[n]);
                (Some((chol, weights)), d, jitter)
            };
            let prior = self.prior();
            Ok(ScaleMixturePosterior {
                kernel: self.kernel.clone_box(),
                noise: self.noise(),
                prior,
                x: self.x.detach(),
                factors,
                d,
                scales: prior.given(d, n),
                jitter,
                clamps: Clamps::default(),
            })
        })
    }
}

impl Parameters for ScaleMixtureGp {
    fn visit(&self, visit: &mut dyn FnMut(&str, &Parameter)) {
        nested("kernel", &self.kernel, visit);
        visit("noise", &self.noise);
        if let Some((alpha, beta)) = &self.tails {
            visit("alpha", alpha);
            visit("beta", beta);
        }
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Parameter)) {
        nested_mut("kernel", &mut self.kernel, visit);
        visit("noise", &mut self.noise);
        if let Some((alpha, beta)) = &mut self.tails {
            visit("alpha", alpha);
            visit("beta", beta);
        }
    }
}

impl Snapshot for ScaleMixtureGp {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
        self.rung.save(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)?;
        self.rung.restore(file, prefix)
    }
}

impl Loss for ScaleMixtureGp {
    fn loss(&self) -> Result<Tensor> {
        Ok(-self.log_marginal()?)
    }
}

/// What is known after seeing the data: the Gaussian process's mean, and a scale that the data have informed.
pub struct ScaleMixturePosterior {
    kernel: Box<dyn Kernel>,
    noise: f64,
    prior: ScalePrior,
    x: Tensor,
    /// Factor of the covariance `[N, N]` and `K⁻¹ y` `[N]`; none without rows.
    factors: Option<(Tensor, Tensor)>,
    d: f64,
    scales: ScaleWeights,
    jitter: f64,
    clamps: Clamps,
}

impl ScaleMixturePosterior {
    /// Degrees of freedom of predictions, `2 α + N`; `None` where they are not Student-t.
    pub fn dof(&self) -> Option<f64> {
        match self.prior {
            ScalePrior::InverseGamma { alpha, .. } => Some(2.0 * alpha + self.x.shape()[0] as f64),
            _ => None,
        }
    }

    /// What multiplies the Gaussian process's variances: `(2 β + d) / (2 α + N)` for an inverse gamma scale, else the scale's posterior
    /// mean.
    pub fn scale_factor(&self) -> f64 {
        match self.prior {
            ScalePrior::InverseGamma { alpha, beta } => {
                (2.0 * beta + self.d) / (2.0 * alpha + self.x.shape()[0] as f64)
            }
            _ => self.scales.nodes.iter().zip(&self.scales.weights).map(|(s, w)| s * w).sum(),
        }
    }

    /// The jitter that the factorisation needed, relative to the mean of the diagonal; zero as a rule.
    pub fn jitter(&self) -> f64 {
        self.jitter
    }

    /// Variances that predictions have raised since this was last asked; see [`Clamps::check`].
    pub fn take_clamped(&self) -> usize {
        self.clamps.take()
    }

    /// The prior over the scale.
    pub fn prior(&self) -> ScalePrior {
        self.prior
    }

    /// Mean, and variance of `f` at scale one, at `x: [N*, D]`; both `[N*]`.
    ///
    /// # Errors
    /// When a variance is negative beyond rounding.
    pub fn unit_marginals(&self, x: &Tensor) -> Result<(Vec<f64>, Vec<f64>)> {
        in_blocks(x, |x| {
            let prior = self.kernel.diag(x);
            let Some((mean, half)) = self.projections(x) else {
                return Ok((vec![0.0; prior.len()], prior.to_vec()));
            };
            let variance = (&prior - half.square().sum_axis(0, false)).to_vec();
            Ok((mean.to_vec(), self.clamps.check(variance, &prior.to_vec())?))
        })
    }

    /// Mean `[N*]` at `x: [N*, D]`, and `H: [N, N*]` with which the prior's covariance at scale one falls by `Hᵀ H`; none without rows.
    fn projections(&self, x: &Tensor) -> Option<(Tensor, Tensor)> {
        self.factors.as_ref().map(|(chol, weights)| {
            let cross = self.kernel.gram(&self.x, x);
            (cross.t().matmul(weights), chol.solve_lower(&cross))
        })
    }

    /// Mean `[N*]`, and covariance `[N*, N*]` of `f` at scale one, at `x: [N*, D]`.
    pub fn unit_joint(&self, x: &Tensor) -> (Tensor, Tensor) {
        no_grad(|| {
            let prior = self.kernel.gram_symmetric(x);
            match self.projections(x) {
                Some((mean, half)) => (mean, prior - half.t().matmul(&half)),
                None => (Tensor::zeros(&[x.size(0)], x.dtype()), prior),
            }
        })
    }

    /// A draw of the scale given the data: from `IG(α + N/2, β + d/2)` for an inverse gamma prior, from the nodes of the integral for a
    /// Burr prior, as in predictions.
    pub fn sample_scale(&self, rng: &mut Rng) -> f64 {
        match self.prior {
            ScalePrior::Point => 1.0,
            ScalePrior::InverseGamma { alpha, beta } => {
                let half = 0.5 * self.x.shape()[0] as f64;
                InverseGamma { shape: alpha + half, scale: beta + 0.5 * self.d }.sample(rng)
            }
            ScalePrior::Burr { .. } => self.scales.nodes[rng.weighted(&self.scales.weights)],
        }
    }

    /// Joint draws of `f` (noise not included) at `x: [N*, D]`, `[count, N*]` row-major. A path has one scale, common to its rows.
    ///
    /// # Errors
    /// When the covariance at `x` is not positive semi-definite within the jitter policy.
    pub fn sample_paths(&self, x: &Tensor, count: usize, rng: &mut Rng) -> Result<Vec<f64>> {
        ensure_joint(x)?;
        let (mean, covariance) = self.unit_joint(x);
        let roots: Vec<f64> = (0..count).map(|_| self.sample_scale(rng).sqrt()).collect();
        let mut paths = joint_samples(&mean.zeros_like(), &covariance, count, rng)?;
        let mean = mean.to_vec();
        for (path, root) in paths.chunks_mut(mean.len().max(1)).zip(roots) {
            path.iter_mut().zip(&mean).for_each(|(f, m)| *f = m + root * *f);
        }
        Ok(paths)
    }

    /// Distributions of observations (noise included) of `shift + scale * y` at `x: [N*, D]`.
    ///
    /// # Errors
    /// As [`ScaleMixturePosterior::unit_marginals`].
    pub fn predict(&self, x: &Tensor, (shift, scale): (f64, f64)) -> Result<Box<dyn Marginals>> {
        let (mean, variance) = self.unit_marginals(x)?;
        let sds = |factor: f64| variance.iter().map(move |v| (factor * (v + self.noise)).sqrt());
        Ok(match self.prior {
            ScalePrior::Point => Box::new(Normals { sd: sds(1.0).collect(), mean }.unscaled(shift, scale)),
            ScalePrior::InverseGamma { alpha, .. } => {
                let dof = 2.0 * alpha + self.x.shape()[0] as f64;
                let t = StudentTs { scale: sds(self.scale_factor()).collect(), location: mean, dof };
                Box::new(t.unscaled(shift, scale))
            }
            ScalePrior::Burr { .. } => {
                let spread = |v: &f64| {
                    let v = v + self.noise;
                    self.scales.nodes.iter().map(move |s| (s * v).sqrt()).collect::<Vec<_>>()
                };
                let sds = variance.iter().flat_map(spread).collect();
                Box::new(GaussianMixtures::around(&mean, self.scales.weights.clone(), sds).unscaled(shift, scale))
            }
        })
    }
}
