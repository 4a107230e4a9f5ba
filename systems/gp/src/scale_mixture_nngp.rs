#![doc = "[picture]: ../../../../docs/pictures/scale-mixture-nngp.svg"]
#![doc = include_str!("scale-mixture-nngp.md")]

use elbo_core::{
    Array, Budget, Card, Claim, Classification, Columns, Config, Data, Features, Kind, Model, ModelFile, Predict,
    Prediction, Regression, Result, Rng, Run, Stop, Summary, Supervised, System, Table, Values, Verb, drive,
    ensure_within,
};
use elbo_dist::calibration::auroc;
use elbo_dist::scores;
use elbo_gp::fit::{Search, search};
use elbo_gp::inducing::InducingPoints;
use elbo_gp::kernel::{Activation, KernelConfig, Nngp, NngpConfig};
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
        let mut gp = ScaleMixtureGp::new(kernel, self.noise, self.prior(), table::tensor(x), y);
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
        verbs: &[Verb::Fit, Verb::Predict, Verb::Evaluate, Verb::Reproduce],
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
            gp.read_from(file, "parameters")?;
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
        let seeds = run.seeds(20);
        let mut claim = Claim::new(seeds.clone());
        tails_claim(&mut claim, &replicates(&seeds, 20), run)?;
        learned_claim(&mut claim, &replicates(&seeds[..seeds.len().min(10)], run.pick(3, 10)), run)?;
        if run.budget == Budget::Full {
            digits_claim(&mut claim, &seeds[..seeds.len().min(3)], run)?;
        }
        Ok(claim)
    }
}

/// At least `count` generators: one a seed, or as many from each seed as it takes.
fn replicates(seeds: &[u64], count: usize) -> Vec<Rng> {
    let each = count.div_ceil(seeds.len()) as u64;
    seeds.iter().flat_map(|seed| (0..each).map(|k| Rng::new(*seed).split(k))).collect()
}

/// Rows of `sin 3 x1 + x2 x3` with noise 0.1, at inputs uniform on a cube of this half-width in five dimensions.
fn rows(count: usize, width: f64, rng: &mut Rng) -> (Tensor, Vec<f64>) {
    let x: Vec<f64> = (0..count * 5).map(|_| rng.range(-width, width)).collect();
    let y = x.chunks_exact(5).map(|x| (3.0 * x[0]).sin() + x[1] * x[2] + 0.1 * rng.normal()).collect();
    (Tensor::from_vec(x, &[count, 5]), y)
}

/// Test log densities of both processes at fixed hyperparameters: near the data, away from them, and with targets five times as large.
fn tails_claim(claim: &mut Claim, sources: &[Rng], run: &mut Run) -> Result<()> {
    let mut totals = [[0.0; 4]; 2];
    for source in sources {
        let mut rng = source.clone();
        let train = rows(30, 1.0, &mut rng);
        let tests = [rows(200, 1.0, &mut rng), rows(200, 3.0, &mut rng)];
        for (process, prior) in
            [ScalePrior::Point, ScalePrior::InverseGamma { alpha: 2.0, beta: 2.0 }].into_iter().enumerate()
        {
            for (enlarged, factor) in [1.0, 5.0].into_iter().enumerate() {
                let kernel = Nngp::new(Activation::Relu, 3, 2.0, 0.01);
                let y = Tensor::from_slice(&train.1, &[30]) * factor;
                let posterior = ScaleMixtureGp::new(Box::new(kernel), 0.01, prior, train.0.clone(), y).condition()?;
                for (away, (x, y)) in tests.iter().enumerate() {
                    let y: Vec<f64> = y.iter().map(|y| factor * y).collect();
                    let score = scores::regression(posterior.predict(x, (0.0, 1.0))?.as_ref(), &y)?;
                    totals[process][2 * enlarged + away] += score.nlpd / sources.len() as f64;
                }
            }
        }
    }
    let mut table = Table::new(
        "tails",
        "Mean negative log predictive density (nats a row) at fixed hyperparameters, averaged over data sets.",
        &["process", "near", "away", "near, targets x5", "away, targets x5"],
    );
    for (name, row) in ["Gaussian", "Student-t"].into_iter().zip(&totals) {
        table.push([vec![name.into()], row.iter().map(|v| format!("{v:.3}")).collect()].concat());
    }
    run.table(table);
    let [gauss, t] = totals;
    claim.at_most("NLPD of the t process less the Gaussian's, near the data (nats)", t[0] - gauss[0], Some(0.0), -0.3);
    claim.at_most(
        "NLPD of the t process over the Gaussian's, inputs three times as far",
        t[1] / gauss[1],
        Some(1.0),
        0.6,
    );
    claim.at_most("NLPD ratio, targets five times as large", t[2] / gauss[2], Some(1.0), 0.3);
    claim.at_most("NLPD ratio, targets five times as large and inputs as far", t[3] / gauss[3], Some(1.0), 0.3);
    Ok(())
}

