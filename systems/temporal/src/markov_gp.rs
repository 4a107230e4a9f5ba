#![doc = "[picture]: ../../../../docs/pictures/markov-gp.svg"]
#![doc = include_str!("markov-gp.md")]

mod claim;
mod figures;
mod times;

use elbo_core::columns::ColumnKind;
use elbo_core::{
    Card, Claim, Column, Columns, Config, Data, DataKind, Error, Figure, FromData, Kind, Model, ModelFile, Predict,
    Prediction, Result, Run, Summary, System, Table, Validation, Verb, ensure, ensure_within,
};
use elbo_dist::Normals;
use elbo_markov::kernel::{TAYLOR_ORDERS, taylor_error};
use elbo_markov::learn::{self, Glance, NOISE_FLOOR};
use elbo_markov::{Curve, Kernel, MarkovGp, Series};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use times::Clock;

/// Gaussian process regression on a series, in linear time.
pub struct MarkovGpSystem;

/// A share of the variance around the trend from which on a found period is worth a component.
const CLEAR_PERIOD: f64 = 0.2;
/// Share of a periodic term's variance that may lie in the harmonics left out, where their number is not given.
const DROPPED: f64 = 1e-6;
/// Share of a squared exponential's variance by which its covariance may miss the kernel without a warning.
const COARSE: f64 = 0.01;
/// A level, a line, and a bend that changes at random: beyond the rows it goes on as it last rose, with a band that widens.
const TREND: &str = "(constant + linear + integrated_wiener)";

/// Settings of `markov-gp`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MarkovGpConfig {
    /// The column of times: numbers, or ISO dates, which become days. The only other column by default, or one named `time`, `date` or `t`.
    pub time: Option<String>,
    /// The kernel, as an expression of time: `linear + matern52 + matern32 * periodic(period=12)`. Numbers given are starts, with `!` held.
    /// By default a trend that goes on as it last rose, a smooth Matérn term, a drifting repetition where a period is known or found, and a short
    /// Matérn term.
    pub kernel: Option<String>,
    /// The period of the default kernel, in the unit of the time column (days for dates); found from the data by default.
    pub period: Option<f64>,
    /// Noise variance at the start, as a share of the target's variance; by default half of what a trend and the found period leave.
    pub noise: Option<f64>,
    /// Starting points of the search for hyperparameters; the best end is kept.
    #[schemars(range(min = 1))]
    pub starts: usize,
    /// L-BFGS iterations a start, at most.
    #[schemars(range(min = 1))]
    pub iterations: usize,
    /// How far the figures look beyond the last row, as a share of the series' span.
    pub horizon: f64,
}

impl Default for MarkovGpConfig {
    fn default() -> Self {
        Self { time: None, kernel: None, period: None, noise: None, starts: 3, iterations: 100, horizon: 0.2 }
    }
}

impl Config for MarkovGpConfig {
    fn check(&self) -> Result<()> {
        if let Some(kernel) = &self.kernel {
            kernel.parse::<Kernel>()?;
        }
        if let Some(period) = self.period {
            // The filter turns by 2π over the period in a unit of time.
            let turns = period > 0.0 && period.is_finite() && (std::f64::consts::TAU / period).is_finite();
            ensure("period", period, turns, "positive, and not so small that its inverse is infinite")?;
        }
        if let Some(noise) = self.noise {
            ensure_within("noise", noise, NOISE_FLOOR..=1.0)?;
        }
        ensure_within("starts", self.starts, 1..=1000)?;
        ensure_within("iterations", self.iterations, 1..=1_000_000_000)?;
        ensure_within("horizon", self.horizon, 0.0..=10.0)
    }
}

/// A table with a target; which column holds the times is a setting.
pub struct Timed(Data);

impl FromData for Timed {
    const NEEDS: &'static str = "a table with a column of times (numbers or dates) and a numeric target";
    const KIND: DataKind = DataKind::Series;

    fn from_data(data: &Data) -> Result<Self> {
        let target = data.target()?;
        let array = data.get(target)?;
        let Some(values) = array.to_f64().filter(|_| array.shape.len() == 1) else {
            return Err(Error::data(
                format!("target `{target}` does not hold one number a row"),
                "name a numeric column with --target",
            ));
        };
        if let Some(row) = values.iter().position(|v| v.is_infinite()) {
            return Err(Error::data(
                format!("target `{target}` is infinite in row {}", row + 1),
                "mend the cell, or leave it empty",
            ));
        }
        if values.iter().filter(|v| !v.is_nan()).count() < 3 {
            return Err(Error::data("there are fewer than 3 rows with a target", "give a longer series"));
        }
        Ok(Self(data.clone()))
    }
}

