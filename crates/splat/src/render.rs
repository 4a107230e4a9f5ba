//! A picture of Gaussians, and the derivative of a loss of it in every parameter and in the camera.
//!
//! Gaussians are projected in parallel and sorted once by depth; a stable counting scatter then makes every tile's list sorted. Tiles are
//! drawn in parallel. In the backward pass every pair of tile and Gaussian owns a slot for its derivatives, and a Gaussian sums its slots in
//! the tiles' order, so that results have the same bits for any number of threads.

use crate::camera::Camera;
use crate::gaussians::Gaussians;
use crate::project::{Options, PoseSums, Row, Splat, SplatGradient, project, pull_back};
use crate::tile::{AREA, Painted, PaintedOf, Raster, SLOT, TILE, Task, TaskOf, Upstream, UpstreamOf};
use elbo_core::{Error, Result};
use rayon::prelude::*;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Gaussians a piece of parallel work.
const CHUNK: usize = 256;
/// Most pairs of tile and Gaussian in a picture; each takes twelve bytes.
pub(crate) const MOST_PAIRS: usize = 1 << 30;

/// A picture, and what its derivative needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Rendering<T> {
    /// Columns of pixels.
    pub width: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Colours, `[3, H, W]`.
    pub colour: Vec<T>,
    /// Expected depth times opacity, `[H, W]`: divide by `alpha` for the depth itself.
    pub depth: Vec<T>,
    /// Share of the light from behind that is kept out, `[H, W]`.
    pub alpha: Vec<T>,
    frame: Frame<T>,
}

/// The tiles' side of a picture.
#[derive(Debug, Clone, PartialEq)]
struct Frame<T> {
    splats: Vec<Splat<T>>,
    /// Gaussians that are drawn, nearest first.
    order: Vec<u32>,
    /// The tiles of the k-th of them: `slots[first[k]..first[k + 1]]` are their places in `lists`.
    first: Vec<u32>,
    slots: Vec<u32>,
    /// Gaussians of all tiles, and where each tile's begin.
    lists: Vec<u32>,
    starts: Vec<u32>,
    /// Tiles in a row.
    columns: usize,
    transmittance: Vec<T>,
    last: Vec<u32>,
}

/// Derivatives of the loss in the pixels.
#[derive(Debug, Clone, Copy)]
pub struct Pixels<'a, T> {
    /// In the colours, `[3, H, W]`.
    pub colour: &'a [T],
    /// In the expected depth times opacity, `[H, W]`.
    pub depth: Option<&'a [T]>,
    /// In the opacity, `[H, W]`.
    pub alpha: Option<&'a [T]>,
}

/// Derivatives of the loss in everything a picture is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Gradients<T> {
    /// In the raw parameters.
    pub gaussians: Gaussians<T>,
    /// In the centres in the picture, `[N, 2]`, in pixels.
    pub centres: Vec<T>,
    /// Sums over pixels of the absolute derivatives in the centres, `[N, 2]`; zero unless [`Options::absolute`].
    pub absolute: Vec<T>,
    /// In the camera's rotation, as nine free entries, row-major.
    pub rotation: [T; 9],
    /// In the camera's translation.
    pub translation: [T; 3],
}

impl<T: Raster> Gradients<T> {
    /// The derivative in a small rotation `ω` of the camera, `exp([ω]×) R`.
    ///
    /// Translations turn with it only where `τ` is turned too; here `τ` stays.
    pub fn turn(&self, camera: &Camera<T>) -> [T; 3] {
        let (d, r) = (&self.rotation, &camera.rotation);
        let entry = |a: usize, b: usize| {
            (0..3).fold(T::ZERO, |sum, k| sum + d[3 * a + k] * r[3 * b + k] - r[3 * a + k] * d[3 * b + k])
        };
        [entry(2, 1), entry(0, 2), entry(1, 0)]
    }
}

