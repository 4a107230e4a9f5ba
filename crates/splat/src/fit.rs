//! From photographs to Gaussians: settings, start, descent, judgement.

use crate::camera::Camera;
use crate::control::{Control, densify, reset_opacities};
use crate::gaussians::{Gaussians, coefficients, logit, sigmoid};
use crate::loss::{photometric, psnr, psnr_of_bytes, ssim};
use crate::optimise::{Cloud, Rates};
use crate::project::Options;
use crate::relocate;
use crate::render::{Pixels, render};
use crate::scene::{Orbit, Scene};
use crate::sh::from_colour;
use elbo_core::step::Batches;
use elbo_core::{Error, Figure, Progress, Result, Run, Step, Stop, drive, ensure, picture_grid};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where the first Gaussians come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// From the scene's points where it has any, else at random.
    Auto,
    /// From the scene's points.
    Points,
    /// At random in a cube.
    Random,
}

/// What is behind everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Background {
    /// Zero.
    Black,
    /// One.
    White,
}

impl Background {
    /// Red, green and blue.
    pub fn colour(self) -> [f32; 3] {
        match self {
            Self::Black => [0.0; 3],
            Self::White => [1.0; 3],
        }
    }
}

/// Settings that every fit of Gaussians has.
///
/// Lengths are in units of the scene's extent: 1.1 times the distance of the farthest camera from the middle of all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Settings {
    /// Steps, one picture each; the paper's are 30000.
    #[schemars(range(min = 1))]
    pub steps: usize,
    /// Pictures are reduced until the longer side has this many pixels.
    #[schemars(range(min = 8))]
    pub size: usize,
    /// Degree of the spherical harmonics of the colour, 0 to 3.
    #[schemars(range(max = 3))]
    pub degree: usize,
    /// Weight of 1 - SSIM in the loss; the rest is the absolute error's.
    pub similarity: f64,
    /// What is behind everything: black or white.
    pub background: Background,
    /// Whether thin Gaussians lose opacity instead of growing to a pixel.
    pub antialias: bool,
    /// Where the first Gaussians come from: auto, points or random.
    pub start: Start,
    /// Gaussians that a random start has.
    #[schemars(range(min = 1))]
    pub points: usize,
    /// Half the side of the cube of a random start, as a share of the cameras' distance from what they look at.
    pub cube: f64,
    /// Of the pictures, every so many-th is kept back to judge by; zero keeps none.
    pub test_every: usize,
    /// Steps between two changes of the number of Gaussians.
    #[schemars(range(min = 1))]
    pub refine_every: usize,
    /// Rate of the means at the start, in a fit of 30000 steps; a shorter one moves as much faster, up to fifteen times.
    pub rate_mean: f64,
    /// Rate of the means at the end, in the same way.
    pub rate_mean_end: f64,
    /// Rate of the logarithms of the scales.
    pub rate_scale: f64,
    /// Rate of the quaternions.
    pub rate_rotation: f64,
    /// Rate of the logits of the opacities.
    pub rate_opacity: f64,
    /// Rate of the colours; what depends on the direction gets a twentieth.
    pub rate_colour: f64,
    /// What is nearer to a camera than this is not drawn.
    pub near: f64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            steps: 3000,
            size: 256,
            degree: 3,
            similarity: 0.2,
            background: Background::Black,
            antialias: false,
            start: Start::Auto,
            points: 5000,
            cube: 0.4,
            test_every: 8,
            refine_every: 50,
            rate_mean: 1.6e-4,
            rate_mean_end: 1.6e-6,
            rate_scale: 5e-3,
            rate_rotation: 1e-3,
            rate_opacity: 0.05,
            rate_colour: 2.5e-3,
            near: 0.01,
        }
    }
}

