//! What a setting may be, so that a refusal says it and names the allowed value that is nearest to the one found.

use crate::error::{Error, Result, nearest_name};
use std::fmt;
use std::ops::Bound::{self, Excluded, Included, Unbounded};
use std::ops::RangeBounds;

/// The values that a setting takes: in words, and where they are a range of numbers or a list of names, also as such.
#[derive(Debug, Clone, PartialEq)]
pub struct Allowed {
    words: String,
    values: Values,
}

#[derive(Debug, Clone, PartialEq)]
enum Values {
    Described,
    Range(Bound<f64>, Bound<f64>),
    Names(Vec<String>),
}

/// A number that a setting can be.
pub trait Number: Copy + PartialOrd + fmt::Display {
    /// Whether it counts.
    const IS_WHOLE: bool;

    /// The same as a floating-point number; whole numbers above 2^53 are rounded.
    fn real(self) -> f64;
}

impl Number for f64 {
    const IS_WHOLE: bool = false;

    fn real(self) -> f64 {
        self
    }
}

macro_rules! whole_numbers {
    ($($number:ty),*) => {
        $(impl Number for $number {
            const IS_WHOLE: bool = true;

            fn real(self) -> f64 {
                self as f64
            }
        })*
    };
}

whole_numbers!(u8, u32, u64, usize, i32, i64);

impl Allowed {
    /// The numbers of a range, in words such as "in 1..=100", "in [0, 1)", "at least 0".
    pub fn within<T: Number>(range: impl RangeBounds<T>) -> Self {
        // Whole numbers above 1 are those from 2, which can be named.
        let low = match range.start_bound() {
            Excluded(low) if T::IS_WHOLE => Included(low.real() + 1.0),
            other => other.map(|low| low.real()),
        };
        let high = match range.end_bound() {
            Excluded(high) if T::IS_WHOLE => Included(high.real() - 1.0),
            other => other.map(|high| high.real()),
        };
        Self { words: in_words(low, high, T::IS_WHOLE), values: Values::Range(low, high) }
    }

