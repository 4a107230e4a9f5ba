//! Pictures with their cameras.

use crate::camera::{Camera, dot, sub, unit};
use elbo_core::{Data, DataKind, Error, FromData, Result, Values};

/// Photographs of a scene that does not move, with their cameras, and points of its surface where they are known.
///
/// As [`Data`]: `image` of bytes `[N, H, W]` or `[N, H, W, 3]`; `pose`, world to camera, `[N, 3, 4]` or `[N, 4, 4]` in the convention of
/// [`Camera`]; `intrinsics` `[N, 4]`, the numbers fx, fy, cx, cy in pixels; where there are any, `points` `[N, P, 6]`, places and colours from
/// 0 to 255 of points dealt to the pictures in any way, where a colour below zero means that there is none; and `held` `[N]`, not zero for
/// pictures to judge by.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Columns of pixels.
    pub width: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Bytes, `[N, 3, H, W]`.
    pub images: Vec<u8>,
    /// One a picture.
    pub cameras: Vec<Camera<f64>>,
    /// Points of the surface.
    pub points: Vec<[f64; 3]>,
    /// Their colours on `[0, 1]`.
    pub colours: Vec<[f64; 3]>,
    /// Pictures that the data set keeps back, where it says so.
    pub held: Option<Vec<bool>>,
    /// Notes for the user.
    pub notes: Vec<String>,
}

impl FromData for Scene {
    const NEEDS: &'static str = "a scene: a folder with pictures and their cameras (transforms.json or a COLMAP model)";
    const KIND: DataKind = DataKind::Scene;

    fn from_data(data: &Data) -> Result<Self> {
        let has = |name: &str| data.arrays.iter().any(|(n, _)| n == name);
        if !has("image") || !has("pose") || !has("intrinsics") {
            let found: Vec<&str> = data.arrays.iter().map(|(n, _)| n.as_str()).take(8).collect();
            return Err(Error::data(
                format!(
                    "this is no scene; it has: {}",
                    if found.is_empty() { "nothing".into() } else { found.join(", ") }
                ),
                "give a folder that holds transforms.json or a COLMAP model with its pictures, or arrays `image`, `pose` and `intrinsics`",
            ));
        }
        let (images, [n, height, width]) = pictures(data)?;
        let cameras = cameras(data, n, [width, height])?;
        let (points, colours) = points(data)?;
        let held = match data.arrays.iter().find(|(name, _)| name == "held") {
            None => None,
            Some((_, array)) => {
                let values = array.to_f64().filter(|v| v.len() == n).ok_or_else(|| {
                    Error::data(
                        "array `held` needs one number for each picture",
                        "give zeros and ones, or leave it out",
                    )
                })?;
                Some(values.iter().map(|v| *v != 0.0).collect())
            }
        };
        Ok(Self { width, height, images, cameras, points, colours, held, notes: vec![] })
    }
}

fn pictures(data: &Data) -> Result<(Vec<u8>, [usize; 3])> {
    let array = data.get("image")?;
    let wrong = || {
        Error::data(
            format!(
                "array `image` has shape {:?}; a scene's pictures are bytes [N, H, W] or [N, H, W, 3]",
                array.shape
            ),
            "save the pictures as 8-bit values of one size",
        )
    };
    let Values::U8(bytes) = &array.values else { return Err(wrong()) };
    let (n, height, width, channels) = match *array.shape.as_slice() {
        [n, h, w] => (n, h, w, 1),
        [n, h, w, c @ (1 | 3)] => (n, h, w, c),
        _ => return Err(wrong()),
    };
    if n < 2 {
        return Err(Error::data(format!("the scene has {n} pictures"), "give at least two, from different places"));
    }
    if width < 8 || height < 8 || width > 16_384 || height > 16_384 {
        return Err(Error::data(
            format!("the pictures have {width} x {height} pixels"),
            "give pictures of 8 to 16384 pixels a side",
        ));
    }
    let area = width * height;
    let mut images = Vec::with_capacity(3 * n * area);
    for picture in bytes.chunks_exact(area * channels) {
        for c in 0..3 {
            images.extend(picture.iter().skip(c.min(channels - 1)).step_by(channels));
        }
    }
    Ok((images, [n, height, width]))
}

