//! Exact flow, and stand-ins for estimates of depth, flow and points: their faults are those that they say.

use elbo_core::{Error, Rng};
use elbo_splat::camera::Camera;
use elbo_splat::make::standin::{DepthFaults, FlowFaults, PointFaults};
use elbo_splat::make::{Arrangement, Made, Recipe, make};
use elbo_splat::scene::Scene;

const SIZE: usize = 64;
const AREA: usize = SIZE * SIZE;
const VIEWS: usize = 12;

fn made() -> Made {
    let recipe = Recipe { views: VIEWS, size: SIZE, bodies: 3, points: 20, rays: 1, cameras: Arrangement::Ring };
    make(&recipe, 3)
}

/// The middle of pixel `p`.
fn middle(p: usize) -> [f64; 2] {
    [(p % SIZE) as f64 + 0.5, (p / SIZE) as f64 + 0.5]
}

/// A point at this place and depth, in the camera's coordinates.
fn in_camera(camera: &Camera<f64>, [x, y]: [f64; 2], z: f64) -> [f64; 3] {
    [z * (x - camera.centre[0]) / camera.focal[0], z * (y - camera.centre[1]) / camera.focal[1], z]
}

/// A point from the coordinates of one camera in those of another: `R₂ R₁ᵀ (x - τ₁) + τ₂`.
fn moved(from: &Camera<f64>, to: &Camera<f64>, x: [f64; 3]) -> [f64; 3] {
    let d: [f64; 3] = std::array::from_fn(|k| x[k] - from.translation[k]);
    let r = &from.rotation;
    to.to_camera(std::array::from_fn(|k| r[k] * d[0] + r[3 + k] * d[1] + r[6 + k] * d[2]))
}

fn projected(camera: &Camera<f64>, [x, y, z]: [f64; 3]) -> [f64; 2] {
    [camera.focal[0] * x / z + camera.centre[0], camera.focal[1] * y / z + camera.centre[1]]
}

/// Pixels of a picture in which there is something.
fn filled(made: &Made, picture: usize) -> Vec<usize> {
    (0..AREA).filter(|p| made.depth[picture * AREA + p] > 0.0).collect()
}

#[test]
fn the_flow_of_a_static_scene_is_the_projection_of_moved_points() {
    let made = made();
    let cameras = &made.scene.cameras;
    for (from, to) in [(2, 3), (3, 2), (0, 11), (4, 7)] {
        let flow = made.flow(from, to);
        let mut seen = 0;
        for p in (0..AREA).filter(|p| flow.is_seen[*p]) {
            let z = f64::from(made.depth[from * AREA + p]);
            let point = moved(&cameras[from], &cameras[to], in_camera(&cameras[from], middle(p), z));
            let at = projected(&cameras[to], point);
            // Shifts of up to 64 pixels in single precision are exact to 2e-6.
            for k in 0..2 {
                let found = f64::from(flow.shift[k * AREA + p]) + middle(p)[k];
                assert!((found - at[k]).abs() < 1e-5, "{from} to {to}, pixel {p}: {found} and {}", at[k]);
            }
            seen += 1;
        }
        assert!(seen > 100, "{from} to {to}: {seen}");
    }
}

#[test]
fn the_flow_of_a_plane_is_that_of_its_exact_points() {
    let eyes = [[1.5, -2.0, 3.0], [1.9, -1.6, 2.7]];
    let cameras = eyes.map(|eye| Camera::look_at(eye, [0.0; 3], [0.0, 0.0, 1.0], 0.5, [SIZE; 2]));
    // Where the ray through a pixel meets the plane z = 0, without rounding to single precision.
    let met = |camera: &Camera<f64>, p: usize| -> [f64; 3] {
        let (origin, direction) = camera.ray(middle(p)[0], middle(p)[1]);
        let distance = -origin[2] / direction[2];
        std::array::from_fn(|k| origin[k] + distance * direction[k])
    };
    let depth = cameras.iter().flat_map(|c| (0..AREA).map(move |p| c.to_camera(met(c, p))[2] as f32)).collect();
    let scene = Scene {
        width: SIZE,
        height: SIZE,
        images: vec![0; 6 * AREA],
        cameras: cameras.to_vec(),
        points: vec![],
        colours: vec![],
        held: None,
        notes: vec![],
    };
    let flow = Made { scene, depth, normal: vec![0.0; 6 * AREA] }.flow(0, 1);
    let mut seen = 0;
    for p in 0..AREA {
        let at = projected(&cameras[1], cameras[1].to_camera(met(&cameras[0], p)));
        let is_inside = at.iter().all(|v| (0.0..SIZE as f64).contains(v));
        assert_eq!(flow.is_seen[p], is_inside, "nothing hides a plane, pixel {p}");
        let error = (0..2).map(|k| (f64::from(flow.shift[k * AREA + p]) + middle(p)[k] - at[k]).abs());
        assert!(error.fold(0.0, f64::max) < 1e-5, "pixel {p}");
        seen += usize::from(is_inside);
    }
    assert!(seen > AREA / 2, "{seen}");
}

