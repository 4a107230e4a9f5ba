//! Kernels as data: what a configuration file or the command line says, and how it becomes a kernel.

mod build;
mod parse;
mod settings;
mod start;

pub use settings::{
    ActiveConfig, ArcCosineConfig, ChangepointConfig, ColumnRef, ExchangeableConfig, HammingConfig, IndexConfig,
    LinearConfig, NngpConfig, PeriodicConfig, PolynomialConfig, RationalQuadraticConfig, ScaledConfig,
    SpectralMixtureConfig, StationaryConfig, TermsConfig, VarianceConfig,
};

use elbo_core::{Error, Result, ensure, ensure_within};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::str::FromStr;

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
                ensure_within("polynomial.degree", c.degree, 1..=20)?;
                positive("offset", c.offset)?;
                positive("variance", c.variance)
            }
            Self::Constant(c) | Self::White(c) | Self::Tanimoto(c) => positive("variance", c.variance),
            Self::ArcCosine(c) => {
                ensure_within("arc_cosine.order", c.order, ..=2)?;
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
