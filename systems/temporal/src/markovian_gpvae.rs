#![doc = "[picture]: ../../../../docs/pictures/markovian-gpvae.svg"]
#![doc = include_str!("markovian-gpvae.md")]

mod claim;
mod kernels;
mod network;
mod pictures;
mod posterior;
mod rivals;
mod scaling;
mod series;
mod stations;
mod train;
mod verbs;

pub use kernels::{Kernels, Smoothness};
pub use network::{Frame, Gpvae, Marginals, Observed, Shape};
pub use posterior::{Posterior, Priors, dense_posterior, markov_posterior, prior, smoothed};
pub use series::{Layout, Places, Sequence, Sequences};
pub use stations::{station_distances, station_marginals, station_mixing, station_posterior};
pub use train::{Bound, Training};

use elbo_core::{
    Card, Claim, Config, Encode, Error, Figure, Kind, Model, ModelFile, Reconstruct, Result, Rng, Run, Sample, Summary,
    System, Table, Verb, ensure, ensure_within,
};
use elbo_nn::Activation;
use elbo_nn::layer::check_widths;
use elbo_tensor::{Parameter, Parameters, no_grad};
use scaling::{Scaling, median_gap, prepare};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A variational autoencoder of sequences whose codes are Markov Gaussian processes.
pub struct MarkovianGpvae;

/// Settings of `markovian-gpvae`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MarkovianGpvaeConfig {
    /// Latent functions, `L`.
    #[schemars(range(min = 1))]
    pub latents: usize,
    /// Their kernels: matern12, matern32, matern52 or matern72, one for all or a list with one for each, such as matern32,matern12.
    pub kernel: Kernels,
    /// Lengthscale at the start, in steps (the median gap between times).
    pub lengthscale: f64,
    /// Whether lengthscales are learnt.
    pub learn_lengthscale: bool,
    /// Whether the latent functions have variances, which are learnt; without, they are one, since the decoder can scale its codes itself.
    pub learn_variance: bool,
    /// Widths of the encoder's linear layers.
    pub encoder: Vec<usize>,
    /// Widths of the decoder's linear layers.
    pub decoder: Vec<usize>,
    /// Channels of convolutions before and after them, for pictures; none for linear layers alone.
    pub channels: Vec<usize>,
    /// The nonlinear function.
    pub activation: Activation,
    /// The distribution of a frame's numbers: gaussian, bernoulli for shares of black, or poisson for counts.
    pub likelihood: Frame,
    /// Variance of the decoder at the start, of standardised numbers.
    pub noise: f64,
    /// Steps of Adam.
    #[schemars(range(min = 1))]
    pub steps: usize,
    /// Sequences a step.
    #[schemars(range(min = 1))]
    pub batch: usize,
    /// Adam's rate at the start.
    pub rate: f64,
    /// Largest norm of a gradient; longer ones are shortened.
    pub clip: f64,
    /// Draws of the codes behind every predicted frame.
    #[schemars(range(min = 1))]
    pub draws: usize,
    /// Whether a frame with a NaN counts as missing; without, it is refused.
    pub nan_is_missing: bool,
}

impl Default for MarkovianGpvaeConfig {
    fn default() -> Self {
        Self {
            latents: 15,
            kernel: Kernels::All(Smoothness::Matern32),
            lengthscale: 50.0,
            learn_lengthscale: true,
            learn_variance: false,
            encoder: vec![32],
            decoder: vec![16],
            channels: vec![],
            activation: Activation::Relu,
            likelihood: Frame::Gaussian,
            noise: 0.2,
            steps: 2000,
            batch: 16,
            rate: 3e-3,
            clip: 100.0,
            draws: 20,
            nan_is_missing: false,
        }
    }
}

impl Config for MarkovianGpvaeConfig {
    fn check(&self) -> Result<()> {
        let positive = |name: &str, v: f64| ensure(name, v, v > 0.0 && v.is_finite(), "a positive number");
        ensure_within("latents", self.latents, 1..=1000)?;
        self.kernel.check(self.latents)?;
        positive("lengthscale", self.lengthscale)?;
        for (name, widths) in [("encoder", &self.encoder), ("decoder", &self.decoder), ("channels", &self.channels)] {
            check_widths(name, widths)?;
        }
        positive("noise", self.noise)?;
        ensure_within("steps", self.steps, 1..=1_000_000_000)?;
        ensure_within("batch", self.batch, 1..=1_000_000_000)?;
        ensure("rate", self.rate, self.rate > 0.0 && self.rate < 1.0, "in (0, 1)")?;
        positive("clip", self.clip)?;
        ensure_within("draws", self.draws, 2..=10_000)
    }
}

