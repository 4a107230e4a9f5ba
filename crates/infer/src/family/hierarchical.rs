//! Hierarchical and semi-implicit families: $q(z) = \int q(z \mid u)\, q(u)\, du$.

use super::conditional::{Conditional, ensure_plain};
use super::{Drawn, Variational};
use crate::objective::{Estimate, log_mean_exp};
use crate::target::LogDensity;
use elbo_core::{Error, Result, Rng, ensure, ensure_within};
use elbo_tensor::{Tensor, no_grad};

/// Most draws of the reverse model.
const MOST: usize = 10_000;

/// A mixture of infinitely many components, whose density is an integral: bounds take the place of $\log q(z)$.
///
/// With $u_0$ the point that made $z$, and $u_1, \ldots, u_K$ drawn from the reverse model $r(u \mid z)$,
///
/// $$ \log \hat q_K(z) = \log \frac{1}{K + 1} \sum_{k=0}^K \frac{q(z \mid u_k)\, q(u_k)}{r(u_k \mid z)},\qquad
///    \mathbb E \log \hat q_K(z) \ge \mathbb E \log q(z) $$
///
/// stands for the log density of draws, so that $\mathcal L_K = \mathbb E[\log p(x, z) - \log \hat q_K(z)]$ is what
/// [`Objective::ELBO`](crate::Objective::ELBO) is of this family:
///
/// $$ \mathcal L_0 \le \mathcal L_1 \le \dots \le \mathrm{ELBO} \le \log p(x) $$
///
/// in nats. $\mathcal L_0 = \mathrm{ELBO} - \mathbb E_{q(z)} \mathrm{KL}[q(u \mid z) \| r(u \mid z)]$ is the bound of hierarchical models; without
/// a reverse model $r(u \mid z) = q(u)$, and the bounds are the semi-implicit ones. Where `r` is the exact reverse, $\hat q_K = q$ for every `K`.
///
/// The weights $p(x, z) / \hat q_K(z)$ have mean $p(x)$ for every `K`, so the importance-weighted bound and the evidence of a fit hold too.
/// All three parts are fitted together by [`vi`](crate::fit::vi), through reparameterised gradients.
///
/// # Source
/// Ranganath, Tran and Blei (2016); Yin and Zhou (2018); Molchanov, Kharitonov, Sobolev and Vetrov (2019); Sobolev and Vetrov (2019).
pub struct Hierarchical {
    prior: Box<dyn Variational>,
    forward: Box<dyn Conditional>,
    reverse: Option<Box<dyn Conditional>>,
    reverse_draws: usize,
}
elbo_tensor::parameters!(Hierarchical { prior, forward, reverse });

impl Hierarchical {
    /// From $q(u)$, $q(z \mid u)$, the reverse model $r(u \mid z)$ and the number `K` of its draws; zero gives the hierarchical bound.
    ///
    /// # Errors
    /// [`Error::Setting`] for a prior whose draws have weights or whose density is not closed, for parts whose numbers of unknowns do not
    /// fit, and for more than 10 000 reverse draws.
    pub fn new(
        prior: Box<dyn Variational>,
        forward: Box<dyn Conditional>,
        reverse: Box<dyn Conditional>,
        reverse_draws: usize,
    ) -> Result<Self> {
        let (d, c) = (forward.dim(), prior.dim());
        let found = format!("over {} unknowns given {}", reverse.dim(), reverse.given());
        let fits = reverse.dim() == c && reverse.given() == d;
        ensure("reverse", found, fits, format!("over the prior's {c} unknowns given the {d} of the family"))?;
        let mut family = Self::semi_implicit(prior, forward, reverse_draws)?;
        family.reverse = Some(reverse);
        Ok(family)
    }

    /// From $q(u)$ and $q(z \mid u)$ alone: reverse draws are drawn from the prior.
    ///
    /// # Errors
    /// As [`Hierarchical::new`].
    pub fn semi_implicit(
        prior: Box<dyn Variational>,
        forward: Box<dyn Conditional>,
        reverse_draws: usize,
    ) -> Result<Self> {
        ensure_plain("prior", &*prior)?;
        let found = format!("given {} numbers", forward.given());
        let expected = format!("given the prior's {} unknowns", prior.dim());
        ensure("forward", found, forward.given() == prior.dim(), expected)?;
        ensure_within("reverse_draws", reverse_draws, 0..=MOST)?;
        Ok(Self { prior, forward, reverse: None, reverse_draws })
    }

