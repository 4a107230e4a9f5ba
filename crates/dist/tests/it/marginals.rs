use super::{assert_close, slope};
use elbo_core::Marginals;
use elbo_dist::{GaussianMixtures, Normals, StudentTs, tanh_sinh};

fn every() -> Vec<(&'static str, Box<dyn Marginals>)> {
    let normals = Normals { mean: vec![0.5, -1.0], sd: vec![0.3, 2.0] };
    let students = StudentTs { location: vec![0.5, -1.0], scale: vec![0.3, 2.0], dof: 4.5 };
    let mixtures = GaussianMixtures::new(
        3,
        vec![0.2, 0.5, 0.3],
        vec![-1.0, 0.0, 2.0, 4.0, -1.0, 1.0],
        vec![0.4, 1.0, 0.5, 0.8, 2.0, 1.0],
    );
    vec![
        ("normals", Box::new(normals.clone())),
        ("normals unscaled", Box::new(normals.unscaled(3.0, 0.2))),
        ("students", Box::new(students.clone())),
        ("students unscaled", Box::new(students.unscaled(-3.0, 5.0))),
        ("mixtures", Box::new(mixtures.clone())),
        ("mixtures unscaled", Box::new(mixtures.unscaled(1.0, 7.0))),
    ]
}

#[test]
fn densities_quantiles_and_moments_belong_together() {
    for (name, marginals) in every() {
        for i in 0..marginals.len() {
            for p in [1e-4, 0.05, 0.19, 0.5, 0.8, 0.999] {
                let y = marginals.quantile(i, p);
                assert_close(&format!("{name}: cdf of the {p} quantile"), marginals.cdf(i, y), p, 1e-9);
                assert_close(
                    &format!("{name}: density"),
                    slope(|y| marginals.cdf(i, y), y),
                    marginals.log_prob(i, y).exp(),
                    1e-6,
                );
            }
            let mean = tanh_sinh(|p| marginals.quantile(i, p), 0.0, 1.0, 1e-10);
            assert_close(&format!("{name}: mean"), marginals.mean(i), mean, 1e-5);
            let variance = tanh_sinh(|p| (marginals.quantile(i, p) - mean).powi(2), 0.0, 1.0, 1e-10);
            assert_close(&format!("{name}: sd"), marginals.sd(i), variance.sqrt(), 1e-3);
        }
    }
}

/// A distribution without its closed-form score.
struct Plain<'a>(&'a dyn Marginals);

impl Marginals for Plain<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn mean(&self, i: usize) -> f64 {
        self.0.mean(i)
    }
    fn sd(&self, i: usize) -> f64 {
        self.0.sd(i)
    }
    fn quantile(&self, i: usize, p: f64) -> f64 {
        self.0.quantile(i, p)
    }
    fn cdf(&self, i: usize, y: f64) -> f64 {
        self.0.cdf(i, y)
    }
    fn log_prob(&self, i: usize, y: f64) -> f64 {
        self.0.log_prob(i, y)
    }
}

#[test]
fn closed_form_scores_agree_with_the_integral_of_the_quantile_loss() {
    for (name, marginals) in every() {
        for i in 0..marginals.len() {
            for z in [-2.0, 0.1, 1.5] {
                let y = marginals.mean(i) + z * marginals.sd(i);
                let below = marginals.cdf(i, y);
                let loss = |p: f64| {
                    let q = marginals.quantile(i, p);
                    2.0 * if y < q { (1.0 - p) * (q - y) } else { p * (y - q) }
                };
                let exact = tanh_sinh(loss, 0.0, below, 1e-10) + tanh_sinh(loss, below, 1.0, 1e-10);
                assert_close(&format!("{name} at {y}"), marginals.crps(i, y), exact, 1e-5);
                // 200 midpoints leave a discretisation error of a few per cent at most.
                let coarse = Plain(marginals.as_ref()).crps(i, y);
                assert!((coarse - exact).abs() < 0.03 * exact, "{name} at {y}: {coarse} vs {exact}");
            }
        }
    }
}
