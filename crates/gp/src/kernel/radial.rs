//! Radial profiles `g(r)` of stationary kernels as functions of `s = r²`, smooth where the kernel is.

use elbo_tensor::Tensor;
use elbo_tensor::fused::Radial;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The shape of a stationary kernel, `k = v g(r)` with `r² = Σ Δ_d² / l_d²`.
///
/// | profile | g(r) | sample paths |
/// |---|---|---|
/// | `Rbf` | `exp(-r²/2)` | infinitely smooth |
/// | `Matern12` | `exp(-r)` | continuous |
/// | `Matern32` | `(1 + √3 r) exp(-√3 r)` | one derivative |
/// | `Matern52` | `(1 + √5 r + 5r²/3) exp(-√5 r)` | two derivatives |
/// | `RationalQuadratic` | `(1 + r²/2α)^-α` | infinitely smooth, many lengthscales |
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// `exp(-r²/2)`.
    Rbf,
    /// `exp(-r)`.
    Matern12,
    /// `(1 + √3 r) exp(-√3 r)`.
    Matern32,
    /// `(1 + √5 r + 5r²/3) exp(-√5 r)`.
    Matern52,
    /// `(1 + r²/2α)^-α`.
    RationalQuadratic,
}

const ROOT3: f64 = 1.732_050_807_568_877_2;
const ROOT5: f64 = 2.236_067_977_499_79;

impl Profile {
    /// Its name in text.
    pub fn label(self) -> &'static str {
        match self {
            Self::Rbf => "RBF",
            Self::Matern12 => "Matern-1/2",
            Self::Matern32 => "Matern-3/2",
            Self::Matern52 => "Matern-5/2",
            Self::RationalQuadratic => "rational quadratic",
        }
    }

    /// Its name among the fused operations.
    pub fn radial(self) -> Radial {
        match self {
            Self::Rbf => Radial::Rbf,
            Self::Matern12 => Radial::Matern12,
            Self::Matern32 => Radial::Matern32,
            Self::Matern52 => Radial::Matern52,
            Self::RationalQuadratic => Radial::RationalQuadratic,
        }
    }

    /// Degrees of freedom of the Student-t spectrum, `2 ν`; `None` for the others.
    pub fn degrees_of_freedom(self) -> Option<f64> {
        match self {
            Self::Matern12 => Some(1.0),
            Self::Matern32 => Some(3.0),
            Self::Matern52 => Some(5.0),
            Self::Rbf | Self::RationalQuadratic => None,
        }
    }

    /// `g` at squared distances `s`, composed of tensor operations. First and second derivatives in the inputs behind `s` are
    /// right also where `s` is zero. `alpha` is used by the rational quadratic only.
    pub fn of_squared(self, s: &Tensor, alpha: Option<&Tensor>) -> Tensor {
        match self {
            Self::Rbf => (s * -0.5).exp(),
            Self::RationalQuadratic => {
                let alpha = alpha.expect("the rational quadratic has a shape parameter");
                (-(alpha * (s / (alpha * 2.0)).log1p())).exp()
            }
            Self::Matern12 => split(s, 1e-24, |s| s * 0.0 + 1.0, |r, _| (-r).exp()),
            Self::Matern32 => split(s, 1e-12, |s| s.affine(-1.5, 1.0), |r, _| (r * ROOT3 + 1.0) * (r * -ROOT3).exp()),
            Self::Matern52 => split(
                s,
                1e-8,
                |s| (s * (25.0 / 24.0) - 5.0 / 6.0) * s + 1.0,
                |r, s| (r * ROOT5 + s * (5.0 / 3.0) + 1.0) * (r * -ROOT5).exp(),
            ),
        }
    }

    /// `h(r) = -g'(r) / r` at squared distances. The Matern-1/2 has none at zero, where it is set to zero: it is only ever
    /// multiplied by differences that vanish there.
    pub fn slope(self, s: &Tensor, alpha: Option<&Tensor>) -> Tensor {
        match self {
            Self::Rbf => (s * -0.5).exp(),
            Self::RationalQuadratic => {
                let alpha = alpha.expect("the rational quadratic has a shape parameter");
                (-((alpha + 1.0) * (s / (alpha * 2.0)).log1p())).exp()
            }
            Self::Matern12 => split(s, 1e-24, |s| s * 0.0, |r, _| (-r).exp() / r),
            Self::Matern32 => split(s, 1e-24, |s| s * 0.0 + 3.0, |r, _| (r * -ROOT3).exp() * 3.0),
            Self::Matern52 => split(
                s,
                1e-12,
                |s| s.affine(-25.0 / 6.0, 5.0 / 3.0),
                |r, _| (r * ROOT5 + 1.0) * (r * -ROOT5).exp() * (5.0 / 3.0),
            ),
        }
    }

    /// `w(r) = -h'(r) / r` at squared distances, for covariances between derivatives. The Matern-3/2's grows like `1/r` and is set
    /// to zero at zero, where the differences it multiplies vanish. The Matern-1/2 has no derivative.
    pub fn curvature(self, s: &Tensor, alpha: Option<&Tensor>) -> Tensor {
        match self {
            Self::Rbf => (s * -0.5).exp(),
            Self::RationalQuadratic => {
                let alpha = alpha.expect("the rational quadratic has a shape parameter");
                let power = (-((alpha + 2.0) * (s / (alpha * 2.0)).log1p())).exp();
                power * ((alpha + 1.0) / alpha)
            }
            Self::Matern12 => panic!("the Matern-1/2 process has no derivative"),
            Self::Matern32 => split(s, 1e-24, |s| s * 0.0, |r, _| (r * -ROOT3).exp() / r * (3.0 * ROOT3)),
            Self::Matern52 => split(s, 1e-24, |s| s * 0.0 + 25.0 / 3.0, |r, _| (r * -ROOT5).exp() * (25.0 / 3.0)),
        }
    }
}

