//! Laplace's approximation of the posterior around trained weights.

use super::{Stack, Trace};
use elbo_core::{Error, Result, Rng};
use elbo_tensor::optim::golden_section;
use elbo_tensor::special::LOG_SQRT_TAU;
use elbo_tensor::{Parameters, Tensor, no_grad, vjp};
use std::f64::consts::PI;

/// Weights whose full matrix is decomposed at most.
const MOST_WEIGHTS: usize = 4000;

/// The distribution of targets given outputs, for numbers and classes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Likelihood {
    /// Numbers with noise of this variance.
    Gaussian {
        /// The variance.
        variance: f64,
    },
    /// Classes from logits.
    Categorical,
}

/// The form in which the curvature is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curvature {
    /// The whole matrix, up to 4000 weights.
    Full,
    /// Its diagonal.
    Diagonal,
    /// A Kronecker product for each layer, exact where a layer's inputs and the gradients of its sums are independent.
    Kronecker,
    /// The whole matrix of the last layer, the others held.
    LastLayer,
}

/// A part of the weights with the eigenvalues of its curvature.
enum Block {
    /// In the basis `q`, or along the weights themselves.
    Plain { q: Option<Tensor>, values: Tensor },
    /// Eigenvalues `b_j a_i` in the basis `qb ⊗ qa`.
    Product { qa: Tensor, qb: Tensor, values: Tensor },
}

/// N(θ*, (G + δI)^-1), where G is the generalised Gauss-Newton matrix at the trained weights θ* and δ the precision of a normal prior.
///
/// `G = Σ_n J_n' Λ_n J_n`, with the outputs' Jacobian J and the likelihood's curvature Λ: the Hessian, were the network linear in its
/// weights.
///
/// # Source
/// MacKay (1992); Ritter, Botev and Barber (2018) for the Kronecker form; Immer, Korzepa and Bauer (2021) for the linearised predictive.
pub struct Laplace<'a> {
    stack: &'a Stack,
    likelihood: Likelihood,
    /// Precision of the prior, δ.
    pub prior_precision: f64,
    log_likelihood: f64,
    kind: Curvature,
    first_layer: usize,
    blocks: Vec<Block>,
}

impl<'a> Laplace<'a> {
    /// The approximation around a stack that was trained with this prior precision. `x: [N, D]`; `y: [N, K]` of numbers or `[N]` of
    /// classes in `I64`.
    ///
    /// # Errors
    /// [`Error::Setting`] for a full matrix that is too large, with the forms that fit.
    pub fn new(
        stack: &'a Stack,
        x: &Tensor,
        y: &Tensor,
        likelihood: Likelihood,
        kind: Curvature,
        prior_precision: f64,
    ) -> Result<Self> {
        let shapes = stack.shapes();
        let first_layer = if kind == Curvature::LastLayer { shapes.len() - 1 } else { 0 };
        let weights: usize = shapes[first_layer..].iter().map(|s| s[0] * s[1]).sum();
        if matches!(kind, Curvature::Full | Curvature::LastLayer) && weights > MOST_WEIGHTS {
            return Err(Error::Setting {
                setting: "curvature".into(),
                found: format!("a matrix of {weights} weights, {:.1} GB", 8.0 * (weights * weights) as f64 / 1e9),
                expected: format!("at most {MOST_WEIGHTS} weights; the diagonal or Kronecker form fits").into(),
            });
        }
        let trace = stack.trace(x);
        let output = trace.output().detach();
        let log_likelihood = no_grad(|| match likelihood {
            Likelihood::Gaussian { variance } => {
                let count = y.len() as f64;
                (y - &output).square().sum().item() / (-2.0 * variance) - count * (LOG_SQRT_TAU + 0.5 * variance.ln())
            }
            Likelihood::Categorical => output.categorical_log_prob(y).sum().item(),
        });
        let slopes: Vec<Vec<Tensor>> =
            roots(likelihood, &output).iter().map(|r| pulled(&trace, r, first_layer)).collect();
        let inputs: Vec<Tensor> = trace.inputs[first_layer..].iter().map(Tensor::detach).collect();
        let blocks = no_grad(|| blocks(kind, &inputs, &slopes))?;
        Ok(Self { stack, likelihood, prior_precision, log_likelihood, kind, first_layer, blocks })
    }

    /// How many weights are uncertain.
    pub fn weights(&self) -> usize {
        self.stack.shapes()[self.first_layer..].iter().map(|s| s[0] * s[1]).sum()
    }

    /// The uncertain weights at their trained values.
    fn trained(&self) -> Vec<f64> {
        let flat = self.stack.pack();
        flat[flat.len() - self.weights()..].to_vec()
    }

