//! What is subtracted from the signal of a score estimator: numbers that know nothing of the present draw.

use elbo_core::{ModelFile, Result, Rng, Snapshot};
use elbo_dist::flow::MaskedNetwork;
use elbo_tensor::optim::{Rule, descend};
use elbo_tensor::{Parameter, Parameters, Tensor, grad, nested, nested_mut, no_grad, with_grad};
use serde::{Deserialize, Serialize};

/// What the score estimator subtracts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Baseline {
    /// A number that does not depend on the draws.
    Constant {
        /// The number.
        value: f64,
    },
    /// The running mean of the objective at earlier steps; see [`Estimator::given`](super::Estimator::given).
    Running {
        /// Weight of the past in the mean.
        decay: f64,
    },
    /// For each draw, the objective with that draw's log weight replaced by the mean of the others.
    LeaveOneOut,
}

/// The running mean of a signal: what it was at earlier steps, hence independent of the present draws.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct RunningMean {
    sum: f64,
    weight: f64,
}

impl RunningMean {
    /// The mean so far; zero before the first value.
    pub fn value(&self) -> f64 {
        if self.weight > 0.0 { self.sum / self.weight } else { 0.0 }
    }

    /// Takes in a value after its step is done; `decay` in [0, 1) is the weight of what was before.
    pub fn observe(&mut self, value: f64, decay: f64) {
        self.sum = decay * self.sum + (1.0 - decay) * value;
        self.weight = decay * self.weight + (1.0 - decay);
    }
}

/// A baseline that depends on an input, as on the data point whose code was drawn: a running mean of the signal and a small network, fitted by least
/// squares to the signals of earlier steps.
///
/// Centre first, learn afterwards: a baseline that has seen the draws it is subtracted from biases the gradient.
///
/// ```
/// use elbo_core::Rng;
/// use elbo_infer::estimator::LearnedBaseline;
/// use elbo_tensor::{Tensor, optim::Adam};
/// let mut baseline = LearnedBaseline::new(1, &[], 0.9, &mut Rng::new(1));
/// let rule = Adam::with_rate(0.05);
/// let mut memory = baseline.memory(&rule);
/// let (input, signal) = (Tensor::from_vec(vec![-1.0, 1.0], &[2, 1]), Tensor::from_vec(vec![2.0, 6.0], &[1, 2]));
/// for _ in 0..1500 {
///     baseline.learn(&signal, &input, &rule, &mut memory);
/// }
/// assert!(baseline.centred(&signal, &input).abs().max().item() < 0.05);
/// ```
///
/// # Source
/// Mnih and Gregor (2014), without their division by the signal's running deviation.
#[derive(Debug, Clone)]
pub struct LearnedBaseline {
    network: MaskedNetwork,
    past: RunningMean,
    decay: f64,
}

impl LearnedBaseline {
    /// For inputs of this many numbers; `hidden` are the widths of tanh layers, none for a linear baseline, and `decay` is the running mean's.
    ///
    /// # Panics
    /// For a decay outside of [0, 1).
    pub fn new(inputs: usize, hidden: &[usize], decay: f64, rng: &mut Rng) -> Self {
        assert!((0.0..1.0).contains(&decay), "a running mean with the decay {decay}");
        let sizes = [&[inputs], hidden, &[1]].concat();
        Self { network: MaskedNetwork::dense(&sizes, rng), past: RunningMean::default(), decay }
    }

    /// The baselines of inputs `[B, D]`, `[B]`, outside the graph.
    pub fn predict(&self, input: &Tensor) -> Tensor {
        no_grad(|| self.network.forward(input).squeeze(-1) + self.past.value())
    }

    /// A signal `[K, B]` less the baseline of its input `[B, D]`, outside the graph: what multiplies the score.
    pub fn centred(&self, signal: &Tensor, input: &Tensor) -> Tensor {
        signal.detach() - self.predict(input)
    }

    /// The memory of a rule for [`LearnedBaseline::learn`].
    pub fn memory<R: Rule>(&self, rule: &R) -> R::State {
        rule.start_parts(&self.parts())
    }

    /// One step towards a signal `[K, B]` that has been used, by the mean of squared differences; returns that mean, of before the step.
    pub fn learn<R: Rule>(&mut self, signal: &Tensor, input: &Tensor, rule: &R, memory: &mut R::State) -> f64 {
        let held = signal.detach();
        let (loss, gradients) = with_grad(|| {
            let fitted = self.network.forward(input).squeeze(-1) + self.past.value();
            let loss = (&held - fitted).square().mean();
            let leaves = self.leaves();
            (loss.item(), grad(&loss, &leaves.iter().collect::<Vec<_>>()))
        });
        descend(rule, self, &gradients, memory);
        self.past.observe(held.mean().item(), self.decay);
        loss
    }
}

impl Parameters for LearnedBaseline {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        nested("network", &self.network, f);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        nested_mut("network", &mut self.network, f);
    }
}

impl Snapshot for LearnedBaseline {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, &format!("{prefix}.network"));
        file.set(&format!("{prefix}.past"), &self.past);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, &format!("{prefix}.network"))?;
        self.past = file.fact(&format!("{prefix}.past"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_tensor::optim::Adam;

    #[test]
    fn a_running_mean_is_weighted_by_age() {
        let mut mean = RunningMean::default();
        assert_eq!(mean.value(), 0.0);
        [3.0, 1.0, -2.0].into_iter().for_each(|v| mean.observe(v, 0.5));
        // Weights 1/8, 1/4, 1/2 over their sum.
        assert!((mean.value() - (3.0 / 8.0 + 1.0 / 4.0 - 1.0) / (7.0 / 8.0)).abs() < 1e-15);
        let mut last = RunningMean::default();
        [3.0, 1.0].into_iter().for_each(|v| last.observe(v, 0.0));
        assert_eq!(last.value(), 1.0);
    }

    #[test]
    fn a_learned_baseline_goes_on_from_a_file() {
        let mut rng = Rng::new(2);
        let mut learned = LearnedBaseline::new(2, &[3], 0.9, &mut rng);
        let rule = Adam::with_rate(0.1);
        let mut memory = learned.memory(&rule);
        let (input, signal) = (Tensor::from_vec(rng.normals(8), &[4, 2]), Tensor::from_vec(rng.normals(4), &[1, 4]));
        for _ in 0..5 {
            learned.learn(&signal, &input, &rule, &mut memory);
        }
        let mut file = ModelFile::new("test");
        learned.save(&mut file, "baseline");
        let mut resumed = LearnedBaseline::new(2, &[3], 0.9, &mut rng);
        assert_ne!(resumed.predict(&input).to_vec(), learned.predict(&input).to_vec());
        resumed.restore(&ModelFile::from_bytes(&file.to_bytes()).unwrap(), "baseline").unwrap();
        assert_eq!(resumed.predict(&input).to_vec(), learned.predict(&input).to_vec());
    }
}
