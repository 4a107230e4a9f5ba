//! The curvature in parts, each with its eigenvalues.

use super::{Curvature, LaplaceConfig};
use crate::bayes::kfac::factors;
use crate::bayes::stack::{layer_jacobian, squared_gradients};
use crate::init::normal;
use elbo_core::{Result, Rng};
use elbo_tensor::Tensor;
use std::ops::Range;

/// The directions that belong to the eigenvalues.
enum Basis {
    /// The weights themselves.
    Weights,
    /// The columns of a matrix, `[P, P]`.
    Matrix(Tensor),
    /// Outer products of the columns of `output: [O, O]` and `input: [I, I]`.
    Product { input: Tensor, output: Tensor },
}

/// A part of the weights with the eigenvalues of its curvature.
pub(super) struct Block {
    /// The layers it is of, counted from the first that is uncertain.
    pub layers: Range<usize>,
    basis: Basis,
    /// `[P]`, or `[O, I]` of a product.
    pub values: Tensor,
}

impl Block {
    /// A draw of the weights around their trained values.
    pub fn draw(&self, precision: f64, rng: &mut Rng) -> Vec<f64> {
        let values = &self.values;
        let noise = normal(values.shape(), 1.0, rng, values.dtype());
        let scaled = noise / (values + precision).sqrt();
        let drawn = match &self.basis {
            Basis::Weights => scaled,
            Basis::Matrix(q) => q.matmul(&scaled),
            Basis::Product { input, output } => output.matmul(&scaled).matmul(&input.t()),
        };
        drawn.to_vec()
    }

    /// The curvature written out, `[P, P]`.
    pub fn matrix(&self) -> Tensor {
        let values = &self.values;
        match &self.basis {
            Basis::Weights => values.diag(),
            Basis::Matrix(q) => (q * values).matmul(&q.t()),
            Basis::Product { input, output } => {
                let (o, i) = (output.size(0), input.size(0));
                // Column (j, i) of the basis is output_j ⊗ input_i.
                let basis = (output.reshape(&[o, 1, o, 1]) * input.reshape(&[1, i, 1, i])).reshape(&[o * i, o * i]);
                (&basis * values.reshape(&[o * i])).matmul(&basis.t())
            }
        }
    }

    /// What the block gives to the covariances of the outputs, `[N, K, K]`, from the gradients of each output in each layer's sums and
    /// the layers' inputs.
    pub fn covariance(&self, slopes: &[Vec<Tensor>], inputs: &[Tensor], precision: f64) -> Tensor {
        let spread = (&self.values + precision).recip();
        let layers = self.layers.clone();
        let Basis::Product { input, output } = &self.basis else {
            let turned = slopes.iter().map(|s| {
                let flat = jacobian(&s[layers.clone()], &inputs[layers.clone()]);
                if let Basis::Matrix(q) = &self.basis { flat.matmul(q) } else { flat }
            });
            let turned = Tensor::stack(&turned.collect::<Vec<_>>(), 1);
            return (&turned * spread).matmul(&turned.t());
        };
        let a = inputs[layers.start].matmul(input);
        let turned = slopes.iter().map(|s| s[layers.start].matmul(output));
        if a.rank() == 2 {
            // The inputs' part is a number for each row and direction, since a gradient is one outer product.
            let inside = a.square().linear(&spread, None).unsqueeze(1);
            let turned = Tensor::stack(&turned.collect::<Vec<_>>(), 1);
            return (&turned * inside).matmul(&turned.t());
        }
        let (rows, size) = (a.size(0), spread.len());
        let flat = turned.map(|g| layer_jacobian(&g, &a).reshape(&[rows, size]));
        let turned = Tensor::stack(&flat.collect::<Vec<_>>(), 1);
        (&turned * spread.flatten()).matmul(&turned.t())
    }
}

/// Gradients in the weights of several layers, `[N, P]`.
fn jacobian(slopes: &[Tensor], inputs: &[Tensor]) -> Tensor {
    let parts = slopes.iter().zip(inputs).map(|(g, a)| {
        let each = layer_jacobian(g, a);
        each.reshape(&[each.size(0), each.size(1) * each.size(2)])
    });
    Tensor::cat(&parts.collect::<Vec<_>>(), 1)
}

/// Sum of tensors of one shape, of which there is one for each output.
fn total(parts: impl Iterator<Item = Tensor>) -> Tensor {
    parts.reduce(|a, b| a + b).expect("there is an output")
}

/// The curvature from the gradients of `<R e_k, output>` in each layer's sums, for each k, and the layers' inputs.
pub(super) fn blocks(config: &LaplaceConfig, inputs: &[Tensor], slopes: &[Vec<Tensor>]) -> Result<Vec<Block>> {
    let layers = inputs.len();
    match config.curvature {
        Curvature::Full => {
            let products = slopes.iter().map(|s| {
                let j = jacobian(s, inputs);
                j.t().matmul(&j)
            });
            let (values, q) = eigen(&total(products))?;
            Ok(vec![Block { layers: 0..layers, basis: Basis::Matrix(q), values }])
        }
        Curvature::Diagonal => Ok((0..layers).map(|l| diagonal(l, &inputs[l], slopes)).collect()),
        Curvature::Kronecker => (0..layers)
            .map(|l| {
                let of_layer: Vec<Tensor> = slopes.iter().map(|s| s[l].clone()).collect();
                let (a, b) = factors(&inputs[l], &of_layer, config.sharing);
                let ((da, input), (db, output)) = (eigen(&a)?, eigen(&b)?);
                Ok(Block { layers: l..l + 1, basis: Basis::Product { input, output }, values: db.outer(&da) })
            })
            .collect(),
    }
}

fn diagonal(l: usize, input: &Tensor, slopes: &[Vec<Tensor>]) -> Block {
    let squares = slopes.iter().map(|s| squared_gradients(&s[l], input));
    Block { layers: l..l + 1, basis: Basis::Weights, values: total(squares).flatten() }
}

/// Eigenvalues and eigenvectors; rounding may leave an eigenvalue of a semi-definite matrix a digit below zero.
fn eigen(matrix: &Tensor) -> Result<(Tensor, Tensor)> {
    let (values, vectors) = matrix.eigh()?;
    Ok((values.relu(), vectors))
}
