//! What the claim compares with: an autoencoder that sees each frame alone, one with a recurrent encoder, and interpolation.

use super::network::Observed;
use super::train::Bound;
use elbo_core::step::Snapshot;
use elbo_core::{ModelFile, Result, Rng};
use elbo_nn::layer::{Gru, GruConfig, Output};
use elbo_nn::network::{MlpConfig, mlp};
use elbo_nn::{Activation, Build, Layer, Pass, Sequential};
use elbo_tensor::{Constraint, DType, Parameter, Parameters, Tensor, nested, nested_mut, no_grad};
use std::f64::consts::TAU;

/// Means and variances of frames, `[T, D]` each.
pub type Guess = (Vec<f64>, Vec<f64>);

/// An autoencoder with a standard normal code for each frame. With `recurrent` the code comes from a recurrent unit over time in both directions,
/// else from the frame alone.
pub struct Framewise {
    latents: usize,
    size: usize,
    recurrent: Option<[Gru; 2]>,
    encoder: Sequential,
    decoder: Sequential,
    noise: Parameter,
}

impl Parameters for Framewise {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        if let Some([forward, backward]) = &self.recurrent {
            nested("forward", forward, f);
            nested("backward", backward, f);
        }
        nested("encoder", &self.encoder, f);
        nested("decoder", &self.decoder, f);
        nested("noise", &self.noise, f);
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        if let Some([forward, backward]) = &mut self.recurrent {
            nested_mut("forward", forward, f);
            nested_mut("backward", backward, f);
        }
        nested_mut("encoder", &mut self.encoder, f);
        nested_mut("decoder", &mut self.decoder, f);
        nested_mut("noise", &mut self.noise, f);
    }
}

impl Snapshot for Framewise {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)
    }
}

impl Framewise {
    /// Networks with one hidden layer each.
    pub fn new(
        size: usize,
        latents: usize,
        [encoder, decoder]: [usize; 2],
        is_recurrent: bool,
        rng: &mut Rng,
    ) -> Result<Self> {
        let mut build = Build::new(rng);
        let layers = |width: usize| MlpConfig::new(&[width], Activation::Relu);
        let (recurrent, into_encoder) = if is_recurrent {
            let config = GruConfig { hidden: encoder, layers: 1, output: Output::All };
            (Some([(); 2].map(|()| Gru::new(size + 1, &config, &mut build))), 2 * encoder)
        } else {
            (None, size)
        };
        Ok(Self {
            latents,
            size,
            recurrent,
            encoder: mlp(into_encoder, 2 * latents, &layers(encoder), &mut build)?,
            decoder: mlp(latents, size, &layers(decoder), &mut build)?,
            noise: Parameter::scalar(0.2, Constraint::Above(1e-5)),
        })
    }

    /// Mean and log variance of codes, `[N, L]` each.
    fn split(&self, out: &Tensor) -> (Tensor, Tensor) {
        (out.narrow(1, 0, self.latents), out.narrow(1, self.latents, self.latents).clamp(-12.0, 6.0))
    }

    /// Codes of every step of sequences `[B, T, D + 1]`, as `[B T, ...]`.
    fn codes_over_time(&self, [forward, backward]: &[Gru; 2], input: &Tensor) -> (Tensor, Tensor) {
        let (one, _) = forward.run(input, None);
        let (two, _) = backward.run(&input.flip(1), None);
        let states = Tensor::cat(&[one, two.flip(1)], 2);
        let rows = states.size(0) * states.size(1);
        let states = states.reshape(&[rows, states.size(2)]);
        self.split(&self.encoder.forward(&states, &mut Pass::evaluation()))
    }

    /// Frames and a mark of their presence on `0..steps`, zero where there is none or it is hidden: `[steps, D + 1]`.
    fn on_grid(&self, sequence: &Observed, steps: usize, is_hidden: impl Fn(usize) -> bool) -> Vec<f32> {
        let width = self.size + 1;
        let mut out = vec![0.0; steps * width];
        for (k, (t, frame)) in sequence.grid.times().iter().zip(sequence.frames.chunks_exact(self.size)).enumerate() {
            if !is_hidden(k) {
                let at = *t as usize * width;
                out[at..at + self.size].copy_from_slice(frame);
                out[at + self.size] = 1.0;
            }
        }
        out
    }

