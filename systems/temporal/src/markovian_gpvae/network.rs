//! Encoder, decoder and kernels, the bound, and what they say about a sequence.

use super::posterior::{Posterior, Priors, functions, markov_posterior, smoothed};
use super::stations::{station_distances, station_marginals, station_mixing, station_posterior};
use elbo_core::step::Snapshot;
use elbo_core::{ModelFile, Result, Rng};
use elbo_markov::kernel::Kernel;
use elbo_markov::model::Grid;
use elbo_nn::network::{ConvConfig, Decoder, DecoderConfig, Encoder, EncoderConfig, MlpConfig};
use elbo_nn::{Activation, Build, Pass};
use elbo_tensor::special::log_factorial;
use elbo_tensor::{Constraint, DType, Parameter, Parameters, Tensor, no_grad};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::f64::consts::TAU;
use std::sync::Arc;

/// The distribution of a frame's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Frame {
    /// Normal, one variance for all numbers, learnt.
    Gaussian,
    /// Shares of black in [0, 1].
    Bernoulli,
    /// Counts; the decoder gives their log rates.
    Poisson,
}

/// What the networks look like.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// Shape of a frame: `[D]`, at each station where there are some, or `[C, H, W]`.
    pub frame: Vec<usize>,
    /// Places of the stations, `[R, d]`; empty without stations.
    #[serde(default)]
    pub stations: Vec<Vec<f64>>,
    /// Matérn smoothness ν = order + 1/2 of each latent function, `[L]`.
    pub orders: Vec<usize>,
    /// Whether each latent function has a variance, learnt, in place of one.
    #[serde(default)]
    pub has_variances: bool,
    /// Widths of the encoder's linear layers.
    pub encoder: Vec<usize>,
    /// Widths of the decoder's.
    pub decoder: Vec<usize>,
    /// Channels of convolutions, for pictures.
    pub channels: Vec<usize>,
    /// The nonlinear function.
    pub activation: Activation,
    /// The distribution of a frame's numbers.
    pub likelihood: Frame,
}

/// One sequence as the networks see it: the frames that are there.
#[derive(Debug, Clone)]
pub struct Observed {
    /// Their times.
    pub grid: Arc<Grid>,
    /// Standardised, `[F, D]`, or `[F, R, D]` at stations.
    pub frames: Vec<f32>,
}

/// A variational autoencoder with Markov latents.
pub struct Gpvae {
    /// Sizes.
    pub shape: Shape,
    encoder: Encoder,
    decoder: Box<dyn Decoder>,
    /// Lengthscales in the unit of time, `[L]`.
    pub lengthscale: Parameter,
    /// Variances, `[L]`, where they are learnt; one where not.
    pub variance: Option<Parameter>,
    /// Lengthscale in space, in the unit of the stations' places, where there are stations.
    pub reach: Option<Parameter>,
    /// Variance of a frame's number given the code.
    pub noise: Parameter,
}

elbo_tensor::parameters!(Gpvae { encoder, decoder, lengthscale, variance, reach, noise });

impl Snapshot for Gpvae {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)
    }
}

/// Least variance of a site.
const LEAST: f64 = 1e-6;

/// Least value of the decoder's variance: a floor for data without noise.
const LEAST_NOISE: f64 = 1e-5;

/// Marginals of the latent functions of a sequence at its times, `[T, L]` each, or `[T, R, L]` at stations.
pub struct Marginals {
    /// Means.
    pub mean: Vec<f64>,
    /// Variances.
    pub variance: Vec<f64>,
}

impl Shape {
    /// The networks with their starting weights.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] when convolutions do not fit the frames.
    pub fn build(&self, lengthscale: f64, noise: f64, rng: &mut Rng) -> Result<Gpvae> {
        let conv = |hidden: &[usize]| ConvConfig {
            channels: self.channels.clone(),
            hidden: hidden.to_vec(),
            activation: self.activation,
            ..ConvConfig::default()
        };
        let is_conv = !self.channels.is_empty() && self.frame.len() == 3;
        let (encoder, decoder) = if is_conv {
            // A convolutional decoder mirrors the encoder of its settings.
            let backwards: Vec<usize> = self.decoder.iter().rev().copied().collect();
            (EncoderConfig::Conv(conv(&self.encoder)), DecoderConfig::Conv(conv(&backwards)))
        } else {
            let mlp = |hidden: &[usize]| MlpConfig::new(hidden, self.activation);
            (EncoderConfig::Mlp(mlp(&self.encoder)), DecoderConfig::Mlp(mlp(&self.decoder)))
        };
        let latents = self.latents();
        let mut build = Build::new(rng);
        let encoder = encoder.build(&self.frame, 2 * latents, &mut build)?;
        let decoder = decoder.build(latents, &self.frame, 1, &mut build)?;
        let mut noise = Parameter::scalar(noise.max(2.0 * LEAST_NOISE), Constraint::Above(LEAST_NOISE));
        noise.set_frozen(self.likelihood != Frame::Gaussian);
        Ok(Gpvae {
            shape: self.clone(),
            encoder,
            decoder,
            lengthscale: Parameter::new(&vec![lengthscale; latents], &[latents], Constraint::Positive),
            variance: self.has_variances.then(|| Parameter::new(&vec![1.0; latents], &[latents], Constraint::Positive)),
            reach: (!self.stations.is_empty()).then(|| Parameter::scalar(self.reach(), Constraint::Positive)),
            noise,
        })
    }

