//! Where the time of a picture's way goes.

use std::time::Instant;

/// Seconds of the stages of a picture's way into a file, or back.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Stages {
    /// Pixels to latents and second latents, or latents to pixels.
    pub transform: f64,
    /// What second latents say of the latents. With a context this holds the rounding too, and when a file is read the coder of the latents.
    pub prediction: f64,
    /// The entropy coder.
    pub coder: f64,
}

/// Does the work and adds its seconds to a stage.
pub(super) fn timed<T>(stage: &mut f64, work: impl FnOnce() -> T) -> T {
    let started = Instant::now();
    let done = work();
    *stage += started.elapsed().as_secs_f64();
    done
}
