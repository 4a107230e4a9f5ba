//! The model behind every system with a code for each data point: settings, fit, verbs, figures, file.
//!
//! A system adds its objective and its claim. Everything else is here: which networks fit the data, which likelihood their values
//! ask for, training, measures, and the verbs `sample`, `reconstruct`, `encode` and `evaluate`.

mod history;
mod likeness;
mod settings;
mod verbs;

pub use likeness::fidelity;
pub use settings::LatentSettings;

use self::history::Epoch;
use crate::fidelity::{FeatureKind, Fidelity};
use crate::probe::Probe;
use crate::vae::{
    Batch, Binarise, CodeDensity, CodeDensityConfig, DecoderWeights, Evaluation, EvaluationConfig, Family,
    LikelihoodConfig, ObjectiveConfig, Posterior, PriorConfig, Training, TrainingConfig, Vae, VaeConfig,
    WeightMeasures, Weighted,
};
use elbo_core::samples::{Form, Labels};
use elbo_core::step::Snapshot;
use elbo_core::{Data, Error, ModelFile, Result, Rng, Run, Samples, ensure, ensure_within};
use elbo_dist::ClusterScores;
use elbo_tensor::{Parameters, Tensor, grad};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Training data points that are measured after a fit, with how many draws.
const MEASURED: usize = 1000;
const MEASURED_DRAWS: usize = 100;
/// Labels from which codes are classified, and how many where there are twice as many data points.
const LABELS: usize = 100;
const MANY_LABELS: usize = 1000;
/// Draws of code and weights for each of them, where the decoder's weights have a posterior.
const WEIGHT_DRAWS: usize = 10;
/// The stream of random numbers of what is measured on held-out rows in training, apart from everything that the fit draws.
const HELD_OUT_STREAM: u64 = 0x4e1d;
/// Bytes that the decoder's numbers of one training step may take.
const MEMORY: f64 = 8e9;

/// A fitted model with a code for each data point.
pub struct LatentModel {
    settings: Value,
    objective: ObjectiveConfig,
    binarise: Binarise,
    form: Form,
    vae: Vae,
    density: Option<CodeDensity>,
    measures: Evaluation,
    weight_measures: Option<WeightMeasures>,
    terms: Vec<TermRecord>,
    history: Vec<Epoch>,
    label_error: Option<f64>,
    /// The same with [`MANY_LABELS`].
    label_error_of_many: Option<f64>,
    clusters: Option<ClusterScores>,
    fidelity: Option<Fidelity>,
    resample: usize,
    seed: u64,
    text: String,
}

/// A term of the objective at the end of training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct TermRecord {
    name: String,
    weight: f64,
    value: f64,
    gradient_norm: f64,
}