/// `near(s)` where `s` is below the edge, else `far(r, s)` with `r = √s`.
///
/// The root's derivative is infinite at zero and its differences cancel close to it, so there a Taylor polynomial stands in. The
/// edges are chosen so that neither branch loses more than rounding in the value, nor more than 1e-10 in the derivatives with
/// respect to inputs.
fn split(s: &Tensor, edge: f64, near: impl Fn(&Tensor) -> Tensor, far: impl Fn(&Tensor, &Tensor) -> Tensor) -> Tensor {
    let mask = s.detach().lt_scalar(edge);
    let harmless = s.masked_fill(&mask, 1.0);
    mask.where_(&near(s), &far(&harmless.sqrt(), &harmless))
}

/// Squared distances between scaled points, `[N, D], [M, D] -> [N, M]`, by differences: exactly zero for equal rows, no
/// cancellation for near ones. Beyond sixteen dimensions by a product of the centred points, clamped at zero.
pub fn squared_distances(x: &Tensor, z: &Tensor) -> Tensor {
    let (n, m, dims) = (x.size(0), z.size(0), x.size(1));
    assert_eq!(dims, z.size(1), "points of {dims} and {} dimensions", z.size(1));
    if dims <= 16 {
        let mut sum = Tensor::zeros(&[n, m], x.dtype());
        for d in 0..dims {
            sum = sum + differences(x, z, d).square();
        }
        return sum;
    }
    let centre = z.detach().mean_axis(0, true);
    let (x, z) = (x - &centre, z - &centre);
    let squares = x.square().sum_axis(1, true) + z.square().sum_axis(1, true).t();
    (squares - x.matmul(&z.t()) * 2.0).clamp(0.0, f64::INFINITY)
}

/// `x_nd - z_md`, `[N, M]`, for one dimension.
pub(crate) fn differences(x: &Tensor, z: &Tensor, d: usize) -> Tensor {
    x.narrow(1, d, 1) - z.narrow(1, d, 1).t()
}
