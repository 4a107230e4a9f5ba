//! Priors over codes.

use super::classes::ClassPrior;
use super::draws::Draws;
use super::family::{Family, LEAST_LOG_VARIANCE};
use super::mixture::{Mixture, Responsibilities, Spread};
use super::path::Path;
use super::posterior::{LN_TAU, Posterior};
use super::reference::Reference;
use super::shares::SharesPrior;
use super::sphere::UniformSphere;
use crate::activation::Activation;
use crate::init::normal;
use crate::layer::{Build, Layer, MOST_WIDTH, Pass, Sequential, check_weight};
use crate::network::{MlpConfig, mlp};
use elbo_core::{Result, Rng, ensure, ensure_within};
use elbo_tensor::{Parameter, Parameters, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// p(z).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum PriorConfig {
    /// The one without parameters: standard normal for Gaussian codes, equal probabilities for classes, uniform on the sphere or the simplex.
    #[default]
    Standard,
    /// Normal with a learned mean and variance for each dimension.
    Diagonal,
    /// A mixture of normals with learned weights and means. Also called `gmm`.
    #[serde(alias = "gmm")]
    Mixture {
        /// Number of normals.
        #[serde(default = "ten")]
        components: usize,
        /// Their variances: own, shared, or fixed with a standard deviation.
        #[serde(default, deserialize_with = "elbo_core::named::deserialize")]
        spread: Spread,
        /// Which normals a data point is taken to be of: exact, the best for the bound, or paper, those of its draws.
        #[serde(default)]
        responsibilities: Responsibilities,
    },
    /// p(z | y): a normal for each class of data points, with a learned mean. Data points without a class have the mixture of all.
    ClassConditional {
        /// Shares of the classes, up to a factor; empty for those of the data points whose class is given.
        #[serde(default)]
        shares: Vec<f64>,
        /// Variances of the normals: own, shared, or fixed with a standard deviation.
        #[serde(default, deserialize_with = "elbo_core::named::deserialize")]
        spread: Spread,
    },
    /// A mixture of the posteriors of learned pseudo-inputs.
    Vamp {
        /// Number of pseudo-inputs.
        components: usize,
    },
    /// A second layer of codes: p(z) = ∫ p(z | h) N(h; 0, I) dh, with its own q(h | z).
    Hierarchical {
        /// Dimensions of the second layer.
        latent: usize,
        /// Widths of the networks between the layers.
        hidden: Vec<usize>,
    },
    /// Learned probabilities, for classes.
    Shares,
    /// Dirichlet with one concentration for all shares.
    Dirichlet {
        /// Below one, few shares of a code are large; above, they are alike.
        concentration: f64,
    },
    /// The law that samples are from: a narrow normal around each, all alike.
    Samples {
        /// The samples, one after the other, each with as many numbers as the code has dimensions.
        #[serde(default)]
        points: Vec<f64>,
        /// Standard deviation of the normals, as a share of that of the samples in each dimension; without it, Scott's: the number of samples to the power of
        /// -1 / (dimensions + 4).
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bandwidth: Option<f64>,
    },
}

fn ten() -> usize {
    10
}

impl PriorConfig {
    /// A mixture of so many normals with variances of their own.
    pub fn mixture(components: usize) -> Self {
        Self::Mixture { components, spread: Spread::default(), responsibilities: Responsibilities::default() }
    }

    /// Normals that a data point may be of: components of a mixture, or classes; zero for other priors.
    pub(super) fn components(&self) -> usize {
        match self {
            Self::Mixture { components, .. } => *components,
            Self::ClassConditional { shares, .. } => shares.len(),
            _ => 0,
        }
    }

    /// Numbers of one code of `latent` dimensions where its density takes most of them.
    pub(super) fn widest(&self, latent: usize) -> usize {
        match self {
            Self::Standard | Self::Diagonal | Self::Shares | Self::Dirichlet { .. } => latent,
            Self::Mixture { components, .. } | Self::Vamp { components } => components * latent,
            Self::ClassConditional { shares, .. } => shares.len() * latent,
            Self::Samples { points, .. } => points.len(),
            Self::Hierarchical { latent: top, hidden } => {
                hidden.iter().copied().fold(Family::GaussDiag.width(latent.max(*top)), usize::max)
            }
        }
    }

