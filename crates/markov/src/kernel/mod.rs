//! Kernels of one input, time, that have an exact state-space form.
//!
//! # Which kernel should I use?
//!
//! | the series | kernel | in an expression | state |
//! |---|---|---|---|
//! | wanders, with kinks | Matérn 1/2, 3/2 | `matern12`, `matern32` | 1, 2 |
//! | is smooth | Matérn 5/2 to 13/2 | `matern52` ... `matern132` | 3 ... 7 |
//! | is smoother than any Matérn | squared exponential, nearly | `squared_exponential(order=6)` | the order |
//! | has a trend | a line, or one that bends | `linear`, `integrated_wiener` | 2 |
//! | drifts without bound | the Wiener process | `wiener` | 1 |
//! | has an unknown level | a constant | `constant` | 1 |
//! | repeats exactly | periodic; one harmonic | `periodic(period=365.25)`, `cosine(period=12)` | 1 + 2 J; 2 |
//! | repeats, but drifts | a product | `periodic(period=12) * matern32` | times the Matérn's |
//! | oscillates at random phases | Hida-Matérn | `matern32 * cosine(period=3)` | 2 (p + 1) |
//!
//! Sums and products are written with `+`, `*` and brackets. Every number is in the unit of time and of the squared target. In a product the
//! variance of the first factor is learnt, those of the others stay.
//!
//! # How do I add one?
//!
//! A kernel whose state is a new process gets a [`Factor`] with its exact transition; one that is made of known processes gets a [`Form`]
//! with its `blocks` and its `covariance`. Put it into `every_kernel` of `tests/it/kernels.rs`: the filter is then compared with dense algebra.

mod factor;
mod harmonics;
mod parse;
mod taylor;

pub use factor::{Factor, MOST_ORDER};
pub use taylor::{TAYLOR_ORDERS, taylor_error};

use elbo_core::{Error, Result};
use harmonics::harmonic_weights;
use serde::{Deserialize, Serialize};
use taylor::taylor_correlation;

/// Most harmonics of a periodic kernel.
pub const MOST_HARMONICS: usize = 64;

/// Most numbers of a state: the filter's memory grows with their square, and its time with their cube.
pub const MOST_STATE: usize = 1024;

/// A positive number of a kernel, learnt on the scale of its logarithm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// `variance`, `lengthscale` or `period`.
    pub name: String,
    /// Its value, positive.
    pub value: f64,
    /// Whether the user gave the value; otherwise it is one, or what the data suggest.
    pub is_given: bool,
    /// Whether it stays as it is when others are learnt.
    pub is_fixed: bool,
}

/// The families of kernels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// Matérn with ν = p + 1/2. Parameters: variance, lengthscale.
    Matern(usize),
    /// `v exp(-τ² / 2 l²)`, nearly: see [`taylor_error`] for how nearly at this order. Parameters: variance, lengthscale.
    SquaredExponential(usize),
    /// `v`. Parameter: variance.
    Constant,
    /// `v (t - origin) (s - origin)`. Parameter: variance, of the slope.
    Linear,
    /// `v min(t, s)` after the origin. Parameter: variance, per unit of time.
    Wiener,
    /// The integrated Wiener process after the origin. Parameter: variance.
    IntegratedWiener,
    /// `v cos(2 π τ / period)`. Parameters: variance, period.
    Cosine,
    /// `v exp(-2 sin²(π τ / period) / l²)`, cut after this many harmonics. Parameters: variance, lengthscale, period.
    Periodic(usize),
}

impl Form {
    /// The name in an expression.
    pub fn name(self) -> &'static str {
        const MATERNS: [&str; MOST_ORDER + 1] =
            ["matern12", "matern32", "matern52", "matern72", "matern92", "matern112", "matern132"];
        match self {
            Self::Matern(p) => MATERNS[p],
            Self::SquaredExponential(_) => "squared_exponential",
            Self::Constant => "constant",
            Self::Linear => "linear",
            Self::Wiener => "wiener",
            Self::IntegratedWiener => "integrated_wiener",
            Self::Cosine => "cosine",
            Self::Periodic(_) => "periodic",
        }
    }

    /// Names of its parameters.
    pub fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::Matern(_) | Self::SquaredExponential(_) => &["variance", "lengthscale"],
            Self::Constant | Self::Linear | Self::Wiener | Self::IntegratedWiener => &["variance"],
            Self::Cosine => &["variance", "period"],
            Self::Periodic(_) => &["variance", "lengthscale", "period"],
        }
    }
}

