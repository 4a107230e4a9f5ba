//! What each posterior is asked: how likely unseen rows are, and how wide predictions are at three places.

use super::problem::{NOISE, rows, with_weights};
use elbo::dist::GaussianMixtures;
use elbo::prelude::*;
use elbo::tensor::{Tensor, no_grad};

/// Where each posterior is asked: among the data, in the gap, beyond.
const PLACES: [f64; 3] = [-0.625, 0.0, 1.5];

/// What a posterior says.
pub struct Answer {
    /// Which.
    pub name: &'static str,
    /// Mean log density of unseen rows, in nats.
    pub log_density: f64,
    /// Standard deviations of a new row among the data, in the gap, beyond.
    pub sd: [f64; 3],
}

/// The unseen rows and the places behind them.
pub struct Asked {
    /// Inputs, `[N + 3, 1]`.
    pub at: Tensor,
    truth: Vec<f64>,
}

impl Asked {
    /// 300 unseen rows.
    pub fn new() -> Result<Self> {
        let (unseen, truth) = rows(300, 2)?;
        let at = Tensor::cat(&[unseen, Tensor::from_vec(PLACES.to_vec(), &[3, 1])], 0);
        Ok(Self { at, truth: truth.to_vec() })
    }

    /// What predictive distributions at [`Self::at`] say.
    pub fn said(&self, name: &'static str, found: &dyn Marginals) -> Answer {
        let total: f64 = self.truth.iter().enumerate().map(|(i, y)| found.log_prob(i, *y)).sum();
        let count = self.truth.len();
        Answer { name, log_density: total / count as f64, sd: [0, 1, 2].map(|k| found.sd(count + k)) }
    }

    /// What draws of the weights say: they are networks, whose outputs with noise are a mixture.
    pub fn of_draws(&self, name: &'static str, draws: &[Vec<f64>]) -> Answer {
        let output = |weights: &Vec<f64>| no_grad(|| with_weights(weights).forward(&self.at)).to_vec();
        let outputs: Vec<Vec<f64>> = draws.iter().map(output).collect();
        let means: Vec<f64> = (0..self.at.size(0)).flat_map(|i| outputs.iter().map(move |f| f[i])).collect();
        let (k, sds) = (draws.len(), vec![NOISE; means.len()]);
        self.said(name, &GaussianMixtures::new(k, vec![1.0 / k as f64; k], means, sds))
    }
}