    fn eigenvalues(&self) -> impl Iterator<Item = f64> + '_ {
        self.blocks.iter().flat_map(|block| match block {
            Block::Plain { values, .. } | Block::Product { values, .. } => values.to_vec(),
        })
    }

    /// The log evidence with this prior precision, log p(D), in nats, the weights held at their trained values.
    pub fn log_evidence(&self, prior_precision: f64) -> f64 {
        let squares: f64 = self.trained().iter().map(|w| w * w).sum();
        let determinant: f64 = self.eigenvalues().map(|v| (1.0 + v / prior_precision).ln()).sum();
        self.log_likelihood - 0.5 * (prior_precision * squares + determinant)
    }

    /// Moves the prior precision to where the evidence is largest, between e^-12 and e^12.
    pub fn maximise_evidence(&mut self) {
        let at = |log: f64| self.log_evidence(log.exp());
        let grid: Vec<f64> = (0..49).map(|i| -12.0 + 0.5 * f64::from(i)).collect();
        let best = grid.iter().copied().max_by(|a, b| at(*a).total_cmp(&at(*b))).expect("the grid is not empty");
        self.prior_precision = golden_section(best - 0.5, best + 0.5, 60, |log| -at(log)).exp();
    }

    /// Means `[N, K]` and covariances `[N, K, K]` of the outputs at `x: [N, D]`, the network linearised in its weights.
    pub fn outputs(&self, x: &Tensor) -> (Tensor, Tensor) {
        let trace = self.stack.trace(x);
        let output = trace.output().detach();
        let (rows, k) = (output.size(0), output.size(1));
        let units: Vec<Tensor> = (0..k).map(|j| Tensor::indices(&vec![j; rows]).one_hot(k, output.dtype())).collect();
        let slopes: Vec<Vec<Tensor>> = units.iter().map(|unit| pulled(&trace, unit, self.first_layer)).collect();
        let inputs: Vec<Tensor> = trace.inputs[self.first_layer..].iter().map(Tensor::detach).collect();
        let covariance = no_grad(|| {
            // For each block, what output j's gradient is in the eigenbasis, and the weight of each direction.
            let mut sum = Tensor::zeros(&[rows, k, k], output.dtype());
            match self.kind {
                Curvature::Kronecker => {
                    for (l, block) in self.blocks.iter().enumerate() {
                        let Block::Product { qa, qb, values } = block else { unreachable!("one product a layer") };
                        let spread = (values + self.prior_precision).recip();
                        let inside = inputs[l].matmul(qa).square().linear(&spread, None).unsqueeze(1);
                        let turned: Vec<Tensor> = slopes.iter().map(|s| s[l].matmul(qb)).collect();
                        let turned = Tensor::stack(&turned, 1);
                        sum = sum + (&turned * inside).matmul(&turned.t());
                    }
                }
                _ => {
                    let Block::Plain { q, values } = &self.blocks[0] else { unreachable!("one matrix or diagonal") };
                    let spread = (values + self.prior_precision).recip();
                    let turn = |s: &Vec<Tensor>| {
                        let flat = jacobian(s, &inputs);
                        q.as_ref().map_or(flat.clone(), |q| flat.matmul(q))
                    };
                    let turned = Tensor::stack(&slopes.iter().map(turn).collect::<Vec<_>>(), 1);
                    sum = sum + (&turned * spread).matmul(&turned.t());
                }
            }
            sum
        });
        (output, covariance)
    }

    /// Predictions at `x: [N, D]`: means and variances of numbers, noise included, `[N, K]` each; or class probabilities by the probit
    /// rule, `softmax(f / sqrt(1 + π v / 8))`, with the variances of the logits.
    pub fn predict(&self, x: &Tensor) -> (Tensor, Tensor) {
        let (mean, covariance) = self.outputs(x);
        let variance = covariance.diagonal().contiguous();
        match self.likelihood {
            Likelihood::Gaussian { variance: noise } => (mean, variance + noise),
            Likelihood::Categorical => {
                let shrunk = mean / (&variance * (PI / 8.0) + 1.0).sqrt();
                (shrunk.softmax(-1), variance)
            }
        }
    }

    /// One draw of all weights, in [`Parameters::pack`]'s order. Networks at drawn weights, without linearisation, predict far worse than
    /// [`Laplace::predict`] when the curvature is of Gauss-Newton form.
    pub fn sample(&self, rng: &mut Rng) -> Vec<f64> {
        let mut flat = self.stack.pack();
        let mut at = flat.len() - self.weights();
        for block in &self.blocks {
            let shift = no_grad(|| match block {
                Block::Plain { q, values } => {
                    let scaled = Tensor::from_vec(rng.normals(values.len()), values.shape())
                        / (values + self.prior_precision).sqrt();
                    q.as_ref().map_or(scaled.clone(), |q| q.matmul(&scaled))
                }
                Block::Product { qa, qb, values } => {
                    let scaled = Tensor::from_vec(rng.normals(values.len()), values.shape())
                        / (values + self.prior_precision).sqrt();
                    qb.matmul(&scaled).matmul(&qa.t())
                }
            });
            for value in shift.to_vec() {
                flat[at] += value;
                at += 1;
            }
        }
        flat
    }

    /// The curvature G of the uncertain weights written out, `[P, P]`.
    pub fn curvature(&self) -> Tensor {
        let mut matrices = vec![];
        for block in &self.blocks {
            matrices.push(match block {
                Block::Plain { q: None, values } => values.diag(),
                Block::Plain { q: Some(q), values } => (q * values).matmul(&q.t()),
                Block::Product { qa, qb, values } => {
                    let (o, i) = (qb.size(0), qa.size(0));
                    // Column (j, i) of the basis is qb_j ⊗ qa_i.
                    let basis = (qb.reshape(&[o, 1, o, 1]) * qa.reshape(&[1, i, 1, i])).reshape(&[o * i, o * i]);
                    (&basis * values.reshape(&[o * i])).matmul(&basis.t())
                }
            });
        }
        let total: usize = matrices.iter().map(|m| m.size(0)).sum();
        let mut at = 0;
        let rows = matrices.into_iter().map(|m| {
            let n = m.size(0);
            at += n;
            m.pad_axis(1, at - n, total - at)
        });
        Tensor::cat(&rows.collect::<Vec<_>>(), 0)
    }
}

