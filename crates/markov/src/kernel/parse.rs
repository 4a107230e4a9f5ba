//! Kernels as text: `linear + matern52(lengthscale=3000) + matern32 * periodic(period=365.25, harmonics=6)`.

use super::{Form, Kernel, MOST_HARMONICS, MOST_ORDER, Parameter, TAYLOR_ORDERS};
use elbo_core::{Error, Result};
use std::fmt;
use std::str::FromStr;

/// Harmonics of a periodic kernel where none are given.
const HARMONICS: usize = 6;
/// Terms of a squared exponential where none are given.
const TERMS: usize = 6;
/// Brackets inside brackets at most: every one of them is a call on the stack.
const DEEPEST: usize = 64;

impl FromStr for Kernel {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Ok(Self::parse(text)?.0)
    }
}

impl Kernel {
    /// The kernel of an expression, and for each periodic term in it whether its number of harmonics is left open; see [`Kernel::choose_harmonics`].
    ///
    /// # Errors
    /// [`Error::Setting`] for a mistake in the expression, and numbers that no kernel can have.
    pub fn parse(text: &str) -> Result<(Self, Vec<bool>)> {
        let mut reader = Reader { text, at: 0, depth: 0, free: vec![] };
        let kernel = reader.sum()?;
        if reader.peek().is_some() {
            return Err(reader.expected("`+`, `*` or the end"));
        }
        kernel.check_numbers()?;
        Ok((kernel, reader.free))
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Brackets that are open.
    depth: usize,
    /// For each periodic term, whether its harmonics are not given.
    free: Vec<bool>,
}

impl<'a> Reader<'a> {
    fn peek(&mut self) -> Option<char> {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start().len();
        self.text[self.at..].chars().next()
    }

    fn take(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        if found {
            self.at += c.len_utf8();
        }
        found
    }

    fn expected(&mut self, what: &str) -> Error {
        let found = match self.peek() {
            None => "the end".to_owned(),
            Some(_) => format!("`{}`", self.text[self.at..].chars().take(20).collect::<String>()),
        };
        Error::Setting {
            setting: "kernel".into(),
            found: format!("{found} in `{}`", self.text),
            expected: format!("{what}; for example `linear + matern52 + matern32 * periodic(period=12)`").into(),
        }
    }

    fn sum(&mut self) -> Result<Kernel> {
        let mut parts = vec![self.product()?];
        while self.take('+') {
            parts.push(self.product()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Kernel::Sum(parts) })
    }

    fn product(&mut self) -> Result<Kernel> {
        let mut parts = vec![self.atom()?];
        while self.take('*') {
            let mut part = self.atom()?;
            // One variance is enough for a product.
            part.parameters_mut().into_iter().filter(|p| p.name == "variance").for_each(|p| p.is_fixed = true);
            parts.push(part);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Kernel::Product(parts) })
    }

    fn atom(&mut self) -> Result<Kernel> {
        if self.take('(') {
            if self.depth == DEEPEST {
                return Err(Error::Setting {
                    setting: "kernel".into(),
                    found: format!("an expression with more than {DEEPEST} brackets inside each other"),
                    expected: "fewer; leave out brackets that change nothing".into(),
                });
            }
            self.depth += 1;
            let inner = self.sum()?;
            self.depth -= 1;
            return if self.take(')') { Ok(inner) } else { Err(self.expected("`)`")) };
        }
        let name = self.word();
        let mut form = form(name).ok_or_else(|| match name {
            "" => self.expected("a kernel's name"),
            _ => Error::unknown("kernel", name, names()),
        })?;
        let mut parameters: Vec<Parameter> = form
            .parameters()
            .iter()
            .map(|name| Parameter { name: (*name).into(), value: 1.0, is_given: false, is_fixed: false })
            .collect();
        let mut is_free = true;
        if self.take('(') && !self.take(')') {
            loop {
                let key = self.word();
                if !self.take('=') {
                    return Err(self.expected("`=`"));
                }
                let value = self.number()?;
                match (key, &mut form) {
                    ("harmonics", Form::Periodic(harmonics))
                        if value.fract() == 0.0 && (1.0..=MOST_HARMONICS as f64).contains(&value) =>
                    {
                        *harmonics = value as usize;
                        is_free = false;
                    }
                    ("harmonics", Form::Periodic(_)) => {
                        return Err(self.expected(&format!("between 1 and {MOST_HARMONICS} harmonics")));
                    }
                    ("order", Form::SquaredExponential(order)) => {
                        let is_whole = value.fract() == 0.0 && TAYLOR_ORDERS.contains(&(value as usize));
                        if !is_whole {
                            let (low, high) = (TAYLOR_ORDERS.start(), TAYLOR_ORDERS.end());
                            return Err(self.expected(&format!("an order between {low} and {high}")));
                        }
                        *order = value as usize;
                    }
                    _ => {
                        let known = parameters.iter().map(|p| p.name.clone()).collect::<Vec<_>>();
                        let slot = parameters
                            .iter_mut()
                            .find(|p| p.name == key)
                            .ok_or_else(|| Error::unknown("parameter", key, known.iter().map(String::as_str)))?;
                        (slot.value, slot.is_given) = (value, true);
                        slot.is_fixed = self.take('!');
                    }
                }
                if self.take(')') {
                    break;
                }
                if !self.take(',') {
                    return Err(self.expected("`,` or `)`"));
                }
            }
        }
        if matches!(form, Form::Periodic(_)) {
            self.free.push(is_free);
        }
        Ok(Kernel::Term(form, parameters))
    }

