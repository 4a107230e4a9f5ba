//! One Gaussian in a picture: its ellipse, opacity and colour, and the derivatives of what is made of them.
//!
//! # Source
//! Zwicker, Pfister, van Baar and Gross (2001); Kerbl, Kopanas, Leimkühler and Drettakis (2023). Deviations: the extent is that of the smallest
//! opacity drawn, in each direction on its own; the derivative of a mean far outside the picture is the exact one.

use crate::camera::Camera;
use crate::gaussians::{Gaussians, coefficients, normalised, rotation_matrix, sigmoid};
use crate::real::Real;
use crate::sh::{basis, basis_gradient};

/// How pictures are made.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options<T> {
    /// Colour behind everything.
    pub background: [T; 3],
    /// Degree of the spherical harmonics in use; at most that of the Gaussians.
    pub degree: usize,
    /// Gaussians whose mean is nearer than this are left out, in the world's unit.
    pub near: T,
    /// Variance added in the picture, in square pixels.
    pub low_pass: T,
    /// Whether opacity falls where the added variance makes a Gaussian larger.
    pub antialias: bool,
    /// Opacities below this are not drawn.
    pub alpha_min: T,
    /// Opacities are limited to this; beyond it they have no derivative.
    pub alpha_max: T,
    /// Nothing is drawn that would let less light through than this.
    pub transmittance_min: T,
    /// Whether the sums of absolute derivatives of the positions are kept too.
    pub absolute: bool,
}

impl<T: Real> Default for Options<T> {
    fn default() -> Self {
        Self {
            background: [T::ZERO; 3],
            degree: 3,
            near: T::of(0.01),
            low_pass: T::of(0.3),
            antialias: false,
            alpha_min: T::of(1.0 / 255.0),
            alpha_max: T::of(0.99),
            transmittance_min: T::of(1e-4),
            absolute: false,
        }
    }
}

impl<T: Real> Options<T> {
    /// The same in another precision.
    pub fn cast<U: Real>(&self) -> Options<U> {
        let cast = |v: T| U::of(v.to_f64());
        Options {
            background: self.background.map(cast),
            degree: self.degree,
            near: cast(self.near),
            low_pass: cast(self.low_pass),
            antialias: self.antialias,
            alpha_min: cast(self.alpha_min),
            alpha_max: cast(self.alpha_max),
            transmittance_min: cast(self.transmittance_min),
            absolute: self.absolute,
        }
    }
}

/// A Gaussian in a picture.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Splat<T> {
    /// Its centre in pixels.
    pub at: [T; 2],
    /// The inverse covariance `Q₁₁, Q₁₂, Q₂₂`.
    pub q: [T; 3],
    /// Opacity at the centre.
    pub opacity: T,
    /// `σ` at which the opacity falls below the smallest one drawn.
    pub limit: T,
    /// Colour, not negative.
    pub colour: [T; 3],
    /// Distance from the camera's plane.
    pub depth: T,
    /// Half the width and height of its extent, in pixels; zero for one that is not drawn.
    pub half: [T; 2],
}

/// What the forward and the backward pass both need.
struct Geometry<T> {
    /// The mean in camera coordinates.
    t: [T; 3],
    /// Rotation of the quaternion.
    turn: [T; 9],
    /// Standard deviations.
    scale: [T; 3],
    /// `R diag(s)` in the world.
    m: [T; 9],
    /// The same in camera coordinates.
    root: [T; 9],
    /// Slopes of the projection: `fx / z`, `-fx rx / z`, `fy / z`, `-fy ry / z`.
    j: [T; 4],
    /// Limited slopes of the ray.
    r: [T; 2],
    /// Whether the slopes were limited.
    is_limited: [bool; 2],
    /// `J root`, `[2, 3]`.
    a: [T; 6],
    /// Covariance in the picture before the low-pass.
    plain: [T; 3],
    /// Inverse covariance after it.
    q: [T; 3],
    /// Variances after it.
    variance: [T; 2],
    /// Share of the opacity that antialiasing leaves.
    rho: T,
}