/// Draws Gaussians as this camera sees them.
///
/// # Errors
/// [`Error::Data`] when so many Gaussians reach so many tiles that their lists would take more than 12 GiB.
///
/// # Source
/// Kerbl, Kopanas, Leimkühler and Drettakis (2023).
pub fn render<T: Raster>(g: &Gaussians<T>, camera: &Camera<T>, options: &Options<T>) -> Result<Rendering<T>> {
    let (width, height) = (camera.width, camera.height);
    let position = camera.position();
    let mut splats = vec![Splat::default(); g.len()];
    splats.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, splats)| {
        for (k, splat) in splats.iter_mut().enumerate() {
            *splat = project(g, chunk * CHUNK + k, camera, position, options).unwrap_or_default();
        }
    });
    let order = by_depth(&splats);
    let (columns, rows) = (width.div_ceil(TILE), height.div_ceil(TILE));
    let binned = bin(&splats, &order, [columns, rows], MOST_PAIRS)?;

    let tiles = columns * rows;
    let mut colour = vec![T::ZERO; 3 * AREA * tiles];
    let mut transmittance = vec![T::ZERO; AREA * tiles];
    let mut depth = vec![T::ZERO; AREA * tiles];
    let mut last = vec![0u32; AREA * tiles];
    let (lists, starts) = (&binned.lists, &binned.starts);
    colour
        .par_chunks_mut(3 * AREA)
        .zip(transmittance.par_chunks_mut(AREA))
        .zip(depth.par_chunks_mut(AREA))
        .zip(last.par_chunks_mut(AREA))
        .enumerate()
        .for_each(|(tile, (((colour, transmittance), depth), last))| {
            let list = &lists[starts[tile] as usize..starts[tile + 1] as usize];
            let task = task(&splats, list, tile, columns, [width, height], options);
            T::paint_tile(TaskOf(task), PaintedOf(Painted { colour, transmittance, depth, last }));
        });

    let mut out = Rendering {
        width,
        height,
        colour: from_tiles(&colour, 3, columns, [width, height]),
        depth: from_tiles(&depth, 1, columns, [width, height]),
        alpha: from_tiles(&transmittance, 1, columns, [width, height]),
        frame: Frame {
            splats,
            order,
            first: binned.first,
            slots: binned.slots,
            lists: binned.lists,
            starts: binned.starts,
            columns,
            transmittance,
            last,
        },
    };
    for (c, plane) in out.colour.chunks_exact_mut(width * height).enumerate() {
        plane.iter_mut().zip(&out.alpha).for_each(|(value, light)| *value += *light * options.background[c]);
    }
    out.alpha.iter_mut().for_each(|light| *light = T::ONE - *light);
    Ok(out)
}

impl<T: Raster> Rendering<T> {
    /// Whether Gaussian `i` has an extent in the picture.
    pub fn is_visible(&self, i: usize) -> bool {
        self.frame.splats[i].half[0] > T::ZERO
    }

    /// Pairs of tile and Gaussian, the measure of the work.
    pub fn pairs(&self) -> usize {
        self.frame.lists.len()
    }

    /// Derivatives in all parameters and in the camera, from those in the pixels. The arguments are those of [`render`].
    pub fn backward(
        &self,
        g: &Gaussians<T>,
        camera: &Camera<T>,
        options: &Options<T>,
        pixels: Pixels<'_, T>,
    ) -> Gradients<T> {
        let frame = &self.frame;
        let size = [self.width, self.height];
        let has_extra = pixels.depth.is_some() || pixels.alpha.is_some();
        let blank = if has_extra { vec![T::ZERO; self.width * self.height] } else { vec![] };
        let up_colour = to_tiles(pixels.colour, 3, frame.columns, size);
        let extra = |given: Option<&[T]>| {
            if has_extra { to_tiles(given.unwrap_or(&blank), 1, frame.columns, size) } else { vec![] }
        };
        let (up_depth, up_alpha) = (extra(pixels.depth), extra(pixels.alpha));

        let mut slots = vec![T::ZERO; SLOT * frame.lists.len()];
        let mut parts: Vec<&mut [T]> = Vec::with_capacity(frame.starts.len());
        let mut rest = slots.as_mut_slice();
        for ends in frame.starts.windows(2) {
            let (part, tail) = rest.split_at_mut(SLOT * (ends[1] - ends[0]) as usize);
            parts.push(part);
            rest = tail;
        }
        parts.par_iter_mut().enumerate().for_each(|(tile, slots)| {
            let list = &frame.lists[frame.starts[tile] as usize..frame.starts[tile + 1] as usize];
            if list.is_empty() {
                return;
            }
            let pixels = tile * AREA..(tile + 1) * AREA;
            let up = Upstream {
                colour: &up_colour[3 * pixels.start..3 * pixels.end],
                depth: if has_extra { &up_depth[pixels.clone()] } else { &[] },
                alpha: if has_extra { &up_alpha[pixels.clone()] } else { &[] },
            };
            let left = (&frame.transmittance[pixels.clone()], &frame.last[pixels]);
            let task = task(&frame.splats, list, tile, frame.columns, size, options);
            T::unpaint_tile(TaskOf(task), left, UpstreamOf(up), slots);
        });
        drop(parts);
        self.gather(g, camera, options, &slots)
    }

