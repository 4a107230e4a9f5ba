//! The prior precision of the splines' weights: given, or the one with the largest evidence.

use super::fit::{Estimator, LEAST, Natural, factor};
use super::spline::Design;
use elbo_core::{Error, Result, ensure};
use elbo_tensor::special::erfcx;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::f64::consts::{FRAC_PI_2, LN_2, TAU};
use std::ops::Range;

/// The word for a ridge that is found from the data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ByEvidence {
    /// The largest evidence.
    Evidence,
}

/// `evidence`, or a number.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Ridge {
    /// Found from the data, for each direction and each half-sample by the same rule.
    Chosen(ByEvidence),
    /// Given.
    Value(f64),
}

/// Ridges among which the evidence chooses.
pub const RIDGES: [f64; 8] = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0];

impl Ridge {
    /// The one with the largest evidence.
    pub const EVIDENCE: Self = Self::Chosen(ByEvidence::Evidence);

    /// Refuses numbers that are no ridge, and a choice for an estimator that has no evidence.
    ///
    /// # Errors
    /// [`Error::Setting`].
    pub fn check(self, estimator: Estimator) -> Result<()> {
        match (self, estimator) {
            (Self::Value(v), _) => ensure("ridge", v, v > 0.0 && v.is_finite(), "a positive number, or `evidence`"),
            (Self::Chosen(_), Estimator::Homoscedastic | Estimator::TwoStep) => self.number().map(|_| ()),
            // A network has no ridge.
            (Self::Chosen(_), Estimator::Splines | Estimator::Network) => Ok(()),
        }
    }

    /// The number that was given.
    ///
    /// # Errors
    /// [`Error::Setting`] where it is to be chosen.
    pub(super) fn number(self) -> Result<f64> {
        match self {
            Self::Value(v) => Ok(v),
            Self::Chosen(_) => Err(Error::Setting {
                setting: "ridge".into(),
                found: "evidence".into(),
                expected: "a number for estimator=homoscedastic and estimator=two_step; only estimator=splines has an evidence".into(),
            }),
        }
    }
}

/// The likeliest weights of both natural parameters under the ridge, and this ridge: where it is to be chosen, that with the largest evidence.
///
/// # Errors
/// When a system of equations cannot be solved.
pub(super) fn natural(design: &Design, y: &[f64], ridge: Ridge) -> Result<(Vec<f64>, f64)> {
    // Beside means over rows the prior's share falls with their number.
    let problem = |ridge: f64| Natural { design, y, ridge: ridge / y.len() as f64 };
    if let Ridge::Value(ridge) = ridge {
        return Ok((problem(ridge).optimum()?, ridge));
    }
    let mut best: Option<(f64, Vec<f64>, f64)> = None;
    for ridge in RIDGES {
        let problem = problem(ridge);
        let weights = problem.optimum()?;
        let evidence = problem.log_evidence(&weights, 0..weights.len())?;
        if best.as_ref().is_none_or(|(largest, ..)| evidence > *largest) {
            best = Some((evidence, weights, ridge));
        }
    }
    let (_, weights, ridge) = best.expect("there are ridges to choose from");
    Ok((weights, ridge))
}

