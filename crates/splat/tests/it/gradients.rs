//! Derivatives against finite differences, in double precision.

use elbo_core::Rng;
use elbo_splat::camera::Camera;
use elbo_splat::gaussians::Gaussians;
use elbo_splat::loss::photometric;
use elbo_splat::project::Options;
use elbo_splat::render::{Pixels, render};

/// Some Gaussians in front of a camera, of every shape.
pub fn cloud(count: usize, degree: usize, seed: u64) -> Gaussians<f64> {
    let mut rng = Rng::new(seed);
    let mut g = Gaussians::empty(degree);
    for _ in 0..count {
        g.mean.extend((0..3).map(|_| 0.6 * rng.normal()));
        g.log_scale.extend((0..3).map(|_| rng.range(-2.6, -0.8)));
        g.rotation.extend((0..4).map(|_| rng.normal()));
        g.opacity.push(rng.range(-2.0, 2.0));
        g.sh.extend(
            (0..3 * (degree + 1) * (degree + 1)).map(|k| if k < 3 { rng.range(0.2, 1.5) } else { 0.15 * rng.normal() }),
        );
    }
    g
}

pub fn camera(size: [usize; 2]) -> Camera<f64> {
    let mut camera = Camera::look_at([0.4, -3.0, 1.2], [0.0; 3], [0.0, 0.0, 1.0], 0.7, size);
    // Off the middle, with pixels that are not square.
    camera.centre = [camera.centre[0] + 1.3, camera.centre[1] - 0.7];
    camera.focal[1] *= 1.1;
    camera
}

/// No thresholds: they make steps that no derivative sees.
fn smooth(antialias: bool) -> Options<f64> {
    Options {
        background: [0.3, 0.1, 0.6],
        antialias,
        alpha_min: 1e-13,
        alpha_max: 2.0,
        transmittance_min: 0.0,
        ..Options::default()
    }
}

struct Weights {
    colour: Vec<f64>,
    depth: Vec<f64>,
    alpha: Vec<f64>,
}

impl Weights {
    fn new([w, h]: [usize; 2]) -> Self {
        let mut rng = Rng::new(9);
        let mut draw = |n| rng.normals(n);
        Self { colour: draw(3 * w * h), depth: draw(w * h), alpha: draw(w * h) }
    }

    /// A loss that is linear in the picture, so that its derivative in the pixels is the weights.
    fn loss(&self, g: &Gaussians<f64>, camera: &Camera<f64>, options: &Options<f64>) -> f64 {
        let made = render(g, camera, options).unwrap();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        dot(&self.colour, &made.colour) + dot(&self.depth, &made.depth) + dot(&self.alpha, &made.alpha)
    }

    fn pixels(&self) -> Pixels<'_, f64> {
        Pixels { colour: &self.colour, depth: Some(&self.depth), alpha: Some(&self.alpha) }
    }
}

fn assert_close(what: &str, numeric: f64, exact: f64) {
    assert!((numeric - exact).abs() <= 2e-6 * exact.abs().max(1.0), "{what}: {numeric} (numeric) vs {exact}");
}

#[test]
fn every_parameter_group_has_the_right_derivative() {
    let size = [37, 29];
    let (camera, weights) = (camera(size), Weights::new(size));
    for (degree, antialias) in [(0, false), (1, true), (2, false), (3, false), (3, true)] {
        let g = cloud(7, degree, 3 + degree as u64);
        let options = smooth(antialias);
        let made = render(&g, &camera, &options).unwrap();
        assert!((0..7).all(|i| made.is_visible(i)));
        let exact = made.backward(&g, &camera, &options, weights.pixels());
        let names = ["mean", "log_scale", "rotation", "opacity", "sh"];
        for (group, name) in names.iter().enumerate() {
            for k in 0..g.arrays()[group].len() {
                let shifted = |delta: f64| {
                    let mut moved = g.clone();
                    moved.arrays_mut()[group][k] += delta;
                    weights.loss(&moved, &camera, &options)
                };
                let h = 1e-5;
                let numeric = (shifted(h) - shifted(-h)) / (2.0 * h);
                assert_close(&format!("degree {degree}, {name}[{k}]"), numeric, exact.gaussians.arrays()[group][k]);
            }
        }
    }
}

