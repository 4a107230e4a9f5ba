//! Sparse posteriors: exact with a knot at every row, and the bound of dense algebra with fewer.

use crate::dense;
use crate::problems::assert_near;
use elbo_core::Rng;
use elbo_gp::likelihood::{Gaussian, Poisson};
use elbo_gp::site::{Cvi, PosteriorLinearisation, PowerEp, SiteRule};
use elbo_markov::process::SiteProcess;
use elbo_markov::reference::log_normal;
use elbo_markov::small::{cholesky, cholesky_solve};
use elbo_markov::sparse::SparseProcess;
use elbo_markov::{Kernel, MarkovGp, Series};

#[test]
fn a_knot_at_every_row_changes_nothing() {
    let mut rng = Rng::new(4);
    let times: Vec<f64> = (0..40).map(|k| 0.2 * k as f64 + 0.05 * ((k * k) as f64).sin()).collect();
    let y: Vec<f64> = times.iter().map(|t| (1.2 * (1.5 * t).sin() + 0.3 * rng.normal()).exp().round()).collect();
    let rules: [Box<dyn SiteRule>; 3] = [
        Box::new(Cvi { rho: 0.7 }),
        Box::new(PowerEp { alpha: 1.0, damping: 0.5 }),
        Box::new(PosteriorLinearisation { damping: 0.5 }),
    ];
    for text in ["matern52(lengthscale=0.9, variance=1.2)", "matern32 + cosine(period=3, variance=0.4) + constant"] {
        let kernel: Kernel = text.parse().unwrap();
        for rule in &rules {
            let what = format!("{text} by {}", rule.name());
            let mut exact = SiteProcess::new(kernel.clone(), Box::new(Poisson::new(1.0)), &times, &y).unwrap();
            let mut sparse = SparseProcess::new(&kernel, Box::new(Poisson::new(1.0)), (&times, &y), &times).unwrap();
            assert_eq!(exact.infer(rule.as_ref(), 8, 0.0).unwrap(), sparse.infer(rule.as_ref(), 8, 0.0).unwrap());
            let (a, b) = (exact.posterior().unwrap(), sparse.posterior().unwrap());
            assert_near(&format!("{what}: mean"), &b.mean, &a.mean, 1e-8);
            assert_near(&format!("{what}: variance"), &b.variance, &a.variance, 1e-8);
            assert_near(&format!("{what}: bound"), &[sparse.elbo().unwrap()], &[exact.elbo().unwrap()], 1e-8);
        }
    }
}

