//! Killed without notice, again and again: a fit goes on from the last state it kept, and ends with the same model.

use crate::folder::{Folder, table};
use elbo_core::Rng;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// Fits, and how often each is killed. Every step depends on the model, on the optimiser's memory and on the random numbers drawn so far:
/// minibatches of a sparse process, of a network and of a denoiser, and Gaussians that move, die and are born.
const FITS: [(&str, usize); 4] = [
    ("svgp t.csv --target y --set inducing=10 --set steps=600", 14),
    ("vbll t.csv --target y --set hidden=[16] --set steps=300 --set draws=20", 12),
    ("ddpm t.csv --set hidden=[16] --set iterations=300 --set steps=10 --set measured=0", 12),
    ("gs-mcmc scene --set cap=110 --set points=100 --set steps=40 --set test_every=4", 12),
];
const RESUME: &str = "fit --resume part.elbo.checkpoint";
const CHECKPOINT: &str = "part.elbo.checkpoint";

/// Waits until `is_time`, or until the program ends. Whoever looks meanwhile sees no model or the whole one.
fn watch(folder: &Folder, child: &mut Child, whole: &[u8], mut is_time: impl FnMut() -> bool) {
    while !is_time() && child.try_wait().unwrap().is_none() {
        let model = std::fs::read(folder.path("part.elbo")).ok();
        assert!(model.is_none_or(|found| found == whole), "a part of a model stands at its place");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn killed_at_fifty_random_moments_and_resumed_fits_end_with_the_same_bytes() {
    assert_eq!(FITS.iter().map(|(_, kills)| kills).sum::<usize>(), 50);
    let folder = crate::render::folder();
    folder.write("t.csv", table(200).as_bytes());
    let mut rng = Rng::new(17);
    for (words, kills) in FITS {
        is_killed(&folder, &format!("fit {words} --seed 3 --out part.elbo"), kills, &mut rng);
    }
}

/// Kills the fit so many times, resumes it until it ends, and compares its model with that of the fit that nobody disturbed.
fn is_killed(folder: &Folder, fit: &str, wanted: usize, rng: &mut Rng) {
    let clock = Instant::now();
    folder.elbo(fit).ok();
    let took = clock.elapsed();
    let whole = folder.read("part.elbo");
    std::fs::remove_file(folder.path("part.elbo")).unwrap();

    let (mut kills, mut is_finished) = (0, false);
    while kills < wanted || !is_finished {
        let before = std::fs::read(folder.path(CHECKPOINT)).ok();
        let words = if before.is_some() { RESUME } else { fit };
        let words = format!("{words} --checkpoint-every 5ms");
        let mut child = folder.command(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let started = Instant::now();
        let moment = if kills >= wanted {
            Duration::from_secs(300)
        } else if rng.below(2) == 0 {
            // Any moment of the fit, also before there is a state to go on from.
            took.min(Duration::from_secs(1)).mul_f64(rng.uniform())
        } else {
            // So that the fit gets on: soon after it has kept a state of its own, perhaps while it writes the next one.
            watch(folder, &mut child, &whole, || {
                assert!(started.elapsed() < Duration::from_secs(300), "no checkpoint in five minutes: {fit}");
                std::fs::read(folder.path(CHECKPOINT)).ok() != before
            });
            started.elapsed() + Duration::from_secs_f64(0.06 * rng.uniform())
        };
        watch(folder, &mut child, &whole, || started.elapsed() >= moment);
        child.kill().unwrap();
        let status = child.wait().unwrap();
        kills += usize::from(status.code().is_none());
        assert!(status.success() || status.code().is_none(), "`{words}` failed by itself: {status}");

        let names = folder.names();
        let known = ["t.csv", "scene", "part.elbo", CHECKPOINT];
        // A kill may leave a file under a temporary, hidden name, which nothing ever reads.
        assert!(names.iter().all(|n| known.contains(&n.as_str()) || n.starts_with('.')), "{names:?}");
        if names.contains("part.elbo") {
            assert!(folder.read("part.elbo") == whole, "{kills} kills led to another model: {fit}");
        }
        is_finished = names.contains("part.elbo") && !names.contains(CHECKPOINT);
        if is_finished {
            // Another fit from the start, for the kills that are left.
            std::fs::remove_file(folder.path("part.elbo")).unwrap();
        }
        assert!(!status.success() || !names.contains(CHECKPOINT), "the checkpoint of a finished fit is removed");
    }
}
