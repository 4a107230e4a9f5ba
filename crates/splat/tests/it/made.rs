//! Made-up scenes, and what is fitted to them.

use elbo_core::{Budget, Data, FromData, Run};
use elbo_splat::fit::{Settings, Strategy, fit};
use elbo_splat::make::cast::{Material, Pattern, World};
use elbo_splat::make::mesh::Mesh;
use elbo_splat::make::{Arrangement, Recipe, make, to_data};
use elbo_splat::prior::Flow;
use elbo_splat::scene::{Orbit, Scene};

const PLAIN: Material = Material { colours: [[1.0; 3]; 2], pattern: Pattern::Plain, gloss: 0.0 };

fn small() -> Recipe {
    Recipe { views: 12, size: 24, bodies: 2, points: 200, rays: 1, ..Recipe::default() }
}

#[test]
fn meshes_are_closed_and_face_outwards() {
    let meshes = [
        ("sphere", Mesh::sphere(12), 4.0 / 3.0 * std::f64::consts::PI, 0.06),
        ("cube", Mesh::cube(), 8.0, 1e-9),
        ("torus", Mesh::torus(0.35, 24), 2.0 * std::f64::consts::PI.powi(2) * 0.35 * 0.35, 0.03),
        ("bumpy", Mesh::bumpy(0.2, 4.0, 16), 4.2, 0.2),
        ("icosphere", Mesh::icosphere(3), 4.0 / 3.0 * std::f64::consts::PI, 0.02),
        ("displaced", Mesh::icosphere(4).displaced(0.2, 4.0), 4.2, 0.2),
        ("tube", Mesh::bent_tube(0.3, 3.0, 16), 3.0 * std::f64::consts::PI * 0.09, 0.15),
        ("superquadric", Mesh::superquadric(0.4, 1.6, 20), 4.0, 0.6),
        ("letters", Mesh::blocks(&["# #", "###", "# #"]), 7.0, 1e-9),
    ];
    for (name, mesh, volume, tolerance) in meshes {
        let found: f64 = mesh
            .triangles
            .iter()
            .map(|t| {
                let [a, b, c] = t.map(|k| mesh.vertices[k]);
                (a[0] * (b[1] * c[2] - b[2] * c[1])
                    + a[1] * (b[2] * c[0] - b[0] * c[2])
                    + a[2] * (b[0] * c[1] - b[1] * c[0]))
                    / 6.0
            })
            .sum();
        assert!((found / volume - 1.0).abs() <= tolerance, "{name}: volume {found}, expected {volume}");
    }
}

#[test]
fn an_icosahedrons_ball_has_triangles_that_are_nearly_alike() {
    for divisions in 0..4usize {
        let mesh = Mesh::icosphere(divisions);
        let count = 4usize.pow(divisions as u32);
        assert_eq!((mesh.vertices.len(), mesh.triangles.len()), (10 * count + 2, 20 * count));
        assert!(mesh.vertices.iter().all(|v| (v.iter().map(|x| x * x).sum::<f64>() - 1.0).abs() < 1e-12));
        let areas: Vec<f64> = (0..20 * count).map(|t| mesh.double_area(t)).collect();
        let end = |pick: fn(f64, f64) -> f64| areas.iter().copied().reduce(pick).unwrap();
        assert!(end(f64::max) < 2.0 * end(f64::min), "{divisions}");
        // Every side belongs to two triangles, once in each direction.
        let side = |t: &[usize; 3], k: usize| (t[k], t[(k + 1) % 3]);
        let sides: std::collections::BTreeSet<_> =
            mesh.triangles.iter().flat_map(|t| [0, 1, 2].map(|k| side(t, k))).collect();
        assert!(sides.len() == 60 * count && sides.iter().all(|(a, b)| sides.contains(&(*b, *a))), "{divisions}");
    }
}

#[test]
fn a_ring_of_cameras_goes_round_at_one_height() {
    let scene = make(&Recipe { cameras: Arrangement::Ring, ..small() }, 3).scene;
    let places: Vec<[f64; 3]> = scene.cameras.iter().map(|c| c.position()).collect();
    for (k, place) in places.iter().enumerate() {
        let turn = std::f64::consts::TAU * k as f64 / 12.0;
        let radius = place[0].hypot(place[1]);
        assert!((place[2] - 4.0 / 3.0).abs() < 1e-9 && (radius.hypot(place[2]) - 4.0).abs() < 1e-9, "{place:?}");
        assert!((place[0] - radius * turn.cos()).abs() < 1e-9 && (place[1] - radius * turn.sin()).abs() < 1e-9);
    }
    let all_over = make(&small(), 3).scene;
    let heights = all_over.cameras.iter().map(|c| c.position()[2]);
    assert!(heights.clone().fold(0.0, f64::max) - heights.fold(9.0, f64::min) > 2.0);
    // What the cameras look at does not depend on where they stand.
    assert_eq!(scene.points, all_over.points);
}

