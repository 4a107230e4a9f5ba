//! Three convolutions of five by five pixels at every second one, with divisive normalisation between them.
//!
//! The stages start as sums and differences of two by two pixels, the last one such that all together are the cosine transform of blocks;
//! the normalisations hardly do anything yet. Channels that this leaves over start at random, and nothing looks at them at first.

use super::transform::{COLOURS, cosines, frequency_order, part, zero};
use elbo_core::Rng;
use elbo_nn::layer::{Build, Gdn, GdnConfig, Layer, Pass};
use elbo_tensor::{Convolution, Parameter, Parameters, Tensor, nested, nested_mut};

const KERNEL: usize = 5;
/// Filters are stored times this, so that the step of an optimiser suits them.
const FILTER_SCALE: f64 = 20.0;
/// Networks see pixels and coefficients in this unit: the largest are about one.
const UNIT: f64 = 512.0;
/// Filters and constants of both directions, stage by stage from the pixels.
const NAMES: [[&str; 4]; 3] = [
    ["analysis.0", "analysis.0_bias", "synthesis.0", "synthesis.0_bias"],
    ["analysis.1", "analysis.1_bias", "synthesis.1", "synthesis.1_bias"],
    ["analysis.2", "analysis.2_bias", "synthesis.2", "synthesis.2_bias"],
];

/// Strided convolutions and their transposes.
#[derive(Debug, Clone)]
pub(super) struct Strided {
    parts: Vec<(&'static str, Parameter)>,
    /// After the first two stages.
    divide: Vec<Gdn>,
    /// Before the transposes of these.
    multiply: Vec<Gdn>,
}

impl Parameters for Strided {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        self.parts.iter().for_each(|(name, p)| f(name, p));
        for (i, (divide, multiply)) in self.divide.iter().zip(&self.multiply).enumerate() {
            nested(&format!("analysis.gdn.{i}"), divide, f);
            nested(&format!("synthesis.gdn.{i}"), multiply, f);
        }
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.parts.iter_mut().for_each(|(name, p)| f(name, p));
        for (i, (divide, multiply)) in self.divide.iter_mut().zip(&mut self.multiply).enumerate() {
            nested_mut(&format!("analysis.gdn.{i}"), divide, f);
            nested_mut(&format!("synthesis.gdn.{i}"), multiply, f);
        }
    }
}

impl Strided {
    /// The cosine transform, as far as `width` channels between the stages hold it.
    pub fn new([latents, width]: [usize; 2], rng: &mut Rng) -> Self {
        let sizes = [[width, 3], [width, width], [latents, width]];
        let mut parts = vec![];
        for ((names, start), [out, channels]) in NAMES.iter().zip(start([latents, width], rng)).zip(sizes) {
            let filters = Tensor::from_f32(start, &[out, channels, KERNEL, KERNEL]);
            let [down, down_bias, up, up_bias] = *names;
            parts.push((down, Parameter::real(&filters)));
            parts.push((down_bias, zero(&[out])));
            parts.push((up, Parameter::real(&filters)));
            parts.push((up_bias, zero(&[channels])));
        }
        let build = Build::new(rng);
        let gdn = |is_inverse| Gdn::new(width, &GdnConfig { is_inverse, ..GdnConfig::default() }, &build);
        Self { parts, divide: vec![gdn(false), gdn(false)], multiply: vec![gdn(true), gdn(true)] }
    }

    fn of(&self, filters: &str, bias: &str) -> (Tensor, Tensor) {
        (part(&self.parts, filters) * (1.0 / FILTER_SCALE), part(&self.parts, bias))
    }

    /// `x: [B, 3, H, W]` about zero; returns `[B, C, H / 8, W / 8]`.
    pub fn analysis(&self, x: &Tensor) -> Tensor {
        let how = Convolution::default().strided(2).padded(KERNEL / 2);
        let mut y = x * (1.0 / UNIT);
        for (stage, [filters, bias, ..]) in NAMES.iter().enumerate() {
            let (filters, bias) = self.of(filters, bias);
            y = y.conv2d(&filters, Some(&bias), &how);
            if let Some(gdn) = self.divide.get(stage) {
                y = gdn.forward(&y, &mut Pass::evaluation());
            }
        }
        y * UNIT
    }

