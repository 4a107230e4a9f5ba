//! What a message takes from the distance of two atoms.

use crate::layer::{Build, Layer, Linear, Pass, check_widths};
use elbo_core::{Result, ensure, ensure_within};
use elbo_tensor::Tensor;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// Settings of [`Radial`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RadialConfig {
    /// Distance up to which atoms see each other, in the unit of positions.
    pub cutoff: f64,
    /// Waves between zero and the cutoff.
    pub waves: usize,
    /// Order of the polynomial that takes messages to zero at the cutoff.
    pub order: usize,
    /// Widths of the network that makes weights of waves.
    pub hidden: Vec<usize>,
}

impl Default for RadialConfig {
    fn default() -> Self {
        Self { cutoff: 5.0, waves: 8, order: 6, hidden: vec![64, 64] }
    }
}

impl RadialConfig {
    /// Checks ranges.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`].
    pub fn check(&self) -> Result<()> {
        ensure("cutoff", self.cutoff, self.cutoff > 0.0 && self.cutoff.is_finite(), "above 0")?;
        ensure_within("waves", self.waves, 1..=1000)?;
        ensure_within("order", self.order, 2..=100)?;
        check_widths("radial.hidden", &self.hidden)
    }

    /// `1 - (p+1)(p+2)/2 u^p + p(p+2) u^(p+1) - p(p+1)/2 u^(p+2)` of `u = r / cutoff` below one, and zero beyond: value, slope and
    /// curvature vanish at one. `r: [E]`.
    pub fn envelope(&self, r: &Tensor) -> Tensor {
        let (u, p, order) = (r * (1.0 / self.cutoff), self.order as f64, self.order as i32);
        let inner = u.square() * (-0.5 * p * (p + 1.0)) + &u * (p * (p + 2.0)) - 0.5 * (p + 1.0) * (p + 2.0);
        let value = u.powi(order) * inner + 1.0;
        u.lt_scalar(1.0).where_(&value, &value.zeros_like())
    }

    /// Bessel's functions `sqrt(2 / cutoff) sin(n π r / cutoff) / r` for n = 1, 2, ..., times the envelope; `r: [E]`, returns
    /// `[E, waves]`.
    pub fn waves(&self, r: &Tensor) -> Tensor {
        let multiples: Vec<f64> = (1..=self.waves).map(|n| n as f64 * PI / self.cutoff).collect();
        let multiples = Tensor::from_vec(multiples, &[self.waves]).cast(r.dtype());
        let scale = self.envelope(r) / r * (2.0 / self.cutoff).sqrt();
        (r.unsqueeze(1) * multiples).sin() * scale.unsqueeze(1)
    }

    /// The network that makes `out` weights of the waves.
    pub(super) fn build(&self, out: usize, build: &mut Build<'_>) -> Radial {
        let widths = [&[self.waves], self.hidden.as_slice(), &[out]].concat();
        // Without constants the weights vanish with the waves, so that energies are smooth where a neighbour comes into sight.
        let layer = |pair: &[usize]| Linear::new(pair[0], pair[1], false, build);
        Radial { layers: widths.windows(2).map(layer).collect() }
    }
}

/// Linear layers without constants, and x / (1 + e^-x) between them.
pub struct Radial {
    layers: Vec<Linear>,
}

elbo_tensor::parameters!(Radial { "": layers });

impl Radial {
    /// Weights of waves `[E, waves]`, `[E, out]`.
    pub fn weights(&self, waves: &Tensor) -> Tensor {
        let last = self.layers.len() - 1;
        let pass = &mut Pass::evaluation();
        self.layers.iter().enumerate().fold(waves.clone(), |x, (l, layer)| {
            let y = layer.forward(&x, pass);
            if l < last { y.silu() } else { y }
        })
    }
}
