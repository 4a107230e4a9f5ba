//! How the surfaces of a glTF file look: base colours, and the pictures of them.

use super::buffers::{Buffers, resource};
use super::document::Document;
use super::{Pixels, Surroundings, wrong};
use crate::make::cast::{Material, Pattern};
use crate::make::texture::{Texture, Wrap};
use elbo_core::Result;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most pixels of all pictures together.
const MOST_PIXELS: usize = 1 << 28;

/// The materials of a file. Those that show a texture with the same factor share its pixels.
pub(super) struct Looks<'a> {
    document: &'a Document,
    buffers: &'a Buffers<'a>,
    around: &'a dyn Surroundings,
    /// By the texture and the bits of the factor.
    textures: BTreeMap<(usize, [u64; 3]), Arc<Texture>>,
    pixels: usize,
}

impl<'a> Looks<'a> {
    pub fn new(document: &'a Document, buffers: &'a Buffers<'a>, around: &'a dyn Surroundings) -> Self {
        Self { document, buffers, around, textures: BTreeMap::new(), pixels: 0 }
    }

    /// Material `k`, which there is, and the set of coordinates of its picture.
    pub fn of(&mut self, k: usize) -> Result<(Material, Option<usize>)> {
        let document = self.document;
        let surface = &document.materials[k].pbr_metallic_roughness;
        let [red, green, blue, _] = surface.base_color_factor.unwrap_or([1.0; 4]);
        let factor = [red, green, blue].map(|v| v.clamp(0.0, 1.0));
        let mut material = plain(factor.map(shown));
        let Some(used) = &surface.base_color_texture else { return Ok((material, None)) };
        let key = (used.index, factor.map(f64::to_bits));
        let texture = match self.textures.get(&key).cloned() {
            Some(texture) => texture,
            None => Arc::new(self.texture(used.index, factor)?),
        };
        self.textures.insert(key, texture.clone());
        material.pattern = Pattern::Picture(texture);
        Ok((material, Some(used.tex_coord)))
    }

    /// A texture through a factor.
    fn texture(&mut self, index: usize, factor: [f64; 3]) -> Result<Texture> {
        let (Pixels { width, height, rgb }, wrap) = self.picture(index)?;
        let area = width.checked_mul(height).filter(|area| *area > 0);
        if area.and_then(|area| area.checked_mul(3)) != Some(rgb.len()) {
            let bytes = rgb.len();
            return Err(wrong(format!(
                "the picture of texture {index} has {bytes} bytes for {width} x {height} pixels"
            )));
        }
        self.pixels += rgb.len() / 3;
        if self.pixels > MOST_PIXELS {
            return Err(wrong(format!("the pictures have more than {MOST_PIXELS} pixels; reduce them")));
        }
        // What is shown of each byte.
        let table: [Vec<f32>; 3] =
            factor.map(|f| (0..=255).map(|byte| shown(f * light(f64::from(byte) / 255.0)) as f32).collect());
        let pixels = rgb.chunks_exact(3).map(|p| std::array::from_fn(|c| table[c][usize::from(p[c])])).collect();
        Ok(Texture { width, height, pixels, wrap })
    }

    /// The pixels of a texture, and what lies beyond its edges.
    fn picture(&self, index: usize) -> Result<(Pixels, [Wrap; 2])> {
        let missing = || wrong(format!("texture {index} is not whole"));
        let texture = self.document.textures.get(index).ok_or_else(missing)?;
        let image = texture.source.and_then(|k| self.document.images.get(k)).ok_or_else(missing)?;
        let bytes = match (&image.uri, image.buffer_view) {
            (Some(uri), _) => resource(uri, self.around)?,
            (None, Some(view)) => self.buffers.view(view)?.to_vec(),
            (None, None) => return Err(missing()),
        };
        let sampler = match texture.sampler {
            Some(k) => Some(self.document.samplers.get(k).ok_or_else(missing)?),
            None => None,
        };
        let wrap = |code: Option<u32>| match code {
            None | Some(10_497) => Ok(Wrap::Repeat),
            Some(33_648) => Ok(Wrap::Mirror),
            Some(33_071) => Ok(Wrap::Clamp),
            Some(other) => Err(wrong(format!("a sampler wraps by {other}, which is not known"))),
        };
        let wraps = [wrap(sampler.and_then(|s| s.wrap_s))?, wrap(sampler.and_then(|s| s.wrap_t))?];
        Ok((self.around.picture(bytes)?, wraps))
    }
}

/// One colour everywhere.
pub(super) fn plain(colour: [f64; 3]) -> Material {
    Material { colours: [colour; 2], pattern: Pattern::Plain, gloss: 0.0 }
}

/// The amount of light of a shown value, by sRGB's curve.
fn light(shown: f64) -> f64 {
    if shown <= 0.04045 { shown / 12.92 } else { ((shown + 0.055) / 1.055).powf(2.4) }
}

/// The shown value of an amount of light.
fn shown(light: f64) -> f64 {
    if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn light_and_what_is_shown_are_inverse() {
        for k in 0..=255 {
            let v = f64::from(k) / 255.0;
            assert!((shown(light(v)) - v).abs() < 1e-6, "{k}");
        }
        assert!((shown(0.5) - 0.7354).abs() < 1e-4);
    }
}
