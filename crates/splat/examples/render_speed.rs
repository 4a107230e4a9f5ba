//! How long a picture of Gaussians and its derivative take, for `benches/peers/splat_render.py` to stand beside.
//!
//! `cargo run --release -p elbo-splat --example render_speed -- gaussians.ply [seconds]` makes 20 000 Gaussians, writes them to the file, and prints
//! a line of JSON: the times of both passes at 256 x 256 pixels, what was computed, and how near it comes to the memory's floor: the bytes that have
//! to be read and written at least, the time in which one thread of this machine copies as many, and the bytes a pixel that the passes move, as counted from
//! their arrays.

use elbo_core::Rng;
use elbo_splat::camera::Camera;
use elbo_splat::file::{Stored, ply};
use elbo_splat::gaussians::Gaussians;
use elbo_splat::project::Options;
use elbo_splat::render::{Pixels, render};
use std::time::Instant;

const COUNT: usize = 20_000;
const SIDE: usize = 256;

fn made() -> Gaussians<f32> {
    let mut rng = Rng::new(1);
    let mut g = Gaussians::empty(3);
    for _ in 0..COUNT {
        g.mean.extend((0..3).map(|_| (0.6 * rng.normal()) as f32));
        g.log_scale.extend((0..3).map(|_| rng.range(-4.6, -3.2) as f32));
        g.rotation.extend((0..4).map(|_| rng.normal() as f32));
        g.opacity.push(rng.range(-2.0, 2.0) as f32);
        g.sh.extend((0..48).map(|k| if k < 3 { rng.range(0.2, 1.5) } else { 0.1 * rng.normal() } as f32));
    }
    g
}

fn main() {
    let mut words = std::env::args().skip(1);
    let path = words.next().expect("give the name of a PLY file to write");
    let seconds: f64 = words.next().map_or(2.0, |s| s.parse().expect("seconds are a number"));
    let g = made();
    std::fs::write(&path, ply::write(&Stored { gaussians: g.clone(), antialias: false }))
        .expect("the file can be written");
    let camera = Camera::look_at([0.4, -3.0, 1.2], [0.0; 3], [0.0, 0.0, 1.0], 0.8, [SIDE, SIDE]).cast::<f32>();
    let options = Options::default();
    let (mut forward, mut both) = (vec![], vec![]);
    let (mut value, mut norms, mut pairs) = (0.0, vec![], 0);
    let start = Instant::now();
    while both.len() < 7 || start.elapsed().as_secs_f64() < seconds {
        let before = Instant::now();
        let made = render(&g, &camera, &options).expect("the picture is small");
        forward.push(before.elapsed().as_secs_f64() * 1e3);
        // The mean square, as the other side's loss.
        let scale = 1.0 / made.colour.len() as f32;
        let slope: Vec<f32> = made.colour.iter().map(|c| 2.0 * scale * c).collect();
        let gradients = made.backward(&g, &camera, &options, Pixels { colour: &slope, depth: None, alpha: None });
        both.push(before.elapsed().as_secs_f64() * 1e3);
        value = made.colour.iter().map(|c| f64::from(*c).powi(2)).sum::<f64>() / made.colour.len() as f64;
        let norm = |v: &Vec<f32>| v.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
        norms = gradients.gaussians.arrays().map(norm).to_vec();
        pairs = made.pairs();
    }
    let middle = |times: &mut Vec<f64>| {
        times.sort_by(f64::total_cmp);
        (times[times.len() / 2], times[0])
    };
    let (f, b) = (middle(&mut forward), middle(&mut both));
    // Read: 59 parameters in each pass; written: their gradient; and a picture with its derivative.
    let floor = 4 * (3 * 59 * COUNT + 2 * 3 * SIDE * SIDE);
    // Beyond that: 13 numbers of each projected Gaussian written once and read for each pair and pass; of each pair three words of its lists, written
    // and read, and twelve derivatives, written and read; and seven numbers a pixel, kept by tiles, written and read.
    let moved = floor + 4 * (13 * COUNT + pairs * (2 * 13 + 2 * 3 + 2 * 12) + 2 * 7 * SIDE * SIDE);
    let floor_ms = floor as f64 / copied_per_second() * 1e3;
    println!(
        "{}",
        serde_json::json!({
            "engine": "elbo", "work": "splat-render", "size": COUNT, "threads": rayon::current_num_threads(),
            "median_ms": b.0, "min_ms": b.1, "forward_median_ms": f.0, "forward_min_ms": f.1, "repeats": both.len(),
            "value": value, "gradient": norms, "pairs": pairs,
            "pixels_per_second": (SIDE * SIDE) as f64 / (b.0 * 1e-3), "bytes_per_pixel": moved as f64 / (SIDE * SIDE) as f64, "floor_bytes_per_pixel": floor as f64 / (SIDE * SIDE) as f64,
            "floor_bytes": floor, "floor_ms": floor_ms, "times_floor": b.0 / floor_ms,
        })
    );
}

/// Bytes that one thread, however many draw, reads and writes in a second, in the fastest of some copies of 64 MiB.
fn copied_per_second() -> f64 {
    const BYTES: usize = 64 << 20;
    let from = vec![1u8; BYTES];
    let mut to = vec![0u8; BYTES];
    let copy = |_| {
        let before = Instant::now();
        to.copy_from_slice(std::hint::black_box(&from));
        std::hint::black_box(&to);
        before.elapsed().as_secs_f64()
    };
    2.0 * BYTES as f64 / (0..7).map(copy).fold(f64::INFINITY, f64::min)
}
