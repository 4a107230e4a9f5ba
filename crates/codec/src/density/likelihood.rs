//! The rate in training: bits of values under a density, with its derivatives in all of them.

use super::Density;
use elbo_tensor::{DType, Tensor};
use rayon::prelude::*;

/// Probabilities below this count as this.
pub(super) const FLOOR: f64 = 1e-9;

/// The density of [`bits`], by what is learned of it.
#[derive(Debug, Clone)]
pub enum Bits {
    /// A density without a learned shape.
    Fixed(Density),
    /// Generalised Gaussians of these shapes: one, one a channel, or one a value.
    Shapes(Tensor),
}

/// Value and slopes of `-log2 P` in the value, the logarithm of the scale, and the shape.
fn cost(density: Density, t: f64, log_scale: f64) -> [f64; 4] {
    let scale = log_scale.exp();
    let away = t.abs();
    let (near, far) = ((away - 0.5) / scale, (away + 0.5) / scale);
    let p = density.upper(near) - density.upper(far);
    let peak = density.peak();
    let (at_near, at_far) = (peak * density.fall(near), peak * density.fall(far));
    // d upper(x / s) / dx = -f / s, and d / d ln(s) = x f.
    let by_away = (at_far - at_near) / scale;
    let by_scale = near * at_near - far * at_far;
    let by_shape = density.upper_slope_of(near, at_near) - density.upper_slope_of(far, at_far);
    let kept = p.max(FLOOR);
    let factor = -1.0 / (kept * std::f64::consts::LN_2);
    [-kept.log2(), factor * by_away * if t < 0.0 { -1.0 } else { 1.0 }, factor * by_scale, factor * by_shape]
}

/// Bits of each value `y` around `mean`: `-log2` of the mass of the density within half a unit of it, at least that of 1e-9.
///
/// # Shapes
/// `y`, `mean` and `log_scale`: `[B, C, ...]`, alike and in single precision; shapes `[1]`, `[C]`, or as `y`. Returns `[B, C, ...]`, differentiable
/// once in all of them.
pub fn bits(density: &Bits, y: &Tensor, mean: &Tensor, log_scale: &Tensor) -> Tensor {
    let shape = y.shape().to_vec();
    assert!(mean.shape() == shape && log_scale.shape() == shape, "one mean and one scale for each value");
    let channels = shape[1];
    let plane: usize = shape[2..].iter().product();
    let shapes: Vec<f64> = match density {
        Bits::Fixed(_) => vec![],
        Bits::Shapes(shapes) => shapes.to_vec(),
    };
    let (ys, means, scales) = (y.as_slice::<f32>(), mean.as_slice::<f32>(), log_scale.as_slice::<f32>());
    let count = ys.len();
    let of_each = matches!(density, Bits::Shapes(shapes) if shapes.shape() == shape);
    let density_of = |channel: usize, i: usize| match density {
        Bits::Fixed(density) => *density,
        Bits::Shapes(_) if of_each => Density::Generalised { shape: shapes[i] },
        Bits::Shapes(_) => Density::Generalised { shape: shapes[channel % shapes.len()] },
    };
    let mut parts = vec![[0f32; 4]; count];
    parts.par_chunks_mut(plane.max(1)).enumerate().for_each(|(row, out)| {
        for (j, out) in out.iter_mut().enumerate() {
            let i = row * plane + j;
            let density = density_of(row % channels, i);
            *out = cost(density, f64::from(ys[i]) - f64::from(means[i]), f64::from(scales[i])).map(|v| v as f32);
        }
    });
    let part = |k: usize| Tensor::from_f32(parts.iter().map(|p| p[k]).collect(), &shape);
    let (value, by_y, by_scale) = (part(0), part(1), part(2));
    let mut inputs = vec![y.clone(), mean.clone(), log_scale.clone()];
    let by_shape = match density {
        Bits::Fixed(_) => None,
        Bits::Shapes(shapes) => {
            inputs.push(shapes.clone());
            Some((part(3), shapes.shape().to_vec(), shapes.dtype()))
        }
    };
    Tensor::custom("bits", inputs, value, move |g, wanted| {
        let when = |i: usize, f: &dyn Fn() -> Tensor| wanted[i].then(f);
        let mut grads = vec![when(0, &|| g * &by_y), when(1, &|| -(g * &by_y)), when(2, &|| g * &by_scale)];
        if let Some((by_shape, shape, dtype)) = &by_shape {
            grads.push(when(3, &|| sum_to(&(g * by_shape), shape, *dtype)));
        }
        grads
    })
}

