//! Kernels as data: what a configuration file or the command line says, and how it becomes a kernel.

mod build;
mod parse;

use std::str::FromStr;

use elbo_core::{Error, Result, ensure, ensure_within};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A kernel as a value, to be written in a configuration: a table with a `type`, or a short expression.
///
/// | expression | meaning |
/// |---|---|
/// | `matern52` | one kernel over all numeric columns, with a lengthscale for each |
/// | `rbf + periodic(period = 12)` | a sum; numbers in brackets are starting values |
/// | `matern32 * linear` | a product |
/// | `0.5 * rbf(age, "blood pressure")` | some columns only, by name or by position from 0; a number scales the variance |
/// | `(rbf + linear) * exchangeable(site)` | brackets; a kernel over categories |
///
/// Columns of categories that the kernel does not mention join it by multiplication with an exchangeable kernel over them.
/// In a product the variance of the first factor is free and those of the others are held, since only their product matters.
///
/// ```
/// use elbo_gp::kernel::KernelConfig;
/// let kernel: KernelConfig = "rbf + periodic(period = 12)".parse()?;
/// assert_eq!(kernel.to_string(), "rbf + periodic(period = 12)");
/// # Ok::<(), elbo_core::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", remote = "Self")]
#[schemars(transform = allow_expression)]
pub enum KernelConfig {
    /// Infinitely smooth functions.
    Rbf(StationaryConfig),
    /// Continuous, nowhere differentiable functions.
    Matern12(StationaryConfig),
    /// Functions with one derivative.
    Matern32(StationaryConfig),
    /// Functions with two derivatives; the default.
    Matern52(StationaryConfig),
    /// A mixture of RBF kernels over lengthscales.
    RationalQuadratic(RationalQuadraticConfig),
    /// Functions that repeat.
    Periodic(PeriodicConfig),
    /// Linear functions with an intercept.
    Linear(LinearConfig),
    /// Polynomials.
    Polynomial(PolynomialConfig),
    /// An unknown constant.
    Constant(VarianceConfig),
    /// Independent noise, equal for equal rows only.
    White(VarianceConfig),
    /// The arc-cosine kernel: one infinitely wide hidden layer.
    ArcCosine(ArcCosineConfig),
    /// A deep network of infinite width.
    Nngp(NngpConfig),
    /// A mixture of bumps in the frequency domain.
    SpectralMixture(SpectralMixtureConfig),
    /// Categories that are all equally alike; one correlation a column.
    Exchangeable(ExchangeableConfig),
    /// Categories compared by the share of columns that differ.
    Hamming(HammingConfig),
    /// A free covariance between the levels of one categorical column.
    Index(IndexConfig),
    /// Likeness of count vectors, as for molecular fingerprints.
    Tanimoto(VarianceConfig),
    /// One kernel before a point of the first numeric column, another after it.
    Changepoint(ChangepointConfig),
    /// A sum of kernels.
    Sum(TermsConfig),
    /// A product of kernels.
    Product(TermsConfig),
    /// A kernel times a variance.
    Scaled(ScaledConfig),
    /// A kernel over some of the columns.
    Active(ActiveConfig),
}

/// Settings of a stationary kernel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct StationaryConfig {
    /// Starting lengthscale, in units of the (standardised) inputs; without one, the square root of the number of columns.
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
    /// Starting lengthscale; without one, the square root of the number of columns.
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
    pub activation: super::Activation,
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
        Self { activation: super::Activation::Relu, depth: 4, weight_variance: 2.0, bias_variance: 0.01, variance: 1.0 }
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
    pub spectrum: super::Spectrum,
    /// Component means start evenly spaced from 0 to this frequency, in cycles per unit of the (standardised) input.
    #[schemars(range(min = 0.0))]
    pub highest: f64,
    /// Starting total variance.
    #[schemars(range(min = 0.0))]
    pub variance: f64,
}

