//! Measurements of a restoration: made or given, checked, and weighed by how sure they are.

use crate::operator::{LinearPart, Noise, Operator, Weighted};
use crate::restore::Problem;
use elbo_core::Rng;

/// Standard deviations of noise that a number may lie outside of what can be measured.
const DEVIATIONS: f64 = 5.0;

/// An operator, and the constant that a measurement has beside what the operator gives.
pub(super) struct Measure {
    pub operator: Box<dyn Operator>,
    /// Empty for none.
    pub constant: Vec<f64>,
}

impl Measure {
    /// Without a constant.
    pub fn plain(operator: impl Operator + 'static) -> Self {
        Self { operator: Box::new(operator), constant: vec![] }
    }

    /// The linear part of an affine operator, and its constant.
    pub fn affine(operator: impl Operator + 'static) -> Self {
        let part = LinearPart::new(Box::new(operator));
        let constant = part.constant().to_vec();
        Self { operator: Box::new(part), constant }
    }

    /// What is measured of a picture without noise.
    pub fn of(&self, x: &[f64]) -> Vec<f64> {
        let mut y = self.operator.apply(x);
        y.iter_mut().zip(&self.constant).for_each(|(y, c)| *y += c);
        y
    }
}

/// The noise of measurements, in the model's unit, where black is -1 and white 1.
#[derive(Debug, Clone, Copy)]
pub(super) enum Uncertainty {
    /// Normal with this standard deviation.
    Even(f64),
    /// That of counts, so many of white.
    Counts(f64),
}

impl Uncertainty {
    /// The standard deviation of one number. Of counts it is that of the number itself, of at least one count.
    fn deviation(self, y: f64) -> f64 {
        match self {
            Self::Even(sd) => sd,
            Self::Counts(counts) => 2.0 * (0.5 * (y + 1.0) * counts).max(1.0).sqrt() / counts,
        }
    }

    /// A noisy measurement.
    pub fn add(self, y: &[f64], rng: &mut Rng) -> Vec<f64> {
        match self {
            Self::Even(sd) => Noise::Gaussian(sd).add(y, rng),
            Self::Counts(scale) => {
                let shares: Vec<f64> = y.iter().map(|v| 0.5 * (v + 1.0)).collect();
                Noise::Poisson { scale }.add(&shares, rng).iter().map(|v| 2.0 * v - 1.0).collect()
            }
        }
    }
}

/// Measurements with their operators, of which there is one for all or one each.
pub(super) struct Measured {
    pub measures: Vec<Measure>,
    /// As they came, in the model's unit.
    pub values: Vec<Vec<f64>>,
    pub noise: Uncertainty,
}

impl Measured {
    /// The operator of a measurement.
    pub fn of(&self, i: usize) -> &Measure {
        &self.measures[if self.measures.len() == 1 { 0 } else { i }]
    }

    /// The standard deviation that all numbers have once they are weighed.
    pub fn deviation(&self) -> f64 {
        if let Uncertainty::Even(sd) = self.noise {
            return sd;
        }
        let precision = |y: &f64| self.noise.deviation(*y).powi(-2);
        let all: Vec<f64> = self.values.iter().flatten().map(precision).collect();
        (all.iter().sum::<f64>() / all.len() as f64).powf(-0.5)
    }

