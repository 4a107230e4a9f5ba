//! Derivatives of posterior moments: from cotangents of `log Z`, means and covariances to sites and hyperparameters.

use crate::evidence::Evidence;
use crate::model::{Chain, ChainGradient};
use crate::pass::{Wants, run};
use crate::scalar::{Dual, Real};
use elbo_core::Result;
use elbo_core::recycle::Kept;

/// Cotangents of sites and chain.
#[derive(Debug, Clone, PartialEq)]
pub struct SiteGradient {
    /// By the sites' shifts, `[T, L]`.
    pub shift: Kept<f64>,
    /// By the sites' precisions, `[T, L, L]`, symmetric: the derivative along a symmetric change is its inner product with this.
    pub precision: Kept<f64>,
    /// By the chain's numbers; [`StateSpace::pull_back`](crate::StateSpace::pull_back) turns it into one by the kernels' parameters.
    pub chain: ChainGradient<f64>,
}

/// The gradient of a scalar function of the posterior that has these derivatives: `by_log_z`, `by_mean: [T, L]` and
/// `by_covariance: [T, L, L]`, symmetric. `mean: [T, L]` are the posterior's means, as [`run`] finds them on the same sites.
///
/// With `Ψ(j, J, θ) = log Z`, `m = ∂Ψ/∂j` and `V = -2 ∂Ψ/∂J - m m'`. So the gradient of `m̄ · m + <V̄, V>` is the derivative of `∇Ψ` along
/// `dj = m̄ - 2 V̄ m`, `dJ = -2 V̄`: the same two passes in dual numbers, linear in the number of steps.
///
/// # Errors
/// As [`run`].
pub fn pull_back(
    chain: &Chain<f64>,
    (shift, precision): (&[f64], &[f64]),
    mean: &[f64],
    by_log_z: f64,
    by_mean: &[f64],
    by_covariance: &[f64],
) -> Result<SiteGradient> {
    let l = chain.outputs;
    let steps = chain.len();
    assert_eq!(mean.len(), steps * l, "one mean for each output at each step");
    let dual = |values: &[f64]| {
        let mut out: Kept<Dual> = Kept::empty(values.len());
        out.extend(values.iter().map(|v| Dual::of(*v)));
        out
    };
    let (mut dual_shift, mut dual_precision) = (dual(shift), dual(precision));
    for k in 0..steps {
        for o in 0..l {
            let mut along = by_mean[k * l + o];
            for c in 0..l {
                let at = (k * l + o) * l + c;
                let bar = 0.5 * (by_covariance[at] + by_covariance[(k * l + c) * l + o]);
                along -= 2.0 * bar * mean[k * l + c];
                dual_precision[at].d = -2.0 * bar;
            }
            dual_shift[k * l + o].d = along;
        }
    }
    let evidence = Evidence::Sites { shift: &dual_shift, precision: &dual_precision };
    let dual = run(&chain.cast::<Dual>(), evidence, Wants::Gradient, None)?;
    let mut out = SiteGradient {
        shift: Kept::empty(steps * l),
        precision: Kept::new(steps * l * l),
        chain: ChainGradient { h: vec![], start: vec![], a: vec![], q: vec![] },
    };
    out.shift.extend(dual.mean.iter().map(|m| by_log_z * m.v + m.d));
    for k in 0..steps {
        for o in 0..l {
            for c in 0..l {
                let at = (k * l + o) * l + c;
                let second = dual.covariance[at] + dual.mean[k * l + o] * dual.mean[k * l + c];
                out.precision[at] = -0.5 * (by_log_z * second.v + second.d);
            }
        }
    }
    let gradient = dual.gradient.expect("it was asked for");
    let both = |values: &[Dual]| values.iter().map(|v| by_log_z * v.v + v.d).collect();
    out.chain = ChainGradient {
        h: both(&gradient.h),
        start: both(&gradient.start),
        a: both(&gradient.a),
        q: both(&gradient.q),
    };
    Ok(out)
}
