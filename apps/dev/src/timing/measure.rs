//! Repeats a piece of work and times it, as `benches/peers/common.py` does.

use crate::error::Result;
use crate::peers::rows::median;
use std::time::Instant;

/// What the repeats of a work took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Timing {
    /// Median, in milliseconds.
    pub median_ms: f64,
    /// Fastest, in milliseconds.
    pub min_ms: f64,
    /// How often it ran.
    pub repeats: usize,
    /// Cores that other processes kept busy meanwhile; absent where the system does not tell.
    pub foreign_cores: Option<f64>,
}

/// Runs `call` twice to warm up, then again and again for `seconds`, at least `least` times.
///
/// # Errors
/// Those of `call`.
pub fn measure(seconds: f64, least: usize, mut call: impl FnMut() -> Result<()>) -> Result<Timing> {
    for _ in 0..2 {
        call()?;
    }
    let mut times = Vec::new();
    let (load, start) = (Load::now(), Instant::now());
    while times.len() < least || start.elapsed().as_secs_f64() < seconds {
        let before = Instant::now();
        call()?;
        times.push(1e3 * before.elapsed().as_secs_f64());
    }
    Ok(Timing {
        median_ms: median(&times),
        min_ms: times.iter().copied().fold(f64::INFINITY, f64::min),
        repeats: times.len(),
        foreign_cores: Load::foreign_cores(load, start),
    })
}

/// What `work` returns, and the cores that other processes kept busy meanwhile. Children that have ended are no other processes.
///
/// # Errors
/// Those of `work`.
pub fn watched<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, Option<f64>)> {
    let (load, start) = (Load::now(), Instant::now());
    let done = work()?;
    Ok((done, Load::foreign_cores(load, start)))
}

/// Busy seconds of the whole machine since it started, and of this process with its children that have ended.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    machine: f64,
    own: f64,
}

/// Units of `/proc`: fixed at 100 a second for user programs on Linux.
const TICKS: f64 = 100.0;

impl Load {
    /// From `/proc`, where there is one.
    pub fn now() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/stat").ok()?;
        let fields: Vec<f64> =
            stat.lines().next()?.split_whitespace().skip(1).take(8).filter_map(|f| f.parse().ok()).collect();
        let own = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The program's name is in brackets and may hold spaces; user and system time are the 12th and 13th field after it, and those of children the
        // next two.
        let after: Vec<f64> =
            own.rsplit_once(')')?.1.split_whitespace().skip(11).take(4).filter_map(|f| f.parse().ok()).collect();
        let [.., idle, wait, _, _, _] = fields[..] else { return None };
        Some(Self {
            machine: (fields.iter().sum::<f64>() - idle - wait) / TICKS,
            own: after.iter().sum::<f64>() / TICKS,
        })
    }

    /// Cores that other processes kept busy since `start`, when the load was `before`.
    pub fn foreign_cores(before: Option<Self>, start: Instant) -> Option<f64> {
        let (before, now) = (before?, Self::now()?);
        let foreign = (now.machine - before.machine) - (now.own - before.own);
        Some((foreign.max(0.0) / start.elapsed().as_secs_f64().max(1e-9) * 100.0).round() / 100.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_repeated_and_the_fastest_is_no_slower_than_the_median() {
        let mut calls = 0;
        let timing = measure(0.0, 7, || {
            calls += 1;
            Ok(())
        });
        let timing = timing.unwrap();
        assert_eq!((timing.repeats, calls), (7, 9));
        assert!(timing.min_ms <= timing.median_ms && timing.median_ms.is_finite());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_child_that_has_ended_counts_as_own() {
        let before = Load::now().unwrap();
        // Enough arithmetic for several ticks.
        let loop_ = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        std::process::Command::new("sh").args(["-c", loop_]).status().unwrap();
        assert!(Load::now().unwrap().own >= before.own + 2.0 / TICKS);
        let (done, foreign) = watched(|| Ok(3)).unwrap();
        assert!(done == 3 && foreign.is_some_and(|cores| cores >= 0.0));
    }
}
