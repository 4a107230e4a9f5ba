//! Smaller and larger images without weights.

use super::{Built, Layer, Pass, refuse};
use elbo_core::{Result, ensure_within};
use elbo_tensor::{Tensor, Window};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is taken from a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PoolKind {
    /// The largest pixel.
    #[default]
    Max,
    /// The mean.
    Mean,
}

/// Settings of [`Pool`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PoolConfig {
    /// What is taken from a window.
    pub kind: PoolKind,
    /// Side of the windows, which stand side by side; pixels that fill none are left out.
    pub size: usize,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self { kind: PoolKind::Max, size: 2 }
    }
}

/// One pixel for each window of an image `[C, H, W]`.
pub struct Pool {
    kind: PoolKind,
    window: Window,
}

elbo_tensor::parameters!(Pool {});

impl PoolConfig {
    /// The layer for images of this shape.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] when the data points are not images or are smaller than a window.
    pub fn build(&self, shape: &[usize]) -> Result<Built> {
        ensure_within("size", self.size, 1..)?;
        match *shape {
            [c, h, w] if h >= self.size && w >= self.size => {
                let layer = Pool { kind: self.kind, window: Window::square(self.size) };
                Built::new(layer, &[c, h / self.size, w / self.size])
            }
            _ => refuse("pool", shape, format!("images [C, H, W] of at least {0} x {0}", self.size)),
        }
    }
}

impl Layer for Pool {
    fn forward(&self, x: &Tensor, _: &mut Pass<'_>) -> Tensor {
        match self.kind {
            PoolKind::Max => x.max_pool2d(&self.window),
            PoolKind::Mean => x.avg_pool2d(&self.window),
        }
    }
}

/// Settings of [`Upsample`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UpsampleConfig {
    /// How many times larger.
    pub factor: usize,
    /// Whether pixels are interpolated; otherwise they are repeated.
    pub is_smooth: bool,
}

impl Default for UpsampleConfig {
    fn default() -> Self {
        Self { factor: 2, is_smooth: false }
    }
}

/// Larger images.
pub struct Upsample {
    size: [usize; 2],
    is_smooth: bool,
}

elbo_tensor::parameters!(Upsample {});

impl UpsampleConfig {
    /// The layer for images of this shape.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] when the data points are not images.
    pub fn build(&self, shape: &[usize]) -> Result<Built> {
        ensure_within("factor", self.factor, 1..)?;
        let &[c, h, w] = shape else { return refuse("upsample", shape, "images [C, H, W]") };
        let size = [h * self.factor, w * self.factor];
        Built::new(Upsample { size, is_smooth: self.is_smooth }, &[c, size[0], size[1]])
    }
}

impl Layer for Upsample {
    fn forward(&self, x: &Tensor, _: &mut Pass<'_>) -> Tensor {
        if self.is_smooth { x.resize_bilinear(self.size) } else { x.resize_nearest(self.size) }
    }
}
