//! Exact Gaussian process: negative log marginal likelihood and its gradient by every hyperparameter.

use super::{Outcome, START, array, measure};
use crate::error::Result;
use elbo::gp::exact::{ExactGp, NOISE_FLOOR};
use elbo::gp::kernel::{Profile, Stationary};
use elbo::gp::mean::Zero;
use elbo::tensor::{Parameters, Tensor};
use std::path::Path;

/// RBF with a lengthscale for each input and zero mean, at the start that all engines share.
pub(super) fn exact(x: Tensor, y: Tensor, lengthscale: f64) -> ExactGp {
    let kernel = Stationary::new(Profile::Rbf, &vec![lengthscale; x.shape()[1]]).with_variance(START.0);
    ExactGp::new(Box::new(kernel), Box::new(Zero), START.2, x, y)
}

pub(super) fn time(folder: &Path, rows: usize, seconds: f64) -> Result<Outcome> {
    let gp = exact(array(folder, &format!("gp_{rows}_x"))?, array(folder, &format!("gp_{rows}_y"))?, START.1);
    let call = || -> Result<(f64, Vec<f64>)> {
        let loss = -gp.log_marginal()?;
        Ok((loss.item(), gp.gradient(&loss)))
    };
    let timing = measure(seconds, 5, || call().map(drop))?;
    let (value, gradient) = call()?;
    Ok(Outcome { timing, value, evaluations: None, gradient: by_logarithms(&gp, &gradient) })
}

/// The gradient by (log variance, log lengthscales, log noise), the order of the peers.
fn by_logarithms(gp: &ExactGp, gradient: &[f64]) -> Vec<f64> {
    let mut parts = [vec![], vec![], vec![]];
    let mut rest = gradient;
    gp.visit(&mut |name, parameter| {
        let (head, tail) = rest.split_at(if parameter.is_frozen() { 0 } else { parameter.len() });
        rest = tail;
        let place = ["variance", "lengthscale", "noise"].iter().position(|part| name.ends_with(part));
        parts[place.expect("an RBF kernel, zero mean and noise have no other parameters")].extend(head);
    });
    // The noise is free above its floor: d/d log(noise) = d/d log(noise - floor) · noise / (noise - floor).
    parts[2].iter_mut().for_each(|slope| *slope *= gp.noise() / (gp.noise() - NOISE_FLOOR));
    parts.concat()
}
