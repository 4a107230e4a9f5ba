//! Equal parts of normals with any covariance.

use super::{Drawn, FullRank, Variational};
use crate::objective::log_mean_exp;
use elbo_core::Rng;
use elbo_tensor::{Parameter, Parameters, Tensor, nested, nested_mut, no_grad};

/// A mixture of `K` full-rank normals in equal parts: what several approximations are together. Draws are stratified, every part is drawn from
/// equally often.
#[derive(Debug, Clone)]
pub struct FullRankMixture {
    parts: Vec<FullRank>,
}

impl FullRankMixture {
    /// From the parts.
    ///
    /// # Panics
    /// Without parts, and for parts of different dimensions.
    pub fn new(parts: Vec<FullRank>) -> Self {
        let dim = parts.first().map(Variational::dim);
        assert!(dim.is_some(), "a mixture has parts");
        assert!(parts.iter().all(|part| Some(part.dim()) == dim), "the parts of a mixture have one dimension");
        Self { parts }
    }

    /// The parts.
    pub fn parts(&self) -> &[FullRank] {
        &self.parts
    }

    fn density(&self, z: &Tensor) -> Tensor {
        let each = self.parts.iter().map(|part| part.log_prob(z).expect("a normal has a density everywhere"));
        log_mean_exp(&Tensor::stack(&each.collect::<Vec<_>>(), 0))
    }
}

impl Parameters for FullRankMixture {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        nested("parts", &self.parts, f);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        nested_mut("parts", &mut self.parts, f);
    }
}

impl Variational for FullRankMixture {
    fn dim(&self) -> usize {
        self.parts[0].dim()
    }

    fn strata(&self) -> usize {
        self.parts.len()
    }

    fn draw(&self, noise: &Tensor) -> Drawn {
        let (k, d, rows) = (self.strata(), self.dim(), noise.size(0));
        assert!(rows.is_multiple_of(k), "{rows} draws do not spread evenly over {k} parts");
        // Row s belongs to part s mod K.
        let folded = noise.reshape(&[rows / k, k, d]);
        let each = self.parts.iter().enumerate().map(|(i, part)| part.draw(&folded.select(1, i)).z);
        let z = Tensor::stack(&each.collect::<Vec<_>>(), 1).reshape(&[rows, d]);
        Drawn { log_prob: self.density(&z), z, weights: None }
    }

    fn log_prob(&self, z: &Tensor) -> Option<Tensor> {
        Some(self.density(z))
    }

    fn units(&self) -> Option<Vec<f64>> {
        let each: Option<Vec<Vec<f64>>> = self.parts.iter().map(Variational::units).collect();
        each.map(|units| units.concat())
    }

    /// Draws go round the parts from a random one on: each is of the mixture, and no part is drawn from more than once more than another.
    fn sample(&self, count: usize, rng: &mut Rng) -> (Tensor, Tensor) {
        let (k, d) = (self.strata(), self.dim());
        let first = rng.below(k);
        // Whole rounds are drawn; their rows before the first and after the last are left out.
        let rows = (first + count).next_multiple_of(k);
        let mut noise = vec![0.0; rows * d];
        noise[first * d..(first + count) * d].chunks_exact_mut(d).for_each(|row| row.copy_from_slice(&rng.normals(d)));
        let Drawn { z, log_prob, .. } = no_grad(|| self.draw(&Tensor::from_vec(noise, &[rows, d])));
        (z.narrow(0, first, count), log_prob.narrow(0, first, count))
    }

    fn title(&self) -> String {
        format!("mixture of {} full-rank Gaussians", self.strata())
    }
}
