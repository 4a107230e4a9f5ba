//! What a picture must be: the readable sum over Gaussians, the same bits for any number of threads, and what symmetry asks.

use crate::gradients::{camera, cloud};
use elbo_core::Rng;
use elbo_splat::camera::Camera;
use elbo_splat::control::{Control, densify, reset_opacities};
use elbo_splat::gaussians::{Gaussians, normalised, rotation_matrix};
use elbo_splat::loss::{psnr, psnr_of_bytes};
use elbo_splat::optimise::Cloud;
use elbo_splat::project::Options;
use elbo_splat::refinement::{Counts, Refinement};
use elbo_splat::relocate::{DEAD, grow, relocate, shake};
use elbo_splat::render::{Pixels, render};
use elbo_splat::sh::{basis, rotated};

/// The definition, pixel by pixel, in double precision.
fn reference(g: &Gaussians<f64>, camera: &Camera<f64>, options: &Options<f64>) -> Vec<f64> {
    let (w, h) = (camera.width, camera.height);
    let mut order: Vec<(f64, usize)> = (0..g.len())
        .map(|i| (camera.to_camera(std::array::from_fn(|k| g.mean[3 * i + k]))[2], i))
        .filter(|(z, _)| *z > options.near)
        .collect();
    order.sort_by(|a, b| a.0.total_cmp(&b.0));
    let eye = camera.position();
    let mut out = vec![0.0; 3 * w * h];
    for p in 0..w * h {
        let (x, y) = ((p % w) as f64 + 0.5, (p / w) as f64 + 0.5);
        let mut light = 1.0;
        let mut colour = [0.0; 3];
        for (z, i) in &order {
            let mean: [f64; 3] = std::array::from_fn(|k| g.mean[3 * i + k]);
            let t = camera.to_camera(mean);
            let [fx, fy] = camera.focal;
            let limit =
                |v: f64, f: f64, c: f64, size: f64| v.clamp(-c / f - 0.15 * size / f, (size - c) / f + 0.15 * size / f);
            let rx = limit(t[0] / z, fx, camera.centre[0], w as f64);
            let ry = limit(t[1] / z, fy, camera.centre[1], h as f64);
            let j = [fx / z, 0.0, -fx * rx / z, 0.0, fy / z, -fy * ry / z];
            let (r, s) = (&camera.rotation, g.covariance(*i));
            let jr: [f64; 6] = std::array::from_fn(|e| (0..3).map(|k| j[3 * (e / 3) + k] * r[3 * k + e % 3]).sum());
            let entry = |a: usize, b: usize| -> f64 {
                (0..3).map(|k| (0..3).map(|l| jr[3 * a + k] * s[3 * k + l] * jr[3 * b + l]).sum::<f64>()).sum()
            };
            let (a, b, c) = (entry(0, 0) + options.low_pass, entry(0, 1), entry(1, 1) + options.low_pass);
            let det = a * c - b * b;
            let (dx, dy) = (fx * t[0] / z + camera.centre[0] - x, fy * t[1] / z + camera.centre[1] - y);
            let sigma = 0.5 * (c * dx * dx + a * dy * dy) / det - b * dx * dy / det;
            let mut o = g.opacity_of(*i);
            if options.antialias {
                o *= ((det - (entry(0, 0) + entry(1, 1)) * options.low_pass - options.low_pass.powi(2)).max(0.0) / det)
                    .sqrt();
            }
            let alpha = (o * (-sigma).exp()).min(options.alpha_max);
            if alpha < options.alpha_min {
                continue;
            }
            if light * (1.0 - alpha) < options.transmittance_min {
                break;
            }
            let d: [f64; 3] = std::array::from_fn(|k| mean[k] - eye[k]);
            let length = d.iter().map(|v| v * v).sum::<f64>().sqrt();
            let values = basis(options.degree.min(g.degree), d.map(|v| v / length));
            let count = (g.degree + 1) * (g.degree + 1);
            for k in 0..3 {
                let raw: f64 = (0..count).map(|m| values[m] * g.sh[3 * (count * i + m) + k]).sum();
                colour[k] += alpha * light * (raw + 0.5).max(0.0);
            }
            light *= 1.0 - alpha;
        }
        (0..3).for_each(|k| out[k * w * h + p] = colour[k] + light * options.background[k]);
    }
    out
}