impl LatentModel {
    /// Fits a model. `settings` are the system's own, kept in the file; codes are resampled among `resample` draws, or are posterior
    /// means where it is zero. Missing numbers are NaN.
    ///
    /// # Errors
    /// [`Error::Data`] for too few data points, missing numbers that do not count as such, or values that the likelihood does not take,
    /// [`Error::Setting`] for networks that do not fit the data, and those of training.
    pub fn fit(
        common: &LatentSettings,
        objective: &ObjectiveConfig,
        resample: usize,
        settings: &impl Serialize,
        mut samples: Samples,
        run: &mut Run,
    ) -> Result<Self> {
        samples.notes.iter().for_each(|note| run.note(note));
        if samples.len() < 2 {
            return Err(Error::data(format!("there are {} data points", samples.len()), "give at least two"));
        }
        common.density.iter().try_for_each(|density| density.check_rows(samples.len()))?;
        let rows = samples.len();
        let chosen = samples.spread(MEASURED);
        let classes = samples.labels.as_ref().map(|labels| labels.gather(&chosen));
        // A class that is rare may be missing among those that are measured, which is to be known before the training.
        common.features.check(&samples.form.shape, classes.as_deref())?;
        let mut config = common.model(&samples.form);
        let labels = classes_of_prior(&mut config.prior, samples.labels.as_ref())?;
        let missing = samples.values.iter().filter(|v| v.is_nan()).count() as f64 / samples.values.len() as f64;
        if !config.nan_is_missing {
            refuse_missing(&samples)?;
        }
        let is_real = matches!(config.likelihood, LikelihoodConfig::Gaussian { .. } | LikelihoodConfig::Laplace { .. });
        let mut binarise = common.binarise;
        if is_real && samples.form.picture().is_none() {
            samples.standardise();
            // Standardised numbers are no shares of black.
            if binarise != Binarise::None {
                run.note("the numbers of a table stay as they are: `binarise` is for grey values");
                binarise = Binarise::None;
            }
        }
        check_values(&config, binarise, &samples.values)?;
        let form = &samples.form;
        let held_out = run
            .held_out()
            .map(|data| values_of(form, &config, binarise, run.seed, data))
            .transpose()?
            .unwrap_or_default();
        let size = samples.form.size();
        let is_constant = |d: &usize| {
            let mut present = samples.values.iter().skip(*d).step_by(size).filter(|v| !v.is_nan());
            present.next().is_none_or(|first| present.all(|v| v == first))
        };
        let is_at_risk = config.likelihood.learns_each_variance();
        let constant = if is_at_risk { (0..size).filter(is_constant).count() } else { 0 };
        if constant > 0 {
            run.warn(format!(
                "{constant} of {size} elements never vary, so that the bound grows until their variance is at its floor; leave \
                 constant elements out, or set a likelihood with one variance for all"
            ));
        }
        // The draws of an importance-weighted bound are taken in chunks where they are many, down to one.
        let is_chunked = objective.is_importance_weighted();
        let codes = if is_chunked { 1 } else { config.family.codes_a_step(config.latent, objective.draws) };
        check_memory(&config, codes, common.batch.min(samples.len()), size)?;
        let mut vae = config.build(&samples.form.shape, objective, &mut run.rng.fork())?;
        let how = TrainingConfig { binarise, ..common.training() };
        let mut training = Training::new(&samples.values, size, objective, &how, &mut run.rng.fork())?;
        if !labels.is_empty() {
            training = training.with_labels(&labels)?;
        }
        if !held_out.is_empty() {
            training = training.watching(&held_out, Rng::new(run.seed).split(HELD_OUT_STREAM))?;
        }
        let mut measuring = run.rng.fork();
        training.run(&mut vae, run)?;
        let measured = binarise.once(&samples.gather(&chosen), &mut measuring);
        let effort = EvaluationConfig { draws: MEASURED_DRAWS, pairs: MEASURED };
        let measures = vae.evaluate(&measured, &effort, &mut measuring);
        // Losses are those of training, in which a batch norm moves its statistics; the model stays what was measured.
        let mut trained = ModelFile::new("trained");
        vae.save(&mut trained, "vae");
        let known: Vec<Option<usize>> = chosen.iter().filter_map(|row| labels.get(*row)).copied().collect();
        let terms = weigh_terms(&vae, &measured, &known, objective, &training, &mut measuring)?;
        vae.restore(&trained, "vae")?;
        warn_of_silent_terms(&terms, config.family, run);
        let weight_measures = match config.weights {
            DecoderWeights::Posterior if config.has_bounds() => {
                let prior_sd = common.weight_precision.powf(-0.5);
                vae.weight_measures(&measured, rows, prior_sd, WEIGHT_DRAWS, &mut measuring)
            }
            _ => None,
        };
        let label_error = match &samples.labels {
            Some(labels) => probe_error(&vae.encode(&measured), labels, &chosen, LABELS, run)?,
            None => None,
        };
        let clusters = samples.labels.as_ref().and_then(|labels| cluster_scores(&vae, &measured, labels, &chosen));
        let density = match &common.density {
            Some(config) => fit_density(config, &vae, &binarise.once(&samples.values, &mut measuring), run)?,
            None => None,
        };
        let grey = samples.gather(&chosen);
        let features = (common.features, classes.as_deref());
        let fidelity = fidelity(features, &vae, density.as_ref(), &grey, &samples.form, &mut measuring, run);
        if fidelity.is_none() && common.features != FeatureKind::default() {
            run.warn("`features` has no effect: samples of this model were not compared with the data");
        }
        let label_error_of_many = match &samples.labels {
            Some(labels) if rows >= 2 * MANY_LABELS => {
                let spread = samples.spread(2 * MANY_LABELS);
                let values = binarise.once(&samples.gather(&spread), &mut measuring);
                probe_error(&vae.encode(&values), labels, &spread, MANY_LABELS, run)?
            }
            _ => None,
        };
        let of_density = density.as_ref().map(CodeDensity::describe);
        let units = [&measures.observed, &vae.shares_observed(&held_out)]
            .map(|observed| unit_of(&config.likelihood, &samples.form, observed).0);
        let history = history::epochs(run, training.steps_per_epoch(), units);
        let text = format!(
            "A latent-variable model of {rows} data points of shape {:?}: {} dimensions of the code, {} of them in use, likelihood {}{}{}.{}{}{}{}{}",
            samples.form.shape,
            config.latent,
            measures.active_units,
            config.likelihood.name(),
            match binarise {
                Binarise::None => "",
                Binarise::Static => " of values binarised once",
                Binarise::Dynamic => " of values binarised anew at every use",
                Binarise::Threshold => " of values above one half",
            },
            if config.nan_is_missing {
                format!("; {:.1} % of the values are missing", 100.0 * missing)
            } else {
                String::new()
            },
            match &config.flow {
                Some(flow) => format!(
                    " Posteriors go through the flow {flow}: their divergence and moments are averages over draws, and mutual information and the \
                     aggregated divergence, which take densities of all posteriors at each draw, are not measured."
                ),
                None => String::new(),
            },
            match config.weights {
                DecoderWeights::Point => "",
                DecoderWeights::Posterior =>
                    " The decoder's weights have a posterior: `elbo_with_weights` is the bound over codes and weights, everything else is at their means.",
            },
            if config.has_bounds() {
                ""
            } else if config.family.has_bounds() {
                " What is made is compared by a loss and no likelihood, so that there are no bounds, and minus the loss is reported as the reconstruction."
            } else {
                " Codes are points, so that there is no bound on the likelihood, and the reconstruction is what is reported."
            },
            of_density.map_or(String::new(), |from| format!(" Samples are decoded from codes drawn from {from}.")),
            fidelity.as_ref().map_or(String::new(), |found| format!(" {}", found.describe())),
        );
        Ok(Self {
            settings: serde_json::to_value(settings).expect("settings are plain data"),
            objective: objective.clone(),
            binarise,
            form: samples.form,
            vae,
            density,
            measures,
            weight_measures,
            terms,
            history,
            label_error,
            label_error_of_many,
            clusters,
            fidelity,
            resample,
            seed: run.seed,
            text,
        })
    }

