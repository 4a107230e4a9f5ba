//! Densities of the codes of the training data, fitted once the model is.

use super::config::VaeConfig;
use super::likelihood_config::{LikelihoodConfig, Noise};
use super::objective::ObjectiveConfig;
use super::train::{Training, TrainingConfig};
use super::{Family, Vae};
use crate::activation::Activation;
use crate::layer::check_widths;
use crate::network::{DecoderConfig, EncoderConfig, MlpConfig};
use elbo_core::{Error, ModelFile, Result, Rng, Run, ensure, ensure_within};
use elbo_dist::{GaussianMixture, GaussianMixtureConfig};
use elbo_tensor::{Parameters, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is fitted to the codes of the training data after training, for new codes to be drawn from in place of the prior, which they may not fill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum CodeDensityConfig {
    /// A mixture of normals with full covariances, by expectation maximisation, on the means of the codes. Also called `gmm`.
    #[serde(alias = "gmm")]
    Mixture {
        /// Number of normals.
        #[serde(default = "ten")]
        components: usize,
    },
    /// A second autoencoder with as many dimensions, whose data points are draws of the codes.
    Vae {
        /// Widths of its layers.
        #[serde(default = "two_layers")]
        hidden: Vec<usize>,
        /// Passes over the codes.
        #[serde(default = "hundred")]
        epochs: usize,
    },
}

fn ten() -> usize {
    10
}

fn two_layers() -> Vec<usize> {
    vec![128, 128]
}

fn hundred() -> usize {
    100
}

impl CodeDensityConfig {
    /// Checks ranges, and refuses codes that are no vectors of free numbers.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self, family: Family) -> Result<()> {
        let expected =
            "gauss_diag, gauss_full, sigma_points or dirac for a density of codes, which are free numbers there";
        ensure("family", family.name(), family.is_vector(), expected)?;
        match self {
            Self::Mixture { components } => ensure_within("density.components", *components, 1..=10_000),
            Self::Vae { hidden, epochs } => {
                check_widths("density.hidden", hidden)?;
                ensure_within("density.epochs", *epochs, 1..=1_000_000_000)
            }
        }
    }

    /// Refuses more normals than there are data points, which a fit would find out after training.
    ///
    /// # Errors
    /// [`Error::Data`].
    pub(crate) fn check_rows(&self, rows: usize) -> Result<()> {
        match self {
            Self::Mixture { components } if *components > rows => Err(Error::data(
                format!("there are {rows} data points for the {components} normals of `density`"),
                "give as many data points as normals, or lower the `components` of `density`",
            )),
            _ => Ok(()),
        }
    }
}

/// A density of codes.
///
/// # Source
/// Ghosh, Sajjadi, Vergari, Black and Schölkopf (2020) for the mixture; Dai and Wipf (2019) for the second stage.
pub struct CodeDensity {
    law: Law,
}

enum Law {
    Mixture(GaussianMixture),
    SecondStage(Box<SecondStage>),
}

/// An autoencoder of codes, which were brought to mean zero and variance one; a number that is the same in all codes has the scale zero.
struct SecondStage {
    vae: Vae,
    shift: Vec<f64>,
    scale: Vec<f64>,
}

impl CodeDensity {
    /// Fits a density to the codes of data points `values: [N, D]`. Warns of one that was not at its best when its rounds or its time were used up.
    ///
    /// # Errors
    /// Those of [`CodeDensityConfig::check`], of [`GaussianMixture::fit`], and of training; [`Error::Stopped`] where `run` has to stop before a second
    /// stage has begun.
    pub fn fit(config: &CodeDensityConfig, vae: &Vae, values: &[f32], run: &mut Run) -> Result<Self> {
        config.check(vae.config().family)?;
        let latent = vae.latent();
        let law = match config {
            CodeDensityConfig::Mixture { components } => {
                let codes = vae.encode(values).mean().to_vec();
                let settings = GaussianMixtureConfig { components: *components, ..GaussianMixtureConfig::default() };
                Law::Mixture(fit_mixture(&codes, latent, &settings, run)?)
            }
            CodeDensityConfig::Vae { hidden, epochs } => {
                let codes = vae.encode_drawn(values, &mut run.rng).to_vec();
                Law::SecondStage(Box::new(SecondStage::fit(&codes, latent, hidden, *epochs, run)?))
            }
        };
        Ok(Self { law })
    }

    /// In words, as the end of "drawn from ...".
    pub fn describe(&self) -> String {
        match &self.law {
            Law::Mixture(mixture) => {
                format!("a mixture of {} normals fitted to the codes of the training data", mixture.components().len())
            }
            Law::SecondStage(_) => "a second autoencoder of the codes of the training data".into(),
        }
    }

    /// `count` codes, `[count, L]`, f64.
    pub fn sample(&self, count: usize, rng: &mut Rng) -> Tensor {
        match &self.law {
            Law::Mixture(mixture) => Tensor::from_vec(mixture.sample(count, rng), &[count, mixture.dimension()]),
            Law::SecondStage(stage) => stage.sample(count, rng),
        }
    }

    /// Stores the density under names that start with `prefix`.
    pub fn save(&self, file: &mut ModelFile, prefix: &str) {
        match &self.law {
            Law::Mixture(mixture) => mixture.save(file, &format!("{prefix}.mixture")),
            Law::SecondStage(stage) => stage.save(file, &format!("{prefix}.second")),
        }
    }

