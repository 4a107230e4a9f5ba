#![doc = "[picture]: ../../../../docs/pictures/flow-vi.svg"]
#![doc = include_str!("flow-vi.md")]

mod amortised;
mod energies;

use elbo_core::{
    Card, Claim, Config, Error, Kind, ModelFile, Result, Run, Summary, Supervised, System, Table, Verb, ensure_within,
};
use elbo_dist::flow::FlowSpec;
use elbo_infer::diagnostics::worst;
use elbo_infer::family::{FlowFamily, MeanField};
use elbo_infer::fit::{AnnealedSettings, Fit, ViSettings, annealed, vi};
use elbo_infer::glm::{GlmKind, GlmPosterior, GlmSettings, GlmTable};
use elbo_infer::target::LogDensity;
use elbo_tensor::Parameters;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Steps of the mean-field start for each step of the flow, at most.
const START_STEPS: usize = 10;

/// Distance between the means of starts, in standard deviations, above which they have found different modes: the means of one posterior agree to a
/// few hundredths of them.
const APART: f64 = 1.0;

/// Variational inference with normalizing flows.
pub struct FlowVi;

/// Settings of `flow-vi`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FlowViConfig {
    /// The flow: `planar:32`, `radial:8`, `sylvester:4x2`, `householder:4`, `nice:4x32`, `realnvp:4x32`, `iaf:4x32`, `spline:4x8`, `continuous:8x32`.
    pub flow: String,
    /// Steps.
    #[schemars(range(min = 1))]
    pub steps: usize,
    /// Draws a step.
    #[schemars(range(min = 1))]
    pub batch: usize,
    /// Adam's rate; it falls linearly to zero in the second half.
    pub rate: f64,
    /// Share of the steps in which the posterior's weight rises from 0.01 to 1; zero keeps it at 1.
    pub annealing: f64,
    /// Posterior draws kept for predictions.
    #[schemars(range(min = 100))]
    pub draws: usize,
    /// Fits from different random numbers, of which the one with the highest bound is kept: means that disagree tell that modes were dropped.
    #[schemars(range(min = 1, max = 100))]
    pub starts: usize,
    /// The likelihood: gaussian, bernoulli, poisson or categorical; without one, by the target.
    pub likelihood: Option<GlmKind>,
    /// Prior standard deviation of the weights, for inputs of unit variance.
    pub weight_sd: f64,
    /// Prior standard deviation of the intercept.
    pub intercept_sd: f64,
}

impl Default for FlowViConfig {
    fn default() -> Self {
        let GlmSettings { weight_sd, intercept_sd, .. } = GlmSettings::default();
        Self {
            flow: "planar:16".into(),
            steps: 2000,
            batch: 64,
            rate: 5e-3,
            annealing: 0.5,
            draws: 2000,
            starts: 1,
            likelihood: None,
            weight_sd,
            intercept_sd,
        }
    }
}

impl Config for FlowViConfig {
    fn check(&self) -> Result<()> {
        self.flow.parse::<FlowSpec>()?;
        ensure_within("draws", self.draws, 100..=1_000_000)?;
        ensure_within("starts", self.starts, 1..=100)?;
        self.training().check()?;
        self.model().check()
    }
}

impl FlowViConfig {
    fn training(&self) -> AnnealedSettings {
        let &Self { steps, batch, rate, annealing, draws, .. } = self;
        AnnealedSettings { steps, batch, rate, annealing, evaluated: draws, ..AnnealedSettings::default() }
    }

    fn model(&self) -> GlmSettings {
        let &Self { likelihood, weight_sd, intercept_sd, .. } = self;
        GlmSettings { likelihood, weight_sd, intercept_sd }
    }

    /// A mean-field fit gives the flow its base, so that the layers only have to bend.
    fn infer(&self, target: &dyn LogDensity, run: &mut Run) -> Result<Fit> {
        let d = target.dim();
        let start = MeanField::new(&vec![0.0; d], &vec![1.0; d]);
        // The start need not have settled: steps of its own for each step of the flow, up to the usual number.
        let usual = ViSettings::default();
        let settings = ViSettings { steps: usual.steps.min(START_STEPS * self.steps), ..usual };
        let mut own = run.part(run.seed);
        let first = vi(target, Box::new(start), &settings, &mut own);
        run.rejoin(own);
        let first = first?;
        let packed = first.family.pack();
        let sd: Vec<f64> = packed[d..].iter().map(|s| s.exp()).collect();
        let family = FlowFamily::new(self.flow.parse()?, &packed[..d], &sd, &mut run.rng)?;
        let mut fit = annealed(target, Box::new(family), &self.training(), run)?;
        fit.gradients += first.gradients;
        Ok(fit)
    }

