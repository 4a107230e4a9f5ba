use elbo_core::Rng;
use elbo_tensor::{Parameter, Parameters, Tensor, nested, nested_mut};

/// A small network with tanh units whose connections may be masked: the conditioner of couplings and autoregressive layers.
///
/// The last layer starts at zero, so that what it conditions starts at the identity; the others at scaled normal weights.
#[derive(Debug, Clone)]
pub struct MaskedNetwork {
    weights: Vec<Parameter>,
    biases: Vec<Parameter>,
    masks: Vec<Option<Tensor>>,
}

impl MaskedNetwork {
    /// Fully connected, of these sizes from input to output.
    pub fn dense(sizes: &[usize], rng: &mut Rng) -> Self {
        Self::with_masks(sizes, vec![None; sizes.len() - 1], rng)
    }

    /// Autoregressive: output `[D * per_output]`, where the numbers of coordinate `i` depend on coordinates before `i` only.
    ///
    /// # Source
    /// Germain, Gregor, Murray and Larochelle (2015); units get the degrees 1..D-1 in turn.
    pub fn autoregressive(dimension: usize, hidden: &[usize], per_output: usize, rng: &mut Rng) -> Self {
        Self::conditional(0, dimension, hidden, per_output, rng)
    }

    /// The same with `context` more inputs in front, which all outputs depend on: `[context + D]` to `[D * per_output]`.
    ///
    /// # Source
    /// Kingma, Salimans, Jozefowicz, Chen, Sutskever and Welling (2016), where the context is the encoder's. The units' degrees then start at 0,
    /// which sees the context alone, so that the first coordinate's numbers depend on it as nonlinearly as the others'.
    pub fn conditional(context: usize, dimension: usize, hidden: &[usize], per_output: usize, rng: &mut Rng) -> Self {
        let sizes = [&[context + dimension], hidden, &[dimension * per_output]].concat();
        let own: Vec<usize> = (1..=dimension).collect();
        let mut degrees = vec![[vec![0; context], own.clone()].concat()];
        let degree = |unit: usize| {
            if context > 0 { unit % dimension } else { 1 + unit % dimension.saturating_sub(1).max(1) }
        };
        for width in hidden {
            degrees.push((0..*width).map(degree).collect());
        }
        degrees.push(own.iter().flat_map(|i| std::iter::repeat_n(*i, per_output)).collect());
        let last = degrees.len() - 2;
        let mask = |k: usize| {
            let (from, to) = (&degrees[k], &degrees[k + 1]);
            let allowed = |a: usize, b: usize| if k == last { a < b } else { a <= b };
            let entries = from.iter().flat_map(|a| to.iter().map(move |b| f64::from(u8::from(allowed(*a, *b)))));
            Some(Tensor::from_vec(entries.collect(), &[from.len(), to.len()]))
        };
        let masks = (0..=last).map(mask).collect();
        Self::with_masks(&sizes, masks, rng)
    }

    fn with_masks(sizes: &[usize], masks: Vec<Option<Tensor>>, rng: &mut Rng) -> Self {
        let layers = sizes.len() - 1;
        let weight = |k: usize, rng: &mut Rng| {
            let (from, to) = (sizes[k], sizes[k + 1]);
            let scale = if k + 1 == layers { 0.0 } else { (1.0 / from.max(1) as f64).sqrt() };
            Parameter::real(&Tensor::from_vec(rng.normals(from * to).iter().map(|v| v * scale).collect(), &[from, to]))
        };
        let weights = (0..layers).map(|k| weight(k, rng)).collect();
        let biases = sizes[1..].iter().map(|n| Parameter::real(&Tensor::from_vec(vec![0.0; *n], &[*n]))).collect();
        Self { weights, biases, masks }
    }

    /// `x: [..., from]` to `[..., to]`.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let mut h = x.clone();
        let last = self.weights.len() - 1;
        for (k, (weight, bias)) in self.weights.iter().zip(&self.biases).enumerate() {
            let weight = match &self.masks[k] {
                Some(mask) => weight.get() * mask,
                None => weight.get(),
            };
            h = h.matmul(&weight) + bias.get();
            if k < last {
                h = h.tanh();
            }
        }
        h
    }
}

impl Parameters for MaskedNetwork {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        nested("weight", &self.weights, f);
        nested("bias", &self.biases, f);
    }
    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        nested_mut("weight", &mut self.weights, f);
        nested_mut("bias", &mut self.biases, f);
    }
}
