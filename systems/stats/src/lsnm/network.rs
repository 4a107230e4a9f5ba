//! A network of one hidden layer for both natural parameters.

use super::fit::Law;
use elbo_core::Rng;
use elbo_tensor::optim::{Adam, Rule, Schedule};

/// Trains `x → (o₁, o₂)` with tanh units, where `η₁ = o₁` and `η₂ = -exp(o₂) / 2`, on all rows at once: Adam with a rate that falls along a
/// cosine from 1e-2 to 1e-6.
pub(super) fn train(x: &[f64], y: &[f64], hidden: usize, steps: usize, rng: &mut Rng) -> Law {
    let n = x.len() as f64;
    let bound = (hidden as f64).sqrt().recip();
    // Weights and biases of the hidden layer, then for each output its weights and its bias.
    let count = 4 * hidden + 2;
    let mut w: Vec<f64> =
        (0..count).map(|i| if i < 2 * hidden { rng.range(-1.0, 1.0) } else { rng.range(-bound, bound) }).collect();
    let adam = Adam::with_rate(Schedule::Cosine { start: 1e-2, end: 1e-6, steps });
    let mut state = adam.start(count);
    let mut units = vec![0.0; hidden];
    for _ in 0..steps {
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
        adam.update(&mut w, &gradient, &mut state);
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
