//! From pixels to latents, one vector of them for each eight by eight pixels, and back.
//!
//! | network | file |
//! |---|---|
//! | filters of sixteen pixels and a residual block | `lapped` |
//! | three strided convolutions with divisive normalisation between them | `strided` |
//!
//! Both start as the cosine transform of blocks in an orthonormal space of colours, so that training begins where JPEG ends.
//! A gain for each quality and channel says how finely a latent is rounded.

use super::LAMBDAS;
use super::lapped::Lapped;
use super::strided::Strided;
use crate::tiles::{Tiling, tiled};
use elbo_core::Rng;
use elbo_tensor::{DType, Parameter, Parameters, Tensor, nested, nested_mut};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Pixels between latents.
pub const LATENT_STEP: usize = 8;
/// Latents of a piece, and how far a latent or a block of pixels sees: less than four steps in both networks.
const TILING: Tiling = Tiling { tile: 48, reach: 4 };
/// Grey, in the middle of the pixels' range.
const MIDDLE: f64 = 128.0;
/// Brightness and two differences of colours, orthonormal.
pub(super) const COLOURS: [[f64; 3]; 3] = {
    const THIRD: f64 = 0.577_350_269_189_625_8;
    const HALF: f64 = std::f64::consts::FRAC_1_SQRT_2;
    const SIXTH: f64 = 0.408_248_290_463_863_1;
    [[THIRD; 3], [HALF, 0.0, -HALF], [SIXTH, -2.0 * SIXTH, SIXTH]]
};

/// The network between pixels and latents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransformKind {
    /// Filters of sixteen pixels at steps of eight, and a residual block.
    #[default]
    Lapped,
    /// Three convolutions of five by five pixels at every second one, with generalised divisive normalisation between them.
    Gdn,
}

impl TransformKind {
    /// In words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Lapped => "a lapped transform with residual blocks",
            Self::Gdn => "strided convolutions with divisive normalisation",
        }
    }
}

/// The transform.
#[derive(Debug, Clone)]
pub struct Transform {
    latents: usize,
    network: Network,
    /// Logarithms, `[qualities, C]`.
    gain: Parameter,
}

#[derive(Debug, Clone)]
enum Network {
    Lapped(Lapped),
    Strided(Strided),
}

impl Parameters for Transform {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        match &self.network {
            Network::Lapped(network) => nested("", network, f),
            Network::Strided(network) => nested("", network, f),
        }
        f("gain", &self.gain);
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        match &mut self.network {
            Network::Lapped(network) => nested_mut("", network, f),
            Network::Strided(network) => nested_mut("", network, f),
        }
        f("gain", &mut self.gain);
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
    /// The cosine transform, with `latents` of its coefficients, low frequencies and brightness first, and `width` channels between the
    /// layers.
    pub fn new(kind: TransformKind, [latents, width]: [usize; 2], rng: &mut Rng) -> Self {
        let start = |lambda: f64| -(6.0 / (lambda * std::f64::consts::LN_2)).sqrt().ln();
        let gain = LAMBDAS.iter().flat_map(|l| vec![start(*l) as f32; latents]).collect();
        let network = match kind {
            TransformKind::Lapped => Network::Lapped(Lapped::new([latents, width], rng)),
            TransformKind::Gdn => Network::Strided(Strided::new([latents, width], rng)),
        };
        Self { latents, network, gain: Parameter::real(&Tensor::from_f32(gain, &[LAMBDAS.len(), latents])) }
    }

    /// Number of latents for each eight by eight pixels.
    pub fn latents(&self) -> usize {
        self.latents
    }

    /// Logarithms of the gains of these qualities, `[B, C, 1, 1]`.
    pub fn log_gain(&self, qualities: &[usize]) -> Tensor {
        let rows = self.gain.get().index_select(0, &Tensor::indices(qualities));
        rows.reshape(&[qualities.len(), self.latents, 1, 1])
    }

    /// Latents before the gain. `x: [B, 3, H, W]` in steps of 255; returns `[B, C, H / 8, W / 8]`.
    pub fn analysis(&self, x: &Tensor) -> Tensor {
        let x = x - MIDDLE;
        match &self.network {
            Network::Lapped(network) => network.analysis(&x),
            Network::Strided(network) => network.analysis(&x),
        }
    }