impl Settings {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`Error::Setting`] naming the field.
    pub fn check(&self) -> Result<()> {
        let positive = |name: &str, v: f64| ensure(name, v, v > 0.0 && v.is_finite(), "a positive number");
        ensure("steps", self.steps, self.steps >= 1, "at least 1")?;
        ensure("size", self.size, (8..=16_384).contains(&self.size), "in 8..=16384")?;
        ensure("degree", self.degree, self.degree <= 3, "0, 1, 2 or 3")?;
        ensure("similarity", self.similarity, (0.0..=1.0).contains(&self.similarity), "in [0, 1]")?;
        ensure("points", self.points, (1..=10_000_000).contains(&self.points), "in 1..=10000000")?;
        ensure("test_every", self.test_every, self.test_every != 1, "0, or at least 2")?;
        ensure("refine_every", self.refine_every, self.refine_every >= 1, "at least 1")?;
        positive("cube", self.cube)?;
        positive("rate_mean", self.rate_mean)?;
        positive("rate_mean_end", self.rate_mean_end)?;
        positive("rate_scale", self.rate_scale)?;
        positive("rate_rotation", self.rate_rotation)?;
        positive("rate_opacity", self.rate_opacity)?;
        positive("rate_colour", self.rate_colour)?;
        positive("near", self.near)
    }

    /// How pictures are made in the end.
    pub fn options(&self) -> Options<f32> {
        Options {
            background: self.background.colour(),
            degree: self.degree,
            near: self.near as f32,
            antialias: self.antialias,
            ..Options::default()
        }
    }
}

/// How the number of Gaussians changes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Strategy {
    /// Clone, split, delete, reset.
    Adaptive {
        /// Mean derivative in the centre from which on more Gaussians are wanted, in halves of the picture.
        threshold: f64,
        /// Whether absolute derivatives are added up.
        absolute: bool,
        /// Most Gaussians there may be.
        cap: usize,
    },
    /// Relocation and noise.
    Relocation {
        /// Most Gaussians there may be.
        cap: usize,
        /// Strength of the noise as a multiple of the means' rate.
        noise: f64,
        /// Weight of the mean opacity in the loss.
        opacity_weight: f64,
        /// Weight of the mean scale in the loss.
        scale_weight: f64,
    },
}

impl Strategy {
    fn cap(&self) -> usize {
        match self {
            Self::Adaptive { cap, .. } | Self::Relocation { cap, .. } => *cap,
        }
    }

    /// Shares of all steps between which the number changes: the reference's 500 to 15 000, and 500 to 25 000, of 30 000.
    fn period(&self, steps: usize) -> std::ops::RangeInclusive<usize> {
        let end = match self {
            Self::Adaptive { .. } => 0.5,
            Self::Relocation { .. } => 25.0 / 30.0,
        };
        ((steps as f64 / 60.0) as usize).max(1)..=(steps as f64 * end) as usize
    }

    /// Opacity and share of the neighbours' distance that the first Gaussians have.
    fn start(&self) -> (f64, f64) {
        match self {
            Self::Adaptive { .. } => (0.1, 1.0),
            Self::Relocation { .. } => (0.5, 0.1),
        }
    }
}

/// A fitted scene, in the user's coordinates, and how good it is.
#[derive(Debug, Clone)]
pub struct Fitted {
    /// The Gaussians.
    pub gaussians: Gaussians<f32>,
    /// How the cameras stood.
    pub orbit: Orbit,
    /// The scene's extent in the user's unit; settings are shares of it.
    pub extent: f64,
    /// What was done to the number of Gaussians.
    pub counts: crate::optimise::Counts,
    /// Decibels and similarity on the pictures that were fitted.
    pub training: Quality,
    /// The same on pictures kept back.
    pub held: Option<Quality>,
    /// The loss at the end, averaged over some steps.
    pub loss: f64,
    /// Most Gaussians at any time.
    pub most: usize,
}

