//! Classes: one process a class, a common unknown scale, inducing points.

use super::{ScalePrior, inverse_gamma_kl, inverse_gamma_quantiles};
use crate::kernel::Kernel;
use elbo_core::{Error, ModelFile, Result, Rng, Snapshot};
use elbo_tensor::{Constraint, DType, Parameter, Parameters, Tensor, nested, nested_mut, no_grad};

/// Nodes of `q(s)`: quantiles at the midpoints of equal parts.
const NODES: usize = 8;

/// Added to the inducing points' variances, as a share of a unit variance.
const EPSILON: f64 = 1e-6;

/// Draws of the latent values for each node when predicting.
const PREDICTIVE_DRAWS: usize = 64;

/// Rows of a minibatch, with the noise that stands in for the integral over latent values.
pub struct ClassBatch {
    x: Tensor,
    classes: Vec<usize>,
    /// Standard normals, `[draws, C, B]`.
    noise: Tensor,
    rows: usize,
}

impl ClassBatch {
    /// A batch of inputs `x: [B, D]` and their classes out of `rows` in all; the noise of `draws` draws is from `rng`.
    pub fn new(x: Tensor, classes: Vec<usize>, count: usize, rows: usize, draws: usize, rng: &mut Rng) -> Self {
        let b = classes.len();
        assert_eq!(x.shape()[0], b, "one class a row");
        let noise = Tensor::from_vec(rng.normals(draws * count * b), &[draws, count, b]);
        Self { x, classes, noise, rows }
    }
}

/// `s ~ p(s)`, `f_c | s ~ GP(0, s k)` for each class, `p(y | f) = softmax(f)_y`; `q(u_c | s) = N(L m_c, s L R_c R_cᵀ Lᵀ)` in coordinates
/// whitened by `K_uu = L Lᵀ`, `q(s) = IG(a, b)`.
///
/// $$ \mathrm{KL} = \tfrac12 \sum_c \left[ \|R_c\|_F^2 - M - 2 \sum_i \log |R_{c,ii}| + \tfrac ab \|m_c\|^2 \right]
///    + \mathrm{KL}[\mathrm{IG}(a, b) \,\|\, \mathrm{IG}(\alpha, \beta)] $$
///
/// The expectation of the log softmax is over eight quantiles of `q(s)` and a few draws of `f`, so gradients are exact for the draws.
/// With a scale that is a point this is the sparse variational classifier.
///
/// Parameters: the kernel's, `inducing` `[M, D]`, `q_mean` `[C, M]`, `q_chol` `[C, M, M]`, `a` `[]` and `b` `[]`.
///
/// # Source
/// Lee, Yun, Yang and Lee (2022), section 4.
pub struct ScaleMixtureClassifier {
    kernel: Box<dyn Kernel>,
    inducing: Parameter,
    q_mean: Parameter,
    q_chol: Parameter,
    scale: Option<(Parameter, Parameter)>,
    prior: ScalePrior,
}

impl ScaleMixtureClassifier {
    /// A model of `count` classes with these inducing points `[M, D]`, starting at the prior.
    ///
    /// # Errors
    /// [`Error::Setting`] for a prior of the scale other than a point or an inverse gamma.
    pub fn new(kernel: Box<dyn Kernel>, inducing: &Tensor, count: usize, prior: ScalePrior) -> Result<Self> {
        let m = inducing.shape()[0];
        let positive = |v: f64| Parameter::scalar(v, Constraint::Positive);
        let scale = match prior {
            ScalePrior::Point => None,
            ScalePrior::InverseGamma { alpha, beta } => Some((positive(alpha), positive(beta))),
            ScalePrior::Burr { .. } => {
                return Err(Error::Setting {
                    setting: "tails".into(),
                    found: "burr".into(),
                    expected: "gauss or inverse_gamma for a target of classes".into(),
                });
            }
        };
        let eye = Tensor::eye(m, DType::F64).unsqueeze(0).broadcast_to(&[count, m, m]).contiguous();
        Ok(Self {
            kernel,
            inducing: Parameter::real(inducing),
            q_mean: Parameter::real(&Tensor::zeros(&[count, m], DType::F64)),
            q_chol: Parameter::real(&eye),
            scale,
            prior,
        })
    }

    /// The kernel.
    pub fn kernel(&self) -> &dyn Kernel {
        self.kernel.as_ref()
    }

    /// The kernel, to change or freeze its parameters.
    pub fn kernel_mut(&mut self) -> &mut dyn Kernel {
        self.kernel.as_mut()
    }

    /// The inducing points' parameter.
    pub fn inducing_mut(&mut self) -> &mut Parameter {
        &mut self.inducing
    }

    /// Number of classes, `C`.
    pub fn classes(&self) -> usize {
        self.q_mean.shape()[0]
    }

    /// Shape and scale of `q(s)`; `None` when the scale is known.
    pub fn scale_posterior(&self) -> Option<(f64, f64)> {
        self.scale.as_ref().map(|(a, b)| (a.get().item(), b.get().item()))
    }

