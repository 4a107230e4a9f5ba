//! Gauss rules of any order.

use elbo_tensor::special::{lgamma, log_beta, log_sum_exp};
use std::sync::OnceLock;

/// A Gauss quadrature rule: exact for polynomials of degree up to `2n - 1` against its weight function.
///
/// | constructor | weight | nodes in | weights sum to |
/// |---|---|---|---|
/// | [`Rule::hermite`] | standard normal density | the line | 1 |
/// | [`Rule::legendre`] | 1 | [-1, 1] | 2 |
/// | [`Rule::jacobi`] | `(1 - x)^alpha (1 + x)^beta` | [-1, 1] | the weight's integral |
/// | [`Rule::laguerre`] | `x^alpha e^(-x)` | the positive numbers | `Gamma(alpha + 1)` |
///
/// ```
/// use elbo_dist::Rule;
/// let square = Rule::hermite20().expect(1.0, 4.0, |f| f * f);
/// assert!((square - 5.0).abs() < 1e-13);
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Abscissae, ascending.
    pub nodes: Vec<f64>,
    /// Weights; the outermost may underflow to zero for hundreds of nodes.
    pub weights: Vec<f64>,
    /// Logarithms of the weights, finite also where the weights underflow.
    pub log_weights: Vec<f64>,
}

impl Rule {
    /// Gauss-Hermite in the probabilists' form: `sum w_i f(x_i)` is the mean of `f` under the standard normal.
    pub fn hermite(n: usize) -> Self {
        let off: Vec<f64> = (1..n).map(|k| (k as f64).sqrt()).collect();
        Self::from_recurrence(&vec![0.0; n], &off, 1.0).symmetric()
    }

