//! Likelihoods p(x | z) of the elements of a data point, from a decoder's numbers.

use super::likelihood_config::{LikelihoodConfig, Noise};
use super::pixel_mixture::PixelMixture;
use super::posterior::LN_TAU;
use elbo_core::Rng;
use elbo_dist::batched::{Batched, ContinuousBernoulli, DiscretisedLogistic, NegativeBinomial, ZeroInflated};
use elbo_tensor::{Constraint, DType, Parameter, Tensor};

/// Smallest variance of a learned Gaussian, for one variance and for one an element: a pixel that never changes would otherwise make
/// the density unbounded.
const FLOOR: f64 = 1e-6;
const FLOOR_EACH: f64 = 6.144_212_353_328_21e-6; // (e^-6)^2
/// Smallest learned scale of a Laplace distribution, for the same reason.
const FLOOR_SCALE: f64 = 1e-3;

impl LikelihoodConfig {
    /// The likelihood of data points with `size` elements. A similarity must have been [fitted](Self::fitted) to them before.
    pub fn build(&self, size: usize, dtype: DType) -> Likelihood {
        let start =
            |n: usize, floor: f64| Parameter::from_tensor(&Tensor::full(&[n], 0.1, dtype), Constraint::Above(floor));
        let variance = match self {
            Self::Gaussian { noise: Noise::Learned } => Some(start(1, FLOOR)),
            Self::Gaussian { noise: Noise::PerElement } => Some(start(size, FLOOR_EACH)),
            _ => None,
        };
        let scale = matches!(self, Self::Laplace { scale: None }).then(|| start(1, FLOOR_SCALE));
        let has_dispersion = matches!(self, Self::NegativeBinomial { .. } | Self::ZeroInflatedNegativeBinomial { .. });
        let dispersion =
            has_dispersion.then(|| Parameter::from_tensor(&Tensor::full(&[size], 1.0, dtype), Constraint::Positive));
        Likelihood { config: self.clone(), size, variance, scale, dispersion }
    }
}

/// p(x | z), with the variance, the scale or the dispersions it learns.
pub struct Likelihood {
    config: LikelihoodConfig,
    size: usize,
    variance: Option<Parameter>,
    /// The mean absolute deviation of a Laplace distribution, `[1]`.
    scale: Option<Parameter>,
    /// `r` of each element of a negative binomial, `[D]`.
    dispersion: Option<Parameter>,
}

elbo_tensor::parameters!(Likelihood { "variance": variance, "scale": scale, "dispersion": dispersion });

impl Likelihood {
    /// Its settings.
    pub fn config(&self) -> &LikelihoodConfig {
        &self.config
    }

    fn block(&self, output: &Tensor, i: usize) -> Tensor {
        output.narrow(-1, i * self.size, self.size)
    }

