//! Our no-U-turn sampler beside NumPyro's: effective draws for each gradient and for each second.
//!
//! Both sides run the same numbers of chains, warm-up and draws with a diagonal metric at acceptance 0.8, and their chains share the threads;
//! effective sizes of both are computed by the same function, which equals ArviZ's. `benches/peers/infer_nuts.py` is the other side.

use super::python::{self, Python};
use super::rows::median;
use super::works::Peak;
use super::{draws, measured_peak, table};
use crate::error::{DevError, Result, read, write};
use crate::markers;
use crate::stamp::stamp;
use crate::timing::watched;
use elbo::core::{Result as CoreResult, Run};
use elbo::data::ReadOptions;
use elbo::dist::Prior;
use elbo::gp::exact::ExactGp;
use elbo::gp::kernel::{Profile, Stationary};
use elbo::gp::mean::Zero;
use elbo::infer::diagnostics::{ess_bulk, mcse_mean};
use elbo::infer::glm::{Glm, GlmLikelihood};
use elbo::infer::mcmc::{Draws, Hamiltonian, Start, sample};
use elbo::infer::target::ParametersDensity;
use elbo::infer::{Explicit, LogDensity};
use elbo::tensor::{Parameters, Tensor};
use serde::Deserialize;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Settings of `peers infer`.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Seeds, each run on both sides by turns.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..))]
    pub rounds: u64,
    /// Threads every side may use.
    #[arg(long, default_value_t = 2)]
    pub threads: usize,
    /// Only these posteriors.
    #[arg(long, value_delimiter = ',', value_parser = MODELS.map(|m| m.0))]
    pub only: Vec<String>,
    /// Small data and few draws, to try the machinery; prints the table instead of writing it.
    #[arg(long)]
    pub tiny: bool,
    /// Seconds after which NumPyro is stopped in one seed, and the posterior left out of the table.
    #[arg(long, default_value_t = PATIENCE)]
    pub patience: u64,
    /// The document that holds the table.
    #[arg(long, default_value = "docs/benchmarks.md")]
    pub out: PathBuf,
}

/// Id, and what it is.
pub const MODELS: [(&str, &str); 3] = [
    ("schools", "eight schools, non-centred, 10 unknowns"),
    ("logistic", "logistic regression on breast cancer, 569 rows, 31 unknowns"),
    ("gp", "hyperparameters of a Gaussian process, 60 rows, 3 unknowns"),
];

/// How NumPyro runs four chains: its faster way for all of these posteriors.
const METHOD: &str = "parallel";

/// Seconds that NumPyro has for one seed.
pub const PATIENCE: u64 = 720;

/// Our effective draws for each gradient must be at least this share of NumPyro's.
const PER_GRADIENT: f64 = 0.8;

/// What one side did with one seed.
#[derive(Debug, Clone, Default)]
struct Side {
    version: String,
    /// Least bulk effective size of the unknowns.
    effective: f64,
    /// Gradients after the warm-up.
    gradients: f64,
    /// Warm-up and draws, without compilation.
    seconds: f64,
    divergences: f64,
    /// Mean and its Monte Carlo error, by unknown.
    means: Vec<(f64, f64)>,
}

#[derive(Debug, Deserialize)]
struct Line {
    version: String,
    gradients: f64,
    divergences: f64,
    seconds: f64,
}

