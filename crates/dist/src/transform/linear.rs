//! Linear maps of vectors.

use super::{Bijector, no_change};
use elbo_core::Rng;
use elbo_tensor::{Constraint, Parameter, Tensor};

/// $y = b + L x$ with a lower triangular $L$ of positive diagonal, learnable.
#[derive(Debug, Clone)]
pub struct Triangular {
    shift: Parameter,
    diagonal: Parameter,
    below: Parameter,
}

impl Triangular {
    /// From the shift `[D]` and the lower factor `[D, D]`.
    pub fn new(shift: &Tensor, factor: &Tensor) -> Self {
        Self {
            shift: Parameter::real(shift),
            diagonal: Parameter::from_tensor(&factor.diagonal().contiguous(), Constraint::Positive),
            below: Parameter::real(&factor.tril(-1)),
        }
    }

    /// The factor, `[D, D]`.
    pub fn factor(&self) -> Tensor {
        self.below.get().tril(-1) + self.diagonal.get().diag()
    }

    fn log_det(&self, x: &Tensor) -> Tensor {
        self.diagonal.get().log().sum().broadcast_to(&x.shape()[..x.rank() - 1])
    }
}

elbo_tensor::parameters!(Triangular { shift, diagonal, below });

impl Bijector for Triangular {
    fn ranks(&self) -> (usize, usize) {
        (1, 1)
    }
    fn forward(&self, x: &Tensor) -> (Tensor, Tensor) {
        (matrix_times(&self.factor(), x) + self.shift.get(), self.log_det(x))
    }
    fn inverse(&self, y: &Tensor) -> Option<(Tensor, Tensor)> {
        let residual = y - self.shift.get();
        Some((solve(&residual, |b| self.factor().solve_lower(b)), -self.log_det(y)))
    }
}

/// Coordinates in another order: `y[i] = x[order[i]]`.
#[derive(Debug, Clone)]
pub struct Permutation {
    order: Vec<usize>,
}

impl Permutation {
    /// From a permutation of `0..D`.
    pub fn new(order: Vec<usize>) -> Self {
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert!(sorted.iter().enumerate().all(|(i, v)| i == *v), "{order:?} is no permutation");
        Self { order }
    }

    /// The reversal of `dimension` coordinates.
    pub fn reversal(dimension: usize) -> Self {
        Self { order: (0..dimension).rev().collect() }
    }

    /// A random one.
    pub fn random(dimension: usize, rng: &mut Rng) -> Self {
        Self { order: rng.permutation(dimension) }
    }
}

elbo_tensor::parameters!(Permutation {});

impl Bijector for Permutation {
    fn ranks(&self) -> (usize, usize) {
        (1, 1)
    }
    fn forward(&self, x: &Tensor) -> (Tensor, Tensor) {
        (x.index_select(-1, &Tensor::indices(&self.order)), no_change(x, 1))
    }
    fn inverse(&self, y: &Tensor) -> Option<(Tensor, Tensor)> {
        let mut back = vec![0; self.order.len()];
        self.order.iter().enumerate().for_each(|(i, j)| back[*j] = i);
        Some((y.index_select(-1, &Tensor::indices(&back)), no_change(y, 1)))
    }
}

/// $y = L U x$ with a unit lower $L$ and an upper $U$ of positive diagonal: the invertible 1x1 convolution. After a [`Permutation`] it is any
/// invertible matrix, up to signs.
///
/// # Source
/// Kingma and Dhariwal (2018).
#[derive(Debug, Clone)]
pub struct Lu {
    below: Parameter,
    above: Parameter,
    diagonal: Parameter,
}

impl Lu {
    /// The identity of `dimension` coordinates.
    pub fn identity(dimension: usize) -> Self {
        let zeros = Tensor::from_vec(vec![0.0; dimension * dimension], &[dimension, dimension]);
        let ones = Tensor::from_vec(vec![1.0; dimension], &[dimension]);
        Self {
            below: Parameter::real(&zeros),
            above: Parameter::real(&zeros),
            diagonal: Parameter::from_tensor(&ones, Constraint::Positive),
        }
    }

    fn factors(&self) -> (Tensor, Tensor) {
        let d = self.diagonal.len();
        let lower = self.below.get().tril(-1) + Tensor::eye(d, self.below.leaf().dtype());
        (lower, self.above.get().triu(1) + self.diagonal.get().diag())
    }

    fn log_det(&self, x: &Tensor) -> Tensor {
        self.diagonal.get().log().sum().broadcast_to(&x.shape()[..x.rank() - 1])
    }
}

elbo_tensor::parameters!(Lu { below, above, diagonal });

impl Bijector for Lu {
    fn ranks(&self) -> (usize, usize) {
        (1, 1)
    }
    fn forward(&self, x: &Tensor) -> (Tensor, Tensor) {
        let (lower, upper) = self.factors();
        (matrix_times(&lower.matmul(&upper), x), self.log_det(x))
    }
    fn inverse(&self, y: &Tensor) -> Option<(Tensor, Tensor)> {
        let (lower, upper) = self.factors();
        let x = solve(y, |b| upper.solve_triangular(&lower.solve_lower(b), false, false));
        Some((x, -self.log_det(y)))
    }
}

/// Reflection $x - 2 v (v^\top x) / v^\top v$: keeps volumes, and is its own inverse.
///
/// # Source
/// Tomczak and Welling (2016).
#[derive(Debug, Clone)]
pub struct Householder {
    v: Parameter,
}

impl Householder {
    /// From the normal of the mirror, `[D]`, not zero.
    pub fn new(v: &Tensor) -> Self {
        Self { v: Parameter::real(v) }
    }

    /// The reflections of the points, `[batch..., D]`.
    pub fn reflect(&self, x: &Tensor) -> Tensor {
        let v = self.v.get();
        let along = x.matmul(&v) * 2.0 / v.square().sum();
        x - along.unsqueeze(-1) * v
    }
}

elbo_tensor::parameters!(Householder { v });

impl Bijector for Householder {
    fn ranks(&self) -> (usize, usize) {
        (1, 1)
    }
    fn forward(&self, x: &Tensor) -> (Tensor, Tensor) {
        (self.reflect(x), no_change(x, 1))
    }
    fn inverse(&self, y: &Tensor) -> Option<(Tensor, Tensor)> {
        Some(self.forward(y))
    }
}

/// `A x` for vectors in the last axis.
pub(crate) fn matrix_times(a: &Tensor, x: &Tensor) -> Tensor {
    x.matmul(&a.t())
}

/// The solutions for vectors in the last axis, by one solve with all of them as columns.
fn solve(y: &Tensor, solve: impl Fn(&Tensor) -> Tensor) -> Tensor {
    let d = y.size(-1);
    let rows = y.len() / d.max(1);
    solve(&y.reshape(&[rows, d]).t()).t().reshape(y.shape())
}
