//! The sparse gamma deep exponential family, its gamma posteriors, and the ascent of its bound.

use elbo_core::{ModelFile, Progress, Result, Rng, Run, Snapshot, Step};
use elbo_dist::batched::{Batched, Gamma, Poisson};
use elbo_infer::Estimate;
use elbo_infer::diagnostics::left_out;
use elbo_infer::estimator::{GammaGradient, leave_one_out, report};
use elbo_tensor::special::lgamma;
use elbo_tensor::{Parameter, Parameters, Tensor, grad, nested, nested_mut, no_grad};

/// Shape and rate of the prior of the highest codes.
const TOP: (f64, f64) = (0.1, 0.1);
/// Shape and rate of the prior of the weights.
const WEIGHT: (f64, f64) = (0.1, 0.3);
/// Least shape and mean of a posterior.
const LEAST: (f64, f64) = (1e-3, 1e-4);
/// Added to every mean that a layer gives the one below: what is left where all codes vanish.
const BACKGROUND: f64 = 1e-5;
/// Estimates that the noise of a gradient is measured by.
const ESTIMATES: usize = 20;

/// The model: counts with means $W_0^\top z_1$, codes of layer `l` gamma with mean $W_l^\top z_{l+1}$.
pub struct Factors {
    /// Widths of the layers, from the counts up.
    pub widths: Vec<usize>,
    /// Columns of the counts.
    pub columns: usize,
    /// Shape of the codes below the top.
    pub shape: f64,
}

/// Independent gamma distributions of an array, by shape and mean through softplus.
struct GammaArray {
    shape: Parameter,
    mean: Parameter,
}

fn inverse_softplus(y: f64) -> f64 {
    y + (-(-y).exp_m1()).ln()
}

impl GammaArray {
    fn new(size: &[usize], shape: f64, mut mean: impl FnMut() -> f64) -> Self {
        let n: usize = size.iter().product();
        let raw = |values: Vec<f64>| Parameter::real(&Tensor::from_vec(values, size));
        Self {
            shape: raw(vec![inverse_softplus(shape); n]),
            mean: raw((0..n).map(|_| inverse_softplus(mean().max(1e-3))).collect()),
        }
    }

    fn natural(&self) -> (Tensor, Tensor) {
        (self.shape.get().softplus() + LEAST.0, self.mean.get().softplus() + LEAST.1)
    }

    fn law(&self) -> Gamma {
        let (shape, mean) = self.natural();
        Gamma::new(shape.clone(), shape / mean)
    }
}

impl Parameters for GammaArray {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        nested("shape", &self.shape, f);
        nested("mean", &self.mean, f);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        nested_mut("shape", &mut self.shape, f);
        nested_mut("mean", &mut self.mean, f);
    }
}

/// The posterior: codes `[N, K_l]` of each layer, then weights `[K_{l+1}, K_l]` below each, unless those are held by somebody else.
pub struct GammaFamily {
    codes: Vec<GammaArray>,
    weights: Vec<GammaArray>,
    /// Numbers of gradients that moved nothing because they were not finite.
    left_out: usize,
}

impl Parameters for GammaFamily {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        nested("codes", &self.codes, f);
        nested("weights", &self.weights, f);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        nested_mut("codes", &mut self.codes, f);
        nested_mut("weights", &mut self.weights, f);
    }
}

impl Snapshot for GammaFamily {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
        self.left_out.save(file, &format!("{prefix}.left_out"));
    }
    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)?;
        self.left_out.restore(file, &format!("{prefix}.left_out"))
    }
}

/// Fitted weights: shapes and means of their posteriors.
pub struct Weights(Vec<GammaArray>);

impl GammaFamily {
    /// Codes around a half; weights that give the columns' means.
    pub fn start(factors: &Factors, counts: &Tensor, rng: &mut Rng) -> Self {
        let means = counts.mean_axis(0, false).to_vec();
        let weights = factors.sizes().into_iter().enumerate().map(|(l, [up, down])| {
            let mut at = 0;
            GammaArray::new(&[up, down], 1.0, || {
                let level = if l == 0 { means[at % down] } else { 0.5 };
                at += 1;
                level / (0.5 * up as f64) * (0.3 * rng.normal()).exp()
            })
        });
        let weights = weights.collect();
        Self { weights, ..Self::start_codes(factors, counts, rng) }
    }