/// Means over pictures.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Quality {
    /// Number of pictures.
    pub pictures: usize,
    /// Peak signal to noise in decibels.
    pub psnr: f64,
    /// The same after rounding to 8 bits.
    pub psnr_8bit: f64,
    /// Structural similarity.
    pub ssim: f64,
}

/// Steps of the reference, to which rates of the means belong, and how much faster than there means may be.
const REFERENCE_STEPS: f64 = 30_000.0;
const MOST_HASTE: f64 = 15.0;

/// Bytes that a Gaussian takes while it is fitted: parameters, two moments and a gradient.
pub const BYTES_A_GAUSSIAN: usize = 59 * 4 * 4;

/// Fits Gaussians to a scene.
///
/// # Errors
/// [`Error::Data`] for a scene that cannot be used so, [`Error::Numerical`] when the loss is not a number or all Gaussians become transparent.
pub fn fit(settings: &Settings, strategy: &Strategy, scene: Scene, run: &mut Run) -> Result<Fitted> {
    let mut scene = scene.reduced(settings.size);
    std::mem::take(&mut scene.notes).iter().for_each(|note| run.note(note));
    let extent = scene.extent();
    let orbit = Orbit::of(&scene.cameras);
    // In the unit of the extent with the target in the middle: noise and rates are not free of scale.
    let shift = orbit.target.map(|v| -v / extent);
    scene.transform(1.0 / extent, shift);
    let (training, held) = divided(&scene, settings.test_every, run)?;
    let distance = orbit.distance / extent;
    let start = first(settings, strategy, &scene, distance, run)?;
    run.note(format!(
        "{} Gaussians to start with, {} pictures of {} x {} pixels to fit, {} to judge by",
        start.len(),
        training.len(),
        scene.width,
        scene.height,
        held.len()
    ));
    let mut cloud = Cloud::new(start);
    let cameras: Vec<Camera<f32>> = scene.cameras.iter().map(Camera::cast).collect();
    let descent = Descent { settings, strategy, scene: &scene, cameras: &cameras, training: &training };
    let density = Density { settings, strategy };
    let stop = Stop::after(settings.steps, "Gaussians", "loss");
    let outcome = drive(&density.then(descent), &mut cloud, &stop, run)?;

    let options = settings.options();
    let judge = |views: &[usize]| judged(&cloud.gaussians, &scene, &cameras, views, &options);
    let (training_quality, held_quality) = (judge(&training), (!held.is_empty()).then(|| judge(&held)));
    let (shown, whose) = if held.is_empty() { (&training, "fitted") } else { (&held, "kept back") };
    run.figure(side_by_side(&cloud.gaussians, &scene, &cameras, shown, whose, &options));
    let counts = cloud.counts;
    let most = cloud.gaussians.len();
    let mut gaussians = cloud.gaussians;
    gaussians.transform(extent, orbit.target);
    Ok(Fitted {
        gaussians,
        orbit,
        extent,
        counts,
        training: training_quality,
        held: held_quality,
        loss: outcome.objective,
        most,
    })
}

/// Pictures to fit, and pictures to judge by.
fn divided(scene: &Scene, test_every: usize, run: &mut Run) -> Result<(Vec<usize>, Vec<usize>)> {
    let is_held = |i: &usize| match &scene.held {
        Some(held) => held[*i],
        None => test_every > 0 && scene.len() > 2 && i.is_multiple_of(test_every),
    };
    let (held, training): (Vec<usize>, Vec<usize>) = (0..scene.len()).partition(is_held);
    if training.len() < 2 {
        return Err(Error::data(
            format!("{} pictures are left to fit", training.len()),
            "give more pictures, or keep fewer back with `test_every`",
        ));
    }
    let places: Vec<[f64; 3]> = training.iter().map(|i| scene.cameras[*i].position()).collect();
    let is_same = |p: &[f64; 3]| (0..3).all(|k| (p[k] - places[0][k]).abs() < 1e-9);
    if places.iter().all(is_same) {
        run.warn("all pictures were taken from one place: nothing tells how far things are");
    }
    Ok((training, held))
}