impl<T: Real> Geometry<T> {
    fn new(g: &Gaussians<T>, i: usize, camera: &Camera<T>, options: &Options<T>) -> Option<Self> {
        let t = camera.to_camera([g.mean[3 * i], g.mean[3 * i + 1], g.mean[3 * i + 2]]);
        let is_in_front = t[2] > options.near;
        if !is_in_front {
            return None;
        }
        let turn = rotation_matrix(normalised(std::array::from_fn(|k| g.rotation[4 * i + k])));
        let scale: [T; 3] = std::array::from_fn(|k| g.log_scale[3 * i + k].exp());
        let m: [T; 9] = std::array::from_fn(|k| turn[k] * scale[k % 3]);
        let root = product(&camera.rotation, &m);
        let (r, is_limited) = limited_slopes(&t, camera);
        let [fx, fy] = camera.focal;
        let z = t[2];
        let j = [fx / z, -fx * r[0] / z, fy / z, -fy * r[1] / z];
        let mut a = [T::ZERO; 6];
        for k in 0..3 {
            a[k] = j[0] * root[k] + j[1] * root[6 + k];
            a[3 + k] = j[2] * root[3 + k] + j[3] * root[6 + k];
        }
        let plain = [
            a[0] * a[0] + a[1] * a[1] + a[2] * a[2],
            a[0] * a[3] + a[1] * a[4] + a[2] * a[5],
            a[3] * a[3] + a[4] * a[4] + a[5] * a[5],
        ];
        let variance = [plain[0] + options.low_pass, plain[2] + options.low_pass];
        let det = variance[0] * variance[1] - plain[1] * plain[1];
        let is_regular = det > T::ZERO;
        if !is_regular {
            return None;
        }
        let q = [variance[1] / det, -plain[1] / det, variance[0] / det];
        let rho = if options.antialias {
            ((plain[0] * plain[2] - plain[1] * plain[1]).most(T::ZERO) / det).sqrt()
        } else {
            T::ONE
        };
        Some(Self { t, turn, scale, m, root, j, r, is_limited, a, plain, q, variance, rho })
    }
}

/// Slopes of the ray to a point, kept within the picture and 15 % of its size around it.
fn limited_slopes<T: Real>(t: &[T; 3], camera: &Camera<T>) -> ([T; 2], [bool; 2]) {
    let sizes = [T::of(camera.width as f64), T::of(camera.height as f64)];
    let mut r = [T::ZERO; 2];
    let mut is_limited = [false; 2];
    for k in 0..2 {
        let (f, c, size) = (camera.focal[k], camera.centre[k], sizes[k]);
        let margin = T::of(0.15) * size / f;
        let (low, high) = (-c / f - margin, (size - c) / f + margin);
        let slope = t[k] / t[2];
        r[k] = slope.most(low).least(high);
        is_limited[k] = slope < low || slope > high;
    }
    (r, is_limited)
}

#[inline(always)]
pub(crate) fn product<T: Real>(a: &[T; 9], b: &[T; 9]) -> [T; 9] {
    std::array::from_fn(|k| {
        let (row, column) = (3 * (k / 3), k % 3);
        a[row] * b[column] + a[row + 1] * b[3 + column] + a[row + 2] * b[6 + column]
    })
}

/// The direction from the camera to a mean, of length one, and its distance.
fn direction<T: Real>(g: &Gaussians<T>, i: usize, position: [T; 3]) -> ([T; 3], T) {
    let d: [T; 3] = std::array::from_fn(|k| g.mean[3 * i + k] - position[k]);
    let length = (d[0] * d[0] + d[1] * d[1] + d[2] * d[2]).sqrt();
    (d.map(|v| v / length), length)
}

/// The colour before it is kept from being negative.
fn raw_colour<T: Real>(g: &Gaussians<T>, i: usize, degree: usize, values: &[T; 16]) -> [T; 3] {
    let width = 3 * coefficients(g.degree);
    let sh = &g.sh[i * width..(i + 1) * width];
    let mut colour = [T::of(0.5); 3];
    for k in 0..coefficients(degree) {
        (0..3).for_each(|c| colour[c] += values[k] * sh[3 * k + c]);
    }
    colour
}

/// Gaussian `i` in the picture, or `None` where it is not drawn.
pub(crate) fn project<T: Real>(
    g: &Gaussians<T>,
    i: usize,
    camera: &Camera<T>,
    position: [T; 3],
    options: &Options<T>,
) -> Option<Splat<T>> {
    let geometry = Geometry::new(g, i, camera, options)?;
    let t = geometry.t;
    let opacity = T::of(sigmoid(g.opacity[i].to_f64())) * geometry.rho;
    let is_visible = opacity > options.alpha_min;
    if !is_visible {
        return None;
    }
    let at = [camera.focal[0] * t[0] / t[2] + camera.centre[0], camera.focal[1] * t[1] / t[2] + camera.centre[1]];
    let limit = (opacity / options.alpha_min).ln();
    let reach = (limit + limit).sqrt();
    let half = [reach * geometry.variance[0].sqrt(), reach * geometry.variance[1].sqrt()];
    let sizes = [T::of(camera.width as f64), T::of(camera.height as f64)];
    // Written so that what is not a number is left out too.
    let is_inside = (0..2).all(|k| at[k] + half[k] > T::ZERO && at[k] - half[k] < sizes[k]);
    if !is_inside {
        return None;
    }
    let colour = colour(g, i, options.degree, position);
    Some(Splat { at, q: geometry.q, opacity, limit, colour, depth: t[2], half })
}

