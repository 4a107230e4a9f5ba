//! The second latent: coded first, it says where each latent lies and how widely.

use super::LAMBDAS;
use super::context::{Context, ContextNetwork, FrozenContext};
use super::transform::{normal, part, zero};
use crate::density::{Bits, Density, SHAPES, bits, mixture_bits};
use crate::factorised::Factorised;
use crate::integer::{Layer, Network};
use crate::mixture::COMPONENTS;
use crate::tiles::{Tiling, tiled};
use elbo_core::{Result, Rng};
use elbo_nn::bound::lower_bound;
use elbo_tensor::special::logit;
use elbo_tensor::{Constraint, Convolution, DType, Parameter, Parameters, Tensor, nested, nested_mut};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Latents between second latents.
pub(super) const SECOND_STEP: usize = 4;
/// Second latents of a piece, and how far one sees.
const TILING: Tiling = Tiling { tile: 24, reach: 2 };

/// Width that the densities of second latents begin with: they are small at first, and a fit is short.
const START: f64 = 2.0;
/// Where a learned shape begins.
const START_SHAPE: f64 = 1.2;

/// The density of the latents.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Entropy {
    /// Gaussians.
    Gaussian,
    /// Laplace densities.
    Laplace,
    /// Logistic densities.
    Logistic,
    /// Generalised Gaussians of one learned shape.
    GeneralisedModel,
    /// Generalised Gaussians with a learned shape for each channel.
    GeneralisedChannel,
    /// Generalised Gaussians with a shape for each latent, which the second latents say.
    GeneralisedElement,
    /// Mixtures of three Gaussians, all of whose numbers the second latents say; latents are rounded about zero.
    Mixture,
}

impl Entropy {
    /// The density, where it has no shape to learn.
    pub fn fixed(self) -> Option<Density> {
        match self {
            Self::Gaussian => Some(Density::Gaussian),
            Self::Laplace => Some(Density::Laplace),
            Self::Logistic => Some(Density::Logistic),
            Self::GeneralisedModel | Self::GeneralisedChannel | Self::GeneralisedElement | Self::Mixture => None,
        }
    }

    /// Numbers that the second latents say of a latent: its mean, its scale, and its shape where each has its own; of a mixture the mean and
    /// the scale of each Gaussian, then the logits of their weights.
    pub fn numbers(self) -> usize {
        2 + self.added().len()
    }

    /// The numbers after the first mean and scale: which of these two each starts as, if any, and what is added to it.
    fn added(self) -> Vec<(Option<usize>, f64)> {
        match self {
            Self::GeneralisedElement => vec![(None, shape_logit(START_SHAPE))],
            // The Gaussians start apart in their scales alone.
            Self::Mixture => {
                let narrow_and_wide = [(Some(0), 0.0), (Some(1), -1.0), (Some(0), 0.0), (Some(1), 1.0)];
                narrow_and_wide.into_iter().chain([(None, 0.0); COMPONENTS]).collect()
            }
            _ => vec![],
        }
    }

    /// The outputs of a layer for another density, from those `before`, which begin with the means and the scales. `size` numbers of the layer
    /// belong to a number of all latents; a layer of constants also gets what is added.
    pub(super) fn outputs(self, before: &[f32], size: usize, is_constant: bool) -> Vec<f32> {
        let mut out = before[..2 * size].to_vec();
        for (from, constant) in self.added() {
            let start = if is_constant { constant as f32 } else { 0.0 };
            match from {
                Some(k) => out.extend(before[k * size..(k + 1) * size].iter().map(|v| v + start)),
                None => out.resize(out.len() + size, start),
            }
        }
        out
    }
}

/// What is known of latents before they are coded, in real numbers.
pub(super) enum Decoded {
    /// One density about a mean. Of each `[B, C, h, w]`.
    One { mean: Tensor, log_scale: Tensor, density: Bits },
    /// Gaussians with weights. Of each `[K, B, C, h, w]`.
    Mixture { logits: Tensor, means: Tensor, log_scales: Tensor },
}

impl Decoded {
    /// Bits of latents `[B, C, h, w]`.
    pub fn bits(&self, y: &Tensor) -> Tensor {
        match self {
            Self::One { mean, log_scale, density } => bits(density, y, mean, log_scale),
            Self::Mixture { logits, means, log_scales } => mixture_bits(y, logits, means, log_scales),
        }
    }

    /// What latents are rounded about: their means, or zero.
    pub fn centre(&self) -> Tensor {
        match self {
            Self::One { mean, .. } => mean.clone(),
            Self::Mixture { .. } => Tensor::zeros(&[1], DType::F32),
        }
    }
}

