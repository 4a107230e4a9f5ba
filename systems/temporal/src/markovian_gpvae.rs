#![doc = "[picture]: ../../../../docs/pictures/markovian-gpvae.svg"]
#![doc = include_str!("markovian-gpvae.md")]

mod claim;
mod network;
mod posterior;
mod rivals;
mod series;
mod stations;
mod train;

pub use network::{Frame, Gpvae, Marginals, Observed, Shape};
pub use posterior::{Posterior, dense_posterior, markov_posterior, prior, smoothed};
pub use series::{Layout, Places, Sequence, Sequences};
pub use stations::{station_distances, station_marginals, station_mixing, station_posterior};
pub use train::{Bound, Training};

use elbo_core::{
    Array, Card, Claim, Config, Data, Encode, Error, Figure, Kind, Mark, Model, ModelFile, Reconstruct, Result, Rng,
    Run, Sample, Summary, System, Table, Values, Verb, ensure, ensure_within, picture_grid,
};
use elbo_markov::model::Grid;
use elbo_markov::sample;
use elbo_nn::Activation;
use elbo_nn::layer::check_widths;
use elbo_tensor::{Parameters, no_grad};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A variational autoencoder of sequences whose codes are Markov Gaussian processes.
pub struct MarkovianGpvae;

/// Smoothness of the latent functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Smoothness {
    /// Matérn 1/2: continuous.
    Matern12,
    /// Matérn 3/2: one derivative.
    Matern32,
    /// Matérn 5/2: two derivatives.
    Matern52,
    /// Matérn 7/2: three derivatives.
    Matern72,
}

/// Settings of `markovian-gpvae`.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MarkovianGpvaeConfig {
    /// Latent functions, `L`.
    #[schemars(range(min = 1))]
    pub latents: usize,
    /// Their kernel: matern12, matern32, matern52 or matern72.
    pub kernel: Smoothness,
    /// Lengthscale at the start, in steps (the median gap between times).
    pub lengthscale: f64,
    /// Whether lengthscales are learnt.
    pub learn_lengthscale: bool,
    /// Widths of the encoder's linear layers.
    pub encoder: Vec<usize>,
    /// Widths of the decoder's linear layers.
    pub decoder: Vec<usize>,
    /// Channels of convolutions before and after them, for pictures; none for linear layers alone.
    pub channels: Vec<usize>,
    /// The nonlinear function.
    pub activation: Activation,
    /// The distribution of a frame's numbers: gaussian, or bernoulli for shares of black.
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
            kernel: Smoothness::Matern32,
            lengthscale: 50.0,
            learn_lengthscale: true,
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
            latents: self.latents,
            order: self.kernel as usize,
            encoder: self.encoder.clone(),
            decoder: self.decoder.clone(),
            channels: self.channels.clone(),
            activation: self.activation,
            likelihood: self.likelihood,
        }
    }
}

/// From the user's numbers to the networks': `(v - shift) / scale`, one for each number of a frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Scaling {
    shift: Vec<f64>,
    scale: Vec<f64>,
}

impl Scaling {
    /// Each number of a row on its own, all of a picture alike, shares of black not at all.
    fn learn(input: &Sequences, likelihood: Frame) -> Result<Self> {
        let size = input.layout.size();
        let (mut shift, mut scale) = (vec![0.0; size], vec![1.0; size]);
        let frames = move || {
            input.sequences.iter().flat_map(move |s| {
                s.frames.chunks_exact(size).zip(&s.observed).filter(|(_, there)| **there).map(|(frame, _)| frame)
            })
        };
        let count = frames().count() as f64;
        if likelihood == Frame::Bernoulli {
            if let Some(v) = frames().flatten().find(|v| !(0.0..=1.0).contains(*v)) {
                return Err(Error::data(
                    format!("a frame holds {v}; shares of black lie in [0, 1]"),
                    "scale the frames to [0, 1], or use --set likelihood=gaussian",
                ));
            }
            return Ok(Self { shift, scale });
        }
        for frame in frames() {
            shift.iter_mut().zip(frame).for_each(|(s, v)| *s += v / count);
        }
        if input.layout.is_picture() {
            shift = vec![shift.iter().sum::<f64>() / size as f64; size];
        }
        let mut squares = vec![0.0; size];
        for frame in frames() {
            squares.iter_mut().zip(frame.iter().zip(&shift)).for_each(|(s, (v, m))| *s += (v - m).powi(2) / count);
        }
        if input.layout.is_picture() {
            squares = vec![squares.iter().sum::<f64>() / size as f64; size];
        }
        scale.iter_mut().zip(squares).for_each(|(s, v)| *s = if v > 0.0 { v.sqrt() } else { 1.0 });
        Ok(Self { shift, scale })
    }

