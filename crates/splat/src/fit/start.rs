//! The Gaussians before the first step.

use super::{Settings, Start, Strategy};
use crate::gaussians::{Gaussians, coefficients, logit};
use crate::scene::Scene;
use crate::sh::from_colour;
use elbo_core::{Error, Result, Run};
use rayon::prelude::*;

/// Gaussians at the scene's points or at random, as many as the cap allows. `distance` is that of the cameras from what they look at.
pub(super) fn first(
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
                (p[axis] - sorted[i][axis]).powi(2) < best[2]
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
