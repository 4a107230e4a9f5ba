//! What a fitted model does with data: draw them, fill them in, and encode them.

use super::MarkovianGpvaeModel;
use super::network::{Frame, Marginals};
use super::posterior::functions;
use super::scaling::check_numbers;
use super::series::{Layout, Places, Sequence, Sequences};
use elbo_core::{Array, Data, Encode, Error, Reconstruct, Result, Rng, Run, Sample, Values};
use elbo_markov::model::Grid;
use elbo_markov::sample;
use elbo_tensor::no_grad;

/// What a sequence is believed to be at its times.
pub(super) struct Belief {
    pub codes: Marginals,
    /// `[T, D]` in the user's unit.
    pub mean: Vec<f64>,
    /// Standard deviations, `[T, D]`.
    pub sd: Vec<f64>,
}

impl MarkovianGpvaeModel {
    /// What is believed about a sequence.
    pub(super) fn belief(&self, sequence: &Sequence, rng: &mut Rng) -> Result<Belief> {
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
        check_numbers(&input, self.config.likelihood)?;
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
}

/// Counts of these rates.
fn counts(rates: &[f64], rng: &mut Rng) -> Result<Vec<f64>> {
    // From here on a count is no whole number of double precision.
    const MOST: f64 = 9e15;
    if let Some(rate) = rates.iter().find(|rate| rate.is_nan() || **rate >= MOST) {
        let remedy = "fit longer with a lower `rate`, or use --set likelihood=gaussian for large counts";
        return Err(Error::numerical(format!("a drawn rate is {rate}"), remedy));
    }
    Ok(rates.iter().map(|rate| rng.poisson(*rate) as f64).collect())
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
        let kernels = self.nets.kernels();
        let chains = kernels.iter().map(|kernel| Ok(functions(kernel, 1)?.chain(&grid))).collect::<Result<Vec<_>>>()?;
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
                Frame::Poisson => counts(&mean, &mut run.rng)?,
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
