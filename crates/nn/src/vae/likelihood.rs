//! Likelihoods p(x | z) of the elements of a data point, from a decoder's numbers.

use super::pixel_mixture::PixelMixture;
use super::posterior::LN_TAU;
use elbo_core::{Error, Result, Rng, ensure, ensure_within};
use elbo_dist::batched::{Batched, ContinuousBernoulli, DiscretisedLogistic, NegativeBinomial, ZeroInflated};
use elbo_tensor::{Constraint, DType, Parameter, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Smallest variance of a learned Gaussian, for one variance and for one an element: a pixel that never changes would otherwise make
/// the density unbounded.
const FLOOR: f64 = 1e-6;
const FLOOR_EACH: f64 = 6.144_212_353_328_21e-6; // (e^-6)^2

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
    /// One of so many levels, 0, 1, ..., from as many logits.
    Categorical {
        /// Number of levels.
        levels: usize,
    },
    /// Counts, from the logarithm of the rate.
    Poisson,
    /// Counts that vary more than their mean, from the logarithm of the mean `m`: their variance is `m + m²/r`, with one learned `r` for
    /// each element.
    NegativeBinomial,
    /// The same with extra zeros, whose log odds are the decoder's second number for each element.
    ZeroInflatedNegativeBinomial,
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
            _ => Ok(()),
        }
    }

    /// The same for data points of this shape: channels that are not said are those of a picture.
    ///
    /// # Errors
    /// [`Error::Setting`] for channels that are not the first axis of a data point.
    pub fn fitted(&self, shape: &[usize]) -> Result<Self> {
        let Self::DiscretisedLogisticMixture { levels, components, channels } = self else { return Ok(self.clone()) };
        let of_picture = if shape.len() == 3 { shape[0] } else { 1 };
        let channels = channels.unwrap_or(of_picture);
        let found = format!("{channels} for data points of shape {shape:?}");
        let fits = channels == 1 || channels == shape[0];
        ensure("likelihood.channels", found, fits, "1, or the first axis of the shape")?;
        Ok(Self::DiscretisedLogisticMixture { levels: *levels, components: *components, channels: Some(channels) })
    }

    /// The mixture of logistic distributions of a pixel, where this is one.
    fn pixels(&self) -> Option<PixelMixture> {
        let Self::DiscretisedLogisticMixture { levels, components, channels } = self else { return None };
        Some(PixelMixture { levels: *levels, components: *components, channels: channels.unwrap_or(1) })
    }

    /// Whether each element has a variance of its own that is learned, so that one that never varies makes the bound unbounded.
    pub fn learns_each_variance(&self) -> bool {
        matches!(self, Self::Gaussian { noise: Noise::PerElement | Noise::Decoded })
    }

    /// Numbers that the decoder returns for each element.
    pub fn blocks(&self) -> usize {
        match self {
            Self::Gaussian { noise: Noise::Decoded }
            | Self::ZeroInflatedNegativeBinomial
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
            | Self::Poisson
            | Self::NegativeBinomial
            | Self::ZeroInflatedNegativeBinomial
            | Self::Multinomial => None,
        }
    }

    /// Whether elements are independent given the code, so that one that is missing can be left out.
    pub fn is_elementwise(&self) -> bool {
        !matches!(self, Self::Multinomial) && self.pixels().is_none_or(|pixels| pixels.channels == 1)
    }

    /// Its name in messages.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Bernoulli => "bernoulli",
            Self::ContinuousBernoulli => "continuous_bernoulli",
            Self::Gaussian { .. } => "gaussian",
            Self::Categorical { .. } => "categorical",
            Self::Poisson => "poisson",
            Self::NegativeBinomial => "negative_binomial",
            Self::ZeroInflatedNegativeBinomial => "zero_inflated_negative_binomial",
            Self::Multinomial => "multinomial",
            Self::DiscretisedLogistic { .. } => "discretised_logistic",
            Self::DiscretisedLogisticMixture { .. } => "discretised_logistic_mixture",
        }
    }

    /// Refuses values that the likelihood gives no probability.
    ///
    /// # Errors
    /// [`Error::Data`] with one such value and a likelihood that takes it.
    pub fn check_values(&self, values: &[f32]) -> Result<()> {
        let find = |allowed: &dyn Fn(f32) -> bool| values.iter().copied().find(|v| !allowed(*v));
        let (found, needs, remedy) = match self {
            Self::Bernoulli | Self::ContinuousBernoulli => (
                find(&|v| (0.0..=1.0).contains(&v)),
                "values in [0, 1]".to_owned(),
                "scale the data to [0, 1], or set likelihood=gaussian",
            ),
            Self::Gaussian { .. } => (find(&f32::is_finite), "finite numbers".into(), "leave such rows out"),
            Self::Categorical { levels } => (
                find(&|v| v >= 0.0 && v.fract() == 0.0 && (v as usize) < *levels),
                format!("whole numbers below {levels}"),
                "raise `levels`, or code the categories 0, 1, ...",
            ),
            Self::Poisson | Self::NegativeBinomial | Self::ZeroInflatedNegativeBinomial | Self::Multinomial => (
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

    /// The likelihood of data points with `size` elements.
    pub fn build(&self, size: usize, dtype: DType) -> Likelihood {
        let start =
            |n: usize, floor: f64| Parameter::from_tensor(&Tensor::full(&[n], 0.1, dtype), Constraint::Above(floor));
        let variance = match self {
            Self::Gaussian { noise: Noise::Learned } => Some(start(1, FLOOR)),
            Self::Gaussian { noise: Noise::PerElement } => Some(start(size, FLOOR_EACH)),
            _ => None,
        };
        let has_dispersion = matches!(self, Self::NegativeBinomial | Self::ZeroInflatedNegativeBinomial);
        let dispersion =
            has_dispersion.then(|| Parameter::from_tensor(&Tensor::full(&[size], 1.0, dtype), Constraint::Positive));
        Likelihood { config: self.clone(), size, variance, dispersion }
    }
}

/// p(x | z), with the variance or the dispersions it learns.
pub struct Likelihood {
    config: LikelihoodConfig,
    size: usize,
    variance: Option<Parameter>,
    /// `r` of each element of a negative binomial, `[D]`.
    dispersion: Option<Parameter>,
}

elbo_tensor::parameters!(Likelihood { "variance": variance, "dispersion": dispersion });

impl Likelihood {
    /// Its settings.
    pub fn config(&self) -> &LikelihoodConfig {
        &self.config
    }

    fn block(&self, output: &Tensor, i: usize) -> Tensor {
        output.narrow(-1, i * self.size, self.size)
    }

    /// Log probability, summed over elements. `output: [..., P D]` from the decoder, `x: [..., D]`; returns `[...]`, nats.
    pub fn log_prob(&self, output: &Tensor, x: &Tensor) -> Tensor {
        let sum = |t: Tensor| t.sum_axis(-1, false);
        match &self.config {
            // One product a data point instead of one an element.
            LikelihoodConfig::Gaussian { noise: Noise::Fixed { sd } } => {
                let square = (x - self.block(output, 0)).square();
                sum(square) * (-0.5 / (sd * sd)) - self.size as f64 * (sd.ln() + 0.5 * LN_TAU)
            }
            LikelihoodConfig::Multinomial => {
                let constant = (sum(x.clone()) + 1.0).lgamma() - sum((x + 1.0).lgamma());
                sum(x * output.log_softmax(-1)) + constant
            }
            _ => sum(self.each(output, x, None)),
        }
    }

    /// Log probability, summed over the elements that are there: the others are NaN in `x: [B, D]`, and need a likelihood that
    /// [is elementwise](LikelihoodConfig::is_elementwise). `output: [K, B, P D]`; returns `[K, B]`, nats.
    pub(super) fn log_prob_of_observed(&self, output: &Tensor, x: &Tensor) -> Tensor {
        let missing = x.ne(x);
        // Any value will do where none counts, as long as it is harmless.
        let each = self.each(output, &x.masked_fill(&missing, 0.0), Some(&missing));
        each.masked_fill(&missing, 0.0).sum_axis(-1, false)
    }

    /// Log probability of each element, `[..., D]`, or of each pixel where its channels depend on each other. What `missing: [B, D]` marks must not sway
    /// the other elements.
    fn each(&self, output: &Tensor, x: &Tensor, missing: Option<&Tensor>) -> Tensor {
        match &self.config {
            LikelihoodConfig::Bernoulli => bernoulli(output, x),
            LikelihoodConfig::ContinuousBernoulli => ContinuousBernoulli::new(output.clone()).log_prob(x),
            LikelihoodConfig::Gaussian { noise } => {
                let square = (x - self.block(output, 0)).square();
                let variance = match noise {
                    Noise::Fixed { sd } => Tensor::full(&[], sd * sd, output.dtype()),
                    Noise::Optimal => mean_of_present(&square, missing) + FLOOR,
                    Noise::Learned | Noise::PerElement => {
                        self.variance.as_ref().expect("a learned variance was built").get()
                    }
                    Noise::Decoded => self.block(output, 1).exp() + FLOOR_EACH,
                };
                (&square / &variance + variance.log() + LN_TAU) * -0.5
            }
            LikelihoodConfig::Categorical { levels } => {
                let lead = &output.shape()[..output.rank() - 1];
                let logits = output.reshape(&[lead, &[*levels, self.size]].concat()).t();
                let labels = x.cast(DType::I64).broadcast_to(&[lead, &[self.size]].concat());
                logits.categorical_log_prob(&labels)
            }
            LikelihoodConfig::Poisson => x * output - output.exp() - (x + 1.0).lgamma(),
            LikelihoodConfig::NegativeBinomial | LikelihoodConfig::ZeroInflatedNegativeBinomial => {
                self.dispersed(output).log_prob(&x.to_f64()).cast(output.dtype())
            }
            LikelihoodConfig::Multinomial => unreachable!("elements of a multinomial have no probability of their own"),
            LikelihoodConfig::DiscretisedLogistic { levels } => {
                discretised_logistic(x, &self.block(output, 0), &self.block(output, 1), *levels)
            }
            LikelihoodConfig::DiscretisedLogisticMixture { .. } => self.mixture().log_prob(output, x),
        }
    }

    /// The mixture of pixels of a likelihood that is one.
    fn mixture(&self) -> PixelMixture {
        self.config.pixels().expect("the likelihood is a mixture of pixels")
    }

    /// Negative binomials of the elements, `[..., D]`, in double precision: log gammas of large counts cancel.
    fn dispersed(&self, output: &Tensor) -> Box<dyn Batched> {
        let output = output.to_f64();
        let dispersion = self.dispersion.as_ref().expect("dispersions were built").get().to_f64();
        let base = NegativeBinomial::new(self.block(&output, 0).exp(), dispersion);
        match self.config {
            LikelihoodConfig::ZeroInflatedNegativeBinomial => Box::new(ZeroInflated::new(self.block(&output, 1), base)),
            _ => Box::new(base),
        }
    }

    /// Means over draws with these weights, which sum to one over the first axis; for categories the level that is then the likeliest.
    /// `output: [K, B, P D]`, `weights: [K, B]`; returns `[B, D]`.
    pub(super) fn weighted_mean(&self, output: &Tensor, weights: &Tensor) -> Tensor {
        let weights = weights.unsqueeze(-1);
        let LikelihoodConfig::Categorical { levels } = &self.config else {
            return (self.mean(output) * weights).sum_axis(0, false);
        };
        let shares = output.reshape(&[output.size(0), output.size(1), *levels, self.size]).softmax(-2);
        (shares * weights.unsqueeze(-1)).sum_axis(0, false).argmax(-2, false).cast(output.dtype())
    }

    /// Means of the elements, `[..., D]`; for categories the likeliest level.
    pub fn mean(&self, output: &Tensor) -> Tensor {
        match &self.config {
            LikelihoodConfig::Bernoulli => output.sigmoid(),
            LikelihoodConfig::ContinuousBernoulli => {
                // 1 / (1 - e^-l) - 1 / l, by its series near zero.
                let near = output.detach().abs().lt_scalar(0.3);
                let safe = near.where_(&output.ones_like(), output);
                let far = -(-&safe).expm1().recip() - safe.recip();
                near.where_(&(output * (1.0 / 12.0) - output.powi(3) * (1.0 / 720.0) + 0.5), &far)
            }
            LikelihoodConfig::Gaussian { .. } => self.block(output, 0),
            LikelihoodConfig::Categorical { levels } => {
                let lead = &output.shape()[..output.rank() - 1];
                let logits = output.reshape(&[lead, &[*levels, self.size]].concat());
                logits.argmax(-2, false).cast(output.dtype())
            }
            LikelihoodConfig::Poisson => output.exp(),
            LikelihoodConfig::NegativeBinomial | LikelihoodConfig::ZeroInflatedNegativeBinomial => {
                self.dispersed(output).mean().expect("negative binomials have a mean").cast(output.dtype())
            }
            LikelihoodConfig::Multinomial => output.softmax(-1),
            LikelihoodConfig::DiscretisedLogistic { .. } => self.block(output, 0).clamp(0.0, 1.0),
            LikelihoodConfig::DiscretisedLogisticMixture { .. } => self.mixture().mean(output),
        }
    }

    /// Draws of the elements, `[N, D]`, outside the graph. A multinomial draws one count for each data point.
    pub fn sample(&self, output: &Tensor, rng: &mut Rng) -> Tensor {
        let output = output.detach();
        let rows = output.size(0);
        let mean = self.mean(&output).to_f64().to_vec();
        let values: Vec<f64> = match &self.config {
            LikelihoodConfig::Bernoulli => mean.iter().map(|p| f64::from(u8::from(rng.uniform() < *p))).collect(),
            LikelihoodConfig::ContinuousBernoulli => {
                output.to_f64().to_vec().iter().map(|l| continuous_bernoulli_quantile(*l, rng.uniform())).collect()
            }
            LikelihoodConfig::Gaussian { noise } => {
                let sd: Vec<f64> = match noise {
                    Noise::Fixed { sd } => vec![*sd],
                    Noise::Learned | Noise::PerElement => {
                        let variance = self.variance.as_ref().expect("a learned variance was built").value();
                        variance.iter().map(|v| v.sqrt()).collect()
                    }
                    // No batch to estimate it from: the mean is all there is.
                    Noise::Optimal => vec![0.0],
                    Noise::Decoded => {
                        let log_variance = self.block(&output, 1).to_f64().to_vec();
                        log_variance.iter().map(|s| (s.exp() + FLOOR_EACH).sqrt()).collect()
                    }
                };
                mean.iter().enumerate().map(|(i, m)| m + sd[i % sd.len()] * rng.normal()).collect()
            }
            LikelihoodConfig::Categorical { levels } => {
                let each = output.reshape(&[rows, *levels, self.size]).softmax(1).t().to_f64().to_vec();
                each.chunks_exact(*levels).map(|weights| rng.weighted(weights) as f64).collect()
            }
            LikelihoodConfig::Poisson => mean.iter().map(|rate| rng.poisson(*rate) as f64).collect(),
            LikelihoodConfig::NegativeBinomial | LikelihoodConfig::ZeroInflatedNegativeBinomial => {
                self.dispersed(&output).sample(&[], rng).to_vec()
            }
            LikelihoodConfig::Multinomial => mean
                .chunks_exact(self.size)
                .flat_map(|weights| {
                    let chosen = rng.weighted(weights);
                    (0..self.size).map(move |i| f64::from(u8::from(i == chosen)))
                })
                .collect(),
            LikelihoodConfig::DiscretisedLogistic { levels } => {
                let steps = (*levels - 1) as f64;
                let centre = self.block(&output, 0).to_f64().to_vec();
                let scale = self.block(&output, 1).to_f64().to_vec();
                let draw = |(m, s): (&f64, &f64)| {
                    let u = rng.range(1e-12, 1.0 - 1e-12);
                    // The location is on [0, 1], the scale on [-1, 1].
                    let value = m + 0.5 * scale_of(*s) * (u / (1.0 - u)).ln();
                    (value * steps).round().clamp(0.0, steps) / steps
                };
                centre.iter().zip(&scale).map(draw).collect()
            }
            LikelihoodConfig::DiscretisedLogisticMixture { .. } => self.mixture().sample(&output, rng),
        };
        Tensor::from_vec(values, &[rows, self.size]).cast(output.dtype())
    }
}

/// The mean of all elements `[..., B, D]` but those that `missing: [B, D]` marks.
fn mean_of_present(t: &Tensor, missing: Option<&Tensor>) -> Tensor {
    let Some(missing) = missing else { return t.mean() };
    let present = missing.not().cast(DType::F64).broadcast_to(t.shape()).sum().item();
    t.masked_fill(missing, 0.0).sum() * (1.0 / present.max(1.0))
}

/// x l - log(1 + e^l), elementwise. `x` may lack the leading axes of draws.
fn bernoulli(logits: &Tensor, x: &Tensor) -> Tensor {
    if x.shape() == logits.shape() {
        logits.bernoulli_log_prob(x)
    } else {
        logits.bernoulli_log_prob(&x.broadcast_to(logits.shape()))
    }
}

/// Where the distribution function of a continuous Bernoulli with logit `l` is `u`.
fn continuous_bernoulli_quantile(l: f64, u: f64) -> f64 {
    match l {
        l if l.abs() < 1e-6 => u,
        l if l > 0.0 => 1.0 + (u + (1.0 - u) * (-l).exp()).ln() / l,
        l => (u * l.exp_m1()).ln_1p() / l,
    }
}

/// The scale of a logistic distribution on [-1, 1] from the decoder's number.
fn scale_of(s: f64) -> f64 {
    (s - 2.0).clamp(-7.0, 7.0).exp()
}

/// Log probability of the bin of `x` under a logistic distribution with mean `centre`, both on [0, 1], elementwise.
fn discretised_logistic(x: &Tensor, centre: &Tensor, log_scale: &Tensor, levels: usize) -> Tensor {
    let onto = |t: &Tensor| t.affine(2.0, -1.0);
    DiscretisedLogistic::new(onto(centre), (log_scale - 2.0).clamp(-7.0, 7.0), levels).log_prob(&onto(x))
}
