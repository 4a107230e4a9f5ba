//! The verb `restore`.

use super::{Degradation, DiffusionModel, MaskConfig, OperatorName, from_model, to_model};
use crate::denoiser::{Denoiser, DnCnn, DnCnnDenoiser};
use crate::operator::{Noise, Operator};
use crate::restore::{Method, Order, Problem, RedDiff, RestoreConfig, Rule, restore};
use crate::schedule::Schedule;
use elbo_core::samples::{Form, Source};
use elbo_core::{Array, Data, Error, FromData, Restore, Result, Run, Samples, Values};
use elbo_picture::psnr;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::path::Path;

/// Settings of the verb.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RestoreSettings {
    /// How the pictures were degraded.
    #[serde(flatten)]
    pub degradation: Degradation,
    /// Whether the pictures given are clean, to be degraded first: shows what a restoration is worth.
    pub simulate: bool,
    /// The class of what is to be restored, for a model fitted with conditional=true.
    pub class: Option<String>,
    /// A safetensors file with a DnCNN, which is the prior in place of the model's: of grey pictures, which takes each channel alone, or of the
    /// model's channels.
    pub denoiser: Option<String>,
    /// Lowest and highest noise level that it was trained at, as shares of the range from black to white; files from here have theirs.
    pub denoiser_levels: Option<[f64; 2]>,
    /// How to restore: red_diff, dps, pi_gdm, diff_pir, ddrm, pseudo_inverse or tikhonov.
    pub method: Method,
    /// Noise levels that are visited.
    pub steps: usize,
    /// How the levels are spread: ddpm, karras, log or time (of a path).
    #[serde(deserialize_with = "elbo_core::named::deserialize")]
    pub schedule: Schedule,
    /// red_diff: weight of the regulariser.
    pub weight: f64,
    /// red_diff: how that depends on the level: linear, sqrt, square, log, truncated_linear or constant.
    pub rule: Rule,
    /// red_diff: Adam's rate.
    pub rate: f64,
    /// red_diff: order of the levels, descending or random.
    pub order: Order,
    /// red_diff: standard deviation of the fitted Gaussian; zero for a point.
    pub dispersion: f64,
    /// dps: length of a step down the misfit.
    pub zeta: f64,
    /// pi_gdm, diff_pir, ddrm: randomness, from 0 to 1.
    pub eta: f64,
    /// tikhonov: the penalty; diff_pir: how far the clean estimate is trusted.
    pub penalty: f64,
}

impl Default for RestoreSettings {
    fn default() -> Self {
        let (config, red) = (RestoreConfig::default(), RedDiff::default());
        Self {
            degradation: Degradation::default(),
            simulate: false,
            class: None,
            denoiser: None,
            denoiser_levels: None,
            method: config.method,
            steps: config.steps,
            schedule: config.schedule,
            weight: red.weight,
            rule: red.rule,
            rate: red.rate,
            order: red.order,
            dispersion: red.dispersion,
            zeta: config.zeta,
            eta: config.eta,
            penalty: config.penalty,
        }
    }
}

impl RestoreSettings {
    /// Reads an object with some of the settings.
    ///
    /// # Errors
    /// [`Error::Unknown`] for a setting that does not exist, [`Error::Setting`] for a wrong value.
    pub fn parse(settings: &Value) -> Result<Self> {
        let none = Map::new();
        let object = match settings {
            Value::Null => &none,
            Value::Object(object) => object,
            other => {
                return Err(Error::Setting {
                    setting: "settings".into(),
                    found: other.to_string(),
                    expected: "a table of `key = value`".into(),
                });
            }
        };
        let mut whole = defaults();
        for (key, value) in object {
            if !whole.contains_key(key) {
                return Err(Error::unknown("setting", key, whole.keys().map(String::as_str)));
            }
            let before = whole.insert(key.clone(), value.clone()).expect("a known key has a default");
            // One key at a time, so that a wrong one is named.
            serde_json::from_value::<Self>(Value::Object(whole.clone())).map_err(|cause| Error::Setting {
                setting: key.clone(),
                found: value.to_string(),
                expected: format!("a value like {before} ({cause})").into(),
            })?;
        }
        let parsed: Self = serde_json::from_value(Value::Object(whole)).expect("each key was read");
        parsed.degradation.check()?;
        parsed.config(1.0).check()?;
        Ok(parsed)
    }

