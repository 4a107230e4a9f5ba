//! Gaussian families.

use super::{Drawn, Variational};
use elbo_tensor::special::LOG_SQRT_TAU;
use elbo_tensor::{Constraint, DType, Parameter, Parameters, Tensor};

/// Entropy of a standard normal in `d` dimensions, `d/2 log(2 pi e)`.
fn standard_entropy(d: usize) -> f64 {
    d as f64 * (LOG_SQRT_TAU + 0.5)
}

/// Log density of standard normal noise `[S, D]`, `[S]`.
pub(super) fn log_standard(noise: &Tensor) -> Tensor {
    noise.square().sum_axis(-1, false) * -0.5 - noise.size(-1) as f64 * LOG_SQRT_TAU
}

/// Units of a mean with this covariance `[D, D]`, then of `rest` parameters that have none.
fn units(covariance: &[f64], d: usize, rest: usize) -> Vec<f64> {
    (0..d).map(|i| covariance[i * d + i].sqrt()).chain(std::iter::repeat_n(1.0, rest)).collect()
}

/// Independent normals.
#[derive(Debug, Clone)]
pub struct MeanField {
    mean: Parameter,
    sd: Parameter,
}

impl MeanField {
    /// From means and standard deviations, `[D]` each.
    pub fn new(mean: &[f64], sd: &[f64]) -> Self {
        let d = mean.len();
        Self { mean: Parameter::new(mean, &[d], Constraint::Real), sd: Parameter::new(sd, &[d], Constraint::Positive) }
    }

    /// Means, `[D]`.
    pub fn mean(&self) -> Vec<f64> {
        self.mean.value()
    }

    /// Standard deviations, `[D]`.
    pub fn sd(&self) -> Vec<f64> {
        self.sd.value()
    }
}

impl Parameters for MeanField {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        f("mean", &self.mean);
        f("sd", &self.sd);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        f("mean", &mut self.mean);
        f("sd", &mut self.sd);
    }
}

impl Variational for MeanField {
    fn dim(&self) -> usize {
        self.mean.len()
    }

    fn draw(&self, noise: &Tensor) -> Drawn {
        let sd = self.sd.get();
        Drawn { z: self.mean.get() + noise * &sd, log_prob: log_standard(noise) - self.sd.leaf().sum(), weights: None }
    }

    fn log_prob(&self, z: &Tensor) -> Option<Tensor> {
        Some(log_standard(&((z - self.mean.get()) / self.sd.get())) - self.sd.leaf().sum())
    }

    fn entropy(&self) -> Option<Tensor> {
        Some(self.sd.leaf().sum() + standard_entropy(self.dim()))
    }

    fn units(&self) -> Option<Vec<f64>> {
        let mut units = self.sd();
        units.extend(vec![1.0; self.dim()]);
        Some(units)
    }

    fn title(&self) -> String {
        "mean-field Gaussian".into()
    }
}

/// A normal with any covariance, `L L'` with $L = \mathrm{diag}(s)(I + A)$ and `A` strictly lower triangular, so that `A` has no unit.
#[derive(Debug, Clone)]
pub struct FullRank {
    mean: Parameter,
    sd: Parameter,
    lower: Parameter,
    /// Places of the strictly lower entries in the flat matrix.
    places: Tensor,
}

impl FullRank {
    /// Independent normals to start from, `[D]` each.
    pub fn new(mean: &[f64], sd: &[f64]) -> Self {
        let d = mean.len();
        let places: Vec<usize> = (1..d).flat_map(|i| (0..i).map(move |j| i * d + j)).collect();
        Self {
            mean: Parameter::new(mean, &[d], Constraint::Real),
            sd: Parameter::new(sd, &[d], Constraint::Positive),
            lower: Parameter::new(&vec![0.0; places.len()], &[places.len()], Constraint::Real),
            places: Tensor::indices(&places),
        }
    }

    /// From a mean `[D]` and the lower Cholesky factor of a covariance, `[D, D]` row-major.
    pub fn from_chol(mean: &[f64], chol: &[f64]) -> Self {
        let d = mean.len();
        let sd: Vec<f64> = (0..d).map(|i| chol[i * d + i]).collect();
        let mut full = Self::new(mean, &sd);
        let lower: Vec<f64> = (1..d).flat_map(|i| (0..i).map(move |j| chol[i * d + j] / chol[i * d + i])).collect();
        full.lower.set_free(&lower);
        full
    }

    /// Means, `[D]`.
    pub fn mean(&self) -> Vec<f64> {
        self.mean.value()
    }

    /// The factor `L`, `[D, D]`, differentiable.
    pub fn chol(&self) -> Tensor {
        let d = self.dim();
        let unit = Tensor::zeros(&[d * d], DType::F64).index_add(0, &self.places, &self.lower.get());
        (unit.reshape(&[d, d]) + Tensor::eye(d, DType::F64)) * self.sd.get().unsqueeze(-1)
    }

