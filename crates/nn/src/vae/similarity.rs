//! A loss of pictures: structural similarity mixed with the absolute error.

use elbo_core::{Result, ensure};
use elbo_picture::{ms_ssim_gradient, scales_held, ssim_gradient};
use elbo_tensor::Tensor;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The scales that pictures are compared at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scales {
    /// One.
    Single,
    /// As many of five as the smaller side holds: two of 28 pixels, five from 161 on, none below 11. A channel in which a scale has a negative
    /// correlation has no similarity, and only the absolute error moves it.
    #[default]
    Several,
}

impl Scales {
    /// Width and height of the pictures that data points of this shape are.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for data points that are no pictures of the given size, and for pictures that hold no scale.
    pub(super) fn picture(self, given: Option<[usize; 2]>, shape: &[usize]) -> Result<[usize; 2]> {
        let of_shape = if let [_, height, width] = *shape { Some([width, height]) } else { None };
        let [width, height] = given.or(of_shape).unwrap_or_default();
        let size: usize = shape.iter().product();
        let fits = width.checked_mul(height).is_some_and(|area| area > 0 && size.is_multiple_of(area));
        let found = format!("{width} x {height} for data points of shape {shape:?}");
        let expected = "the width and height of pictures, channel after channel; data points [C, H, W] need none";
        ensure("likelihood.picture", found, fits, expected)?;
        let found = format!("several for pictures of {width} x {height} pixels");
        let holds = self == Self::Single || scales_held(width.min(height)) > 0;
        ensure("likelihood.scales", found, holds, "single for pictures with a side below 11 pixels")?;
        Ok([width, height])
    }
}

/// The loss of pictures with `D` elements,
///
/// $$ w D \Big(\alpha (1 - \mathrm{SSIM}(x, m)) + (1 - \alpha) \frac{1}{D} \sum_d |x_d - m_d|\Big) $$
///
/// for means `m` on [0, 1] from the decoder's logits.
///
/// # Source
/// Zhao, Gallo, Frosio and Kautz (2017), whose share of the similarity is 0.84. Deviation: the absolute error has no window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Similarity {
    pub(super) weight: f64,
    pub(super) share: f64,
    pub(super) scales: Scales,
    pub(super) picture: [usize; 2],
}

impl Similarity {
    /// Minus the loss of each data point, nats. `logits: [..., D]`, `x` the same or without the axes of draws; returns `[...]`.
    pub(super) fn log_worth(&self, logits: &Tensor, x: &Tensor) -> Tensor {
        let means = logits.sigmoid();
        let x = x.broadcast_to(means.shape());
        let total = self.weight * means.size(-1) as f64;
        let error = (&means - &x).abs().mean_axis(-1, false);
        (self.of(&means, &x) - 1.0) * (total * self.share) - error * (total * (1.0 - self.share))
    }

    /// Similarities of pictures `[..., D]`, `[...]`, differentiable in the first.
    fn of(&self, means: &Tensor, x: &Tensor) -> Tensor {
        let shape = means.shape().to_vec();
        let each = means.size(-1);
        let (ours, truth) = (means.to_vec(), x.to_vec());
        let parts: Vec<(f64, Vec<f64>)> =
            ours.par_chunks(each).zip(truth.par_chunks(each)).map(|(a, b)| self.compared(a, b)).collect();
        let values = parts.iter().map(|(value, _)| *value).collect();
        let value = Tensor::from_vec(values, &shape[..shape.len() - 1]).cast(means.dtype());
        let slopes = parts.into_iter().flat_map(|(_, slope)| slope).collect();
        let slopes = Tensor::from_vec(slopes, &shape).cast(means.dtype());
        Tensor::custom("similarity", vec![means.clone()], value, move |g, _| vec![Some(g.unsqueeze(-1) * &slopes)])
    }

    /// The similarity of two pictures, and its derivative in the first.
    fn compared(&self, a: &[f64], b: &[f64]) -> (f64, Vec<f64>) {
        match self.scales {
            Scales::Single => ssim_gradient(a, b, self.picture),
            Scales::Several => ms_ssim_gradient(a, b, self.picture).expect("fitted pictures hold the window"),
        }
    }
}
