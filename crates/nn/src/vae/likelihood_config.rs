//! Which distribution the elements of a data point have, as settings.

use super::pixel_mixture::PixelMixture;
use super::similarity::{Scales, Similarity};
use elbo_core::{Error, Result, ensure, ensure_within};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Most levels of an element: 20 bits.
const MOST_LEVELS: usize = 1 << 20;

/// The distribution of each element of a data point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum LikelihoodConfig {
    /// Black or white, from a logit. For values between, its logarithm is not a log density, and values compare only among runs that
    /// treat grey alike.
    Bernoulli,
    /// A density on [0, 1], from a logit.
    ContinuousBernoulli,
    /// Normal around the decoder's number.
    Gaussian {
        /// Where the variance comes from.
        #[serde(deserialize_with = "elbo_core::named::deserialize")]
        noise: Noise,
    },
    /// Laplace around the decoder's number, so that the error counts by its size and not by its square.
    Laplace {
        /// The mean absolute deviation; without, one learned number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scale: Option<f64>,
    },
    /// One of so many levels, 0, 1, ..., from as many logits.
    Categorical {
        /// Number of levels.
        levels: usize,
    },
    /// Counts, from the logarithm of the rate.
    Poisson,
    /// Counts that vary more than their mean, from the logarithm of the mean `m`: their variance is `m + m²/r`, with one learned `r` for
    /// each element.
    NegativeBinomial {
        /// Where it is given, the decoder's numbers are logits of shares, and the mean is the data point's total times the share. Means and draws
        /// without a data point are those of this total.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<f64>,
    },
    /// The same with extra zeros, whose log odds are the decoder's second number for each element.
    ZeroInflatedNegativeBinomial {
        /// As that of `negative_binomial`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        library: Option<f64>,
    },
    /// Counts of the elements among their total, from one logit each.
    Multinomial,
    /// Equally spaced values in [0, 1], such as bytes: a logistic distribution cut into bins.
    DiscretisedLogistic {
        /// Number of values; 256 for bytes.
        #[serde(default = "bytes")]
        levels: usize,
    },
    /// The same with a mixture of logistic distributions, which the channels of a pixel share and in which later channels follow earlier ones.
    DiscretisedLogisticMixture {
        /// Number of values; 256 for bytes.
        #[serde(default = "bytes")]
        levels: usize,
        /// Number of distributions.
        #[serde(default = "five")]
        components: usize,
        /// Channels of a pixel, the first axis of a data point; without, those of a picture, and one in other data.
        #[serde(default)]
        channels: Option<usize>,
    },
    /// A function that was sampled at points, the decoder's plus white noise: the density relative to that of the noise alone, which does not depend on
    /// how finely the function was sampled. Bounds are relative to the noise.
    WhiteNoise {
        /// Size of the noise: its integral over a part of the domain has this deviation times the root of the part's size.
        #[serde(default = "tenth")]
        sd: f64,
        /// Quadrature weights of the elements, which add up to the size of the domain; none for equal ones of a domain of size one.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        weights: Vec<f64>,
    },
    /// No likelihood but a loss of pictures on [0, 1] from logits: structural similarity mixed with the absolute error. A model with it has no bounds.
    Similarity {
        /// What the loss of a picture is times its elements, in nats.
        #[serde(default = "one")]
        weight: f64,
        /// The share of the similarity; the rest is the mean absolute error.
        #[serde(default = "most")]
        share: f64,
        /// The scales that pictures are compared at.
        #[serde(default)]
        scales: Scales,
        /// Width and height of a picture, whose channels are one after the other; without, those of the data points.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        picture: Option<[usize; 2]>,
    },
}

fn one() -> f64 {
    1.0
}

fn tenth() -> f64 {
    0.1
}

fn most() -> f64 {
    0.84
}

fn bytes() -> usize {
    256
}

fn five() -> usize {
    5
}

/// Where a Gaussian's variance comes from.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Noise {
    /// A constant.
    Fixed {
        /// Standard deviation.
        sd: f64,
    },
    /// One learned number.
    #[default]
    Learned,
    /// The mean squared error of each batch, which is the best number for it.
    Optimal,
    /// One learned number for each element.
    PerElement,
    /// The decoder's second number for each element, a log variance.
    Decoded,
}