    /// Its name in settings.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Diagonal => "diagonal",
            Self::Mixture { .. } => "mixture",
            Self::ClassConditional { .. } => "class_conditional",
            Self::Vamp { .. } => "vamp",
            Self::Hierarchical { .. } => "hierarchical",
            Self::Shares => "shares",
            Self::Dirichlet { .. } => "dirichlet",
            Self::Samples { .. } => "samples",
        }
    }

    /// Checks ranges.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Standard | Self::Diagonal | Self::Shares => Ok(()),
            Self::Mixture { components, spread, .. } => {
                ensure_within("prior.components", *components, 1..=MOST_WIDTH)?;
                spread.check()
            }
            Self::ClassConditional { shares, spread } => {
                ensure_within("prior.shares", shares.len(), ..=MOST_WIDTH)?;
                let is_share = |share: &f64| *share > 0.0 && share.is_finite();
                ensure("prior.shares", format!("{shares:?}"), shares.iter().all(is_share), "numbers above 0")?;
                spread.check()
            }
            Self::Vamp { components } => ensure_within("prior.components", *components, 1..=MOST_WIDTH),
            Self::Hierarchical { latent, .. } => ensure_within("prior.latent", *latent, 1..=MOST_WIDTH),
            Self::Dirichlet { concentration } => {
                let is_positive = *concentration > 0.0 && concentration.is_finite();
                ensure("prior.concentration", concentration, is_positive, "above 0")
            }
            Self::Samples { points, bandwidth } => {
                let unfit = points.iter().filter(|v| !v.is_finite()).count();
                let found = format!("{} numbers, {unfit} of them not finite", points.len());
                let expected = "finite numbers of samples of the code, one sample after the other";
                ensure("prior.points", found, unfit == 0 && !points.is_empty(), expected)?;
                let share = bandwidth.unwrap_or(1.0);
                ensure("prior.bandwidth", share, share > 0.0 && share.is_finite(), "above 0")
            }
        }
    }

    /// The prior over `latent` dimensions of codes of this family, in a model of data points with `size` numbers.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for empty sizes, and pseudo-inputs that would not fit into memory.
    pub fn build(&self, family: Family, latent: usize, size: usize, build: &mut Build<'_>) -> Result<Box<dyn Prior>> {
        self.check()?;
        self.check_samples(latent)?;
        let dtype = build.dtype;
        let zeros = |shape: &[usize]| Parameter::real(&Tensor::zeros(shape, dtype));
        Ok(match self {
            Self::Standard => match family {
                Family::GaussDiag | Family::GaussFull | Family::SigmaPoints(_) | Family::Dirac => {
                    Box::new(Standard { latent })
                }
                Family::Categorical(_) => Box::new(ClassPrior::new(latent, false, dtype)),
                Family::Vmf(_) => Box::new(UniformSphere { latent }),
                Family::Dirichlet => Box::new(SharesPrior { latent, concentration: 1.0 }),
            },
            Self::Shares => Box::new(ClassPrior::new(latent, true, dtype)),
            Self::Dirichlet { concentration } => Box::new(SharesPrior { latent, concentration: *concentration }),
            Self::Samples { points, bandwidth } => Box::new(Reference::new(points, latent, *bandwidth)),
            Self::Diagonal => Box::new(Diagonal { mean: zeros(&[latent]), log_variance: zeros(&[latent]) }),
            Self::Mixture { components, spread, responsibilities } => {
                Box::new(Mixture::of_components(*components, latent, *spread, *responsibilities, build))
            }
            Self::ClassConditional { shares, spread } => {
                let expected = "the share of each class; a fit counts those of the data points, with the column of classes as target";
                ensure("prior.shares", "empty", !shares.is_empty(), expected)?;
                Box::new(Mixture::of_classes(shares, latent, *spread, build))
            }
            // Pseudo-inputs start as grey noise, in the middle of a picture's range.
            Self::Vamp { components } => {
                check_weight("prior.components", &[*components, size])?;
                Box::new(Vamp { pseudo: Parameter::real(&(normal(&[*components, size], 0.1, build.rng, dtype) + 0.5)) })
            }
            Self::Hierarchical { latent: top, hidden } => {
                let config = MlpConfig::new(hidden, Activation::Tanh);
                let family = Family::GaussDiag;
                Box::new(Hierarchical {
                    up: mlp(latent, family.width(*top), &config, build)?,
                    down: mlp(*top, family.width(latent), &config, build)?,
                    latent,
                    top: *top,
                })
            }
        })
    }
}