fn cameras(data: &Data, n: usize, [width, height]: [usize; 2]) -> Result<Vec<Camera<f64>>> {
    let poses = data.get("pose")?;
    let rows = match *poses.shape.as_slice() {
        [count, 3, 4] if count == n => 3,
        [count, 4, 4] if count == n => 4,
        _ => {
            return Err(Error::data(
                format!("array `pose` has shape {:?}; {n} pictures need [{n}, 3, 4]", poses.shape),
                "give one matrix [R | t], world to camera, for each picture",
            ));
        }
    };
    let lens = data.get("intrinsics")?;
    if lens.shape != [n, 4] {
        return Err(Error::data(
            format!("array `intrinsics` has shape {:?}; {n} pictures need [{n}, 4]", lens.shape),
            "give fx, fy, cx and cy in pixels for each picture",
        ));
    }
    let text = || Error::data("the cameras hold text", "give numbers in `pose` and `intrinsics`");
    let (poses, lens) = (poses.to_f64().ok_or_else(text)?, lens.to_f64().ok_or_else(text)?);
    let mut out = Vec::with_capacity(n);
    for (i, (pose, lens)) in poses.chunks_exact(4 * rows).zip(lens.chunks_exact(4)).enumerate() {
        let rotation: [f64; 9] = std::array::from_fn(|k| pose[4 * (k / 3) + k % 3]);
        let translation: [f64; 3] = std::array::from_fn(|k| pose[4 * k + 3]);
        if !pose.iter().chain(lens).all(|v| v.is_finite()) {
            return Err(Error::data(
                format!("the camera of picture {} has a value that is not a number", i + 1),
                "leave that picture out, or mend its camera",
            ));
        }
        if !is_rotation(&rotation) {
            return Err(Error::data(
                format!("the camera of picture {} is not a rotation and a translation", i + 1),
                "give world-to-camera matrices without scale or mirror; x to the right, y down, z forward",
            ));
        }
        if lens[0] <= 0.0 || lens[1] <= 0.0 {
            return Err(Error::data(
                format!("the camera of picture {} has focal lengths {} and {}", i + 1, lens[0], lens[1]),
                "give positive focal lengths in pixels",
            ));
        }
        out.push(Camera {
            width,
            height,
            focal: [lens[0], lens[1]],
            centre: [lens[2], lens[3]],
            rotation,
            translation,
        });
    }
    Ok(out)
}

fn is_rotation(r: &[f64; 9]) -> bool {
    let row = |k: usize| [r[3 * k], r[3 * k + 1], r[3 * k + 2]];
    let is_unit = (0..3).all(|a| (0..3).all(|b| (dot(row(a), row(b)) - f64::from(u8::from(a == b))).abs() < 1e-3));
    is_unit && dot(row(0), crate::camera::cross(row(1), row(2))) > 0.0
}

type Coloured = (Vec<[f64; 3]>, Vec<[f64; 3]>);

fn points(data: &Data) -> Result<Coloured> {
    let Some((_, array)) = data.arrays.iter().find(|(name, _)| name == "points") else { return Ok((vec![], vec![])) };
    let values = array.to_f64().filter(|_| array.shape.last() == Some(&6)).ok_or_else(|| {
        Error::data(
            format!("array `points` has shape {:?}", array.shape),
            "give [N, P, 6]: x, y, z and red, green, blue from 0 to 255",
        )
    })?;
    let real = values.chunks_exact(6).filter(|p| p[3] >= 0.0 && p.iter().all(|v| v.is_finite()));
    Ok(real.map(|p| ([p[0], p[1], p[2]], [p[3] / 255.0, p[4] / 255.0, p[5] / 255.0])).unzip())
}

