//! Sampling along the singular vectors of a linear operator.

use super::Problem;
use super::sampling::Guided;
use crate::denoiser::estimate;
use crate::operator::Operator;
use elbo_core::{Error, Result, Rng};
use elbo_linalg::{MatRef, syevd};
use elbo_tensor::Tensor;

/// Most numbers of a picture: a square matrix of them is factored.
const MOST_DIMS: usize = 2048;
/// Singular values below this share of the largest measure nothing.
const NEGLIGIBLE: f64 = 1e-6;

/// A measurement in the basis of its operator's right singular vectors.
pub(super) struct Spectrum {
    /// `[D, D]`, one a column.
    vectors: Tensor,
    /// The clean point's part along each vector as it was measured, and its standard deviation; nothing where nothing was.
    measured: Vec<Option<(f64, f64)>>,
}

/// The spectra of measurements with noise of this standard deviation; equal operators are factored once.
pub(super) fn spectra(problems: &[Problem<'_>], noise: f64) -> Result<Vec<Spectrum>> {
    let mut made: Vec<Spectrum> = vec![];
    let mut factored: Option<(&dyn Operator, Tensor, Vec<f64>)> = None;
    for problem in problems {
        let operator = problem.operator;
        let is_known = factored.as_ref().is_some_and(|(known, ..)| std::ptr::addr_eq(*known, operator));
        if !is_known {
            let (vectors, squares) = factor(operator)?;
            factored = Some((operator, vectors, squares));
        }
        let (_, vectors, squares) = factored.as_ref().expect("it was made above");
        let d = operator.input();
        // Vᵀ Hᵀ y = S² (the point's part), and its noise has the standard deviation s · noise.
        let pulled = Tensor::from_vec(operator.adjoint(&problem.y), &[1, d]).matmul(vectors).to_vec();
        let largest = squares.iter().copied().fold(0.0, f64::max);
        let part = |(pulled, square): (&f64, &f64)| {
            (*square > NEGLIGIBLE * NEGLIGIBLE * largest).then(|| (pulled / square, noise / square.sqrt()))
        };
        made.push(Spectrum { vectors: vectors.clone(), measured: pulled.iter().zip(squares).map(part).collect() });
    }
    Ok(made)
}

/// Right singular vectors `[D, D]` as columns, and squares of the singular values.
fn factor(operator: &dyn Operator) -> Result<(Tensor, Vec<f64>)> {
    let d = operator.input();
    if d > MOST_DIMS {
        return Err(Error::Setting {
            setting: "method".into(),
            found: format!("ddrm for pictures of {d} numbers"),
            expected: format!("pictures of at most {MOST_DIMS} numbers, or pi_gdm").into(),
        });
    }
    let mut gram = vec![0.0; d * d];
    for i in 0..d {
        let mut unit = vec![0.0; d];
        unit[i] = 1.0;
        gram[i * d..(i + 1) * d].copy_from_slice(&operator.adjoint(&operator.apply(&unit)));
    }
    let eigen = syevd(MatRef::row_major(&gram, d, d))?;
    Ok((Tensor::from_vec(eigen.vectors, &[d, d]), eigen.values))
}

impl Guided<'_> {
    /// One level down in each singular direction: along the flow where nothing was measured, towards the measurement where the noise of
    /// this level is below the measurement's, and the measurement with the noise that is still missing above.
    ///
    /// # Source
    /// Kawar, Elad, Ermon and Song (2022) with η_b = 1. Deviation: it starts from noise without the measurement in it.
    pub(super) fn ddrm(&self, spectra: &[Spectrum], x: &Tensor, (sigma, next): (f64, f64), rng: &mut Rng) -> Tensor {
        let (clean, d, eta) = (estimate(self.denoiser, x, sigma), x.size(1), self.config.eta);
        let kept = next * (1.0 - eta * eta).sqrt();
        let mut rows = vec![];
        for (i, spectrum) in spectra.iter().enumerate() {
            let turned = |x: &Tensor| x.narrow(0, i, 1).matmul(&spectrum.vectors).to_vec();
            let (x, clean, fresh) = (turned(x), turned(&clean), rng.normals(d));
            let part = |k: usize| {
                let drawn = clean[k] + eta * next * fresh[k];
                match spectrum.measured[k] {
                    None => drawn + kept * (x[k] - clean[k]) / sigma,
                    Some((y, sd)) if next < sd => drawn + kept * (y - clean[k]) / sd,
                    Some((y, sd)) => y + (next * next - sd * sd).sqrt() * fresh[k],
                }
            };
            rows.push(Tensor::from_vec((0..d).map(part).collect(), &[1, d]).matmul(&spectrum.vectors.t()));
        }
        Tensor::cat(&rows, 0)
    }
}