impl System for MarkovGpSystem {
    const CARD: Card = Card {
        id: "markov-gp",
        title: "Gaussian process regression on series in linear time",
        family: "temporal",
        kind: Kind::Baseline,
        verbs: &[Verb::Fit, Verb::Predict, Verb::Evaluate, Verb::Reproduce],
        source: "Hartikainen and Särkkä (2010)",
        about: include_str!("markov-gp.md"),
        validates_itself: true,
    };
    type Config = MarkovGpConfig;
    type Input = Timed;
    type Model = MarkovGpModel;

    fn fit(&self, config: &MarkovGpConfig, Timed(data): Timed, run: &mut Run) -> Result<MarkovGpModel> {
        let clock = Clock::find(&data, config.time.as_deref())?;
        let times = clock.read(&data)?;
        let target = data.target()?.to_owned();
        let raw = data.get(&target)?.to_f64().expect("checked on entry");
        if times.len() != raw.len() {
            return Err(Error::data(
                format!("column `{}` has {} rows, the target `{target}` has {}", clock.column, times.len(), raw.len()),
                "give every row its time",
            ));
        }
        let scaling = scaling(&raw, &target)?;
        let y: Vec<f64> = raw.iter().map(|y| (y - scaling.0) / scaling.1).collect();
        let series = Series::new(&times, &y)?;
        if series.grid().len() < 3 {
            return Err(Error::data(
                format!("column `{}` has {} distinct times", clock.column, series.grid().len()),
                "name the column of times with --time",
            ));
        }
        let (kernel, free, glance) = starting_kernel(config, &series, run)?;
        let season = glance.period.map_or(0.0, |(_, share)| share);
        let noise = config.noise.unwrap_or((0.5 * glance.rest * (1.0 - season)).clamp(1e-4, 0.05));
        let mut gp = MarkovGp::new(kernel, noise, &series);
        // A trend that begins at its origin can be followed back over half the span of the rows.
        let ends = [series.grid().times()[0], series.grid().times()[series.grid().len() - 1]];
        gp.origin = ends[0] - 0.5 * (ends[1] - ends[0]);
        let mut found = learn::fit(&mut gp, std::slice::from_ref(&series), config.starts, config.iterations, run)?;
        let log_marginal = settle_harmonics(&mut gp, &free, found.log_marginal, &series, config.iterations, run)?;
        warn(&gp, &found, run);
        found.log_marginal = log_marginal;
        let columns = columns(&clock, &times, &target, &raw, scaling);
        let mut model =
            MarkovGpModel { config: config.clone(), clock, columns, times, y, series, gp, summary: Summary::default() };
        model.summary = model.summarise(&found, glance.period.filter(|_| config.period.is_none()))?;
        Ok(model)
    }

    fn load(&self, file: &ModelFile) -> Result<MarkovGpModel> {
        let (times, y): (Vec<f64>, Vec<f64>) = (file.get("times")?, file.get("y")?);
        if times.len() != y.len() {
            let message = format!("the model file has {} times for {} values", times.len(), y.len());
            return Err(Error::model_file(message, "fit the model again"));
        }
        let kernel: Kernel = file.fact("kernel")?;
        kernel.check()?;
        let series = Series::new(&times, &y)?;
        let numbers = file.get("numbers")?;
        let [noise, origin] = numbers[..] else {
            return Err(Error::model_file("the noise and the origin are missing", "fit the model again"));
        };
        if !(noise > 0.0 && noise.is_finite() && origin.is_finite()) {
            let message = format!("the model file has noise {noise} and origin {origin}");
            return Err(Error::model_file(message, "fit the model again"));
        }
        Ok(MarkovGpModel {
            config: file.fact("config")?,
            clock: file.fact("clock")?,
            columns: file.fact("columns")?,
            gp: MarkovGp { kernel, noise, origin },
            summary: file.fact("summary")?,
            times,
            y,
            series,
        })
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        claim::claim(self, run)
    }
}

