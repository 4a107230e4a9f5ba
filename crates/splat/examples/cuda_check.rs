//! Holds the rasteriser on the GPU against the one on the CPU, and times both; ends with 1 where they differ.
//!
//! `cargo run --release -p elbo-splat --features cuda --example cuda_check [-- quick]`; `quick` leaves out the times.

use elbo_core::{Result, Rng};
use elbo_splat::camera::Camera;
use elbo_splat::cuda::{Rasteriser, Sums};
use elbo_splat::gaussians::Gaussians;
use elbo_splat::project::Options;
use elbo_splat::render::{Gradients, Pixels, Rendering, render};
use std::time::Instant;

/// Distances allowed, in norm over all pixels or all numbers of a group, as a share of the norm. Both sides round at 6e-8 and add up a few hundred
/// terms in different orders, with light that is divided out again on the way back.
const PICTURE: f64 = 1e-5;
const SLOPES: f64 = 1e-4;
/// Where terms cancel, single precision is further from double precision on the CPU too; the GPU may be as many times as far from the CPU as this, but
/// never further than the second number.
const ROUNDING: f64 = 4.0;
const FARTHEST: f64 = 1e-2;
/// The same where thresholds decide: a pixel on the edge of 1/255 that one side draws and the other does not moves by up to 1/255.
const EDGES: f64 = 1e-3;
/// Most that two orders of summation may differ.
const ATOMIC: f64 = 1e-4;

struct Case {
    count: usize,
    size: [usize; 2],
    degree: usize,
    antialias: bool,
    /// Whether the thresholds that make steps are out of the way.
    smooth: bool,
    /// Whether derivatives in depth and opacity are given too.
    extra: bool,
}

/// Gaussians in front of the camera, the smaller the more there are; some behind it, outside of the picture, and in equal depths.
fn cloud(count: usize, degree: usize, seed: u64) -> Gaussians<f32> {
    let mut rng = Rng::new(seed);
    let mut g = Gaussians::empty(degree);
    let middle = -1.2 - (count as f64 / 20.0).ln() / 3.0;
    for i in 0..count {
        let wide = if i % 10 == 9 { 3.0 } else { 0.6 };
        g.mean.extend((0..3).map(|_| (wide * rng.normal()) as f32));
        g.log_scale.extend((0..3).map(|_| rng.range(middle - 0.9, middle + 0.9) as f32));
        g.rotation.extend((0..4).map(|_| rng.normal() as f32));
        g.opacity.push(rng.range(-2.0, 2.0) as f32);
        let coefficients = 3 * (degree + 1) * (degree + 1);
        g.sh.extend((0..coefficients).map(|k| if k < 3 { rng.range(0.0, 1.5) } else { 0.15 * rng.normal() } as f32));
        if i % 7 == 6 {
            // Twice in one place: the first stays in front.
            let from = 3 * (i - 1);
            let place: Vec<f32> = g.mean[from..from + 3].to_vec();
            g.mean[3 * i..3 * i + 3].copy_from_slice(&place);
        }
    }
    g
}

fn camera(size: [usize; 2]) -> Camera<f32> {
    let mut camera = Camera::look_at([0.4, -3.0, 1.2], [0.0; 3], [0.0, 0.0, 1.0], 0.8, size);
    camera.centre = [camera.centre[0] + 1.3, camera.centre[1] - 0.7];
    camera.focal[1] *= 1.1;
    camera.cast()
}

fn options(case: &Case) -> Options<f32> {
    let usual = Options {
        background: [0.3, 0.1, 0.6],
        degree: case.degree,
        antialias: case.antialias,
        absolute: true,
        near: 0.2,
        ..Options::default()
    };
    if case.smooth { Options { alpha_min: 1e-9, alpha_max: 2.0, ..usual } } else { usual }
}

