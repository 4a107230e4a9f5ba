//! One tile of 16 x 16 pixels: compositing front to back, and its derivative back to front.
//!
//! A Gaussian visits the rows that its ellipse meets, and goes over all sixteen pixels of each. Loops over
//! the pixels of a row are straight arithmetic on local arrays, without branches, which is what the compiler makes wide.

use crate::project::{Options, Splat, SplatGradient};
use crate::real::Real;

/// Pixels along a tile's side.
pub const TILE: usize = 16;
/// Pixels in a tile.
pub const AREA: usize = TILE * TILE;
/// Numbers that a Gaussian gets back from a tile.
pub(crate) const SLOT: usize = 12;
/// Gaussians between two looks at whether any light is left.
const LOOK: usize = 8;

/// Which Gaussians a tile draws, and where it lies.
#[derive(Clone, Copy)]
pub(crate) struct Task<'a, T> {
    /// All of them.
    pub splats: &'a [Splat<T>],
    /// Those of this tile, nearest first.
    pub list: &'a [u32],
    /// Its first column and row.
    pub origin: [usize; 2],
    /// Columns and rows of it that lie in the picture.
    pub size: [usize; 2],
    /// How pictures are made.
    pub options: &'a Options<T>,
}

/// What the forward pass leaves, all of `AREA` pixels, and for the next pass where it stopped.
pub(crate) struct Painted<'a, T> {
    /// `[3, AREA]`, without the background.
    pub colour: &'a mut [T],
    /// Light that is let through, `[AREA]`.
    pub transmittance: &'a mut [T],
    /// Expected depth, `[AREA]`.
    pub depth: &'a mut [T],
    /// One more than the place in the list of the last Gaussian that was drawn, `[AREA]`.
    pub last: &'a mut [u32],
}

/// Derivatives of the loss in the pixels of a tile.
#[derive(Clone, Copy)]
pub(crate) struct Upstream<'a, T> {
    /// `[3, AREA]`.
    pub colour: &'a [T],
    /// `[AREA]`, or empty.
    pub depth: &'a [T],
    /// `[AREA]`, or empty.
    pub alpha: &'a [T],
}

/// Whether a Gaussian may reach a pixel of the row at this distance in y.
#[inline(always)]
fn meets<T: Real>(s: &Splat<T>, dy: T, left: T, inverse: T) -> bool {
    let b = s.q[1] * dy;
    let disc = b * b - s.q[0] * (s.q[2] * dy * dy - (s.limit + s.limit));
    // A hair more than the ellipse, so that rounding loses no pixel; each is tested again.
    let reach = disc.most(T::ZERO).sqrt() * inverse + T::of(1e-3);
    let middle = s.at[0] + b * inverse - left;
    (disc > T::ZERO) & (middle + reach >= T::of(0.5)) & (middle - reach <= T::of(TILE as f64 - 0.5))
}

/// Rows of the tile within the extent of a Gaussian.
#[inline(always)]
fn rows<T: Real>(s: &Splat<T>, top: T, height: usize) -> std::ops::Range<usize> {
    let low = s.at[1] - s.half[1] - top - T::of(0.501);
    let high = s.at[1] + s.half[1] - top - T::of(0.499);
    if high < T::ZERO || low > T::of(height as f64) {
        return 0..0;
    }
    let first = if low > T::ZERO { (low.floor_index() + 1) as usize } else { 0 };
    let end = if high < T::of(height as f64 - 1.0) { high.floor_index() as usize + 1 } else { height };
    first..end
}

/// Opacities of a row's pixels where the Gaussian is drawn, else zero; and one where they were not limited, else zero.
#[inline(always)]
fn opacities<T: Real, const FMA: bool>(
    s: &Splat<T>,
    [alpha_min, alpha_max]: [T; 2],
    dx: &[T; TILE],
    dy: T,
    alpha: &mut [T; TILE],
    free: &mut [T; TILE],
) {
    let half = T::of(0.5);
    let (a, b, c, o) = (-half * s.q[0], -s.q[1] * dy, -half * s.q[2] * dy * dy, s.opacity);
    for i in 0..TILE {
        let power = dx[i].fused::<FMA>(a, b).fused::<FMA>(dx[i], c);
        let raw = o * power.exp_fast::<FMA>();
        let is_drawn = (power <= T::ZERO) & (raw >= alpha_min);
        alpha[i] = if is_drawn { raw.least(alpha_max) } else { T::ZERO };
        free[i] = if raw > alpha_max { T::ZERO } else { T::ONE };
    }
}