/// A place in the world, and how to look at it.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Orbit {
    /// What the cameras look at.
    pub target: [f64; 3],
    /// Upwards in the pictures, of length one.
    pub up: [f64; 3],
    /// Distance of the cameras.
    pub distance: f64,
    /// Height above the target over the distance.
    pub rise: f64,
    /// Angle of view over the width, in radians.
    pub angle: f64,
    /// Pixels.
    pub size: [usize; 2],
}

impl Orbit {
    /// The circle that comes nearest to these cameras.
    pub fn of(cameras: &[Camera<f64>]) -> Self {
        let target = look_at_point(cameras);
        let mut up = [0.0; 3];
        cameras.iter().for_each(|c| (0..3).for_each(|k| up[k] -= c.rotation[3 + k]));
        let up = if dot(up, up) > 1e-6 { unit(up) } else { [0.0, 0.0, 1.0] };
        let middle = |mut values: Vec<f64>| {
            values.sort_by(f64::total_cmp);
            values[values.len() / 2]
        };
        let away = |c: &Camera<f64>| sub(c.position(), target);
        let distance = middle(cameras.iter().map(|c| dot(away(c), away(c)).sqrt()).collect());
        let distance = if distance > 0.0 { distance } else { 1.0 };
        let rise = middle(cameras.iter().map(|c| dot(away(c), up) / distance).collect());
        let first = &cameras[0];
        Self {
            target,
            up,
            distance,
            rise: rise.clamp(-0.95, 0.95),
            angle: 2.0 * (0.5 * first.width as f64 / first.focal[0]).atan(),
            size: [first.width, first.height],
        }
    }

    /// So many cameras on the circle.
    pub fn cameras(&self, count: usize, size: Option<[usize; 2]>) -> Vec<Camera<f64>> {
        let size = size.unwrap_or(self.size);
        let some = if self.up[0].abs() < 0.9 { [1.0, 0.0, 0.0] } else { [0.0, 1.0, 0.0] };
        let a = unit(crate::camera::cross(self.up, some));
        let b = crate::camera::cross(self.up, a);
        let radius = (1.0 - self.rise * self.rise).sqrt();
        let eye = |i: usize| {
            let (s, c) = (std::f64::consts::TAU * i as f64 / count as f64).sin_cos();
            std::array::from_fn(|k| {
                self.target[k] + self.distance * (radius * (c * a[k] + s * b[k]) + self.rise * self.up[k])
            })
        };
        (0..count).map(|i| Camera::look_at(eye(i), self.target, self.up, self.angle, size)).collect()
    }
}

/// The point nearest to all optical axes; with parallel axes, one in front of the cameras' middle.
fn look_at_point(cameras: &[Camera<f64>]) -> [f64; 3] {
    let n = cameras.len() as f64;
    let mut middle = [0.0; 3];
    let mut forward = [0.0; 3];
    let (mut a, mut b) = ([0.0; 9], [0.0; 3]);
    for c in cameras {
        let (p, d) = (c.position(), c.forward());
        for i in 0..3 {
            middle[i] += p[i] / n;
            forward[i] += d[i] / n;
            for j in 0..3 {
                let entry = f64::from(u8::from(i == j)) - d[i] * d[j];
                a[3 * i + j] += entry / n;
                b[i] += entry * p[j] / n;
            }
        }
    }
    let column = |k: usize| [a[k], a[3 + k], a[6 + k]];
    let det = dot(column(0), crate::camera::cross(column(1), column(2)));
    if det < 1e-4 {
        let spread = cameras.iter().map(|c| sub(c.position(), middle)).map(|d| dot(d, d)).fold(0.0, f64::max).sqrt();
        let step = if spread > 0.0 { 3.0 * spread } else { 1.0 };
        return std::array::from_fn(|k| middle[k] + step * forward[k]);
    }
    std::array::from_fn(|k| {
        let mut columns = [column(0), column(1), column(2)];
        columns[k] = b;
        dot(columns[0], crate::camera::cross(columns[1], columns[2])) / det
    })
}