/// The hyperprior.
#[derive(Debug, Clone)]
pub struct Hyper {
    latents: usize,
    second: usize,
    width: usize,
    parts: Vec<(&'static str, Parameter)>,
    factorised: Factorised,
    shape: Option<Parameter>,
    context: Option<ContextNetwork>,
    entropy: Entropy,
}

impl Parameters for Hyper {
    fn visit(&self, f: &mut dyn FnMut(&str, &Parameter)) {
        self.parts.iter().for_each(|(name, p)| f(name, p));
        nested("factorised", &self.factorised, f);
        if let Some(shape) = &self.shape {
            f("shape", shape);
        }
        if let Some(context) = &self.context {
            nested("context", context, f);
        }
    }

    fn visit_mut(&mut self, f: &mut dyn FnMut(&str, &mut Parameter)) {
        self.parts.iter_mut().for_each(|(name, p)| f(name, p));
        nested_mut("factorised", &mut self.factorised, f);
        if let Some(shape) = &mut self.shape {
            f("shape", shape);
        }
        if let Some(context) = &mut self.context {
            nested_mut("context", context, f);
        }
    }
}

impl Hyper {
    /// For so many latents, so many second latents, and `width` channels between them. Predicts nothing yet.
    pub fn new([latents, second, width]: [usize; 3], (entropy, context): (Entropy, Context), rng: &mut Rng) -> Self {
        let he = |channels: usize| (2.0 / (9.0 * channels as f64)).sqrt();
        let parts = vec![
            ("encoder.0", normal(&[width, 2 * latents, 3, 3], he(2 * latents), rng)),
            ("encoder.0_bias", zero(&[width])),
            ("encoder.1", normal(&[second, width, 3, 3], he(width), rng)),
            ("encoder.1_bias", zero(&[second])),
            ("decoder.0", normal(&[4 * width, second, 3, 3], he(second), rng)),
            ("decoder.0_bias", zero(&[4 * width])),
            ("decoder.1", normal(&[4 * width, width, 3, 3], he(width), rng)),
            ("decoder.1_bias", zero(&[4 * width])),
            ("decoder.2", zero(&[2 * latents, width, 1, 1])),
            ("decoder.2_bias", zero(&[2 * latents])),
            ("scale", zero(&[LAMBDAS.len(), latents])),
        ];
        let factorised = Factorised::new(second, START, rng);
        let context =
            (context != Context::None).then(|| ContextNetwork::new(context, latents, width, 2 * latents, rng));
        let mut hyper = Self { latents, second, width, parts, factorised, shape: None, context, entropy };
        hyper.set_entropy(entropy);
        hyper
    }

    /// Takes another density; a learned shape starts at 1.2.
    pub fn set_entropy(&mut self, entropy: Entropy) {
        let count = match entropy {
            Entropy::GeneralisedModel => Some(1),
            Entropy::GeneralisedChannel => Some(self.latents),
            _ => None,
        };
        let (low, high) = SHAPES;
        self.entropy = entropy;
        self.shape = count.map(|count| {
            let start = Tensor::full(&[count], START_SHAPE, DType::F32);
            Parameter::from_tensor(&start, Constraint::Interval(low, high))
        });
        // What the second latents say besides mean and scale are more numbers of the last layer.
        let outputs = entropy.numbers() * self.latents;
        for (name, size) in [("decoder.2", vec![self.width, 1, 1]), ("decoder.2_bias", vec![])] {
            let last = self.parts.iter_mut().find(|(n, _)| *n == name).expect("the network has a last layer");
            let each = self.latents * size.iter().product::<usize>();
            let values = entropy.outputs(&last.1.leaf().as_slice::<f32>(), each, size.is_empty());
            last.1 = Parameter::real(&Tensor::from_f32(values, &[vec![outputs], size].concat()));
        }
        if let Some(context) = &mut self.context {
            context.set_entropy(entropy);
        }
    }

    /// What is known of the latents when one is coded.
    pub fn context(&self) -> Context {
        self.context.as_ref().map_or(Context::None, ContextNetwork::context)
    }

    /// The density of the latents.
    pub fn entropy(&self) -> Entropy {
        self.entropy
    }

    /// Number of latents.
    pub fn latents(&self) -> usize {
        self.latents
    }

    /// Number of second latents.
    pub fn second(&self) -> usize {
        self.second
    }

    /// The density of the second latents.
    pub fn factorised(&self) -> &Factorised {
        &self.factorised
    }

