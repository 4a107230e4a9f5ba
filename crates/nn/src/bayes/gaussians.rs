//! Gaussians over vectors of weights, several at a time.

use elbo_core::{Error, Result, Rng};
use elbo_tensor::{Constraint, DType, Parameter, Parameters, Tensor, nested, nested_mut};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bytes that the covariances of one layer may take.
const MEMORY: f64 = 1e9;

/// What the covariance of a vector of weights looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Covariance {
    /// None: a single vector, as without a posterior.
    Point,
    /// One variance a weight.
    Diagonal,
    /// Any covariance, by its Cholesky factor.
    #[default]
    Dense,
    /// One variance a weight and a few common directions.
    LowRank,
    /// Any covariance, by the Cholesky factor of its inverse.
    DensePrecision,
}

/// `K` independent Gaussians over vectors of `H` weights: N(m_k, S_k).
///
/// | covariance | S | numbers |
/// |---|---|---|
/// | [`Covariance::Point`] | 0 | 0 |
/// | [`Covariance::Diagonal`] | diag(d²) | K H |
/// | [`Covariance::LowRank`] | diag(d) (I + F F') diag(d), F: [H, R] | K H (R + 1) |
/// | [`Covariance::Dense`] | L L' | K H (H + 1) / 2 |
/// | [`Covariance::DensePrecision`] | (L L')^-1 | K H (H + 1) / 2 |
///
/// With one row it is a posterior over all weights of a network, laid out as [`Parameters::pack`] does.
///
/// The limit is what dense covariances take, a gigabyte, and not a number of weights: 11,180 weights in one vector, or 100 vectors of 1,118.
/// Drawing and densities need no decomposition of a matrix of that size; only [`Gaussians::condition`] makes one for each vector.
pub struct Gaussians {
    covariance: Covariance,
    /// Means, `[K, H]`.
    pub mean: Parameter,
    /// Standard deviations d, or the diagonal of L, `[K, H]`.
    diagonal: Option<Parameter>,
    /// F as `[K, H, R]`, or L as `[K, H, H]`, of which the part below the diagonal counts.
    factor: Option<Parameter>,
}

impl Parameters for Gaussians {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        nested("mean", &self.mean, f);
        nested("diagonal", &self.diagonal, f);
        nested("factor", &self.factor, f);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        nested_mut("mean", &mut self.mean, f);
        nested_mut("diagonal", &mut self.diagonal, f);
        nested_mut("factor", &mut self.factor, f);
    }
}

impl Gaussians {
    /// Around these means `[K, H]`, with this standard deviation of each weight and nearly no correlation. `rank` is read by
    /// [`Covariance::LowRank`] alone.
    ///
    /// # Errors
    /// [`Error::Setting`] when the covariances would take more than a gigabyte.
    pub fn new(mean: &Tensor, sd: f64, covariance: Covariance, rank: usize, rng: &mut Rng) -> Result<Self> {
        let (k, h, dtype) = (mean.size(0), mean.size(1), mean.dtype());
        let width = match covariance {
            Covariance::Point | Covariance::Diagonal => 0,
            Covariance::LowRank => rank,
            Covariance::Dense | Covariance::DensePrecision => h,
        };
        let bytes = 8.0 * (k * h) as f64 * width as f64;
        if bytes > MEMORY {
            return Err(Error::Setting {
                setting: "covariance".into(),
                found: format!("{covariance:?}: {:.1} GB for {k} vectors of {h} weights", bytes / 1e9),
                expected: "diagonal or low_rank, which need less".into(),
            });
        }
        let start = if covariance == Covariance::DensePrecision { 1.0 / sd } else { sd };
        let diagonal = (covariance != Covariance::Point)
            .then(|| Parameter::from_tensor(&Tensor::full(&[k, h], start, dtype), Constraint::Positive));
        let factor = (width > 0).then(|| {
            // In units of the diagonal for low rank, in the weights' own otherwise.
            let size = if covariance == Covariance::LowRank { 0.1 } else { 1e-3 * start };
            let noise = Tensor::from_vec(rng.normals(k * h * width), &[k, h, width]) * (size / (h as f64).sqrt());
            Parameter::real(&noise.cast(dtype))
        });
        Ok(Self { covariance, mean: Parameter::real(mean), diagonal, factor })
    }