impl Natural<'_> {
    /// Laplace's approximation of the log evidence, nats: `log ∫ p(y | w) p(w) dw` over the weights `over`, at whose likeliest values `w` is; the others are held.
    /// Over the first half alone it is exact, since there the likelihood is Gaussian.
    ///
    /// The prior is normal with the precision of the ridge, and half of it for the weights of the second natural parameter, which are positive. A weight at its
    /// bound has no maximum there: it is integrated on its own, by slope and curvature, and all others together by their Hessian.
    ///
    /// # Errors
    /// When the Hessian cannot be factored.
    pub(super) fn log_evidence(&self, w: &[f64], over: Range<usize>) -> Result<f64> {
        let (k, n, size) = (self.design.size, self.y.len() as f64, w.len());
        let precision = n * self.ridge;
        let (gradient, hessian) = self.derivatives(w);
        // The objective has the squares of the held weights too.
        let held: f64 = w.iter().enumerate().filter(|(i, _)| !over.contains(i)).map(|(_, w)| w * w).sum();
        let mut evidence = 0.5 * precision * held - n * self.value(w);
        let mut free = vec![];
        for i in over {
            evidence += 0.5 * (precision / TAU).ln() + if i < k { 0.0 } else { LN_2 };
            let (slope, curvature) = (n * gradient[i], n * hessian[i * size + i]);
            if i >= k && w[i] <= LEAST && slope > 0.0 {
                // ∫ exp(-slope t - curvature t² / 2) dt over t > 0.
                evidence += 0.5 * (FRAC_PI_2 / curvature).ln() + erfcx(slope / (2.0 * curvature).sqrt()).ln();
            } else {
                free.push(i);
            }
        }
        if free.is_empty() {
            return Ok(evidence);
        }
        let mut block = Vec::with_capacity(free.len() * free.len());
        for i in &free {
            block.extend(free.iter().map(|j| n * hessian[i * size + j]));
        }
        let log_det = factor(&block, free.len())?.log_det();
        Ok(evidence + 0.5 * (free.len() as f64 * TAU.ln() - log_det))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fit::{Form, fit};
    use super::super::spline::Splines;
    use super::*;
    use elbo_core::Rng;
    use elbo_linalg::MatMut;

    fn sample(n: usize, noise: f64, seed: u64) -> (Vec<f64>, Vec<f64>) {
        let mut rng = Rng::new(seed);
        let x: Vec<f64> = (0..n).map(|_| rng.range(-1.7, 1.7)).collect();
        let y = x.iter().map(|x| (2.0 * x).sin() + noise * rng.normal()).collect();
        (x, y)
    }

    #[test]
    fn with_one_scale_the_evidence_is_that_of_bayesian_linear_regression() {
        let (n, variance, precision) = (40, 0.3f64, 0.5f64);
        let (x, y) = sample(n, 0.5, 1);
        let design = Design::new(&Splines::over(&x, 5, 3), &x);
        let problem = Natural { design: &design, y: &y, ridge: precision / n as f64 };
        // Splines sum to one: with equal weights the scale is the same everywhere.
        let k = design.size;
        let mut w: Vec<f64> = [vec![0.0; k], vec![0.5 / variance; k]].concat();
        let (gradient, hessian) = problem.derivatives(&w);
        let block: Vec<f64> = (0..k).flat_map(|i| hessian[i * 2 * k..][..k].to_vec()).collect();
        let mut step: Vec<f64> = gradient[..k].iter().map(|g| -g).collect();
        factor(&block, k).unwrap().solve(MatMut::column(&mut step));
        w[..k].copy_from_slice(&step);
        let found = problem.log_evidence(&w, 0..k).unwrap();
        // y = σ² Φ w + noise: a normal of covariance σ² I + σ⁴ Φ Φ' / δ.
        let column = |j: usize| design.apply(&(0..k).map(|i| f64::from(u8::from(i == j))).collect::<Vec<f64>>());
        let columns: Vec<Vec<f64>> = (0..k).map(column).collect();
        let mut covariance = vec![0.0; n * n];
        for i in 0..n {
            for j in 0..n {
                let shared: f64 = columns.iter().map(|c| c[i] * c[j]).sum();
                covariance[i * n + j] = variance * variance * shared / precision + if i == j { variance } else { 0.0 };
            }
        }
        let whole = factor(&covariance, n).unwrap();
        let mut solved = y.clone();
        whole.solve(MatMut::column(&mut solved));
        let form: f64 = solved.iter().zip(&y).map(|(s, y)| s * y).sum();
        let expected = -0.5 * (form + whole.log_det() + n as f64 * TAU.ln());
        assert!((found - expected).abs() < 1e-8, "{found} {expected}");
    }

    /// The evidence of one weight by a sum over a grid of so many of its values from `low` to `high`.
    fn summed(problem: &Natural<'_>, w: &[f64], index: usize, (low, high): (f64, f64)) -> f64 {
        const POINTS: usize = 4000;
        let (n, width) = (problem.y.len() as f64, (high - low) / POINTS as f64);
        let here = problem.value(w);
        let density = |p: usize| {
            let mut moved = w.to_vec();
            moved[index] = low + (p as f64 + 0.5) * width;
            (n * (here - problem.value(&moved))).exp()
        };
        let sum: f64 = (0..POINTS).map(density).sum();
        let held: f64 = w.iter().enumerate().filter(|(i, _)| *i != index).map(|(_, w)| w * w).sum();
        let precision = n * problem.ridge;
        0.5 * precision * held - n * here + 0.5 * (precision / TAU).ln() + LN_2 + (sum * width).ln()
    }

    #[test]
    fn the_evidence_of_one_weight_of_the_scale_is_its_integral_inside_and_at_its_bound() {
        let (x, mut y) = sample(300, 0.5, 2);
        let design = Design::new(&Splines::over(&x, 5, 3), &x);
        let index = design.size + 3;
        let problem = Natural { design: &design, y: &y, ridge: 1e-3 };
        let w = problem.optimum().unwrap();
        let sd = (300.0 * problem.derivatives(&w).1[index * w.len() + index]).sqrt().recip();
        assert!(w[index] > 4.0 * sd);
        let found = problem.log_evidence(&w, index..index + 1).unwrap();
        let range = ((w[index] - 9.0 * sd).max(LEAST), w[index] + 12.0 * sd);
        let expected = summed(&problem, &w, index, range);
        // Laplace's error is of the order of one over the rows that the weight sees.
        assert!((found - expected).abs() < 0.01, "{found} {expected}");
        // Noise so wide that the precision wants to be below its least.
        y.iter_mut().for_each(|y| *y *= 100.0);
        let problem = Natural { design: &design, y: &y, ridge: 1e-3 };
        let w: Vec<f64> = [vec![0.0; design.size], vec![LEAST; design.size]].concat();
        let slope = 300.0 * problem.derivatives(&w).0[index];
        assert!(slope > 0.0);
        let found = problem.log_evidence(&w, index..index + 1).unwrap();
        let expected = summed(&problem, &w, index, (LEAST, LEAST + 40.0 / slope));
        assert!((found - expected).abs() < 1e-3, "{found} {expected}");
    }

    fn form(ridge: Ridge) -> Form {
        Form { knots: 12, degree: 3, ridge, hidden: 1, steps: 1 }
    }

    #[test]
    fn the_chosen_ridge_has_the_largest_evidence_and_its_own_fit() {
        let mut chosen = vec![];
        for noise in [0.05, 1.5] {
            let (x, y) = sample(300, noise, 3);
            let found = fit(Estimator::Splines, &form(Ridge::EVIDENCE), &x, &y, &mut Rng::new(0)).unwrap();
            let ridge = found.ridge.unwrap();
            let given = fit(Estimator::Splines, &form(Ridge::Value(ridge)), &x, &y, &mut Rng::new(0)).unwrap();
            assert_eq!((given.ridge, &given.log_probs), (Some(ridge), &found.log_probs));
            let design = Design::new(&Splines::over(&x, 12, 3), &x);
            let evidence = |ridge: f64| {
                let problem = Natural { design: &design, y: &y, ridge: ridge / 300.0 };
                let w = problem.optimum().unwrap();
                problem.log_evidence(&w, 0..w.len()).unwrap()
            };
            let largest = RIDGES.map(evidence).into_iter().fold(f64::NEG_INFINITY, f64::max);
            assert_eq!(evidence(ridge), largest);
            chosen.push(ridge);
        }
        // Natural parameters are in units of the noise's precision.
        assert!(chosen[0] < chosen[1], "{chosen:?}");
    }

    #[test]
    fn only_the_splines_have_an_evidence() {
        let (x, y) = sample(60, 0.5, 4);
        for estimator in [Estimator::Homoscedastic, Estimator::TwoStep] {
            let refused = [
                fit(estimator, &form(Ridge::EVIDENCE), &x, &y, &mut Rng::new(0)).err().unwrap(),
                Ridge::EVIDENCE.check(estimator).unwrap_err(),
            ];
            assert!(refused.iter().all(|e| e.to_string().contains("`ridge` is evidence")), "{refused:?}");
            assert!(Ridge::Value(1e-5).check(estimator).is_ok());
        }
        assert!(Ridge::EVIDENCE.check(Estimator::Splines).is_ok());
        for wrong in [0.0, -1.0, f64::NAN] {
            assert!(Ridge::Value(wrong).check(Estimator::Splines).is_err());
        }
    }
}
