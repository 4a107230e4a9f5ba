//! Networks in integer arithmetic: the same bits on every machine, in every build, with any number of threads.
//!
//! Numbers have [`FRACTION`] fractional bits and are clamped to 24 bits after every layer; weights have [`WEIGHT_FRACTION`]. The products
//! are summed in double precision by the engine's convolution. They are whole numbers and the weights of a filter so small that no sum
//! reaches 2^53, so every partial sum is exact: neither the order of the additions nor fused multiplication changes a bit. Deviation from the
//! usual 8-bit weights: the wider ones need no calibration.

use elbo_core::{Error, ModelFile, Result};
use elbo_tensor::{Convolution, Tensor, no_grad};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

/// Fractional bits of activations.
pub const FRACTION: u32 = 10;
/// Fractional bits of weights.
pub const WEIGHT_FRACTION: u32 = 14;
/// Activations lie within this on both sides of zero.
const MOST: i64 = (1 << 24) - 1;
/// Weights lie within this.
const MOST_WEIGHT: f64 = 64.0;
/// The weights of a filter with its bias sum to less than this, so that no sum of products reaches 2^53.
const MOST_SUM: i64 = 1 << 29;

/// A layer of a [`Network`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layer {
    /// A convolution with zeros around, of stride one; the image keeps its size.
    Convolution {
        /// Channels afterwards.
        out: usize,
        /// Channels before.
        channels: usize,
        /// Side of the filters, odd.
        kernel: usize,
        /// `[out, channels, kernel, kernel]`.
        weights: Vec<i32>,
        /// `[out]`, with the fractional bits of a product.
        bias: Vec<i64>,
    },
    /// What is below zero becomes zero.
    Relu,
    /// Four channels become the four pixels of one: `[4 C, H, W]` to `[C, 2 H, 2 W]`.
    Shuffle,
}

/// Layers in a row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    /// First to last.
    pub layers: Vec<Layer>,
}

/// An image of integers, `[C, H, W]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Channels, rows, columns.
    pub shape: [usize; 3],
    /// Row-major.
    pub values: Vec<i32>,
}

impl Layer {
    /// A convolution from real weights `[out, channels, kernel, kernel]` and biases.
    ///
    /// # Errors
    /// [`Error::Numerical`] when a weight is not finite or beyond 64, or the weights of a filter sum to 32,000.
    pub fn convolution(weights: &[f64], bias: &[f64], shape: [usize; 3]) -> Result<Self> {
        let [out, channels, kernel] = shape;
        assert!(weights.len() == out * channels * kernel * kernel && bias.len() == out && kernel % 2 == 1);
        if let Some(wrong) = weights.iter().chain(bias).find(|w| !w.is_finite() || w.abs() > MOST_WEIGHT) {
            return Err(Error::numerical(
                format!("a weight of the entropy network is {wrong}, beyond {MOST_WEIGHT}"),
                "lower the learning rate",
            ));
        }
        let fixed = |w: &f64, bits: u32| (w * f64::from(1u32 << bits)).round();
        let weights: Vec<i32> = weights.iter().map(|w| fixed(w, WEIGHT_FRACTION) as i32).collect();
        let bias: Vec<i64> = bias.iter().map(|b| fixed(b, WEIGHT_FRACTION + FRACTION) as i64).collect();
        if !sums_are_exact(&weights, &bias) {
            return Err(Error::numerical(
                "the weights of the entropy network are too large",
                "lower the learning rate",
            ));
        }
        Ok(Self::Convolution { out, channels, kernel, weights, bias })
    }

