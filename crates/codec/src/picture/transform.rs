//! From pixels to latents, one vector of them for each eight by eight pixels, and back.
//!
//! The first layer is a lapped transform: filters of sixteen pixels at steps of eight. It starts as the cosine transform of blocks in an
//! orthonormal space of colours, so that training begins where JPEG ends; a residual block then learns what a linear map cannot do.
//! A gain for each quality and channel says how finely a latent is rounded.

use super::LAMBDAS;
use crate::tiles::{Tiling, tiled};
use elbo_core::Rng;
use elbo_tensor::{Convolution, DType, Parameter, Parameters, Tensor};

/// Pixels between latents.
pub const LATENT_STEP: usize = 8;
const FILTER: usize = 16;
/// Filters are stored times this, so that the step of an optimiser suits them.
const FILTER_SCALE: f64 = 10.0;
/// What a residual block gives is stored by this much smaller: one step of an optimiser moves latents by about one.
const BLOCK_SCALE: f64 = 5.0;
/// Latents of a piece, and how far a latent or a block of pixels sees: two filters of three, and the overlap.
const TILING: Tiling = Tiling { tile: 48, reach: 4 };

/// The transform.
#[derive(Debug, Clone)]
pub struct Transform {
    latents: usize,
    parts: Vec<(&'static str, Parameter)>,
}

impl Parameters for Transform {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        self.parts.iter().for_each(|(name, p)| f(name, p));
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.parts.iter_mut().for_each(|(name, p)| f(name, p));
    }
}

/// A parameter of normal numbers with this deviation.
pub(super) fn normal(shape: &[usize], deviation: f64, rng: &mut Rng) -> Parameter {
    let count = shape.iter().product();
    let values = rng.normals(count).into_iter().map(|v| (v * deviation) as f32).collect();
    Parameter::real(&Tensor::from_f32(values, shape))
}

/// A parameter of zeros.
pub(super) fn zero(shape: &[usize]) -> Parameter {
    Parameter::real(&Tensor::zeros(shape, DType::F32).contiguous())
}

