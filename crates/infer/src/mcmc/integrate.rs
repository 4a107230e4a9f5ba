//! Hamiltonian dynamics: points of phase space and the leapfrog step.

use super::metric::Mass;
use crate::target::LogDensity;
use elbo_core::Rng;
use elbo_linalg::vector::{axpy, dot};
use serde::{Deserialize, Serialize};

/// A position with everything known about it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Point {
    pub position: Vec<f64>,
    pub gradient: Vec<f64>,
    pub log_density: f64,
}

impl Point {
    pub fn new(target: &dyn LogDensity, position: Vec<f64>) -> Self {
        let mut gradient = vec![0.0; position.len()];
        let log_density = target.value_and_gradient(&position, &mut gradient);
        Self { position, gradient, log_density }
    }

    /// Whether a chain may stand here.
    pub fn is_usable(&self) -> bool {
        self.log_density.is_finite() && self.gradient.iter().all(|g| g.is_finite())
    }

    pub fn copy_from(&mut self, other: &Self) {
        self.position.copy_from_slice(&other.position);
        self.gradient.copy_from_slice(&other.gradient);
        self.log_density = other.log_density;
    }
}

/// A point with its momentum and the velocity that belongs to it.
#[derive(Debug, Clone, Default)]
pub(super) struct Phase {
    pub point: Point,
    pub momentum: Vec<f64>,
    pub velocity: Vec<f64>,
    /// Negative log density plus kinetic energy.
    pub energy: f64,
}

impl Phase {
    /// The point with a fresh momentum.
    pub fn draw(point: &Point, mass: &Mass, rng: &mut Rng) -> Self {
        let dim = point.position.len();
        let mut phase = Self { point: point.clone(), momentum: vec![0.0; dim], velocity: vec![0.0; dim], energy: 0.0 };
        phase.refresh(mass, rng);
        phase
    }

    /// Draws the momentum anew.
    pub fn refresh(&mut self, mass: &Mass, rng: &mut Rng) {
        self.momentum.iter_mut().for_each(|p| *p = rng.normal());
        mass.momentum(&mut self.momentum);
        self.energy = mass.velocity(&self.momentum, &mut self.velocity) - self.point.log_density;
    }

    /// One leapfrog step of length `step`, backwards when negative. The energy becomes infinite where the density does not exist.
    pub fn leapfrog(&mut self, target: &dyn LogDensity, mass: &Mass, step: f64) {
        let point = &mut self.point;
        axpy(0.5 * step, &point.gradient, &mut self.momentum);
        mass.velocity(&self.momentum, &mut self.velocity);
        axpy(step, &self.velocity, &mut point.position);
        point.log_density = target.value_and_gradient(&point.position, &mut point.gradient);
        axpy(0.5 * step, &point.gradient, &mut self.momentum);
        let energy = mass.velocity(&self.momentum, &mut self.velocity) - point.log_density;
        self.energy = if energy.is_nan() { f64::INFINITY } else { energy };
    }
}

/// Whether a stretch of trajectory still moves apart at both ends, given the sum of the momenta along it.
pub(super) fn moves_apart(first: &[f64], last: &[f64], sum: &[f64]) -> bool {
    dot(first, sum) > 0.0 && dot(last, sum) > 0.0
}

/// A step at which one leapfrog step is accepted about 80 % of the time: doubled or halved until that is crossed.
///
/// Returns the step and the gradient evaluations used.
pub(super) fn reasonable_step(
    target: &dyn LogDensity,
    point: &Point,
    mass: &Mass,
    guess: f64,
    rng: &mut Rng,
) -> (f64, u64) {
    let limit = 0.8f64.ln();
    let mut phase = Phase::draw(point, mass, rng);
    let (mut step, mut evaluations, mut grow) = (guess, 0, None);
    // 2^100 covers every scale that f64 positions can have in practice.
    for _ in 0..100 {
        phase.point.copy_from(point);
        phase.refresh(mass, rng);
        let before = phase.energy;
        phase.leapfrog(target, mass, step);
        evaluations += 1;
        let accepts = before - phase.energy > limit;
        match grow {
            None => grow = Some(accepts),
            Some(direction) if direction != accepts => break,
            Some(_) => {}
        }
        step *= if accepts { 2.0 } else { 0.5 };
    }
    (step, evaluations)
}
