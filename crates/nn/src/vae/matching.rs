//! Distribution matching: codes of all data points together are moved to the law of the prior's draws, along the difference of two clean estimates of
//! noisy codes.
//!
//! With x = t z + (1 - t) ε and ε ~ N(0, I), the clean estimate D(x, t) = E[z | x] of a law tells its score at that noise,
//! (t D - x) / (1 - t)², so that the difference of the estimates of the codes and of the prior is a positive multiple of the gradient in z of
//! KL(q_t || p_t), the divergence of the noisy codes from the noisy draws.

use super::divergence::check_batch;
use super::train::{Decay, update};
use super::{PriorConfig, Vae};
use crate::activation::Activation;
use crate::layer::{Build, Layer, Pass, Sequential, check_widths};
use crate::network::{MlpConfig, mlp};
use elbo_core::{Error, Result, Rng, Run, ensure, ensure_within};
use elbo_tensor::optim::{Adam, AdamState, Rule, Schedule};
use elbo_tensor::{Parameters, Tensor, no_grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Share of the code in a noisy one: near zero nothing is left of it, near one there is no noise.
const TIMES: (f64, f64) = (0.02, 0.98);
/// Points of a step of the teacher, and its rate at the start.
const TEACHER_BATCH: usize = 256;
const TEACHER_RATE: f64 = 1e-3;
/// Numbers that tell a network the share.
const FEATURES: usize = 5;
/// The stream of the teacher's random numbers, apart from those of the training that resumes.
const TEACHER_STREAM: u64 = 0x7ea0;

/// Where the two clean estimates come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Field {
    /// Closed forms for points, without networks: [`clean_estimate`] of draws of the prior, and of the other codes of the batch. For few dimensions.
    Kernel {
        /// Draws of the prior in a step.
        #[serde(default = "thousand")]
        points: usize,
    },
    /// Velocity fields that networks learn by flow matching: a teacher on draws of the prior, before training, and a student, which starts from it,
    /// on the codes along with training. For priors that stay.
    Network {
        /// Widths of the networks.
        #[serde(default = "widths")]
        hidden: Vec<usize>,
        /// Steps of the teacher.
        #[serde(default = "thousands")]
        teacher_steps: usize,
        /// Steps of the student before each of the model: one that lags points elsewhere.
        #[serde(default = "five")]
        updates: usize,
    },
}

fn thousand() -> usize {
    1000
}

fn thousands() -> usize {
    3000
}

fn widths() -> Vec<usize> {
    vec![128; 3]
}

fn five() -> usize {
    5
}

impl Default for Field {
    fn default() -> Self {
        Self::Kernel { points: thousand() }
    }
}

impl Field {
    /// Checks ranges. `batch` is the number of data points a step.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub(super) fn check(&self, batch: usize) -> Result<()> {
        check_batch(batch)?;
        match self {
            Self::Kernel { points } => ensure_within("field.points", *points, 1..=1_000_000),
            Self::Network { hidden, teacher_steps, updates } => {
                check_widths("field.hidden", hidden)?;
                ensure_within("field.teacher_steps", *teacher_steps, 1..=1_000_000_000)?;
                ensure_within("field.updates", *updates, 1..=1_000_000)
            }
        }
    }

    /// Refuses a teacher of a prior that moves after its lessons.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub(super) fn check_prior(&self, prior: &PriorConfig) -> Result<()> {
        let stays = matches!(prior, PriorConfig::Standard | PriorConfig::Samples { .. });
        let found = format!("{} with networks that match distributions", prior.name());
        let expected = "standard or samples, which no parameter moves; or take the field `kernel`";
        ensure("prior", found, matches!(self, Self::Kernel { .. }) || stays, expected)
    }
}

/// E[z | x] when z is one of `points: [M, L]`, all alike, and x = t z + (1 - t) ε: their mean with weights exp(-|x - t z|² / 2(1 - t)²). `x: [N, L]`,
/// `t: [N, 1]` in (0, 1); with `skips_own` point n is left out for row n, of as many. Returns `[N, L]`, f64.
///
/// # Panics
/// With `skips_own` for other numbers of points than of rows, and for less than two.
pub fn clean_estimate(points: &Tensor, x: &Tensor, t: &Tensor, skips_own: bool) -> Tensor {
    let (points, x, t) = (points.to_f64(), x.to_f64(), t.to_f64());
    let half_squares = points.square().sum_axis(-1, false) * 0.5;
    // |x|² is the same for all points.
    let logits = (x.matmul(&points.t()) * &t - t.square() * half_squares) / (1.0 - &t).square();
    let weights = if skips_own {
        let rows = x.size(0);
        assert!(rows >= 2 && points.size(0) == rows, "each of {rows} rows leaves one of {} points out", points.size(0));
        logits.masked_fill(&Tensor::eye(rows, logits.dtype()).gt_scalar(0.5), f64::NEG_INFINITY).softmax(-1)
    } else {
        logits.softmax(-1)
    };
    weights.matmul(&points)
}

/// The score of the law of noisy points at `x: [N, L]`, from its clean estimate there and the share `t: [N, 1]`: (t D - x) / (1 - t)², `[N, L]`.
pub fn score(clean: &Tensor, x: &Tensor, t: &Tensor) -> Tensor {
    (clean * t - x) / (1.0 - t).square()
}

/// Where codes `z: [N, L]` are to move away from: (D_codes - D_prior) over the mean of |z - D_prior| of the row, which makes it free of scale. `[N, L]`.
pub fn direction(z: &Tensor, of_codes: &Tensor, of_prior: &Tensor) -> Tensor {
    let size = (z - of_prior).abs().mean_axis(-1, true);
    (of_codes - of_prior) / size.maximum(&size.full_like(1e-12))
}

