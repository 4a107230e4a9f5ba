//! Kernels of functions with finitely many coefficients, and independent noise.

use elbo_core::Rng;
use elbo_tensor::{DType, Parameter, Tensor};

use super::Kernel;
use super::parameter::{positive, show};
use super::spectral::Spectral;

/// `k(x, x') = Σ_d v_d x_d x'_d + v_0`: linear functions with normal slopes and intercept.
///
/// Parameters: `variance` `[D]`, or `[1]` for all dimensions together; `offset` `[]`.
#[derive(Debug, Clone)]
pub struct Linear {
    /// `v_d`, variances of the slopes.
    pub variance: Parameter,
    /// `v_0`, the variance of the intercept.
    pub offset: Parameter,
}
elbo_tensor::parameters!(Linear { variance, offset });

impl Linear {
    /// A kernel with these slope variances (one a dimension, or a single one) and intercept variance.
    pub fn new(variances: &[f64], offset: f64) -> Self {
        Self { variance: positive(variances, &[variances.len()]), offset: positive(&[offset], &[]) }
    }
}

impl Kernel for Linear {
    fn gram(&self, x: &Tensor, z: &Tensor) -> Tensor {
        (x * self.variance.get()).matmul(&z.t()) + self.offset.get()
    }

    fn diag(&self, x: &Tensor) -> Tensor {
        (x.square() * self.variance.get()).sum_axis(1, false) + self.offset.get()
    }

    fn summary(&self) -> String {
        format!("linear (slope variance {}, intercept variance {})", show(&self.variance), show(&self.offset))
    }

    fn clone_box(&self) -> Box<dyn Kernel> {
        Box::new(self.clone())
    }

    /// Standard deviations of the slopes.
    fn relevance(&self, dims: usize) -> Option<Vec<f64>> {
        let v = self.variance.value();
        Some((0..dims).map(|d| v[if v.len() == 1 { 0 } else { d }].sqrt()).collect())
    }
}

/// `k(x, x') = v (x · x' / D + c)^p`.
///
/// Parameters: `offset` `[]`, `variance` `[]`.
#[derive(Debug, Clone)]
pub struct Polynomial {
    degree: u32,
    /// `c`, positive.
    pub offset: Parameter,
    /// `v`, positive.
    pub variance: Parameter,
}
elbo_tensor::parameters!(Polynomial { offset, variance });

impl Polynomial {
    /// A kernel of this degree, at least one.
    pub fn new(degree: u32, offset: f64, variance: f64) -> Self {
        assert!(degree >= 1, "a polynomial kernel has degree 1 or more");
        Self { degree, offset: positive(&[offset], &[]), variance: positive(&[variance], &[]) }
    }
}

impl Kernel for Polynomial {
    fn gram(&self, x: &Tensor, z: &Tensor) -> Tensor {
        let inner = x.matmul(&z.t()) / x.size(1) as f64;
        (inner + self.offset.get()).powi(self.degree as i32) * self.variance.get()
    }

    fn diag(&self, x: &Tensor) -> Tensor {
        let inner = x.square().sum_axis(1, false) / x.size(1) as f64;
        (inner + self.offset.get()).powi(self.degree as i32) * self.variance.get()
    }

    fn summary(&self) -> String {
        let (v, c) = (show(&self.variance), show(&self.offset));
        format!("polynomial of degree {} (variance {v}, offset {c})", self.degree)
    }

    fn clone_box(&self) -> Box<dyn Kernel> {
        Box::new(self.clone())
    }
}

/// `k(x, x') = v`: an unknown constant.
///
/// Parameters: `variance` `[]`.
#[derive(Debug, Clone)]
pub struct Constant {
    /// `v`, positive.
    pub variance: Parameter,
}
elbo_tensor::parameters!(Constant { variance });

impl Constant {
    /// A constant with this variance.
    pub fn new(variance: f64) -> Self {
        Self { variance: positive(&[variance], &[]) }
    }
}

impl Kernel for Constant {
    fn gram(&self, x: &Tensor, z: &Tensor) -> Tensor {
        self.variance.get().broadcast_to(&[x.size(0), z.size(0)])
    }

    fn diag(&self, x: &Tensor) -> Tensor {
        self.variance.get().broadcast_to(&[x.size(0)])
    }

    fn summary(&self) -> String {
        format!("constant (variance {})", show(&self.variance))
    }

    fn clone_box(&self) -> Box<dyn Kernel> {
        Box::new(self.clone())
    }

    fn is_stationary(&self) -> bool {
        true
    }

    fn relevance(&self, dims: usize) -> Option<Vec<f64>> {
        Some(vec![0.0; dims])
    }

    fn spectral_sample(&self, dims: usize, count: usize, _rng: &mut Rng) -> Option<Spectral> {
        Some(Spectral::equal(self.variance.value()[0], count, dims, vec![0.0; count * dims]))
    }
}

/// Independent noise: `v` where the *row index* is equal, zero elsewhere, also between equal inputs.
///
/// So `gram` is zero, `diag` is `v`, and `gram_symmetric` is `v I`.
///
/// Parameters: `variance` `[]`.
#[derive(Debug, Clone)]
pub struct White {
    /// `v`, positive.
    pub variance: Parameter,
}
elbo_tensor::parameters!(White { variance });

impl White {
    /// Noise with this variance.
    pub fn new(variance: f64) -> Self {
        Self { variance: positive(&[variance], &[]) }
    }
}

impl Kernel for White {
    fn gram(&self, x: &Tensor, z: &Tensor) -> Tensor {
        Tensor::zeros(&[x.size(0), z.size(0)], x.dtype())
    }

    fn gram_symmetric(&self, x: &Tensor) -> Tensor {
        Tensor::eye(x.size(0), DType::F64) * self.variance.get()
    }

    fn diag(&self, x: &Tensor) -> Tensor {
        self.variance.get().broadcast_to(&[x.size(0)])
    }

    fn summary(&self) -> String {
        format!("white noise (variance {})", show(&self.variance))
    }

    fn clone_box(&self) -> Box<dyn Kernel> {
        Box::new(self.clone())
    }

    fn is_stationary(&self) -> bool {
        true
    }

    fn relevance(&self, dims: usize) -> Option<Vec<f64>> {
        Some(vec![0.0; dims])
    }
}
