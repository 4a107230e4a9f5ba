#![doc = "[picture]: ../../../../docs/pictures/cvhm.svg"]
#![doc = include_str!("cvhm.md")]

mod claim;
mod emission;
mod expand;
mod field;
mod fit;
mod held;
mod panel;
mod rivals;
mod start;
mod trials;

pub use emission::Emission;
pub use field::{Field, Moments};
pub use fit::Fitted;
pub use panel::Panel;
pub use trials::{Layout, Trials};

use elbo_core::{
    Array, Card, Claim, Config, Data, Encode, Error, Figure, Kind, Mark, Model, ModelFile, Reconstruct, Result, Run,
    Summary, System, Table, Verb, ensure, ensure_within, half_open,
};
use elbo_markov::Kernel;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Latent trajectories of counts, in linear time.
pub struct Cvhm;

/// How kernels are learned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Learn {
    /// Whittle's likelihood of posterior draws, in the frequency domain.
    Whittle,
    /// The evidence of the sites, by its exact gradient.
    Bound,
    /// Not at all, but for the variance, which follows the size of the latents.
    Off,
}

/// How posteriors are computed; both give the same numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Smoother {
    /// A pass forward and a pass back.
    Passes,
    /// The paper's two information filters, on two threads.
    Bidirectional,
}

/// Settings of `cvhm`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CvhmConfig {
    /// Latent trajectories, `L`.
    #[schemars(range(min = 1))]
    pub trajectories: usize,
    /// The kernel of every latent, as an expression of time in the unit of `width`: `matern32`, `matern32 * cosine(period=1)` (Hida-Matérn); or as
    /// many as there are latents, with `;` between them.
    pub kernel: String,
    /// How numbers follow from the latents: poisson, bernoulli, negative_binomial or gaussian.
    pub likelihood: Emission,
    /// Width of a bin, where the data have no times.
    pub width: f64,
    /// Rounds of inference, readout and kernels, at most.
    #[schemars(range(min = 1))]
    pub rounds: usize,
    /// Updates of all sites a round.
    #[schemars(range(min = 1))]
    pub sweeps: usize,
    /// Share of the way that a site moves in an update, in (0, 1]; halved when the bound falls twice.
    pub rate: f64,
    /// Penalty on the squares of loadings.
    pub ridge: f64,
    /// How kernels are learned: whittle, bound or off.
    pub learn: Learn,
    /// Posterior draws for Whittle's likelihood.
    #[schemars(range(min = 1))]
    pub paths: usize,
    /// How posteriors are computed: passes or bidirectional.
    pub smoother: Smoother,
    /// Converged when loadings and offsets change by less than this share, twice in a row.
    pub tolerance: f64,
    /// Share of the trials, or of the last bins of a single one, that the fit does not see: they give `held_out_bits`, what channels tell of each other
    /// through the latents.
    pub held_out: f64,
}

impl Default for CvhmConfig {
    fn default() -> Self {
        Self {
            trajectories: 2,
            kernel: "matern32".into(),
            likelihood: Emission::Poisson,
            width: 1.0,
            rounds: 30,
            sweeps: 5,
            rate: 0.5,
            ridge: 0.1,
            learn: Learn::Whittle,
            paths: 5,
            smoother: Smoother::Passes,
            tolerance: 1e-3,
            held_out: 0.0,
        }
    }
}

impl CvhmConfig {
    /// The kernels as they are written: one for all latents, or one for each.
    fn kernels(&self) -> Result<Vec<Kernel>> {
        self.kernel.split(';').map(str::parse::<Kernel>).collect()
    }
}

