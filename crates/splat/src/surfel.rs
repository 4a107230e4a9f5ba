//! Flat Gaussians: discs in space that a ray meets in one point, with a depth and a normal of their own.
//!
//! A disc has the mean, the rotation, the first two scales, the opacity and the colour of a [`Gaussians`] row; its normal is the third axis of the
//! rotation, turned towards the camera, and the third scale is not used. Every pixel walks through the discs whose bounds hold it, nearest
//! mean first; rows of pixels are divided into bands that are summed in their order, so that results have the same bits for any number of threads.
//!
//! # Source
//! Huang, Yu, Chen, Geiger and Gao (2024), 2D Gaussian splatting. Deviations: the extent is that of the smallest opacity drawn; the distortion is that of
//! depths, not of normalised device coordinates.

use crate::camera::Camera;
use crate::gaussians::{Gaussians, normalised, rotation_matrix, sigmoid};
use crate::project::{Options, colour, product, pull_back_colour, quaternion_gradient};
use crate::real::Real;
use rayon::prelude::*;

/// Rows of pixels a piece of parallel work.
const BAND: usize = 8;
/// Numbers that are blended: colour, depth, normal.
const BLENDED: usize = 7;

/// A picture of discs. Arrays of pixels are `[C, H, W]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Discs<T> {
    /// Colours over the background, three channels.
    pub colour: Vec<T>,
    /// Expected depth times opacity.
    pub depth: Vec<T>,
    /// Expected normal in the camera's coordinates times opacity, three channels.
    pub normal: Vec<T>,
    /// Share of the light from behind that is kept out.
    pub alpha: Vec<T>,
    /// How far apart the depths are that a pixel is made of: `Σ_{i<j} w_i w_j (z_i - z_j)²`.
    pub distortion: Vec<T>,
}

/// A disc as a camera sees it.
#[derive(Debug, Clone, Copy)]
struct Disc<T> {
    index: usize,
    /// From places on the disc, in standard deviations, to pixels: `K [s₁R₁, s₂R₂, t]`, row-major.
    h: [T; 9],
    /// The mean in camera coordinates, and in the picture.
    t: [T; 3],
    at: [T; 2],
    /// The axes in camera coordinates, as columns; the third is the normal but for its sign.
    axes: [T; 9],
    scale: [T; 2],
    /// What turns the normal towards the camera.
    sign: T,
    opacity: T,
    colour: [T; 3],
    low: [T; 2],
    high: [T; 2],
}

/// Where a ray met a disc.
#[derive(Debug, Clone, Copy)]
struct Met<T> {
    disc: usize,
    /// On the disc, in standard deviations, and the depth there; the mean itself where the disc is smaller than a pixel.
    place: Option<[T; 2]>,
    depth: T,
    alpha: T,
    is_limited: bool,
    /// Light that is left in front of it.
    light: T,
}

/// Derivatives of the loss in a disc, summed over pixels.
#[derive(Debug, Clone, Copy, Default)]
struct Sums<T> {
    h: [T; 9],
    at: [T; 2],
    depth: T,
    log_opacity: T,
    colour: [T; 3],
    normal: [T; 3],
}

impl<T: Real> Sums<T> {
    fn add(&mut self, other: &Self) {
        let pairs = self.h.iter_mut().chain(&mut self.at).chain(&mut self.colour).chain(&mut self.normal);
        let pairs = pairs.chain([&mut self.depth, &mut self.log_opacity]);
        let others = other.h.iter().chain(&other.at).chain(&other.colour).chain(&other.normal);
        pairs.zip(others.chain([&other.depth, &other.log_opacity])).for_each(|(a, b)| *a += *b);
    }
}