#[test]
fn a_camera_that_does_not_move_sees_no_flow() {
    let made = made();
    for k in 0..VIEWS {
        let flow = made.flow(k, k);
        assert!(flow.shift.iter().all(|s| s.abs() < 1e-9));
        assert_eq!(flow.is_seen, made.mask()[k * AREA..(k + 1) * AREA]);
    }
}

/// Slope and intercept of `y` over `x` by least squares.
fn line(x: &[f64], y: &[f64]) -> [f64; 2] {
    let n = x.len() as f64;
    let mean = |v: &[f64]| v.iter().sum::<f64>() / n;
    let (mx, my) = (mean(x), mean(y));
    let covariance: f64 = x.iter().zip(y).map(|(x, y)| (x - mx) * (y - my)).sum();
    let variance: f64 = x.iter().map(|x| (x - mx).powi(2)).sum();
    let slope = covariance / variance;
    [slope, my - slope * mx]
}

/// Numbers that should be standard normal: their mean and mean square within five standard errors.
fn assert_standard_normal(what: &str, values: &[f64]) {
    let n = values.len() as f64;
    let (mean, square) = values.iter().fold((0.0, 0.0), |(m, s), v| (m + v / n, s + v * v / n));
    assert!(mean.abs() < 5.0 / n.sqrt() && (square - 1.0).abs() < 5.0 * (2.0 / n).sqrt(), "{what}: {mean}, {square}");
}

#[test]
fn without_bend_and_noise_least_squares_recovers_the_affine_map_of_depths() {
    let made = made();
    let faults = DepthFaults { bend: 0.0, noise: 0.0, ..DepthFaults::default() };
    let mut scales = vec![];
    for picture in 0..VIEWS {
        let found = faults.of(&made, picture, &Rng::new(5)).unwrap();
        let pixels = filled(&made, picture);
        assert_eq!(found.depth.is_known(), made.mask()[picture * AREA..(picture + 1) * AREA]);
        let x: Vec<f64> = pixels.iter().map(|p| f64::from(made.depth[picture * AREA + p])).collect();
        let y: Vec<f64> = pixels.iter().map(|p| f64::from(found.depth.values[*p])).collect();
        let [slope, shift] = line(&x, &y);
        assert!((slope / found.scale - 1.0).abs() < 1e-5 && (shift - found.shift).abs() < 1e-4 * found.scale);
        let mean = x.iter().sum::<f64>() / x.len() as f64;
        assert!((0.5..=2.0).contains(&found.scale) && (0.0..=0.2 * mean).contains(&(found.shift / found.scale)));
        scales.push(found.scale);
    }
    assert!(scales.windows(2).all(|pair| pair[0] != pair[1]), "every picture has a map of its own");
}

/// Logarithms of estimated depths over those of the affine map, and their pixels.
fn ratios(made: &Made, picture: usize, faults: &DepthFaults) -> Vec<(usize, f64)> {
    let found = faults.of(made, picture, &Rng::new(6)).unwrap();
    let exact = |p: &usize| found.scale * f64::from(made.depth[picture * AREA + p]) + found.shift;
    let ratio = |p: usize| (p, (f64::from(found.depth.values[p]) / exact(&p)).ln());
    filled(made, picture).into_iter().map(ratio).collect()
}

