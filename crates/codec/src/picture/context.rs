//! Latents that were coded before say more about the next ones than the second latents alone.
//!
//! The latents are coded in passes. Before each pass a convolution of five by five over all latents known so far, zeros where one is not,
//! joins the features of the second latents; a hidden layer then corrects the means and scales that these gave.
//!
//! | order | passes | known when a latent is coded |
//! |---|---|---|
//! | [`Context::Checkerboard`] | 2 | its neighbours at odd distance, for half of the places |
//! | [`Context::Channels`] | 4 | all of the slices of channels before, at and around its place |
//! | [`Context::Serial`] | `w + 3 h` | the twelve places above and to the left; slow |
//!
//! The latents of a pass do not depend on one another, so that a pass runs in parallel. In training all passes are one: the weights of what is
//! not known yet are zero.

use super::hyper::Entropy;
use super::transform::{normal, part, zero};
use crate::integer::{FRACTION, Image, Layer, Network, rounded};
use elbo_core::{Error, ModelFile, Result, Rng};
use elbo_tensor::{Convolution, Parameter, Parameters, Tensor};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::ops::Range;

const KERNEL: usize = 5;
const REACH: usize = KERNEL / 2;
const SLICES: usize = 4;
/// Known latents are cut to this on both sides, in bits, and enter in units of eight.
const LIMIT_BITS: u32 = 4;
const UNIT_BITS: u32 = 3;

/// What is known of the latents of a picture when one of them is coded, besides the second latents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Context {
    /// Nothing.
    #[default]
    None,
    /// Half of the places, as the black fields of a board (He and others 2021).
    Checkerboard,
    /// Slices of channels, from low frequencies to high (Minnen and Singh 2020).
    Channels,
    /// All places above and to the left (Minnen, Ballé and Toderici 2018); coding takes a pass a diagonal.
    Serial,
}

impl Context {
    /// Whether the latent at the tap `[row, column]` of the window may be seen.
    fn sees(self, [row, column]: [usize; 2]) -> bool {
        match self {
            Self::None => false,
            Self::Checkerboard => (row + column) % 2 == 1,
            Self::Channels => true,
            Self::Serial => row < REACH || row == REACH && column < REACH,
        }
    }
}

/// The part of `0..count` that belongs to a slice.
fn slice(count: usize, slice: usize) -> Range<usize> {
    slice * count / SLICES..(slice + 1) * count / SLICES
}

fn slice_of(i: usize, count: usize) -> usize {
    (0..SLICES).find(|s| slice(count, *s).contains(&i)).expect("slices cover all")
}

/// What is learned of a context.
#[derive(Debug, Clone)]
pub(super) struct ContextNetwork {
    context: Context,
    latents: usize,
    width: usize,
    parts: Vec<(&'static str, Parameter)>,
}

impl Parameters for ContextNetwork {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        self.parts.iter().for_each(|(name, p)| f(name, p));
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.parts.iter_mut().for_each(|(name, p)| f(name, p));
    }
}

impl ContextNetwork {
    /// For so many latents and `width` features; says nothing yet.
    pub fn new(context: Context, latents: usize, width: usize, outputs: usize, rng: &mut Rng) -> Self {
        let parts = vec![
            ("inner", normal(&[width, width, 1, 1], (2.0 / width as f64).sqrt(), rng)),
            ("inner_bias", zero(&[width])),
            ("known", normal(&[width, latents, KERNEL, KERNEL], (0.5 / (12 * latents) as f64).sqrt(), rng)),
            ("out", zero(&[outputs, width, 1, 1])),
        ];
        Self { context, latents, width, parts }
    }

    pub fn context(&self) -> Context {
        self.context
    }

    /// Takes another density.
    pub fn set_entropy(&mut self, entropy: Entropy) {
        let outputs = entropy.numbers() * self.latents;
        let out = self.parts.iter_mut().find(|(name, _)| *name == "out").expect("the network has an end");
        let values = entropy.outputs(&out.1.leaf().as_slice::<f32>(), self.latents * self.width, false);
        out.1 = Parameter::real(&Tensor::from_f32(values, &[outputs, self.width, 1, 1]));
    }

