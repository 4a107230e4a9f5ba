#![doc = "[picture]: ../../../../docs/pictures/scale-mixture-nngp.svg"]
#![doc = include_str!("scale-mixture-nngp.md")]

mod claim;

use elbo_core::{
    Array, Card, Claim, Classification, Columns, Config, Data, Encode, Features, Kind, Model, ModelFile, Predict,
    Prediction, Regression, Result, Rng, Run, Snapshot, Stop, Summary, Supervised, System, Table, Verb, drive,
    ensure_within,
};
use elbo_gp::fit::{Search, search};
use elbo_gp::inducing::InducingPoints;
use elbo_gp::jitter;
use elbo_gp::kernel::{KernelConfig, NngpConfig};
use elbo_gp::scale_mixture::{ClassBatch, ScaleMixtureClassifier, ScaleMixtureGp, ScaleMixturePosterior, ScalePrior};
use elbo_gp::settings;
use elbo_gp::table;
use elbo_tensor::optim::{Adam, Rule, Schedule};
use elbo_tensor::{Parameters, Tensor, no_grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Scale mixtures of network processes.
pub struct ScaleMixtureNngp;

/// The prior over the last layer's weight scale, which decides how heavy the tails are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tails {
    /// A known scale: a Gaussian process.
    Gauss,
    /// An inverse gamma scale: a Student-t process.
    InverseGamma,
    /// A Burr scale, by quadrature; for numbers only.
    Burr,
}

/// Settings of `scale-mixture-nngp`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ScaleMixtureNngpConfig {
    /// The kernel, as an expression: `nngp(depth = 4)`, or any other.
    pub kernel: KernelConfig,
    /// The prior over the scale.
    pub tails: Tails,
    /// Shape of the inverse gamma prior; degrees of freedom are twice this plus the number of rows.
    pub alpha: f64,
    /// Scale of the inverse gamma prior.
    pub beta: f64,
    /// First shape of the Burr prior.
    pub burr_c: f64,
    /// Second shape of the Burr prior; its tail falls as `s^(-c k - 1)`.
    pub burr_k: f64,
    /// Whether alpha and beta are learned too. One data set says little about the spread of its own scale, so alpha tends to infinity.
    pub learn_tails: bool,
    /// Numbers: noise variance at the start, as a share of the target's variance; it is scaled with the function.
    pub noise: f64,
    /// Numbers: starting points of the search for hyperparameters.
    #[schemars(range(min = 1))]
    pub starts: usize,
    /// Numbers: L-BFGS iterations a start, at most.
    #[schemars(range(min = 1))]
    pub iterations: usize,
    /// Numbers: rows beyond which the fit is refused.
    pub most_rows: usize,
    /// Classes: inducing points, `M`.
    #[schemars(range(min = 1))]
    pub inducing: usize,
    /// Classes: steps of Adam.
    #[schemars(range(min = 1))]
    pub steps: usize,
    /// Classes: rows a step, `B`.
    #[schemars(range(min = 1))]
    pub batch: usize,
    /// Classes: learning rate at the start; it falls to a tenth.
    pub rate: f64,
    /// Classes: draws of the latent values for each of the scale's eight nodes.
    #[schemars(range(min = 1))]
    pub draws: usize,
}

impl Default for ScaleMixtureNngpConfig {
    fn default() -> Self {
        Self {
            kernel: KernelConfig::Nngp(NngpConfig::default()),
            tails: Tails::InverseGamma,
            alpha: 2.0,
            beta: 2.0,
            burr_c: 2.0,
            burr_k: 1.0,
            learn_tails: false,
            noise: 0.01,
            starts: 3,
            iterations: 100,
            most_rows: 5000,
            inducing: 100,
            steps: 2000,
            batch: 128,
            rate: 0.01,
            draws: 2,
        }
    }
}

impl Config for ScaleMixtureNngpConfig {
    fn check(&self) -> Result<()> {
        self.kernel.check()?;
        ScalePrior::InverseGamma { alpha: self.alpha, beta: self.beta }.check()?;
        ScalePrior::Burr { c: self.burr_c, k: self.burr_k }.check()?;
        settings::noise(self.noise)?;
        settings::starts(self.starts)?;
        settings::counts(&[("iterations", self.iterations), ("steps", self.steps), ("batch", self.batch)])?;
        ensure_within("inducing", self.inducing, 1..=2000)?;
        settings::share("rate", self.rate)?;
        ensure_within("draws", self.draws, 1..=100)
    }
}