/// A kernel: one family, or a sum or product of kernels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Kernel {
    /// One family.
    Term(Form, Vec<Parameter>),
    /// A sum.
    Sum(Vec<Kernel>),
    /// A product.
    Product(Vec<Kernel>),
}

/// One block of the state: a product of factors, and how its numbers follow from the kernel's parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// The factors; the state is their Kronecker product.
    pub factors: Vec<Factor>,
    /// One rate a factor; one where the factor has none.
    pub rates: Vec<f64>,
    /// The parameter whose inverse each rate is proportional to.
    pub rate_parameters: Vec<Option<usize>>,
    /// Standard deviation of the block's part of `f`, where the state has unit scale.
    pub scale: f64,
    /// `d log scale / d log parameter`.
    pub scale_slopes: Vec<(usize, f64)>,
}

impl Kernel {
    /// One family with these values, in the order of [`Form::parameters`].
    pub fn term(form: Form, values: &[f64]) -> Self {
        let names = form.parameters();
        assert_eq!(names.len(), values.len(), "`{}` has {} parameters", form.name(), names.len());
        let parameter = |(name, value): (&&str, &f64)| Parameter {
            name: (*name).into(),
            value: *value,
            is_given: true,
            is_fixed: false,
        };
        Self::Term(form, names.iter().zip(values).map(parameter).collect())
    }

    /// A Matérn kernel, ν = p + 1/2.
    pub fn matern(p: usize, variance: f64, lengthscale: f64) -> Self {
        Self::term(Form::Matern(p), &[variance, lengthscale])
    }

    /// Parameters in order.
    pub fn parameters(&self) -> Vec<&Parameter> {
        match self {
            Self::Term(_, parameters) => parameters.iter().collect(),
            Self::Sum(parts) | Self::Product(parts) => parts.iter().flat_map(Self::parameters).collect(),
        }
    }

    /// Parameters in order, to change.
    pub fn parameters_mut(&mut self) -> Vec<&mut Parameter> {
        match self {
            Self::Term(_, parameters) => parameters.iter_mut().collect(),
            Self::Sum(parts) | Self::Product(parts) => parts.iter_mut().flat_map(Self::parameters_mut).collect(),
        }
    }

    /// The terms of the outermost sum: components of the function that can be shown one by one.
    pub fn components(&self) -> Vec<&Kernel> {
        match self {
            Self::Sum(parts) => parts.iter().collect(),
            one => vec![one],
        }
    }

    /// Covariance of `f` at two times, in closed form; for the squared exponential, of the process that stands for it.
    pub fn covariance(&self, t: f64, s: f64, origin: f64) -> f64 {
        let tau = (t - s).abs();
        match self {
            Self::Sum(parts) => parts.iter().map(|k| k.covariance(t, s, origin)).sum(),
            Self::Product(parts) => parts.iter().map(|k| k.covariance(t, s, origin)).product(),
            Self::Term(form, parameters) => {
                let value = |i: usize| parameters[i].value;
                let shape = match form {
                    Form::Matern(p) => matern(*p, tau / value(1)),
                    Form::SquaredExponential(order) => taylor_correlation(*order, tau / value(1)),
                    Form::Constant => 1.0,
                    Form::Linear => (t - origin) * (s - origin),
                    Form::Wiener => (t.min(s) - origin).max(0.0),
                    Form::IntegratedWiener => {
                        let (low, high) = ((t.min(s) - origin).max(0.0), (t.max(s) - origin).max(0.0));
                        low * low * (high / 2.0 - low / 6.0)
                    }
                    Form::Cosine => (std::f64::consts::TAU * tau / value(1)).cos(),
                    Form::Periodic(harmonics) => {
                        let weights = harmonic_weights(value(1), *harmonics);
                        let angle = std::f64::consts::TAU * tau / value(2);
                        weights.iter().enumerate().map(|(j, (w, _))| w * (j as f64 * angle).cos()).sum()
                    }
                };
                value(0) * shape
            }
        }
    }

    /// Checks a kernel that was read from a file; one that was parsed always passes.
    ///
    /// # Errors
    /// [`Error::ModelFile`] for a family that does not exist, and for parameters that are not the family's or not finite;
    /// otherwise as [`Kernel::blocks`].
    pub fn check(&self) -> Result<()> {
        let is_whole = match self {
            Self::Sum(parts) | Self::Product(parts) => {
                parts.iter().try_for_each(Self::check)?;
                !parts.is_empty()
            }
            Self::Term(form, parameters) => {
                let exists = match form {
                    Form::Matern(p) => *p <= MOST_ORDER,
                    Form::SquaredExponential(order) => TAYLOR_ORDERS.contains(order),
                    Form::Periodic(harmonics) => (1..=MOST_HARMONICS).contains(harmonics),
                    _ => true,
                };
                let is_own = |(p, name): (&Parameter, &&str)| p.name == **name && p.value.is_finite() && p.value >= 0.0;
                let names = form.parameters();
                exists && parameters.len() == names.len() && parameters.iter().zip(names).all(is_own)
            }
        };
        if is_whole {
            return self.check_numbers();
        }
        Err(Error::model_file("the model file holds a kernel that does not exist", "fit the model again"))
    }