#[test]
fn a_picture_is_the_sum_over_gaussians_in_both_precisions() {
    for (size, antialias, seed) in [([37, 29], false, 1), ([16, 16], true, 2), ([5, 50], false, 3)] {
        let (camera, g) = (camera(size), cloud(60, 3, seed));
        let options = Options { background: [0.2, 0.5, 0.1], antialias, ..Options::default() };
        let exact = reference(&g, &camera, &options);
        let double = render(&g, &camera, &options).unwrap();
        for (found, exact) in double.colour.iter().zip(&exact) {
            assert!((found - exact).abs() < 1e-12, "{found} for {exact}");
        }
        let single = render(&g.cast::<f32>(), &camera.cast(), &options.cast()).unwrap();
        // A threshold may fall to the other side for a few pixels, where it makes a step of one in 255.
        let far = single.colour.iter().zip(&exact).filter(|(a, b)| (f64::from(**a) - **b).abs() > 2e-5).count();
        assert!(far <= exact.len() / 100, "{far} of {}", exact.len());
        assert!(single.colour.iter().zip(&exact).all(|(a, b)| (f64::from(*a) - b).abs() < 0.01));
    }
}

#[test]
fn pictures_and_derivatives_have_the_same_bits_for_1_2_and_8_threads() {
    let size = [70, 50];
    let (g, camera, options) = (cloud(700, 2, 8).cast::<f32>(), camera(size).cast::<f32>(), Options::default());
    let up: Vec<f32> = Rng::new(1).normals(3 * size[0] * size[1]).iter().map(|v| *v as f32).collect();
    let all = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let made = render(&g, &camera, &options).unwrap();
            let slopes = made.backward(&g, &camera, &options, Pixels { colour: &up, depth: None, alpha: None });
            (made, slopes)
        })
    };
    let one = all(1);
    assert!(one == all(2) && one == all(8));
}

#[test]
fn single_precision_derivatives_are_those_of_double_precision() {
    let size = [48, 40];
    let (g, camera) = (cloud(150, 3, 4), camera(size));
    // Thresholds would fall differently.
    let options = Options { alpha_min: 1e-7, alpha_max: 2.0, transmittance_min: 1e-9, ..Options::default() };
    let up = Rng::new(1).normals(3 * size[0] * size[1]);
    let up32: Vec<f32> = up.iter().map(|v| *v as f32).collect();
    let double = render(&g, &camera, &options).unwrap().backward(
        &g,
        &camera,
        &options,
        Pixels { colour: &up, depth: None, alpha: None },
    );
    let (g, camera, options) = (g.cast::<f32>(), camera.cast::<f32>(), options.cast::<f32>());
    let single = render(&g, &camera, &options).unwrap().backward(
        &g,
        &camera,
        &options,
        Pixels { colour: &up32, depth: None, alpha: None },
    );
    for (a, b) in single.gaussians.arrays().iter().zip(double.gaussians.arrays()) {
        let size = b.iter().fold(0.0f64, |m, v| m.max(v.abs()));
        for (a, b) in a.iter().zip(b) {
            assert!((f64::from(*a) - b).abs() < 2e-4 * size, "{a} for {b} of {size}");
        }
    }
}

