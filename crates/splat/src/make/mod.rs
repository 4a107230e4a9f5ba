//! Made-up scenes with everything known: bodies of triangles under one lamp, seen by a ray caster from all around. The bodies are drawn by a recipe
//! ([`make()`]), or read from a file ([`gltf`], [`make_of`]). From what is known exactly, [`standin`] makes what other models would estimate.

pub mod cast;
pub mod gltf;
pub mod mesh;
pub mod standin;
pub mod texture;
mod truth;

use crate::camera::{Camera, dot, sub, unit};
use crate::gaussians::{normalised, rotation_matrix};
use crate::scene::{Scene, interleaved};
use cast::{Material, Pattern, World};
use elbo_core::{Array, Data, Rng, Values};
use mesh::Mesh;
use rayon::prelude::*;

/// What to make.
#[derive(Debug, Clone, PartialEq)]
pub struct Recipe {
    /// Number of pictures.
    pub views: usize,
    /// Pixels a side.
    pub size: usize,
    /// Number of bodies besides the table.
    pub bodies: usize,
    /// Points of the surfaces to start from.
    pub points: usize,
    /// Rays a pixel's side, against jagged edges.
    pub rays: usize,
    /// Where the cameras stand.
    pub cameras: Arrangement,
}

/// Where cameras stand that look at the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Arrangement {
    /// All over a hemisphere, in an order in which neighbours are far apart.
    #[default]
    Hemisphere,
    /// On a circle at a third of a hemisphere's height, one after the other.
    Ring,
}

impl Default for Recipe {
    fn default() -> Self {
        Self { views: 50, size: 64, bodies: 5, points: 800, rays: 2, cameras: Arrangement::Hemisphere }
    }
}

/// A scene with what a camera cannot see.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// Pictures, cameras and points.
    pub scene: Scene,
    /// Distance from the camera's plane, `[N, H, W]`; zero where there is nothing.
    pub depth: Vec<f32>,
    /// Normals in the world, `[N, 3, H, W]`; zero where there is nothing.
    pub normal: Vec<f32>,
}

/// Where the lamp is, and how much light comes from everywhere.
const LAMP: [f64; 3] = [0.5, -0.4, 0.77];
const AMBIENT: f64 = 0.35;
const SHININESS: i32 = 24;

/// The map that turns nothing.
const IDENTITY: [f64; 9] = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];

/// Makes a scene.
pub fn make(recipe: &Recipe, seed: u64) -> Made {
    let mut rng = Rng::new(seed);
    let bodies = bodies(recipe.bodies, &mut rng);
    photographed(&bodies, recipe, &mut rng)
}

/// Makes a scene of these bodies in place of the recipe's, moved and scaled together into a ball of radius one around the origin; `seed` draws the points.
pub fn make_of(mut bodies: Vec<(Mesh, Material)>, recipe: &Recipe, seed: u64) -> Made {
    let vertices = || bodies.iter().flat_map(|(mesh, _)| &mesh.vertices);
    let end = |pick: fn(f64, f64) -> f64, from: f64| -> [f64; 3] {
        std::array::from_fn(|k| vertices().fold(from, |end, v| pick(end, v[k])))
    };
    let (low, high) = (end(f64::min, f64::INFINITY), end(f64::max, f64::NEG_INFINITY));
    let middle: [f64; 3] = std::array::from_fn(|k| 0.5 * (low[k] + high[k]));
    let radius = vertices().map(|v| dot(sub(*v, middle), sub(*v, middle))).fold(0.0, f64::max).sqrt();
    if radius > 0.0 {
        for (mesh, _) in &mut bodies {
            *mesh = std::mem::take(mesh).placed([1.0 / radius; 3], &IDENTITY, middle.map(|m| -m / radius));
        }
    }
    photographed(&bodies, recipe, &mut Rng::new(seed))
}

