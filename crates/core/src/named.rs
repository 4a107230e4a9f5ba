//! Reads a tagged setting that may be given by its name alone: `poisson` for `{ type = "poisson" }`.

use serde::de::{DeserializeOwned, Deserializer, Error};
use serde_json::Value;

/// For `#[serde(deserialize_with = "elbo_core::named::deserialize")]` on a field whose type has a `type` tag, or an option of it.
///
/// # Errors
/// Those of the type itself.
pub fn deserialize<'de, D: Deserializer<'de>, T: DeserializeOwned>(deserializer: D) -> Result<T, D::Error> {
    let value: Value = serde::Deserialize::deserialize(deserializer)?;
    let value = match value {
        Value::String(name) => serde_json::json!({ "type": name }),
        other => other,
    };
    serde_json::from_value(value).map_err(D::Error::custom)
}