    /// The 20-node Hermite rule, computed once.
    pub fn hermite20() -> &'static Self {
        static RULE: OnceLock<Rule> = OnceLock::new();
        RULE.get_or_init(|| Self::hermite(20))
    }

    /// The 50-node Hermite rule, computed once.
    pub fn hermite50() -> &'static Self {
        static RULE: OnceLock<Rule> = OnceLock::new();
        RULE.get_or_init(|| Self::hermite(50))
    }

    /// Gauss-Legendre on [-1, 1].
    pub fn legendre(n: usize) -> Self {
        let off: Vec<f64> = (1..n).map(|k| k as f64 / ((4 * k * k - 1) as f64).sqrt()).collect();
        Self::from_recurrence(&vec![0.0; n], &off, 2.0).symmetric()
    }

    /// Gauss-Jacobi on [-1, 1] with weight `(1 - x)^alpha (1 + x)^beta`; both exponents above -1.
    pub fn jacobi(n: usize, alpha: f64, beta: f64) -> Self {
        assert!(alpha > -1.0 && beta > -1.0, "Gauss-Jacobi needs exponents above -1, found {alpha} and {beta}");
        let sum = alpha + beta;
        let diagonal: Vec<f64> = (0..n)
            .map(|k| {
                let t = 2.0 * k as f64 + sum;
                // The general form is 0/0 at k = 0 for alpha + beta = 0.
                if k == 0 { (beta - alpha) / (sum + 2.0) } else { (beta - alpha) * sum / (t * (t + 2.0)) }
            })
            .collect();
        let off: Vec<f64> = (1..n)
            .map(|k| {
                let (k, t) = (k as f64, 2.0 * k as f64 + sum);
                let square = if k == 1.0 {
                    4.0 * (1.0 + alpha) * (1.0 + beta) / (t * t * (t + 1.0))
                } else {
                    4.0 * k * (k + alpha) * (k + beta) * (k + sum) / (t * t * (t + 1.0) * (t - 1.0))
                };
                square.sqrt()
            })
            .collect();
        let mass = ((sum + 1.0) * std::f64::consts::LN_2 + log_beta(alpha + 1.0, beta + 1.0)).exp();
        Self::from_recurrence(&diagonal, &off, mass)
    }

    /// Gauss-Laguerre on the positive numbers with weight `x^alpha e^(-x)`, `alpha` above -1; zero is the plain rule.
    ///
    /// Over the sum of the weights it is the mean under a gamma distribution of shape `alpha + 1` and rate one.
    ///
    /// # Panics
    /// For an `alpha` outside of (-1, 170]: the weight has no integral, or one too large for a double.
    pub fn laguerre(n: usize, alpha: f64) -> Self {
        assert!(alpha > -1.0 && alpha <= 170.0, "Gauss-Laguerre needs an exponent in (-1, 170], found {alpha}");
        let diagonal: Vec<f64> = (0..n).map(|k| 2.0 * k as f64 + 1.0 + alpha).collect();
        let off: Vec<f64> = (1..n).map(|k| (k as f64 * (k as f64 + alpha)).sqrt()).collect();
        Self::from_recurrence(&diagonal, &off, lgamma(alpha + 1.0).exp())
    }

    /// The rule of the orthonormal polynomials `off[k] p_{k+1} = (x - diagonal[k]) p_k - off[k-1] p_{k-1}`, for a weight function of
    /// this total mass. `diagonal: [n]`, `off: [n - 1]`.
    ///
    /// Nodes are the eigenvalues of that tridiagonal matrix (Golub and Welsch, 1969), found by bisection with Sturm counts and polished
    /// by Newton's method; weights are `1 / sum p_k^2`, which has relative accuracy in the tails where eigenvectors have not.
    pub fn from_recurrence(diagonal: &[f64], off: &[f64], mass: f64) -> Self {
        let n = diagonal.len();
        assert!(n > 0 && off.len() + 1 == n, "a rule needs n >= 1 diagonal and n - 1 off-diagonal coefficients");
        let radius = |i: usize| off.get(i).copied().unwrap_or(0.0) + if i > 0 { off[i - 1] } else { 0.0 };
        let low = (0..n).map(|i| diagonal[i] - radius(i)).fold(f64::INFINITY, f64::min);
        let high = (0..n).map(|i| diagonal[i] + radius(i)).fold(f64::NEG_INFINITY, f64::max);
        let mut rule = Self { nodes: vec![], weights: vec![], log_weights: vec![] };
        for index in 0..n {
            let (mut a, mut b) = (low, high);
            while b - a > 1e-9 * (high - low) {
                let middle = 0.5 * (a + b);
                if count_below(diagonal, off, middle) > index { b = middle } else { a = middle }
            }
            let mut x = 0.5 * (a + b);
            for _ in 0..4 {
                let (_, step) = evaluate(diagonal, off, x);
                // A step out of the bracket means that rounding has been reached.
                if (x - step - 0.5 * (a + b)).abs() <= 2.0 * (b - a) {
                    x -= step;
                }
            }
            let log_weight = mass.ln() - evaluate(diagonal, off, x).0;
            rule.nodes.push(x);
            rule.weights.push(log_weight.exp());
            rule.log_weights.push(log_weight);
        }
        rule
    }

    /// Makes a rule of an even weight function exactly symmetric, which integrates odd functions to exactly zero.
    fn symmetric(mut self) -> Self {
        let n = self.nodes.len();
        for i in 0..n.div_ceil(2) {
            let j = n - 1 - i;
            let node = 0.5 * (self.nodes[j] - self.nodes[i]);
            let log_weight = 0.5 * (self.log_weights[i] + self.log_weights[j]);
            for (k, x) in [(i, -node), (j, node)] {
                self.nodes[k] = x;
                self.log_weights[k] = log_weight;
                self.weights[k] = log_weight.exp();
            }
        }
        self
    }

    /// Number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are no nodes; never true.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// `sum w_i f(x_i)`.
    pub fn integrate(&self, f: impl Fn(f64) -> f64) -> f64 {
        self.nodes.iter().zip(&self.weights).map(|(x, w)| w * f(*x)).sum()
    }

    /// The integral of `f` over an interval, for a Legendre rule.
    pub fn integrate_over(&self, a: f64, b: f64, f: impl Fn(f64) -> f64) -> f64 {
        let (centre, half) = (0.5 * (a + b), 0.5 * (b - a));
        half * self.integrate(|x| f(centre + half * x))
    }

    /// Mean of `f` under a normal distribution, for a Hermite rule.
    pub fn expect(&self, mean: f64, variance: f64, f: impl Fn(f64) -> f64) -> f64 {
        let sd = variance.sqrt();
        self.integrate(|x| f(mean + sd * x))
    }

    /// Logarithm of the mean of `exp(log_f)` under a normal distribution, for a Hermite rule.
    pub fn log_expect(&self, mean: f64, variance: f64, log_f: impl Fn(f64) -> f64) -> f64 {
        let sd = variance.sqrt();
        let terms: Vec<f64> = self.nodes.iter().zip(&self.log_weights).map(|(x, w)| w + log_f(mean + sd * x)).collect();
        log_sum_exp(&terms)
    }
}