/// What a prior may need besides the codes.
pub struct PriorPass<'a> {
    /// Posteriors of the prior's pseudo-inputs, where it has some.
    pub pseudo: Option<&'a Posterior>,
    /// The class of each data point, where it is known, `[B]`; empty where none is.
    pub labels: &'a [Option<usize>],
    /// Noise for latent variables of the prior's own.
    pub rng: &'a mut Rng,
    /// How gradients flow through draws.
    pub path: &'a Path,
}

/// A density of codes.
pub trait Prior: Parameters + Send + Sync {
    /// Log density at points `[K, B, L]`, which are codes, or the logarithms of shares; returns `[K, B]`, nats. A prior with latent variables of
    /// its own draws them and returns the log of an unbiased estimate of the density, which is a lower bound in the mean.
    fn log_prob(&self, z: &Tensor, pass: &mut PriorPass<'_>) -> Tensor;

    /// KL(q || p), or an upper bound that is exact for one component, in closed form: `[B, J]`, to be summed over J.
    fn kl(&self, _: &Posterior) -> Option<Tensor> {
        None
    }

    /// The divergence of the posteriors of a batch from the prior in closed form, `[B, J]`, given what else is known of it: that of [`Prior::kl`] for
    /// priors that take no notice of draws and classes.
    fn charge(&self, draws: &Draws) -> Option<Tensor> {
        self.kl(&draws.q)
    }

    /// Log probabilities of the components that a data point may be of, `[K, B, M]` with `M` components, or `[1, B, M]` where they depend on no draw;
    /// `None` for priors without components. `points: [K, B, L]` are draws of `q`.
    fn log_responsibilities(&self, q: &Posterior, points: &Tensor) -> Option<Tensor> {
        let _ = (q, points);
        None
    }

    /// `count` codes, `[count, L]`. `pseudo` as in [`PriorPass`].
    fn sample(&self, count: usize, pseudo: Option<&Posterior>, rng: &mut Rng) -> Tensor;

    /// `count` codes of one component, `[count, L]`; `None` where there is no such component.
    fn sample_component(&self, component: usize, count: usize, rng: &mut Rng) -> Option<Tensor> {
        let _ = (component, count, rng);
        None
    }

    /// Data points whose posteriors the prior is made of, `[M, D]`.
    fn pseudo_inputs(&self) -> Option<Tensor> {
        None
    }

    /// Whether this is N(0, I).
    fn is_standard(&self) -> bool {
        false
    }
}

/// N(0, I).
struct Standard {
    latent: usize,
}

elbo_tensor::parameters!(Standard {});

/// log N(z; 0, I) over the last axis.
fn standard_log_prob(z: &Tensor) -> Tensor {
    z.square().sum_axis(-1, false) * -0.5 - 0.5 * z.size(-1) as f64 * LN_TAU
}

impl Prior for Standard {
    fn log_prob(&self, z: &Tensor, _: &mut PriorPass<'_>) -> Tensor {
        standard_log_prob(z)
    }

    fn kl(&self, q: &Posterior) -> Option<Tensor> {
        let zero = Tensor::zeros(&[self.latent], q.dtype());
        q.kl_to_diagonal(&zero, &zero)
    }

    fn sample(&self, count: usize, _: Option<&Posterior>, rng: &mut Rng) -> Tensor {
        Tensor::from_vec(rng.normals(count * self.latent), &[count, self.latent])
    }

    fn is_standard(&self) -> bool {
        true
    }
}

/// N(mean, diag exp(log_variance)).
struct Diagonal {
    mean: Parameter,
    log_variance: Parameter,
}

elbo_tensor::parameters!(Diagonal { "mean": mean, "log_variance": log_variance });

impl Prior for Diagonal {
    fn log_prob(&self, z: &Tensor, _: &mut PriorPass<'_>) -> Tensor {
        let log_variance = self.log_variance.get();
        let white = (z - self.mean.get()) * (&log_variance * -0.5).exp();
        standard_log_prob(&white) - log_variance.sum() * 0.5
    }

