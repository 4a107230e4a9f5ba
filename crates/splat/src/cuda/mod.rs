//! The rasteriser on an NVIDIA GPU: the picture and the derivatives of [`render`](mod@crate::render), by the same formulas and thresholds.
//!
//! Nothing of CUDA is needed to build this. The driver and NVRTC are loaded at run time, and the kernels, one source, are compiled then for the
//! device at hand. Gaussians go to the device for each picture and their derivatives come back; arrays there are kept from picture to picture.
//!
//! 1. Each Gaussian is projected, and the tiles that it meets are counted; sums over these counts number all pairs of Gaussian and tile.
//! 2. Each pair gets a key of its tile and its depth; a stable sort makes every tile's list, nearest first, and of equal ones the first.
//! 3. A block draws a tile, a thread a pixel. Backwards it goes over the same list from its end and sums derivatives over the block.
//! 4. Each Gaussian takes what its tiles have for it, and pulls it back to its parameters and the camera.
//!
//! | [`Sums`] | how a Gaussian's derivatives are added up |
//! |---|---|
//! | `Ordered` | a slot for every pair, summed in the tiles' order: the same bits each time |
//! | `Atomic` | each tile adds to the Gaussian's own row, in any order: less memory, other last digits each time |

mod fault;
mod frame;
mod gpu;
mod kernel;
mod order;

use crate::camera::Camera;
use crate::gaussians::Gaussians;
use crate::project::Options;
use crate::render::{Gradients, MOST_PAIRS, Pixels, too_many_pairs};
use crate::tile::{SLOT, TILE};
use elbo_core::{Error, Result};
use frame::Frame;
use gpu::{Buffer, Gpu, THREADS};
use kernel::Argument;
use order::Pairs;
use std::sync::atomic::{AtomicU64, Ordering};

/// Flags of the backward pass, as the kernels have them.
const EXTRA: u32 = 1;
const ABSOLUTE: u32 = 2;
const ORDERED: u32 = 4;
/// Numbers that a block of Gaussians has for the camera; the last is not used.
const POSE: usize = 16;

/// How the derivatives of a Gaussian are added up over tiles.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sums {
    /// In the tiles' order: the same bits each time. Takes 48 bytes a pair of Gaussian and tile.
    #[default]
    Ordered,
    /// In any order.
    Atomic,
}

/// A picture that a [`Rasteriser`] drew. What its derivative needs stays on the device until the next picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendering {
    /// Columns of pixels.
    pub width: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Colours, `[3, H, W]`.
    pub colour: Vec<f32>,
    /// Expected depth times opacity, `[H, W]`: divide by `alpha` for the depth itself.
    pub depth: Vec<f32>,
    /// Share of the light from behind that is kept out, `[H, W]`.
    pub alpha: Vec<f32>,
    seen: Vec<u8>,
    pairs: usize,
    number: u64,
}

impl Rendering {
    /// Whether Gaussian `i` has an extent in the picture.
    pub fn is_visible(&self, i: usize) -> bool {
        self.seen[i] != 0
    }

    /// Pairs of tile and Gaussian, the measure of the work.
    pub fn pairs(&self) -> usize {
        self.pairs
    }
}

/// The last picture, as the device has it.
#[derive(Clone, Copy)]
struct Drawn {
    frame: Frame,
    absolute: bool,
    degree: usize,
    pairs: usize,
    number: u64,
}

/// A GPU that draws Gaussians.
pub struct Rasteriser {
    gpu: Gpu,
    drawn: Option<Drawn>,
    /// Parameters and their derivatives, in the order of [`Gaussians::widths`].
    given: [Buffer<f32>; 5],
    found: [Buffer<f32>; 5],
    splats: Buffer<f32>,
    halves: Buffer<f32>,
    /// Tiles of each Gaussian, then the sums of those before.
    offsets: Buffer<u32>,
    seen: Buffer<u8>,
    pairs: Pairs,
    owners: Buffer<u32>,
    list: Buffer<u32>,
    spans: Buffer<u32>,
    colour: Buffer<f32>,
    depth: Buffer<f32>,
    alpha: Buffer<f32>,
    light: Buffer<f32>,
    last: Buffer<u32>,
    /// Derivatives in colour, depth and opacity.
    up: [Buffer<f32>; 3],
    slots: Buffer<f32>,
    centres: Buffer<f32>,
    absolute: Buffer<f32>,
    poses: Buffer<f32>,
}