/// The number of eigenvalues below `x` (Sturm's sequence).
fn count_below(diagonal: &[f64], off: &[f64], x: f64) -> usize {
    let mut pivot = 1.0;
    let mut count = 0;
    for (i, d) in diagonal.iter().enumerate() {
        let coupling = if i > 0 { off[i - 1] * off[i - 1] / pivot } else { 0.0 };
        pivot = d - x - coupling;
        if pivot == 0.0 {
            pivot = 1e-300;
        }
        count += usize::from(pivot < 0.0);
    }
    count
}

/// `log` of the sum of the first n squared polynomials (with `p_0 = 1`), and Newton's step `p_n / p_n'`, at `x`.
fn evaluate(diagonal: &[f64], off: &[f64], x: f64) -> (f64, f64) {
    const BIG: f64 = 1e150;
    let n = diagonal.len();
    let (mut here, mut before) = (1.0f64, 0.0);
    let (mut slope, mut slope_before) = (0.0, 0.0);
    let (mut sum, mut log_scale) = (1.0, 0.0);
    for k in 0..n {
        let (next_off, last_off) = (off.get(k).copied().unwrap_or(1.0), if k > 0 { off[k - 1] } else { 0.0 });
        let next = ((x - diagonal[k]) * here - last_off * before) / next_off;
        let next_slope = (here + (x - diagonal[k]) * slope - last_off * slope_before) / next_off;
        (before, here, slope_before, slope) = (here, next, slope, next_slope);
        if k + 1 < n {
            sum += here * here;
        }
        if here.abs() > BIG {
            for value in [&mut before, &mut here, &mut slope_before, &mut slope] {
                *value /= BIG;
            }
            sum /= BIG * BIG;
            log_scale += 2.0 * BIG.ln();
        }
    }
    (sum.ln() + log_scale, here / slope)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_rules_are_the_textbook_ones() {
        let hermite = Rule::hermite(3);
        assert!((hermite.nodes[2] - 3f64.sqrt()).abs() < 1e-15 && hermite.nodes[1] == 0.0);
        assert!((hermite.weights[1] - 2.0 / 3.0).abs() < 1e-15);
        let legendre = Rule::legendre(2);
        assert!((legendre.nodes[1] - 1.0 / 3f64.sqrt()).abs() < 1e-15 && (legendre.weights[0] - 1.0).abs() < 1e-15);
        assert_eq!(Rule::legendre(1).nodes, vec![0.0]);
        let (laguerre, root) = (Rule::laguerre(2, 0.0), 2f64.sqrt());
        assert!((laguerre.nodes[0] - (2.0 - root)).abs() < 1e-15 && (laguerre.nodes[1] - (2.0 + root)).abs() < 1e-14);
        assert!((laguerre.weights[0] - 0.25 * (2.0 + root)).abs() < 1e-14);
        assert_eq!(Rule::laguerre(1, 0.5).nodes, vec![1.5]);
    }
}
