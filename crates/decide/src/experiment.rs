//! An experiment as a model: what systems of this family fit, save and ask.

mod stored;

use crate::ask::{AskConfig, Source, Suggestion, Surrogates, ask};
use crate::constraint::Polytope;
use crate::design::{Design, default_size_with_noise, fill_within};
use crate::figures::View;
use crate::history::{Goal, History, Limit, STATUS, SideColumns};
use crate::settings::Settings;
use crate::space::{Domain, Space, distance};
use crate::surrogate::{Gp, SurrogateConfig, SurrogateKind};
use elbo_core::{
    Array, Data, DataKind, Error, Figure, FromData, Marginals, Model, ModelFile, Prediction, Result, Rng, Run, Suggest,
    Summary, Table, Validation, Values,
};
use elbo_dist::{Normals, StudentTs};
use serde::{Deserialize, Serialize};

/// The table of an experiment: raw, since its ranges may come from the settings.
#[derive(Debug, Clone, PartialEq)]
pub struct Trials(pub Data);

impl FromData for Trials {
    const NEEDS: &'static str = "a table of trials with a numeric target; rows without a target value are pending";
    const KIND: DataKind = DataKind::Trials;

    fn from_data(data: &Data) -> Result<Self> {
        data.get(data.target()?)?;
        Ok(Self(data.clone()))
    }
}

/// What a system decides: how to model and how to ask.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The column to optimise.
    pub target: String,
    /// Small or large values.
    pub goal: Goal,
    /// What may be varied.
    pub space: Space,
    /// Limits on other columns.
    pub limits: Vec<Limit>,
    /// Further columns of the history.
    #[serde(default)]
    pub side: SideColumns,
    /// How the surrogate is fitted.
    pub surrogate: SurrogateConfig,
    /// How points are chosen.
    pub ask: AskConfig,
}

/// An experiment so far: history, beliefs, and how to go on.
pub struct Experiment {
    plan: Plan,
    history: History,
    surrogates: Surrogates,
}

impl Experiment {
    /// Reads the trials and fits the surrogates.
    ///
    /// # Errors
    /// For a table that cannot be read as trials, see [`History::read`]; without rows only where the space is given.
    pub fn fit(
        trials: &Trials,
        settings: &Settings,
        surrogate: SurrogateConfig,
        ask: AskConfig,
        run: &mut Run,
    ) -> Result<Self> {
        let data = &trials.0;
        let target = data.target()?.to_owned();
        let side = settings.side_columns();
        let space = match &settings.space {
            Some(space) => space.clone(),
            None => {
                if data.rows() == 0 {
                    return Err(Error::data(
                        "the history has no rows, so no ranges follow from it",
                        "give the ranges in a file: elbo suggest space.toml history.csv",
                    ));
                }
                let mut leave_out = vec![target.as_str(), STATUS];
                leave_out.extend(settings.limits.iter().map(|l| l.column.as_str()));
                leave_out.extend(side.names());
                let (space, notes) = Space::of_data(data, &leave_out)?;
                notes.into_iter().for_each(|note| run.warn(note));
                space
            }
        };
        space.check()?;
        if let Some(variable) = space.variables.iter().find(|v| v.name == target) {
            return Err(Error::data(
                format!("`{}` is both the target and a variable of the space", variable.name),
                "name another target, or take the variable out of the space",
            ));
        }
        if let Some(name) = side.names().find(|name| *name == target || space.variables.iter().any(|v| v.name == *name))
        {
            return Err(Error::data(
                format!("`{name}` is named as a further column, and is the target or a variable of the space"),
                "name another column",
            ));
        }
        let mut history = History::read(data, &space, settings.goal, &settings.limits)?.with_columns(data, &side)?;
        let limits = Polytope::new(&space, &ask.constraints)?;
        // One place is enough to know that there are some; no number of the run is drawn.
        if !limits.is_whole() && fill_within(&space, &limits, Design::Sobol, 1, &[], &mut Rng::new(0)).is_empty() {
            return Err(Error::data(
                "no place of the space was found that keeps the constraints",
                "loosen them, or widen the space",
            ));
        }
        let noisy = side.noise.as_ref().map(|_| default_size_with_noise(space.dims()));
        let mut ask = AskConfig { initial: ask.initial.or(noisy), ..ask };
        if let (Some(budget), Some(_)) = (settings.cost_budget, &settings.cost) {
            let spent = history.spent();
            if spent >= budget {
                run.warn(format!("the trials have cost {spent} of `cost_budget`, {budget}; costs count no more"));
            }
            ask.cost_power *= (1.0 - spent / budget).max(0.0);
        }
        let broken = history.mark_broken(&limits);
        if broken > 0 {
            run.warn(format!(
                "{broken} trials break the constraints; they inform the model, and are not taken for the best"
            ));
        }
        history.notes.iter().for_each(|note| run.warn(note));
        let needs = surrogate.mean.is_cross_validated();
        if needs && history.measured_count() < crate::surrogate::FEWEST_CROSS_VALIDATED {
            run.warn(format!(
                "{} measured trials are too few to choose a penalty by cross-validation; 0.01 is used",
                history.measured_count()
            ));
        }
        let plan = Plan { target, goal: settings.goal, space, limits: settings.limits.clone(), side, surrogate, ask };
        let surrogates = Surrogates::fit(&plan.space, &history, &plan.surrogate, None, &mut run.rng)?;
        let experiment = Self { plan, history, surrogates };
        if settings.cost.is_none() {
            run.warn_idle(settings, &["cost_power", "cost_budget"], "without `cost`");
        }
        if settings.surrogate == SurrogateKind::Gp {
            run.warn_idle(settings, &["degrees"], "without surrogate=student_t");
        }
        experiment.warn(run);
        Ok(experiment)
    }