/// Shares `[N, 1]` and noisy points `[N, L]` of points `z: [N, L]`, and the velocity along the path, z - ε.
fn noised(z: &Tensor, rng: &mut Rng) -> [Tensor; 3] {
    let (rows, dims) = (z.size(0), z.size(1));
    let times = (0..rows).map(|_| rng.range(TIMES.0, TIMES.1)).collect();
    let t = Tensor::from_vec(times, &[rows, 1]).cast(z.dtype());
    let noise = Tensor::from_vec(rng.normals(rows * dims), &[rows, dims]).cast(z.dtype());
    let noisy = z * &t + &noise * (1.0 - &t);
    [t, noisy, z - noise]
}

/// Velocity fields of the prior's draws and of the codes.
pub(super) struct Fields {
    teacher: Sequential,
    student: Sequential,
}

elbo_tensor::parameters!(Fields { "teacher": teacher, "student": student });

impl Fields {
    /// Networks of these widths over `latent` dimensions.
    ///
    /// # Errors
    /// Those of the layers.
    pub(super) fn build(hidden: &[usize], latent: usize, build: &mut Build<'_>) -> Result<Self> {
        let config = MlpConfig::new(hidden, Activation::Silu);
        let mut network = || mlp(latent + FEATURES, latent, &config, build);
        Ok(Self { teacher: network()?, student: network()? })
    }

    /// The student's parameters, which move with training.
    pub(super) fn student(&self) -> &Sequential {
        &self.student
    }
}

/// The velocity that a network gives at noisy points `x: [N, L]` of these shares `t: [N, 1]`.
fn velocity(network: &Sequential, x: &Tensor, t: &Tensor) -> Tensor {
    let turns = t * std::f64::consts::PI;
    let faster = &turns * 2.0;
    let told = [t.clone(), turns.cos(), faster.cos(), turns.sin(), faster.sin()];
    network.forward(&Tensor::cat(&[&[x.clone()][..], &told].concat(), -1), &mut Pass::evaluation())
}

/// The squared error of a network's velocity at noisy versions of points `z: [N, L]`, summed over dimensions, a scalar.
fn flow_matching(network: &Sequential, z: &Tensor, rng: &mut Rng) -> Tensor {
    let [t, x, target] = noised(z, rng);
    (velocity(network, &x, &t) - target).square().sum_axis(-1, false).mean()
}

impl Vae {
    /// Half the squared length of the move that [`direction`] asks of codes `z: [N, L]`, whose derivative in the codes is that direction, over N: a
    /// scalar. What gives the direction is held.
    pub(super) fn matching(&self, z: &Tensor, field: &Field, rng: &mut Rng) -> Tensor {
        let target = no_grad(|| {
            let held = z.detach();
            let [t, x, _] = noised(&held, rng);
            let [of_codes, of_prior] = match field {
                Field::Kernel { points } => {
                    let drawn = self.sample_prior(*points, rng);
                    [clean_estimate(&held, &x, &t, true), clean_estimate(&drawn, &x, &t, false)]
                }
                Field::Network { .. } => {
                    let fields = self.fields.as_ref().expect("networks that match distributions were built");
                    [&fields.student, &fields.teacher].map(|network| velocity(network, &x, &t) * (1.0 - &t) + &x)
                }
            };
            let [of_codes, of_prior] = [of_codes, of_prior].map(|clean| clean.cast(held.dtype()));
            &held - direction(&held, &of_codes, &of_prior)
        });
        (z - target).square().sum_axis(-1, false).mean() * 0.5
    }

    /// Trains the teacher on draws of the prior, from which the student then starts.
    ///
    /// # Errors
    /// [`Error::Stopped`] where the run has to stop, and [`Error::Numerical`] when the loss is not finite.
    pub(super) fn teach(&mut self, steps: usize, run: &Run) -> Result<()> {
        let mut rng = Rng::new(run.seed).split(TEACHER_STREAM);
        let adam = |step: usize| Adam {
            rate: Schedule::from(TEACHER_RATE * Decay::Cosine.at(step, steps)),
            ..Adam::default()
        };
        let fields = self.fields.as_ref().expect("networks that match distributions were built");
        let mut state = adam(0).start_parts(&fields.teacher.parts());
        for step in 0..steps {
            if run.must_stop() {
                return Err(Error::Stopped);
            }
            let z = self.sample_prior(TEACHER_BATCH, &mut rng);
            let teacher = &mut self.fields.as_mut().expect("networks that match distributions were built").teacher;
            let loss = flow_matching(teacher, &z, &mut rng);
            update(teacher, &loss, &adam(step), &mut state)?;
        }
        let fields = self.fields.as_mut().expect("networks that match distributions were built");
        let taught = fields.teacher.pack();
        fields.student.unpack(&taught);
        Ok(())
    }

    /// One step of the student on codes of the batch `x: [B, width]`, drawn anew.
    pub(super) fn train_student(
        &mut self,
        x: &Tensor,
        adam: &Adam,
        state: &mut AdamState,
        rng: &mut Rng,
    ) -> Result<()> {
        let z = no_grad(|| {
            let q = self.posterior(x, &mut Pass::evaluation());
            self.kept(&q.code(&q.rsample(&q.noise(1, rng)))).select(0, 0)
        });
        let student = &mut self.fields.as_mut().expect("networks that match distributions were built").student;
        let loss = flow_matching(student, &z.detach(), rng);
        update(student, &loss, adam, state)
    }
}