/// Derivatives of the loss in what a [`Splat`] holds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct SplatGradient<T> {
    pub colour: [T; 3],
    pub depth: T,
    pub log_opacity: T,
    pub at: [T; 2],
    pub q: [T; 3],
    pub absolute: [T; 2],
}

/// Where the derivatives of one Gaussian go: one row of each array.
pub(crate) struct Row<'a, T> {
    pub mean: &'a mut [T],
    pub log_scale: &'a mut [T],
    pub rotation: &'a mut [T],
    pub opacity: &'a mut T,
    pub sh: &'a mut [T],
}

/// Sums over Gaussians that the derivative of the camera is made of.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct PoseSums<T> {
    /// Derivatives in camera coordinates, summed.
    pub t: [T; 3],
    /// Derivatives through the viewing direction, summed.
    pub d: [T; 3],
    /// The rotation's own part.
    pub rotation: [T; 9],
}

impl<T: Real> PoseSums<T> {
    pub fn add(&mut self, other: &Self) {
        (0..3).for_each(|k| self.t[k] += other.t[k]);
        (0..3).for_each(|k| self.d[k] += other.d[k]);
        (0..9).for_each(|k| self.rotation[k] += other.rotation[k]);
    }
}

/// Chain rule from a splat to the raw parameters and the camera.
pub(crate) fn pull_back<T: Real>(
    g: &Gaussians<T>,
    i: usize,
    camera: &Camera<T>,
    position: [T; 3],
    options: &Options<T>,
    up: &SplatGradient<T>,
    row: Row<'_, T>,
    pose: &mut PoseSums<T>,
) {
    let Some(geo) = Geometry::new(g, i, camera, options) else { return };
    let (zero, two) = (T::ZERO, T::of(2.0));
    let half = T::of(0.5);
    let q = geo.q;

    // The covariance in the picture: H = -Q G Q, and through the opacity.
    let gm = [up.q[0], half * up.q[1], up.q[2]];
    let gq = [
        gm[0] * q[0] + gm[1] * q[1],
        gm[0] * q[1] + gm[1] * q[2],
        gm[1] * q[0] + gm[2] * q[1],
        gm[1] * q[1] + gm[2] * q[2],
    ];
    let mut h = [-(q[0] * gq[0] + q[1] * gq[2]), -(q[0] * gq[1] + q[1] * gq[3]), -(q[1] * gq[1] + q[2] * gq[3])];
    if options.antialias {
        let p = geo.plain;
        let det = p[0] * p[2] - p[1] * p[1];
        if det > zero {
            let inverse = [p[2] / det, -p[1] / det, p[0] / det];
            (0..3).for_each(|k| h[k] += half * up.log_opacity * (inverse[k] - q[k]));
        }
    }
    let opacity = T::of(sigmoid(g.opacity[i].to_f64()));
    *row.opacity = up.log_opacity * (T::ONE - opacity);

    // Σ₀ = A Aᵀ, A = J root.
    let mut da = [zero; 6];
    for k in 0..3 {
        da[k] = two * (h[0] * geo.a[k] + h[1] * geo.a[3 + k]);
        da[3 + k] = two * (h[1] * geo.a[k] + h[2] * geo.a[3 + k]);
    }
    let [j0, j1, j2, j3] = geo.j;
    let root = &geo.root;
    let mut droot = [zero; 9];
    let mut dj = [zero; 4];
    for k in 0..3 {
        droot[k] = j0 * da[k];
        droot[3 + k] = j2 * da[3 + k];
        droot[6 + k] = j1 * da[k] + j3 * da[3 + k];
        dj[0] += da[k] * root[k];
        dj[1] += da[k] * root[6 + k];
        dj[2] += da[3 + k] * root[3 + k];
        dj[3] += da[3 + k] * root[6 + k];
    }

    // The mean in camera coordinates.
    let [fx, fy] = camera.focal;
    let [tx, ty, z] = geo.t;
    let zz = z * z;
    let kappa = geo.is_limited.map(|l| if l { T::ONE } else { two });
    let mut dt = [fx / z * up.at[0], fy / z * up.at[1], up.depth];
    if !geo.is_limited[0] {
        dt[0] -= fx / zz * dj[1];
    }
    if !geo.is_limited[1] {
        dt[1] -= fy / zz * dj[3];
    }
    dt[2] += -fx / zz * dj[0] - fy / zz * dj[2]
        + kappa[0] * fx * geo.r[0] / zz * dj[1]
        + kappa[1] * fy * geo.r[1] / zz * dj[3]
        - (fx * tx * up.at[0] + fy * ty * up.at[1]) / zz;

    let dd = pull_back_colour(g, i, options.degree, position, up.colour, row.sh);

    let r = &camera.rotation;
    for k in 0..3 {
        row.mean[k] = r[k] * dt[0] + r[3 + k] * dt[1] + r[6 + k] * dt[2] + dd[k];
    }

    // Scale and rotation.
    let dm: [T; 9] = std::array::from_fn(|e| {
        let (a, k) = (e / 3, e % 3);
        r[a] * droot[k] + r[3 + a] * droot[3 + k] + r[6 + a] * droot[6 + k]
    });
    for k in 0..3 {
        row.log_scale[k] =
            geo.scale[k] * (geo.turn[k] * dm[k] + geo.turn[3 + k] * dm[3 + k] + geo.turn[6 + k] * dm[6 + k]);
    }
    let s: [T; 9] = std::array::from_fn(|e| dm[e] * geo.scale[e % 3]);
    quaternion_gradient(std::array::from_fn(|k| g.rotation[4 * i + k]), &s, row.rotation);

    // The camera.
    for a in 0..3 {
        pose.t[a] += dt[a];
        pose.d[a] += dd[a];
        for b in 0..3 {
            let through_root =
                droot[3 * a] * geo.m[3 * b] + droot[3 * a + 1] * geo.m[3 * b + 1] + droot[3 * a + 2] * geo.m[3 * b + 2];
            pose.rotation[3 * a + b] += dt[a] * g.mean[3 * i + b] + through_root;
        }
    }
}

