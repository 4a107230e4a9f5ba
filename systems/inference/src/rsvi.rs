#![doc = "[picture]: ../../../../docs/pictures/rsvi.svg"]
#![doc = include_str!("rsvi.md")]

mod checks;
mod model;

use elbo_core::{
    Allowed, Array, Card, Claim, Columns, Config, Data, Encode, Error, Features, Kind, Model, ModelFile, Points,
    Result, Run, Sample, Stop, Summary, System, Table, Verb, drive, ensure, ensure_within, half_open,
};
use elbo_infer::estimator::GammaGradient;
use elbo_tensor::Tensor;
use model::{Ascent, Factors, GammaFamily};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Gradients through acceptance-rejection sampling.
pub struct Rsvi;

/// Settings of `rsvi`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RsviConfig {
    /// Widths of the layers from the counts up: `[10]` is gamma-Poisson factorisation, `[30, 15, 8]` a deep exponential family.
    pub layers: Vec<usize>,
    /// How gradients are estimated: rejection, implicit, standardised or score.
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub gradient: GammaGradient,
    /// How gradients of the weights are estimated, where not as those of the codes.
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub weight_gradient: Option<GammaGradient>,
    /// Draws a step.
    #[schemars(range(min = 1))]
    pub draws: usize,
    /// Steps.
    #[schemars(range(min = 1))]
    pub steps: usize,
    /// Length of the steps at the start; they fall with the root of their number, and with the size of recent gradients.
    pub rate: f64,
    /// Shape of the gamma distributions of codes: small values make them sparse.
    pub shape: f64,
}

impl Default for RsviConfig {
    fn default() -> Self {
        let gradient = GammaGradient::Rejection { augmentation: 4 };
        Self { layers: vec![10], gradient, weight_gradient: None, draws: 1, steps: 800, rate: 0.75, shape: 0.1 }
    }
}

impl Config for RsviConfig {
    fn check(&self) -> Result<()> {
        let depth = self.layers.len();
        ensure("layers", depth, (1..=5).contains(&depth), "1 to 5 widths")?;
        for width in &self.layers {
            ensure("layers", *width, (1..=2000).contains(width), Allowed::within(1..=2000).told("widths in 1..=2000"))?;
        }
        self.gradients().iter().try_for_each(GammaGradient::check)?;
        ensure_within("draws", self.draws, 1..=1000)?;
        ensure_within("steps", self.steps, 1..=1_000_000_000)?;
        ensure_within("rate", self.rate, half_open(0.0, 10.0))?;
        ensure_within("shape", self.shape, half_open(0.0, 10.0))
    }
}

impl RsviConfig {
    /// Of the codes and of the weights.
    fn gradients(&self) -> [GammaGradient; 2] {
        [self.gradient, self.weight_gradient.unwrap_or(self.gradient)]
    }

    fn factors(&self, columns: usize) -> Factors {
        Factors { widths: self.layers.clone(), columns, shape: self.shape }
    }

    fn ascent<'a>(&self, factors: &'a Factors, counts: &'a Tensor) -> Ascent<'a> {
        let gradients = self.gradients();
        Ascent { factors, counts, gradients, draws: self.draws, rate: self.rate, weights: None }
    }
}

impl System for Rsvi {
    const CARD: Card = Card {
        id: "rsvi",
        title: "Reparameterization Gradients through Acceptance-Rejection Sampling Algorithms",
        family: "inference",
        kind: Kind::Paper,
        verbs: &[Verb::Fit, Verb::Encode, Verb::Sample, Verb::Reproduce],
        source: "Naesseth, Ruiz, Linderman and Blei (2017), AISTATS",
        about: include_str!("rsvi.md"),
        validates_itself: false,
    };
    type Config = RsviConfig;
    type Input = Points;
    type Model = RsviModel;

    fn fit(&self, config: &RsviConfig, input: Points, run: &mut Run) -> Result<RsviModel> {
        input.notes.iter().for_each(|note| run.warn(note));
        let counts = counts(&input.x, run)?;
        let (rows, columns) = (input.x.rows, input.x.dims);
        let factors = config.factors(columns);
        let mut family = GammaFamily::start(&factors, &counts, &mut run.rng);
        let ascent = config.ascent(&factors, &counts);
        let stop = Stop::after(config.steps, "gamma factors", "elbo estimate (nats)");
        let steps = drive(&ascent, &mut family, &stop, run)?.steps;
        if let Some(warning) = family.warning(steps) {
            run.warn(warning);
        }
        let (elbo, error) = ascent.bound(&family, 20, run);
        let noise = ascent.noise(&family, &mut run.rng)?;
        let mut metrics: Vec<(String, f64)> =
            vec![("elbo_error".into(), error), ("elbo_per_row".into(), elbo / rows as f64)];
        for (site, variance) in noise {
            if variance.is_finite() {
                metrics.push((format!("gradient_variance_{site}"), variance));
            } else {
                run.warn(format!(
                    "gradient estimates of {site} overflow, and their variance is left out; lower `rate`"
                ));
            }
        }
        let [of_codes, of_weights] = config.gradients();
        let summary = Summary {
            objective: Some(("elbo".into(), elbo)),
            metrics,
            text: format!(
                "{} on {rows} rows of {columns} counts, with gamma posteriors fitted by {} gradients.",
                if config.layers.len() == 1 {
                    format!("A gamma-Poisson factorisation with {} factors", config.layers[0])
                } else {
                    format!("A sparse gamma deep exponential family with layers {:?}", config.layers)
                },
                if of_codes == of_weights {
                    named(of_codes)
                } else {
                    format!("{} (codes) and {} (weights)", named(of_codes), named(of_weights))
                }
            ),
            ..Summary::default()
        };
        Ok(RsviModel { config: config.clone(), columns: input.columns, weights: family.into_weights(), summary })
    }

