//! Divisive normalisation: each channel divided by how large all channels are at its place.

use super::{Build, Built, Layer, Pass, check_weight, refuse};
use crate::bound::lower_bound;
use elbo_core::{Result, ensure_within};
use elbo_tensor::{Convolution, Parameter, Tensor};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is taken from the square of a stored number, 2^-36: a weight of zero is stored as 2^-18, where the square still has a slope.
const PEDESTAL: f64 = 1.0 / (1u64 << 36) as f64;
/// The least constant under the root.
const LEAST_CONSTANT: f64 = 1e-6;
/// Where the constants start.
const CONSTANT: f64 = 1.0;

/// Settings of [`Gdn`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GdnConfig {
    /// Whether it multiplies by the root instead, as decoders do.
    pub is_inverse: bool,
    /// Where the weight of a channel's own square starts; those of other channels start at zero.
    pub weight: f64,
}

impl Default for GdnConfig {
    fn default() -> Self {
        Self { is_inverse: false, weight: 0.1 }
    }
}

/// Generalised divisive normalisation of data points `[C, ...]`, each place on its own:
///
/// $$ y_i = x_i \Big/ \sqrt{\beta_i + \textstyle\sum_j \gamma_{ij} x_j^2} $$
///
/// or, as its approximate inverse, $x_i$ times that root. It takes the common size out of the coefficients of natural pictures, so that
/// they depend less on each other.
///
/// $\beta \geq 10^{-6}$ and $\gamma \geq 0$ are stored as $v$ with $v^2 - 2^{-36}$; below the bound a gradient passes where it raises $v$. Names and layout
/// are those of the library CompressAI. Differentiable once.
///
/// # Source
/// Ballé, Laparra and Simoncelli (2016).
#[derive(Debug, Clone)]
pub struct Gdn {
    /// `[C]`, as stored.
    pub beta: Parameter,
    /// `[C, C]`, as stored: row `i` divides channel `i`.
    pub gamma: Parameter,
    is_inverse: bool,
}

elbo_tensor::parameters!(Gdn { "beta": beta, "gamma": gamma });

impl GdnConfig {
    /// The layer for data points `[C, ...]`.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for data points without axes, a weight that does not fit into memory, or a starting weight outside
    /// [0, 1000].
    pub fn build(&self, shape: &[usize], build: &mut Build<'_>) -> Result<Built> {
        let Some(&channels) = shape.first() else { return refuse("gdn", shape, "at least one axis") };
        check_weight("gdn", &[channels, channels])?;
        ensure_within("weight", self.weight, 0.0..=1e3)?;
        Built::new(Gdn::new(channels, self, build), shape)
    }
}

impl Gdn {
    /// For this many channels.
    pub fn new(channels: usize, config: &GdnConfig, build: &Build<'_>) -> Self {
        let own = |i: usize| if i.is_multiple_of(channels + 1) { config.weight } else { 0.0 };
        let gamma = (0..channels * channels).map(|i| stored(own(i))).collect();
        Self {
            beta: build.full(channels, stored(CONSTANT)),
            gamma: Parameter::real(&Tensor::from_vec(gamma, &[channels, channels]).cast(build.dtype)),
            is_inverse: config.is_inverse,
        }
    }

    /// The root, for `x: [B, C, ...]`.
    fn root(&self, x: &Tensor) -> Tensor {
        let shape = x.shape();
        let (batch, channels, places) = (shape[0], shape[1], shape[2..].iter().product::<usize>());
        let (beta, gamma) = (natural(&self.beta, LEAST_CONSTANT), natural(&self.gamma, 0.0));
        let squares = x.square().reshape(&[batch, channels, 1, places]);
        let sums = squares.conv2d(&gamma.reshape(&[channels, channels, 1, 1]), Some(&beta), &Convolution::default());
        sums.sqrt().reshape(shape)
    }
}

impl Layer for Gdn {
    fn forward(&self, x: &Tensor, _: &mut Pass<'_>) -> Tensor {
        let root = self.root(x);
        if self.is_inverse { x * root } else { x / root }
    }
}

fn stored(value: f64) -> f64 {
    (value + PEDESTAL).sqrt()
}

/// What a stored number stands for, at least `least`.
fn natural(parameter: &Parameter, least: f64) -> Tensor {
    let v = parameter.get();
    let bound = Tensor::full(&vec![1; v.rank()], stored(least), v.dtype());
    lower_bound(&v, &bound, false).square() - PEDESTAL
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_core::Rng;
    use elbo_tensor::{DType, Parameters};

    fn layer(channels: usize, is_inverse: bool) -> Gdn {
        let config = GdnConfig { is_inverse, ..GdnConfig::default() };
        let mut rng = Rng::new(0);
        let build = Build { dtype: DType::F64, ..Build::new(&mut rng) };
        Gdn::new(channels, &config, &build)
    }

    fn forward(layer: &Gdn, x: &Tensor) -> Vec<f64> {
        Layer::forward(layer, x, &mut Pass::evaluation()).to_vec()
    }

    #[test]
    fn it_starts_with_each_channel_divided_by_its_own_size() {
        let x = Tensor::from_vec(vec![0.0, 1.0, -2.0, 3.0, 10.0, -0.5], &[1, 3, 2]);
        for (is_inverse, power) in [(false, -0.5), (true, 0.5)] {
            let found = forward(&layer(3, is_inverse), &x);
            for (y, x) in found.iter().zip(x.to_vec()) {
                assert!((y - x * (1.0 + 0.1 * x * x).powf(power)).abs() < 1e-12, "{y} {x}");
            }
        }
    }

    #[test]
    fn numbers_below_their_bounds_count_as_the_bounds() {
        let mut layer = layer(2, false);
        layer.beta.set_free(&[-3.0, 0.0]);
        layer.gamma.set_free(&[-1.0, 0.0, -0.2, 0.5]);
        let x = Tensor::from_vec(vec![2.0, 4.0], &[1, 2]);
        // Only the second channel's weight of itself is left, and two constants of a millionth.
        let found = forward(&layer, &x);
        assert!((found[0] - 2.0 / 1e-6f64.sqrt()).abs() < 1e-6, "{found:?}");
        assert!((found[1] - 4.0 / (1e-6 + 0.25 * 16.0f64).sqrt()).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn in_single_precision_a_weight_of_zero_is_exactly_none_and_can_still_grow() {
        let mut rng = Rng::new(1);
        let layer = Gdn::new(4, &GdnConfig { weight: 0.0, ..GdnConfig::default() }, &Build::new(&mut rng));
        let x = Tensor::from_f32(vec![1e3, -2e3, 5.0, 0.25], &[1, 4]);
        assert_eq!(Layer::forward(&layer, &x, &mut Pass::evaluation()).to_vec(), x.to_vec());
        let slopes = layer.gradient(&Layer::forward(&layer, &x, &mut Pass::evaluation()).sum());
        assert!(slopes.len() == 20 && slopes.iter().all(|s| *s != 0.0), "{slopes:?}");
    }
}
