//! Exact and measure-valued derivatives of discrete and single numbers.

use elbo_core::{Error, Result, Rng};
use elbo_tensor::Tensor;

/// Most states that are enumerated.
pub const ENUMERATION_CAP: usize = 1 << 16;

/// Every joint state of discrete sites with these numbers of states, `[T, sites]`.
///
/// # Errors
/// [`Error::Setting`] with the count when there are more than [`ENUMERATION_CAP`].
pub fn enumerate(states: &[usize]) -> Result<Tensor> {
    let count = states.iter().try_fold(1usize, |total, k| total.checked_mul(*k)).unwrap_or(usize::MAX);
    if count > ENUMERATION_CAP || count == 0 {
        return Err(Error::Setting {
            setting: "enumeration".into(),
            found: format!("{count} joint states of {} sites", states.len()),
            expected: format!("1 to {ENUMERATION_CAP}; use the score estimator with leave-one-out baselines").into(),
        });
    }
    let mut table = vec![0i64; count * states.len()];
    for t in 0..count {
        let mut rest = t;
        for (site, k) in states.iter().enumerate().rev() {
            table[t * states.len() + site] = (rest % k) as i64;
            rest /= k;
        }
    }
    Ok(Tensor::from_i64(table, &[count, states.len()]))
}

/// $\sum_t q_t f_t$ over enumerated states, differentiable in both: `log_q: [T]`, `f: [T]` or `[T, ...]`.
pub fn expectation(log_q: &Tensor, f: &Tensor) -> Tensor {
    let mut q = log_q.exp();
    for _ in 1..f.rank() {
        q = q.unsqueeze(-1);
    }
    (q * f).sum_axis(0, false)
}

/// Measure-valued derivatives of $\mathbb E f(x)$: differences of `f` at coupled draws, which need no gradient of `f`.
///
/// # Source
/// Mohamed, Rosca, Figurnov and Mnih (2020).
pub mod measure_valued {
    use super::Rng;

    /// In the mean of a normal: $(f(m + s W) - f(m - s W)) / (s \sqrt{2 \pi})$ with Weibull `W` of shape 2 and scale $\sqrt 2$.
    pub fn normal_mean(mean: f64, sd: f64, f: impl Fn(f64) -> f64, rng: &mut Rng) -> f64 {
        let w = (2.0 * rng.exponential()).sqrt();
        (f(mean + sd * w) - f(mean - sd * w)) / (sd * (2.0 * std::f64::consts::PI).sqrt())
    }

    /// In the standard deviation of a normal: a double-sided Maxwell draw against a normal one made from it, over `s`.
    pub fn normal_sd(mean: f64, sd: f64, f: impl Fn(f64) -> f64, rng: &mut Rng) -> f64 {
        // |M|^2 is the square of three normals; a uniform share of |M| is again a normal's size.
        let m = (rng.normal().powi(2) + rng.normal().powi(2) + rng.normal().powi(2)).sqrt();
        let signed = if rng.uniform() < 0.5 { m } else { -m };
        (f(mean + sd * signed) - f(mean + sd * signed * rng.uniform())) / sd
    }

    /// In the probability of a Bernoulli: exact.
    pub fn bernoulli(f: impl Fn(f64) -> f64) -> f64 {
        f(1.0) - f(0.0)
    }

    /// In the first `K - 1` probabilities of a categorical, the last being what they leave: `f(k) - f(K - 1)`, exact. `[K - 1]`.
    ///
    /// # Panics
    /// Without classes.
    pub fn categorical(classes: usize, f: impl Fn(usize) -> f64) -> Vec<f64> {
        assert!(classes > 0, "a categorical has a class");
        let last = f(classes - 1);
        (0..classes - 1).map(|k| f(k) - last).collect()
    }

    /// In the mean of a Poisson: `f(X + 1) - f(X)`.
    pub fn poisson(mean: f64, f: impl Fn(f64) -> f64, rng: &mut Rng) -> f64 {
        let x = rng.poisson(mean) as f64;
        f(x + 1.0) - f(x)
    }
}