    /// Codes only.
    pub fn start_codes(factors: &Factors, counts: &Tensor, rng: &mut Rng) -> Self {
        let rows = counts.size(0);
        let array = |width: &usize| GammaArray::new(&[rows, *width], 1.0, || 0.5 * (0.1 * rng.normal()).exp());
        Self { codes: factors.widths.iter().map(array).collect(), weights: vec![], left_out: 0 }
    }

    /// A warning where numbers of the gradients of so many steps moved nothing because they were not finite.
    pub fn warning(&self, steps: usize) -> Option<String> {
        let of = format!("of {} numbers of gradients", steps * self.pack().len());
        left_out(self.left_out, &of, "they were not finite; lower `rate`")
    }

    /// Posterior means of the lowest codes, `[N, K]`.
    pub fn code_means(&self) -> Vec<f64> {
        no_grad(|| self.codes[0].natural().1.to_vec())
    }

    /// The weights, for keeping.
    pub fn into_weights(self) -> Weights {
        Weights(self.weights)
    }
}

impl Weights {
    /// Stores them.
    pub fn write(&self, file: &mut ModelFile) {
        self.0.write_to(file, "weights");
    }

    /// Posterior means of the lowest weights, `[K, D]`.
    pub fn lowest_mean(&self) -> Vec<f64> {
        no_grad(|| self.0[0].natural().1.to_vec())
    }
}

impl Factors {
    /// Shapes of the weights, from the counts up.
    fn sizes(&self) -> Vec<[usize; 2]> {
        (0..self.widths.len())
            .map(|l| [self.widths[l], if l == 0 { self.columns } else { self.widths[l - 1] }])
            .collect()
    }

    /// Takes back what [`Weights::write`] stored.
    pub fn read_weights(&self, file: &ModelFile) -> Result<Weights> {
        let mut weights: Vec<GammaArray> = self.sizes().iter().map(|size| GammaArray::new(size, 1.0, || 1.0)).collect();
        weights.read_from(file, "weights")?;
        Ok(Weights(weights))
    }

    /// Rows of counts, `[count, D]`.
    pub fn generate(&self, weights: &Weights, count: usize, rng: &mut Rng) -> Vec<f64> {
        no_grad(|| {
            let top = *self.widths.last().expect("at least one layer");
            let mut z = Gamma::new(Tensor::scalar(TOP.0), Tensor::scalar(TOP.1)).sample(&[count, 1, top], rng);
            for (l, array) in weights.0.iter().enumerate().rev() {
                let mean = z.matmul(&array.law().sample(&[count], rng)) + BACKGROUND;
                if l == 0 {
                    return Poisson::new(mean).sample(&[], rng).to_vec();
                }
                let shape = Tensor::scalar(self.shape);
                z = Gamma::new(shape.clone(), &shape / &mean).sample(&[], rng);
            }
            unreachable!("the lowest layer gives the counts")
        })
    }
}

/// Log densities of the model by element, for every draw: of the counts `[S, N, D]`, of each layer's codes `[S, N, K_l]`, of the weights.
struct Terms {
    counts: Tensor,
    codes: Vec<Tensor>,
    weights: Vec<Tensor>,
}

/// Ascent of the bound by estimated gradients, with the paper's steps.
pub struct Ascent<'a> {
    /// The model.
    pub factors: &'a Factors,
    /// The data, `[N, D]`.
    pub counts: &'a Tensor,
    /// How gradients are estimated, of the codes and of the weights.
    pub gradients: [GammaGradient; 2],
    /// Draws a step, `S`.
    pub draws: usize,
    /// Length of the first steps.
    pub rate: f64,
    /// Weights that are not fitted.
    pub weights: Option<&'a Weights>,
}