    /// Refuses lengthscales and periods so small that their inverse is infinite, and what [`Kernel::blocks`] refuses.
    pub(crate) fn check_numbers(&self) -> Result<()> {
        let blocks = self.blocks()?;
        if blocks.iter().all(|b| b.scale.is_finite() && b.rates.iter().all(|rate| rate.is_finite())) {
            return Ok(());
        }
        Err(Error::Setting {
            setting: "kernel".into(),
            found: self.to_string(),
            expected: "lengthscales and periods whose inverse is a number; take another unit of time".into(),
        })
    }

    /// The blocks of the state.
    ///
    /// # Errors
    /// [`Error::Setting`] for a product with a kernel that is not stationary, and for a state of more than [`MOST_STATE`] numbers.
    pub fn blocks(&self) -> Result<Vec<Block>> {
        self.blocks_from(&mut 0)
    }

    fn blocks_from(&self, next: &mut usize) -> Result<Vec<Block>> {
        match self {
            Self::Term(form, parameters) => {
                let first = *next;
                *next += parameters.len();
                Ok(term_blocks(*form, parameters, first))
            }
            Self::Sum(parts) => {
                let mut out = vec![];
                for part in parts {
                    out.extend(part.blocks_from(next)?);
                    check_state(state(&out))?;
                }
                Ok(out)
            }
            Self::Product(parts) => {
                let mut out: Vec<Block> = vec![];
                for (i, part) in parts.iter().enumerate() {
                    let right = part.blocks_from(next)?;
                    out = if i == 0 { right } else { cross(&out, &right)? };
                }
                Ok(out)
            }
        }
    }
}

/// Numbers of the state of these blocks.
fn state(blocks: &[Block]) -> usize {
    blocks.iter().map(|b| b.factors.iter().map(|f| f.size()).product::<usize>()).sum()
}

fn check_state(size: usize) -> Result<()> {
    if size <= MOST_STATE {
        return Ok(());
    }
    Err(Error::Setting {
        setting: "kernel".into(),
        found: format!("a sum or product with a state of {size} numbers"),
        expected: format!("at most {MOST_STATE}; leave out terms or factors, or lower `harmonics`").into(),
    })
}

/// Kronecker products of every pair of blocks.
fn cross(left: &[Block], right: &[Block]) -> Result<Vec<Block>> {
    // Both are within the limit, so the product does not overflow.
    check_state(state(left) * state(right))?;
    let mut out = vec![];
    for a in left {
        for b in right {
            let mut block = a.clone();
            block.factors.extend(&b.factors);
            block.rates.extend(&b.rates);
            block.rate_parameters.extend(&b.rate_parameters);
            block.scale *= b.scale;
            block.scale_slopes.extend(&b.scale_slopes);
            // A constant changes nothing but the scale.
            if let Some(other) = block.factors.iter().position(|f| *f != Factor::Constant) {
                let keep: Vec<bool> =
                    block.factors.iter().enumerate().map(|(i, f)| *f != Factor::Constant || i == other).collect();
                let mut flags = keep.iter();
                block.factors.retain(|_| *flags.next().expect("one flag a factor"));
                let mut flags = keep.iter();
                block.rates.retain(|_| *flags.next().expect("one flag a factor"));
                let mut flags = keep.iter();
                block.rate_parameters.retain(|_| *flags.next().expect("one flag a factor"));
            } else {
                block.factors.truncate(1);
                block.rates.truncate(1);
                block.rate_parameters.truncate(1);
            }
            if block.factors.len() > 1 && block.factors.iter().any(|f| !f.is_stationary()) {
                return Err(Error::Setting {
                    setting: "kernel".into(),
                    found: "a product with `linear`, `wiener` or `integrated_wiener`".into(),
                    expected: "a product of stationary kernels; write a sum for a trend".into(),
                });
            }
            out.push(block);
        }
    }
    Ok(out)
}

