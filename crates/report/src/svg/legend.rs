//! The legend: a line of swatches above the plot, where no data can be.

use std::fmt::Write;

use super::layers::{Layer, Shape};
use super::marks::{BAND, CROSS, c, cross};
use super::{FONT, measure};
use crate::format::escape;
use crate::palette::Tone;

const SWATCH: f64 = 18.0;
const GAP: f64 = 16.0;
/// Diameter of a point in a swatch.
const DOT: f64 = 6.5;
/// Height of a row of text above the plot.
pub(super) const ROW: f64 = 19.0;

/// Entries with their places relative to the legend's corner.
pub(super) struct Legend<'a> {
    entries: Vec<(f64, usize, String, &'a Layer)>,
    /// Width of the widest row.
    pub width: f64,
    /// Number of rows; zero when nothing has a label.
    pub rows: usize,
}

impl<'a> Legend<'a> {
    /// Breaks the labels into rows no wider than `room`.
    pub(super) fn new(layers: &'a [Layer], room: f64) -> Self {
        let mut legend = Self { entries: vec![], width: 0.0, rows: 0 };
        let mut x: f64 = 0.0;
        for layer in layers.iter().filter(|l| !l.label.is_empty()) {
            let label = measure::fit(&layer.label, room - SWATCH - 6.0, FONT);
            let width = SWATCH + 6.0 + measure::width(&label, FONT);
            if legend.rows == 0 || x + width > room {
                legend.rows += 1;
                x = 0.0;
            }
            legend.entries.push((x, legend.rows - 1, label, layer));
            legend.width = legend.width.max(x + width);
            x += width + GAP;
        }
        legend
    }

    /// Draws it with its upper left corner at `(left, top)`.
    pub(super) fn draw(&self, out: &mut String, left: f64, top: f64) {
        for (x, row, label, layer) in &self.entries {
            let (x, y) = (left + x, top + *row as f64 * ROW + 0.5 * ROW);
            swatch(out, layer, x, y);
            let _ = write!(
                out,
                "<text class=\"{}\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                Tone::Ink.fill(),
                x + SWATCH + 6.0,
                y + 4.3,
                escape(label)
            );
        }
    }
}

fn swatch(out: &mut String, layer: &Layer, x: f64, y: f64) {
    let (stroke, fill) = (layer.tone.stroke(), layer.tone.fill());
    let middle = x + 0.5 * SWATCH;
    let _ = match &layer.shape {
        Shape::Line { is_dashed, .. } => {
            let dash = if *is_dashed {
                " dashed"
            } else if layer.is_repeated {
                " second"
            } else {
                ""
            };
            write!(out, "<path class=\"line{dash} {stroke}\" d=\"M{x:.1} {y:.1}h{SWATCH}\"/>")
        }
        Shape::Points { dots } => {
            if dots.iter().any(|d| d.interval.is_some()) {
                let _ = write!(out, "<path class=\"whisker {stroke}\" d=\"M{middle:.1} {:.1}v13\"/>", y - 6.5);
            }
            if layer.is_repeated {
                let (width, path) = (c(CROSS * DOT), cross(middle, y, DOT));
                write!(out, "<path class=\"cross {stroke}\" stroke-width=\"{width}\" d=\"{path}\"/>")
            } else {
                write!(out, "<path class=\"dot {stroke}\" stroke-width=\"{DOT}\" d=\"M{middle:.1} {y:.1}h0\"/>")
            }
        }
        Shape::Band { .. } => {
            // As dark as the bands look where they lie on top of each other.
            let opacity = 1.0 - (1.0 - BAND).powi(layer.depth + 1);
            block(out, "band", &fill, x, y, &format!(" opacity=\"{opacity:.2}\""))
        }
        _ => block(out, "hist", &fill, x, y, ""),
    };
}

fn block(out: &mut String, class: &str, fill: &str, x: f64, y: f64, opacity: &str) -> std::fmt::Result {
    let y = y - 5.5;
    write!(out, "<rect class=\"{class} {fill}\"{opacity} x=\"{x:.1}\" y=\"{y:.1}\" width=\"{SWATCH}\" height=\"11\"/>")
}