    /// The way back.
    pub fn synthesis(&self, y: &Tensor) -> Tensor {
        let mut how = Convolution::default().strided(2).padded(KERNEL / 2);
        how.output_padding = [1, 1];
        let mut x = y * (1.0 / UNIT);
        for (stage, [.., filters, bias]) in NAMES.iter().enumerate().rev() {
            if let Some(gdn) = self.multiply.get(stage) {
                x = gdn.forward(&x, &mut Pass::evaluation());
            }
            let (filters, bias) = self.of(filters, bias);
            x = x.conv_transpose2d(&filters, Some(&bias), &how);
        }
        x * UNIT
    }
}

/// A channel that starts as a sum or difference of two by two pixels of a channel before.
#[derive(Debug, Clone, Copy)]
struct Detail {
    colour: usize,
    /// The channel before.
    from: usize,
    /// Down and across: zero for the sum, one for the difference.
    step: [usize; 2],
    /// Changes of sign down and across in eight pixels.
    frequency: [usize; 2],
}

/// Sums and differences of these channels, low frequencies first, as many as there is room for. `finest` is the frequency of a difference.
fn details(before: &[Detail], finest: usize, width: usize) -> Vec<Detail> {
    let split = |(from, d): (usize, &Detail)| {
        [[0, 0], [0, 1], [1, 0], [1, 1]].map(|step| {
            let frequency = [0usize, 1].map(|axis| d.frequency[axis] + finest * step[axis]);
            Detail { colour: d.colour, from, step, frequency }
        })
    };
    let mut all: Vec<Detail> = before.iter().enumerate().flat_map(split).collect();
    all.sort_by_key(|d| frequency_order(d.colour, d.frequency));
    all.truncate(width);
    all
}

/// The weight of the first or second of two pixels in their sum or difference.
fn haar(step: usize, at: usize) -> f64 {
    0.5f64.sqrt() * if step * at == 1 { -1.0 } else { 1.0 }
}

/// Both directions at once.
fn haar2(step: [usize; 2], [y, x]: [usize; 2]) -> f64 {
    haar(step[0], y) * haar(step[1], x)
}

/// Filters of the stages, as they are stored.
fn start([latents, width]: [usize; 2], rng: &mut Rng) -> [Vec<f32>; 3] {
    let colours = [0, 1, 2].map(|c| Detail { colour: c, from: c, step: [0; 2], frequency: [0; 2] });
    let first = details(&colours, 4, width);
    let second = details(&first, 2, width);
    let pairs = [[0, 0], [0, 1], [1, 0], [1, 1]];
    // The middle of a filter lies on the first of the two pixels that its stage turns into one.
    let at = |row: usize, [y, x]: [usize; 2]| (row * KERNEL + KERNEL / 2 + y) * KERNEL + KERNEL / 2 + x;
    let mut random = |out: usize, channels: usize, known: usize| {
        let row = channels * KERNEL * KERNEL;
        let mut values = rng.normals(out * row);
        values.iter_mut().for_each(|v| *v *= (row as f64).sqrt().recip());
        values[..known * row].fill(0.0);
        values
    };
    let mut a = random(width, 3, first.len());
    for (out, d) in first.iter().enumerate() {
        for (k, colour) in COLOURS[d.colour].iter().enumerate() {
            pairs.iter().for_each(|p| a[at(out * 3 + k, *p)] = colour * haar2(d.step, *p));
        }
    }
    let mut b = random(width, width, second.len());
    for (out, d) in second.iter().enumerate() {
        pairs.iter().for_each(|p| b[at(out * width + d.from, *p)] = haar2(d.step, *p));
    }
    // The coordinates of the cosines in the orthonormal pixels of the second stage.
    let cosines = cosines(latents);
    let mut c = vec![0.0; latents * width * KERNEL * KERNEL];
    for (channel, d) in second.iter().enumerate() {
        let fine = first[d.from].step;
        for (latent, cosine) in cosines.chunks_exact(3 * 64).enumerate() {
            for [i, j] in pairs {
                let mut sum = 0.0;
                for (k, colour) in COLOURS[d.colour].iter().enumerate() {
                    for (y, x) in (0..16).map(|p| (p / 4, p % 4)) {
                        let pixel = colour * haar2(fine, [y % 2, x % 2]) * haar2(d.step, [y / 2, x / 2]);
                        sum += pixel * cosine[(k * 8 + 4 * i + y) * 8 + 4 * j + x];
                    }
                }
                c[at(latent * width + channel, [i, j])] = sum;
            }
        }
    }
    [a, b, c].map(|values| values.into_iter().map(|v| (v * FILTER_SCALE) as f32).collect())
}
