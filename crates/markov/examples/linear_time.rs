//! Times filter, smoother and gradient of a Matérn-3/2 process: the fastest of many calls, at 10,000 times and then up to a million, each row twice as many as the
//! one above, or, with `--peer`, lines of JSON as the scripts in `benches/peers` print them. `elbo-dev peers linear` puts the table into docs/benchmarks.md.
//!
//!     cargo run --release -p elbo-markov --example linear_time
//!     cargo run --release -p elbo-markov --example linear_time -- --peer

use elbo_core::Rng;
use elbo_markov::{Evidence, Grid, Kernel, MarkovGp, Series, StateSpace, Wants, run};
use std::hint::black_box;
use std::time::Instant;

/// Median and fastest of repeated timings, in milliseconds, and their number.
fn timed(mut call: impl FnMut(), least: usize, seconds: f64) -> (f64, f64, usize) {
    call();
    let (mut times, start) = (vec![], Instant::now());
    while times.len() < least || start.elapsed().as_secs_f64() < seconds {
        let before = Instant::now();
        call();
        times.push(1e3 * before.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    (times[times.len() / 2], times[0], times.len())
}

/// Rounds in which every length has its turn.
const ROUNDS: usize = 8;

/// The series that both sides see: no random numbers, so that no file needs to travel.
fn series(steps: usize, irregular: bool) -> (Vec<f64>, Vec<f64>) {
    let times = (0..steps).map(|k| k as f64 + if irregular { 0.3 * (1.7 * k as f64).sin() } else { 0.0 });
    let times: Vec<f64> = times.collect();
    let y = times.iter().map(|t| (0.05 * t).sin() + 0.5 * (0.9 * t).cos()).collect();
    (times, y)
}

fn main() {
    if std::env::args().any(|a| a == "--peer") {
        peer();
        return;
    }
    println!("| times | filter ms | smoother ms | gradient ms |\n|---:|---:|---:|---:|");
    let kernel = Kernel::matern(1, 1.0, 20.0);
    let space = StateSpace::new(&kernel, 0.0).expect("a valid kernel");
    let mut rng = Rng::new(1);
    let lengths = [10_000, 15_625, 31_250, 62_500, 125_000, 250_000, 500_000, 1_000_000];
    let series =
        lengths.map(|steps| (space.chain(&Grid::regular(0.0, 1.0, steps)), rng.normals(steps), vec![0.1; steps]));
    let wants = [Wants::Evidence, Wants::Smoothed, Wants::Gradient];
    let mut fastest = lengths.map(|_| [f64::INFINITY; 3]);
    // Lengths take turns, so that a change of the machine's pace meets all of them; shorter ones are repeated as often as fits the longest.
    for _ in 0..ROUNDS {
        for (((chain, y, noise), best), steps) in series.iter().zip(&mut fastest).zip(lengths) {
            let evidence = Evidence::Observations { y, noise };
            for (best, wants) in best.iter_mut().zip(wants) {
                for _ in 0..lengths[lengths.len() - 1] / steps {
                    let before = Instant::now();
                    drop(black_box(run(chain, evidence, wants, None)));
                    *best = best.min(1e3 * before.elapsed().as_secs_f64());
                }
            }
        }
    }
    for (steps, [filter, smoother, gradient]) in lengths.iter().zip(fastest) {
        println!("| {steps} | {filter:.3} | {smoother:.3} | {gradient:.3} |");
    }
}

/// Log likelihood, its gradient by the logarithms of variance, lengthscale and noise, and the smoothed moments, at T = 10,000.
fn peer() {
    for irregular in [false, true] {
        let (times, y) = series(10_000, irregular);
        let data = Series::new(&times, &y).expect("times increase");
        let gp = MarkovGp { kernel: Kernel::matern(1, 1.0, 20.0), noise: 0.1, origin: 0.0 };
        let call = || gp.smoothed_gradient(&data).expect("the likelihood exists");
        let (median_ms, min_ms, repeats) = timed(|| drop(black_box(call())), 20, 2.0);
        let (value, gradient, curve) = call();
        let size = if irregular { "10000 irregular" } else { "10000 regular" };
        println!(
            r#"{{"engine": "elbo", "version": "{}", "work": "markov", "size": "{size}", "threads": {}, "median_ms": {median_ms:.4}, "min_ms": {min_ms:.4}, "repeats": {repeats}, "value": {value}, "gradient": {gradient:?}, "smoothed": {:?}}}"#,
            env!("CARGO_PKG_VERSION"),
            rayon::current_num_threads(),
            [curve.mean[5000], curve.variance[5000]],
        );
    }
}
