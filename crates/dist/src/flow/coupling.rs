use super::{MaskedNetwork, Monotone};
use crate::transform::{Bijector, merged};
use elbo_core::Rng;
use elbo_tensor::{Parameter, Tensor};

/// Some coordinates stay, and condition a monotone map of each of the others.
///
/// # Source
/// Dinh, Sohl-Dickstein and Bengio (2017).
#[derive(Debug, Clone)]
pub struct Coupling {
    kept: Vec<usize>,
    changed: Vec<usize>,
    network: MaskedNetwork,
    map: Monotone,
    /// Added to the network's output: the map's own, unconditional parameters, `[changed * P]`.
    base: Parameter,
}

impl Coupling {
    /// Changes the coordinates where `mask: [D]` is true; the conditioner has these hidden layers. Both kinds of coordinates must be present.
    pub fn new(mask: &[bool], map: Monotone, hidden: &[usize], rng: &mut Rng) -> Self {
        let at = |wanted: bool| (0..mask.len()).filter(|i| mask[*i] == wanted).collect::<Vec<_>>();
        let (kept, changed) = (at(false), at(true));
        assert!(
            !kept.is_empty() && !changed.is_empty(),
            "a coupling changes some coordinates and keeps some: {mask:?}"
        );
        let outputs = changed.len() * map.parameters();
        let network = MaskedNetwork::dense(&[&[kept.len()], hidden, &[outputs]].concat(), rng);
        let base = Parameter::real(&Tensor::from_vec(vec![0.0; outputs], &[outputs]));
        Self { kept, changed, network, map, base }
    }

    fn apply(&self, x: &Tensor, map: impl Fn(&Tensor, &Tensor) -> (Tensor, Tensor)) -> (Tensor, Tensor) {
        let kept = x.index_select(-1, &Tensor::indices(&self.kept));
        let changed = x.index_select(-1, &Tensor::indices(&self.changed));
        let raw = self.network.forward(&kept) + self.base.get();
        let raw = raw.reshape(&[changed.shape(), &[self.map.parameters()]].concat());
        let (image, log_slope) = map(&changed, &raw);
        (merged(kept, &self.kept, image, &self.changed), log_slope.sum_axis(-1, false))
    }
}

elbo_tensor::parameters!(Coupling { network, base });

impl Bijector for Coupling {
    fn ranks(&self) -> (usize, usize) {
        (1, 1)
    }
    fn forward(&self, x: &Tensor) -> (Tensor, Tensor) {
        self.apply(x, |x, raw| self.map.forward(x, raw))
    }
    fn inverse(&self, y: &Tensor) -> Option<(Tensor, Tensor)> {
        Some(self.apply(y, |y, raw| self.map.inverse(y, raw)))
    }
}