    /// Log probability, summed over elements; of what [is no density](LikelihoodConfig::is_density) minus the loss. `output: [..., P D]` from the
    /// decoder, `x: [..., D]`; returns `[...]`, nats.
    ///
    /// # Panics
    /// For a similarity that was not [fitted](LikelihoodConfig::fitted) to pictures.
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
            LikelihoodConfig::Similarity { .. } => {
                self.config.similarity().expect("a similarity is fitted to pictures").log_worth(output, x)
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
            LikelihoodConfig::Laplace { .. } => {
                let scale = self.scale(output.dtype());
                ((x - output).abs() / &scale + scale.log() + std::f64::consts::LN_2) * -1.0
            }
            LikelihoodConfig::Categorical { levels } => {
                let lead = &output.shape()[..output.rank() - 1];
                let logits = output.reshape(&[lead, &[*levels, self.size]].concat()).t();
                let labels = x.cast(DType::I64).broadcast_to(&[lead, &[self.size]].concat());
                logits.categorical_log_prob(&labels)
            }
            LikelihoodConfig::Poisson => x * output - output.exp() - (x + 1.0).lgamma(),
            LikelihoodConfig::NegativeBinomial { .. } | LikelihoodConfig::ZeroInflatedNegativeBinomial { .. } => {
                self.dispersed(output, Some(x)).log_prob(&x.to_f64()).cast(output.dtype())
            }
            LikelihoodConfig::WhiteNoise { sd, weights } => {
                let weights = match weights.as_slice() {
                    [] => Tensor::full(&[], 1.0 / self.size as f64, output.dtype()),
                    given => Tensor::from_slice(given, &[self.size]).cast(output.dtype()),
                };
                (x * output - output.square() * 0.5) * (weights * (1.0 / (sd * sd)))
            }
            LikelihoodConfig::Multinomial | LikelihoodConfig::Similarity { .. } => {
                unreachable!("elements of a multinomial or of compared pictures have no probability of their own")
            }
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

    /// The scale of a Laplace distribution, `[]` or `[1]`.
    fn scale(&self, dtype: DType) -> Tensor {
        match (&self.scale, &self.config) {
            (Some(learned), _) => learned.get(),
            (None, LikelihoodConfig::Laplace { scale: Some(fixed) }) => Tensor::full(&[], *fixed, dtype),
            _ => unreachable!("a scale that is not given was built"),
        }
    }

    /// Negative binomials of the elements, `[..., D]`, in double precision: log gammas of large counts cancel. Where means are shares of a total, it
    /// is that of the data points `x: [..., D]`, and without them that of the settings.
    fn dispersed(&self, output: &Tensor, x: Option<&Tensor>) -> Box<dyn Batched> {
        let output = output.to_f64();
        let dispersion = self.dispersion.as_ref().expect("dispersions were built").get().to_f64();
        let numbers = self.block(&output, 0);
        let mean = match (self.config.library(), x) {
            (None, _) => numbers.exp(),
            (Some(_), Some(x)) => numbers.softmax(-1) * x.to_f64().sum_axis(-1, true),
            (Some(total), None) => numbers.softmax(-1) * total,
        };
        let base = NegativeBinomial::new(mean, dispersion);
        match self.config {
            LikelihoodConfig::ZeroInflatedNegativeBinomial { .. } => {
                Box::new(ZeroInflated::new(self.block(&output, 1), base))
            }
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
            LikelihoodConfig::Bernoulli | LikelihoodConfig::Similarity { .. } => output.sigmoid(),
            LikelihoodConfig::ContinuousBernoulli => {
                // 1 / (1 - e^-l) - 1 / l, by its series near zero.
                let near = output.detach().abs().lt_scalar(0.3);
                let safe = near.where_(&output.ones_like(), output);
                let far = -(-&safe).expm1().recip() - safe.recip();
                near.where_(&(output * (1.0 / 12.0) - output.powi(3) * (1.0 / 720.0) + 0.5), &far)
            }
            LikelihoodConfig::Gaussian { .. } => self.block(output, 0),
            LikelihoodConfig::Laplace { .. } | LikelihoodConfig::WhiteNoise { .. } => output.clone(),
            LikelihoodConfig::Categorical { levels } => {
                let lead = &output.shape()[..output.rank() - 1];
                let logits = output.reshape(&[lead, &[*levels, self.size]].concat());
                logits.argmax(-2, false).cast(output.dtype())
            }
            LikelihoodConfig::Poisson => output.exp(),
            LikelihoodConfig::NegativeBinomial { .. } | LikelihoodConfig::ZeroInflatedNegativeBinomial { .. } => {
                self.dispersed(output, None).mean().expect("negative binomials have a mean").cast(output.dtype())
            }
            LikelihoodConfig::Multinomial => output.softmax(-1),
            LikelihoodConfig::DiscretisedLogistic { .. } => self.block(output, 0).clamp(0.0, 1.0),
            LikelihoodConfig::DiscretisedLogisticMixture { .. } => self.mixture().mean(output),
        }
    }

    /// Draws of the elements, `[N, D]`, outside the graph. A multinomial draws one count for each data point; what is no density gives its means.
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
            LikelihoodConfig::Laplace { .. } => {
                let scale = self.scale(output.dtype()).item();
                let draw = |m: &f64| m + scale * rng.exponential() * if rng.uniform() < 0.5 { -1.0 } else { 1.0 };
                mean.iter().map(draw).collect()
            }
            // A loss has no draws, and white noise is no function.
            LikelihoodConfig::Similarity { .. } | LikelihoodConfig::WhiteNoise { .. } => mean,
            LikelihoodConfig::Categorical { levels } => {
                let each = output.reshape(&[rows, *levels, self.size]).softmax(1).t().to_f64().to_vec();
                each.chunks_exact(*levels).map(|weights| rng.weighted(weights) as f64).collect()
            }
            LikelihoodConfig::Poisson => mean.iter().map(|rate| rng.poisson(*rate) as f64).collect(),
            LikelihoodConfig::NegativeBinomial { .. } | LikelihoodConfig::ZeroInflatedNegativeBinomial { .. } => {
                self.dispersed(&output, None).sample(&[], rng).to_vec()
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