    /// Numbers that a draw of the reverse model takes.
    fn reverse_noise(&self) -> usize {
        self.reverse.as_ref().map_or(self.prior.noise(), |r| r.noise())
    }

    fn prior_log_prob(&self, u: &Tensor) -> Tensor {
        self.prior.log_prob(u).expect("checked when it was made")
    }

    /// Draws `z: [S, D]`, and $\log q(z, u_k) - \log r(u_k \mid z)$ with the point that made `z` first, `[K + 1, S]`.
    fn ratios(&self, noise: &Tensor) -> (Tensor, Tensor) {
        let (first, second, width) = (self.prior.noise(), self.forward.noise(), self.reverse_noise());
        let Drawn { z: u, log_prob: log_u, .. } = self.prior.draw(&noise.narrow(-1, 0, first));
        let Drawn { z, log_prob: log_z, .. } = self.forward.draw(&u, &noise.narrow(-1, first, second));
        let Some(reverse) = &self.reverse else {
            // The prior cancels.
            let others = (0..self.reverse_draws).map(|k| {
                let noise = noise.narrow(-1, first + second + k * width, width);
                self.forward.log_prob(&z, &self.prior.draw(&noise).z)
            });
            let all: Vec<Tensor> = std::iter::once(log_z).chain(others).collect();
            return (z, Tensor::stack(&all, 0));
        };
        let own = log_u + log_z - reverse.log_prob(&u, &z);
        let others = (0..self.reverse_draws).map(|k| {
            let noise = noise.narrow(-1, first + second + k * width, width);
            let Drawn { z: u, log_prob, .. } = reverse.draw(&z, &noise);
            self.prior_log_prob(&u) + self.forward.log_prob(&z, &u) - log_prob
        });
        let all: Vec<Tensor> = std::iter::once(own).chain(others).collect();
        (z, Tensor::stack(&all, 0))
    }

    /// The ELBO of `q(z)` itself, which is not closed, between two estimates from the same `draws` draws: $\mathcal L_K$, and the bound that
    /// leaves out the point that made `z`, which in expectation is not below the ELBO. More reverse draws bring them together.
    ///
    /// # Errors
    /// [`Error::Setting`] for fewer than two draws, without reverse draws, and for a target of another dimension; a recoverable
    /// [`Error::Numerical`] where the target is not finite at a draw.
    pub fn elbo_between(&self, target: &dyn LogDensity, draws: usize, rng: &mut Rng) -> Result<(Estimate, Estimate)> {
        ensure_within("draws", draws, 2..=10_000_000)?;
        ensure_within("reverse_draws", self.reverse_draws, 1..=MOST)?;
        let (found, expected) = (format!("over {} unknowns", target.dim()), format!("over {} unknowns", self.dim()));
        ensure("target", found, target.dim() == self.dim(), expected)?;
        no_grad(|| {
            let noise = Tensor::from_vec(rng.normals(draws * self.noise()), &[draws, self.noise()]);
            let (z, ratios) = self.ratios(&noise);
            let log_p = target.log_prob(&z);
            let lower = &log_p - log_mean_exp(&ratios);
            let upper = &log_p - log_mean_exp(&ratios.narrow(0, 1, self.reverse_draws));
            if !lower.is_finite() || !upper.is_finite() {
                return Err(Error::recoverable(
                    "the log density is not finite at a draw of the approximation",
                    "start nearer to where it exists, or map constrained unknowns to the whole space",
                ));
            }
            Ok((Estimate::mean(&lower.to_vec()), Estimate::mean(&upper.to_vec())))
        })
    }
}

impl Variational for Hierarchical {
    fn dim(&self) -> usize {
        self.forward.dim()
    }

    fn noise(&self) -> usize {
        self.prior.noise() + self.forward.noise() + self.reverse_draws * self.reverse_noise()
    }

    /// Draws, and $\log \hat q_K$ at them.
    fn draw(&self, noise: &Tensor) -> Drawn {
        let (z, ratios) = self.ratios(noise);
        Drawn { z, log_prob: log_mean_exp(&ratios), weights: None }
    }

    /// `None`: the integral is not closed.
    fn log_prob(&self, _: &Tensor) -> Option<Tensor> {
        None
    }

    fn units(&self) -> Option<Vec<f64>> {
        None
    }

    fn title(&self) -> String {
        let kind = if self.reverse.is_some() { "hierarchical" } else { "semi-implicit" };
        format!("{kind} family with {} reverse draws", self.reverse_draws)
    }
}
