#![doc = "[picture]: ../../../../docs/pictures/kde-mode.svg"]
#![doc = include_str!("kde-mode.md")]

mod claim;

use elbo_core::{
    Allowed, Card, Claim, Columns, Config, Error, Features, Figure, Kind, Mark, Model, ModelFile, Points, Result, Rng,
    Run, Summary, System, Table, Verb, ensure, ensure_within,
};
use elbo_dist::kde::{DensityKernel, FoundMode, Kde, ProjectedSearch};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Modes of a density estimate through a random projection.
pub struct KdeMode;

/// The kernel's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KernelName {
    /// `exp(-u / 2)`, where `u` is the squared distance in bandwidths.
    Gaussian,
    /// `1 / (exp(√u) + 2 + exp(-√u))`.
    Logistic,
    /// `1 / (exp(√u) + exp(-√u))`.
    Sigmoid,
    /// `exp(-u^(a/2))` with `a` the setting `exponent`.
    GeneralisedGaussian,
    /// `1 / (1 + u)`; without a guarantee.
    Cauchy,
    /// One within the bandwidth; a heuristic only.
    Box,
}

/// The word for a value that is found from the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Auto {
    /// Found from the data.
    Auto,
}

/// `auto`, or a value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OrAuto<T> {
    /// Found from the data.
    Auto(Auto),
    /// Given.
    Value(T),
}

/// Settings of `kde-mode`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct KdeModeConfig {
    /// The kernel.
    pub kernel: KernelName,
    /// Exponent of the generalised Gaussian kernel: 2 is smooth, 1 has a peak at every point.
    pub exponent: f64,
    /// Bandwidth in the points' unit, or `auto`: the median distance to the √n-th nearest neighbour.
    pub h: OrAuto<f64>,
    /// A column of positive weights of the points, which is no coordinate then; without one all weigh the same.
    pub weights: Option<String>,
    /// Dimensions to project to, or `auto`: 20, or what the guarantee asks for.
    pub k: OrAuto<usize>,
    /// Whether `k` follows from the theorem and the mode is lifted back by it.
    pub guarantee: bool,
    /// Relative error `ε` of distances under the guarantee.
    pub epsilon: f64,
    /// Probability `δ` that the guarantee does not hold.
    pub delta: f64,
    /// The theorem's universal constant `c` in `k = c ln(n/δ) / ε²`, which it does not name.
    pub constant: f64,
    /// Points to climb from: those of the greatest density after the projection.
    #[schemars(range(min = 1))]
    pub starts: usize,
    /// Different modes that are lifted back; the densest is kept.
    #[schemars(range(min = 1))]
    pub lifts: usize,
    /// Whether the lifted mode climbs on in all dimensions.
    pub polish: bool,
    /// Shifts a climb, at most.
    #[schemars(range(min = 1))]
    pub shifts: usize,
}

impl Default for KdeModeConfig {
    fn default() -> Self {
        Self {
            kernel: KernelName::Gaussian,
            exponent: 1.0,
            h: OrAuto::Auto(Auto::Auto),
            weights: None,
            k: OrAuto::Auto(Auto::Auto),
            guarantee: false,
            epsilon: 0.5,
            delta: 0.1,
            constant: 4.0,
            starts: 200,
            lifts: 10,
            polish: true,
            shifts: 500,
        }
    }
}

impl Config for KdeModeConfig {
    fn check(&self) -> Result<()> {
        self.profile().check()?;
        if let OrAuto::Value(h) = self.h {
            ensure("h", h, h > 0.0 && h.is_finite(), "a positive number or auto")?;
        }
        if let OrAuto::Value(k) = self.k {
            ensure("k", k, k >= 1, Allowed::within(1..).told("at least 1, or auto"))?;
        }
        ensure("epsilon", self.epsilon, self.epsilon > 0.0 && self.epsilon < 1.0, "in (0, 1)")?;
        ensure("delta", self.delta, self.delta > 0.0 && self.delta < 1.0, "in (0, 1)")?;
        ensure("constant", self.constant, self.constant > 0.0 && self.constant.is_finite(), "a positive number")?;
        ensure_within("starts", self.starts, 1..=1_000_000)?;
        ensure_within("lifts", self.lifts, 1..=1000)?;
        ensure_within("shifts", self.shifts, 1..=1_000_000_000)
    }
}

/// Rows among which neighbours are looked up for the bandwidth.
const NEIGHBOUR_ROWS: usize = 1000;

/// Rows beyond which the best point is looked for among the starts only, and the certificate is the kernel's height.
const MOST_PAIRED_ROWS: usize = 5000;

