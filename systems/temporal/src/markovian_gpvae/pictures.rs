//! Figures of the first sequence.

use super::MarkovianGpvaeModel;
use super::series::Sequences;
use elbo_core::{Figure, Mark, Result, Rng, picture_grid};

impl MarkovianGpvaeModel {
    /// The first sequence beside what is believed about it, and its codes.
    pub(super) fn pictures(&self, input: &Sequences, rng: &mut Rng) -> Result<Vec<Figure>> {
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
