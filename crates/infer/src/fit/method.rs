//! Methods by name, and one result of all of them.

use super::ensure_dim;
use super::pathfinder::{PathfinderSettings, pathfinder};
use super::vi::{ViSettings, vi};
use crate::diagnostics::Psis;
use crate::family::{FlowFamily, FullRank, LowRank, MeanField, Mixture, Variational};
use crate::mcmc::{Hamiltonian, Start, sample};
use crate::objective::Estimate;
use crate::target::LogDensity;
use elbo_core::{Error, Result, Run};
use elbo_dist::flow::FlowSpec;
use std::fmt;
use std::str::FromStr;
use std::time::Instant;

/// A method of inference. As a text: `nuts`, `pathfinder`, `mean-field`, `full-rank`, `low-rank:2`, `mixture:3`, or a flow such as `spline:4x8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// The no-U-turn sampler.
    Nuts,
    /// A normal found along the way to a mode.
    Pathfinder,
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
}

impl FromStr for Method {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = || Error::Setting {
            setting: "method".into(),
            found: format!("`{text}`"),
            expected: "nuts, pathfinder, mean-field, full-rank, low-rank:R, mixture:K, or a flow such as spline:4x8"
                .into(),
        };
        let count = |t: &str| t.parse::<usize>().ok().filter(|n| (1..=1000).contains(n)).ok_or_else(refuse);
        match text.split_once(':') {
            None => match text {
                "nuts" => Ok(Self::Nuts),
                "pathfinder" => Ok(Self::Pathfinder),
                "mean-field" => Ok(Self::MeanField),
                "full-rank" => Ok(Self::FullRank),
                _ => Err(refuse()),
            },
            Some(("low-rank", rank)) => Ok(Self::LowRank { rank: count(rank)? }),
            Some(("mixture", components)) => Ok(Self::Mixture { components: count(components)? }),
            Some(_) => Ok(Self::Flow { flow: text.parse()? }),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nuts => f.write_str("nuts"),
            Self::Pathfinder => f.write_str("pathfinder"),
            Self::MeanField => f.write_str("mean-field"),
            Self::FullRank => f.write_str("full-rank"),
            Self::LowRank { rank } => write!(f, "low-rank:{rank}"),
            Self::Mixture { components } => write!(f, "mixture:{components}"),
            Self::Flow { flow } => write!(f, "{flow}"),
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
    /// Draws in natural values, `[S, P]` row-major.
    pub natural: Vec<f64>,
    /// The same draws in free numbers, `[S, D]`.
    pub draws: Vec<f64>,
    /// Evidence lower bound with its standard error; variational methods.
    pub elbo: Option<Estimate>,
    /// Importance weights and k-hat; variational methods.
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
/// Those of [`sample`], [`vi`] and [`pathfinder`]; [`Error::Setting`] for a start of another length.
pub fn infer(target: &dyn LogDensity, method: Method, settings: &MethodSettings, run: &mut Run) -> Result<Inference> {
    let started = Instant::now();
    let d = target.dim();
    let mean = settings.start.clone().unwrap_or_else(|| vec![0.0; d]);
    ensure_dim("start", mean.len(), target)?;
    let sd = vec![1.0; d];
    let family: Box<dyn Variational> = match method {
        Method::Nuts => return nuts(target, settings, run),
        Method::Pathfinder => {
            let fit = pathfinder(target, &mean, &settings.pathfinder, run)?;
            return Ok(of_fit(target, method, fit, started));
        }
        Method::MeanField => Box::new(MeanField::new(&mean, &sd)),
        Method::FullRank => Box::new(FullRank::new(&mean, &sd)),
        Method::LowRank { rank } => Box::new(LowRank::new(&mean, &sd, rank)),
        Method::Mixture { components } => Box::new(Mixture::new(&mean, &sd, components, &mut run.rng)),
        Method::Flow { flow } => return by_flow(target, flow, settings, run),
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

/// A flow starts from the mean-field solution, so that its layers only have to bend.
fn by_flow(target: &dyn LogDensity, flow: FlowSpec, settings: &MethodSettings, run: &mut Run) -> Result<Inference> {
    let started = Instant::now();
    let d = target.dim();
    let start = settings.start.clone().unwrap_or_else(|| vec![0.0; d]);
    let first = vi(target, Box::new(MeanField::new(&start, &vec![1.0; d])), &settings.vi, &mut run.child(run.seed))?;
    let packed = first.family.pack();
    let sd: Vec<f64> = packed[d..].iter().map(|s| s.exp()).collect();
    let family = FlowFamily::new(flow, &packed[..d], &sd, &mut run.rng)?;
    let vi_settings = ViSettings { rate: settings.flow_rate, steps: settings.flow_steps, ..settings.vi.clone() };
    let mut fit = vi(target, Box::new(family), &vi_settings, run)?;
    fit.gradients += first.gradients;
    Ok(of_fit(target, Method::Flow { flow }, fit, started))
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
    // f64::max and f64::min leave NaN out, and a diagnostic that does not exist must be seen, wherever it stands.
    let worst = |mut values: Vec<f64>, pick: fn(f64, f64) -> f64| {
        if values.iter().any(|v| v.is_nan()) {
            return f64::NAN;
        }
        let first = values.pop().unwrap_or(f64::NAN);
        values.into_iter().fold(first, pick)
    };
    Ok(Inference {
        method: Method::Nuts,
        labels: target.labels(),
        natural: target.natural(draws.values()),
        draws: draws.values().to_vec(),
        elbo: None,
        psis: None,
        r_hat: Some(worst(summaries.iter().map(|s| s.r_hat).collect(), f64::max)),
        ess: Some(worst(summaries.iter().flat_map(|s| [s.ess_bulk, s.ess_tail]).collect(), f64::min)),
        divergences: draws.divergences(),
        gradients: draws.gradients() + draws.warmup_gradients(),
        seconds: started.elapsed().as_secs_f64(),
        warnings: draws.warnings(),
    })
}