impl KdeModeConfig {
    fn profile(&self) -> DensityKernel {
        match self.kernel {
            KernelName::Gaussian => DensityKernel::Gaussian,
            KernelName::Logistic => DensityKernel::Logistic,
            KernelName::Sigmoid => DensityKernel::Sigmoid,
            KernelName::GeneralisedGaussian => DensityKernel::GeneralisedGaussian { a: self.exponent },
            KernelName::Cauchy => DensityKernel::Cauchy,
            KernelName::Box => DensityKernel::Box,
        }
    }

    /// The search among `n` points of `dims` dimensions.
    fn search(&self, n: usize, dims: usize, run: &mut Run) -> Result<ProjectedSearch> {
        Ok(ProjectedSearch {
            target_dims: self.target_dims(n, dims, run)?,
            starts: self.starts,
            shifts: self.shifts,
            lifts: self.lifts,
            within: self.guarantee.then_some(self.epsilon),
            is_polished: self.polish,
        })
    }

    /// Dimensions to project `n` points of `dims` to; `dims` itself where a projection would save nothing.
    fn target_dims(&self, n: usize, dims: usize, run: &mut Run) -> Result<usize> {
        if self.guarantee && matches!(self.kernel, KernelName::Box | KernelName::Cauchy) {
            let why = match self.kernel {
                KernelName::Box => "finding the mode exactly is NP-hard for the box kernel, and no guarantee is known",
                _ => "the theorem does not cover the Cauchy kernel",
            };
            return Err(Error::data(why, "use --set guarantee=false for the heuristic, or another kernel"));
        }
        let needed = (self.constant * (n as f64 / self.delta).ln() / self.epsilon.powi(2)).ceil() as usize;
        let k = match self.k {
            OrAuto::Value(k) => k,
            OrAuto::Auto(_) if self.guarantee => needed,
            OrAuto::Auto(_) => 20,
        };
        if self.guarantee && k < needed {
            run.warn(format!("k = {k} is below the {needed} dimensions that the guarantee asks for; it does not hold"));
        }
        if k >= dims || k >= n {
            run.note(format!(
                "{n} points in {dims} dimensions need no projection to {k}: the search is in all of them"
            ));
            return Ok(dims);
        }
        Ok(k)
    }
}

/// Distances from up to 1,000 random points to their `rank`-th nearest neighbour, sorted.
fn neighbour_distances(points: &[f64], dims: usize, rank: usize, rng: &mut Rng) -> Vec<f64> {
    let kde = Kde { points, dims, bandwidth: 1.0, kernel: DensityKernel::Gaussian, log_weights: None };
    let n = kde.len();
    let chosen = if n > NEIGHBOUR_ROWS { rng.choose(n, NEIGHBOUR_ROWS) } else { (0..n).collect() };
    let distance = |i: &usize| {
        let mut squares = kde.scaled_distances(&points[i * dims..(i + 1) * dims]);
        // The point itself is the nearest, at distance zero.
        *squares.select_nth_unstable_by(rank.min(n - 1), f64::total_cmp).1
    };
    let mut found: Vec<f64> = chosen.par_iter().map(distance).map(f64::sqrt).collect();
    found.sort_by(f64::total_cmp);
    found
}

impl System for KdeMode {
    const CARD: Card = Card {
        id: "kde-mode",
        title: "Dimensionality Reduction for General KDE Mode Finding",
        family: "stats",
        kind: Kind::Paper,
        verbs: &[Verb::Fit, Verb::Reproduce],
        source: "Luo, Musco and Widdershoven (2023), ICML",
        about: include_str!("kde-mode.md"),
        validates_itself: false,
    };
    type Config = KdeModeConfig;
    type Input = Points;
    type Model = KdeModeModel;

    fn fit(&self, config: &KdeModeConfig, mut input: Points, run: &mut Run) -> Result<KdeModeModel> {
        input.notes.iter().for_each(|note| run.warn(note));
        let log_weights = config.weights.as_ref().map(|name| take_weights(&mut input, name)).transpose()?;
        let (n, dims, points) = (input.x.rows, input.x.dims, &input.x.values);
        let mut rng = run.rng.fork();
        let bandwidth = match config.h {
            OrAuto::Value(h) => h,
            OrAuto::Auto(_) => {
                let rank = (n as f64).sqrt().ceil() as usize;
                let distances = neighbour_distances(points, dims, rank, &mut rng);
                distances[distances.len() / 2]
            }
        };
        if bandwidth <= 0.0 {
            return Err(Error::data(
                "most points coincide with others, so no bandwidth follows from their distances",
                "give one with --set h=NUMBER, or remove repeated rows",
            ));
        }
        let whole = Kde { points, dims, bandwidth, kernel: config.profile(), log_weights: log_weights.as_deref() };
        let found = config.search(n, dims, run)?.find(&whole, run)?;
        warn_about(&whole, &found, config, &mut rng, run);
        Ok(KdeModeModel {
            summary: summarise(&whole, &found, run),
            tables: tables(&input.x, &whole, &found),
            figure: picture(&input.x, &found.mode),
            config: config.clone(),
            columns: input.columns,
            mode: found.mode,
        })
    }

