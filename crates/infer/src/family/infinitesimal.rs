//! Flows that the target itself drives, with momenta as auxiliary variables.

use super::gaussian::log_standard;
use super::{Drawn, Variational};
use crate::target::LogDensity;
use elbo_core::{Result, ensure, ensure_within};
use elbo_tensor::{Constraint, Parameter, Tensor};
use rayon::prelude::*;
use std::sync::Arc;

/// Most leapfrog steps.
const MOST_STEPS: usize = 1000;
/// Steps at the start, in standard deviations of the base.
const FIRST_STEP: f64 = 0.1;

/// Independent normals carried along the target's own gradient by leapfrog steps, with Gaussian momenta beside the unknowns.
///
/// $$ \omega \leftarrow \omega + \tfrac12 \epsilon \circ \nabla \log p(z), \quad z \leftarrow z + \epsilon \circ \omega, \quad
///    \omega \leftarrow \omega + \tfrac12 \epsilon \circ \nabla \log p(z) $$
///
/// Every assignment is a shear, so volumes are kept, whatever the step lengths $\epsilon$, which are learnt: one a coordinate and step. A *Hamiltonian*
/// flow draws the momenta once and takes all its steps with them. A *Langevin* flow draws them anew before each step, which is a step of the Langevin
/// equation, $z' = z + \tfrac12 \epsilon^2 \nabla \log p(z) + \epsilon \omega$.
///
/// The density of $z$ alone is an integral over momenta. In its place stands a learnt Gaussian $r(\omega \mid z)$ of the momenta at the end of each round,
/// with a mean linear in $z$; for a Langevin flow it is the reverse kernel. The log weight of a draw is one of the extended space,
///
/// $$ \ell = \log p(z_K) + \sum_k \log r_k(\omega'_k \mid z_k) - \log q_0(z_0) - \sum_k \log N(\omega_k; 0, I), $$
///
/// whose exponential has the evidence for a mean: objectives stay bounds of it, looser by the divergence between the momenta's law given $z$ and $r$.
/// What [`Drawn`] has as the log density is $\log p(z_K) - \ell$, and [`Variational::log_prob`] is `None`.
///
/// Gradients need the target's Hessian, [`LogDensity::hessian`], once a draw and step.
///
/// # Source
/// Rezende and Mohamed (2015), infinitesimal flows; Salimans, Kingma and Welling (2015) for the bound. Deviation: $r$ is a linear Gaussian in place of a
/// network, which is enough where the target is Gaussian.
pub struct InfinitesimalFlow {
    target: Arc<dyn LogDensity + Send>,
    mean: Parameter,
    sd: Parameter,
    rounds: Vec<Round>,
    title: String,
}

/// Steps with the same momenta, and the model of what these have become at their end.
struct Round {
    steps: Vec<Parameter>,
    reverse: Reverse,
}

/// $r(\omega \mid z) = N(a + u B, \mathrm{diag}(s^2))$ in the base's units $u = (z - m) / \sigma$.
struct Reverse {
    shift: Parameter,
    mix: Parameter,
    spread: Parameter,
}

elbo_tensor::parameters!(InfinitesimalFlow { mean, sd, rounds });
elbo_tensor::parameters!(Round { steps, reverse });
elbo_tensor::parameters!(Reverse { shift, mix, spread });

impl InfinitesimalFlow {
    /// A Hamiltonian flow: momenta drawn once, then this many leapfrog steps. The base is independent normals `[D]`: a mean-field solution is a good one.
    /// Without steps it is the base.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for a base of another dimension than the target's, deviations that are not positive, more than 1000 steps, and a target
    /// without a Hessian.
    pub fn hamiltonian(target: Arc<dyn LogDensity + Send>, mean: &[f64], sd: &[f64], steps: usize) -> Result<Self> {
        let rounds = if steps == 0 { vec![] } else { vec![steps] };
        Self::new(target, mean, sd, &rounds, format!("Hamiltonian flow of {steps} steps"))
    }