/// Sixteen pixels.
#[inline(always)]
fn row_of<U>(values: &[U], at: usize) -> &[U; TILE] {
    values[at..].first_chunk().expect("a row lies within its tile")
}

/// Sixteen pixels to change.
#[inline(always)]
fn row<U>(values: &mut [U], at: usize) -> &mut [U; TILE] {
    values[at..].first_chunk_mut().expect("a row lies within its tile")
}

/// Distances in x from a tile's columns to the Gaussian's centre.
#[inline(always)]
fn distances<T: Real>(s: &Splat<T>, left: T) -> [T; TILE] {
    let x = s.at[0] - left - T::of(0.5);
    let mut dx = [T::ZERO; TILE];
    (0..TILE).for_each(|i| dx[i] = x - T::STEPS[i]);
    dx
}

/// What the forward pass knows of a tile's pixels.
struct Canvas<T> {
    red: [T; AREA],
    green: [T; AREA],
    blue: [T; AREA],
    depth: [T; AREA],
    light: [T; AREA],
    /// One where light may still be added.
    live: [T; AREA],
    last: [u32; AREA],
}

/// Draws a tile.
#[inline(always)]
pub(crate) fn paint<T: Real, const FMA: bool>(task: Task<'_, T>, out: Painted<'_, T>) {
    let [left, top] = task.origin.map(|v| T::of(v as f64));
    let limits = [task.options.alpha_min, task.options.alpha_max];
    let least = task.options.transmittance_min;
    let (zero, one, half) = (T::ZERO, T::ONE, T::of(0.5));
    let mut canvas = Canvas {
        red: [zero; AREA],
        green: [zero; AREA],
        blue: [zero; AREA],
        depth: [zero; AREA],
        light: [one; AREA],
        live: [zero; AREA],
        last: [0; AREA],
    };
    for y in 0..task.size[1] {
        canvas.live[y * TILE..y * TILE + task.size[0]].fill(one);
    }
    let (mut alpha, mut free) = ([zero; TILE], [zero; TILE]);
    for (place, id) in task.list.iter().enumerate() {
        if place % LOOK == LOOK - 1 && canvas.live.iter().all(|l| *l == zero) {
            break;
        }
        let s = task.splats[*id as usize];
        let inverse = one / s.q[0];
        let number = place as u32 + 1;
        let dx = distances(&s, left);
        for y in rows(&s, top, task.size[1]) {
            let dy = s.at[1] - top - T::STEPS[y] - half;
            if !meets(&s, dy, left, inverse) {
                continue;
            }
            opacities::<T, FMA>(&s, limits, &dx, dy, &mut alpha, &mut free);
            let at = y * TILE;
            let (red, green, blue) = (row(&mut canvas.red, at), row(&mut canvas.green, at), row(&mut canvas.blue, at));
            let (depth, light) = (row(&mut canvas.depth, at), row(&mut canvas.light, at));
            let (live, last) = (row(&mut canvas.live, at), row(&mut canvas.last, at));
            for i in 0..TILE {
                let a = alpha[i] * live[i];
                let is_over = (a > zero) & (light[i] * (one - a) < least);
                let goes_on = if is_over { zero } else { one };
                let w = a * light[i] * goes_on;
                live[i] *= goes_on;
                light[i] -= w;
                last[i] = last[i].max(if w > zero { number } else { 0 });
                red[i] = w.fused::<FMA>(s.colour[0], red[i]);
                green[i] = w.fused::<FMA>(s.colour[1], green[i]);
                blue[i] = w.fused::<FMA>(s.colour[2], blue[i]);
                depth[i] = w.fused::<FMA>(s.depth, depth[i]);
            }
        }
    }
    out.colour[..AREA].copy_from_slice(&canvas.red);
    out.colour[AREA..2 * AREA].copy_from_slice(&canvas.green);
    out.colour[2 * AREA..].copy_from_slice(&canvas.blue);
    out.transmittance.copy_from_slice(&canvas.light);
    out.depth.copy_from_slice(&canvas.depth);
    out.last.copy_from_slice(&canvas.last);
}

/// Sums over the rows of a tile, one a column.
struct Columns<T> {
    red: [T; TILE],
    green: [T; TILE],
    blue: [T; TILE],
    depth: [T; TILE],
    /// Of `α ∂L/∂α`, alone and times the first two powers of the distance in y.
    power: [T; TILE],
    power_y: [T; TILE],
    power_yy: [T; TILE],
    absolute_x: [T; TILE],
    absolute_y: [T; TILE],
}