    /// The lengthscale in space at the start: the median distance of two stations, one where all stand together.
    fn reach(&self) -> f64 {
        let mut all: Vec<f64> = station_distances(&self.stations).to_vec().into_iter().filter(|d| *d > 0.0).collect();
        all.sort_by(f64::total_cmp);
        all.get(all.len() / 2).copied().unwrap_or(1.0)
    }

    /// Latent functions, `L`.
    pub fn latents(&self) -> usize {
        self.orders.len()
    }

    /// Rows that the networks see of a frame: its stations.
    pub fn rows(&self) -> usize {
        self.stations.len().max(1)
    }

    /// Numbers of a frame, at each station where there are some.
    pub fn size(&self) -> usize {
        self.frame.iter().product()
    }
}

impl Gpvae {
    /// Means and variances of the sites that the encoder makes of frames `[F, D]`: `[F, L]` each, in double precision.
    pub fn sites(&self, frames: &Tensor) -> (Tensor, Tensor) {
        let latents = self.shape.latents();
        // Square roots of counts have one spread, whatever the rate.
        let roots = (self.shape.likelihood == Frame::Poisson).then(|| frames.sqrt());
        let seen = roots.as_ref().unwrap_or(frames);
        let out = self.encoder.forward(seen, &mut Pass::evaluation()).cast(DType::F64);
        let variance = out.narrow(1, latents, latents).softplus() + LEAST;
        (out.narrow(1, 0, latents), variance)
    }

    /// The decoder's numbers for codes `[N, L]`: means, logits, or log rates, `[N, D]`.
    pub fn decode(&self, codes: &Tensor) -> Tensor {
        self.decoder.forward(&codes.cast(DType::F32), None, &mut Pass::evaluation()).cast(DType::F64)
    }

    /// Log probability of frames given the decoder's numbers, summed; a scalar in nats.
    fn log_prob(&self, frames: &Tensor, decoded: &Tensor) -> Tensor {
        match self.shape.likelihood {
            Frame::Gaussian => {
                let noise = self.noise.get();
                let count = frames.len() as f64;
                ((frames - decoded).square().sum() / &noise + (noise.log() + TAU.ln()) * count) * -0.5
            }
            Frame::Bernoulli => (frames * decoded - decoded.softplus()).sum(),
            Frame::Poisson => {
                let ways: f64 = frames.to_vec().into_iter().map(log_factorial).sum();
                (frames * decoded - decoded.exp()).sum() + (-ways)
            }
        }
    }

    /// Priors of the latent functions, differentiable in their parameters.
    pub fn priors(&self) -> Priors {
        let priors = Priors::standard(&self.shape.orders, &self.lengthscale.get());
        match &self.variance {
            Some(variance) => Priors { variance: variance.get(), ..priors },
            None => priors,
        }
    }

    /// The kernel of each latent function, as it is now, `[L]`.
    pub fn kernels(&self) -> Vec<Kernel> {
        no_grad(|| self.priors()).kernels()
    }

    /// How functions of time are mixed into those of the stations, `[R, R]`; `None` without stations.
    ///
    /// # Errors
    /// When the covariance in space cannot be factored.
    pub fn mixing(&self) -> Result<Option<Tensor>> {
        self.reach
            .as_ref()
            .map(|reach| station_mixing(&station_distances(&self.shape.stations), &reach.get()))
            .transpose()
    }

