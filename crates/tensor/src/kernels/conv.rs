//! Convolutions over planes: the three products that a convolution and its derivatives are made of.
//!
//! Each is one product of matrices in which an operand is the image seen through its patches: element (tap, pixel) of the patches is
//! the image at `place of the tap + start of the pixel`, once zeros stand around it. The product copies patches into its panels as it
//! goes, so they never exist as a whole.
//!
//! | product | left | right | depth |
//! |---|---|---|---|
//! | `forward`, y | filters | patches of x at the outputs | channels and taps |
//! | `backward_input`, dx | filters by input channel | patches of dy at the inputs, one phase of the stride at a time | outputs and taps |
//! | `backward_weight`, dw | dy | patches of x | pixels of all images |

use std::borrow::Cow;

use rayon::prelude::*;

use super::gemm::{Columns, Lines, Packed, Start, Strided, Tiled, product};
use super::{buffer, depthwise, zeros};
use elbo_core::recycle::{Kept, keep};

/// The sizes of a convolution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Geometry {
    pub batch: usize,
    pub groups: usize,
    /// Channels of a group on the side of the input, and of the output.
    pub channels: [usize; 2],
    /// Height and width of the input.
    pub input: [usize; 2],
    /// Height and width of the output.
    pub output: [usize; 2],
    pub kernel: [usize; 2],
    pub stride: [usize; 2],
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
}

/// Multiply-adds of one part of a gradient of weights; there are at most [`PARTS`].
const PART: usize = 1 << 22;
const PARTS: usize = 16;

/// Channels for which a tile is at least half empty.
const FEW: usize = 3;

impl Geometry {
    pub fn plane(&self) -> usize {
        self.input[0] * self.input[1]
    }
    pub fn out_plane(&self) -> usize {
        self.output[0] * self.output[1]
    }
    pub fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }
    fn depth(&self) -> usize {
        self.channels[0] * self.taps()
    }
    fn is_empty(&self) -> bool {
        let sides = self.groups * self.channels[0] * self.channels[1] * self.taps();
        sides * self.batch * self.plane() * self.out_plane() == 0
    }
    fn is_depthwise(&self) -> bool {
        self.channels == [1, 1]
    }

    /// The input with the zeros that the filters touch around it.
    fn field<'a, T: Tiled>(&self, x: &'a [T]) -> Field<'a, T> {
        let need = |d: usize| (self.output[d] - 1) * self.stride[d] + (self.kernel[d] - 1) * self.dilation[d] + 1;
        Field::new(x, self.input, self.padding, [need(0), need(1)])
    }

    /// Where the taps lie relative to a patch's start, for one group.
    fn places(&self, size: [usize; 2]) -> Vec<usize> {
        let mut places = Vec::with_capacity(self.depth());
        for channel in 0..self.channels[0] {
            for i in 0..self.kernel[0] {
                for j in 0..self.kernel[1] {
                    places.push((channel * size[0] + i * self.dilation[0]) * size[1] + j * self.dilation[1]);
                }
            }
        }
        places
    }

    /// Where the patches of all images start.
    fn starts(&self, size: [usize; 2]) -> Kept<usize> {
        let mut starts = Kept::<usize>::empty(self.batch * self.out_plane());
        for image in 0..self.batch {
            let first = image * self.groups * self.channels[0] * size[0] * size[1];
            for row in 0..self.output[0] {
                let line = first + row * self.stride[0] * size[1];
                starts.extend((0..self.output[1]).map(|column| line + column * self.stride[1]));
            }
        }
        starts
    }
}

/// Planes with zeros around them.
struct Field<'a, T: Tiled> {
    data: Cow<'a, [T]>,
    size: [usize; 2],
}

impl<'a, T: Tiled> Field<'a, T> {
    /// At least `need` rows and columns, with `before` of them in front of the planes.
    fn new(x: &'a [T], [h, w]: [usize; 2], before: [usize; 2], need: [usize; 2]) -> Self {
        if before == [0, 0] && need[0] <= h && need[1] <= w {
            return Self { data: Cow::Borrowed(x), size: [h, w] };
        }
        let plane = need[0] * need[1];
        let mut data = buffer::<T>(x.len() / (h * w) * plane);
        // A stride may leave out even a part of the padding.
        let front = before[1].min(need[1]);
        let columns = w.min(need[1] - front);
        let pad = |(to, from): (&mut [T], &[T])| {
            for (row, to) in to.chunks_exact_mut(need[1]).enumerate() {
                match row.checked_sub(before[0]).filter(|row| *row < h) {
                    Some(row) => {
                        to[..front].fill(T::ZERO);
                        to[front..front + columns].copy_from_slice(&from[row * w..][..columns]);
                        to[front + columns..].fill(T::ZERO);
                    }
                    None => to.fill(T::ZERO),
                }
            }
        };
        if data.len() < 2 * super::GRAIN {
            data.chunks_exact_mut(plane).zip(x.chunks_exact(h * w)).for_each(pad);
        } else {
            let together = (super::GRAIN / plane).max(1);
            data.par_chunks_mut(together * plane).zip(x.par_chunks(together * h * w)).for_each(|(to, from)| {
                to.chunks_exact_mut(plane).zip(from.chunks_exact(h * w)).for_each(pad);
            });
        }
        Self { data: Cow::Owned(data), size: need }
    }

