//! A network of one hidden layer for both natural parameters.

use super::fit::Law;
use elbo_core::Rng;
use std::f64::consts::PI;

/// Trains `x → (o₁, o₂)` with tanh units, where `η₁ = o₁` and `η₂ = -exp(o₂) / 2`, on all rows at once: Adam with a rate that falls along a
/// cosine from 1e-2 to 1e-6.
pub(super) fn train(x: &[f64], y: &[f64], hidden: usize, steps: usize, rng: &mut Rng) -> Law {
    let n = x.len() as f64;
    let bound = (hidden as f64).sqrt().recip();
    // Weights and biases of the hidden layer, then for each output its weights and its bias.
    let count = 4 * hidden + 2;
    let mut w: Vec<f64> =
        (0..count).map(|i| if i < 2 * hidden { rng.range(-1.0, 1.0) } else { rng.range(-bound, bound) }).collect();
    let (mut first, mut second) = (vec![0.0; count], vec![0.0; count]);
    let mut units = vec![0.0; hidden];
    for step in 0..steps {
        let mut gradient = vec![0.0; count];
        for (x, y) in x.iter().zip(y) {
            let (o1, o2) = forward(&w, *x, &mut units);
            let precision = o2.exp();
            // -log p = (y² e^{o₂} + o₁² e^{-o₂} - o₂) / 2 - y o₁ + constant.
            let d1 = (o1 / precision - y) / n;
            let d2 = 0.5 * (y * y * precision - o1 * o1 / precision - 1.0) / n;
            let (inner, outer) = gradient.split_at_mut(2 * hidden);
            for (h, unit) in units.iter().enumerate() {
                outer[h] += d1 * unit;
                outer[hidden + 1 + h] += d2 * unit;
                let back = (d1 * w[2 * hidden + h] + d2 * w[3 * hidden + 1 + h]) * (1.0 - unit * unit);
                inner[h] += back * x;
                inner[hidden + h] += back;
            }
            outer[hidden] += d1;
            outer[2 * hidden + 1] += d2;
        }
        let along = step as f64 / steps as f64;
        let rate = 1e-6 + 0.5 * (1e-2 - 1e-6) * (1.0 + (PI * along).cos());
        let (early, late) = (1.0 - 0.9f64.powi(step as i32 + 1), 1.0 - 0.999f64.powi(step as i32 + 1));
        for (i, g) in gradient.iter().enumerate() {
            first[i] = 0.9 * first[i] + 0.1 * g;
            second[i] = 0.999 * second[i] + 0.001 * g * g;
            w[i] -= rate * (first[i] / early) / ((second[i] / late).sqrt() + 1e-8);
        }
    }
    Box::new(move |x| {
        let mut units = vec![0.0; hidden];
        let (o1, o2) = forward(&w, x, &mut units);
        (o1 * (-o2).exp(), (-0.5 * o2).exp())
    })
}

/// Both outputs; `units` receives the hidden layer.
fn forward(w: &[f64], x: f64, units: &mut [f64]) -> (f64, f64) {
    let hidden = units.len();
    let (mut o1, mut o2) = (w[3 * hidden], w[4 * hidden + 1]);
    for (h, unit) in units.iter_mut().enumerate() {
        *unit = (w[h] * x + w[hidden + h]).tanh();
        o1 += w[2 * hidden + h] * *unit;
        o2 += w[3 * hidden + 1 + h] * *unit;
    }
    (o1, o2)
}
