//! LPIPS: the answers of AlexNet or VGG-16, weighed by what people call alike.
//!
//! The weights do not travel with the library. A file holds the convolutions of torchvision's AlexNet or VGG-16 under their names there
//! (`features.0.weight`, ...) and the five heads of LPIPS (`lin0.weight` or `lin0.model.1.weight`, ...); other arrays are passed over.

use super::{check_pictures, unit};
use crate::weights::numbers;
use elbo_core::read::read_file;
use elbo_core::{Error, Result};
use elbo_tensor::{Convolution, DType, Tensor, Window};
use safetensors::SafeTensors;
use std::path::Path;

/// A convolution of the network.
struct Plan {
    /// Its number in torchvision's list of layers.
    index: usize,
    /// Pixels between filters, and zeros around.
    stride: usize,
    padding: usize,
    /// The maxima before it: pixels a window, two apart. Zero for none.
    pool: usize,
    /// Whether its answers are compared.
    is_compared: bool,
}

const fn plan(index: usize, stride: usize, padding: usize, pool: usize, is_compared: bool) -> Plan {
    Plan { index, stride, padding, pool, is_compared }
}

static ALEX: [Plan; 5] = [
    plan(0, 4, 2, 0, true),
    plan(3, 1, 2, 3, true),
    plan(6, 1, 1, 3, true),
    plan(8, 1, 1, 0, true),
    plan(10, 1, 1, 0, true),
];

static VGG: [Plan; 13] = [
    plan(0, 1, 1, 0, false),
    plan(2, 1, 1, 0, true),
    plan(5, 1, 1, 2, false),
    plan(7, 1, 1, 0, true),
    plan(10, 1, 1, 2, false),
    plan(12, 1, 1, 0, false),
    plan(14, 1, 1, 0, true),
    plan(17, 1, 1, 2, false),
    plan(19, 1, 1, 0, false),
    plan(21, 1, 1, 0, true),
    plan(24, 1, 1, 2, false),
    plan(26, 1, 1, 0, false),
    plan(28, 1, 1, 0, true),
];

/// Means and spreads of the channels on `[-1, 1]`, as the networks were trained.
const SHIFT: [f32; 3] = [-0.030, -0.088, -0.188];
const SCALE: [f32; 3] = [0.458, 0.448, 0.450];

struct Layer {
    /// Maxima before the convolution.
    pool: Option<Window>,
    filters: Tensor,
    bias: Tensor,
    how: Convolution,
    /// Weights of the channels of its answers, `[1, C, 1, 1]`, where these are compared.
    head: Option<Tensor>,
}

/// The learned perceptual distance of two pictures.
pub struct Lpips {
    layers: Vec<Layer>,
    /// What the network is called.
    name: &'static str,
}

impl Lpips {
    /// Reads the weights from a file; whether they are AlexNet's or VGG's is seen from the names.
    ///
    /// # Errors
    /// [`Error::File`], and those of [`Lpips::from_safetensors`].
    pub fn read(path: &Path) -> Result<Self> {
        Self::from_safetensors(&read_file("the weights of LPIPS cannot be read", path)?)
    }

    /// The same from the bytes of a safetensors file.
    ///
    /// # Errors
    /// [`Error::ModelFile`] for a file that is damaged, lacks an array, or has layers that do not follow each other.
    pub fn from_safetensors(bytes: &[u8]) -> Result<Self> {
        let file =
            SafeTensors::deserialize(bytes).map_err(|cause| wrong(format!("the weights cannot be read: {cause}")))?;
        let (name, plans) =
            if file.tensor("features.28.weight").is_ok() { ("vgg", &VGG[..]) } else { ("alex", &ALEX[..]) };
        let (mut layers, mut before, mut heads) = (vec![], 3, 0);
        for plan in plans {
            let filters = array(&file, &[format!("features.{}.weight", plan.index)])?;
            let bias = array(&file, &[format!("features.{}.bias", plan.index)])?;
            let &[channels, from, height, width] = filters.shape() else {
                return Err(wrong(format!("`features.{}.weight` is no convolution", plan.index)));
            };
            // Sizes are what the strides and zeros are made for.
            let size = if plan.stride == 4 { 11 } else { 2 * plan.padding + 1 };
            let is_next = from == before && channels > 0 && (height, width) == (size, size);
            if !is_next || bias.shape() != [channels] {
                let (found, bias) = (filters.shape(), bias.shape());
                return Err(wrong(format!(
                    "`features.{}` has shapes {found:?} and {bias:?}; expected filters of {before} channels, {size} x {size}",
                    plan.index
                )));
            }
            let head = if plan.is_compared {
                let head = array(&file, &[format!("lin{heads}.weight"), format!("lin{heads}.model.1.weight")])?;
                if head.len() != channels {
                    return Err(wrong(format!("head {heads} has {} weights for {channels} channels", head.len())));
                }
                heads += 1;
                Some(head.reshape(&[1, channels, 1, 1]))
            } else {
                None
            };
            let pool = (plan.pool > 0).then(|| Window { stride: [2; 2], ..Window::square(plan.pool) });
            let how = Convolution::default().strided(plan.stride).padded(plan.padding);
            layers.push(Layer { pool, filters, bias, how, head });
            before = channels;
        }
        Ok(Self { layers, name })
    }

