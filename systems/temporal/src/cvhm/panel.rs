//! The channels: which of them are kept, and how their numbers become those of the likelihood.

use super::{Emission, Trials};
use elbo_core::{Error, ModelFile, Result, Run};
use elbo_markov::Grid;
use elbo_markov::counts::Seen;

/// Channels, and how their numbers are read.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// How numbers follow from the latents.
    pub emission: Emission,
    /// All channels.
    pub channels: usize,
    /// The channels that are kept: those that ever fire, or that vary.
    pub kept: Vec<usize>,
    /// Mean number a bin of every channel; what is told of one that is not kept.
    pub means: Vec<f64>,
    /// Unit of every channel's numbers: its standard deviation with Gaussian noise, else one.
    pub scales: Vec<f64>,
}

/// One trial as the kept channels saw it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Trial {
    /// `[bins, kept]`.
    pub y: Vec<f64>,
    /// Known offsets, `[bins, kept]`.
    pub offset: Option<Vec<f64>>,
    /// Times of the bins.
    pub grid: Grid,
}

impl Trial {
    /// Observations and offsets.
    pub fn seen(&self) -> Seen<'_> {
        Seen { y: &self.y, offset: self.offset.as_deref() }
    }

    /// The known offset of an entry of `y`.
    pub fn known(&self, entry: usize) -> f64 {
        self.offset.as_ref().map_or(0.0, |offset| offset[entry])
    }
}

impl Panel {
    /// The channels of these trials.
    ///
    /// # Errors
    /// [`Error::Data`] for numbers that the likelihood cannot give.
    pub(super) fn learn(emission: Emission, trials: &Trials, run: &mut Run) -> Result<Self> {
        emission.check(&trials.counts, |i| trials.place(i))?;
        let n = trials.channels;
        let bins = trials.counts.len() / n;
        let total = bins as f64;
        let values = |c: usize| trials.counts.iter().skip(c).step_by(n);
        let varies = |c: usize| values(c).any(|y| *y != trials.counts[c]);
        let kept: Vec<usize> =
            (0..n).filter(|c| if emission.counts() { values(*c).any(|y| *y > 0.0) } else { varies(*c) }).collect();
        if kept.len() < n {
            let what = if emission.counts() { "fire" } else { "change" };
            run.warn(format!("{} channels never {what} and are left out", n - kept.len()));
        }
        let (mut means, mut scales) = (vec![0.0; n], vec![1.0; n]);
        for c in 0..n {
            let sum: f64 = values(c).sum();
            means[c] = match emission {
                Emission::Poisson | Emission::NegativeBinomial => sum.max(0.5) / total,
                Emission::Bernoulli => sum.clamp(0.5, total - 0.5) / total,
                Emission::Gaussian => sum / total,
            };
            if emission == Emission::Gaussian && kept.binary_search(&c).is_ok() {
                scales[c] = (values(c).map(|y| (y - means[c]).powi(2)).sum::<f64>() / total).sqrt();
                if !(scales[c] > 0.0 && scales[c].is_finite()) {
                    return Err(Error::data(
                        format!(
                            "channel {} has numbers too large or too close together",
                            trials.layout.channel_name(c)
                        ),
                        "rescale the channel, or leave it out",
                    ));
                }
            }
        }
        Ok(Self { emission, channels: n, kept, means, scales })
    }

    /// What is added to `scale η` for the user's number.
    pub(super) fn shift(&self, channel: usize) -> f64 {
        if self.emission == Emission::Gaussian { self.means[channel] } else { 0.0 }
    }

    /// The user's number as the likelihood takes it.
    fn inward(&self, value: f64, channel: usize) -> f64 {
        match self.emission {
            Emission::Poisson | Emission::NegativeBinomial => value,
            Emission::Bernoulli => 2.0 * value - 1.0,
            Emission::Gaussian => (value - self.means[channel]) / self.scales[channel],
        }
    }

    /// `η` of a channel at its mean number.
    pub(super) fn alone(&self, channel: usize) -> f64 {
        self.emission.link(self.inward(self.means[channel], channel), f64::INFINITY)
    }

    /// The trials as the kept channels saw them.
    ///
    /// # Errors
    /// [`Error::Data`] for numbers that the likelihood cannot give, and times that do not increase.
    pub(super) fn trials(&self, width: f64, trials: &Trials) -> Result<Vec<Trial>> {
        self.emission.check(&trials.counts, |i| trials.place(i))?;
        let pick = |rows: &[f64], number: &dyn Fn(f64, usize) -> f64| -> Vec<f64> {
            rows.chunks_exact(self.channels)
                .flat_map(|row| self.kept.iter().map(move |c| number(row[*c], *c)))
                .collect()
        };
        let parts = trials.each().into_iter().zip(trials.offsets()).zip(trials.grids(width)?);
        let trial = |((rows, offset), grid): ((&[f64], Option<&[f64]>), Grid)| Trial {
            y: pick(rows, &|value, c| self.inward(value, c)),
            offset: offset.map(|offset| pick(offset, &|value, c| value / self.scales[c])),
            grid,
        };
        Ok(parts.map(trial).collect())
    }

    pub(super) fn save(&self, file: &mut ModelFile) {
        file.set("likelihood", &self.emission);
        file.set("kept", &self.kept);
        file.set("channels", &self.channels);
        file.put("means", &[self.channels], &self.means);
        file.put("scales", &[self.channels], &self.scales);
    }

    pub(super) fn load(file: &ModelFile) -> Result<Self> {
        let (kept, channels): (Vec<usize>, usize) = (file.fact("kept")?, file.fact("channels")?);
        let (means, scales) = (file.get_as("means", &[channels])?, file.get_as("scales", &[channels])?);
        if kept.is_empty() || kept.iter().any(|c| *c >= channels) || scales.iter().any(|s| *s <= 0.0) {
            return Err(Error::misfit("the readout is not that of its channels"));
        }
        Ok(Self { emission: file.fact("likelihood")?, channels, kept, means, scales })
    }
}