    /// The frames that are there, standardised, `[F, D]`.
    fn observed(&self, sequence: &Sequence) -> Vec<f32> {
        let frames = sequence.frames.chunks_exact(self.shift.len()).zip(&sequence.observed);
        let there = frames.filter(|(_, there)| **there).flat_map(|(frame, _)| frame);
        let scaled = there.zip(self.shift.iter().zip(&self.scale).cycle());
        scaled.map(|(v, (shift, scale))| ((v - shift) / scale) as f32).collect()
    }
}

/// Median gap between times of all sequences; one without gaps.
fn median_gap(sequences: &[Sequence]) -> f64 {
    let mut gaps: Vec<f64> = sequences.iter().flat_map(|s| s.times.windows(2).map(|w| w[1] - w[0])).collect();
    if gaps.is_empty() {
        return 1.0;
    }
    gaps.sort_by(f64::total_cmp);
    gaps[gaps.len() / 2]
}

/// The sequences as the networks see them: those with at least one frame.
fn prepare(sequences: &[Sequence], scaling: &Scaling) -> Result<Vec<Observed>> {
    let mut out = vec![];
    for sequence in sequences {
        let there = sequence.times.iter().zip(&sequence.observed).filter(|(_, there)| **there);
        let times: Vec<f64> = there.map(|(t, _)| *t).collect();
        if !times.is_empty() {
            out.push(Observed { grid: Arc::new(Grid::new(&times)?), frames: scaling.observed(sequence) });
        }
    }
    Ok(out)
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

/// What a sequence is believed to be at its times.
struct Belief {
    codes: Marginals,
    /// `[T, D]` in the user's unit.
    mean: Vec<f64>,
    /// Standard deviations, `[T, D]`.
    sd: Vec<f64>,
}

impl MarkovianGpvaeModel {
    /// The networks.
    pub fn networks(&self) -> &Gpvae {
        &self.nets
    }

    fn belief(&self, sequence: &Sequence, rng: &mut Rng) -> Result<Belief> {
        let observed = self.scaling.observed(sequence);
        let codes = self.nets.marginals(&sequence.times, &sequence.observed, &observed)?;
        let (mean, variance) = self.nets.frames(&codes, self.config.draws, rng);
        Ok(self.in_own_unit(codes, mean, &variance))
    }

    fn in_own_unit(&self, codes: Marginals, mut mean: Vec<f64>, variance: &[f64]) -> Belief {
        let size = self.layout.size();
        let scale = |d: usize| self.scaling.scale[d % size];
        for (i, m) in mean.iter_mut().enumerate() {
            *m = self.scaling.shift[i % size] + scale(i) * *m;
        }
        let sd = variance.iter().enumerate().map(|(i, v)| scale(i) * v.sqrt()).collect();
        Belief { codes, mean, sd }
    }

    /// The sequences of some data, and what is believed about each.
    fn beliefs(&self, data: &Data, run: &mut Run) -> Result<(Sequences, Vec<Belief>)> {
        let mut input = Sequences::like(data, &self.layout)?;
        input.settle_missing(self.config.nan_is_missing)?;
        let beliefs =
            input.sequences.iter().map(|s| self.belief(s, &mut run.rng.fork())).collect::<Result<Vec<_>>>()?;
        Ok((input, beliefs))
    }

    /// Frames `[rows, D]` in the user's arrays.
    fn to_data(&self, source: String, frames: &[f64], count: usize, steps: usize) -> Data {
        let size = self.layout.size();
        let mut arrays = vec![];
        match &self.layout {
            Layout::Table { columns } => {
                let mut at = 0;
                for (name, width) in columns {
                    let own = (*width).max(1);
                    let values: Vec<f64> =
                        frames.chunks_exact(size).flat_map(|frame| frame[at..at + own].iter().copied()).collect();
                    let rows = count * steps;
                    let shape = if *width == 0 { vec![rows] } else { vec![rows, own] };
                    arrays.push((name.clone(), Array::new(&shape, values)));
                    at += own;
                }
            }
            Layout::Array { name, shape, is_bytes, .. } => {
                let shape = [&[count, steps], shape.as_slice()].concat();
                let array = if *is_bytes {
                    let bytes = frames.iter().map(|v| (255.0 * v).round().clamp(0.0, 255.0) as u8).collect();
                    Array { shape, values: Values::U8(bytes) }
                } else {
                    Array::new(&shape, frames.to_vec())
                };
                arrays.push((name.clone(), array));
            }
        }
        Data { source, arrays, ..Data::default() }
    }

    /// Numbers of every place in order, `width` each, from per-sequence `[T, width]`.
    fn spread<'a>(places: &Places, width: usize, of: impl Fn(usize) -> &'a [f64]) -> Vec<f64> {
        places.iter().flat_map(|(s, k)| of(*s)[k * width..(k + 1) * width].iter().copied()).collect()
    }

    /// The rows of a data array by sequences and steps: `[S, T]`, or `[N]` as one sequence.
    fn extent(&self, data: &Data, places: &Places) -> Result<(usize, usize)> {
        match &self.layout {
            Layout::Table { .. } => Ok((1, places.len())),
            Layout::Array { name, .. } => {
                let shape = &data.get(name)?.shape;
                Ok((shape[0], shape[1]))
            }
        }
    }

    fn pictures(&self, input: &Sequences, rng: &mut Rng) -> Result<Vec<Figure>> {
        let sequence = &input.sequences[0];
        let size = self.layout.size();
        let belief = self.belief(sequence, rng)?;
        let mut figures = vec![];
        if self.layout.is_picture() {
            let [c, h, w]: [usize; 3] = self.layout.frame().try_into().expect("a picture has three axes");
            let steps = sequence.times.len();
            let shown: Vec<usize> = (0..steps.min(10)).map(|i| i * steps / steps.min(10)).collect();
            let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
            for v in belief.mean.iter().chain(&sequence.frames).filter(|v| v.is_finite()) {
                (low, high) = (low.min(*v), high.max(*v));
            }
            let grey = |v: f64| (255.0 * (v - low) / (high - low).max(1e-12)).clamp(0.0, 255.0) as u8;
            let row = |k: &usize| k * size..(k + 1) * size;
            let data = shown.iter().flat_map(|k| {
                let there = sequence.observed[*k];
                sequence.frames[row(k)].iter().map(move |v| if there { grey(*v) } else { 0 })
            });
            let made = shown.iter().flat_map(|k| belief.mean[row(k)].iter().map(|v| grey(*v)));
            let pixels: Vec<u8> = data.chain(made).collect();
            figures.push(Figure {
                name: "frames".into(),
                caption:
                    "Frames of the first sequence above, black where missing, and what the model makes of them below."
                        .into(),
                marks: vec![picture_grid(&pixels, [c, h, w], shown.len())],
                ..Figure::default()
            });
        } else {
            let names = self.layout.names();
            for d in 0..size.min(4) {
                let column = |values: &[f64]| values.iter().skip(d).step_by(size).copied().collect::<Vec<f64>>();
                let (mean, sd) = (column(&belief.mean), column(&belief.sd));
                let edge = |k: f64| mean.iter().zip(&sd).map(|(m, s)| m + k * s).collect::<Vec<f64>>();
                let there: Vec<usize> = (0..mean.len()).filter(|k| sequence.observed[*k]).collect();
                let x: Vec<f64> = there.iter().map(|k| sequence.times[*k]).collect();
                let y: Vec<f64> = there.iter().map(|k| sequence.frames[k * size + d]).collect();
                figures.push(Figure {
                    name: format!("series-{}", d + 1),
                    caption: format!(
                        "`{}` of the first sequence: the frames that are there, and the posterior with 90 % bands.",
                        names[d]
                    ),
                    x_label: "time".into(),
                    y_label: names[d].clone(),
                    marks: vec![
                        Mark::Band {
                            label: "90 %".into(),
                            x: sequence.times.clone(),
                            lower: edge(-1.645),
                            upper: edge(1.645),
                        },
                        Mark::Points { label: "observed".into(), x, y, lower: vec![], upper: vec![] },
                        Mark::Line { label: "posterior".into(), x: sequence.times.clone(), y: mean, dashed: false },
                    ],
                    ..Figure::default()
                });
            }
        }
        let latents = self.config.latents;
        let each = latents * self.nets.shape.rows();
        let place = if self.layout.stations().is_empty() { "" } else { " at the first station" };
        let marks = (0..latents.min(6)).map(|l| Mark::Line {
            label: format!("latent {}", l + 1),
            x: sequence.times.clone(),
            y: belief.codes.mean.iter().skip(l).step_by(each).copied().collect(),
            dashed: false,
        });
        figures.push(Figure {
            name: "latents".into(),
            caption: format!("Posterior means of the first latent functions over the first sequence{place}."),
            x_label: "time".into(),
            y_label: "z".into(),
            marks: marks.collect(),
            ..Figure::default()
        });
        Ok(figures)
    }
}

