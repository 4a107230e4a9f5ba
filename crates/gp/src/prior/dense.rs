//! The full Gaussian process.

use super::{LatentPosterior, LatentPrior, SitePosterior};
use crate::kernel::Kernel;
use crate::site::Sites;
use elbo_core::Result;
use elbo_tensor::{Parameter, Parameters, Tensor, no_grad};

/// `f ~ GP(0, k)` observed through sites at all of its inputs.
///
/// With `W = diag(precision)` and `B = I + W^½ K W^½`: `S = K - K W^½ B⁻¹ W^½ K`, `m = S shift`,
/// `log_z = -½ log|B| + ½ shiftᵀ S shift`. All goes through `B`, whose eigenvalues are at least one, so no jitter is needed.
pub struct DensePrior {
    kernel: Box<dyn Kernel>,
    x: Tensor,
}

impl DensePrior {
    /// The prior of this kernel at the data `x: [N, D]`.
    pub fn new(kernel: Box<dyn Kernel>, x: Tensor) -> Self {
        Self { kernel, x }
    }
}

impl Parameters for DensePrior {
    fn visit(&self, visit: &mut dyn FnMut(&str, &Parameter)) {
        self.kernel.visit(visit);
    }

    fn visit_mut(&mut self, visit: &mut dyn FnMut(&str, &mut Parameter)) {
        self.kernel.visit_mut(visit);
    }
}

impl LatentPrior for DensePrior {
    fn rows(&self) -> usize {
        self.x.shape()[0]
    }

    fn posterior(&self, shift: &Tensor, precision: &Tensor) -> Result<SitePosterior> {
        site_posterior(&self.kernel.gram_symmetric(&self.x), shift, precision)
    }

    fn condition(&self, sites: &Sites) -> Result<Box<dyn LatentPosterior>> {
        no_grad(|| {
            let (shift, precision) = sites.tensors();
            let root = precision.sqrt();
            let gram = self.kernel.gram_symmetric(&self.x);
            let b_chol = whitened(&gram, &root)?;
            let weights = &shift - &root * b_chol.cholesky_solve(&(&root * gram.matmul(&shift)));
            let (kernel, x) = (self.kernel.clone_box(), self.x.clone());
            Ok(Box::new(DensePosterior { kernel, x, root, b_chol, weights }) as Box<dyn LatentPosterior>)
        })
    }

    fn inputs(&self) -> &Tensor {
        &self.x
    }

    fn kernel(&self) -> &dyn Kernel {
        self.kernel.as_ref()
    }
}

/// The Cholesky factor of `B = I + W^½ K W^½`; `root` is the diagonal of `W^½`.
fn whitened(gram: &Tensor, root: &Tensor) -> Result<Tensor> {
    let n = root.len();
    let b = root.unsqueeze(1) * gram * root.unsqueeze(0) + Tensor::eye(n, gram.dtype());
    Ok(b.cholesky()?)
}

