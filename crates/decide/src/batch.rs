//! How several points are chosen one after the other: what the values that are not yet known are taken for.

use crate::surrogate::Gp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the unknown values of pending trials, and of the suggestions before, are taken for. Best and worst are those of the values that are minimised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Batch {
    /// Sampled together by `log_ei` and `log_nei`; for the other scores their expected values (`thompson` draws another function instead).
    #[default]
    Sampled,
    /// Their expected values.
    Believer,
    /// The best value measured, which spreads most.
    LiarMin,
    /// The mean of the values measured.
    LiarMean,
    /// The worst value measured, which keeps together.
    LiarMax,
    /// For nothing: the score falls around them, by local penalisation.
    Penalise,
}

impl Batch {
    /// Whether unknown values are replaced by known ones.
    pub(crate) fn pretends(self) -> bool {
        !matches!(self, Self::Sampled | Self::Penalise)
    }

    /// The process with `pending` among its data, their values being those of the rule; expected ones where the rule has none.
    ///
    /// # Source
    /// Ginsbourger, Le Riche and Carraro (2010), the kriging believer and the constant liar.
    pub fn believed(self, gp: &Gp, pending: &[&[f64]]) -> Gp {
        let values = gp.values().iter().copied();
        let lie = match self {
            Self::LiarMin => Some(values.fold(f64::INFINITY, f64::min)),
            Self::LiarMax => Some(values.fold(f64::NEG_INFINITY, f64::max)),
            Self::LiarMean => Some(values.sum::<f64>() / gp.len() as f64),
            Self::Sampled | Self::Believer | Self::Penalise => None,
        };
        let mut believed = gp.clone();
        for point in pending {
            let told = lie.map_or_else(|| believed.suppose(point), |value| believed.fantasise(point, value));
            believed = told.unwrap_or(believed);
        }
        believed
    }
}