    /// Rebuilds a model from its file.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when something is missing.
    pub fn load(file: &ModelFile) -> Result<Self> {
        let config: VaeConfig = file.fact("vae")?;
        let objective: ObjectiveConfig = file.fact("objective")?;
        if config.condition.is_some() {
            return Err(Error::misfit("`vae` takes a condition, and no system gives one"));
        }
        let form = Form::load(file, "form")?;
        let mut vae = config.build(&form.shape, &objective, &mut Rng::new(0))?;
        vae.read_from(file, "vae")?;
        let resample: usize = file.fact("resample")?;
        ensure_within("resample", resample, 0..=100_000)?;
        Ok(Self {
            settings: file.fact("config")?,
            objective,
            binarise: file.fact("binarise")?,
            form,
            density: CodeDensity::load(file, "density", config.latent)?,
            vae,
            measures: file.fact("measures")?,
            weight_measures: file.fact("weight_measures")?,
            terms: file.fact("terms")?,
            // Models of earlier versions have none.
            history: file.fact::<Option<_>>("history")?.unwrap_or_default(),
            label_error: file.fact("label_error")?,
            label_error_of_many: file.fact("label_error_of_many")?,
            clusters: file.fact("clusters")?,
            fidelity: file.fact("fidelity")?,
            resample,
            seed: file.fact("model_seed")?,
            text: file.fact("text")?,
        })
    }

    /// The networks.
    pub fn vae(&self) -> &Vae {
        &self.vae
    }

    /// Measures on the training data.
    pub fn measures(&self) -> &Evaluation {
        &self.measures
    }

    /// Data points as the likelihood takes them: encoded, checked, and binarised as in training.
    fn values(&self, data: &Data) -> Result<Vec<f32>> {
        values_of(&self.form, self.vae.config(), self.binarise, self.seed, data)
    }

    /// Means and standard deviations of the codes, `[N, L]` each.
    fn codes(&self, values: &[f32], rng: &mut Rng) -> (Tensor, Tensor) {
        if self.resample > 0 {
            return self.vae.resampled(values, self.resample, rng);
        }
        let q = self.vae.encode(values);
        (self.vae.kept(q.mean()), q.variance().sqrt())
    }

    fn decoded(&self, z: &Tensor, is_noisy: bool, rng: &mut Rng) -> Data {
        let values = self.vae.generate(&z.cast(self.vae.dtype()), is_noisy, rng);
        self.form.decode(&values.to_f32().as_slice::<f32>())
    }

    /// What the log density in the model's unit is above the one in the data's unit, zero for probabilities; and how many elements a data
    /// point has. Both for those that were measured, on average.
    fn unit(&self, measures: &Evaluation) -> (f64, f64) {
        unit_of(&self.vae.config().likelihood, &self.form, &measures.observed)
    }
}

