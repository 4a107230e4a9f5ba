//! Priors of a network's weights.
//!
//! | I believe | prior |
//! |---|---|
//! | outputs of order one, whatever the width | [`WeightPriorConfig::Normal`] |
//! | weights with some outliers, or many near zero | [`WeightPriorConfig::Laplace`], [`WeightPriorConfig::Mixture`] |
//! | few weights far from zero, and I do not know how few | [`Horseshoe`] |
//! | a share of the weights exactly zero | [`SpikeAndSlab`] |
//!
//! Scales can also be learned: by the evidence of a [`super::Laplace`] approximation, or where a divergence is least
//! ([`super::MeanFieldLinear::best_prior_sd`]).

use super::mean_field::kl_of_normals;
use elbo_core::{Error, Result, Rng, Run, ensure, ensure_within};
use elbo_tensor::special::LOG_SQRT_TAU;
use elbo_tensor::{Constraint, DType, Parameter, Parameters, Prior, Tensor, no_grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::f64::consts::{LN_2, SQRT_2};
use std::sync::Arc;

/// Ratios of the functions' standard deviation to that of the data that nobody is told of.
const USUAL_RATIOS: std::ops::RangeInclusive<f64> = 0.1..=10.0;

/// A prior of weights that are independent of each other. Scales are those of a layer's sums of inputs of order one: a weight's is smaller by
/// the root of the layer's inputs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum WeightPriorConfig {
    /// Normal.
    Normal {
        /// Standard deviation, times the root of the inputs.
        scale: f64,
    },
    /// Normal of variance one, whatever the inputs: functions grow with the width, so it goes with tempered posteriors only.
    Standard,
    /// Laplace's distribution.
    Laplace {
        /// Standard deviation, times the root of the inputs.
        scale: f64,
    },
    /// A mixture of a wide and a narrow normal.
    Mixture {
        /// Share of the wide one.
        share: f64,
        /// Standard deviation of the wide one, times the root of the inputs.
        wide: f64,
        /// Standard deviation of the narrow one, times the root of the inputs.
        narrow: f64,
    },
}

impl Default for WeightPriorConfig {
    fn default() -> Self {
        Self::Normal { scale: 1.0 }
    }
}

impl WeightPriorConfig {
    /// Checks ranges, for a posterior whose divergence is multiplied by `kl_weight`.
    ///
    /// # Errors
    /// [`Error::Setting`], also for [`WeightPriorConfig::Standard`] where nothing is tempered.
    pub fn check(&self, kl_weight: f64) -> Result<()> {
        let positive = |name: &str, value: f64| ensure(name, value, value > 0.0 && value.is_finite(), "above 0");
        match *self {
            Self::Normal { scale } | Self::Laplace { scale } => positive("scale", scale),
            Self::Standard if kl_weight == 1.0 => Err(Error::Setting {
                setting: "prior".into(),
                found: "standard with a divergence of weight 1".into(),
                expected: "normal, which knows the layers' inputs, or another weight of the divergence".into(),
            }),
            Self::Standard => Ok(()),
            Self::Mixture { share, wide, narrow } => {
                ensure("share", share, share > 0.0 && share < 1.0, "in (0, 1)")?;
                positive("narrow", narrow)?;
                ensure("wide", wide, wide > narrow && wide.is_finite(), "above `narrow`")
            }
        }
    }

    /// The prior of a layer with so many inputs.
    pub fn build(&self, inputs: usize) -> WeightPrior {
        WeightPrior { config: *self, root: (inputs.max(1) as f64).sqrt() }
    }

    /// Gives every unconstrained parameter its prior, which [`Parameters::log_prior`] then adds up. A weight `[out, in, ...]` has
    /// `in` times its kernel's size inputs, a vector such as a bias has one.
    pub fn attach(&self, model: &mut impl Parameters) {
        model.visit_mut(&mut |_, p| {
            if p.constraint() == Constraint::Real {
                p.set_prior(Some(Arc::new(self.build(inputs(p.shape())))));
            }
        });
    }

    /// Sets every unconstrained parameter that is not frozen to a draw from its prior.
    pub fn draw(&self, model: &mut impl Parameters, rng: &mut Rng) {
        model.visit_mut(&mut |_, p| {
            if p.constraint() == Constraint::Real && !p.is_frozen() {
                let prior = self.build(inputs(p.shape()));
                let drawn: Vec<f64> = (0..p.len()).map(|_| prior.sample(rng)).collect();
                p.set_free(&drawn);
            }
        });
    }