#[test]
fn a_camera_has_the_right_derivative() {
    let size = [37, 29];
    let (camera, weights) = (camera(size), Weights::new(size));
    let (g, options) = (cloud(9, 3, 5), smooth(true));
    let exact = render(&g, &camera, &options).unwrap().backward(&g, &camera, &options, weights.pixels());
    let h = 1e-6;
    let numeric = |change: &dyn Fn(&mut Camera<f64>, f64)| {
        let at = |delta: f64| {
            let mut moved = camera;
            change(&mut moved, delta);
            weights.loss(&g, &moved, &options)
        };
        (at(h) - at(-h)) / (2.0 * h)
    };
    for k in 0..3 {
        assert_close(&format!("translation {k}"), numeric(&|c, d| c.translation[k] += d), exact.translation[k]);
    }
    for k in 0..9 {
        assert_close(&format!("rotation {k}"), numeric(&|c, d| c.rotation[k] += d), exact.rotation[k]);
    }
    let turn = exact.turn(&camera);
    for k in 0..3 {
        let rotate = |c: &mut Camera<f64>, d: f64| {
            let r = c.rotation;
            let (a, b) = ((k + 1) % 3, (k + 2) % 3);
            for j in 0..3 {
                c.rotation[3 * a + j] = d.cos() * r[3 * a + j] - d.sin() * r[3 * b + j];
                c.rotation[3 * b + j] = d.sin() * r[3 * a + j] + d.cos() * r[3 * b + j];
            }
        };
        assert_close(&format!("turn {k}"), numeric(&rotate), turn[k]);
    }
}

#[test]
fn a_mean_far_outside_the_picture_has_the_right_derivative() {
    let size = [24, 16];
    let (camera, weights) = (camera(size), Weights::new(size));
    let mut g = cloud(1, 1, 4);
    // Large, and far to the side and below: both slopes are limited.
    g.mean = vec![2.1, 0.2, -1.2];
    g.log_scale = vec![-0.1, 0.1, 0.0];
    let options = smooth(false);
    let exact = render(&g, &camera, &options).unwrap().backward(&g, &camera, &options, weights.pixels());
    for k in 0..3 {
        let shifted = |delta: f64| {
            let mut moved = g.clone();
            moved.mean[k] += delta;
            weights.loss(&moved, &camera, &options)
        };
        assert_close(&format!("mean {k}"), (shifted(1e-5) - shifted(-1e-5)) / 2e-5, exact.gaussians.mean[k]);
    }
}

#[test]
fn a_limited_opacity_has_no_derivative() {
    let size = [16, 16];
    let camera = Camera::look_at([0.0, -3.0, 0.0], [0.0; 3], [0.0, 0.0, 1.0], 0.3, size);
    let mut g = cloud(1, 0, 1);
    (g.mean, g.log_scale, g.opacity) = (vec![0.0; 3], vec![2.0; 3], vec![12.0]);
    let options = Options { alpha_max: 0.9, ..smooth(false) };
    let weights = Weights::new(size);
    let exact = render(&g, &camera, &options).unwrap().backward(&g, &camera, &options, weights.pixels());
    assert_eq!(exact.gaussians.opacity, [0.0]);
    assert_ne!(exact.gaussians.sh, [0.0; 3]);
}

#[test]
fn the_loss_has_the_right_derivative() {
    let (w, h) = (13, 9);
    let mut rng = Rng::new(2);
    let (x, y) = (rng.uniforms(3 * w * h), rng.uniforms(3 * w * h));
    let (_, slope) = photometric(&x, &y, [w, h], 0.2);
    for k in (0..x.len()).step_by(7) {
        let shifted = |delta: f64| {
            let mut moved = x.clone();
            moved[k] += delta;
            photometric(&moved, &y, [w, h], 0.2).0
        };
        assert!(((shifted(1e-6) - shifted(-1e-6)) / 2e-6 - slope[k]).abs() < 1e-8, "{k}");
    }
}