    /// The shapes of the density as it stands, one a latent, where they are learned.
    pub fn shapes(&self) -> Option<Vec<f64>> {
        let values = self.shape.as_ref()?.value();
        Some((0..self.latents).map(|c| values[c % values.len()]).collect())
    }

    /// How many latents have a learned shape within 0.02 of a limit of [`SHAPES`].
    pub fn shapes_at_limit(&self) -> usize {
        let (low, high) = SHAPES;
        self.shapes().unwrap_or_default().iter().filter(|s| **s < low + 0.02 || **s > high - 0.02).count()
    }

    /// Holds the encoder fixed, or lets it move.
    pub(super) fn set_encoder_frozen(&mut self, frozen: bool) {
        let encoder = self.parts.iter_mut().filter(|(name, _)| name.starts_with("encoder"));
        encoder.for_each(|(_, p)| p.set_frozen(frozen));
    }

    fn of(&self, name: &str) -> Tensor {
        part(&self.parts, name)
    }

    /// Second latents of latents times their gain.
    pub fn encode(&self, y: &Tensor) -> Tensor {
        let how = Convolution::default().strided(2).padded(1);
        // Large latents are bent towards ten: their size says little more than that they are large.
        let size = y.abs();
        let bent = y / (&size * 0.1 + 1.0);
        let seen = Tensor::cat(&[bent.clone(), bent.abs()], 1);
        let inner = seen.conv2d(&self.of("encoder.0"), Some(&self.of("encoder.0_bias")), &how).relu();
        inner.conv2d(&self.of("encoder.1"), Some(&self.of("encoder.1_bias")), &how)
    }

    /// [`Hyper::encode`] of one large picture, in pieces.
    pub fn encode_tiled(&self, y: &Tensor) -> Tensor {
        tiled(y, [SECOND_STEP, 1], &TILING, &|y| self.encode(y))
    }

    /// What is known of latents times their gain, in real numbers, for training: what [`Hyper::network`] does in integers.
    /// `z: [B, second, h, w]`; `y: [B, C, 4 h, 4 w]`, of which a context sees what it may.
    pub(super) fn decode(&self, z: &Tensor, y: &Tensor, qualities: &[usize], rectify: bool) -> Decoded {
        let how = Convolution::default().padded(1);
        let x = shuffle(&z.conv2d(&self.of("decoder.0"), Some(&self.of("decoder.0_bias")), &how)).relu();
        let x = shuffle(&x.conv2d(&self.of("decoder.1"), Some(&self.of("decoder.1_bias")), &how)).relu();
        let out = x.conv2d(&self.of("decoder.2"), Some(&self.of("decoder.2_bias")), &Convolution::default());
        let out = match &self.context {
            Some(context) => out + context.forward(&x, y),
            None => out,
        };
        let own = self.of("scale").index_select(0, &Tensor::indices(qualities));
        let own = own.reshape(&[qualities.len(), self.latents, 1, 1]);
        let numbers = |k: usize| out.narrow(1, k * self.latents, self.latents);
        if self.entropy == Entropy::Mixture {
            let least = least(&Bits::Fixed(Density::Gaussian));
            let each = |f: &dyn Fn(usize) -> Tensor| Tensor::stack(&(0..COMPONENTS).map(f).collect::<Vec<_>>(), 0);
            return Decoded::Mixture {
                logits: each(&|j| numbers(2 * COMPONENTS + j)),
                means: each(&|j| numbers(2 * j)),
                log_scales: each(&|j| lower_bound(&(numbers(2 * j + 1) + &own), &least, rectify)),
            };
        }
        let density = match (&self.shape, self.entropy.fixed()) {
            (Some(shape), _) => Bits::Shapes(shape.get()),
            (None, Some(density)) => Bits::Fixed(density),
            (None, None) => {
                let (low, high) = SHAPES;
                Bits::Shapes((numbers(2).sigmoid() * (high - low) + low).contiguous())
            }
        };
        let log_scale = lower_bound(&(numbers(1) + own), &least(&density), rectify);
        Decoded::One { mean: numbers(0).contiguous(), log_scale, density }
    }

    /// The decoder in integers.
    ///
    /// # Errors
    /// As [`Layer::convolution`].
    pub fn network(&self) -> Result<Network> {
        let convolution = |name: &str, kernel: usize| {
            let (weights, bias) = (self.of(name), self.of(&format!("{name}_bias")));
            let shape = [weights.size(0), weights.size(1), kernel];
            Layer::convolution(&weights.to_vec(), &bias.to_vec(), shape)
        };
        let layers = vec![
            convolution("decoder.0", 3)?,
            Layer::Shuffle,
            Layer::Relu,
            convolution("decoder.1", 3)?,
            Layer::Shuffle,
            Layer::Relu,
            convolution("decoder.2", 1)?,
        ];
        Ok(Network { layers })
    }

