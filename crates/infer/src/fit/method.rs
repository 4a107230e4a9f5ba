//! Methods by name, and one result of all of them.

use super::ensure_dim;
use super::multipath::multipath;
use super::pathfinder::{PathfinderSettings, pathfinder};
use super::vi::{ViSettings, vi};
use crate::diagnostics::{Psis, worst};
use crate::family::{
    FlowFamily, FullRank, InfinitesimalFlow, LowRank, MeanField, Mixture, Variational, ensure_hessian,
};
use crate::mcmc::{Hamiltonian, Start, sample};
use crate::objective::Estimate;
use crate::target::LogDensity;
use elbo_core::{Error, Result, Rng, Run, ensure};
use elbo_dist::flow::FlowSpec;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Instant;

/// Most unknowns that a full covariance is made of.
const MOST_FULL_RANK: usize = 4000;

/// A method of inference. As a text: `nuts`, `pathfinder`, `multipath`, `mean-field`, `full-rank`, `low-rank:2`, `mixture:3`, a flow such as
/// `spline:4x8`, or one that the target drives, `hamiltonian:4` or `langevin:4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The no-U-turn sampler.
    Nuts,
    /// A normal found along the way to a mode.
    Pathfinder,
    /// Normals found along the ways from several starts, and draws of all of them resampled by their weights.
    Multipath,
    /// Variational, independent normals.
    MeanField,
    /// Variational, a normal of any covariance.
    FullRank,
    /// Variational, a normal of low rank plus diagonal.
    LowRank {
        /// The rank.
        rank: usize,
    },
    /// Variational, a mixture of independent normals.
    Mixture {
        /// Number of components.
        components: usize,
    },
    /// Variational, a normalising flow.
    Flow {
        /// Which.
        flow: FlowSpec,
    },
    /// Variational, a flow along the target's own gradient with momenta drawn once. The target must be one that can be kept, an
    /// `Arc<dyn LogDensity + Send>` ([`LogDensity::shared`]), and have a Hessian.
    Hamiltonian {
        /// Leapfrog steps.
        steps: usize,
    },
    /// The same with momenta drawn anew before each step.
    Langevin {
        /// Leapfrog steps.
        steps: usize,
    },
}

impl FromStr for Method {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = || Error::Setting {
            setting: "method".into(),
            found: format!("`{text}`"),
            expected: "nuts, pathfinder, multipath, mean-field, full-rank, low-rank:R, mixture:K, hamiltonian:K, \
                       langevin:K with numbers from 1 to 1000, or a flow such as spline:4x8"
                .into(),
        };
        let count = |t: &str| t.parse::<usize>().ok().filter(|n| (1..=1000).contains(n)).ok_or_else(refuse);
        match text.split_once(':') {
            None => match text {
                "nuts" => Ok(Self::Nuts),
                "pathfinder" => Ok(Self::Pathfinder),
                "multipath" => Ok(Self::Multipath),
                "mean-field" => Ok(Self::MeanField),
                "full-rank" => Ok(Self::FullRank),
                _ => Err(refuse()),
            },
            Some(("low-rank", rank)) => Ok(Self::LowRank { rank: count(rank)? }),
            Some(("mixture", components)) => Ok(Self::Mixture { components: count(components)? }),
            Some(("hamiltonian", steps)) => Ok(Self::Hamiltonian { steps: count(steps)? }),
            Some(("langevin", steps)) => Ok(Self::Langevin { steps: count(steps)? }),
            Some(_) => Ok(Self::Flow { flow: text.parse()? }),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nuts => f.write_str("nuts"),
            Self::Pathfinder => f.write_str("pathfinder"),
            Self::Multipath => f.write_str("multipath"),
            Self::MeanField => f.write_str("mean-field"),
            Self::FullRank => f.write_str("full-rank"),
            Self::LowRank { rank } => write!(f, "low-rank:{rank}"),
            Self::Mixture { components } => write!(f, "mixture:{components}"),
            Self::Flow { flow } => write!(f, "{flow}"),
            Self::Hamiltonian { steps } => write!(f, "hamiltonian:{steps}"),
            Self::Langevin { steps } => write!(f, "langevin:{steps}"),
        }
    }
}

/// Settings of all methods; each takes what it needs.
#[derive(Debug, Clone, PartialEq)]
pub struct MethodSettings {
    /// Of sampling.
    pub nuts: Hamiltonian,
    /// Of variational fits.
    pub vi: ViSettings,
    /// Of climbs to modes.
    pub pathfinder: PathfinderSettings,
    /// The optimiser's rate for a flow.
    pub flow_rate: f64,
    /// Steps of a flow, after a mean-field fit that gives it its base.
    pub flow_steps: usize,
    /// Where to start, `[D]`, in free numbers; zero without one. Chains start around it.
    pub start: Option<Vec<f64>>,
}

impl Default for MethodSettings {
    fn default() -> Self {
        Self {
            nuts: Hamiltonian::nuts(),
            vi: ViSettings::default(),
            pathfinder: PathfinderSettings::default(),
            flow_rate: 0.01,
            flow_steps: 3000,
            start: None,
        }
    }
}

