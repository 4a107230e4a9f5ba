//! How far samples are from data, as models report it: two distances of named features, beside that of points without structure.

use crate::classifier_features::{self, ClassifierFeatures};
use crate::frechet::{Extractor, PrincipalComponents, distance, limit};
use crate::kernel_distance::{Blocks, kernel_distance};
use elbo_core::{Result, Rng, Run};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Features: leading principal components of the data.
const FEATURES: usize = 16;
/// Blocks of the kernel distance, and most points in each.
const BLOCKS: usize = 50;
const MOST_IN_BLOCK: usize = 100;

/// What samples and data are compared by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum FeatureKind {
    /// The 16 leading principal components of the data.
    #[default]
    #[serde(rename = "pca-16")]
    Pca16,
    /// What a small convolutional network learns to tell the data's classes by, for pictures with classes.
    #[serde(rename = "cnn-32")]
    Cnn32,
}

impl FeatureKind {
    /// Refuses data points of this shape, with these classes, that have no such features.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] that names the features which every data set has.
    pub fn check(self, shape: &[usize], labels: Option<&[usize]>) -> Result<()> {
        match self {
            Self::Pca16 => Ok(()),
            Self::Cnn32 => classifier_features::check(shape, labels),
        }
    }

    /// The features of data points `data: [N, ...shape]` with these classes. The run is warned where a classifier learned nothing.
    ///
    /// # Errors
    /// As [`FeatureKind::check`], [`PrincipalComponents::fit`] and [`ClassifierFeatures::fit`].
    pub fn fit(
        self,
        data: &[f64],
        shape: &[usize],
        labels: Option<&[usize]>,
        run: &mut Run,
    ) -> Result<Box<dyn Extractor>> {
        self.check(shape, labels)?;
        Ok(match self {
            Self::Pca16 => Box::new(PrincipalComponents::fit(data, shape.iter().product(), FEATURES)?),
            Self::Cnn32 => {
                let features = ClassifierFeatures::fit(data, shape, labels.unwrap_or_default())?;
                if !features.has_learned() {
                    run.warn(format!(
                        "the classifier whose features samples are compared by names {:.0} % of the data points right, no more than guessing does, so that \
                         distances say little; use features=pca-16",
                        100.0 * features.accuracy()
                    ));
                }
                Box::new(features)
            }
        })
    }
}

/// Distances of samples from data. They mean something beside others of the same features and as many points only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fidelity {
    /// Squared Fréchet distance between the features of samples and data.
    pub frechet: f64,
    /// What it would be with endlessly many samples, by a straight line over one by their number; none of too few samples. It may be a little below zero.
    #[serde(default)]
    pub frechet_limit: Option<f64>,
    /// That of points whose numbers are drawn from the data one by one: see [`independent`].
    pub frechet_independent: f64,
    /// Squared discrepancy of the features under a cubic kernel, unbiased, the mean over random blocks; with these features, not those of Inception-v3,
    /// it is not the kernel inception distance of the literature.
    pub kernel_distance: f64,
    /// Its standard deviation over the blocks.
    pub kernel_distance_sd: f64,
    /// Number of samples.
    pub samples: usize,
    /// Number of data points.
    pub rows: usize,
    /// What the features are.
    pub extractor: String,
}