impl Rasteriser {
    /// Opens a device, counted from 0, and compiles the kernels for it.
    ///
    /// # Errors
    /// [`Error::Data`] when there is no driver, no NVRTC, no such device, or one that is too old.
    pub fn new(ordinal: usize) -> Result<Self> {
        Ok(Self {
            gpu: Gpu::open(ordinal)?,
            drawn: None,
            given: ["means", "scales", "rotations", "opacities", "colours"].map(Buffer::new),
            found: std::array::from_fn(|_| Buffer::new("slopes of parameters")),
            splats: Buffer::new("splats"),
            halves: Buffer::new("extents"),
            offsets: Buffer::new("offsets"),
            seen: Buffer::new("visible Gaussians"),
            pairs: Pairs::new(),
            owners: Buffer::new("owners of pairs"),
            list: Buffer::new("lists of tiles"),
            spans: Buffer::new("spans of tiles"),
            colour: Buffer::new("picture"),
            depth: Buffer::new("depths"),
            alpha: Buffer::new("opacities of pixels"),
            light: Buffer::new("light"),
            last: Buffer::new("last Gaussians"),
            up: ["slopes of the picture", "slopes of depths", "slopes of opacities of pixels"].map(Buffer::new),
            slots: Buffer::new("slots"),
            centres: Buffer::new("slopes of centres"),
            absolute: Buffer::new("absolute slopes"),
            poses: Buffer::new("slopes of the camera"),
        })
    }

    /// What the device is called.
    pub fn name(&self) -> &str {
        self.gpu.name()
    }