    /// Standard deviation of a network's outputs over draws of its weights, the root of the mean variance of an output. The weights are as
    /// before afterwards.
    ///
    /// # Errors
    /// [`Error::Setting`] for fewer than two draws.
    pub fn predictive_sd<M: Parameters>(
        &self,
        model: &mut M,
        outputs: impl Fn(&M) -> Tensor,
        draws: usize,
        rng: &mut Rng,
    ) -> Result<f64> {
        ensure_within("draws", draws, 2..=1_000_000)?;
        let before = model.pack();
        let drawn: Vec<Tensor> = (0..draws)
            .map(|_| {
                self.draw(model, rng);
                no_grad(|| outputs(model)).to_f64()
            })
            .collect();
        model.unpack(&before);
        Ok(Tensor::stack(&drawn, 0).variance_axis(0, false, 1).mean().item().sqrt())
    }

    /// [`WeightPriorConfig::predictive_sd`], with a warning where it is not within a tenth and ten times that of the data.
    ///
    /// # Errors
    /// As there.
    pub fn check_scale<M: Parameters>(
        &self,
        model: &mut M,
        outputs: impl Fn(&M) -> Tensor,
        data_sd: f64,
        draws: usize,
        run: &mut Run,
    ) -> Result<f64> {
        let mut rng = run.rng.fork();
        let found = self.predictive_sd(model, outputs, draws, &mut rng)?;
        run.note(format!("functions of the prior have a standard deviation of {found:.3}, the data {data_sd:.3}"));
        if !USUAL_RATIOS.contains(&(found / data_sd)) {
            run.warn(format!(
                "functions of the weights' prior have a standard deviation of {found:.3e} where the data have {data_sd:.3e}; \
                 change the prior's scale, or scale the data"
            ));
        }
        Ok(found)
    }
}

/// Inputs of a layer with a weight of this shape.
fn inputs(shape: &[usize]) -> usize {
    shape.get(1..).map_or(1, |rest| rest.iter().product())
}

/// A prior of the weights of one layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeightPrior {
    config: WeightPriorConfig,
    /// Root of the number of inputs.
    root: f64,
}

impl WeightPrior {
    /// One weight.
    pub fn sample(&self, rng: &mut Rng) -> f64 {
        match self.config {
            WeightPriorConfig::Normal { scale } => rng.normal() * scale / self.root,
            WeightPriorConfig::Standard => rng.normal(),
            WeightPriorConfig::Laplace { scale } => {
                let sign = if rng.uniform() < 0.5 { -1.0 } else { 1.0 };
                sign * rng.exponential() * scale / (SQRT_2 * self.root)
            }
            WeightPriorConfig::Mixture { share, wide, narrow } => {
                let scale = if rng.uniform() < share { wide } else { narrow };
                rng.normal() * scale / self.root
            }
        }
    }

    /// Variance of a weight.
    pub fn variance(&self) -> f64 {
        let inputs = self.root * self.root;
        match self.config {
            WeightPriorConfig::Normal { scale } | WeightPriorConfig::Laplace { scale } => scale * scale / inputs,
            WeightPriorConfig::Standard => 1.0,
            WeightPriorConfig::Mixture { share, wide, narrow } => {
                (share * wide * wide + (1.0 - share) * narrow * narrow) / inputs
            }
        }
    }
}

/// log N(x; 0, sd²), elementwise.
fn normal(x: &Tensor, sd: f64) -> Tensor {
    x.square() * (-0.5 / (sd * sd)) - (LOG_SQRT_TAU + sd.ln())
}

impl Prior for WeightPrior {
    fn log_prob(&self, natural: &Tensor) -> Tensor {
        let each = match self.config {
            WeightPriorConfig::Normal { scale } => normal(natural, scale / self.root),
            WeightPriorConfig::Standard => normal(natural, 1.0),
            WeightPriorConfig::Laplace { scale } => {
                let width = scale / (SQRT_2 * self.root);
                natural.abs() * (-1.0 / width) - (LN_2 + width.ln())
            }
            WeightPriorConfig::Mixture { share, wide, narrow } => {
                let (a, b) = (normal(natural, wide / self.root), normal(natural, narrow / self.root));
                (a + share.ln()).logaddexp(&(b + (1.0 - share).ln()))
            }
        };
        each.sum()
    }