/// Runs both sides and writes the table between the markers `peers-infer` of the document.
///
/// # Errors
/// [`DevError::Command`] when a side fails, [`DevError::Faults`] when a bound is missed or posteriors disagree; the table is written
/// all the same.
pub fn infer(root: &Path, options: &Options) -> Result<()> {
    let folder = if options.tiny { "infer-tiny" } else { "infer" };
    let python = python::prepare(root, folder, options.threads)?;
    let mut arguments = vec!["data", python.folder()];
    arguments.extend(options.tiny.then_some("--tiny"));
    python.run("infer_nuts.py", &arguments)?;
    let peak = measured_peak(&python, options.tiny)?;
    let pool = rayon_pool(options.threads)?;
    let length = if options.tiny { 200 } else { 1000 };
    let (mut faults, mut rows, mut floors, mut notes) = (vec![], String::new(), String::new(), String::new());
    let mut busiest: Option<f64> = None;
    let chosen = |id: &str| options.only.is_empty() || options.only.iter().any(|o| o == id);
    for (id, title) in MODELS.iter().filter(|m| chosen(m.0)) {
        let ((ours, theirs), foreign) = watched(|| both(&python, id, options, &pool, length))?;
        busiest = busiest.into_iter().chain(foreign).reduce(f64::max);
        if theirs.len() < ours.len() {
            writeln!(
                notes,
                "\nNot in the table: {title}. NumPyro had not finished seed {} after {} s.",
                ours.len(),
                options.patience
            )
            .expect("writing to a string");
            continue;
        }
        if !ours.iter().zip(&theirs).all(|(a, b)| agree(a, b)) {
            faults.push(format!("{id}: the two sides' posterior means do not agree within five standard errors"));
        }
        let ratios = Ratios::of(&ours, &theirs);
        if !ratios.hold() {
            faults.push(format!("{id}: ratios {:.2} a gradient and {:.2} a second", ratios.gradient, ratios.second));
        }
        rows.push_str(&line(title, "elbo", &ours, " | | | | "));
        rows.push_str(&line("", "numpyro", &theirs, &ratios.cells()));
        floors.push_str(&floor_line(id, &ours, shape(id, &python.data)?, &peak));
    }
    let mut body = format!(
        "{}; {} threads for every engine; medians of {} seeds; 4 chains of {length} + {length}, diagonal metric, acceptance 0.8. Effective draws are \
         the least bulk size of the unknowns; seconds are warm-up and draws, without compilation. {} {}\n\nMade by `cargo run --release \
         -p elbo-dev -- peers infer`; {}.\n\n\
         | posterior | engine | effective draws | gradients | seconds | a thousand gradients | a second | a gradient, to peer | at least | elbo/peer | at most | verdict |\n\
         |---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|\n{rows}",
        table::machine(),
        options.threads,
        options.rounds,
        table::quiet(busiest),
        peak.words(),
        stamp(root)?
    );
    if !floors.is_empty() {
        body.push_str("\nFloors, the least time that this machine's measured peak allows:\n\n");
        body.push_str("| work | size | floor ms | elbo/floor | from |\n|---|---|---:|---:|---|\n");
        body.push_str(&floors);
    }
    body.push_str(&notes);
    if options.tiny || !options.only.is_empty() {
        println!("{body}");
    } else {
        let path = root.join(&options.out);
        write(&path, &markers::replace(&read(&path)?, "peers-infer", &body)?)?;
    }
    if faults.is_empty() || options.tiny { Ok(()) } else { Err(DevError::Faults(faults)) }
}

/// Both sides of a posterior, seed by seed and by turns. NumPyro's list is the shorter one when it did not finish a seed in time, which is
/// then the last.
fn both(
    python: &Python,
    id: &str,
    options: &Options,
    pool: &rayon::ThreadPool,
    length: usize,
) -> Result<(Vec<Side>, Vec<Side>)> {
    let target = target(id, &python.data)?;
    let (mut ours, mut theirs): (Vec<Side>, Vec<Side>) = (vec![], vec![]);
    for seed in 1..=options.rounds {
        let run_theirs = || numpyro(python, id, (seed, length), Duration::from_secs(options.patience));
        let run_ours = || -> Result<Side> { pool.install(|| elbo(target.as_ref(), id, seed, length)) };
        if seed % 2 == 0 {
            theirs.extend(run_theirs()?);
            ours.push(run_ours()?);
        } else {
            ours.push(run_ours()?);
            theirs.extend(run_theirs()?);
        }
        if theirs.len() < ours.len() {
            break;
        }
        let last = |sides: &[Side]| sides.last().map(|s| (s.effective, s.gradients, s.seconds));
        eprintln!("{id}, seed {seed}: elbo {:?}, numpyro {:?}", last(&ours), last(&theirs));
    }
    Ok((ours, theirs))
}

/// Whether the means of all unknowns are within five standard errors of their difference, over some fifty unknowns; what is no number
/// agrees with nothing.
fn agree(a: &Side, b: &Side) -> bool {
    let near = |(a, b): (&(f64, f64), &(f64, f64))| (a.0 - b.0).abs() <= 5.0 * a.1.hypot(b.1);
    a.means.len() == b.means.len() && a.means.iter().zip(&b.means).all(near)
}

/// Median of effective draws for a thousand gradients.
fn per_gradient(sides: &[Side]) -> f64 {
    median(&column(sides, |s| 1e3 * s.effective / s.gradients))
}

/// Median of effective draws for a second.
fn per_second(sides: &[Side]) -> f64 {
    median(&column(sides, |s| s.effective / s.seconds))
}

/// Our effective draws divided by NumPyro's.
struct Ratios {
    gradient: f64,
    second: f64,
}

impl Ratios {
    fn of(ours: &[Side], theirs: &[Side]) -> Self {
        Self { gradient: per_gradient(ours) / per_gradient(theirs), second: per_second(ours) / per_second(theirs) }
    }

