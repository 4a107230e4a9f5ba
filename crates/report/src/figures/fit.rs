//! The fit itself, what it found important, and how it got there.

use elbo_core::{Figure, Mark};

use super::same_length;
use crate::format::percent;

/// A fit over one input, on a grid.
#[derive(Debug, Clone, Default)]
pub struct FitCurve {
    /// Grid, ascending.
    pub x: Vec<f64>,
    /// Predicted mean on the grid.
    pub mean: Vec<f64>,
    /// `(level, lower, upper)` on the grid, such as 0.95 and 0.5.
    pub bands: Vec<(f64, Vec<f64>, Vec<f64>)>,
    /// Sample paths on the grid.
    pub samples: Vec<Vec<f64>>,
    /// Input of the data.
    pub data_x: Vec<f64>,
    /// Target of the data.
    pub data_y: Vec<f64>,
    /// Name of the input, with its unit.
    pub x_label: String,
    /// Name of the target, with its unit.
    pub y_label: String,
}

/// Mean, bands, sample paths and data of a fit over one input.
pub fn fit_1d(curve: &FitCurve) -> Figure {
    same_length("mean", curve.mean.len(), curve.x.len());
    same_length("data_y", curve.data_y.len(), curve.data_x.len());
    let mut bands: Vec<_> = curve.bands.iter().collect();
    bands.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut marks = vec![];
    for (level, lower, upper) in &bands {
        same_length("lower", lower.len(), curve.x.len());
        same_length("upper", upper.len(), curve.x.len());
        let label = format!("{} interval", percent(*level));
        marks.push(Mark::Band { label, x: curve.x.clone(), lower: lower.clone(), upper: upper.clone() });
    }
    for sample in &curve.samples {
        marks.push(Mark::Line { label: String::new(), x: curve.x.clone(), y: sample.clone(), dashed: false });
    }
    marks.push(Mark::Line { label: "mean".into(), x: curve.x.clone(), y: curve.mean.clone(), dashed: false });
    let (x, y) = (curve.data_x.clone(), curve.data_y.clone());
    if bands.is_empty() {
        // Without a band the drawing could not tell data from a second series.
        marks.push(Mark::Band { label: String::new(), x: vec![], lower: vec![], upper: vec![] });
    }
    marks.push(Mark::Points { label: "data".into(), x, y, lower: vec![], upper: vec![] });
    let mut caption = String::from("The fit with its uncertainty.");
    match bands.as_slice() {
        [] => {}
        [band] => caption.push_str(&format!(" A new value falls into the band with probability {}.", percent(band.0))),
        several => {
            let levels: Vec<String> = several.iter().map(|b| percent(b.0)).collect();
            caption.push_str(&format!(" New values fall into the bands with probability {}.", levels.join(" and ")));
        }
    }
    if !curve.samples.is_empty() {
        caption.push_str(" Thin lines are functions that the model holds possible.");
    }
    Figure {
        name: "fit".into(),
        caption,
        x_label: curve.x_label.clone(),
        y_label: curve.y_label.clone(),
        marks,
        ..Figure::default()
    }
}

/// Values over steps, one line a named series `(step, value)`. The axis is logarithmic when all values are positive and span a
/// factor of a thousand.
pub fn learning_curve(series: &[(String, Vec<(f64, f64)>)], y_label: &str) -> Figure {
    let values = || series.iter().flat_map(|(_, s)| s.iter().map(|p| p.1)).filter(|v| v.is_finite());
    let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
    let lines = series.iter().map(|(name, points)| {
        let (x, y) = points.iter().copied().unzip();
        // The axis names a single series.
        let label = if series.len() == 1 { String::new() } else { name.clone() };
        Mark::Line { label, x, y, dashed: false }
    });
    Figure {
        name: "learning-curve".into(),
        caption: "Progress of the fit. A curve that is still moving at its end asks for more steps.".into(),
        x_label: "step".into(),
        y_label: y_label.into(),
        y_log: low > 0.0 && high / low > 1e3,
        marks: lines.collect(),
        ..Figure::default()
    }
}

/// Bars of relevance, largest on top: inverse lengthscales or the like. `(name, relevance)`, larger is more relevant.
pub fn relevance(inputs: &[(String, f64)]) -> Figure {
    let mut sorted: Vec<&(String, f64)> = inputs.iter().collect();
    sorted.sort_by(|a, b| b.1.total_cmp(&a.1));
    let mut caption = String::from("How strongly the prediction reacts to each input: one over its lengthscale.");
    if let [first, .., last] = sorted.as_slice() {
        caption.push_str(&format!(" `{}` matters most, `{}` least.", first.0, last.0));
    }
    Figure {
        name: "relevance".into(),
        caption,
        x_label: "relevance (1 / lengthscale, scaled inputs)".into(),
        marks: vec![Mark::Bars {
            names: sorted.iter().map(|i| i.0.clone()).collect(),
            values: sorted.iter().map(|i| i.1).collect(),
        }],
        ..Figure::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_relevant_input_stands_on_top() {
        let f = relevance(&[("age".into(), 0.2), ("water".into(), 1.5), ("ash".into(), 0.01)]);
        let Mark::Bars { names, values } = &f.marks[0] else { panic!("a bar chart") };
        assert_eq!((names.join(" "), values.as_slice()), ("water age ash".into(), [1.5, 0.2, 0.01].as_slice()));
        assert!(f.caption.contains("`water` matters most, `ash` least"));
    }

    #[test]
    fn wide_positive_curves_get_a_logarithmic_axis() {
        let curve = |last| learning_curve(&[("loss".into(), vec![(0.0, 5000.0), (1.0, last)])], "loss");
        assert!(curve(1.0).y_log && !curve(10.0).y_log && !curve(-1.0).y_log);
    }

    #[test]
    fn the_widest_band_lies_at_the_back() {
        let band = |level| (level, vec![0.0], vec![1.0]);
        let curve =
            FitCurve { x: vec![0.0], mean: vec![0.5], bands: vec![band(0.5), band(0.95)], ..Default::default() };
        let Mark::Band { label, .. } = &fit_1d(&curve).marks[0] else { panic!("bands come first") };
        assert_eq!(label, "95\u{a0}% interval");
    }
}
