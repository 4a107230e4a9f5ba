//! What a fitted model offers, and its file.

use super::{LatentModel, MEASURED, history, likeness, unit_of};
use crate::fidelity::Fidelity;
use crate::vae::EvaluationConfig;
use elbo_core::{
    Array, Data, Decode, Encode, Error, Evaluate, Figure, ImportanceBound, LikelihoodBounds, Mark, Model, ModelFile,
    PointBounds, Reconstruct, Result, Rng, Run, Sample, Summary, Table, ensure, ensure_within, picture_grid,
};
use elbo_dist::quantile;
use elbo_tensor::special::{ndtr, ndtri};
use elbo_tensor::{Parameters, Tensor};

/// Draws for each data point with missing elements, and how few of them should not be all that count.
const IMPUTED_DRAWS: usize = 500;
const FEW_DRAWS: f64 = 10.0;
/// Side of the grid of decoded codes, where codes have two dimensions.
const MANIFOLD: usize = 16;
/// Standard deviations of a normal code that a traversal goes to either side, most codes of one, and draws that tell where those of other priors lie.
const REACH: f64 = 3.0;
const MOST_TRAVERSED: usize = 10_000;
const REACHED_DRAWS: usize = 10_000;

impl Model for LatentModel {
    fn save(&self, file: &mut ModelFile) -> Result<()> {
        file.set("config", &self.settings);
        file.set("vae", self.vae.config());
        file.set("objective", &self.objective);
        file.set("binarise", &self.binarise);
        file.set("form", &self.form);
        file.set("measures", &self.measures);
        if let Some(measures) = &self.weight_measures {
            file.set("weight_measures", measures);
        }
        file.set("terms", &self.terms);
        file.set("history", &self.history);
        file.set("label_error", &self.label_error);
        file.set("label_error_of_many", &self.label_error_of_many);
        file.set("clusters", &self.clusters);
        file.set("fidelity", &self.fidelity);
        if let Some(density) = &self.density {
            density.save(file, "density");
        }
        file.set("resample", &self.resample);
        file.set("model_seed", &self.seed);
        file.set("text", &self.text);
        self.vae.write_to(file, "vae");
        Ok(())
    }

    fn summary(&self) -> Summary {
        let m = &self.measures;
        let (unit, elements) = self.unit(m);
        let mut parameters = 0;
        // Frozen ones, such as the shares of classes, are not found by training.
        self.vae.visit(&mut |_, p| parameters += if p.is_frozen() { 0 } else { p.len() });
        let bits = unit / (elements * std::f64::consts::LN_2);
        let metrics = [
            ("iwae", m.iwae - unit),
            ("bits_per_dim", m.bits_per_dim + bits),
            ("reconstruction", m.reconstruction - unit),
            ("kl", m.kl),
            ("active_units", m.active_units as f64),
            ("idle_units", m.idle_units as f64),
            ("code_variance", m.code_variance),
            ("network_parameters", parameters as f64),
            ("mutual_information", m.mutual_information),
            ("mutual_information_cap", m.mutual_information_cap),
            ("aggregated_kl", m.aggregated_kl),
            ("mmd", m.mmd),
            ("sliced_wasserstein", m.sliced_wasserstein),
            ("code_log_det", m.code_log_det),
            ("effective_share", m.effective_share),
            ("dominated_share", m.dominated_share),
            ("unreliable_share", m.unreliable_share),
        ];
        let of_weights = self.weight_measures.map(|w| [("elbo_with_weights", w.bound - unit), ("weight_kl", w.kl)]);
        let metrics = metrics.into_iter().chain(of_weights.into_iter().flatten());
        let finite = metrics.filter(|(_, v)| v.is_finite());
        let label_error = self.label_error.map(|error| ("label_error", error));
        let of_many = self.label_error_of_many.map(|error| ("label_error_1000", error));
        let clusters = self.clusters.map(|c| [("nmi", c.nmi), ("ari", c.ari), ("cluster_accuracy", c.accuracy)]);
        let of_labels = label_error.into_iter().chain(of_many).chain(clusters.into_iter().flatten());
        let of_samples = self.fidelity.iter().flat_map(Fidelity::metrics);
        let (objective, value) =
            if self.vae.config().has_bounds() { ("elbo", m.elbo) } else { ("reconstruction", m.reconstruction) };
        Summary {
            objective: Some((objective.into(), value - unit)),
            metrics: finite.chain(of_labels).chain(of_samples).map(|(name, value)| (name.to_owned(), value)).collect(),
            text: self.text.clone(),
            ..Summary::default()
        }
    }

    fn as_sample(&self) -> Option<&dyn Sample> {
        Some(self)
    }

    fn as_decode(&self) -> Option<&dyn Decode> {
        Some(self)
    }

    fn as_reconstruct(&self) -> Option<&dyn Reconstruct> {
        Some(self)
    }

    fn as_encode(&self) -> Option<&dyn Encode> {
        Some(self)
    }

    fn as_evaluate(&self) -> Option<&dyn Evaluate> {
        // Points have no density, and a loss is none: a model with them has no bound.
        if self.vae.config().has_bounds() { Some(self) } else { None }
    }

