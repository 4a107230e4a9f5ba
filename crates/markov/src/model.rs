//! State-space models: what a kernel becomes on a grid of times.

use crate::kernel::{Block, Factor, Kernel};
use crate::scalar::{Dual, Real};
use crate::small;
use elbo_core::{Error, Result};
use rayon::prelude::*;
use std::collections::HashMap;

/// Times in increasing order, and the distinct gaps between them.
#[derive(Debug, Clone, PartialEq)]
pub struct Grid {
    times: Vec<f64>,
    gaps: Vec<f64>,
    gap: Vec<u32>,
}

impl Grid {
    /// A grid of strictly increasing times. Transitions are computed once for each distinct gap; gaps that differ by no more than the rounding of
    /// the times, as those of a calendar in years do, become one, or two where a border of the rounding lies between them.
    ///
    /// # Errors
    /// [`Error::Data`] for no times, times that are not finite, and times that do not increase.
    pub fn new(times: &[f64]) -> Result<Self> {
        if times.is_empty() {
            return Err(Error::data("there are no times", "give at least one row"));
        }
        if let Some(i) = times.iter().position(|t| !t.is_finite()) {
            return Err(Error::data(
                format!("the time of row {} is {}", i + 1, times[i]),
                "remove the row, or write its time",
            ));
        }
        let mut known: HashMap<u64, u32> = HashMap::new();
        let largest = times[0].abs().max(times[times.len() - 1].abs());
        // At least the smallest number there is, so that gaps of tiny times do not all become one.
        let quantum = (4.0 * f64::EPSILON * largest).max(f64::from_bits(1));
        let (mut gaps, mut gap) = (vec![], Vec::with_capacity(times.len() - 1));
        for (i, pair) in times.windows(2).enumerate() {
            let width = pair[1] - pair[0];
            if width <= 0.0 {
                return Err(Error::data(
                    format!("time {} of row {} does not follow {}", pair[1], i + 2, pair[0]),
                    "sort the rows by time, and merge those of equal time",
                ));
            }
            if !width.is_finite() {
                return Err(Error::data(
                    format!(
                        "the times of rows {} and {} are {} and {}, too far apart for a number",
                        i + 1,
                        i + 2,
                        pair[0],
                        pair[1]
                    ),
                    "write the times in a larger unit, or mend them",
                ));
            }
            let index = *known.entry((width / quantum).round().to_bits()).or_insert_with(|| {
                gaps.push(width);
                gaps.len() as u32 - 1
            });
            gap.push(index);
        }
        Ok(Self { times: times.to_vec(), gaps, gap })
    }

    /// `steps` times from `first` on, `width` apart: one distinct gap.
    pub fn regular(first: f64, width: f64, steps: usize) -> Self {
        assert!(steps > 0 && width > 0.0, "a regular grid has steps of a positive width");
        let times = (0..steps).map(|k| first + width * k as f64).collect();
        let gaps = if steps > 1 { vec![width] } else { vec![] };
        Self { times, gaps, gap: vec![0; steps - 1] }
    }

    /// The times, `[T]`.
    pub fn times(&self) -> &[f64] {
        &self.times
    }

    /// Number of steps, `T`.
    pub fn len(&self) -> usize {
        self.times.len()
    }

    /// Whether there are none; never for a grid that was made.
    pub fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    /// Distinct gaps.
    pub fn gaps(&self) -> &[f64] {
        &self.gaps
    }

    /// The gap before each step but the first, as an index into [`Grid::gaps`]; `[T - 1]`.
    pub fn gap_indices(&self) -> &[u32] {
        &self.gap
    }

    /// The single gap of a regular grid.
    pub fn width(&self) -> Option<f64> {
        (self.gaps.len() == 1).then(|| self.gaps[0])
    }
}

/// Where a block lies in the state, and in the packed transitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// First coordinate of the state.
    pub at: usize,
    /// Number of coordinates.
    pub size: usize,
    /// First entry in a packed transition.
    pub packed: usize,
}

/// `x' = A x + w`, `f = H x` on a grid: block-diagonal transitions, each distinct gap once.
///
/// Public as plain arrays, so that other models than those of a [`Kernel`] can use the same passes.
#[derive(Debug, Clone, PartialEq)]
pub struct Chain<T> {
    /// The blocks.
    pub places: Vec<Place>,
    /// Dimension of the state, `n`.
    pub size: usize,
    /// Entries of a packed transition: the sum of squared block sizes.
    pub packed: usize,
    /// Number of outputs, `L`.
    pub outputs: usize,
    /// `[L, n]`.
    pub h: Vec<T>,
    /// Covariance of the first state, `[n, n]`.
    pub start: Vec<T>,
    /// Transitions, `[distinct gaps, packed]`.
    pub a: Vec<T>,
    /// Process covariances, `[distinct gaps, packed]`.
    pub q: Vec<T>,
    /// The gap before each step but the first, `[T - 1]`.
    pub gap: Vec<u32>,
}