    fn of(&self, name: &str) -> Tensor {
        part(&self.parts, name)
    }

    /// Weights of the window, zero where the order of coding forbids to look.
    fn known(&self) -> Tensor {
        let (width, latents) = (self.width, self.latents);
        let allowed = |i: usize| {
            let (row, column) = (i / KERNEL % KERNEL, i % KERNEL);
            let (channel, out) = (i / (KERNEL * KERNEL) % latents, i / (KERNEL * KERNEL * latents));
            let is_later = self.context != Context::Channels || slice_of(out, width) > slice_of(channel, latents);
            f32::from(u8::from(self.context.sees([row, column]) && is_later))
        };
        let shape = [width, latents, KERNEL, KERNEL];
        self.of("known") * Tensor::from_f32((0..shape.iter().product::<usize>()).map(allowed).collect(), &shape)
    }

    /// Weights of the end, zero where a channel would look at the hidden numbers of later slices.
    fn out(&self) -> Tensor {
        let out = self.of("out");
        if self.context != Context::Channels {
            return out;
        }
        let allowed = |i: usize| {
            let (channel, hidden) = (i / self.width % self.latents, i % self.width);
            f32::from(u8::from(slice_of(hidden, self.width) <= slice_of(channel, self.latents)))
        };
        let mask = Tensor::from_f32((0..out.len()).map(allowed).collect(), out.shape());
        out * mask
    }

    /// What known latents add to the numbers of every latent, all passes at once. `features: [B, width, h, w]`, `y: [B, C, h, w]`; returns
    /// `[B, outputs, h, w]`.
    pub fn forward(&self, features: &Tensor, y: &Tensor) -> Tensor {
        let limit = f64::from(1u32 << LIMIT_BITS);
        let known = y.clamp(-limit, limit) * (1.0 / f64::from(1u32 << UNIT_BITS));
        let seen = known.conv2d(&self.known(), None, &Convolution::default().padded(REACH));
        let seen = if self.context == Context::Checkerboard {
            let [h, w] = [y.size(2), y.size(3)];
            let second = (0..h * w).map(|p| ((p / w + p % w) % 2) as f32).collect();
            seen * Tensor::from_f32(second, &[1, 1, h, w])
        } else {
            seen
        };
        let inner = features.conv2d(&self.of("inner"), Some(&self.of("inner_bias")), &Convolution::default());
        (inner + seen).relu().conv2d(&self.out(), None, &Convolution::default())
    }

    /// The same in integers.
    ///
    /// # Errors
    /// As [`Layer::convolution`].
    pub fn freeze(&self) -> Result<FrozenContext> {
        let layer = |weights: Tensor, bias: Option<Tensor>| {
            let shape = [weights.size(0), weights.size(1), weights.size(2)];
            let bias = bias.map_or(vec![0.0; shape[0]], |b| b.to_vec());
            Layer::convolution(&weights.to_vec(), &bias, shape)
        };
        let layers = vec![
            layer(self.of("inner"), Some(self.of("inner_bias")))?,
            layer(self.known(), None)?,
            layer(self.out(), None)?,
        ];
        Ok(FrozenContext::new(self.context, Network { layers }).expect("three layers that fit"))
    }
}

/// Latents that are coded together.
struct Pass {
    places: Vec<usize>,
    /// Hidden numbers that are new in this pass.
    hidden: Range<usize>,
    channels: Range<usize>,
}

/// A context in integers.
#[derive(Debug, Clone)]
pub(super) struct FrozenContext {
    context: Context,
    /// The features' layer, the window, the end: three layers side by side, not in a row.
    network: Network,
    latents: usize,
    width: usize,
    /// Taps of the window that see anything, and their weights, `[width, taps, C]`.
    taps: Vec<[usize; 2]>,
    window: Vec<i32>,
}

