//! Around other operators: the linear part of those that add a constant, shadows of pictures, weights.

use super::{Operator, Rays};

/// H(x) - H(0) of an affine operator: methods for linear operators apply when H(0) is subtracted from the measurement.
pub struct LinearPart {
    affine: Box<dyn Operator>,
    constant: Vec<f64>,
}

impl LinearPart {
    /// Of an operator whose pullback does not depend on the point.
    pub fn new(affine: Box<dyn Operator>) -> Self {
        let constant = affine.apply(&vec![0.0; affine.input()]);
        Self { affine, constant }
    }

    /// H(0).
    pub fn constant(&self) -> &[f64] {
        &self.constant
    }
}

impl Operator for LinearPart {
    fn input(&self) -> usize {
        self.affine.input()
    }

    fn output(&self) -> usize {
        self.affine.output()
    }

    fn apply(&self, x: &[f64]) -> Vec<f64> {
        self.affine.apply(x).iter().zip(&self.constant).map(|(y, c)| y - c).collect()
    }

    fn pullback(&self, x: &[f64], v: &[f64]) -> Vec<f64> {
        self.affine.pullback(x, v)
    }
}

/// Sums along rays through each channel of a picture from -1 (black) to 1 (white), over the length of its diagonal: like the picture, a shadow
/// goes from -1, of black, to at most 1. Affine.
#[derive(Debug, Clone, PartialEq)]
pub struct Shadow {
    rays: Rays,
    channels: usize,
    diagonal: f64,
}

impl Shadow {
    /// Of pictures `[C, H, W]` by rays through `[H, W]`; a measurement is `[C, rays]`.
    ///
    /// # Panics
    /// When the rays are of pictures of another size.
    pub fn new([channels, h, w]: [usize; 3], rays: Rays) -> Self {
        assert_eq!(rays.input(), h * w, "rays through pictures of this size");
        Self { rays, channels, diagonal: (h as f64).hypot(w as f64) }
    }
}

impl Operator for Shadow {
    fn input(&self) -> usize {
        self.channels * self.rays.input()
    }

    fn output(&self) -> usize {
        self.channels * self.rays.output()
    }

    fn apply(&self, x: &[f64]) -> Vec<f64> {
        let shares: Vec<f64> = x.iter().map(|v| v + 1.0).collect();
        let sums = shares.chunks_exact(self.rays.input()).flat_map(|channel| self.rays.apply(channel));
        sums.map(|sum| sum / self.diagonal - 1.0).collect()
    }

    fn pullback(&self, _: &[f64], v: &[f64]) -> Vec<f64> {
        let back = v.chunks_exact(self.rays.output()).flat_map(|channel| self.rays.pullback(&[], channel));
        back.map(|sum| sum / self.diagonal).collect()
    }

    fn is_linear(&self) -> bool {
        false
    }
}

/// Each number of a measurement times a weight of its own, so that all are equally sure.
pub struct Weighted<'a> {
    operator: &'a dyn Operator,
    weights: Vec<f64>,
}

impl<'a> Weighted<'a> {
    /// With one weight for each number of the operator's measurement.
    ///
    /// # Panics
    /// For another number of weights.
    pub fn new(operator: &'a dyn Operator, weights: Vec<f64>) -> Self {
        assert_eq!(operator.output(), weights.len(), "a weight for each number of a measurement");
        Self { operator, weights }
    }

    /// A measurement of the operator as one of this.
    pub fn weigh(&self, y: &[f64]) -> Vec<f64> {
        y.iter().zip(&self.weights).map(|(y, w)| y * w).collect()
    }
}

impl Operator for Weighted<'_> {
    fn input(&self) -> usize {
        self.operator.input()
    }

    fn output(&self) -> usize {
        self.operator.output()
    }

    fn apply(&self, x: &[f64]) -> Vec<f64> {
        self.weigh(&self.operator.apply(x))
    }

    fn pullback(&self, x: &[f64], v: &[f64]) -> Vec<f64> {
        self.operator.pullback(x, &self.weigh(v))
    }

    fn is_linear(&self) -> bool {
        self.operator.is_linear()
    }
}
