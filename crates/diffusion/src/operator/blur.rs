//! Convolutions of pictures.

use super::Operator;
use elbo_core::{Allowed, Result, ensure, half_open};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What lies outside a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Boundary {
    /// The other side of the picture.
    Circular,
    /// Zeros.
    #[default]
    Zero,
}

/// A picture blurred by a kernel, each channel on its own: y(p) = Σ_q k(q) x(p - q).
#[derive(Debug, Clone, PartialEq)]
pub struct Blur {
    shape: [usize; 3],
    /// `[side, side]`, centred.
    kernel: Vec<f64>,
    side: usize,
    boundary: Boundary,
}

/// A Gaussian kernel `[side, side]` with sum one, cut off at three standard deviations.
pub fn gaussian_kernel(sd: f64) -> (Vec<f64>, usize) {
    let reach = (3.0 * sd).ceil().max(1.0) as isize;
    let one: Vec<f64> = (-reach..=reach).map(|i| (-0.5 * (i as f64 / sd).powi(2)).exp()).collect();
    let total: f64 = one.iter().sum();
    let kernel = one.iter().flat_map(|a| one.iter().map(move |b| a * b / (total * total))).collect();
    (kernel, one.len())
}

impl Blur {
    /// For pictures `[C, H, W]` with a kernel `[side, side]` of odd side.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for a kernel that is not square with an odd side, or not finite.
    pub fn new(shape: [usize; 3], kernel: &[f64], side: usize, boundary: Boundary) -> Result<Self> {
        let holds = side % 2 == 1 && kernel.len() == side * side && kernel.iter().all(|v| v.is_finite());
        ensure(
            "kernel",
            format!("{} numbers for a side of {side}", kernel.len()),
            holds,
            "a square of finite numbers with an odd side",
        )?;
        Ok(Self { shape, kernel: kernel.to_vec(), side, boundary })
    }

    /// By a Gaussian.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] for a standard deviation that is not positive, or beyond a thousand pixels.
    pub fn gaussian(shape: [usize; 3], sd: f64, boundary: Boundary) -> Result<Self> {
        ensure(
            "blur",
            sd,
            sd > 0.0 && sd <= 1000.0,
            Allowed::within(half_open(0.0, 1000.0)).told("a standard deviation above 0 and up to 1000 pixels"),
        )?;
        let (kernel, side) = gaussian_kernel(sd);
        Self::new(shape, &kernel, side, boundary)
    }

    /// Convolution for `direction` = 1, correlation for -1, which is the adjoint.
    fn run(&self, x: &[f64], direction: isize) -> Vec<f64> {
        let [c, h, w] = self.shape.map(|n| n as isize);
        let reach = (self.side / 2) as isize;
        let mut y = vec![0.0; x.len()];
        let at = |i: isize, n: isize| match self.boundary {
            Boundary::Circular => Some(i.rem_euclid(n)),
            Boundary::Zero => (0..n).contains(&i).then_some(i),
        };
        for channel in 0..c {
            let base = channel * h * w;
            for row in 0..h {
                for dy in -reach..=reach {
                    let Some(from_row) = at(row - direction * dy, h) else { continue };
                    let kernel = &self.kernel[((dy + reach) as usize) * self.side..][..self.side];
                    for column in 0..w {
                        let mut sum = 0.0;
                        for (k, weight) in kernel.iter().enumerate() {
                            if let Some(from) = at(column - direction * (k as isize - reach), w) {
                                sum += weight * x[(base + from_row * w + from) as usize];
                            }
                        }
                        y[(base + row * w + column) as usize] += sum;
                    }
                }
            }
        }
        y
    }
}

impl Operator for Blur {
    fn input(&self) -> usize {
        self.shape.iter().product()
    }

    fn output(&self) -> usize {
        self.input()
    }

    fn apply(&self, x: &[f64]) -> Vec<f64> {
        self.run(x, 1)
    }

    fn pullback(&self, _: &[f64], v: &[f64]) -> Vec<f64> {
        self.run(v, -1)
    }
}