    fn kl(&self, q: &Posterior) -> Option<Tensor> {
        q.kl_to_diagonal(&self.mean.get(), &self.log_variance.get())
    }

    fn sample(&self, count: usize, _: Option<&Posterior>, rng: &mut Rng) -> Tensor {
        let latent = self.mean.len();
        let noise = Tensor::from_vec(rng.normals(count * latent), &[count, latent]);
        let sd = (self.log_variance.get().detach().to_f64() * 0.5).exp();
        self.mean.get().detach().to_f64() + sd * noise
    }
}

/// Draws from a mixture whose components are the rows of `components`; f64.
pub(super) fn draw_from(components: &Posterior, weights: &[f64], count: usize, rng: &mut Rng) -> Tensor {
    let components = components.to_f64();
    let chosen: Vec<usize> = (0..count).map(|_| rng.weighted(weights)).collect();
    let chosen = components.take(&chosen);
    let points = chosen.rsample(&chosen.noise(1, rng));
    chosen.code(&points).select(0, 0)
}

/// (1/M) Σ_m q(z | u_m) with learned data points u_m.
///
/// # Source
/// Tomczak and Welling (2018).
struct Vamp {
    pseudo: Parameter,
}

elbo_tensor::parameters!(Vamp { "pseudo_inputs": pseudo });

const ENCODED: &str = "the model encodes the prior's pseudo-inputs";

impl Prior for Vamp {
    fn log_prob(&self, z: &Tensor, pass: &mut PriorPass<'_>) -> Tensor {
        let flat = z.reshape(&[z.len() / z.size(-1), z.size(-1)]);
        let each = pass.pseudo.expect(ENCODED).log_prob_of_each(&flat);
        let components = each.size(-1) as f64;
        each.log_sum_exp(-1, false).reshape(&z.shape()[..z.rank() - 1]) - components.ln()
    }

    fn sample(&self, count: usize, pseudo: Option<&Posterior>, rng: &mut Rng) -> Tensor {
        let components = pseudo.expect(ENCODED);
        draw_from(&components.detach(), &vec![1.0; components.rows()], count, rng)
    }

    fn pseudo_inputs(&self) -> Option<Tensor> {
        Some(self.pseudo.get())
    }
}

/// ∫ p(z | h) N(h; 0, I) dh, estimated with one draw of q(h | z).
struct Hierarchical {
    up: Sequential,
    down: Sequential,
    latent: usize,
    top: usize,
}

elbo_tensor::parameters!(Hierarchical { "up": up, "down": down });

impl Prior for Hierarchical {
    fn log_prob(&self, z: &Tensor, pass: &mut PriorPass<'_>) -> Tensor {
        let rows = z.len() / self.latent;
        let flat = z.reshape(&[rows, self.latent]);
        let q =
            Family::GaussDiag.posterior(&self.up.forward(&flat, &mut Pass::evaluation()), self.top, LEAST_LOG_VARIANCE);
        let noise = q.noise(1, pass.rng);
        let weighted = &[z.size(0), z.size(1), self.top];
        let h = pass.path.attach(&q.rsample(&noise).reshape(weighted)).reshape(&[1, rows, self.top]);
        let p = Family::GaussDiag.posterior(
            &self.down.forward(&h.select(0, 0), &mut Pass::evaluation()),
            self.latent,
            LEAST_LOG_VARIANCE,
        );
        let estimate = p.log_prob(&flat.unsqueeze(0)) + standard_log_prob(&h) - pass.path.density(&q).log_prob(&h);
        estimate.reshape(&z.shape()[..z.rank() - 1])
    }

    fn sample(&self, count: usize, _: Option<&Posterior>, rng: &mut Rng) -> Tensor {
        let dtype = self.down.leaves().first().map_or(elbo_tensor::DType::F32, Tensor::dtype);
        let h = Tensor::from_vec(rng.normals(count * self.top), &[count, self.top]).cast(dtype);
        let p = Family::GaussDiag.posterior(
            &self.down.forward(&h, &mut Pass::evaluation()),
            self.latent,
            LEAST_LOG_VARIANCE,
        );
        let p = p.detach().to_f64();
        p.rsample(&p.noise(1, rng)).select(0, 0)
    }
}