/// Pictures of bodies around the origin, and points of their surfaces.
fn photographed(bodies: &[(Mesh, Material)], recipe: &Recipe, rng: &mut Rng) -> Made {
    let cameras: Vec<Camera<f64>> = (0..recipe.views).map(|i| placed(i, recipe)).collect();
    let (points, colours) = samples(bodies, recipe.points, rng);
    let world = World::new(bodies);
    let area = recipe.size * recipe.size;
    let mut images = vec![0u8; 3 * area * recipe.views];
    let mut depth = vec![0.0f32; area * recipe.views];
    let mut normal = vec![0.0f32; 3 * area * recipe.views];
    images
        .par_chunks_mut(3 * area)
        .zip(depth.par_chunks_mut(area))
        .zip(normal.par_chunks_mut(3 * area))
        .zip(&cameras)
        .for_each(|(((image, depth), normal), camera)| photograph(&world, camera, recipe.rays, image, depth, normal));
    let (width, height) = (recipe.size, recipe.size);
    let scene = Scene { width, height, images, cameras, points, colours, held: None, notes: vec![] };
    Made { scene, depth, normal }
}

/// Camera `i` of so many.
fn placed(i: usize, recipe: &Recipe) -> Camera<f64> {
    let (count, size) = (recipe.views, recipe.size);
    let golden = 0.5 * (5f64.sqrt() - 1.0);
    let (share, rise) = match recipe.cameras {
        Arrangement::Hemisphere => {
            ((golden * i as f64).fract(), 0.15 + 0.7 * ((i * 7 % count) as f64 + 0.5) / count as f64)
        }
        Arrangement::Ring => (i as f64 / count as f64, 1.0 / 3.0),
    };
    let turn = std::f64::consts::TAU * share;
    let (r, distance) = ((1.0 - rise * rise).sqrt(), 4.0);
    let eye = [distance * r * turn.cos(), distance * r * turn.sin(), distance * rise];
    Camera::look_at(eye, [0.0, 0.0, 0.1], [0.0, 0.0, 1.0], 0.75, [size, size])
}

/// A table, and bodies of all kinds on and above it.
fn bodies(count: usize, rng: &mut Rng) -> Vec<(Mesh, Material)> {
    let mut out = vec![];
    let wood = Material { colours: [[0.75, 0.7, 0.6], [0.3, 0.35, 0.45]], pattern: Pattern::Checker(2.0), gloss: 0.0 };
    out.push((Mesh::cube().placed([1.15, 1.15, 0.06], &IDENTITY, [0.0, 0.0, -0.51]), wood));
    for k in 0..count {
        let mesh = match k % 8 {
            0 => Mesh::torus(0.35, 14),
            1 => Mesh::cube(),
            2 => Mesh::bumpy(0.25, 4.0, 16),
            3 => Mesh::bent_tube(0.3, 3.0, 12),
            4 => Mesh::superquadric(0.4, 1.6, 14),
            5 => Mesh::sphere(14),
            6 => Mesh::blocks(&["###", "#", "##", "#", "###"]).placed([0.4; 3], &IDENTITY, [0.0; 3]),
            _ => Mesh::icosphere(3).displaced(0.25, 4.0),
        };
        let q: [f64; 4] = std::array::from_fn(|_| rng.normal());
        let scale = rng.range(0.22, 0.36);
        let turn = std::f64::consts::TAU * (k as f64 / count as f64) + rng.range(-0.2, 0.2);
        let away = if k == 0 { 0.0 } else { rng.range(0.45, 0.8) };
        let at = [away * turn.cos(), away * turn.sin(), rng.range(-0.15, 0.3)];
        let colour = |rng: &mut Rng| std::array::from_fn(|_| rng.range(0.1, 0.95));
        let pattern = match rng.below(4) {
            0 => Pattern::Plain,
            1 => Pattern::Checker(rng.range(4.0, 8.0)),
            2 => Pattern::Stripes(rng.range(5.0, 9.0)),
            _ => Pattern::Noise(rng.range(1.0, 2.0)),
        };
        let material = Material { colours: [colour(rng), colour(rng)], pattern, gloss: rng.range(0.0, 0.4) };
        out.push((mesh.placed([scale; 3], &rotation_matrix(normalised(q)), at), material));
    }
    out
}

