//! Priors as text: `log_normal(-4, 1)`.

use crate::Prior;
use elbo_core::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// Names with their numbers, in the order in which they are written.
const FORMS: [(&str, &[&str]); 9] = [
    ("normal", &["mean", "sd"]),
    ("log_normal", &["mu", "sigma"]),
    ("normal_on_log", &["mu", "sigma"]),
    ("gamma", &["shape", "rate"]),
    ("inverse_gamma", &["shape", "scale"]),
    ("half_normal", &["sd"]),
    ("half_cauchy", &["scale"]),
    ("beta", &["a", "b"]),
    ("uniform", &["low", "high"]),
];

impl FromStr for Prior {
    type Err = Error;

    /// Reads a name with its numbers in brackets, in the order of the fields: `gamma(2, 0.5)`.
    ///
    /// # Errors
    /// [`Error::Unknown`] for another name, [`Error::Data`] when the numbers are not as many as it has, [`Error::Setting`] when one
    /// is out of range.
    fn from_str(text: &str) -> Result<Self> {
        let (name, rest) = text.trim().split_once('(').unwrap_or((text.trim(), ""));
        let name = name.trim();
        let (_, fields) = FORMS
            .iter()
            .find(|(known, _)| *known == name)
            .ok_or_else(|| Error::unknown("prior", name, FORMS.iter().map(|(known, _)| *known)))?;
        let numbers = rest.trim().strip_suffix(')').map(|inside| inside.split(',').map(|v| v.trim().parse::<f64>()));
        let numbers: Option<Vec<f64>> = numbers.and_then(|list| list.collect::<Result<_, _>>().ok());
        let Some(numbers) = numbers.filter(|n| n.len() == fields.len()) else {
            return Err(Error::data(
                format!("the prior {text:?} is not a name with its numbers"),
                format!("write it as {name}({})", fields.join(", ")),
            ));
        };
        let prior = match (name, numbers.as_slice()) {
            ("normal", &[mean, sd]) => Self::Normal { mean, sd },
            ("log_normal", &[mu, sigma]) => Self::LogNormal { mu, sigma },
            ("normal_on_log", &[mu, sigma]) => Self::NormalOnLog { mu, sigma },
            ("gamma", &[shape, rate]) => Self::Gamma { shape, rate },
            ("inverse_gamma", &[shape, scale]) => Self::InverseGamma { shape, scale },
            ("half_normal", &[sd]) => Self::HalfNormal { sd },
            ("half_cauchy", &[scale]) => Self::HalfCauchy { scale },
            ("beta", &[a, b]) => Self::Beta { a, b },
            ("uniform", &[low, high]) => Self::Uniform { low, high },
            _ => unreachable!("every form is read above"),
        };
        prior.check()?;
        Ok(prior)
    }
}

/// As [`Prior::from_str`] reads it.
impl fmt::Display for Prior {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Normal { mean, sd } => write!(f, "normal({mean}, {sd})"),
            Self::LogNormal { mu, sigma } => write!(f, "log_normal({mu}, {sigma})"),
            Self::NormalOnLog { mu, sigma } => write!(f, "normal_on_log({mu}, {sigma})"),
            Self::Gamma { shape, rate } => write!(f, "gamma({shape}, {rate})"),
            Self::InverseGamma { shape, scale } => write!(f, "inverse_gamma({shape}, {scale})"),
            Self::HalfNormal { sd } => write!(f, "half_normal({sd})"),
            Self::HalfCauchy { scale } => write!(f, "half_cauchy({scale})"),
            Self::Beta { a, b } => write!(f, "beta({a}, {b})"),
            Self::Uniform { low, high } => write!(f, "uniform({low}, {high})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let texts = [
            "normal(0.5, 2)",
            "log_normal(-4, 1)",
            "normal_on_log(1, 0.3)",
            "gamma(2, 0.5)",
            "inverse_gamma(3, 1.5)",
            "half_normal(2)",
            "half_cauchy(0.1)",
            "beta(2, 5)",
            "uniform(0.1, 3)",
        ];
        for text in texts {
            assert_eq!(text.parse::<Prior>().unwrap().to_string(), text);
        }
        assert_eq!(texts.len(), FORMS.len());
        assert_eq!(" gamma ( 2,.5 ) ".parse::<Prior>().unwrap(), Prior::Gamma { shape: 2.0, rate: 0.5 });
    }

    #[test]
    fn a_wrong_text_says_how_to_write_it() {
        let remedy = |text: &str| text.parse::<Prior>().unwrap_err().remedy().into_owned();
        assert!(remedy("gama(1, 2)").contains("`gamma`"), "{}", remedy("gama(1, 2)"));
        for text in ["gamma", "gamma(1)", "gamma(1, 2", "gamma(1, b)"] {
            assert_eq!(remedy(text), "write it as gamma(shape, rate)", "{text}");
        }
        assert!("gamma(-1, 2)".parse::<Prior>().is_err());
    }
}