/// Data points as the likelihood takes them, for a model of this seed: encoded, checked, and binarised once.
fn values_of(form: &Form, config: &VaeConfig, binarise: Binarise, seed: u64, data: &Data) -> Result<Vec<f32>> {
    let values = if config.nan_is_missing { form.encode_incomplete(data)? } else { form.encode(data)? };
    if values.is_empty() {
        return Err(Error::data(format!("{} has no data points", data.source), "give at least one"));
    }
    check_values(config, binarise, &values)?;
    // The same pictures for the same model, whoever asks.
    Ok(binarise.once(&values, &mut Rng::new(seed)))
}

/// [`LatentModel::unit`] of data points that have the share `observed` of each element, or all of them where it is empty.
fn unit_of(likelihood: &LikelihoodConfig, form: &Form, observed: &[f64]) -> (f64, f64) {
    let size = form.size();
    let share = |d: usize| observed.get(d).copied().unwrap_or(1.0);
    let unit = match likelihood {
        LikelihoodConfig::Gaussian { .. }
        | LikelihoodConfig::Laplace { .. }
        | LikelihoodConfig::ContinuousBernoulli => (0..size).map(|d| share(d) * form.scale_of(d).ln()).sum(),
        _ => 0.0,
    };
    (unit, (0..size).map(share).sum())
}

/// Refuses missing numbers.
fn refuse_missing(samples: &Samples) -> Result<()> {
    let Some(at) = samples.values.iter().position(|v| v.is_nan()) else { return Ok(()) };
    let (row, d) = (at / samples.form.size(), at % samples.form.size());
    Err(Error::data(
        format!("`{}` has no value in row {}", samples.form.name_of(d), row + 1),
        "set nan_is_missing=true, leave such rows out with --missing drop, or fill the cells",
    ))
}

/// Refuses values that the likelihood gives no probability, and data without any value. Missing ones need none.
fn check_values(config: &VaeConfig, binarise: Binarise, values: &[f32]) -> Result<()> {
    let present: Vec<f32> = values.iter().copied().filter(|v| !(config.nan_is_missing && v.is_nan())).collect();
    if present.is_empty() {
        return Err(Error::data("no data point has a value", "give at least one"));
    }
    config.likelihood.check_values(&present)?;
    binarise.check_values(&present)
}

/// The class of each data point where the prior is of classes, whose shares are counted unless they are given; else none.
fn classes_of_prior(prior: &mut PriorConfig, labels: Option<&Labels>) -> Result<Vec<Option<usize>>> {
    let PriorConfig::ClassConditional { shares, .. } = prior else { return Ok(vec![]) };
    let Some(labels) = labels else {
        return Err(Error::data(
            "the prior is class_conditional, and no data point has a class",
            "name the column of classes with --target, or take prior=mixture",
        ));
    };
    let classes = labels.classes.len();
    if shares.is_empty() {
        *shares = vec![0.0; classes];
        labels.codes.iter().for_each(|code| shares[*code] += 1.0);
    }
    let found = format!("{} numbers for {classes} classes", shares.len());
    ensure("prior.shares", found, shares.len() == classes, "one share for each class, or none to have them counted")?;
    Ok(labels.codes.iter().map(|code| Some(*code)).collect())
}

/// A density of the codes of the training data; `None` where there was no time for it.
fn fit_density(config: &CodeDensityConfig, vae: &Vae, values: &[f32], run: &mut Run) -> Result<Option<CodeDensity>> {
    match CodeDensity::fit(config, vae, values, run) {
        Err(Error::Stopped) => {
            run.mark_stopped_early();
            run.warn("the work was stopped before a density of the codes was fitted: samples are drawn from the prior");
            Ok(None)
        }
        fitted => fitted.map(Some),
    }
}

/// How well the classes that a model finds by itself agree with those of the data points `values` of these rows; `None` for models that find none.
fn cluster_scores(vae: &Vae, values: &[f32], labels: &Labels, rows: &[usize]) -> Option<ClusterScores> {
    let found: Vec<usize> =
        vae.class_probabilities(values)?.argmax(-1, false).to_vec().iter().map(|c| *c as usize).collect();
    Some(ClusterScores::of(&found, &labels.gather(rows)))
}