    /// Fits from the seeds after the run's own, as many as are asked for beside the first; fewer where the run has to stop.
    fn again(&self, target: &dyn LogDensity, run: &mut Run) -> Result<Vec<Fit>> {
        let mut fits = vec![];
        for k in 1..self.starts {
            let mut own = run.part(run.seed.wrapping_add(k as u64));
            let fit = self.infer(target, &mut own);
            run.rejoin(own);
            match fit {
                Err(Error::Stopped) => {
                    run.mark_stopped_early();
                    run.warn(format!("the work was stopped after {k} of {} starts", self.starts));
                    break;
                }
                fit => fits.push(fit?),
            }
        }
        Ok(fits)
    }
}

/// How far two sets of draws `[S, D]` are apart: the largest distance between the means of an unknown, in its standard deviations; NaN for draws that are
/// not finite.
fn distance(a: &[f64], b: &[f64], dims: usize) -> f64 {
    let moments = |draws: &[f64], d: usize| {
        let column = || draws.iter().skip(d).step_by(dims);
        let count = (draws.len() / dims) as f64;
        let mean = column().sum::<f64>() / count;
        (mean, column().map(|z| (z - mean).powi(2)).sum::<f64>() / count)
    };
    let of_unknown = |d: usize| {
        let ((mean, variance), (other, of_other)) = (moments(a, d), moments(b, d));
        // Draws that are all the same have no unit of distance, and need none; infinite ones are not the same.
        if mean - other == 0.0 { 0.0 } else { (mean - other).abs() / (0.5 * (variance + of_other)).sqrt() }
    };
    worst((0..dims).map(of_unknown), f64::max)
}

/// The start with the highest bound, how far the others' draws are from its own, and both as a table.
fn compared(fits: &[Fit], seed: u64, dims: usize) -> (usize, f64, Table) {
    // A bound that is no number is the worst.
    let bound = |fit: &Fit| if fit.elbo.value.is_nan() { f64::NEG_INFINITY } else { fit.elbo.value };
    let best = (0..fits.len()).max_by(|a, b| bound(&fits[*a]).total_cmp(&bound(&fits[*b]))).unwrap_or(0);
    let caption = "Fits from different random numbers. Distances are those of an unknown's mean from that of the fit that is kept, in standard \
                   deviations; far apart, the posterior has several modes.";
    let mut table = Table::new("starts", caption, &["seed", "kept", "elbo", "its error", "k-hat", "largest distance"]);
    let distances: Vec<f64> = fits.iter().map(|fit| distance(&fit.draws, &fits[best].draws, dims)).collect();
    for (k, (fit, from_best)) in fits.iter().zip(&distances).enumerate() {
        let numbers = [fit.elbo.value, fit.elbo.error, fit.psis.k, *from_best].map(|v| format!("{v:.4}"));
        let kept = if k == best { "yes" } else { "no" };
        table.push([vec![seed.wrapping_add(k as u64).to_string(), kept.into()], numbers.to_vec()].concat());
    }
    (best, worst(distances, f64::max), table)
}

impl System for FlowVi {
    const CARD: Card = Card {
        id: "flow-vi",
        title: "Variational Inference with Normalizing Flows",
        family: "inference",
        kind: Kind::Paper,
        verbs: &[Verb::Fit, Verb::Predict, Verb::Evaluate, Verb::Sample, Verb::Reproduce],
        source: "Rezende and Mohamed (2015), ICML",
        about: include_str!("flow-vi.md"),
        validates_itself: false,
    };
    type Config = FlowViConfig;
    type Input = Supervised;
    type Model = GlmPosterior;

