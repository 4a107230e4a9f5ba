//! Gaussians that are being fitted: parameters, Adam's moments, and what densification wants to know.

use crate::gaussians::{Gaussians, coefficients};
use crate::refinement::{self, Counts, Refinement};
use crate::render::Gradients;
use elbo_core::{Error, ModelFile, Result, Snapshot};
use rayon::prelude::*;

const BETA1: f32 = 0.9;
const BETA2: f32 = 0.999;
const EPSILON: f32 = 1e-15;
/// Numbers a piece of parallel work.
const CHUNK: usize = 8192;

/// Rates of Adam, one for each group of parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Of means, in the scene's unit.
    pub mean: f64,
    /// Of logarithms of scales.
    pub log_scale: f64,
    /// Of quaternions.
    pub rotation: f64,
    /// Of logits of opacities.
    pub opacity: f64,
    /// Of the constant part of the colour.
    pub colour: f64,
    /// Of the rest of the colour.
    pub harmonics: f64,
}

/// Gaussians under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Cloud {
    /// The parameters.
    pub gaussians: Gaussians<f32>,
    /// Running means of the gradient.
    pub first: Gaussians<f32>,
    /// Running means of its square.
    pub second: Gaussians<f32>,
    /// Steps done.
    pub step: usize,
    /// Sums over views of the size of the derivative in the centre, `[N]`.
    pub pull: Vec<f32>,
    /// Views in which a Gaussian was seen since then, `[N]`.
    pub seen: Vec<f32>,
    /// What was done to their number, in all.
    pub counts: Counts,
    /// What each refinement did to it.
    pub refinements: Vec<Refinement>,
}

impl Cloud {
    /// Gaussians before the first step.
    pub fn new(gaussians: Gaussians<f32>) -> Self {
        let n = gaussians.len();
        Self {
            first: Gaussians::zeros_like(&gaussians),
            second: Gaussians::zeros_like(&gaussians),
            gaussians,
            step: 0,
            pull: vec![0.0; n],
            seen: vec![0.0; n],
            counts: Counts::default(),
            refinements: vec![],
        }
    }

    /// One step of Adam. Counts as a step.
    pub fn descend(&mut self, gradient: &Gaussians<f32>, rates: &Rates) {
        self.step += 1;
        let steps = self.step as i32;
        // Corrections for the moments' start at zero, put into the rate.
        let (mean, square) = (1.0 - f64::from(BETA1).powi(steps), 1.0 - f64::from(BETA2).powi(steps));
        let of = |rate: f64| (rate / mean) as f32;
        let root = square.sqrt() as f32;
        let per_group = [rates.mean, rates.log_scale, rates.rotation, rates.opacity, rates.colour].map(of);
        let harmonics = of(rates.harmonics);
        let width = 3 * coefficients(self.gaussians.degree);
        let groups = self.gaussians.arrays_mut().into_iter().zip(self.first.arrays_mut()).zip(self.second.arrays_mut());
        for (k, (((x, m), v), g)) in groups.zip(gradient.arrays()).enumerate() {
            let rate = per_group[k];
            // Whole Gaussians a piece, so that a place in a row is known.
            let piece = if k == 4 { CHUNK / width * width } else { CHUNK };
            x.par_chunks_mut(piece)
                .zip(m.par_chunks_mut(piece))
                .zip(v.par_chunks_mut(piece))
                .zip(g.par_chunks(piece))
                .for_each(|(((x, m), v), g)| {
                    if k < 4 {
                        adam(x, m, v, g, rate, root);
                        return;
                    }
                    let rows = x.chunks_mut(width).zip(m.chunks_mut(width)).zip(v.chunks_mut(width));
                    for (((x, m), v), g) in rows.zip(g.chunks(width)) {
                        adam(&mut x[..3], &mut m[..3], &mut v[..3], &g[..3], rate, root);
                        adam(&mut x[3..], &mut m[3..], &mut v[3..], &g[3..], harmonics, root);
                    }
                });
        }
    }

    /// Adds what one view says about where more Gaussians are wanted: the derivative in the centre, in halves of the picture's sides.
    /// The picture is of `size`, `[W, H]`; anything may have drawn it.
    pub(crate) fn observe_where(
        &mut self,
        is_visible: impl Fn(usize) -> bool,
        size: [usize; 2],
        gradients: &Gradients<f32>,
        is_absolute: bool,
    ) {
        let from = if is_absolute { &gradients.absolute } else { &gradients.centres };
        let [w, h] = size.map(|side| 0.5 * side as f32);
        for i in 0..self.gaussians.len() {
            if is_visible(i) {
                self.pull[i] += (w * from[2 * i]).hypot(h * from[2 * i + 1]);
                self.seen[i] += 1.0;
            }
        }
    }

