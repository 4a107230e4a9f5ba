//! How near pictures come to photographs: every measure that a fit or a rendering is judged by, in one place.

use crate::loss::{psnr, psnr_of_bytes};
use elbo_core::Result;
use elbo_nn::perceptual::{Lpips, Percep};
use elbo_picture::ssim;
use elbo_tensor::{Tensor, no_grad};

/// Means over pictures.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// Number of pictures.
    pub pictures: usize,
    /// Peak signal to noise in decibels.
    pub psnr: f64,
    /// The same after rounding to 8 bits.
    pub psnr_8bit: f64,
    /// Structural similarity.
    pub ssim: f64,
    /// The distance `percep` of [`Percep::shipped`], which is not LPIPS.
    pub percep: f64,
    /// LPIPS, where its weights were given: the name of the network, without which the number says nothing, and the distance.
    pub lpips: Option<(&'static str, f64)>,
}

/// Adds up how near pictures come to theirs.
pub struct Judge<'a> {
    lpips: Option<&'a Lpips>,
    /// Sums.
    total: Quality,
}

impl<'a> Judge<'a> {
    /// A judge who has seen nothing, and compares by LPIPS too where there is one.
    pub fn new(lpips: Option<&'a Lpips>) -> Self {
        let none = lpips.map(|network| (network.name(), 0.0));
        Self { lpips, total: Quality { pictures: 0, psnr: 0.0, psnr_8bit: 0.0, ssim: 0.0, percep: 0.0, lpips: none } }
    }

    /// Compares a picture with what it should be, both `[3, H, W]`, the second on `[0, 1]`; `size` is `[W, H]`.
    ///
    /// # Errors
    /// [`elbo_core::Error::Data`] where the pictures are too small for LPIPS, or have less than 4 pixels a side.
    ///
    /// # Panics
    /// When the pictures do not have this size.
    pub fn see(&mut self, made: &[f32], truth: &[f32], size: [usize; 2]) -> Result<()> {
        let total = &mut self.total;
        total.pictures += 1;
        total.psnr += psnr(made, truth);
        total.psnr_8bit += psnr_of_bytes(made, truth);
        total.ssim += ssim(made, truth, size);
        let [made, truth] = [shown(made, size), shown(truth, size)];
        total.percep += no_grad(|| Percep::shipped().distance(&made, &truth))?.to_vec()[0];
        if let (Some(network), Some((_, sum))) = (self.lpips, &mut total.lpips) {
            *sum += no_grad(|| network.distance(&made, &truth))?.to_vec()[0];
        }
        Ok(())
    }

    /// The means of what was seen; zeros where there was nothing.
    pub fn quality(&self) -> Quality {
        let n = self.total.pictures.max(1) as f64;
        let Quality { pictures, psnr, psnr_8bit, ssim, percep, lpips } = self.total;
        Quality {
            pictures,
            psnr: psnr / n,
            psnr_8bit: psnr_8bit / n,
            ssim: ssim / n,
            percep: percep / n,
            lpips: lpips.map(|(name, sum)| (name, sum / n)),
        }
    }
}

/// A picture as a network sees it: `[1, 3, H, W]`, limited to what can be shown.
fn shown(picture: &[f32], [width, height]: [usize; 2]) -> Tensor {
    Tensor::from_f32(picture.iter().map(|v| v.clamp(0.0, 1.0)).collect(), &[1, 3, height, width])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_those_of_the_pictures() {
        let picture = |shift: f32| -> Vec<f32> { (0..3 * 12 * 13).map(|k| (k % 7) as f32 / 10.0 + shift).collect() };
        let (truth, size) = (picture(0.0), [13, 12]);
        let of = |all: &[f32]| {
            let mut judge = Judge::new(None);
            all.iter().for_each(|shift| judge.see(&picture(*shift), &truth, size).unwrap());
            judge.quality()
        };
        let (near, far, both) = (of(&[0.01]), of(&[0.1]), of(&[0.01, 0.1]));
        assert!((near.psnr - 40.0).abs() < 1e-3 && (far.psnr - 20.0).abs() < 1e-3, "{near:?} {far:?}");
        assert!((both.psnr - 30.0).abs() < 1e-3 && both.pictures == 2);
        assert!((both.ssim - 0.5 * (near.ssim + far.ssim)).abs() < 1e-12 && far.ssim < near.ssim);
        assert!((both.percep - 0.5 * (near.percep + far.percep)).abs() < 1e-12 && far.percep > near.percep);
        assert_eq!((both.lpips, of(&[]).psnr, of(&[0.0]).percep), (None, 0.0, 0.0));
    }
}