impl ScaleMixtureNngpConfig {
    /// Warns of settings that do not apply.
    fn warn_idle(&self, is_number: bool, run: &mut Run) {
        if is_number {
            run.warn_idle(self, &["inducing", "steps", "batch", "rate", "draws"], "on a numeric target");
        } else {
            run.warn_idle(self, &["noise", "starts", "iterations", "most_rows"], "on a target of classes");
        }
        if self.tails != Tails::InverseGamma {
            run.warn_idle(self, &["alpha", "beta", "learn_tails"], "without tails=inverse_gamma");
        }
        if self.tails != Tails::Burr {
            run.warn_idle(self, &["burr_c", "burr_k"], "without tails=burr");
        }
    }

    fn prior(&self) -> ScalePrior {
        match self.tails {
            Tails::Gauss => ScalePrior::Point,
            Tails::InverseGamma => ScalePrior::InverseGamma { alpha: self.alpha, beta: self.beta },
            Tails::Burr => ScalePrior::Burr { c: self.burr_c, k: self.burr_k },
        }
    }

    fn process(&self, x: &Features, y: &[f64]) -> Result<ScaleMixtureGp> {
        let kernel = self.kernel.start_for(x)?;
        let y = Tensor::from_slice(y, &[y.len()]);
        let mut gp = ScaleMixtureGp::new(kernel, self.noise, self.prior(), table::tensor(x), y).with_held_jitter();
        if let (Some((alpha, beta)), false) = (gp.tails_mut(), self.learn_tails) {
            alpha.set_frozen(true);
            beta.set_frozen(true);
        }
        Ok(gp)
    }

    fn fit_numbers(&self, input: Regression, run: &mut Run) -> Result<ScaleMixtureNngpModel> {
        let instead = "`sgpr` or `sdd-gp`, since with that many rows the tails are Gaussian";
        settings::rows_at_most(input.x.rows, self.most_rows, "this exact method", instead)?;
        let mut gp = self.process(&input.x, &input.y)?;
        let found = search(&mut gp, Search { starts: self.starts, iterations: self.iterations }, run)?;
        table::warn_about_noise(gp.noise(), run);
        let posterior = gp.condition()?;
        let mut summary = table::summarise(gp.kernel(), &gp, &input.x.names);
        summary.objective = Some(("log marginal likelihood".into(), -found.loss));
        let factor = posterior.scale_factor();
        summary.metrics.push(("scale_factor".into(), factor));
        jitter::report(&mut summary, posterior.jitter(), run);
        let n = input.x.rows;
        summary.text =
            format!("A scale mixture of Gaussian processes with kernel {} on {n} rows.", gp.kernel().summary());
        if let (Some(dof), ScalePrior::InverseGamma { alpha, beta }) = (posterior.dof(), posterior.prior()) {
            let expected = beta / alpha;
            summary.metrics.extend([("dof".into(), dof), ("prior_scale".into(), expected)]);
            if !(0.1..=10.0).contains(&(factor / expected)) {
                run.warn(format!(
                    "the data's scale is {factor:.3}, the prior's is {expected:.3}: the prior does not fit; \
                     change `beta` (now {beta})"
                ));
            }
            if dof > 200.0 {
                summary.text.push_str(&format!(
                    " With {dof:.0} degrees of freedom its predictions are those of a Gaussian process with its variance rescaled."
                ));
            }
        }
        let fitted =
            Fitted::Numbers { gp: Box::new(gp), posterior: Box::new(posterior), y: input.y, starts: found.table() };
        Ok(ScaleMixtureNngpModel { config: self.clone(), features: input.x, columns: input.columns, fitted, summary })
    }