/// Points drawn evenly from the surfaces, with the colours of the surfaces in the light from everywhere.
fn samples(bodies: &[(Mesh, Material)], count: usize, rng: &mut Rng) -> (Vec<[f64; 3]>, Vec<[f64; 3]>) {
    let mut areas = vec![];
    let mut total = 0.0;
    for (b, (mesh, _)) in bodies.iter().enumerate() {
        for t in 0..mesh.triangles.len() {
            total += mesh.double_area(t);
            areas.push((total, b, t));
        }
    }
    if areas.is_empty() {
        return (vec![], vec![]);
    }
    let one = |_| {
        let at = rng.uniform() * total;
        let (_, b, t) = areas[areas.partition_point(|(sum, ..)| *sum <= at).min(areas.len() - 1)];
        let (mesh, material) = &bodies[b];
        let corners = mesh.triangles[t];
        let [p, q, r] = corners.map(|k| mesh.vertices[k]);
        let places = corners.map(|k| mesh.places.get(k).copied().unwrap_or_default());
        let (mut u, mut v) = (rng.uniform(), rng.uniform());
        if u + v > 1.0 {
            (u, v) = (1.0 - u, 1.0 - v);
        }
        let x = std::array::from_fn(|k| (1.0 - u - v) * p[k] + u * q[k] + v * r[k]);
        let place = std::array::from_fn(|k| (1.0 - u - v) * places[0][k] + u * places[1][k] + v * places[2][k]);
        (x, material.colour(x, place).map(|c| 0.7 * c))
    };
    (0..count).map(one).unzip()
}

fn photograph(
    world: &World,
    camera: &Camera<f64>,
    rays: usize,
    image: &mut [u8],
    depth: &mut [f32],
    normal: &mut [f32],
) {
    let area = camera.width * camera.height;
    let forward = camera.forward();
    for p in 0..area {
        let (x, y) = ((p % camera.width) as f64, (p / camera.width) as f64);
        let mut colour = [0.0; 3];
        for s in 0..rays * rays {
            let at = |k: usize| (k as f64 + 0.5) / rays as f64;
            let (origin, direction) = camera.ray(x + at(s % rays), y + at(s / rays));
            let seen = shade(world, origin, direction);
            (0..3).for_each(|k| colour[k] += seen[k] / (rays * rays) as f64);
        }
        (0..3).for_each(|k| image[k * area + p] = (255.0 * colour[k].clamp(0.0, 1.0)).round() as u8);
        let (origin, direction) = camera.ray(x + 0.5, y + 0.5);
        if let Some(hit) = world.hit(origin, direction, f64::INFINITY) {
            depth[p] = (hit.distance * dot(direction, forward)) as f32;
            (0..3).for_each(|k| normal[k * area + p] = hit.normal[k] as f32);
        }
    }
}

/// Lambert's law with a highlight and shadows; black where nothing is.
fn shade(world: &World, origin: [f64; 3], direction: [f64; 3]) -> [f64; 3] {
    let Some(hit) = world.hit(origin, direction, f64::INFINITY) else { return [0.0; 3] };
    let x: [f64; 3] = std::array::from_fn(|k| origin[k] + hit.distance * direction[k]);
    let lamp = unit(LAMP);
    let facing = dot(hit.normal, lamp).max(0.0);
    let start = std::array::from_fn(|k| x[k] + 1e-6 * hit.normal[k]);
    let light = if facing > 0.0 && world.hit(start, lamp, 100.0).is_none() { facing } else { 0.0 };
    let material = &world.materials[hit.body];
    let half = unit(sub(lamp, direction));
    let gloss = if light > 0.0 { material.gloss * dot(hit.normal, half).max(0.0).powi(SHININESS) } else { 0.0 };
    material.colour(x, hit.place).map(|c| c * (AMBIENT + (1.0 - AMBIENT) * light) + gloss)
}

