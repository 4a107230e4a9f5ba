//! A first-order method chosen while the program runs, by name.

use elbo_core::step::Snapshot;
use elbo_core::{ModelFile, Result, ensure_within};
use serde::{Deserialize, Serialize};

use super::adam::{Adam, AdamState, AdamUpdate};
use super::coin::{Coin, CoinState, UnitCoin, UnitCoinState, UnitCoinUpdate};
use super::dog::{Dog, DogState, DogUpdate};
use super::sgd::{Sgd, SgdState, SgdUpdate};
use super::squares::{Adagrad, RmsProp, SquaresState, SquaresUpdate};
use super::{Rule, Schedule};
use crate::dtype::DType;
use crate::storage::Storage;
use crate::tensor::Tensor;

/// A first-order method, as a setting names it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Optimiser {
    /// Gradient descent, [`Sgd`].
    Sgd {
        /// Share of the last step that is added to the next.
        #[serde(default)]
        momentum: f64,
    },
    /// [`Adagrad`].
    Adagrad,
    /// [`RmsProp`].
    #[serde(rename = "rmsprop")]
    RmsProp {
        /// Share of the last step that is added to the next.
        #[serde(default)]
        momentum: f64,
    },
    /// [`Adam`].
    #[default]
    Adam,
    /// [`Adam`] with the largest second moment so far.
    #[serde(rename = "amsgrad")]
    AmsGrad,
    /// Distance over gradients, [`Dog`]: no rate.
    Dog,
    /// The same with weighted gradients, for gradients without noise: no rate.
    Dowg,
    /// Coin betting, [`Coin`]: no rate.
    Coin {
        /// Keeps early bets small, for networks.
        #[serde(default)]
        alpha: f64,
    },
}

impl Optimiser {
    /// Refuses settings outside their range.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub fn check(&self) -> Result<()> {
        match *self {
            Self::Sgd { momentum } | Self::RmsProp { momentum } => ensure_within("momentum", momentum, 0.0..1.0),
            Self::Coin { alpha } => ensure_within("alpha", alpha, 0.0..),
            Self::Adagrad | Self::Adam | Self::AmsGrad | Self::Dog | Self::Dowg => Ok(()),
        }
    }

    /// Whether it takes a rate. One that does moves the same way wherever the parameters stand; one that does not looks at how far they have
    /// come, and its iterates settle by themselves.
    pub fn has_rate(&self) -> bool {
        !matches!(self, Self::Dog | Self::Dowg | Self::Coin { .. })
    }

    /// The rule with this rate, which those without one leave aside, as bets leave aside `clip`: they do not depend on the gradient's length.
    pub fn rule(&self, rate: impl Into<Schedule>, clip: Option<f64>) -> AnyRule {
        let rate = rate.into();
        match *self {
            Self::Sgd { momentum } => AnyRule::Sgd(Sgd { rate, momentum, nesterov: false, clip }),
            Self::Adagrad => AnyRule::Adagrad(Adagrad { rate, clip, ..Adagrad::default() }),
            Self::RmsProp { momentum } => AnyRule::RmsProp(RmsProp { rate, momentum, clip, ..RmsProp::default() }),
            Self::Adam => AnyRule::Adam(Adam { rate, clip, ..Adam::default() }),
            Self::AmsGrad => AnyRule::Adam(Adam { rate, clip, amsgrad: true, ..Adam::default() }),
            Self::Dog => AnyRule::Dog(Dog { clip, ..Dog::default() }),
            Self::Dowg => AnyRule::Dog(Dog { weighted: true, clip, ..Dog::default() }),
            Self::Coin { alpha } => AnyRule::Coin(Coin { alpha }),
        }
    }
}

