//! Steps without a rate: how far one has come, over the gradients met on the way.

use elbo_core::step::Snapshot;
use elbo_core::{ModelFile, Result};
use elbo_linalg::vector::sum_chunks;

use super::adam::shrink;
use super::memory::Origin;
use super::{Rule, save_list};
use crate::dtype::{DType, Element, with_real};
use crate::storage::Storage;
use crate::tensor::Tensor;

/// Distance over gradients: the length of a step is the largest distance from the start so far over the root of the summed squared norms of the
/// gradients, all parameters together.
///
/// $$ \eta_t = \bar r_t \Big/ \sqrt{\textstyle\sum_{i \le t} \|g_i\|^2}, \qquad \bar r_t = \max(r_0, \max_{i \le t} \|x_i - x_0\|) $$
///
/// There is no rate. Iterates stay noisy: average the later ones, as [`PolynomialAverage`](super::PolynomialAverage) does.
///
/// # Source
/// Ivgi, Hinder and Carmon (2023), DoG; Khaled, Mishchenko and Jin (2023), DoWG. Deviation: the first distance is given, not relative to the
/// start's norm.
#[derive(Debug, Clone, PartialEq)]
pub struct Dog {
    /// $r_0$, the length of the first step: small beside the distance to go, which it reaches in a few dozen steps.
    pub first: f64,
    /// Weighs each gradient by the distance at its time, $\eta_t = \bar r_t^2 / \sqrt{\sum_i \bar r_i^2 \|g_i\|^2}$, so that those of
    /// the first, short steps count for little (DoWG). For gradients without noise: with noise it may run away, as it did with one of three seeds on
    /// the bound of a normal in two dimensions.
    pub weighted: bool,
    /// Largest Euclidean norm of the gradient; longer ones are shortened.
    pub clip: Option<f64>,
}

impl Default for Dog {
    fn default() -> Self {
        Self { first: 1e-4, weighted: false, clip: None }
    }
}

/// Memory of [`Dog`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DogState {
    /// Updates done.
    pub steps: usize,
    /// Largest distance from the start.
    reach: f64,
    /// Summed squared norms, weighted where the rule says so.
    squares: f64,
    origin: Origin,
    /// Squared distance of each parameter from its start.
    distances: Vec<f64>,
}

impl Snapshot for DogState {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.steps.save(file, &format!("{prefix}.steps"));
        save_list(file, prefix, "numbers", &[self.reach, self.squares]);
        save_list(file, prefix, "distances", &self.distances);
        self.origin.save(file, &format!("{prefix}.origin"));
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.steps.restore(file, &format!("{prefix}.steps"))?;
        let numbers = file.get_as(&format!("{prefix}.numbers"), &[2])?;
        (self.reach, self.squares) = (numbers[0], numbers[1]);
        self.distances = file.get_as(&format!("{prefix}.distances"), &[self.distances.len()])?;
        self.origin.restore(file, &format!("{prefix}.origin"))
    }
}

/// The numbers of one update.
#[derive(Debug, Clone, Copy)]
pub struct DogUpdate {
    /// What the gradient is multiplied by, shortening included.
    rate: f64,
}

impl Rule for Dog {
    type State = DogState;
    type Update = DogUpdate;

    fn start_parts(&self, parts: &[(usize, DType)]) -> DogState {
        let (origin, distances) = (Origin::unknown(parts), vec![0.0; parts.len()]);
        DogState { steps: 0, reach: self.first, squares: 0.0, origin, distances }
    }

    fn begin(&self, norm: &dyn Fn() -> f64, state: &mut DogState) -> DogUpdate {
        state.steps += 1;
        state.reach = state.reach.max(state.distances.iter().sum::<f64>().sqrt());
        let norm = norm();
        let shrink = shrink(&|| norm, self.clip);
        let weight = if self.weighted { state.reach * state.reach } else { 1.0 };
        state.squares += weight * (shrink * norm).powi(2);
        // Before the first gradient that is not zero there is nowhere to go.
        if state.squares == 0.0 {
            return DogUpdate { rate: 0.0 };
        }
        let length = if self.weighted { weight } else { state.reach };
        DogUpdate { rate: shrink * length / state.squares.sqrt() }
    }