impl Sample for MarkovianGpvaeModel {
    fn sample(&self, count: usize, run: &mut Run) -> Result<Data> {
        let (count, times) = match self.layout {
            // A table is one path with as many rows as were asked for.
            Layout::Table { .. } => {
                (1, (0..count).map(|k| self.template[0] + self.step * k as f64).collect::<Vec<f64>>())
            }
            Layout::Array { .. } => (count, self.template.clone()),
        };
        let (latents, steps) = (self.config.latents, times.len());
        if steps == 0 || count == 0 {
            return Ok(self.to_data("samples".into(), &[], count, steps));
        }
        let grid = Grid::new(&times)?;
        let chains = self
            .nets
            .lengthscale
            .value()
            .iter()
            .map(|l| Ok(prior(self.nets.shape.order, *l)?.chain(&grid)))
            .collect::<Result<Vec<_>>>()?;
        let rows = self.nets.shape.rows();
        let mixing = no_grad(|| self.nets.mixing())?.map_or(vec![1.0], |mixing| mixing.to_vec());
        let mut frames = vec![];
        for _ in 0..count {
            // Functions of time, which are mixed where there are stations.
            let mut codes = vec![0.0; steps * rows * latents];
            for (l, chain) in chains.iter().enumerate() {
                for from in 0..rows {
                    let path = sample::prior(chain, &mut run.rng.fork());
                    for (k, z) in sample::outputs(chain, &path).into_iter().enumerate() {
                        (0..rows).for_each(|r| codes[(k * rows + r) * latents + l] += mixing[r * rows + from] * z);
                    }
                }
            }
            let codes = Marginals { variance: vec![0.0; codes.len()], mean: codes };
            let (mean, variance) = self.nets.frames(&codes, 1, &mut run.rng);
            let noise = run.rng.normals(mean.len());
            let drawn = match self.config.likelihood {
                Frame::Gaussian => mean.iter().zip(&variance).zip(noise).map(|((m, v), e)| m + v.sqrt() * e).collect(),
                // Shares of black are shown as such.
                Frame::Bernoulli => mean,
            };
            frames.extend(self.in_own_unit(codes, drawn, &variance).mean);
        }
        Ok(self.to_data("samples".into(), &frames, count, steps))
    }
}

