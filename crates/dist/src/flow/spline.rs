use elbo_tensor::{DType, Tensor};

/// The least share of a bin, and the least slope at a knot.
const FLOOR: f64 = 1e-3;

/// Most bins: with more, the least shares leave less than half of the box to be learnt, and from 1000 on nothing.
pub(super) const MOST_BINS: usize = 500;

/// A monotone rational-quadratic spline on `[-bound, bound]`, the identity outside.
///
/// # Source
/// Durkan, Bekasov, Murray and Papamakarios (2019).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spline {
    /// Number of bins, `K`.
    pub bins: usize,
    /// Half the width of the box.
    pub bound: f64,
}

impl Spline {
    /// Raw numbers an input needs: `K` widths, `K` heights, `K - 1` slopes.
    pub fn parameters(&self) -> usize {
        3 * self.bins - 1
    }
}

/// Everything about the bin of each element.
struct Bin {
    x: Tensor,
    width: Tensor,
    y: Tensor,
    height: Tensor,
    slope: Tensor,
    next_slope: Tensor,
}

/// Sizes of the bins and positions of their left ends, `[..., K]` each.
fn knots(spec: &Spline, raw: &Tensor) -> (Tensor, Tensor) {
    let share = raw.softmax(-1).affine(1.0 - FLOOR * spec.bins as f64, FLOOR);
    let size = share * (2.0 * spec.bound);
    let left = size.cumsum(-1).pad_axis(-1, 1, 0).narrow(-1, 0, spec.bins) - spec.bound;
    (size, left)
}

fn locate(spec: &Spline, value: &Tensor, raw: &Tensor, by_image: bool) -> Bin {
    let k = spec.bins;
    let raw = raw.broadcast_to(&[value.shape(), &[spec.parameters()]].concat());
    let (widths, xs) = knots(spec, &raw.narrow(-1, 0, k));
    let (heights, ys) = knots(spec, &raw.narrow(-1, k, k));
    // Raw zero is a slope of one; the tails' slope at both ends.
    let shift = (1.0f64 - FLOOR).exp_m1().ln();
    let inner = (raw.narrow(-1, 2 * k, k - 1) + shift).softplus() + FLOOR;
    let one = Tensor::ones(&[value.shape(), &[1]].concat(), value.dtype());
    let slopes = Tensor::cat(&[one.clone(), inner, one], -1);
    // The bin is the number of inner knots at or below the value.
    let inner_knots = (if by_image { &ys } else { &xs }).narrow(-1, 1, k - 1).detach();
    let index = inner_knots.le(&value.detach().unsqueeze(-1)).cast(DType::I64).sum_axis(-1, true);
    let pick = |t: &Tensor| t.gather(-1, &index).squeeze(-1);
    Bin {
        x: pick(&xs),
        width: pick(&widths),
        y: pick(&ys),
        height: pick(&heights),
        slope: pick(&slopes.narrow(-1, 0, k)),
        next_slope: pick(&slopes.narrow(-1, 1, k)),
    }
}

/// Images and log slopes. `x: [...]`, `raw: [..., 3 K - 1]` (broadcast); both results `[...]`.
pub fn spline(spec: &Spline, x: &Tensor, raw: &Tensor) -> (Tensor, Tensor) {
    let inside = x.abs().lt_scalar(spec.bound);
    let safe = inside.where_(x, &x.zeros_like());
    let bin = locate(spec, &safe, raw, false);
    let s = &bin.height / &bin.width;
    let xi = (&safe - &bin.x) / &bin.width;
    let rest = 1.0 - &xi;
    let both = &xi * &rest;
    let denominator = &s + (&bin.next_slope + &bin.slope - &s * 2.0) * &both;
    let image = &bin.y + &bin.height * (&s * xi.square() + &bin.slope * &both) / &denominator;
    let log_slope = log_slope(&bin, &s, &xi, &denominator);
    (inside.where_(&image, x), inside.where_(&log_slope, &x.zeros_like()))
}

/// Points of the images and log slopes of the inverse, in the same shapes.
pub fn spline_inverse(spec: &Spline, y: &Tensor, raw: &Tensor) -> (Tensor, Tensor) {
    let inside = y.abs().lt_scalar(spec.bound);
    let safe = inside.where_(y, &y.zeros_like());
    let bin = locate(spec, &safe, raw, true);
    let s = &bin.height / &bin.width;
    let v = &safe - &bin.y;
    let bend = &bin.next_slope + &bin.slope - &s * 2.0;
    let a = &bin.height * (&s - &bin.slope) + &v * &bend;
    let b = &bin.height * &bin.slope - &v * &bend;
    let c = -(&s * &v);
    let discriminant = b.square() - &a * &c * 4.0;
    // b is positive or the root is: this form of the quadratic's solution does not cancel.
    let xi = &c * 2.0 / (-&b - discriminant.sqrt());
    let denominator = &s + &bend * (&xi * (1.0 - &xi));
    let log_slope = log_slope(&bin, &s, &xi, &denominator);
    let x = &bin.x + &xi * &bin.width;
    (inside.where_(&x, y), inside.where_(&-log_slope, &y.zeros_like()))
}

fn log_slope(bin: &Bin, s: &Tensor, xi: &Tensor, denominator: &Tensor) -> Tensor {
    let rest = 1.0 - xi;
    let numerator = &bin.next_slope * xi.square() + s * (xi * &rest) * 2.0 + &bin.slope * rest.square();
    numerator.log() + (s.log() - denominator.log()) * 2.0
}
