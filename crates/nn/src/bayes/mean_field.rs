//! A linear layer with a normal distribution for each weight.

use super::stack::with_one;
use crate::init::normal;
use crate::layer::{Build, Layer, Pass};
use elbo_core::{Result, ensure};
use elbo_tensor::{Constraint, Parameter, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Added to variances before the root, whose slope at zero is infinite.
pub(super) const LEAST_VARIANCE: f64 = 1e-12;

/// KL from `N(μ, σ²)` to `N(0, s²)` in nats, elementwise: `log(s / σ) + (σ² + μ²) / 2s² - 1/2`.
pub(super) fn kl_of_normals(mean: &Tensor, sd: &Tensor, prior_sd: f64) -> Tensor {
    let squares = (sd.square() + mean.square()) * (0.5 / (prior_sd * prior_sd));
    squares - sd.log() + (prior_sd.ln() - 0.5)
}

/// Signs of draws, -1 or 1, by which rows turn what they share.
pub(super) fn signs(draws: &Tensor) -> Tensor {
    draws.ge(&draws.zeros_like()).cast(draws.dtype()).affine(2.0, -1.0)
}

/// Checks the settings of a layer that uses its weights at many positions of a row.
pub(super) fn check_repeated(sd: f64, noise: Noise) -> Result<()> {
    ensure("sd", sd, sd > 0.0 && sd.is_finite(), "above 0")?;
    let expected = "flipout or weights, since the weights are used at many positions of a row, which vary together";
    ensure("noise", "local", noise != Noise::Local, expected)
}

/// Weights `[O, I + 1]` that stay the same through one pass over a batch, however often they are used in it.
///
/// With signs of its own a row meets `M + ΔW ∘ r s'`, which is distributed as `M + ΔW` is: whatever the layer makes of its weights, a row alone
/// cannot tell flipout from a draw of its own.
pub(super) struct Held {
    weight: Tensor,
    turned: Option<Turned>,
}

/// What is added to the weights, `[O, I + 1]`, and by which signs rows turn it: of what goes in, `[B, ..., I + 1]`, and what comes out, `[B, ..., O]`.
struct Turned {
    drawn: Tensor,
    inner: Tensor,
    outer: Tensor,
}

impl Held {
    /// `W a + b` of rows `[B, ..., I]`.
    pub(super) fn apply(&self, x: &Tensor) -> Tensor {
        let x = with_one(x);
        let centre = x.linear(&self.weight, None);
        match &self.turned {
            None => centre,
            Some(Turned { drawn, inner, outer }) => centre + (&x * inner).linear(drawn, None) * outer,
        }
    }
}

/// How the randomness of the weights reaches the outputs of a pass of training, or of one that draws each row for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Noise {
    /// Outputs are drawn from their own normal distributions, independently for each row: the least variance, for linear layers alone.
    #[default]
    Local,
    /// One draw of the weights for all rows, with signs of each row's own (flipout).
    Flipout,
    /// One draw of the weights for all rows.
    Weights,
}

/// y = W a + b with `W_ji ~ N(μ_ji, σ_ji²)`, and b likewise. A pass of training draws; one of evaluation uses the means, and one that draws a
/// function draws the weights once.
///
/// # Source
/// Kingma, Salimans and Welling (2015) for local noise; Wen et al. (2018) for flipout.
pub struct MeanFieldLinear {
    /// Means, `[O, I + 1]`; the last column is the bias.
    pub mean: Parameter,
    /// Standard deviations, `[O, I + 1]`.
    pub sd: Parameter,
    noise: Noise,
}

elbo_tensor::parameters!(MeanFieldLinear { "mean": mean, "sd": sd });

impl MeanFieldLinear {
    /// A layer from `input` to `out` numbers, whose weights start with this standard deviation: 0.01 for small networks.
    pub fn new(input: usize, out: usize, sd: f64, noise: Noise, build: &mut Build<'_>) -> Self {
        let (weight, bias) = (build.weight(&[out, input]), build.bias(out, input));
        Self::around(&weight.get(), &bias.get(), sd, noise)
    }

    /// Around these weights `[O, I]` and biases `[O]`, all with this standard deviation.
    pub(super) fn around(weight: &Tensor, bias: &Tensor, sd: f64, noise: Noise) -> Self {
        let mean = Tensor::cat(&[weight.clone(), bias.unsqueeze(1)], 1).detach();
        let sd = Parameter::from_tensor(&mean.full_like(sd), Constraint::Positive);
        Self { mean: Parameter::real(&mean), sd, noise }
    }

    /// The weights of one pass over `rows` data points, batches of which have `rank` axes: their means where the pass draws nothing, and otherwise
    /// one draw, with signs of each row's own unless it is for all rows. There is no local noise here, which would be new at every position.
    pub(super) fn held(&self, rows: usize, rank: usize, pass: &mut Pass<'_>) -> Held {
        let (mean, sd) = (self.mean.get(), self.sd.get());
        let is_for_all = pass.is_of_function() || self.noise == Noise::Weights;
        let Some(rng) = pass.rng() else { return Held { weight: mean, turned: None } };
        let dtype = mean.dtype();
        let drawn = &sd * normal(sd.shape(), 1.0, rng, dtype);
        if is_for_all {
            return Held { weight: mean + drawn, turned: None };
        }
        let mut turns = |width: usize| {
            let mut shape = vec![1; rank];
            (shape[0], shape[rank - 1]) = (rows, width);
            signs(&normal(&shape, 1.0, rng, dtype))
        };
        let (inner, outer) = (turns(mean.size(1)), turns(mean.size(0)));
        Held { weight: mean, turned: Some(Turned { drawn, inner, outer }) }
    }

    /// KL to independent normals of mean zero and this standard deviation, in nats:
    /// `Σ log(s / σ) + (σ² + μ²) / 2s² - 1/2`.
    pub fn kl(&self, prior_sd: f64) -> Tensor {
        kl_of_normals(&self.mean.get(), &self.sd.get(), prior_sd).sum()
    }

    /// The prior's standard deviation at which [`MeanFieldLinear::kl`] is least, `sqrt(mean(σ² + μ²))`: empirical Bayes.
    pub fn best_prior_sd(&self) -> f64 {
        let (mean, sd) = (self.mean.value(), self.sd.value());
        let squares: f64 = mean.iter().zip(&sd).map(|(m, s)| m * m + s * s).sum();
        (squares / mean.len() as f64).sqrt()
    }
}

impl Layer for MeanFieldLinear {
    fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Tensor {
        let x = with_one(x);
        let (mean, sd) = (self.mean.get(), self.sd.get());
        let centre = x.linear(&mean, None);
        let noise = if pass.is_of_function() { Noise::Weights } else { self.noise };
        let Some(rng) = pass.rng() else { return centre };
        let mut normals = |shape: &[usize]| normal(shape, 1.0, rng, x.dtype());
        match noise {
            Noise::Local => {
                let variance = x.square().linear(&sd.square(), None) + LEAST_VARIANCE;
                let drawn = normals(centre.shape());
                centre + variance.sqrt() * drawn
            }
            Noise::Weights => centre + x.linear(&(&sd * normals(sd.shape())), None),
            Noise::Flipout => {
                let drawn = &sd * normals(sd.shape());
                let (inner, outer) = (signs(&normals(x.shape())), signs(&normals(centre.shape())));
                centre + (&x * inner).linear(&drawn, None) * outer
            }
        }
    }
}