impl Reconstruct for MarkovianGpvaeModel {
    fn reconstruct(&self, data: &Data, run: &mut Run) -> Result<Data> {
        let (input, beliefs) = self.beliefs(data, run)?;
        let (count, steps) = self.extent(data, &input.places)?;
        let frames = Self::spread(&input.places, self.layout.size(), |s| &beliefs[s].mean);
        let mut made = self.to_data(format!("reconstruction of {}", data.source), &frames, count, steps);
        // Columns of the data that are no frames are passed through, so that rows can be told apart.
        for (i, (name, array)) in data.arrays.iter().enumerate() {
            if !made.arrays.iter().any(|(n, _)| n == name) {
                made.arrays.insert(i.min(made.arrays.len()), (name.clone(), array.clone()));
            }
        }
        Ok(made)
    }
}

impl Encode for MarkovianGpvaeModel {
    fn encode(&self, data: &Data, run: &mut Run) -> Result<Data> {
        let (input, beliefs) = self.beliefs(data, run)?;
        let (count, steps) = self.extent(data, &input.places)?;
        let lead = match self.layout {
            Layout::Table { .. } => vec![steps],
            Layout::Array { .. } => vec![count, steps],
        };
        let (latents, rows, size) = (self.config.latents, self.nets.shape.rows(), self.layout.size());
        let sd: Vec<Vec<f64>> = beliefs.iter().map(|b| b.codes.variance.iter().map(|v| v.sqrt()).collect()).collect();
        let array = |name: &str, shape: &[usize], values: Vec<f64>| {
            (name.to_owned(), Array::new(&[lead.as_slice(), shape].concat(), values))
        };
        let codes = if self.layout.stations().is_empty() { vec![latents] } else { vec![rows, latents] };
        let arrays = vec![
            array("z", &codes, Self::spread(&input.places, rows * latents, |s| &beliefs[s].codes.mean)),
            array("z_sd", &codes, Self::spread(&input.places, rows * latents, |s| &sd[s])),
            array("mean", &[size], Self::spread(&input.places, size, |s| &beliefs[s].mean)),
            array("sd", &[size], Self::spread(&input.places, size, |s| &beliefs[s].sd)),
        ];
        Ok(Data { source: format!("codes of {}", data.source), arrays, ..Data::default() })
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
            "Lengthscales of the latent functions, in the unit of time and in steps.",
            &["latent", "lengthscale", "steps"],
        );
        for (l, length) in self.nets.lengthscale.value().into_iter().enumerate() {
            table.push(vec![(l + 1).to_string(), format!("{length:.4}"), format!("{:.2}", length / self.step)]);
        }
        vec![table]
    }
}
