//! Likeness of count vectors.

use elbo_core::{Error, Result};
use elbo_tensor::{DType, Parameter, Tensor};

use super::Kernel;
use super::pairwise::{self, Pairwise, Pull};
use super::parameter::{positive, show};
use super::radial::differences;

/// `k(x, x') = v Σ_d min(x_d, x'_d) / Σ_d max(x_d, x'_d)`, and `v` when both are zero, for non-negative counts such as molecular
/// fingerprints. Its inputs must not be standardised.
///
/// Parameters: `variance` `[]`.
///
/// # Source
/// Ralaivola, Swamidass, Saigo and Baldi (2005).
#[derive(Debug, Clone)]
pub struct Tanimoto {
    /// `v`, positive.
    pub variance: Parameter,
}
elbo_tensor::parameters!(Tanimoto { variance });

impl Tanimoto {
    /// A kernel with this variance.
    pub fn new(variance: f64) -> Self {
        Self { variance: positive(&[variance], &[]) }
    }
}

/// `Σ_d |x_nd - z_md|`, `[N, M]`.
fn city_block(x: &Tensor, z: &Tensor) -> Tensor {
    pairwise::gram("city_block", CityBlock, x, z, &[], |inputs| {
        let (x, z) = (&inputs[0], &inputs[1]);
        let mut sum = Tensor::zeros(&[x.size(0), z.size(0)], DType::F64);
        for d in 0..x.size(1) {
            sum = sum + differences(x, z, d).abs();
        }
        sum
    })
}

/// The distance of two rows; where coordinates are equal, its derivative by them counts as zero.
struct CityBlock;

impl Pairwise for CityBlock {
    fn value(&self, a: &[f64], b: &[f64]) -> f64 {
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum()
    }

    fn pull(&self, a: &[f64], b: &[f64], weight: f64, to: &mut Pull) {
        for (out, (a, b)) in to.by_difference.iter_mut().zip(a.iter().zip(b)) {
            if a != b {
                *out += weight * (a - b).signum();
            }
        }
    }
}

impl Kernel for Tanimoto {
    fn gram(&self, x: &Tensor, z: &Tensor) -> Tensor {
        // min + max is the sum, max - min the difference.
        let totals = x.sum_axis(1, true) + z.sum_axis(1, true).t();
        let distance = city_block(x, z);
        let (low, high) = (&totals - &distance, totals + distance);
        let both_zero = high.detach().le_scalar(0.0);
        let ratio = low.masked_fill(&both_zero, 1.0) / high.masked_fill(&both_zero, 1.0);
        ratio * self.variance.get()
    }

    fn diag(&self, x: &Tensor) -> Tensor {
        self.variance.get().broadcast_to(&[x.size(0)])
    }

    fn summary(&self) -> String {
        format!("Tanimoto (variance {})", show(&self.variance))
    }

    fn clone_box(&self) -> Box<dyn Kernel> {
        Box::new(self.clone())
    }

    fn check_inputs(&self, x: &Tensor) -> Result<()> {
        let dims = x.size(1);
        match x.to_vec().iter().position(|v| *v < 0.0) {
            None => Ok(()),
            Some(at) => Err(Error::data(
                format!(
                    "column {} is negative in row {}; the Tanimoto kernel compares counts",
                    at % dims,
                    at / dims + 1
                ),
                "give counts that are not standardised, or choose another kernel such as matern52",
            )),
        }
    }
}