impl Config for CvhmConfig {
    fn check(&self) -> Result<()> {
        let kernels = self.kernels()?;
        for kernel in &kernels {
            if !elbo_markov::StateSpace::new(kernel, 0.0)?.is_stationary() {
                return Err(Error::Setting {
                    setting: "kernel".into(),
                    found: self.kernel.clone(),
                    expected: "a stationary kernel: latents have no first time".into(),
                });
            }
        }
        ensure_within("trajectories", self.trajectories, 1..=1000)?;
        let count = kernels.len();
        ensure(
            "kernel",
            format!("{count} kernels for {} latents", self.trajectories),
            count == 1 || count == self.trajectories,
            "one for all latents, or one for each with `;` between them",
        )?;
        ensure_within("paths", self.paths, 1..=1_000_000)?;
        ensure_within("rounds", self.rounds, 1..=1_000_000_000)?;
        ensure_within("sweeps", self.sweeps, 1..=1_000_000_000)?;
        ensure("width", self.width, self.width > 0.0 && self.width.is_finite(), "positive")?;
        ensure_within("rate", self.rate, half_open(0.0, 1.0))?;
        ensure_within("ridge", self.ridge, 0.0..)?;
        ensure_within("tolerance", self.tolerance, 0.0..)?;
        ensure_within("held_out", self.held_out, 0.0..=0.9)
    }
}

impl System for Cvhm {
    const CARD: Card = Card {
        id: "cvhm",
        title: "Linear Time GPs for Inferring Latent Trajectories from Neural Spike Trains",
        family: "temporal",
        kind: Kind::Paper,
        verbs: &[Verb::Fit, Verb::Encode, Verb::Reconstruct, Verb::Reproduce],
        source: "Dowling, Zhao and Park (2023)",
        about: include_str!("cvhm.md"),
        validates_itself: false,
    };
    type Config = CvhmConfig;
    type Input = Trials;
    type Model = CvhmModel;

    fn fit(&self, config: &CvhmConfig, input: Trials, run: &mut Run) -> Result<CvhmModel> {
        // Before the split, so that places are those of the whole data.
        config.likelihood.check(&input.counts, |i| input.place(i))?;
        let (input, held) = if config.held_out > 0.0 {
            let (first, last) = input.split(config.held_out)?;
            (first, Some(last))
        } else {
            (input, None)
        };
        let fitted = fit::fit(config, &input, run)?;
        let alone = held::Alone::learn(config, &fitted.field, &input)?;
        let mut summary = summarise(config, &input, &fitted);
        if let Some(held) = held {
            match held::held_out_bits(config, &fitted.field, &alone, &held)? {
                Some(bits) => summary.metrics.push(("held_out_bits".into(), bits)),
                None => run.warn("a single channel has no others to be told by: there are no `held_out_bits`"),
            }
        }
        Ok(CvhmModel { config: config.clone(), field: fitted.field, alone, shown: input.first(), summary })
    }

    fn load(&self, file: &ModelFile) -> Result<CvhmModel> {
        let (config, layout): (CvhmConfig, Layout) = (file.fact("config")?, file.fact("layout")?);
        config.check()?;
        let field = Field::load(file)?;
        let n = field.panel.channels;
        let fits = config.trajectories == field.kernels.len() && layout.channels() == n;
        let bins = file.rows("shown", &[n])?;
        if !fits || bins == 0 || config.likelihood != field.panel.emission {
            return Err(Error::model_file("the parts of the model file do not fit together", "fit the model again"));
        }
        let (has_times, has_offset): (bool, bool) = (file.fact("has_times")?, file.fact("has_offset")?);
        let shown = Trials {
            times: has_times.then(|| file.get_as("shown_times", &[bins])).transpose()?,
            offset: has_offset.then(|| file.get_as("shown_offset", &[bins, n])).transpose()?,
            ..Trials::plain(file.get_as("shown", &[bins, n])?, vec![bins], layout)
        };
        // Also that the numbers are those of the likelihood, and that times increase.
        if field.panel.trials(config.width, &shown).is_err() {
            return Err(Error::misfit("the numbers of the first trial are not those of the likelihood"));
        }
        let alone = held::Alone::load(file, &field)?;
        Ok(CvhmModel { config, field, alone, shown, summary: file.fact("summary")? })
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        claim::claim(run)
    }
}

