//! A linear layer whose weights vary together: a matrix normal distribution.

use super::mean_field::LEAST_VARIANCE;
use super::stack::with_one;
use crate::init::normal;
use crate::layer::{Build, Layer, Pass};
use elbo_core::{Error, Result, Rng, ensure};
use elbo_tensor::{Constraint, Parameter, Tensor};

/// Bytes that the factors of one layer may take.
const MEMORY: f64 = 1e9;

/// A lower triangular matrix with a positive diagonal.
struct Factor {
    /// `[n]`.
    diagonal: Parameter,
    /// `[n, n]`, of which the part below the diagonal counts.
    below: Parameter,
}

elbo_tensor::parameters!(Factor { "diagonal": diagonal, "below": below });

impl Factor {
    /// A multiple of the identity.
    fn new(n: usize, scale: f64, like: &Tensor) -> Self {
        let diagonal = Parameter::from_tensor(&Tensor::full(&[n], scale, like.dtype()), Constraint::Positive);
        Self { diagonal, below: Parameter::real(&Tensor::zeros(&[n, n], like.dtype())) }
    }

    fn size(&self) -> f64 {
        self.diagonal.len() as f64
    }

    fn lower(&self) -> Tensor {
        self.below.get().tril(-1) + self.diagonal.get().diag()
    }

    /// log |L L'|.
    fn log_det(&self) -> Tensor {
        self.diagonal.get().log().sum() * 2.0
    }
}

/// A matrix `W = M + L_B Z L_A'` with standard normal Z: the covariance of its rows is B = L_B L_B', that of its columns A = L_A L_A'.
///
/// A Kronecker product `B ⊗ A` in all, for `O² + I²` numbers in place of `(O I)²`.
///
/// # Source
/// Louizos and Welling (2016).
pub struct MatrixNormal {
    /// Means M, `[O, I]`.
    pub mean: Parameter,
    output: Factor,
    input: Factor,
}

elbo_tensor::parameters!(MatrixNormal { "mean": mean, "output": output, "input": input });

impl MatrixNormal {
    /// Around these means `[O, I]`, with this standard deviation of each weight and no correlation.
    ///
    /// # Errors
    /// [`Error::Setting`] for a deviation that is not positive, and when the factors would take more than a gigabyte.
    pub fn new(mean: &Tensor, sd: f64) -> Result<Self> {
        ensure("sd", sd, sd > 0.0 && sd.is_finite(), "above 0")?;
        let (o, i) = (mean.size(0), mean.size(1));
        let bytes = 8.0 * ((o * o) as f64 + (i * i) as f64);
        if bytes > MEMORY {
            return Err(Error::Setting {
                setting: "covariance".into(),
                found: format!("a Kronecker product of {:.1} GB for {o} x {i} weights", bytes / 1e9),
                expected: "one variance a weight, which needs less".into(),
            });
        }
        Ok(Self { mean: Parameter::real(mean), output: Factor::new(o, sd, mean), input: Factor::new(i, 1.0, mean) })
    }

    /// Covariances of the columns' entries A, `[I, I]`, and of the rows' entries B, `[O, O]`. Only their product is determined.
    pub fn factors(&self) -> (Tensor, Tensor) {
        let square = |factor: &Factor| {
            let lower = factor.lower();
            lower.matmul(&lower.t())
        };
        (square(&self.input), square(&self.output))
    }

    /// The covariance of all weights written out, row after row, `[O I, O I]`.
    pub fn covariance(&self) -> Tensor {
        let (a, b) = self.factors();
        let (o, i) = (b.size(0), a.size(0));
        (b.reshape(&[o, 1, o, 1]) * a.reshape(&[1, i, 1, i])).reshape(&[o * i, o * i])
    }

    /// log |B ⊗ A|.
    pub fn log_det(&self) -> Tensor {
        self.input.log_det() * self.output.size() + self.output.log_det() * self.input.size()
    }

    /// KL to independent normals of mean zero and this variance, in nats:
    /// `1/2 { tr(A) tr(B) / s + |M|² / s - O I + O I log s - log |B ⊗ A| }`.
    pub fn kl(&self, variance: f64) -> Tensor {
        let count = self.output.size() * self.input.size();
        let traces = self.input.lower().square().sum() * self.output.lower().square().sum();
        let squares = (traces + self.mean.get().square().sum()) * (1.0 / variance);
        (squares - self.log_det() + count * (variance.ln() - 1.0)) * 0.5
    }

    /// One draw, `[O, I]`, differentiable.
    pub fn rsample(&self, rng: &mut Rng) -> Tensor {
        let mean = self.mean.get();
        let noise = normal(mean.shape(), 1.0, rng, mean.dtype());
        mean + self.output.lower().matmul(&noise).matmul(&self.input.lower().t())
    }

    /// Means M a of the products with these vectors, and the sizes a' A a of their covariances `(a' A a) B`; `x: [B, I]`, returns `[B, O]`
    /// and `[B]`.
    pub fn project(&self, x: &Tensor) -> (Tensor, Tensor) {
        let sizes = x.matmul(&self.input.lower()).square().sum_axis(-1, false);
        (x.linear(&self.mean.get(), None), sizes)
    }
}

/// y = W a + b with a [`MatrixNormal`] distribution of W and b together.
///
/// A pass of training draws each row's output from its own distribution, `N(M a, (a' A a) B)`; one of evaluation uses the means, and one
/// that draws a function draws the weights once.
pub struct KroneckerLinear {
    /// The weights, `[O, I + 1]`; the last column is the bias.
    pub weights: MatrixNormal,
}

elbo_tensor::parameters!(KroneckerLinear { "": weights });

impl KroneckerLinear {
    /// A layer from `input` to `out` numbers, whose weights start with this standard deviation.
    ///
    /// # Errors
    /// As [`MatrixNormal::new`].
    pub fn new(input: usize, out: usize, sd: f64, build: &mut Build<'_>) -> Result<Self> {
        let (weight, bias) = (build.weight(&[out, input]), build.bias(out, input));
        let mean = Tensor::cat(&[weight.get(), bias.get().unsqueeze(1)], 1).detach();
        Ok(Self { weights: MatrixNormal::new(&mean, sd)? })
    }
}

impl Layer for KroneckerLinear {
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Tensor {
        let x = with_one(x);
        let is_function = pass.is_of_function();
        let Some(rng) = pass.rng() else { return x.linear(&self.weights.mean.get(), None) };
        if is_function {
            return x.linear(&self.weights.rsample(rng), None);
        }
        let (centre, sizes) = self.weights.project(&x);
        let noise = normal(centre.shape(), 1.0, rng, x.dtype());
        let common = (sizes + LEAST_VARIANCE).sqrt().unsqueeze(-1);
        centre + noise.linear(&self.weights.output.lower(), None) * common
    }
}