#[test]
fn the_world_may_be_turned_moved_and_scaled() {
    let size = [40, 30];
    let (g, camera) = (cloud(30, 3, 6), camera(size));
    let options = Options::default();
    let before = render(&g, &camera, &options).unwrap().colour;
    let mut scaled = g.clone();
    scaled.transform(2.5, [1.0, -2.0, 0.5]);
    let after = render(&scaled, &camera.in_scaled_world(2.5, [1.0, -2.0, 0.5]), &options).unwrap().colour;
    assert!(before.iter().zip(&after).all(|(a, b)| (a - b).abs() < 1e-10));

    // Turn everything by Q, the harmonics with it.
    let quaternion = normalised([0.7, 0.2, -0.4, 0.5]);
    let q = rotation_matrix(quaternion);
    let mut turned = g.clone();
    for i in 0..g.len() {
        let x: [f64; 3] = std::array::from_fn(|k| g.mean[3 * i + k]);
        (0..3).for_each(|k| turned.mean[3 * i + k] = (0..3).map(|j| q[3 * k + j] * x[j]).sum());
        let p: [f64; 4] = std::array::from_fn(|k| g.rotation[4 * i + k]);
        let [w, a, b, c] = quaternion;
        turned.rotation[4 * i..4 * i + 4].copy_from_slice(&[
            w * p[0] - a * p[1] - b * p[2] - c * p[3],
            w * p[1] + a * p[0] + b * p[3] - c * p[2],
            w * p[2] - a * p[3] + b * p[0] + c * p[1],
            w * p[3] + a * p[2] - b * p[1] + c * p[0],
        ]);
        let sh = rotated(3, &g.sh[48 * i..48 * (i + 1)], &q);
        turned.sh[48 * i..48 * (i + 1)].copy_from_slice(&sh);
    }
    let mut moved = camera;
    for a in 0..3 {
        for b in 0..3 {
            moved.rotation[3 * a + b] = (0..3).map(|k| camera.rotation[3 * a + k] * q[3 * b + k]).sum();
        }
    }
    let after = render(&turned, &moved, &options).unwrap().colour;
    let worst = before.iter().zip(&after).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    assert!(worst < 1e-9, "{worst}");
}

#[test]
fn a_rotated_colour_is_the_colour_of_what_was_there() {
    let g = cloud(1, 3, 6);
    let q = rotation_matrix(normalised([0.7, 0.2, -0.4, 0.5]));
    let sh = rotated(3, &g.sh, &q);
    let value = |sh: &[f64], n: [f64; 3]| (0..16).map(|k| basis(3, n)[k] * sh[3 * k]).sum::<f64>();
    for n in [[1.0, 0.0, 0.0], [0.6, -0.8, 0.0], [0.48, 0.6, 0.64]] {
        let turned = std::array::from_fn(|k| (0..3).map(|j| q[3 * k + j] * n[j]).sum());
        let (before, after) = (value(&g.sh, n), value(&sh, turned));
        assert!((before - after).abs() < 1e-10, "{before} {after}");
    }
}

#[test]
fn harmonics_are_orthonormal() {
    let mut rng = Rng::new(3);
    let n = 200_000;
    let mut gram = [[0.0; 16]; 16];
    for _ in 0..n {
        let d = [rng.normal(), rng.normal(), rng.normal()];
        let length = d.iter().map(|v| v * v).sum::<f64>().sqrt();
        let y = basis(3, d.map(|v| v / length));
        for a in 0..16 {
            (0..16).for_each(|b| gram[a][b] += y[a] * y[b] * 4.0 * std::f64::consts::PI / n as f64);
        }
    }
    for a in 0..16 {
        for b in 0..16 {
            // Standard errors are below 0.007.
            assert!((gram[a][b] - f64::from(u8::from(a == b))).abs() < 0.035, "{a}, {b}: {}", gram[a][b]);
        }
    }
}

#[test]
fn qualities_have_their_known_values() {
    let x = vec![0.5f32; 300];
    let y = vec![0.6f32; 300];
    assert!((psnr(&x, &y) - 20.0).abs() < 1e-4);
    assert!((psnr_of_bytes(&x, &y) - psnr(&[128.0f32 / 255.0; 300], &y)).abs() < 1e-4);
}

fn under_way(count: usize) -> Cloud {
    let mut cloud = Cloud::new(cloud(count, 1, 2).cast());
    let ones = Gaussians { degree: 1, ..cloud.gaussians.clone() };
    cloud.first = ones.clone();
    cloud.second = ones;
    cloud
}

#[test]
fn relocation_keeps_the_number_and_growth_keeps_the_cap() {
    let mut cloud = under_way(200);
    for i in 0..40 {
        cloud.gaussians.opacity[i] = -9.0;
    }
    let mut rng = Rng::new(1);
    assert_eq!(relocate(&mut cloud, &mut rng).unwrap(), 40);
    assert_eq!(cloud.gaussians.len(), 200);
    assert!((0..200).all(|i| cloud.gaussians.opacity_of(i) > 0.9 * DEAD));
    assert!(cloud.first.mean[..120].iter().all(|m| *m == 0.0), "what was moved has no moments");
    assert_eq!(relocate(&mut cloud, &mut rng).unwrap(), 0, "nothing is dead now");
    for _ in 0..20 {
        grow(&mut cloud, 233, &mut rng).unwrap();
        assert!(cloud.gaussians.len() <= 233 && cloud.second.len() == cloud.gaussians.len());
    }
    assert_eq!((cloud.gaussians.len(), cloud.counts.added, cloud.pull.len()), (233, 33, 233));
    cloud.gaussians.opacity.fill(f32::NEG_INFINITY);
    let error = relocate(&mut cloud, &mut rng).unwrap_err();
    assert!(error.to_string().contains("transparent") && error.remedy().contains("opacity_weight"), "{error}");
}

