//! What refinements do to the number of Gaussians, written down; and the unit that they go by.

use elbo_core::run::Checkpoints;
use elbo_core::{Event, ModelFile, Run};
use elbo_splat::fit::{Fitted, Settings, Strategy, fit};
use elbo_splat::make::{Arrangement, Recipe, make};
use elbo_splat::refinement::Counts;
use elbo_splat::scene::Scene;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const CAP: usize = 260;
/// With a threshold so low every Gaussian that is seen is doubled, as far as the cap allows.
const CONTROL: Strategy = Strategy::Adaptive { threshold: 1e-9, absolute: false, cap: CAP };
const CHAIN: Strategy = Strategy::Relocation { cap: CAP, noise: 5e5, opacity_weight: 0.01, scale_weight: 0.01 };

fn scene() -> Scene {
    make(&Recipe { views: 8, size: 24, bodies: 2, points: 200, rays: 1, ..Recipe::default() }, 4).scene
}

fn fitted(strategy: &Strategy, run: &mut Run) -> Fitted {
    let settings = Settings { steps: 60, refine_every: 10, degree: 1, ..Settings::default() };
    fit(&settings, strategy, scene(), run).unwrap()
}

/// Every refinement begins where the last one ended, and adds up; all of them are the counts of the fit.
fn assert_adds_up(fitted: &Fitted) {
    let mut before = scene().points.len();
    let mut total = Counts::default();
    for r in &fitted.refinements {
        let Counts { relocated, added, cloned, split, pruned } = r.counts;
        assert_eq!(r.before, before, "{r:?}");
        assert_eq!(r.after + pruned, r.before + added + cloned + split, "{r:?}");
        assert!(r.after <= CAP && relocated <= r.before, "{r:?}");
        total.relocated += relocated;
        total.added += added;
        total.cloned += cloned;
        total.split += split;
        total.pruned += pruned;
        before = r.after;
    }
    assert_eq!((before, total), (fitted.gaussians.len(), fitted.counts));
}

/// The same fit, stopped after 33 of its 60 steps and taken up again.
fn interrupted(strategy: &Strategy) -> Fitted {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let flag = Arc::new(AtomicBool::new(false));
    let raised = flag.clone();
    let every = std::time::Duration::from_secs(3600);
    let checkpoints = Checkpoints { path: path.clone(), every, header: ModelFile::new("test") };
    let mut run = Run::new(5).with_cancel(flag).with_checkpoints(checkpoints).with_watcher(move |event| {
        if let Event::Step { step: 33, .. } = event {
            raised.store(true, Ordering::Relaxed);
        }
    });
    let first = fitted(strategy, &mut run);
    assert!(run.stopped_early() && first.refinements.len() == 3);
    fitted(strategy, &mut Run::new(5).resuming(ModelFile::read(&path).unwrap()))
}

#[test]
fn counts_of_adaptive_control_add_up_at_every_refinement_and_survive_an_interruption() {
    let whole = fitted(&CONTROL, &mut Run::new(5));
    assert_adds_up(&whole);
    let steps: Vec<usize> = whole.refinements.iter().map(|r| r.step).collect();
    assert_eq!(steps, [10, 20, 30]);
    assert!(whole.counts.cloned + whole.counts.split > 0 && whole.counts.relocated + whole.counts.added == 0);
    let resumed = interrupted(&CONTROL);
    assert_eq!((resumed.counts, &resumed.refinements), (whole.counts, &whole.refinements));
}

#[test]
fn relocation_keeps_the_number_and_growth_adds_a_twentieth_at_most() {
    let whole = fitted(&CHAIN, &mut Run::new(5));
    assert_adds_up(&whole);
    let steps: Vec<usize> = whole.refinements.iter().map(|r| r.step).collect();
    assert_eq!(steps, [10, 20, 30, 40, 50]);
    for r in &whole.refinements {
        assert_eq!(r.after - r.before, r.counts.added, "{r:?}");
        assert!(20 * r.counts.added <= r.before, "{r:?}");
        assert_eq!((r.counts.cloned, r.counts.split, r.counts.pruned), (0, 0, 0));
    }
    assert!(whole.counts.added > 0);
    let resumed = interrupted(&CHAIN);
    assert_eq!((resumed.counts, &resumed.refinements), (whole.counts, &whole.refinements));
}

#[test]
fn the_extent_of_a_ring_of_cameras_is_a_tenth_more_than_its_radius() {
    let mut scene = make(&Recipe { cameras: Arrangement::Ring, views: 12, size: 8, ..Recipe::default() }, 3).scene;
    // At a third of a hemisphere's height of radius four: the mean is the ring's centre.
    let radius = 4.0 * 8.0f64.sqrt() / 3.0;
    assert!((scene.extent() - 1.1 * radius).abs() < 1e-9, "{}", scene.extent());
    scene.transform(0.25, [100.0, -30.0, 7.0]);
    assert!((scene.extent() - 1.1 * 0.25 * radius).abs() < 1e-9, "a unit of length, wherever the scene lies");
    // The mean of two neighbours lies between them.
    scene.cameras.truncate(2);
    let half = 0.25 * radius * (std::f64::consts::PI / 12.0).sin();
    assert!((scene.extent() - 1.1 * half).abs() < 1e-9, "{}", scene.extent());
    scene.cameras.truncate(1);
    assert_eq!(scene.extent(), 1.0, "one camera has no extent");
}