    /// Dense Gaussians with these means `[K, H]` and covariances of these Cholesky factors `[K, H, H]`.
    pub fn from_cholesky(mean: &Tensor, lower: &Tensor) -> Self {
        let diagonal = Parameter::from_tensor(&lower.diagonal().contiguous(), Constraint::Positive);
        let factor = Some(Parameter::real(&lower.tril(-1)));
        Self { covariance: Covariance::Dense, mean: Parameter::real(mean), diagonal: Some(diagonal), factor }
    }

    /// What the covariances look like.
    pub fn covariance(&self) -> Covariance {
        self.covariance
    }

    /// How many there are, `K`.
    pub fn count(&self) -> usize {
        self.mean.shape()[0]
    }

    /// Weights of each, `H`.
    pub fn size(&self) -> usize {
        self.mean.shape()[1]
    }

    fn dtype(&self) -> DType {
        self.mean.leaf().dtype()
    }

    fn d(&self) -> Tensor {
        self.diagonal.as_ref().expect("all but points have a diagonal").get()
    }

    fn f(&self) -> Tensor {
        self.factor.as_ref().expect("dense and low-rank covariances have a factor").get()
    }

    /// The factor L of [`Covariance::Dense`] or [`Covariance::DensePrecision`], `[K, H, H]`.
    fn lower(&self) -> Tensor {
        self.f().tril(-1) + self.d().diag()
    }

    /// Means of the products with these vectors, `x: [B, H]`; returns `[B, K]`.
    pub fn project_mean(&self, x: &Tensor) -> Tensor {
        x.linear(&self.mean.get(), None)
    }

    /// Variances x' S_k x of the products with these vectors, `x: [B, H]`; returns `[B, K]`.
    pub fn project_variance(&self, x: &Tensor) -> Tensor {
        let squares = |root: Tensor| root.square().sum_axis(-1, false).t();
        match self.covariance {
            Covariance::Point => Tensor::zeros(&[x.size(0), self.count()], self.dtype()),
            Covariance::Diagonal => x.square().linear(&self.d().square(), None),
            Covariance::LowRank => {
                let scaled = x.unsqueeze(0) * self.d().unsqueeze(1);
                squares(scaled.clone()) + squares(scaled.matmul(&self.f()))
            }
            Covariance::Dense => squares(x.unsqueeze(0).matmul(&self.lower())),
            Covariance::DensePrecision => {
                // L^-1 x for every row, with rows as columns.
                self.lower().solve_lower(&x.t().unsqueeze(0)).square().sum_axis(1, false).t()
            }
        }
    }

    /// Variances of the weights, `[K, H]`.
    pub fn variances(&self) -> Tensor {
        match self.covariance {
            Covariance::Point => Tensor::zeros(&[self.count(), self.size()], self.dtype()),
            Covariance::Diagonal => self.d().square(),
            Covariance::LowRank => self.d().square() * (self.f().square().sum_axis(-1, false) + 1.0),
            Covariance::Dense => self.lower().square().sum_axis(-1, false),
            Covariance::DensePrecision => self.inverse_lower().square().sum_axis(1, false),
        }
    }

    fn inverse_lower(&self) -> Tensor {
        self.lower().solve_lower(&Tensor::eye(self.size(), self.dtype()).unsqueeze(0))
    }

    /// The covariances written out, `[K, H, H]`.
    pub fn covariances(&self) -> Tensor {
        match self.covariance {
            Covariance::Point => Tensor::zeros(&[self.count(), self.size(), self.size()], self.dtype()),
            Covariance::Diagonal => self.d().square().diag(),
            Covariance::LowRank => {
                let root = self.f() * self.d().unsqueeze(-1);
                root.matmul(&root.t()) + self.d().square().diag()
            }
            Covariance::Dense => {
                let lower = self.lower();
                lower.matmul(&lower.t())
            }
            Covariance::DensePrecision => {
                let inverse = self.inverse_lower();
                inverse.t().matmul(&inverse)
            }
        }
    }

    /// log |S_k|, `[K]`; zero for points.
    pub fn log_det(&self) -> Result<Tensor> {
        let diagonal = || self.d().log().sum_axis(-1, false) * 2.0;
        Ok(match self.covariance {
            Covariance::Point => Tensor::zeros(&[self.count()], self.dtype()),
            Covariance::Diagonal | Covariance::Dense => diagonal(),
            Covariance::DensePrecision => -diagonal(),
            Covariance::LowRank => {
                let factor = self.f();
                let inner = factor.t().matmul(&factor) + Tensor::eye(factor.size(-1), self.dtype()).unsqueeze(0);
                diagonal() + inner.cholesky()?.cholesky_log_det()
            }
        })
    }

