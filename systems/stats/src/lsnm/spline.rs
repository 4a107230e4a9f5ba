//! B-splines on equally spaced knots: non-negative, and one in sum.

/// The basis: `knots` equally spaced knots from `low` to `high`, continued beyond both ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Splines {
    low: f64,
    step: f64,
    intervals: usize,
    degree: usize,
}

impl Splines {
    /// Splines of this degree over the range of `x`, which must not be constant; `knots` is at least two.
    pub fn over(x: &[f64], knots: usize, degree: usize) -> Self {
        let low = x.iter().copied().fold(f64::INFINITY, f64::min);
        let high = x.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Self { low, step: (high - low) / (knots - 1) as f64, intervals: knots - 1, degree }
    }

    /// Number of functions, `K = knots + degree - 1`.
    pub fn len(&self) -> usize {
        self.intervals + self.degree
    }

    /// Whether there are none; never.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The functions that are not zero at `x`, `degree + 1` of them, written to `out`; returns the index of the first. Beyond the
    /// range the last polynomial piece of each goes on.
    pub fn at(&self, x: f64, out: &mut [f64]) -> usize {
        let place = (x - self.low) / self.step;
        let interval = (place.floor().max(0.0) as usize).min(self.intervals - 1);
        let u = place - interval as f64;
        // Cox and de Boor, in units of the knots' distance.
        out[0] = 1.0;
        for p in 1..=self.degree {
            let mut carried = 0.0;
            for (r, value) in out.iter_mut().enumerate().take(p) {
                let (left, right) = ((p - 1 - r) as f64 + u, (r + 1) as f64 - u);
                let share = *value / p as f64;
                *value = carried + right * share;
                carried = left * share;
            }
            out[p] = carried;
        }
        interval
    }
}

/// The basis at many points, without its zeros.
pub struct Design {
    /// Functions in all, `K`.
    pub size: usize,
    order: usize,
    first: Vec<usize>,
    values: Vec<f64>,
}

impl Design {
    /// At the points `x: [N]`.
    pub fn new(splines: &Splines, x: &[f64]) -> Self {
        let order = splines.degree + 1;
        let mut values = vec![0.0; x.len() * order];
        let first = x.iter().zip(values.chunks_exact_mut(order)).map(|(x, row)| splines.at(*x, row)).collect();
        Self { size: splines.len(), order, first, values }
    }

    /// The functions that are not zero at point `i`, and the index of the first.
    pub fn row(&self, i: usize) -> (usize, &[f64]) {
        (self.first[i], &self.values[i * self.order..(i + 1) * self.order])
    }

    /// The sum of the functions with these weights at every point, `[N]`.
    pub fn apply(&self, weights: &[f64]) -> Vec<f64> {
        (0..self.first.len())
            .map(|i| {
                let (first, row) = self.row(i);
                row.iter().zip(&weights[first..]).map(|(v, w)| v * w).sum()
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splines_sum_to_one_and_those_of_degree_one_are_hats() {
        let x: Vec<f64> = (0..=40).map(|i| -1.0 + 0.1 * f64::from(i)).collect();
        for degree in 1..=5 {
            let splines = Splines::over(&x, 7, degree);
            let mut out = vec![0.0; degree + 1];
            for x in &x {
                let first = splines.at(*x, &mut out);
                assert!((out.iter().sum::<f64>() - 1.0).abs() < 1e-12 && out.iter().all(|v| *v >= -1e-12));
                assert!(first + degree < splines.len());
            }
        }
        let mut hats = [0.0; 2];
        // Knots at 0, 1, 2, 3; the hat around 1 is 0.75 at 1.25.
        let first = Splines::over(&[0.0, 3.0], 4, 1).at(1.25, &mut hats);
        assert_eq!((first, hats), (1, [0.75, 0.25]));
    }

    #[test]
    fn a_cubic_spline_has_the_known_values_at_a_knot() {
        let mut out = [0.0; 4];
        Splines::over(&[0.0, 10.0], 11, 3).at(4.0, &mut out);
        for (found, expected) in out.iter().zip([1.0 / 6.0, 4.0 / 6.0, 1.0 / 6.0, 0.0]) {
            assert!((found - expected).abs() < 1e-12, "{out:?}");
        }
    }
}
