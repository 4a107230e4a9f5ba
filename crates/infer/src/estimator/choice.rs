//! Which of several estimators is the cheapest: least variance times cost.

use super::{Baseline, Estimator, GradientReport, report};
use crate::family::Variational;
use crate::objective::Objective;
use crate::target::LogDensity;
use elbo_core::{Result, Rng, Table, ensure, ensure_within};
use elbo_tensor::{DType, Tensor, no_grad};

/// An estimator's noise and cost.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// Its name.
    pub name: String,
    /// Cost of one estimate, in any unit that all candidates share.
    pub cost: f64,
    /// Its noise.
    pub report: GradientReport,
}

impl Candidate {
    /// What it costs at a given precision: variance times cost, and without end where the variance is no number, whatever its sign.
    fn price(&self, variance: f64) -> f64 {
        let price = variance * self.cost;
        if price.is_nan() { f64::INFINITY } else { price }
    }
}

/// Estimators of one gradient side by side. Averaging `n` estimates divides the variance by `n` and multiplies the cost by `n`, so that variance
/// times cost is what an estimator costs at a given precision: the least is the cheapest.
///
/// Candidates must have the same mean; a biased estimator has no place here, however small its variance.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Choice {
    candidates: Vec<Candidate>,
}

impl Choice {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an estimator.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for a cost that is not positive and finite, and for other groups than those of the estimators before.
    pub fn with(mut self, name: &str, cost: f64, report: GradientReport) -> Result<Self> {
        ensure("cost", cost, cost > 0.0 && cost.is_finite(), "positive and finite")?;
        if let Some(first) = self.candidates.first() {
            let agree = first.report.names == report.names && first.report.sizes == report.sizes;
            ensure("report", format!("of the groups {:?}", report.names), agree, "of the groups of those before")?;
        }
        self.candidates.push(Candidate { name: name.into(), cost, report });
        Ok(self)
    }

    /// The estimators, in the order they came.
    pub fn candidates(&self) -> &[Candidate] {
        &self.candidates
    }

    /// The cheapest estimator of the whole gradient, by total variance times cost; `None` without candidates. The first of equals, and none
    /// whose variance is NaN before one whose variance is a number.
    pub fn cheapest(&self) -> Option<&Candidate> {
        self.least(|c| c.report.total_variance())
    }

    /// The cheapest estimator of each group: names of group and estimator.
    pub fn cheapest_by_group(&self) -> Vec<(&str, &str)> {
        let names = self.candidates.first().map_or(&[][..], |c| c.report.names.as_slice());
        let winner = |g: usize| self.least(|c| c.report.group_variances()[g]);
        names.iter().enumerate().filter_map(|(g, name)| Some((name.as_str(), winner(g)?.name.as_str()))).collect()
    }

    fn least(&self, variance: impl Fn(&Candidate) -> f64) -> Option<&Candidate> {
        let price = |c: &Candidate| c.price(variance(c));
        self.candidates.iter().min_by(|a, b| price(a).total_cmp(&price(b)))
    }

    /// One sentence: the cheapest estimator, and how much dearer the next one is.
    pub fn verdict(&self) -> String {
        let Some(best) = self.cheapest() else { return "No estimator was measured.".into() };
        let price = |c: &Candidate| c.price(c.report.total_variance());
        let others = self.candidates.iter().filter(|c| c.name != best.name);
        match others.min_by(|a, b| price(a).total_cmp(&price(b))) {
            _ if price(best).is_infinite() => "No estimator's variance is a number.".into(),
            Some(next) if price(next).is_infinite() => {
                format!("The cheapest estimator is {}: no other's variance is a number.", best.name)
            }
            Some(next) if price(best) > 0.0 => format!(
                "The cheapest estimator is {}; {} costs {:.3} times as much at the same precision.",
                best.name,
                next.name,
                price(next) / price(best)
            ),
            Some(_) => format!("The cheapest estimator is {}: it has no variance.", best.name),
            None => format!("The only estimator measured is {}.", best.name),
        }
    }

    /// One row a group and estimator.
    pub fn table(&self) -> Table {
        let mut table = Table::new(
            "estimators",
            "Noise and cost of gradient estimators by group; the cheapest has the least variance times cost.",
            &["group", "estimator", "variance", "cost", "variance x cost", "cheapest"],
        );
        for (g, (group, winner)) in self.cheapest_by_group().into_iter().enumerate() {
            for candidate in &self.candidates {
                let variance = candidate.report.group_variances()[g];
                table.push(vec![
                    group.to_owned(),
                    candidate.name.clone(),
                    format!("{variance:.3e}"),
                    format!("{}", candidate.cost),
                    format!("{:.3e}", variance * candidate.cost),
                    if candidate.name == winner { "yes".into() } else { String::new() },
                ]);
            }
        }
        table
    }
}

/// Measures every unbiased estimator that the objective and the family allow, `count` times with `draws` draws each and the same noise. The unit
/// of cost is an evaluation of the target, gradients counting as three: see [`Estimator::evaluations`].
///
/// # Errors
/// [`elbo_core::Error::Setting`] for an objective outside the power family, whose estimators do not have one mean, and for fewer than two draws or
/// estimates; those of [`Estimator::surrogate`].
pub fn choose(
    objective: &Objective,
    target: &dyn LogDensity,
    family: &dyn Variational,
    draws: usize,
    count: usize,
    rng: &mut Rng,
) -> Result<Choice> {
    let is_power = matches!(objective, Objective::Power { .. });
    ensure("objective", format!("{objective:?}"), is_power, "of the power family: elbo, iwae, renyi, cubo")?;
    ensure_within("draws", draws, 2..)?;
    let mut groups = vec![];
    family.visit(&mut |name, p| {
        if !p.is_frozen() {
            groups.push((name.to_owned(), p.len()));
        }
    });
    let has_density = no_grad(|| family.log_prob(&Tensor::zeros(&[1, family.dim()], DType::F64))).is_some();
    let rows = draws.next_multiple_of(family.strata());
    let inside = if family.strata() > 1 { rows } else { draws };
    let base = rng.fork();
    let mut choice = Choice::new();
    for (name, estimator, needs_density) in unbiased(objective) {
        if (needs_density && !has_density) || estimator.check(objective, family, inside).is_err() {
            continue;
        }
        let found = report(&groups, count, &mut base.split(0), |rng| {
            let noise = Tensor::from_vec(rng.normals(rows * family.noise()), &[rows, family.noise()]);
            Ok(family.gradient(&estimator.surrogate(objective, target, family, &noise, inside)?.tensor))
        })?;
        choice = choice.with(name, (rows * estimator.evaluations()) as f64, found)?;
    }
    Ok(choice)
}

/// Names, estimators, and whether they need the density at any point. For the ELBO the doubly reparameterised one is sticking the landing.
fn unbiased(objective: &Objective) -> Vec<(&'static str, Estimator, bool)> {
    let all = [
        ("reparameterised", Estimator::Reparameterised, false),
        ("closed-entropy", Estimator::ClosedEntropy, false),
        ("sticking-the-landing", Estimator::StickingTheLanding, true),
        ("doubly-reparameterised", Estimator::DoublyReparameterised, true),
        ("score", Estimator::Score { baseline: Baseline::LeaveOneOut }, true),
    ];
    let is_double = |e: &Estimator| *e == Estimator::DoublyReparameterised && *objective == Objective::ELBO;
    all.into_iter().filter(|(_, e, _)| e.is_unbiased(objective) && !is_double(e)).collect()
}
