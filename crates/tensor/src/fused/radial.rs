//! Radial profiles of stationary kernels and their slopes, as loops that vectorise.

use crate::fastmath::{exp_f64, ln_1p_unit_f64, ln_f64};
use crate::tensor::Tensor;

/// The shape of a stationary kernel `k = v g(r)`, with `r² = Σ Δ_d²/ℓ_d²` and the slope `h(r) = -g'(r)/r`.
///
/// | kernel | g(r) | h(r) |
/// |---|---|---|
/// | `Rbf` | `exp(-r²/2)` | `exp(-r²/2)` |
/// | `Matern12` | `exp(-r)` | `exp(-r)/r`, 0 where r < 1e-12 |
/// | `Matern32` | `(1 + √3 r) exp(-√3 r)` | `3 exp(-√3 r)` |
/// | `Matern52` | `(1 + √5 r + 5r²/3) exp(-√5 r)` | `5/3 (1 + √5 r) exp(-√5 r)` |
/// | `RationalQuadratic` | `(1 + r²/2α)^-α` | `(1 + r²/2α)^(-α-1)` |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Radial {
    /// Infinitely smooth.
    Rbf,
    /// Continuous, nowhere differentiable.
    Matern12,
    /// Once differentiable.
    Matern32,
    /// Twice differentiable.
    Matern52,
    /// A mixture of RBFs of many lengthscales, with the shape `α`.
    RationalQuadratic,
}

const ROOT3: f64 = 1.732_050_807_568_877_2;
const ROOT5: f64 = 2.236_067_977_499_79;

/// `g`, `h` and `∂g/∂α` at squared distances. Every method must be `#[inline(always)]`, or the loops over it do not vectorise.
pub(super) trait Profile: Copy + Send + Sync {
    /// Whether there is a shape `α`.
    const HAS_ALPHA: bool = false;
    /// Whether `h` is `g`: the covariances are then all that a pullback needs of the distances.
    const IS_ITS_SLOPE: bool = false;
    fn g(self, s: f64) -> f64;
    fn gh(self, s: f64) -> (f64, f64);
    #[inline(always)]
    fn g_alpha(self, _s: f64) -> f64 {
        0.0
    }
}

#[derive(Clone, Copy)]
pub(super) struct Rbf;
#[derive(Clone, Copy)]
pub(super) struct Matern12;
#[derive(Clone, Copy)]
pub(super) struct Matern32;
#[derive(Clone, Copy)]
pub(super) struct Matern52;
#[derive(Clone, Copy)]
pub(super) struct RationalQuadratic(pub f64);

/// Beyond a distance of 1000 every Matern is zero to the last bit, and larger numbers would only overflow on the way there.
#[inline(always)]
fn root(s: f64) -> f64 {
    (if s > 1e6 { 1e6 } else { s }).sqrt()
}

impl Profile for Rbf {
    const IS_ITS_SLOPE: bool = true;
    #[inline(always)]
    fn g(self, s: f64) -> f64 {
        exp_f64(-0.5 * s)
    }
    #[inline(always)]
    fn gh(self, s: f64) -> (f64, f64) {
        let g = self.g(s);
        (g, g)
    }
}

impl Profile for Matern12 {
    #[inline(always)]
    fn g(self, s: f64) -> f64 {
        exp_f64(-root(s))
    }
    #[inline(always)]
    fn gh(self, s: f64) -> (f64, f64) {
        let r = root(s);
        let g = exp_f64(-r);
        (g, if r < 1e-12 { 0.0 } else { g / r })
    }
}

impl Profile for Matern32 {
    #[inline(always)]
    fn g(self, s: f64) -> f64 {
        let r = ROOT3 * root(s);
        (1.0 + r) * exp_f64(-r)
    }
    #[inline(always)]
    fn gh(self, s: f64) -> (f64, f64) {
        let r = ROOT3 * root(s);
        let e = exp_f64(-r);
        ((1.0 + r) * e, 3.0 * e)
    }
}

impl Profile for Matern52 {
    #[inline(always)]
    fn g(self, s: f64) -> f64 {
        let r = ROOT5 * root(s);
        (1.0 + r + r * r * (1.0 / 3.0)) * exp_f64(-r)
    }
    #[inline(always)]
    fn gh(self, s: f64) -> (f64, f64) {
        let r = ROOT5 * root(s);
        let e = exp_f64(-r);
        ((1.0 + r + r * r * (1.0 / 3.0)) * e, (1.0 + r) * e * (5.0 / 3.0))
    }
}

impl RationalQuadratic {
    /// `q = r²/2α` and `log(1 + q)`.
    #[inline(always)]
    fn terms(self, s: f64) -> (f64, f64) {
        let q = s / (2.0 * self.0);
        // The correction for small q would be infinity less infinity for an overflowed distance.
        (q, if q < 1e15 { ln_1p_unit_f64(q) } else { ln_f64(q) })
    }
}