    fn plane(&self) -> usize {
        self.size[0] * self.size[1]
    }
}

impl<T: Tiled> Drop for Field<'_, T> {
    fn drop(&mut self) {
        if let Cow::Owned(data) = &mut self.data {
            keep(std::mem::take(data));
        }
    }
}

/// `y: [B, O, oh, ow]` of `x: [B, C, H, W]`, `w: [O, C/groups, kh, kw]` and a number for each output channel.
pub(crate) fn forward<T: Tiled>(g: &Geometry, x: &[T], w: &[T], bias: Option<&[T]>) -> Vec<T> {
    let ([ci, co], depth, plane) = (g.channels, g.depth(), g.out_plane());
    let size = g.batch * g.groups * co * plane;
    if g.is_empty() {
        let mut out = zeros(size);
        if let Some(bias) = bias {
            out.chunks_exact_mut(plane.max(1)).zip(bias.iter().cycle()).for_each(|(y, b)| y.fill(*b));
        }
        return out;
    }
    if g.is_depthwise() {
        return depthwise::forward(g, x, w, bias);
    }
    let mut out = buffer(size);
    let field = g.field(x);
    let (places, starts) = (g.places(field.size), g.starts(field.size));
    for group in 0..g.groups {
        let left = &w[group * co * depth..][..co * depth];
        let left = Packed::new(&Strided { data: left, lines: co, line: depth, step: 1 }, co, depth);
        let data = &field.data[group * ci * field.plane()..];
        let right = Lines::new(data, &starts, &places);
        let columns = Columns::Runs { length: plane, step: g.groups * co * plane };
        let start = bias.map_or(Start::Zero, |bias| Start::Bias(&bias[group * co..][..co]));
        product(&left, &right, starts.len(), (&mut out[group * co * plane..], plane, columns), start, true);
    }
    out
}

/// Input positions of one phase of the stride along an axis, and the taps that reach them.
struct Phase {
    /// First position; the others follow at the stride.
    first: usize,
    count: usize,
    /// Each tap, and how far its output lies from the position's place in the phase.
    taps: Vec<(usize, isize)>,
}

impl Geometry {
    fn phases(&self, d: usize) -> Vec<Phase> {
        let (stride, padding, dilation) = (self.stride[d], self.padding[d], self.dilation[d]);
        (0..stride.min(self.input[d]))
            .map(|first| {
                // Position `first + stride t` is under tap i of output t + (first + padding - i dilation) / stride.
                let reach = |i: usize| first as isize + padding as isize - (i * dilation) as isize;
                let taps = (0..self.kernel[d]).filter(|i| reach(*i) % stride as isize == 0);
                Phase {
                    first,
                    count: (self.input[d] - first).div_ceil(stride),
                    taps: taps.map(|i| (i, reach(i) / stride as isize)).collect(),
                }
            })
            .collect()
    }
}

/// The gradient of the input: `[B, C, H, W]` of `y: [B, O, oh, ow]` and `w`, and a number for each input channel. It is the transposed
/// convolution.
pub(crate) fn backward_input<T: Tiled>(g: &Geometry, y: &[T], w: &[T], bias: Option<&[T]>) -> Vec<T> {
    let ([ci, co], plane) = (g.channels, g.plane());
    let mut out = buffer(g.batch * g.groups * ci * plane);
    if g.is_empty() || g.is_depthwise() || ci <= FEW {
        match bias {
            Some(bias) => out.chunks_exact_mut(plane.max(1)).zip(bias.iter().cycle()).for_each(|(x, b)| x.fill(*b)),
            None => out.fill(T::ZERO),
        }
        if g.is_empty() {
            return out;
        }
        if g.is_depthwise() {
            depthwise::backward_input(g, y, w, &mut out);
        } else {
            scattered(g, y, w, &mut out);
        }
        return out;
    }
    let phases = [g.phases(0), g.phases(1)];
    let before = [0, 1].map(|d| {
        let shifts = phases[d].iter().flat_map(|p| p.taps.iter().map(|t| -t.1));
        shifts.max().unwrap_or(0).max(0) as usize
    });
    let need = [0, 1].map(|d| {
        let ends = phases[d].iter().flat_map(|p| p.taps.iter().map(|t| p.count as isize + t.1));
        before[d] + ends.max().unwrap_or(0).max(g.output[d] as isize) as usize
    });
    let field = Field::new(y, g.output, before, need);
    let [rows, columns] = &phases;
    for (rows, columns) in rows.iter().flat_map(|r| columns.iter().map(move |c| (r, c))) {
        let mut places = vec![];
        let mut weights = vec![];
        for o in 0..co {
            for (i, up) in &rows.taps {
                for (j, left) in &columns.taps {
                    let at = |d: usize, by: isize| (before[d] as isize + by) as usize;
                    places.push((o * field.size[0] + at(0, *up)) * field.size[1] + at(1, *left));
                    weights.push(o * ci * g.taps() + i * g.kernel[1] + j);
                }
            }
        }
        let count = g.batch * rows.count * columns.count;
        let (mut starts, mut targets) = (Kept::<usize>::empty(count), Kept::<usize>::empty(count));
        for image in 0..g.batch {
            for r in 0..rows.count {
                let from = image * g.groups * co * field.plane() + r * field.size[1];
                let row = rows.first + r * g.stride[0];
                let to = image * g.groups * ci * plane + row * g.input[1] + columns.first;
                starts.extend((0..columns.count).map(|c| from + c));
                targets.extend((0..columns.count).map(|c| to + c * g.stride[1]));
            }
        }
        let channels: Vec<usize> = (0..ci).map(|channel| channel * g.taps()).collect();
        let step = g.groups * ci * plane;
        let to = match g.stride {
            [1, 1] => Columns::Runs { length: plane, step },
            _ => Columns::Places { places: &targets, step },
        };
        for group in 0..g.groups {
            let filters = Lines::new(&w[group * co * ci * g.taps()..], &channels, &weights);
            let left = Packed::new(&filters, ci, weights.len());
            let data = &field.data[group * co * field.plane()..];
            let right = Lines::new(data, &starts, &places);
            let start = bias.map_or(Start::Zero, |bias| Start::Bias(&bias[group * ci..][..ci]));
            product(&left, &right, count, (&mut out[group * ci * plane..], plane, to), start, true);
        }
    }
    out
}

