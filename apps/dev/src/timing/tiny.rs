//! Overhead per operation: rounds of `x <- tanh(x w + b)` on 16x16 matrices in f32, forward and backward.

use super::{Outcome, array, measure};
use crate::error::Result;
use elbo::tensor::{DType, Tensor, grad};
use std::path::Path;

pub(super) fn time(folder: &Path, rounds: usize, seconds: f64) -> Result<Outcome> {
    let (w, b) = (array(folder, "tiny_w")?.variable(), array(folder, "tiny_b")?.variable());
    let call = || {
        let mut x = Tensor::ones(&[16, 16], DType::F32);
        for _ in 0..rounds {
            x = (x.matmul(&w) + &b).tanh();
        }
        let total = x.sum();
        let gradients = grad(&total, &[&w, &b]);
        (total, gradients)
    };
    let timing = measure(seconds, 5, || {
        call();
        Ok(())
    })?;
    let (total, gradients) = call();
    let gradient = gradients.iter().map(|gradient| gradient.sum().item()).collect();
    Ok(Outcome { timing, value: total.item(), evaluations: None, gradient })
}