impl FrozenContext {
    /// From its layers; `None` where they do not fit together.
    fn new(context: Context, network: Network) -> Option<Self> {
        let [
            Layer::Convolution { out: width, kernel: 1, .. },
            Layer::Convolution { out: seen, channels: latents, kernel: KERNEL, weights, .. },
            Layer::Convolution { channels: hidden, kernel: 1, .. },
        ] = network.layers.as_slice()
        else {
            return None;
        };
        if context == Context::None || seen != width || hidden != width {
            return None;
        }
        let (width, latents) = (*width, *latents);
        let taps: Vec<[usize; 2]> =
            (0..KERNEL * KERNEL).map(|t| [t / KERNEL, t % KERNEL]).filter(|t| context.sees(*t)).collect();
        let mut window = Vec::with_capacity(width * taps.len() * latents);
        for row in 0..width {
            for [y, x] in &taps {
                window.extend((0..latents).map(|c| weights[((row * latents + c) * KERNEL + y) * KERNEL + x]));
            }
        }
        Some(Self { context, network, latents, width, taps, window })
    }

    /// Latents, features, and numbers of all latents of a place.
    pub fn sizes(&self) -> [usize; 3] {
        let of = |layer: &Layer| match layer {
            Layer::Convolution { out, channels, .. } => [*out, *channels],
            _ => [0, 0],
        };
        [self.latents, of(&self.network.layers[0])[1], of(&self.network.layers[2])[0]]
    }

    /// Adds everything that decides the result to a digest.
    pub fn digest(&self, hash: &mut Sha256) {
        hash.update([self.context as u8]);
        self.network.digest(hash);
    }

    pub fn save(&self, file: &mut ModelFile) {
        file.set("frozen.context", &self.context);
        self.network.save(file, "frozen.context");
    }

    /// Takes back what [`FrozenContext::save`] stored; `None` where the model has no context.
    pub fn load(file: &ModelFile, context: Context) -> Result<Option<Self>> {
        if context == Context::None {
            return Ok(None);
        }
        let damaged = || Error::model_file("the context's network is damaged", "copy the model file again");
        let stored: Context = file.fact("frozen.context")?;
        let network = Network::load(file, "frozen.context")?;
        Ok(Some(Self::new(stored, network).filter(|_| stored == context).ok_or_else(damaged)?))
    }

    fn passes(&self, [h, w]: [usize; 2]) -> Vec<Pass> {
        let (all, width) = (0..self.latents, 0..self.width);
        let of = |places: Vec<usize>| Pass { places, hidden: width.clone(), channels: all.clone() };
        match self.context {
            Context::None => vec![],
            Context::Checkerboard => {
                let half = |odd: usize| (0..h * w).filter(|p| (p / w + p % w) % 2 == odd).collect();
                vec![of(half(0)), of(half(1))]
            }
            Context::Channels => (0..SLICES)
                .map(|s| Pass {
                    places: (0..h * w).collect(),
                    hidden: slice(self.width, s),
                    channels: slice(self.latents, s),
                })
                .collect(),
            // Two rows up the window reaches two places to the right: three steps to the side make up for a row.
            Context::Serial => (0..w + 3 * (h - 1))
                .map(|t| of((0..h).filter(|y| (3 * y..3 * y + w).contains(&t)).map(|y| y * w + t - 3 * y).collect()))
                .collect(),
        }
    }

