//! Filters of sixteen pixels at steps of eight, and a residual block that learns what a linear map cannot do.

use super::transform::{LATENT_STEP, cosines, normal, part, zero};
use elbo_core::Rng;
use elbo_tensor::{Convolution, Parameter, Parameters, Tensor};

const FILTER: usize = 16;
/// Filters are stored times this, so that the step of an optimiser suits them.
const FILTER_SCALE: f64 = 10.0;
/// What a residual block gives is stored by this much smaller: one step of an optimiser moves latents by about one.
const BLOCK_SCALE: f64 = 5.0;
/// Filters and constants of the residual block of each direction.
const ANALYSIS: [&str; 4] = ["analysis.in", "analysis.in_bias", "analysis.out", "analysis.out_bias"];
const SYNTHESIS: [&str; 4] = ["synthesis.in", "synthesis.in_bias", "synthesis.out", "synthesis.out_bias"];

/// A lapped transform with residual blocks.
#[derive(Debug, Clone)]
pub(super) struct Lapped {
    parts: Vec<(&'static str, Parameter)>,
}

impl Parameters for Lapped {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        self.parts.iter().for_each(|(name, p)| f(name, p));
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.parts.iter_mut().for_each(|(name, p)| f(name, p));
    }
}

impl Lapped {
    /// The cosine transform, with residual blocks of `width` channels that do nothing yet.
    pub fn new([latents, width]: [usize; 2], rng: &mut Rng) -> Self {
        let filters = start(latents);
        let parameter = |scale: f64| {
            let values = filters.iter().map(|v| (v * scale) as f32).collect();
            Parameter::real(&Tensor::from_f32(values, &[latents, 3, FILTER, FILTER]))
        };
        let deviation = (2.0 / (9.0 * latents as f64)).sqrt();
        let mut parts =
            vec![("analysis.filters", parameter(FILTER_SCALE)), ("synthesis.filters", parameter(FILTER_SCALE))];
        for [a, ab, b, bb] in [ANALYSIS, SYNTHESIS] {
            parts.push((a, normal(&[width, latents, 3, 3], deviation, rng)));
            parts.push((ab, zero(&[width])));
            parts.push((b, zero(&[latents, width, 3, 3])));
            parts.push((bb, zero(&[latents])));
        }
        Self { parts }
    }

    fn block(&self, y: &Tensor, [a, ab, b, bb]: [&str; 4]) -> Tensor {
        let how = Convolution::default().padded(1);
        let of = |name: &str| part(&self.parts, name);
        // Coefficients of a picture are some tens to a thousand; the block sees them in units of a hundred.
        let inner = (y * 0.01).conv2d(&of(a), Some(&of(ab)), &how).relu();
        y + inner.conv2d(&of(b), Some(&of(bb)), &how) * BLOCK_SCALE
    }

    fn lapped(&self, name: &str) -> (Tensor, Convolution) {
        let how = Convolution::default().strided(LATENT_STEP).padded((FILTER - LATENT_STEP) / 2);
        (part(&self.parts, name) * (1.0 / FILTER_SCALE), how)
    }

    /// `x: [B, 3, H, W]` about zero; returns `[B, C, H / 8, W / 8]`.
    pub fn analysis(&self, x: &Tensor) -> Tensor {
        let (filters, how) = self.lapped("analysis.filters");
        let y = x.conv2d(&filters, None, &how);
        self.block(&y, ANALYSIS)
    }

    /// The way back.
    pub fn synthesis(&self, y: &Tensor) -> Tensor {
        let y = self.block(y, SYNTHESIS);
        let (filters, how) = self.lapped("synthesis.filters");
        y.conv_transpose2d(&filters, None, &how)
    }
}

/// Orthonormal filters `[latents, 3, 16, 16]`: a cosine in the middle eight by eight pixels.
fn start(latents: usize) -> Vec<f64> {
    const EDGE: usize = (FILTER - LATENT_STEP) / 2;
    let mut out = vec![0.0; latents * 3 * FILTER * FILTER];
    for (row, values) in cosines(latents).chunks_exact(LATENT_STEP).enumerate() {
        let (plane, i) = (row / LATENT_STEP, row % LATENT_STEP);
        out[(plane * FILTER + EDGE + i) * FILTER + EDGE..][..LATENT_STEP].copy_from_slice(values);
    }
    out
}
