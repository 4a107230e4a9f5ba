//! How far samples are from data: the squared maximum mean discrepancy of their features under a cubic kernel.
//!
//! With features of Inception-v3 this is the kernel inception distance. Unlike the Fréchet distance it is unbiased, so that sets of different sizes can be
//! compared, and assumes no Gaussian. As there, the number means something beside others of the same extractor only, so it is named with it.

use crate::frechet::Extractor;
use crate::vae::divergence::mmd_of_grams;
use elbo_core::{Error, Result, Rng, ensure, ensure_within};
use elbo_infer::objective::Estimate;
use elbo_tensor::{Tensor, no_grad};

/// How many random blocks are compared, and of how many points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks {
    /// Number of blocks.
    pub count: usize,
    /// Points of each set in a block, drawn without repetition.
    pub size: usize,
}

impl Default for Blocks {
    /// 100 blocks of 1000 points, as published.
    fn default() -> Self {
        Self { count: 100, size: 1000 }
    }
}

/// A distance over random blocks.
#[derive(Debug, Clone, PartialEq)]
pub struct KernelDistance {
    /// Mean over the blocks: zero in the mean for equal distributions, and then also a little below.
    pub mean: f64,
    /// Standard deviation over the blocks. Blocks share points, so that it is no standard error of the mean.
    pub sd: f64,
    /// What the features are.
    pub extractor: String,
    /// The blocks.
    pub blocks: Blocks,
}

/// The distance between the features of two sets of points `[N, D]` and `[M, D]`.
///
/// # Errors
/// [`Error::Setting`] for fewer than two blocks, and blocks of fewer than two points or of more than a set has; [`Error::Numerical`] for features that are
/// not finite.
///
/// # Source
/// Bińkowski, Sutherland, Arbel and Gretton (2018).
pub fn kernel_distance(
    extractor: &dyn Extractor,
    a: &[f64],
    b: &[f64],
    blocks: Blocks,
    rng: &mut Rng,
) -> Result<KernelDistance> {
    let width = extractor.width();
    let (x, y) = (extractor.features(a), extractor.features(b));
    let (n, m) = (x.len() / width.max(1), y.len() / width.max(1));
    ensure_within("blocks.count", blocks.count, 2..=1_000_000)?;
    let fits = blocks.size >= 2 && blocks.size <= n.min(m);
    let found = format!("{} with {n} and {m} points", blocks.size);
    ensure("blocks.size", found, fits, "at least 2, and at most as many as the smaller set has")?;
    if !x.iter().chain(&y).all(|v| v.is_finite()) {
        let remedy = "look for points that the extractor takes to infinity, or for numbers that are missing";
        return Err(Error::numerical("a feature is not finite", remedy));
    }
    let mut block = |features: &[f64], count: usize| -> Vec<f64> {
        let chosen = rng.choose(count, blocks.size);
        chosen.into_iter().flat_map(|i| &features[i * width..(i + 1) * width]).copied().collect()
    };
    let each: Vec<f64> = (0..blocks.count).map(|_| cubic_discrepancy(&block(&x, n), &block(&y, m), width)).collect();
    let Estimate { value, error } = Estimate::mean(&each);
    Ok(KernelDistance { mean: value, sd: error * (blocks.count as f64).sqrt(), extractor: extractor.name(), blocks })
}