/// The part of this name.
pub(super) fn part(parts: &[(&'static str, Parameter)], name: &str) -> Tensor {
    let found = parts.iter().find(|(n, _)| *n == name);
    found.unwrap_or_else(|| panic!("the network has no part `{name}`")).1.get()
}

impl Transform {
    /// The cosine transform, with `latents` of its coefficients, low frequencies and brightness first, and residual blocks of `width`
    /// channels that do nothing yet.
    pub fn new(latents: usize, width: usize, rng: &mut Rng) -> Self {
        let filters = cosine_filters(latents);
        let parameter = |scale: f64| {
            let values = filters.iter().map(|v| (v * scale) as f32).collect();
            Parameter::real(&Tensor::from_f32(values, &[latents, 3, FILTER, FILTER]))
        };
        let start = |lambda: f64| -(6.0 / (lambda * std::f64::consts::LN_2)).sqrt().ln();
        let gain = LAMBDAS.iter().flat_map(|l| vec![start(*l) as f32; latents]).collect();
        let deviation = (2.0 / (9.0 * latents as f64)).sqrt();
        let mut parts =
            vec![("analysis.filters", parameter(FILTER_SCALE)), ("synthesis.filters", parameter(FILTER_SCALE))];
        for side in ["analysis", "synthesis"] {
            let [a, ab, b, bb] = match side {
                "analysis" => ["analysis.in", "analysis.in_bias", "analysis.out", "analysis.out_bias"],
                _ => ["synthesis.in", "synthesis.in_bias", "synthesis.out", "synthesis.out_bias"],
            };
            parts.push((a, normal(&[width, latents, 3, 3], deviation, rng)));
            parts.push((ab, zero(&[width])));
            parts.push((b, zero(&[latents, width, 3, 3])));
            parts.push((bb, zero(&[latents])));
        }
        parts.push(("gain", Parameter::real(&Tensor::from_f32(gain, &[LAMBDAS.len(), latents]))));
        Self { latents, parts }
    }

    /// Number of latents for each eight by eight pixels.
    pub fn latents(&self) -> usize {
        self.latents
    }

    /// Logarithms of the gains of these qualities, `[B, C, 1, 1]`.
    pub fn log_gain(&self, qualities: &[usize]) -> Tensor {
        let rows = part(&self.parts, "gain").index_select(0, &Tensor::indices(qualities));
        rows.reshape(&[qualities.len(), self.latents, 1, 1])
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

    /// Latents before the gain. `x: [B, 3, H, W]` in steps of 255; returns `[B, C, H / 8, W / 8]`.
    pub fn analysis(&self, x: &Tensor) -> Tensor {
        let (filters, how) = self.lapped("analysis.filters");
        let y = (x - 128.0).conv2d(&filters, None, &how);
        self.block(&y, ["analysis.in", "analysis.in_bias", "analysis.out", "analysis.out_bias"])
    }

    /// Pixels in steps of 255 of latents without the gain.
    pub fn synthesis(&self, y: &Tensor) -> Tensor {
        let y = self.block(y, ["synthesis.in", "synthesis.in_bias", "synthesis.out", "synthesis.out_bias"]);
        let (filters, how) = self.lapped("synthesis.filters");
        y.conv_transpose2d(&filters, None, &how) + 128.0
    }

    /// [`Transform::analysis`] of one large picture, in pieces.
    pub fn analysis_tiled(&self, x: &Tensor) -> Tensor {
        tiled(x, [LATENT_STEP, 1], &TILING, &|x| self.analysis(x))
    }

    /// [`Transform::synthesis`] of one large picture, in pieces.
    pub fn synthesis_tiled(&self, y: &Tensor) -> Tensor {
        tiled(y, [1, LATENT_STEP], &TILING, &|y| self.synthesis(y))
    }
}

/// Orthonormal filters `[latents, 3, 16, 16]`: a cosine in the middle eight by eight pixels of one colour.
fn cosine_filters(latents: usize) -> Vec<f64> {
    // Brightness and two differences of colours, orthonormal.
    let colours =
        [[3f64.sqrt().recip(); 3], [0.5f64.sqrt(), 0.0, -(0.5f64.sqrt())], [1.0, -2.0, 1.0].map(|v| v / 6f64.sqrt())];
    let mut order: Vec<(usize, usize, usize)> =
        (0..3).flat_map(|c| (0..8).flat_map(move |u| (0..8).map(move |v| (c, u, v)))).collect();
    // Fine detail of colour is worth a third of that of brightness.
    order.sort_by_key(|(c, u, v)| ((u + v) * if *c == 0 { 1 } else { 3 }, *c, *u));
    let cosine = |u: usize, i: usize| {
        let norm = if u == 0 { 8f64.sqrt().recip() } else { 0.5 };
        norm * (std::f64::consts::PI / 8.0 * (i as f64 + 0.5) * u as f64).cos()
    };
    let mut out = Vec::with_capacity(latents * 3 * FILTER * FILTER);
    for (c, u, v) in order.into_iter().take(latents) {
        for colour in colours[c] {
            for i in 0..FILTER {
                for j in 0..FILTER {
                    let inside = (4..12).contains(&i) && (4..12).contains(&j);
                    out.push(if inside { colour * cosine(u, i - 4) * cosine(v, j - 4) } else { 0.0 });
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(shape: &[usize]) -> Tensor {
        let count = shape.iter().product();
        let values = Rng::new(4).uniforms(count).into_iter().map(|v| (255.0 * v) as f32).collect();
        Tensor::from_f32(values, shape)
    }

    #[test]
    fn all_coefficients_make_the_picture_and_few_its_low_frequencies() {
        let whole = Transform::new(192, 8, &mut Rng::new(0));
        let x = noise(&[1, 3, 32, 48]);
        let back = whole.synthesis(&whole.analysis(&x));
        assert!((back - &x).abs().max().item() < 1e-3);
        let few = Transform::new(3, 8, &mut Rng::new(0));
        let grey = Tensor::full(&[1, 3, 16, 16], 77.0, DType::F32).contiguous();
        assert!((few.synthesis(&few.analysis(&grey)) - grey).abs().max().item() < 1e-3);
    }

    #[test]
    fn pieces_have_no_seams() {
        let mut rng = Rng::new(1);
        let mut transform = Transform::new(12, 6, &mut rng);
        transform.visit_mut(&mut |_, p| {
            let moved: Vec<f64> = p.value().iter().map(|v| v + 0.02 * rng.normal()).collect();
            p.set(&moved).unwrap();
        });
        let x = noise(&[1, 3, 64 * 8, 56 * 8]);
        let (whole, pieces) = (transform.analysis(&x), transform.analysis_tiled(&x));
        let scale = whole.abs().max().item();
        assert!((&whole - pieces).abs().max().item() < 1e-5 * scale);
        let (full, pieces) = (transform.synthesis(&whole), transform.synthesis_tiled(&whole));
        let scale = full.abs().max().item();
        assert!((full - pieces).abs().max().item() < 1e-5 * scale);
    }
}
