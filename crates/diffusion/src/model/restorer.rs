//! The verb `restore`.

use super::measured::Measured;
use super::{Degradation, DiffusionModel, MaskConfig, OperatorName, from_model, to_model};
use crate::denoiser::{Denoiser, DnCnn, DnCnnDenoiser};
use crate::operator::Operator;
use crate::restore::{Method, Order, RedDiff, RestoreConfig, Restored, Rule, restore};
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
    fn read(&self, data: &Data, how: &Degradation, shape: &[usize]) -> Result<(Form, Vec<f32>)> {
        let others: Vec<(String, Array)> =
            data.arrays.iter().filter(|(name, _)| !how.is_beside(name)).cloned().collect();
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
        let mut samples = Samples::from_data(&data)?;
        // What was measured is not known by its largest value. Numbers up to 255 are bytes.
        if !is_bytes && samples.form.scale != [255.0] && samples.form.scale != [1.0] {
            samples.form.scale = vec![1.0];
            samples.values = samples.form.encode(&data)?;
        }
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

/// Warns of a measurement that no picture gives, and of settings without effect.
fn warn(how: &Degradation, data: &Data, form: &Form, measured: &Measured, run: &mut Run) -> Result<()> {
    let is_picture = form.picture().is_some();
    if how.counts > 0.0 && !is_picture {
        return Err(Error::data(
            "counts are of pictures; the model's data points are rows of numbers",
            "say how noisy they are with `noise`",
        ));
    }
    if how.counts > 0.0 && how.noise != Degradation::default().noise {
        run.warn("`noise` has no effect with `counts`");
    }
    if how.operator == OperatorName::Radon && how.scan.looks_like_radians() {
        run.warn("the angles all lie within 6.3; they are taken in degrees");
    }
    if let Some(text) = measured.out_of_range(how.bound(data)?).filter(|_| is_picture) {
        run.warn(text);
    }
    Ok(())
}

/// Standard deviations as pictures of the shape `[N, ...]`, the course of the misfit, how often the denoiser was asked, and which numbers of
/// this form are black and white.
fn append(made: &mut Data, restored: &Restored, form: &Form, shape: &[usize], unit: f64) {
    if let Some(sd) = &restored.sd {
        made.arrays.push(("sd".into(), Array::new(shape, sd.to_vec().iter().map(|v| v / unit).collect())));
    }
    let misfit = restored.trajectory.iter().map(|v| v / (unit * unit)).collect();
    made.arrays.push(("misfit".into(), Array::new(&[restored.trajectory.len()], misfit)));
    made.arrays.push(("evaluations".into(), Array::new(&[1], vec![restored.evaluations as f64])));
    if form.picture().is_some() {
        let (black, white) = (form.shift[0], form.shift[0] + form.scale[0]);
        made.arrays.push(("range".into(), Array::new(&[2], vec![black, white])));
    }
    made.notes.push(format!("{} evaluations of the denoiser", restored.evaluations));
}

/// The measurement that was made, where it is one array of this form, and beside a sinogram its geometry.
fn shown(how: &Degradation, form: &Form, measured: &Measured, shape: &[usize]) -> Result<Vec<(String, Array)>> {
    if matches!(form.source, Source::Columns { .. }) {
        return Ok(vec![]);
    }
    let values = measured.values.iter();
    if how.operator == OperatorName::Radon {
        // In shares of white or the unit of the fit, and not cut off, so that it can be restored again.
        let shares: Vec<f32> = values.flat_map(|y| y.iter().map(|v| (0.5 * (v + 1.0)) as f32)).collect();
        let Some([_, h, w]) = Form { shape: shape.to_vec(), ..form.clone() }.picture() else { return Ok(vec![]) };
        let mut form = form.clone();
        if let Source::Pictures { is_bytes, .. } = &mut form.source {
            if *is_bytes {
                (form.shift, form.scale) = (vec![0.0], vec![1.0]);
            }
            *is_bytes = false;
        }
        let arrays = form.decode(&shares).arrays.into_iter().map(|(_, array)| ("measured".to_owned(), array));
        return Ok(arrays.take(1).chain(how.scan.to_arrays([h, w])?).collect());
    }
    let degraded: Vec<f64> = match how.operator {
        OperatorName::Inpaint => values.enumerate().flat_map(|(i, y)| measured.of(i).operator.adjoint(y)).collect(),
        _ => values.flatten().copied().collect(),
    };
    let mut arrays = form.decode(&from_model(form, &degraded)).arrays;
    Ok(if arrays.len() == 1 { vec![("measured".to_owned(), arrays.remove(0).1)] } else { vec![] })
}

impl Restore for DiffusionModel {
    fn defaults(&self) -> Value {
        Value::Object(defaults())
    }

    fn restore(&self, data: &Data, settings: &Value, run: &mut Run) -> Result<Data> {
        let settings = RestoreSettings::parse(settings)?;
        let how = &settings.degradation.with_arrays(data)?;
        let (shape, dims) = (&self.form.shape, self.form.size());
        let measured = how.measured(shape)?;
        let given = if settings.simulate { shape } else { &measured };
        let (form, values) = self.read(data, how, given)?;
        let rows = values.len() / given.iter().product::<usize>();
        if rows == 0 {
            return Err(Error::data(format!("{} has no rows", data.source), "give at least one data point"));
        }
        let values = to_model(&form, &values);
        let is_masked = how.operator == OperatorName::Inpaint && how.mask == MaskConfig::Given;
        if !is_masked && data.arrays.iter().any(|(name, _)| name == "mask") {
            run.warn("the mask is not used; it is for operator=inpaint with mask=given");
        }
        let unit = if form.picture().is_some() { 2.0 } else { 1.0 };
        let measures = how.measures(shape, &values, data, &mut run.rng.fork())?;
        let mut measured_of = Measured { measures, values: vec![], noise: how.uncertainty(unit) };
        for row in values.chunks_exact(values.len() / rows) {
            let measure = measured_of.of(measured_of.values.len());
            let y = match (settings.simulate, how.operator) {
                (true, _) => measured_of.noise.add(&measure.of(row), &mut run.rng),
                // The given picture has all pixels; those that are missing are left out.
                (false, OperatorName::Inpaint) => measure.of(row),
                (false, _) => row.to_vec(),
            };
            measured_of.values.push(y);
        }
        warn(how, data, &form, &measured_of, run)?;
        let config = RestoreConfig { noise: measured_of.deviation(), ..settings.config(unit) };
        let weighted = measured_of.weighted();
        let problems = measured_of.problems(&weighted);
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
        append(&mut made, &restored, &out, &[&[rows][..], out.shape.as_slice()].concat(), unit);
        if settings.simulate {
            let form = Form { shape: measured, ..form };
            made.arrays.extend(shown(how, &form, &measured_of, shape)?);
            let values: Vec<f64> = (0..rows)
                .map(|i| psnr(&x[i * dims..(i + 1) * dims], &values[i * dims..(i + 1) * dims], unit))
                .collect();
            let mean = values.iter().sum::<f64>() / rows as f64;
            made.notes.push(format!("peak signal-to-noise ratio {mean:.2} dB (mean of {rows})"));
        }
        Ok(made)
    }
}
