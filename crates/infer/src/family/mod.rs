//! Approximating families: distributions over all of $\mathbb{R}^D$ with learnable parameters.
//!
//! | the posterior | use | parameters |
//! |---|---|---|
//! | unknowns nearly independent, or `D` in the thousands | [`MeanField`] | `2 D` |
//! | correlated, `D` up to some hundreds | [`FullRank`] | `D (D + 3) / 2` |
//! | correlated along few directions | [`LowRank`] | `D (r + 2)` |
//! | several modes | [`Mixture`] | `K (2 D + 1)` |
//! | several fits that belong together, as of climbs to several modes | [`FullRankMixture`] | `K D (D + 3) / 2` |
//! | curved, skewed, heavy tails | [`FlowFamily`] | the flow's |
//! | the same, by unknowns that are integrated out | [`Hierarchical`], with or without a reverse model | those of its parts |
//! | one for each data set or context | [`Conditioned`], fitted by [`simulated`](crate::fit::simulated) | its residual's, and `C D` or a network's |
//! | correlated or curved, with a Hessian that is cheap | [`InfinitesimalFlow`], driven by the target | `2 D`, and `D` a step and `D (D + 2)` a round |
//!
//! To add one, implement [`Variational`]: draws from noise, and the log density at them; or [`Conditional`], the same given a point.

mod conditional;
mod flow;
mod full_rank_mixture;
mod gaussian;
mod hierarchical;
mod infinitesimal;
mod mixture;

pub use conditional::{Conditional, Conditioned};
pub use flow::FlowFamily;
pub use full_rank_mixture::FullRankMixture;
pub use gaussian::{FullRank, LowRank, MeanField};
pub use hierarchical::Hierarchical;
pub use infinitesimal::InfinitesimalFlow;
pub(crate) use infinitesimal::ensure_hessian;
pub use mixture::Mixture;

use elbo_core::{ModelFile, Result, Rng, Snapshot};
use elbo_tensor::{Parameters, Tensor, no_grad};

/// Draws of an approximation, differentiable in its parameters.
#[derive(Debug, Clone)]
pub struct Drawn {
    /// The draws, `[S, D]`.
    pub z: Tensor,
    /// Their log densities, `[S]`. Of a family with auxiliary variables, what stands in their place: its mean is no less than theirs, so that
    /// objectives stay bounds.
    pub log_prob: Tensor,
    /// Weights of stratified draws, `[S]` with mean one: expectations are weighted means. `None` where all count the same.
    pub weights: Option<Tensor>,
}

/// A distribution over $\mathbb{R}^D$ that can be fitted.
pub trait Variational: Parameters + Send + Sync {
    /// Number of unknowns, `D`.
    fn dim(&self) -> usize;

    /// Standard normal numbers that one draw takes.
    fn noise(&self) -> usize {
        self.dim()
    }

    /// Draws from standard normal noise `[S, E]`, with `E` from [`Variational::noise`] and `S` a multiple of
    /// [`Variational::strata`].
    fn draw(&self, noise: &Tensor) -> Drawn;

    /// Log density at any points `z: [S, D]`, `[S]`, differentiable in both; `None` where only that of own draws is known.
    fn log_prob(&self, z: &Tensor) -> Option<Tensor>;

    /// Entropy in nats, where it is closed.
    fn entropy(&self) -> Option<Tensor> {
        None
    }

    /// Components that draws are spread over evenly.
    fn strata(&self) -> usize {
        1
    }

    /// In what unit each packed parameter is judged: a change of one unit moves the distribution by about one standard deviation.
    /// `None` where parameters have no meaning by themselves, as in a network.
    fn units(&self) -> Option<Vec<f64>>;

    /// `count` independent draws and their log densities, outside the graph.
    fn sample(&self, count: usize, rng: &mut Rng) -> (Tensor, Tensor) {
        no_grad(|| {
            let noise = Tensor::from_vec(rng.normals(count * self.noise()), &[count, self.noise()]);
            let Drawn { z, log_prob, .. } = self.draw(&noise);
            (z, log_prob)
        })
    }

    /// What it is, in a few words.
    fn title(&self) -> String;
}

/// An approximation as the model of a driver: a checkpoint holds its parameters.
pub struct Approximation(pub Box<dyn Variational>);

impl Snapshot for Approximation {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.0.write_to(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.0.read_from(file, prefix)
    }
}