    /// `alex` or `vgg`: distances of the two are not comparable.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The distances of pictures, one each; differentiable in both.
    ///
    /// # Shapes
    /// `x`, `y: [B, 3, H, W]` on `[0, 1]`; returns `[B]`, zero for equal pictures, without a unit.
    ///
    /// # Errors
    /// [`Error::Data`] for other shapes, and for pictures that are too small for the network.
    pub fn distance(&self, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        check_pictures(x, y, &format!("LPIPS ({})", self.name), self.least())?;
        let (a, b) = (self.answers(x), self.answers(y));
        let heads = self.layers.iter().filter_map(|layer| layer.head.as_ref());
        let one = |((a, b), head): ((&Tensor, &Tensor), &Tensor)| {
            ((a - b).square() * head).sum_axis(1, false).mean_axes(&[1, 2], false)
        };
        let terms = a.iter().zip(&b).zip(heads).map(one);
        Ok(terms.reduce(|sum, term| sum + term).expect("there are five heads"))
    }

    /// Pixels that the shorter side of a picture needs, so that every layer has one left.
    pub fn least(&self) -> usize {
        (1..).find(|size| self.holds(*size)).expect("a picture that is large enough holds every layer")
    }

    /// Whether square pictures of this size leave a pixel at every layer.
    fn holds(&self, size: usize) -> bool {
        let after = |size: usize, layer: &Layer| -> Option<usize> {
            let pooled = match &layer.pool {
                Some(window) => size.checked_sub(window.kernel[0])? / window.stride[0] + 1,
                None => size,
            };
            let shape = layer.filters.shape();
            layer.how.output([pooled; 2], [shape[2], shape[3]]).map(|[height, _]| height)
        };
        self.layers.iter().try_fold(size, after).is_some()
    }

    /// What is compared: answers of length one at every pixel.
    fn answers(&self, x: &Tensor) -> Vec<Tensor> {
        let channels = |values: [f32; 3]| Tensor::from_f32(values.to_vec(), &[1, 3, 1, 1]);
        let mut x = (x.cast(DType::F32) * 2.0 - 1.0 - channels(SHIFT)) / channels(SCALE);
        let mut found = vec![];
        for layer in &self.layers {
            if let Some(window) = &layer.pool {
                x = x.max_pool2d(window);
            }
            x = x.conv2d(&layer.filters, Some(&layer.bias), &layer.how).relu();
            if layer.head.is_some() {
                found.push(unit(&x));
            }
        }
        found
    }
}

fn wrong(message: String) -> Error {
    Error::model_file(
        message,
        "give a safetensors file with torchvision's AlexNet or VGG-16 (`features.0.weight`, ...) and the heads of LPIPS (`lin0.weight`, ...)",
    )
}

/// An array under the first of these names that the file has, in single precision.
fn array(file: &SafeTensors<'_>, names: &[String]) -> Result<Tensor> {
    let view = names.iter().find_map(|name| file.tensor(name).ok());
    let view = view.ok_or_else(|| wrong(format!("the weights have no array `{}`", names[0])))?;
    let values = numbers(&view).filter(|values| values.iter().all(|v| v.is_finite()));
    let values = values.ok_or_else(|| wrong(format!("`{}` does not hold finite numbers", names[0])))?;
    Ok(Tensor::from_f32(values.iter().map(|v| *v as f32).collect(), view.shape()))
}