fn summarise(config: &CvhmConfig, input: &Trials, fitted: &Fitted) -> Summary {
    let field = &fitted.field;
    let mut summary = Summary {
        objective: Some(("evidence lower bound".into(), fitted.elbo)),
        metrics: vec![
            ("trials".into(), input.steps.len() as f64),
            ("channels".into(), input.channels as f64),
            ("silent_channels".into(), (input.channels - field.panel.kept.len()) as f64),
            ("rounds".into(), fitted.rounds as f64),
            ("capped_share".into(), fitted.capped),
        ],
        text: format!(
            "{} latent trajectories behind the numbers of {} channels; {} {}.",
            config.trajectories,
            input.channels,
            if config.kernel.contains(';') { "their kernels are" } else { "the kernel is" },
            config.kernel
        ),
        ..Summary::default()
    };
    for (l, kernel) in field.kernels.iter().enumerate() {
        summary.parameters.push((
            format!("latent {}", l + 1),
            kernel.to_string(),
            "time in the unit of `width`".into(),
        ));
    }
    summary
}

/// A fitted field of latents and its readout.
pub struct CvhmModel {
    config: CvhmConfig,
    field: Field,
    /// What every kept channel is without latents.
    alone: held::Alone,
    /// The first trial, for the figure.
    shown: Trials,
    summary: Summary,
}

impl CvhmModel {
    /// New trials of the form that the model was fitted to.
    fn read(&self, data: &Data) -> Result<Trials> {
        let trials = Trials::of_layout(data, &self.shown.layout)?;
        let given = [
            ("time", self.shown.times.is_some(), trials.times.is_some()),
            ("offset", self.shown.offset.is_some(), trials.offset.is_some()),
        ];
        match given.into_iter().find(|(_, before, now)| *before && !now) {
            None => Ok(trials),
            Some((name, ..)) => Err(Error::data(
                format!("the model was fitted with `{name}`, and {} has none", data.source),
                format!("give `{name}` for these trials too"),
            )),
        }
    }

    /// Posterior moments of the latents of each trial, with kernels and readout as they are.
    fn infer(&self, trials: &Trials) -> Result<Vec<Moments>> {
        field::infer(&self.config, &self.field, trials)
    }

    /// Bits an event that channels of new trials tell of each other through the latents, beyond their mean rates and known offsets: in five parts, each
    /// told by the other four. `None` for a model of a single channel.
    ///
    /// # Errors
    /// [`Error::Data`] for data that are not of the model's form.
    pub fn held_out_bits(&self, data: &Data) -> Result<Option<f64>> {
        held::held_out_bits(&self.config, &self.field, &self.alone, &self.read(data)?)
    }
}

impl Model for CvhmModel {
    fn save(&self, file: &mut ModelFile) -> Result<()> {
        file.set("config", &self.config);
        file.set("layout", &self.shown.layout);
        self.field.save(file);
        let (bins, n) = (self.shown.steps[0], self.shown.channels);
        file.put("shown", &[bins, n], &self.shown.counts);
        file.set("has_times", &self.shown.times.is_some());
        file.set("has_offset", &self.shown.offset.is_some());
        if let Some(times) = &self.shown.times {
            file.put("shown_times", &[bins], times);
        }
        if let Some(offset) = &self.shown.offset {
            file.put("shown_offset", &[bins, n], offset);
        }
        self.alone.save(file);
        file.set("summary", &self.summary);
        Ok(())
    }

    fn summary(&self) -> Summary {
        self.summary.clone()
    }

    fn as_encode(&self) -> Option<&dyn Encode> {
        Some(self)
    }

    fn as_reconstruct(&self) -> Option<&dyn Reconstruct> {
        Some(self)
    }

