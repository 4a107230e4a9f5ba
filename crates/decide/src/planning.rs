//! Factored Markov decision processes, and planning as a variational problem.
//!
//! All of [`Inference`]'s kinds maximise the same energy and differ in one entropy: what of a trajectory is averaged over, and what is chosen.
//!
//! | kind | entropy | means |
//! |---|---|---|
//! | [`Inference::Map`] | 0 | the best single trajectory |
//! | [`Inference::MarginalMap`] | `H(x_{1:T} given a_{1:T-1})`, actions a point | the best plan without looking |
//! | [`Inference::Planning`] | `H(x_1) + Σ H(x_{t+1} given x_t, a_t)` | the best policy |
//! | [`Inference::MarginalUniform`] | as the next, less `(T - 1) log A` | a random policy |
//! | [`Inference::Marginal`] | `H(x_1) + Σ H(x_{t+1}, a_t given x_t)` | the sum over everything |
//!
//! `Map <= MarginalMap <= Planning <= Marginal`, and `MarginalUniform <= Planning`. Here they are exact, on the joint states; see [`Factored::flatten`].

use elbo_core::{Result, ensure, ensure_within};
use elbo_tensor::special::log_sum_exp;

/// Most joint states that are put into tables.
const MOST_STATES: usize = 4096;
/// Most probabilities in the table of all actions: two gibibytes.
const MOST_ENTRIES: usize = 1 << 28;
/// Most plans that are tried for the best one without looking.
const MOST_PLANS: f64 = 1e7;

/// A table over an action and a few variables of the state.
#[derive(Debug, Clone, PartialEq)]
pub struct Factor {
    /// The variables that matter.
    pub parents: Vec<usize>,
    /// `[A, values of the parents in their order, outputs]`, the last axis fastest.
    pub table: Vec<f64>,
}

/// A process whose state is several variables, each of which depends on a few.
#[derive(Debug, Clone, PartialEq)]
pub struct Factored {
    /// Number of values of each variable.
    pub sizes: Vec<usize>,
    /// Number of actions, `A`.
    pub actions: usize,
    /// For each variable the probabilities of its next values.
    pub transitions: Vec<Factor>,
    /// Terms of the reward, one output each.
    pub rewards: Vec<Factor>,
    /// For each variable the probabilities of its first values.
    pub start: Vec<Vec<f64>>,
}

impl Factored {
    /// The same process on joint states, the first variable fastest.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for tables of the wrong size, probabilities that do not sum to one, more than 4096 states, or so many actions that
    /// their table exceeds two gibibytes.
    pub fn flatten(&self) -> Result<Flat> {
        let count = self.sizes.iter().try_fold(1usize, |n, s| n.checked_mul(*s)).unwrap_or(usize::MAX);
        ensure("sizes", count, (1..=MOST_STATES).contains(&count), "from 1 to 4096 joint states")?;
        let most = MOST_ENTRIES / (count * count);
        ensure_within("actions", self.actions, 1..=most)?;
        let same = self.transitions.len() == self.sizes.len() && self.start.len() == self.sizes.len();
        ensure("transitions", self.transitions.len(), same, "one table and one start for each variable")?;
        for (e, (factor, start)) in self.transitions.iter().zip(&self.start).enumerate() {
            self.check("transitions", factor, self.sizes[e])?;
            ensure("start", start.len(), start.len() == self.sizes[e], "a probability for each value")?;
            for row in factor.table.chunks(self.sizes[e]).chain([start.as_slice()]) {
                let sums = row.iter().all(|p| *p >= 0.0) && (row.iter().sum::<f64>() - 1.0).abs() < 1e-9;
                ensure("transitions", format!("{row:?}"), sums, "probabilities that sum to one")?;
            }
        }
        self.rewards.iter().try_for_each(|factor| self.check("rewards", factor, 1))?;
        let states: Vec<Vec<usize>> = (0..count).map(|s| self.values(s)).collect();
        let (mut transition, mut reward) = (vec![], vec![]);
        for action in 0..self.actions {
            for from in &states {
                let rows: Vec<&[f64]> = (0..self.sizes.len())
                    .map(|e| self.row(&self.transitions[e], action, from, self.sizes[e]))
                    .collect();
                transition.extend(states.iter().map(|to| rows.iter().zip(to).map(|(r, v)| r[*v]).product::<f64>()));
                reward.push(self.rewards.iter().map(|r| self.row(r, action, from, 1)[0]).sum());
            }
        }
        let start = states.iter().map(|s| self.start.iter().zip(s).map(|(p, v)| p[*v]).product()).collect();
        Ok(Flat { states: count, actions: self.actions, transition, reward, start })
    }