    fn fit_classes(&self, input: Classification, run: &mut Run) -> Result<ScaleMixtureNngpModel> {
        let x = table::tensor(&input.x);
        let (n, count) = (input.x.rows, input.classes.len());
        let kernel = self.kernel.build_for(&input.x)?;
        let z = InducingPoints::start(kernel.as_ref(), &input.x, self.inducing, run)?;
        let mut model = ScaleMixtureClassifier::new(kernel, &z, count, self.prior())?;
        // Coordinates of categories are levels: moving them would mean nothing.
        model.inducing_mut().set_frozen(!input.x.is_numeric());
        let batch = |size: usize, draws: usize, rng: &mut Rng| {
            let rows = rng.choose(n, size.min(n));
            let classes = rows.iter().map(|i| input.y[*i]).collect();
            ClassBatch::new(x.index_select(0, &Tensor::indices(&rows)), classes, count, n, draws, rng)
        };
        let rate = Schedule::Cosine { start: self.rate, end: 0.1 * self.rate, steps: self.steps };
        let step = Adam::with_rate(rate).on(|model: &ScaleMixtureClassifier, run: &mut Run| {
            Ok(-model.elbo(&batch(self.batch, self.draws, &mut run.rng))?)
        });
        drive(&step, &mut model, &Stop::after(self.steps, "classifier", "negative lower bound (nats)"), run)?;
        let bound = no_grad(|| model.elbo(&batch(1000, 8, &mut run.rng)))?.item();
        let mut summary =
            Summary { objective: Some(("lower bound of the log evidence".into(), bound)), ..Summary::default() };
        summary.metrics.push(("kl".into(), no_grad(|| model.kl()).item()));
        if let Some((a, b)) = model.scale_posterior() {
            summary.metrics.extend([("dof".into(), 2.0 * a), ("scale_factor".into(), b / a)]);
        }
        summary.text = format!(
            "A scale mixture of Gaussian processes with kernel {} for {count} classes on {n} rows, carried by {} inducing points.",
            model.kernel().summary(),
            z.shape()[0]
        );
        let fitted = Fitted::Classes(Box::new(model));
        Ok(ScaleMixtureNngpModel { config: self.clone(), features: input.x, columns: input.columns, fitted, summary })
    }
}

impl System for ScaleMixtureNngp {
    const CARD: Card = Card {
        id: "scale-mixture-nngp",
        title: "Scale Mixtures of Neural Network Gaussian Processes",
        family: "gp",
        kind: Kind::Paper,
        verbs: &[Verb::Fit, Verb::Predict, Verb::Evaluate, Verb::Encode, Verb::Reproduce],
        source: "Lee, Yun, Yang and Lee (2022), ICLR",
        about: include_str!("scale-mixture-nngp.md"),
        validates_itself: false,
    };
    type Config = ScaleMixtureNngpConfig;
    type Input = Supervised;
    type Model = ScaleMixtureNngpModel;

    fn fit(&self, config: &ScaleMixtureNngpConfig, input: Supervised, run: &mut Run) -> Result<ScaleMixtureNngpModel> {
        config.warn_idle(matches!(input, Supervised::Numbers(_)), run);
        match input {
            Supervised::Numbers(input) => {
                input.notes.iter().for_each(|note| run.warn(note));
                config.fit_numbers(input, run)
            }
            Supervised::Classes(input) => {
                input.notes.iter().for_each(|note| run.warn(note));
                config.fit_classes(input, run)
            }
        }
    }

    fn load(&self, file: &ModelFile) -> Result<ScaleMixtureNngpModel> {
        let config: ScaleMixtureNngpConfig = file.fact("config")?;
        let columns: Columns = file.fact("columns")?;
        let mut features = table::features_like(&columns);
        let fitted = if columns.classes().is_empty() {
            features = table::load_features(file, &columns)?;
            let y = file.get_as("y", &[features.rows])?;
            let mut gp = config.process(&features, &y)?;
            gp.restore(file, "parameters")?;
            let posterior = gp.condition()?;
            Fitted::Numbers { gp: Box::new(gp), posterior: Box::new(posterior), y, starts: file.fact("starts")? }
        } else {
            let z = table::stored_points(file, "parameters.inducing", features.dims)?;
            let kernel = config.kernel.build_for(&features)?;
            let mut model = ScaleMixtureClassifier::new(kernel, &z, columns.classes().len(), config.prior())?;
            model.read_from(file, "parameters")?;
            Fitted::Classes(Box::new(model))
        };
        Ok(ScaleMixtureNngpModel { config, features, columns, fitted, summary: file.fact("summary")? })
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        claim::claim(run)
    }
}