    fn load(&self, file: &ModelFile) -> Result<KdeModeModel> {
        let columns: Columns = file.fact("columns")?;
        Ok(KdeModeModel {
            config: file.fact("config")?,
            mode: file.get_as("mode", &[columns.inputs.len()])?,
            columns,
            summary: file.fact("summary")?,
            tables: file.fact("tables")?,
            figure: file.fact("figure")?,
        })
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        claim::claim(run)
    }
}

/// Logarithms of the weights in the column of this name, scaled to sum to one; the column is taken out of the coordinates.
///
/// # Errors
/// [`Error::Unknown`] for a name that no column has; [`Error::Data`] for the only column and for weights that are not positive.
fn take_weights(input: &mut Points, name: &str) -> Result<Vec<f64>> {
    let columns = &input.columns.inputs;
    let Some(d) = columns.iter().position(|column| column.name == name) else {
        return Err(Error::unknown("column", name, columns.iter().map(|column| column.name.as_str())));
    };
    if columns.len() == 1 {
        return Err(Error::data(
            format!("the column of weights, `{name}`, is the only one"),
            "give at least one coordinate besides it",
        ));
    }
    input.columns.inputs.remove(d);
    let weights = input.x.remove_column(d);
    if let Some(row) = weights.iter().position(|w| !(w.is_finite() && *w > 0.0)) {
        return Err(Error::data(
            format!("`{name}` is {} in row {}, which is no weight", weights[row], row + 1),
            "give positive weights, and leave out rows that do not count",
        ));
    }
    // By the heaviest, so that the sum does not overflow.
    let most = weights.iter().fold(0.0f64, |a, w| a.max(*w));
    let log_sum = most.ln() + weights.iter().map(|w| w / most).sum::<f64>().ln();
    Ok(weights.into_iter().map(|w| w.ln() - log_sum).collect())
}

fn warn_about(whole: &Kde<'_>, found: &FoundMode, config: &KdeModeConfig, rng: &mut Rng, run: &mut Run) {
    let (n, dims) = (whole.len(), whole.dims);
    let heaviest = whole.log_weights.map(|weights| weights.iter().fold(f64::NEG_INFINITY, |a, w| a.max(*w)));
    let alone = whole.kernel.log_value(0.0) + heaviest.unwrap_or_else(|| -(n as f64).ln());
    if n > 1 && found.log_density < alone + 1.5f64.ln() {
        let distances = neighbour_distances(whole.points, dims, 1, rng);
        run.warn(format!(
            "the bandwidth {:.3} is so small that points are modes of their own; the median distance between nearest \
             neighbours is {:.3}",
            whole.bandwidth,
            distances[distances.len() / 2]
        ));
    }
    let mut seen = std::collections::HashSet::new();
    let bits = |p: &[f64]| p.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
    let repeats = whole.points.chunks_exact(dims).filter(|p| !seen.insert(bits(p))).count();
    if repeats > 0 {
        run.warn(format!("{repeats} points repeat others; each counts"));
    }
    match found.violation {
        Some(ratio) if ratio > 1.0 + 1e-6 => run.warn(format!(
            "no point was found within (1 + ε) of all projected distances; the worst is {ratio:.4} times that. Raise `k` (now {})",
            found.k
        )),
        _ => {}
    }
    if config.kernel == KernelName::Box {
        run.warn(
            "the box kernel has no slope to climb, and finding its mode exactly is NP-hard: this mode is a heuristic's",
        );
    }
}

