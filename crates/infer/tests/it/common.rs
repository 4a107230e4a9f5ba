//! Finite differences and small helpers.

use elbo_core::run::Checkpoints;
use elbo_core::{Event, ModelFile, Run};
use elbo_infer::LogDensity;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Cancels a run with seed 6 at its `at`-th step and runs the work again from the checkpoint, with another seed. Returns the run that was stopped, what
/// it gave, and what the resumed one gave.
pub fn interrupted<T>(at: usize, mut work: impl FnMut(&mut Run) -> T) -> (Run, T, T) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoint");
    let checkpoints = Checkpoints { path: path.clone(), every: Duration::ZERO, header: ModelFile::new("test") };
    let flag = Arc::new(AtomicBool::new(false));
    let raised = flag.clone();
    let mut run = Run::new(6).with_checkpoints(checkpoints).with_cancel(flag).with_watcher(move |event| {
        if matches!(event, Event::Step { step, .. } if step == at) {
            raised.store(true, Ordering::Relaxed);
        }
    });
    let stopped = work(&mut run);
    let resumed = work(&mut Run::new(99).resuming(ModelFile::read(&path).unwrap()));
    (run, stopped, resumed)
}

/// The same work with seed 6 by one thread and by three.
pub fn by_threads<T: Send>(work: impl Fn(&mut Run) -> T + Sync) -> [T; 2] {
    [1, 3].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| work(&mut Run::new(6)))
    })
}

/// Central differences of a function of a vector.
pub fn numeric_gradient(f: impl Fn(&[f64]) -> f64, at: &[f64]) -> Vec<f64> {
    let step = |i: usize| {
        let h = 1e-5 * at[i].abs().max(1.0);
        let shifted = |delta: f64| {
            let mut p = at.to_vec();
            p[i] += delta;
            f(&p)
        };
        (shifted(h) - shifted(-h)) / (2.0 * h)
    };
    (0..at.len()).map(step).collect()
}

/// Every entry agrees, relative to its size above one.
pub fn assert_close(found: &[f64], expected: &[f64], tolerance: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}: lengths");
    for (i, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{what}, entry {i}: {a} and {b}");
    }
}

/// Gradient, tensor form and Hessian of a target agree with finite differences of its value.
pub fn assert_derivatives(target: &dyn LogDensity, at: &[f64], what: &str) {
    let d = target.dim();
    assert_eq!(at.len(), d, "{what}: a point of the target's dimension");
    let value = |z: &[f64]| target.value_and_gradient(z, &mut vec![0.0; d]);
    let gradient = |z: &[f64]| {
        let mut g = vec![0.0; d];
        target.value_and_gradient(z, &mut g);
        g
    };
    // Central differences of step 1e-5 are good to about 1e-8 of the curvature.
    assert_close(&gradient(at), &numeric_gradient(value, at), 1e-6, &format!("{what}: gradient"));
    let twice: Vec<f64> = at.iter().chain(at).copied().collect();
    let points = elbo_tensor::Tensor::from_vec(twice, &[2, d]).variable();
    let values = target.log_prob(&points);
    assert_close(&values.to_vec(), &[value(at), value(at)], 1e-12, &format!("{what}: tensor form"));
    let slope = elbo_tensor::grad(&values.sum(), &[&points])[0].to_vec();
    assert_close(&slope[d..], &gradient(at), 1e-11, &format!("{what}: gradient of the tensor form"));
    if let Some(hessian) = target.hessian(at) {
        let numeric: Vec<f64> = (0..d).flat_map(|i| numeric_gradient(|z| gradient(z)[i], at)).collect();
        assert_close(&hessian, &numeric, 1e-6, &format!("{what}: Hessian"));
    }
}