    /// Changes the number of Gaussians, and writes down how.
    ///
    /// # Errors
    /// Those of the change.
    pub fn refine(&mut self, change: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let (before, total) = (self.gaussians.len(), self.counts);
        change(self)?;
        let (counts, after) = (self.counts.since(&total), self.gaussians.len());
        self.refinements.push(Refinement { step: self.step, before, counts, after });
        Ok(())
    }

    /// Keeps these rows, with their moments, in this order.
    pub fn keep(&mut self, rows: &[usize]) {
        self.gaussians = self.gaussians.take(rows);
        self.first = self.first.take(rows);
        self.second = self.second.take(rows);
        self.pull = rows.iter().map(|r| self.pull[*r]).collect();
        self.seen = rows.iter().map(|r| self.seen[*r]).collect();
    }

    /// Adds Gaussians without moments.
    pub fn add(&mut self, more: &Gaussians<f32>) {
        let zeros = Gaussians::zeros_like(more);
        self.gaussians.extend(more);
        self.first.extend(&zeros);
        self.second.extend(&zeros);
        self.pull.resize(self.gaussians.len(), 0.0);
        self.seen.resize(self.gaussians.len(), 0.0);
    }

    /// Forgets the moments of one Gaussian.
    pub fn forget(&mut self, i: usize) {
        let widths = self.gaussians.widths();
        for moments in [&mut self.first, &mut self.second] {
            for (values, width) in moments.arrays_mut().into_iter().zip(widths) {
                values[i * width..(i + 1) * width].fill(0.0);
            }
        }
    }
}

fn adam(x: &mut [f32], m: &mut [f32], v: &mut [f32], g: &[f32], rate: f32, root: f32) {
    for (((x, m), v), g) in x.iter_mut().zip(m).zip(v).zip(g) {
        *m = BETA1 * *m + (1.0 - BETA1) * g;
        *v = BETA2 * *v + (1.0 - BETA2) * g * g;
        *x -= rate * *m / (v.sqrt() / root + EPSILON);
    }
}

/// Names of the arrays in files.
const NAMES: [&str; 5] = ["mean", "log_scale", "rotation", "opacity", "sh"];

/// Writes Gaussians under names that start with `prefix`.
pub fn put(file: &mut ModelFile, prefix: &str, g: &Gaussians<f32>) {
    file.set(&format!("{prefix}.degree"), &g.degree);
    for ((name, values), width) in NAMES.iter().zip(g.arrays()).zip(g.widths()) {
        file.put_f32(&format!("{prefix}.{name}"), &[g.len(), width], values);
    }
}

/// Takes back what [`put`] wrote.
///
/// # Errors
/// [`elbo_core::Error::ModelFile`] when something is missing or of another size.
pub fn get(file: &ModelFile, prefix: &str) -> Result<Gaussians<f32>> {
    let degree: usize = file.fact(&format!("{prefix}.degree"))?;
    if degree > 3 {
        return Err(Error::misfit(format!("spherical harmonics of degree {degree}")));
    }
    let mut g = Gaussians::empty(degree);
    let widths = g.widths();
    let rows = file.rows(&format!("{prefix}.{}", NAMES[0]), &[widths[0]])?;
    for ((name, width), values) in NAMES.iter().zip(widths).zip(g.arrays_mut()) {
        *values = file.get_f32_as(&format!("{prefix}.{name}"), &[rows, width])?;
    }
    Ok(g)
}

impl Snapshot for Cloud {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        put(file, &format!("{prefix}.gaussians"), &self.gaussians);
        put(file, &format!("{prefix}.first"), &self.first);
        put(file, &format!("{prefix}.second"), &self.second);
        file.put_f32(&format!("{prefix}.pull"), &[self.pull.len()], &self.pull);
        file.put_f32(&format!("{prefix}.seen"), &[self.seen.len()], &self.seen);
        file.set(&format!("{prefix}.step"), &self.step);
        file.set(&format!("{prefix}.counts"), &self.counts);
        refinement::put(file, &format!("{prefix}.refinements"), &self.refinements);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.gaussians = get(file, &format!("{prefix}.gaussians"))?;
        self.first = get(file, &format!("{prefix}.first"))?;
        self.second = get(file, &format!("{prefix}.second"))?;
        self.step = file.fact(&format!("{prefix}.step"))?;
        self.counts = file.fact(&format!("{prefix}.counts"))?;
        self.refinements = refinement::get(file, &format!("{prefix}.refinements"))?;
        let (n, degree) = (self.gaussians.len(), self.gaussians.degree);
        self.pull = file.get_f32_as(&format!("{prefix}.pull"), &[n])?;
        self.seen = file.get_f32_as(&format!("{prefix}.seen"), &[n])?;
        if [&self.first, &self.second].iter().any(|g| g.len() != n || g.degree != degree) {
            return Err(Error::misfit("the moments are not those of the Gaussians"));
        }
        Ok(())
    }
}
