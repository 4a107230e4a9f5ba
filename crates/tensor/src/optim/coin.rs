//! Steps without a rate: bets on the direction of the gradient, with the money won by earlier ones.

use elbo_core::step::Snapshot;
use elbo_core::{ModelFile, Result};

use super::memory::{Memory, Origin};
use super::{Rule, for_parts, save_list};
use crate::dtype::{DType, Element, with_real};
use crate::storage::Storage;
use crate::tensor::Tensor;

/// Where the largest gradient of a coordinate starts, so that nothing is divided by zero.
const LEAST: f64 = 1e-10;
/// How much longer than one a gradient of [`UnitCoin`] may be by rounding.
const ROUNDING: f64 = 1e-9;

/// A bet on each coordinate, that learns its own scale. With the descent $c = -g$, its largest size $L$, the sum of its sizes $G$, its sum $S$ and
/// the winnings $R \leftarrow \max(R + c (x - x_0), 0)$ of the position before it moves,
///
/// $$ x = x_0 + \frac{S}{L \max(G + L, \alpha L)} (L + R) $$
///
/// The first move is half a unit, whatever the gradient, so that parameters should have a scale near one.
///
/// # Source
/// Orabona and Tommasi (2017); Sharrock and Nemeth (2023) for particles.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Coin {
    /// Keeps early bets small, for networks: the first move is one unit over this, and half a unit at most. 0 for the plain rule, 100 or 1000
    /// for networks.
    pub alpha: f64,
}

/// Memory of [`Coin`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CoinState {
    /// Updates done.
    pub steps: usize,
    largest: Memory,
    sizes: Memory,
    wealth: Memory,
    sum: Memory,
    origin: Origin,
}

impl Snapshot for CoinState {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.steps.save(file, &format!("{prefix}.steps"));
        self.largest.save(file, &format!("{prefix}.largest"));
        self.sizes.save(file, &format!("{prefix}.sizes"));
        self.wealth.save(file, &format!("{prefix}.wealth"));
        self.sum.save(file, &format!("{prefix}.sum"));
        self.origin.save(file, &format!("{prefix}.origin"));
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.steps.restore(file, &format!("{prefix}.steps"))?;
        self.largest.restore(file, &format!("{prefix}.largest"))?;
        self.sizes.restore(file, &format!("{prefix}.sizes"))?;
        self.wealth.restore(file, &format!("{prefix}.wealth"))?;
        self.sum.restore(file, &format!("{prefix}.sum"))?;
        self.origin.restore(file, &format!("{prefix}.origin"))
    }
}

impl Rule for Coin {
    type State = CoinState;
    type Update = ();

    fn start_parts(&self, parts: &[(usize, DType)]) -> CoinState {
        let zeros = || Memory::zeros(parts);
        let (largest, sizes, wealth, sum) = (zeros(), zeros(), zeros(), zeros());
        CoinState { steps: 0, largest, sizes, wealth, sum, origin: Origin::unknown(parts) }
    }

    fn begin(&self, _: &dyn Fn() -> f64, state: &mut CoinState) {
        state.steps += 1;
    }

    fn apply(&self, (): &(), part: usize, x: &mut Storage, gradient: &Tensor, state: &mut CoinState) {
        with_real!("Coin", gradient.dtype(), T => {
            let [least, alpha] = [LEAST, self.alpha].map(<T as Element>::from_f64);
            let origin = state.origin.of::<T>(part, x);
            let memory = [
                state.largest.part::<T>(part),
                state.sizes.part::<T>(part),
                state.wealth.part::<T>(part),
                state.sum.part::<T>(part),
                origin,
            ];
            for_parts::<T, 5>(x, gradient, memory, &|x, gradient, [largest, sizes, wealth, sum, origin]| {
                for i in 0..x.len() {
                    let c = -gradient[i];
                    largest[i] = largest[i].max(least).max(c.abs());
                    sizes[i] += c.abs();
                    // The winnings are those of the position before it moves.
                    wealth[i] = (wealth[i] + c * (x[i] - origin[i])).max(0.0);
                    sum[i] += c;
                    let scale = largest[i] * (sizes[i] + largest[i]).max(alpha * largest[i]);
                    x[i] = origin[i] + sum[i] / scale * (largest[i] + wealth[i]);
                }
            });
        });
    }
}

/// One bet on each parameter as a whole, for gradients of norm at most one a parameter: $x = x_0 + S (1 + R) / (t + 1)$ after `t` updates, with the
/// letters of [`Coin`]. Longer gradients are shortened to one.
///
/// # Source
/// Orabona and Pál (2016); Sharrock and Nemeth (2023) for particles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct UnitCoin;

/// Memory of [`UnitCoin`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct UnitCoinState {
    /// Updates done.
    pub steps: usize,
    /// Winnings of each parameter.
    wealth: Vec<f64>,
    sum: Memory,
    origin: Origin,
}

impl Snapshot for UnitCoinState {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.steps.save(file, &format!("{prefix}.steps"));
        save_list(file, prefix, "wealth", &self.wealth);
        self.sum.save(file, &format!("{prefix}.sum"));
        self.origin.save(file, &format!("{prefix}.origin"));
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.steps.restore(file, &format!("{prefix}.steps"))?;
        self.wealth = file.get_as(&format!("{prefix}.wealth"), &[self.wealth.len()])?;
        self.sum.restore(file, &format!("{prefix}.sum"))?;
        self.origin.restore(file, &format!("{prefix}.origin"))
    }
}

