//! What every kernel is told of the picture: `Frame` in kernels.cu, field by field.

use crate::camera::Camera;
use crate::gaussians::{Gaussians, coefficients};
use crate::project::Options;
use crate::tile::TILE;

/// A camera, how pictures are made, and how many Gaussians there are. Every field takes four bytes, so that nothing lies between them.
#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(C)]
pub(super) struct Frame {
    pub rotation: [f32; 9],
    pub translation: [f32; 3],
    pub position: [f32; 3],
    pub focal: [f32; 2],
    pub centre: [f32; 2],
    pub background: [f32; 3],
    pub nearest: f32,
    pub low_pass: f32,
    pub alpha_min: f32,
    pub alpha_max: f32,
    pub transmittance_min: f32,
    pub width: u32,
    pub height: u32,
    pub columns: u32,
    pub rows: u32,
    pub count: u32,
    pub degree: u32,
    pub stored: u32,
    pub antialias: u32,
}

impl Frame {
    pub fn new(g: &Gaussians<f32>, camera: &Camera<f32>, options: &Options<f32>) -> Self {
        Self {
            rotation: camera.rotation,
            translation: camera.translation,
            position: camera.position(),
            focal: camera.focal,
            centre: camera.centre,
            background: options.background,
            nearest: options.near,
            low_pass: options.low_pass,
            alpha_min: options.alpha_min,
            alpha_max: options.alpha_max,
            transmittance_min: options.transmittance_min,
            width: camera.width as u32,
            height: camera.height as u32,
            columns: camera.width.div_ceil(TILE) as u32,
            rows: camera.height.div_ceil(TILE) as u32,
            count: g.len() as u32,
            degree: options.degree.min(g.degree) as u32,
            stored: coefficients(g.degree) as u32,
            antialias: u32::from(options.antialias),
        }
    }

    /// Columns and rows of tiles.
    pub fn grid(&self) -> [usize; 2] {
        [self.columns as usize, self.rows as usize]
    }

    /// Pixels.
    pub fn area(&self) -> usize {
        self.width as usize * self.height as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_lies_between_the_fields() {
        assert_eq!(size_of::<Frame>(), 4 * (9 + 3 + 3 + 2 + 2 + 3 + 5 + 8));
        assert_eq!(align_of::<Frame>(), 4);
        assert_eq!(std::mem::offset_of!(Frame, width), 4 * 27);
    }
}