    /// The denoiser that stands in for the model's, on pictures from -1 to 1.
    fn plugged(&self, form: &Form, run: &mut Run) -> Result<Option<DnCnnDenoiser>> {
        let Some(path) = &self.denoiser else {
            if self.denoiser_levels.is_some() {
                run.warn("`denoiser_levels` has no effect without `denoiser`");
            }
            return Ok(None);
        };
        if self.class.is_some() {
            run.warn("`class` has no effect with `denoiser`, which knows no classes");
        }
        let shape = form.picture().ok_or_else(|| {
            Error::data("a DnCNN is a denoiser of pictures; the model's data points are rows", "leave `denoiser` out")
        })?;
        let network = DnCnn::read(Path::new(path), self.denoiser_levels)?.folded()?;
        network.on(shape, [-1.0, 1.0]).map(Some)
    }

    /// The method's settings, where the user's unit is so many of the model's.
    fn config(&self, unit: f64) -> RestoreConfig {
        RestoreConfig {
            method: self.method,
            noise: unit * self.degradation.noise,
            steps: self.steps,
            schedule: self.schedule.clone(),
            red_diff: RedDiff {
                weight: self.weight,
                rule: self.rule,
                rate: self.rate,
                order: self.order,
                dispersion: self.dispersion,
                ..RedDiff::default()
            },
            zeta: self.zeta,
            eta: self.eta,
            penalty: self.penalty,
        }
    }
}

fn defaults() -> Map<String, Value> {
    match serde_json::to_value(RestoreSettings::default()) {
        Ok(Value::Object(object)) => object,
        _ => unreachable!("settings are an object"),
    }
}

impl DiffusionModel {
    /// Pictures or rows of this shape from the user's data, and the way back to their layout. Pictures may come in any layout, also for
    /// a model that was fitted to pixels in the columns of a table.
    fn read(&self, data: &Data, shape: &[usize]) -> Result<(Form, Vec<f32>)> {
        let others: Vec<(String, Array)> = data.arrays.iter().filter(|(name, _)| name != "mask").cloned().collect();
        let data = Data { arrays: others, ..data.clone() };
        let own = Form { shape: shape.to_vec(), ..self.form.clone() };
        let has_pictures = data.arrays.iter().any(|(_, a)| a.shape.len() > 2);
        if self.form.picture().is_none() || !has_pictures {
            if shape != self.form.shape && matches!(self.form.source, Source::Columns { .. }) {
                return Err(Error::data(
                    "a measurement of another size than the model's pictures does not stand in the same columns",
                    "give a picture, or an array [N, H, W]",
                ));
            }
            let values = own.encode(&data)?;
            return Ok((own, values));
        }
        let is_bytes = data.arrays.iter().any(|(_, a)| a.shape.len() > 2 && matches!(a.values, Values::U8(_)));
        let samples = Samples::from_data(&data)?;
        let found = samples.form.picture().expect("an array of pictures was found");
        let expected: [usize; 3] = shape.try_into().expect("the model's data points are pictures");
        if found == expected {
            // Numbers have the unit that they had in the fit.
            if !is_bytes && matches!(self.form.source, Source::Pictures { is_bytes: false, .. }) {
                let form = Form { shift: self.form.shift.clone(), scale: self.form.scale.clone(), ..samples.form };
                let values = form.encode(&data)?;
                return Ok((form, values));
            }
            return Ok((samples.form, samples.values));
        }
        if found[1..] == expected[1..] && found[0] == 3 && expected[0] == 1 {
            let grey = crate::operator::Grey::new(found)?;
            let rows = samples.values.chunks_exact(3 * found[1] * found[2]);
            let values = rows
                .flat_map(|row| grey.apply(&row.iter().map(|v| f64::from(*v)).collect::<Vec<_>>()))
                .map(|v| v as f32);
            let form = Form { shape: shape.to_vec(), ..samples.form };
            return Ok((form, values.collect()));
        }
        let said = |s: [usize; 3]| format!("{} x {} with {} channels", s[1], s[2], s[0]);
        Err(Error::data(
            format!("the pictures are {}; this operator of the model needs {}", said(found), said(expected)),
            "resize them, or fit the model to pictures of this size",
        ))
    }
}

