use super::amortised::Layer;
use super::spline::MOST_BINS;
use super::{Amortised, Autoregressive, Continuous, Coupling, Flow, Monotone, Planar, Radial, Spline, Sylvester};
use crate::transform::{Bijector, Householder, Invert, Permutation};
use elbo_core::{Error, Result, Rng};
use elbo_tensor::Tensor;
use std::fmt;
use std::str::FromStr;

/// A flow as a text: `family:layers`, or `family:layersxsize`.
///
/// | text | layers |
/// |---|---|
/// | `planar:K`, `radial:K` | `K` of the kind |
/// | `householder:K` | `K` reflections: a Gaussian with dense covariance |
/// | `sylvester:KxM` | `K` layers of `M` reflections |
/// | `nice:KxH`, `realnvp:KxH` | `K` couplings, additive or affine, with conditioners of two layers of `H` units |
/// | `iaf:KxH`, `maf:KxH` | `K` autoregressive layers, fast to sample or fast to evaluate |
/// | `spline:KxB` | `K` spline couplings of `B` bins |
/// | `continuous:KxH` | one differential equation, in `K` Runge-Kutta steps, with a velocity of two layers of `H` units |
///
/// `K` is at most 10,000, a size from 1 to 10,000 (bins from 2 to 500), `K` times the squared size at most 1e8, and so are the weights that grow
/// with the coordinates, which bounds the memory. `K = 0` leaves the Gaussian base. More steps of a continuous flow make its
/// inverse and density more accurate, with the weights of one step. Couplings of one coordinate do not exist; there the spline
/// has no conditioner.
///
/// ```
/// use elbo_dist::flow::FlowSpec;
/// let spec: FlowSpec = "spline:4x8".parse().unwrap();
/// assert_eq!(spec.to_string(), "spline:4x8");
/// let flow = spec.build(2, &mut elbo_core::Rng::new(1)).unwrap();
/// assert_eq!(flow.dimension(), 2);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowSpec {
    family: Family,
    layers: usize,
    size: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Planar,
    Radial,
    Householder,
    Sylvester,
    Nice,
    RealNvp,
    Iaf,
    Maf,
    Spline,
    Continuous,
}

/// Name, family, and the size taken when the text gives none; zero where there is no size.
const FAMILIES: [(&str, Family, usize); 10] = [
    ("planar", Family::Planar, 0),
    ("radial", Family::Radial, 0),
    ("householder", Family::Householder, 0),
    ("sylvester", Family::Sylvester, 2),
    ("nice", Family::Nice, 32),
    ("realnvp", Family::RealNvp, 32),
    ("iaf", Family::Iaf, 32),
    ("maf", Family::Maf, 32),
    ("spline", Family::Spline, 8),
    ("continuous", Family::Continuous, 32),
];

/// Half the width of a spline's box, in units of the base's standard deviation.
const SPLINE_BOUND: f64 = 5.0;
/// Units of each of the two hidden layers of a spline's conditioner.
const SPLINE_HIDDEN: usize = 32;
/// Most layers, and largest size of one.
const MOST: usize = 10_000;
/// Most layers times squared size: 800 MB of weights between hidden units. As many may grow with the coordinates.
const MOST_CONNECTIONS: u64 = 100_000_000;

impl FromStr for FlowSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refuse = || {
            Error::Setting {
            setting: "flow".into(),
            found: format!("`{text}`"),
            expected: "FAMILY:LAYERS or FAMILY:LAYERSxSIZE, as in planar:32 or spline:4x8, with a family out of planar, radial, \
                       householder, sylvester, nice, realnvp, iaf, maf, spline, continuous; up to 10000 layers, a size from 1 to 10000 \
                       (for spline 2 to 500), and LAYERS times SIZE squared up to 1e8"
                .into(),
        }
        };
        let (name, counts) = text.trim().split_once(':').ok_or_else(refuse)?;
        let (_, family, default) = *FAMILIES.iter().find(|(known, ..)| *known == name).ok_or_else(refuse)?;
        let number = |t: &str| t.parse::<usize>().map_err(|_| refuse());
        let (layers, size) = match counts.split_once('x') {
            Some((layers, size)) if default > 0 => (number(layers)?, number(size)?),
            None => (number(counts)?, default),
            Some(_) => return Err(refuse()),
        };
        let sizes = match family {
            _ if default == 0 => 0..=0,
            Family::Spline => 2..=MOST_BINS,
            _ => 1..=MOST,
        };
        if layers > MOST || !sizes.contains(&size) || layers as u64 * (size as u64).pow(2) > MOST_CONNECTIONS {
            return Err(refuse());
        }
        Ok(Self { family, layers, size })
    }
}

