//! Every kernel: the filter and smoother equal dense Gaussian process regression.

use crate::dense;
use crate::problems::{assert_near, every_kernel, series};
use elbo_markov::{Evidence, MarkovGp, Series, Wants, reference, run};

#[test]
fn likelihoods_means_and_variances_are_those_of_the_dense_process() {
    for (name, kernel) in every_kernel() {
        for (rows, noise) in [(1, 0.1), (2, 0.3), (300, 0.05)] {
            let (times, mut y) = series(rows, 5);
            if rows < 10 {
                y = times.clone();
            }
            let data = Series::new(&times, &y).unwrap();
            let gp = MarkovGp { kernel: kernel.clone(), noise, origin: 0.0 };
            // Before, between, at and after the rows.
            let at = [0.05, times[0], 0.777, 3.21, 7.9, 8.0, 11.0, 40.0];
            let noises = vec![noise; rows];
            let (log, mean, covariance) = dense::posterior(&kernel, 0.0, (&times, &y, &noises), &at);
            let found = gp.predict(&data, &at).unwrap();
            let variance: Vec<f64> = (0..at.len()).map(|i| covariance[i * at.len() + i]).collect();
            let what = format!("{name}, {rows} rows");
            assert_near(&format!("{what}: log likelihood"), &[gp.log_marginal(&data).unwrap()], &[log], 1e-9);
            assert_near(&format!("{what}: mean"), &found.mean, &mean, 1e-9);
            assert_near(&format!("{what}: variance"), &found.variance, &variance, 1e-9);
        }
    }
}

#[test]
fn components_add_up_and_are_the_posteriors_of_their_parts() {
    let kernel: elbo_markov::Kernel =
        "linear(variance=0.3) + matern32(lengthscale=2) * periodic(period=1.1, harmonics=3) + matern12(lengthscale=0.3, variance=0.2)"
            .parse()
            .unwrap();
    let (times, y) = series(60, 8);
    let data = Series::new(&times, &y).unwrap();
    let gp = MarkovGp { kernel: kernel.clone(), noise: 0.1, origin: 0.0 };
    let at = [0.5, 2.0, 9.0];
    let whole = gp.predict(&data, &at).unwrap();
    let parts = gp.components(&data, &at).unwrap();
    assert_eq!(parts.len(), 3);
    for i in 0..at.len() {
        let sum: f64 = parts.iter().map(|p| p.mean[i]).sum();
        assert!((sum - whole.mean[i]).abs() < 1e-12);
    }
    // cov(f_c, y) K⁻¹ y, with K of the whole kernel.
    let seen: Vec<usize> = (0..60).filter(|i| !y[*i].is_nan()).collect();
    let t: Vec<f64> = seen.iter().map(|i| times[*i]).collect();
    let values: Vec<f64> = seen.iter().map(|i| y[*i]).collect();
    let n = t.len();
    let mut ky = dense::gram(&kernel, &t, &t, 0.0);
    (0..n).for_each(|i| ky[i * n + i] += 0.1);
    let chol = elbo_markov::small::cholesky(&ky, n).unwrap();
    let alpha = elbo_markov::small::cholesky_solve(&chol, &values, n, 1);
    for (part, component) in parts.iter().zip(kernel.components()) {
        let cross = dense::gram(component, &at, &t, 0.0);
        let solved = elbo_markov::small::cholesky_solve(&chol, &elbo_markov::small::transposed(&cross, 3, n), n, 3);
        for i in 0..3 {
            let mean: f64 = (0..n).map(|j| cross[i * n + j] * alpha[j]).sum();
            let explained: f64 = (0..n).map(|j| cross[i * n + j] * solved[j * 3 + i]).sum();
            let variance = component.covariance(at[i], at[i], 0.0) - explained;
            assert!((part.mean[i] - mean).abs() < 1e-9 && (part.variance[i] - variance).abs() < 1e-9);
        }
    }
}

#[test]
fn a_prediction_left_out_is_one_made_without_the_row() {
    let (times, y) = series(50, 3);
    let kernel: elbo_markov::Kernel = "matern52(lengthscale=0.9)".parse().unwrap();
    let data = Series::new(&times, &y).unwrap();
    let gp = MarkovGp { kernel, noise: 0.1, origin: 0.0 };
    let found = gp.leave_one_out(&data).unwrap();
    for i in 0..50 {
        if y[i].is_nan() {
            assert!(found.mean[i].is_nan());
            continue;
        }
        let mut without = y.clone();
        without[i] = f64::NAN;
        let direct = gp.predict(&Series::new(&times, &without).unwrap(), &[times[i]]).unwrap();
        assert!((found.mean[i] - direct.mean[0]).abs() < 1e-9, "row {i}");
        assert!((found.variance[i] - direct.variance[0] - 0.1).abs() < 1e-9, "row {i}");
    }
    let ahead = gp.one_step_ahead(&data).unwrap();
    let grid = data.grid().times();
    let step = (grid.len() / 2..grid.len()).find(|k| !ahead.mean[*k].is_nan()).expect("later rows are seen");
    let cut = grid[step];
    let before: Vec<f64> = times.iter().zip(&y).map(|(t, y)| if *t < cut { *y } else { f64::NAN }).collect();
    let direct = gp.predict(&Series::new(&times, &before).unwrap(), &[cut]).unwrap();
    assert!((ahead.mean[step] - direct.mean[0]).abs() < 1e-9);
}