/// Posterior of `f ~ N(0, gram)` under Gaussian sites, as one operation with a first derivative in closed form.
///
/// # Shapes
/// `gram: [N, N]`, `shift: [N]`, `precision: [N]`.
///
/// # Errors
/// When `gram` is not finite.
pub fn site_posterior(gram: &Tensor, shift: &Tensor, precision: &Tensor) -> Result<SitePosterior> {
    let n = shift.len();
    let saved = no_grad(|| -> Result<_> {
        let (k, l1, l2) = (gram.detach(), shift.detach(), precision.detach());
        let root = l2.sqrt();
        let b_chol = whitened(&k, &root)?;
        // C = W^½ B⁻¹ W^½, S = K - K C K, m = S shift = K (shift - C K shift).
        let half = b_chol.solve_lower(&(root.unsqueeze(1) * &k));
        let s = &k - half.t().matmul(&half);
        let (m, v) = (s.matmul(&l1), s.diagonal());
        let log_z = b_chol.diagonal().log().sum() * -1.0 + (&l1 * &m).sum() * 0.5;
        Ok((k, l1, l2, root, b_chol, s, m, v, log_z))
    })?;
    let (k, l1, _l2, root, b_chol, s, m, v, log_z) = saved;
    let packed = Tensor::cat(&[m.clone(), v.clone(), log_z.reshape(&[1])], 0);
    let packed = Tensor::custom(
        "site-posterior",
        vec![gram.clone(), shift.clone(), precision.clone()],
        packed,
        move |g, wanted| {
            let (gm, gv, gz) = (g.narrow(0, 0, n), g.narrow(0, n, n), g.narrow(0, 2 * n, 1));
            let dgram = wanted[0].then(|| {
                let c = root.unsqueeze(1) * b_chol.cholesky_inverse() * root.unsqueeze(0);
                // P = (I + K W)⁻¹ = I - K C;  dS = P dK Pᵀ,  dm = P dK a with a = Pᵀ shift.
                let p = Tensor::eye(n, k.dtype()) - k.matmul(&c);
                let a = p.t().matmul(&l1);
                let u = p.t().matmul(&gm) + &gz * 0.5 * &a;
                let rank_one = u.unsqueeze(1) * a.unsqueeze(0);
                let spread = p.t().matmul(&(gv.unsqueeze(1) * &p));
                (&rank_one + rank_one.t()) * 0.5 + spread - &gz * 0.5 * c
            });
            let pulled = s.matmul(&gm);
            let dshift = wanted[1].then(|| &pulled + &gz * &m);
            let dprecision =
                wanted[2].then(|| -(&pulled * &m) - s.square().matmul(&gv) - &gz * 0.5 * (&v + m.square()));
            vec![dgram, dshift, dprecision]
        },
    )
    .with_twin(|inputs| composed(&inputs[0], &inputs[1], &inputs[2]));
    let (mean, variance) = (packed.narrow(0, 0, n), packed.narrow(0, n, n));
    Ok(SitePosterior {
        mean,
        site_variance: variance.clone(),
        variance,
        log_z: packed.narrow(0, 2 * n, 1).reshape(&[]),
    })
}

/// The composed twin of [`site_posterior`], packed as mean, variance and log normaliser.
fn composed(gram: &Tensor, shift: &Tensor, precision: &Tensor) -> Tensor {
    let root = precision.sqrt();
    let b_chol = whitened(gram, &root).expect("the fused operation has factorised the same matrix");
    let half = b_chol.solve_lower(&(root.unsqueeze(1) * gram));
    let s = gram - half.t().matmul(&half);
    let m = s.matmul(shift);
    let log_z = (shift * &m).sum() * 0.5 - b_chol.diagonal().log().sum();
    Tensor::cat(&[m, s.diagonal(), log_z.reshape(&[1])], 0)
}

struct DensePosterior {
    kernel: Box<dyn Kernel>,
    x: Tensor,
    root: Tensor,
    b_chol: Tensor,
    weights: Tensor,
}

impl DensePosterior {
    /// Mean `[N*]` at `x: [N*, D]`, and `H: [N, N*]` with which the prior's covariance falls by `Hᵀ H`.
    fn projections(&self, x: &Tensor) -> (Tensor, Tensor) {
        let cross = self.kernel.gram(&self.x, x);
        let half = self.b_chol.solve_lower(&(self.root.unsqueeze(1) * &cross));
        (cross.t().matmul(&self.weights), half)
    }
}

impl LatentPosterior for DensePosterior {
    fn marginals(&self, x: &Tensor) -> (Tensor, Tensor) {
        no_grad(|| {
            let (mean, half) = self.projections(x);
            (mean, self.kernel.diag(x) - half.square().sum_axis(0, false))
        })
    }

    fn joint(&self, x: &Tensor) -> (Tensor, Tensor) {
        no_grad(|| {
            let (mean, half) = self.projections(x);
            (mean, self.kernel.gram_symmetric(x) - half.t().matmul(&half))
        })
    }
}