/// From the derivative in a Gaussian's colour to that in its coefficients, which goes to `out`, and to that in its mean through the viewing direction.
pub(crate) fn pull_back_colour<T: Real>(
    g: &Gaussians<T>,
    i: usize,
    degree: usize,
    position: [T; 3],
    up: [T; 3],
    out: &mut [T],
) -> [T; 3] {
    let degree = degree.min(g.degree);
    let (n, length) = direction(g, i, position);
    let values = basis(degree, n);
    let raw = raw_colour(g, i, degree, &values);
    let dc: [T; 3] = std::array::from_fn(|c| if raw[c] > T::ZERO { up[c] } else { T::ZERO });
    for k in 0..coefficients(degree) {
        (0..3).for_each(|c| out[3 * k + c] = values[k] * dc[c]);
    }
    let mut dn = [T::ZERO; 3];
    if degree > 0 {
        let slopes = basis_gradient(degree, n);
        let width = 3 * coefficients(g.degree);
        let sh = &g.sh[i * width..(i + 1) * width];
        for k in 1..coefficients(degree) {
            let weight = sh[3 * k] * dc[0] + sh[3 * k + 1] * dc[1] + sh[3 * k + 2] * dc[2];
            (0..3).for_each(|x| dn[x] += weight * slopes[k][x]);
        }
    }
    let along = n[0] * dn[0] + n[1] * dn[1] + n[2] * dn[2];
    std::array::from_fn(|k| (dn[k] - n[k] * along) / length)
}

/// The colour of a Gaussian as it is seen from here.
pub(crate) fn colour<T: Real>(g: &Gaussians<T>, i: usize, degree: usize, position: [T; 3]) -> [T; 3] {
    let degree = degree.min(g.degree);
    let (n, _) = direction(g, i, position);
    raw_colour(g, i, degree, &basis(degree, n)).map(|c| c.most(T::ZERO))
}

/// From the derivative in a rotation's entries to that in a quaternion of any length.
pub(crate) fn quaternion_gradient<T: Real>(q: [T; 4], s: &[T; 9], out: &mut [T]) {
    let two = T::of(2.0);
    let length = (q[0] * q[0] + q[1] * q[1] + q[2] * q[2] + q[3] * q[3]).sqrt();
    let [w, x, y, z] = q.map(|v| v / length);
    let d = [
        two * (x * (s[7] - s[5]) + y * (s[2] - s[6]) + z * (s[3] - s[1])),
        two * (w * (s[7] - s[5]) + y * (s[1] + s[3]) + z * (s[2] + s[6]) - two * x * (s[4] + s[8])),
        two * (w * (s[2] - s[6]) + x * (s[1] + s[3]) + z * (s[5] + s[7]) - two * y * (s[0] + s[8])),
        two * (w * (s[3] - s[1]) + x * (s[2] + s[6]) + y * (s[5] + s[7]) - two * z * (s[0] + s[4])),
    ];
    let unit = [w, x, y, z];
    let along = unit[0] * d[0] + unit[1] * d[1] + unit[2] * d[2] + unit[3] * d[3];
    (0..4).for_each(|k| out[k] = (d[k] - unit[k] * along) / length);
}
