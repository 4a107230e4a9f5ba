//! Networks of functions that were sampled at points: what they give is an integral over the domain, and does not depend on how finely it was sampled.

use crate::activation::Activation;
use crate::layer::{Build, Layer, MOST_WIDTH, Pass, Sequential, check_widths, refuse};
use crate::network::{MlpConfig, mlp};
use elbo_core::{Result, ensure, ensure_within};
use elbo_tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of a network of functions: ρ(∫ φ(y, u(y)) dy / |Ω|) with networks φ and ρ, the integral a weighted mean over the points.
///
/// Data points `[N]` are functions of one variable, `[T, M]` with M values at each of T places, and pictures `[C, H, W]` with C values at each place of a plane.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct OperatorConfig {
    /// Widths of the hidden layers of both networks.
    pub hidden: Vec<usize>,
    /// Numbers whose integrals are taken.
    pub features: usize,
    /// The nonlinear function.
    pub activation: Activation,
    /// Coordinates of the places, one place after the other, as many for each; none for the middles of equal cells of the unit interval or square.
    pub points: Vec<f64>,
    /// Quadrature weights of the places; none for equal ones.
    pub weights: Vec<f64>,
}

impl Default for OperatorConfig {
    fn default() -> Self {
        Self { hidden: vec![128], features: 128, activation: Activation::Gelu, points: vec![], weights: vec![] }
    }
}

/// Places of a domain, and values at each.
struct Grid {
    places: usize,
    values: usize,
    /// Whether all places of one value stand together, as the channels of a picture do.
    is_by_value: bool,
    /// Coordinates of a place, and those of all, `[places, dims]`.
    dims: usize,
    coordinates: Vec<f64>,
}

impl OperatorConfig {
    fn grid(&self, shape: &[usize]) -> Result<Grid> {
        let middles = |n: usize| (0..n).map(move |i| (i as f64 + 0.5) / n as f64);
        let (places, values, is_by_value, natural): (usize, usize, bool, Vec<f64>) = match *shape {
            [n] => (n, 1, false, middles(n).collect()),
            [t, m] => (t, m, false, middles(t).collect()),
            [c, h, w] => (h * w, c, true, middles(h).flat_map(|y| middles(w).flat_map(move |x| [y, x])).collect()),
            _ => return refuse("operator", shape, "functions [N], [T, M] or [C, H, W]"),
        };
        let own = &self.points;
        let found = format!("{} numbers for {places} places", own.len());
        let fits = places > 0 && own.len().is_multiple_of(places) && own.iter().all(|v| v.is_finite());
        ensure("encoder.points", found, fits, "as many finite coordinates for each place, or none")?;
        let coordinates = if own.is_empty() { natural } else { own.clone() };
        Ok(Grid { places, values, is_by_value, dims: coordinates.len() / places, coordinates })
    }

    /// Weights of the places, which add up to one.
    fn shares(&self, places: usize) -> Result<Vec<f64>> {
        if self.weights.is_empty() {
            return Ok(vec![1.0 / places as f64; places]);
        }
        let total: f64 = self.weights.iter().sum();
        let are_weights = self.weights.iter().all(|w| w.is_finite() && *w >= 0.0) && total > 0.0;
        let found = format!("{} numbers with the sum {total} for {places} places", self.weights.len());
        let fits = are_weights && self.weights.len() == places;
        ensure("encoder.weights", found, fits, "one number of at least 0 for each place and one above 0, or none")?;
        Ok(self.weights.iter().map(|w| w / total).collect())
    }

    /// The network from functions of this shape, with `has_mask` which of their values are there behind them, to `width` numbers.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for shapes that are no functions, and for points and weights of another number of places.
    pub fn build(&self, shape: &[usize], has_mask: bool, width: usize, build: &mut Build<'_>) -> Result<Operator> {
        check_widths("encoder.hidden", &self.hidden)?;
        ensure_within("encoder.features", self.features, 1..=MOST_WIDTH)?;
        let Grid { places, values, is_by_value, dims, coordinates } = self.grid(shape)?;
        let shares = self.shares(places)?;
        let config = MlpConfig::new(&self.hidden, self.activation);
        let seen = dims + values * if has_mask { 2 } else { 1 };
        Ok(Operator {
            places,
            values,
            is_by_value,
            has_mask,
            coordinates: Tensor::from_vec(coordinates, &[1, places, dims]).cast(build.dtype),
            weights: Tensor::from_vec(shares, &[1, places, 1]).cast(build.dtype),
            inner: mlp(seen, self.features, &config, build)?,
            outer: mlp(self.features, width, &config, build)?,
        })
    }
}

/// A network of functions; see [`OperatorConfig`].
///
/// # Source
/// Wang and Perdikaris (2023) for the model of functions; Zaheer et al. (2017) for the mean over points, here with quadrature weights.
pub struct Operator {
    places: usize,
    values: usize,
    is_by_value: bool,
    has_mask: bool,
    coordinates: Tensor,
    weights: Tensor,
    inner: Sequential,
    outer: Sequential,
}

elbo_tensor::parameters!(Operator { "inner": inner, "outer": outer });

impl Operator {
    /// Numbers of a data point `[B, D]` as values at places, `[B, places, values]`.
    fn at_places(&self, x: &Tensor) -> Tensor {
        let rows = x.size(0);
        if self.is_by_value {
            x.reshape(&[rows, self.values, self.places]).t()
        } else {
            x.reshape(&[rows, self.places, self.values])
        }
    }

    /// `x: [B, D]`, row-major functions, with a mask behind them `[B, 2 D]`; returns `[B, width]`. Places without a value drop out of the mean.
    pub fn forward(&self, x: &Tensor, pass: &mut Pass<'_>) -> Tensor {
        let (rows, size, dims) = (x.size(0), self.places * self.values, self.coordinates.size(-1));
        let mut parts =
            vec![self.coordinates.broadcast_to(&[rows, self.places, dims]), self.at_places(&x.narrow(-1, 0, size))];
        let mut weights = self.weights.clone();
        if self.has_mask {
            let mask = self.at_places(&x.narrow(-1, size, size));
            weights = weights * mask.max_axis(-1, true);
            parts.push(mask);
        }
        let seen = Tensor::cat(&parts, -1);
        let flat = seen.reshape(&[rows * self.places, seen.size(-1)]);
        let each = self.inner.forward(&flat, pass);
        let each = each.reshape(&[rows, self.places, each.size(-1)]);
        let total = weights.sum_axis(1, false);
        let mean = (each * weights).sum_axis(1, false) / total.maximum(&total.full_like(1e-12));
        self.outer.forward(&mean, pass)
    }
}