impl Scene {
    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.cameras.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.cameras.is_empty()
    }

    /// Picture `i` on `[0, 1]`, `[3, H, W]`.
    pub fn picture(&self, i: usize) -> Vec<f32> {
        let size = 3 * self.width * self.height;
        self.images[i * size..(i + 1) * size].iter().map(|v| f32::from(*v) / 255.0).collect()
    }

    /// The unit of rates, scales and noise: 1.1 times the distance of the farthest camera from the mean of all. One where they all stand together.
    pub fn extent(&self) -> f64 {
        let n = self.cameras.len() as f64;
        let mut middle = [0.0; 3];
        self.cameras.iter().for_each(|c| (0..3).for_each(|k| middle[k] += c.position()[k] / n));
        let farthest = self.cameras.iter().map(|c| sub(c.position(), middle)).map(|d| dot(d, d)).fold(0.0, f64::max);
        if farthest > 1e-12 { 1.1 * farthest.sqrt() } else { 1.0 }
    }

    /// The scene moved and scaled: `x ↦ factor x + shift`.
    pub fn transform(&mut self, factor: f64, shift: [f64; 3]) {
        self.cameras.iter_mut().for_each(|c| *c = c.in_scaled_world(factor, shift));
        self.points.iter_mut().for_each(|p| *p = std::array::from_fn(|k| factor * p[k] + shift[k]));
    }

    /// Pictures whose longer side has at most `longest` pixels, each pixel the mean of what it covers.
    pub fn reduced(mut self, longest: usize) -> Self {
        let side = self.width.max(self.height);
        if side <= longest {
            return self;
        }
        let scale = |v: usize| ((v * longest) as f64 / side as f64).round().max(1.0) as usize;
        let (width, height) = (scale(self.width), scale(self.height));
        let (across, down) = (shares(self.width, width), shares(self.height, height));
        let mut images = Vec::with_capacity(3 * self.len() * width * height);
        let mut lines = vec![0.0f32; width * self.height];
        for plane in self.images.chunks_exact(self.width * self.height) {
            for (from, to) in plane.chunks_exact(self.width).zip(lines.chunks_exact_mut(width)) {
                for (to, share) in to.iter_mut().zip(&across) {
                    *to = share.iter().map(|(k, w)| w * f32::from(from[*k])).sum();
                }
            }
            for share in &down {
                for x in 0..width {
                    let value: f32 = share.iter().map(|(k, w)| w * lines[k * width + x]).sum();
                    images.push(value.round() as u8);
                }
            }
        }
        self.cameras.iter_mut().for_each(|c| *c = c.resized(width, height));
        self.notes.push(format!(
            "pictures of {} x {} pixels are reduced to {width} x {height}; see `size`",
            self.width, self.height
        ));
        Self { width, height, images, ..self }
    }
}

/// Bytes `[3, H, W]` as `[H, W, 3]`.
pub fn interleaved(planes: &[u8]) -> impl Iterator<Item = u8> {
    let area = planes.len() / 3;
    (0..area).flat_map(move |p| [planes[p], planes[area + p], planes[2 * area + p]])
}

/// Which of `from` pixels each of `to` pixels covers, and with what weight.
fn shares(from: usize, to: usize) -> Vec<Vec<(usize, f32)>> {
    let ratio = from as f64 / to as f64;
    let share = |i: usize| {
        let (low, high) = (i as f64 * ratio, (i + 1) as f64 * ratio);
        let last = (high.ceil() as usize).min(from);
        (low as usize..last)
            .map(|k| (k, ((high.min((k + 1) as f64) - low.max(k as f64)).max(0.0) / ratio) as f32))
            .collect()
    };
    (0..to).map(share).collect()
}