    fn warn(&self, run: &mut Run) {
        let (_, values) = self.history.measured();
        if values.len() >= 2 && values.iter().all(|v| *v == values[0]) {
            run.warn(format!(
                "all {} values of `{}` are equal; nothing can be learned from them",
                values.len(),
                self.plan.target
            ));
        }
        if let Some(gp) = &self.surrogates.objective
            && !self.history.has_all_errors()
            && gp.noise() > 0.5
        {
            run.warn("the surrogate takes most of the variation for noise: the trials do not yet tell which variables matter");
        }
        let fitted = self.surrogates.objective.iter().chain(&self.surrogates.limits).chain(&self.surrogates.cost);
        let dropped = fitted.map(Gp::dropped).max().unwrap_or(0);
        if dropped > 0 {
            run.warn(format!(
                "{dropped} trials nearly repeat others and are left out: with them no surrogate could be computed"
            ));
        }
        if self.plan.side.cost.is_some() && self.surrogates.cost.is_none() {
            run.warn("fewer than two costs are known; nothing is divided by them yet");
        }
        // Before the model chooses, no limit guides suggestions.
        if self.surrogates.objective.is_some() {
            for column in self.history.unlearned(&self.plan.limits) {
                run.warn(format!(
                    "fewer than two values of `{column}` are known; its limit does not guide suggestions yet"
                ));
            }
        }
        if !self.plan.limits.is_empty() && self.history.measured_count() > 0 && self.history.best().is_none() {
            run.warn("no measured trial keeps the limits yet; suggestions look for one that does");
        }
    }

    /// The plan.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// The history.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// The surrogates.
    pub fn surrogates(&self) -> &Surrogates {
        &self.surrogates
    }

    /// The next `count` points.
    ///
    /// # Errors
    /// As [`ask`].
    pub fn ask(&self, count: usize, rng: &mut Rng) -> Result<Vec<Suggestion>> {
        ask(&self.plan.space, &self.history, &self.surrogates, &self.plan.ask, count, rng)
    }

