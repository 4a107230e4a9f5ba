//! How heavy the tail of a sample is.

/// A tail index: `P(X > x)` falls like `x` to minus this power.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TailIndex {
    /// Largest values that it is estimated from.
    pub count: usize,
    /// The index.
    pub index: f64,
    /// Its standard error for a tail that is a power.
    pub error: f64,
}

/// Hill's estimator from the `k` largest of a sample, of which `x_(1) >= x_(2) >= ...`:
///
/// $$ \hat\alpha = \left( \frac1k \sum_{i \le k} \log \frac{x_{(i)}}{x_{(k+1)}} \right)^{-1}, \qquad \mathrm{se} = \hat\alpha / \sqrt k. $$
///
/// A tail that is a power gives about the same index for every `k`; one that falls faster, such as a normal's, gives an index that falls with `k`. It
/// depends on where zero lies: take absolute values of what is centred.
///
/// `None` where `k` is zero, the sample has no `k + 1` values above zero, or the `k + 1` largest are equal; for NaN too.
///
/// # Source
/// Hill (1975).
///
/// ```
/// use elbo_dist::hill;
/// // Logarithms of 1, 2 and 3 above the fourth: a mean of two.
/// let sample = [1.0f64.exp(), 1.0, 3.0f64.exp(), 2.0f64.exp()];
/// assert!((hill(&sample, 3).unwrap().index - 0.5).abs() < 1e-12);
/// ```
pub fn hill(sample: &[f64], k: usize) -> Option<TailIndex> {
    hill_curve(sample, &[k])?.pop()
}

/// [`hill`] for several `k`, from one sorting: the index against `k` shows whether it is stable. `None` where one of them has none.
pub fn hill_curve(sample: &[f64], counts: &[usize]) -> Option<Vec<TailIndex>> {
    if sample.iter().any(|v| v.is_nan()) {
        return None;
    }
    let mut sorted = sample.to_vec();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let of = |k: &usize| {
        let threshold = *sorted.get(*k).filter(|v| *k > 0 && **v > 0.0)?;
        let mean = sorted[..*k].iter().map(|v| (v / threshold).ln()).sum::<f64>() / *k as f64;
        let index = (mean > 0.0 && mean.is_finite()).then(|| mean.recip())?;
        Some(TailIndex { count: *k, index, error: index / (*k as f64).sqrt() })
    };
    counts.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Distribution, Normal, Pareto};
    use elbo_core::Rng;

    #[test]
    fn a_value_by_hand_does_not_depend_on_the_unit_or_the_order() {
        let logs = [0.0f64, 3.0, 1.0, 2.0, -4.0];
        let sample: Vec<f64> = logs.iter().map(|l| 7.0 * l.exp()).collect();
        let found = hill(&sample, 2).unwrap();
        // Logarithms of 3 and 2 over that of 1: 2 and 1.
        assert!((found.index - 1.0 / 1.5).abs() < 1e-14 && (found.error - found.index / 2f64.sqrt()).abs() < 1e-15);
        assert_eq!(found.count, 2);
        let curve = hill_curve(&sample, &[1, 2, 3]).unwrap();
        assert_eq!(curve[1], found);
        assert!((curve[0].index - 1.0).abs() < 1e-14 && (curve[2].index - 0.5).abs() < 1e-14);
    }

    #[test]
    fn quantiles_of_a_power_have_its_index_at_every_count_and_those_of_a_normal_do_not() {
        let n = 200_000;
        let counts = [100, 1000, 10_000];
        let curve = |of: &dyn Fn(f64) -> f64| {
            let sample: Vec<f64> = (0..n).map(|i| of((f64::from(i) + 0.5) / f64::from(n))).collect();
            hill_curve(&sample, &counts).unwrap()
        };
        let pareto = Pareto { scale: 2.0, shape: 3.0 };
        let power = curve(&|u| pareto.quantile(u));
        // The mean of the logarithms is that of the law but for less than one over the count.
        assert!(power.iter().all(|t| (t.index - 3.0).abs() < 0.15), "{power:?}");
        let normal = curve(&|u| Normal { mean: 0.0, sd: 1.0 }.quantile(u));
        assert!(normal[0].index > 1.2 * normal[1].index && normal[1].index > 1.2 * normal[2].index, "{normal:?}");
    }

    #[test]
    fn estimates_lie_within_their_errors() {
        let mut rng = Rng::new(3);
        let z: Vec<f64> = (0..300)
            .map(|_| {
                let sample: Vec<f64> = (0..500).map(|_| rng.uniform().max(1e-300).powf(-0.5)).collect();
                let found = hill(&sample, 100).unwrap();
                (found.index - 2.0) / (2.0 / 10.0)
            })
            .collect();
        // The inverse of a gamma variable of shape 100: mean 100/99, and in standard errors 0.1 with deviation 1.02.
        let mean = z.iter().sum::<f64>() / 300.0;
        let sd = (z.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / 299.0).sqrt();
        assert!((mean - 0.1).abs() < 4.0 * 1.02 / 300f64.sqrt() && (sd - 1.02).abs() < 4.0 * 0.05, "{mean} {sd}");
    }

    #[test]
    fn a_sample_without_a_tail_has_no_index() {
        for (sample, k) in [
            (vec![], 1),
            (vec![1.0, 2.0], 0),
            (vec![1.0, 2.0], 2),
            (vec![3.0, -1.0, 2.0], 2),
            (vec![2.0; 5], 3),
            (vec![1.0, f64::NAN, 2.0], 1),
            (vec![1.0, f64::INFINITY, 2.0], 1),
        ] {
            assert_eq!(hill(&sample, k), None, "{sample:?} {k}");
        }
    }
}