    /// Pixels in steps of 255 of latents without the gain.
    pub fn synthesis(&self, y: &Tensor) -> Tensor {
        let x = match &self.network {
            Network::Lapped(network) => network.synthesis(y),
            Network::Strided(network) => network.synthesis(y),
        };
        x + MIDDLE
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

/// Where a cosine or a difference of this colour, with so many changes of sign down and across, stands among the latents.
pub(super) fn frequency_order(colour: usize, [down, across]: [usize; 2]) -> [usize; 3] {
    // Fine detail of colour is worth a third of that of brightness.
    [(down + across) * if colour == 0 { 1 } else { 3 }, colour, down]
}

/// Orthonormal cosines of one colour in eight by eight pixels, `[latents, 3, 8, 8]`.
pub(super) fn cosines(latents: usize) -> Vec<f64> {
    let mut order: Vec<(usize, usize, usize)> =
        (0..3).flat_map(|c| (0..8).flat_map(move |u| (0..8).map(move |v| (c, u, v)))).collect();
    order.sort_by_key(|(c, u, v)| frequency_order(*c, [*u, *v]));
    let cosine = |u: usize, i: usize| {
        let norm = if u == 0 { 8f64.sqrt().recip() } else { 0.5 };
        norm * (std::f64::consts::PI / 8.0 * (i as f64 + 0.5) * u as f64).cos()
    };
    let mut out = Vec::with_capacity(latents * 3 * 64);
    for (c, u, v) in order.into_iter().take(latents) {
        for colour in COLOURS[c] {
            out.extend((0..64).map(|p| colour * cosine(u, p / 8) * cosine(v, p % 8)));
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
        // The normalisations undo each other for coefficients as small as those of noise, and nearly so for grey.
        for (kind, width, most) in [(TransformKind::Lapped, 8, 1e-3), (TransformKind::Gdn, 50, 0.1)] {
            let whole = Transform::new(kind, [192, width], &mut Rng::new(0));
            let x = noise(&[1, 3, 32, 48]);
            let back = whole.synthesis(&whole.analysis(&x));
            assert!((back - &x).abs().max().item() < most, "{kind:?}");
            let grey = Tensor::full(&[1, 3, 16, 16], 77.0, DType::F32).contiguous();
            for width in [1, 8] {
                let few = Transform::new(kind, [3, width], &mut Rng::new(0));
                assert!((few.synthesis(&few.analysis(&grey)) - &grey).abs().max().item() < most, "{kind:?} {width}");
            }
        }
    }

    #[test]
    fn both_networks_start_with_the_same_latents() {
        let mut strided = Transform::new(TransformKind::Gdn, [40, 48], &mut Rng::new(0));
        strided.visit_mut(&mut |name, p| {
            if name.ends_with("gamma") {
                // Without any weights the normalisation divides by one.
                p.set_free(&vec![0.0; p.len()]);
            }
        });
        let lapped = Transform::new(TransformKind::Lapped, [40, 8], &mut Rng::new(0));
        let x = noise(&[1, 3, 24, 16]);
        assert!((strided.analysis(&x) - lapped.analysis(&x)).abs().max().item() < 1e-2);
    }

    #[test]
    fn pieces_have_no_seams() {
        for kind in [TransformKind::Lapped, TransformKind::Gdn] {
            let mut rng = Rng::new(1);
            let mut transform = Transform::new(kind, [12, 6], &mut rng);
            transform.visit_mut(&mut |_, p| {
                let moved: Vec<f64> = p.value().iter().map(|v| v + 0.02 * rng.normal()).collect();
                p.set(&moved).unwrap();
            });
            let x = noise(&[1, 3, 64 * 8, 56 * 8]);
            let (whole, pieces) = (transform.analysis(&x), transform.analysis_tiled(&x));
            let scale = whole.abs().max().item();
            assert!((&whole - pieces).abs().max().item() < 1e-5 * scale, "{kind:?}");
            let (full, pieces) = (transform.synthesis(&whole), transform.synthesis_tiled(&whole));
            let scale = full.abs().max().item();
            assert!((full - pieces).abs().max().item() < 1e-5 * scale, "{kind:?}");
        }
    }
}