/// Mean and standard deviation of the target.
fn scaling(raw: &[f64], target: &str) -> Result<(f64, f64)> {
    let seen: Vec<f64> = raw.iter().copied().filter(|y| !y.is_nan()).collect();
    let n = seen.len() as f64;
    let mean = seen.iter().sum::<f64>() / n;
    let sd = (seen.iter().map(|y| (y - mean).powi(2)).sum::<f64>() / n).sqrt();
    if !(sd.is_finite() && sd > 1e-12 * mean.abs().max(1e-300)) {
        return Err(Error::data(
            format!("target `{target}` is constant, or its range overflows"),
            "there is nothing to learn from a constant; name another target",
        ));
    }
    Ok((mean, sd))
}

/// As many harmonics as the lengthscales ask for, in the terms where they are not given; whether there are more than before.
fn choose_harmonics(kernel: &mut Kernel, free: &[bool], run: &mut Run) -> bool {
    kernel.choose_harmonics(free, DROPPED).unwrap_or_else(|error| {
        run.warn(format!("the kernel keeps its harmonics, as more would be too many: {error}"));
        false
    })
}

/// Takes the harmonics that the end of the search, of log marginal likelihood `found`, asks for, and goes on from there where they are more than before.
/// Where the likelihood does not exist with them, those of the search stay. Returns the log marginal likelihood, nats.
fn settle_harmonics(
    gp: &mut MarkovGp,
    free: &[bool],
    found: f64,
    series: &Series,
    iterations: usize,
    run: &mut Run,
) -> Result<f64> {
    let searched = gp.kernel.clone();
    let has_more = choose_harmonics(&mut gp.kernel, free, run);
    if gp.kernel == searched {
        return Ok(found);
    }
    let judged = if has_more { refine(gp, series, iterations, run) } else { gp.log_marginal(series) };
    match judged {
        Err(error) if error.is_recoverable() => {
            run.warn(format!(
                "the kernel keeps the harmonics of the search, as it cannot be judged with others: {error}"
            ));
            gp.kernel = searched;
            Ok(found)
        }
        judged => judged,
    }
}

/// Goes on from the end of the search with the harmonics that it asked for. Returns the log marginal likelihood, nats.
fn refine(gp: &mut MarkovGp, series: &Series, iterations: usize, run: &mut Run) -> Result<f64> {
    if !run.must_stop() {
        match learn::fit(gp, std::slice::from_ref(series), 1, iterations, run) {
            Ok(found) => return Ok(found.log_marginal),
            Err(Error::Stopped) => {}
            Err(error) => return Err(error),
        }
    }
    run.mark_stopped_early();
    gp.log_marginal(series)
}

/// The kernel as given, or the default one for these data; the periodic terms of which harmonics are not given; and what a glance at the data said.
fn starting_kernel(config: &MarkovGpConfig, series: &Series, run: &mut Run) -> Result<(Kernel, Vec<bool>, Glance)> {
    let glance = learn::glance(series, config.period);
    let times = series.grid().times();
    let span = times[times.len() - 1] - times[0];
    let period = config.period.or(glance.period.map(|(p, _)| p)).unwrap_or(0.1 * span);
    let repeats = config.period.is_some() || glance.period.is_some_and(|(_, share)| share > CLEAR_PERIOD);
    let text = match &config.kernel {
        Some(text) => text.clone(),
        None if repeats => {
            if config.period.is_none() {
                run.note(format!("a period of {period:.6} was found; --set period=P or --set kernel=... overrides it"));
            }
            format!("{TREND} + matern52 + matern32 * periodic + matern32")
        }
        None => format!("{TREND} + matern52 + matern32"),
    };
    let (mut kernel, free) = Kernel::parse(&text)?;
    if kernel.parameters().iter().all(|p| p.name != "period" || p.is_given) {
        run.warn_idle(config, &["period"], "with a kernel whose periods are given, or that has none");
    }
    learn::suggest(&mut kernel, series, glance, period);
    choose_harmonics(&mut kernel, &free, run);
    Ok((kernel, free, glance))
}

