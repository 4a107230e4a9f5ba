//! Draws have the moments they should.

use crate::dense;
use elbo_core::Rng;
use elbo_markov::{Grid, Kernel, MarkovGp, Series, StateSpace, sample};

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
