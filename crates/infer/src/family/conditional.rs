//! Families whose members depend on a point: $q(z \mid u)$.

use super::{Drawn, Variational};
use elbo_core::{Result, Rng, ensure, ensure_within};
use elbo_tensor::{Constraint, DType, Parameter, Parameters, Tensor, no_grad};

/// Most numbers in a condition, and most hidden units.
const MOST: usize = 1_000_000;

/// A distribution over $\mathbb{R}^D$ for every point of $\mathbb{R}^C$, fitted through its parameters: one floor of a
/// [`Hierarchical`](super::Hierarchical) family, or the posterior of any data, as in [`simulated`](crate::fit::simulated).
pub trait Conditional: Parameters + Send + Sync {
    /// Number of unknowns, `D`.
    fn dim(&self) -> usize;

    /// Numbers in a condition, `C`.
    fn given(&self) -> usize;

    /// Standard normal numbers that one draw takes.
    fn noise(&self) -> usize {
        self.dim()
    }

    /// One draw for each condition: `u: [S, C]` and standard normal noise `[S, E]`, with `E` from [`Conditional::noise`]. The draws have no
    /// weights.
    fn draw(&self, u: &Tensor, noise: &Tensor) -> Drawn;

    /// Log density in nats of `z: [S, D]` given `u: [S, C]`, `[S]`, differentiable in both.
    fn log_prob(&self, z: &Tensor, u: &Tensor) -> Tensor;

    /// `count` independent draws at one condition `u: [C]`, `[S, D]`, outside the graph.
    fn sample(&self, u: &[f64], count: usize, rng: &mut Rng) -> Tensor {
        no_grad(|| {
            let noise = Tensor::from_vec(rng.normals(count * self.noise()), &[count, self.noise()]);
            self.draw(&Tensor::from_vec(u.repeat(count), &[count, u.len()]), &noise).z
        })
    }

    /// What it is, in a few words.
    fn title(&self) -> String;
}

/// Refuses a family whose draws have weights, and one whose density is known at its own draws only.
pub(super) fn ensure_plain(setting: &str, family: &dyn Variational) -> Result<()> {
    let probe = Tensor::zeros(&[1, family.dim()], DType::F64);
    let is_closed = no_grad(|| family.log_prob(&probe)).is_some();
    let expected = "a family with a closed density, whose draws all count the same";
    ensure(setting, format!("a {}", family.title()), is_closed && family.strata() == 1, expected)
}

/// One hidden layer.
struct Hidden {
    /// `[C, H]`.
    weight: Parameter,
    /// `[H]`.
    bias: Parameter,
    /// Shifts, then log scales, `[H, 2 D]`.
    out: Parameter,
}
elbo_tensor::parameters!(Hidden { weight, bias, out });

/// A family that is moved, and with a hidden layer also stretched, by a function of the condition:
///
/// $$ z = A' u + b(h) + e^{s(h)} \odot \varepsilon,\quad \varepsilon \sim q_0,\quad h = \tanh(W' u + c) $$
///
/// with `b` and `s` linear in `h`. The constant is $q_0$'s own. Conditions should be of unit scale.
pub struct Conditioned {
    residual: Box<dyn Variational>,
    /// `[C, D]`.
    slope: Parameter,
    hidden: Option<Hidden>,
}
elbo_tensor::parameters!(Conditioned { residual, slope, hidden });

fn normals(count: usize, scale: f64, rng: &mut Rng) -> Vec<f64> {
    rng.normals(count).iter().map(|e| scale * e).collect()
}

impl Conditioned {
    /// Moved linearly: `slope: [C, D]` row-major, and `residual` for $q_0$. With a full-rank Gaussian it holds the posteriors of all linear
    /// Gaussian models.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for a residual whose draws have weights or whose density is not closed, and for a slope that is empty,
    /// not finite, or not of rows of `D`.
    pub fn linear(residual: Box<dyn Variational>, slope: &[f64]) -> Result<Self> {
        ensure_plain("residual", &*residual)?;
        let d = residual.dim();
        let fits = !slope.is_empty() && slope.len().is_multiple_of(d);
        let expected = format!("a row of {d} for each number of the condition");
        ensure("slope", format!("of {} numbers", slope.len()), fits, expected)?;
        if let Some(wrong) = slope.iter().find(|a| !a.is_finite()) {
            ensure("slope", wrong, false, "finite numbers")?;
        }
        let slope = Parameter::new(slope, &[slope.len() / d, d], Constraint::Real);
        Ok(Self { residual, slope, hidden: None })
    }

    /// Moved and stretched by a network of one hidden layer of `hidden` units, small and random at the start, from `given` numbers.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for a residual as in [`Conditioned::linear`], and for no units or no condition.
    pub fn network(residual: Box<dyn Variational>, given: usize, hidden: usize, rng: &mut Rng) -> Result<Self> {
        ensure_within("given", given, 1..=MOST)?;
        ensure_within("hidden", hidden, 1..=MOST)?;
        let d = residual.dim();
        let mut moved = Self::linear(residual, &vec![0.0; given * d])?;
        let inwards = normals(given * hidden, (given as f64).sqrt().recip(), rng);
        let outwards = normals(hidden * 2 * d, 0.1 / (hidden as f64).sqrt(), rng);
        moved.hidden = Some(Hidden {
            weight: Parameter::new(&inwards, &[given, hidden], Constraint::Real),
            bias: Parameter::new(&rng.normals(hidden), &[hidden], Constraint::Real),
            out: Parameter::new(&outwards, &[hidden, 2 * d], Constraint::Real),
        });
        Ok(moved)
    }

    /// Shifts `[S, D]` and, with a hidden layer, log scales `[S, D]` at `u: [S, C]`.
    fn map(&self, u: &Tensor) -> (Tensor, Option<Tensor>) {
        let straight = u.matmul(&self.slope.get());
        let Some(hidden) = &self.hidden else { return (straight, None) };
        let d = self.residual.dim();
        let inner = (u.matmul(&hidden.weight.get()) + hidden.bias.get()).tanh();
        let bent = inner.matmul(&hidden.out.get());
        (straight + bent.narrow(-1, 0, d), Some(bent.narrow(-1, d, d)))
    }
}

impl Conditional for Conditioned {
    fn dim(&self) -> usize {
        self.residual.dim()
    }

    fn given(&self) -> usize {
        self.slope.shape()[0]
    }

    fn noise(&self) -> usize {
        self.residual.noise()
    }

    fn draw(&self, u: &Tensor, noise: &Tensor) -> Drawn {
        let Drawn { z, log_prob, .. } = self.residual.draw(noise);
        match self.map(u) {
            (shift, None) => Drawn { z: z + shift, log_prob, weights: None },
            (shift, Some(log_scale)) => Drawn {
                z: z * log_scale.exp() + shift,
                log_prob: log_prob - log_scale.sum_axis(-1, false),
                weights: None,
            },
        }
    }

    fn log_prob(&self, z: &Tensor, u: &Tensor) -> Tensor {
        let density = |e: &Tensor| self.residual.log_prob(e).expect("checked when it was made");
        match self.map(u) {
            (shift, None) => density(&(z - shift)),
            (shift, Some(s)) => density(&((z - shift) * (-&s).exp())) - s.sum_axis(-1, false),
        }
    }

    fn title(&self) -> String {
        match &self.hidden {
            None => format!("{} moved by {} numbers", self.residual.title(), self.given()),
            Some(hidden) => format!(
                "{} moved by {} numbers through {} hidden units",
                self.residual.title(),
                self.given(),
                hidden.bias.len()
            ),
        }
    }
}