/// Distance of two lists of numbers as a share of the second's norm; infinite where a number is none.
fn distance(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let (mut apart, mut norm) = (0.0, 0.0);
    for (a, b) in a.iter().zip(b) {
        apart += (f64::from(*a) - f64::from(*b)).powi(2);
        norm += f64::from(*b).powi(2);
    }
    let share = if apart == 0.0 { 0.0 } else { (apart / norm).sqrt() };
    if share.is_finite() { share } else { f64::INFINITY }
}

/// All groups of derivatives, with names.
fn groups(g: &Gradients<f32>) -> [(&'static str, &[f32]); 9] {
    let [mean, log_scale, rotation, opacity, sh] = g.gaussians.arrays();
    [
        ("mean", mean.as_slice()),
        ("log_scale", log_scale.as_slice()),
        ("rotation", rotation.as_slice()),
        ("opacity", opacity.as_slice()),
        ("sh", sh.as_slice()),
        ("centres", g.centres.as_slice()),
        ("absolute", g.absolute.as_slice()),
        ("camera rotation", g.rotation.as_slice()),
        ("camera translation", g.translation.as_slice()),
    ]
}

/// The derivatives as double precision has them, rounded.
fn exact(
    g: &Gaussians<f32>,
    camera: &Camera<f32>,
    options: &Options<f32>,
    pixels: Pixels<'_, f32>,
) -> Result<Gradients<f32>> {
    let wide = |values: &[f32]| -> Vec<f64> { values.iter().map(|v| f64::from(*v)).collect() };
    let narrow = |values: &[f64]| -> Vec<f32> { values.iter().map(|v| *v as f32).collect() };
    let (g, camera, options) = (g.cast::<f64>(), camera.cast::<f64>(), options.cast::<f64>());
    let (colour, depth, alpha) = (wide(pixels.colour), pixels.depth.map(wide), pixels.alpha.map(wide));
    let pixels = Pixels { colour: &colour, depth: depth.as_deref(), alpha: alpha.as_deref() };
    let found = render(&g, &camera, &options)?.backward(&g, &camera, &options, pixels);
    Ok(Gradients {
        gaussians: found.gaussians.cast(),
        centres: narrow(&found.centres),
        absolute: narrow(&found.absolute),
        rotation: found.rotation.map(|v| v as f32),
        translation: found.translation.map(|v| v as f32),
    })
}

/// What was found wrong.
#[derive(Default)]
struct Faults(usize);

impl Faults {
    fn check(&mut self, holds: bool, what: &str) {
        if !holds {
            self.0 += 1;
            println!("  FAILS: {what}");
        }
    }

    fn close(&mut self, what: &str, found: &[f32], expected: &[f32], most: f64) -> f64 {
        let apart = distance(found, expected);
        self.check(apart <= most, &format!("{what} is {apart:.2e} apart, at most {most:.0e} is allowed"));
        apart
    }
}

fn compare(gpu: &mut Rasteriser, case: &Case, seed: u64, faults: &mut Faults) -> Result<()> {
    let [w, h] = case.size;
    let g = cloud(case.count, case.degree, seed);
    let (camera, options) = (camera(case.size), options(case));
    let mut rng = Rng::new(seed + 1000);
    let mut draw = |n: usize| -> Vec<f32> { rng.normals(n).into_iter().map(|v| v as f32).collect() };
    let (colour, depth, alpha) = (draw(3 * w * h), draw(w * h), draw(w * h));
    let pixels = Pixels {
        colour: &colour,
        depth: case.extra.then_some(depth.as_slice()),
        alpha: case.extra.then_some(alpha.as_slice()),
    };

    let expected: Rendering<f32> = render(&g, &camera, &options)?;
    let made = gpu.render(&g, &camera, &options)?;
    let edges = if case.smooth { PICTURE } else { EDGES };
    // Exponentials and logarithms are not the same to the last digit, and a tile may be met by that much.
    let is_close = made.pairs().abs_diff(expected.pairs()) <= 2;
    faults.check(is_close, &format!("{} pairs on the GPU, {} on the CPU", made.pairs(), expected.pairs()));
    let seen = (0..case.count).filter(|i| made.is_visible(*i) != expected.is_visible(*i)).count();
    faults.check(seen == 0, &format!("{seen} Gaussians are visible on one side only"));
    let picture = faults.close("colour", &made.colour, &expected.colour, edges);
    faults.close("depth", &made.depth, &expected.depth, edges);
    faults.close("alpha", &made.alpha, &expected.alpha, edges);
    let same = made.colour.iter().zip(&expected.colour).filter(|(a, b)| a.to_bits() == b.to_bits()).count();

    let slopes = expected.backward(&g, &camera, &options, pixels);
    let ordered = gpu.backward(&made, pixels, Sums::Ordered)?;
    let again = gpu.backward(&made, pixels, Sums::Ordered)?;
    let atomic = gpu.backward(&made, pixels, Sums::Atomic)?;
    let exact = exact(&g, &camera, &options, pixels)?;
    let least = if case.smooth { SLOPES } else { EDGES };
    let mut worst = ("none", 0.0);
    let all = [&ordered, &slopes, &exact, &again, &atomic].map(groups);
    for k in 0..all[0].len() {
        let name = all[0][k].0;
        let [found, expected, exact, again, atomic] = all.each_ref().map(|groups| groups[k].1);
        let rounding = (ROUNDING * distance(expected, exact)).min(FARTHEST);
        let apart = faults.close(name, found, expected, least.max(rounding));
        if apart > worst.1 {
            worst = (name, apart);
        }
        let is_same = found.iter().zip(again).all(|(a, b)| a.to_bits() == b.to_bits());
        faults.check(is_same, &format!("{name}: two ordered sums have different bits"));
        faults.close(&format!("{name}, added atomically,"), atomic, found, ATOMIC.max(rounding));
    }

    // A second picture and derivative, from the start.
    let second = gpu.render(&g, &camera, &options)?;
    let is_same = second.colour.iter().zip(&made.colour).all(|(a, b)| a.to_bits() == b.to_bits());
    faults.check(is_same, "two pictures have different bits");
    let repeated = gpu.backward(&second, pixels, Sums::Ordered)?;
    faults.check(repeated == ordered, "the derivative of a second picture has different bits");
    faults.check(gpu.backward(&made, pixels, Sums::Ordered).is_err(), "the first picture is taken for the second");
    println!(
        "{} Gaussians, {w} x {h}, degree {}, antialias {}, smooth {}, extra {}: {} pairs; picture {picture:.1e} apart, {:.2} % of its numbers \
         with the same bits; derivatives {:.1e} ({})",
        case.count,
        case.degree,
        case.antialias,
        case.smooth,
        case.extra,
        made.pairs(),
        100.0 * same as f64 / made.colour.len() as f64,
        worst.1,
        worst.0,
    );
    Ok(())
}

/// Nothing to draw, and nothing of it in the picture.
fn empty(gpu: &mut Rasteriser, faults: &mut Faults) -> Result<()> {
    let options = Options { background: [0.25, 0.5, 0.75], ..Options::default() };
    let mut behind = cloud(3, 1, 1);
    behind.mean = [4.0f32, -30.0, 12.0].repeat(3);
    for g in [Gaussians::empty(0), behind] {
        let camera = camera([20, 7]);
        let expected = render(&g, &camera, &options)?;
        let made = gpu.render(&g, &camera, &options)?;
        faults.check(made.colour == expected.colour, "the picture of nothing is the background");
        let slope = vec![1.0; 3 * 20 * 7];
        let pixels = Pixels { colour: &slope, depth: None, alpha: None };
        for sums in [Sums::Ordered, Sums::Atomic] {
            let found = gpu.backward(&made, pixels, sums)?;
            let is_zero = groups(&found).iter().all(|(_, values)| values.iter().all(|v| *v == 0.0));
            faults.check(is_zero && found.gaussians.len() == g.len(), "derivatives of nothing are zero");
        }
    }
    Ok(())
}

/// The median of `repeats` runs after one that is not counted, in milliseconds.
fn median(repeats: usize, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    work()?;
    let mut times = vec![];
    for _ in 0..repeats {
        let before = Instant::now();
        work()?;
        times.push(before.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[repeats / 2])
}

/// Forward and backward on both, copies from and to the host included.
fn time(gpu: &mut Rasteriser, count: usize, side: usize) -> Result<()> {
    // As many Gaussians cover about as much, whatever their number.
    let mut g = cloud(count, 3, 5);
    let shift = -0.5 * (count as f64 / 20_000.0).ln() as f32;
    let mut rng = Rng::new(7);
    g.log_scale.iter_mut().for_each(|l| *l = rng.range(-4.6, -3.2) as f32 + shift);
    let camera = Camera::look_at([0.4, -3.0, 1.2], [0.0; 3], [0.0, 0.0, 1.0], 0.8, [side; 2]).cast::<f32>();
    let options = Options::default();
    let scale = 2.0 / (3 * side * side) as f32;
    let slope = |colour: &[f32]| -> Vec<f32> { colour.iter().map(|c| scale * c).collect() };
    let mut pairs = 0;
    let cpu = median(7, || {
        let made = render(&g, &camera, &options)?;
        let slope = slope(&made.colour);
        made.backward(&g, &camera, &options, Pixels { colour: &slope, depth: None, alpha: None });
        pairs = made.pairs();
        Ok(())
    })?;
    let forward = median(21, || gpu.render(&g, &camera, &options).map(|_| ()))?;
    let mut both = |sums: Sums| {
        median(21, || {
            let made = gpu.render(&g, &camera, &options)?;
            let slope = slope(&made.colour);
            gpu.backward(&made, Pixels { colour: &slope, depth: None, alpha: None }, sums)?;
            Ok(())
        })
    };
    let (ordered, atomic) = (both(Sums::Ordered)?, both(Sums::Atomic)?);
    println!(
        "{count} Gaussians, {side} x {side}, {pairs} pairs, medians in ms: CPU ({} threads) {cpu:.2}; GPU forward {forward:.2}, forward and backward \
         {ordered:.2} ordered, {atomic:.2} atomic: {:.1} and {:.1} times as fast",
        rayon::current_num_threads(),
        cpu / ordered,
        cpu / atomic,
    );
    Ok(())
}

fn checked() -> Result<usize> {
    let mut gpu = Rasteriser::new(0)?;
    println!("{}", gpu.name());
    let mut faults = Faults::default();
    empty(&mut gpu, &mut faults)?;
    let sizes = [[64, 48], [37, 29], [256, 256], [333, 250], [16, 16]];
    let mut seed = 1;
    for count in [20, 5000, 20_000] {
        for (k, size) in sizes.into_iter().enumerate() {
            for smooth in [true, false] {
                let (degree, antialias) = ((k + count / 5000) % 4, k % 2 == 1);
                let case = Case { count, size, degree, antialias, smooth, extra: k % 3 != 1 };
                compare(&mut gpu, &case, seed, &mut faults)?;
                seed += 1;
            }
        }
    }
    let is_quick = std::env::args().nth(1).is_some_and(|word| word == "quick");
    if !is_quick {
        time(&mut gpu, 20_000, 256)?;
        time(&mut gpu, 200_000, 1024)?;
    }
    Ok(faults.0)
}

fn main() {
    match checked() {
        Ok(0) => println!("all checks hold"),
        Ok(faults) => {
            println!("{faults} checks fail");
            std::process::exit(1);
        }
        Err(error) => {
            println!("{error}\n  {}", error.remedy());
            std::process::exit(1);
        }
    }
}
