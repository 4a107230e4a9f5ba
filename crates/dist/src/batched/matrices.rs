//! Distributions of matrices: Wishart and LKJ.

use super::noise::{joined, normals};
use super::support::{any_last, excluding};
use super::{Batched, Beta, Kl, Support, log_gamma_draws};
use crate::transform::lkj_cholesky_log_prob;
use elbo_core::Rng;
use elbo_tensor::{DType, Tensor};
use std::f64::consts::{LN_2, PI};

/// Wishart distributions of positive definite matrices, with degrees of freedom and scale $S = L L^\top$; the mean is $\nu S$.
///
/// # Shapes
/// Degrees of freedom `[batch...]`, above `D - 1`; factor `[batch..., D, D]`, lower triangular; a point is `[D, D]`.
#[derive(Debug, Clone)]
pub struct Wishart {
    dof: Tensor,
    chol: Tensor,
}

impl Wishart {
    /// From the degrees of freedom and the lower Cholesky factor of the scale, in one batch shape.
    pub fn new(dof: Tensor, chol: Tensor) -> Self {
        assert_eq!(dof.shape(), &chol.shape()[..chol.rank() - 2], "degrees of freedom and factors have one batch");
        Self { dof, chol }
    }

    fn dimension(&self) -> usize {
        self.chol.size(-1)
    }

    fn log_det_scale(&self) -> Tensor {
        self.chol.cholesky_log_det()
    }

    /// $\log \Gamma_D(\nu / 2)$.
    fn multigamma(&self) -> Tensor {
        let d = self.dimension();
        let terms: Tensor = (0..d).map(|i| ((&self.dof - i as f64) * 0.5).lgamma()).sum();
        terms + 0.25 * (d * (d - 1)) as f64 * PI.ln()
    }

    /// $\mathbb{E} \log|W|$, `[batch...]`.
    pub fn mean_log_det(&self) -> Tensor {
        let d = self.dimension();
        let terms: Tensor = (0..d).map(|i| ((&self.dof - i as f64) * 0.5).digamma()).sum();
        terms + self.log_det_scale() + d as f64 * LN_2
    }

    /// $\log Z$ of the density $|W|^{(\nu - D - 1)/2} e^{-\mathrm{tr}(S^{-1} W)/2} / Z$.
    fn log_normaliser(&self) -> Tensor {
        let d = self.dimension() as f64;
        &self.dof * 0.5 * (self.log_det_scale() + d * LN_2) + self.multigamma()
    }

    /// Draws of the lower Cholesky factor of `W`, by Bartlett's decomposition; `[lead..., batch..., D, D]`.
    pub fn chol_rsample(&self, lead: &[usize], rng: &mut Rng) -> Tensor {
        let d = self.dimension();
        let shapes: Vec<Tensor> = (0..d).map(|i| (&self.dof - i as f64) * 0.5).collect();
        // chi-squared of nu - i is twice a gamma variable.
        let log_diagonal = (log_gamma_draws(&Tensor::stack(&shapes, -1), lead, rng) + LN_2) * 0.5;
        let below = normals(&joined(&[lead, self.chol.shape()]), self.dtype(), rng).tril(-1);
        self.chol.matmul(&(below + log_diagonal.exp().diag()))
    }
}

/// Zero for matrices `[..., D, D]` with a Cholesky factor, minus infinity for others, NaN for those that hold one; `[...]`.
pub fn without_factor(x: &Tensor) -> Tensor {
    let (batch, d) = (&x.shape()[..x.rank() - 2], x.size(-1));
    let all = x.detach().reshape(&[x.len() / (d * d), d, d]);
    let one = |i: usize| match all.row(i).cholesky() {
        Ok(_) => 0.0,
        Err(_) if all.row(i).to_vec().iter().any(|v| v.is_nan()) => f64::NAN,
        Err(_) => f64::NEG_INFINITY,
    };
    Tensor::from_vec((0..all.size(0)).map(one).collect(), batch).cast(x.dtype())
}

