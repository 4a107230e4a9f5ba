//! How noisy a gradient is.

use elbo_core::{Result, Rng, Table, ensure, ensure_within};

/// Mean and variance of gradient estimates, parameter by parameter.
#[derive(Debug, Clone, PartialEq)]
pub struct GradientReport {
    /// Names of the groups: a parameter's name.
    pub names: Vec<String>,
    /// How many numbers each group has.
    pub sizes: Vec<usize>,
    /// Means of all entries, one group after the other.
    pub mean: Vec<f64>,
    /// Variances of all entries.
    pub variance: Vec<f64>,
    /// Estimates that were made.
    pub count: usize,
}

/// Repeats an estimate `count` times. `estimate` returns the flat gradient; `groups` are names and sizes in its order.
///
/// # Errors
/// Those of the estimate; [`elbo_core::Error::Setting`] for fewer than two estimates, and groups of another length than the gradient.
pub fn report(
    groups: &[(String, usize)],
    count: usize,
    rng: &mut Rng,
    mut estimate: impl FnMut(&mut Rng) -> Result<Vec<f64>>,
) -> Result<GradientReport> {
    ensure_within("count", count, 2..)?;
    let size: usize = groups.iter().map(|g| g.1).sum();
    let (mut mean, mut square) = (vec![0.0; size], vec![0.0; size]);
    for k in 0..count {
        let gradient = estimate(rng)?;
        let found = format!("of {size} numbers together");
        ensure("groups", found, gradient.len() == size, format!("of {}, as the gradient", gradient.len()))?;
        for i in 0..size {
            let change = gradient[i] - mean[i];
            mean[i] += change / (k + 1) as f64;
            square[i] += change * (gradient[i] - mean[i]);
        }
    }
    Ok(GradientReport {
        names: groups.iter().map(|g| g.0.clone()).collect(),
        sizes: groups.iter().map(|g| g.1).collect(),
        mean,
        variance: square.iter().map(|s| s / (count - 1) as f64).collect(),
        count,
    })
}

impl GradientReport {
    /// Signal to noise of each entry, `|mean| / sd`.
    pub fn snr(&self) -> Vec<f64> {
        self.mean.iter().zip(&self.variance).map(|(m, v)| m.abs() / v.sqrt()).collect()
    }

    /// Standard errors of the means.
    pub fn errors(&self) -> Vec<f64> {
        self.variance.iter().map(|v| (v / self.count as f64).sqrt()).collect()
    }

    /// Total variance.
    pub fn total_variance(&self) -> f64 {
        self.variance.iter().sum()
    }

    /// Total variance of each group.
    pub fn group_variances(&self) -> Vec<f64> {
        let mut start = 0;
        let sum = |size: &usize| -> f64 {
            start += size;
            self.variance[start - size..start].iter().sum()
        };
        self.sizes.iter().map(sum).collect()
    }

    /// One row a group: total variance, and the mean of the entries' signal to noise.
    pub fn table(&self) -> Table {
        let mut table =
            Table::new("gradient", "Noise of the gradient by group.", &["group", "size", "variance", "snr"]);
        let snr = self.snr();
        let mut start = 0;
        for ((name, size), variance) in self.names.iter().zip(&self.sizes).zip(self.group_variances()) {
            let signal = snr[start..start + size].iter().sum::<f64>() / *size as f64;
            table.push(vec![name.clone(), size.to_string(), format!("{variance:.3e}"), format!("{signal:.3}")]);
            start += size;
        }
        table
    }
}