    fn view(&self) -> View<'_> {
        View { space: &self.plan.space, history: &self.history, goal: self.plan.goal, target: &self.plan.target }
    }

    fn natural(&self, value: f64) -> f64 {
        self.plan.goal.sign() * value
    }

    /// Why a point is suggested, in a sentence.
    fn reason(&self, suggestion: &Suggestion, index: usize) -> String {
        let best = self.history.best().map(|(_, y)| y);
        let mut text = match (suggestion.source, best) {
            (Source::Design, _) if self.history.is_empty() => "fills the space: nothing is known yet".to_owned(),
            (Source::Design, _) => "fills a gap: too few trials for the model to choose".into(),
            (Source::Limits, _) => format!(
                "most likely to keep the limits ({:.0} %), which no trial does yet",
                100.0 * suggestion.feasible
            ),
            (Source::Model, None) => "the model's choice".into(),
            (Source::Model, Some(best)) => {
                let unit = self.surrogates.objective.as_ref().map_or(1.0, |gp| gp.natural_sd(0.0, 1.0));
                let chance = format!("{:.0} % chance to beat the best so far", 100.0 * suggestion.improvement);
                if suggestion.mean < best {
                    format!(
                        "exploits: expected to beat the best so far ({} against {}; {chance})",
                        short(self.natural(suggestion.mean)),
                        short(self.natural(best))
                    )
                } else if suggestion.sd > 0.5 * unit {
                    let width = self.surrogates.objective.as_ref().map_or(1.96, Gp::half_width);
                    format!("explores: little is known here (± {}; {chance})", short(width * suggestion.sd))
                } else {
                    format!("refines: close to good trials and not yet certain ({chance})")
                }
            }
        };
        if suggestion.source != Source::Limits && suggestion.feasible < 0.9 {
            text.push_str(&format!("; {:.0} % likely to be feasible", 100.0 * suggestion.feasible));
        }
        if index > 0 && suggestion.source == Source::Model {
            text.push_str("; takes the suggestions above for pending");
        }
        if suggestion.source == Source::Model
            && let Some(row) = self.nearest(&suggestion.point)
        {
            match self.history.ids.get(row).filter(|id| !id.is_empty()) {
                Some(id) => text.push_str(&format!("; nearest trial: {id}")),
                None => text.push_str(&format!("; nearest trial: row {}", row + 1)),
            }
        }
        text
    }

    fn nearest(&self, point: &[f64]) -> Option<usize> {
        let far = |i: &usize| distance(&self.history.points[*i], point);
        (0..self.history.len()).min_by(|a, b| far(a).total_cmp(&far(b)))
    }

    fn table(&self, suggestions: &[Suggestion]) -> Data {
        let space = &self.plan.space;
        let natural: Vec<Vec<f64>> = suggestions.iter().map(|s| space.decode(&s.point)).collect();
        let mut arrays: Vec<(String, Array)> = vec![];
        for (v, variable) in space.variables.iter().enumerate() {
            let column = natural.iter().map(|n| n[v]);
            let values = match &variable.domain {
                Domain::Real { .. } | Domain::Integer { .. } => Values::F64(column.collect()),
                Domain::Ordinal { values } | Domain::Categorical { values } => {
                    let numbers: std::result::Result<Vec<f64>, _> = values.iter().map(|l| l.parse::<f64>()).collect();
                    match numbers {
                        Ok(numbers) => {
                            Values::F64(column.map(|l| if l.is_nan() { l } else { numbers[l as usize] }).collect())
                        }
                        Err(_) => text_column(column.map(|l| variable.text(l))),
                    }
                }
            };
            arrays.push((variable.name.clone(), Array::column(values)));
        }
        let mut push = |name: &str, values: Values| {
            let mut name = name.to_owned();
            // A variable may bear the name.
            while arrays.iter().any(|(n, _)| *n == name) {
                name.push('_');
            }
            arrays.push((name, Array::column(values)));
        };
        let numbers = |f: &dyn Fn(&Suggestion) -> f64| Values::F64(suggestions.iter().map(f).collect());
        if let Some(id) = &self.plan.side.id {
            push(id, text_column(self.history.new_ids(suggestions.len()).into_iter()));
        }
        push("mean", numbers(&|s| self.natural(s.mean)));
        push("sd", numbers(&|s| s.sd));
        push("improvement", numbers(&|s| s.improvement));
        push("feasible", numbers(&|s| s.feasible));
        push("score", numbers(&|s| s.score));
        if self.surrogates.cost.is_some() {
            push("cost", numbers(&|s| s.cost));
        }
        push("why", text_column(suggestions.iter().enumerate().map(|(i, s)| self.reason(s, i))));
        Data { source: "suggestions".into(), arrays, ..Data::default() }
    }
}

/// A column of text; empty cells are missing.
fn text_column(cells: impl Iterator<Item = String>) -> Values {
    let mut levels: Vec<String> = vec![];
    let codes = cells
        .map(|cell| {
            if cell.is_empty() {
                return None;
            }
            let at = levels.iter().position(|l| *l == cell).unwrap_or_else(|| {
                levels.push(cell);
                levels.len() - 1
            });
            Some(at as u32)
        })
        .collect();
    Values::Text { levels, codes }
}

/// Four significant digits.
fn short(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return format!("{value}");
    }
    let digits = (3 - value.abs().log10().floor() as i64).clamp(0, 12) as usize;
    if value.abs() >= 1e6 || value.abs() < 1e-4 { format!("{value:.3e}") } else { format!("{value:.digits$}") }
}

impl Suggest for Experiment {
    fn suggest(&self, count: usize, run: &mut Run) -> Result<Data> {
        if count == 0 {
            return Ok(self.table(&[]));
        }
        let is_design = self.history.is_empty() && self.plan.ask.design == Design::Sobol;
        if is_design && self.plan.ask.constraints.is_empty() && !count.is_power_of_two() {
            let above = count.next_power_of_two();
            run.warn(format!("a Sobol design is even at powers of two: {} or {above} points, not {count}", above / 2));
        }
        let suggestions = self.ask(count, &mut run.rng)?;
        let view = self.view();
        if let Some(gp) = &self.surrogates.objective {
            view.expected(gp, &suggestions).into_iter().for_each(|f| run.figure(f));
            let first = suggestions.iter().find(|s| s.source != Source::Design).unwrap_or(&suggestions[0]);
            view.slices(gp, &first.point, "the first suggestion of the model", &suggestions)
                .into_iter()
                .for_each(|f| run.figure(f));
        }
        Ok(self.table(&suggestions))
    }
}

