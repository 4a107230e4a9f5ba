//! Sums along rays through a picture: tomography.

use super::Operator;
use elbo_core::{Result, ensure, ensure_within};
use std::f64::consts::PI;

/// Parallel rays: one set an angle, `detectors` of them with a distance of `spacing` pixels, the middle one through the centre.
#[derive(Debug, Clone, PartialEq)]
pub struct Parallel {
    /// Degrees; 0 looks along the rows from below, so that the detector lies along the columns' index.
    pub angles: Vec<f64>,
    /// Rays an angle.
    pub detectors: usize,
    /// Pixels between rays.
    pub spacing: f64,
}

/// Rays from a point on a circle to a flat detector on the other side.
#[derive(Debug, Clone, PartialEq)]
pub struct Fan {
    /// Degrees at which the source stands.
    pub angles: Vec<f64>,
    /// Rays an angle.
    pub detectors: usize,
    /// Pixels between detectors.
    pub spacing: f64,
    /// Pixels from the source to the centre.
    pub source: f64,
    /// Pixels from the centre to the detector.
    pub detector: f64,
}

/// Lengths of rays in the pixels of a picture `[H, W]`, as a sparse matrix. The adjoint is its transpose, entry by entry.
#[derive(Debug, Clone, PartialEq)]
pub struct Rays {
    input: usize,
    /// Where each ray's entries begin.
    starts: Vec<usize>,
    pixels: Vec<u32>,
    lengths: Vec<f64>,
    geometry: Option<Parallel>,
}

impl Parallel {
    /// The operator of pictures `[H, W]`; the measurement is `[angles, detectors]`.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for no rays, or a spacing that is not positive.
    pub fn rays(&self, h: usize, w: usize) -> Result<Rays> {
        check(&self.angles, self.detectors, self.spacing)?;
        let line = |s: f64, (sin, cos): (f64, f64)| ([s * cos, s * sin], [-sin, cos]);
        let mut rays = Rays::trace(lines(&self.angles, self.detectors, self.spacing, line), h, w);
        rays.geometry = Some(self.clone());
        Ok(rays)
    }
}

impl Fan {
    /// The operator of pictures `[H, W]`; the measurement is `[angles, detectors]`.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for no rays, or lengths that are not positive.
    pub fn rays(&self, h: usize, w: usize) -> Result<Rays> {
        check(&self.angles, self.detectors, self.spacing)?;
        ensure(
            "source",
            self.source,
            self.source > 0.0 && self.detector >= 0.0,
            "above 0, with `detector` of at least 0",
        )?;
        let line = |s: f64, (sin, cos): (f64, f64)| {
            let source = [self.source * sin, -self.source * cos];
            let end = [s * cos - self.detector * sin, s * sin + self.detector * cos];
            let (dx, dy) = (end[0] - source[0], end[1] - source[1]);
            let length = dx.hypot(dy);
            (source, [dx / length, dy / length])
        };
        Ok(Rays::trace(lines(&self.angles, self.detectors, self.spacing, line), h, w))
    }
}

/// A point and a unit direction.
type Line = ([f64; 2], [f64; 2]);

/// The rays of all detectors at all angles. `line` takes a detector's place about the middle one, and sine and cosine of the angle.
fn lines(angles: &[f64], detectors: usize, spacing: f64, line: impl Fn(f64, (f64, f64)) -> Line) -> Vec<Line> {
    let place = |i: usize| (i as f64 - 0.5 * (detectors as f64 - 1.0)) * spacing;
    let turned = |angle: &f64| {
        let turn = angle.to_radians().sin_cos();
        (0..detectors).map(|i| line(place(i), turn)).collect::<Vec<_>>()
    };
    angles.iter().flat_map(turned).collect()
}

fn check(angles: &[f64], detectors: usize, spacing: f64) -> Result<()> {
    ensure(
        "angles",
        angles.len(),
        !angles.is_empty() && angles.iter().all(|a| a.is_finite()),
        "at least one, in degrees",
    )?;
    ensure_within("detectors", detectors, 1..)?;
    ensure("spacing", spacing, spacing > 0.0 && spacing.is_finite(), "above 0")
}

