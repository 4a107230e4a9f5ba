//! From photographs to Gaussians: settings, start, descent, judgement.

mod descent;
mod drawer;
mod settings;
mod start;

#[cfg(feature = "cuda")]
pub use settings::Device;
pub use settings::{Background, Settings, Start, Strategy};

use crate::camera::Camera;
use crate::gaussians::Gaussians;
use crate::loss::psnr;
use crate::optimise::Cloud;
use crate::project::Options;
use crate::quality::{Judge, Quality};
use crate::refinement::{Counts, Refinement};
use crate::render::render;
use crate::scene::{Orbit, Scene};
use descent::{Density, Descent};
use drawer::Drawer;
use elbo_core::{Error, Figure, Result, Run, Step, Stop, drive, picture_grid};
use elbo_nn::perceptual::{Lpips, Percep};
use start::first;
use std::path::Path;

/// A fitted scene, in the user's coordinates, and how good it is.
#[derive(Debug, Clone)]
pub struct Fitted {
    /// The Gaussians.
    pub gaussians: Gaussians<f32>,
    /// How the cameras stood.
    pub orbit: Orbit,
    /// The scene's extent in the user's unit; settings are shares of it.
    pub extent: f64,
    /// What was done to the number of Gaussians, in all.
    pub counts: Counts,
    /// What each refinement did to it.
    pub refinements: Vec<Refinement>,
    /// Decibels and similarity on the pictures that were fitted.
    pub training: Quality,
    /// The same on pictures kept back.
    pub held: Option<Quality>,
    /// Decibels on pictures kept back of the mean colour of those that were fitted: what a fit has to beat.
    pub plain: Option<f64>,
    /// The loss at the end, averaged over some steps.
    pub loss: f64,
}

/// Fits Gaussians to a scene.
///
/// # Errors
/// [`Error::Data`] for a scene that cannot be used so and for a GPU that fails, [`Error::Numerical`] when the loss is not a number or all Gaussians
/// become transparent; those of [`Lpips::read`] for the weights of LPIPS.
pub fn fit(settings: &Settings, strategy: &Strategy, scene: Scene, run: &mut Run) -> Result<Fitted> {
    let drawer = Drawer::of(settings, run)?;
    let mut scene = scene.reduced(settings.size);
    let least = Percep::shipped().least();
    if scene.width.min(scene.height) < least {
        return Err(Error::data(
            format!("pictures of {} x {} pixels are too small to be judged", scene.width, scene.height),
            format!("raise `size`, so that no side is below {least} pixels"),
        ));
    }
    std::mem::take(&mut scene.notes).iter().for_each(|note| run.note(note));
    let extent = scene.extent();
    let orbit = Orbit::of(&scene.cameras);
    // In the unit of the extent with the target in the middle: noise and rates are not free of scale.
    let shift = orbit.target.map(|v| -v / extent);
    scene.transform(1.0 / extent, shift);
    let (training, held) = divided(&scene, settings.test_every, run)?;
    let lpips = lpips(settings, &scene, &held, run)?;
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
    let descent =
        Descent { settings, strategy, scene: &scene, cameras: &cameras, training: &training, drawer: &drawer };
    let density = Density { settings, strategy };
    let stop = Stop::after(settings.steps, "Gaussians", "loss");
    let outcome = drive(&density.then(descent), &mut cloud, &stop, run)?;

    let options = settings.options();
    let judge =
        |views: &[usize], lpips: Option<&Lpips>| judged(&cloud.gaussians, &scene, &cameras, views, &options, lpips);
    let training_quality = judge(&training, None)?;
    let held_quality = if held.is_empty() { None } else { Some(judge(&held, lpips.as_ref())?) };
    let plain = (!held.is_empty()).then(|| plain(&scene, &training, &held));
    let (shown, whose) = if held.is_empty() { (&training, "fitted") } else { (&held, "kept back") };
    run.figure(side_by_side(&cloud.gaussians, &scene, &cameras, shown, whose, &options)?);
    let Cloud { mut gaussians, counts, refinements, .. } = cloud;
    gaussians.transform(extent, orbit.target);
    Ok(Fitted {
        gaussians,
        orbit,
        extent,
        counts,
        refinements,
        training: training_quality,
        held: held_quality,
        plain,
        loss: outcome.objective,
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

/// LPIPS, where its weights are given and there are pictures to judge: read before the work, so that none is lost.
fn lpips(settings: &Settings, scene: &Scene, held: &[usize], run: &mut Run) -> Result<Option<Lpips>> {
    if held.is_empty() {
        run.warn_idle(settings, &["lpips"], "where no picture is kept back");
        return Ok(None);
    }
    let Some(path) = &settings.lpips else { return Ok(None) };
    let network = Lpips::read(Path::new(path))?;
    if scene.width.min(scene.height) < network.least() {
        return Err(Error::data(
            format!(
                "pictures of {} x {} pixels cannot be compared by LPIPS ({})",
                scene.width,
                scene.height,
                network.name()
            ),
            format!("raise `size`, so that no side is below {} pixels, or leave `lpips` out", network.least()),
        ));
    }
    Ok(Some(network))
}

/// Mean quality of these pictures, by LPIPS too where there is one.
///
/// # Errors
/// As [`render`] and [`Judge::see`].
pub fn judged(
    g: &Gaussians<f32>,
    scene: &Scene,
    cameras: &[Camera<f32>],
    views: &[usize],
    options: &Options<f32>,
    lpips: Option<&Lpips>,
) -> Result<Quality> {
    let mut judge = Judge::new(lpips);
    for view in views {
        let made = render(g, &cameras[*view], options)?;
        judge.see(&made.colour, &scene.picture(*view), [made.width, made.height])?;
    }
    Ok(judge.quality())
}

/// Mean decibels of the pictures `held` against one colour, the mean of the pictures `training`.
fn plain(scene: &Scene, training: &[usize], held: &[usize]) -> f64 {
    let area = scene.width * scene.height;
    let mut colour = [0.0; 3];
    for view in training {
        for (mean, plane) in colour.iter_mut().zip(scene.picture(*view).chunks_exact(area)) {
            let sum: f64 = plane.iter().map(|v| f64::from(*v)).sum();
            *mean += sum / (area * training.len()) as f64;
        }
    }
    let picture: Vec<f32> = colour.iter().flat_map(|c| std::iter::repeat_n(*c as f32, area)).collect();
    held.iter().map(|view| psnr(&picture, &scene.picture(*view))).sum::<f64>() / held.len() as f64
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
) -> Result<Figure> {
    const ROWS: usize = 4;
    let count = views.len().min(ROWS);
    let mut pictures = vec![];
    for k in 0..count {
        let view = views[k * views.len() / count];
        let made = render(g, &cameras[view], options)?;
        let truth = scene.picture(view);
        let error: Vec<f32> = made.colour.iter().zip(&truth).map(|(x, y)| 4.0 * (x - y).abs()).collect();
        [truth, made.colour, error].iter().for_each(|p| pictures.extend(to_bytes(p)));
    }
    Ok(Figure {
        name: "views".into(),
        caption: format!(
            "Pictures that were {whose}: the photograph, what the model shows there, and four times the difference."
        ),
        marks: vec![picture_grid(&pictures, [3, scene.height, scene.width], 3)],
        ..Figure::default()
    })
}
