//! Kernel expressions: `rbf + periodic(period = 12)`.
//!
//! ```text
//! sum     = product { "+" product }
//! product = factor { "*" factor }
//! factor  = number | "(" sum ")" | name [ "(" argument { "," argument } ")" ]
//! argument = name "=" value | column
//! ```

use std::fmt;

use elbo_core::{Error, Result};
use serde_json::{Map, Value};

use super::{ActiveConfig, ColumnRef, KernelConfig, ScaledConfig};

/// Kernels that an expression can name, with their short forms.
const NAMES: [(&str, &str); 25] = [
    ("rbf", "rbf"),
    ("se", "rbf"),
    ("squared_exponential", "rbf"),
    ("matern12", "matern12"),
    ("exponential", "matern12"),
    ("matern32", "matern32"),
    ("matern52", "matern52"),
    ("rational_quadratic", "rational_quadratic"),
    ("rq", "rational_quadratic"),
    ("periodic", "periodic"),
    ("linear", "linear"),
    ("polynomial", "polynomial"),
    ("constant", "constant"),
    ("white", "white"),
    ("arc_cosine", "arc_cosine"),
    ("arccosine", "arc_cosine"),
    ("nngp", "nngp"),
    ("spectral_mixture", "spectral_mixture"),
    ("sm", "spectral_mixture"),
    ("exchangeable", "exchangeable"),
    ("hamming", "hamming"),
    ("index", "index"),
    ("tanimoto", "tanimoto"),
    ("matern_1_2", "matern12"),
    ("matern_5_2", "matern52"),
];

/// Brackets inside brackets at most: every one of them is a call on the stack.
const DEEPEST: usize = 64;

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Name(String),
    Quoted(String),
    Number(f64),
    Sign(char),
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "`{name}`"),
            Self::Quoted(name) => write!(f, "\"{name}\""),
            Self::Number(value) => write!(f, "`{value}`"),
            Self::Sign(sign) => write!(f, "`{sign}`"),
        }
    }
}

