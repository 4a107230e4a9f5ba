//! What an experiment shows: progress, slices of the surrogate, suggestions against the best so far.

use crate::ask::Suggestion;
use crate::history::{Goal, History, Outcome};
use crate::space::{Domain, Space};
use crate::surrogate::Gp;
use elbo_core::{Figure, Mark};

/// Points of a slice, and most slices.
const SLICE: usize = 121;
const MOST_SLICES: usize = 8;

/// Everything a picture needs.
pub(crate) struct View<'a> {
    pub space: &'a Space,
    pub history: &'a History,
    pub goal: Goal,
    pub target: &'a str,
}

fn points(label: &str, x: Vec<f64>, y: Vec<f64>) -> Mark {
    Mark::Points { label: label.into(), x, y, lower: vec![], upper: vec![] }
}

impl View<'_> {
    fn natural(&self, value: f64) -> f64 {
        self.goal.sign() * value
    }

    /// Values trial by trial, with the best so far.
    pub fn progress(&self) -> Option<Figure> {
        let (mut x, mut y, mut best_x, mut best_y) = (vec![], vec![], vec![], vec![]);
        let (mut broken_x, mut broken_y) = (vec![], vec![]);
        let mut best = f64::INFINITY;
        for (row, outcome) in self.history.outcomes.iter().enumerate() {
            if let Outcome::Measured(value) = outcome {
                let trial = (row + 1) as f64;
                if self.history.is_feasible(row) {
                    best = best.min(*value);
                    x.push(trial);
                    y.push(self.natural(*value));
                } else {
                    broken_x.push(trial);
                    broken_y.push(self.natural(*value));
                }
                if best.is_finite() {
                    best_x.push(trial);
                    best_y.push(self.natural(best));
                }
            }
        }
        if x.len() + broken_x.len() == 0 {
            return None;
        }
        let worst = y
            .iter()
            .chain(&broken_y)
            .copied()
            .fold(f64::NAN, |a, b| if self.goal == Goal::Minimise { a.max(b) } else { a.min(b) });
        let failed: Vec<f64> = (0..self.history.len())
            .filter(|i| self.history.outcomes[*i] == Outcome::Failed)
            .map(|i| (i + 1) as f64)
            .collect();
        let mut marks = vec![
            Mark::Line { label: "best so far".into(), x: best_x, y: best_y, dashed: false },
            points("trials", x, y),
        ];
        if !broken_x.is_empty() {
            marks.push(points("limits broken", broken_x, broken_y));
        }
        if !failed.is_empty() {
            marks.push(points("failed (no value)", failed.clone(), vec![worst; failed.len()]));
        }
        Some(Figure {
            name: "progress".into(),
            caption: format!(
                "The trials in their order, and the best value so far: the goal is to {} {}.",
                self.goal.word(),
                self.target
            ),
            x_label: "trial".into(),
            y_label: self.target.into(),
            marks,
            ..Figure::default()
        })
    }

    /// The surrogate along each variable through `centre`, with the trials' values and the suggestions.
    pub fn slices(&self, gp: &Gp, centre: &[f64], what: &str, suggestions: &[Suggestion]) -> Vec<Figure> {
        let natural = self.space.decode(centre);
        // The variables that matter most first, where there are many.
        let mut order: Vec<usize> = (0..self.space.dims()).filter(|v| !natural[*v].is_nan()).collect();
        let scales = &gp.hyper().lengthscale;
        if scales.len() == self.space.dims() && order.len() > MOST_SLICES {
            order.sort_by(|a, b| scales[*a].total_cmp(&scales[*b]));
            order.truncate(MOST_SLICES);
        }
        order.into_iter().map(|v| self.slice(gp, v, &natural, what, suggestions)).collect()
    }

    fn slice(&self, gp: &Gp, v: usize, centre: &[f64], what: &str, suggestions: &[Suggestion]) -> Figure {
        let variable = &self.space.variables[v];
        let (values, is_curve, x_log): (Vec<f64>, bool, bool) = match &variable.domain {
            Domain::Real { log, .. } => {
                let at = |i: usize| variable.natural(i as f64 / (SLICE - 1) as f64);
                ((0..SLICE).map(at).collect(), true, *log)
            }
            Domain::Integer { low, high, log } => {
                let step = ((high - low) as usize / (SLICE - 1)).max(1);
                ((*low..=*high).step_by(step).map(|k| k as f64).collect(), true, *log)
            }
            Domain::Ordinal { values } | Domain::Categorical { values } => {
                ((0..values.len()).map(|l| l as f64).collect(), false, false)
            }
        };
        let place = |value: f64| {
            let mut point = centre.to_vec();
            point[v] = value;
            self.space.encode(&point)
        };
        let xs: Vec<f64> = values.iter().flat_map(|value| place(*value)).collect();
        let (mean, variance) = gp.marginals(&xs);
        let middle: Vec<f64> = mean.iter().map(|m| self.natural(gp.natural(*m))).collect();
        let (lower, upper) = self.quantiles(gp, &mean, &variance);
        let mut marks = if is_curve {
            vec![
                Mark::Band { label: "95 %".into(), x: values.clone(), lower, upper },
                Mark::Line { label: "mean".into(), x: values, y: middle, dashed: false },
            ]
        } else {
            vec![Mark::Points { label: "mean and 95 %".into(), x: values, y: middle, lower, upper }]
        };
        let (trials, observed): (Vec<f64>, Vec<f64>) = (self.history.points.iter().zip(&self.history.outcomes))
            .filter_map(|(p, o)| {
                if let Outcome::Measured(y) = o { Some((self.space.decode(p)[v], self.natural(*y))) } else { None }
            })
            .filter(|(x, _)| !x.is_nan())
            .unzip();
        marks.push(points("trials (elsewhere in the other variables)", trials, observed));
        let modelled: Vec<&Suggestion> =
            suggestions.iter().filter(|s| s.mean.is_finite() && !self.space.decode(&s.point)[v].is_nan()).collect();
        if !modelled.is_empty() {
            let at = modelled.iter().map(|s| self.space.decode(&s.point)[v]).collect();
            let means: Vec<f64> = modelled.iter().map(|s| self.natural(s.mean)).collect();
            let (lower, upper) = self.interval(gp, &modelled);
            marks.push(Mark::Points { label: "suggested, expected value".into(), x: at, y: means, lower, upper });
        }
        let levels = match &variable.domain {
            Domain::Ordinal { values } | Domain::Categorical { values } => {
                let each: Vec<String> = values.iter().enumerate().map(|(i, l)| format!("{i} = {l}")).collect();
                format!(" ({})", each.join(", "))
            }
            _ => String::new(),
        };
        Figure {
            name: format!("slice-{}", variable.name),
            caption: format!(
                "What is believed of {} along {}, the other variables as in {what}{levels}.",
                self.target, variable.name
            ),
            x_label: variable.name.clone(),
            y_label: self.target.into(),
            x_log,
            marks,
            ..Figure::default()
        }
    }

    /// Where 95 % of the probability lies, in the unit of the data: quantiles, which stay such under a transform of the values; the ends change
    /// places where the goal is to maximise.
    fn quantiles(&self, gp: &Gp, mean: &[f64], variance: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let quantile = |z: f64| -> Vec<f64> {
            let one = |(m, v): (&f64, &f64)| self.natural(gp.natural(m + self.goal.sign() * z * v.sqrt()));
            mean.iter().zip(variance).map(one).collect()
        };
        (quantile(-gp.half_width()), quantile(gp.half_width()))
    }

    /// [`View::quantiles`] at suggestions.
    fn interval(&self, gp: &Gp, suggestions: &[&Suggestion]) -> (Vec<f64>, Vec<f64>) {
        let points: Vec<f64> = suggestions.iter().flat_map(|s| s.point.iter().copied()).collect();
        let (mean, variance) = gp.marginals(&points);
        self.quantiles(gp, &mean, &variance)
    }

    /// What is expected at each suggestion, beside the best so far.
    pub fn expected(&self, gp: &Gp, suggestions: &[Suggestion]) -> Option<Figure> {
        let (numbers, modelled): (Vec<f64>, Vec<&Suggestion>) =
            (1..=suggestions.len()).map(|n| n as f64).zip(suggestions).filter(|(_, s)| s.mean.is_finite()).unzip();
        let (_, best) = self.history.best().filter(|_| !modelled.is_empty())?;
        let y = modelled.iter().map(|s| self.natural(s.mean)).collect();
        let (lower, upper) = self.interval(gp, &modelled);
        let ends = vec![0.5, suggestions.len() as f64 + 0.5];
        Some(Figure {
            name: "expected".into(),
            caption: "What is expected at each suggestion with 95 % intervals, and the best so far (dashed).".into(),
            x_label: "suggestion".into(),
            y_label: self.target.into(),
            marks: vec![
                Mark::Line { label: "best so far".into(), x: ends, y: vec![self.natural(best); 2], dashed: true },
                Mark::Points { label: "expected value".into(), x: numbers, y, lower, upper },
            ],
            ..Figure::default()
        })
    }
}