impl<T: Real> Chain<T> {
    /// Number of steps.
    pub fn len(&self) -> usize {
        self.gap.len() + 1
    }

    /// Whether there are no steps; never.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The transition before step `k >= 1`, packed: `(A, Q)`.
    pub fn transition(&self, k: usize) -> (&[T], &[T]) {
        let at = self.gap[k - 1] as usize * self.packed;
        (&self.a[at..at + self.packed], &self.q[at..at + self.packed])
    }

    /// A packed block-diagonal matrix as a dense one, `[n, n]`.
    pub fn dense(&self, packed: &[T]) -> Vec<T> {
        let n = self.size;
        let mut out = vec![T::of(0.0); n * n];
        for place in &self.places {
            for i in 0..place.size {
                for j in 0..place.size {
                    out[(place.at + i) * n + place.at + j] = packed[place.packed + i * place.size + j];
                }
            }
        }
        out
    }

    /// The same numbers in another precision.
    pub fn cast<U: Real>(&self) -> Chain<U> {
        let cast = |values: &[T]| values.iter().map(|v| U::of(v.value())).collect();
        Chain {
            places: self.places.clone(),
            size: self.size,
            packed: self.packed,
            outputs: self.outputs,
            h: cast(&self.h),
            start: cast(&self.start),
            a: cast(&self.a),
            q: cast(&self.q),
            gap: self.gap.clone(),
        }
    }
}

/// Derivatives of a scalar by the numbers of a [`Chain`].
#[derive(Debug, Clone, PartialEq)]
pub struct ChainGradient<T> {
    /// By `h`, `[L, n]`.
    pub h: Vec<T>,
    /// By the first state's covariance, `[n, n]`, as if its entries were independent.
    pub start: Vec<T>,
    /// By the transitions, `[distinct gaps, packed]`.
    pub a: Vec<T>,
    /// By the process covariances, `[distinct gaps, packed]`.
    pub q: Vec<T>,
}

impl ChainGradient<Dual> {
    /// The derivatives' own derivatives.
    pub fn tangent(&self) -> ChainGradient<f64> {
        let tangent = |values: &[Dual]| values.iter().map(|v| v.d).collect();
        ChainGradient { h: tangent(&self.h), start: tangent(&self.start), a: tangent(&self.a), q: tangent(&self.q) }
    }
}

/// One or several independent latent functions as one state.
///
/// The state has unit scale: lengthscales and periods are in the transitions, standard deviations in `H`.
#[derive(Debug, Clone)]
pub struct StateSpace {
    blocks: Vec<Block>,
    /// The latent of each block, and the component of that latent.
    owners: Vec<(usize, usize)>,
    places: Vec<Place>,
    parameters: usize,
    latents: usize,
    origin: f64,
}

impl StateSpace {
    /// The state of one function. Kernels that are not stationary start at `origin`.
    ///
    /// # Errors
    /// As [`StateSpace::of_latents`].
    pub fn new(kernel: &Kernel, origin: f64) -> Result<Self> {
        Self::of_latents(std::slice::from_ref(kernel), origin)
    }

    /// The joint state of independent functions, one output each.
    ///
    /// # Errors
    /// As [`Kernel::blocks`]; [`Error::Setting`] where rounding leaves no variance, as with a periodic kernel of a tiny lengthscale.
    pub fn of_latents(kernels: &[Kernel], origin: f64) -> Result<Self> {
        let (mut blocks, mut owners, mut parameters) = (vec![], vec![], 0);
        for (latent, kernel) in kernels.iter().enumerate() {
            let mut component_of = vec![];
            for (component, part) in kernel.components().iter().enumerate() {
                component_of.extend(std::iter::repeat_n(component, part.blocks()?.len()));
            }
            for (mut block, component) in kernel.blocks()?.into_iter().zip(component_of) {
                block.rate_parameters.iter_mut().flatten().for_each(|i| *i += parameters);
                block.scale_slopes.iter_mut().for_each(|(i, _)| *i += parameters);
                blocks.push(block);
                owners.push((latent, component));
            }
            parameters += kernel.parameters().len();
        }
        if blocks.is_empty() {
            return Err(Error::Setting {
                setting: "kernel".into(),
                found: "without any variance, which is lost to rounding".into(),
                expected: "a kernel with a part that varies; raise the lengthscale of `periodic`".into(),
            });
        }
        let (mut at, mut packed) = (0, 0);
        let places = blocks
            .iter()
            .map(|block| {
                let size = block.factors.iter().map(|f| f.size()).product();
                let place = Place { at, size, packed };
                at += size;
                packed += size * size;
                place
            })
            .collect();
        Ok(Self { blocks, owners, places, parameters, latents: kernels.len(), origin })
    }