#[test]
fn rays_meet_a_ball_where_they_should() {
    let world = World::new(&[(Mesh::sphere(40), PLAIN)]);
    for (y, z) in [(0.0, 0.0), (0.3, 0.2), (-0.5, 0.6), (0.2, -0.7)] {
        let hit = world.hit([-5.0, y, z], [1.0, 0.0, 0.0], 100.0).unwrap();
        let x = (1.0f64 - y * y - z * z).sqrt();
        assert!((hit.distance - (5.0 - x)).abs() < 0.01, "{hit:?}");
        assert!((hit.normal[0] + x).abs() < 0.02 && (hit.normal[1] - y).abs() < 0.02, "{hit:?}");
    }
    assert!(world.hit([-5.0, 1.2, 0.0], [1.0, 0.0, 0.0], 100.0).is_none());
    assert!(world.hit([-5.0, 0.0, 0.0], [1.0, 0.0, 0.0], 3.0).is_none());
}

#[test]
fn points_and_depths_of_a_scene_agree_with_its_cameras() {
    let made = make(&Recipe { size: 64, ..small() }, 3);
    let scene = &made.scene;
    let (mut seen, mut near, mut behind) = (0, 0, 0);
    for (camera, depth) in scene.cameras.iter().zip(made.depth.chunks_exact(64 * 64)) {
        for point in &scene.points {
            let [x, y, z] = camera.to_camera(*point);
            let (u, v) = (camera.focal[0] * x / z + camera.centre[0], camera.focal[1] * y / z + camera.centre[1]);
            if (1.0..63.0).contains(&u) && (1.0..63.0).contains(&v) {
                let found = f64::from(depth[v as usize * 64 + u as usize]);
                seen += 1;
                behind += usize::from(found == 0.0 || found > z + 0.2);
                near += usize::from((found - z).abs() < 0.05);
            }
        }
    }
    // In front of a point there may be another surface, but nothing is seen behind it, save past an edge within its pixel.
    assert!(seen > 1500 && near > seen / 4 && behind < seen / 30, "{near} and {behind} of {seen}");
    let sky = made.normal.iter().filter(|n| **n == 0.0).count();
    assert!(sky > 0 && sky < made.normal.len());
}

#[test]
fn where_a_pixel_goes_it_comes_back_from() {
    let made = make(&Recipe { size: 64, ..small() }, 3);
    let area = 64 * 64;
    let still = made.flow(2, 2);
    assert!(still.shift.iter().all(|s| s.abs() < 1e-4));
    assert_eq!(still.is_seen, made.mask()[2 * area..3 * area]);
    let (mut seen, mut hidden, mut back) = (0, 0, 0);
    for to in (0..12).filter(|k| *k != 2) {
        let (there, here) = (made.flow(2, to), made.flow(to, 2));
        for p in (0..area).filter(|p| made.depth[2 * area + p] > 0.0) {
            let place = |flow: &Flow, p: usize| {
                [(p % 64) as f32 + 0.5 + flow.shift[p], (p / 64) as f32 + 0.5 + flow.shift[area + p]]
            };
            let [u, v] = place(&there, p);
            if !there.is_seen[p] {
                hidden += 1;
                continue;
            }
            seen += 1;
            let [x, y] = place(&here, v as usize * 64 + u as usize);
            // The way back starts at the middle of the pixel that was met.
            back += usize::from((x - (p % 64) as f32 - 0.5).hypot(y - (p / 64) as f32 - 0.5) < 2.0);
        }
    }
    // Pixels at the edge of a body meet what lies behind it.
    assert!(seen > 2000 && hidden > 500 && back > seen * 3 / 4, "{back} of {seen}, {hidden} hidden");
}

#[test]
fn a_scene_survives_its_arrays() {
    let scene = make(&small(), 3).scene;
    let back = Scene::from_data(&to_data(&scene)).unwrap();
    assert_eq!((&back.images, &back.cameras), (&scene.images, &scene.cameras));
    let mut points: Vec<[u64; 3]> = back.points.iter().map(|p| p.map(f64::to_bits)).collect();
    let mut expected: Vec<[u64; 3]> = scene.points.iter().map(|p| p.map(f64::to_bits)).collect();
    points.sort_unstable();
    expected.sort_unstable();
    assert_eq!(points, expected);
}

