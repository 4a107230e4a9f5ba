//! Problems of several objectives with known fronts.
//!
//! To add one, give it a row in [`problems`]; `tests/it/objectives.rs` compares the volume of its front with the known one.

use std::f64::consts::{PI, SQRT_2};

/// Functions to minimise over a box.
#[derive(Debug, Clone)]
pub struct Problem {
    /// Its name: `zdt1`.
    pub name: &'static str,
    /// The box.
    pub bounds: Vec<(f64, f64)>,
    /// Volume of the whole front below (1.1, 1.1), where it is known.
    pub volume: Option<f64>,
    value: fn(&[f64]) -> Vec<f64>,
}

impl Problem {
    /// All objectives at a point of the box.
    pub fn value(&self, x: &[f64]) -> Vec<f64> {
        (self.value)(x)
    }

    /// All objectives at a point of the unit cube.
    pub fn at(&self, cube: &[f64]) -> Vec<f64> {
        let x: Vec<f64> = self.bounds.iter().zip(cube).map(|((a, b), u)| a + u * (b - a)).collect();
        self.value(&x)
    }
}

/// All problems; those of any number of variables have `dims`, at least three, of them.
///
/// # Source
/// Zitzler, Deb and Thiele (2000); Deb, Thiele, Laumanns and Zitzler (2005), with three objectives; Van Veldhuizen (1999); the four-bar truss of Tanabe
/// and Ishibuchi (2020).
pub fn problems(dims: usize) -> Vec<Problem> {
    assert!(dims >= 3, "three objectives need three variables");
    let unit = || vec![(0.0, 1.0); dims];
    vec![
        Problem { name: "zdt1", bounds: unit(), volume: Some(0.876_667), value: |x| zdt(x, |r, _| 1.0 - r.sqrt()) },
        Problem { name: "zdt2", bounds: unit(), volume: Some(0.543_333), value: |x| zdt(x, |r, _| 1.0 - r * r) },
        Problem {
            name: "zdt3",
            bounds: unit(),
            volume: None,
            value: |x| zdt(x, |r, f| 1.0 - r.sqrt() - r * (10.0 * PI * f).sin()),
        },
        Problem { name: "dtlz2", bounds: unit(), volume: None, value: dtlz2 },
        Problem { name: "vlmop2", bounds: vec![(-2.0, 2.0); dims], volume: Some(0.552_116), value: vlmop2 },
        Problem {
            name: "four-bar-truss",
            bounds: vec![(1.0, 3.0), (SQRT_2, 3.0), (SQRT_2, 3.0), (1.0, 3.0)],
            volume: None,
            value: truss,
        },
    ]
}

/// The problem of this name.
pub fn problem(name: &str, dims: usize) -> Option<Problem> {
    problems(dims).into_iter().find(|p| p.name == name)
}

fn zdt(x: &[f64], shape: fn(f64, f64) -> f64) -> Vec<f64> {
    let g = 1.0 + 9.0 * x[1..].iter().sum::<f64>() / (x.len() - 1) as f64;
    vec![x[0], g * shape(x[0] / g, x[0])]
}

/// Three objectives; the front is the part of the unit sphere where all are positive.
fn dtlz2(x: &[f64]) -> Vec<f64> {
    let radius = 1.0 + x[2..].iter().map(|v| (v - 0.5).powi(2)).sum::<f64>();
    let [(s1, c1), (s2, c2)] = [x[0], x[1]].map(|v| (0.5 * PI * v).sin_cos());
    vec![radius * c1 * c2, radius * c1 * s2, radius * s1]
}

fn vlmop2(x: &[f64]) -> Vec<f64> {
    let centre = 1.0 / (x.len() as f64).sqrt();
    let bump = |sign: f64| 1.0 - (-x.iter().map(|v| (v - sign * centre).powi(2)).sum::<f64>()).exp();
    vec![bump(1.0), bump(-1.0)]
}

fn truss(x: &[f64]) -> Vec<f64> {
    let volume = 200.0 * (2.0 * x[0] + SQRT_2 * x[1] + x[2].sqrt() + x[3]);
    let displacement = 0.01 * (2.0 / x[0] + 2.0 * SQRT_2 / x[1] - 2.0 * SQRT_2 / x[2] + 2.0 / x[3]);
    vec![volume, displacement]
}
