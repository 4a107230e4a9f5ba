//! What draws the pictures of a fit and takes their derivatives: the CPU, or a GPU where the crate is built for one.

use super::Settings;
use crate::camera::Camera;
use crate::gaussians::Gaussians;
use crate::project::Options;
use crate::render::{Gradients, Pixels, Rendering, render};
use elbo_core::{Result, Run};

/// The device of a fit.
pub(super) enum Drawer {
    Cpu,
    #[cfg(feature = "cuda")]
    Cuda(Box<std::cell::RefCell<crate::cuda::Rasteriser>>),
}

/// A picture of either.
pub(super) enum Drawn {
    Cpu(Rendering<f32>),
    #[cfg(feature = "cuda")]
    Cuda(crate::cuda::Rendering),
}

impl Drawer {
    /// The device that the settings name.
    #[cfg(feature = "cuda")]
    pub(super) fn of(settings: &Settings, run: &mut Run) -> Result<Self> {
        if settings.device == super::Device::Cpu {
            return Ok(Self::Cpu);
        }
        let rasteriser = crate::cuda::Rasteriser::new(0)?;
        run.note(format!("pictures are drawn by the GPU {}", rasteriser.name()));
        Ok(Self::Cuda(Box::new(std::cell::RefCell::new(rasteriser))))
    }

    /// The CPU; there is nothing else.
    #[cfg(not(feature = "cuda"))]
    #[allow(clippy::unnecessary_wraps, reason = "its twin with the feature can fail")]
    pub(super) fn of(_: &Settings, _: &mut Run) -> Result<Self> {
        Ok(Self::Cpu)
    }

    /// As [`render`].
    pub(super) fn render(&self, g: &Gaussians<f32>, camera: &Camera<f32>, options: &Options<f32>) -> Result<Drawn> {
        match self {
            Self::Cpu => Ok(Drawn::Cpu(render(g, camera, options)?)),
            #[cfg(feature = "cuda")]
            Self::Cuda(rasteriser) => Ok(Drawn::Cuda(rasteriser.borrow_mut().render(g, camera, options)?)),
        }
    }

    /// As [`Rendering::backward`]; a GPU sums in order, so that the same seed gives the same bits.
    pub(super) fn backward(
        &self,
        made: &Drawn,
        g: &Gaussians<f32>,
        camera: &Camera<f32>,
        options: &Options<f32>,
        pixels: Pixels<'_, f32>,
    ) -> Result<Gradients<f32>> {
        match (self, made) {
            (_, Drawn::Cpu(made)) => Ok(made.backward(g, camera, options, pixels)),
            #[cfg(feature = "cuda")]
            (Self::Cuda(rasteriser), Drawn::Cuda(made)) => {
                rasteriser.borrow_mut().backward(made, pixels, crate::cuda::Sums::Ordered)
            }
            #[cfg(feature = "cuda")]
            (Self::Cpu, Drawn::Cuda(_)) => unreachable!("the CPU draws its own pictures"),
        }
    }
}

impl Drawn {
    /// Colours, `[3, H, W]`.
    pub(super) fn colour(&self) -> &[f32] {
        match self {
            Self::Cpu(made) => &made.colour,
            #[cfg(feature = "cuda")]
            Self::Cuda(made) => &made.colour,
        }
    }

    /// Whether Gaussian `i` has an extent in the picture.
    pub(super) fn is_visible(&self, i: usize) -> bool {
        match self {
            Self::Cpu(made) => made.is_visible(i),
            #[cfg(feature = "cuda")]
            Self::Cuda(made) => made.is_visible(i),
        }
    }
}
