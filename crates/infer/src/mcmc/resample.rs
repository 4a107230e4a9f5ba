//! Choosing particles by their weights.

use elbo_core::{Result, Rng, ensure};

/// Systematic resampling: the indices of `count` particles, ascending, chosen by `weights` that need no sum of one.
///
/// One uniform number `u` places the marks $(k + u) / \text{count}$, and every particle is taken once for each mark within its stretch of the cumulated
/// weights. A particle of normalised weight `w` is taken `count w` times on average, and each time that number rounded down or up.
///
/// # Errors
/// [`elbo_core::Error::Setting`] for weights of which one is negative or no number, or whose sum is not finite and positive.
///
/// # Source
/// Kitagawa (1996); Douc, Cappé and Moulines (2005) compare it with other ways.
pub fn systematic(weights: &[f64], count: usize, rng: &mut Rng) -> Result<Vec<usize>> {
    let total: f64 = weights.iter().sum();
    let is_usable = weights.iter().all(|w| *w >= 0.0) && total > 0.0 && total.is_finite();
    let found = format!("{} numbers with the sum {total}", weights.len());
    ensure("weights", found, is_usable, "none negative, with a finite and positive sum")?;
    let offset = rng.uniform();
    let mut chosen = Vec::with_capacity(count);
    let mut sum = 0.0;
    for (i, weight) in weights.iter().enumerate() {
        sum += weight;
        let end = sum / total * count as f64;
        while chosen.len() < count && chosen.len() as f64 + offset < end {
            chosen.push(i);
        }
    }
    // Rounding may leave the last mark on the end of all stretches.
    if let Some(last) = weights.iter().rposition(|w| *w > 0.0) {
        chosen.resize(count, last);
    }
    Ok(chosen)
}
