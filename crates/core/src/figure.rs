//! Figures and tables as plain data. `elbo-report` draws them; the core only carries them.

use serde::{Deserialize, Serialize};

/// A drawing in data coordinates.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// A short name, unique in its run: the file's stem when the figure is written on its own.
    pub name: String,
    /// One sentence: what the reader sees and should conclude.
    pub caption: String,
    /// Label of the horizontal axis, with its unit.
    pub x_label: String,
    /// Label of the vertical axis, with its unit.
    pub y_label: String,
    /// Whether the horizontal axis is logarithmic.
    #[serde(default)]
    pub x_log: bool,
    /// Whether the vertical axis is logarithmic.
    #[serde(default)]
    pub y_log: bool,
    /// What is drawn, back to front.
    pub marks: Vec<Mark>,
}

/// One layer of a figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Mark {
    /// A polyline; `label` empty means no entry in the legend.
    Line {
        /// Legend.
        label: String,
        /// Horizontal positions.
        x: Vec<f64>,
        /// Vertical positions.
        y: Vec<f64>,
        /// Drawn dashed, as references are.
        dashed: bool,
    },
    /// A shaded region between two curves.
    Band {
        /// Legend.
        label: String,
        /// Horizontal positions.
        x: Vec<f64>,
        /// Lower edge.
        lower: Vec<f64>,
        /// Upper edge.
        upper: Vec<f64>,
    },
    /// Points, with vertical intervals where `lower` and `upper` are not empty.
    Points {
        /// Legend.
        label: String,
        /// Horizontal positions.
        x: Vec<f64>,
        /// Vertical positions.
        y: Vec<f64>,
        /// Lower ends of the intervals, or empty.
        lower: Vec<f64>,
        /// Upper ends of the intervals, or empty.
        upper: Vec<f64>,
    },
    /// Horizontal bars with names, longest on top as given.
    Bars {
        /// One name a bar.
        names: Vec<String>,
        /// One length a bar.
        values: Vec<f64>,
    },
    /// A histogram: `edges` has one entry more than `counts`.
    Histogram {
        /// Legend.
        label: String,
        /// Bin edges.
        edges: Vec<f64>,
        /// Heights.
        counts: Vec<f64>,
    },
    /// A matrix of values as colours. `values` is row-major `[y.len(), x.len()]`, the first row at the bottom.
    Heat {
        /// Column centres.
        x: Vec<f64>,
        /// Row centres.
        y: Vec<f64>,
        /// Values, row-major.
        values: Vec<f64>,
    },
    /// A picture as it is. Stands alone: a figure with a picture has no axes and no other marks.
    Picture {
        /// Columns of pixels.
        width: usize,
        /// Rows of pixels.
        height: usize,
        /// One for grey, three for colour.
        channels: usize,
        /// Bytes, `[height, width, channels]`, the first row on top.
        pixels: Vec<u8>,
    },
}

/// Pictures of one size in rows and columns, with a gap between them.
///
/// `pictures: [N, C, H, W]` bytes with one, three or four channels (the fourth, transparency, is left out); `columns` in a row.
/// Returns a [`Mark::Picture`].
pub fn picture_grid(pictures: &[u8], [c, h, w]: [usize; 3], columns: usize) -> Mark {
    const GAP: usize = 1;
    const PAPER: u8 = 128;
    let (size, area) = (c * h * w, h * w);
    let count = pictures.len() / size;
    let columns = columns.clamp(1, count.max(1));
    let rows = count.div_ceil(columns);
    let channels = if c >= 3 { 3 } else { 1 };
    let (width, height) = (columns * (w + GAP) + GAP, rows * (h + GAP) + GAP);
    let mut pixels = vec![PAPER; width * height * channels];
    for (i, picture) in pictures.chunks_exact(size).enumerate() {
        let (top, left) = (GAP + i / columns * (h + GAP), GAP + i % columns * (w + GAP));
        for y in 0..h {
            for x in 0..w {
                let to = ((top + y) * width + left + x) * channels;
                (0..channels).for_each(|k| pixels[to + k] = picture[k * area + y * w + x]);
            }
        }
    }
    Mark::Picture { width, height, channels, pixels }
}

/// A table to show or to save as CSV.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Table {
    /// A short name, unique in its run or model.
    pub name: String,
    /// One sentence: what the rows are.
    pub caption: String,
    /// Column names.
    pub columns: Vec<String>,
    /// Cells, row by row, as they are shown.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// An empty table with these columns.
    pub fn new(name: &str, caption: &str, columns: &[&str]) -> Self {
        Self {
            name: name.into(),
            caption: caption.into(),
            columns: columns.iter().map(|c| (*c).into()).collect(),
            rows: vec![],
        }
    }

    /// Adds a row; its length must be the number of columns.
    pub fn push(&mut self, row: Vec<String>) {
        assert_eq!(row.len(), self.columns.len(), "a row of table `{}` has another length", self.name);
        self.rows.push(row);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_puts_pictures_in_their_places() {
        let Mark::Picture { width, height, channels, pixels } = picture_grid(&[1, 2, 3, 4, 5, 6], [1, 1, 2], 2) else {
            panic!("a grid is a picture")
        };
        assert_eq!((width, height, channels), (7, 5, 1));
        assert_eq!(pixels[7..14], [128, 1, 2, 128, 3, 4, 128]);
        assert_eq!(pixels[21..28], [128, 5, 6, 128, 128, 128, 128]);
        let colour = picture_grid(&[1, 2, 3, 4], [4, 1, 1], 5);
        assert!(matches!(colour, Mark::Picture { channels: 3, pixels, .. } if pixels[12..15] == [1, 2, 3]));
    }
}