    /// The operators with weights that make all numbers equally sure, the mean of their squares one; none where they are so already.
    pub fn weighted(&self) -> Vec<Weighted<'_>> {
        if let Uncertainty::Even(_) = self.noise {
            return vec![];
        }
        let common = self.deviation();
        let one = |(i, values): (usize, &Vec<f64>)| {
            let weights = values.iter().map(|y| common / self.noise.deviation(*y)).collect();
            Weighted::new(self.of(i).operator.as_ref(), weights)
        };
        self.values.iter().enumerate().map(one).collect()
    }

    /// What is to be solved, with what [`Measured::weighted`] gave.
    pub fn problems<'a>(&'a self, weighted: &'a [Weighted<'a>]) -> Vec<Problem<'a>> {
        let one = |(i, values): (usize, &Vec<f64>)| {
            let measure = self.of(i);
            let mut y = values.clone();
            y.iter_mut().zip(&measure.constant).for_each(|(y, c)| *y -= c);
            match weighted.get(i) {
                Some(weighted) => Problem { y: weighted.weigh(&y), operator: weighted },
                None => Problem { y, operator: measure.operator.as_ref() },
            }
        };
        self.values.iter().enumerate().map(one).collect()
    }

    /// What to tell the user where numbers lie beyond noise outside of what pictures from black to white give: within `bound` of zero, or without one,
    /// where a brighter picture gives no smaller number, between those of black and white.
    pub fn out_of_range(&self, bound: Option<f64>) -> Option<String> {
        let (mut outside, mut count) = (0, 0);
        let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
        let mut known: Option<(Vec<f64>, Vec<f64>)> = None;
        for (i, values) in self.values.iter().enumerate() {
            if known.is_none() || self.measures.len() > 1 {
                let measure = self.of(i);
                let of = |value: f64| measure.of(&vec![value; measure.operator.input()]);
                known = Some(match bound {
                    None => (of(-1.0), of(1.0)),
                    Some(most) => (vec![-most; values.len()], vec![most; values.len()]),
                });
            }
            let (least, most) = known.as_ref().expect("limits were made above");
            for ((y, a), b) in values.iter().zip(least).zip(most) {
                let slack = DEVIATIONS * self.noise.deviation(*y) + 1e-6;
                outside += usize::from(*y < a - slack || *y > b + slack);
                count += 1;
                (low, high) = (low.min(*y), high.max(*y));
            }
        }
        (outside > 0).then(|| {
            let [low, high] = [low, high].map(|y| 0.5 * (y + 1.0));
            format!(
                "{outside} of {count} numbers of the measurement are beyond noise outside of what pictures from black (0) to white (1) give; \
                 they go from {low:.3} to {high:.3}: check their unit, `operator` and its settings, and `noise`"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::{Haze, Mask, Parallel, Shadow};

    fn measured(noise: Uncertainty, values: Vec<f64>) -> Measured {
        let measures = vec![Measure::plain(Mask::new(&[true; 4]).unwrap())];
        Measured { measures, values: vec![values], noise }
    }

    #[test]
    fn weights_make_counts_equally_sure() {
        let found = measured(Uncertainty::Counts(100.0), vec![-1.0, -0.5, 0.0, 1.0]);
        let weighted = found.weighted();
        let problem = &found.problems(&weighted)[0];
        // Shares 0, 1/4, 1/2 and 1: at least one count.
        let sd = [1.0f64, 25.0, 50.0, 100.0].map(|counts| 2.0 * counts.sqrt() / 100.0);
        let common = found.deviation();
        let squares: f64 = sd.iter().map(|sd| (common / sd).powi(2)).sum();
        assert!((squares / 4.0 - 1.0).abs() < 1e-12);
        for ((y, value), sd) in problem.y.iter().zip(&found.values[0]).zip(sd) {
            assert!((y - value * common / sd).abs() < 1e-12);
        }
        let even = measured(Uncertainty::Even(0.3), vec![0.0; 4]);
        assert!(even.weighted().is_empty() && even.deviation() == 0.3);
    }

    #[test]
    fn a_constant_is_taken_out_of_the_measurement() {
        let x = [-1.0, 0.3, 0.5, 1.0];
        let rays = Parallel { angles: vec![0.0, 30.0], detectors: 3, spacing: 1.0 }.rays(2, 2).unwrap();
        for measure in [
            Measure::affine(Haze::new(&[0.2, 0.4, 0.6, 1.0], &[0.7]).unwrap()),
            Measure::affine(Shadow::new([1, 2, 2], rays)),
        ] {
            let values = vec![measure.of(&x)];
            let found = Measured { measures: vec![measure], values, noise: Uncertainty::Even(0.1) };
            let problem = &found.problems(&[])[0];
            assert!(problem.operator.is_linear());
            let left =
                problem.operator.apply(&x).iter().zip(&problem.y).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            assert!(left < 1e-12, "{left}");
            assert!(problem.operator.apply(&[0.0; 4]).iter().all(|v| *v == 0.0));
        }
    }

    #[test]
    fn numbers_that_no_picture_gives_are_told_but_not_noise() {
        let told = |noise: Uncertainty, values: [f64; 4]| measured(noise, values.to_vec()).out_of_range(None);
        assert!(told(Uncertainty::Even(0.02), [-1.05, 0.0, 0.5, 1.08]).is_none());
        let text = told(Uncertainty::Even(0.02), [-3.0, 0.0, 0.5, 1.0]).unwrap();
        assert!(text.contains("1 of 4") && text.contains("from -1.000 to 1.000"), "{text}");
        assert!(told(Uncertainty::Counts(100.0), [-1.0, 1.5, 0.0, 0.0]).is_none());
        assert!(told(Uncertainty::Counts(1e6), [-1.0, 1.5, 0.0, 0.0]).is_some());
        // Darker than the light between allows.
        let hazy = Measure::affine(Haze::new(&[0.1; 4], &[0.9]).unwrap());
        let found = Measured { measures: vec![hazy], values: vec![vec![-0.5; 4]], noise: Uncertainty::Even(0.01) };
        assert!(found.out_of_range(None).is_some() && found.out_of_range(Some(1.0)).is_none());
    }
}
