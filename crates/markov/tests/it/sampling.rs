//! Draws have the moments they should.

use crate::dense;
use crate::problems::{assert_near, every_kernel};
use elbo_core::Rng;
use elbo_markov::{Chain, Evidence, Grid, Kernel, MarkovGp, Series, StateSpace, sample};

#[test]
fn prior_paths_have_the_kernels_covariance() {
    let kernel: Kernel =
        "matern52(lengthscale=0.8) + matern12 * cosine(period=2) + linear(variance=0.2)".parse().unwrap();
    let times = [0.2, 0.3, 1.1, 2.5];
    let chain = StateSpace::new(&kernel, 0.0).unwrap().chain(&Grid::new(&times).unwrap());
    let mut rng = Rng::new(1);
    let count = 20_000;
    let mut sums = [0.0; 16];
    for _ in 0..count {
        let f = sample::outputs(&chain, &sample::prior(&chain, &mut rng));
        (0..16).for_each(|i| sums[i] += f[i / 4] * f[i % 4] / count as f64);
    }
    for i in 0..16 {
        let expected = kernel.covariance(times[i / 4], times[i % 4], 0.0);
        // Five standard errors of a product of normals with variances near two.
        assert!((sums[i] - expected).abs() < 5.0 * 4.0 / f64::from(count).sqrt(), "{i}: {} {expected}", sums[i]);
    }
}

#[test]
fn posterior_draws_have_the_posteriors_moments() {
    let kernel: Kernel = "matern32(lengthscale=0.9)".parse().unwrap();
    let (times, y) = ([0.0, 0.5, 0.5, 2.0], [1.0, 0.4, 0.6, -1.0]);
    let data = Series::new(&times, &y).unwrap();
    let gp = MarkovGp::new(kernel.clone(), 0.1, &data);
    let at = [0.25, 1.2, 3.0];
    let count = 20_000;
    let draws = gp.sample(&data, &at, count, &mut Rng::new(2)).unwrap();
    let (_, mean, covariance) = dense::posterior(&kernel, 0.0, (&times, &y, &[0.1; 4]), &at);
    let n = f64::from(count as u32);
    for i in 0..3 {
        let average: f64 = draws.chunks(3).map(|d| d[i]).sum::<f64>() / n;
        assert!((average - mean[i]).abs() < 5.0 / n.sqrt());
        for j in 0..3 {
            let c: f64 = draws.chunks(3).map(|d| (d[i] - mean[i]) * (d[j] - mean[j])).sum::<f64>() / n;
            assert!((c - covariance[i * 3 + j]).abs() < 5.0 * 1.5 / n.sqrt(), "{i} {j}: {c}");
        }
    }
}

/// Mean and covariance of the draws: what the draw is where all its normals are zero, and the square of the linear map that takes them.
fn moments_of_draws(chain: &Chain<f64>, evidence: Evidence<'_, f64>) -> (Vec<f64>, Vec<f64>) {
    let count = sample::normals(chain, evidence);
    let mean = sample::posterior_at(chain, evidence, None, &vec![0.0; count]).unwrap();
    let steps = mean.len();
    let mut covariance = vec![0.0; steps * steps];
    let mut unit = vec![0.0; count];
    for i in 0..count {
        unit[i] = 1.0;
        let draw = sample::posterior_at(chain, evidence, None, &unit).unwrap();
        unit[i] = 0.0;
        let column: Vec<f64> = draw.iter().zip(&mean).map(|(d, m)| d - m).collect();
        for a in 0..steps {
            (0..steps).for_each(|b| covariance[a * steps + b] += column[a] * column[b]);
        }
    }
    (mean, covariance)
}

#[test]
fn draws_have_exactly_the_posteriors_covariance_for_every_kernel() {
    let (steps, noise) = (20, 0.2);
    let mut rng = Rng::new(4);
    let mut t = 0.1;
    let times: Vec<f64> = (0..steps)
        .map(|_| {
            t += rng.range(0.02, 0.7);
            t
        })
        .collect();
    // A third is missing. Of the sites, every fifth is that of two rows of one time.
    let y: Vec<f64> =
        times.iter().enumerate().map(|(k, t)| if k % 3 == 1 { f64::NAN } else { (2.0 * t).sin() }).collect();
    let twice = |k: usize| k.is_multiple_of(5) && !y[k].is_nan();
    let copies: Vec<f64> = (0..steps).map(|k| f64::from(u8::from(!y[k].is_nan()) + u8::from(twice(k)))).collect();
    let shift: Vec<f64> = (0..steps).map(|k| if y[k].is_nan() { 0.0 } else { copies[k] * y[k] / noise }).collect();
    let precision: Vec<f64> = copies.iter().map(|c| c / noise).collect();
    let rows: Vec<usize> = (0..steps).chain((0..steps).filter(|k| twice(*k))).collect();
    let (row_times, row_y): (Vec<f64>, Vec<f64>) = rows.iter().map(|k| (times[*k], y[*k])).unzip();
    let noises = vec![noise; rows.len()];
    for (name, kernel) in every_kernel() {
        let chain = StateSpace::new(&kernel, 0.0).unwrap().chain(&Grid::new(&times).unwrap());
        let observed = Evidence::Observations { y: &y, noise: &noises[..steps] };
        let (mean, covariance) = moments_of_draws(&chain, observed);
        let (_, exact_mean, exact) = dense::posterior(&kernel, 0.0, (&times, &y, &noises[..steps]), &times);
        assert_near(&format!("{name}: mean"), &mean, &exact_mean, 1e-9);
        assert_near(&format!("{name}: covariance"), &covariance, &exact, 1e-9);
        let sites = Evidence::Sites { shift: &shift, precision: &precision };
        let (mean, covariance) = moments_of_draws(&chain, sites);
        let (_, exact_mean, exact) = dense::posterior(&kernel, 0.0, (&row_times, &row_y, &noises), &times);
        assert_near(&format!("{name}, sites: mean"), &mean, &exact_mean, 1e-9);
        assert_near(&format!("{name}, sites: covariance"), &covariance, &exact, 1e-9);
    }
}

#[test]
fn a_draw_is_that_of_its_normals() {
    let kernel: Kernel = "matern52 + cosine(period=3)".parse().unwrap();
    let chain = StateSpace::new(&kernel, 0.0).unwrap().chain(&Grid::regular(0.0, 0.5, 12));
    let (y, noise) = (vec![0.3; 12], vec![0.1; 12]);
    let evidence = Evidence::Observations { y: &y, noise: &noise };
    let mut rng = Rng::new(7);
    let normals: Vec<f64> = (0..sample::normals(&chain, evidence)).map(|_| rng.normal()).collect();
    let drawn = sample::posterior(&chain, evidence, None, &mut Rng::new(7)).unwrap();
    assert_eq!(drawn, sample::posterior_at(&chain, evidence, None, &normals).unwrap());
}