    /// Draws Gaussians as this camera sees them.
    ///
    /// # Errors
    /// [`Error::Data`] when so many Gaussians reach so many tiles that there are more than 2³⁰ pairs, when the device's memory is too
    /// small, and when the device fails.
    ///
    /// # Source
    /// Kerbl, Kopanas, Leimkühler and Drettakis (2023).
    pub fn render(&mut self, g: &Gaussians<f32>, camera: &Camera<f32>, options: &Options<f32>) -> Result<Rendering> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        self.drawn = None;
        let frame = Frame::new(g, camera, options);
        let count = g.len();
        for (values, width) in g.arrays().into_iter().zip(g.widths()) {
            assert_eq!(values.len(), count * width, "every Gaussian has all of its parameters");
        }
        self.project(&frame, g)?;
        let pairs = self.offsets.download(&self.gpu, count..count + 1)?[0] as usize;
        if pairs > MOST_PAIRS {
            return Err(too_many_pairs(count, frame.grid(), MOST_PAIRS));
        }
        self.make_lists(&frame, pairs)?;
        self.paint(&frame)?;
        let (gpu, area) = (&self.gpu, frame.area());
        let drawn = Rendering {
            width: camera.width,
            height: camera.height,
            colour: self.colour.download(gpu, 0..3 * area)?,
            depth: self.depth.download(gpu, 0..area)?,
            alpha: self.alpha.download(gpu, 0..area)?,
            seen: self.seen.download(gpu, 0..count)?,
            pairs,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
        };
        self.drawn = Some(Drawn { frame, absolute: options.absolute, degree: g.degree, pairs, number: drawn.number });
        Ok(drawn)
    }

    /// Projects all Gaussians and numbers the pairs.
    fn project(&mut self, frame: &Frame, g: &Gaussians<f32>) -> Result<()> {
        let (gpu, count) = (&self.gpu, g.len());
        for (buffer, values) in self.given.iter_mut().zip(g.arrays()) {
            buffer.upload(gpu, values)?;
        }
        self.splats.room(gpu, 12 * count)?;
        self.halves.room(gpu, 2 * count)?;
        self.offsets.room(gpu, count + 1)?;
        self.seen.room(gpu, count)?;
        let [mean, log_scale, rotation, opacity, sh] = self.given.each_ref().map(Buffer::arg);
        let arguments = [
            Argument::Frame(frame),
            mean,
            log_scale,
            rotation,
            opacity,
            sh,
            self.splats.arg(),
            self.halves.arg(),
            self.offsets.arg(),
            self.seen.arg(),
        ];
        // One thread more, for the count that becomes the sum of all.
        gpu.launch("project", [(count + 1).div_ceil(THREADS), 1], [THREADS, 1], &arguments)?;
        self.pairs.scan(gpu, &self.offsets, count + 1)
    }

    /// The lists of all tiles, sorted.
    fn make_lists(&mut self, frame: &Frame, pairs: usize) -> Result<()> {
        let (gpu, count) = (&self.gpu, frame.count as usize);
        let [columns, rows] = frame.grid();
        let tiles = columns * rows;
        self.pairs.room(gpu, pairs)?;
        self.owners.room(gpu, pairs)?;
        self.list.room(gpu, pairs)?;
        self.spans.zeros(gpu, 2 * tiles)?;
        let many = Argument::Word(pairs as u32);
        let arguments = [
            Argument::Frame(frame),
            self.splats.arg(),
            self.halves.arg(),
            self.offsets.arg(),
            self.pairs.keys[0].arg(),
            self.pairs.numbers[0].arg(),
            self.owners.arg(),
            many,
        ];
        gpu.launch("emit", [count.div_ceil(THREADS), 1], [THREADS, 1], &arguments)?;
        // Bits of the depth, then of the last tile's number.
        let bits = u32::BITS + (usize::BITS - (tiles.max(1) - 1).leading_zeros());
        self.pairs.sort(gpu, pairs, bits)?;
        let arguments = [
            self.pairs.keys[0].arg(),
            self.pairs.numbers[0].arg(),
            self.owners.arg(),
            self.list.arg(),
            self.spans.arg(),
            many,
            Argument::Word(tiles as u32),
        ];
        gpu.launch("find_spans", [pairs.div_ceil(THREADS), 1], [THREADS, 1], &arguments)
    }

    /// Draws all tiles.
    fn paint(&mut self, frame: &Frame) -> Result<()> {
        let (gpu, area) = (&self.gpu, frame.area());
        self.colour.room(gpu, 3 * area)?;
        self.depth.room(gpu, area)?;
        self.alpha.room(gpu, area)?;
        self.light.room(gpu, area)?;
        self.last.room(gpu, area)?;
        let arguments = [
            Argument::Frame(frame),
            self.splats.arg(),
            self.list.arg(),
            self.spans.arg(),
            self.colour.arg(),
            self.depth.arg(),
            self.alpha.arg(),
            self.light.arg(),
            self.last.arg(),
        ];
        gpu.launch("paint", frame.grid(), [TILE, TILE], &arguments)
    }

    /// Derivatives in all parameters and in the camera of the picture that was drawn last, from those in its pixels.
    ///
    /// # Errors
    /// [`Error::Data`] when another picture was drawn since, when the device's memory is too small, and when the device fails.
    pub fn backward(&mut self, made: &Rendering, pixels: Pixels<'_, f32>, sums: Sums) -> Result<Gradients<f32>> {
        let Some(drawn) = self.drawn.filter(|drawn| drawn.number == made.number) else {
            return Err(Error::data(
                "the derivative is asked of a picture that is no longer on the GPU",
                "take the derivative of a picture before the next one is drawn, with the rasteriser that drew it",
            ));
        };
        let frame = drawn.frame;
        let has_extra = pixels.depth.is_some() || pixels.alpha.is_some();
        let mut flags = if has_extra { EXTRA } else { 0 };
        flags |= if drawn.absolute { ABSOLUTE } else { 0 };
        flags |= if sums == Sums::Ordered { ORDERED } else { 0 };
        self.take_pixels(&frame, pixels, has_extra)?;
        let rows = if sums == Sums::Ordered { drawn.pairs } else { frame.count as usize };
        self.slots.zeros(&self.gpu, SLOT * rows)?;
        let arguments = [
            Argument::Frame(&frame),
            self.splats.arg(),
            self.list.arg(),
            self.spans.arg(),
            self.pairs.numbers[0].arg(),
            self.light.arg(),
            self.last.arg(),
            self.up[0].arg(),
            self.up[1].arg(),
            self.up[2].arg(),
            self.slots.arg(),
            Argument::Word(flags),
        ];
        self.gpu.launch("unpaint", frame.grid(), [TILE, TILE], &arguments)?;
        self.gather(&drawn, flags)
    }

    /// Copies the derivatives in the pixels to the device; what is not given is zero where one of the two is.
    fn take_pixels(&mut self, frame: &Frame, pixels: Pixels<'_, f32>, has_extra: bool) -> Result<()> {
        let (gpu, area) = (&self.gpu, frame.area());
        assert_eq!(pixels.colour.len(), 3 * area, "derivatives need the picture's size");
        let [colour, depth, alpha] = &mut self.up;
        colour.upload(gpu, pixels.colour)?;
        for (buffer, given) in [(depth, pixels.depth), (alpha, pixels.alpha)] {
            match given {
                Some(values) => {
                    assert_eq!(values.len(), area, "derivatives need the picture's size");
                    buffer.upload(gpu, values)?;
                }
                None if has_extra => buffer.zeros(gpu, area)?,
                // An array must be there, though nothing is read of it.
                None => buffer.room(gpu, 1)?,
            }
        }
        Ok(())
    }

    /// Pulls the sums of each Gaussian back to its parameters, and adds up the camera's part.
    fn gather(&mut self, drawn: &Drawn, flags: u32) -> Result<Gradients<f32>> {
        let (gpu, frame) = (&self.gpu, &drawn.frame);
        let count = frame.count as usize;
        let blocks = count.div_ceil(THREADS);
        let mut out = Gaussians::empty(drawn.degree);
        let widths = out.widths();
        for (buffer, width) in self.found.iter_mut().zip(widths) {
            buffer.room(gpu, width * count)?;
        }
        self.centres.room(gpu, 2 * count)?;
        self.absolute.room(gpu, 2 * count)?;
        self.poses.room(gpu, POSE * blocks)?;
        let [mean, log_scale, rotation, opacity, sh] = self.given.each_ref().map(Buffer::arg);
        let [d_mean, d_log_scale, d_rotation, d_opacity, d_sh] = self.found.each_ref().map(Buffer::arg);
        let arguments = [
            Argument::Frame(frame),
            mean,
            log_scale,
            rotation,
            opacity,
            sh,
            self.splats.arg(),
            self.halves.arg(),
            self.offsets.arg(),
            self.slots.arg(),
            d_mean,
            d_log_scale,
            d_rotation,
            d_opacity,
            d_sh,
            self.centres.arg(),
            self.absolute.arg(),
            self.poses.arg(),
            Argument::Word(flags),
        ];
        gpu.launch("gather", [blocks, 1], [THREADS, 1], &arguments)?;
        for ((values, buffer), width) in out.arrays_mut().into_iter().zip(&self.found).zip(widths) {
            *values = buffer.download(gpu, 0..width * count)?;
        }
        let poses = self.poses.download(gpu, 0..POSE * blocks)?;
        let (rotation, translation) = camera_of(frame, &poses);
        Ok(Gradients {
            gaussians: out,
            centres: self.centres.download(gpu, 0..2 * count)?,
            absolute: self.absolute.download(gpu, 0..2 * count)?,
            rotation,
            translation,
        })
    }
}