    fn load(&self, file: &ModelFile) -> Result<RsviModel> {
        let config: RsviConfig = file.fact("config")?;
        let columns: Columns = file.fact("columns")?;
        let weights = config.factors(columns.inputs.len()).read_weights(file)?;
        Ok(RsviModel { config, columns, weights, summary: file.fact("summary")? })
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        let mut claim = Claim::new(run.seeds(3));
        checks::dirichlet(&mut claim, run);
        checks::scalar(&mut claim, run);
        checks::digits(&mut claim, run)?;
        Ok(claim)
    }
}

fn named(gradient: GammaGradient) -> String {
    match gradient {
        GammaGradient::Rejection { augmentation } => format!("acceptance-rejection (B = {augmentation})"),
        GammaGradient::Implicit => "implicit".into(),
        GammaGradient::Standardised => "standardised".into(),
        GammaGradient::Score => "score".into(),
    }
}

/// The table as counts `[N, D]`; warns of numbers that are not whole.
fn counts(x: &Features, run: &mut Run) -> Result<Tensor> {
    if let Some(at) = x.values.iter().position(|v| *v < 0.0) {
        return Err(Error::data(
            format!("column `{}` has {} in row {}", x.names[at % x.dims], x.values[at], at / x.dims + 1),
            "counts are 0, 1, 2, ...; drop columns that are none with --drop",
        ));
    }
    let fractions = x.values.iter().filter(|v| v.fract() != 0.0).count();
    if fractions > 0 {
        run.warn(format!(
            "{fractions} of the numbers are not whole; their Poisson density is taken at the gamma function"
        ));
    }
    Ok(Tensor::from_slice(&x.values, &[x.rows, x.dims]))
}

/// Fitted factors: the gamma posteriors of the weights.
pub struct RsviModel {
    config: RsviConfig,
    columns: Columns,
    weights: model::Weights,
    summary: Summary,
}

impl RsviModel {
    fn factors(&self) -> Factors {
        self.config.factors(self.columns.inputs.len())
    }
}

impl Model for RsviModel {
    fn save(&self, file: &mut ModelFile) -> Result<()> {
        file.set("config", &self.config);
        file.set("columns", &self.columns);
        self.weights.write(file);
        file.set("summary", &self.summary);
        Ok(())
    }

    fn summary(&self) -> Summary {
        self.summary.clone()
    }

    fn as_encode(&self) -> Option<&dyn Encode> {
        Some(self)
    }

    fn as_sample(&self) -> Option<&dyn Sample> {
        Some(self)
    }

    fn tables(&self) -> Vec<Table> {
        // Posterior means of the lowest weights, one row a factor.
        let mean = self.weights.lowest_mean();
        let mut columns = vec!["factor"];
        columns.extend(self.columns.inputs.iter().map(|c| c.name.as_str()));
        let mut table =
            Table::new("factors", "Posterior mean weight of each column in each factor of the lowest layer.", &columns);
        for (k, row) in mean.chunks_exact(self.columns.inputs.len()).enumerate() {
            let mut cells = vec![(k + 1).to_string()];
            cells.extend(row.iter().map(|v| format!("{v:.4}")));
            table.push(cells);
        }
        vec![table]
    }
}

impl Encode for RsviModel {
    /// Posterior means of the lowest layer's codes, by inference with the weights' posterior held fixed.
    fn encode(&self, data: &Data, run: &mut Run) -> Result<Data> {
        let counts = counts(&self.columns.encode(data)?, run)?;
        let factors = self.factors();
        let mut family = GammaFamily::start_codes(&factors, &counts, &mut run.rng);
        let mut ascent = self.config.ascent(&factors, &counts);
        ascent.weights = Some(&self.weights);
        let stop = Stop::after(self.config.steps, "codes", "elbo estimate (nats)");
        let steps = drive(&ascent, &mut family, &stop, run)?.steps;
        if let Some(warning) = family.warning(steps) {
            run.warn(warning);
        }
        let codes = family.code_means();
        let (rows, width) = (counts.size(0), self.config.layers[0]);
        let column = |k: usize| Array::new(&[rows], codes.iter().skip(k).step_by(width).copied().collect());
        let arrays = (0..width).map(|k| (format!("factor{}", k + 1), column(k))).collect();
        Ok(Data { source: "codes".into(), arrays, ..Data::default() })
    }
}

impl Sample for RsviModel {
    /// New rows of counts, from the top layer down, each with its own draw of the weights.
    fn sample(&self, count: usize, run: &mut Run) -> Result<Data> {
        let counts = self.factors().generate(&self.weights, count, &mut run.rng);
        let width = self.columns.inputs.len();
        let column = |d: usize| Array::new(&[count], counts.iter().skip(d).step_by(width).copied().collect());
        let names = self.columns.inputs.iter().enumerate();
        let arrays = names.map(|(d, c)| (c.name.clone(), column(d))).collect();
        Ok(Data { source: "samples".into(), arrays, ..Data::default() })
    }
}
