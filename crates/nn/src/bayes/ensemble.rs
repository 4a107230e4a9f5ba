//! Several networks, their predictions together, and how much of their doubt is disagreement.
//!
//! [`EnsembleConfig`] trains an [`Ensemble`]. Members are networks trained from different starts, or draws of one posterior. Numbers are best kept
//! as the mixture itself, [`elbo_dist::GaussianMixtures`]; [`Moments`] are for intervals at a glance.

use super::Draws;
use elbo_core::{Error, Result, Rng, Run, ensure_within};
use elbo_dist::GaussianMixtures;
use elbo_tensor::special::log_sum_exp;
use elbo_tensor::{Parameter, Parameters, Tensor, nested, nested_mut, no_grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Stream of a member's rows, apart from those of its start and training.
const ROWS: u64 = 1;

/// Settings of an [`Ensemble`].
///
/// # Source
/// Lakshminarayanan, Pritzel and Blundell (2017), who found members of all rows better than members of drawn ones; Breiman (1996) for the latter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EnsembleConfig {
    /// Number of members, `S`.
    #[schemars(range(min = 1, max = 1000))]
    pub members: usize,
    /// Whether each member sees rows of its own, as many as there are, drawn with replacement; otherwise all rows, so that members differ by their starts
    /// and by the order of what they see.
    pub is_bootstrapped: bool,
    /// Seed of the first member; the others have the following ones, so that two ensembles share no member only where their seeds are further apart
    /// than they have members.
    pub seed: u64,
}

impl Default for EnsembleConfig {
    fn default() -> Self {
        Self { members: 5, is_bootstrapped: false, seed: 0 }
    }
}

/// One member of an ensemble before it is trained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its place among the members.
    pub index: usize,
    /// Its seed: of the start of its weights, and of its run.
    pub seed: u64,
    /// The rows it is trained on, `[N]`; with a bootstrap some occur several times.
    pub rows: Vec<usize>,
}

impl EnsembleConfig {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure_within("members", self.members, 1..=1000)
    }

    /// The member at a place, for data of so many rows. It depends on nothing but its seed and their number.
    pub fn member(&self, index: usize, rows: usize) -> Member {
        let seed = self.seed.wrapping_add(index as u64);
        let mut rng = Rng::new(seed).split(ROWS);
        let row = |i: usize| if self.is_bootstrapped { rng.below(rows) } else { i };
        Member { index, seed, rows: (0..rows).map(row).collect() }
    }

    /// Trains the members on data of so many rows, one after the other, each in a run of its own seed, whose warnings are passed on. Where time runs
    /// out, the ensemble has those that were begun, less one that has nothing to show yet, and the run warns of it.
    ///
    /// # Errors
    /// [`Error::Setting`] for settings out of range, [`Error::Data`] without rows, and those of `train`.
    pub fn train<M>(
        &self,
        rows: usize,
        run: &mut Run,
        mut train: impl FnMut(&Member, &mut Run) -> Result<M>,
    ) -> Result<Ensemble<M>> {
        self.check()?;
        if rows == 0 {
            return Err(Error::data("an ensemble has no rows to learn from", "give one at least"));
        }
        let mut members = vec![];
        for index in 0..self.members {
            if index > 0 && run.must_stop() {
                break;
            }
            let member = self.member(index, rows);
            let mut part = run.part(member.seed);
            let found = train(&member, &mut part);
            let said = part.warnings().to_vec();
            run.rejoin(part);
            said.into_iter().for_each(|text| run.warn(text));
            match found {
                Err(Error::Stopped) if index > 0 => break,
                found => members.push(found?),
            }
        }
        if members.len() < self.members {
            run.mark_stopped_early();
            run.warn(format!("training stopped after {} of {} members of the ensemble", members.len(), self.members));
        }
        Ok(Ensemble { members })
    }
}

/// Several networks for one task, each as likely as the others: what they say together is the mixture of what each says.
#[derive(Debug, Clone, PartialEq)]
pub struct Ensemble<M> {
    /// The networks.
    pub members: Vec<M>,
}

impl<M: Parameters> Parameters for Ensemble<M> {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        nested("members", &self.members, f);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        nested_mut("members", &mut self.members, f);
    }
}

impl<M> Ensemble<M> {
    /// The members' outputs, `[B, ...]` each, outside the graph: their mixture, moments and average of classes are those of [`Draws`].
    ///
    /// # Panics
    /// Without members, and for outputs of different shapes.
    pub fn draws(&self, outputs: impl Fn(&M) -> Tensor) -> Draws {
        assert!(!self.members.is_empty(), "an ensemble has a member at least");
        let each: Vec<Tensor> = self.members.iter().map(|member| no_grad(|| outputs(member))).collect();
        Draws { outputs: Tensor::stack(&each, 0) }
    }

