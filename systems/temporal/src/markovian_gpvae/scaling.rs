//! Sequences as the networks see them.

use super::network::{Frame, Observed};
use super::series::{Sequence, Sequences};
use elbo_core::columns::is_count;
use elbo_core::{Error, Result};
use elbo_markov::model::Grid;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// From the user's numbers to the networks': `(v - shift) / scale`, one for each number of a frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Scaling {
    pub shift: Vec<f64>,
    pub scale: Vec<f64>,
}

impl Scaling {
    /// Each number of a row on its own, all of a picture alike, shares of black and counts not at all.
    pub fn learn(input: &Sequences, likelihood: Frame) -> Result<Self> {
        let size = input.layout.size();
        let (mut shift, mut scale) = (vec![0.0; size], vec![1.0; size]);
        check_numbers(input, likelihood)?;
        if likelihood != Frame::Gaussian {
            return Ok(Self { shift, scale });
        }
        let frames = || frames(input);
        let count = frames().count() as f64;
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
    pub fn observed(&self, sequence: &Sequence) -> Vec<f32> {
        let frames = sequence.frames.chunks_exact(self.shift.len()).zip(&sequence.observed);
        let there = frames.filter(|(_, there)| **there).flat_map(|(frame, _)| frame);
        let scaled = there.zip(self.shift.iter().zip(&self.scale).cycle());
        scaled.map(|(v, (shift, scale))| ((v - shift) / scale) as f32).collect()
    }
}

/// The frames that are there.
fn frames(input: &Sequences) -> impl Iterator<Item = &[f64]> {
    let size = input.layout.size();
    input.sequences.iter().flat_map(move |s| {
        s.frames.chunks_exact(size).zip(&s.observed).filter(|(_, there)| **there).map(|(frame, _)| frame)
    })
}

/// Refuses numbers that the distribution of a frame cannot give.
///
/// # Errors
/// [`Error::Data`] with the first one.
pub(super) fn check_numbers(input: &Sequences, likelihood: Frame) -> Result<()> {
    let (holds, what, remedy) = match likelihood {
        Frame::Gaussian => return Ok(()),
        Frame::Bernoulli => {
            let remedy = "scale the frames to [0, 1], or use --set likelihood=gaussian";
            (is_share as fn(f64) -> bool, "shares of black lie in [0, 1]", remedy)
        }
        Frame::Poisson => (
            is_count as fn(f64) -> bool,
            "counts are whole numbers from zero on",
            "count the events, give rows of one time different times, or use --set likelihood=gaussian",
        ),
    };
    match frames(input).flatten().find(|v| !holds(**v)) {
        Some(v) => Err(Error::data(format!("a frame holds {v}; {what}"), remedy)),
        None => Ok(()),
    }
}

fn is_share(v: f64) -> bool {
    (0.0..=1.0).contains(&v)
}

/// Median gap between times of all sequences; one without gaps.
pub(super) fn median_gap(sequences: &[Sequence]) -> f64 {
    let mut gaps: Vec<f64> = sequences.iter().flat_map(|s| s.times.windows(2).map(|w| w[1] - w[0])).collect();
    if gaps.is_empty() {
        return 1.0;
    }
    gaps.sort_by(f64::total_cmp);
    gaps[gaps.len() / 2]
}

/// The sequences as the networks see them: those with at least one frame.
pub(super) fn prepare(sequences: &[Sequence], scaling: &Scaling) -> Result<Vec<Observed>> {
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
