//! Expected growth of the dominated volume.

use crate::acquisition::{Acquisition, Feasibility, Score};
use crate::surrogate::Gp;
use elbo_tensor::special::log1m_exp;

/// A box of values that would be new: from `low`, maybe minus infinity, to `high`.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// Lower ends, `[M]`.
    pub low: Vec<f64>,
    /// Upper ends, `[M]`.
    pub high: Vec<f64>,
}

/// Disjoint boxes that together are all values below the reference that no point dominates. `points: [N][M]`.
///
/// Cut into slabs along the last objective; in each slab only the points below it count, and the rest is the same question with one objective fewer.
/// Of `N` points on a front of `M` objectives there are at most `(N + 1)^(M - 1)`.
pub fn cells(points: &[Vec<f64>], reference: &[f64]) -> Vec<Cell> {
    let below = |p: &&Vec<f64>| p.iter().zip(reference).all(|(a, r)| a < r);
    let inside: Vec<&[f64]> = points.iter().filter(below).map(Vec::as_slice).collect();
    slabs(inside, reference)
}

fn slabs(mut points: Vec<&[f64]>, reference: &[f64]) -> Vec<Cell> {
    let last = reference.len() - 1;
    if last == 0 {
        let high = points.iter().map(|p| p[0]).fold(reference[0], f64::min);
        return vec![Cell { low: vec![f64::NEG_INFINITY], high: vec![high] }];
    }
    points.sort_by(|a, b| a[last].total_cmp(&b[last]));
    let mut out = vec![];
    let mut low = f64::NEG_INFINITY;
    for i in 0..=points.len() {
        let high = points.get(i).map_or(reference[last], |p| p[last]);
        if high > low {
            for mut cell in slabs(points[..i].to_vec(), &reference[..last]) {
                cell.low.push(low);
                cell.high.push(high);
                out.push(cell);
            }
        }
        low = high;
    }
    out
}

/// The logarithm of the expected growth of the hypervolume by one more trial, for independent processes.
///
/// Over the [`cells`] of the front, with `ψ(c) = E (c - Y)_+`,
///
/// $$ \log \sum_{\text{cells}} \prod_k \left[ \psi_k(u_k) - \psi_k(l_k) \right] , \qquad \psi(-\infty) = 0 $$
///
/// in each process's standardised unit, which changes it by a constant.
///
/// # Source
/// Emmerich, Giannakoglou and Naujoks (2006); cells as in Couckuyt, Deschrijver and Dhaene (2014).
pub struct Ehvi<'a> {
    gps: Vec<&'a Gp>,
    cells: Vec<Cell>,
    feasibility: Feasibility<'a>,
}

impl<'a> Ehvi<'a> {
    /// A process for each objective; the points so far `[N][M]` and the reference in the unit of the data.
    pub fn new(gps: Vec<&'a Gp>, points: &[Vec<f64>], reference: &[f64], feasibility: Feasibility<'a>) -> Self {
        let standardised = |p: &[f64]| gps.iter().zip(p).map(|(gp, v)| gp.standardised(*v)).collect::<Vec<f64>>();
        // What another dominates would only cut the cells smaller.
        let points: Vec<Vec<f64>> = super::front(points).into_iter().map(|i| standardised(&points[i])).collect();
        let cells = cells(&points, &standardised(reference));
        Self { gps, cells, feasibility }
    }

    /// The score of independent `N(mean_k, variance_k)`, and its derivatives in all of them.
    pub fn of(cells: &[Cell], mean: &[f64], variance: &[f64]) -> (f64, Vec<f64>, Vec<f64>) {
        let m = mean.len();
        let mut logs = Vec::with_capacity(cells.len());
        let mut slopes = Vec::with_capacity(cells.len() * m);
        for cell in cells {
            let mut log = 0.0;
            for k in 0..m {
                let (a, by_mean, by_variance) = Score::LogEi.of(mean[k], variance[k], cell.high[k]);
                if cell.low[k] == f64::NEG_INFINITY {
                    log += a;
                    slopes.push((by_mean, by_variance));
                    continue;
                }
                let (b, low_mean, low_variance) = Score::LogEi.of(mean[k], variance[k], cell.low[k]);
                // ψ grows with its end; rounding may lose that far out.
                let fall = (b - a).min(-f64::EPSILON);
                let (share, rest) = (fall.exp(), -fall.exp_m1());
                log += a + log1m_exp(fall);
                slopes.push(((by_mean - share * low_mean) / rest, (by_variance - share * low_variance) / rest));
            }
            logs.push(log);
        }
        let value = elbo_tensor::special::log_sum_exp(&logs);
        let (mut by_mean, mut by_variance) = (vec![0.0; m], vec![0.0; m]);
        for (log, slopes) in logs.iter().zip(slopes.chunks_exact(m)) {
            let weight = (log - value).exp();
            for (k, (of_mean, of_variance)) in slopes.iter().enumerate() {
                by_mean[k] += weight * of_mean;
                by_variance[k] += weight * of_variance;
            }
        }
        (value, by_mean, by_variance)
    }
}

impl Acquisition for Ehvi<'_> {
    fn value_and_gradient(&self, x: &[f64], gradient: &mut [f64]) -> f64 {
        let joints: Vec<_> = self.gps.iter().map(|gp| gp.joint(x)).collect();
        let (mean, variance): (Vec<f64>, Vec<f64>) = joints.iter().map(|j| (j.mean[0], j.covariance[0])).unzip();
        let (value, by_mean, by_variance) = Self::of(&self.cells, &mean, &variance);
        gradient.fill(0.0);
        for (k, (gp, joint)) in self.gps.iter().zip(&joints).enumerate() {
            gp.pullback(joint, &by_mean[k..=k], &by_variance[k..=k], None, gradient);
        }
        value + self.feasibility.add(x, gradient)
    }

    fn values(&self, xs: &[f64], width: usize) -> Vec<f64> {
        let beliefs: Vec<_> = self.gps.iter().map(|gp| gp.marginals(xs)).collect();
        let mut values: Vec<f64> = (0..xs.len() / width)
            .map(|i| {
                let (mean, variance): (Vec<f64>, Vec<f64>) = beliefs.iter().map(|(m, v)| (m[i], v[i])).unzip();
                Self::of(&self.cells, &mean, &variance).0
            })
            .collect();
        self.feasibility.add_many(xs, width, &mut values);
        values
    }
}
