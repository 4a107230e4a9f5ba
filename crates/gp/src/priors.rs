//! Priors on hyperparameters, as a configuration names them.

use elbo_core::{Error, Result, ensure};
use elbo_dist::Prior;
use elbo_tensor::Parameters;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The word for the priors that scale with the number of inputs.
const SCALED: &str = "dimension_scaled";

/// A prior on every parameter of a name.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PriorChoice {
    /// [`Prior::lengthscale`] of the number of input columns.
    DimensionScaled,
    /// This one.
    Given(Prior),
}

impl fmt::Display for PriorChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DimensionScaled => f.write_str(SCALED),
            Self::Given(prior) => prior.fmt(f),
        }
    }
}

impl Serialize for PriorChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PriorChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.trim() == SCALED {
            return Ok(Self::DimensionScaled);
        }
        let refuse = |e: Error| serde::de::Error::custom(format!("{e}; {}", e.remedy()));
        text.parse().map(Self::Given).map_err(refuse)
    }
}

/// Priors by the name of the parameter they are on; empty for none.
///
/// A name is the last part of a parameter's dotted name, or more of it: `lengthscale` is every lengthscale, `terms.0.lengthscale` those of a
/// sum's first term, `noise` the noise variance. Densities are of natural values after inputs and target are scaled to unit variance, and
/// the search maximises the posterior density of natural values: the Jacobian of the logarithm is left out, as MAP estimates in the
/// literature do.
///
/// In a configuration: `dimension_scaled` for a log-normal on lengthscales that grows with the number of columns and one on the noise; or a
/// table such as `{lengthscale = "gamma(3, 6)", noise = "log_normal(-4, 1)"}`.
///
/// ```
/// use elbo_gp::priors::PriorsConfig;
/// let priors: PriorsConfig = serde_json::from_str(r#"{"noise": "log_normal(-4, 1)"}"#)?;
/// assert_eq!(priors.describe(), "noise ~ log_normal(-4, 1)");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct PriorsConfig(#[schemars(with = "BTreeMap<String, String>")] BTreeMap<String, PriorChoice>);

impl<'de> Deserialize<'de> for PriorsConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = PriorsConfig;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "`{SCALED}`, or a table of priors by parameter such as {{noise = \"log_normal(-4, 1)\"}}")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<PriorsConfig, E> {
                match text.trim() {
                    SCALED => Ok(PriorsConfig::dimension_scaled()),
                    "none" => Ok(PriorsConfig::default()),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }
            fn visit_unit<E>(self) -> Result<PriorsConfig, E> {
                Ok(PriorsConfig::default())
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(self, map: A) -> Result<PriorsConfig, A::Error> {
                BTreeMap::deserialize(serde::de::value::MapAccessDeserializer::new(map)).map(PriorsConfig)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Whether a key names a parameter: by its whole dotted name, or by the end of it.
fn fits(key: &str, name: &str) -> bool {
    name == key || name.strip_suffix(key).is_some_and(|rest| rest.ends_with('.'))
}

impl PriorsConfig {
    /// Log-normal priors: on lengthscales growing with the number of columns, and on the noise variance.
    ///
    /// # Source
    /// Hvarfner, Hellsten and Nardi (2024), for the lengthscales.
    pub fn dimension_scaled() -> Self {
        let noise = PriorChoice::Given(Prior::noise());
        Self([("lengthscale".into(), PriorChoice::DimensionScaled), ("noise".into(), noise)].into())
    }

    /// The same with a prior on the parameters of this name.
    pub fn with(mut self, name: &str, prior: Prior) -> Self {
        self.0.insert(name.into(), PriorChoice::Given(prior));
        self
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is one for the parameter of this name.
    pub fn covers(&self, name: &str) -> bool {
        self.0.keys().any(|key| fits(key, name))
    }

    /// Checks all numbers, before work starts.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(&self) -> Result<()> {
        self.0.values().try_for_each(|choice| match choice {
            PriorChoice::DimensionScaled => Ok(()),
            PriorChoice::Given(prior) => prior.check(),
        })
    }

    /// Puts the priors on a model's free parameters; the longest name that fits counts. `dims` is the number of input columns.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a name that fits no parameter, [`Error::Setting`] for a prior that has no density at the parameter's start.
    pub fn apply(&self, model: &mut (impl Parameters + ?Sized), dims: usize) -> Result<()> {
        let known = model.names();
        let mut keys: Vec<&String> = self.0.keys().collect();
        keys.sort_by_key(|key| key.len());
        for key in keys {
            if !known.iter().any(|name| fits(key, name)) {
                return Err(Error::unknown("parameter", key, known.iter().map(String::as_str)));
            }
            let choice = self.0[key];
            let prior = match choice {
                PriorChoice::DimensionScaled => Prior::lengthscale(dims),
                PriorChoice::Given(prior) => prior,
            };
            let mut outcome = Ok(());
            model.visit_mut(&mut |name, p| {
                if p.is_frozen() || !fits(key, name) {
                    return;
                }
                if let Some(start) = p.value().into_iter().find(|v| !prior.log_prob(*v).is_finite()) {
                    let expected = format!("a prior with a density at {start}, where `{name}` starts");
                    outcome = ensure(&format!("priors.{key}"), choice, false, expected);
                }
                p.set_prior(Some(Arc::new(prior)));
            });
            outcome?;
        }
        Ok(())
    }

    /// One line for people: `noise ~ log_normal(-4, 1)`; empty without priors.
    pub fn describe(&self) -> String {
        let each: Vec<String> = self.0.iter().map(|(name, choice)| format!("{name} ~ {choice}")).collect();
        each.join(", ")
    }
}
