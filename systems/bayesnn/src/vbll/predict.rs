//! What the network says of new rows, over draws of the weights before its last layer where these have distributions.

use super::VbllModel;
use elbo_core::{Array, Data, Encode, Error, Predict, Prediction, Result, Rng, Run};
use elbo_dist::GaussianMixtures;
use elbo_nn::bayes::head::RegressionHead;
use elbo_nn::bayes::{AnyHead, LastLayer};
use elbo_nn::layer::Pass;
use elbo_nn::table;
use elbo_tensor::{Tensor, no_grad};

/// Seeds of the draws of logits and of weights in predictions: part of the model, not of a run.
const DRAWS_SEED: u64 = 1;
const WEIGHTS_SEED: u64 = 2;
/// Draws of the weights before the last layer.
const WEIGHTS: usize = 20;

/// Class probabilities `[B, K]`, and how unusual the rows are, `[B]`: less the log density of the features, or less the log of the largest
/// probability where there is no density.
pub(super) fn classify(
    network: &LastLayer,
    features: &Tensor,
    draws: impl FnOnce() -> Tensor,
) -> Result<(Tensor, Tensor)> {
    match &network.head {
        AnyHead::Generative(head) => {
            let (probabilities, density) = head.probabilities(features)?;
            Ok((probabilities, -density))
        }
        AnyHead::Discriminative(head) => {
            let probabilities = head.probabilities(features, &draws());
            let novelty = -probabilities.max_axis(-1, false).log();
            Ok((probabilities, novelty))
        }
        AnyHead::Regression(_) => unreachable!("a target of classes has a head of classes"),
    }
}

/// Features `[B, H]` of each draw of the weights before the last layer; of one where they are numbers. A draw is one function of the rows.
fn drawn(network: &LastLayer, x: &Tensor) -> Vec<Tensor> {
    if !network.is_mean_field() {
        return vec![network.encode(x)];
    }
    let base = Rng::new(WEIGHTS_SEED);
    let one = |s: usize| no_grad(|| network.features_in(x, &mut Pass::drawing_function(&mut base.split(s as u64))));
    (0..WEIGHTS).map(one).collect()
}

/// Moments of the first output of a head of numbers for each draw of the features, `[B, S]` each: means and variances from the last layer's weights.
fn moments(head: &RegressionHead, features: &[Tensor]) -> (Tensor, Tensor) {
    let each: Vec<(Tensor, Tensor)> = features.iter().map(|f| no_grad(|| head.outputs(f))).collect();
    let side_by_side = |of: &dyn Fn(&(Tensor, Tensor)) -> Tensor| {
        Tensor::stack(&each.iter().map(|moments| of(moments).select(1, 0)).collect::<Vec<_>>(), 1)
    };
    (side_by_side(&|m| m.0.clone()), side_by_side(&|m| m.1.clone()))
}

impl VbllModel {
    /// Draws that average the softmax of noisy logits, `[S, K]`.
    fn draws(&self) -> Tensor {
        let (draws, classes) = (self.config.draws, self.columns.classes().len());
        Tensor::from_vec(Rng::new(DRAWS_SEED).normals(draws * classes), &[draws, classes])
    }

    /// The class probabilities of rows, `[B, K]`, and how unusual each is, `[B]`.
    fn classify(&self, features: &[Tensor]) -> Result<(Tensor, Tensor)> {
        let draws = std::cell::LazyCell::new(|| self.draws());
        let each =
            features.iter().map(|f| classify(&self.network, f, || (*draws).clone())).collect::<Result<Vec<_>>>()?;
        if let [one] = &each[..] {
            return Ok(one.clone());
        }
        let stacked = |of: &dyn Fn(&(Tensor, Tensor)) -> Tensor| {
            let parts: Vec<Tensor> = each.iter().map(of).collect();
            Tensor::stack(&parts, 0)
        };
        let probabilities = stacked(&|found| found.0.clone()).mean_axis(0, false);
        let novelty = match &self.network.head {
            // Less the log of the mean density.
            AnyHead::Generative(_) => (each.len() as f64).ln() - stacked(&|found| -&found.1).log_sum_exp(0, false),
            _ => -probabilities.max_axis(-1, false).log(),
        };
        Ok((probabilities, novelty))
    }
}

impl Predict for VbllModel {
    fn predict(&self, data: &Data, run: &mut Run) -> Result<Prediction> {
        let features = drawn(&self.network, &table::encode(&self.columns, data, run)?);
        let (shift, scale) = self.columns.target_scaling();
        Ok(match (&self.network.head, &features[..]) {
            (AnyHead::Regression(head), [one]) => Prediction::Numbers(head.predict(one, 0, (shift, scale))),
            (AnyHead::Regression(head), _) => {
                let (means, variances) = moments(head, &features);
                let Some(noise) = head.noise_sd() else {
                    return Err(Error::misfit("weights with distributions before the last layer need Gaussian noise"));
                };
                let (count, sds) = (features.len(), (variances + noise[0].powi(2)).sqrt());
                let shares = vec![1.0 / count as f64; count];
                let mixtures = GaussianMixtures::new(count, shares, means.to_vec(), sds.to_vec());
                Prediction::Numbers(Box::new(mixtures.unscaled(shift, scale)))
            }
            _ => Prediction::Classes {
                classes: self.columns.classes().to_vec(),
                probabilities: self.classify(&features)?.0.to_vec(),
            },
        })
    }

    fn sample_paths(&self, data: &Data, count: usize, run: &mut Run) -> Result<Option<Vec<f64>>> {
        let AnyHead::Regression(head) = &self.network.head else { return Ok(None) };
        let x = table::encode(&self.columns, data, run)?;
        let (shift, scale) = self.columns.target_scaling();
        let held = (!self.network.is_mean_field()).then(|| self.network.encode(&x));
        // One draw of the weights is one function.
        let path = |rng: &mut Rng| {
            no_grad(|| {
                let features = match &held {
                    Some(features) => features.clone(),
                    None => self.network.features_in(&x, &mut Pass::drawing_function(rng)),
                };
                features.linear(&head.draw(rng), None).affine(scale, shift).to_vec()
            })
        };
        Ok(Some((0..count).flat_map(|_| path(&mut run.rng)).collect()))
    }
}

impl Encode for VbllModel {
    fn encode(&self, data: &Data, run: &mut Run) -> Result<Data> {
        let x = table::encode(&self.columns, data, run)?;
        let draws = drawn(&self.network, &x);
        // The features that are given are those at the weights' means.
        let features = if self.network.is_mean_field() { self.network.encode(&x) } else { draws[0].clone() };
        let rows = features.size(0);
        let novelty = match &self.network.head {
            AnyHead::Regression(head) => {
                let (means, variances) = moments(head, &draws);
                // Mean of the variances and variance of the means.
                let centred = &means - means.mean_axis(1, true);
                let variance = variances.mean_axis(1, false) + centred.square().mean_axis(1, false);
                (variance.sqrt() * self.columns.target_scaling().1).to_vec()
            }
            _ => self.classify(&draws)?.1.to_vec(),
        };
        let mut arrays = vec![("novelty".to_owned(), Array::new(&[rows], novelty))];
        let has_constant = !matches!(self.network.head, AnyHead::Generative(_));
        for h in 0..features.size(1) - usize::from(has_constant) {
            arrays.push((format!("phi{h}"), Array::new(&[rows], features.select(1, h).to_vec())));
        }
        Ok(Data { source: format!("features of {}", data.source), arrays, ..Data::default() })
    }
}