#[test]
fn noise_leaves_the_opaque_alone() {
    let mut cloud = under_way(300);
    (0..150).for_each(|i| cloud.gaussians.opacity[i] = -7.0);
    (150..300).for_each(|i| cloud.gaussians.opacity[i] = 3.0);
    let before = cloud.gaussians.mean.clone();
    shake(&mut cloud, 1.0, &mut Rng::new(3));
    let moved = |rows: std::ops::Range<usize>| {
        rows.map(|k| f64::from((cloud.gaussians.mean[k] - before[k]).abs())).fold(0.0, f64::max)
    };
    assert!(moved(0..450) > 1e-3 && moved(450..900) < 1e-6, "{} {}", moved(0..450), moved(450..900));
}

#[test]
fn control_doubles_where_it_is_pulled_and_deletes_the_faint() {
    let mut cloud = under_way(100);
    // Ten small ones and ten large ones are pulled; five are faint.
    cloud.gaussians.log_scale.fill((0.5f32).ln());
    cloud.gaussians.log_scale[..30].fill((0.001f32).ln());
    cloud.seen.fill(2.0);
    cloud.pull[..20].fill(1.0);
    cloud.gaussians.opacity[95..].fill(-9.0);
    let control = Control { threshold: 0.4, dense: 0.01, faint: 0.005, large: 10.0, extent: 1.0, cap: 1000 };
    cloud.step = 7;
    let change = |cloud: &mut Cloud| {
        densify(cloud, &control, true, &mut Rng::new(1));
        Ok(())
    };
    cloud.refine(change).unwrap();
    assert_eq!((cloud.counts.cloned, cloud.counts.split, cloud.counts.pruned), (10, 10, 5));
    assert_eq!(cloud.gaussians.len(), 100 + 10 + 10 - 5);
    let written = Refinement { step: 7, before: 100, counts: cloud.counts, after: 115 };
    assert_eq!(cloud.refinements, [written]);
    // What comes next is counted from there.
    cloud.refine(change).unwrap();
    assert_eq!(cloud.refinements[1], Refinement { step: 7, before: 115, counts: Counts::default(), after: 115 });
    assert!(cloud.pull.iter().chain(&cloud.seen).all(|v| *v == 0.0));
    let capped = &mut under_way(100);
    capped.seen.fill(1.0);
    capped.pull.fill(1.0);
    densify(capped, &Control { cap: 107, ..control }, false, &mut Rng::new(1));
    assert_eq!(capped.gaussians.len(), 107);
    reset_opacities(capped);
    assert!((0..107).all(|i| capped.gaussians.opacity_of(i) <= 0.01 + 1e-6));
}

#[test]
fn a_gaussian_too_large_for_its_precision_draws_nothing() {
    let camera = Camera::look_at([0.0, -3.0, 0.0], [0.0; 3], [0.0, 0.0, 1.0], 0.3, [20, 16]).cast::<f32>();
    let mut g = cloud(1, 0, 1).cast::<f32>();
    // The square of its width is infinite.
    (g.mean, g.log_scale, g.rotation) = (vec![0.0; 3], vec![60.0, -3.0, -3.0], vec![1.0, 0.0, 0.0, 0.0]);
    let made = render(&g, &camera, &Options::default()).unwrap();
    assert!(made.colour.iter().chain(&made.alpha).all(|v| *v == 0.0));
}

#[test]
fn growth_reaches_the_cap_from_one_gaussian() {
    let mut cloud = under_way(1);
    for _ in 0..7 {
        grow(&mut cloud, 6, &mut Rng::new(1)).unwrap();
    }
    assert_eq!(cloud.gaussians.len(), 6);
}