    /// One of some names.
    pub fn one_of<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        Self { words: format!("one of {}", names.join(", ")), values: Values::Names(names) }
    }

    /// The same values in other words, which complete "expected ...".
    #[must_use]
    pub fn told(self, words: impl Into<String>) -> Self {
        Self { words: words.into(), ..self }
    }

    /// The allowed value that is nearest to a wrong one: the end of the range, if the end itself is allowed, or the name that is most
    /// alike. `None` where only words tell what is allowed, and where nothing is near.
    pub fn nearest(&self, found: &str) -> Option<String> {
        let found = found.trim_matches(['"', '`']);
        match &self.values {
            Values::Described => None,
            Values::Range(low, high) => {
                let value: f64 = found.parse().ok()?;
                match (low, high) {
                    (Included(low), Included(high)) if low > high => None,
                    (Included(low), _) if value < *low => Some(shown(*low)),
                    (_, Included(high)) if value > *high => Some(shown(*high)),
                    _ => None,
                }
            }
            Values::Names(names) => {
                let others = names.iter().map(String::as_str).filter(|name| *name != found);
                nearest_name(found, others).map(str::to_owned)
            }
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl From<String> for Allowed {
    fn from(words: String) -> Self {
        Self { words, values: Values::Described }
    }
}

impl From<&str> for Allowed {
    fn from(words: &str) -> Self {
        words.to_owned().into()
    }
}

fn in_words(low: Bound<f64>, high: Bound<f64>, is_whole: bool) -> String {
    match (low, high) {
        (Included(low), Included(high)) if is_whole => format!("in {}..={}", shown(low), shown(high)),
        (Included(low), Unbounded) => format!("at least {}", shown(low)),
        (Excluded(low), Unbounded) => format!("above {}", shown(low)),
        (Unbounded, Included(high)) => format!("at most {}", shown(high)),
        (Unbounded, Excluded(high)) => format!("below {}", shown(high)),
        (Unbounded, Unbounded) => "a finite number".into(),
        (Included(a) | Excluded(a), Included(b) | Excluded(b)) => {
            let open = if matches!(low, Included(_)) { '[' } else { '(' };
            let close = if matches!(high, Included(_)) { ']' } else { ')' };
            format!("in {open}{}, {}{close}", shown(a), shown(b))
        }
    }
}

/// A number as people write it: 1000, 0.01, 1e-6.
fn shown(value: f64) -> String {
    if value == 0.0 || (1e-4..1e16).contains(&value.abs()) { value.to_string() } else { format!("{value:e}") }
}

/// The interval above `low` and up to `high`.
pub fn half_open<T>(low: T, high: T) -> (Bound<T>, Bound<T>) {
    (Excluded(low), Included(high))
}

/// Refuses a setting's value unless `holds`. `expected` completes "expected ...".
///
/// # Errors
/// [`Error::Setting`] when it does not hold.
pub fn ensure(setting: &str, found: impl fmt::Display, holds: bool, expected: impl Into<Allowed>) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(Error::Setting { setting: setting.into(), found: found.to_string(), expected: expected.into() })
}

/// Refuses a number outside a range, and one that is not finite.
///
/// # Errors
/// [`Error::Setting`] with the range.
pub fn ensure_within<T: Number>(setting: &str, found: T, range: impl RangeBounds<T>) -> Result<()> {
    if range.contains(&found) && found.real().is_finite() {
        return Ok(());
    }
    ensure(setting, found, false, Allowed::within(range))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_in_words() {
        assert_eq!(Allowed::within(1..=1000_usize).to_string(), "in 1..=1000");
        assert_eq!(Allowed::within(1..10_u64).to_string(), "in 1..=9");
        assert_eq!(Allowed::within(2_usize..).to_string(), "at least 2");
        assert_eq!(Allowed::within(1e-6..=1.0).to_string(), "in [1e-6, 1]");
        assert_eq!(Allowed::within(0.0..1.0).to_string(), "in [0, 1)");
        assert_eq!(Allowed::within(half_open(0.0, 10.0)).to_string(), "in (0, 10]");
        assert_eq!(Allowed::within(..=0.5).to_string(), "at most 0.5");
    }

    #[test]
    fn the_nearest_allowed_value_is_the_end_of_the_range_if_it_is_allowed() {
        let nearest = |allowed: Allowed, found: &str| allowed.nearest(found);
        assert_eq!(nearest(Allowed::within(1..=100), "0").as_deref(), Some("1"));
        assert_eq!(nearest(Allowed::within(1..=100), "500").as_deref(), Some("100"));
        assert_eq!(nearest(Allowed::within(half_open(0.0, 1.0)), "2").as_deref(), Some("1"));
        assert_eq!(nearest(Allowed::within(half_open(0.0, 1.0)), "-2"), None);
        assert_eq!(nearest(Allowed::within(2e-6..), "1e-9").as_deref(), Some("2e-6"));
        assert_eq!(nearest(Allowed::within(1..=50_000_000).told("a number of rows"), "0").as_deref(), Some("1"));
        assert_eq!(nearest(Allowed::within(0.0..1.0), "NaN"), None);
        assert_eq!(nearest(Allowed::within(1..=100), "many"), None);
        assert_eq!(nearest("above 1e-6".into(), "-1"), None);
    }

    #[test]
    fn the_nearest_name_is_the_one_most_alike() {
        let kernels = Allowed::one_of(["rbf", "matern32", "matern52"]);
        assert_eq!(kernels.to_string(), "one of rbf, matern32, matern52");
        assert_eq!(kernels.nearest("Matern5").as_deref(), Some("matern52"));
        assert_eq!(kernels.nearest("linear"), None);
    }

    #[test]
    fn a_number_out_of_range_is_refused_with_the_nearest() {
        let error = ensure_within("rank", 1_000_001, 1..=1000).unwrap_err();
        assert_eq!(error.to_string(), "setting `rank` is 1000001; expected in 1..=1000");
        assert!(error.remedy().starts_with("the nearest allowed value is 1000; "), "{}", error.remedy());
        assert!(ensure_within("rank", 1, 1..=1000).and(ensure_within("rank", 1000, 1..=1000)).is_ok());
        assert!(ensure_within("noise", f64::INFINITY, 0.0..).is_err());
        let error = ensure("gamma", 1.5, false, "in (0, 1]").unwrap_err();
        assert_eq!(error.to_string(), "setting `gamma` is 1.5; expected in (0, 1]");
    }
}