    fn fit(&self, config: &FlowViConfig, input: Supervised, run: &mut Run) -> Result<GlmPosterior> {
        let (table, glm, notes) = GlmTable::read(input, &config.model())?;
        notes.iter().for_each(|note| run.warn(note));
        let mut fits = vec![config.infer(&glm, run)?];
        fits.extend(config.again(&glm, run)?);
        let mut of_starts = (vec![], vec![]);
        let mut best = 0;
        if fits.len() > 1 {
            let (found, apart, table) = compared(&fits, run.seed, glm.dim());
            if !apart.is_finite() {
                return Err(Error::numerical(
                    format!(
                        "the draws of {} starts are not all finite, so that how far they are apart is not known",
                        fits.len()
                    ),
                    "lower `rate`, or set starts=1",
                ));
            }
            if apart > APART {
                run.warn(format!(
                    "{} starts ended up to {apart:.1} standard deviations apart: the posterior has several modes, and a flow may drop one; see the table \
                     `starts`, and sample this posterior instead",
                    fits.len()
                ));
            }
            best = found;
            of_starts = (vec![("starts_apart".to_owned(), apart)], vec![table]);
        }
        let fit = fits.swap_remove(best);
        let metrics = [
            ("elbo_error".to_owned(), fit.elbo.error),
            ("log_evidence".to_owned(), fit.log_evidence.value),
            ("k_hat".to_owned(), fit.psis.k),
        ];
        let summary = Summary {
            objective: Some(("elbo".into(), fit.elbo.value)),
            metrics: metrics.into_iter().chain(of_starts.0).collect(),
            text: format!(
                "A Bayesian {} regression on {} rows, its posterior a {}. {}.",
                serde_json::to_value(table.kind()).expect("a plain name").as_str().unwrap_or_default(),
                glm.rows(),
                fit.family.title(),
                fit.psis.verdict()
            ),
            ..Summary::default()
        };
        GlmPosterior::new(config, table, fit.draws, summary)
            .with_pictures(vec![], of_starts.1)
            .with_flow(config.flow.parse()?, fit.family.into())
    }

    fn load(&self, file: &ModelFile) -> Result<GlmPosterior> {
        GlmPosterior::load(file)
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        let mut claim = Claim::new(run.seeds(3));
        energies::check(&mut claim, run)?;
        amortised::check(&mut claim, run)?;
        Ok(claim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_core::Rng;
    use elbo_infer::Estimate;
    use elbo_infer::diagnostics::psis;

    #[test]
    fn draws_of_two_modes_are_apart_and_those_of_one_are_not() {
        let mut rng = Rng::new(4);
        let mut around =
            |centre: f64| (0..2000).flat_map(|_| [rng.normal(), centre + 0.5 * rng.normal()]).collect::<Vec<f64>>();
        let (one, again, other) = (around(0.0), around(0.0), around(3.0));
        // Means of 2000 draws are uncertain by a fiftieth of a deviation: four standard errors of a difference.
        assert!(distance(&one, &again, 2) < 4.0 * (2.0 / 2000f64).sqrt());
        let found = distance(&one, &other, 2);
        assert!((found - 6.0).abs() < 0.4, "{found}");
        assert_eq!(distance(&one, &one, 2), 0.0);
    }

    #[test]
    fn draws_that_are_no_numbers_are_not_said_to_agree() {
        let (sound, broken) = ([0.0, 5.0, 2.0, 5.0], [0.5, 5.0, f64::NAN, 5.0]);
        // The second unknown is the same in every draw.
        assert_eq!(distance(&sound, &sound, 2), 0.0);
        assert!(distance(&sound, &broken, 2).is_nan() && distance(&broken, &broken, 2).is_nan());
        let endless = [0.5, 5.0, f64::INFINITY, 5.0];
        assert!(distance(&sound, &endless, 2).is_nan() && distance(&endless, &endless, 2).is_nan());
        let fit = |draws: &[f64], bound: f64| Fit {
            family: Box::new(MeanField::new(&[0.0; 2], &[1.0; 2])),
            elbo: Estimate { value: bound, error: 0.1 },
            log_evidence: Estimate { value: bound, error: 0.1 },
            psis: psis(&[0.0; 2]),
            draws: draws.to_vec(),
            log_weights: vec![0.0; 2],
            steps: 0,
            is_converged: None,
            r_hat: None,
            seed: 0,
            gradients: 0,
            seconds: 0.0,
            warnings: vec![],
        };
        // A finite distance that follows does not hide the one before it.
        let fits = [fit(&sound, -1.0), fit(&broken, f64::NAN), fit(&[1.0, 5.0, 3.0, 5.0], -2.0)];
        let (best, apart, table) = compared(&fits, 0, 2);
        assert!(best == 0 && apart.is_nan(), "{best}, {apart}");
        assert_eq!(table.rows[1][5], "NaN");
        assert!(compared(&[fit(&sound, -1.0), fit(&[1.0, 5.0, 3.0, 5.0], -2.0)], 0, 2).1.is_finite());
    }
}