    /// Sums the slots of each Gaussian and pulls the sums back to its parameters.
    fn gather(&self, g: &Gaussians<T>, camera: &Camera<T>, options: &Options<T>, slots: &[T]) -> Gradients<T> {
        let frame = &self.frame;
        let mut rank = vec![u32::MAX; g.len()];
        frame.order.iter().enumerate().for_each(|(k, i)| rank[*i as usize] = k as u32);
        let position = camera.position();
        let mut out = Gaussians::zeros_like(g);
        let (mut centres, mut absolute) = (vec![T::ZERO; 2 * g.len()], vec![T::ZERO; 2 * g.len()]);
        let width = out.widths()[4];
        let sums: Vec<PoseSums<T>> = out
            .mean
            .par_chunks_mut(3 * CHUNK)
            .zip(out.log_scale.par_chunks_mut(3 * CHUNK))
            .zip(out.rotation.par_chunks_mut(4 * CHUNK))
            .zip(out.opacity.par_chunks_mut(CHUNK))
            .zip(out.sh.par_chunks_mut(width * CHUNK))
            .zip(centres.par_chunks_mut(2 * CHUNK).zip(absolute.par_chunks_mut(2 * CHUNK)))
            .enumerate()
            .map(|(chunk, (((((mean, log_scale), rotation), opacity), sh), (centres, absolute)))| {
                let mut pose = PoseSums::default();
                for k in 0..opacity.len() {
                    let i = chunk * CHUNK + k;
                    if rank[i] == u32::MAX {
                        continue;
                    }
                    let r = rank[i] as usize;
                    let mut up = SplatGradient::default();
                    for slot in &frame.slots[frame.first[r] as usize..frame.first[r + 1] as usize] {
                        let at = *slot as usize * SLOT;
                        up.add(&slots[at..at + SLOT]);
                    }
                    centres[2 * k..2 * k + 2].copy_from_slice(&up.at);
                    absolute[2 * k..2 * k + 2].copy_from_slice(&up.absolute);
                    let row = Row {
                        mean: &mut mean[3 * k..3 * k + 3],
                        log_scale: &mut log_scale[3 * k..3 * k + 3],
                        rotation: &mut rotation[4 * k..4 * k + 4],
                        opacity: &mut opacity[k],
                        sh: &mut sh[k * width..(k + 1) * width],
                    };
                    pull_back(g, i, camera, position, options, &up, row, &mut pose);
                }
                pose
            })
            .collect();
        let mut pose = PoseSums::default();
        sums.iter().for_each(|s| pose.add(s));
        // The position is -Rᵀτ, and the viewing directions start there.
        let (r, tau, d) = (&camera.rotation, &camera.translation, &pose.d);
        let mut rotation = pose.rotation;
        let mut translation = pose.t;
        for a in 0..3 {
            translation[a] += r[3 * a] * d[0] + r[3 * a + 1] * d[1] + r[3 * a + 2] * d[2];
            (0..3).for_each(|b| rotation[3 * a + b] += tau[a] * d[b]);
        }
        Gradients { gaussians: out, centres, absolute, rotation, translation }
    }
}