/// One row between two knots each: given the knots they are independent, so the covariance that the knots explain is the whole one less a diagonal.
#[test]
fn fewer_knots_give_the_best_posterior_that_they_allow() {
    let noise = 0.1;
    for text in [
        "matern52(lengthscale=1.5)",
        "matern12(lengthscale=2) + matern32(variance=0.5) * cosine(period=4)",
        // From the first knot on, and parts in which nothing happens by chance.
        "wiener(variance=0.7) + linear(variance=0.3) + cosine(period=3, variance=0.4)",
    ] {
        let kernel: Kernel = text.parse().unwrap();
        let knots: Vec<f64> = (0..=25).map(|k| 0.4 * f64::from(k)).collect();
        let times: Vec<f64> = (0..25).map(|k| 0.4 * f64::from(k) + 0.1 + 0.2 * f64::from(k % 3) / 2.0).collect();
        let y: Vec<f64> = times.iter().map(|t| (2.0 * t).sin()).collect();
        let mut sparse = SparseProcess::new(&kernel, Box::new(Gaussian::new(noise)), (&times, &y), &knots).unwrap();
        let prior = sparse.posterior().unwrap();
        let rest: Vec<f64> = prior.variance.iter().zip(&prior.explained).map(|(v, e)| v - e).collect();
        assert!(rest.iter().all(|r| *r > 1e-8), "{text}: {rest:?}");
        sparse.infer(&Cvi { rho: 1.0 }, 1, 0.0).unwrap();

        let n = times.len();
        let mut explained = dense::gram(&kernel, &times, &times, 0.0);
        (0..n).for_each(|i| explained[i * n + i] -= rest[i]);
        let mut total = explained.clone();
        (0..n).for_each(|i| total[i * n + i] += noise);
        let chol = cholesky(&total, n).unwrap();
        let (weights, solved) = (cholesky_solve(&chol, &y, n, 1), cholesky_solve(&chol, &explained, n, n));
        let mean: Vec<f64> = (0..n).map(|i| (0..n).map(|j| explained[i * n + j] * weights[j]).sum()).collect();
        let variance = |i: usize| {
            let taken: f64 = (0..n).map(|j| explained[i * n + j] * solved[j * n + i]).sum();
            explained[i * n + i] - taken + rest[i]
        };
        let bound = log_normal(&y, &total).unwrap() - 0.5 * rest.iter().sum::<f64>() / noise;
        let found = sparse.posterior().unwrap();
        assert_near(&format!("{text}: mean"), &found.mean, &mean, 1e-8);
        assert_near(&format!("{text}: variance"), &found.variance, &(0..n).map(variance).collect::<Vec<_>>(), 1e-8);
        assert_near(&format!("{text}: bound"), &[sparse.elbo().unwrap()], &[bound], 1e-8);
    }
}

#[test]
fn the_bound_stays_below_the_likelihood_and_rises_to_it_with_the_knots() {
    let mut rng = Rng::new(7);
    let times: Vec<f64> = (0..300).map(|_| rng.range(0.0, 10.0)).collect();
    let y: Vec<f64> = times.iter().map(|t| t.sin() + 0.3 * rng.normal()).collect();
    let kernel: Kernel = "matern52(lengthscale=2)".parse().unwrap();
    let exact = MarkovGp { kernel: kernel.clone(), noise: 0.09, origin: 0.0 };
    let series = Series::new(&times, &y).unwrap();
    let likelihood = exact.log_marginal(&series).unwrap();
    let mut before = f64::NEG_INFINITY;
    // Every second knot of each is a knot of the one before.
    for count in [4, 8, 16, 32] {
        let knots: Vec<f64> = (0..=count).map(|k| 10.0 * f64::from(k) / f64::from(count)).collect();
        let mut sparse = SparseProcess::new(&kernel, Box::new(Gaussian::new(0.09)), (&times, &y), &knots).unwrap();
        sparse.infer(&Cvi { rho: 1.0 }, 1, 0.0).unwrap();
        let bound = sparse.elbo().unwrap();
        assert!(before <= bound && bound <= likelihood + 1e-6, "{count}: {before} {bound} {likelihood}");
        before = bound;
        if count == 32 {
            assert!(likelihood - bound < 1.0, "{bound} {likelihood}");
            let (mean, variance) = sparse.predict(&[0.05, 3.3, 9.99]).unwrap();
            let direct = exact.predict(&series, &[0.05, 3.3, 9.99]).unwrap();
            assert_near("mean", &mean, &direct.mean, 0.02);
            assert_near("variance", &variance, &direct.variance, 0.01);
        }
    }
}

#[test]
fn knots_must_surround_the_rows() {
    let kernel: Kernel = "matern32".parse().unwrap();
    let message = |knots: &[f64]| {
        let rows: (&[f64], &[f64]) = (&[0.0, 1.0], &[0.5, 0.2]);
        SparseProcess::new(&kernel, Box::new(Gaussian::new(0.1)), rows, knots).err().unwrap().to_string()
    };
    assert!(message(&[0.0]).contains("1 knots"));
    assert!(message(&[0.0, 0.5]).contains("row 2"));
    assert!(message(&[0.5, 2.0]).contains("row 1"));
    assert!(message(&[2.0, 0.0]).contains("does not follow"));
}
