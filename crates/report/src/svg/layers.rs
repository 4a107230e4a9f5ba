//! Marks made ready to draw: cleaned of what cannot be shown, thinned, and given their tones. What was left out is said in notes.

use elbo_core::{Figure, Mark};

use super::scale::extent;
use crate::format::{count, counted};
use crate::palette::{SERIES, Tone};

/// Clouds of more points than this are drawn as a subset.
const MOST_POINTS: usize = 3000;
/// More bars than this are cut off at the bottom.
const MOST_BARS: usize = 40;
/// Heat maps of more columns or rows than this show every second, third, ... one.
const MOST_CELLS: usize = 128;

/// One mark, ready to draw.
pub(super) struct Layer {
    /// Legend, or empty.
    pub label: String,
    pub tone: Tone,
    /// Whether an earlier series of this figure has the same tone.
    pub is_repeated: bool,
    /// Number of bands of the same tone below this one.
    pub depth: i32,
    pub shape: Shape,
}

/// A point with an interval that may run to an infinite end.
pub(super) struct Dot {
    pub x: f64,
    pub y: f64,
    pub interval: Option<(f64, f64)>,
}

/// What is drawn. Finite, and positive on logarithmic axes, unless said otherwise.
pub(super) enum Shape {
    /// Runs of vertices between gaps; `is_sample` for thin lines without a legend.
    Line {
        runs: Vec<Vec<(f64, f64)>>,
        is_dashed: bool,
        is_sample: bool,
    },
    /// Runs of `(x, lower, upper)`; the ends may be infinite.
    Band {
        runs: Vec<Vec<(f64, f64, f64)>>,
    },
    Points {
        dots: Vec<Dot>,
    },
    /// Names with lengths; an empty length has nothing to draw.
    Bars {
        bars: Vec<(String, Option<f64>)>,
    },
    /// `(from, to, height)`.
    Histogram {
        bins: Vec<(f64, f64, f64)>,
    },
    Heat(Heat),
}

/// A matrix of colours between edges; cells that are not finite stay empty.
pub(super) struct Heat {
    pub x_edges: Vec<f64>,
    pub y_edges: Vec<f64>,
    /// Row-major `[rows, columns]`, first row at the bottom.
    pub values: Vec<f64>,
}

/// Everything to draw, with sentences about what is not.
pub(super) struct Layers {
    pub layers: Vec<Layer>,
    pub notes: Vec<String>,
}

/// Counts of what was left out, turned into sentences at the end.
#[derive(Default)]
struct Omitted {
    not_finite: usize,
    not_positive: usize,
    intervals: usize,
    sentences: Vec<String>,
}

impl Omitted {
    /// Whether a pair can be drawn; counted when not.
    fn keeps(&mut self, x: f64, y: f64, figure: &Figure) -> bool {
        if !x.is_finite() || !y.is_finite() {
            self.not_finite += 1;
            return false;
        }
        if (figure.x_log && x <= 0.0) || (figure.y_log && y <= 0.0) {
            self.not_positive += 1;
            return false;
        }
        true
    }

    fn into_notes(self) -> Vec<String> {
        let mut notes = self.sentences;
        let sentence = |n: usize, noun: &str, one: &str, many: &str| {
            (n > 0).then(|| format!("{} {}.", counted(n, noun), if n == 1 { one } else { many }))
        };
        let axis = "left out of the logarithmic axis";
        notes.extend(sentence(
            self.not_finite,
            "value",
            "is not finite and was left out",
            "are not finite and were left out",
        ));
        notes.extend(sentence(
            self.not_positive,
            "value",
            &format!("is zero or below and was {axis}"),
            &format!("are zero or below and were {axis}"),
        ));
        notes.extend(sentence(
            self.intervals,
            "interval",
            "is unbounded or ends beyond the axis",
            "are unbounded or end beyond the axis",
        ));
        notes
    }
}