impl Default for SpectralMixtureConfig {
    fn default() -> Self {
        Self { components: 4, spectrum: super::Spectrum::Gaussian, highest: 1.0, variance: 1.0 }
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
#[serde(untagged)]
pub enum ColumnRef {
    /// Position among the model's input columns.
    Position(usize),
    /// Name.
    Name(String),
}

fn one() -> f64 {
    1.0
}

/// A kernel may also be written as an expression.
fn allow_expression(schema: &mut schemars::Schema) {
    let table = std::mem::take(schema);
    *schema = schemars::json_schema!({
        "description": "a kernel: a short expression such as \"rbf + periodic\", or a table with a `type`",
        "anyOf": [{ "type": "string" }, table],
    });
}

impl Default for KernelConfig {
    fn default() -> Self {
        Self::Matern52(StationaryConfig::default())
    }
}

impl Serialize for KernelConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The derived method of the same name is inherent, and so comes first.
        KernelConfig::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for KernelConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = KernelConfig;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a kernel expression such as \"rbf + periodic\", or a table with a `type`")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<KernelConfig, E> {
                text.parse().map_err(|e: Error| E::custom(format!("{e}; {}", e.remedy())))
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<KernelConfig, A::Error> {
                KernelConfig::deserialize(serde::de::value::MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl FromStr for KernelConfig {
    type Err = Error;

    /// Reads a kernel expression.
    ///
    /// # Errors
    /// [`Error::Data`] or [`Error::Unknown`] with the place and what was expected there.
    fn from_str(text: &str) -> Result<Self> {
        parse::parse(text)
    }
}

impl KernelConfig {
    /// The name in expressions and the `type` in tables.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rbf(_) => "rbf",
            Self::Matern12(_) => "matern12",
            Self::Matern32(_) => "matern32",
            Self::Matern52(_) => "matern52",
            Self::RationalQuadratic(_) => "rational_quadratic",
            Self::Periodic(_) => "periodic",
            Self::Linear(_) => "linear",
            Self::Polynomial(_) => "polynomial",
            Self::Constant(_) => "constant",
            Self::White(_) => "white",
            Self::ArcCosine(_) => "arc_cosine",
            Self::Nngp(_) => "nngp",
            Self::SpectralMixture(_) => "spectral_mixture",
            Self::Exchangeable(_) => "exchangeable",
            Self::Hamming(_) => "hamming",
            Self::Index(_) => "index",
            Self::Tanimoto(_) => "tanimoto",
            Self::Changepoint(_) => "changepoint",
            Self::Sum(_) => "sum",
            Self::Product(_) => "product",
            Self::Scaled(_) => "scaled",
            Self::Active(_) => "active",
        }
    }

    /// The sum of kernels.
    pub fn sum(terms: Vec<KernelConfig>) -> Self {
        Self::Sum(TermsConfig { terms })
    }

    /// The product of kernels.
    pub fn product(terms: Vec<KernelConfig>) -> Self {
        Self::Product(TermsConfig { terms })
    }

    /// Checks all numbers, before work starts.
    ///
    /// # Errors
    /// [`Error::Setting`] with the kernel's name and the setting.
    pub fn check(&self) -> Result<()> {
        let name = self.name();
        let positive = |setting: &str, value: f64| {
            ensure(&format!("{name}.{setting}"), value, value > 0.0 && value.is_finite(), "positive and finite")
        };
        // Parameters and matrices are as many; a slip of the keys must not fill the memory.
        let count =
            |setting: &str, value: usize, most: usize| ensure_within(&format!("{name}.{setting}"), value, 1..=most);
        match self {
            Self::Rbf(c) | Self::Matern12(c) | Self::Matern32(c) | Self::Matern52(c) => {
                positive("variance", c.variance)?;
                c.lengthscale.map_or(Ok(()), |l| positive("lengthscale", l))
            }
            Self::RationalQuadratic(c) => {
                positive("variance", c.variance)?;
                positive("alpha", c.alpha)?;
                c.lengthscale.map_or(Ok(()), |l| positive("lengthscale", l))
            }
            Self::Periodic(c) => {
                positive("period", c.period)?;
                positive("lengthscale", c.lengthscale)?;
                positive("variance", c.variance)
            }
            Self::Linear(c) => {
                positive("variance", c.variance)?;
                positive("offset", c.offset)
            }
            Self::Polynomial(c) => {
                ensure("polynomial.degree", c.degree, (1..=20).contains(&c.degree), "in 1..=20")?;
                positive("offset", c.offset)?;
                positive("variance", c.variance)
            }
            Self::Constant(c) | Self::White(c) | Self::Tanimoto(c) => positive("variance", c.variance),
            Self::ArcCosine(c) => {
                ensure("arc_cosine.order", c.order, c.order <= 2, "0, 1 or 2")?;
                positive("variance", c.variance)?;
                positive("weight_variance", c.weight_variance)?;
                positive("bias_variance", c.bias_variance)
            }
            Self::Nngp(c) => {
                count("depth", c.depth, 100)?;
                positive("weight_variance", c.weight_variance)?;
                positive("bias_variance", c.bias_variance)?;
                positive("variance", c.variance)
            }
            Self::SpectralMixture(c) => {
                count("components", c.components, 1000)?;
                positive("highest", c.highest)?;
                positive("variance", c.variance)
            }
            Self::Exchangeable(c) => {
                let rho = c.correlation;
                ensure("exchangeable.correlation", rho, rho > 0.0 && rho < 1.0, "in (0, 1)")
            }
            Self::Hamming(c) => positive("lengthscale", c.lengthscale),
            Self::Index(c) => count("rank", c.rank, 1000),
            Self::Changepoint(c) => {
                ensure("changepoint.location", c.location, c.location.is_finite(), "finite")?;
                positive("steepness", c.steepness)?;
                c.before.check()?;
                c.after.check()
            }
            Self::Sum(c) | Self::Product(c) => {
                count("terms", c.terms.len(), 1000)?;
                c.terms.iter().try_for_each(Self::check)
            }
            Self::Scaled(c) => {
                positive("variance", c.variance)?;
                c.kernel.check()
            }
            Self::Active(c) => {
                count("columns", c.columns.len(), usize::MAX)?;
                c.kernel.check()
            }
        }
    }

    /// The kernels directly inside this one.
    fn children(&self) -> Vec<&KernelConfig> {
        match self {
            Self::Sum(c) | Self::Product(c) => c.terms.iter().collect(),
            Self::Scaled(c) => vec![&c.kernel],
            Self::Active(c) => vec![&c.kernel],
            Self::Changepoint(c) => vec![&c.before, &c.after],
            _ => vec![],
        }
    }

    /// Whether this is a kernel over categories, not made of others.
    fn is_categorical(&self) -> bool {
        matches!(self, Self::Exchangeable(_) | Self::Hamming(_) | Self::Index(_))
    }
}