    fn tables(&self) -> Vec<Table> {
        let caption = "The terms of the objective at the end of training, on one batch, in nats a data point.";
        let mut table = Table::new("terms", caption, &["term", "weight", "value", "norm of its weighted gradient"]);
        for term in &self.terms {
            let number = |v: f64| format!("{v:.4}");
            table.push(vec![
                term.name.clone(),
                number(term.weight),
                number(term.value),
                format!("{:.3e}", term.gradient_norm),
            ]);
        }
        [table].into_iter().chain(history::table(&self.history)).collect()
    }

    fn figures(&self) -> Vec<Figure> {
        let mut figures = vec![];
        if !self.measures.kl_per_dimension.is_empty() {
            let mut each: Vec<(String, f64)> =
                self.measures.kl_per_dimension.iter().enumerate().map(|(i, k)| (format!("z{}", i + 1), *k)).collect();
            each.sort_by(|a, b| b.1.total_cmp(&a.1));
            each.truncate(40);
            let (names, values) = each.into_iter().unzip();
            figures.push(Figure {
                name: "kl-per-dimension".into(),
                caption: "What each dimension of the code says about a data point; those near zero are not in use."
                    .into(),
                x_label: "divergence from the prior (nats)".into(),
                marks: vec![Mark::Bars { names, values }],
                ..Figure::default()
            });
        }
        if let Some(shape) = self.form.picture().filter(|_| self.vae.latent() == 2 && self.vae.prior().is_standard()) {
            let quantile = |i: usize| ndtri((i as f64 + 0.5) / MANIFOLD as f64);
            // The first row on top has the largest second coordinate.
            let at = |k: usize| [quantile(k % MANIFOLD), quantile(MANIFOLD - 1 - k / MANIFOLD)];
            let z: Vec<f64> = (0..MANIFOLD * MANIFOLD).flat_map(at).collect();
            let z = Tensor::from_vec(z, &[MANIFOLD * MANIFOLD, 2]).cast(self.vae.dtype());
            let values = self.vae.generate(&z, false, &mut Rng::new(0)).to_f32();
            let bytes = self.form.to_bytes(&values.as_slice::<f32>());
            figures.push(Figure {
                name: "manifold".into(),
                caption: "Pictures of codes at equal shares of the prior, from low to high in both dimensions.".into(),
                marks: vec![picture_grid(&bytes, shape, MANIFOLD)],
                ..Figure::default()
            });
        }
        figures
    }
}

impl Sample for LatentModel {
    /// Pictures are the means of their codes' likelihood; rows of a table are drawn from it. Codes are drawn from the prior, or from the density that
    /// was fitted to them.
    fn sample(&self, count: usize, run: &mut Run) -> Result<Data> {
        ensure_within("count", count, 1..)?;
        let z = likeness::codes(&self.vae, self.density.as_ref(), count, &mut run.rng);
        let is_noisy = self.form.picture().is_none();
        Ok(self.decoded(&z, is_noisy, &mut run.rng))
    }
}

impl Reconstruct for LatentModel {
    /// In data with missing cells these are filled in, and the others stay.
    fn reconstruct(&self, data: &Data, run: &mut Run) -> Result<Data> {
        let values = self.values(data)?;
        if values.iter().any(|v| v.is_nan()) {
            let made = self.vae.impute(&values, IMPUTED_DRAWS, &mut run.rng);
            if made.effective < FEW_DRAWS {
                run.warn(format!(
                    "what is filled in rests on {:.1} of {IMPUTED_DRAWS} draws a data point, since the encoder is far from the posterior; \
                     train longer, or with `iwae`",
                    made.effective
                ));
            }
            return self.form.fill(data, &made.values);
        }
        let (mean, _) = self.codes(&values, &mut run.rng);
        let code = self.vae.config().family.nearest_code(&mean);
        Ok(self.decoded(&code, false, &mut run.rng))
    }
}

impl Decode for LatentModel {
    fn code_columns(&self) -> Vec<String> {
        (1..=self.vae.latent()).map(|i| format!("z{i}")).collect()
    }

    /// Means of the codes' likelihood, as `reconstruct` gives them.
    fn decode(&self, codes: &Data, run: &mut Run) -> Result<Data> {
        let (rows, latent) = (codes.rows(), self.vae.latent());
        let mut cells = vec![0.0; rows * latent];
        for (i, name) in self.code_columns().iter().enumerate() {
            let column = code_column(codes, name, latent)?;
            (0..rows).for_each(|row| cells[row * latent + i] = column[row]);
        }
        if rows == 0 {
            return Err(Error::data(format!("{} holds no codes", codes.source), "give at least one row"));
        }
        let family = self.vae.config().family;
        let z = Tensor::from_vec(cells, &[rows, latent]);
        family.check_codes(&z)?;
        Ok(self.decoded(&family.nearest_code(&z), false, &mut run.rng))
    }

