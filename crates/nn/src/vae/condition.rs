//! Conditions: numbers of a data point that are given and not modelled, which the encoder, the decoder or both see: q(z | x, c) and p(x | z, c).
//!
//! Conditions stand behind the elements of a data point, in the same row: `[x, c]`. [`rows`] puts them there, and [`one_hot`] makes them of classes.

use super::config::VaeConfig;
use super::{ROWS_AT_ONCE, Vae};
use crate::layer::MOST_WIDTH;
use crate::network::EncoderConfig;
use elbo_core::{Error, Result, Rng, ensure, ensure_within};
use elbo_tensor::{Tensor, no_grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is given of each data point, and who sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConditionConfig {
    /// Numbers of a condition: one for each class where it is a class, C.
    pub numbers: usize,
    /// Whether the encoder sees it. Linear layers see its numbers behind the elements, convolutions as channels that are the same everywhere.
    #[serde(default = "yes")]
    pub encoder: bool,
    /// Whether the decoder sees it, behind the code.
    #[serde(default = "yes")]
    pub decoder: bool,
}

fn yes() -> bool {
    true
}

impl ConditionConfig {
    /// So many numbers, which encoder and decoder see.
    pub fn new(numbers: usize) -> Self {
        Self { numbers, encoder: true, decoder: true }
    }

    /// Checks ranges, and that the encoder can see it.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub(super) fn check(&self, encoder: &EncoderConfig) -> Result<()> {
        ensure_within("condition.numbers", self.numbers, 1..=MOST_WIDTH)?;
        ensure("condition", "seen by none", self.encoder || self.decoder, "seen by the encoder, the decoder or both")?;
        let is_sequence = matches!(encoder, EncoderConfig::Gru(_)) || encoder.levels() > 0;
        let expected = "false for recurrent networks and layers that look up levels";
        ensure("condition.encoder", "true for a sequence", !(self.encoder && is_sequence), expected)?;
        let is_function = matches!(encoder, EncoderConfig::Operator(_));
        let expected = "false; a network of functions integrates over places, which a condition has none of";
        ensure("condition.encoder", "true for functions", !(self.encoder && is_function), expected)
    }
}

/// Rows of data points with their conditions behind them. `values: [N, D]`, `conditions: [N, C]`; returns `[N, D + C]`.
///
/// # Errors
/// [`Error::Data`] for numbers that make no such rows, for another number of conditions than of data points, and for conditions that are not finite.
pub fn rows(values: &[f32], size: usize, conditions: &[f32], numbers: usize) -> Result<Vec<f32>> {
    let fits = size > 0 && numbers > 0 && values.len().is_multiple_of(size) && conditions.len().is_multiple_of(numbers);
    if !fits || values.len() / size != conditions.len() / numbers {
        let (values, conditions) = (values.len(), conditions.len());
        return Err(Error::data(
            format!(
                "{values} values in rows of {size} and {conditions} numbers of conditions in rows of {numbers} are not of as many data points"
            ),
            "give one condition for each data point",
        ));
    }
    check_finite(conditions)?;
    let pairs = values.chunks_exact(size).zip(conditions.chunks_exact(numbers));
    Ok(pairs.flat_map(|(x, c)| x.iter().chain(c)).copied().collect())
}

/// Classes as conditions: a one in the place of each class, counted from 0, `[N, classes]`.
///
/// # Errors
/// [`Error::Data`] for a class beyond the last.
pub fn one_hot(labels: &[usize], classes: usize) -> Result<Vec<f32>> {
    if let Some(label) = labels.iter().find(|label| **label >= classes) {
        return Err(Error::data(
            format!("a data point is of class {label}, counted from 0, and there are {classes}"),
            "give as many classes as there are",
        ));
    }
    Ok(labels.iter().flat_map(|label| (0..classes).map(move |k| f32::from(u8::from(k == *label)))).collect())
}

fn check_finite(conditions: &[f32]) -> Result<()> {
    match conditions.iter().find(|v| !v.is_finite()) {
        None => Ok(()),
        Some(v) => Err(Error::data(format!("a condition is {v}"), "give finite numbers; conditions cannot be missing")),
    }
}

impl VaeConfig {
    /// The condition's numbers that the encoder sees.
    fn condition_of_encoder(&self) -> usize {
        self.condition.filter(|c| c.encoder).map_or(0, |c| c.numbers)
    }

    /// The condition's numbers that the decoder sees behind the code.
    pub(super) fn condition_of_decoder(&self) -> usize {
        self.condition.filter(|c| c.decoder).map_or(0, |c| c.numbers)
    }

    /// The shape that the encoder sees of data points of this shape, and how often it sees each number of the condition.
    ///
    /// # Errors
    /// [`Error::Setting`] for sequences of vectors, in which a condition would be a step in time.
    pub(super) fn seen(&self, shape: &[usize]) -> Result<(Vec<usize>, usize)> {
        let (mut seen, given) = (shape.to_vec(), self.condition_of_encoder());
        if given > 0 && matches!(self.encoder, EncoderConfig::Mlp(_) | EncoderConfig::Table { .. }) {
            seen = vec![seen.iter().product()];
        }
        let found = format!("true for data points of shape {shape:?}");
        let expected = "false, an encoder of linear layers, or data points that are rows or pictures [C, H, W]";
        ensure("condition.encoder", found, given == 0 || seen.len() != 2, expected)?;
        if self.nan_is_missing {
            // Which elements are there stands after the elements, as more numbers or more channels.
            seen[0] *= 2;
        }
        seen[0] += given;
        let places = seen[1..].iter().product();
        Ok((seen, places))
    }
}