/// Derivatives of a tile: one slot of `SLOT` numbers for each Gaussian of its list.
///
/// `painted` is what [`paint`] left: light let through and last Gaussian, each `[AREA]`.
#[inline(always)]
pub(crate) fn unpaint<T: Real, const FMA: bool, const EXTRA: bool, const ABSOLUTE: bool>(
    task: Task<'_, T>,
    (transmittance, last): (&[T], &[u32]),
    up: Upstream<'_, T>,
    slots: &mut [T],
) {
    let [left, top] = task.origin.map(|v| T::of(v as f64));
    let options = task.options;
    let limits = [options.alpha_min, options.alpha_max];
    let (zero, one, half) = (T::ZERO, T::ONE, T::of(0.5));
    let mut light: [T; AREA] = *transmittance.first_chunk().expect("a tile has its area");
    let last: [u32; AREA] = *last.first_chunk().expect("a tile has its area");
    let (up_red, up_rest) = up.colour.split_at(AREA);
    let (up_green, up_blue) = up_rest.split_at(AREA);
    // Colour, depth and light behind what has been undone so far, weighted by the derivatives: all that is asked of them.
    let mut behind = [zero; AREA];
    for p in 0..AREA {
        let back = options.background;
        behind[p] = light[p] * (back[0] * up_red[p] + back[1] * up_green[p] + back[2] * up_blue[p]);
        if EXTRA {
            behind[p] -= light[p] * up.alpha[p];
        }
    }
    let deepest = last.iter().copied().max().unwrap_or(0) as usize;
    slots[deepest * SLOT..].fill(zero);
    let (mut alpha, mut free) = ([zero; TILE], [zero; TILE]);
    for place in (0..deepest).rev() {
        let s = task.splats[task.list[place] as usize];
        let inverse = one / s.q[0];
        let number = place as u32 + 1;
        let dx = distances(&s, left);
        let mut sums = Columns {
            red: [zero; TILE],
            green: [zero; TILE],
            blue: [zero; TILE],
            depth: [zero; TILE],
            power: [zero; TILE],
            power_y: [zero; TILE],
            power_yy: [zero; TILE],
            absolute_x: [zero; TILE],
            absolute_y: [zero; TILE],
        };
        for y in rows(&s, top, task.size[1]) {
            let dy = s.at[1] - top - T::STEPS[y] - half;
            if !meets(&s, dy, left, inverse) {
                continue;
            }
            opacities::<T, FMA>(&s, limits, &dx, dy, &mut alpha, &mut free);
            let at = y * TILE;
            let (light, behind) = (row(&mut light, at), row(&mut behind, at));
            let (last, ur, ug, ub) = (row_of(&last, at), row_of(up_red, at), row_of(up_green, at), row_of(up_blue, at));
            let uz = if EXTRA { row_of(up.depth, at) } else { ur };
            for i in 0..TILE {
                let a = if number <= last[i] { alpha[i] } else { zero };
                let inverse = one / (one - a);
                let t = light[i] * inverse;
                let w = a * t;
                light[i] = t;
                sums.red[i] = w.fused::<FMA>(ur[i], sums.red[i]);
                sums.green[i] = w.fused::<FMA>(ug[i], sums.green[i]);
                sums.blue[i] = w.fused::<FMA>(ub[i], sums.blue[i]);
                let mut own = ub[i].fused::<FMA>(s.colour[2], ug[i].fused::<FMA>(s.colour[1], ur[i] * s.colour[0]));
                if EXTRA {
                    sums.depth[i] = w.fused::<FMA>(uz[i], sums.depth[i]);
                    own = uz[i].fused::<FMA>(s.depth, own);
                }
                // α ∂L/∂α = -∂L/∂σ.
                let p = free[i] * a * (own * t - behind[i] * inverse);
                behind[i] = w.fused::<FMA>(own, behind[i]);
                let py = p * dy;
                sums.power[i] += p;
                sums.power_y[i] += py;
                sums.power_yy[i] = py.fused::<FMA>(dy, sums.power_yy[i]);
                if ABSOLUTE {
                    let size = p.distance();
                    sums.absolute_x[i] += size * (s.q[0] * dx[i] + s.q[1] * dy).distance();
                    sums.absolute_y[i] += size * (s.q[1] * dx[i] + s.q[2] * dy).distance();
                }
            }
        }
        let (mut px, mut pxx, mut pxy) = ([zero; TILE], [zero; TILE], [zero; TILE]);
        for i in 0..TILE {
            px[i] = sums.power[i] * dx[i];
            pxx[i] = px[i] * dx[i];
            pxy[i] = sums.power_y[i] * dx[i];
        }
        let [px, py] = [total(&px), total(&sums.power_y)];
        let slot = &mut slots[place * SLOT..(place + 1) * SLOT];
        slot[0] = total(&sums.red);
        slot[1] = total(&sums.green);
        slot[2] = total(&sums.blue);
        slot[3] = total(&sums.depth);
        slot[4] = total(&sums.power);
        slot[5] = -(s.q[0] * px + s.q[1] * py);
        slot[6] = -(s.q[1] * px + s.q[2] * py);
        slot[7] = -half * total(&pxx);
        slot[8] = -total(&pxy);
        slot[9] = -half * total(&sums.power_yy);
        slot[10] = total(&sums.absolute_x);
        slot[11] = total(&sums.absolute_y);
    }
}

