//! The path of the parameters: whether it has become stationary, and its average.

use crate::diagnostics::chains::{mcse_mean, r_hat};
use elbo_core::{ModelFile, Result, Snapshot};

/// Rows kept; when twice as many have come, every other one is dropped.
const KEPT: usize = 400;
/// Rows below which nothing can be said.
const FEWEST: usize = 50;
/// Parameters may differ in how fast they settle: this share of them has to satisfy each criterion.
const SHARE: f64 = 0.95;
/// Split R-hat below which a path counts as stationary.
const STATIONARY: f64 = 1.05;

/// Recent iterates, `[rows, P]`, evenly spaced in steps.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Iterates {
    rows: Vec<f64>,
    width: usize,
    spacing: usize,
    seen: usize,
}

impl Iterates {
    pub fn new(width: usize) -> Self {
        Self { rows: vec![], width, spacing: 1, seen: 0 }
    }

    pub fn clear(&mut self) {
        *self = Self::new(self.width);
    }

    pub fn push(&mut self, row: &[f64]) {
        self.seen += 1;
        if !self.seen.is_multiple_of(self.spacing) {
            return;
        }
        self.rows.extend_from_slice(row);
        if self.rows.len() >= 2 * KEPT * self.width.max(1) {
            let kept = self.rows.chunks_exact(self.width).skip(1).step_by(2).flatten().copied().collect();
            self.rows = kept;
            self.spacing *= 2;
        }
    }

    fn half(&self) -> &[f64] {
        let count = self.rows.len() / self.width.max(1);
        &self.rows[(count - count / 2) * self.width..]
    }

    /// Mean of the later half; `None` while there are few.
    pub fn average(&self) -> Option<Vec<f64>> {
        let half = self.half();
        let count = half.len() / self.width.max(1);
        if count < FEWEST / 2 {
            return None;
        }
        let mut mean = vec![0.0; self.width];
        half.chunks_exact(self.width).for_each(|row| mean.iter_mut().zip(row).for_each(|(m, r)| *m += r));
        mean.iter_mut().for_each(|m| *m /= count as f64);
        Some(mean)
    }

    /// Looks at the later half: whether it is stationary, by R-hat or by drifting less than two `tolerance` units, and its mean known within one.
    pub fn look(&self, units: &[f64], tolerance: f64) -> Look {
        let half = self.half();
        if half.len() < FEWEST * self.width {
            return Look { r_hat: None, has_settled: false };
        }
        let column = |i: usize| -> Vec<f64> { half.iter().skip(i).step_by(self.width).copied().collect() };
        // A parameter that no longer moves has no R-hat and no error.
        let settled = |x: f64, still: f64| if x.is_nan() { still } else { x };
        let hats: Vec<f64> = (0..self.width).map(|i| settled(r_hat(&column(i), 1), 1.0)).collect();
        // At a small rate the path wanders slowly within a narrow range: no matter, where the range is below the tolerance.
        let drift = |i: usize| {
            let column = column(i);
            let (early, late) = column.split_at(column.len() / 2);
            let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len() as f64;
            (mean(early) - mean(late)).abs() / units[i]
        };
        let hat = most(hats);
        let is_stationary = hat <= STATIONARY || most((0..self.width).map(drift).collect()) <= 2.0 * tolerance;
        let error = |i: usize| settled(mcse_mean(&column(i), 1), 0.0) / units[i];
        let has_settled = is_stationary && most((0..self.width).map(error).collect()) < tolerance;
        Look { r_hat: Some(hat), has_settled }
    }
}

/// What a look at the iterates found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Look {
    /// Split R-hat that all but a few parameters do not exceed; `None` while there are few rows.
    pub r_hat: Option<f64>,
    /// Whether the mean can be taken as the answer at this rate.
    pub has_settled: bool,
}

/// The value that all but a few of the numbers do not exceed.
pub(super) fn most(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let at = (SHARE * values.len() as f64).ceil() as usize;
    values.get(at.clamp(1, values.len().max(1)) - 1).copied().unwrap_or(0.0)
}

impl Snapshot for Iterates {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.rows.save(file, &format!("{prefix}.rows"));
        file.set(&format!("{prefix}.counts"), &(self.width, self.spacing, self.seen));
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.rows.restore(file, &format!("{prefix}.rows"))?;
        (self.width, self.spacing, self.seen) = file.fact(&format!("{prefix}.counts"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_core::Rng;

    #[test]
    fn a_trend_has_not_settled_and_noise_around_a_value_has() {
        let mut rng = Rng::new(1);
        let (mut trend, mut noise) = (Iterates::new(2), Iterates::new(2));
        for i in 0..3000 {
            let e = rng.normals(2);
            trend.push(&[i as f64 / 300.0 + 0.3 * e[0], e[1]]);
            noise.push(&[3.0 + 0.1 * e[0], 0.1 * e[1]]);
        }
        let settled = |path: &Iterates, tolerance| path.look(&[1.0, 1.0], tolerance).has_settled;
        assert!(!settled(&trend, 0.1));
        assert!(settled(&noise, 0.02) && !settled(&noise, 1e-5));
        // Noise has an R-hat of one and a trend does not.
        let r_hat = |path: &Iterates| path.look(&[1.0, 1.0], 0.1).r_hat.unwrap();
        assert!(r_hat(&noise) < STATIONARY && r_hat(&trend) > STATIONARY, "{} {}", r_hat(&noise), r_hat(&trend));
        assert_eq!(Iterates::new(2).look(&[1.0, 1.0], 0.1).r_hat, None);
        let average = noise.average().unwrap();
        // The mean of at least 200 rows of standard deviation 0.1.
        assert!((average[0] - 3.0).abs() < 4.0 * 0.1 / 200f64.sqrt());
        assert!(noise.rows.len() <= 2 * KEPT * 2);
    }
}