    /// Takes back what [`CodeDensity::save`] stored of codes with `latent` dimensions; `None` where nothing is stored.
    ///
    /// # Errors
    /// [`Error::ModelFile`] where what is stored makes no density.
    pub fn load(file: &ModelFile, prefix: &str, latent: usize) -> Result<Option<Self>> {
        let (mixture, second) = (format!("{prefix}.mixture"), format!("{prefix}.second"));
        let has_mixture = file.names().any(|name| name.starts_with(&mixture));
        let law = if has_mixture {
            Law::Mixture(GaussianMixture::load(file, &mixture, latent)?)
        } else if file.has(&second) {
            Law::SecondStage(Box::new(SecondStage::load(file, &second, latent)?))
        } else {
            return Ok(None);
        };
        Ok(Some(Self { law }))
    }
}

/// A mixture of normals of codes `[N, L]`, with a warning where its rounds were too few.
fn fit_mixture(codes: &[f64], latent: usize, config: &GaussianMixtureConfig, run: &mut Run) -> Result<GaussianMixture> {
    let fit = GaussianMixture::fit(codes, latent, config, &mut run.rng)?;
    if !fit.is_converged {
        run.warn(format!(
            "the mixture of the codes had not settled after {} rounds, and is what it was then; fewer `components` of \
             `density` may settle",
            fit.rounds
        ));
    }
    Ok(fit.mixture)
}

impl SecondStage {
    /// Trains the autoencoder on codes `[N, L]`.
    fn fit(codes: &[f64], latent: usize, hidden: &[usize], epochs: usize, run: &mut Run) -> Result<Self> {
        let rows = (codes.len() / latent) as f64;
        let (mut shift, mut scale) = (vec![0.0; latent], vec![0.0; latent]);
        codes.iter().enumerate().for_each(|(i, v)| shift[i % latent] += v / rows);
        codes.iter().enumerate().for_each(|(i, v)| scale[i % latent] += (v - shift[i % latent]).powi(2) / rows);
        scale.iter_mut().for_each(|s| *s = s.sqrt());
        let standard = |(i, v): (usize, &f64)| {
            let (shift, scale) = (shift[i % latent], scale[i % latent]);
            if scale == 0.0 { 0.0 } else { ((v - shift) / scale) as f32 }
        };
        let values: Vec<f32> = codes.iter().enumerate().map(standard).collect();
        let mlp = MlpConfig::new(hidden, Activation::Relu);
        let config = VaeConfig {
            encoder: EncoderConfig::Mlp(mlp.clone()),
            decoder: DecoderConfig::Mlp(mlp),
            likelihood: LikelihoodConfig::Gaussian { noise: Noise::Learned },
            ..VaeConfig::new(latent)
        };
        let objective = ObjectiveConfig::default();
        let mut vae = config.build(&[latent], &objective, &mut run.rng.fork())?;
        let settings = TrainingConfig { epochs, ..TrainingConfig::default() };
        let training = Training::new(&values, latent, &objective, &settings, &mut run.rng.fork())?;
        // Its curves are not those of the model.
        let mut own = run.part(run.seed);
        let trained = training.run(&mut vae, &mut own);
        let is_stopped = own.stopped_early();
        run.rejoin(own);
        trained?;
        if is_stopped {
            run.warn("the density of the codes was stopped before its end, and is what it was then");
        }
        Ok(Self { vae, shift, scale })
    }

    fn sample(&self, count: usize, rng: &mut Rng) -> Tensor {
        let z = self.vae.sample_prior(count, rng);
        let dims = [self.shift.len()];
        let drawn = self.vae.generate(&z, true, rng).to_f64();
        drawn * Tensor::from_slice(&self.scale, &dims) + Tensor::from_slice(&self.shift, &dims)
    }

    fn save(&self, file: &mut ModelFile, prefix: &str) {
        file.set(prefix, self.vae.config());
        self.vae.write_to(file, &format!("{prefix}.vae"));
        file.put(&format!("{prefix}.shift"), &[self.shift.len()], &self.shift);
        file.put(&format!("{prefix}.scale"), &[self.scale.len()], &self.scale);
    }

    fn load(file: &ModelFile, prefix: &str, latent: usize) -> Result<Self> {
        let config: VaeConfig = file.fact(prefix)?;
        if config.latent != latent {
            let found = config.latent;
            return Err(Error::misfit(format!("`{prefix}` is of codes with {found} dimensions, not {latent}")));
        }
        if config.condition.is_some() {
            return Err(Error::misfit(format!("`{prefix}` takes a condition, which codes have not")));
        }
        let mut vae = config.build(&[latent], &ObjectiveConfig::default(), &mut Rng::new(0))?;
        vae.read_from(file, &format!("{prefix}.vae"))?;
        let shift = file.get_as(&format!("{prefix}.shift"), &[latent])?;
        let scale = file.get_as(&format!("{prefix}.scale"), &[latent])?;
        Ok(Self { vae, shift, scale })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mixture_that_did_not_settle_is_warned_of_and_one_that_did_is_not() {
        let codes = Rng::new(1).normals(400);
        let warnings = |components: usize, iterations: usize| {
            let mut run = Run::new(2);
            let config = GaussianMixtureConfig { components, iterations, ..GaussianMixtureConfig::default() };
            fit_mixture(&codes, 2, &config, &mut run).unwrap();
            run.warnings().to_vec()
        };
        let short = warnings(5, 1);
        assert!(short.len() == 1 && short[0].contains("not settled after 1 rounds"), "{short:?}");
        assert!(warnings(1, 200).is_empty());
    }
}
