//! Settings of each kernel, with their defaults.

use super::KernelConfig;
use crate::kernel::{Activation, Spectrum};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of a stationary kernel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StationaryConfig {
    /// Starting lengthscale, in units of the (standardised) inputs; without one, the square root of the number of columns, times
    /// the median distance between rows in the systems whose page says so.
    #[schemars(range(min = 0.0))]
    pub lengthscale: Option<f64>,
    /// Whether every column has a lengthscale of its own (automatic relevance determination).
    pub ard: bool,
    /// Starting variance.
    #[schemars(range(min = 0.0))]
    pub variance: f64,
}

impl Default for StationaryConfig {
    fn default() -> Self {
        Self { lengthscale: None, ard: true, variance: 1.0 }
    }
}

/// Settings of the rational quadratic kernel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RationalQuadraticConfig {
    /// Starting lengthscale; without one, the square root of the number of columns, times the median distance between rows in the
    /// systems whose page says so.
    #[schemars(range(min = 0.0))]
    pub lengthscale: Option<f64>,
    /// Whether every column has a lengthscale of its own.
    pub ard: bool,
    /// Starting variance.
    #[schemars(range(min = 0.0))]
    pub variance: f64,
    /// Starting shape: small mixes many lengthscales, large is an RBF.
    #[schemars(range(min = 0.0))]
    pub alpha: f64,
}

impl Default for RationalQuadraticConfig {
    fn default() -> Self {
        Self { lengthscale: None, ard: true, variance: 1.0, alpha: 1.0 }
    }
}

/// Settings of the periodic kernel, `v exp(-2 sin²(π Δ / p) / l²)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PeriodicConfig {
    /// Starting period, in units of the (standardised) inputs.
    #[schemars(range(min = 0.0))]
    pub period: f64,
    /// Starting lengthscale, relative to the period. Packages that write `exp(-sin² / 2 l²)` mean twice ours.
    #[schemars(range(min = 0.0))]
    pub lengthscale: f64,
    /// Starting variance.
    #[schemars(range(min = 0.0))]
    pub variance: f64,
}

impl Default for PeriodicConfig {
    fn default() -> Self {
        Self { period: 1.0, lengthscale: 1.0, variance: 1.0 }
    }
}

/// Settings of the linear kernel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LinearConfig {
    /// Starting variance of every slope.
    #[schemars(range(min = 0.0))]
    pub variance: f64,
    /// Starting variance of the intercept.
    #[schemars(range(min = 0.0))]
    pub offset: f64,
    /// Whether every column has a slope variance of its own.
    pub ard: bool,
}

impl Default for LinearConfig {
    fn default() -> Self {
        Self { variance: 1.0, offset: 1.0, ard: true }
    }
}

/// Settings of the polynomial kernel, `v (x x' / D + c)^p`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PolynomialConfig {
    /// The power, `p`.
    #[schemars(range(min = 1))]
    pub degree: u32,
    /// Starting offset, `c`.
    #[schemars(range(min = 0.0))]
    pub offset: f64,
    /// Starting variance.
    #[schemars(range(min = 0.0))]
    pub variance: f64,
}

impl Default for PolynomialConfig {
    fn default() -> Self {
        Self { degree: 2, offset: 1.0, variance: 1.0 }
    }
}

/// Settings of a kernel whose only parameter is its variance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VarianceConfig {
    /// Starting variance.
    #[schemars(range(min = 0.0))]
    pub variance: f64,
}

impl Default for VarianceConfig {
    fn default() -> Self {
        Self { variance: 1.0 }
    }
}

/// Settings of the arc-cosine kernel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ArcCosineConfig {
    /// 0 for steps, 1 for rectified linear units, 2 for their squares.
    #[schemars(range(max = 2))]
    pub order: u8,
    /// Starting variance.
    #[schemars(range(min = 0.0))]
    pub variance: f64,
    /// Starting weight variance.
    #[schemars(range(min = 0.0))]
    pub weight_variance: f64,
    /// Starting bias variance.
    #[schemars(range(min = 0.0))]
    pub bias_variance: f64,
}

