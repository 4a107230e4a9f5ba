//! Pinhole cameras: x to the right, y down, z forward; the centre of pixel `(i, j)` lies at `(i + ½, j + ½)`.

use crate::real::Real;

/// A camera without distortion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Camera<T> {
    /// Columns of pixels.
    pub width: usize,
    /// Rows of pixels.
    pub height: usize,
    /// Focal lengths `fx`, `fy` in pixels.
    pub focal: [T; 2],
    /// The principal point `cx`, `cy` in pixels.
    pub centre: [T; 2],
    /// World to camera, `x_c = R x_w + τ`: the rotation, row-major.
    pub rotation: [T; 9],
    /// The translation `τ`.
    pub translation: [T; 3],
}

impl<T: Real> Camera<T> {
    /// Where the camera stands, in the world.
    pub fn position(&self) -> [T; 3] {
        let (r, t) = (&self.rotation, &self.translation);
        std::array::from_fn(|k| -(r[k] * t[0] + r[3 + k] * t[1] + r[6 + k] * t[2]))
    }

    /// A point of the world in the camera's coordinates.
    pub fn to_camera(&self, x: [T; 3]) -> [T; 3] {
        let (r, t) = (&self.rotation, &self.translation);
        std::array::from_fn(|k| r[3 * k] * x[0] + r[3 * k + 1] * x[1] + r[3 * k + 2] * x[2] + t[k])
    }

    /// The same camera in another precision.
    pub fn cast<U: Real>(&self) -> Camera<U> {
        let cast = |v: T| U::of(v.to_f64());
        Camera {
            width: self.width,
            height: self.height,
            focal: self.focal.map(cast),
            centre: self.centre.map(cast),
            rotation: self.rotation.map(cast),
            translation: self.translation.map(cast),
        }
    }
}

impl Camera<f64> {
    /// A camera at `eye` that looks at `target`, with `up` upwards in the picture, an angle of view of `angle` radians over the width, and
    /// its principal point in the middle.
    pub fn look_at(eye: [f64; 3], target: [f64; 3], up: [f64; 3], angle: f64, [width, height]: [usize; 2]) -> Self {
        let forward = unit(sub(target, eye));
        let mut right = cross(forward, up);
        if dot(right, right) < 1e-12 {
            // Straight up or down: any direction across will do.
            right = cross(forward, if forward[0].abs() < 0.9 { [1.0, 0.0, 0.0] } else { [0.0, 1.0, 0.0] });
        }
        let right = unit(right);
        let down = cross(forward, right);
        let rotation = [right[0], right[1], right[2], down[0], down[1], down[2], forward[0], forward[1], forward[2]];
        let focal = 0.5 * width as f64 / (0.5 * angle).tan();
        Self {
            width,
            height,
            focal: [focal; 2],
            centre: [0.5 * width as f64, 0.5 * height as f64],
            rotation,
            translation: [-dot(right, eye), -dot(down, eye), -dot(forward, eye)],
        }
    }

    /// The ray through the point `(x, y)` of the picture: where it starts, and its direction of length one.
    pub fn ray(&self, x: f64, y: f64) -> ([f64; 3], [f64; 3]) {
        let d = [(x - self.centre[0]) / self.focal[0], (y - self.centre[1]) / self.focal[1], 1.0];
        let r = &self.rotation;
        let world = std::array::from_fn(|k| r[k] * d[0] + r[3 + k] * d[1] + r[6 + k] * d[2]);
        (self.position(), unit(world))
    }

    /// Where the camera looks, of length one.
    pub fn forward(&self) -> [f64; 3] {
        let r = &self.rotation;
        [r[6], r[7], r[8]]
    }

    /// The camera of a picture that is scaled to another size.
    pub fn resized(&self, width: usize, height: usize) -> Self {
        let (sx, sy) = (width as f64 / self.width as f64, height as f64 / self.height as f64);
        Self {
            width,
            height,
            focal: [self.focal[0] * sx, self.focal[1] * sy],
            centre: [self.centre[0] * sx, self.centre[1] * sy],
            ..*self
        }
    }

    /// The camera after the world was moved and scaled: `x ↦ factor x + shift`. Pictures stay the same.
    pub fn in_scaled_world(&self, factor: f64, shift: [f64; 3]) -> Self {
        let r = &self.rotation;
        let translation = std::array::from_fn(|k| {
            factor * self.translation[k] - (r[3 * k] * shift[0] + r[3 * k + 1] * shift[1] + r[3 * k + 2] * shift[2])
        });
        Self { translation, ..*self }
    }
}

pub(crate) fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn sub(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(crate) fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

pub(crate) fn unit(a: [f64; 3]) -> [f64; 3] {
    let length = dot(a, a).sqrt();
    a.map(|v| v / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_camera_looks_at_lies_in_the_middle() {
        let camera = Camera::look_at([3.0, -2.0, 1.0], [0.5, 0.2, 0.1], [0.0, 0.0, 1.0], 0.8, [64, 48]);
        let [x, y, z] = camera.to_camera([0.5, 0.2, 0.1]);
        assert!(x.abs() < 1e-12 && y.abs() < 1e-12 && z > 0.0);
        let above = camera.to_camera([0.5, 0.2, 0.6]);
        assert!(above[1] < 0.0, "up is towards the first row");
        let p = camera.position();
        assert!((p[0] - 3.0).abs() < 1e-12 && (p[1] + 2.0).abs() < 1e-12 && (p[2] - 1.0).abs() < 1e-12);
        let (start, direction) = camera.ray(32.0, 24.0);
        assert!((dot(direction, unit(sub([0.5, 0.2, 0.1], start))) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_scaled_world_gives_the_same_picture() {
        let camera = Camera::look_at([3.0, -2.0, 1.0], [0.0; 3], [0.0, 0.0, 1.0], 0.8, [64, 48]);
        let moved = camera.in_scaled_world(0.3, [1.0, 2.0, -3.0]);
        let (a, b) = (camera.to_camera([0.3, 0.4, 0.5]), moved.to_camera([1.09, 2.12, -2.85]));
        for k in 0..3 {
            assert!((0.3 * a[k] - b[k]).abs() < 1e-12, "{a:?} {b:?}");
        }
    }
}