/// The number of one update.
#[derive(Debug, Clone, Copy)]
pub struct UnitCoinUpdate {
    /// Updates, this one and the first bet's own included.
    count: f64,
}

impl Rule for UnitCoin {
    type State = UnitCoinState;
    type Update = UnitCoinUpdate;

    fn start_parts(&self, parts: &[(usize, DType)]) -> UnitCoinState {
        let (sum, origin) = (Memory::zeros(parts), Origin::unknown(parts));
        UnitCoinState { steps: 0, wealth: vec![0.0; parts.len()], sum, origin }
    }

    fn begin(&self, _: &dyn Fn() -> f64, state: &mut UnitCoinState) -> UnitCoinUpdate {
        state.steps += 1;
        UnitCoinUpdate { count: state.steps as f64 + 1.0 }
    }

    fn apply(
        &self,
        update: &UnitCoinUpdate,
        part: usize,
        x: &mut Storage,
        gradient: &Tensor,
        state: &mut UnitCoinState,
    ) {
        with_real!("UnitCoin", gradient.dtype(), T => {
            let origin = state.origin.of::<T>(part, x);
            let (values, gradient) = (T::slice_mut(x), gradient.as_slice::<T>());
            assert_eq!(values.len(), gradient.len(), "a parameter and its gradient differ in length");
            let norm = gradient.iter().map(|g| g.to_f64().powi(2)).sum::<f64>().sqrt();
            let shrink = if norm > 1.0 + ROUNDING { 1.0 / norm } else { 1.0 };
            let moved = values.iter().zip(origin.iter()).map(|(x, o)| x.to_f64() - o.to_f64());
            let won: f64 = gradient.iter().zip(moved).map(|(g, m)| -shrink * g.to_f64() * m).sum();
            state.wealth[part] += won;
            let bet = <T as Element>::from_f64((1.0 + state.wealth[part]) / update.count);
            let shrink = <T as Element>::from_f64(shrink);
            let sum = state.sum.part::<T>(part);
            for i in 0..values.len() {
                sum[i] -= shrink * gradient[i];
                values[i] = origin[i] + sum[i] * bet;
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scaling_the_gradient_leaves_every_iterate_of_a_coin_unchanged() {
        let end = |scale: f64| {
            let (mut x, mut state) = ([3.0, -2.0], Coin::default().start(2));
            for t in 0..300 {
                let noise = (f64::from(t) * 1.7).sin();
                let g = [scale * (x[0] - 1.0 + noise), scale * (x[1] - 0.5 - noise)];
                Coin::default().update(&mut x, &g, &mut state);
            }
            x
        };
        // Powers of two scale without rounding.
        assert_eq!(end(1.0), end(1024.0));
        let x = end(1.0);
        assert!((x[0] - 1.0).abs() < 0.3 && (x[1] - 0.5).abs() < 0.3, "{x:?}");
    }

    #[test]
    fn the_first_bet_is_half_a_unit_or_one_over_alpha() {
        for (alpha, length) in [(0.0, 0.5), (1.0, 0.5), (100.0, 0.01)] {
            let (mut x, rule) = ([3.0, -2.0], Coin { alpha });
            rule.update(&mut x, &[-7.0, 1e-3], &mut rule.start(2));
            assert!((x[0] - 3.0 - length).abs() < 1e-12 && (x[1] + 2.0 + length).abs() < 1e-9, "{x:?}");
        }
    }

    #[test]
    fn a_unit_coin_follows_its_closed_form_and_shortens_longer_gradients() {
        let (mut x, mut state) = ([0.5f64, -0.5], UnitCoin.start(2));
        let (mut sum, mut won) = ([0.0; 2], 0.0);
        for t in 1..50 {
            let g = [2.0 * (x[0] - 1.0), 2.0 * (x[1] + 1.0)];
            let shrink = 1.0 / g[0].hypot(g[1]).max(1.0);
            won -= shrink * (g[0] * (x[0] - 0.5) + g[1] * (x[1] + 0.5));
            (0..2).for_each(|i| sum[i] -= shrink * g[i]);
            UnitCoin.update(&mut x, &g, &mut state);
            let bet = (1.0 + won) / f64::from(t + 1);
            assert!((x[0] - 0.5 - sum[0] * bet).abs() < 1e-12 && (x[1] + 0.5 - sum[1] * bet).abs() < 1e-12, "{x:?}");
        }
    }

    #[test]
    fn single_precision_bets_alike() {
        let rule = Coin::default();
        let (mut x, mut double, mut state) = (Storage::F32(vec![2.0]), [2.0], rule.start(1));
        let mut single = rule.start_parts(&[(1, DType::F32)]);
        for t in 0..20 {
            let g = double[0] - 1.0 + (f64::from(t) * 0.9).cos();
            rule.update(&mut double, &[g], &mut state);
            rule.begin(&|| 0.0, &mut single);
            rule.apply(&(), 0, &mut x, &Tensor::from_f32(vec![g as f32], &[1]), &mut single);
        }
        let Storage::F32(found) = &x else { panic!("the type is kept") };
        assert!((f64::from(found[0]) - double[0]).abs() < 1e-4, "{} and {}", found[0], double[0]);
    }
}