    /// A Langevin flow: this many leapfrog steps, each with momenta of its own.
    ///
    /// # Errors
    /// Those of [`InfinitesimalFlow::hamiltonian`].
    pub fn langevin(target: Arc<dyn LogDensity + Send>, mean: &[f64], sd: &[f64], steps: usize) -> Result<Self> {
        ensure_within("steps", steps, 0..=MOST_STEPS)?;
        Self::new(target, mean, sd, &vec![1; steps], format!("Langevin flow of {steps} steps"))
    }

    fn new(
        target: Arc<dyn LogDensity + Send>,
        mean: &[f64],
        sd: &[f64],
        rounds: &[usize],
        title: String,
    ) -> Result<Self> {
        let d = target.dim();
        let expected = format!("of {d} unknowns, as the target");
        for (setting, found) in [("mean", mean.len()), ("sd", sd.len())] {
            ensure(setting, format!("of {found} unknowns"), found == d, expected.clone())?;
        }
        for m in mean {
            ensure("mean", m, m.is_finite(), "finite")?;
        }
        for s in sd {
            ensure("sd", s, Constraint::Positive.allows(*s), "positive and finite")?;
        }
        ensure_within("steps", rounds.iter().sum::<usize>(), 0..=MOST_STEPS)?;
        ensure_hessian(&*target, mean)?;
        Ok(Self {
            target,
            mean: Parameter::new(mean, &[d], Constraint::Real),
            sd: Parameter::new(sd, &[d], Constraint::Positive),
            rounds: rounds.iter().map(|steps| Round::new(sd, *steps)).collect(),
            title,
        })
    }

    /// Gradients of the target at rows `z: [S, D]`, `[S, D]`, differentiable once more in `z`.
    fn slope(&self, z: &Tensor) -> Tensor {
        let target = Arc::clone(&self.target);
        let points = z.to_vec();
        let (_, gradient) = target.values_and_gradients(&points);
        let value = Tensor::from_vec(gradient, z.shape());
        Tensor::custom("slope of a log density", vec![z.clone()], value, move |g, _| {
            let d = target.dim();
            let vectors = g.to_vec();
            let pairs = points.par_chunks_exact(d).zip(vectors.par_chunks_exact(d));
            let rows: Vec<Vec<f64>> = pairs.map(|(z, v)| hessian_product(&*target, z, v)).collect();
            vec![Some(Tensor::from_vec(rows.concat(), g.shape()))]
        })
    }
}

/// Refuses a target that cannot drive a flow.
pub(crate) fn ensure_hessian(target: &dyn LogDensity, at: &[f64]) -> Result<()> {
    let expected = "one with a Hessian, such as one in tensor operations; for others take a flow";
    ensure("target", "a log density with first derivatives only", target.hessian(at).is_some(), expected)
}

/// The Hessian at one point `z: [D]` times a vector `[D]`. NaN where the Hessian, which exists elsewhere, does not.
fn hessian_product(target: &dyn LogDensity, z: &[f64], vector: &[f64]) -> Vec<f64> {
    let Some(hessian) = target.hessian(z) else { return vec![f64::NAN; z.len()] };
    hessian.chunks_exact(z.len()).map(|row| row.iter().zip(vector).map(|(h, v)| h * v).sum()).collect()
}

impl Round {
    fn new(sd: &[f64], steps: usize) -> Self {
        let d = sd.len();
        let first: Vec<f64> = sd.iter().map(|s| FIRST_STEP * s).collect();
        Self {
            steps: (0..steps).map(|_| Parameter::new(&first, &[d], Constraint::Positive)).collect(),
            reverse: Reverse {
                shift: Parameter::new(&vec![0.0; d], &[d], Constraint::Real),
                mix: Parameter::new(&vec![0.0; d * d], &[d, d], Constraint::Real),
                spread: Parameter::new(&vec![1.0; d], &[d], Constraint::Positive),
            },
        }
    }
}

impl Reverse {
    /// `momentum: [S, D]`, `white: [S, D]` in the base's units; returns `[S]`.
    fn log_prob(&self, momentum: &Tensor, white: &Tensor) -> Tensor {
        let mean = white.matmul(&self.mix.get()) + self.shift.get();
        let residual = (momentum - mean) / self.spread.get();
        log_standard(&residual) - self.spread.leaf().sum_axis(-1, false)
    }
}