impl MarkovianGpvaeConfig {
    fn training(&self) -> Training {
        Training { steps: self.steps, batch: self.batch, rate: self.rate, clip: self.clip }
    }

    fn shape(&self, layout: &Layout) -> Shape {
        Shape {
            frame: layout.frame(),
            stations: layout.stations().to_vec(),
            orders: self.kernel.orders(self.latents),
            has_variances: self.learn_variance,
            encoder: self.encoder.clone(),
            decoder: self.decoder.clone(),
            channels: self.channels.clone(),
            activation: self.activation,
            likelihood: self.likelihood,
        }
    }
}

impl System for MarkovianGpvae {
    const CARD: Card = Card {
        id: "markovian-gpvae",
        title: "Markovian Gaussian Process Variational Autoencoders",
        family: "temporal",
        kind: Kind::Paper,
        verbs: &[Verb::Fit, Verb::Sample, Verb::Reconstruct, Verb::Encode, Verb::Reproduce],
        source: "Zhu, Balsells Rodas and Li (2023), ICML",
        about: include_str!("markovian-gpvae.md"),
        validates_itself: false,
    };
    type Config = MarkovianGpvaeConfig;
    type Input = Sequences;
    type Model = MarkovianGpvaeModel;

    fn fit(&self, config: &MarkovianGpvaeConfig, mut input: Sequences, run: &mut Run) -> Result<MarkovianGpvaeModel> {
        input.notes.iter().for_each(|note| run.warn(note));
        let missing = input.settle_missing(config.nan_is_missing)?;
        if missing > 0 {
            run.warn(format!("{missing} frames with a NaN are taken as missing"));
        }
        let scaling = Scaling::learn(&input, config.likelihood)?;
        let sequences = prepare(&input.sequences, &scaling)?;
        let frames: usize = sequences.iter().map(|s| s.grid.len()).sum();
        if frames < 2 {
            return Err(Error::data(format!("there are {frames} frames to learn from"), "give at least two"));
        }
        if sequences.len() < input.sequences.len() {
            run.warn(format!(
                "{} sequences have no frame and say nothing; their reconstruction is that of the prior",
                input.sequences.len() - sequences.len()
            ));
        }
        if !config.channels.is_empty() && !input.layout.is_picture() {
            run.warn("`channels` is for pictures [S, T, H, W] and is not used: these frames are vectors");
        }
        let step = median_gap(&input.sequences);
        let shape = config.shape(&input.layout);
        let mut nets = shape.build(config.lengthscale * step, config.noise, &mut run.rng.fork())?;
        nets.lengthscale.set_frozen(!config.learn_lengthscale);
        nets.reach.iter_mut().for_each(|reach| reach.set_frozen(!config.learn_lengthscale));
        config.training().run(&mut nets, &sequences, run)?;
        let spans = input.sequences.iter().map(|s| s.times[s.times.len() - 1] - s.times[0]);
        let span = spans.fold(0.0, f64::max);
        for (l, length) in nets.lengthscale.value().into_iter().enumerate() {
            if config.learn_lengthscale && (length < step || length > span.max(step)) {
                let (side, what) = if length < step { ("below one step", step) } else { ("above the span", span) };
                run.warn(format!(
                    "the lengthscale of latent {} is {length:.3}, {side} ({what:.3}): it says little about time; fewer `latents` may do",
                    l + 1
                ));
            }
        }
        let mut measuring = run.rng.fork();
        let all: Vec<&Observed> = sequences.iter().collect();
        let elbo = {
            // As many sequences at a time as in training.
            let mut total = 0.0;
            for part in all.chunks(config.batch) {
                total += no_grad(|| nets.elbo(part, &mut measuring))?.0.item();
            }
            total / frames as f64
        };
        let template = input.sequences[0].times.clone();
        let mut model = MarkovianGpvaeModel {
            config: config.clone(),
            layout: input.layout.clone(),
            scaling,
            nets,
            step,
            template,
            elbo,
            frames,
            count: input.sequences.len(),
            figures: vec![],
        };
        model.figures = model.pictures(&input, &mut measuring)?;
        Ok(model)
    }