    /// The layer of an image.
    pub(crate) fn apply(&self, x: Image) -> Image {
        let [c, h, w] = x.shape;
        match self {
            Self::Relu => Image { values: x.values.into_iter().map(|v| v.max(0)).collect(), ..x },
            Self::Shuffle => {
                let mut values = vec![0; x.values.len()];
                for (i, row) in x.values.chunks_exact(w.max(1)).enumerate() {
                    let (channel, y) = (i / h, i % h);
                    let (to, corner) = (channel / 4, channel % 4);
                    let start = (to * 2 * h + 2 * y + corner / 2) * 2 * w + corner % 2;
                    row.iter().enumerate().for_each(|(j, v)| values[start + 2 * j] = *v);
                }
                Image { shape: [c / 4, 2 * h, 2 * w], values }
            }
            Self::Convolution { out, channels, kernel, weights, bias } => {
                assert_eq!(c, *channels, "channels of an entropy network");
                let real = |values: &[i32]| values.iter().map(|v| f64::from(*v)).collect::<Vec<f64>>();
                let image = Tensor::from_vec(real(&x.values), &[1, c, h, w]);
                let filters = Tensor::from_vec(real(weights), &[*out, c, *kernel, *kernel]);
                let bias = Tensor::from_vec(bias.iter().map(|b| *b as f64).collect(), &[*out]);
                let how = Convolution::default().padded(kernel / 2);
                let sums = no_grad(|| image.conv2d(&filters, Some(&bias), &how));
                let values = sums.as_slice::<f64>().par_iter().map(|sum| rounded(*sum as i64)).collect();
                Image { shape: [*out, h, w], values }
            }
        }
    }
}

/// A sum of products as a number of the next layer.
#[inline]
pub(crate) fn rounded(sum: i64) -> i32 {
    let half = 1i64 << (WEIGHT_FRACTION - 1);
    ((sum + half) >> WEIGHT_FRACTION).clamp(-MOST, MOST) as i32
}

/// Whether no sum of a filter's products with numbers of 24 bits reaches 2^53.
fn sums_are_exact(weights: &[i32], bias: &[i64]) -> bool {
    let size = weights.len() / bias.len().max(1);
    let sum = |row: &[i32]| row.iter().map(|w| i64::from(w.unsigned_abs())).sum::<i64>();
    // A bias has the unit of a product; the activations' 24 bits make it smaller beside the weights.
    weights.chunks(size.max(1)).zip(bias).all(|(row, b)| sum(row) + (b.abs() >> 24) + 1 < MOST_SUM)
}

impl Network {
    /// The network of an image whose numbers have [`FRACTION`] fractional bits, as those of the result.
    pub fn run(&self, image: Image) -> Image {
        self.layers.iter().fold(image, |x, layer| layer.apply(x))
    }

    /// Channels of the result for an image of so many, and how many times larger it is either way; `None` where a layer does not fit on
    /// the one before.
    pub fn outcome(&self, channels: usize) -> Option<(usize, usize)> {
        self.layers.iter().try_fold((channels, 1usize), |(now, growth), layer| match layer {
            Layer::Relu => Some((now, growth)),
            Layer::Shuffle if now.is_multiple_of(4) => Some((now / 4, growth.checked_mul(2)?)),
            Layer::Convolution { out, channels, .. } if now == *channels => Some((*out, growth)),
            _ => None,
        })
    }

    /// Adds everything that decides the result to a digest.
    pub fn digest(&self, hash: &mut Sha256) {
        for layer in &self.layers {
            match layer {
                Layer::Relu => hash.update([1]),
                Layer::Shuffle => hash.update([2]),
                Layer::Convolution { out, channels, kernel, weights, bias } => {
                    hash.update([3]);
                    [out, channels, kernel].iter().for_each(|s| hash.update((**s as u64).to_le_bytes()));
                    weights.iter().for_each(|w| hash.update(w.to_le_bytes()));
                    bias.iter().for_each(|b| hash.update(b.to_le_bytes()));
                }
            }
        }
    }

    /// Stores the layers under names that begin with `prefix`.
    pub fn save(&self, file: &mut ModelFile, prefix: &str) {
        let mut plan = vec![];
        for (i, layer) in self.layers.iter().enumerate() {
            match layer {
                Layer::Relu => plan.push("relu".to_owned()),
                Layer::Shuffle => plan.push("shuffle".to_owned()),
                Layer::Convolution { out, channels, kernel, weights, bias } => {
                    plan.push("convolution".to_owned());
                    let weights: Vec<i64> = weights.iter().map(|w| i64::from(*w)).collect();
                    file.put_i64(&format!("{prefix}.{i}.weights"), &[*out, *channels, *kernel, *kernel], &weights);
                    file.put_i64(&format!("{prefix}.{i}.bias"), &[*out], bias);
                }
            }
        }
        file.set(&format!("{prefix}.layers"), &plan);
    }