/// Prepares the marks of a figure.
pub(super) fn prepare(figure: &Figure) -> Layers {
    let mut omitted = Omitted::default();
    let mut layers = vec![];
    let mut series = 0;
    let mut bands: Vec<Tone> = vec![];
    let has_labelled_line = figure.marks.iter().any(|m| matches!(m, Mark::Line { label, .. } if !label.is_empty()));
    let total = figure.marks.iter().map(|m| if let Mark::Points { x, .. } = m { x.len() } else { 0 }).sum::<usize>();
    let keep = Thinning::new(total);
    for (at, mark) in figure.marks.iter().enumerate() {
        let mut depth = 0;
        let colour = Tone::Series(series);
        let mut tone = colour;
        let (label, shape, uses_colour) = match mark {
            Mark::Line { label, x, y, dashed } => {
                let is_sample = label.is_empty() && !dashed && has_labelled_line;
                if *dashed {
                    tone = Tone::Muted;
                }
                let runs = line_runs(figure, &mut omitted, x, y);
                (label, Shape::Line { runs, is_dashed: *dashed, is_sample }, !is_sample && !dashed)
            }
            // A band shares the colour of the line that follows it.
            Mark::Band { label, x, lower, upper } => {
                let next = figure.marks[at..]
                    .iter()
                    .find_map(|m| if let Mark::Line { dashed, .. } = m { Some(*dashed) } else { None });
                if next == Some(true) {
                    tone = Tone::Muted;
                }
                depth = bands.iter().filter(|t| **t == tone).count() as i32;
                bands.push(tone);
                (label, Shape::Band { runs: band_runs(figure, &mut omitted, x, lower, upper) }, false)
            }
            Mark::Points { label, x, y, lower, upper } => {
                let is_data = !bands.is_empty() && lower.is_empty() && upper.is_empty();
                if is_data {
                    tone = Tone::Ink;
                }
                (label, Shape::Points { dots: dots(figure, &mut omitted, &keep, x, y, lower, upper) }, !is_data)
            }
            Mark::Bars { names, values } => {
                const NONE: &String = &String::new();
                (NONE, Shape::Bars { bars: bars(figure, &mut omitted, names, values) }, true)
            }
            Mark::Histogram { label, edges, counts } => {
                (label, Shape::Histogram { bins: bins(figure, &mut omitted, edges, counts) }, true)
            }
            Mark::Heat { x, y, values } => {
                const NONE: &String = &String::new();
                match heat(figure, &mut omitted, x, y, values) {
                    Some(heat) => (NONE, Shape::Heat(heat), false),
                    None => continue,
                }
            }
            // Drawn by itself, without axes.
            Mark::Picture { .. } => continue,
        };
        let is_repeated = series >= SERIES && tone == colour;
        layers.push(Layer { label: label.clone(), tone, is_repeated, depth, shape });
        series += usize::from(uses_colour);
    }
    if keep.share < 1.0 {
        let shown: usize =
            layers.iter().map(|l| if let Shape::Points { dots } = &l.shape { dots.len() } else { 0 }).sum();
        omitted.sentences.push(format!("{} of {} points are drawn.", count(shown), count(total)));
    }
    Layers { layers, notes: omitted.into_notes() }
}

/// A deterministic subset, even along the order of the points and free of their periods: multiples of the golden ratio.
struct Thinning {
    share: f64,
}

impl Thinning {
    fn new(total: usize) -> Self {
        Self { share: if total > MOST_POINTS { MOST_POINTS as f64 / total as f64 } else { 1.0 } }
    }

    fn keeps(&self, index: usize) -> bool {
        self.share >= 1.0 || (index as f64 * 0.618_033_988_749_894_9).fract() < self.share
    }
}

/// The common length, with a note where the lengths differ.
fn common(omitted: &mut Omitted, what: &str, lengths: &[usize]) -> usize {
    let shortest = lengths.iter().copied().min().unwrap_or(0);
    if lengths.iter().any(|&l| l != shortest) {
        omitted
            .sentences
            .push(format!("The columns of a {what} differ in length; only {} are drawn.", counted(shortest, "row")));
    }
    shortest
}

fn line_runs(figure: &Figure, omitted: &mut Omitted, x: &[f64], y: &[f64]) -> Vec<Vec<(f64, f64)>> {
    let n = common(omitted, "line", &[x.len(), y.len()]);
    runs((0..n).map(|i| omitted.keeps(x[i], y[i], figure).then_some((x[i], y[i]))))
}

fn band_runs(
    figure: &Figure,
    omitted: &mut Omitted,
    x: &[f64],
    lower: &[f64],
    upper: &[f64],
) -> Vec<Vec<(f64, f64, f64)>> {
    let n = common(omitted, "band", &[x.len(), lower.len(), upper.len()]);
    runs((0..n).map(|i| {
        let is_drawable = x[i].is_finite() && (!figure.x_log || x[i] > 0.0) && !lower[i].is_nan() && !upper[i].is_nan();
        omitted.not_finite += usize::from(!is_drawable);
        is_drawable.then_some((x[i], lower[i], upper[i]))
    }))
}

