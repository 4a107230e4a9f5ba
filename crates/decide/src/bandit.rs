//! Linear contextual bandits: each round shows some contexts, one is played, and only its reward is seen.
//!
//! | policy | choose it for |
//! |---|---|
//! | [`Linear`] with [`Width::Draw`] | Thompson sampling: it explores by chance |
//! | [`Linear`] with [`Width::Bound`] | LinUCB: optimism, the same choice for the same history |
//! | [`Sparse`] | many features of which few matter: two ways to use the lasso |
//!
//! With 3 of 40 features that matter [`Plan::Threshold`] is asked to do better than Thompson sampling, and all to do better than chance; nothing is
//! claimed of the order of the others. To add one, implement [`Policy`] and let it play in `tests/it/bandits.rs`.

use elbo_core::Rng;
use elbo_linalg::vector::{axpy, dot, norm};

/// A way to play.
pub trait Policy {
    /// The context to play out of `contexts: [K][D]`, which are not empty.
    fn choose(&mut self, contexts: &[Vec<f64>], rng: &mut Rng) -> usize;
    /// What the played context gave.
    fn tell(&mut self, contexts: &[Vec<f64>], played: usize, reward: f64);
}

/// Plays `rounds` rounds with rewards `xᵀ θ + noise`; returns the cumulative regret `Σ max_a x_aᵀ θ - xᵀ θ` after each.
pub fn play(
    policy: &mut dyn Policy,
    mut contexts: impl FnMut(&mut Rng) -> Vec<Vec<f64>>,
    theta: &[f64],
    noise: f64,
    rounds: usize,
    rng: &mut Rng,
) -> Vec<f64> {
    let mut total = 0.0;
    (0..rounds)
        .map(|_| {
            let shown = contexts(rng);
            let played = policy.choose(&shown, rng);
            let worth: Vec<f64> = shown.iter().map(|x| dot(x, theta)).collect();
            policy.tell(&shown, played, worth[played] + noise * rng.normal());
            total += worth.iter().copied().fold(f64::NEG_INFINITY, f64::max) - worth[played];
            total
        })
        .collect()
}

/// The index of the largest value.
fn best(values: impl Iterator<Item = f64>) -> usize {
    values.enumerate().fold((0, f64::NEG_INFINITY), |b, (i, v)| if v > b.1 { (i, v) } else { b }).0
}

/// How a [`Linear`] policy explores.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Width {
    /// The largest `xᵀ μ + α √(xᵀ V⁻¹ x)`.
    Bound(f64),
    /// The best for a draw of `N(μ, v² V⁻¹)`.
    Draw(f64),
}

/// Ridge regression with bounds or draws: `V = λ I + Σ x xᵀ`, `μ = V⁻¹ Σ r x`.
///
/// # Source
/// Li, Chu, Langford and Schapire (2010); Agrawal and Goyal (2013).
#[derive(Debug, Clone)]
pub struct Linear {
    /// How it explores.
    pub width: Width,
    dims: usize,
    /// Lower factor of `V`, `[D, D]`.
    chol: Vec<f64>,
    sums: Vec<f64>,
}

impl Linear {
    /// With nothing seen; `ridge` is λ, positive.
    pub fn new(dims: usize, ridge: f64, width: Width) -> Self {
        let mut chol = vec![0.0; dims * dims];
        (0..dims).for_each(|i| chol[i * dims + i] = ridge.sqrt());
        Self { width, dims, chol, sums: vec![0.0; dims] }
    }

    /// The posterior mean `μ`, `[D]`.
    pub fn mean(&self) -> Vec<f64> {
        let mut mean = self.sums.clone();
        self.forward(&mut mean);
        self.backward(&mut mean);
        mean
    }

    /// `L⁻¹ b` in place.
    fn forward(&self, b: &mut [f64]) {
        for i in 0..self.dims {
            let row = &self.chol[i * self.dims..i * self.dims + i];
            b[i] = (b[i] - dot(row, &b[..i])) / self.chol[i * self.dims + i];
        }
    }

    /// `L⁻ᵀ b` in place.
    fn backward(&self, b: &mut [f64]) {
        for i in (0..self.dims).rev() {
            b[i] /= self.chol[i * self.dims + i];
            let (done, value) = b.split_at_mut(i);
            axpy(-value[0], &self.chol[i * self.dims..i * self.dims + i], done);
        }
    }

    /// The factor of `V + x xᵀ`, by rotations.
    fn grow(&mut self, x: &[f64]) {
        let n = self.dims;
        let mut rest = x.to_vec();
        for k in 0..n {
            let old = self.chol[k * n + k];
            let new = old.hypot(rest[k]);
            let (c, s) = (new / old, rest[k] / old);
            self.chol[k * n + k] = new;
            for i in k + 1..n {
                let below = (self.chol[i * n + k] + s * rest[i]) / c;
                rest[i] = c * rest[i] - s * below;
                self.chol[i * n + k] = below;
            }
        }
    }
}

impl Policy for Linear {
    fn choose(&mut self, contexts: &[Vec<f64>], rng: &mut Rng) -> usize {
        let mut theta = self.mean();
        match self.width {
            Width::Draw(v) => {
                let mut step = rng.normals(self.dims);
                self.backward(&mut step);
                axpy(v, &step, &mut theta);
                best(contexts.iter().map(|x| dot(x, &theta)))
            }
            Width::Bound(alpha) => best(contexts.iter().map(|x| {
                let mut half = x.clone();
                self.forward(&mut half);
                dot(x, &theta) + alpha * norm(&half)
            })),
        }
    }