#[test]
fn a_reduced_picture_keeps_its_mean_and_its_cameras() {
    let scene = make(&Recipe { size: 48, ..small() }, 3).scene;
    let reduced = scene.clone().reduced(20);
    assert_eq!((reduced.width, reduced.height, reduced.len()), (20, 20, scene.len()));
    let mean = |s: &Scene| s.images.iter().map(|v| f64::from(*v)).sum::<f64>() / s.images.len() as f64;
    assert!((mean(&scene) - mean(&reduced)).abs() < 0.5);
    assert!((reduced.cameras[0].focal[0] - scene.cameras[0].focal[0] * 20.0 / 48.0).abs() < 1e-9);
    assert_eq!(scene.clone().reduced(48), scene);
}

#[test]
fn an_orbit_looks_at_what_the_cameras_look_at() {
    let scene = make(&small(), 3).scene;
    let orbit = Orbit::of(&scene.cameras);
    assert!((orbit.distance - 4.0).abs() < 0.1 && orbit.up[2] > 0.99, "{orbit:?}");
    assert!(orbit.target.iter().zip([0.0, 0.0, 0.1]).all(|(a, b)| (a - b).abs() < 1e-6), "{orbit:?}");
    for camera in orbit.cameras(5, Some([30, 20])) {
        let [x, y, z] = camera.to_camera(orbit.target);
        assert!(x.abs() < 1e-9 && y.abs() < 1e-9 && (z - orbit.distance).abs() < 1e-9);
    }
}

#[test]
fn fitting_makes_pictures_better_and_resumes_to_the_same_bits() {
    use elbo_core::ModelFile;
    use elbo_core::run::Checkpoints;
    let data: Data = to_data(&make(&small(), 4).scene);
    let strategy = Strategy::Relocation { cap: 150, noise: 5e5, opacity_weight: 0.01, scale_weight: 0.01 };
    let settings = |steps| Settings { steps, refine_every: 10, degree: 1, ..Settings::default() };
    let go =
        |steps: usize, run: &mut Run| fit(&settings(steps), &strategy, Scene::from_data(&data).unwrap(), run).unwrap();
    let start = go(1, &mut Run::new(5)).held.unwrap();
    let whole = go(60, &mut Run::new(5).with_budget(Budget::Smoke));
    assert!(whole.held.unwrap().psnr > start.psnr + 1.0, "{start:?} {:?}", whole.held);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let flag = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let raised = flag.clone();
    let checkpoints =
        Checkpoints { path: path.clone(), every: std::time::Duration::from_secs(3600), header: ModelFile::new("test") };
    let mut run = Run::new(5).with_cancel(flag).with_checkpoints(checkpoints).with_watcher(move |event| {
        if let elbo_core::Event::Step { step: 33, .. } = event {
            raised.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    });
    go(60, &mut run);
    assert!(run.stopped_early());
    let resumed = go(60, &mut Run::new(5).resuming(ModelFile::read(&path).unwrap()));
    assert_eq!(resumed.gaussians, whole.gaussians);
}

#[test]
fn weights_of_lpips_that_cannot_be_read_are_refused_before_the_first_step() {
    let scene = make(&small(), 4).scene;
    let strategy = Strategy::Relocation { cap: 150, noise: 5e5, opacity_weight: 0.01, scale_weight: 0.01 };
    let settings = Settings { steps: 3, lpips: Some("no-such-file".into()), ..Settings::default() };
    let steps = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = steps.clone();
    let mut run = Run::new(5).with_watcher(move |event| {
        if let elbo_core::Event::Step { .. } = event {
            counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        }
    });
    let error = fit(&settings, &strategy, scene.clone(), &mut run).unwrap_err();
    assert!(error.to_string().contains("the weights of LPIPS cannot be read"), "{error}");
    assert_eq!(steps.load(std::sync::atomic::Ordering::Relaxed), 0);
    // Without pictures to judge they are not asked for.
    let fitted = fit(&Settings { test_every: 0, points: 100, ..settings }, &strategy, scene, &mut run).unwrap();
    assert!(fitted.held.is_none() && run.warnings().iter().any(|w| w.contains("`lpips` has no effect")));
    assert_eq!(steps.load(std::sync::atomic::Ordering::Relaxed), 3);
}
