//! Many series of one kernel, and the state between steps.

use crate::dense;
use crate::problems::{assert_near, series};
use elbo_core::{Event, Run};
use elbo_markov::bridge::Bridge;
use elbo_markov::{Kernel, MarkovGp, Series, StateSpace, batch, learn, reference};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[test]
fn a_batch_is_its_series_one_by_one() {
    let kernel: Kernel = "matern52(lengthscale=0.9) + constant(variance=0.4)".parse().unwrap();
    let gp = MarkovGp { kernel: kernel.clone(), noise: 0.1, origin: 0.0 };
    let lengths = [30, 12, 1];
    let (mut times, mut y, mut sum) = (vec![], vec![], 0.0);
    for (b, length) in lengths.into_iter().enumerate() {
        let (t, v) = if length == 1 { (vec![2.0], vec![0.3]) } else { series(length, b as u64) };
        sum += dense::posterior(&kernel, 0.0, (&t, &v, &vec![0.1; length]), &[1.0]).0;
        times.extend(t);
        y.extend(v);
        // What lies beyond a length is not read.
        times.resize((b + 1) * 30, f64::NAN);
        y.resize((b + 1) * 30, f64::INFINITY);
    }
    let all = batch::padded(&times, &y, &lengths).unwrap();
    assert_near("log likelihood", &[batch::log_marginal(&gp, &all).unwrap()], &[sum], 1e-9);
    let (value, gradient) = batch::gradient(&gp, &all).unwrap();
    assert_near("value", &[value], &[sum], 1e-9);
    let mut expected = vec![0.0; gradient.len()];
    for s in &all {
        expected.iter_mut().zip(gp.gradient(s).unwrap().1).for_each(|(e, g)| *e += g);
    }
    assert_near("gradient", &gradient, &expected, 1e-12);
    let curves = batch::predict(&gp, &all, &[vec![0.5, 9.0], vec![], vec![2.0]]).unwrap();
    assert_eq!(curves[0], gp.predict(&all[0], &[0.5, 9.0]).unwrap());
    assert!(curves[1].mean.is_empty() && curves[2].mean.len() == 1);
    let error = batch::padded(&times, &y, &[30, 31, 1]).unwrap_err().to_string();
    assert!(error.contains("series 2"), "{error}");
    let error = batch::padded(&times, &y, &[30, 13, 1]).unwrap_err().to_string();
    assert!(error.contains("series 2") && error.contains("row 13"), "{error}");
}

#[test]
fn a_kernel_is_learned_from_all_series_together() {
    // Forty short pieces of one process: none says much alone.
    let truth: Kernel = "matern12(lengthscale=3)".parse().unwrap();
    let mut rng = elbo_core::Rng::new(4);
    let grid = elbo_markov::Grid::regular(0.0, 1.0, 20);
    let chain = StateSpace::new(&truth, 0.0).unwrap().chain(&grid);
    let all: Vec<Series> = (0..40)
        .map(|_| {
            let f = elbo_markov::sample::outputs(&chain, &elbo_markov::sample::prior(&chain, &mut rng));
            let y: Vec<f64> = f.iter().map(|f| f + 0.3 * rng.normal()).collect();
            Series::new(grid.times(), &y).unwrap()
        })
        .collect();
    let mut gp = MarkovGp { kernel: "matern12(lengthscale=1)".parse().unwrap(), noise: 0.5, origin: 0.0 };
    learn::fit(&mut gp, &all, 1, 60, &mut Run::new(0)).unwrap();
    let found = gp.kernel.parameters()[1].value;
    // The information of 800 steps is that of about 100 independent ones: a standard error of 20 %.
    assert!((found / 3.0).ln().abs() < 0.6, "{found}");
    assert!((gp.noise / 0.09).ln().abs() < 0.6, "{}", gp.noise);
}

#[test]
fn a_fit_that_was_stopped_between_its_starts_says_so() {
    let times: Vec<f64> = (0..30).map(f64::from).collect();
    let series = Series::new(&times, &times.iter().map(|t| (0.4 * t).sin()).collect::<Vec<_>>()).unwrap();
    let flag = Arc::new(AtomicBool::new(false));
    let raised = flag.clone();
    let mut run = Run::new(0).with_cancel(flag).with_watcher(move |event| {
        if matches!(event, Event::Done) {
            raised.store(true, Ordering::Relaxed);
        }
    });
    let mut gp = MarkovGp { kernel: "matern32(lengthscale=2)".parse().unwrap(), noise: 0.1, origin: 0.0 };
    let found = learn::fit(&mut gp, &[series], 4, 30, &mut run).unwrap();
    assert!(run.stopped_early() && found.ends.len() == 1);
    assert!(run.warnings().iter().any(|text| text.contains("1 of 4 starts")), "{:?}", run.warnings());
}

#[test]
fn a_bridge_is_a_step_without_a_value() {
    for text in ["matern52(lengthscale=0.9)", "matern32(lengthscale=2) * cosine(period=1.5) + matern12"] {
        let kernel: Kernel = text.parse().unwrap();
        let space = StateSpace::new(&kernel, 0.0).unwrap();
        let whole = space.chain(&elbo_markov::Grid::new(&[0.0, 0.4, 0.7, 1.9]).unwrap());
        let without = space.chain(&elbo_markov::Grid::new(&[0.0, 0.4, 1.9]).unwrap());
        let n = whole.size;
        let slow = reference::smooth(&whole, &[0.5, -0.2, f64::NAN, 1.0], &[0.1]).unwrap();
        let ends = reference::smooth(&without, &[0.5, -0.2, 1.0], &[0.1]).unwrap();
        let dense = |k: usize| {
            let (a, q) = whole.transition(k);
            (whole.dense(a), whole.dense(q))
        };
        let ((a1, q1), (a2, q2)) = (dense(2), dense(3));
        let bridge = Bridge::new((&a1, &q1), (&a2, &q2), n).unwrap();
        let (mean, covariance) = bridge
            .moments((&ends.mean[1], &ends.mean[2]), (&ends.covariance[1], &ends.lag_one[1], &ends.covariance[2]));
        assert_near(text, &mean, &slow.mean[2], 1e-9);
        assert_near(text, &covariance, &slow.covariance[2], 1e-9);
    }
}