    /// Dimension of the state.
    pub fn size(&self) -> usize {
        self.places.last().map_or(0, |p| p.at + p.size)
    }

    /// Number of parameters of all kernels.
    pub fn parameters(&self) -> usize {
        self.parameters
    }

    /// The blocks.
    pub fn blocks(&self) -> &[Block] {
        &self.blocks
    }

    /// Where each of them lies.
    pub(crate) fn places(&self) -> &[Place] {
        &self.places
    }

    /// Whether the prior is the same at all times.
    pub fn is_stationary(&self) -> bool {
        self.blocks.iter().all(|b| b.factors.iter().all(|f| f.is_stationary()))
    }

    /// Whether some part exists only after the origin.
    pub fn starts_at_origin(&self) -> bool {
        let starts = |f: &Factor| matches!(f, Factor::Wiener | Factor::IntegratedWiener);
        self.blocks.iter().any(|b| b.factors.iter().any(starts))
    }

    /// Covariances of the blocks at the origin, which are those at all times where the prior is stationary.
    pub(crate) fn starts(&self) -> Vec<Vec<f64>> {
        self.blocks.iter().map(|b| block_start(b, 0.0)).collect()
    }

    /// Signs of the state's coordinates when time is reversed, `[n]`: odd derivatives change theirs. `None` where the prior is not
    /// stationary.
    pub fn parity(&self) -> Option<Vec<f64>> {
        let of_factor = |factor: &Factor| -> Option<Vec<f64>> {
            match factor {
                Factor::Matern(_) | Factor::Taylor(_) => {
                    Some((0..factor.size()).map(|i| if i % 2 == 0 { 1.0 } else { -1.0 }).collect())
                }
                Factor::Rotation => Some(vec![1.0, -1.0]),
                Factor::Constant => Some(vec![1.0]),
                Factor::Linear | Factor::Wiener | Factor::IntegratedWiener => None,
            }
        };
        let mut out = vec![];
        for block in &self.blocks {
            let mut signs = vec![1.0];
            for factor in &block.factors {
                let own = of_factor(factor)?;
                signs = signs.iter().flat_map(|a| own.iter().map(move |b| a * b)).collect();
            }
            out.extend(signs);
        }
        Some(out)
    }

    fn packed(&self) -> usize {
        self.places.last().map_or(0, |p| p.packed + p.size * p.size)
    }

    /// Rows that read each component of latent 0 from the state, `[components, n]`.
    pub fn component_rows(&self) -> Vec<f64> {
        let n = self.size();
        let count = self.owners.iter().filter(|o| o.0 == 0).map(|o| o.1 + 1).max().unwrap_or(0);
        let mut rows = vec![0.0; count * n];
        for ((block, place), owner) in self.blocks.iter().zip(&self.places).zip(&self.owners) {
            if owner.0 == 0 {
                rows[owner.1 * n + place.at] = block.scale;
            }
        }
        rows
    }

    /// The model on a grid.
    pub fn chain(&self, grid: &Grid) -> Chain<f64> {
        let (n, packed) = (self.size(), self.packed());
        let mut h = vec![0.0; self.latents * n];
        let mut start = vec![0.0; n * n];
        for ((block, place), owner) in self.blocks.iter().zip(&self.places).zip(&self.owners) {
            h[owner.0 * n + place.at] = block.scale;
            let own = block_start(block, grid.times[0] - self.origin);
            for i in 0..place.size {
                for j in 0..place.size {
                    start[(place.at + i) * n + place.at + j] = own[i * place.size + j];
                }
            }
        }
        let mut a = vec![0.0; grid.gaps.len() * packed];
        let mut q = vec![0.0; grid.gaps.len() * packed];
        a.par_chunks_mut(packed).zip(q.par_chunks_mut(packed)).zip(&grid.gaps).with_min_len(256).for_each(
            |((a, q), gap)| {
                for (block, place) in self.blocks.iter().zip(&self.places) {
                    let own = place.packed..place.packed + place.size * place.size;
                    let (block_a, block_q) = block_transition::<f64>(block, &block.rates, *gap);
                    a[own.clone()].copy_from_slice(&block_a);
                    q[own].copy_from_slice(&block_q);
                }
            },
        );
        Chain {
            places: self.places.clone(),
            size: n,
            packed,
            outputs: self.latents,
            h,
            start,
            a,
            q,
            gap: grid.gap.clone(),
        }
    }