    fn hold(&self) -> bool {
        self.gradient >= PER_GRADIENT && self.second > 1.0
    }

    /// The last cells of the peer's row. A time is that of an effective draw, ours divided by theirs.
    fn cells(&self) -> String {
        let verdict = if self.hold() { "held" } else { "**missed**" };
        format!("{:.2} | {PER_GRADIENT:.2} | {:.2} | 1.00 | {verdict}", self.gradient, 1.0 / self.second)
    }
}

/// A row of the table with its line's end: medians of one side, then the cells of the comparison.
fn line(title: &str, name: &str, sides: &[Side], comparison: &str) -> String {
    let version = &sides[0].version;
    let (effective, gradients) = (median(&column(sides, |s| s.effective)), median(&column(sides, |s| s.gradients)));
    let divergences = median(&column(sides, |s| s.divergences));
    let note = if divergences > 0.0 { format!(", {divergences:.0} divergences") } else { String::new() };
    format!(
        "| {title} | {name} {version}{note} | {effective:.0} | {gradients:.0} | {:.2} | {:.1} | {:.0} | {comparison} |\n",
        median(&column(sides, |s| s.seconds)),
        per_gradient(sides),
        per_second(sides),
    )
}

/// A row of the table of floors; these works have no sizes.
fn floor_line(id: &str, ours: &[Side], shape: [usize; 2], peak: &Peak) -> String {
    let gradients = median(&column(ours, |s| s.gradients));
    let floor = draws::floor(id, gradients, shape, peak);
    let share = 1e3 * median(&column(ours, |s| s.seconds)) / floor.ms;
    format!("| {id} | | {} | {share:.1} | {} |\n", table::milliseconds(floor.ms), floor.reason)
}

fn column(sides: &[Side], value: impl Fn(&Side) -> f64) -> Vec<f64> {
    sides.iter().map(value).collect()
}

fn rayon_pool(threads: usize) -> Result<rayon::ThreadPool> {
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| DevError::format("the thread pool", error))
}

/// The effective size and means of draws `[chains, draws, D]`.
fn judge(draws: &[f64], chains: usize, dim: usize) -> (f64, Vec<(f64, f64)>) {
    let mut effective = f64::INFINITY;
    let mut means = vec![];
    for unknown in 0..dim {
        let values: Vec<f64> = draws.iter().skip(unknown).step_by(dim).copied().collect();
        effective = effective.min(ess_bulk(&values, chains));
        means.push((values.iter().sum::<f64>() / values.len() as f64, mcse_mean(&values, chains)));
    }
    (effective, means)
}

/// NumPyro's side; `None` when it has not finished within the time.
fn numpyro(python: &Python, id: &str, (seed, length): (u64, usize), patience: Duration) -> Result<Option<Side>> {
    let (seed, length) = (seed.to_string(), length.to_string());
    let mut command = python.command("infer_nuts.py");
    command.args(["run", python.folder(), "--model", id, "--seed", &seed, "--method", METHOD]);
    command.args(["--warmup", &length, "--draws", &length]);
    let Some(printed) = python::output_within(&mut command, patience, "run it by hand to see the whole message")?
    else {
        return Ok(None);
    };
    let line: Line = printed
        .lines()
        .rfind(|l| l.starts_with('{'))
        .and_then(|l| serde_json::from_str(l).ok())
        .ok_or_else(|| DevError::format("output of infer_nuts.py", "expected one line of JSON"))?;
    let (values, shape) = array(&python.data, &format!("{id}-draws"))?;
    let (effective, means) = judge(&values, shape[0], shape[2]);
    Ok(Some(Side {
        version: line.version,
        effective,
        gradients: line.gradients,
        seconds: line.seconds,
        divergences: line.divergences,
        means,
    }))
}

fn elbo(target: &dyn LogDensity, id: &str, seed: u64, length: usize) -> Result<Side> {
    let settings = Hamiltonian { warmup: length, draws: length, ..Hamiltonian::nuts() };
    let start = Instant::now();
    let draws = sample(target, &settings, &Start::default(), &mut Run::new(seed))?;
    let seconds = start.elapsed().as_secs_f64();
    let ordered = in_their_order(&draws, id, target);
    let (effective, means) = judge(&ordered, draws.chains(), draws.dim());
    Ok(Side {
        version: env!("CARGO_PKG_VERSION").into(),
        effective,
        gradients: draws.gradients() as f64,
        seconds,
        divergences: draws.divergences() as f64,
        means,
    })
}