impl Default for ArcCosineConfig {
    fn default() -> Self {
        Self { order: 1, variance: 1.0, weight_variance: 1.0, bias_variance: 1.0 }
    }
}

/// Settings of the kernel of an infinitely wide network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NngpConfig {
    /// The units' activation.
    pub activation: Activation,
    /// Number of hidden layers.
    #[schemars(range(min = 1))]
    pub depth: usize,
    /// Starting weight variance.
    #[schemars(range(min = 0.0))]
    pub weight_variance: f64,
    /// Starting bias variance.
    #[schemars(range(min = 0.0))]
    pub bias_variance: f64,
    /// Starting variance of the last layer.
    #[schemars(range(min = 0.0))]
    pub variance: f64,
}

impl Default for NngpConfig {
    fn default() -> Self {
        Self { activation: Activation::Relu, depth: 4, weight_variance: 2.0, bias_variance: 0.01, variance: 1.0 }
    }
}

/// Settings of the spectral mixture kernel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SpectralMixtureConfig {
    /// Number of components.
    #[schemars(range(min = 1))]
    pub components: usize,
    /// The shape of every bump.
    pub spectrum: Spectrum,
    /// Component means start evenly spaced from 0 to this frequency, in cycles per unit of the (standardised) input.
    #[schemars(range(min = 0.0))]
    pub highest: f64,
    /// Starting total variance.
    #[schemars(range(min = 0.0))]
    pub variance: f64,
}

impl Default for SpectralMixtureConfig {
    fn default() -> Self {
        Self { components: 4, spectrum: Spectrum::Gaussian, highest: 1.0, variance: 1.0 }
    }
}

/// Settings of the exchangeable kernel over categories.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ExchangeableConfig {
    /// Starting correlation between two different levels, in (0, 1).
    #[schemars(range(min = 0.0, max = 1.0))]
    pub correlation: f64,
}

impl Default for ExchangeableConfig {
    fn default() -> Self {
        Self { correlation: 0.5 }
    }
}

/// Settings of the Hamming kernel over categories.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HammingConfig {
    /// Starting lengthscale, as a share of the columns.
    #[schemars(range(min = 0.0))]
    pub lengthscale: f64,
}

impl Default for HammingConfig {
    fn default() -> Self {
        Self { lengthscale: 1.0 }
    }
}

/// Settings of the free covariance between levels, `W Wᵀ + diag(κ)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct IndexConfig {
    /// Number of columns of `W`.
    #[schemars(range(min = 1))]
    pub rank: usize,
}

impl Default for IndexConfig {
    fn default() -> Self {
        Self { rank: 1 }
    }
}

/// Settings of a change of kernels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangepointConfig {
    /// Starting place of the change, in units of the (standardised) column: the first numeric one, or the first one named.
    #[serde(default)]
    pub location: f64,
    /// Starting steepness: the inverse width of the change.
    #[serde(default = "one")]
    #[schemars(range(min = 0.0))]
    pub steepness: f64,
    /// The kernel before the change.
    pub before: Box<KernelConfig>,
    /// The kernel after it.
    pub after: Box<KernelConfig>,
}

/// Kernels to be added or multiplied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TermsConfig {
    /// The kernels, at least one.
    pub terms: Vec<KernelConfig>,
}

/// A kernel with an outer variance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ScaledConfig {
    /// Starting variance.
    #[serde(default = "one")]
    #[schemars(range(min = 0.0))]
    pub variance: f64,
    /// The kernel.
    pub kernel: Box<KernelConfig>,
}

/// A kernel over some columns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ActiveConfig {
    /// The columns, by name or by position from 0.
    pub columns: Vec<ColumnRef>,
    /// The kernel.
    pub kernel: Box<KernelConfig>,
}

/// A column by name or by position from 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a column is a name, or a position from 0")]
pub enum ColumnRef {
    /// Position among the model's input columns.
    Position(usize),
    /// Name.
    Name(String),
}

fn one() -> f64 {
    1.0
}