/// What a method found, in the same terms for all methods.
#[derive(Debug, Clone)]
pub struct Inference {
    /// The method.
    pub method: Method,
    /// Names of the natural values, `P`.
    pub labels: Vec<String>,
    /// Draws in natural values, `[S, P]` row-major: of the posterior by sampling, resampled by their weights by [`Method::Multipath`], and else of the
    /// approximation.
    pub natural: Vec<f64>,
    /// The same draws in free numbers, `[S, D]`.
    pub draws: Vec<f64>,
    /// Evidence lower bound with its standard error; variational methods.
    pub elbo: Option<Estimate>,
    /// Importance weights of the draws, equal where these were resampled, and k-hat; variational methods.
    pub psis: Option<Psis>,
    /// Largest R-hat of any free unknown; sampling.
    pub r_hat: Option<f64>,
    /// Smallest effective number of draws, bulk or tail; sampling.
    pub ess: Option<f64>,
    /// Divergent transitions; sampling.
    pub divergences: usize,
    /// Gradients of the target, warm-up included.
    pub gradients: u64,
    /// Seconds.
    pub seconds: f64,
    /// What a reader has to know.
    pub warnings: Vec<String>,
}

impl Inference {
    /// Means of the natural values, `[P]`.
    pub fn mean(&self) -> Vec<f64> {
        self.moments().0
    }

    /// Standard deviations of the natural values, `[P]`.
    pub fn sd(&self) -> Vec<f64> {
        self.moments().1
    }

    fn moments(&self) -> (Vec<f64>, Vec<f64>) {
        let p = self.labels.len();
        let count = (self.natural.len() / p) as f64;
        let (mut mean, mut square) = (vec![0.0; p], vec![0.0; p]);
        for row in self.natural.chunks_exact(p) {
            mean.iter_mut().zip(row).for_each(|(m, v)| *m += v / count);
        }
        for row in self.natural.chunks_exact(p) {
            square.iter_mut().zip(row.iter().zip(&mean)).for_each(|(s, (v, m))| *s += (v - m).powi(2) / (count - 1.0));
        }
        (mean, square.into_iter().map(f64::sqrt).collect())
    }

    /// Why this answer is not to be trusted; `None` when it is.
    ///
    /// Draws need R-hat at most 1.01, at least 400 effective draws and no divergence; an approximation needs k-hat below its threshold.
    pub fn doubt(&self) -> Option<String> {
        if let Some(psis) = &self.psis {
            return (!psis.is_reliable()).then(|| format!("k-hat {:.2} above {:.2}", psis.k, psis.threshold));
        }
        let (r_hat, ess) = (self.r_hat.unwrap_or(f64::NAN), self.ess.unwrap_or(f64::NAN));
        // A NaN is doubted.
        if r_hat.is_nan() || r_hat > 1.01 {
            Some(format!("R-hat {r_hat:.3} above 1.01"))
        } else if self.divergences > 0 {
            Some(format!("{} divergent transitions", self.divergences))
        } else if ess.is_nan() || ess < 400.0 {
            Some(format!("{ess:.0} effective draws, below 400"))
        } else {
            None
        }
    }
}

/// Runs one method.
///
/// # Errors
/// Those of [`sample`], [`vi`], [`pathfinder`] and [`multipath`]; [`Error::Setting`] for a start of another length, for a target that cannot
/// drive the flow that is asked for, and for a full covariance of more than 4000 unknowns.
pub fn infer(target: &dyn LogDensity, method: Method, settings: &MethodSettings, run: &mut Run) -> Result<Inference> {
    let started = Instant::now();
    let d = target.dim();
    let mean = settings.start.clone().unwrap_or_else(|| vec![0.0; d]);
    ensure_dim("start", mean.len(), target)?;
    if matches!(method, Method::Pathfinder | Method::Multipath | Method::FullRank) {
        let found = format!("{method} for {d} unknowns, a factor of {:.1} GB", 8e-9 * (d as f64).powi(2));
        let expected = format!("mean-field or low-rank:R for more than {MOST_FULL_RANK} unknowns");
        ensure("method", found, d <= MOST_FULL_RANK, expected)?;
    }
    let sd = vec![1.0; d];
    let family: Box<dyn Variational> = match method {
        Method::Nuts => return nuts(target, settings, run),
        Method::Pathfinder => {
            let fit = pathfinder(target, &mean, &settings.pathfinder, run)?;
            return Ok(of_fit(target, method, fit, started));
        }
        Method::Multipath => {
            let mut fit = multipath(target, &mean, &settings.pathfinder, run)?;
            // Draws that count the same, so that their means are the answer; k-hat is that of the weights they were chosen by.
            // Weights that are not numbers choose nothing, and k-hat is infinite then.
            if !fit.psis.log_weights.iter().any(|l| l.is_nan()) {
                let count = fit.log_weights.len();
                fit.draws = fit.resampled(count, &mut run.rng);
                fit.psis.log_weights = vec![-(count as f64).ln(); count];
            }
            return Ok(of_fit(target, method, fit, started));
        }
        Method::MeanField => Box::new(MeanField::new(&mean, &sd)),
        Method::FullRank => Box::new(FullRank::new(&mean, &sd)),
        Method::LowRank { rank } => Box::new(LowRank::new(&mean, &sd, rank)),
        Method::Mixture { components } => Box::new(Mixture::new(&mean, &sd, components, &mut run.rng)),
        Method::Flow { .. } | Method::Hamiltonian { .. } | Method::Langevin { .. } => {
            return by_flow(target, method, settings, run);
        }
    };
    let fit = vi(target, family, &settings.vi, run)?;
    Ok(of_fit(target, method, fit, started))
}