/// Where a trajectory is.
struct State {
    z: Tensor,
    momentum: Tensor,
    /// The target's gradient at `z`.
    slope: Tensor,
}

impl State {
    fn kick(&mut self, half: &Tensor) {
        self.momentum = &self.momentum + &self.slope * half;
    }

    fn leapfrog(&mut self, flow: &InfinitesimalFlow, step: &Tensor) {
        let half = step * 0.5;
        self.kick(&half);
        self.z = &self.z + &self.momentum * step;
        self.slope = flow.slope(&self.z);
        self.kick(&half);
    }
}

impl Variational for InfinitesimalFlow {
    fn dim(&self) -> usize {
        self.mean.len()
    }

    fn noise(&self) -> usize {
        self.dim() * (1 + self.rounds.len())
    }

    fn draw(&self, noise: &Tensor) -> Drawn {
        let d = self.dim();
        let (mean, sd) = (self.mean.get(), self.sd.get());
        let start = noise.narrow(-1, 0, d);
        let mut log_prob = log_standard(&start) - self.sd.leaf().sum_axis(-1, false);
        let z = &start * &sd + &mean;
        if self.rounds.is_empty() {
            return Drawn { z, log_prob, weights: None };
        }
        let mut state = State { slope: self.slope(&z), z, momentum: start };
        for (k, round) in self.rounds.iter().enumerate() {
            state.momentum = noise.narrow(-1, (k + 1) * d, d);
            log_prob = log_prob + log_standard(&state.momentum);
            for step in &round.steps {
                state.leapfrog(self, &step.get());
            }
            log_prob = log_prob - round.reverse.log_prob(&state.momentum, &((&state.z - &mean) / &sd));
        }
        Drawn { z: state.z, log_prob, weights: None }
    }

    fn log_prob(&self, _: &Tensor) -> Option<Tensor> {
        None
    }

    fn units(&self) -> Option<Vec<f64>> {
        None
    }

    fn title(&self) -> String {
        self.title.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_core::Rng;
    use elbo_tensor::jacobian;

    /// $-\cosh z$.
    struct Cosh;

    impl LogDensity for Cosh {
        fn dim(&self) -> usize {
            1
        }

        fn log_prob(&self, z: &Tensor) -> Tensor {
            (z.exp() + (-z).exp()).sum_axis(-1, false) * -0.5
        }
    }

    #[test]
    fn leapfrog_steps_keep_volumes_and_come_back_with_the_momentum_turned() {
        let flow = InfinitesimalFlow::hamiltonian(Arc::new(Cosh), &[0.0], &[1.0], 3).unwrap();
        let steps: Vec<Tensor> = [0.1, 0.3, 0.2].iter().map(|s| Tensor::from_vec(vec![*s], &[1])).collect();
        let carried = |start: &Tensor, steps: &[Tensor]| {
            let z = start.narrow(-1, 0, 1);
            let mut state = State { slope: flow.slope(&z), z, momentum: start.narrow(-1, 1, 1) };
            steps.iter().for_each(|step| state.leapfrog(&flow, step));
            Tensor::cat(&[state.z, state.momentum], -1)
        };
        let mut rng = Rng::new(1);
        for _ in 0..5 {
            let start = Tensor::from_vec(rng.normals(2), &[1, 2]).variable();
            let end = carried(&start, &steps);
            let j = jacobian(&end, &start).to_vec();
            assert!((j[0] * j[3] - j[1] * j[2] - 1.0).abs() < 1e-12, "{j:?}");
            let turn = Tensor::from_vec(vec![1.0, -1.0], &[2]);
            let backwards: Vec<Tensor> = steps.iter().rev().cloned().collect();
            let back = carried(&(end.detach() * &turn), &backwards) * &turn;
            for (a, b) in back.to_vec().iter().zip(start.to_vec()) {
                assert!((a - b).abs() < 1e-12, "{a} and {b}");
            }
        }
    }
}