/// After learning, the two agree near the data and the t process is no worse away from them.
fn learned_claim(claim: &mut Claim, sources: &[Rng], run: &mut Run) -> Result<()> {
    let (mut near, mut away) = (0.0, 0.0);
    for source in sources {
        let mut rng = source.clone();
        let train = rows(30, 1.0, &mut rng);
        let tests = [rows(200, 1.0, &mut rng), rows(200, 3.0, &mut rng)];
        let mut fits = vec![];
        for tails in [Tails::InverseGamma, Tails::Gauss] {
            let kernel = KernelConfig::Nngp(NngpConfig { depth: 3, ..NngpConfig::default() });
            let config = ScaleMixtureNngpConfig { kernel, tails, ..ScaleMixtureNngpConfig::default() };
            let mut child = run.child(run.seed);
            let input = elbo_core::FromData::from_data(&numbers(&train.0, &train.1))?;
            let model = ScaleMixtureNngp.fit(&config, input, &mut child)?;
            let mut nlpd = vec![];
            for (x, y) in &tests {
                let Prediction::Numbers(marginals) = model.predict(&numbers(x, y), &mut child)? else {
                    unreachable!("numbers are predicted as numbers")
                };
                nlpd.push(scores::regression(marginals.as_ref(), y)?.nlpd);
            }
            fits.push(nlpd);
        }
        near += (fits[0][0] - fits[1][0]) / sources.len() as f64;
        away += (fits[0][1] - fits[1][1]) / sources.len() as f64;
    }
    claim.at_most("after learning: |NLPD difference| near the data (nats)", near.abs(), None, 0.05);
    claim.at_most("after learning: NLPD of t less Gaussian, inputs three times as far", away, Some(0.0), 0.02);
    Ok(())
}

/// Digits 0 to 7 learned, 8 and 9 never seen: how well the entropy of a prediction tells strangers from held-out digits.
fn digits_claim(claim: &mut Claim, seeds: &[u64], run: &mut Run) -> Result<()> {
    let name = "digits 8 and 9 told from 0 to 7 by entropy: AUROC";
    let data = elbo_data::digits8_classes()?;
    let classes: Vec<bool> =
        data.get("digit")?.class_names("digit")?.iter().map(|c| matches!(c.as_deref(), Some("8" | "9"))).collect();
    let rows = |strange: bool| (0..data.rows()).filter(|i| classes[*i] == strange).collect::<Vec<_>>();
    let (known, strangers) = (data.take_rows(&rows(false)), data.take_rows(&rows(true)));
    let mut table = Table::new(
        "digits",
        "Digits 0 to 7, a fifth held out; 8 and 9 as strangers. The last column is the largest area that any of 25 inverse gamma \
         distributions of the scale gives with the same latent means and variances.",
        &["seed", "process", "log loss", "accuracy", "AUROC", "over all scales"],
    );
    let mut areas = [0.0; 2];
    for seed in seeds {
        let (train, test) = elbo_data::holdout(known.rows(), 0.2, &mut Rng::new(*seed))?.apply(&known);
        for (k, tails) in [Tails::Gauss, Tails::InverseGamma].into_iter().enumerate() {
            let config = ScaleMixtureNngpConfig { tails, ..ScaleMixtureNngpConfig::default() };
            let mut child = run.child(*seed);
            let model = ScaleMixtureNngp.fit(&config, elbo_core::FromData::from_data(&train)?, &mut child)?;
            let mut predicted = |data: &Data| -> Result<Vec<f64>> {
                match model.predict(data, &mut child)? {
                    Prediction::Classes { probabilities, .. } => Ok(probabilities),
                    Prediction::Numbers(_) => unreachable!("classes are predicted as classes"),
                }
            };
            let (familiar, strange) = (predicted(&test)?, predicted(&strangers)?);
            let score = scores::classification(8, &familiar, &model.columns.encode_class_target(&test)?)?;
            let area = auroc(&entropies(&familiar), &entropies(&strange));
            areas[k] += area / seeds.len() as f64;
            let process = if k == 0 { "Gaussian" } else { "scale mixture" };
            let most = largest_area(&model, &test, &strangers, &mut child)?;
            let numbers = [score.log_loss, score.accuracy, area, most].iter().map(|v| format!("{v:.4}")).collect();
            table.push([vec![seed.to_string(), process.into()], numbers].concat());
        }
    }
    run.table(table);
    claim.at_least(name, areas[1], Some(areas[0]), areas[0] + 0.01);
    Ok(())
}

/// Entropies in nats of probabilities `[N, 8]`, row-major.
fn entropies(probabilities: &[f64]) -> Vec<f64> {
    let entropy = |row: &[f64]| -row.iter().filter(|p| **p > 0.0).map(|p| p * p.ln()).sum::<f64>();
    probabilities.chunks_exact(8).map(entropy).collect()
}

/// The largest area under the curve over a grid of inverse gamma distributions of the scale, their medians a hundredfold apart, with
/// everything else of the model held: what knowledge of the scale alone can change.
fn largest_area(model: &ScaleMixtureNngpModel, known: &Data, strangers: &Data, run: &mut Run) -> Result<f64> {
    let Fitted::Classes(classifier) = &model.fitted else { unreachable!("classes are fitted as classes") };
    let known = table::encode(&model.columns, known, run)?;
    let strangers = table::encode(&model.columns, strangers, run)?;
    let mut most = 0.0f64;
    for alpha in [0.5, 1.0, 2.0, 5.0, 50.0] {
        for size in [0.1, 0.3, 1.0, 3.0, 10.0] {
            let scale = ScalePrior::InverseGamma { alpha, beta: alpha * size };
            let scales: Vec<f64> = (0..16).map(|j| scale.quantile((f64::from(j) + 0.5) / 16.0)).collect();
            let spread = |x: &Tensor| -> Result<Vec<f64>> { Ok(entropies(&classifier.predict_at(x, &scales)?)) };
            most = most.max(auroc(&spread(&known)?, &spread(&strangers)?));
        }
    }
    Ok(most)
}

fn numbers(x: &Tensor, y: &[f64]) -> Data {
    let arrays =
        vec![("x".into(), Array::new(x.shape(), x.to_vec())), ("y".into(), Array::column(Values::F64(y.to_vec())))];
    Data { source: "sines".into(), arrays, target: Some("y".into()), ..Data::default() }
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
                gp.write_to(file, "parameters");
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
                Ok(Prediction::Numbers(posterior.predict(&x, self.columns.target_scaling())?))
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