/// Reads an expression.
pub(super) fn parse(text: &str) -> Result<KernelConfig> {
    let tokens = tokens(text)?;
    let mut parser = Parser { text, tokens, at: 0, depth: 0 };
    let kernel = parser.sum()?;
    if parser.at < parser.tokens.len() {
        return Err(parser.unexpected("`+`, `*` or the end"));
    }
    kernel.check()?;
    Ok(kernel)
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>> {
    let mut found = vec![];
    let mut rest = text.char_indices().peekable();
    while let Some((start, c)) = rest.next() {
        let mut take_while = |first: char, ok: &dyn Fn(char, char) -> bool| {
            let mut word = String::from(first);
            let mut last = first;
            while let Some((_, next)) = rest.next_if(|(_, next)| ok(last, *next)) {
                word.push(next);
                last = next;
            }
            word
        };
        let token = match c {
            c if c.is_whitespace() => continue,
            '+' | '*' | '(' | ')' | ',' | '=' => Token::Sign(c),
            '"' | '\'' => {
                let word = take_while(c, &|_, next| next != c);
                if rest.next().is_none() {
                    return Err(Error::data(
                        format!("kernel expression {text:?}: the name that starts at character {start} has no end"),
                        format!("close it with {c}"),
                    ));
                }
                Token::Quoted(word[1..].to_owned())
            }
            c if c.is_ascii_digit() || c == '.' || c == '-' => {
                let word = take_while(c, &|last, next| {
                    next.is_ascii_digit() || next == '.' || next == 'e' || (last == 'e' && (next == '-' || next == '+'))
                });
                let value = word.parse::<f64>().map_err(|_| {
                    Error::data(
                        format!("kernel expression {text:?}: `{word}` at character {start} is not a number"),
                        "write numbers as 0.5 or 1e-3; put column names that start with a digit in quotes",
                    )
                })?;
                Token::Number(value)
            }
            c if c.is_alphabetic() || c == '_' => {
                Token::Name(take_while(c, &|_, next| next.is_alphanumeric() || next == '_' || next == '.'))
            }
            other => {
                return Err(Error::data(
                    format!("kernel expression {text:?}: `{other}` at character {start} means nothing here"),
                    "combine kernels with +, * and brackets, as in \"rbf + periodic\"; quote unusual column names",
                ));
            }
        };
        found.push((start, token));
    }
    Ok(found)
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(usize, Token)>,
    at: usize,
    /// Brackets that are open.
    depth: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn next_is(&mut self, sign: char) -> bool {
        let found = self.peek() == Some(&Token::Sign(sign));
        self.at += usize::from(found);
        found
    }

    fn unexpected(&self, expected: &str) -> Error {
        let found = match self.tokens.get(self.at) {
            Some((start, token)) => format!("{token} at character {start}"),
            None => "the end".into(),
        };
        Error::data(
            format!("kernel expression {:?}: expected {expected}, found {found}", self.text),
            "write kernels like \"matern52\", \"rbf + periodic\" or \"matern32 * linear\"",
        )
    }

    fn expect(&mut self, sign: char, expected: &str) -> Result<()> {
        if self.next_is(sign) { Ok(()) } else { Err(self.unexpected(expected)) }
    }

    fn sum(&mut self) -> Result<KernelConfig> {
        let mut terms = vec![self.product()?];
        while self.next_is('+') {
            terms.push(self.product()?);
        }
        Ok(if terms.len() == 1 { terms.remove(0) } else { KernelConfig::sum(terms) })
    }

    fn product(&mut self) -> Result<KernelConfig> {
        let (mut scale, mut factors) = (None, vec![]);
        loop {
            if let Some(Token::Number(value)) = self.peek() {
                scale = Some(scale.unwrap_or(1.0) * value);
                self.at += 1;
            } else {
                factors.push(self.factor()?);
            }
            if !self.next_is('*') {
                break;
            }
        }
        let kernel = match factors.len() {
            0 => return Err(self.unexpected("`*` and a kernel after the number")),
            1 => factors.remove(0),
            _ => KernelConfig::product(factors),
        };
        Ok(match scale {
            Some(variance) => KernelConfig::Scaled(ScaledConfig { variance, kernel: Box::new(kernel) }),
            None => kernel,
        })
    }

    fn factor(&mut self) -> Result<KernelConfig> {
        if self.next_is('(') {
            if self.depth == DEEPEST {
                return Err(Error::data(
                    format!("the kernel expression has more than {DEEPEST} brackets inside each other"),
                    "leave out brackets that change nothing",
                ));
            }
            self.depth += 1;
            let inner = self.sum()?;
            self.depth -= 1;
            self.expect(')', "`)`")?;
            return Ok(inner);
        }
        let Some(Token::Name(written)) = self.peek().cloned() else {
            return Err(self.unexpected("a kernel, a number or `(`"));
        };
        let lower = written.to_lowercase().replace('-', "_");
        let Some((_, name)) = NAMES.iter().find(|(n, _)| *n == lower) else {
            if matches!(lower.as_str(), "sum" | "product" | "scaled" | "active" | "changepoint") {
                return Err(Error::data(
                    format!("kernel expression {:?}: `{lower}` cannot stand in an expression", self.text),
                    "write sums with +, products with *, columns in brackets; a changepoint needs a table",
                ));
            }
            return Err(Error::unknown("kernel", &written, NAMES.iter().map(|(n, _)| *n)));
        };
        self.at += 1;
        let (mut settings, mut columns) = (Map::new(), vec![]);
        settings.insert("type".into(), Value::from(*name));
        if self.next_is('(') && !self.next_is(')') {
            loop {
                self.argument(&mut settings, &mut columns)?;
                if !self.next_is(',') {
                    break;
                }
            }
            self.expect(')', "`,` or `)`")?;
        }
        let kernel: KernelConfig = serde_json::from_value(Value::Object(settings)).map_err(|cause| {
            Error::data(
                format!("kernel expression {:?}: settings of `{name}`: {cause}", self.text),
                "settings are written `name = value`; columns stand alone",
            )
        })?;
        if columns.is_empty() {
            return Ok(kernel);
        }
        Ok(KernelConfig::Active(ActiveConfig { columns, kernel: Box::new(kernel) }))
    }

    fn argument(&mut self, settings: &mut Map<String, Value>, columns: &mut Vec<ColumnRef>) -> Result<()> {
        let Some(token) = self.peek().cloned() else { return Err(self.unexpected("a column or a setting")) };
        match token {
            Token::Name(key) if self.tokens.get(self.at + 1).is_some_and(|(_, t)| *t == Token::Sign('=')) => {
                self.at += 2;
                let value = match self.peek() {
                    Some(Token::Number(v)) if v.fract() == 0.0 && v.abs() < 1e15 => Value::from(*v as i64),
                    Some(Token::Number(v)) => Value::from(*v),
                    Some(Token::Name(word)) if word == "true" || word == "false" => Value::from(word == "true"),
                    Some(Token::Name(word) | Token::Quoted(word)) => Value::from(word.as_str()),
                    _ => return Err(self.unexpected(&format!("a value for `{key}`"))),
                };
                settings.insert(key, value);
            }
            Token::Name(name) | Token::Quoted(name) => columns.push(ColumnRef::Name(name)),
            Token::Number(v) if v >= 0.0 && v.fract() == 0.0 => columns.push(ColumnRef::Position(v as usize)),
            _ => return Err(self.unexpected("a column (by name or position) or `setting = value`")),
        }
        self.at += 1;
        Ok(())
    }
}

/// The expression, with settings that differ from the defaults.
impl fmt::Display for KernelConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sum(c) => f.write_str(&joined(&c.terms, " + ", false)),
            Self::Product(c) => f.write_str(&joined(&c.terms, " * ", true)),
            Self::Scaled(c) => write!(f, "{} * {}", c.variance, joined(std::slice::from_ref(&c.kernel), "", true)),
            Self::Active(c) if c.kernel.children().is_empty() => {
                let columns = c.columns.iter().map(ColumnRef::to_string).chain(c.kernel.changed_settings());
                write!(f, "{}({})", c.kernel.name(), columns.collect::<Vec<_>>().join(", "))
            }
            Self::Active(c) => {
                let columns: Vec<String> = c.columns.iter().map(ColumnRef::to_string).collect();
                write!(f, "({}) over {}", c.kernel, columns.join(", "))
            }
            Self::Changepoint(c) => write!(f, "changepoint({}, {}, location = {})", c.before, c.after, c.location),
            leaf => {
                let changed = leaf.changed_settings();
                f.write_str(leaf.name())?;
                if changed.is_empty() { Ok(()) } else { write!(f, "({})", changed.join(", ")) }
            }
        }
    }
}

