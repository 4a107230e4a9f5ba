//! A small system for tests: Bayesian linear regression by stochastic gradients, with every verb but `update`.

use elbo_core::step::Batches;
use elbo_core::{
    Card, Claim, Columns, Config, Data, Error, Kind, Marginals, Model, ModelFile, Predict, Prediction, Progress,
    Regression, Result, Run, Step, Stop, Summary, System, Verb, drive, ensure, ensure_within,
};
use elbo_dist::Normals;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Linear regression.
pub struct Linear;

/// Settings of the test system.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LinearConfig {
    /// Step length.
    pub rate: f64,
    /// Steps at most.
    #[schemars(range(min = 1))]
    pub steps: usize,
}

impl Default for LinearConfig {
    fn default() -> Self {
        Self { rate: 0.05, steps: 500 }
    }
}

impl Config for LinearConfig {
    fn check(&self) -> Result<()> {
        ensure("rate", self.rate, self.rate > 0.0 && self.rate < 1.0, "in (0, 1)")?;
        ensure_within("steps", self.steps, 1..=1_000_000)
    }
}

impl System for Linear {
    const CARD: Card = Card {
        id: "test-linear",
        title: "Linear regression",
        family: "test",
        kind: Kind::Baseline,
        verbs: &[Verb::Fit, Verb::Predict, Verb::Evaluate, Verb::Reproduce],
        source: "Gauss (1809)",
        about: "# Linear regression\n\n## What it is\n\nA line.\n\n## When to use it\n\nIn tests.\n\n## How to use it\n\nFit it.\n\n\
                ## What to expect\n\nA line.\n\n## Source\n\nGauss.\n",
        validates_itself: false,
    };
    type Config = LinearConfig;
    type Input = Regression;
    type Model = LinearModel;

    fn fit(&self, config: &LinearConfig, input: Regression, run: &mut Run) -> Result<LinearModel> {
        let mut weights = vec![0.0; input.x.dims + 1];
        let step = Descend { input: &input, rate: config.rate };
        let end = drive(&step, &mut weights, &Stop::after(config.steps, "descent", "squared error"), run)?;
        let residual = |i: usize| input.y[i] - line(&weights, input.x.row(i));
        let variance = (0..input.y.len()).map(|i| residual(i).powi(2)).sum::<f64>() / input.y.len() as f64;
        Ok(LinearModel { columns: input.columns, weights, noise: variance.sqrt().max(1e-6), objective: end.objective })
    }

    fn load(&self, file: &ModelFile) -> Result<LinearModel> {
        let (noise, objective) = file.fact("numbers")?;
        Ok(LinearModel { columns: file.fact("columns")?, weights: file.get("weights")?, noise, objective })
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        let mut claim = Claim::new(run.seeds(2));
        claim.at_least("one", 1.0, Some(0.0), 0.5);
        Ok(claim)
    }
}

fn line(weights: &[f64], x: &[f64]) -> f64 {
    weights[0] + x.iter().zip(&weights[1..]).map(|(x, w)| x * w).sum::<f64>()
}

struct Descend<'a> {
    input: &'a Regression,
    rate: f64,
}

impl Step<Vec<f64>> for Descend<'_> {
    type State = Batches;

    fn init(&self, _: &mut Vec<f64>, _: &mut Run) -> Result<Batches> {
        Ok(Batches::new(self.input.y.len(), 32))
    }

    fn step(&self, weights: &mut Vec<f64>, batches: &mut Batches, run: &mut Run) -> Result<Progress> {
        let rows = batches.next(&mut run.rng).to_vec();
        let mut loss = 0.0;
        for &i in &rows {
            let x = self.input.x.row(i);
            let error = line(weights, x) - self.input.y[i];
            let pull = self.rate * error / rows.len() as f64;
            weights[0] -= pull;
            weights[1..].iter_mut().zip(x).for_each(|(w, x)| *w -= pull * x);
            loss += error * error / rows.len() as f64;
        }
        if !loss.is_finite() {
            return Err(Error::numerical("the descent diverged", "use a smaller rate"));
        }
        Ok(Progress { objective: loss, converged: false })
    }
}

/// A fitted line.
pub struct LinearModel {
    columns: Columns,
    weights: Vec<f64>,
    noise: f64,
    objective: f64,
}

impl Model for LinearModel {
    fn save(&self, file: &mut ModelFile) -> Result<()> {
        file.set("columns", &self.columns);
        file.put("weights", &[self.weights.len()], &self.weights);
        file.set("numbers", &(self.noise, self.objective));
        Ok(())
    }

    fn summary(&self) -> Summary {
        Summary {
            objective: Some(("squared error".into(), self.objective)),
            metrics: vec![("noise".into(), self.noise)],
            relevance: self
                .columns
                .inputs
                .iter()
                .zip(&self.weights[1..])
                .map(|(c, w)| (c.name.clone(), w.abs()))
                .collect(),
            parameters: vec![("noise".into(), self.noise.to_string(), "standard deviation".into())],
            text: "A line.".into(),
        }
    }

    fn as_predict(&self) -> Option<&dyn Predict> {
        Some(self)
    }
}

impl Predict for LinearModel {
    fn predict(&self, data: &Data, _: &mut Run) -> Result<Prediction> {
        let x = self.columns.encode(data)?;
        let (shift, scale) = self.columns.target_scaling();
        let mean: Vec<f64> = (0..x.rows).map(|i| shift + scale * line(&self.weights, x.row(i))).collect();
        let marginals: Box<dyn Marginals> = Box::new(Normals { sd: vec![self.noise * scale; mean.len()], mean });
        Ok(Prediction::Numbers(marginals))
    }
}