/// Derivatives in the camera's rotation and translation, from the sums of each block: of derivatives in camera coordinates, of those through the
/// viewing direction, and of the rotation's own part.
fn camera_of(frame: &Frame, poses: &[f32]) -> ([f32; 9], [f32; 3]) {
    let mut sums = [0.0f64; POSE];
    for block in poses.chunks_exact(POSE) {
        sums.iter_mut().zip(block).for_each(|(sum, v)| *sum += f64::from(*v));
    }
    // The position is -Rᵀτ, and the viewing directions start there.
    let (t, d) = (&sums[..3], &sums[3..6]);
    let turned = |a: usize| (0..3).map(|b| f64::from(frame.rotation[3 * a + b]) * d[b]).sum::<f64>();
    let translation = std::array::from_fn(|a| (t[a] + turned(a)) as f32);
    let rotation = std::array::from_fn(|k| (sums[6 + k] + f64::from(frame.translation[k / 3]) * d[k % 3]) as f32);
    (rotation, translation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_of_the_camera_are_added_and_joined_as_on_the_cpu() {
        let camera = Camera::look_at([1.0, -3.0, 0.5], [0.0; 3], [0.0, 0.0, 1.0], 0.7, [32, 16]).cast::<f32>();
        let frame = Frame::new(&Gaussians::empty(0), &camera, &Options::default());
        // Two blocks: only d in the first, only t and the rotation's part in the second; the unused number is not taken.
        let mut poses = [0.0; 2 * POSE];
        (poses[3], poses[15]) = (2.0, 9.0);
        (poses[POSE], poses[POSE + 6], poses[2 * POSE - 1]) = (0.5, 0.25, 9.0);
        let (rotation, translation) = camera_of(&frame, &poses);
        let (r, tau) = (&camera.rotation, &camera.translation);
        assert_eq!(translation, [0.5 + 2.0 * r[0], 2.0 * r[3], 2.0 * r[6]]);
        assert_eq!(rotation, [0.25 + 2.0 * tau[0], 0.0, 0.0, 2.0 * tau[1], 0.0, 0.0, 2.0 * tau[2], 0.0, 0.0]);
    }

    #[test]
    fn flags_are_those_of_the_kernels() {
        let source = include_str!("kernels.cu");
        for (name, value) in [("EXTRA", EXTRA), ("ABSOLUTE", ABSOLUTE), ("ORDERED", ORDERED)] {
            assert!(source.contains(&format!("#define {name} {value}u\n")), "{name}");
        }
    }
}