fn warn(gp: &MarkovGp, found: &learn::Found, run: &mut Run) {
    let dropped = gp.kernel.dropped();
    if dropped > 1e-3 {
        run.warn(format!(
            "the harmonics left out of the periodic kernel hold {:.1} % of its variance; raise `harmonics` to {}",
            100.0 * dropped,
            gp.kernel.harmonics_for(1e-3)
        ));
    }
    if let Some(error) = gp.kernel.taylor_error().filter(|error| *error > COARSE) {
        let mut orders = TAYLOR_ORDERS;
        let enough = orders.find(|order| taylor_error(*order) <= COARSE);
        run.warn(format!(
            "the covariance of `squared_exponential` is up to {:.1} % of its variance away from the kernel's; raise `order` to {}",
            100.0 * error,
            enough.unwrap_or(*TAYLOR_ORDERS.end())
        ));
    }
    if gp.noise > 0.95 {
        run.warn("the noise explains nearly everything: the series looks like noise to this kernel");
    }
    if gp.noise <= 1.01 * NOISE_FLOOR {
        run.warn(
            "the noise is at its lower bound: the rows lie on a curve without noise, or on too few distinct values",
        );
    }
    let worst = found.ends.iter().fold(f64::INFINITY, |a, e| a.min(*e));
    if found.log_marginal - worst > 2.0 {
        run.warn(format!(
            "the starts ended up to {:.1} nats apart, so the likelihood has several optima; the best of {} is kept",
            found.log_marginal - worst,
            found.ends.len()
        ));
    }
}

fn columns(clock: &Clock, times: &[f64], target: &str, raw: &[f64], (centre, scale): (f64, f64)) -> Columns {
    let column = |name: &str, values: &[f64], centre, scale| {
        let fold =
            |from: f64, f: fn(f64, f64) -> f64| values.iter().filter(|v| !v.is_nan()).fold(from, |a, v| f(a, *v));
        let (low, high) = (fold(f64::INFINITY, f64::min), fold(f64::NEG_INFINITY, f64::max));
        Column { name: name.into(), kind: ColumnKind::Number { centre, scale, low, high } }
    };
    Columns { inputs: vec![column(&clock.column, times, 0.0, 1.0)], target: Some(column(target, raw, centre, scale)) }
}

/// A fitted series.
pub struct MarkovGpModel {
    config: MarkovGpConfig,
    clock: Clock,
    columns: Columns,
    times: Vec<f64>,
    y: Vec<f64>,
    series: Series,
    gp: MarkovGp,
    summary: Summary,
}

impl MarkovGpModel {
    /// The process, for the standardised target.
    pub fn process(&self) -> &MarkovGp {
        &self.gp
    }

    fn summarise(&self, found: &learn::Found, period: Option<(f64, f64)>) -> Result<Summary> {
        let mut summary = Summary {
            objective: Some(("log marginal likelihood".into(), found.log_marginal)),
            text: format!(
                "A Gaussian process with {} components in a state of {} numbers, on {} rows; time is linear in the rows.",
                self.gp.kernel.components().len(),
                self.gp.space()?.size(),
                self.y.len()
            ),
            ..Summary::default()
        };
        let (_, scale) = self.columns.target_scaling();
        let ahead = self.gp.one_step_ahead(&self.series)?;
        let (mut square, mut count) = (0.0, 0.0);
        for (k, y) in self.series.steps().iter().zip(self.series.values()).filter(|(_, y)| !y.is_nan()) {
            square += (y - ahead.mean[*k]).powi(2);
            count += 1.0;
        }
        summary.metrics.push(("one_step_ahead_rmse".into(), (square / count).sqrt() * scale));
        summary.metrics.push(("noise_sd".into(), self.gp.noise.sqrt() * scale));
        if self.gp.kernel.harmonics_for(DROPPED) > 0 {
            summary.metrics.push(("dropped_variance".into(), self.gp.kernel.dropped()));
        }
        if let Some(error) = self.gp.kernel.taylor_error() {
            summary.metrics.push(("taylor_error".into(), error));
        }
        if let Some((period, share)) = period {
            summary.metrics.push(("period_found".into(), period));
            summary.metrics.push(("period_share".into(), share));
        }
        for component in self.gp.kernel.components() {
            let row = (component_name(component), component.to_string(), "of the target divided by its sd".into());
            summary.parameters.push(row);
        }
        summary.parameters.push(("noise".into(), format!("{:.6}", self.gp.noise), "variance, likewise".into()));
        Ok(summary)
    }

    fn normals(&self, curve: Curve) -> Normals {
        let (shift, scale) = self.columns.target_scaling();
        // A variance lost to rounding still has the noise.
        let sd = curve.variance.iter().map(|v| v.max(0.0).sqrt()).collect();
        Normals { mean: curve.mean, sd }.unscaled(shift, scale)
    }
}