impl fmt::Display for FlowSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, _, default) =
            FAMILIES.iter().find(|(_, family, _)| *family == self.family).expect("every family is listed");
        write!(f, "{name}:{}", self.layers)?;
        if *default > 0 { write!(f, "x{}", self.size) } else { Ok(()) }
    }
}

impl FlowSpec {
    /// Number of layers; of a continuous flow, its steps.
    pub fn layers(&self) -> usize {
        self.layers
    }

    /// Whether the density of any point is known, not only that of own draws; of a continuous flow, to the error of its steps.
    pub fn is_invertible(&self) -> bool {
        self.layers == 0 || !matches!(self.family, Family::Planar | Family::Sylvester)
    }

    /// A flow over `dimension` coordinates with a standard normal base, at or near the identity.
    ///
    /// # Errors
    /// [`Error::Setting`] for couplings of fewer than two coordinates, and for more than 1e8 weights that grow with the coordinates.
    pub fn build(&self, dimension: usize, rng: &mut Rng) -> Result<Flow> {
        self.check_dimension(dimension)?;
        if dimension < 2 && self.layers > 0 && matches!(self.family, Family::Nice | Family::RealNvp) {
            return Err(Error::Setting {
                setting: "flow".into(),
                found: format!("`{self}` for one unknown"),
                expected: "planar, radial, or spline where there is one unknown".into(),
            });
        }
        let mut layers: Vec<Box<dyn Bijector>> = vec![];
        for k in 0..self.maps() {
            self.push_layer(k, dimension, rng, &mut layers);
        }
        Ok(Flow::new(dimension, layers))
    }

    /// Maps with weights of their own: all steps of a continuous flow share theirs.
    fn maps(&self) -> usize {
        if self.family == Family::Continuous { self.layers.min(1) } else { self.layers }
    }

    /// Refuses layers whose weights from and to this many coordinates would fill the memory.
    fn check_dimension(&self, dimension: usize) -> Result<()> {
        let (d, size) = (dimension as u64, self.size as u64);
        // For each coordinate of a layer. A coupling changes half of them.
        let each = match self.family {
            Family::Planar | Family::Radial | Family::Householder => 2,
            Family::Sylvester => size.saturating_add(d.saturating_mul(2)),
            Family::Nice | Family::RealNvp => 2 * size,
            Family::Iaf | Family::Maf => 3 * size,
            Family::Spline => SPLINE_HIDDEN as u64 * 3 * size / 2,
            Family::Continuous => 2 * size,
        };
        if (self.maps() as u64).saturating_mul(each).checked_mul(d).is_some_and(|weights| weights <= MOST_CONNECTIONS) {
            return Ok(());
        }
        Err(Error::Setting {
            setting: "flow".into(),
            found: format!("`{self}` for {dimension} coordinates"),
            expected:
                "fewer layers, a smaller size or fewer coordinates: up to 1e8 weights that grow with the coordinates"
                    .into(),
        })
    }

    /// Refuses what has no [`FlowSpec::amortised`].
    ///
    /// # Errors
    /// [`Error::Setting`] for other families than `planar`, `nice`, `realnvp`, `iaf` and `spline`, without layers, and for more than 1e8 weights
    /// that grow with the coordinates.
    pub fn check_amortised(&self, dimension: usize) -> Result<()> {
        let is_known = match self.family {
            Family::Planar | Family::Nice | Family::RealNvp | Family::Iaf | Family::Spline => true,
            Family::Radial | Family::Householder | Family::Sylvester | Family::Maf | Family::Continuous => false,
        };
        if self.layers > 0 && is_known {
            return self.check_dimension(dimension);
        }
        Err(Error::Setting {
            setting: "flow".into(),
            found: format!("`{self}` for each data point"),
            expected: "one layer or more of planar, nice, realnvp, iaf or spline, as in iaf:2x32; without a flow the posterior is Gaussian"
                .into(),
        })
    }