/// Sums `[B, C, ...]` to one number, or to one a channel, in double precision; or leaves it.
fn sum_to(x: &Tensor, shape: &[usize], dtype: DType) -> Tensor {
    if x.shape() == shape {
        return x.cast(dtype);
    }
    let axes: Vec<isize> = (0..x.rank() as isize).filter(|a| *a != 1).collect();
    let by_channel = x.to_f64().sum_axes(&axes, false);
    let sum = if shape.iter().product::<usize>() == 1 { by_channel.sum() } else { by_channel };
    sum.reshape(shape).cast(dtype)
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_tensor::grad;

    #[test]
    fn a_shape_for_each_value_sums_to_that_of_a_channel() {
        let size = [2, 3, 2, 2];
        let of = |f: &dyn Fn(usize) -> f32| Tensor::from_f32((0..24).map(f).collect(), &size);
        let y = of(&|i| (i as f32 * 0.7).sin() * 4.0);
        let (mean, log_scale) = (of(&|i| 0.1 * (i % 5) as f32), of(&|i| -0.5 + 0.1 * (i % 7) as f32));
        let channel = Tensor::from_f32(vec![0.8, 1.3, 2.2], &[3]).variable();
        let each = channel.reshape(&[1, 3, 1, 1]).broadcast_to(&size).contiguous();
        let (a, b) = (
            bits(&Bits::Shapes(channel.clone()), &y, &mean, &log_scale),
            bits(&Bits::Shapes(each), &y, &mean, &log_scale),
        );
        assert_eq!(a.to_vec(), b.to_vec());
        let (a, b) = (grad(&a.sum(), &[&channel])[0].to_vec(), grad(&b.sum(), &[&channel])[0].to_vec());
        assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-5 * a.abs() && a.abs() > 1e-3), "{a:?} {b:?}");
    }

    #[test]
    fn slopes_are_those_of_central_differences() {
        let densities = [
            Density::Gaussian,
            Density::Laplace,
            Density::Logistic,
            Density::Generalised { shape: 0.7 },
            Density::Generalised { shape: 1.6 },
        ];
        for density in densities {
            for t in [-3.3, -0.7, 0.2, 0.9, 4.0] {
                for log_scale in [-1.0, 0.1, 1.5] {
                    let exact = cost(density, t, log_scale);
                    if exact[0] > 25.0 {
                        continue;
                    }
                    let h = 1e-6;
                    let by_t = (cost(density, t + h, log_scale)[0] - cost(density, t - h, log_scale)[0]) / (2.0 * h);
                    let by_s = (cost(density, t, log_scale + h)[0] - cost(density, t, log_scale - h)[0]) / (2.0 * h);
                    let close = |a: f64, b: f64| (a - b).abs() < 1e-6 * (1.0 + a.abs());
                    assert!(close(by_t, exact[1]) && close(by_s, exact[2]), "{density:?} {t} {log_scale}");
                    if let Density::Generalised { shape } = density {
                        let at = |s: f64| cost(Density::Generalised { shape: s }, t, log_scale)[0];
                        let by_shape = (at(shape + h) - at(shape - h)) / (2.0 * h);
                        assert!(close(by_shape, exact[3]), "{density:?} {t} {log_scale}: {by_shape} {}", exact[3]);
                    }
                }
            }
        }
    }
}
