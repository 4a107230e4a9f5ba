use super::{MaskedNetwork, Monotone};
use crate::transform::Bijector;
use elbo_core::Rng;
use elbo_tensor::Tensor;

/// Each coordinate goes through a monotone map conditioned on the coordinates before it: an inverse autoregressive flow, sampled in one pass.
/// [`Invert`](crate::transform::Invert) makes it a masked autoregressive flow, whose density takes one pass.
///
/// # Source
/// Kingma, Salimans, Jozefowicz, Chen, Sutskever and Welling (2016); Papamakarios, Pavlakou and Murray (2017).
#[derive(Debug, Clone)]
pub struct Autoregressive {
    network: MaskedNetwork,
    map: Monotone,
}

impl Autoregressive {
    /// Over `dimension` coordinates in their order; the conditioner has these hidden layers.
    pub fn new(dimension: usize, map: Monotone, hidden: &[usize], rng: &mut Rng) -> Self {
        Self::conditional(0, dimension, map, hidden, rng)
    }

    /// The same with a conditioner that also sees `context` numbers of each point: for [`Autoregressive::forward_given`].
    pub fn conditional(context: usize, dimension: usize, map: Monotone, hidden: &[usize], rng: &mut Rng) -> Self {
        Self { network: MaskedNetwork::conditional(context, dimension, hidden, map.parameters(), rng), map }
    }

    /// Images of points `x: [..., D]` with this context `[..., C]`, and log-determinants `[...]`.
    pub fn forward_given(&self, x: &Tensor, context: Option<&Tensor>) -> (Tensor, Tensor) {
        let (y, log_slope) = self.map.forward(x, &self.raw(x, context));
        (y, log_slope.sum_axis(-1, false))
    }

    /// Points of images `y: [..., D]` with this context `[..., C]`, and log-determinants of the inverse `[...]`. One pass a coordinate:
    /// the parameters of a coordinate are known once those before it are.
    pub fn inverse_given(&self, y: &Tensor, context: Option<&Tensor>) -> (Tensor, Tensor) {
        let d = y.size(-1);
        let mut known: Vec<Tensor> = vec![];
        let mut log_slopes = vec![];
        for i in 0..d {
            let zeros = Tensor::zeros(&[&y.shape()[..y.rank() - 1], &[d - i]].concat(), y.dtype());
            let x = Tensor::cat(&[&known[..], &[zeros]].concat(), -1);
            let raw = self.raw(&x, context).narrow(-2, i, 1);
            let (xi, log_slope) = self.map.inverse(&y.narrow(-1, i, 1), &raw);
            known.push(xi);
            log_slopes.push(log_slope);
        }
        (Tensor::cat(&known, -1), Tensor::cat(&log_slopes, -1).sum_axis(-1, false))
    }

    fn raw(&self, x: &Tensor, context: Option<&Tensor>) -> Tensor {
        let numbers = match context {
            Some(context) => self.network.forward(&Tensor::cat(&[context.clone(), x.clone()], -1)),
            None => self.network.forward(x),
        };
        numbers.reshape(&[x.shape(), &[self.map.parameters()]].concat())
    }
}

elbo_tensor::parameters!(Autoregressive { network });

impl Bijector for Autoregressive {
    fn ranks(&self) -> (usize, usize) {
        (1, 1)
    }
    fn forward(&self, x: &Tensor) -> (Tensor, Tensor) {
        self.forward_given(x, None)
    }
    fn inverse(&self, y: &Tensor) -> Option<(Tensor, Tensor)> {
        Some(self.inverse_given(y, None))
    }
}