    fn tell(&mut self, contexts: &[Vec<f64>], played: usize, reward: f64) {
        self.grow(&contexts[played]);
        axpy(reward, &contexts[played], &mut self.sums);
    }
}

/// How a [`Sparse`] policy uses the lasso.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Plan {
    /// Random arms for so many rounds, one fit with this penalty, then the best arm by it.
    Commit {
        /// Rounds of exploring.
        rounds: usize,
        /// Weight of the sum of absolute values beside half the mean squared error.
        penalty: f64,
    },
    /// The best arm by least squares on a few features: those whose weight in a fit with the penalty `λ = penalty √(2 log t log D / t)` exceeds `4 λ`, and
    /// of these, say `k`, those with more than `4 λ √k`. No exploring: contexts must differ enough by themselves.
    Threshold {
        /// Scale of the penalty.
        penalty: f64,
    },
}

/// A linear policy for few features that matter.
///
/// # Source
/// Ariu, Abe and Proutière (2022) for the threshold; Hao, Lattimore and Wang (2020) for committing.
#[derive(Debug, Clone)]
pub struct Sparse {
    /// How it uses the lasso.
    pub plan: Plan,
    dims: usize,
    rows: Vec<Vec<f64>>,
    targets: Vec<f64>,
    weights: Vec<f64>,
}

impl Sparse {
    /// With nothing seen.
    pub fn new(dims: usize, plan: Plan) -> Self {
        Self { plan, dims, rows: vec![], targets: vec![], weights: vec![0.0; dims] }
    }

    /// The weights it plays by, `[D]`.
    pub fn weights(&self) -> &[f64] {
        &self.weights
    }

    fn threshold(&mut self, penalty: f64) {
        let t = self.rows.len().max(2) as f64;
        let penalty = penalty * (2.0 * t.ln() * (self.dims.max(2) as f64).ln() / t).sqrt();
        let first = lasso(&self.rows, &self.targets, penalty, &self.weights);
        let above = |least: f64| (0..self.dims).filter(|j| first[*j].abs() > least).collect::<Vec<usize>>();
        let kept = above(4.0 * penalty);
        let kept = above(4.0 * penalty * (kept.len() as f64).sqrt());
        // Least squares on what is kept, with a ridge far below the noise.
        let mut fit = Linear::new(kept.len(), 1e-6, Width::Draw(0.0));
        for (x, r) in self.rows.iter().zip(&self.targets) {
            fit.tell(&[kept.iter().map(|j| x[*j]).collect()], 0, *r);
        }
        self.weights = vec![0.0; self.dims];
        kept.iter().zip(fit.mean()).for_each(|(j, w)| self.weights[*j] = w);
    }
}

impl Policy for Sparse {
    fn choose(&mut self, contexts: &[Vec<f64>], rng: &mut Rng) -> usize {
        match self.plan {
            Plan::Commit { rounds, .. } if self.rows.len() < rounds => rng.below(contexts.len()),
            Plan::Commit { .. } | Plan::Threshold { .. } => best(contexts.iter().map(|x| dot(x, &self.weights))),
        }
    }

    fn tell(&mut self, contexts: &[Vec<f64>], played: usize, reward: f64) {
        let x = &contexts[played];
        match self.plan {
            Plan::Commit { rounds, penalty } => {
                if self.rows.len() < rounds {
                    self.rows.push(x.clone());
                    self.targets.push(reward);
                    if self.rows.len() == rounds {
                        self.weights = lasso(&self.rows, &self.targets, penalty, &self.weights);
                    }
                }
            }
            Plan::Threshold { penalty } => {
                self.rows.push(x.clone());
                self.targets.push(reward);
                self.threshold(penalty);
            }
        }
    }
}

/// Minimises `|y - X w|² / (2 N) + penalty |w|_1` by coordinates, from `start`, until no weight moves by more than 1e-7 of the largest. `x: [N][D]`.
pub fn lasso(x: &[Vec<f64>], y: &[f64], penalty: f64, start: &[f64]) -> Vec<f64> {
    let (n, dims) = (x.len() as f64, start.len());
    let columns: Vec<Vec<f64>> = (0..dims).map(|j| x.iter().map(|row| row[j]).collect()).collect();
    let sizes: Vec<f64> = columns.iter().map(|c| dot(c, c) / n).collect();
    let mut w = start.to_vec();
    let mut left: Vec<f64> = x.iter().zip(y).map(|(row, y)| y - dot(row, &w)).collect();
    for _ in 0..1000 {
        let (mut moved, mut largest) = (0.0f64, 0.0f64);
        for j in (0..dims).filter(|j| sizes[*j] > 0.0) {
            let pull = dot(&columns[j], &left) / n + sizes[j] * w[j];
            let next = pull.signum() * (pull.abs() - penalty).max(0.0) / sizes[j];
            axpy(w[j] - next, &columns[j], &mut left);
            moved = moved.max((next - w[j]).abs());
            largest = largest.max(next.abs());
            w[j] = next;
        }
        if moved <= 1e-7 * largest {
            break;
        }
    }
    w
}