/// A scene as a data set in memory.
pub fn to_data(scene: &Scene) -> Data {
    let (n, w, h) = (scene.len(), scene.width, scene.height);
    let image = scene.images.chunks_exact(3 * w * h).flat_map(interleaved).collect();
    let pose = scene.cameras.iter().flat_map(|c| {
        (0..12).map(move |k| if k % 4 == 3 { c.translation[k / 4] } else { c.rotation[3 * (k / 4) + k % 4] })
    });
    let lens = scene.cameras.iter().flat_map(|c| [c.focal[0], c.focal[1], c.centre[0], c.centre[1]]);
    let mut arrays = vec![
        ("image".to_owned(), Array { shape: vec![n, h, w, 3], values: Values::U8(image) }),
        ("pose".to_owned(), Array::new(&[n, 3, 4], pose.collect())),
        ("intrinsics".to_owned(), Array::new(&[n, 4], lens.collect())),
    ];
    if !scene.points.is_empty() {
        let each = scene.points.len().div_ceil(n);
        let mut points = vec![-1.0; 6 * each * n];
        for (k, (p, c)) in scene.points.iter().zip(&scene.colours).enumerate() {
            let row = k % n * each + k / n;
            points[6 * row..6 * row + 3].copy_from_slice(p);
            (0..3).for_each(|j| points[6 * row + 3 + j] = 255.0 * c[j]);
        }
        arrays.push(("points".to_owned(), Array::new(&[n, each, 6], points)));
    }
    Data { source: "made-up scene".into(), arrays, ..Data::default() }
}

/// `transforms.json` for pictures of these names: camera to world in the convention of OpenGL.
pub fn transforms_json(scene: &Scene, names: &[String]) -> String {
    let frame = |(camera, name): (&Camera<f64>, &String)| {
        let (r, p) = (&camera.rotation, camera.position());
        // Columns 1 and 2 change their sign between the two conventions.
        let matrix: Vec<Vec<f64>> =
            (0..3).map(|k| vec![r[k], -r[3 + k], -r[6 + k], p[k]]).chain([vec![0.0, 0.0, 0.0, 1.0]]).collect();
        serde_json::json!({"file_path": name, "transform_matrix": matrix})
    };
    let first = &scene.cameras[0];
    let frames: Vec<serde_json::Value> = scene.cameras.iter().zip(names).map(frame).collect();
    serde_json::to_string_pretty(&serde_json::json!({
        "fl_x": first.focal[0], "fl_y": first.focal[1], "cx": first.centre[0], "cy": first.centre[1],
        "w": scene.width, "h": scene.height, "frames": frames,
    }))
    .expect("cameras are plain numbers")
}

/// COLMAP's text files `cameras.txt`, `images.txt` and `points3D.txt`.
pub fn colmap_text(scene: &Scene, names: &[String]) -> [String; 3] {
    let c = &scene.cameras[0];
    let cameras = format!(
        "# CAMERA_ID, MODEL, WIDTH, HEIGHT, PARAMS[]\n1 PINHOLE {} {} {} {} {} {}\n",
        scene.width, scene.height, c.focal[0], c.focal[1], c.centre[0], c.centre[1]
    );
    let mut images =
        String::from("# IMAGE_ID, QW, QX, QY, QZ, TX, TY, TZ, CAMERA_ID, NAME\n# POINTS2D[] as (X, Y, POINT3D_ID)\n");
    for (i, (c, name)) in scene.cameras.iter().zip(names).enumerate() {
        let (q, t) = (crate::gaussians::quaternion(&c.rotation), c.translation);
        images += &format!("{} {} {} {} {} {} {} {} 1 {name}\n\n", i + 1, q[0], q[1], q[2], q[3], t[0], t[1], t[2]);
    }
    let mut points = String::from("# POINT3D_ID, X, Y, Z, R, G, B, ERROR, TRACK[] as (IMAGE_ID, POINT2D_IDX)\n");
    for (i, (p, c)) in scene.points.iter().zip(&scene.colours).enumerate() {
        let [r, g, b] = c.map(|v| (255.0 * v).round() as u8);
        points += &format!("{} {} {} {} {r} {g} {b} 0.1\n", i + 1, p[0], p[1], p[2]);
    }
    [cameras, images, points]
}