fn term_blocks(form: Form, parameters: &[Parameter], first: usize) -> Vec<Block> {
    let value = |i: usize| parameters[i].value;
    let block = |factor: Factor, rate: f64, rate_parameter: Option<usize>| Block {
        factors: vec![factor],
        rates: vec![rate],
        rate_parameters: vec![rate_parameter],
        scale: value(0).sqrt(),
        scale_slopes: vec![(first, 0.5)],
    };
    match form {
        Form::Matern(p) => {
            vec![block(Factor::Matern(p), (2.0 * p as f64 + 1.0).sqrt() / value(1), Some(first + 1))]
        }
        Form::SquaredExponential(order) => vec![block(Factor::Taylor(order), 1.0 / value(1), Some(first + 1))],
        Form::Constant => vec![block(Factor::Constant, 1.0, None)],
        Form::Linear => vec![block(Factor::Linear, 1.0, None)],
        Form::Wiener => vec![block(Factor::Wiener, 1.0, None)],
        Form::IntegratedWiener => vec![block(Factor::IntegratedWiener, 1.0, None)],
        Form::Cosine => vec![block(Factor::Rotation, std::f64::consts::TAU / value(1), Some(first + 1))],
        Form::Periodic(harmonics) => {
            let weights = harmonic_weights(value(1), harmonics);
            let one = |(j, (weight, slope)): (usize, &(f64, f64))| {
                let rate = std::f64::consts::TAU * j as f64 / value(2);
                let mut block = if j == 0 {
                    block(Factor::Constant, 1.0, None)
                } else {
                    block(Factor::Rotation, rate, Some(first + 2))
                };
                block.scale *= weight.sqrt();
                block.scale_slopes.push((first + 1, 0.5 * slope));
                block
            };
            // A weight of zero has no logarithm, and no part in the function.
            weights.iter().enumerate().filter(|(_, (weight, _))| *weight > 0.0).map(one).collect()
        }
    }
}

/// The Matérn correlation at a scaled distance.
fn matern(p: usize, scaled: f64) -> f64 {
    let x = (2.0 * p as f64 + 1.0).sqrt() * scaled;
    let mut coefficient = 1.0;
    // Σ_i (p! / (2p)!) (p+i)! / (i! (p-i)!) (2x)^{p-i}, from the highest i down.
    let mut sum = 0.0;
    for i in (0..=p).rev() {
        if i < p {
            let i = i as f64;
            // Ratio of the coefficient at i to that at i + 1.
            coefficient *= (i + 1.0) / ((p as f64 + i + 1.0) * (p as f64 - i));
        }
        sum += coefficient * (2.0 * x).powi((p - i) as i32);
    }
    (-x).exp() * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_of_damaged_files_are_refused() {
        "matern32 * periodic(period=2) + linear".parse::<Kernel>().unwrap().check().unwrap();
        let bad = [
            Kernel::Sum(vec![]),
            Kernel::Product(vec![Kernel::Sum(vec![])]),
            Kernel::Term(Form::Linear, vec![]),
            Kernel::term(Form::Matern(MOST_ORDER + 1), &[1.0, 1.0]),
            Kernel::term(Form::Periodic(0), &[1.0, 1.0, 1.0]),
            Kernel::term(Form::SquaredExponential(9), &[1.0, 1.0]),
            Kernel::matern(1, 1.0, f64::NAN),
        ];
        for kernel in bad {
            assert!(kernel.check().is_err(), "{kernel:?}");
        }
    }

    #[test]
    fn states_that_would_fill_the_memory_and_rates_that_overflow_are_refused() {
        let message = |text: &str| text.parse::<Kernel>().unwrap_err().to_string();
        let long = ["periodic(period=2, harmonics=64)"; 8].join(" * ");
        assert!(message(&long).contains("at most 1024"), "{}", message(&long));
        assert!(message(&["matern132"; 200].join(" + ")).contains("at most 1024"));
        assert!(message("matern32 * cosine(period=1e-310)").contains("another unit"));
        assert!(message(&"(".repeat(100_000)).contains("brackets"));
        assert!("matern132 * periodic(period=2, harmonics=64)".parse::<Kernel>().is_ok());
        assert!(Kernel::term(Form::Cosine, &[1.0, 0.0]).check().is_err());
    }

    #[test]
    fn matern_correlations_have_their_closed_forms() {
        for r in [0.0, 0.3, 2.0] {
            let (a, b, c) = (r, 3f64.sqrt() * r, 5f64.sqrt() * r);
            assert!((matern(0, r) - (-a).exp()).abs() < 1e-15);
            assert!((matern(1, r) - (1.0 + b) * (-b).exp()).abs() < 1e-15);
            assert!((matern(2, r) - (1.0 + c + c * c / 3.0) * (-c).exp()).abs() < 1e-15);
        }
    }
}
