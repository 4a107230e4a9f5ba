//! What is true between the pictures of a made-up scene: masks, and where every pixel is seen from elsewhere.

use super::Made;
use crate::camera::{Camera, dot};
use crate::prior::Flow;

/// A point counts as hidden when all pixels around it are nearer by this share.
const BEHIND: f64 = 0.01;

impl Made {
    /// Whether there is anything, `[N, H, W]`.
    pub fn mask(&self) -> Vec<bool> {
        self.depth.iter().map(|z| *z > 0.0).collect()
    }

    /// The exact optical flow from picture `from` to picture `to`, by depths and cameras. A point counts as seen when it lies inside and nothing is before it, to the
    /// accuracy of a pixel.
    ///
    /// # Panics
    /// When there is no such picture.
    pub fn flow(&self, from: usize, to: usize) -> Flow {
        let (w, h) = (self.scene.width, self.scene.height);
        let area = w * h;
        let (first, second) = (&self.scene.cameras[from], &self.scene.cameras[to]);
        let (depth, other) = (&self.depth[from * area..(from + 1) * area], &self.depth[to * area..(to + 1) * area]);
        let mut flow = Flow { width: w, height: h, shift: vec![0.0; 2 * area], is_seen: vec![false; area] };
        for p in (0..area).filter(|p| depth[*p] > 0.0) {
            let (x, y) = ((p % w) as f64 + 0.5, (p / w) as f64 + 0.5);
            let Some((u, v, z)) = seen(second, unprojected(first, x, y, f64::from(depth[p]))) else { continue };
            flow.shift[p] = (u - x) as f32;
            flow.shift[area + p] = (v - y) as f32;
            let is_inside = u >= 0.0 && v >= 0.0 && u < w as f64 && v < h as f64;
            flow.is_seen[p] = is_inside && z <= (1.0 + BEHIND) * farthest(other, [w, h], [u as usize, v as usize]);
        }
        flow
    }
}

/// The point of the world at the place `(x, y)` of a picture, at this distance from the camera's plane.
pub(super) fn unprojected(camera: &Camera<f64>, x: f64, y: f64, z: f64) -> [f64; 3] {
    let (origin, direction) = camera.ray(x, y);
    let distance = z / dot(direction, camera.forward());
    std::array::from_fn(|k| origin[k] + distance * direction[k])
}

/// Where a point lies in a picture, and its distance from the camera's plane; `None` behind the camera.
fn seen(camera: &Camera<f64>, x: [f64; 3]) -> Option<(f64, f64, f64)> {
    let [tx, ty, z] = camera.to_camera(x);
    let [fx, fy] = camera.focal;
    (z > 0.0).then(|| (fx * tx / z + camera.centre[0], fy * ty / z + camera.centre[1], z))
}

/// The largest depth of a pixel and those around it; infinite where there is nothing.
fn farthest(depth: &[f32], [w, h]: [usize; 2], [x, y]: [usize; 2]) -> f64 {
    let around = |c: usize, size: usize| c.saturating_sub(1)..=(c + 1).min(size - 1);
    let rows = around(y, h).flat_map(|y| around(x, w).map(move |x| f64::from(depth[y * w + x])));
    rows.map(|z| if z > 0.0 { z } else { f64::INFINITY }).fold(0.0, f64::max)
}