/// The Gaussians before the first step.
fn first(
    settings: &Settings,
    strategy: &Strategy,
    scene: &Scene,
    distance: f64,
    run: &mut Run,
) -> Result<Gaussians<f32>> {
    let has_points = !scene.points.is_empty();
    let uses_points = match settings.start {
        Start::Auto => has_points,
        Start::Random => false,
        Start::Points if has_points => true,
        Start::Points => {
            return Err(Error::data(
                "the scene has no points to start from",
                "use start=random, or give a COLMAP model",
            ));
        }
    };
    let (mut places, mut colours) = if uses_points {
        (scene.points.clone(), scene.colours.clone())
    } else {
        let half = settings.cube * distance;
        let mut rng = run.rng.fork();
        let mut draw = |low: f64, high: f64| -> [f64; 3] { std::array::from_fn(|_| rng.range(low, high)) };
        (0..settings.points).map(|_| (draw(-half, half), draw(0.0, 1.0))).unzip()
    };
    let cap = strategy.cap();
    if places.len() > cap {
        run.note(format!("{cap} of {} points are taken, as many as `cap` allows", places.len()));
        let mut rows = run.rng.choose(places.len(), cap);
        rows.sort_unstable();
        places = rows.iter().map(|r| places[*r]).collect();
        colours = rows.iter().map(|r| colours[*r]).collect();
    }
    let (opacity, share) = strategy.start();
    let scales = neighbour_scales(&places);
    let mut g = Gaussians::empty(settings.degree);
    for ((place, colour), scale) in places.iter().zip(&colours).zip(scales) {
        g.mean.extend(place.map(|v| v as f32));
        g.log_scale.extend([(share * scale).ln() as f32; 3]);
        g.rotation.extend([1.0, 0.0, 0.0, 0.0]);
        g.opacity.push(logit(opacity) as f32);
        g.sh.extend(colour.map(|v| from_colour(v) as f32));
        g.sh.resize(3 * coefficients(settings.degree) * g.opacity.len(), 0.0);
    }
    Ok(g)
}

/// Root of the mean squared distance to the three nearest neighbours of each point.
fn neighbour_scales(points: &[[f64; 3]]) -> Vec<f64> {
    const NEIGHBOURS: usize = 3;
    const LEAST: f64 = 1e-7;
    if points.len() <= NEIGHBOURS {
        return vec![0.01; points.len()];
    }
    // Along the longest axis the search ends when that coordinate alone is too far.
    let spread = |k: usize| {
        let values = points.iter().map(|p| p[k]);
        values.clone().fold(f64::NEG_INFINITY, f64::max) - values.fold(f64::INFINITY, f64::min)
    };
    let axis = (0..3).max_by(|a, b| spread(*a).total_cmp(&spread(*b))).expect("there are three");
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|a, b| points[*a][axis].total_cmp(&points[*b][axis]));
    let sorted: Vec<[f64; 3]> = order.iter().map(|i| points[*i]).collect();
    let found: Vec<f64> = (0..sorted.len())
        .into_par_iter()
        .map(|i| {
            let mut best = [f64::INFINITY; NEIGHBOURS];
            let mut visit = |p: &[f64; 3]| {
                let d: f64 = (0..3).map(|k| (p[k] - sorted[i][k]).powi(2)).sum();
                if d < best[2] {
                    best[2] = d;
                    best.sort_by(f64::total_cmp);
                }
                (p[axis] - sorted[i][axis]).powi(2) <= best[2]
            };
            let _ = sorted[i + 1..].iter().all(&mut visit);
            let _ = sorted[..i].iter().rev().all(&mut visit);
            (best.iter().sum::<f64>() / NEIGHBOURS as f64).max(LEAST).sqrt()
        })
        .collect();
    let mut scales = vec![0.0; points.len()];
    order.iter().zip(found).for_each(|(i, s)| scales[*i] = s);
    scales
}