impl Fidelity {
    /// Columns of a table of distances; see [`Fidelity::cells`].
    pub const COLUMNS: [&'static str; 5] =
        ["fréchet", "fréchet, independent numbers", "kernel distance", "its sd over blocks", "features"];

    /// Measures samples `drawn: [N, dims]` against data `[M, dims]` by these features.
    ///
    /// # Errors
    /// [`elbo_core::Error::Data`] for sets of fewer than two points, [`elbo_core::Error::Numerical`] for numbers that are not finite.
    pub fn measure(extractor: &dyn Extractor, drawn: &[f64], data: &[f64], dims: usize, rng: &mut Rng) -> Result<Self> {
        let (samples, rows) = (drawn.len() / dims.max(1), data.len() / dims.max(1));
        let frechet = distance(extractor, drawn, data)?;
        let frechet_independent = distance(extractor, &independent(data, dims, samples, rng), data)?;
        let blocks = Blocks { count: BLOCKS, size: MOST_IN_BLOCK.min(samples).min(rows) };
        let kernel = kernel_distance(extractor, drawn, data, blocks, rng)?;
        Ok(Self {
            frechet,
            frechet_limit: limit(extractor, drawn, data, rng)?,
            frechet_independent,
            kernel_distance: kernel.mean,
            kernel_distance_sd: kernel.sd,
            samples,
            rows,
            extractor: extractor.name(),
        })
    }

    /// The numbers with their names in summaries.
    pub fn metrics(&self) -> Vec<(&'static str, f64)> {
        let found = [
            ("frechet", self.frechet),
            ("frechet_independent", self.frechet_independent),
            ("kernel_distance", self.kernel_distance),
            ("kernel_distance_sd", self.kernel_distance_sd),
            ("samples_measured", self.samples as f64),
        ];
        found.into_iter().chain(self.frechet_limit.map(|limit| ("frechet_limit", limit))).collect()
    }

    /// A row of a table with [`Fidelity::COLUMNS`].
    pub fn cells(&self) -> Vec<String> {
        let numbers = [self.frechet, self.frechet_independent, self.kernel_distance, self.kernel_distance_sd];
        numbers.iter().map(|v| format!("{v:.4}")).chain([self.extractor.clone()]).collect()
    }

    /// In words, with the features named.
    pub fn describe(&self) -> String {
        let Self { frechet, samples, rows, extractor, .. } = self;
        format!("Distance of {samples} samples from {rows} data points: {frechet:.4} (Fréchet, features {extractor}).")
    }
}

/// Points whose numbers are drawn from the data `[N, D]` one by one: the same marginals, and nothing of how they belong together. `[count, D]`.
pub fn independent(points: &[f64], dims: usize, count: usize, rng: &mut Rng) -> Vec<f64> {
    let rows = points.len() / dims;
    (0..count * dims).map(|i| points[rng.below(rows) * dims + i % dims]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the principal components of the data.
    fn measured(drawn: &[f64], data: &[f64], dims: usize, rng: &mut Rng) -> Result<Fidelity> {
        Fidelity::measure(&PrincipalComponents::fit(data, dims, FEATURES)?, drawn, data, dims, rng)
    }

    /// Points on a line in three dimensions, with a little noise.
    fn line(count: usize, shift: f64, rng: &mut Rng) -> Vec<f64> {
        let point = |_| {
            let t = rng.normal();
            [t + shift, 2.0 * t, -t].map(|v| v + 0.01 * rng.normal())
        };
        (0..count).flat_map(point).collect()
    }

    #[test]
    fn the_data_itself_is_at_no_distance_and_independent_numbers_are_at_that_of_their_covariance() {
        let mut rng = Rng::new(1);
        let data = line(400, 0.0, &mut rng);
        let found = measured(&data, &data, 3, &mut rng).unwrap();
        assert!(found.frechet.abs() < 1e-9, "{found:?}");
        assert!(found.metrics().iter().any(|(name, value)| *name == "frechet_limit" && value.is_finite()), "{found:?}");
        // The covariances are vv' with v = (1, 2, -1), and D = diag(1, 4, 1): both have the trace 6, and the root of (vv')^½ D (vv')^½ has the trace
        // (v'Dv)^½ = √18, so that the distance is 12 - 2 √18. It is proportional to the variance of t: four standard errors of that, and some more.
        let expected = 12.0 - 2.0 * 18f64.sqrt();
        let error = 4.0 * expected * (2.0 / 400f64).sqrt();
        assert!((found.frechet_independent - expected).abs() < error + 0.1, "{found:?}");
        assert_eq!((found.samples, found.rows), (400, 400));
        assert_eq!(found.extractor, "pca-3 of the training data");
        assert!(found.describe().contains("pca-3 of the training data"), "{}", found.describe());
    }

    #[test]
    fn both_distances_see_a_shift() {
        let mut rng = Rng::new(2);
        let data = line(300, 0.0, &mut rng);
        let (same, shifted) = (line(300, 0.0, &mut rng), line(300, 3.0, &mut rng));
        let [same, shifted] = [same, shifted].map(|drawn| measured(&drawn, &data, 3, &mut rng).unwrap());
        // Nine of squared means, which sampling blurs by less than one.
        assert!(shifted.frechet > 7.0 && same.frechet < 1.0, "{same:?} {shifted:?}");
        assert!(shifted.kernel_distance > same.kernel_distance + 4.0 * same.kernel_distance_sd, "{same:?} {shifted:?}");
    }

    #[test]
    fn sets_without_a_covariance_and_numbers_that_are_none_are_refused() {
        let data = Rng::new(3).normals(10 * 2);
        let refused = |drawn: &[f64], data: &[f64], what: &str| {
            let error = measured(drawn, data, 2, &mut Rng::new(0)).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        };
        refused(&data, &data[..2], "1 points have no covariance");
        refused(&data[..2], &data, "1 points have no covariance");
        let mut broken = data.clone();
        broken[3] = f64::NAN;
        assert!(measured(&broken, &data, 2, &mut Rng::new(0)).is_err());
    }
}
