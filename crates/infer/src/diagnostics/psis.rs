//! Pareto-smoothed importance sampling.

use elbo_tensor::special::log_sum_exp;

/// Log weights after smoothing, with what their tail says about them.
#[derive(Debug, Clone, PartialEq)]
pub struct Psis {
    /// Smoothed and normalised: their exponentials sum to one.
    pub log_weights: Vec<f64>,
    /// Shape of the generalised Pareto distribution of the largest weights; infinite when no tail could be fitted.
    pub k: f64,
    /// The shape above which estimates with these weights are not to be trusted: $\min(1 - 1/\log_{10} S, 0.7)$.
    pub threshold: f64,
}

impl Psis {
    /// Whether estimates with these weights can be trusted.
    pub fn is_reliable(&self) -> bool {
        self.k <= self.threshold
    }

    /// Effective number of draws under the smoothed weights.
    pub fn effective_size(&self) -> f64 {
        effective_size(&self.log_weights)
    }

    /// One sentence for the reader of a report.
    pub fn verdict(&self) -> String {
        let is = if self.is_reliable() { "can be trusted" } else { "is unreliable" };
        format!("Pareto k {:.2} (threshold {:.2}): the approximation {is}", self.k, self.threshold)
    }
}

/// $(\sum w)^2 / \sum w^2$ of unnormalised log weights.
pub fn effective_size(log_weights: &[f64]) -> f64 {
    let doubled: Vec<f64> = log_weights.iter().map(|l| 2.0 * l).collect();
    (2.0 * log_sum_exp(log_weights) - log_sum_exp(&doubled)).exp()
}

/// Smooths the largest of the weights $w = \exp(l)$ by a generalised Pareto distribution.
///
/// The tail holds $\lceil\min(S/5, 3\sqrt S)\rceil$ weights; no weight ends above the largest raw one.
///
/// # Shapes
/// `log_weights: [S]`, unnormalised, in nats; minus infinity is a weight of zero. Where one is NaN all become so, and `k` is infinite.
///
/// # Panics
/// Without weights.
///
/// # Source
/// Vehtari, Simpson, Gelman, Yao and Gabry (2024); the fit is that of Zhang and Stephens (2009) with their prior, shrunk towards 0.5
/// with the weight of ten draws. Equal to ArviZ.
pub fn psis(log_weights: &[f64]) -> Psis {
    let count = log_weights.len();
    assert!(count > 0, "smoothing needs at least one weight");
    let draws = count as f64;
    let threshold = (1.0 - 1.0 / draws.log10()).min(0.7);
    let largest = log_weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let mut smoothed: Vec<f64> = log_weights.iter().map(|l| l - largest).collect();
    let mut order: Vec<usize> = (0..count).collect();
    order.sort_by(|a, b| smoothed[*a].total_cmp(&smoothed[*b]));
    let tail = (draws / 5.0).min(3.0 * draws.sqrt()).ceil() as usize;
    let mut k = f64::INFINITY;
    if largest.is_finite() && tail < count && !log_weights.iter().any(|l| l.is_nan()) {
        let cutoff = smoothed[order[count - tail - 1]].max(f64::MIN_POSITIVE.ln());
        // Ties with the cutoff are not of the tail.
        let members: Vec<usize> = order.iter().copied().filter(|i| smoothed[*i] > cutoff).collect();
        if members.len() > 4 {
            let base = cutoff.exp();
            let excess: Vec<f64> = members.iter().map(|i| smoothed[*i].exp() - base).collect();
            let (raw, scale) = fit_pareto(&excess);
            // The prior's ten pseudo-draws; the quantiles use the shrunken shape and the scale of the raw one.
            let n = excess.len() as f64;
            k = (n * raw + 5.0) / (n + 10.0);
            if k.is_finite() {
                for (j, i) in members.iter().enumerate() {
                    let p = (j as f64 + 0.5) / n;
                    smoothed[*i] = (pareto_quantile(p, k, scale) + base).ln().min(0.0);
                }
            }
        }
    }
    let total = log_sum_exp(&smoothed);
    smoothed.iter_mut().for_each(|l| *l -= total);
    Psis { log_weights: smoothed, k, threshold }
}

fn pareto_quantile(p: f64, k: f64, scale: f64) -> f64 {
    let log = (-p).ln_1p();
    if k.abs() < f64::EPSILON { -scale * log } else { scale * (-k * log).exp_m1() / k }
}

/// Shape and scale of a generalised Pareto distribution from ascending positive values: the posterior mean of the ratio
/// over a grid, weighted by profile likelihood.
fn fit_pareto(values: &[f64]) -> (f64, f64) {
    const PRIOR: f64 = 3.0;
    let n = values.len() as f64;
    let grid = 30 + n.sqrt() as usize;
    let quartile = values[(n / 4.0 + 0.5) as usize - 1];
    let last = values[values.len() - 1];
    let shape = |b: f64| values.iter().map(|x| (-b * x).ln_1p()).sum::<f64>() / n;
    let candidates: Vec<f64> =
        (1..=grid).map(|j| (1.0 - (grid as f64 / (j as f64 - 0.5)).sqrt()) / (PRIOR * quartile) + 1.0 / last).collect();
    let profile: Vec<f64> = candidates
        .iter()
        .map(|b| {
            let k = shape(*b);
            n * ((-b / k).ln() - k - 1.0)
        })
        .collect();
    let total = log_sum_exp(&profile);
    let weights: Vec<f64> = profile.iter().map(|p| (p - total).exp()).collect();
    // Candidates of no weight may be where the profile is flat infinity; they are left out.
    let kept = |w: f64| w >= 10.0 * f64::EPSILON;
    let mass: f64 = weights.iter().copied().filter(|w| kept(*w)).sum();
    let ratio = candidates.iter().zip(&weights).filter(|(_, w)| kept(**w)).map(|(b, w)| b * w).sum::<f64>() / mass;
    let k = shape(ratio);
    (k, -k / ratio)
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_core::Rng;

    #[test]
    fn weights_of_equal_densities_stay_equal_and_have_no_tail() {
        let result = psis(&vec![-3.0; 500]);
        assert!(result.log_weights.iter().all(|l| (l + 500f64.ln()).abs() < 1e-12));
        assert!((result.effective_size() - 500.0).abs() < 1e-8);
        assert_eq!(result.k, f64::INFINITY);
    }

    #[test]
    fn a_weight_that_is_not_a_number_is_not_trusted() {
        let mut logs: Vec<f64> = Rng::new(4).normals(500).iter().map(|l| 0.2 * l).collect();
        assert!(psis(&logs).is_reliable());
        logs[7] = f64::NAN;
        assert!(!psis(&logs).is_reliable());
    }

    #[test]
    fn the_shape_is_that_of_the_pareto_tail() {
        // Weights u^{-k} have exactly the tail k; the standard error at 600 tail draws is about (1 + k) / sqrt(600) = 0.06.
        for (k, seed) in [(0.3, 1), (0.7, 2), (1.2, 3)] {
            let mut rng = Rng::new(seed);
            let logs: Vec<f64> = (0..40_000).map(|_| k * rng.exponential()).collect();
            let found = psis(&logs);
            assert!((found.k - k).abs() < 0.25, "{k}: {}", found.k);
            assert_eq!(found.is_reliable(), found.k <= 0.7);
        }
    }
}