/// The process's unknowns are named; NumPyro's come in the order lengthscales, variance, noise.
fn in_their_order(draws: &Draws, id: &str, target: &dyn LogDensity) -> Vec<f64> {
    if id != "gp" {
        return draws.values().to_vec();
    }
    let labels = target.labels();
    let order: Vec<usize> = ["lengthscale", "variance", "noise"]
        .iter()
        .flat_map(|part| (0..labels.len()).filter(|i| labels[*i].contains(part)).collect::<Vec<_>>())
        .collect();
    draws.rows().flat_map(|row| order.iter().map(|i| row[*i]).collect::<Vec<_>>()).collect()
}

fn array(folder: &Path, name: &str) -> Result<(Vec<f64>, Vec<usize>)> {
    let path = folder.join(format!("{name}.npy"));
    let data = elbo::data::read(&path, &ReadOptions::default())?;
    let array = data.get("x")?;
    let values = array.to_f64().ok_or_else(|| DevError::format(path.display().to_string(), "expected numbers"))?;
    Ok((values, array.shape.clone()))
}

/// Rows and columns of a posterior's data.
fn shape(id: &str, folder: &Path) -> Result<[usize; 2]> {
    if id == "schools" {
        return Ok([8, 1]);
    }
    let (_, shape) = array(folder, &format!("{id}_x"))?;
    Ok([shape[0], shape[1]])
}

/// Our side of a posterior, as a user of the library would write it.
fn target(id: &str, folder: &Path) -> Result<Box<dyn LogDensity>> {
    match id {
        "schools" => Ok(Box::new(Explicit::new(10, schools))),
        "logistic" => {
            let (x, shape) = array(folder, "logistic_x")?;
            let (y, _) = array(folder, "logistic_y")?;
            Ok(Box::new(Glm::new(GlmLikelihood::Bernoulli, x, y, vec![2.5; shape[1]])))
        }
        _ => {
            let (x, shape) = array(folder, "gp_x")?;
            let (y, _) = array(folder, "gp_y")?;
            let make = move || {
                let kernel = Stationary::new(Profile::Rbf, &vec![1.0; shape[1]]);
                let (x, y) = (Tensor::from_slice(&x, &shape), Tensor::from_slice(&y, &[y.len()]));
                let mut gp = ExactGp::new(Box::new(kernel), Box::new(Zero), 0.1, x, y);
                let unit: Arc<dyn elbo::tensor::Prior> = Arc::new(Prior::LogNormal { mu: 0.0, sigma: 1.0 });
                gp.visit_mut(&mut |_, parameter| parameter.set_prior(Some(unit.clone())));
                gp.noise_mut().set_prior(Some(Arc::new(Prior::LogNormal { mu: -2.0, sigma: 1.5 })));
                gp
            };
            Ok(Box::new(ParametersDensity::new(make, |gp: &ExactGp| -> CoreResult<Tensor> { gp.log_marginal() })))
        }
    }
}

/// Eight schools (Rubin 1981) in its non-centred form: mean, log deviation between schools, eight standardised effects.
fn schools(z: &[f64], gradient: &mut [f64]) -> f64 {
    const Y: [f64; 8] = [28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0];
    const SIGMA: [f64; 8] = [15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0];
    let (mu, tau) = (z[0], z[1].exp());
    // Normal(0, 5) on the mean, half-Cauchy(5) on the deviation with the Jacobian of its logarithm.
    let square = (tau / 5.0).powi(2);
    let mut value = -0.5 * (mu / 5.0).powi(2) - square.ln_1p() + z[1];
    gradient[0] = -mu / 25.0;
    gradient[1] = 1.0 - 2.0 * square / (1.0 + square);
    for j in 0..8 {
        let raw = z[2 + j];
        let scaled = (Y[j] - mu - tau * raw) / SIGMA[j];
        let pull = scaled / SIGMA[j];
        value -= 0.5 * (raw * raw + scaled * scaled);
        gradient[0] += pull;
        gradient[1] += pull * tau * raw;
        gradient[2 + j] = pull * tau - raw;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schools_gradient_is_its_derivative() {
        let at = [1.3, 0.4, 0.1, -0.5, 1.1, 0.2, -0.9, 0.6, 0.3, -0.2];
        let mut exact = [0.0; 10];
        schools(&at, &mut exact);
        for i in 0..10 {
            let shifted = |h: f64| {
                let mut z = at;
                z[i] += h;
                schools(&z, &mut [0.0; 10])
            };
            let numeric = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
            assert!((numeric - exact[i]).abs() < 1e-7, "d{i}: {numeric} vs {}", exact[i]);
        }
    }
}