    /// Takes back what [`Network::save`] stored.
    ///
    /// # Errors
    /// [`Error::ModelFile`] when something is missing or does not fit together.
    pub fn load(file: &ModelFile, prefix: &str) -> Result<Self> {
        let plan: Vec<String> = file.fact(&format!("{prefix}.layers"))?;
        let damaged = || Error::model_file("a layer of the entropy network is damaged", "copy the model file again");
        let layer = |(i, kind): (usize, &String)| match kind.as_str() {
            "relu" => Ok(Layer::Relu),
            "shuffle" => Ok(Layer::Shuffle),
            "convolution" => {
                let name = format!("{prefix}.{i}.weights");
                let &[out, channels, kernel, side] = file.shape(&name)? else { return Err(damaged()) };
                let weights = file.get_i64(&name)?;
                let weights = weights.into_iter().map(i32::try_from).collect::<Result<Vec<i32>, _>>();
                let bias = file.get_i64(&format!("{prefix}.{i}.bias"))?;
                let most = (MOST_WEIGHT * f64::from(1u32 << (WEIGHT_FRACTION + FRACTION))) as i64;
                let weights = weights.map_err(|_| damaged())?;
                let limit = (MOST_WEIGHT * f64::from(1u32 << WEIGHT_FRACTION)) as i32;
                // Without weights the other sizes could be anything, too large to multiply too.
                let is_sound = !weights.is_empty() && side == kernel && kernel % 2 == 1 && bias.len() == out;
                let fits = is_sound
                    && weights.len() == out * channels * kernel * kernel
                    && weights.iter().all(|w| (-limit..=limit).contains(w))
                    && bias.iter().all(|b| (-most..=most).contains(b))
                    && sums_are_exact(&weights, &bias);
                if !fits {
                    return Err(damaged());
                }
                Ok(Layer::Convolution { out, channels, kernel, weights, bias })
            }
            _ => Err(damaged()),
        };
        Ok(Self { layers: plan.iter().enumerate().map(layer).collect::<Result<_>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_core::Rng;
    use elbo_tensor::{Convolution, Tensor};

    #[test]
    fn a_convolution_is_that_of_real_numbers() {
        let mut rng = Rng::new(3);
        for (kernel, [h, w]) in [(3, [5, 7]), (1, [2, 2]), (5, [1, 3]), (3, [1, 1])] {
            let (out, channels) = (3, 2);
            let weights = rng.normals(out * channels * kernel * kernel);
            let bias = rng.normals(out);
            let layer = Layer::convolution(&weights, &bias, [out, channels, kernel]).unwrap();
            let values: Vec<i32> = (0..channels * h * w).map(|_| (rng.normal() * 3000.0) as i32).collect();
            let real: Vec<f64> = values.iter().map(|v| f64::from(*v) / 1024.0).collect();
            let expected = Tensor::from_vec(real, &[1, channels, h, w]).conv2d(
                &Tensor::from_slice(&weights, &[out, channels, kernel, kernel]),
                Some(&Tensor::from_slice(&bias, &[out])),
                &Convolution::default().padded(kernel / 2),
            );
            let found = layer.apply(Image { shape: [channels, h, w], values });
            assert_eq!(found.shape, [out, h, w]);
            for (a, b) in found.values.iter().zip(expected.to_vec()) {
                assert!((f64::from(*a) / 1024.0 - b).abs() < 0.01, "{a} {b}");
            }
        }
    }

    /// A convolution in whole numbers, which every machine adds up alike.
    fn in_whole_numbers(layer: &Layer, x: &Image) -> Vec<i32> {
        let Layer::Convolution { out, channels, kernel, weights, bias } = layer else { panic!("no convolution") };
        let ([_, h, w], edge) = (x.shape, kernel / 2);
        let mut values = Vec::with_capacity(out * h * w);
        for (o, y, z) in (0..out * h * w).map(|i| (i / (h * w), i / w % h, i % w)) {
            let mut sum = bias[o];
            for (c, i, j) in
                (0..channels * kernel * kernel).map(|t| (t / (kernel * kernel), t / kernel % kernel, t % kernel))
            {
                let (row, column) = (y + i, z + j);
                if (edge..h + edge).contains(&row) && (edge..w + edge).contains(&column) {
                    let weight = weights[((o * channels + c) * kernel + i) * kernel + j];
                    sum += i64::from(weight) * i64::from(x.values[(c * h + row - edge) * w + column - edge]);
                }
            }
            values.push(rounded(sum));
        }
        values
    }

    #[test]
    fn ten_thousand_random_images_have_the_bits_of_whole_numbers() {
        // Up to the largest weights and activations: no machine's order of additions, and no fused multiplication, can change a bit.
        let mut rng = Rng::new(23);
        for _ in 0..100 {
            let [out, channels, kernel] = [1 + rng.below(5), 1 + rng.below(12), 1 + 2 * rng.below(3)];
            let mut within = |count: usize| (0..count).map(|_| rng.range(-64.0, 64.0)).collect::<Vec<f64>>();
            let (weights, bias) = (within(out * channels * kernel * kernel), within(out));
            let layer = Layer::convolution(&weights, &bias, [out, channels, kernel]).unwrap();
            for _ in 0..100 {
                let [h, w] = [1 + rng.below(6), 1 + rng.below(6)];
                let bits = rng.below(25);
                let value = |rng: &mut Rng| (rng.below(2 * MOST as usize + 1) as i64 - MOST) >> bits;
                let values = (0..channels * h * w).map(|_| value(&mut rng) as i32).collect();
                let image = Image { shape: [channels, h, w], values };
                let expected = in_whole_numbers(&layer, &image);
                assert_eq!(layer.apply(image).values, expected, "{out} {channels} {kernel} {h} {w}");
            }
        }
    }

    /// The same in a process that takes the code for plain machines, so that AVX2 and it have the same bits.
    #[test]
    fn ten_thousand_random_images_have_them_without_avx2_too() {
        let name = "integer::tests::ten_thousand_random_images_have_the_bits_of_whole_numbers";
        let mut child = std::process::Command::new(std::env::current_exe().unwrap());
        let output = child.args([name, "--exact"]).env("ELBO_PLAIN", "1").output().unwrap();
        assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("1 passed"), "{output:?}");
    }

    #[test]
    fn shuffling_puts_four_channels_into_one() {
        let x = Image { shape: [4, 1, 2], values: vec![0, 1, 10, 11, 20, 21, 30, 31] };
        let y = Layer::Shuffle.apply(x);
        assert_eq!((y.shape, y.values), ([1, 2, 4], vec![0, 10, 1, 11, 20, 30, 21, 31]));
    }

    #[test]
    fn the_bits_are_those_of_the_first_release() {
        // A hash that must never change: debug and release, any number of threads, any machine.
        let mut rng = Rng::new(17);
        let (a, b) = (rng.normals(32 * 8 * 9), rng.normals(5 * 8));
        let network = Network {
            layers: vec![
                Layer::convolution(&a, &rng.normals(32), [32, 8, 3]).unwrap(),
                Layer::Relu,
                Layer::Shuffle,
                Layer::convolution(&b, &rng.normals(5), [5, 8, 1]).unwrap(),
            ],
        };
        let values = (0..8 * 9 * 11).map(|_| rng.below(20_000) as i32 - 10_000).collect();
        let image = Image { shape: [8, 9, 11], values };
        let with = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| network.run(image.clone()))
        };
        assert_eq!((network.outcome(8), network.outcome(4)), (Some((5, 2)), None));
        let found = with(1);
        assert_eq!(found, with(3));
        let mut hash = Sha256::new();
        found.values.iter().for_each(|v| hash.update(v.to_le_bytes()));
        assert_eq!(crate::container::hex(&hash.finalize()[..8]), "49b2ee5980f2285d");
        let mut file = ModelFile::new("test");
        network.save(&mut file, "net");
        assert_eq!(Network::load(&file, "net").unwrap(), network);
    }
}