    fn load(&self, file: &ModelFile) -> Result<MarkovianGpvaeModel> {
        let config: MarkovianGpvaeConfig = file.fact("config")?;
        config.check()?;
        let layout: Layout = file.fact("layout")?;
        let scaling: Scaling = file.fact("scaling")?;
        let template = file.get_as("template", &[file.rows("template", &[])?])?;
        let size = scaling.shift.len();
        let is_scaling = scaling.scale.len() == size && scaling.scale.iter().all(|s| *s > 0.0);
        if size == 0 || !layout.is_of(size) || template.is_empty() || !is_scaling {
            return Err(Error::misfit("the layout, the scaling and the times are not those of one set of sequences"));
        }
        let mut nets = config.shape(&layout).build(1.0, config.noise, &mut Rng::new(0))?;
        nets.read_from(file, "nets")?;
        Ok(MarkovianGpvaeModel {
            config,
            layout,
            scaling,
            nets,
            step: file.fact("step")?,
            template,
            elbo: file.fact("elbo")?,
            frames: file.fact("frames")?,
            count: file.fact("count")?,
            figures: file.fact("figures")?,
        })
    }

    fn claim(&self, run: &mut Run) -> Result<Claim> {
        claim::claim(run)
    }
}

/// A fitted model.
pub struct MarkovianGpvaeModel {
    config: MarkovianGpvaeConfig,
    layout: Layout,
    scaling: Scaling,
    nets: Gpvae,
    step: f64,
    /// Times of the first sequence.
    template: Vec<f64>,
    elbo: f64,
    frames: usize,
    count: usize,
    figures: Vec<Figure>,
}

impl MarkovianGpvaeModel {
    /// The networks.
    pub fn networks(&self) -> &Gpvae {
        &self.nets
    }
}

impl Model for MarkovianGpvaeModel {
    fn save(&self, file: &mut ModelFile) -> Result<()> {
        file.set("config", &self.config);
        file.set("layout", &self.layout);
        file.set("scaling", &self.scaling);
        self.nets.write_to(file, "nets");
        file.set("step", &self.step);
        file.put("template", &[self.template.len()], &self.template);
        file.set("elbo", &self.elbo);
        file.set("frames", &self.frames);
        file.set("count", &self.count);
        file.set("figures", &self.figures);
        Ok(())
    }

    fn summary(&self) -> Summary {
        let mut summary = Summary { objective: Some(("elbo_per_frame".into(), self.elbo)), ..Summary::default() };
        summary.metrics = vec![("elbo_per_frame".into(), self.elbo), ("frames".into(), self.frames as f64)];
        if self.config.likelihood == Frame::Gaussian {
            summary.metrics.push(("noise_sd".into(), self.nets.noise.value()[0].sqrt()));
        }
        for (l, length) in self.nets.lengthscale.value().into_iter().enumerate() {
            summary.parameters.push((format!("lengthscale {}", l + 1), format!("{length:.4}"), "unit of time".into()));
        }
        if let Some(variance) = &self.nets.variance {
            for (l, variance) in variance.value().into_iter().enumerate() {
                summary.parameters.push((format!("variance {}", l + 1), format!("{variance:.4}"), String::new()));
            }
        }
        if let Some(reach) = &self.nets.reach {
            let value = format!("{:.4}", reach.value()[0]);
            summary.parameters.push(("lengthscale in space".into(), value, "unit of the stations".into()));
        }
        summary.text = format!(
            "{} sequences with {} frames of {} numbers, told by {} latent functions of time.",
            self.count,
            self.frames,
            self.layout.size(),
            self.config.latents
        );
        summary
    }

    fn as_sample(&self) -> Option<&dyn Sample> {
        Some(self)
    }

    fn as_reconstruct(&self) -> Option<&dyn Reconstruct> {
        Some(self)
    }

    fn as_encode(&self) -> Option<&dyn Encode> {
        Some(self)
    }

    fn figures(&self) -> Vec<Figure> {
        self.figures.clone()
    }

    fn tables(&self) -> Vec<Table> {
        let mut table = Table::new(
            "lengthscales",
            "Kernels of the latent functions, their variances, and their lengthscales in the unit of time and in steps.",
            &["latent", "kernel", "variance", "lengthscale", "steps"],
        );
        let (lengths, orders) = (self.nets.lengthscale.value(), &self.nets.shape.orders);
        let variances = self.nets.variance.as_ref().map_or_else(|| vec![1.0; lengths.len()], Parameter::value);
        for (l, ((length, variance), order)) in lengths.iter().zip(variances).zip(orders).enumerate() {
            table.push(vec![
                (l + 1).to_string(),
                kernels::name(*order).into(),
                format!("{variance:.4}"),
                format!("{length:.4}"),
                format!("{:.2}", length / self.step),
            ]);
        }
        vec![table]
    }
}