    /// From derivatives by the chain's numbers to derivatives by the logarithms of the kernels' parameters, `[parameters]`.
    pub fn pull_back(&self, grid: &Grid, gradient: &ChainGradient<f64>) -> Vec<f64> {
        let (n, packed) = (self.size(), self.packed());
        let mut out = vec![0.0; self.parameters];
        for (b, (block, place)) in self.blocks.iter().zip(&self.places).enumerate() {
            let by_scale = gradient.h[self.owners[b].0 * n + place.at] * block.scale;
            block.scale_slopes.iter().for_each(|(i, slope)| out[*i] += slope * by_scale);
            for (f, parameter) in block.rate_parameters.iter().enumerate() {
                let Some(parameter) = parameter else { continue };
                let own = place.packed..place.packed + place.size * place.size;
                let slope_of = |g: usize| {
                    let mut rates: Vec<Dual> = block.rates.iter().map(|r| Dual::of(*r)).collect();
                    rates[f].d = rates[f].v;
                    let (a, q) = block_transition(block, &rates, grid.gaps[g]);
                    let at = g * packed;
                    let (by_a, by_q) =
                        (&gradient.a[at..at + packed][own.clone()], &gradient.q[at..at + packed][own.clone()]);
                    let dot = |by: &[f64], values: &[Dual]| by.iter().zip(values).map(|(g, v)| g * v.d).sum::<f64>();
                    dot(by_a, &a) + dot(by_q, &q)
                };
                // Summed in order, for the same bits with any number of threads.
                let slopes: Vec<f64> = (0..grid.gaps.len()).into_par_iter().with_min_len(256).map(slope_of).collect();
                out[*parameter] -= slopes.iter().sum::<f64>();
            }
        }
        out
    }
}

/// Covariance of a block's state, `since` after the origin.
fn block_start(block: &Block, since: f64) -> Vec<f64> {
    let mut parts = block.factors.iter().map(|f| (f.start(since), f.size()));
    let (mut out, mut n) = parts.next().expect("a block has a factor");
    for (next, m) in parts {
        out = small::kronecker(&out, &next, n, m);
        n *= m;
    }
    out
}

/// Transition and process covariance of a block. With `A = A₁ ⊗ A₂` and stationary factors,
/// `Q = Q₁ ⊗ P₂ + (A₁ P₁ A₁') ⊗ Q₂`, which has no cancellation.
pub(crate) fn block_transition<T: Real>(block: &Block, rates: &[T], gap: f64) -> (Vec<T>, Vec<T>) {
    let (mut a, mut q) = block.factors[0].transition(rates[0], gap);
    if block.factors.len() == 1 {
        return (a, q);
    }
    let lift = |values: Vec<f64>| -> Vec<T> { values.into_iter().map(T::of).collect() };
    let mut p = lift(block.factors[0].start(0.0));
    let mut n = block.factors[0].size();
    for (factor, rate) in block.factors.iter().zip(rates).skip(1) {
        let m = factor.size();
        let (a2, q2) = factor.transition(*rate, gap);
        let p2 = lift(factor.start(0.0));
        let carried = small::product_transposed(&small::product(&a, &p, n, n, n), &a, n, n, n);
        q = small::kronecker(&q, &p2, n, m);
        q.iter_mut().zip(small::kronecker(&carried, &q2, n, m)).for_each(|(q, more)| *q += more);
        (a, p) = (small::kronecker(&a, &a2, n, m), small::kronecker(&p, &p2, n, m));
        n *= m;
    }
    (a, q)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_that_rounding_made_are_one() {
        let months: Vec<f64> = (0..600).map(|k| 1960.0 + f64::from(k) / 12.0).collect();
        let exact: std::collections::HashSet<u64> = months.windows(2).map(|w| (w[1] - w[0]).to_bits()).collect();
        let grid = Grid::new(&months).unwrap();
        assert!(exact.len() > 1 && grid.gaps().len() == 1, "{} of {}", grid.gaps().len(), exact.len());
        assert!(grid.gaps().iter().all(|g| (g - 1.0 / 12.0).abs() < 1e-11));
        // Real differences stay, however small the times.
        assert_eq!(Grid::new(&[0.0, 1e-9, 2.1e-9, 3.1e-9]).unwrap().gaps().len(), 2);
        assert_eq!(Grid::new(&[0.0, 1e-310, 1e-309]).unwrap().gaps().len(), 2);
        assert_eq!(Grid::new(&[0.0]).unwrap().gaps().len(), 0);
        assert!(Grid::new(&[-1.7e308, 1.7e308]).unwrap_err().to_string().contains("too far apart"));
    }

    #[test]
    fn a_kernel_without_variance_is_refused() {
        let kernel: Kernel = "periodic(lengthscale=1e-200)".parse().unwrap();
        let error = StateSpace::new(&kernel, 0.0).unwrap_err().to_string();
        assert!(error.contains("variance"), "{error}");
    }
}