    /// The context in integers, where there is one.
    ///
    /// # Errors
    /// As [`Layer::convolution`].
    pub(super) fn frozen_context(&self) -> Result<Option<FrozenContext>> {
        self.context.as_ref().map(ContextNetwork::freeze).transpose()
    }

    /// Logarithms of scales that each channel has at each quality before the second latent says more, `[qualities, C]`.
    pub fn own_scales(&self) -> Vec<f64> {
        self.of("scale").to_vec()
    }

    /// Sets them.
    pub(super) fn set_own_scales(&mut self, values: &[f64]) {
        let scale = self.parts.iter_mut().find(|(name, _)| *name == "scale").expect("the network has scales");
        scale.1.set(values).expect("scales are finite");
    }

    /// Channels between the second latents and the scales.
    pub fn width(&self) -> usize {
        self.width
    }
}

/// The number whose sigmoid is the place of a shape between the limits.
pub(super) fn shape_logit(shape: f64) -> f64 {
    let (low, high) = SHAPES;
    logit((shape - low) / (high - low))
}

/// The logarithm of the least scale, `[1, C, 1, 1]`, `[1, 1, 1, 1]` or one for each latent, with its slope in a learned shape.
fn least(density: &Bits) -> Tensor {
    let shape = match density {
        Bits::Fixed(density) => {
            return Tensor::full(&[1, 1, 1, 1], density.least_scale().ln(), DType::F32).contiguous();
        }
        Bits::Shapes(shape) => shape.clone(),
    };
    let size = if shape.rank() == 4 { shape.shape().to_vec() } else { vec![1, shape.len(), 1, 1] };
    let found: Vec<[f64; 2]> = shape.to_vec().into_par_iter().map(Density::least_scale_of).collect();
    let of = |k: usize| Tensor::from_f32(found.iter().map(|f| f[k] as f32).collect(), &size);
    let (value, slope) = (of(0), of(1));
    let back = shape.shape().to_vec();
    Tensor::custom("least_scale", vec![shape], value, move |g, _| vec![Some((g * &slope).reshape(&back))])
}

/// Four channels become the four pixels of one, as [`Layer::Shuffle`].
fn shuffle(x: &Tensor) -> Tensor {
    let [b, c, h, w] = [x.size(0), x.size(1) / 4, x.size(2), x.size(3)];
    let apart = x.reshape(&[b, c, 2, 2, h, w]).permute(&[0, 1, 4, 2, 5, 3]);
    apart.reshape(&[b, c, 2 * h, 2 * w])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integer::{FRACTION, Image};

    #[test]
    fn integers_do_what_training_does() {
        let mut rng = Rng::new(5);
        let mut hyper = Hyper::new([6, 4, 8], (Entropy::Laplace, Context::None), &mut rng);
        hyper.visit_mut(&mut |name, p| {
            if name.starts_with("decoder") || name == "scale" {
                let moved: Vec<f64> = p.value().iter().map(|v| v + 0.1 * rng.normal()).collect();
                p.set(&moved).unwrap();
            }
        });
        let values: Vec<i32> = (0..4 * 3 * 5).map(|_| rng.below(9) as i32 - 4).collect();
        let z = Tensor::from_f32(values.iter().map(|v| *v as f32).collect(), &[1, 4, 3, 5]);
        let nothing = Tensor::zeros(&[1, 6, 12, 20], DType::F32);
        let Decoded::One { mean, log_scale, .. } = hyper.decode(&z, &nothing, &[2], false) else {
            panic!("one density")
        };
        let image = Image { shape: [4, 3, 5], values: values.iter().map(|v| v << FRACTION).collect() };
        let found = hyper.network().unwrap().run(image);
        assert_eq!(found.shape, [12, 12, 20]);
        let (means, scales) = found.values.split_at(6 * 240);
        for (a, b) in means.iter().zip(mean.to_vec()) {
            assert!((f64::from(*a) / 1024.0 - b).abs() < 0.01, "{a} {b}");
        }
        let own = hyper.own_scales();
        for (i, (a, b)) in scales.iter().zip(log_scale.to_vec()).enumerate() {
            let a = f64::from(*a) / 1024.0 + own[2 * 6 + i / 240];
            assert!((a.max(Density::Laplace.least_scale().ln()) - b).abs() < 0.01, "{a} {b}");
        }
    }
}
