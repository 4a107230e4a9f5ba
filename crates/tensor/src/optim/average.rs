//! Averages of iterates.

use elbo_core::step::Snapshot;
use elbo_core::{ModelFile, Result};

use super::save_list;

/// A running mean of iterates that forgets early ones: iterate `t` of `n` weighs about $(t / n)^\gamma$.
///
/// $$ \bar x_t = \Bigl(1 - \frac{\gamma + 1}{\gamma + t}\Bigr) \bar x_{t-1} + \frac{\gamma + 1}{\gamma + t} x_t $$
///
/// # Source
/// Shamir and Zhang (2013).
#[derive(Debug, Clone, PartialEq)]
pub struct PolynomialAverage {
    gamma: f64,
    count: usize,
    mean: Vec<f64>,
}

impl PolynomialAverage {
    /// Nothing yet. `gamma` is not negative: 0 is the plain mean, 8 that of iterates without a rate in the literature.
    ///
    /// # Panics
    /// For a negative exponent, or one that is no number.
    pub fn new(gamma: f64) -> Self {
        assert!(gamma >= 0.0, "an average with the exponent {gamma}");
        Self { gamma, count: 0, mean: vec![] }
    }

    /// Takes in the next iterate, as long as the first one.
    ///
    /// # Panics
    /// For an iterate of another length.
    pub fn push(&mut self, x: &[f64]) {
        self.count += 1;
        if self.count == 1 {
            self.mean = x.to_vec();
            return;
        }
        assert_eq!(x.len(), self.mean.len(), "iterates have one length");
        let share = (self.gamma + 1.0) / (self.gamma + self.count as f64);
        self.mean.iter_mut().zip(x).for_each(|(m, x)| *m += share * (x - *m));
    }

    /// The average; `None` before the first iterate.
    pub fn value(&self) -> Option<&[f64]> {
        (self.count > 0).then_some(&self.mean)
    }
}

impl Snapshot for PolynomialAverage {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.count.save(file, &format!("{prefix}.count"));
        save_list(file, prefix, "mean", &self.mean);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.count.restore(file, &format!("{prefix}.count"))?;
        self.mean = file.get(&format!("{prefix}.mean"))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_those_of_the_closed_form() {
        // For whole exponents the weight of iterate t is proportional to t (t + 1) ... (t + gamma - 1).
        for gamma in [0u32, 1, 2, 8] {
            let mut average = PolynomialAverage::new(f64::from(gamma));
            assert!(average.value().is_none());
            let iterate = |t: u32| (f64::from(t) * 0.7).sin();
            (1..=30).for_each(|t| average.push(&[iterate(t), 2.0]));
            let weight = |t: u32| (0..gamma).map(|k| f64::from(t + k)).product::<f64>();
            let total: f64 = (1..=30).map(weight).sum();
            let expected = (1..=30).map(|t| weight(t) * iterate(t)).sum::<f64>() / total;
            let found = average.value().unwrap();
            assert!((found[0] - expected).abs() < 1e-13 && (found[1] - 2.0).abs() < 1e-15, "{found:?}, {expected}");
        }
    }

    #[test]
    fn an_average_goes_on_from_a_file() {
        let mut whole = PolynomialAverage::new(3.0);
        (0..9).for_each(|t| whole.push(&[f64::from(t), 1.0]));
        let mut file = ModelFile::new("test");
        let mut part = PolynomialAverage::new(3.0);
        (0..4).for_each(|t| part.push(&[f64::from(t), 1.0]));
        part.save(&mut file, "average");
        let mut resumed = PolynomialAverage::new(3.0);
        resumed.restore(&ModelFile::from_bytes(&file.to_bytes()).unwrap(), "average").unwrap();
        (4..9).for_each(|t| resumed.push(&[f64::from(t), 1.0]));
        assert_eq!(resumed, whole);
    }
}