/// What each term weighs at the end, on one batch.
fn weigh_terms(
    vae: &Vae,
    values: &[f32],
    labels: &[Option<usize>],
    objective: &ObjectiveConfig,
    training: &Training,
    rng: &mut Rng,
) -> Result<Vec<TermRecord>> {
    let rows = (values.len() / vae.size()).min(training.batch().max(2));
    let x = vae.tensor(&values[..rows * vae.size()]);
    let batch = Batch { x: &x, labels: &labels[..rows.min(labels.len())], attributes: None };
    let leaves = vae.leaves();
    let leaves: Vec<&Tensor> = leaves.iter().collect();
    let record = |(i, weighted): (usize, &Weighted)| {
        // The same draws for every term.
        let term = vae.losses(batch, objective, training.steps(), &mut rng.clone())?.terms.swap_remove(i);
        let weight = weighted.weight.at(training.steps(), 1.0);
        let squares: f64 = grad(&(&term * weight), &leaves).iter().map(|g| g.square().sum().item()).sum();
        let (value, gradient_norm) = (term.item(), squares.sqrt());
        Ok(TermRecord { name: weighted.term.name().into(), weight, value, gradient_norm })
    };
    objective.terms.iter().enumerate().map(record).collect()
}

/// A term whose gradient vanishes beside the largest one has no say.
fn warn_of_silent_terms(terms: &[TermRecord], family: Family, run: &mut Run) {
    let largest = terms.iter().map(|t| t.gradient_norm).fold(0.0, f64::max);
    // A divergence that is fixed by the settings has no gradient by intention.
    let is_meant = |t: &TermRecord| family.has_fixed_divergence() && t.gradient_norm == 0.0;
    for term in terms.iter().filter(|t| t.weight > 0.0 && t.gradient_norm < 1e-6 * largest && !is_meant(t)) {
        let TermRecord { name, gradient_norm, .. } = term;
        run.warn(format!(
            "the term `{name}` has no say: its gradient is {gradient_norm:.1e} beside {largest:.1e}; raise its weight"
        ));
    }
}

/// Share of wrong classes when a linear classifier of the codes learns from a hundred labels; `None` with fewer than two classes,
/// and where there was no time for it.
fn probe_error(q: &Posterior, labels: &Labels, rows: &[usize], most: usize, run: &mut Run) -> Result<Option<f64>> {
    let codes = labels.gather(rows);
    let known = (rows.len() / 2).min(most);
    if labels.classes.len() < 2 || known < labels.classes.len() {
        return Ok(None);
    }
    let order = run.rng.permutation(rows.len());
    let (train, test) = order.split_at(known);
    let part =
        |rows: &[usize]| (q.mean().index_select(0, &Tensor::indices(rows)), rows.iter().map(|r| codes[*r]).collect());
    let ((x, y), (x_test, y_test)): ((Tensor, Vec<usize>), (Tensor, Vec<usize>)) = (part(train), part(test));
    let mut own = run.part(run.seed);
    let fitted = Probe::fit(&x, &y, labels.classes.len(), &mut own);
    run.rejoin(own);
    let probe = match fitted {
        // A fit that was stopped keeps what it has.
        Err(Error::Stopped) => {
            run.mark_stopped_early();
            return Ok(None);
        }
        fitted => fitted?,
    };
    Ok(Some(1.0 - probe.accuracy(&x_test, &y_test)))
}

/// Trains a model on some data points and measures it on others: what claims and comparisons are made of. `train`, `test: [N, D]`.
///
/// # Errors
/// Those of building and training.
pub fn trial(
    config: &VaeConfig,
    shape: &[usize],
    objective: &ObjectiveConfig,
    training: &TrainingConfig,
    (train, test): (&[f32], &[f32]),
    effort: &EvaluationConfig,
    run: &mut Run,
) -> Result<(Vae, Evaluation)> {
    let mut vae = config.build(shape, objective, &mut run.rng.fork())?;
    let size = vae.size();
    let mut measuring = run.rng.fork();
    Training::new(train, size, objective, training, &mut run.rng.fork())?.run(&mut vae, run)?;
    let test = training.binarise.once(test, &mut measuring);
    let found = vae.evaluate(&test, effort, &mut measuring);
    Ok((vae, found))
}

/// Refuses a step that would not fit in memory.
fn check_memory(config: &VaeConfig, codes: usize, batch: usize, size: usize) -> Result<()> {
    // Codes and outputs, their derivatives and what the likelihood keeps, of four bytes each.
    let numbers = size as f64 * config.likelihood.blocks() as f64 + config.latent as f64;
    let bytes = codes as f64 * batch as f64 * numbers * 4.0 * 6.0;
    ensure(
        "batch",
        format!("{batch} with {codes} codes each at once, about {:.0} GB a step", bytes / 1e9),
        bytes <= MEMORY,
        "codes x batch x numbers of a code and its data point within 8 GB; lower `batch`, `draws` or the classes that are summed over",
    )
}