    /// Mixtures of the normals that the members predict for each row, from means and standard deviations `[N]` of each member: for members that learn
    /// their noise.
    ///
    /// # Panics
    /// Without members, and for members of different lengths.
    pub fn mixtures(&self, normals: impl Fn(&M) -> (Vec<f64>, Vec<f64>)) -> GaussianMixtures {
        let each: Vec<(Vec<f64>, Vec<f64>)> = self.members.iter().map(normals).collect();
        assert!(!each.is_empty(), "an ensemble has a member at least");
        let rows = each[0].0.len();
        assert!(
            each.iter().all(|(m, s)| m.len() == rows && s.len() == rows),
            "a mean and a deviation a row and member"
        );
        let (mut means, mut sds) = (vec![], vec![]);
        for i in 0..rows {
            for (mean, sd) in &each {
                means.push(mean[i]);
                sds.push(sd[i]);
            }
        }
        GaussianMixtures::new(each.len(), vec![1.0 / each.len() as f64; each.len()], means, sds)
    }
}

/// Averaged class probabilities of rows, and the parts of their entropy in nats.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassAverage {
    /// Log of the averaged probabilities, `[N, K]` row-major.
    pub log_probabilities: Vec<f64>,
    /// Entropy of the average, `[N]`.
    pub total: Vec<f64>,
    /// Mean of the members' entropies, `[N]`: doubt that no further data would remove.
    pub aleatoric: Vec<f64>,
}

impl ClassAverage {
    /// From each member's log probabilities, `[N, K]` row-major.
    ///
    /// # Panics
    /// Without members or classes, and for members of different shapes.
    pub fn new(classes: usize, members: &[Vec<f64>]) -> Self {
        assert!(!members.is_empty() && classes > 0, "an average needs members and classes");
        let size = members[0].len();
        assert!(members.iter().all(|m| m.len() == size && size.is_multiple_of(classes)), "members of one shape");
        let share = (members.len() as f64).ln();
        let average = |i: usize| log_sum_exp(&members.iter().map(|m| m[i]).collect::<Vec<_>>()) - share;
        let log_probabilities: Vec<f64> = (0..size).map(average).collect();
        let total: Vec<f64> = log_probabilities.chunks(classes).map(entropy).collect();
        let mut aleatoric = vec![0.0; total.len()];
        for member in members {
            for (sum, row) in aleatoric.iter_mut().zip(member.chunks(classes)) {
                *sum += entropy(row) / members.len() as f64;
            }
        }
        Self { log_probabilities, total, aleatoric }
    }

    /// Entropy less its aleatoric part, `[N]`: what the members disagree about, never negative but for rounding.
    pub fn epistemic(&self) -> Vec<f64> {
        self.total.iter().zip(&self.aleatoric).map(|(t, a)| t - a).collect()
    }
}

fn entropy(log_probabilities: &[f64]) -> f64 {
    // A class of probability zero adds nothing.
    -log_probabilities.iter().filter(|l| l.is_finite()).map(|l| l.exp() * l).sum::<f64>()
}

/// Mean of the members' means, and the parts of the variance.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    /// Means, `[N]`.
    pub mean: Vec<f64>,
    /// Mean of the members' variances, `[N]`.
    pub aleatoric: Vec<f64>,
    /// Variance of the members' means, `[N]`.
    pub epistemic: Vec<f64>,
}

impl Moments {
    /// From each member's means and variances, `[N]` each.
    ///
    /// # Panics
    /// Without members, and for members of different lengths.
    pub fn new(members: &[(Vec<f64>, Vec<f64>)]) -> Self {
        assert!(!members.is_empty(), "an average needs members");
        let rows = members[0].0.len();
        let (mut mean, mut aleatoric, mut epistemic) = (vec![0.0; rows], vec![0.0; rows], vec![0.0; rows]);
        let share = 1.0 / members.len() as f64;
        for (means, variances) in members {
            for i in 0..rows {
                mean[i] += share * means[i];
                aleatoric[i] += share * variances[i];
            }
        }
        for (means, _) in members {
            for i in 0..rows {
                epistemic[i] += share * (means[i] - mean[i]).powi(2);
            }
        }
        Self { mean, aleatoric, epistemic }
    }
}
