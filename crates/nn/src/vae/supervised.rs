//! Terms that know more of data points than their elements: classes, and attributes.

use super::Vae;
use super::draws::{Draws, by_class};
use super::family::Family;
use super::objective::Classifier;
use crate::layer::{Layer, Pass};
use elbo_core::{Error, Result};
use elbo_tensor::{Tensor, no_grad};

impl Vae {
    /// -log q(y | x) of the data points of a batch whose class is known, zero for the others, averaged over all: a scalar.
    pub(super) fn cross_entropy(&self, classifier: &Classifier, draws: &Draws) -> Tensor {
        let log_probs = match classifier {
            Classifier::Prior => {
                let found = self.prior().log_responsibilities(&draws.q, &draws.points);
                found.expect("a model refuses this term for other priors")
            }
            Classifier::Network { .. } => self.log_classes(&draws.z).expect("a model with this term has the network"),
        };
        let unknown = Tensor::zeros(&log_probs.shape()[..2], log_probs.dtype());
        let own = by_class(&unknown, &log_probs, &draws.labels);
        // What depends on no draw is given once.
        let own = if own.size(0) == 1 { own.mean_axis(0, false) } else { draws.average(&own) };
        -own.mean()
    }

    /// Log probabilities of classes by the network that a cross-entropy trains, `[K, B, C]`. `z: [K, B, L]`.
    fn log_classes(&self, z: &Tensor) -> Option<Tensor> {
        let (count, rows) = (z.size(0), z.size(1));
        let network = self.classifier.as_ref()?;
        let logits = network.forward(&z.reshape(&[count * rows, z.size(2)]), &mut Pass::evaluation());
        let classes = logits.size(-1);
        Some(logits.log_softmax(-1).reshape(&[count, rows, classes]))
    }

    /// Probabilities of classes of many data points `values: [N, D]`, `[N, C]`, f64, outside the graph: by the network that a cross-entropy trained, at
    /// the means of the codes; else of the classes that codes are; else of the components of the prior. `None` where there is none of them.
    pub fn class_probabilities(&self, values: &[f32]) -> Option<Tensor> {
        let q = self.encode(values);
        let found = no_grad(|| {
            let mean = q.mean().cast(self.dtype()).unsqueeze(0);
            if let Some(found) = self.log_classes(&self.kept(&mean)) {
                return Some(found.exp());
            }
            if let Family::Categorical(_) = self.config.family {
                return Some(mean);
            }
            Some(self.prior().log_responsibilities(&q.cast(self.dtype()), &mean)?.exp())
        })?;
        Some(found.select(0, 0).to_f64())
    }

    /// Mean over pairs of a batch and draws of (tanh(c (z_i - z_j)) - sign(a_i - a_j))², with the dimension of the code at the attribute's place, summed
    /// over the attributes: a scalar. `attributes: [B, A]`.
    ///
    /// # Errors
    /// [`Error::Data`] without attributes, or with more than dimensions.
    ///
    /// # Source
    /// Pati and Lerch (2021). Deviation: squares in place of absolute values.
    pub(super) fn ranks(&self, draws: &Draws, attributes: Option<&Tensor>, steepness: f64) -> Result<Tensor> {
        let Some(attributes) = attributes else { return Err(self.refuse_attributes(0)) };
        let count = attributes.size(-1);
        if count == 0 || count > self.latent() {
            return Err(self.refuse_attributes(count));
        }
        // Element [i, j] of the last axes but one is that of row j less that of row i.
        let gaps = |t: &Tensor| t.unsqueeze(-3) - t.unsqueeze(-2);
        let wanted = gaps(&attributes.cast(draws.z.dtype())).sign();
        let found = (gaps(&draws.z.narrow(-1, 0, count)) * steepness).tanh();
        let each = (found - wanted).square().sum_axis(-1, false).mean_axis(-1, false);
        Ok(draws.expectation(&each))
    }

    /// What is said of so many attributes that are none, or too many.
    pub(super) fn refuse_attributes(&self, count: usize) -> Error {
        Error::data(
            format!("there are {count} attributes of data points for codes of {} dimensions", self.latent()),
            "give one attribute at least, and one a dimension at most",
        )
    }
}