impl Ascent<'_> {
    fn terms(&self, log_codes: &[Tensor], log_weights: &[Tensor]) -> Terms {
        let depth = self.factors.widths.len();
        let mean = |l: usize| log_codes[l].exp().matmul(&log_weights[l].exp()) + BACKGROUND;
        // A gamma density at log z, with one shape for all.
        let gamma = |shape: f64, rate: &Tensor, log_z: &Tensor| {
            rate.log() * shape + log_z * (shape - 1.0) - rate * log_z.exp() - lgamma(shape)
        };
        let codes = (0..depth).map(|l| {
            if l + 1 == depth {
                gamma(TOP.0, &Tensor::scalar(TOP.1), &log_codes[l])
            } else {
                gamma(self.factors.shape, &(mean(l + 1).recip() * self.factors.shape), &log_codes[l])
            }
        });
        let weights = log_weights.iter().map(|w| gamma(WEIGHT.0, &Tensor::scalar(WEIGHT.1), w));
        let rate = mean(0);
        Terms {
            // Of Poisson distributions, continued by the gamma function: off the counts `Poisson` itself has no density.
            counts: self.counts * rate.log() - &rate - (self.counts + 1.0).lgamma(),
            codes: codes.collect(),
            weights: weights.collect(),
        }
    }

    /// The surrogate whose gradient estimates the bound's, with the bound's estimates by draw, `[S]`.
    fn surrogate(
        &self,
        family: &GammaFamily,
        gradients: [GammaGradient; 2],
        draws: usize,
        rng: &mut Rng,
    ) -> (Tensor, Tensor) {
        let held = self.weights.map_or(&family.weights, |w| &w.0);
        let mut draw = |array: &GammaArray, gradient: GammaGradient| {
            let (shape, mean) = array.natural();
            gradient.draw(&shape, &mean, &[draws], rng)
        };
        let codes: Vec<_> = family.codes.iter().map(|array| draw(array, gradients[0])).collect();
        let weights: Vec<_> = held.iter().map(|array| draw(array, gradients[1])).collect();
        let log_of =
            |draws: &[elbo_infer::estimator::GammaDraws]| draws.iter().map(|d| d.log_z.clone()).collect::<Vec<_>>();
        let terms = self.terms(&log_of(&codes), &log_of(&weights));
        let total = |t: &Tensor| t.sum_axes(&[-1, -2], false);
        let joint: Tensor = std::iter::once(&terms.counts).chain(&terms.codes).chain(&terms.weights).map(total).sum();
        let entropy: Tensor = family
            .codes
            .iter()
            .chain(held)
            .map(|a| a.law().entropy().expect("the entropy of a gamma distribution is closed").sum())
            .sum();
        let share = 1.0 / draws as f64;
        let mut surrogate = joint.sum() * share + &entropy;
        if gradients.iter().any(GammaGradient::needs_signal) {
            // A draw's signal holds only the terms that it enters.
            let mut correction = Tensor::scalar(0.0);
            for l in 0..codes.len() {
                let below = if l == 0 { &terms.counts } else { &terms.codes[l - 1] };
                let signal = &terms.codes[l].detach() + below.detach().sum_axis(-1, true);
                correction += &codes[l].correction(&leave_one_out(&signal));
                let signal = &terms.weights[l].detach() + below.detach().sum_axis(-2, true);
                correction += &weights[l].correction(&leave_one_out(&signal));
            }
            surrogate = surrogate + correction * share;
        }
        (surrogate, joint.detach() + entropy.detach())
    }

    /// The bound and its standard error, in nats.
    pub fn bound(&self, family: &GammaFamily, draws: usize, run: &mut Run) -> (f64, f64) {
        let values: Vec<f64> = (0..draws)
            .map(|_| no_grad(|| self.surrogate(family, [GammaGradient::Implicit; 2], 1, &mut run.rng)).1.item())
            .collect();
        let Estimate { value, error } = Estimate::mean(&values);
        (value, error)
    }

    /// The variance of one gradient estimate at each site, the codes and then the weights of each layer from the counts up: a mean over the site's
    /// parameters.
    pub fn noise(&self, family: &GammaFamily, rng: &mut Rng) -> Result<Vec<(String, f64)>> {
        let sites = |name: &str, arrays: &[GammaArray]| -> Vec<(String, usize)> {
            arrays.iter().enumerate().map(|(l, array)| (format!("{name}_{}", l + 1), array.pack().len())).collect()
        };
        let groups = [sites("codes", &family.codes), sites("weights", &family.weights)].concat();
        let found = report(&groups, ESTIMATES, rng, |rng| {
            Ok(family.gradient(&self.surrogate(family, self.gradients, self.draws, rng).0))
        })?;
        let means = found.group_variances().into_iter().zip(&found.sizes).map(|(sum, size)| sum / *size as f64);
        Ok(found.names.iter().cloned().zip(means).collect())
    }
}