/// Either kind of target.
enum Fitted {
    Numbers { gp: Box<ScaleMixtureGp>, posterior: Box<ScaleMixturePosterior>, y: Vec<f64>, starts: Table },
    Classes(Box<ScaleMixtureClassifier>),
}

/// A fitted scale mixture.
pub struct ScaleMixtureNngpModel {
    config: ScaleMixtureNngpConfig,
    features: Features,
    columns: Columns,
    fitted: Fitted,
    summary: Summary,
}

impl Model for ScaleMixtureNngpModel {
    fn save(&self, file: &mut ModelFile) -> Result<()> {
        file.set("config", &self.config);
        file.set("columns", &self.columns);
        match &self.fitted {
            Fitted::Numbers { gp, y, starts, .. } => {
                table::save_features(file, &self.features);
                file.put("y", &[y.len()], y);
                gp.save(file, "parameters");
                file.set("starts", starts);
            }
            Fitted::Classes(model) => {
                // The inducing points carry everything; the rows are not kept.
                model.write_to(file, "parameters");
            }
        }
        file.set("summary", &self.summary);
        Ok(())
    }

    fn summary(&self) -> Summary {
        self.summary.clone()
    }

    fn as_predict(&self) -> Option<&dyn Predict> {
        Some(self)
    }

    fn as_encode(&self) -> Option<&dyn Encode> {
        Some(self)
    }

    fn tables(&self) -> Vec<Table> {
        match &self.fitted {
            Fitted::Numbers { starts, .. } => vec![starts.clone()],
            Fitted::Classes(_) => vec![],
        }
    }
}

impl Predict for ScaleMixtureNngpModel {
    fn predict(&self, data: &Data, run: &mut Run) -> Result<Prediction> {
        let x = table::encode(&self.columns, data, run)?;
        match &self.fitted {
            Fitted::Numbers { posterior, .. } => {
                let prediction = posterior.predict(&x, self.columns.target_scaling())?;
                jitter::warn_about_clamps(posterior.take_clamped(), run);
                Ok(Prediction::Numbers(prediction))
            }
            Fitted::Classes(model) => {
                Ok(Prediction::Classes { classes: self.columns.classes().to_vec(), probabilities: model.predict(&x)? })
            }
        }
    }

    fn sample_paths(&self, data: &Data, count: usize, run: &mut Run) -> Result<Option<Vec<f64>>> {
        let Fitted::Numbers { posterior, .. } = &self.fitted else { return Ok(None) };
        let x = table::encode(&self.columns, data, run)?;
        Ok(Some(table::unscaled(posterior.sample_paths(&x, count, &mut run.rng)?, &self.columns)))
    }
}

/// How unlike the training data rows look: entropies of class probabilities, in nats, or standard deviations of an observation.
fn novelty(prediction: &Prediction) -> Vec<f64> {
    match prediction {
        Prediction::Numbers(marginals) => (0..marginals.len()).map(|i| marginals.sd(i)).collect(),
        Prediction::Classes { classes, probabilities } => entropies(probabilities, classes.len()),
    }
}

/// Entropies in nats of probabilities `[N, classes]`, row-major.
fn entropies(probabilities: &[f64], classes: usize) -> Vec<f64> {
    let entropy = |row: &[f64]| row.iter().filter(|p| **p > 0.0).map(|p| -p * p.ln()).sum::<f64>();
    probabilities.chunks_exact(classes).map(entropy).collect()
}

impl Encode for ScaleMixtureNngpModel {
    fn encode(&self, data: &Data, run: &mut Run) -> Result<Data> {
        let novelty = novelty(&self.predict(data, run)?);
        let arrays = vec![("novelty".to_owned(), Array::new(&[novelty.len()], novelty))];
        Ok(Data { source: format!("novelty of {}", data.source), arrays, ..Data::default() })
    }
}