fn task<'a, T: Raster>(
    splats: &'a [Splat<T>],
    list: &'a [u32],
    tile: usize,
    columns: usize,
    size: [usize; 2],
    options: &'a Options<T>,
) -> Task<'a, T> {
    let origin = [tile % columns * TILE, tile / columns * TILE];
    let size = [(size[0] - origin[0]).min(TILE), (size[1] - origin[1]).min(TILE)];
    Task { splats, list, origin, size, options }
}

/// Gaussians that are drawn, nearest first; of equal ones the first.
fn by_depth<T: Raster>(splats: &[Splat<T>]) -> Vec<u32> {
    let drawn = splats.iter().enumerate().filter(|(_, s)| s.half[0] > T::ZERO);
    let mut keys: Vec<(u64, u32)> = drawn.map(|(i, s)| (s.depth.sort_key(), i as u32)).collect();
    keys.par_sort_unstable();
    keys.into_iter().map(|(_, i)| i).collect()
}

/// What is said when `count` Gaussians have more than `most` pairs with the tiles of a picture.
pub(crate) fn too_many_pairs(count: usize, [columns, rows]: [usize; 2], most: usize) -> Error {
    Error::data(
        format!("{count} Gaussians cover a picture of {columns} x {rows} tiles more than {most} times"),
        "draw a smaller picture, or fewer or smaller Gaussians",
    )
}

struct Binned {
    first: Vec<u32>,
    slots: Vec<u32>,
    lists: Vec<u32>,
    starts: Vec<u32>,
}

/// Puts the Gaussians into the lists of the tiles they reach, unless there are more than `most` pairs.
fn bin<T: Raster>(splats: &[Splat<T>], order: &[u32], [columns, rows]: [usize; 2], most: usize) -> Result<Binned> {
    let pairs = AtomicUsize::new(0);
    let reached: Result<Vec<(Vec<u32>, Vec<u32>)>> = order
        .par_chunks(CHUNK)
        .map(|ids| {
            let (mut tiles, mut counts) = (Vec::with_capacity(4 * CHUNK), Vec::with_capacity(CHUNK));
            for id in ids {
                let before = tiles.len();
                push_tiles(&splats[*id as usize], columns, rows, &mut tiles);
                counts.push((tiles.len() - before) as u32);
            }
            // Seen while the lists grow, so that memory does not run out first.
            if pairs.fetch_add(tiles.len(), Ordering::Relaxed) + tiles.len() > most {
                return Err(too_many_pairs(order.len(), [columns, rows], most));
            }
            Ok((tiles, counts))
        })
        .collect();
    let (reached, pairs) = (reached?, pairs.into_inner());
    let mut starts = vec![0u32; columns * rows + 1];
    reached.iter().flat_map(|(tiles, _)| tiles).for_each(|t| starts[*t as usize + 1] += 1);
    for t in 1..starts.len() {
        starts[t] += starts[t - 1];
    }
    let mut next = starts.clone();
    let (mut lists, mut slots) = (vec![0u32; pairs], Vec::with_capacity(pairs));
    let mut first = Vec::with_capacity(order.len() + 1);
    first.push(0);
    let mut ids = order.iter();
    for (tiles, counts) in &reached {
        let mut tiles = tiles.iter();
        for (count, id) in counts.iter().zip(ids.by_ref()) {
            for tile in tiles.by_ref().take(*count as usize) {
                let place = &mut next[*tile as usize];
                lists[*place as usize] = *id;
                slots.push(*place);
                *place += 1;
            }
            first.push(slots.len() as u32);
        }
    }
    Ok(Binned { first, slots, lists, starts })
}

/// The tiles that a Gaussian's ellipse meets, in their order.
fn push_tiles<T: Raster>(s: &Splat<T>, columns: usize, rows: usize, out: &mut Vec<u32>) {
    let side = T::of(TILE as f64);
    let range = |k: usize, count: usize| {
        let low = ((s.at[k] - s.half[k]) / side).floor_index().max(0) as usize;
        let high = ((s.at[k] + s.half[k]) / side).floor_index();
        low..(high.saturating_add(1).clamp(0, count as i64) as usize)
    };
    for row in range(1, rows) {
        for column in range(0, columns) {
            if least_power(s, column, row) <= s.limit {
                out.push((row * columns + column) as u32);
            }
        }
    }
}

