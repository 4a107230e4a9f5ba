//! The Hilbert-Schmidt independence criterion: how far two samples are from independent.

use elbo_core::Rng;
use rayon::prelude::*;

/// A Gaussian kernel matrix `exp(-d² / median(d²))`, twice whose squared lengthscale is the median squared distance, centred in rows and columns, `[N, N]`.
pub struct Centred {
    n: usize,
    values: Vec<f64>,
    /// One less the mean of the kernel over distinct points.
    apart: f64,
}

impl Centred {
    /// Of the sample `x: [N]`, which must not be constant.
    pub fn new(x: &[f64]) -> Self {
        Self::scaled(x, 1.0)
    }

    /// The same with a lengthscale `width` times as long.
    pub fn scaled(x: &[f64], width: f64) -> Self {
        let n = x.len();
        let mut distances: Vec<f64> =
            (1..n).flat_map(|i| x[..i].iter().map(move |other| (x[i] - other).abs())).collect();
        let middle = distances.len() / 2;
        let mut scale = *distances.select_nth_unstable_by(middle, f64::total_cmp).1;
        if scale <= 0.0 {
            // More than half of the pairs are tied.
            let apart: Vec<f64> = distances.into_iter().filter(|d| *d > 0.0).collect();
            scale = apart.iter().sum::<f64>() / apart.len() as f64;
        }
        let factor = -1.0 / (width * scale).powi(2);
        let mut values = vec![1.0; n * n];
        for (i, a) in x.iter().enumerate() {
            for (j, b) in x[..i].iter().enumerate() {
                let value = (factor * (a - b).powi(2)).exp();
                values[i * n + j] = value;
                values[j * n + i] = value;
            }
        }
        let means: Vec<f64> = values.chunks_exact(n).map(|row| row.iter().sum::<f64>() / n as f64).collect();
        let all = means.iter().sum::<f64>() / n as f64;
        let apart = (1.0 - all) * n as f64 / (n as f64 - 1.0);
        for (row, mean) in values.chunks_exact_mut(n).zip(&means) {
            row.iter_mut().zip(&means).for_each(|(v, other)| *v += all - mean - other);
        }
        Self { n, values, apart }
    }

    /// `tr(K H L H) / N²`: zero in the limit exactly when the samples are independent.
    pub fn hsic(&self, other: &Self) -> f64 {
        let products: f64 = self.values.iter().zip(&other.values).map(|(a, b)| a * b).sum();
        products / (self.n * self.n) as f64
    }

    /// How far the criterion is above what independent samples with these kernel matrices have in the mean, in standard deviations of theirs (both to
    /// leading order in 1/N). Unlike the criterion itself it can be compared between pairs of different marginal laws.
    ///
    /// # Source
    /// The moments of Gretton, Fukumizu, Teo, Song, Schölkopf and Smola (2007).
    pub fn excess(&self, other: &Self) -> f64 {
        let square = |k: &Self| k.values.iter().map(|v| v * v).sum::<f64>() / (k.n * k.n) as f64;
        (self.n as f64 * self.hsic(other) - self.apart * other.apart) / (2.0 * square(self) * square(other)).sqrt()
    }

    /// The criterion with the other sample in another order.
    fn permuted(&self, other: &Self, order: &[usize]) -> f64 {
        let mut sum = 0.0;
        for (row, i) in self.values.chunks_exact(self.n).zip(order) {
            let turned = &other.values[i * self.n..(i + 1) * self.n];
            sum += row.iter().zip(order).map(|(a, j)| a * turned[*j]).sum::<f64>();
        }
        sum / (self.n * self.n) as f64
    }

    /// Share of `permutations` orders of the other sample, the given one included, that look at least as dependent.
    pub fn p_value(&self, other: &Self, permutations: usize, rng: &Rng) -> f64 {
        let found = self.hsic(other);
        let larger = (0..permutations)
            .into_par_iter()
            .filter(|k| self.permuted(other, &rng.split(*k as u64).permutation(self.n)) >= found)
            .count();
        (larger + 1) as f64 / (permutations + 1) as f64
    }
}
