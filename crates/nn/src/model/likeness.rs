//! How far what a fitted model makes is from its training data.

use crate::fidelity::{FeatureKind, Fidelity};
use crate::vae::{CodeDensity, LikelihoodConfig, Vae};
use elbo_core::samples::Form;
use elbo_core::{Rng, Run};
use elbo_tensor::Tensor;

/// Draws `count` codes: from the density that was fitted to those of the training data, or from the prior. `[count, L]`.
pub(super) fn codes(vae: &Vae, density: Option<&CodeDensity>, count: usize, rng: &mut Rng) -> Tensor {
    match density {
        Some(density) => density.sample(count, rng),
        None => vae.sample_prior(count, rng),
    }
}

/// As many samples as there are data points `values: [N, D]`, in the model's unit, measured against them by features of a kind, from a class of each data
/// point where that needs them: pictures as the means of their codes' likelihood, rows as draws, as `sample` gives them.
///
/// `None` for levels of categories, which have no distances, for counts, whose spread grows with their mean without bound, and for data with missing numbers; and
/// with a warning where samples cannot be measured.
pub fn fidelity(
    (features, labels): (FeatureKind, Option<&[usize]>),
    vae: &Vae,
    density: Option<&CodeDensity>,
    values: &[f32],
    form: &Form,
    rng: &mut Rng,
    run: &mut Run,
) -> Option<Fidelity> {
    let is_counted = matches!(
        vae.config().likelihood,
        LikelihoodConfig::Categorical { .. }
            | LikelihoodConfig::Poisson
            | LikelihoodConfig::NegativeBinomial { .. }
            | LikelihoodConfig::ZeroInflatedNegativeBinomial { .. }
            | LikelihoodConfig::Multinomial
    );
    if is_counted || values.iter().any(|v| v.is_nan()) {
        return None;
    }
    let z = codes(vae, density, values.len() / form.size(), rng).cast(vae.dtype());
    let drawn = vae.generate(&z, form.picture().is_none(), rng).to_vec();
    let data: Vec<f64> = values.iter().map(|v| f64::from(*v)).collect();
    let found = features
        .fit(&data, &form.shape, labels, run)
        .and_then(|extractor| Fidelity::measure(extractor.as_ref(), &drawn, &data, form.size(), rng));
    match found {
        Ok(found) => Some(found),
        Err(error) => {
            run.warn(format!("the distance of samples from the data was not measured: {error}"));
            None
        }
    }
}