    fn check(&self, what: &str, factor: &Factor, outputs: usize) -> Result<()> {
        let known = factor.parents.iter().all(|p| *p < self.sizes.len());
        ensure(what, format!("{:?}", factor.parents), known, "parents among the variables")?;
        let rows = factor.parents.iter().try_fold(self.actions, |n, p| n.checked_mul(self.sizes[*p]));
        let size = rows.and_then(|n| n.checked_mul(outputs)).unwrap_or(usize::MAX);
        let fits = factor.table.len() == size && factor.table.iter().all(|v| v.is_finite());
        ensure(what, factor.table.len(), fits, format!("{size} finite numbers"))
    }

    fn values(&self, mut state: usize) -> Vec<usize> {
        let digit = |size: &usize| {
            let value = state % size;
            state /= size;
            value
        };
        self.sizes.iter().map(digit).collect()
    }

    fn row<'a>(&self, factor: &'a Factor, action: usize, state: &[usize], outputs: usize) -> &'a [f64] {
        let at = factor.parents.iter().fold(action, |at, p| at * self.sizes[*p] + state[*p]);
        &factor.table[at * outputs..(at + 1) * outputs]
    }
}

/// What is averaged over and what is chosen. See the page of this module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inference {
    /// Everything is chosen, chance too.
    Map,
    /// A plan is chosen before anything is seen.
    MarginalMap,
    /// Each action is chosen once the state is seen.
    Planning,
    /// Actions are drawn uniformly.
    MarginalUniform,
    /// All actions are summed over.
    Marginal,
}

/// A process on joint states.
#[derive(Debug, Clone, PartialEq)]
pub struct Flat {
    /// Number of states, `S`.
    pub states: usize,
    /// Number of actions, `A`.
    pub actions: usize,
    /// Probabilities of the next state, `[A, S, S]`.
    pub transition: Vec<f64>,
    /// `[A, S]`.
    pub reward: Vec<f64>,
    /// Probabilities of the first state, `[S]`.
    pub start: Vec<f64>,
}

/// A policy and what it is worth.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// The best action, `[steps][S]`.
    pub actions: Vec<Vec<usize>>,
    /// Worth of each first state with all steps to go, `[S]`, in units of reward.
    pub values: Vec<f64>,
    /// Worth of the start.
    pub energy: f64,
}

impl Flat {
    fn next(&self, action: usize, state: usize) -> &[f64] {
        let at = (action * self.states + state) * self.states;
        &self.transition[at..at + self.states]
    }

    /// The best policy over `steps` actions for the utility `e^{λ ΣR}` (`risk` is λ), by backward recursion:
    ///
    /// $$ V_t(x) = \max_a \left\{ \lambda R(x, a) + \log \sum_{x'} P(x' \mid x, a) e^{V_{t+1}(x')} \right\} $$
    ///
    /// With a `risk` of zero the expected sum of rewards. The energy is that of [`Inference::Planning`].
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for a negative or infinite risk.
    pub fn plan(&self, steps: usize, risk: f64) -> Result<Policy> {
        ensure_within("risk", risk, 0.0..)?;
        let mut values = vec![0.0; self.states];
        let mut actions = vec![];
        for _ in 0..steps {
            let worth = |action: usize, state: usize| {
                self.reward[action * self.states + state] + certain(self.next(action, state), &values, risk)
            };
            let best = |state: usize| {
                (1..self.actions).fold((0, worth(0, state)), |best, action| {
                    let value = worth(action, state);
                    if value > best.1 { (action, value) } else { best }
                })
            };
            let (chosen, next): (Vec<usize>, Vec<f64>) = (0..self.states).map(best).unzip();
            actions.push(chosen);
            values = next;
        }
        actions.reverse();
        let energy = certain(&self.start, &values, risk);
        Ok(Policy { actions, values, energy })
    }

