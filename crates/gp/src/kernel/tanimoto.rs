//! Likeness of count vectors.

use elbo_core::{Error, Result};
use elbo_tensor::{Parameter, Tensor};
use rayon::prelude::*;

use super::Kernel;
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

/// `Σ_d |x_nd - z_md|`, `[N, M]`, without a temporary for each dimension.
fn city_block(x: &Tensor, z: &Tensor) -> Tensor {
    let (n, m, dims) = (x.size(0), z.size(0), x.size(1));
    let (xs, zs) = (x.to_vec(), z.to_vec());
    let mut value = vec![0.0; n * m];
    if m > 0 && dims > 0 {
        value.par_chunks_mut(m).zip(xs.par_chunks(dims)).for_each(|(row, a)| {
            for (out, b) in row.iter_mut().zip(zs.chunks(dims)) {
                *out = a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum();
            }
        });
    }
    let backward = move |g: &Tensor, wanted: &[bool]| {
        let g = g.to_vec();
        // Row by row of one side, summing over the other in order.
        let side = |a: &[f64], b: &[f64], at: &(dyn Fn(usize, usize) -> f64 + Sync), rows: usize| {
            let mut out = vec![0.0; rows * dims];
            out.par_chunks_mut(dims.max(1)).enumerate().for_each(|(i, out)| {
                let own = &a[i * dims..(i + 1) * dims];
                for (j, other) in b.chunks(dims).enumerate() {
                    let weight = at(i, j);
                    for d in 0..dims {
                        let difference = own[d] - other[d];
                        out[d] += if difference == 0.0 { 0.0 } else { weight * difference.signum() };
                    }
                }
            });
            Tensor::from_vec(out, &[rows, dims])
        };
        let dx = wanted[0].then(|| side(&xs, &zs, &|i, j| g[i * m + j], n));
        let dz = wanted[1].then(|| side(&zs, &xs, &|j, i| g[i * m + j], m));
        vec![dx, dz]
    };
    Tensor::custom("city_block", vec![x.clone(), z.clone()], Tensor::from_vec(value, &[n, m]), backward).with_twin(
        move |inputs| {
            let mut sum = Tensor::zeros(&[n, m], elbo_tensor::DType::F64);
            for d in 0..dims {
                sum = sum + differences(&inputs[0], &inputs[1], d).abs();
            }
            sum
        },
    )
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