/// Right sides R e_k with `R R' = Λ` for every row, one tensor `[N, K]` for each k.
fn roots(likelihood: Likelihood, output: &Tensor) -> Vec<Tensor> {
    let (rows, k) = (output.size(0), output.size(1));
    let unit = |j: usize| Tensor::indices(&vec![j; rows]).one_hot(k, output.dtype());
    match likelihood {
        Likelihood::Gaussian { variance } => (0..k).map(|j| unit(j) * (1.0 / variance.sqrt())).collect(),
        Likelihood::Categorical => {
            // diag(p) - p p' = R R' with R = diag(√p) - p √p'.
            let p = output.softmax(-1);
            (0..k).map(|j| (unit(j) - &p) * p.narrow(1, j, 1).sqrt()).collect()
        }
    }
}

/// Gradients of `<cotangent, output>` in each layer's sums, from a layer on, `[N, O]` each.
fn pulled(trace: &Trace, cotangent: &Tensor, first: usize) -> Vec<Tensor> {
    let sums: Vec<&Tensor> = trace.sums[first..].iter().collect();
    vjp(trace.output(), &sums, cotangent, false)
}

/// Gradients in all weights, `[N, P]`: of each layer, slope ⊗ input.
fn jacobian(slopes: &[Tensor], inputs: &[Tensor]) -> Tensor {
    let parts = slopes.iter().zip(inputs).map(|(g, a)| {
        let rows = a.size(0);
        (g.unsqueeze(2) * a.unsqueeze(1)).reshape(&[rows, g.size(1) * a.size(1)])
    });
    Tensor::cat(&parts.collect::<Vec<_>>(), 1)
}

fn blocks(kind: Curvature, inputs: &[Tensor], slopes: &[Vec<Tensor>]) -> Result<Vec<Block>> {
    // Rounding may leave an eigenvalue of a semi-definite matrix a digit below zero.
    let eigen = |matrix: Tensor| -> Result<(Tensor, Tensor)> {
        let (values, vectors) = matrix.eigh()?;
        Ok((values.relu(), vectors))
    };
    match kind {
        Curvature::Full | Curvature::LastLayer => {
            let products = slopes.iter().map(|s| {
                let j = jacobian(s, inputs);
                j.t().matmul(&j)
            });
            let (values, q) = eigen(products.reduce(|a, b| a + b).expect("there is an output"))?;
            Ok(vec![Block::Plain { q: Some(q), values }])
        }
        Curvature::Diagonal => {
            let parts = (0..inputs.len()).map(|l| {
                let squares = slopes.iter().map(|s| s[l].square().t().matmul(&inputs[l].square()));
                squares.reduce(|a, b| a + b).expect("there is an output").flatten()
            });
            Ok(vec![Block::Plain { q: None, values: Tensor::cat(&parts.collect::<Vec<_>>(), 0) }])
        }
        Curvature::Kronecker => (0..inputs.len())
            .map(|l| {
                let a = &inputs[l];
                let products = slopes.iter().map(|s| s[l].t().matmul(&s[l]));
                let (db, qb) = eigen(products.reduce(|a, b| a + b).expect("there is an output"))?;
                let (da, qa) = eigen(a.t().matmul(a) * (1.0 / a.size(0) as f64))?;
                Ok(Block::Product { qa, qb, values: db.outer(&da) })
            })
            .collect(),
    }
}