    /// Goes through all latents in the order of their passes. `features: [width, h, w]`; `numbers: [outputs, h, w]`, what the second latents
    /// say of each latent: its mean, its scale, and so on, the first of all channels first. For each latent `code` gets its index in `[C, h, w]`
    /// and these numbers with what the context adds, and gives the latent with [`FRACTION`] fractional bits.
    ///
    /// # Errors
    /// Those of `code`.
    pub fn run(
        &self,
        features: Image,
        numbers: &[i32],
        code: &mut dyn FnMut(usize, &[i32]) -> Result<i64>,
    ) -> Result<()> {
        let [_, h, w] = features.shape;
        let (area, latents, width) = (h * w, self.latents, self.width);
        let [inner, _, Layer::Convolution { out: outputs, weights: out, .. }] = self.network.layers.as_slice() else {
            unreachable!("checked when it was made")
        };
        let each = outputs / latents;
        let inner = inner.apply(features).values;
        let row = (w + 2 * REACH) * latents;
        let mut known = vec![0i32; (h + 2 * REACH) * row];
        // Place by place.
        let mut hidden = vec![0i32; area * width];
        for (i, pass) in self.passes([h, w]).into_iter().enumerate() {
            let taps: &[[usize; 2]] = if i == 0 { &[] } else { &self.taps };
            let one = |place: &usize| {
                let mut own = hidden[place * width..(place + 1) * width].to_vec();
                for k in pass.hidden.clone() {
                    let start = place / w * row + place % w * latents;
                    let seen = taps.iter().enumerate().map(|(t, [y, x])| {
                        let weights = &self.window[(k * self.taps.len() + t) * latents..][..latents];
                        dot(weights, &known[start + y * row + x * latents..][..latents])
                    });
                    own[k] = inner[k * area + place].saturating_add(rounded(seen.sum())).max(0);
                }
                let of =
                    |o: usize| numbers[o * area + place].saturating_add(rounded(dot(&out[o * width..][..width], &own)));
                let found = pass.channels.clone().flat_map(|c| (0..each).map(move |k| of(k * latents + c)));
                let found: Vec<i32> = found.collect();
                (own, found)
            };
            let found: Vec<(Vec<i32>, Vec<i32>)> = pass.places.par_iter().map(one).collect();
            for (place, (own, found)) in pass.places.iter().zip(found) {
                hidden[place * width..(place + 1) * width].copy_from_slice(&own);
                let at = (place / w + REACH) * row + (place % w + REACH) * latents;
                for (c, numbers) in pass.channels.clone().zip(found.chunks_exact(each)) {
                    let value = code(c * area + place, numbers)?;
                    let limit = 1i64 << (LIMIT_BITS + FRACTION);
                    known[at + c] = (value.clamp(-limit, limit) >> UNIT_BITS) as i32;
                }
            }
        }
        Ok(())
    }
}

fn dot(a: &[i32], b: &[i32]) -> i64 {
    a.iter().zip(b).map(|(a, b)| i64::from(*a) * i64::from(*b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passes_in_integers_do_what_training_does_at_once() {
        let (latents, width, [h, w]) = (6, 8, [5, 7]);
        for context in [Context::Checkerboard, Context::Channels, Context::Serial] {
            let mut rng = Rng::new(11);
            let mut network = ContextNetwork::new(context, latents, width, 2 * latents, &mut rng);
            network.visit_mut(&mut |_, p| {
                let moved: Vec<f64> = p.value().iter().map(|v| v + 0.2 * rng.normal()).collect();
                p.set(&moved).unwrap();
            });
            let mut whole = |count: usize, most: i32| -> Vec<i32> {
                (0..count).map(|_| rng.below(2 * most as usize + 1) as i32 - most).collect()
            };
            // One latent in a few is beyond the limit.
            let (y, features) = (whole(latents * h * w, 20 << FRACTION), whole(width * h * w, 3 << FRACTION));
            let numbers = whole(2 * latents * h * w, 2 << FRACTION);
            let real = |values: &[i32], c: usize| {
                Tensor::from_f32(values.iter().map(|v| *v as f32 / 1024.0).collect(), &[1, c, h, w])
            };
            let expected = network.forward(&real(&features, width), &real(&y, latents)).to_vec();
            let frozen = network.freeze().unwrap();
            assert_eq!(frozen.sizes(), [latents, width, 2 * latents]);
            let mut coded = vec![0; y.len()];
            let image = Image { shape: [width, h, w], values: features };
            let mut code = |at: usize, found: &[i32]| {
                coded[at] += 1;
                for (k, found) in found.iter().enumerate() {
                    let i = k * y.len() + at;
                    let added = f64::from(found - numbers[i]) / 1024.0;
                    assert!((added - expected[i]).abs() < 0.02, "{context:?} {at}: {added} {}", expected[i]);
                }
                Ok(i64::from(y[at]))
            };
            frozen.run(image, &numbers, &mut code).unwrap();
            assert!(coded.iter().all(|n| *n == 1), "{context:?}");
            let mean = expected.iter().map(|v| v.abs()).sum::<f64>() / expected.len() as f64;
            assert!(mean > 0.1, "{context:?} says nothing");
        }
    }
}