    /// KL(N(m_k, S_k) || N(0, s I)) of each, `[K]`, in nats, where `s` is the prior's variance.
    ///
    /// For points, which have no density, `-log N(m_k; 0, s I)` without its constant: what a penalised maximum pays.
    ///
    /// # Errors
    /// When the factor of a low-rank covariance is not finite.
    pub fn kl(&self, variance: f64) -> Result<Tensor> {
        self.scaled_kl(variance, None)
    }

    /// KL between N(m_k, S_k / t) and N(0, (s / t) I), averaged over a random scale t of this mean, `[K]`: the squared mean alone
    /// feels the scale. Without one, t is 1.
    ///
    /// # Errors
    /// As [`Gaussians::kl`].
    pub fn scaled_kl(&self, variance: f64, scale: Option<&Tensor>) -> Result<Tensor> {
        let squares = self.mean.get().square().sum_axis(-1, false) * (0.5 / variance);
        let squares = scale.map_or(squares.clone(), |t| &squares * t);
        if self.covariance == Covariance::Point {
            return Ok(squares);
        }
        let h = self.size() as f64;
        let trace = self.variances().sum_axis(-1, false) * (0.5 / variance);
        Ok(squares + trace - self.log_det()? * 0.5 + 0.5 * h * (variance.ln() - 1.0))
    }

    /// One draw of all vectors, `[K, H]`, differentiable.
    pub fn rsample(&self, rng: &mut Rng) -> Tensor {
        let (k, h) = (self.count(), self.size());
        let mean = self.mean.get();
        let mut normals = |shape: &[usize]| {
            let n = shape.iter().product();
            Tensor::from_vec(rng.normals(n), shape).cast(self.dtype())
        };
        match self.covariance {
            Covariance::Point => mean,
            Covariance::Diagonal => mean + self.d() * normals(&[k, h]),
            Covariance::LowRank => {
                let factor = self.f();
                let common = factor.matmul(&normals(&[k, factor.size(-1), 1])).squeeze(-1);
                mean + self.d() * (normals(&[k, h]) + common)
            }
            Covariance::Dense => mean + self.lower().matmul(&normals(&[k, h, 1])).squeeze(-1),
            Covariance::DensePrecision => mean + self.lower().solve_lower_t(&normals(&[k, h, 1])).squeeze(-1),
        }
    }

    /// The posterior after rows `x: [N, H]` were seen with values `y: [N, K]` of noise variances `noise: [K]`, by Bayes' rule; dense.
    ///
    /// # Errors
    /// When a covariance is singular: points have nothing to update. [`Error::Data`] when dense covariances would take more than a
    /// gigabyte.
    pub fn condition(&self, x: &Tensor, y: &Tensor, noise: &[f64]) -> Result<Self> {
        if self.covariance == Covariance::Point {
            return Err(Error::data(
                "the last layer is a single vector, which new rows cannot move",
                "fit with another `covariance`",
            ));
        }
        let (k, h) = (self.count(), self.size());
        let bytes = 8.0 * (k * h) as f64 * h as f64;
        if bytes > MEMORY {
            return Err(Error::data(
                format!("an update makes covariances dense: {:.1} GB for {k} vectors of {h} weights", bytes / 1e9),
                "fit with a narrower last layer in `hidden`, or fit again with all rows",
            ));
        }
        let (mean, covariances) = (self.mean.get().detach(), self.covariances().detach());
        let (mut means, mut lowers) = (vec![], vec![]);
        for k in 0..self.count() {
            let (m, s) = (mean.row(k), covariances.row(k));
            // With S = R R' and I + R' X' X R / noise = C C', the new covariance is (C^-1 R')' (C^-1 R').
            let root = s.cholesky()?;
            let seen = x.matmul(&root) * (1.0 / noise[k].sqrt());
            let information = seen.t().matmul(&seen) + Tensor::eye(self.size(), self.dtype());
            let half = information.cholesky()?.solve_lower(&root.t());
            let covariance = half.t().matmul(&half);
            let error = y.select(1, k) - x.matmul(&m);
            let pull = covariance.matmul(&x.t().matmul(&error)) * (1.0 / noise[k]);
            means.push(m + pull);
            lowers.push(covariance.cholesky()?);
        }
        Ok(Self::from_cholesky(&Tensor::stack(&means, 0), &Tensor::stack(&lowers, 0)))
    }
}