    fn describe(&self) -> String {
        let of = |scale: f64| scale / self.root;
        match self.config {
            WeightPriorConfig::Normal { scale } => format!("Normal(0, {})", of(scale)),
            WeightPriorConfig::Standard => "Normal(0, 1)".into(),
            WeightPriorConfig::Laplace { scale } => format!("Laplace(0, {})", of(scale) / SQRT_2),
            WeightPriorConfig::Mixture { share, wide, narrow } => {
                format!("{share} Normal(0, {}) + {} Normal(0, {})", of(wide), 1.0 - share, of(narrow))
            }
        }
    }
}

/// Weights `w = τ λ z / sqrt(inputs)` with standard normal z, a half-Cauchy width λ of each weight and one τ of all: most are near zero, some
/// are not. Written in z, λ and τ (non-centred), whose posterior has no funnel.
///
/// [`Parameters::log_prior`] is the density of z, λ and τ; with [`Parameters::log_jacobian`] that of what [`Parameters::pack`] gives.
///
/// # Source
/// Carvalho, Polson and Scott (2010); non-centred after Ghosh, Yao and Doshi-Velez (2018).
pub struct Horseshoe {
    noise: Parameter,
    local: Parameter,
    global: Parameter,
    root: f64,
}

elbo_tensor::parameters!(Horseshoe { "noise": noise, "local": local, "global": global });

impl Horseshoe {
    /// Weights of this shape, drawn from the prior, the scale of τ being `scale`.
    ///
    /// # Errors
    /// [`Error::Setting`] for a scale that is not positive.
    pub fn new(shape: &[usize], scale: f64, dtype: DType, rng: &mut Rng) -> Result<Self> {
        ensure("scale", scale, scale > 0.0 && scale.is_finite(), "above 0")?;
        let count = shape.iter().product();
        let width = elbo_dist::Prior::HalfCauchy { scale: 1.0 };
        let all = elbo_dist::Prior::HalfCauchy { scale };
        let local: Vec<f64> = (0..count).map(|_| width.sample(rng)).collect();
        let tensor = |values: Vec<f64>, shape: &[usize]| Tensor::from_vec(values, shape).cast(dtype);
        let noise = Parameter::real(&tensor(rng.normals(count), shape));
        let positive = |values: Tensor| Parameter::from_tensor(&values, Constraint::Positive);
        Ok(Self {
            noise: noise.with_prior(Arc::new(elbo_dist::Prior::Normal { mean: 0.0, sd: 1.0 })),
            local: positive(tensor(local, shape)).with_prior(Arc::new(width)),
            global: positive(tensor(vec![all.sample(rng)], &[])).with_prior(Arc::new(all)),
            root: (inputs(shape).max(1) as f64).sqrt(),
        })
    }

    /// The weights.
    pub fn weights(&self) -> Tensor {
        self.noise.get() * self.local.get() * self.global.get() * (1.0 / self.root)
    }
}

/// Weights that are zero but for a share of them, which are normal.
///
/// # Source
/// Mitchell and Beauchamp (1988).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SpikeAndSlab {
    /// Share of the weights that are not zero.
    pub share: f64,
    /// Standard deviation of those.
    pub sd: f64,
}

impl Default for SpikeAndSlab {
    fn default() -> Self {
        Self { share: 0.5, sd: 1.0 }
    }
}

impl SpikeAndSlab {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure("share", self.share, self.share > 0.0 && self.share < 1.0, "in (0, 1)")?;
        ensure("sd", self.sd, self.sd > 0.0 && self.sd.is_finite(), "above 0")
    }

    /// One weight.
    pub fn sample(&self, rng: &mut Rng) -> f64 {
        if rng.uniform() < self.share { self.sd * rng.normal() } else { 0.0 }
    }

    /// KL from weights that are not zero with log odds `logits`, and then normal of these means and standard deviations, in nats: with
    /// inclusion γ and share π, `γ log(γ / π) + (1 - γ) log((1 - γ) / (1 - π)) + γ KL(N(μ, σ²) || N(0, s²))`, summed.
    pub fn kl(&self, logits: &Tensor, mean: &Tensor, sd: &Tensor) -> Tensor {
        let (inclusion, rest) = (logits.sigmoid(), (-logits).sigmoid());
        let slab = kl_of_normals(mean, sd, self.sd);
        let kept = logits.log_sigmoid() - self.share.ln() + slab;
        let dropped = (-logits).log_sigmoid() - (1.0 - self.share).ln();
        (inclusion * kept + rest * dropped).sum()
    }
}