fn joined<K: std::borrow::Borrow<KernelConfig>>(terms: &[K], sign: &str, bracket: bool) -> String {
    let one = |term: &K| match term.borrow() {
        sum @ KernelConfig::Sum(_) if bracket => format!("({sum})"),
        other => other.to_string(),
    };
    terms.iter().map(one).collect::<Vec<_>>().join(sign)
}

impl KernelConfig {
    /// `name = value` of a leaf's settings that are not the default.
    fn changed_settings(&self) -> Vec<String> {
        let as_object = |kernel: &KernelConfig| match serde_json::to_value(kernel) {
            Ok(Value::Object(map)) => map,
            other => unreachable!("a kernel is written as a table, not {other:?}"),
        };
        let all = as_object(self);
        let bare: KernelConfig = serde_json::from_value(serde_json::json!({ "type": self.name() }))
            .expect("every leaf has default settings");
        let defaults = as_object(&bare);
        let show = |value: &Value| match value {
            Value::String(text) => text.clone(),
            // A whole number is shown without its decimal point, as one writes it.
            Value::Number(number) => number.as_f64().map_or_else(|| number.to_string(), |v| v.to_string()),
            other => other.to_string(),
        };
        all.iter().filter(|(k, v)| defaults.get(*k) != Some(v)).map(|(k, v)| format!("{k} = {}", show(v))).collect()
    }
}

impl fmt::Display for ColumnRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Position(at) => write!(f, "{at}"),
            Self::Name(name) => {
                let plain = name.chars().next().is_some_and(|c| c.is_alphabetic() || c == '_')
                    && name.chars().all(|c| c.is_alphanumeric() || c == '_');
                if plain { f.write_str(name) } else { write!(f, "{name:?}") }
            }
        }
    }
}