    /// Means and variances at scale one of the latent values at `x: [N, D]`, both `[C, N]`.
    fn latent(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let z = self.inducing.get();
        let m = z.shape()[0];
        let chol = (self.kernel.gram_symmetric(&z) + Tensor::eye(m, z.dtype()) * EPSILON).cholesky()?;
        let a = chol.solve_lower(&self.kernel.gram(&z, x));
        let mean = self.q_mean.get().matmul(&a);
        let rest = self.kernel.diag(x) - a.square().sum_axis(0, false);
        let factors = self.q_chol.get();
        let spread = |c: usize| factors.select(0, c).tril(0).t().matmul(&a).square().sum_axis(0, false) + &rest;
        let spreads: Vec<Tensor> = (0..self.classes()).map(spread).collect();
        // The Schur complement may round below zero where a row coincides with an inducing point.
        Ok((mean, Tensor::stack(&spreads, 0).clamp(1e-10, f64::INFINITY)))
    }

    /// Values of the scale that stand for `q(s)`, `[nodes]`.
    fn nodes(&self) -> Tensor {
        match &self.scale {
            Some((a, b)) => inverse_gamma_quantiles(&a.get(), &b.get(), NODES),
            None => Tensor::ones(&[1], DType::F64),
        }
    }

    /// `KL[q || p]` in nats, a scalar.
    pub fn kl(&self) -> Tensor {
        let (count, m) = (self.classes(), self.q_mean.shape()[1]);
        let mut sum = Tensor::scalar(-((count * m) as f64));
        let factors = self.q_chol.get();
        for c in 0..count {
            let r = factors.select(0, c).tril(0);
            sum = sum + r.square().sum() - r.diagonal().square().log().sum();
        }
        let size = self.q_mean.get().square().sum();
        match (&self.scale, self.prior) {
            (Some((a, b)), ScalePrior::InverseGamma { alpha, beta }) => {
                let (a, b) = (a.get(), b.get());
                (sum + size * (&a / &b)) * 0.5 + inverse_gamma_kl(&a, &b, alpha, beta)
            }
            _ => (sum + size) * 0.5,
        }
    }

    /// The evidence lower bound from a minibatch, in nats, a scalar.
    ///
    /// # Errors
    /// Recoverable, when the inducing points' covariance is not positive definite.
    pub fn elbo(&self, batch: &ClassBatch) -> Result<Tensor> {
        let (mean, variance) = self.latent(&batch.x)?;
        let b = batch.classes.len();
        let (sd, nodes) = (variance.sqrt(), self.nodes().sqrt());
        let target = Tensor::indices(&batch.classes).reshape(&[1, b]);
        let (draws, count) = (batch.noise.shape()[0], nodes.len());
        let mut sum = Tensor::scalar(0.0);
        for j in 0..count {
            let sd = &sd * nodes.narrow(0, j, 1);
            for k in 0..draws {
                let f = &mean + &sd * batch.noise.select(0, k);
                sum = sum + f.log_softmax(0).gather(0, &target).sum();
            }
        }
        Ok(sum * (batch.rows as f64 / (b * draws * count) as f64) - self.kl())
    }

    /// Probabilities of the classes at `x: [N, D]`, `[N, C]` row-major: averages over the scale and over fixed draws of `f`.
    ///
    /// # Errors
    /// When the inducing points' covariance is not positive definite.
    pub fn predict(&self, x: &Tensor) -> Result<Vec<f64>> {
        self.predict_at(x, &no_grad(|| self.nodes()).to_vec())
    }

    /// [`ScaleMixtureClassifier::predict`], were the scale one of these values with equal probabilities in place of `q(s)`.
    ///
    /// # Errors
    /// As there.
    pub fn predict_at(&self, x: &Tensor, scales: &[f64]) -> Result<Vec<f64>> {
        let (n, classes) = (x.shape()[0], self.classes());
        let mut out = Vec::with_capacity(n * classes);
        // The same draws for every row and call: predictions are a function of the model alone.
        let noise = Tensor::from_vec(Rng::new(0).normals(PREDICTIVE_DRAWS * classes), &[PREDICTIVE_DRAWS, classes, 1]);
        for start in (0..n).step_by(crate::exact::BLOCK) {
            let block = x.narrow(0, start, crate::exact::BLOCK.min(n - start));
            let average = no_grad(|| -> Result<Tensor> {
                let (mean, variance) = self.latent(&block)?;
                let sd = variance.sqrt();
                let mut sum = Tensor::zeros(mean.shape(), DType::F64);
                for scale in scales {
                    let sd = &sd * scale.sqrt();
                    for k in 0..PREDICTIVE_DRAWS {
                        sum = sum + (&mean + &sd * noise.select(0, k)).softmax(0);
                    }
                }
                Ok(sum / (scales.len() * PREDICTIVE_DRAWS) as f64)
            })?;
            out.extend(average.t().to_vec());
        }
        Ok(out)
    }
}

impl Parameters for ScaleMixtureClassifier {
    fn visit(&self, visit: &mut dyn FnMut(&str, &Parameter)) {
        nested("kernel", &self.kernel, visit);
        visit("inducing", &self.inducing);
        visit("q_mean", &self.q_mean);
        visit("q_chol", &self.q_chol);
        if let Some((a, b)) = &self.scale {
            visit("a", a);
            visit("b", b);
        }
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Parameter)) {
        nested_mut("kernel", &mut self.kernel, visit);
        visit("inducing", &mut self.inducing);
        visit("q_mean", &mut self.q_mean);
        visit("q_chol", &mut self.q_chol);
        if let Some((a, b)) = &mut self.scale {
            visit("a", a);
            visit("b", b);
        }
    }
}

impl Snapshot for ScaleMixtureClassifier {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)
    }
}
