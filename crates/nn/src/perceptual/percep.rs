//! `percep`: the answers of a small network that was trained to tell bodies and patterns of made-up scenes apart.

use super::{check_pictures, unit};
use crate::layer::{Build, Conv2dConfig, LayerConfig, Pass, Sequential};
use crate::weights::from_safetensors;
use elbo_core::{Result, Rng};
use elbo_tensor::{DType, Tensor, Window};
use std::sync::LazyLock;

/// What `elbo-dev percep` wrote.
const SHIPPED: &[u8] = include_bytes!("percep.safetensors");

/// Channels of the convolutions, one a scale.
const WIDTHS: [usize; 3] = [16, 32, 64];

/// Pixels a side that leave one at the coarsest scale.
const LEAST: usize = 1 << (WIDTHS.len() - 1);

/// How far apart two pictures are in the answers of a small network, which is not LPIPS and whose values are not those of LPIPS.
///
/// $$ d(x, y) = \frac{1}{3} \sum_{s=1}^{3} \frac{1}{H_s W_s} \sum_{hw} \big(1 - \cos(a^s_{hw}(x), a^s_{hw}(y))\big) $$
///
/// with $a^s_{hw}$ the rectified answers of the $s$-th convolution at a pixel, 16, 32 and 64 channels of filters of 3 x 3 on pictures of
/// the whole, half and a quarter of the size. Where a pixel has no answer at all in one of the pictures the cosine distance counts
/// as one half, where in both as zero.
pub struct Percep {
    features: Sequential,
}

elbo_tensor::parameters!(Percep { "features": features });

impl Percep {
    /// The network before its training, which is what a trainer starts from.
    pub fn new(rng: &mut Rng) -> Self {
        let layers = WIDTHS.map(|out| LayerConfig::Conv2d(Conv2dConfig { out, ..Conv2dConfig::default() }));
        let (features, _) = Sequential::build(&layers, &[3, LEAST, LEAST], &mut Build::new(rng))
            .expect("filters with a pixel of zeros around fit every picture");
        Self { features }
    }

    /// The network with the weights of a safetensors file: `features.0.weight`, `features.0.bias` and so on to `features.2.bias`.
    ///
    /// # Errors
    /// [`elbo_core::Error::ModelFile`] for a file that is damaged, lacks an array or has one too many, and for arrays of another shape or
    /// with numbers that are not finite.
    pub fn from_weights(bytes: &[u8]) -> Result<Self> {
        let mut percep = Self::new(&mut Rng::new(0));
        from_safetensors(&mut percep, bytes)?;
        Ok(percep)
    }

    /// The network with the weights that travel with the library: trained by `cargo run --release -p elbo-dev -- percep` to tell six
    /// kinds of bodies times four kinds of patterns apart.
    ///
    /// # Panics
    /// When those weights are not of this network, which a test excludes.
    pub fn shipped() -> &'static Self {
        static NETWORK: LazyLock<Percep> =
            LazyLock::new(|| Percep::from_weights(SHIPPED).expect("the shipped weights are of this network"));
        &NETWORK
    }

    /// Fewest pixels a side that it compares.
    pub fn least(&self) -> usize {
        LEAST
    }

    /// The rectified answers at the three scales, finest first; differentiable in the pictures and the weights.
    ///
    /// # Shapes
    /// `x: [B, 3, H, W]` on `[0, 1]`, at least 4 pixels a side; returns `[B, 16, H, W]`, `[B, 32, H / 2, W / 2]` and `[B, 64, H / 4, W / 4]`, sides
    /// rounded down.
    ///
    /// # Panics
    /// For other shapes.
    pub fn answers(&self, x: &Tensor) -> Vec<Tensor> {
        let mut x = x.cast(DType::F32) * 2.0 - 1.0;
        let mut found: Vec<Tensor> = vec![];
        for layer in &self.features.layers {
            if let Some(finer) = found.last() {
                x = finer.avg_pool2d(&Window::square(2));
            }
            found.push(layer.forward(&x, &mut Pass::evaluation()).relu());
        }
        found
    }

    /// The distances of pictures, one each; differentiable in both.
    ///
    /// # Shapes
    /// `x`, `y: [B, 3, H, W]` on `[0, 1]`; returns `[B]`, from zero for equal pictures to one, without a unit.
    ///
    /// # Errors
    /// [`elbo_core::Error::Data`] for other shapes, and for pictures of fewer than 4 pixels a side.
    pub fn distance(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        check_pictures(x, y, "percep", LEAST)?;
        // Of vectors of length one: half the squared distance is one minus the cosine.
        let one = |(a, b): (&Tensor, &Tensor)| {
            (unit(a) - unit(b)).square().sum_axis(1, false).mean_axes(&[1, 2], false) * (0.5 / WIDTHS.len() as f64)
        };
        let (a, b) = (self.answers(x), self.answers(y));
        Ok(a.iter().zip(&b).map(one).reduce(|sum, term| sum + term).expect("there are three scales"))
    }
}
