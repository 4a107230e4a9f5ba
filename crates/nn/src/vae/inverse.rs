//! The stochastic inverse of a decoder: an encoder that is a regression on chains which leave the model's own posterior of codes as it is.

use super::Vae;
use super::draws::Draws;
use super::path::{Gradient, Path};
use super::prior::PriorPass;
use crate::layer::Pass;
use elbo_core::Rng;
use elbo_tensor::{Tensor, grad, with_grad};

impl Vae {
    /// log p(x, z) at points of codes `z: [K, B, L]` of the data points `x: [B, width]`, `[K, B]`, nats, f64.
    pub(super) fn log_joint(&self, z: &Tensor, x: &Tensor) -> Tensor {
        let pass = &mut Pass::evaluation();
        let points = z.cast(self.dtype());
        let likelihood = self.log_likelihood(&self.decode(&self.kept(&points), x, pass), x);
        let pseudo = self.pseudo(pass);
        let (path, rng) = (Path::new(Gradient::Plain), &mut Rng::new(0));
        let mut of_prior = PriorPass { pseudo: pseudo.as_ref(), labels: &[], rng, path: &path };
        likelihood.to_f64() + self.prior.log_prob(&points, &mut of_prior).to_f64()
    }

    /// Codes after `steps` Langevin steps of this length from `start: [K, B, L]`, each accepted or not as Metropolis has it, so that they leave p(z | x) of
    /// the data points `x: [B, width]` as it is: of the same shape, f64, outside the graph. And the share of the steps that were accepted.
    ///
    /// $$ z' = z + \tfrac12 \epsilon^2 \nabla \log p(x, z) + \epsilon n $$
    ///
    /// # Source
    /// Roberts and Tweedie (1996).
    pub fn chains(&self, start: &Tensor, x: &Tensor, steps: usize, length: f64, rng: &mut Rng) -> (Tensor, f64) {
        let pull = 0.5 * length * length;
        let at = |z: &Tensor| {
            with_grad(|| {
                let z = z.detach().variable();
                let value = self.log_joint(&z, x);
                let slope = grad(&value.sum(), &[&z]).remove(0);
                (value.detach(), z.detach() + slope * pull)
            })
        };
        let mut z = start.detach().to_f64();
        let (mut value, mut mean) = at(&z);
        let mut accepted = 0;
        for _ in 0..steps {
            let noise = Tensor::from_vec(rng.normals(z.len()), z.shape()) * length;
            let next = &mean + noise;
            let (next_value, next_mean) = at(&next);
            // log q(to | from) up to a constant, from the mean of a step.
            let toward = |to: &Tensor, mean: &Tensor| (to - mean).square().sum_axis(-1, false) * (-0.25 / pull);
            let gain = (&next_value - &value + toward(&z, &next_mean) - toward(&next, &mean)).to_vec();
            // What is not a number is not accepted.
            let moves: Vec<bool> = gain.iter().map(|gain| (1.0 - rng.uniform()).ln() < *gain).collect();
            accepted += moves.iter().filter(|moves| **moves).count();
            let moves = Tensor::from_bool(moves, value.shape());
            value = moves.where_(&next_value, &value);
            let moves = moves.unsqueeze(-1);
            z = moves.where_(&next, &z);
            mean = moves.where_(&next_mean, &mean);
        }
        (z, accepted as f64 / (steps * value.len()).max(1) as f64)
    }

    /// -log q(z | x) - log p(x, z) at the ends of chains from the draws of a batch, a scalar: for the encoder a regression on what the chains found, for the
    /// model the gradient of its likelihood where they have forgotten their start.
    ///
    /// An encoder that maps noise to a code could be regressed on the code that a chain found from it. Squares then take the mean over what the chain
    /// forgot, and the spread shrinks at every step; a density keeps it.
    ///
    /// # Source
    /// Naesseth, Lindsten and Blei (2020), with fresh chains; the regression of a sampler on chains is that of Tran, Milios, Michiardi and Filippone.
    pub(super) fn inverted(&self, draws: &Draws, x: &Tensor, (steps, length): (usize, f64), rng: &mut Rng) -> Tensor {
        let (z, _) = self.chains(&draws.points, x, steps, length, rng);
        let dtype = draws.points.dtype();
        let found = draws.q.log_prob(&z.cast(dtype));
        -found.mean() - self.log_joint(&z, x).cast(dtype).mean()
    }
}