    fn word(&mut self) -> &'a str {
        self.peek();
        let rest = &self.text[self.at..];
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn number(&mut self) -> Result<f64> {
        self.peek();
        let rest = &self.text[self.at..];
        let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && !".+-".contains(c)).unwrap_or(rest.len());
        match rest[..length].parse::<f64>() {
            Ok(value) if value > 0.0 && value.is_finite() => {
                self.at += length;
                Ok(value)
            }
            _ => Err(self.expected("a positive number")),
        }
    }
}

fn forms() -> impl Iterator<Item = Form> {
    (0..=MOST_ORDER).map(Form::Matern).chain([
        Form::SquaredExponential(TERMS),
        Form::Constant,
        Form::Linear,
        Form::Wiener,
        Form::IntegratedWiener,
        Form::Cosine,
        Form::Periodic(HARMONICS),
    ])
}

fn form(name: &str) -> Option<Form> {
    forms().find(|f| f.name() == name)
}

fn names() -> impl Iterator<Item = &'static str> {
    forms().map(Form::name)
}

/// As [`Kernel::from_str`] reads it: every number is written, `!` marks those that are held.
impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Term(form, parameters) => {
                write!(f, "{}(", form.name())?;
                for (i, p) in parameters.iter().enumerate() {
                    let separator = if i == 0 { "" } else { ", " };
                    write!(f, "{separator}{}={}{}", p.name, p.value, if p.is_fixed { "!" } else { "" })?;
                }
                match form {
                    Form::Periodic(harmonics) => write!(f, ", harmonics={harmonics}")?,
                    Form::SquaredExponential(order) => write!(f, ", order={order}")?,
                    _ => {}
                }
                write!(f, ")")
            }
            Self::Sum(parts) => join(f, parts, " + "),
            Self::Product(parts) => join(f, parts, " * "),
        }
    }
}

fn join(f: &mut fmt::Formatter<'_>, parts: &[Kernel], separator: &str) -> fmt::Result {
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            write!(f, "{separator}")?;
        }
        match part {
            // A sum within a sum is one component, and stays one.
            Kernel::Sum(_) => write!(f, "({part})")?,
            _ => write!(f, "{part}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let text = "linear(variance=2) + matern52(lengthscale=3.5!) * (constant + cosine(period=1e2)) + (matern32 + squared_exponential(lengthscale=2, order=4)) + periodic(period=12, harmonics=4)";
        let kernel: Kernel = text.parse().unwrap();
        let mut again: Kernel = kernel.to_string().parse().unwrap();
        // A written number counts as given.
        let flags: Vec<bool> = kernel.parameters().iter().map(|p| p.is_given).collect();
        again.parameters_mut().into_iter().zip(flags).for_each(|(p, given)| p.is_given = given);
        assert_eq!(again, kernel);
        assert_eq!(kernel.components().len(), 4);
        let fixed: Vec<bool> = kernel.parameters().iter().map(|p| p.is_fixed).collect();
        assert_eq!(fixed.iter().filter(|f| **f).count(), 3);
    }

    #[test]
    fn mistakes_are_named() {
        let message = |text: &str| text.parse::<Kernel>().unwrap_err().to_string();
        assert!(message("matern23").contains("matern23"));
        assert!(message("matern32(lengthscale=-1)").contains("positive"));
        assert!(message("matern32 +").contains("name"));
        assert!(message("matern32(scale=1)").contains("scale"));
        assert!(message("linear * matern32").contains("stationary"));
        assert!(message("periodic(harmonics=0.5)").contains("harmonics"));
        assert!(message("squared_exponential(order=9)").contains("between 2 and 8"));
    }
}