impl Vae {
    /// Numbers of a row: the elements of a data point, then its condition, where the model has one.
    pub fn width(&self) -> usize {
        self.size + self.config.condition.map_or(0, |c| c.numbers)
    }

    /// The elements of rows, `[..., width]` to `[..., D]`.
    pub(super) fn elements(&self, x: &Tensor) -> Tensor {
        if self.config.condition.is_none() { x.clone() } else { x.narrow(-1, 0, self.size) }
    }

    /// The conditions of rows, `[..., width]` to `[..., C]`; `None` for a model without.
    pub(super) fn conditions(&self, x: &Tensor) -> Option<Tensor> {
        self.config.condition.map(|c| x.narrow(-1, self.size, c.numbers))
    }

    /// Elements as the encoder takes them with the conditions of the rows `x: [B, width]` behind them.
    pub(super) fn with_condition(&self, seen: Tensor, x: &Tensor) -> Tensor {
        let Some(given) = self.conditions(x).filter(|_| self.config.condition_of_encoder() > 0) else { return seen };
        let (rows, numbers) = (given.size(0), given.size(1));
        let everywhere = given.unsqueeze(-1).broadcast_to(&[rows, numbers, self.places]);
        Tensor::cat(&[seen, everywhere.reshape(&[rows, numbers * self.places])], -1)
    }

    /// Codes as the decoder takes them, with the conditions of the rows behind them. `z: [..., B, L]`, `x: [B, width]`.
    pub(super) fn given(&self, z: &Tensor, x: &Tensor) -> Tensor {
        self.given_conditions(z, self.conditions(x).as_ref())
    }

    /// The same with conditions `[B, C]`.
    fn given_conditions(&self, z: &Tensor, conditions: Option<&Tensor>) -> Tensor {
        if self.config.condition_of_decoder() == 0 {
            return z.clone();
        }
        let conditions = conditions.expect("a model with conditions is given them");
        let lead = &z.shape()[..z.rank() - 1];
        let each = conditions.broadcast_to(&[lead, &[conditions.size(-1)]].concat());
        Tensor::cat(&[z.clone(), each], -1)
    }

    /// What was made for rows `x: [B, width]`, as rows: with their conditions behind it. `made: [N, D]`, with a whole number of things made for each row, one
    /// for all rows after the other.
    pub(super) fn as_rows(&self, made: Tensor, x: &Tensor) -> Tensor {
        let Some(given) = self.conditions(x) else { return made };
        let copies = made.size(0) / given.size(0);
        Tensor::cat(&[made, Tensor::cat(&vec![given; copies], 0)], -1)
    }

    /// What the decoder makes of codes under these conditions. `z: [N, L]`, `conditions: [N, C]`; returns `[N, D]`: means, or draws of the likelihood where
    /// `is_noisy`.
    ///
    /// # Errors
    /// [`Error::Setting`] for a model without a conditional decoder; [`Error::Data`] for conditions of another shape, or not finite.
    pub fn generate_given(&self, z: &Tensor, conditions: &Tensor, is_noisy: bool, rng: &mut Rng) -> Result<Tensor> {
        let numbers = self.config.condition_of_decoder();
        ensure("condition", "not seen by the decoder", numbers > 0, "a condition that the decoder sees")?;
        let expected = [z.size(0), numbers];
        if conditions.shape() != expected {
            return Err(Error::data(
                format!("the conditions have shape {:?}, not {expected:?}", conditions.shape()),
                "give one condition for each code",
            ));
        }
        check_finite(&conditions.detach().to_f32().as_slice::<f32>())?;
        Ok(self.generate_by_blocks(z, Some(&conditions.cast(self.dtype())), is_noisy, rng))
    }

    /// [`Vae::generate`], with conditions where there are some.
    pub(super) fn generate_by_blocks(
        &self,
        z: &Tensor,
        conditions: Option<&Tensor>,
        is_noisy: bool,
        rng: &mut Rng,
    ) -> Tensor {
        no_grad(|| {
            let blocks: Vec<Tensor> = (0..z.size(0))
                .step_by(ROWS_AT_ONCE)
                .map(|start| {
                    let count = ROWS_AT_ONCE.min(z.size(0) - start);
                    let given = conditions.map(|c| c.narrow(0, start, count));
                    let codes = self.kept(&z.narrow(0, start, count));
                    self.generate_block(&self.given_conditions(&codes, given.as_ref()), is_noisy, rng)
                })
                .collect();
            Tensor::cat(&blocks, 0)
        })
    }

    /// Refuses rows that are no data points of the model. `x: [B, width]`.
    pub(super) fn check_rows(&self, x: &Tensor) -> Result<()> {
        let width = self.width();
        if x.rank() == 2 && x.size(1) == width && x.size(0) > 0 {
            return if self.has_table() { self.check_known(&x.detach().to_f32().as_slice::<f32>()) } else { Ok(()) };
        }
        Err(Error::data(
            format!("the data points have shape {:?}, not [B, {width}]", x.shape()),
            "give rows of the elements, then the numbers of the condition where the model has one",
        ))
    }

    /// Refuses training on values that are no rows of the model, or whose conditions would be changed. `values: [N, width]`.
    pub(super) fn check_conditions(&self, values: &[f32], width: usize, changes_values: bool) -> Result<()> {
        if self.config.condition.is_none() {
            return Ok(());
        }
        if width != self.width() {
            return Err(Error::data(
                format!("the rows have {width} numbers, and the model takes {} with the condition", self.width()),
                "give rows of the elements, then the condition's numbers",
            ));
        }
        let found = "not none with a condition";
        ensure("binarise", found, !changes_values, "none; binarise the elements before conditions stand behind them")?;
        values.chunks_exact(width).try_for_each(|row| check_finite(&row[self.size..]))?;
        self.check_known(values)
    }
}