impl Profile for RationalQuadratic {
    const HAS_ALPHA: bool = true;
    #[inline(always)]
    fn g(self, s: f64) -> f64 {
        let (_, log) = self.terms(s);
        exp_f64(-self.0 * log)
    }
    #[inline(always)]
    fn gh(self, s: f64) -> (f64, f64) {
        let (q, log) = self.terms(s);
        let g = exp_f64(-self.0 * log);
        (g, g / (1.0 + q))
    }
    #[inline(always)]
    fn g_alpha(self, s: f64) -> f64 {
        let (q, log) = self.terms(s);
        let g = exp_f64(-self.0 * log);
        let rate = if g > 0.0 { q / (1.0 + q) - log } else { 0.0 };
        g * rate
    }
}

/// Runs a body with the profile as a type of its own.
macro_rules! with_profile {
    ($radial:expr, $alpha:expr, $p:ident => $body:expr) => {
        match $radial {
            $crate::fused::Radial::Rbf => {
                let $p = $crate::fused::radial::Rbf;
                $body
            }
            $crate::fused::Radial::Matern12 => {
                let $p = $crate::fused::radial::Matern12;
                $body
            }
            $crate::fused::Radial::Matern32 => {
                let $p = $crate::fused::radial::Matern32;
                $body
            }
            $crate::fused::Radial::Matern52 => {
                let $p = $crate::fused::radial::Matern52;
                $body
            }
            $crate::fused::Radial::RationalQuadratic => {
                let $p = $crate::fused::radial::RationalQuadratic($alpha);
                $body
            }
        }
    };
}
pub(super) use with_profile;

impl Radial {
    /// `g` and `h` at a squared distance `s = r²`; `alpha` is the rational quadratic's, others do not look at it.
    #[inline]
    pub fn value_and_slope(self, s: f64, alpha: f64) -> (f64, f64) {
        with_profile!(self, alpha, p => p.gh(s))
    }

    /// `g` of tensor operations, at squared distances. Where the root's derivative is infinite, a Taylor polynomial that agrees to
    /// rounding stands in, so that second derivatives are right at distance zero too.
    pub(super) fn composed(self, s: &Tensor, alpha: Option<&Tensor>) -> Tensor {
        match self {
            Self::Rbf => (s * -0.5).exp(),
            Self::RationalQuadratic => {
                let alpha = alpha.expect("the rational quadratic has a shape");
                (-(alpha * (s / (alpha * 2.0)).log1p())).exp()
            }
            Self::Matern12 => near_zero(s, 1e-24, |s| s * 0.0 + 1.0, |r| (-r).exp()),
            Self::Matern32 => near_zero(s, 1e-12, |s| s.affine(-1.5, 1.0), |r| (r * ROOT3 + 1.0) * (r * -ROOT3).exp()),
            Self::Matern52 => near_zero(
                s,
                1e-8,
                |s| (s * (25.0 / 24.0) - 5.0 / 6.0) * s + 1.0,
                |r| (r * ROOT5 + r.square() * (5.0 / 3.0) + 1.0) * (r * -ROOT5).exp(),
            ),
        }
    }
}

fn near_zero(s: &Tensor, edge: f64, near: impl Fn(&Tensor) -> Tensor, far: impl Fn(&Tensor) -> Tensor) -> Tensor {
    let mask = s.detach().lt_scalar(edge);
    mask.where_(&near(s), &far(&s.masked_fill(&mask, 1.0).sqrt()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_the_negative_derivative_over_the_distance() {
        fn check(p: impl Profile, name: &str) {
            for r in [0.1, 0.7, 2.0, 9.0] {
                let (g, h) = p.gh(r * r);
                assert_eq!(g, p.g(r * r));
                let e = 1e-6;
                let numeric = -(p.g((r + e) * (r + e)) - p.g((r - e) * (r - e))) / (2.0 * e * r);
                assert!((h - numeric).abs() < 1e-8, "{name} at {r}: {h} instead of {numeric}");
            }
            assert_eq!(p.g(0.0), 1.0, "{name} at zero");
        }
        check(Rbf, "rbf");
        check(Matern12, "matern12");
        check(Matern32, "matern32");
        check(Matern52, "matern52");
        check(RationalQuadratic(0.8), "rational quadratic");
        assert_eq!(Matern12.gh(0.0).1, 0.0);
    }

    #[test]
    fn the_shape_derivative_of_the_rational_quadratic_matches_differences() {
        for s in [0.0, 0.3, 40.0] {
            let (a, e) = (1.7, 1e-6);
            let numeric = (RationalQuadratic(a + e).g(s) - RationalQuadratic(a - e).g(s)) / (2.0 * e);
            assert!((RationalQuadratic(a).g_alpha(s) - numeric).abs() < 1e-9);
        }
    }
}