/// Running mean of the squared gradient, and the number of steps.
pub struct Memory {
    squares: Vec<f64>,
    steps: usize,
}

impl Snapshot for Memory {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.squares.save(file, &format!("{prefix}.squares"));
        self.steps.save(file, &format!("{prefix}.steps"));
    }
    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.squares.restore(file, &format!("{prefix}.squares"))?;
        self.steps.restore(file, &format!("{prefix}.steps"))
    }
}

impl Step<GammaFamily> for Ascent<'_> {
    type State = Memory;

    fn init(&self, family: &mut GammaFamily, _: &mut Run) -> Result<Memory> {
        Ok(Memory { squares: vec![0.0; family.pack().len()], steps: 0 })
    }

    fn step(&self, family: &mut GammaFamily, memory: &mut Memory, run: &mut Run) -> Result<Progress> {
        let (surrogate, values) = self.surrogate(family, self.gradients, self.draws, &mut run.rng);
        let leaves = family.leaves();
        let gradients = grad(&surrogate, &leaves.iter().collect::<Vec<_>>());
        memory.steps += 1;
        let length = self.rate / (memory.steps as f64).sqrt();
        let mut packed = family.pack();
        let slopes = gradients.iter().flat_map(|g| g.to_vec());
        for ((p, square), g) in packed.iter_mut().zip(&mut memory.squares).zip(slopes) {
            // A gradient that overflowed moves nothing, and is counted.
            if !g.is_finite() {
                family.left_out += 1;
                continue;
            }
            *square = if memory.steps == 1 { g * g } else { 0.1 * g * g + 0.9 * *square };
            *p += length * g / (1.0 + square.sqrt());
        }
        family.unpack(&packed);
        Ok(Progress { objective: values.mean().item(), converged: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMPLICIT: GammaGradient = GammaGradient::Implicit;
    const REJECTION: GammaGradient = GammaGradient::Rejection { augmentation: 3 };

    /// A model of two layers, counts, and where a fit starts.
    fn small(seed: u64) -> (Factors, Tensor, GammaFamily) {
        let mut rng = Rng::new(seed);
        let factors = Factors { widths: vec![3, 2], columns: 4, shape: 0.5 };
        let counts = Tensor::from_vec((0..20).map(|_| rng.poisson(2.0) as f64).collect(), &[5, 4]);
        let family = GammaFamily::start(&factors, &counts, &mut rng);
        (factors, counts, family)
    }

    #[test]
    fn every_estimator_has_the_same_mean_gradient_also_with_another_at_each_site() {
        let (factors, counts, family) = small(3);
        let ascent =
            |gradients| Ascent { factors: &factors, counts: &counts, gradients, draws: 8, rate: 0.1, weights: None };
        let estimate = |gradients: [GammaGradient; 2], seed: u64| {
            let mut rng = Rng::new(seed);
            let rows: Vec<Vec<f64>> = (0..150)
                .map(|_| family.gradient(&ascent(gradients).surrogate(&family, gradients, 8, &mut rng).0))
                .collect();
            let n = rows.len() as f64;
            let mean: Vec<f64> = (0..rows[0].len()).map(|i| rows.iter().map(|r| r[i]).sum::<f64>() / n).collect();
            let error: Vec<f64> = (0..rows[0].len())
                .map(|i| (rows.iter().map(|r| (r[i] - mean[i]).powi(2)).sum::<f64>()).sqrt() / n)
                .collect();
            (mean, error)
        };
        let (reference, reference_error) = estimate([IMPLICIT; 2], 1);
        for gradients in [
            [REJECTION; 2],
            [GammaGradient::Standardised; 2],
            [GammaGradient::Score; 2],
            [IMPLICIT, GammaGradient::Score],
            [REJECTION, IMPLICIT],
        ] {
            let (mean, error) = estimate(gradients, 2);
            for i in 0..mean.len() {
                let spread = error[i].hypot(reference_error[i]);
                // Five standard errors, over a hundred parameters.
                assert!(
                    (mean[i] - reference[i]).abs() < 5.0 * spread,
                    "{gradients:?}, parameter {i}: {} and {}",
                    mean[i],
                    reference[i]
                );
            }
        }
    }

    #[test]
    fn numbers_that_are_not_whole_have_the_density_at_the_gamma_function() {
        let (factors, counts, family) = small(8);
        let mut values = counts.to_vec();
        values[0] = 1.5;
        let counts = Tensor::from_vec(values.clone(), &[5, 4]);
        let gradients = [IMPLICIT; 2];
        let ascent = Ascent { factors: &factors, counts: &counts, gradients, draws: 2, rate: 0.1, weights: None };
        // With all codes and weights at one the means are the number of factors.
        let zeros = |rows: usize, columns: usize| Tensor::from_vec(vec![0.0; rows * columns], &[rows, columns]);
        let found = ascent.terms(&[zeros(5, 3), zeros(5, 2)], &[zeros(3, 4), zeros(2, 3)]).counts.to_vec();
        let mean = 3.0 + BACKGROUND;
        for (x, found) in values.iter().zip(&found) {
            let expected = x * mean.ln() - mean - lgamma(x + 1.0);
            assert!((found - expected).abs() < 1e-12, "{x}: {found}, expected {expected}");
        }
        let gradient = family.gradient(&ascent.surrogate(&family, [REJECTION; 2], 2, &mut Rng::new(9)).0);
        assert!(gradient.iter().all(|g| g.is_finite()), "{gradient:?}");
    }

    #[test]
    fn numbers_of_gradients_that_are_not_finite_move_nothing_and_are_counted() {
        let (factors, counts, mut family) = small(6);
        // What is no count has no density, so that the score's signal of its row and of its column is no number.
        let mut values = counts.to_vec();
        values[2] = -1.0;
        let counts = Tensor::from_vec(values, &[5, 4]);
        let gradients = [GammaGradient::Score; 2];
        let ascent = Ascent { factors: &factors, counts: &counts, gradients, draws: 4, rate: 0.1, weights: None };
        let run = &mut Run::new(7);
        let mut memory = ascent.init(&mut family, run).unwrap();
        assert_eq!(family.warning(0), None);
        let mut out = 0;
        for step in 1..=2 {
            let before = family.pack();
            let gradient = family.gradient(&ascent.surrogate(&family, gradients, 4, &mut run.rng.clone()).0);
            ascent.step(&mut family, &mut memory, run).unwrap();
            let after = family.pack();
            let moved = before.iter().zip(&after).filter(|(b, a)| b != a).count();
            let lost = gradient.iter().filter(|g| !g.is_finite()).count();
            assert!(lost > 0 && moved > 0 && moved + lost <= before.len(), "{lost} and {moved} of {}", before.len());
            assert!(gradient.iter().zip(before.iter().zip(&after)).all(|(g, (b, a))| g.is_finite() || a == b));
            assert!(after.iter().all(|p| p.is_finite()), "{after:?}");
            out += lost;
            let told = format!("{out} of {} numbers of gradients were left out", step * before.len());
            let warning = family.warning(step).unwrap();
            assert!(warning.starts_with(&told), "{warning}, expected {told}");
        }
        let mut file = ModelFile::new("test");
        family.save(&mut file, "family");
        let (_, _, mut other) = small(6);
        other.restore(&file, "family").unwrap();
        assert_eq!((other.left_out, other.pack()), (out, family.pack()));
    }

    #[test]
    fn the_noise_of_a_site_is_that_of_its_own_estimator() {
        let (factors, counts, family) = small(4);
        let noise = |gradients: [GammaGradient; 2]| {
            let ascent = Ascent { factors: &factors, counts: &counts, gradients, draws: 4, rate: 0.1, weights: None };
            ascent.noise(&family, &mut Rng::new(5)).unwrap()
        };
        let (paths, mixed) = (noise([IMPLICIT; 2]), noise([IMPLICIT, GammaGradient::Score]));
        let names: Vec<&str> = paths.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["codes_1", "codes_2", "weights_1", "weights_2"]);
        // The score is noisier than paths, and paths stay paths beside it.
        let weights = |noise: &[(String, f64)]| noise[2].1 + noise[3].1;
        assert!(weights(&mixed) > weights(&paths), "{paths:?} {mixed:?}");
        assert!((0..2).all(|site| (mixed[site].1 / paths[site].1 - 1.0).abs() < 1e-6), "{paths:?} {mixed:?}");
    }
}