/// One step down the loss of one picture.
struct Descent<'a> {
    settings: &'a Settings,
    strategy: &'a Strategy,
    scene: &'a Scene,
    cameras: &'a [Camera<f32>],
    training: &'a [usize],
}

impl Descent<'_> {
    fn rates(&self, step: usize) -> Rates {
        let s = self.settings;
        let t = step as f64 / s.steps as f64;
        Rates {
            mean: mean_rate(s, t),
            log_scale: s.rate_scale,
            rotation: s.rate_rotation,
            opacity: s.rate_opacity,
            colour: s.rate_colour,
            harmonics: s.rate_colour / 20.0,
        }
    }
}

/// From the first to the last rate along a line of logarithms; `t` from 0 to 1.
fn mean_rate(settings: &Settings, t: f64) -> f64 {
    // Fewer steps must get as far.
    let haste = (REFERENCE_STEPS / settings.steps as f64).clamp(1.0, MOST_HASTE);
    haste * (settings.rate_mean.ln() * (1.0 - t) + settings.rate_mean_end.ln() * t).exp()
}

impl Step<Cloud> for Descent<'_> {
    /// The order of pictures, and the loss averaged over the last steps.
    type State = (Batches, f64);

    fn init(&self, _: &mut Cloud, _: &mut Run) -> Result<Self::State> {
        Ok((Batches::new(self.training.len(), 1), f64::NAN))
    }

    fn step(&self, cloud: &mut Cloud, (order, mean): &mut Self::State, run: &mut Run) -> Result<Progress> {
        let s = self.settings;
        let view = self.training[order.next(&mut run.rng)[0]];
        // One degree more each thirtieth of the steps.
        let degree = s.degree.min(30 * cloud.step / s.steps);
        let options = Options {
            degree,
            absolute: matches!(self.strategy, Strategy::Adaptive { absolute: true, .. }),
            ..s.options()
        };
        let camera = &self.cameras[view];
        let made = render(&cloud.gaussians, camera, &options);
        let truth = self.scene.picture(view);
        let (mut loss, slope) = photometric(&made.colour, &truth, [made.width, made.height], s.similarity);
        let pixels = Pixels { colour: &slope, depth: None, alpha: None };
        let mut gradients = made.backward(&cloud.gaussians, camera, &options, pixels);
        match self.strategy {
            Strategy::Adaptive { absolute, .. } => cloud.observe(&made, &gradients, *absolute),
            Strategy::Relocation { opacity_weight, scale_weight, .. } => {
                loss += regularise(&cloud.gaussians, &mut gradients.gaussians, *opacity_weight, *scale_weight);
            }
        }
        if !loss.is_finite() {
            return Err(Error::numerical(
                format!("the loss is {loss} at step {}", cloud.step),
                "lower the rates; check the cameras",
            ));
        }
        cloud.descend(&gradients.gaussians, &self.rates(cloud.step));
        *mean = if mean.is_nan() { loss } else { 0.98 * *mean + 0.02 * loss };
        Ok(Progress { objective: *mean, converged: false })
    }
}

/// Adds the weighted mean opacity and mean scale, and their derivatives.
fn regularise(g: &Gaussians<f32>, gradient: &mut Gaussians<f32>, opacity_weight: f64, scale_weight: f64) -> f64 {
    let n = g.len() as f64;
    let mut sums = [0.0; 2];
    for (a, d) in g.opacity.iter().zip(&mut gradient.opacity) {
        let o = sigmoid(f64::from(*a));
        sums[0] += o;
        *d += (opacity_weight / n * o * (1.0 - o)) as f32;
    }
    for (l, d) in g.log_scale.iter().zip(&mut gradient.log_scale) {
        let scale = f64::from(*l).exp();
        sums[1] += scale;
        *d += (scale_weight / (3.0 * n) * scale) as f32;
    }
    opacity_weight * sums[0] / n + scale_weight * sums[1] / (3.0 * n)
}