/// Splits at the gaps.
fn runs<T>(values: impl Iterator<Item = Option<T>>) -> Vec<Vec<T>> {
    let mut all = vec![];
    let mut current = vec![];
    for value in values {
        match value {
            Some(value) => current.push(value),
            None if !current.is_empty() => all.push(std::mem::take(&mut current)),
            None => {}
        }
    }
    if !current.is_empty() {
        all.push(current);
    }
    all
}

fn dots(
    figure: &Figure,
    omitted: &mut Omitted,
    thinning: &Thinning,
    x: &[f64],
    y: &[f64],
    lower: &[f64],
    upper: &[f64],
) -> Vec<Dot> {
    let has_intervals = !lower.is_empty() || !upper.is_empty();
    let lengths = [x.len(), y.len(), lower.len(), upper.len()];
    let n = common(omitted, "cloud of points", if has_intervals { &lengths } else { &lengths[..2] });
    let mut dots = vec![];
    for i in (0..n).filter(|&i| thinning.keeps(i)) {
        if !omitted.keeps(x[i], y[i], figure) {
            continue;
        }
        let interval = has_intervals.then(|| (lower[i], upper[i])).filter(|(a, b)| !a.is_nan() && !b.is_nan());
        let is_open = |v: f64| v.is_infinite() || (figure.y_log && v <= 0.0);
        let is_whole = interval.is_some_and(|(a, b)| !is_open(a) && !is_open(b));
        omitted.intervals += usize::from(has_intervals && !is_whole);
        dots.push(Dot { x: x[i], y: y[i], interval });
    }
    dots
}

fn bars(figure: &Figure, omitted: &mut Omitted, names: &[String], values: &[f64]) -> Vec<(String, Option<f64>)> {
    let n = common(omitted, "bar chart", &[names.len(), values.len()]);
    if n > MOST_BARS {
        omitted.sentences.push(format!("The first {MOST_BARS} of {} bars are drawn.", count(n)));
    }
    let rows = (0..n.min(MOST_BARS)).map(|i| {
        // The vertical axis is a list of names, so only the length must be positive on a logarithmic axis.
        let is_drawable = omitted.keeps(values[i], 1.0, figure);
        (names[i].clone(), is_drawable.then_some(values[i]))
    });
    rows.collect()
}

fn bins(figure: &Figure, omitted: &mut Omitted, edges: &[f64], counts: &[f64]) -> Vec<(f64, f64, f64)> {
    let n = common(omitted, "histogram", &[edges.len().saturating_sub(1), counts.len()]);
    let mut bins = vec![];
    for i in 0..n {
        // An empty bin has no height to show on a logarithmic axis; nothing is lost.
        let is_empty = figure.y_log && counts[i] == 0.0;
        if !is_empty && omitted.keeps(edges[i], counts[i], figure) && edges[i + 1].is_finite() {
            bins.push((edges[i], edges[i + 1], counts[i]));
        }
    }
    bins
}

fn heat(figure: &Figure, omitted: &mut Omitted, x: &[f64], y: &[f64], values: &[f64]) -> Option<Heat> {
    if values.len() != x.len() * y.len() {
        let (rows, columns, found) = (y.len(), x.len(), values.len());
        omitted.sentences.push(format!("A heat map of {rows} × {columns} cells has {found} values and was left out."));
        return None;
    }
    let columns = order(omitted, x, figure.x_log);
    let rows = order(omitted, y, figure.y_log);
    if columns.is_empty() || rows.is_empty() {
        return None;
    }
    if columns.len().min(x.len()) < x.len().min(MOST_CELLS) || x.len() > MOST_CELLS || y.len() > MOST_CELLS {
        let (r, c) = (rows.len(), columns.len());
        omitted.sentences.push(format!("{r} × {c} of {} × {} cells are drawn.", y.len(), x.len()));
    }
    let cells: Vec<f64> = rows.iter().flat_map(|&r| columns.iter().map(move |&c| values[r * x.len() + c])).collect();
    omitted.not_finite += cells.iter().filter(|v| !v.is_finite()).count();
    let centres = |order: &[usize], at: &[f64]| order.iter().map(|&i| at[i]).collect::<Vec<_>>();
    Some(Heat {
        x_edges: edges(&centres(&columns, x), figure.x_log),
        y_edges: edges(&centres(&rows, y), figure.y_log),
        values: cells,
    })
}

/// Indices of the drawable centres in ascending order, thinned to the most that are drawn.
fn order(omitted: &mut Omitted, at: &[f64], is_log: bool) -> Vec<usize> {
    let mut order: Vec<usize> = (0..at.len()).filter(|&i| at[i].is_finite() && (!is_log || at[i] > 0.0)).collect();
    omitted.not_finite += at.len() - order.len();
    order.sort_by(|&a, &b| at[a].total_cmp(&at[b]));
    let every = order.len().div_ceil(MOST_CELLS).max(1);
    order.into_iter().step_by(every).collect()
}

