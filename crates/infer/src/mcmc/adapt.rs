//! What is learnt during the warm-up: the step size, and when the metric is renewed.

use serde::{Deserialize, Serialize};

/// Step size by dual averaging of the acceptance statistic.
///
/// # Source
/// Hoffman and Gelman (2014), section 3.2, with their constants: gamma 0.05, t0 10, kappa 0.75.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DualAveraging {
    target: f64,
    /// Logarithm of the value the iterates are drawn to.
    centre: f64,
    count: f64,
    error: f64,
    log_step: f64,
    log_average: f64,
}

impl DualAveraging {
    /// Starts at `step`; iterates are drawn to ten times as much, since too short a step is the dearer error.
    pub fn new(target: f64, step: f64) -> Self {
        Self { target, centre: (10.0 * step).ln(), count: 0.0, error: 0.0, log_step: step.ln(), log_average: 0.0 }
    }

    pub fn update(&mut self, accept: f64) {
        const GAMMA: f64 = 0.05;
        const T0: f64 = 10.0;
        const KAPPA: f64 = 0.75;
        self.count += 1.0;
        let eta = 1.0 / (self.count + T0);
        self.error = (1.0 - eta) * self.error + eta * (self.target - accept);
        self.log_step = self.centre - self.error * self.count.sqrt() / GAMMA;
        let weight = self.count.powf(-KAPPA);
        self.log_average = (1.0 - weight) * self.log_average + weight * self.log_step;
    }

    /// The step to explore with.
    pub fn step(&self) -> f64 {
        self.log_step.exp()
    }

    /// The step to keep.
    pub fn average(&self) -> f64 {
        if self.count > 0.0 { self.log_average.exp() } else { self.step() }
    }
}

/// When the metric is estimated: windows that double, between a first stretch that only approaches the bulk and a last one that
/// only settles the step.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Windows {
    /// The first iteration whose draw counts.
    pub begin: usize,
    /// The iterations after which the metric is renewed, ascending.
    pub ends: Vec<usize>,
}

impl Windows {
    /// 75, then 25 doubling, then 50; a short warm-up is cut in the ratio 15 : 75 : 10.
    pub fn new(warmup: usize) -> Self {
        if warmup < 20 {
            return Self { begin: warmup, ends: vec![] };
        }
        let (first, base, last) = if warmup < 150 {
            let (first, last) = (15 * warmup / 100, 10 * warmup / 100);
            (first, warmup - first - last, last)
        } else {
            (75, 25, 50)
        };
        let stop = warmup - last;
        let (mut ends, mut end, mut size) = (vec![], first, base);
        while end < stop {
            // A window is stretched to the end when the one after it, twice as long, would not fit.
            end = if end + size + 2 * size > stop { stop } else { end + size };
            size *= 2;
            ends.push(end);
        }
        Self { begin: first, ends }
    }

    pub fn is_estimating(&self, iteration: usize) -> bool {
        iteration >= self.begin && self.ends.last().is_some_and(|end| iteration < *end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_double_and_leave_the_last_stretch() {
        assert_eq!(Windows::new(1000), Windows { begin: 75, ends: vec![100, 150, 250, 450, 950] });
        assert_eq!(Windows::new(300), Windows { begin: 75, ends: vec![100, 150, 250] });
        assert_eq!(Windows::new(100), Windows { begin: 15, ends: vec![90] });
        assert!(Windows::new(10).ends.is_empty());
    }

    #[test]
    fn dual_averaging_finds_the_step_of_the_target() {
        // An acceptance that falls with the step as exp(-step): the target 0.8 is at -ln 0.8.
        let mut adapt = DualAveraging::new(0.8, 1.0);
        for _ in 0..4000 {
            adapt.update((-adapt.step()).exp());
        }
        assert!((adapt.average() / -0.8f64.ln() - 1.0).abs() < 0.02, "{}", adapt.average());
    }
}