#[inline(always)]
fn total<T: Real>(x: &[T; TILE]) -> T {
    let mut lanes = [T::ZERO; TILE / 2];
    (0..TILE / 2).for_each(|i| lanes[i] = x[i] + x[TILE / 2 + i]);
    ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) + ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]))
}

impl<T: Real> SplatGradient<T> {
    /// Adds what a tile found.
    pub(crate) fn add(&mut self, slot: &[T]) {
        (0..3).for_each(|k| self.colour[k] += slot[k]);
        self.depth += slot[3];
        self.log_opacity += slot[4];
        (0..2).for_each(|k| self.at[k] += slot[5 + k]);
        (0..3).for_each(|k| self.q[k] += slot[7 + k]);
        (0..2).for_each(|k| self.absolute[k] += slot[10 + k]);
    }
}

/// A precision whose tiles can be drawn: `f32` with the widest arithmetic of the machine.
pub trait Raster: Real {
    #[doc(hidden)]
    fn paint_tile(task: TaskOf<'_, Self>, out: PaintedOf<'_, Self>);

    #[doc(hidden)]
    fn unpaint_tile(task: TaskOf<'_, Self>, left: (&[Self], &[u32]), up: UpstreamOf<'_, Self>, slots: &mut [Self]);
}

/// See [`Raster`].
#[doc(hidden)]
pub struct TaskOf<'a, T>(pub(crate) Task<'a, T>);

/// See [`Raster`].
#[doc(hidden)]
pub struct PaintedOf<'a, T>(pub(crate) Painted<'a, T>);

/// See [`Raster`].
#[doc(hidden)]
pub struct UpstreamOf<'a, T>(pub(crate) Upstream<'a, T>);

elbo_linalg::multiversion! {
    fn paint_f32[FMA](task: Task<'_, f32>, out: Painted<'_, f32>) {
        paint::<f32, FMA>(task, out);
    }

    fn unpaint_f32[FMA](task: Task<'_, f32>, left: (&[f32], &[u32]), up: Upstream<'_, f32>, slots: &mut [f32]) {
        match (up.depth.is_empty(), task.options.absolute) {
            (true, false) => unpaint::<f32, FMA, false, false>(task, left, up, slots),
            (true, true) => unpaint::<f32, FMA, false, true>(task, left, up, slots),
            (false, _) => unpaint::<f32, FMA, true, true>(task, left, up, slots),
        }
    }
}

impl Raster for f32 {
    fn paint_tile(task: TaskOf<'_, f32>, out: PaintedOf<'_, f32>) {
        paint_f32(task.0, out.0);
    }

    fn unpaint_tile(task: TaskOf<'_, f32>, left: (&[f32], &[u32]), up: UpstreamOf<'_, f32>, slots: &mut [f32]) {
        unpaint_f32(task.0, left, up.0, slots);
    }
}

impl Raster for f64 {
    fn paint_tile(task: TaskOf<'_, f64>, out: PaintedOf<'_, f64>) {
        paint::<f64, false>(task.0, out.0);
    }

    fn unpaint_tile(task: TaskOf<'_, f64>, left: (&[f64], &[u32]), up: UpstreamOf<'_, f64>, slots: &mut [f64]) {
        if up.0.depth.is_empty() {
            unpaint::<f64, false, false, true>(task.0, left, up.0, slots);
        } else {
            unpaint::<f64, false, true, true>(task.0, left, up.0, slots);
        }
    }
}