    fn apply(&self, update: &DogUpdate, part: usize, x: &mut Storage, gradient: &Tensor, state: &mut DogState) {
        with_real!("Dog", gradient.dtype(), T => {
            let origin = state.origin.of::<T>(part, x);
            let (values, gradient) = (T::slice_mut(x), gradient.as_slice::<T>());
            assert_eq!(values.len(), gradient.len(), "a parameter and its gradient differ in length");
            let rate = <T as Element>::from_f64(update.rate);
            values.iter_mut().zip(gradient.iter()).for_each(|(x, g)| *x -= rate * *g);
            let square = |i: usize| (values[i].to_f64() - origin[i].to_f64()).powi(2);
            state.distances[part] = sum_chunks(values.len(), |range| range.map(square).sum());
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A quadratic with its minimum at `to`, its gradient scaled.
    fn slope(x: &[f64], to: &[f64], scale: f64) -> Vec<f64> {
        x.iter().zip(to).map(|(x, t)| scale * (x - t)).collect()
    }

    #[test]
    fn iterates_follow_the_definition() {
        for weighted in [false, true] {
            let rule = Dog { first: 0.01, weighted, clip: None };
            let (mut x, mut state) = ([1.0, -2.0], rule.start(2));
            let (mut y, start, to) = (x, x, [4.0, 2.0]);
            let (mut reach, mut squares) = (0.01f64, 0.0);
            for _ in 0..60 {
                let g = slope(&y, &to, 3.0);
                let norm = g[0].hypot(g[1]);
                reach = reach.max((y[0] - start[0]).hypot(y[1] - start[1]));
                squares += if weighted { (reach * norm).powi(2) } else { norm * norm };
                let rate = if weighted { reach * reach } else { reach } / f64::sqrt(squares);
                (0..2).for_each(|i| y[i] -= rate * g[i]);
                rule.update(&mut x, &g, &mut state);
                (0..2).for_each(|i| assert!((x[i] - y[i]).abs() < 1e-12, "{x:?} and {y:?}"));
            }
        }
    }

    #[test]
    fn the_scale_of_the_loss_does_not_matter() {
        for weighted in [false, true] {
            let rule = Dog { weighted, ..Dog::default() };
            let end = |scale: f64| {
                let (mut x, mut state) = ([0.0, 0.0], rule.start(2));
                for _ in 0..200 {
                    let g = slope(&x, &[3.0, -1.0], scale);
                    rule.update(&mut x, &g, &mut state);
                }
                x
            };
            // Powers of two scale without rounding.
            assert_eq!(end(1.0), end(1024.0));
            let x = end(1.0);
            assert!((x[0] - 3.0).abs() < 0.1 && (x[1] + 1.0).abs() < 0.1, "{x:?}");
        }
    }

    #[test]
    fn parameters_share_one_distance_and_a_zero_gradient_moves_nothing() {
        let rule = Dog::default();
        let mut together = [0.0, 5.0];
        let mut state = rule.start(2);
        let (mut first, mut second) = ([0.0], [5.0]);
        let mut apart = rule.start_parts(&[(1, DType::F64), (1, DType::F64)]);
        for t in 0..50 {
            let g = if t == 0 { vec![0.0, 0.0] } else { slope(&together, &[1.0, 2.0], 1.0) };
            rule.update(&mut together, &g, &mut state);
            let update = rule.begin(&|| g[0].hypot(g[1]), &mut apart);
            rule.apply_to(&update, 0, &mut first, &g[..1], &mut apart);
            rule.apply_to(&update, 1, &mut second, &g[1..], &mut apart);
            assert!((together[0] - first[0]).abs() < 1e-13 && (together[1] - second[0]).abs() < 1e-13);
            assert!(t > 0 || together == [0.0, 5.0]);
        }
    }
}