#[test]
fn the_noise_of_depths_is_as_large_as_it_says_and_their_bend_is_smooth() {
    let made = made();
    let noisy = DepthFaults { bend: 0.0, noise: 0.03, ..DepthFaults::default() };
    let residuals: Vec<f64> =
        (0..VIEWS).flat_map(|k| ratios(&made, k, &noisy)).map(|(_, ratio)| ratio / noisy.noise).collect();
    assert_standard_normal("noise of depths", &residuals);
    let bent = DepthFaults { bend: 0.3, noise: 0.0, ..DepthFaults::default() };
    let mut widest = 0.0f64;
    for picture in 0..VIEWS {
        let found = ratios(&made, picture, &bent);
        assert!(found.iter().all(|(_, ratio)| ratio.abs() <= bent.bend + 1e-6));
        // Half a period over the picture: from a pixel to the next at most pi over its width.
        for pair in found.windows(2).filter(|pair| pair[1].0 == pair[0].0 + 1 && !pair[1].0.is_multiple_of(SIZE)) {
            let step = (pair[1].1 - pair[0].1).abs();
            assert!(step <= bent.bend * std::f64::consts::PI / SIZE as f64 + 1e-6, "{step}");
        }
        let end = |pick: fn(f64, f64) -> f64| found.iter().map(|(_, ratio)| *ratio).reduce(pick).unwrap();
        widest = widest.max(end(f64::max) - end(f64::min));
    }
    assert!(widest > 0.1, "{widest}");
}

#[test]
fn outliers_and_noise_of_flows_are_as_many_and_as_large_as_they_say() {
    let made = made();
    let faults = FlowFaults { outliers: 0.05, noise: 1.5 };
    let (mut residuals, mut wrong, mut count, mut places) = (vec![], 0usize, 0usize, vec![]);
    for from in 0..VIEWS {
        let to = (from + 1) % VIEWS;
        let (exact, found) = (made.flow(from, to), faults.of(&made, from, to, &Rng::new(7)).unwrap());
        assert_eq!(found.flow.is_seen, exact.is_seen);
        for p in filled(&made, from) {
            count += 1;
            let shift = [0, 1].map(|k| f64::from(found.flow.shift[k * AREA + p]));
            if found.is_outlier[p] {
                wrong += 1;
                places.extend((0..2).map(|k| (shift[k] + middle(p)[k]) / SIZE as f64));
            } else {
                residuals.extend((0..2).map(|k| (shift[k] - f64::from(exact.shift[k * AREA + p])) / faults.noise));
            }
        }
        let mut nothing = (0..AREA).filter(|p| made.depth[from * AREA + p] == 0.0);
        assert!(nothing.all(|p| found.flow.shift[p] == 0.0 && !found.is_outlier[p]));
    }
    assert_standard_normal("noise of flows", &residuals);
    let (n, share) = (count as f64, faults.outliers);
    let error = (n * share * (1.0 - share)).sqrt();
    assert!((wrong as f64 - n * share).abs() < 5.0 * error, "{wrong} of {count}");
    // They are sent anywhere in the picture, evenly: mean 1/2 and variance 1/12.
    assert!(places.iter().all(|v| (-1e-6..=1.0 + 1e-6).contains(v)));
    let mean = places.iter().sum::<f64>() / places.len() as f64;
    assert!((mean - 0.5).abs() < 5.0 * (1.0 / (12.0 * places.len() as f64)).sqrt(), "{mean}");
}

#[test]
fn a_flow_without_faults_is_the_exact_one() {
    let made = made();
    let found = FlowFaults { noise: 0.0, outliers: 0.0 }.of(&made, 1, 4, &Rng::new(8)).unwrap();
    assert_eq!(found.flow, made.flow(1, 4));
    assert!(!found.is_outlier.contains(&true));
}