/// Adds the gradient of the input for so few channels that tiles would be mostly empty: here the taps are rows too, and patches are made
/// and added to where they came from.
fn scattered<T: Tiled>(g: &Geometry, y: &[T], w: &[T], x: &mut [T]) {
    let ([ci, co], depth, plane) = (g.channels, g.depth(), g.out_plane());
    for group in 0..g.groups {
        let filters = Strided { data: &w[group * co * depth..], lines: depth, line: 1, step: depth };
        let left = Packed::new(&filters, depth, co);
        x.par_chunks_mut(g.groups * ci * g.plane()).enumerate().for_each(|(image, x)| {
            let y = &y[(image * g.groups + group) * co * plane..][..co * plane];
            let right = Strided { data: y, lines: plane, line: 1, step: plane };
            let mut patches = buffer(depth * plane);
            product(&left, &right, plane, (&mut patches, plane, Columns::Plain), Start::Zero, false);
            for channel in 0..ci {
                let x = &mut x[(group * ci + channel) * g.plane()..][..g.plane()];
                depthwise::scatter(g, &patches[channel * g.taps() * plane..][..g.taps() * plane], x);
            }
            keep(patches);
        });
    }
}

/// The gradient of the weights: `[O, C/groups, kh, kw]` of `x: [B, C, H, W]` and `y: [B, O, oh, ow]`.
pub(crate) fn backward_weight<T: Tiled>(g: &Geometry, x: &[T], y: &[T]) -> Vec<T> {
    let ([ci, co], depth, plane) = (g.channels, g.depth(), g.out_plane());
    let size = g.groups * co * depth;
    if g.is_empty() {
        return zeros(size);
    }
    if g.is_depthwise() {
        return depthwise::backward_weight(g, x, y);
    }
    let field = g.field(x);
    let (taps, starts) = (g.places(field.size), g.starts(field.size));
    let mut pixels = Kept::<usize>::empty(g.batch * plane);
    (0..g.batch).for_each(|image| pixels.extend((0..plane).map(|p| image * g.groups * co * plane + p)));
    let outputs: Vec<usize> = (0..co).map(|o| o * plane).collect();
    // The parts depend on the sizes alone, and are added in order.
    let parts = (pixels.len().saturating_mul(co * depth) / PART).clamp(1, PARTS).min(pixels.len());
    let one = |part: usize| {
        let range = part * pixels.len() / parts..(part + 1) * pixels.len() / parts;
        let mut sum = buffer(size);
        for group in 0..g.groups {
            let data = &y[group * co * plane..];
            let left = Lines::new(data, &outputs, &pixels[range.clone()]);
            let left = Packed::new(&left, co, range.len());
            let data = &field.data[group * ci * field.plane()..];
            let right = Lines::new(data, &taps, &starts[range.clone()]);
            let sum = &mut sum[group * co * depth..][..co * depth];
            product(&left, &right, depth, (sum, depth, Columns::Plain), Start::Zero, parts == 1);
        }
        sum
    };
    let mut sums: Vec<Vec<T>> = (0..parts).into_par_iter().map(one).collect();
    let mut out = std::mem::take(&mut sums[0]);
    for sum in sums.drain(1..) {
        out.iter_mut().zip(&sum).for_each(|(o, p)| *o += *p);
        keep(sum);
    }
    out
}