    fn figures(&self) -> Vec<Figure> {
        let Ok(moments) = self.infer(&self.shown) else { return vec![] };
        let (l, steps) = (self.config.trajectories, self.shown.steps[0]);
        let x: Vec<f64> = match &self.shown.times {
            Some(times) => times.clone(),
            None => (0..steps).map(|t| t as f64 * self.config.width).collect(),
        };
        let mut out = vec![];
        for latent in 0..l {
            let mean: Vec<f64> = (0..steps).map(|t| moments[0].mean[t * l + latent]).collect();
            let sd: Vec<f64> =
                (0..steps).map(|t| moments[0].covariance[(t * l + latent) * l + latent].max(0.0).sqrt()).collect();
            let edge = |sign: f64| mean.iter().zip(&sd).map(|(m, s)| m + sign * 1.6449 * s).collect();
            out.push(Figure {
                name: format!("latent-{}", latent + 1),
                caption: format!("Latent {} in the first trial, with its 90 % band.", latent + 1),
                x_label: "time".into(),
                y_label: format!("latent {}", latent + 1),
                marks: vec![
                    Mark::Band { label: "90 %".into(), x: x.clone(), lower: edge(-1.0), upper: edge(1.0) },
                    Mark::Line { label: "mean".into(), x: x.clone(), y: mean.clone(), dashed: false },
                ],
                ..Figure::default()
            });
        }
        out
    }

    fn tables(&self) -> Vec<Table> {
        let l = self.config.trajectories;
        let names: Vec<String> = (0..l).map(|i| format!("latent_{}", i + 1)).collect();
        let panel = &self.field.panel;
        let mut columns = vec!["channel", if panel.emission.counts() { "log rate" } else { "offset" }];
        columns.extend(names.iter().map(String::as_str));
        columns.extend(panel.emission.level_name());
        let mut table = Table::new(
            "readout",
            "What every channel that is not left out has in a bin where latents are zero, and its loadings.",
            &columns,
        );
        for (i, channel) in panel.kept.iter().enumerate() {
            let mut row = vec![self.shown.layout.channel_name(*channel), format!("{:.4}", self.field.readout.d[i])];
            row.extend(self.field.readout.c[i * l..(i + 1) * l].iter().map(|c| format!("{c:.4}")));
            row.extend(panel.emission.level_name().map(|_| format!("{:.4}", self.field.levels[i])));
            table.push(row);
        }
        vec![table]
    }
}

impl Encode for CvhmModel {
    fn encode(&self, data: &Data, _: &mut Run) -> Result<Data> {
        let trials = self.read(data)?;
        let moments = self.infer(&trials)?;
        let l = self.config.trajectories;
        let mut arrays = vec![];
        for latent in 0..l {
            for (suffix, is_sd) in [("", false), ("_sd", true)] {
                let values: Vec<f64> = moments
                    .iter()
                    .flat_map(|m| {
                        (0..m.mean.len() / l).map(move |t| {
                            if is_sd {
                                m.covariance[(t * l + latent) * l + latent].max(0.0).sqrt()
                            } else {
                                m.mean[t * l + latent]
                            }
                        })
                    })
                    .collect();
                arrays.push((format!("latent_{}{suffix}", latent + 1), Array::new(&trials.shape(), values)));
            }
        }
        for (first, second) in (0..l).flat_map(|first| (first + 1..l).map(move |second| (first, second))) {
            let at = first * l + second;
            let values = moments.iter().flat_map(|m| m.covariance.iter().skip(at).step_by(l * l).copied()).collect();
            let name = format!("latent_{}_{}_cov", first + 1, second + 1);
            arrays.push((name, Array::new(&trials.shape(), values)));
        }
        Ok(Data { source: data.source.clone(), arrays, ..Data::default() })
    }
}

impl Reconstruct for CvhmModel {
    /// Mean numbers a bin.
    fn reconstruct(&self, data: &Data, _: &mut Run) -> Result<Data> {
        let trials = self.read(data)?;
        let moments = self.infer(&trials)?;
        let rates: Vec<f64> =
            moments.iter().zip(trials.offsets()).flat_map(|(m, offset)| self.field.rates(m, offset)).collect();
        Ok(trials.layout.arrays(&trials, &rates, data))
    }
}