fn of_fit(target: &dyn LogDensity, method: Method, fit: super::vi::Fit, started: Instant) -> Inference {
    Inference {
        method,
        labels: target.labels(),
        natural: target.natural(&fit.draws),
        draws: fit.draws,
        elbo: Some(fit.elbo),
        psis: Some(fit.psis),
        r_hat: None,
        ess: None,
        divergences: 0,
        gradients: fit.gradients,
        seconds: started.elapsed().as_secs_f64(),
        warnings: fit.warnings,
    }
}

/// What builds a flow on a base of independent normals, from their means and deviations.
type Build = Box<dyn Fn(&[f64], &[f64], &mut Rng) -> Result<Box<dyn Variational>>>;

/// The flow of a method, for this target.
///
/// # Errors
/// [`Error::Setting`] for a flow that the target drives, where it has no Hessian or is only lent.
fn flow_of(target: &dyn LogDensity, method: Method, at: &[f64]) -> Result<Build> {
    if let Method::Flow { flow } = method {
        return Ok(Box::new(move |mean: &[f64], sd: &[f64], rng: &mut Rng| -> Result<Box<dyn Variational>> {
            Ok(Box::new(FlowFamily::new(flow, mean, sd, rng)?))
        }));
    }
    ensure_hessian(target, at)?;
    let kept = target.shared().ok_or_else(|| Error::Setting {
        setting: "target".into(),
        found: format!("a log density that is only lent, for `{method}`"),
        expected: "one that can be kept, an `Arc<dyn LogDensity + Send>`; for others take a flow".into(),
    })?;
    Ok(Box::new(move |mean: &[f64], sd: &[f64], _: &mut Rng| -> Result<Box<dyn Variational>> {
        let target = Arc::clone(&kept);
        Ok(Box::new(match method {
            Method::Langevin { steps } => InfinitesimalFlow::langevin(target, mean, sd, steps)?,
            Method::Hamiltonian { steps } => InfinitesimalFlow::hamiltonian(target, mean, sd, steps)?,
            other => unreachable!("`{other}` is no flow"),
        }))
    }))
}

/// A flow starts from the mean-field solution, so that its layers only have to bend.
fn by_flow(target: &dyn LogDensity, method: Method, settings: &MethodSettings, run: &mut Run) -> Result<Inference> {
    let started = Instant::now();
    let d = target.dim();
    let start = settings.start.clone().unwrap_or_else(|| vec![0.0; d]);
    let build = flow_of(target, method, &start)?;
    let mut own = run.part(run.seed);
    let first = vi(target, Box::new(MeanField::new(&start, &vec![1.0; d])), &settings.vi, &mut own);
    run.rejoin(own);
    let first = first?;
    let packed = first.family.pack();
    let sd: Vec<f64> = packed[d..].iter().map(|s| s.exp()).collect();
    let family = build(&packed[..d], &sd, &mut run.rng)?;
    let vi_settings = ViSettings { rate: settings.flow_rate, steps: settings.flow_steps, ..settings.vi.clone() };
    let mut fit = vi(target, family, &vi_settings, run)?;
    fit.gradients += first.gradients;
    Ok(of_fit(target, method, fit, started))
}

fn nuts(target: &dyn LogDensity, settings: &MethodSettings, run: &mut Run) -> Result<Inference> {
    let started = Instant::now();
    let start = match &settings.start {
        None => Start::default(),
        Some(centre) => {
            let near = |_| centre.iter().map(|c| c + run.rng.range(-0.5, 0.5)).collect();
            Start::At((0..settings.nuts.chains).map(near).collect())
        }
    };
    let draws = sample(target, &settings.nuts, &start, run)?;
    let summaries = draws.summaries();
    Ok(Inference {
        method: Method::Nuts,
        labels: target.labels(),
        natural: target.natural(draws.values()),
        draws: draws.values().to_vec(),
        elbo: None,
        psis: None,
        r_hat: Some(worst(summaries.iter().map(|s| s.r_hat), f64::max)),
        ess: Some(worst(summaries.iter().flat_map(|s| [s.ess_bulk, s.ess_tail]), f64::min)),
        divergences: draws.divergences(),
        gradients: draws.gradients() + draws.warmup_gradients(),
        seconds: started.elapsed().as_secs_f64(),
        warnings: draws.warnings(),
    })
}
