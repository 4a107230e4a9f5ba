//! Small problems drawn from known processes, and the checks that tests share.

use elbo_core::{Result, Rng};
use elbo_gp::kernel::{Kernel, Profile, Stationary};
use elbo_tensor::{Parameters, Tensor, no_grad};

/// Data from a Gaussian process with known hyperparameters.
pub struct Problem {
    /// Inputs, `[N, D]`.
    pub x: Tensor,
    /// Targets, `[N]`: numbers, or classes -1 and 1.
    pub y: Vec<f64>,
    /// Noise variance of the numbers.
    pub noise: f64,
    dims: usize,
}

impl Problem {
    /// Numbers with noise 0.05.
    pub fn regression(n: usize, dims: usize, seed: u64) -> Self {
        let (x, f, mut rng) = draw(n, dims, seed);
        let y = f.iter().map(|f| f + 0.05f64.sqrt() * rng.normal()).collect();
        Self { x, y, noise: 0.05, dims }
    }

    /// Classes -1 and 1 with probit probabilities of three times the process.
    pub fn classification(n: usize, dims: usize, seed: u64) -> Self {
        let (x, f, mut rng) = draw(n, dims, seed);
        let y = f.iter().map(|f| if rng.normal() < 3.0 * f { 1.0 } else { -1.0 }).collect();
        Self { x, y, noise: 0.05, dims }
    }

    /// The kernel that made the data.
    pub fn kernel(&self) -> Box<dyn Kernel> {
        kernel(self.dims)
    }

    /// The targets as a tensor.
    pub fn targets(&self) -> Tensor {
        Tensor::from_slice(&self.y, &[self.y.len()])
    }
}

fn kernel(dims: usize) -> Box<dyn Kernel> {
    let lengthscales: Vec<f64> = (0..dims).map(|d| 0.7 + 0.4 * d as f64).collect();
    Box::new(Stationary::new(Profile::Matern52, &lengthscales).with_variance(1.3))
}

fn draw(n: usize, dims: usize, seed: u64) -> (Tensor, Vec<f64>, Rng) {
    let mut rng = Rng::new(seed);
    let x = Tensor::from_vec(rng.uniforms(n * dims), &[n, dims]) * 4.0 - 2.0;
    let gram = kernel(dims).gram_symmetric(&x) + Tensor::eye(n, x.dtype()) * 1e-8;
    let f = gram.cholesky().unwrap().matmul(&Tensor::from_vec(rng.normals(n), &[n]));
    (x, f.to_vec(), rng)
}

/// Equal up to `tolerance`, relative to one or the size.
pub fn assert_close(value: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((value - expected).abs() <= tolerance * expected.abs().max(1.0), "{what}: {value}, expected {expected}");
}

/// Central differences agree with the gradient of `f` in every unfrozen parameter, relative to its size.
pub fn gradient_check<M: Parameters>(
    model: &mut M,
    mut f: impl FnMut(&mut M) -> Result<Tensor>,
    tolerance: f64,
    what: &str,
) {
    let value = f(model).unwrap();
    let exact = model.gradient(&value);
    let at = model.pack();
    assert_eq!(exact.len(), at.len(), "{what}: one derivative a parameter");
    for i in 0..at.len() {
        let h = 1e-5 * at[i].abs().max(1.0);
        let mut shifted = |delta: f64| {
            let mut p = at.clone();
            p[i] += delta;
            model.unpack(&p);
            no_grad(|| f(model)).unwrap().item()
        };
        let numeric = (shifted(h) - shifted(-h)) / (2.0 * h);
        assert!(
            (numeric - exact[i]).abs() <= tolerance * exact[i].abs().max(1.0),
            "{what}: derivative {i} is {} by the gradient, {numeric} by differences",
            exact[i]
        );
    }
    model.unpack(&at);
}