    fn traverse(&self, steps: usize, run: &mut Run) -> Result<Data> {
        let (latent, family) = (self.vae.latent(), self.vae.config().family);
        ensure_within("traverse", steps, 2..)?;
        let found = format!("{steps} for each of {latent} numbers of a code");
        let expected = format!("so few that there are {MOST_TRAVERSED} pictures or rows at most");
        ensure("traverse", found, steps.saturating_mul(latent) <= MOST_TRAVERSED, expected)?;
        let found = format!("{steps} for codes of the family `{}`", family.name());
        ensure("traverse", found, family.is_vector(), "left out; such codes have no numbers that move one at a time")?;
        let at = |k: usize| REACH * (2.0 * k as f64 / (steps - 1) as f64 - 1.0);
        let is_normal = self.vae.prior().is_standard() && self.density.is_none();
        // Draws of each number in order, where it is not standard normal.
        let draws: Vec<Vec<f64>> = if is_normal {
            vec![]
        } else {
            let drawn = likeness::codes(&self.vae, self.density.as_ref(), REACHED_DRAWS, &mut run.rng).to_f64();
            let sorted = |i: usize| {
                let mut all = drawn.select(1, i).to_vec();
                all.sort_unstable_by(f64::total_cmp);
                all
            };
            (0..latent).map(sorted).collect()
        };
        let place = |i: usize, z: f64| draws.get(i).map_or(z, |sorted| quantile(sorted, ndtr(z)));
        let cell = |i: usize, row: usize| place(i, if row / steps == i { at(row % steps) } else { 0.0 });
        let column = |i: usize| (0..latent * steps).map(|row| cell(i, row)).collect();
        let columns = self.code_columns().into_iter().enumerate();
        let arrays = columns.map(|(i, name)| (name, Array::new(&[latent * steps], column(i)))).collect();
        Ok(Data { source: "codes that move one number at a time".into(), arrays, ..Data::default() })
    }
}

/// The finite numbers of this column of codes.
fn code_column(codes: &Data, name: &str, latent: usize) -> Result<Vec<f64>> {
    let whose = &codes.source;
    let found = codes.arrays.iter().find(|(n, _)| n == name).and_then(|(_, array)| {
        let is_column = array.shape.len() == 1 && array.rows() == codes.rows();
        array.to_f64().filter(|_| is_column)
    });
    let Some(cells) = found else {
        return Err(Error::data(
            format!("{whose} has no column of numbers `{name}`; the model's codes are z1 to z{latent}"),
            "give the columns that `elbo encode` writes",
        ));
    };
    match cells.iter().position(|v| !v.is_finite()) {
        None => Ok(cells),
        Some(row) => Err(Error::data(
            format!("`{name}` of {whose} is {} in row {}", cells[row], row + 1),
            "give a number for each cell, as `elbo encode` writes them",
        )),
    }
}

impl Encode for LatentModel {
    fn encode(&self, data: &Data, run: &mut Run) -> Result<Data> {
        let (mean, sd) = self.codes(&self.values(data)?, &mut run.rng);
        let column = |t: &Tensor, i: usize| Array::new(&[t.size(0)], t.select(1, i).to_vec());
        let dims = 0..self.vae.latent();
        let means = self.code_columns().into_iter().enumerate().map(|(i, name)| (name, column(&mean, i)));
        let sds = dims.map(|i| (format!("z{}_sd", i + 1), column(&sd, i)));
        let source = format!("codes of {}", data.source);
        Ok(Data { source, arrays: means.chain(sds).collect(), ..Data::default() })
    }
}

impl Evaluate for LatentModel {
    fn evaluate(&self, data: &Data, draws: usize, run: &mut Run) -> Result<LikelihoodBounds> {
        ensure_within("draws", draws, 1..)?;
        let values = self.values(data)?;
        let found = self.vae.evaluate(&values, &EvaluationConfig { draws, pairs: MEASURED }, &mut run.rng);
        let (unit, elements) = self.unit(&found);
        Ok(LikelihoodBounds {
            rows: found.rows,
            elbo: found.elbo - unit,
            elbo_se: found.elbo_se,
            iwae: ImportanceBound { k: draws, value: found.iwae - unit, se: found.iwae_se },
            bits_per_dim: found.bits_per_dim + unit / (elements * std::f64::consts::LN_2),
        })
    }

    fn evaluate_each(&self, data: &Data, draws: usize, run: &mut Run) -> Result<Vec<PointBounds>> {
        ensure_within("draws", draws, 1..)?;
        let values = self.values(data)?;
        let found = self.vae.bounds_of_each(&values, draws, &mut run.rng);
        let likelihood = &self.vae.config().likelihood;
        let in_unit = |(bounds, row): (PointBounds, &[f32])| {
            let observed: Vec<f64> = row.iter().map(|v| f64::from(u8::from(!v.is_nan()))).collect();
            let (unit, _) = unit_of(likelihood, &self.form, &observed);
            PointBounds { elbo: bounds.elbo - unit, iwae: bounds.iwae - unit, ..bounds }
        };
        Ok(found.into_iter().zip(values.chunks_exact(self.form.size())).map(in_unit).collect())
    }
}
