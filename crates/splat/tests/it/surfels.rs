//! Discs: the picture against rays and planes, derivatives against finite differences.

use crate::gradients::{camera, cloud};
use elbo_core::Rng;
use elbo_splat::camera::Camera;
use elbo_splat::gaussians::{Gaussians, normalised, rotation_matrix, sigmoid};
use elbo_splat::project::Options;
use elbo_splat::sh::basis;
use elbo_splat::surfel::{Discs, backward, render};

/// No thresholds: they make steps that no derivative sees.
fn smooth() -> Options<f64> {
    Options {
        background: [0.3, 0.1, 0.6],
        alpha_min: 1e-13,
        alpha_max: 2.0,
        transmittance_min: 0.0,
        ..Options::default()
    }
}

fn numbers(discs: &Discs<f64>) -> Vec<f64> {
    [&discs.colour, &discs.depth, &discs.normal, &discs.alpha, &discs.distortion]
        .into_iter()
        .flatten()
        .copied()
        .collect()
}

/// The definition: where rays meet planes, pixel by pixel.
fn reference(g: &Gaussians<f64>, camera: &Camera<f64>, options: &Options<f64>) -> Vec<f64> {
    let area = camera.width * camera.height;
    let dot = |a: [f64; 3], b: [f64; 3]| (0..3).map(|k| a[k] * b[k]).sum::<f64>();
    let mean = |i: usize| -> [f64; 3] { std::array::from_fn(|k| g.mean[3 * i + k]) };
    let mut order: Vec<usize> = (0..g.len()).filter(|i| camera.to_camera(mean(*i))[2] > options.near).collect();
    order.sort_by(|a, b| camera.to_camera(mean(*a))[2].total_cmp(&camera.to_camera(mean(*b))[2]));
    let mut out = vec![0.0; 9 * area];
    for p in 0..area {
        let pixel = [(p % camera.width) as f64 + 0.5, (p / camera.width) as f64 + 0.5];
        let (eye, ray) = camera.ray(pixel[0], pixel[1]);
        let (mut light, mut parts) = (1.0, vec![]);
        for i in &order {
            let turn = rotation_matrix(normalised(std::array::from_fn(|k| g.rotation[4 * i + k])));
            let axis = |k: usize| [turn[k], turn[3 + k], turn[6 + k]];
            let from_eye: [f64; 3] = std::array::from_fn(|k| mean(*i)[k] - eye[k]);
            let length = dot(from_eye, axis(2)) / dot(ray, axis(2));
            let on_disc: [f64; 3] = std::array::from_fn(|k| length * ray[k] - from_eye[k]);
            let [a, b] = [0, 1].map(|k| dot(on_disc, axis(k)) / g.log_scale[3 * i + k].exp());
            let t = camera.to_camera(mean(*i));
            let at: [f64; 2] = std::array::from_fn(|k| camera.focal[k] * t[k] / t[2] + camera.centre[k]);
            let away = (at[0] - pixel[0]).powi(2) + (at[1] - pixel[1]).powi(2);
            let sigma = 0.5 * (a * a + b * b);
            let depth = if sigma < away {
                camera.to_camera(std::array::from_fn(|k| eye[k] + length * ray[k]))[2]
            } else {
                t[2]
            };
            let alpha = (sigmoid(g.opacity[*i]) * (-sigma.min(away)).exp()).min(options.alpha_max);
            if alpha < options.alpha_min || depth <= options.near {
                continue;
            }
            if light * (1.0 - alpha) < options.transmittance_min {
                break;
            }
            let n = dot(from_eye, from_eye).sqrt();
            let values = basis(g.degree, from_eye.map(|v| v / n));
            let width = g.widths()[4];
            let colour = |c: usize| {
                (0.5 + (0..width / 3).map(|k| values[k] * g.sh[width * i + 3 * k + c]).sum::<f64>()).max(0.0)
            };
            let sign = -dot(from_eye, axis(2)).signum();
            let r = &camera.rotation;
            let normal = |k: usize| sign * dot([r[3 * k], r[3 * k + 1], r[3 * k + 2]], axis(2));
            let shown = [colour(0), colour(1), colour(2), depth, normal(0), normal(1), normal(2)];
            let w = alpha * light;
            (0..7).for_each(|k| out[k * area + p] += w * shown[k]);
            parts.push((w, depth));
            light *= 1.0 - alpha;
        }
        (0..3).for_each(|c| out[c * area + p] += light * options.background[c]);
        out[7 * area + p] = 1.0 - light;
        for (j, (w, z)) in parts.iter().enumerate() {
            out[8 * area + p] += parts[..j].iter().map(|(v, y)| v * w * (y - z).powi(2)).sum::<f64>();
        }
    }
    out
}