/// What happens to the number and the places of Gaussians between two steps of descent.
struct Density<'a> {
    settings: &'a Settings,
    strategy: &'a Strategy,
}

impl Step<Cloud> for Density<'_> {
    type State = ();

    fn init(&self, _: &mut Cloud, _: &mut Run) -> Result<()> {
        Ok(())
    }

    fn step(&self, cloud: &mut Cloud, (): &mut (), run: &mut Run) -> Result<Progress> {
        let steps = self.settings.steps;
        let at = cloud.step;
        let changes = at.is_multiple_of(self.settings.refine_every) && self.strategy.period(steps).contains(&at);
        match *self.strategy {
            Strategy::Adaptive { threshold, cap, .. } => {
                // The reference resets opacities ten times in as many steps as it has.
                let reset = (steps / 10).max(1);
                if changes {
                    let control = Control { threshold, dense: 0.01, faint: 0.005, large: 0.1, extent: 1.0, cap };
                    densify(cloud, &control, at > reset, &mut run.rng);
                }
                if at > 0 && at.is_multiple_of(reset) && at <= *self.strategy.period(steps).end() {
                    reset_opacities(cloud);
                }
            }
            Strategy::Relocation { cap, noise, .. } => {
                if changes {
                    relocate::relocate(cloud, &mut run.rng)?;
                    relocate::grow(cloud, cap, &mut run.rng)?;
                }
                if at > 0 {
                    let rate = mean_rate(self.settings, at as f64 / steps as f64);
                    relocate::shake(cloud, noise * rate, &mut run.rng);
                }
            }
        }
        Ok(Progress { objective: f64::NAN, converged: false })
    }
}

/// Mean quality of these pictures.
pub fn judged(
    g: &Gaussians<f32>,
    scene: &Scene,
    cameras: &[Camera<f32>],
    views: &[usize],
    options: &Options<f32>,
) -> Quality {
    let mut total = Quality { pictures: views.len(), psnr: 0.0, psnr_8bit: 0.0, ssim: 0.0 };
    let n = views.len() as f64;
    for view in views {
        let made = render(g, &cameras[*view], options);
        let truth = scene.picture(*view);
        total.psnr += psnr(&made.colour, &truth) / n;
        total.psnr_8bit += psnr_of_bytes(&made.colour, &truth) / n;
        total.ssim += ssim(&made.colour, &truth, [made.width, made.height]) / n;
    }
    total
}

/// Pixels `[3, H, W]` as bytes.
pub fn to_bytes(pixels: &[f32]) -> Vec<u8> {
    pixels.iter().map(|v| (255.0 * v.clamp(0.0, 1.0)).round() as u8).collect()
}

/// A row for each of some pictures: the truth, the rendering, and four times the error.
fn side_by_side(
    g: &Gaussians<f32>,
    scene: &Scene,
    cameras: &[Camera<f32>],
    views: &[usize],
    whose: &str,
    options: &Options<f32>,
) -> Figure {
    const ROWS: usize = 4;
    let count = views.len().min(ROWS);
    let mut pictures = vec![];
    for k in 0..count {
        let view = views[k * views.len() / count];
        let made = render(g, &cameras[view], options);
        let truth = scene.picture(view);
        let error: Vec<f32> = made.colour.iter().zip(&truth).map(|(x, y)| 4.0 * (x - y).abs()).collect();
        [truth, made.colour, error].iter().for_each(|p| pictures.extend(to_bytes(p)));
    }
    Figure {
        name: "views".into(),
        caption: format!(
            "Pictures that were {whose}: the photograph, what the model shows there, and four times the difference."
        ),
        marks: vec![picture_grid(&pictures, [3, scene.height, scene.width], 3)],
        ..Figure::default()
    }
}