impl Model for Experiment {
    fn save(&self, file: &mut ModelFile) -> Result<()> {
        self.store(file);
        Ok(())
    }

    fn summary(&self) -> Summary {
        let history = &self.history;
        let counts = [
            ("trials", history.len()),
            ("measured", history.measured_count()),
            ("pending", history.pending().len()),
            ("failed", history.failed().len()),
        ];
        let mut summary =
            Summary { metrics: counts.map(|(name, n)| (name.into(), n as f64)).into(), ..Summary::default() };
        let space = &self.plan.space;
        if let Some((row, best)) = history.best() {
            summary.metrics.push(("best".into(), self.natural(best)));
            summary.metrics.push(("best_row".into(), (row + 1) as f64));
            let natural = space.decode(&history.points[row]);
            for (variable, value) in space.variables.iter().zip(natural) {
                summary.parameters.push((format!("best {}", variable.name), variable.text(value), String::new()));
            }
        }
        if let Some(gp) = &self.surrogates.objective {
            summary.objective = Some(("log marginal likelihood".into(), gp.log_evidence()));
            if let Some(freedom) = gp.freedom() {
                summary.metrics.push(("degrees_of_freedom".into(), freedom));
            }
            // Where all noise is known, that of the surrogate has no data.
            if !history.has_all_errors() {
                summary.metrics.push(("noise_sd".into(), gp.natural_sd(0.0, gp.noise())));
            }
            let scale = |v: usize| gp.hyper().lengthscale[if gp.hyper().lengthscale.len() == 1 { 0 } else { v }];
            summary.relevance =
                space.variables.iter().enumerate().map(|(v, x)| (x.name.clone(), 1.0 / scale(v))).collect();
        }
        summary.text = format!(
            "An experiment that is to {} {} over {} variables: {} trials, of which {} are measured, {} pending and {} failed.",
            self.plan.goal.word(),
            self.plan.target,
            space.dims(),
            history.len(),
            history.measured_count(),
            history.pending().len(),
            history.failed().len()
        );
        summary
    }

    fn as_suggest(&self) -> Option<&dyn Suggest> {
        Some(self)
    }

    fn validation(&self) -> Option<Validation> {
        let gp = self.surrogates.objective.as_ref().filter(|gp| gp.len() >= 3 && gp.dropped() == 0)?;
        let (mean, variance) = gp.leave_one_out();
        let sd: Vec<f64> = mean.iter().zip(&variance).map(|(m, v)| gp.natural_sd(*m, *v)).collect();
        let mean: Vec<f64> = mean.iter().map(|m| self.natural(gp.natural(*m))).collect();
        let (_, values) = self.history.measured();
        let prediction: Box<dyn Marginals> = match gp.freedom() {
            None => Box::new(Normals { mean, sd }),
            Some(freedom) => {
                // The datum that is left out tells nothing.
                let dof = freedom - 1.0;
                let scale = sd.iter().map(|sd| sd * ((dof - 2.0) / dof).sqrt()).collect();
                Box::new(StudentTs { location: mean, scale, dof })
            }
        };
        Some(Validation {
            method: "leave-one-out",
            observed: values.into_iter().map(|y| self.natural(y)).collect(),
            prediction: Prediction::Numbers(prediction),
        })
    }

    fn figures(&self) -> Vec<Figure> {
        let view = self.view();
        let mut figures: Vec<Figure> = view.progress().into_iter().collect();
        if let (Some(gp), Some((row, _))) = (&self.surrogates.objective, self.history.best()) {
            figures.extend(view.slices(gp, &self.history.points[row], "the best trial", &[]));
        }
        figures
    }

    fn tables(&self) -> Vec<Table> {
        let space = &self.plan.space;
        let mut names: Vec<&str> = vec!["row", &self.plan.target];
        names.extend(space.variables.iter().map(|v| v.name.as_str()));
        let mut table = Table::new("best", "The best trials within the limits, best first.", &names);
        for (row, y) in self.history.ranked().into_iter().take(10) {
            let mut cells = vec![(row + 1).to_string(), short(self.natural(y))];
            let natural = space.decode(&self.history.points[row]);
            cells.extend(space.variables.iter().zip(natural).map(|(v, value)| match v.domain {
                Domain::Real { .. } if !value.is_nan() => short(value),
                _ => v.text(value),
            }));
            table.push(cells);
        }
        vec![table]
    }
}
