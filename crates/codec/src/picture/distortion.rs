//! What training weighs against the rate.

use super::LAMBDAS;
use elbo_picture::ms_ssim_gradient;
use elbo_tensor::Tensor;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The distortion of a decoded picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Distortion {
    /// The mean squared error in steps of 255.
    #[default]
    Mse,
    /// One minus the structural similarity over as many of five scales as a part of a photograph holds: five from 192 pixels on, three of 64.
    MsSsim,
}

impl Distortion {
    /// What a unit of it costs in bits a pixel, from the lowest quality to the highest.
    ///
    /// # Source
    /// Bégaint, Racapé, Feltman and Pushparaja (2020).
    pub fn lambdas(self) -> [f64; 8] {
        match self {
            Self::Mse => LAMBDAS,
            Self::MsSsim => [2.40, 4.58, 8.73, 16.64, 31.73, 60.50, 115.37, 220.00],
        }
    }

    /// The distortion of each picture, `[B, 1]`, differentiable in `decoded`. Both `[B, 3, H, W]` in steps of 255, in single precision.
    pub(super) fn of(self, decoded: &Tensor, x: &Tensor) -> Tensor {
        let count = x.size(0);
        match self {
            Self::Mse => (decoded - x).square().reshape(&[count, x.len() / count]).mean_axis(1, true),
            Self::MsSsim => dissimilarity(decoded, x),
        }
    }
}

/// One minus the similarity of each picture, as one operation with its derivative.
fn dissimilarity(decoded: &Tensor, x: &Tensor) -> Tensor {
    let shape = x.shape().to_vec();
    let (count, size) = (shape[0], [shape[3], shape[2]]);
    let unit = |x: &Tensor| x.to_vec().into_iter().map(|v| v / 255.0).collect::<Vec<f64>>();
    let (ours, truth) = (unit(decoded), unit(x));
    let each = x.len() / count;
    let parts: Vec<(f64, Vec<f64>)> = ours
        .par_chunks(each)
        .zip(truth.par_chunks(each))
        .map(|(a, b)| ms_ssim_gradient(a, b, size).expect("parts of photographs have at least 32 pixels a side"))
        .collect();
    let value = Tensor::from_f32(parts.iter().map(|(s, _)| (1.0 - s) as f32).collect(), &[count, 1]);
    let slopes = parts.into_iter().flat_map(|(_, slope)| slope).map(|g| (-g / 255.0) as f32).collect();
    let slopes = Tensor::from_f32(slopes, &shape);
    Tensor::custom("ms_ssim", vec![decoded.clone()], value, move |g, _| {
        vec![Some(g.reshape(&[count, 1, 1, 1]) * &slopes)]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_core::Rng;
    use elbo_tensor::grad;

    /// Decoded parts and what they should be, `[2, 3, 32, 32]`.
    fn pair() -> (Vec<f32>, Tensor) {
        let mut rng = Rng::new(3);
        let count = 2 * 3 * 32 * 32;
        let truth: Vec<f32> =
            (0..count).map(|i| (120.0 + 90.0 * (i as f64 * 0.37).sin() + 20.0 * rng.normal()) as f32).collect();
        let decoded = truth.iter().map(|v| v + 15.0 * rng.normal() as f32).collect();
        (decoded, Tensor::from_f32(truth, &[2, 3, 32, 32]))
    }

    #[test]
    fn slopes_are_those_of_central_differences() {
        let (decoded, x) = pair();
        let weights = Tensor::from_f32(vec![3.0, -2.0], &[2, 1]);
        let total = |values: &[f32]| {
            let leaf = Tensor::from_f32(values.to_vec(), &[2, 3, 32, 32]).variable();
            let loss = (Distortion::MsSsim.of(&leaf, &x) * &weights).sum();
            let slope = grad(&loss, &[&leaf])[0].to_vec();
            (loss.item(), slope)
        };
        let (_, exact) = total(&decoded);
        // A step of all pixels along their slopes: a single one is lost in single precision.
        let norm = exact.iter().map(|g| g * g).sum::<f64>().sqrt();
        let along = |h: f64| {
            let moved: Vec<f32> = decoded.iter().zip(&exact).map(|(v, g)| v + (h * g / norm) as f32).collect();
            total(&moved).0
        };
        let numeric = (along(4.0) - along(-4.0)) / 8.0;
        assert!((numeric / norm - 1.0).abs() < 0.01, "{numeric} {norm}");
    }

    #[test]
    fn equal_pictures_have_none_and_costs_rise_with_the_quality() {
        let (decoded, x) = pair();
        let decoded = Tensor::from_f32(decoded, x.shape());
        for distortion in [Distortion::Mse, Distortion::MsSsim] {
            let (none, some) = (distortion.of(&x, &x), distortion.of(&decoded, &x));
            assert_eq!(some.shape(), [2, 1]);
            assert!(none.abs().max().item() < 1e-6 && some.min().item() > 1e-3, "{distortion:?}");
            assert!(distortion.lambdas().windows(2).all(|pair| pair[0] < pair[1]));
        }
        let shown = |d: Distortion| serde_json::to_value(d).unwrap();
        assert_eq!([shown(Distortion::Mse), shown(Distortion::MsSsim)], ["mse", "ms-ssim"]);
    }
}
