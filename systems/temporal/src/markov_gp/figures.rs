//! The fitted curves, drawn over the rows and beyond.

use super::{MarkovGpModel, component_name};
use elbo_core::{Figure, Mark};
use elbo_dist::Normals;
use elbo_markov::Curve;

/// Points of the curves.
const POINTS: usize = 600;

impl MarkovGpModel {
    /// The forecast, and each component where there are several.
    pub(super) fn curves(&self) -> Vec<Figure> {
        let axis = self.axis();
        let x = self.clock.shown(&axis);
        let target = self.columns.target.as_ref().map_or("", |c| c.name.as_str());
        let (shift, scale) = self.columns.target_scaling();
        let mut out = vec![];
        if let Ok(curve) = self.gp.predict(&self.series, &axis) {
            let noisy = Curve { variance: curve.variance.iter().map(|v| v + self.gp.noise).collect(), ..curve };
            let normals = self.normals(noisy);
            let mut marks = vec![band("90 %", &x, &normals, 1.6449), band("50 %", &x, &normals, 0.6745)];
            marks.push(Mark::Line { label: "mean".into(), x: x.clone(), y: normals.mean.clone(), dashed: false });
            let seen: Vec<usize> = (0..self.y.len()).filter(|i| !self.y[*i].is_nan()).collect();
            // A long series would hide its own curve.
            let step = seen.len().div_ceil(3000).max(1);
            let shown: Vec<usize> = seen.into_iter().step_by(step).collect();
            marks.push(Mark::Points {
                label: "rows".into(),
                x: self.clock.shown(&shown.iter().map(|i| self.times[*i]).collect::<Vec<_>>()),
                y: shown.iter().map(|i| shift + scale * self.y[*i]).collect(),
                lower: vec![],
                upper: vec![],
            });
            out.push(Figure {
                name: "forecast".into(),
                caption: "The series with the 50 % and 90 % bands of new rows; beyond the last row it is a forecast."
                    .into(),
                x_label: self.clock.label(),
                y_label: target.into(),
                marks,
                ..Figure::default()
            });
        }
        let components = self.gp.kernel.components();
        if components.len() > 1
            && let Ok(curves) = self.gp.components(&self.series, &axis)
        {
            for (i, (component, curve)) in components.iter().zip(curves).enumerate() {
                let mut normals = self.normals(curve);
                // A component is a difference from the target's mean.
                normals.mean.iter_mut().for_each(|m| *m -= shift);
                let name = component_name(component);
                out.push(Figure {
                    name: format!("component-{}", i + 1),
                    caption: format!("The component `{name}` with its 90 % band: what the series owes to it."),
                    x_label: self.clock.label(),
                    y_label: format!("part of {target}"),
                    marks: vec![
                        band("90 %", &x, &normals, 1.6449),
                        Mark::Line { label: name, x: x.clone(), y: normals.mean.clone(), dashed: false },
                    ],
                    ..Figure::default()
                });
            }
        }
        out
    }

    /// The curve that the figures show: evenly spaced over the rows and beyond.
    fn axis(&self) -> Vec<f64> {
        let times = self.series.grid().times();
        let (first, last) = (times[0], times[times.len() - 1]);
        let end = last + self.config.horizon * (last - first);
        (0..POINTS).map(|i| first + (end - first) * i as f64 / (POINTS - 1) as f64).collect()
    }
}

fn band(label: &str, x: &[f64], normals: &Normals, width: f64) -> Mark {
    let edge = |sign: f64| normals.mean.iter().zip(&normals.sd).map(|(m, s)| m + sign * width * s).collect();
    Mark::Band { label: label.into(), x: x.to_vec(), lower: edge(-1.0), upper: edge(1.0) }
}