impl Restore for DiffusionModel {
    fn defaults(&self) -> Value {
        Value::Object(defaults())
    }

    fn restore(&self, data: &Data, settings: &Value, run: &mut Run) -> Result<Data> {
        let settings = RestoreSettings::parse(settings)?;
        let how = &settings.degradation;
        let (shape, dims) = (&self.form.shape, self.form.size());
        let measured = how.measured(shape)?;
        let given = if settings.simulate { shape } else { &measured };
        let (form, values) = self.read(data, given)?;
        let rows = values.len() / given.iter().product::<usize>();
        if rows == 0 {
            return Err(Error::data(format!("{} has no rows", data.source), "give at least one data point"));
        }
        let values = to_model(&form, &values);
        let is_masked = how.operator == OperatorName::Inpaint && how.mask == MaskConfig::Given;
        if !is_masked && data.arrays.iter().any(|(name, _)| name == "mask") {
            run.warn("the mask is not used; it is for operator=inpaint with mask=given");
        }
        let operators = how.operators(shape, &values, data, &mut run.rng.fork())?;
        let operator = |i: usize| operators[if operators.len() == 1 { 0 } else { i }].as_ref();
        let unit = if form.picture().is_some() { 2.0 } else { 1.0 };
        let config = settings.config(unit);
        let width = values.len() / rows;
        let measure = |i: usize, run: &mut Run| -> Vec<f64> {
            let row = &values[i * width..(i + 1) * width];
            match (settings.simulate, how.operator) {
                (true, _) => Noise::Gaussian(config.noise).add(&operator(i).apply(row), &mut run.rng),
                // The given picture has all pixels; those that are missing are left out.
                (false, OperatorName::Inpaint) => operator(i).apply(row),
                (false, _) => row.to_vec(),
            }
        };
        let problems: Vec<Problem<'_>> =
            (0..rows).map(|i| Problem { operator: operator(i) as &dyn Operator, y: measure(i, run) }).collect();
        let class = settings.class.as_ref().map(|name| self.class(name)).transpose()?;
        let plugged = settings.plugged(&self.form, run)?;
        let own = self.guided(class.as_slice());
        let denoiser: &dyn Denoiser = match &plugged {
            Some(plugged) => plugged,
            None => &own,
        };
        let restored = restore(denoiser, &problems, &config, run)?;
        let x = restored.x.to_vec();
        // The same layout as given, in the size of the model.
        let out = Form { shape: shape.clone(), ..form.clone() };
        let mut made = out.decode(&from_model(&out, &x));
        made.source = format!("restored from {}", data.source);
        if let Some(sd) = restored.sd {
            let mut shape = vec![rows];
            shape.extend(&out.shape);
            made.arrays.push(("sd".into(), Array::new(&shape, sd.to_vec().iter().map(|v| v / unit).collect())));
        }
        made.notes.push(format!("{} evaluations of the denoiser", restored.evaluations));
        if settings.simulate {
            let degraded: Vec<f64> = match how.operator {
                OperatorName::Inpaint => problems.iter().flat_map(|p| p.operator.adjoint(&p.y)).collect(),
                _ => problems.iter().flat_map(|p| p.y.clone()).collect(),
            };
            let form = Form { shape: measured, ..form };
            let mut array = form.decode(&from_model(&form, &degraded)).arrays;
            if array.len() == 1 {
                made.arrays.push(("measured".into(), array.remove(0).1));
            }
            let values: Vec<f64> = (0..rows)
                .map(|i| psnr(&x[i * dims..(i + 1) * dims], &values[i * dims..(i + 1) * dims], unit))
                .collect();
            let mean = values.iter().sum::<f64>() / rows as f64;
            made.notes.push(format!("peak signal-to-noise ratio {mean:.2} dB (mean of {rows})"));
        }
        Ok(made)
    }
}