#[test]
fn without_noise_the_factor_of_a_pair_is_all_that_its_points_are_wrong_by() {
    let made = made();
    let cameras = &made.scene.cameras;
    let faults = PointFaults { noise: 0.0, ..PointFaults::default() };
    let mut logs = vec![];
    for (first, second) in (0..VIEWS).flat_map(|a| (0..VIEWS).filter(move |b| *b != a).map(move |b| (a, b))) {
        let found = faults.of(&made, first, second, &Rng::new(9)).unwrap();
        logs.push(found.scale.ln() / faults.spread);
        for (picture, map) in [first, second].into_iter().zip(&found.maps) {
            assert!(map.confidence.iter().zip(&made.depth[picture * AREA..]).all(|(c, z)| (*c > 0.0) == (*z > 0.0)));
            for p in filled(&made, picture).into_iter().step_by(7) {
                let z = f64::from(made.depth[picture * AREA + p]);
                let exact = moved(&cameras[picture], &cameras[first], in_camera(&cameras[picture], middle(p), z));
                let point: [f64; 3] = std::array::from_fn(|k| f64::from(map.points[3 * p + k]));
                let dot = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
                // The factor by least squares from one point, to the accuracy of single precision; and nothing is left.
                let factor = dot(point, exact) / dot(exact, exact);
                assert!((factor / found.scale - 1.0).abs() < 1e-6, "{factor} and {}", found.scale);
                let rest = (0..3).map(|k| (point[k] - factor * exact[k]).abs()).fold(0.0, f64::max);
                assert!(rest < 1e-6 * found.scale * dot(exact, exact).sqrt(), "{rest}");
            }
        }
    }
    assert_standard_normal("logarithms of factors", &logs);
}

#[test]
fn the_confidence_of_points_tells_how_noisy_they_are() {
    let made = made();
    let faults = PointFaults { noise: 0.05, spread: 0.5 };
    let mut residuals = vec![];
    for first in 0..VIEWS {
        let found = faults.of(&made, first, (first + 1) % VIEWS, &Rng::new(10)).unwrap();
        let map = &found.maps[0];
        for p in filled(&made, first) {
            let (confidence, z) = (f64::from(map.confidence[p]), f64::from(made.depth[first * AREA + p]));
            assert!((0.5 - 1e-6..=2.0 + 1e-6).contains(&confidence));
            residuals.push((f64::from(map.points[3 * p + 2]) / (found.scale * z)).ln() * confidence / faults.noise);
        }
    }
    assert_standard_normal("noise of points", &residuals);
}

#[test]
fn the_same_seed_gives_the_same_bits_in_any_order_and_another_one_others() {
    let made = made();
    let all = |seed: u64, order: &[usize]| {
        let rng = Rng::new(seed);
        let mut out: Vec<(usize, Vec<u32>)> = order
            .iter()
            .map(|k| {
                let to = (k + 1) % VIEWS;
                let depth = DepthFaults::default().of(&made, *k, &rng).unwrap().depth.values;
                let flow = FlowFaults::default().of(&made, *k, to, &rng).unwrap().flow.shift;
                let maps = PointFaults::default().of(&made, *k, to, &rng).unwrap().maps;
                let points = maps.into_iter().flat_map(|map| map.points.into_iter().chain(map.confidence));
                (*k, depth.into_iter().chain(flow).chain(points).map(f32::to_bits).collect())
            })
            .collect();
        out.sort();
        out
    };
    assert_eq!(all(1, &[0, 3, 5]), all(1, &[5, 0, 3]));
    assert_ne!(all(1, &[3]), all(2, &[3]));
}

#[test]
fn faults_out_of_their_range_are_refused_by_name() {
    let made = made();
    let rng = Rng::new(1);
    let named = |error: Error, name: &str| {
        assert!(matches!(&error, Error::Setting { setting, .. } if setting == name), "{name}: {error}");
    };
    let depth = DepthFaults::default();
    named(DepthFaults { scale: 0.5, ..depth }.of(&made, 0, &rng).unwrap_err(), "scale");
    named(DepthFaults { shift: -0.1, ..depth }.of(&made, 0, &rng).unwrap_err(), "shift");
    named(DepthFaults { bend: 2.0, ..depth }.of(&made, 0, &rng).unwrap_err(), "bend");
    named(DepthFaults { noise: f64::NAN, ..depth }.of(&made, 0, &rng).unwrap_err(), "noise");
    let flow = FlowFaults::default();
    named(FlowFaults { noise: -1.0, ..flow }.of(&made, 0, 1, &rng).unwrap_err(), "noise");
    named(FlowFaults { outliers: 1.5, ..flow }.of(&made, 0, 1, &rng).unwrap_err(), "outliers");
    let points = PointFaults::default();
    named(PointFaults { noise: f64::INFINITY, ..points }.of(&made, 0, 1, &rng).unwrap_err(), "noise");
    named(PointFaults { spread: 11.0, ..points }.of(&made, 0, 1, &rng).unwrap_err(), "spread");
}