/// The least `σ` over the pixel centres' rectangle of a tile.
fn least_power<T: Raster>(s: &Splat<T>, column: usize, row: usize) -> T {
    let half = T::of(0.5);
    let low = [T::of((column * TILE) as f64) + half, T::of((row * TILE) as f64) + half];
    let high = low.map(|v| v + T::of(TILE as f64 - 1.0));
    // Distances from the tile's sides to the centre: dx = u - p.
    let (dx, dy) = ([s.at[0] - high[0], s.at[0] - low[0]], [s.at[1] - high[1], s.at[1] - low[1]]);
    let nearest = |d: [T; 2]| T::ZERO.most(d[0]).least(d[1]);
    let (near_x, near_y) = (nearest(dx), nearest(dy));
    if near_x == T::ZERO && near_y == T::ZERO {
        return T::ZERO;
    }
    let power = |x: T, y: T| half * (s.q[0] * x * x + s.q[2] * y * y) + s.q[1] * x * y;
    let mut least = power(near_x, near_y);
    // The least value of a bowl over a rectangle lies on a side that faces the bowl's bottom.
    if near_x != T::ZERO {
        let y = (-s.q[1] * near_x / s.q[2]).most(dy[0]).least(dy[1]);
        least = least.least(power(near_x, y));
    }
    if near_y != T::ZERO {
        let x = (-s.q[1] * near_y / s.q[0]).most(dx[0]).least(dx[1]);
        least = least.least(power(x, near_y));
    }
    // Rounding must not lose a tile.
    least * T::of(0.999)
}

/// `[tiles, C, AREA]` as `[C, H, W]`.
fn from_tiles<T: Raster>(tiles: &[T], channels: usize, columns: usize, [width, height]: [usize; 2]) -> Vec<T> {
    let mut out = vec![T::ZERO; channels * width * height];
    out.par_chunks_mut(width).enumerate().for_each(|(line, row)| {
        let (c, y) = (line / height, line % height);
        for (column, part) in row.chunks_mut(TILE).enumerate() {
            let tile = y / TILE * columns + column;
            let from = (tile * channels + c) * AREA + y % TILE * TILE;
            part.copy_from_slice(&tiles[from..from + part.len()]);
        }
    });
    out
}

/// The inverse of [`from_tiles`]; pixels outside the picture are zero.
fn to_tiles<T: Raster>(image: &[T], channels: usize, columns: usize, [width, height]: [usize; 2]) -> Vec<T> {
    assert_eq!(image.len(), channels * width * height, "derivatives need the picture's size");
    let rows = height.div_ceil(TILE);
    let mut out = vec![T::ZERO; channels * columns * rows * AREA];
    out.par_chunks_mut(channels * AREA).enumerate().for_each(|(tile, pixels)| {
        let (left, top) = (tile % columns * TILE, tile / columns * TILE);
        let length = (width - left).min(TILE);
        for c in 0..channels {
            for y in 0..(height - top).min(TILE) {
                let from = (c * height + top + y) * width + left;
                let to = c * AREA + y * TILE;
                pixels[to..to + length].copy_from_slice(&image[from..from + length]);
            }
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_pairs_of_tile_and_gaussian_are_refused() {
        // Each covers all six tiles.
        let wide =
            Splat { at: [24.0, 16.0], q: [1e-6, 0.0, 1e-6], limit: 5.0, half: [100.0; 2], ..Splat::<f64>::default() };
        let splats = vec![wide; 10];
        let order: Vec<u32> = (0..10).collect();
        let binned = bin(&splats, &order, [3, 2], 60).unwrap();
        assert_eq!((binned.lists.len(), binned.starts.last()), (60, Some(&60)));
        let error = bin(&splats, &order, [3, 2], 59).err().unwrap();
        assert!(error.to_string().contains("more than 59 times"), "{error}");
    }
}