#[test]
fn the_fused_passes_equal_the_textbook_ones_with_lag_one_covariances() {
    let (times, y) = series(80, 3);
    let data = Series::new(&times, &y).unwrap();
    let grid = data.grid();
    let y: Vec<f64> =
        (0..grid.len()).map(|k| if k % 4 == 1 { f64::NAN } else { (3.0 * grid.times()[k]).cos() }).collect();
    let noise = vec![0.2; y.len()];
    // The covariance of a line's state is singular, which the textbook smoother cannot take; `sampling` has its lag-one covariances.
    for (name, kernel) in every_kernel().into_iter().filter(|(name, _)| !name.contains("linear")) {
        let chain = elbo_markov::StateSpace::new(&kernel, 0.0).unwrap().chain(grid);
        let slow = reference::smooth(&chain, &y, &[0.2]).unwrap_or_else(|| panic!("{name}: singular"));
        let fast = run(&chain, Evidence::Observations { y: &y, noise: &noise }, Wants::Smoothed, None).unwrap();
        assert!((slow.log_likelihood - fast.log_z).abs() < 1e-9, "{name}: {} {}", slow.log_likelihood, fast.log_z);
        let n = chain.size;
        for k in 0..y.len() {
            let mean: f64 = chain.h.iter().zip(&slow.mean[k]).map(|(h, m)| h * m).sum();
            let row: Vec<f64> =
                (0..n).map(|i| (0..n).map(|j| slow.covariance[k][i * n + j] * chain.h[j]).sum()).collect();
            let variance: f64 = chain.h.iter().zip(&row).map(|(h, r)| h * r).sum();
            assert_near(&format!("{name}: mean of step {k}"), &fast.mean[k..=k], &[mean], 1e-9);
            assert_near(&format!("{name}: variance of step {k}"), &fast.covariance[k..=k], &[variance], 1e-9);
        }
        // Cov(f_k, f_{k+1}) against the dense posterior.
        let (_, _, covariance) = dense::posterior(&kernel, 0.0, (grid.times(), &y, &noise), grid.times());
        for k in 0..y.len() - 1 {
            let row: Vec<f64> = (0..n).map(|i| (0..n).map(|j| slow.lag_one[k][i * n + j] * chain.h[j]).sum()).collect();
            let lag: f64 = chain.h.iter().zip(&row).map(|(h, r)| h * r).sum();
            assert_near(&format!("{name}: lag one of step {k}"), &[lag], &[covariance[k * y.len() + k + 1]], 1e-9);
        }
    }
    let kernel: elbo_markov::Kernel =
        "matern52(lengthscale=0.9) + matern32(lengthscale=0.3, variance=0.4)".parse().unwrap();
    let chain = elbo_markov::StateSpace::new(&kernel, 0.0).unwrap().chain(grid);
    let slow = reference::smooth(&chain, &y, &[0.2]).unwrap();
    let fast = run(&chain, Evidence::Observations { y: &y, noise: &noise }, Wants::Smoothed, None).unwrap();
    for (k, state) in fast.state.chunks_exact(chain.size).enumerate() {
        assert_near("state", state, &slow.mean[k], 1e-9);
    }
}

#[test]
fn bad_times_and_values_are_refused() {
    let text = |r: elbo_core::Result<Series>| r.unwrap_err().to_string();
    assert!(text(Series::new(&[], &[])).contains("no times"));
    assert!(text(Series::new(&[1.0, f64::NAN], &[1.0, 2.0])).contains("row 2"));
    assert!(text(Series::new(&[1.0], &[f64::INFINITY])).contains("infinite"));
    assert!(elbo_markov::Grid::new(&[1.0, 1.0]).is_err());
    let data = Series::new(&[1.0, 2.0], &[0.0, 1.0]).unwrap();
    let gp = MarkovGp::new("wiener".parse().unwrap(), 0.1, &data);
    assert!(gp.predict(&data, &[0.5]).unwrap_err().to_string().contains("before"));
}