    /// The energy `(1/λ) max_q {...}` of a kind of inference over `steps` actions, in units of reward.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for a risk that is not positive, or more than 1e7 plans of [`Inference::MarginalMap`].
    pub fn energy(&self, kind: Inference, steps: usize, risk: f64) -> Result<f64> {
        ensure("risk", risk, risk > 0.0 && risk.is_finite(), "a positive number")?;
        let log_a = (self.actions as f64).ln();
        Ok(match kind {
            Inference::Planning => self.plan(steps, risk)?.energy,
            Inference::Marginal => self.sweep(steps, risk, log_sum_exp, log_sum_exp),
            Inference::MarginalUniform => {
                self.sweep(steps, risk, log_sum_exp, log_sum_exp) - steps as f64 * log_a / risk
            }
            Inference::Map => self.sweep(steps, risk, largest, largest),
            // A single action leaves a single plan, which is the policy.
            Inference::MarginalMap if self.actions == 1 => self.plan(steps, risk)?.energy,
            Inference::MarginalMap => {
                let plans = (self.actions as f64).powf(steps as f64);
                ensure("steps", steps, plans <= MOST_PLANS, "at most 1e7 plans")?;
                let logs: Vec<f64> = self.start.iter().map(|p| p.ln()).collect();
                self.best_plan(&logs, steps, risk) / risk
            }
        })
    }

    /// Backward, with these reductions over next states and over actions.
    fn sweep(&self, steps: usize, risk: f64, over: fn(&[f64]) -> f64, choose: fn(&[f64]) -> f64) -> f64 {
        let reduced =
            |p: &[f64], values: &[f64]| over(&p.iter().zip(values).map(|(p, v)| p.ln() + v).collect::<Vec<f64>>());
        let mut values = vec![0.0; self.states];
        for _ in 0..steps {
            let worth = |action: usize, state: usize| {
                risk * self.reward[action * self.states + state] + reduced(self.next(action, state), &values)
            };
            let best = |state: usize| choose(&(0..self.actions).map(|a| worth(a, state)).collect::<Vec<f64>>());
            values = (0..self.states).map(best).collect();
        }
        reduced(&self.start, &values) / risk
    }

    /// The largest log weight of a plan, from log weights of the states.
    fn best_plan(&self, logs: &[f64], steps: usize, risk: f64) -> f64 {
        if steps == 0 {
            return log_sum_exp(logs);
        }
        let after = |action: usize| {
            let to = |next: usize| {
                let terms: Vec<f64> = (0..self.states)
                    .map(|s| logs[s] + risk * self.reward[action * self.states + s] + self.next(action, s)[next].ln())
                    .collect();
                log_sum_exp(&terms)
            };
            self.best_plan(&(0..self.states).map(to).collect::<Vec<f64>>(), steps - 1, risk)
        };
        (0..self.actions).map(after).fold(f64::NEG_INFINITY, f64::max)
    }
}

fn largest(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

/// `(1/λ) log E e^{λ v}`, the mean for a risk of zero.
fn certain(probabilities: &[f64], values: &[f64], risk: f64) -> f64 {
    if risk == 0.0 {
        return probabilities.iter().zip(values).map(|(p, v)| p * v).sum();
    }
    let terms: Vec<f64> = probabilities.iter().zip(values).map(|(p, v)| p.ln() + risk * v).collect();
    log_sum_exp(&terms) / risk
}