fn summarise(whole: &Kde<'_>, found: &FoundMode, run: &mut Run) -> Summary {
    let n = whole.len();
    let log_height = whole.kernel.log_value(0.0);
    let (best_point, upper) = if n <= MOST_PAIRED_ROWS {
        let best = whole.log_densities().into_iter().fold(f64::NEG_INFINITY, f64::max);
        (best, whole.log_upper_bound().min(log_height))
    } else {
        run.note(format!(
            "with more than {MOST_PAIRED_ROWS} points the best point is looked for among the starts, and the upper certificate is \
             the kernel's height"
        ));
        let at = |i: &usize| whole.log_density(&whole.points[i * whole.dims..(i + 1) * whole.dims]);
        let densities: Vec<f64> = found.starts.par_iter().map(at).collect();
        (densities.into_iter().fold(f64::NEG_INFINITY, f64::max), log_height)
    };
    let density = found.log_density.exp();
    let modes = found.labels.iter().max().map_or(0, |m| m + 1);
    let mut summary = Summary { objective: Some(("density".into(), density)), ..Summary::default() };
    summary.metrics = vec![
        ("density".into(), density),
        ("ratio_to_best_point".into(), (found.log_density - best_point).exp()),
        ("certificate_lower".into(), density),
        ("certificate_upper".into(), upper.exp()),
        ("k".into(), found.k as f64),
        ("bandwidth".into(), whole.bandwidth),
        ("modes".into(), modes as f64),
        ("multiplications".into(), found.work),
    ];
    if let Some(bound) = found.projected_upper {
        summary.metrics.push(("projected_upper".into(), bound.exp()));
    }
    if let Some(ratio) = found.violation {
        summary.metrics.push(("lift_ratio".into(), ratio));
    }
    summary.text = format!(
        "The mode of {n} points in {} dimensions at bandwidth {:.4}, found in {} dimensions among {modes} modes.",
        whole.dims, whole.bandwidth, found.k
    );
    summary
}

/// The points with their mode, over the first two columns, or over the first and the row where there is one.
fn picture(x: &Features, mode: &[f64]) -> Figure {
    let column = |d: usize| (0..x.rows).map(|i| x.row(i)[d]).collect::<Vec<f64>>();
    let points = |label: &str, x: Vec<f64>, y: Vec<f64>| Mark::Points {
        label: label.into(),
        x,
        y,
        lower: vec![],
        upper: vec![],
    };
    let (vertical, y_label, height) = match x.names.get(1) {
        Some(name) => (column(1), name.clone(), mode[1]),
        None => ((1..=x.rows).map(|i| i as f64).collect(), "row".into(), 0.5 * x.rows as f64),
    };
    Figure {
        name: "mode".into(),
        caption: "The points, and the mode of their density estimate.".into(),
        x_label: x.names[0].clone(),
        y_label,
        marks: vec![points("points", column(0), vertical), points("mode", vec![mode[0]], vec![height])],
        ..Figure::default()
    }
}

fn tables(x: &Features, whole: &Kde<'_>, found: &FoundMode) -> Vec<Table> {
    let mut mode = Table::new("mode", "The mode's coordinates.", &["column", "value"]);
    x.names.iter().zip(&found.mode).for_each(|(name, v)| mode.push(vec![name.clone(), format!("{v:.6}")]));
    let mut members =
        Table::new("members", "Points within a bandwidth of the mode, nearest first.", &["row", "distance"]);
    let distances = whole.scaled_distances(&found.mode);
    let mut inside: Vec<usize> = (0..whole.len()).filter(|i| distances[*i] <= 1.0).collect();
    inside.sort_by(|a, b| distances[*a].total_cmp(&distances[*b]));
    for i in inside {
        members.push(vec![(i + 1).to_string(), format!("{:.6}", distances[i].sqrt() * whole.bandwidth)]);
    }
    let mut starts = Table::new(
        "starts",
        "Where each climb after the projection began and ended; modes are numbered by density.",
        &["row", "mode", "projected density", "shifts"],
    );
    for ((row, end), label) in found.starts.iter().zip(&found.ends).zip(&found.labels) {
        let density = format!("{:.6e}", end.log_density.exp());
        starts.push(vec![(row + 1).to_string(), (label + 1).to_string(), density, end.shifts.to_string()]);
    }
    vec![mode, members, starts]
}

/// A mode and how it was found.
pub struct KdeModeModel {
    config: KdeModeConfig,
    columns: Columns,
    mode: Vec<f64>,
    summary: Summary,
    tables: Vec<Table>,
    figure: Figure,
}

impl KdeModeModel {
    /// The mode's coordinates, `[D]`, in the order of the columns.
    pub fn mode(&self) -> &[f64] {
        &self.mode
    }
}

impl Model for KdeModeModel {
    fn save(&self, file: &mut ModelFile) -> Result<()> {
        file.set("config", &self.config);
        file.set("columns", &self.columns);
        file.put("mode", &[self.mode.len()], &self.mode);
        file.set("summary", &self.summary);
        file.set("tables", &self.tables);
        file.set("figure", &self.figure);
        Ok(())
    }

    fn summary(&self) -> Summary {
        self.summary.clone()
    }

    fn figures(&self) -> Vec<Figure> {
        vec![self.figure.clone()]
    }

    fn tables(&self) -> Vec<Table> {
        self.tables.clone()
    }
}