    /// Covariance, `[D, D]` row-major.
    pub fn covariance(&self) -> Vec<f64> {
        let chol = self.chol().detach();
        chol.matmul(&chol.t()).to_vec()
    }
}

impl Parameters for FullRank {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        f("mean", &self.mean);
        f("sd", &self.sd);
        f("lower", &self.lower);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        f("mean", &mut self.mean);
        f("sd", &mut self.sd);
        f("lower", &mut self.lower);
    }
}

impl Variational for FullRank {
    fn dim(&self) -> usize {
        self.mean.len()
    }

    fn draw(&self, noise: &Tensor) -> Drawn {
        Drawn {
            z: self.mean.get() + noise.matmul(&self.chol().t()),
            log_prob: log_standard(noise) - self.sd.leaf().sum(),
            weights: None,
        }
    }

    fn log_prob(&self, z: &Tensor) -> Option<Tensor> {
        let white = self.chol().solve_lower(&(z - self.mean.get()).t()).t();
        Some(log_standard(&white) - self.sd.leaf().sum())
    }

    fn entropy(&self) -> Option<Tensor> {
        Some(self.sd.leaf().sum() + standard_entropy(self.dim()))
    }

    fn units(&self) -> Option<Vec<f64>> {
        Some(units(&self.covariance(), self.dim(), self.dim() + self.lower.len()))
    }

    fn title(&self) -> String {
        "full-rank Gaussian".into()
    }
}

/// A normal with covariance $\mathrm{diag}(s)(I + V V')\mathrm{diag}(s)$, `V: [D, r]` without unit.
#[derive(Debug, Clone)]
pub struct LowRank {
    mean: Parameter,
    sd: Parameter,
    factor: Parameter,
}

impl LowRank {
    /// Nearly independent normals `[D]` to start from; `rank` columns, small and different so that they can grow.
    ///
    /// # Panics
    /// For a rank of zero.
    pub fn new(mean: &[f64], sd: &[f64], rank: usize) -> Self {
        let d = mean.len();
        assert!(rank > 0, "a rank of at least one");
        let small = |i: usize| 0.01 * ((i * 7 + 3) as f64).sin();
        Self {
            mean: Parameter::new(mean, &[d], Constraint::Real),
            sd: Parameter::new(sd, &[d], Constraint::Positive),
            factor: Parameter::new(&(0..d * rank).map(small).collect::<Vec<_>>(), &[d, rank], Constraint::Real),
        }
    }

    /// Covariance, `[D, D]` row-major.
    pub fn covariance(&self) -> Vec<f64> {
        let (v, sd) = (self.factor.get().detach(), self.sd.get().detach());
        let inner = v.matmul(&v.t()) + Tensor::eye(self.dim(), DType::F64);
        (inner * sd.unsqueeze(-1) * sd).to_vec()
    }

    /// Cholesky factor of the capacitance `I + V'V`, `[r, r]`.
    fn capacitance(&self) -> Tensor {
        let v = self.factor.get();
        let inner = v.t().matmul(&v) + Tensor::eye(v.size(-1), DType::F64);
        inner.cholesky().expect("the identity plus a Gram matrix is positive definite")
    }

    fn log_det(&self, chol: &Tensor) -> Tensor {
        self.sd.leaf().sum() + chol.diagonal().log().sum()
    }
}

impl Parameters for LowRank {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        f("mean", &self.mean);
        f("sd", &self.sd);
        f("factor", &self.factor);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        f("mean", &mut self.mean);
        f("sd", &mut self.sd);
        f("factor", &mut self.factor);
    }
}

impl Variational for LowRank {
    fn dim(&self) -> usize {
        self.mean.len()
    }

    fn noise(&self) -> usize {
        self.dim() + self.factor.shape()[1]
    }

    fn draw(&self, noise: &Tensor) -> Drawn {
        let (d, r) = (self.dim(), self.factor.shape()[1]);
        let white = noise.narrow(-1, 0, d) + noise.narrow(-1, d, r).matmul(&self.factor.get().t());
        let z = self.mean.get() + white * self.sd.get();
        let log_prob = self.log_prob(&z).expect("the density is closed");
        Drawn { z, log_prob, weights: None }
    }

    fn log_prob(&self, z: &Tensor) -> Option<Tensor> {
        let white = (z - self.mean.get()) / self.sd.get();
        let chol = self.capacitance();
        // Woodbury: |w|^2 less the part along the factor.
        let along = chol.solve_lower(&white.matmul(&self.factor.get()).t()).square().sum_axis(0, false);
        Some(log_standard(&white) + along * 0.5 - self.log_det(&chol))
    }

    fn entropy(&self) -> Option<Tensor> {
        Some(self.log_det(&self.capacitance()) + standard_entropy(self.dim()))
    }

    fn units(&self) -> Option<Vec<f64>> {
        Some(units(&self.covariance(), self.dim(), self.dim() + self.factor.len()))
    }

    fn title(&self) -> String {
        format!("Gaussian of rank {} plus diagonal", self.factor.shape()[1])
    }
}