impl Batched for Wishart {
    fn batch_shape(&self) -> Vec<usize> {
        self.dof.shape().to_vec()
    }
    fn event_shape(&self) -> Vec<usize> {
        vec![self.dimension(); 2]
    }
    fn dtype(&self) -> DType {
        self.chol.dtype()
    }
    /// With respect to the lower triangle; minus infinity where `x` is not positive definite.
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let d = self.dimension() as f64;
        let Ok(factor) = x.cholesky() else {
            // Seldom, so that only now each matrix is looked at by itself.
            let without = without_factor(x);
            let has_factor = without.eq_scalar(0.0);
            let unit = Tensor::eye(self.dimension(), x.dtype());
            let safe = has_factor.unsqueeze(-1).unsqueeze(-1).where_(x, &unit);
            return has_factor.where_(&self.log_prob(&safe), &without);
        };
        let trace = self.chol.solve_lower(&factor).square().sum_axes(&[-1, -2], false);
        factor.cholesky_log_det() * (&self.dof - (d + 1.0)) * 0.5 - trace * 0.5 - self.log_normaliser()
    }
    fn rsample(&self, lead: &[usize], rng: &mut Rng) -> Option<Tensor> {
        let factor = self.chol_rsample(lead, rng);
        Some(factor.matmul(&factor.t()))
    }
    fn entropy(&self) -> Option<Tensor> {
        let d = self.dimension() as f64;
        Some(self.log_normaliser() - (&self.dof - (d + 1.0)) * self.mean_log_det() * 0.5 + &self.dof * (0.5 * d))
    }
    fn mean(&self) -> Option<Tensor> {
        Some(self.chol.matmul(&self.chol.t()) * self.dof.unsqueeze(-1).unsqueeze(-1))
    }
    fn variance(&self) -> Option<Tensor> {
        let scale = self.chol.matmul(&self.chol.t());
        let diagonal = scale.diagonal();
        let outer = diagonal.unsqueeze(-1) * diagonal.unsqueeze(-2);
        Some((scale.square() + outer) * self.dof.unsqueeze(-1).unsqueeze(-1))
    }
    fn support(&self) -> Option<Support> {
        Some(Support::PositiveDefinite)
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(Self { dof: self.dof.detach(), chol: self.chol.detach() })
    }
}

impl Kl for Wishart {
    fn kl(&self, p: &Self) -> Tensor {
        let d = self.dimension() as f64;
        let trace = p.chol.solve_lower(&self.chol).square().sum_axes(&[-1, -2], false);
        (&self.dof - &p.dof) * self.mean_log_det() * 0.5 + &self.dof * (trace - d) * 0.5 + p.log_normaliser()
            - self.log_normaliser()
    }
}

/// LKJ distributions of Cholesky factors of correlation matrices, with concentration `eta`; one is uniform over correlation matrices.
///
/// # Shapes
/// Concentration `[]`; a point is `[D, D]`, lower triangular.
///
/// # Source
/// Lewandowski, Kurowicka and Joe (2009), by partial correlations.
#[derive(Debug, Clone)]
pub struct Lkj {
    dimension: usize,
    eta: f64,
    dtype: DType,
}

impl Lkj {
    /// Over `dimension` variables, with positive concentration.
    pub fn new(dimension: usize, eta: f64, dtype: DType) -> Self {
        assert!(dimension >= 1 && eta > 0.0, "LKJ over {dimension} variables with concentration {eta}");
        Self { dimension, eta, dtype }
    }
}

impl Batched for Lkj {
    fn batch_shape(&self) -> Vec<usize> {
        vec![]
    }
    fn event_shape(&self) -> Vec<usize> {
        vec![self.dimension; 2]
    }
    fn dtype(&self) -> DType {
        self.dtype
    }
    /// Minus infinity where the diagonal is not positive. The lengths of the rows are not looked at.
    fn log_prob(&self, x: &Tensor) -> Tensor {
        let is_outside = any_last(&x.diagonal().le_scalar(0.0));
        let safe = is_outside.unsqueeze(-1).unsqueeze(-1).where_(&Tensor::eye(self.dimension, x.dtype()), x);
        excluding(&is_outside, &lkj_cholesky_log_prob(&safe, self.eta))
    }
    fn sample(&self, lead: &[usize], rng: &mut Rng) -> Tensor {
        let d = self.dimension;
        // The partial correlation in column j (from zero) is 2 Beta(s, s) - 1 with s = eta + (D - 2 - j) / 2.
        let mut logits = vec![];
        for i in 1..d {
            for j in 0..i {
                let s = Tensor::full(&[], self.eta + 0.5 * (d - 2 - j) as f64, self.dtype);
                logits.push(Beta::new(s.clone(), s).logit_rsample(lead, rng) * 0.5);
            }
        }
        if logits.is_empty() {
            return Tensor::ones(&joined(&[lead, &[1, 1]]), self.dtype);
        }
        // 2 sigmoid(l) - 1 = tanh(l / 2): the bijection's free vector.
        let free = Tensor::stack(&logits, -1);
        crate::transform::Bijector::forward(&crate::transform::CorrelationCholesky::new(d), &free).0
    }
    fn support(&self) -> Option<Support> {
        Some(Support::CorrelationCholesky)
    }
    fn detached(&self) -> Box<dyn Batched> {
        Box::new(self.clone())
    }
}