    /// How many numbers of an encoder the layers of [`FlowSpec::amortised`] take for each data point: all parameters of planar layers, else as
    /// many as the conditioners have units in a layer.
    pub fn context(&self, dimension: usize) -> usize {
        match self.family {
            Family::Planar => self.layers * (2 * dimension + 1),
            Family::Spline => SPLINE_HIDDEN,
            _ => self.size,
        }
    }

    /// Layers over `dimension` coordinates for each data point, at or near the identity but for the gates of `iaf`.
    ///
    /// # Errors
    /// Those of [`FlowSpec::check_amortised`].
    pub fn amortised(&self, dimension: usize, rng: &mut Rng) -> Result<Amortised> {
        self.check_amortised(dimension)?;
        let context = self.context(dimension);
        let hidden = [self.size; 2];
        let mut layers = vec![];
        for k in 0..self.layers {
            let coupling = |map: Monotone, hidden: &[usize], rng: &mut Rng| {
                // The context is kept. A single coordinate is conditioned by it alone.
                let own = (0..dimension).map(|i| dimension == 1 || (i + k).is_multiple_of(2));
                let mask: Vec<bool> = own.chain(std::iter::repeat_n(false, context)).collect();
                Layer::Coupling(Box::new(Coupling::new(&mask, map, hidden, rng)))
            };
            let layer = match self.family {
                Family::Planar => Layer::Planar { at: k * (2 * dimension + 1) },
                Family::Nice => coupling(Monotone::Additive, &hidden, rng),
                Family::RealNvp => coupling(Monotone::default(), &hidden, rng),
                Family::Spline => {
                    let map = Monotone::Spline(Spline { bins: self.size, bound: SPLINE_BOUND });
                    coupling(map, &[SPLINE_HIDDEN; 2], rng)
                }
                _ => {
                    if k > 0 {
                        layers.push(Layer::Reversal);
                    }
                    Layer::Autoregressive(Autoregressive::conditional(context, dimension, Monotone::Gate, &hidden, rng))
                }
            };
            layers.push(layer);
        }
        Ok(Amortised::new(context, layers))
    }

    fn push_layer(&self, k: usize, d: usize, rng: &mut Rng, layers: &mut Vec<Box<dyn Bijector>>) {
        let hidden = [self.size; 2];
        // Alternating halves, so that every coordinate is changed once in two layers.
        let mask: Vec<bool> = (0..d).map(|i| (i + k).is_multiple_of(2)).collect();
        let reverse = |layers: &mut Vec<Box<dyn Bijector>>| {
            if k > 0 {
                layers.push(Box::new(Permutation::reversal(d)));
            }
        };
        match self.family {
            Family::Planar => layers.push(Box::new(Planar::random(d, rng))),
            Family::Radial => layers.push(Box::new(Radial::random(d, rng))),
            Family::Householder => {
                let v = Tensor::from_vec((0..d).map(|_| rng.normal()).collect(), &[d]);
                layers.push(Box::new(Householder::new(&v)));
            }
            Family::Sylvester => layers.push(Box::new(Sylvester::random(d, self.size, rng))),
            Family::Nice => layers.push(Box::new(Coupling::new(&mask, Monotone::Additive, &hidden, rng))),
            Family::RealNvp => layers.push(Box::new(Coupling::new(&mask, Monotone::default(), &hidden, rng))),
            Family::Iaf => {
                reverse(layers);
                layers.push(Box::new(Autoregressive::new(d, Monotone::Gate, &hidden, rng)));
            }
            Family::Maf => {
                reverse(layers);
                layers.push(Box::new(Invert(Autoregressive::new(d, Monotone::default(), &hidden, rng))));
            }
            Family::Spline => {
                let map = Monotone::Spline(Spline { bins: self.size, bound: SPLINE_BOUND });
                if d == 1 {
                    layers.push(Box::new(Autoregressive::new(1, map, &[], rng)));
                } else {
                    layers.push(Box::new(Coupling::new(&mask, map, &[SPLINE_HIDDEN; 2], rng)));
                }
            }
            Family::Continuous => layers.push(Box::new(Continuous::new(d, self.size, self.layers, rng))),
        }
    }
}