/// What a component is called.
fn component_name(kernel: &Kernel) -> String {
    let text = kernel.to_string();
    match kernel {
        Kernel::Term(form, _) => match form.name() {
            "linear" | "integrated_wiener" => "trend".into(),
            name => name.into(),
        },
        Kernel::Sum(_) if text.contains("linear") || text.contains("wiener") => "trend".into(),
        Kernel::Product(_) if text.contains("periodic") => "drifting repetition".into(),
        Kernel::Product(_) if text.contains("cosine") => "oscillation".into(),
        Kernel::Sum(_) => "sum".into(),
        Kernel::Product(_) => "product".into(),
    }
}

impl Model for MarkovGpModel {
    fn save(&self, file: &mut ModelFile) -> Result<()> {
        file.set("config", &self.config);
        file.set("clock", &self.clock);
        file.set("columns", &self.columns);
        file.set("kernel", &self.gp.kernel);
        file.put("numbers", &[2], &[self.gp.noise, self.gp.origin]);
        file.put("times", &[self.times.len()], &self.times);
        file.put("y", &[self.y.len()], &self.y);
        file.set("summary", &self.summary);
        Ok(())
    }

    fn summary(&self) -> Summary {
        self.summary.clone()
    }

    fn as_predict(&self) -> Option<&dyn Predict> {
        Some(self)
    }

    fn validation(&self) -> Option<Validation> {
        let left_out = self.gp.leave_one_out(&self.series).ok()?;
        let (shift, scale) = self.columns.target_scaling();
        let seen: Vec<usize> = (0..self.y.len()).filter(|i| !self.y[*i].is_nan()).collect();
        let take = |values: &[f64]| seen.iter().map(|i| values[*i]).collect::<Vec<f64>>();
        let curve = Curve { mean: take(&left_out.mean), variance: take(&left_out.variance) };
        Some(Validation {
            method: "leave-one-out",
            observed: take(&self.y).iter().map(|y| shift + scale * y).collect(),
            prediction: Prediction::Numbers(Box::new(self.normals(curve))),
        })
    }

    fn figures(&self) -> Vec<Figure> {
        self.curves()
    }

    fn tables(&self) -> Vec<Table> {
        let mut table = Table::new(
            "kernel",
            "The learned parameters, in the unit of time and of the target's variance; `held` ones were not learned.",
            &["component", "parameter", "value", "held"],
        );
        for component in self.gp.kernel.components() {
            for p in component.parameters() {
                let held = if p.is_fixed { "yes" } else { "no" };
                table.push(vec![component_name(component), p.name.clone(), format!("{:.6e}", p.value), held.into()]);
            }
        }
        vec![table]
    }
}

impl Predict for MarkovGpModel {
    fn predict(&self, data: &Data, _: &mut Run) -> Result<Prediction> {
        let times = self.clock.read(data)?;
        let mut curve = self.gp.predict(&self.series, &times)?;
        curve.variance.iter_mut().for_each(|v| *v += self.gp.noise);
        Ok(Prediction::Numbers(Box::new(self.normals(curve))))
    }

    fn sample_paths(&self, data: &Data, count: usize, run: &mut Run) -> Result<Option<Vec<f64>>> {
        let times = self.clock.read(data)?;
        let (shift, scale) = self.columns.target_scaling();
        let paths = self.gp.sample(&self.series, &times, count, &mut run.rng)?;
        Ok(Some(paths.into_iter().map(|f| shift + scale * f).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_harmonics_go_the_likelihood_is_that_of_the_others() {
        let times: Vec<f64> = (0..60).map(f64::from).collect();
        let y: Vec<f64> = times.iter().map(|t| (0.5 * t).sin()).collect();
        let series = Series::new(&times, &y).unwrap();
        let (kernel, free) = Kernel::parse("periodic(lengthscale=3, period=12)").unwrap();
        let mut gp = MarkovGp::new(kernel.clone(), 0.1, &series);
        let found = settle_harmonics(&mut gp, &free, 0.0, &series, 1, &mut Run::new(0)).unwrap();
        assert!(gp.kernel != kernel && gp.kernel.dropped() < DROPPED, "{}", gp.kernel);
        assert_eq!(found, gp.log_marginal(&series).unwrap());
    }
}