/// The unbiased squared maximum mean discrepancy of features `x: [N, width]` and `y: [M, width]` under k(x, y) = (x·y / width + 1)³, over all pairs of different
/// points.
///
/// # Panics
/// For sets of fewer than two points.
///
/// # Source
/// Gretton et al. (2012), lemma 6.
pub fn cubic_discrepancy(x: &[f64], y: &[f64], width: usize) -> f64 {
    let [x, y] = [x, y].map(|points| Tensor::from_slice(points, &[points.len() / width, width]));
    assert!(x.size(0) >= 2 && y.size(0) >= 2, "{} and {} points have no discrepancy", x.size(0), y.size(0));
    let kernel = |a: &Tensor, b: &Tensor| a.matmul(&b.t()).affine(1.0 / width as f64, 1.0).powi(3);
    no_grad(|| mmd_of_grams([kernel(&x, &x), kernel(&y, &y), kernel(&x, &y)])).item()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The points themselves.
    struct Plain(usize);

    impl Extractor for Plain {
        fn name(&self) -> String {
            "the points themselves".into()
        }

        fn width(&self) -> usize {
            self.0
        }

        fn features(&self, points: &[f64]) -> Vec<f64> {
            points.to_vec()
        }
    }

    /// Mean and standard error of the discrepancy between fresh sets, one of them shifted.
    fn repeated(count: u64, shift: f64) -> (f64, f64) {
        let one = |seed| {
            let mut rng = Rng::new(seed);
            let x: Vec<f64> = rng.normals(25 * 3).iter().map(|v| v + shift).collect();
            cubic_discrepancy(&x, &rng.normals(40 * 3), 3)
        };
        let Estimate { value, error } = Estimate::mean(&(0..count).map(one).collect::<Vec<f64>>());
        (value, error)
    }

    #[test]
    fn the_discrepancy_is_the_double_loop() {
        let mut rng = Rng::new(1);
        let (x, y) = (rng.normals(5 * 3), rng.normals(7 * 3));
        let kernel = |a: &[f64], b: &[f64]| (a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / 3.0 + 1.0).powi(3);
        let mean = |a: &[f64], b: &[f64], skips_same: bool| {
            let (mut total, mut count) = (0.0, 0.0);
            for (i, p) in a.chunks(3).enumerate() {
                for (j, q) in b.chunks(3).enumerate() {
                    if !(skips_same && i == j) {
                        total += kernel(p, q);
                        count += 1.0;
                    }
                }
            }
            total / count
        };
        let expected = mean(&x, &x, true) + mean(&y, &y, true) - 2.0 * mean(&x, &y, false);
        let found = cubic_discrepancy(&x, &y, 3);
        assert!((found - expected).abs() < 1e-12 * expected.abs().max(1.0), "{found} vs {expected}");
    }

    #[test]
    fn it_is_zero_in_the_mean_for_equal_distributions_and_grows_with_a_shift() {
        let (same, shifted) = (repeated(400, 0.0), repeated(100, 1.0));
        // Four standard errors of the mean over sets that share nothing.
        assert!(same.0.abs() < 4.0 * same.1, "{} with error {}", same.0, same.1);
        assert!(shifted.0 > 10.0 * shifted.1, "{} with error {}", shifted.0, shifted.1);
    }

    #[test]
    fn a_block_of_all_points_is_the_discrepancy_itself_and_smaller_blocks_have_its_mean() {
        let mut rng = Rng::new(2);
        let (x, y) = (rng.normals(60 * 2), rng.normals(60 * 2).iter().map(|v| 0.5 * v + 1.0).collect::<Vec<_>>());
        let whole = cubic_discrepancy(&x, &y, 2);
        let all = kernel_distance(&Plain(2), &x, &y, Blocks { count: 3, size: 60 }, &mut rng).unwrap();
        assert!((all.mean - whole).abs() < 1e-10 * whole.abs().max(1.0) && all.sd < 1e-10, "{all:?} for {whole}");
        assert_eq!(all.extractor, "the points themselves");
        let count = 2000;
        let some = kernel_distance(&Plain(2), &x, &y, Blocks { count, size: 10 }, &mut rng).unwrap();
        // Given the points, blocks are independent of each other.
        let error = some.sd / (count as f64).sqrt();
        assert!((some.mean - whole).abs() < 4.0 * error && some.sd > 0.0, "{some:?} for {whole}");
    }

    #[test]
    fn blocks_that_there_are_not_and_features_that_are_no_numbers_are_refused() {
        let points = Rng::new(3).normals(10 * 2);
        let refused = |points: &[f64], blocks: Blocks, what: &str| {
            let error = kernel_distance(&Plain(2), points, points, blocks, &mut Rng::new(0)).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        };
        refused(&points, Blocks { count: 1, size: 5 }, "blocks.count");
        refused(&points, Blocks { count: 5, size: 11 }, "11 with 10 and 10 points");
        refused(&points, Blocks { count: 5, size: 1 }, "blocks.size");
        refused(&[], Blocks::default(), "0 and 0 points");
        let mut broken = points.clone();
        broken[3] = f64::NAN;
        refused(&broken, Blocks { count: 5, size: 5 }, "not finite");
    }
}