    /// The evidence lower bound of these sequences, summed, with one draw of the codes; a scalar in nats. Also the number of frames, those of each
    /// station counted.
    ///
    /// # Errors
    /// When a lengthscale leaves the numbers.
    pub fn elbo(&self, batch: &[&Observed], rng: &mut Rng) -> Result<(Tensor, usize)> {
        let size = self.shape.size();
        let values: Vec<f32> = batch.iter().flat_map(|s| s.frames.iter().copied()).collect();
        let count = values.len() / size;
        let frames = Tensor::from_f32(values, &[count, size]);
        let (site_mean, site_variance) = self.sites(&frames);
        let grids: Vec<Arc<Grid>> = batch.iter().map(|s| s.grid.clone()).collect();
        let (priors, latents) = (self.priors(), self.shape.latents());
        let q: Posterior = match self.mixing()? {
            None => markov_posterior(&priors, &grids, &site_mean, &site_variance)?,
            Some(mixing) => station_posterior(&priors, &grids, &site_mean, &site_variance, &mixing)?,
        };
        let noise = Tensor::from_vec(rng.normals(count * latents), &[count, latents]);
        let codes = &q.mean + q.variance.clamp(1e-12, f64::INFINITY).sqrt() * noise;
        let expected = self.log_prob(&frames.cast(DType::F64), &self.decode(&codes));
        Ok((expected - q.divergence(&site_mean, &site_variance), count))
    }

    /// Marginals of the codes at `times`, of which those in `observed` have a frame; `frames: [F, D]` are these in order.
    ///
    /// # Errors
    /// As [`Grid::new`].
    pub fn marginals(&self, times: &[f64], observed: &[bool], frames: &[f32]) -> Result<Marginals> {
        let (latents, steps, rows) = (self.shape.latents(), times.len(), self.shape.rows());
        let grid = Grid::new(times)?;
        // Latent by latent, `[L, T, R]`.
        let own = steps * rows;
        let (mut shift, mut precision) = (vec![0.0; own * latents], vec![0.0; own * latents]);
        if !frames.is_empty() {
            let size = self.shape.size();
            let input = Tensor::from_f32(frames.to_vec(), &[frames.len() / size, size]);
            let (m, v) = no_grad(|| self.sites(&input));
            let (m, v) = (m.to_vec(), v.to_vec());
            for (f, k) in (0..steps).filter(|k| observed[*k]).enumerate() {
                for (r, l) in (0..rows).flat_map(|r| (0..latents).map(move |l| (r, l))) {
                    let from = (f * rows + r) * latents + l;
                    let to = l * own + k * rows + r;
                    (shift[to], precision[to]) = (m[from] / v[from], 1.0 / v[from]);
                }
            }
        }
        let kernels = self.kernels();
        let mixing = no_grad(|| self.mixing())?.map(|mixing| mixing.to_vec());
        let solve = |l: usize| -> Result<(Vec<f64>, Vec<f64>)> {
            let (shift, precision) = (&shift[l * own..(l + 1) * own], &precision[l * own..(l + 1) * own]);
            match &mixing {
                None => smoothed(&functions(&kernels[l], 1)?.chain(&grid), shift, precision),
                Some(mixing) => station_marginals(&kernels[l], &grid, (shift, precision), mixing),
            }
        };
        let solved: Vec<(Vec<f64>, Vec<f64>)> = (0..latents).into_par_iter().map(solve).collect::<Result<_>>()?;
        let mut out = Marginals { mean: vec![0.0; own * latents], variance: vec![0.0; own * latents] };
        for (l, (m, v)) in solved.into_iter().enumerate() {
            for k in 0..own {
                out.mean[k * latents + l] = m[k];
                out.variance[k * latents + l] = v[k].max(0.0);
            }
        }
        Ok(out)
    }

    /// Mean and variance of every number of the frames, over `draws` codes: `[T, D]` each, or `[T, R, D]`, standardised.
    pub fn frames(&self, codes: &Marginals, draws: usize, rng: &mut Rng) -> (Vec<f64>, Vec<f64>) {
        let latents = self.shape.latents();
        let steps = codes.mean.len() / latents;
        let size = self.shape.size();
        let (mut mean, mut square) = (vec![0.0; steps * size], vec![0.0; steps * size]);
        for _ in 0..draws {
            let z = rng.normals(steps * latents);
            let z = z.iter().zip(codes.mean.iter().zip(&codes.variance)).map(|(e, (m, v))| m + v.sqrt() * e).collect();
            let decoded = no_grad(|| self.decode(&Tensor::from_vec(z, &[steps, latents])));
            let decoded = match self.shape.likelihood {
                Frame::Gaussian => decoded,
                Frame::Bernoulli => decoded.sigmoid(),
                Frame::Poisson => decoded.exp(),
            };
            for ((mean, square), g) in mean.iter_mut().zip(&mut square).zip(decoded.to_vec()) {
                *mean += g / draws as f64;
                *square += g * g / draws as f64;
            }
        }
        let noise = self.noise.value()[0];
        let variance = mean.iter().zip(square).map(|(m, s)| match self.shape.likelihood {
            Frame::Gaussian => (s - m * m).max(0.0) + noise,
            Frame::Bernoulli => m * (1.0 - m),
            Frame::Poisson => (s - m * m).max(0.0) + m,
        });
        let variance = variance.collect();
        (mean, variance)
    }
}