    /// Frames at `0..steps`: from the prior where there is none, for an autoencoder that sees each frame alone.
    pub fn guess(&self, sequence: &Observed, steps: usize, draws: usize, rng: &mut Rng) -> Guess {
        let (mean, sd) = match &self.recurrent {
            Some(units) => no_grad(|| {
                let input = self.on_grid(sequence, steps, |_| false);
                let input = Tensor::from_f32(input, &[1, steps, self.size + 1]);
                let (mean, log_variance) = self.codes_over_time(units, &input);
                (mean.to_vec(), (log_variance * 0.5).exp().to_vec())
            }),
            None => (vec![0.0; steps * self.latents], vec![1.0; steps * self.latents]),
        };
        let (mut first, mut second) = (vec![0.0; steps * self.size], vec![0.0; steps * self.size]);
        for _ in 0..draws {
            let noise = rng.normals(mean.len());
            let codes = mean.iter().zip(&sd).zip(noise).map(|((m, s), e)| m + s * e).collect();
            let codes = Tensor::from_vec(codes, &[steps, self.latents]).cast(DType::F32);
            let decoded = no_grad(|| self.decoder.forward(&codes, &mut Pass::evaluation())).to_vec();
            for ((a, b), g) in first.iter_mut().zip(&mut second).zip(decoded) {
                *a += g / draws as f64;
                *b += g * g / draws as f64;
            }
        }
        let noise = self.noise.value()[0];
        let variance = first.iter().zip(second).map(|(m, s)| (s - m * m).max(0.0) + noise).collect();
        (first, variance)
    }
}

impl Bound for Framewise {
    fn bound(&self, batch: &[&Observed], rng: &mut Rng) -> Result<(Tensor, usize)> {
        let values: Vec<f32> = batch.iter().flat_map(|s| s.frames.iter().copied()).collect();
        let count = values.len() / self.size;
        let frames = Tensor::from_f32(values, &[count, self.size]);
        let (mean, log_variance) = match &self.recurrent {
            None => self.split(&self.encoder.forward(&frames, &mut Pass::evaluation())),
            Some(units) => {
                let last = batch.iter().map(|s| s.grid.times()[s.grid.len() - 1] as usize).max().unwrap_or(0);
                let steps = last + 1;
                // Half of the frames are hidden from the encoder, so that it learns to fill gaps.
                let mut input = vec![];
                let mut rows = vec![];
                for (b, sequence) in batch.iter().enumerate() {
                    let hidden: Vec<bool> = (0..sequence.grid.len()).map(|_| rng.uniform() < 0.5).collect();
                    input.extend(self.on_grid(sequence, steps, |k| hidden[k]));
                    rows.extend(sequence.grid.times().iter().map(|t| b * steps + *t as usize));
                }
                let input = Tensor::from_f32(input, &[batch.len(), steps, self.size + 1]);
                let (mean, log_variance) = self.codes_over_time(units, &input);
                let rows = Tensor::indices(&rows);
                (mean.index_select(0, &rows), log_variance.index_select(0, &rows))
            }
        };
        let noise = Tensor::from_vec(rng.normals(count * self.latents), &[count, self.latents]).cast(DType::F32);
        let codes = &mean + (&log_variance * 0.5).exp() * noise;
        let decoded = self.decoder.forward(&codes, &mut Pass::evaluation()).cast(DType::F64);
        let sigma = self.noise.get();
        let expected = ((frames.cast(DType::F64) - decoded).square().sum() / &sigma
            + (sigma.log() + TAU.ln()) * (count * self.size) as f64)
            * -0.5;
        let divergence = (mean.square() + log_variance.exp() - &log_variance - 1.0).cast(DType::F64).sum() * 0.5;
        Ok((expected - divergence, count))
    }
}

/// Each number of the frames by straight lines between the frames that are there, constant beyond the first and last. `[T, D]`.
pub fn interpolate(times: &[f64], frames: &[f64], size: usize, at: &[f64]) -> Vec<f64> {
    let mut out = Vec::with_capacity(at.len() * size);
    for t in at {
        let next = times.partition_point(|known| known < t);
        let row = |k: usize| &frames[k * size..(k + 1) * size];
        if next == 0 || next == times.len() {
            out.extend_from_slice(row(next.min(times.len() - 1)));
        } else {
            let share = (t - times[next - 1]) / (times[next] - times[next - 1]);
            out.extend(row(next - 1).iter().zip(row(next)).map(|(a, b)| a + share * (b - a)));
        }
    }
    out
}

/// Mean square of what interpolation misses when one frame inside is left out, for each number, `[D]`.
pub fn interpolation_error(sequences: &[(Vec<f64>, Vec<f64>)], size: usize) -> Vec<f64> {
    let (mut squares, mut count) = (vec![0.0; size], 0.0);
    for (times, frames) in sequences {
        for k in 1..times.len().saturating_sub(1) {
            let without = |values: &[f64], width: usize| [&values[..k * width], &values[(k + 1) * width..]].concat();
            let guess = interpolate(&without(times, 1), &without(frames, size), size, &times[k..=k]);
            let own = &frames[k * size..(k + 1) * size];
            squares.iter_mut().zip(guess.iter().zip(own)).for_each(|(s, (g, v))| *s += (g - v).powi(2));
            count += 1.0;
        }
    }
    squares.iter().map(|s| s / f64::max(count, 1.0)).collect()
}