fn dot<T: Real>(a: [T; 3], b: [T; 3]) -> T {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross<T: Real>(a: [T; 3], b: [T; 3]) -> [T; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

/// A row of a matrix.
fn row<T: Real>(m: &[T; 9], k: usize) -> [T; 3] {
    [m[3 * k], m[3 * k + 1], m[3 * k + 2]]
}

impl<T: Real> Disc<T> {
    fn new(g: &Gaussians<T>, index: usize, camera: &Camera<T>, position: [T; 3], options: &Options<T>) -> Option<Self> {
        let t = camera.to_camera(std::array::from_fn(|k| g.mean[3 * index + k]));
        let opacity = T::of(sigmoid(g.opacity[index].to_f64()));
        let is_drawn = t[2] > options.near && opacity > options.alpha_min;
        if !is_drawn {
            return None;
        }
        let turn = rotation_matrix(normalised(std::array::from_fn(|k| g.rotation[4 * index + k])));
        let axes = product(&camera.rotation, &turn);
        let scale = [0, 1].map(|k| g.log_scale[3 * index + k].exp());
        let ([fx, fy], [cx, cy]) = (camera.focal, camera.centre);
        let b: [T; 9] = std::array::from_fn(|e| if e % 3 == 2 { t[e / 3] } else { axes[e] * scale[e % 3] });
        let mut h = b;
        for k in 0..3 {
            h[k] = fx * b[k] + cx * b[6 + k];
            h[3 + k] = fy * b[3 + k] + cy * b[6 + k];
        }
        let at = [fx * t[0] / t[2] + cx, fy * t[1] / t[2] + cy];
        let facing = dot([axes[2], axes[5], axes[8]], t);
        let mut disc = Self {
            index,
            h,
            t,
            at,
            axes,
            scale,
            sign: if facing > T::ZERO { -T::ONE } else { T::ONE },
            opacity,
            colour: colour(g, index, options.degree, position),
            low: [T::ZERO; 2],
            high: [T::of(camera.width as f64), T::of(camera.height as f64)],
        };
        disc.bound((opacity / options.alpha_min).ln());
        Some(disc)
    }

    /// Bounds of what is drawn, where `σ` is up to `limit`; the whole picture where the disc reaches the camera's plane.
    fn bound(&mut self, limit: T) {
        let square = limit + limit;
        let weights = [square, square, -T::ONE];
        let over = |a: [T; 3], b: [T; 3]| dot(std::array::from_fn(|k| weights[k] * a[k]), b);
        let depths = row(&self.h, 2);
        let d = over(depths, depths);
        // A hair more than the disc, and the low-pass beside it.
        let (hair, pixel) = (T::of(1e-3), limit.sqrt());
        let is_in_front = d < T::ZERO;
        if !is_in_front {
            return;
        }
        for k in 0..2 {
            let line = row(&self.h, k);
            let middle = over(line, depths) / d;
            let half = (middle * middle - over(line, line) / d).most(T::ZERO).sqrt();
            self.low[k] = self.low[k].most((middle - half).least(self.at[k] - pixel) - hair);
            self.high[k] = self.high[k].least((middle + half).most(self.at[k] + pixel) + hair);
        }
    }

    /// `h_u` and `h_v` of the pixel, and their product, whose quotients are the place on the disc.
    fn lines(&self, p: [T; 2]) -> [[T; 3]; 3] {
        let depths = row(&self.h, 2);
        let line = |k: usize| {
            let own = row(&self.h, k);
            std::array::from_fn(|e| p[k] * depths[e] - own[e])
        };
        let (u, v) = (line(0), line(1));
        [u, v, cross(u, v)]
    }

    /// The smaller of the disc's `σ` and that of a low-pass of half a square pixel, the place of the former, and the depth.
    fn meet(&self, p: [T; 2]) -> (T, Option<[T; 2]>, T) {
        let d = [self.at[0] - p[0], self.at[1] - p[1]];
        let near = d[0] * d[0] + d[1] * d[1];
        let [_, _, c] = self.lines(p);
        let [a, b] = [c[0] / c[2], c[1] / c[2]];
        let sigma = T::of(0.5) * (a * a + b * b);
        // Also where the ray runs along the disc and the quotients are no numbers.
        if sigma < near { (sigma, Some([a, b]), dot(row(&self.h, 2), [a, b, T::ONE])) } else { (near, None, self.t[2]) }
    }

    fn normal(&self) -> [T; 3] {
        [2, 5, 8].map(|k| self.sign * self.axes[k])
    }

    /// What is blended.
    fn shown(&self, depth: T) -> [T; BLENDED] {
        let (c, n) = (self.colour, self.normal());
        [c[0], c[1], c[2], depth, n[0], n[1], n[2]]
    }
}

/// The discs that a camera sees, nearest mean first.
fn seen<T: Real>(g: &Gaussians<T>, camera: &Camera<T>, options: &Options<T>) -> Vec<Disc<T>> {
    let position = camera.position();
    let all: Vec<Option<Disc<T>>> =
        (0..g.len()).into_par_iter().map(|i| Disc::new(g, i, camera, position, options)).collect();
    let mut discs: Vec<Disc<T>> = all.into_iter().flatten().collect();
    discs.sort_by_key(|disc| disc.t[2].sort_key());
    discs
}

/// The discs that a pixel is made of, nearest first.
fn walk<T: Real>(discs: &[Disc<T>], near: &[usize], p: [T; 2], options: &Options<T>, out: &mut Vec<Met<T>>) -> T {
    out.clear();
    let mut light = T::ONE;
    for disc in near {
        let d = &discs[*disc];
        if p[0] < d.low[0] || p[0] > d.high[0] || p[1] < d.low[1] || p[1] > d.high[1] {
            continue;
        }
        let (sigma, place, depth) = d.meet(p);
        let raw = d.opacity * (-sigma).exp();
        let is_drawn = raw >= options.alpha_min && depth > options.near;
        if !is_drawn {
            continue;
        }
        let alpha = raw.least(options.alpha_max);
        if light * (T::ONE - alpha) < options.transmittance_min {
            break;
        }
        out.push(Met { disc: *disc, place, depth, alpha, is_limited: raw > options.alpha_max, light });
        light *= T::ONE - alpha;
    }
    light
}

/// The depth of a pixel's first disc, and sums of `w`, `w z` and `w z²` over all, where `z` is the depth beyond it: differences keep their digits.
fn moments<T: Real>(met: &[Met<T>]) -> (T, [T; 3]) {
    let first = met.first().map_or(T::ZERO, |m| m.depth);
    let sums = met.iter().fold([T::ZERO; 3], |sums, m| {
        let (w, z) = (m.alpha * m.light, m.depth - first);
        [sums[0] + w, sums[1] + w * z, sums[2] + w * z * z]
    });
    (first, sums)
}

/// The pieces of a picture of this many rows: their first row, and the discs that may reach them.
fn bands<T: Real>(discs: &[Disc<T>], height: usize) -> Vec<(usize, Vec<usize>)> {
    (0..height.div_ceil(BAND))
        .map(|band| {
            let (top, bottom) = (T::of((band * BAND) as f64), T::of(((band + 1) * BAND) as f64));
            let near = (0..discs.len()).filter(|k| discs[*k].low[1] < bottom && discs[*k].high[1] > top);
            (band * BAND, near.collect())
        })
        .collect()
}

fn centre<T: Real>(x: usize, y: usize) -> [T; 2] {
    [T::of(x as f64 + 0.5), T::of(y as f64 + 0.5)]
}

/// Draws discs as this camera sees them. [`Options::low_pass`] and [`Options::antialias`] are not used.
pub fn render<T: Real>(g: &Gaussians<T>, camera: &Camera<T>, options: &Options<T>) -> Discs<T> {
    let (width, height) = (camera.width, camera.height);
    let discs = seen(g, camera, options);
    // Blended numbers, then light and distortion.
    let pixels: Vec<Vec<[T; BLENDED + 2]>> = bands(&discs, height)
        .into_par_iter()
        .map(|(top, near)| {
            let (mut met, mut out) = (vec![], Vec::with_capacity(BAND * width));
            for p in (top..(top + BAND).min(height)).flat_map(|y| (0..width).map(move |x| centre(x, y))) {
                let light = walk(&discs, &near, p, options, &mut met);
                let mut sums = [T::ZERO; BLENDED + 2];
                for m in &met {
                    let w = m.alpha * m.light;
                    discs[m.disc].shown(m.depth).iter().zip(&mut sums).for_each(|(v, sum)| *sum += w * *v);
                }
                (0..3).for_each(|c| sums[c] += light * options.background[c]);
                let (_, [a, d, dd]) = moments(&met);
                // Half the sum over all ordered pairs.
                (sums[BLENDED], sums[BLENDED + 1]) = (T::ONE - light, a * dd - d * d);
                out.push(sums);
            }
            out
        })
        .collect();
    let pixels = pixels.concat();
    let plane = |k: usize| pixels.iter().map(move |sums| sums[k]);
    Discs {
        colour: (0..3).flat_map(plane).collect(),
        depth: plane(3).collect(),
        normal: (4..7).flat_map(plane).collect(),
        alpha: plane(7).collect(),
        distortion: plane(8).collect(),
    }
}

/// Derivatives in all parameters from those in the pixels, `up`. The other arguments are those of [`render`]. Those in third scales are zero.
pub fn backward<T: Real>(g: &Gaussians<T>, camera: &Camera<T>, options: &Options<T>, up: &Discs<T>) -> Gaussians<T> {
    let (width, height) = (camera.width, camera.height);
    let area = width * height;
    assert!(up.colour.len() == 3 * area && up.distortion.len() == area, "derivatives need the picture's size");
    let discs = seen(g, camera, options);
    let parts: Vec<Vec<(usize, Sums<T>)>> = bands(&discs, height)
        .into_par_iter()
        .map(|(top, near)| {
            let mut sums = vec![Sums::default(); discs.len()];
            let mut met = vec![];
            for (x, y) in (top..(top + BAND).min(height)).flat_map(|y| (0..width).map(move |x| (x, y))) {
                let (p, k) = (centre(x, y), y * width + x);
                let light = walk(&discs, &near, p, options, &mut met);
                let at = |plane: usize, values: &[T]| values[plane * area + k];
                let slopes: [T; BLENDED] = std::array::from_fn(|c| match c {
                    0..3 => at(c, &up.colour),
                    3 => at(0, &up.depth),
                    _ => at(c - 4, &up.normal),
                });
                let behind = (0..3).fold(-at(0, &up.alpha), |sum, c| sum + slopes[c] * options.background[c]);
                unwalk(&discs, &met, p, light * behind, &slopes, at(0, &up.distortion), &mut sums);
            }
            near.into_iter().map(|disc| (disc, sums[disc])).collect()
        })
        .collect();
    let mut sums = vec![Sums::default(); discs.len()];
    parts.iter().flatten().for_each(|(disc, part)| sums[*disc].add(part));
    let mut out = Gaussians::zeros_like(g);
    let position = camera.position();
    discs.iter().zip(&sums).for_each(|(disc, sums)| disc.pull_back(g, camera, position, options, sums, &mut out));
    out
}

/// Derivatives of one pixel, the farthest disc first. `rest` is what the light behind all of them is worth.
fn unwalk<T: Real>(
    discs: &[Disc<T>],
    met: &[Met<T>],
    p: [T; 2],
    mut rest: T,
    slopes: &[T; BLENDED],
    distortion: T,
    sums: &mut [Sums<T>],
) {
    let (first, [a, d, dd]) = moments(met);
    let two = T::of(2.0);
    for m in met.iter().rev() {
        let disc = &discs[m.disc];
        let sum = &mut sums[m.disc];
        let w = m.alpha * m.light;
        let z = m.depth - first;
        let worth = disc.shown(m.depth).iter().zip(slopes).fold(T::ZERO, |sum, (v, slope)| sum + *v * *slope)
            + distortion * (z * z * a + dd - two * z * d);
        (0..3).for_each(|c| sum.colour[c] += w * slopes[c]);
        (0..3).for_each(|c| sum.normal[c] += w * slopes[4 + c]);
        let in_depth = w * (slopes[3] + two * distortion * (z * a - d));
        let in_alpha = m.light * worth - rest / (T::ONE - m.alpha);
        rest += w * worth;
        let in_log = if m.is_limited { T::ZERO } else { m.alpha * in_alpha };
        sum.log_opacity += in_log;
        match m.place {
            None => {
                (0..2).for_each(|k| sum.at[k] += -two * in_log * (disc.at[k] - p[k]));
                sum.depth += in_depth;
            }
            Some([a, b]) => {
                let [u, v, c] = disc.lines(p);
                let depths = row(&disc.h, 2);
                let (in_a, in_b) = (in_depth * depths[0] - in_log * a, in_depth * depths[1] - in_log * b);
                let in_c = [in_a / c[2], in_b / c[2], -(in_a * a + in_b * b) / c[2]];
                let (in_u, in_v) = (cross(v, in_c), cross(in_c, u));
                let direct = [in_depth * a, in_depth * b, in_depth];
                for k in 0..3 {
                    sum.h[k] += -in_u[k];
                    sum.h[3 + k] += -in_v[k];
                    sum.h[6 + k] += p[0] * in_u[k] + p[1] * in_v[k] + direct[k];
                }
            }
        }
    }
}

impl<T: Real> Disc<T> {
    /// Chain rule from the sums to the raw parameters.
    fn pull_back(
        &self,
        g: &Gaussians<T>,
        camera: &Camera<T>,
        position: [T; 3],
        options: &Options<T>,
        up: &Sums<T>,
        out: &mut Gaussians<T>,
    ) {
        let (i, width) = (self.index, out.widths()[4]);
        out.opacity[i] = up.log_opacity * (T::ONE - self.opacity);
        let sh = &mut out.sh[i * width..(i + 1) * width];
        let through_colour = pull_back_colour(g, i, options.degree, position, up.colour, sh);

        let ([fx, fy], [cx, cy]) = (camera.focal, camera.centre);
        let mut b = up.h;
        for k in 0..3 {
            b[k] = fx * up.h[k];
            b[3 + k] = fy * up.h[3 + k];
            b[6 + k] += cx * up.h[k] + cy * up.h[3 + k];
        }
        let [x, y, z] = self.t;
        let dt = [
            b[2] + fx / z * up.at[0],
            b[5] + fy / z * up.at[1],
            b[8] + up.depth - (fx * x * up.at[0] + fy * y * up.at[1]) / (z * z),
        ];
        let r = &camera.rotation;
        for k in 0..3 {
            out.mean[3 * i + k] = r[k] * dt[0] + r[3 + k] * dt[1] + r[6 + k] * dt[2] + through_colour[k];
        }
        for k in 0..2 {
            let along = (0..3).fold(T::ZERO, |sum, a| sum + self.axes[3 * a + k] * b[3 * a + k]);
            out.log_scale[3 * i + k] = self.scale[k] * along;
        }
        let axes: [T; 9] = std::array::from_fn(|e| match e % 3 {
            2 => self.sign * up.normal[e / 3],
            k => self.scale[k] * b[e],
        });
        let back: [T; 9] = std::array::from_fn(|e| r[3 * (e % 3) + e / 3]);
        let turn = product(&back, &axes);
        let q = std::array::from_fn(|k| g.rotation[4 * i + k]);
        quaternion_gradient(q, &turn, &mut out.rotation[4 * i..4 * i + 4]);
    }
}
