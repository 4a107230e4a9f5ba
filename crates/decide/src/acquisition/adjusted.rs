//! What is added to a score in log form: less around points whose values are not known, less where trials cost much.

use super::Acquisition;
use crate::design::Design;
use crate::space::{Space, distance};
use crate::surrogate::Gp;
use elbo_core::Rng;
use elbo_tensor::special::{inverse_mills, log_ndtr};

/// Places at which slopes of the mean are looked at, besides the trials.
const SLOPES: usize = 512;
/// Smallest slope that counts, against a mean that is flat.
const FLAT: f64 = 1e-6;

/// Local penalisation: a function of slope `L` at most, whose value at `x_j` is about `N(μ_j, σ_j²)` and whose minimum is about `f*`, cannot have that
/// minimum close to `x_j`. Adds
///
/// $$ \sum_j \log \Phi\!\left( \frac{L \|x - x_j\| + f^\star - \mu_j}{\sigma_j} \right). $$
///
/// # Source
/// González, Dai, Hennig and Lawrence (2016), for minimising. Deviation: `L` is the mean's largest slope at the trials and at a Sobol sequence of 512 points.
#[derive(Debug, Clone)]
pub struct LocalPenalty {
    /// Points, means and standard deviations, standardised.
    places: Vec<(Vec<f64>, f64, f64)>,
    slope: f64,
    incumbent: f64,
}

impl LocalPenalty {
    /// Around `pending`, where `incumbent` is the best value so far, standardised.
    pub fn new(gp: &Gp, space: &Space, pending: &[&[f64]], incumbent: f64, rng: &mut Rng) -> Self {
        let place = |point: &&[f64]| {
            let joint = gp.joint(point);
            (point.to_vec(), joint.mean[0], joint.covariance[0].sqrt())
        };
        let cube = Design::Sobol.points(SLOPES, space.dims(), rng);
        let even = cube.iter().map(|u| space.from_cube(u));
        let slopes = even.chain(gp.inputs().chunks_exact(gp.width()).map(<[f64]>::to_vec)).map(|x| slope(gp, &x));
        let slope = slopes.fold(FLAT, f64::max);
        Self { places: pending.iter().map(place).collect(), slope, incumbent }
    }

    /// The term at `x: [E]`; adds its gradient.
    pub fn add(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        let mut value = 0.0;
        for (point, mean, sd) in &self.places {
            let r = distance(x, point);
            let z = (self.slope * r + self.incumbent - mean) / sd;
            value += log_ndtr(z);
            if r > 0.0 {
                let weight = inverse_mills(z) * self.slope / (sd * r);
                (0..x.len()).for_each(|e| gradient[e] += weight * (x[e] - point[e]));
            }
        }
        value
    }
}

/// Norm of the mean's gradient.
fn slope(gp: &Gp, x: &[f64]) -> f64 {
    let mut gradient = vec![0.0; x.len()];
    gp.pullback(&gp.joint(x), &[1.0], &[0.0], None, &mut gradient);
    elbo_linalg::vector::norm(&gradient)
}

/// Worth for its cost: with a score in log form, subtracts `κ log E[cost]`, the cost being log-normal under a process of its logarithm.
#[derive(Debug, Clone, Copy)]
pub struct PerCost<'a> {
    /// The process of log costs.
    pub gp: &'a Gp,
    /// `κ`: 1 for improvement a unit of cost, 0 for none.
    pub power: f64,
}

impl PerCost<'_> {
    /// Logarithm of the expected cost of a trial whose standardised log cost has this mean and variance, noise apart.
    fn log_expected(&self, mean: f64, variance: f64) -> f64 {
        let scale = self.gp.natural_sd(0.0, 1.0);
        self.gp.natural(mean) + 0.5 * scale * scale * (variance + self.gp.hyper().noise)
    }

    /// Expected cost at `x: [E]`, in its own unit.
    pub fn expected(&self, x: &[f64]) -> f64 {
        let joint = self.gp.joint(x);
        self.log_expected(joint.mean[0], joint.covariance[0]).exp()
    }

    /// The term at `x: [E]`; adds its gradient.
    pub fn add(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        let joint = self.gp.joint(x);
        let scale = self.gp.natural_sd(0.0, 1.0);
        let (by_mean, by_variance) = (-self.power * scale, -0.5 * self.power * scale * scale);
        self.gp.pullback(&joint, &[by_mean], &[by_variance], None, gradient);
        -self.power * self.log_expected(joint.mean[0], joint.covariance[0])
    }

    fn add_many(&self, xs: &[f64], values: &mut [f64]) {
        let (means, variances) = self.gp.marginals(xs);
        for ((value, m), v) in values.iter_mut().zip(means).zip(variances) {
            *value -= self.power * self.log_expected(m, v);
        }
    }
}

/// A score of one point in log form with these terms.
pub struct Adjusted<'a> {
    /// The score.
    pub score: &'a dyn Acquisition,
    /// Less around points whose values are not known.
    pub penalty: Option<&'a LocalPenalty>,
    /// Less where trials cost much.
    pub cost: Option<PerCost<'a>>,
}

impl Acquisition for Adjusted<'_> {
    fn value_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        let value = self.score.value_and_gradient(x, gradient);
        let penalty = self.penalty.map_or(0.0, |penalty| penalty.add(x, gradient));
        value + penalty + self.cost.map_or(0.0, |cost| cost.add(x, gradient))
    }

    fn values(&self, xs: &[f64], width: usize) -> Vec<f64> {
        let mut values = self.score.values(xs, width);
        if let Some(penalty) = self.penalty {
            let mut scratch = vec![0.0; width];
            values.iter_mut().zip(xs.chunks_exact(width)).for_each(|(v, x)| *v += penalty.add(x, &mut scratch));
        }
        if let Some(cost) = self.cost {
            cost.add_many(xs, &mut values);
        }
        values
    }
}