/// Edges halfway between the centres, in logarithms on a logarithmic axis.
fn edges(centres: &[f64], is_log: bool) -> Vec<f64> {
    let to = |v: f64| if is_log { v.log10() } else { v };
    let from = |v: f64| if is_log { 10f64.powf(v) } else { v };
    let n = centres.len();
    let at = |i: usize| to(centres[i]);
    let first = if n > 1 { 0.5 * at(1) - 0.5 * at(0) } else { 0.5 };
    let last = if n > 1 { 0.5 * at(n - 1) - 0.5 * at(n - 2) } else { 0.5 };
    let mut edges = vec![from((at(0) - first).max(f64::MIN))];
    edges.extend((1..n).map(|i| from(0.5 * at(i - 1) + 0.5 * at(i))));
    edges.push(from((at(n - 1) + last).min(f64::MAX)));
    edges
}

impl Layers {
    /// Whether cells or bins reach as far as everything else, so that the axis may end with them: `(horizontally, vertically)`.
    pub(super) fn is_filled(&self, y_log: bool) -> (bool, bool) {
        let is_block = |layer: &&Layer| matches!(layer.shape, Shape::Heat(_) | Shape::Histogram { .. });
        let heat = self.heat().map(|heat| (heat.y_edges[0], heat.y_edges[heat.y_edges.len() - 1]));
        let across = self.x_extent_of(is_block);
        (across.is_some() && across == self.x_extent(), heat.is_some() && heat == self.y_extent(y_log))
    }

    /// Range of everything horizontal.
    pub(super) fn x_extent(&self) -> Option<(f64, f64)> {
        self.x_extent_of(|_| true)
    }

    fn x_extent_of(&self, counts: impl Fn(&&Layer) -> bool) -> Option<(f64, f64)> {
        extent(self.layers.iter().filter(counts).flat_map(|layer| match &layer.shape {
            Shape::Line { runs, .. } => runs.iter().flatten().map(|p| p.0).collect::<Vec<_>>(),
            Shape::Band { runs } => runs.iter().flatten().map(|p| p.0).collect(),
            Shape::Points { dots } => dots.iter().map(|d| d.x).collect(),
            Shape::Bars { bars } => bars.iter().filter_map(|b| b.1).collect(),
            Shape::Histogram { bins } => bins.iter().flat_map(|b| [b.0, b.1]).collect(),
            Shape::Heat(heat) => heat.x_edges.clone(),
        }))
    }

    /// Range of everything vertical; infinite ends and, on a logarithmic axis, ends of zero or below do not count.
    pub(super) fn y_extent(&self, is_log: bool) -> Option<(f64, f64)> {
        let values = self.layers.iter().flat_map(|layer| match &layer.shape {
            Shape::Line { runs, .. } => runs.iter().flatten().map(|p| p.1).collect::<Vec<_>>(),
            Shape::Band { runs } => runs.iter().flatten().flat_map(|p| [p.1, p.2]).collect(),
            Shape::Points { dots } => dots
                .iter()
                .flat_map(|d| [d.y, d.interval.map_or(d.y, |i| i.0), d.interval.map_or(d.y, |i| i.1)])
                .collect(),
            Shape::Bars { bars } => (0..bars.len()).map(|i| i as f64).collect(),
            Shape::Histogram { bins } => bins.iter().map(|b| b.2).collect(),
            Shape::Heat(heat) => heat.y_edges.clone(),
        });
        extent(values.filter(|v| !is_log || *v > 0.0))
    }

    /// The names of a bar chart; `None` for other figures.
    pub(super) fn names(&self) -> Option<Vec<String>> {
        self.layers.iter().find_map(|layer| match &layer.shape {
            Shape::Bars { bars } => Some(bars.iter().map(|b| b.0.clone()).collect()),
            _ => None,
        })
    }

    /// The first heat map, for its colour bar.
    pub(super) fn heat(&self) -> Option<&Heat> {
        self.layers.iter().find_map(|layer| if let Shape::Heat(heat) = &layer.shape { Some(heat) } else { None })
    }

    /// Whether any layer is of this kind.
    pub(super) fn any(&self, holds: impl Fn(&Shape) -> bool) -> bool {
        self.layers.iter().any(|layer| holds(&layer.shape))
    }
}