impl LikelihoodConfig {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Gaussian { noise: Noise::Fixed { sd } } => ensure("likelihood.sd", sd, *sd > 0.0, "above 0"),
            Self::Categorical { levels } | Self::DiscretisedLogistic { levels } => {
                ensure_within("likelihood.levels", *levels, 2..=MOST_LEVELS)
            }
            Self::DiscretisedLogisticMixture { levels, components, channels } => {
                ensure_within("likelihood.levels", *levels, 2..=MOST_LEVELS)?;
                ensure_within("likelihood.components", *components, 1..=1000)?;
                ensure_within("likelihood.channels", channels.unwrap_or(1), 1..=1000)
            }
            Self::Laplace { scale: Some(scale) } => {
                ensure("likelihood.scale", scale, scale.is_finite() && *scale > 0.0, "above 0")
            }
            Self::NegativeBinomial { library: Some(total) }
            | Self::ZeroInflatedNegativeBinomial { library: Some(total) } => {
                ensure("likelihood.library", total, total.is_finite() && *total > 0.0, "above 0")
            }
            Self::WhiteNoise { sd, weights } => {
                ensure("likelihood.sd", sd, sd.is_finite() && *sd > 0.0, "above 0")?;
                let bad = weights.iter().find(|w| !w.is_finite() || **w < 0.0);
                bad.map_or(Ok(()), |w| ensure("likelihood.weights", w, false, "finite numbers of at least 0"))
            }
            Self::Similarity { weight, share, .. } => {
                ensure("likelihood.weight", weight, weight.is_finite() && *weight > 0.0, "above 0")?;
                ensure_within("likelihood.share", *share, 0.0..=1.0)
            }
            _ => Ok(()),
        }
    }

    /// The same for data points of this shape: channels that are not said are those of a picture, as are its width and height.
    ///
    /// # Errors
    /// [`Error::Setting`] for channels that are not the first axis of a data point, for weights of another number of elements, and for a similarity of what
    /// is no picture, or one that is smaller than the window.
    pub fn fitted(&self, shape: &[usize]) -> Result<Self> {
        if let Self::WhiteNoise { weights, .. } = self {
            let (given, size) = (weights.len(), shape.iter().product::<usize>());
            let found = format!("{given} numbers for {size} elements");
            ensure("likelihood.weights", found, given == 0 || given == size, "one for each element, or none")?;
        }
        if let Self::Similarity { weight, share, scales, picture } = self {
            let picture = Some(scales.picture(*picture, shape)?);
            return Ok(Self::Similarity { weight: *weight, share: *share, scales: *scales, picture });
        }
        let Self::DiscretisedLogisticMixture { levels, components, channels } = self else { return Ok(self.clone()) };
        let of_picture = if shape.len() == 3 { shape[0] } else { 1 };
        let channels = channels.unwrap_or(of_picture);
        let found = format!("{channels} for data points of shape {shape:?}");
        let fits = channels == 1 || channels == shape[0];
        ensure("likelihood.channels", found, fits, "1, or the first axis of the shape")?;
        Ok(Self::DiscretisedLogisticMixture { levels: *levels, components: *components, channels: Some(channels) })
    }

    /// The mixture of logistic distributions of a pixel, where this is one.
    pub(super) fn pixels(&self) -> Option<PixelMixture> {
        let Self::DiscretisedLogisticMixture { levels, components, channels } = self else { return None };
        Some(PixelMixture { levels: *levels, components: *components, channels: channels.unwrap_or(1) })
    }

    /// The loss of pictures, where this is one and its pictures have a size.
    pub(super) fn similarity(&self) -> Option<Similarity> {
        let Self::Similarity { weight, share, scales, picture: Some(picture) } = self else { return None };
        Some(Similarity { weight: *weight, share: *share, scales: *scales, picture: *picture })
    }

    /// Whether this is a distribution, and a model with it has bounds. Else it is a loss.
    pub fn is_density(&self) -> bool {
        !matches!(self, Self::Similarity { .. })
    }

    /// The total of a data point that is made, where means are shares of a total.
    pub(super) fn library(&self) -> Option<f64> {
        match self {
            Self::NegativeBinomial { library } | Self::ZeroInflatedNegativeBinomial { library } => *library,
            _ => None,
        }
    }

    /// Whether each element has a variance of its own that is learned, so that one that never varies makes the bound unbounded.
    pub fn learns_each_variance(&self) -> bool {
        matches!(self, Self::Gaussian { noise: Noise::PerElement | Noise::Decoded })
    }

    /// Numbers that the decoder returns for each element.
    pub fn blocks(&self) -> usize {
        match self {
            Self::Gaussian { noise: Noise::Decoded }
            | Self::ZeroInflatedNegativeBinomial { .. }
            | Self::DiscretisedLogistic { .. } => 2,
            Self::Categorical { levels } => *levels,
            Self::DiscretisedLogisticMixture { .. } => self.pixels().map_or(1, PixelMixture::blocks),
            _ => 1,
        }
    }

    /// How many levels the elements may have, where they are whole numbers from zero or lie between zero and one.
    pub(crate) fn levels(&self) -> Option<usize> {
        match self {
            Self::Categorical { levels } => Some(*levels),
            Self::Bernoulli
            | Self::ContinuousBernoulli
            | Self::DiscretisedLogistic { .. }
            | Self::DiscretisedLogisticMixture { .. } => Some(2),
            Self::Gaussian { .. }
            | Self::Laplace { .. }
            | Self::Poisson
            | Self::NegativeBinomial { .. }
            | Self::ZeroInflatedNegativeBinomial { .. }
            | Self::Multinomial
            | Self::WhiteNoise { .. }
            | Self::Similarity { .. } => None,
        }
    }

    /// Whether elements are independent given the code, so that one that is missing can be left out.
    pub fn is_elementwise(&self) -> bool {
        !matches!(self, Self::Multinomial | Self::Similarity { .. })
            && self.library().is_none()
            && self.pixels().is_none_or(|pixels| pixels.channels == 1)
    }

    /// Its name in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Bernoulli => "bernoulli",
            Self::ContinuousBernoulli => "continuous_bernoulli",
            Self::Gaussian { .. } => "gaussian",
            Self::Laplace { .. } => "laplace",
            Self::Categorical { .. } => "categorical",
            Self::Poisson => "poisson",
            Self::NegativeBinomial { .. } => "negative_binomial",
            Self::ZeroInflatedNegativeBinomial { .. } => "zero_inflated_negative_binomial",
            Self::Multinomial => "multinomial",
            Self::DiscretisedLogistic { .. } => "discretised_logistic",
            Self::DiscretisedLogisticMixture { .. } => "discretised_logistic_mixture",
            Self::WhiteNoise { .. } => "white_noise",
            Self::Similarity { .. } => "similarity",
        }
    }

    /// Refuses values that the likelihood gives no probability.
    ///
    /// # Errors
    /// [`Error::Data`] with one such value and a likelihood that takes it.
    pub fn check_values(&self, values: &[f32]) -> Result<()> {
        let find = |allowed: &dyn Fn(f32) -> bool| values.iter().copied().find(|v| !allowed(*v));
        let (found, needs, remedy) = match self {
            Self::Bernoulli | Self::ContinuousBernoulli | Self::Similarity { .. } => (
                find(&|v| (0.0..=1.0).contains(&v)),
                "values in [0, 1]".to_owned(),
                "scale the data to [0, 1], or set likelihood=gaussian",
            ),
            Self::Gaussian { .. } | Self::Laplace { .. } | Self::WhiteNoise { .. } => {
                (find(&f32::is_finite), "finite numbers".into(), "leave such rows out")
            }
            Self::Categorical { levels } => (
                find(&|v| v >= 0.0 && v.fract() == 0.0 && (v as usize) < *levels),
                format!("whole numbers below {levels}"),
                "raise `levels`, or code the categories 0, 1, ...",
            ),
            Self::Poisson
            | Self::NegativeBinomial { .. }
            | Self::ZeroInflatedNegativeBinomial { .. }
            | Self::Multinomial => (
                find(&|v| v >= 0.0 && v.fract() == 0.0),
                "counts 0, 1, 2, ...".into(),
                "set likelihood=gaussian for other numbers",
            ),
            Self::DiscretisedLogistic { levels } | Self::DiscretisedLogisticMixture { levels, .. } => {
                let steps = (*levels - 1) as f32;
                let on_grid = |v: f32| (0.0..=1.0).contains(&v) && (v * steps - (v * steps).round()).abs() < 1e-2;
                (find(&on_grid), format!("{levels} equally spaced values in [0, 1]"), "set likelihood=gaussian")
            }
        };
        match found {
            None => Ok(()),
            Some(v) => {
                Err(Error::data(format!("a value is {v}; the likelihood `{}` needs {needs}", self.name()), remedy))
            }
        }
    }
}