#[test]
fn a_picture_of_discs_is_what_rays_meet() {
    for (size, degree, seed) in [([37, 29], 3, 1), ([16, 40], 0, 2)] {
        let (camera, mut g) = (camera(size), cloud(40, degree, seed));
        // Some are smaller than a pixel, and one reaches behind the camera.
        (0..30).for_each(|k| g.log_scale[k] -= 3.0);
        g.log_scale[3 * 39] = 2.0;
        let options = Options { background: [0.2, 0.5, 0.1], ..Options::default() };
        let (found, expected) = (numbers(&render(&g, &camera, &options)), reference(&g, &camera, &options));
        assert_eq!(found.len(), expected.len());
        for (k, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert!((found - expected).abs() < 1e-9, "{k}: {found} for {expected}");
        }
    }
}

#[test]
fn every_parameter_of_a_disc_has_the_right_derivative() {
    let size = [23, 19];
    let (camera, options) = (camera(size), smooth());
    let mut rng = Rng::new(4);
    let mut draw = |n: usize| rng.normals(n * size[0] * size[1]);
    let up = Discs { colour: draw(3), depth: draw(1), normal: draw(3), alpha: draw(1), distortion: draw(1) };
    for degree in [0, 2] {
        let mut g = cloud(6, degree, 5 + degree as u64);
        // Two that are mostly the low-pass.
        g.log_scale[..6].fill(-4.0);
        let loss = |g: &Gaussians<f64>| {
            numbers(&render(g, &camera, &options)).iter().zip(numbers(&up)).map(|(x, w)| x * w).sum::<f64>()
        };
        let exact = backward(&g, &camera, &options, &up);
        for (group, name) in ["mean", "log_scale", "rotation", "opacity", "sh"].iter().enumerate() {
            for k in 0..g.arrays()[group].len() {
                let shifted = |delta: f64| {
                    let mut moved = g.clone();
                    moved.arrays_mut()[group][k] += delta;
                    loss(&moved)
                };
                let numeric = (shifted(1e-6) - shifted(-1e-6)) / 2e-6;
                let exact = exact.arrays()[group][k];
                let near = (numeric - exact).abs() <= 1e-5 * exact.abs().max(1.0);
                assert!(near, "degree {degree}, {name}[{k}]: {numeric} (numeric) vs {exact}");
            }
        }
    }
}

#[test]
fn one_wall_of_discs_has_no_distortion_and_two_have() {
    let camera = Camera::look_at([0.0, -3.0, 0.0], [0.0; 3], [0.0, 0.0, 1.0], 0.3, [12, 12]);
    let mut g = cloud(8, 0, 1);
    // The third axis is turned from z to y: all lie in a plane across the view.
    let half = std::f64::consts::FRAC_1_SQRT_2;
    g.rotation = [half, half, 0.0, 0.0].repeat(8);
    (0..8).for_each(|i| g.mean[3 * i + 1] = 0.0);
    let options = Options::default();
    let one = render(&g, &camera, &options);
    assert!(one.distortion.iter().all(|d| d.abs() < 1e-12));
    for k in 0..144 {
        // The normal looks back along the view, and the depth is that of the plane.
        assert!((one.normal[288 + k] + one.alpha[k]).abs() < 1e-9, "{}", one.normal[288 + k]);
        assert!((one.depth[k] - 3.0 * one.alpha[k]).abs() < 1e-9);
    }
    (0..4).for_each(|i| g.mean[3 * i + 1] = 1.0);
    let two = render(&g, &camera, &options);
    assert!(two.distortion.iter().sum::<f64>() > 0.1);
}

#[test]
fn discs_have_the_same_bits_for_1_and_8_threads() {
    let (g, camera) = (cloud(200, 1, 8).cast::<f32>(), camera([70, 50]).cast::<f32>());
    let all = |threads| {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(|| {
            let made = render(&g, &camera, &Options::default());
            let slopes = backward(&g, &camera, &Options::default(), &made);
            (made, slopes)
        })
    };
    assert!(all(1) == all(8));
}