impl Rays {
    /// Lines as a point and a unit direction, in pixels from the picture's centre, x along a row and y up (against the rows).
    fn trace(lines: Vec<Line>, h: usize, w: usize) -> Self {
        let mut rays = Self { input: h * w, starts: vec![0], pixels: vec![], lengths: vec![], geometry: None };
        let half = [0.5 * w as f64, 0.5 * h as f64];
        for (point, direction) in lines {
            // Distances along the line at which it crosses a line of the grid (Siddon, 1985).
            let mut crossings = vec![];
            for axis in 0..2 {
                if direction[axis].abs() > 1e-12 {
                    let count = [w, h][axis];
                    crossings.extend((0..=count).map(|i| (i as f64 - half[axis] - point[axis]) / direction[axis]));
                }
            }
            crossings.sort_by(f64::total_cmp);
            for pair in crossings.windows(2) {
                let (length, middle) = (pair[1] - pair[0], 0.5 * (pair[0] + pair[1]));
                let x = (point[0] + middle * direction[0] + half[0]).floor();
                let y = (half[1] - point[1] - middle * direction[1]).floor();
                if length > 1e-12 && x >= 0.0 && y >= 0.0 && x < w as f64 && y < h as f64 {
                    rays.pixels.push((y as usize * w + x as usize) as u32);
                    rays.lengths.push(length);
                }
            }
            rays.starts.push(rays.pixels.len());
        }
        rays
    }

    /// Filtered back projection of a measurement `[angles, detectors]` of parallel rays over half a turn: the ramp filter, with a Hann
    /// window where `is_smooth`, then the adjoint times π/angles. `None` for other geometries.
    pub fn back_projection(&self, y: &[f64], is_smooth: bool) -> Option<Vec<f64>> {
        let geometry = self.geometry.as_ref()?;
        let n = geometry.detectors;
        let mut kernel: Vec<f64> = (0..n)
            .map(|i| match i {
                0 => 0.25,
                i if i % 2 == 1 => -1.0 / (PI * i as f64).powi(2),
                _ => 0.0,
            })
            .collect();
        if is_smooth {
            // A Hann window of the spectrum is the mean of the kernel with its neighbours.
            let at = |i: isize| kernel.get(i.unsigned_abs()).copied().unwrap_or(0.0);
            kernel = (0..n as isize).map(|i| 0.5 * at(i) + 0.25 * (at(i - 1) + at(i + 1))).collect();
        }
        let filtered: Vec<f64> = y
            .chunks_exact(n)
            .flat_map(|row| {
                let kernel = &kernel;
                (0..n).map(move |i| (0..n).map(|j| row[j] * kernel[i.abs_diff(j)]).sum::<f64>())
            })
            .collect();
        // The spacing enters once as the filter's 1/Δ; the adjoint sums one length a ray, Δ apart.
        let scale = PI / geometry.angles.len() as f64;
        Some(self.pullback(&[], &filtered).into_iter().map(|v| v * scale).collect())
    }
}

impl Operator for Rays {
    fn input(&self) -> usize {
        self.input
    }

    fn output(&self) -> usize {
        self.starts.len() - 1
    }

    fn apply(&self, x: &[f64]) -> Vec<f64> {
        let ray = |w: &[usize]| (w[0]..w[1]).map(|i| self.lengths[i] * x[self.pixels[i] as usize]).sum();
        self.starts.windows(2).map(ray).collect()
    }

    fn pullback(&self, _: &[f64], v: &[f64]) -> Vec<f64> {
        let mut x = vec![0.0; self.input];
        for (w, v) in self.starts.windows(2).zip(v) {
            (w[0]..w[1]).for_each(|i| x[self.pixels[i] as usize] += self.lengths[i] * v);
        }
        x
    }
}