macro_rules! any_rule {
    ($($name:ident: $state:ident, $update:ty;)*) => {
        /// One of the rules, chosen while the program runs.
        #[derive(Debug, Clone, PartialEq)]
        pub enum AnyRule {
            $(#[doc = concat!("[`", stringify!($name), "`].")] $name($name),)*
        }

        /// The memory of an [`AnyRule`].
        #[derive(Debug, Clone, PartialEq)]
        pub enum AnyState {
            $(#[doc = concat!("That of [`", stringify!($name), "`].")] $name($state),)*
        }

        /// The numbers of one update of an [`AnyRule`].
        #[derive(Debug, Clone, Copy)]
        pub enum AnyUpdate {
            $(#[doc = concat!("That of [`", stringify!($name), "`].")] $name($update),)*
        }

        impl Snapshot for AnyState {
            fn save(&self, file: &mut ModelFile, prefix: &str) {
                match self {
                    $(Self::$name(state) => state.save(file, prefix),)*
                }
            }

            fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
                match self {
                    $(Self::$name(state) => state.restore(file, prefix),)*
                }
            }
        }

        impl Rule for AnyRule {
            type State = AnyState;
            type Update = AnyUpdate;

            fn start_parts(&self, parts: &[(usize, DType)]) -> AnyState {
                match self {
                    $(Self::$name(rule) => AnyState::$name(rule.start_parts(parts)),)*
                }
            }

            fn begin(&self, norm: &dyn Fn() -> f64, state: &mut AnyState) -> AnyUpdate {
                match (self, state) {
                    $((Self::$name(rule), AnyState::$name(state)) => AnyUpdate::$name(rule.begin(norm, state)),)*
                    _ => panic!("the memory is another rule's"),
                }
            }

            fn apply(
                &self,
                update: &AnyUpdate,
                part: usize,
                x: &mut Storage,
                gradient: &Tensor,
                state: &mut AnyState,
            ) {
                match (self, update, state) {
                    $((Self::$name(rule), AnyUpdate::$name(update), AnyState::$name(state)) => {
                        rule.apply(update, part, x, gradient, state);
                    })*
                    _ => panic!("the memory is another rule's"),
                }
            }
        }
    };
}

any_rule! {
    Sgd: SgdState, SgdUpdate;
    Adagrad: SquaresState, SquaresUpdate;
    RmsProp: SquaresState, SquaresUpdate;
    Adam: AdamState, AdamUpdate;
    Dog: DogState, DogUpdate;
    Coin: CoinState, ();
    UnitCoin: UnitCoinState, UnitCoinUpdate;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every method by name.
    const ALL: [Optimiser; 8] = [
        Optimiser::Sgd { momentum: 0.5 },
        Optimiser::Adagrad,
        Optimiser::RmsProp { momentum: 0.5 },
        Optimiser::Adam,
        Optimiser::AmsGrad,
        Optimiser::Dog,
        Optimiser::Dowg,
        Optimiser::Coin { alpha: 0.0 },
    ];

    /// Where 40 steps along a wandering gradient lead.
    fn end(rule: &impl Rule) -> [f64; 2] {
        let (mut x, mut state) = ([1.0, -1.0], rule.start(2));
        for t in 0..40 {
            let g = [x[0] + f64::from(t).sin(), 3.0 * x[1] - f64::from(t).cos()];
            rule.update(&mut x, &g, &mut state);
        }
        x
    }

    #[test]
    fn a_chosen_rule_is_the_rule_itself() {
        let chosen = |optimiser: Optimiser| end(&optimiser.rule(0.05, Some(2.0)));
        let clip = Some(2.0);
        assert_eq!(chosen(ALL[0]), end(&Sgd { rate: 0.05.into(), momentum: 0.5, clip, ..Sgd::default() }));
        assert_eq!(chosen(ALL[1]), end(&Adagrad { rate: 0.05.into(), clip, ..Adagrad::default() }));
        assert_eq!(chosen(ALL[3]), end(&Adam { clip, ..Adam::with_rate(0.05) }));
        assert_eq!(chosen(ALL[4]), end(&Adam { clip, amsgrad: true, ..Adam::with_rate(0.05) }));
        assert_eq!(chosen(ALL[5]), end(&Dog { clip, ..Dog::default() }));
        assert_eq!(chosen(ALL[7]), end(&Coin::default()));
        let ends: Vec<[f64; 2]> = ALL.into_iter().map(chosen).collect();
        (0..8).for_each(|i| (0..i).for_each(|j| assert!(ends[i] != ends[j], "{:?} and {:?}", ALL[i], ALL[j])));
    }

    #[test]
    fn names_are_read_and_written_and_settings_out_of_range_are_refused() {
        for (optimiser, text) in ALL.into_iter().zip([
            r#"{"type":"sgd","momentum":0.5}"#,
            r#"{"type":"adagrad"}"#,
            r#"{"type":"rmsprop","momentum":0.5}"#,
            r#"{"type":"adam"}"#,
            r#"{"type":"amsgrad"}"#,
            r#"{"type":"dog"}"#,
            r#"{"type":"dowg"}"#,
            r#"{"type":"coin","alpha":0.0}"#,
        ]) {
            assert_eq!(serde_json::to_string(&optimiser).unwrap(), text);
            assert_eq!(serde_json::from_str::<Optimiser>(text).unwrap(), optimiser);
            assert!(optimiser.check().is_ok());
        }
        assert_eq!(serde_json::from_str::<Optimiser>(r#"{"type":"coin"}"#).unwrap(), ALL[7]);
        assert!(Optimiser::Sgd { momentum: 1.0 }.check().unwrap_err().to_string().contains("`momentum` is 1"));
        assert!(Optimiser::Coin { alpha: f64::NAN }.check().is_err());
    }
}
