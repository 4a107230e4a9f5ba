//! The setting that names the latent functions' kernels.

use elbo_core::{Result, ensure};
use elbo_markov::kernel::Form;
use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// Smoothness of the latent functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Smoothness {
    /// Matérn 1/2: continuous.
    Matern12,
    /// Matérn 3/2: one derivative.
    Matern32,
    /// Matérn 5/2: two derivatives.
    Matern52,
    /// Matérn 7/2: three derivatives.
    Matern72,
}

impl Smoothness {
    /// ν = order + 1/2.
    pub fn order(self) -> usize {
        self as usize
    }
}

/// Kernels of the latent functions: one name for all of them, or one for each. A list may be written as text with commas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Kernels {
    /// The same for all.
    All(Smoothness),
    /// One a latent function, in order.
    Each(Vec<Smoothness>),
}

impl<'de> Deserialize<'de> for Kernels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = match Value::deserialize(deserializer)? {
            Value::String(names) if names.contains(',') => names.split(',').map(str::trim).collect::<Value>(),
            other => other,
        };
        let found = if value.is_array() {
            serde_json::from_value(value).map(Self::Each)
        } else {
            serde_json::from_value(value).map(Self::All)
        };
        found.map_err(D::Error::custom)
    }
}

impl Kernels {
    /// Refuses a list that has not as many kernels as there are latent functions.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] with both counts.
    pub fn check(&self, latents: usize) -> Result<()> {
        let Self::Each(each) = self else { return Ok(()) };
        let found = format!("a list of {}", each.len());
        let expected =
            format!("one kernel for all latent functions, or a list of {latents}, one for each of `latents`");
        ensure("kernel", found, each.len() == latents, expected)
    }

    /// Orders of the kernels of so many latent functions; a list must be of this length.
    pub fn orders(&self, latents: usize) -> Vec<usize> {
        match self {
            Self::All(one) => vec![one.order(); latents],
            Self::Each(each) => each.iter().map(|own| own.order()).collect(),
        }
    }
}

/// The name of a Matérn kernel of this order.
pub(super) fn name(order: usize) -> &'static str {
    Form::Matern(order).name()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn one_name_a_list_and_names_with_commas_are_read_and_written() {
        let read = |value: Value| serde_json::from_value::<Kernels>(value);
        let both = Kernels::Each(vec![Smoothness::Matern32, Smoothness::Matern12]);
        assert_eq!(read(json!("matern52")).unwrap(), Kernels::All(Smoothness::Matern52));
        assert_eq!(read(json!("matern32, matern12")).unwrap(), both);
        assert_eq!(read(json!(["matern32", "matern12"])).unwrap(), both);
        for kernels in [Kernels::All(Smoothness::Matern72), both.clone()] {
            assert_eq!(read(serde_json::to_value(&kernels).unwrap()).unwrap(), kernels);
        }
        assert_eq!((both.orders(2), Kernels::All(Smoothness::Matern72).orders(3)), (vec![1, 0], vec![3; 3]));
        for wrong in [json!("matern33"), json!("matern32,"), json!(["matern32", 1]), json!(2)] {
            assert!(read(wrong.clone()).is_err(), "{wrong}");
        }
        assert!(read(json!("matern32,rbf")).unwrap_err().to_string().contains("`rbf`"));
    }

    #[test]
    fn kernels_have_the_names_of_the_setting() {
        for smoothness in [Smoothness::Matern12, Smoothness::Matern32, Smoothness::Matern52, Smoothness::Matern72] {
            assert_eq!(serde_json::to_value(smoothness).unwrap(), json!(name(smoothness.order())));
        }
    }
}
