//! Laplacian adjusted Wasserstein gradient descent on a grid.

use super::field::Velocity;
use crate::score::{FullScore, Score};
use crate::target::LogDensity;
use elbo_core::{Error, Result, ensure};
use elbo_linalg::vector::dot;
use elbo_linalg::{MatRef, syevd};
use elbo_tensor::optim::Lbfgs;

/// Deviations to either side of a mode that a grid around it reaches.
const REACH: f64 = 4.0;
/// Grid points of a line, and of each side in the plane, around a mode.
const POINTS: [usize; 2] = [201, 21];
/// Functions on a grid around a mode.
const FUNCTIONS: usize = 20;
/// Steps of the climb to it.
const STEPS: usize = 1000;
/// Most grid points a side in the plane: the eigenproblem is of the square of that.
const MOST: usize = 50;
/// Least root of the density on a grid, over the largest: an eigenfunction is known to rounding over it.
const LEAST_ROOT: f64 = 1e-12;
/// What to do about a density that a grid cannot hold.
const NARROWER: &str = "take a narrower interval, or a field that needs no grid, as `Field::Svgd`";

/// The velocity $-\tfrac1N \sum_j \partial_1 K(x, x_j)$ with $K = \sum_{i \ge 1} \phi_i \phi_i / \lambda_i$ over the eigenfunctions of
/// the target's Langevin generator $-\Delta + \nabla V \cdot \nabla$, for one unknown or two.
///
/// # Source
/// Chewi, Le Gouic, Lu, Maunu and Rigollet (2020). Deviation: the generator's own form on the grid, of fluxes between neighbours, in place of
/// Schroedinger's: it needs no second derivatives, and constants have an eigenvalue of zero exactly.
/// [`Lawgd::around`] takes the generator in coordinates in which the curvature at the mode is one in all directions.
#[derive(Debug, Clone)]
pub struct Lawgd {
    axes: Vec<Axis>,
    /// Where the grid stands; its axes are those of the unknowns without one.
    frame: Option<Frame>,
    /// Eigenfunctions on the grid, one row each, the last axis fastest.
    functions: Vec<Vec<f64>>,
    /// Their derivatives along each axis.
    derivatives: Vec<Vec<Vec<f64>>>,
    /// The eigenvalues.
    values: Vec<f64>,
}

/// Equally spaced points of an interval.
#[derive(Debug, Clone, Copy)]
struct Axis {
    low: f64,
    spacing: f64,
    size: usize,
    /// From one point to the next in a row of the grid.
    stride: usize,
}

impl Axis {
    /// The place on this axis of a point of the grid.
    fn index(&self, node: usize) -> usize {
        node / self.stride % self.size
    }

    /// The cell that holds a number, by its lower end, and the share of the cell below the number; numbers outside are at the nearest end.
    fn cell(&self, x: f64) -> (usize, f64) {
        let position = ((x - self.low) / self.spacing).clamp(0.0, (self.size - 1) as f64);
        let below = (position as usize).min(self.size - 2);
        (below, position - below as f64)
    }
}

impl Lawgd {
    /// The eigenfunctions on `size` points of an interval that must hold nearly all of the target; the `count` of lowest eigenvalue.
    ///
    /// # Errors
    /// [`Error::Setting`] for more than one dimension, an interval without room, and fewer than two grid points more than functions;
    /// [`Error::Numerical`] when the density cannot be followed over the interval, or is zero to rounding within it.
    pub fn new(score: &dyn Score, interval: (f64, f64), size: usize, count: usize) -> Result<Self> {
        ensure("score", format!("of {} dimensions", score.dim()), score.dim() == 1, "of one, as the grid")?;
        ensure("size", size, size > count + 1, format!("at least {}, for {count} functions", count + 2))?;
        Self::on(score, &[interval], size, count)
    }

    /// The same in the plane, on `size` by `size` points of a rectangle given by its two sides. A dense eigenproblem of `size` squared is solved once,
    /// which takes seconds for 30 points a side.
    ///
    /// # Errors
    /// As [`Lawgd::new`], for two dimensions, and for more than 50 points a side.
    pub fn plane(score: &dyn Score, sides: [(f64, f64); 2], size: usize, count: usize) -> Result<Self> {
        ensure("score", format!("of {} dimensions", score.dim()), score.dim() == 2, "of two, as the grid")?;
        let is_usable = (3..=MOST).contains(&size) && size * size > count + 1;
        ensure("size", size, is_usable, format!("from 3 to {MOST}, with a square of at least {}", count + 2))?;
        Self::on(score, &sides, size, count)
    }

    /// The twenty slowest eigenfunctions of a density of one unknown or two, on a grid around its mode: four deviations to either side, by the curvature
    /// there. For a density with one mode and tails that are not much longer than a normal's.
    ///
    /// The grid lies along the main axes of the curvature, in units of the deviations along them, and the generator is that of the density in these
    /// coordinates: in other units the slowest functions could all be of the widest direction, and move no point along the narrow one.
    ///
    /// # Errors
    /// [`Error::Setting`] for more than two unknowns and a start of another length; [`Error::Numerical`] where the climb from `start` finds no point
    /// at which the density is finite and log-concave, and as [`Lawgd::new`].
    pub fn around(target: &dyn LogDensity, start: &[f64]) -> Result<Self> {
        let dim = target.dim();
        ensure("target", format!("of {dim} unknowns"), dim == 1 || dim == 2, "of one or two, as the grid")?;
        let found = format!("of {} unknowns", start.len());
        ensure("start", found, start.len() == dim, format!("of {dim} unknowns, as the target"))?;
        let mode = Lbfgs::default().minimise(start, STEPS, |z| {
            let mut slope = vec![0.0; dim];
            let value = target.value_and_gradient(z, &mut slope);
            slope.iter_mut().for_each(|g| *g = -*g);
            Ok((-value, slope))
        })?;
        let hessian = target.hessian(&mode.x).unwrap_or_else(|| curvature(target, &mode.x));
        let frame = Frame::around(mode.x, &hessian).ok_or_else(|| {
            Error::numerical(
                "the log density has no curvature at the end of a climb that would say how wide it is",
                "start near a mode, or give a grid by `Lawgd::new` or `Lawgd::plane`",
            )
        })?;
        let score = Framed { score: FullScore(target), frame: &frame };
        let side = (-REACH, REACH);
        let field = if dim == 1 {
            Self::new(&score, side, POINTS[0], FUNCTIONS)?
        } else {
            Self::plane(&score, [side; 2], POINTS[1], FUNCTIONS)?
        };
        Ok(Self { frame: Some(frame), ..field })
    }

    fn on(score: &dyn Score, intervals: &[(f64, f64)], size: usize, count: usize) -> Result<Self> {
        for (low, high) in intervals {
            ensure(
                "interval",
                format!("from {low} to {high}"),
                low < high && (high - low).is_finite(),
                "one with room",
            )?;
        }
        let (dim, nodes) = (intervals.len(), size.pow(intervals.len() as u32));
        let axis = |(k, (low, high)): (usize, &(f64, f64))| {
            let spacing = (high - low) / (size - 1) as f64;
            Axis { low: *low, spacing, size, stride: size.pow((dim - 1 - k) as u32) }
        };
        let axes: Vec<Axis> = intervals.iter().enumerate().map(axis).collect();
        let edges: Vec<Vec<Edge>> = (0..dim).map(|along| rises(score, &axes, nodes, along)).collect();
        // Log density up to a constant at grid points: each from its neighbour before it on the last axis that it has one on.
        let mut log_density = vec![0.0; nodes];
        for node in 1..nodes {
            let along = axes.iter().rposition(|axis| axis.index(node) > 0).expect("the first point alone has none");
            let before = node - axes[along].stride;
            log_density[node] = log_density[before] + edges[along][before].half + edges[along][before].rest;
        }
        let top = log_density.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if !top.is_finite() || log_density.iter().any(|l| !l.is_finite()) {
            return Err(Error::numerical("the score is not finite on the whole grid", NARROWER));
        }
        // The generator as the form sum w_(i+1/2) (f_(i+1) - f_i)^2 / spacing^2 over sum w_i f_i^2, made symmetric by sqrt(w).
        let mut matrix = vec![0.0; nodes * nodes];
        for (axis, edges) in axes.iter().zip(&edges) {
            for node in (0..nodes).filter(|node| axis.index(*node) + 1 < size) {
                let (next, edge) = (node + axis.stride, &edges[node]);
                // From either end, between which rounding and the rule's error are shared.
                let middle = 0.5 * (log_density[node] + edge.half + log_density[next] - edge.rest);
                let link = |a: usize, b: usize| {
                    (middle - 0.5 * (log_density[a] + log_density[b])).exp() / axis.spacing.powi(2)
                };
                matrix[node * nodes + node] += link(node, node);
                matrix[next * nodes + next] += link(next, next);
                matrix[next * nodes + node] -= link(node, next);
                matrix[node * nodes + next] -= link(node, next);
            }
        }
        let eigen = syevd(MatRef::row_major(&matrix, nodes, nodes))
            .map_err(|cause| Error::numerical(cause.to_string(), NARROWER))?;
        let root: Vec<f64> = log_density.iter().map(|l| (0.5 * (l - top)).exp()).collect();
        if root.iter().any(|r| *r < LEAST_ROOT) {
            return Err(Error::numerical("the density is zero to rounding somewhere on the grid", NARROWER));
        }
        let mass: f64 = root.iter().map(|r| r * r).sum();
        let (mut functions, mut derivatives, mut values) = (vec![], vec![], vec![]);
        for j in 1..=count {
            // Orthonormal under the normalised density.
            let f: Vec<f64> = (0..nodes).map(|i| eigen.vectors[i * nodes + j] / root[i] * mass.sqrt()).collect();
            derivatives.push(axes.iter().map(|axis| slopes(&f, axis)).collect());
            functions.push(f);
            values.push(eigen.values[j]);
        }
        Ok(Self { axes, frame: None, functions, derivatives, values })
    }

    /// The corners of the cell that holds a point, with their weights in linear interpolation; the nearest end outside of the grid.
    fn corners(&self, x: &[f64]) -> Vec<(usize, f64)> {
        let mut corners = vec![(0, 1.0)];
        for (axis, x) in self.axes.iter().zip(x) {
            let (below, share) = axis.cell(*x);
            let upper = corners.iter().map(|(node, weight)| (node + (below + 1) * axis.stride, weight * share));
            let lower = corners.iter().map(|(node, weight)| (node + below * axis.stride, weight * (1.0 - share)));
            corners = lower.chain(upper).collect();
        }
        corners
    }

    /// The eigenvalues kept, ascending; the zero of the constant is left out. Of [`Lawgd::around`] they are of the density in units of its deviations:
    /// 1 and 2 and so on of a normal one.
    pub fn eigenvalues(&self) -> &[f64] {
        &self.values
    }
}

/// The Hessian by central differences of the gradient, `[D, D]`.
fn curvature(target: &dyn LogDensity, at: &[f64]) -> Vec<f64> {
    let dim = at.len();
    let row = |i: usize| {
        let h = 1e-5 * at[i].abs().max(1.0);
        let slope = |h: f64| {
            let (mut x, mut s) = (at.to_vec(), vec![0.0; dim]);
            x[i] += h;
            target.value_and_gradient(&x, &mut s);
            s
        };
        let (above, below) = (slope(h), slope(-h));
        above.into_iter().zip(below).map(move |(a, b)| (a - b) / (2.0 * h)).collect::<Vec<f64>>()
    };
    (0..dim).flat_map(row).collect()
}

/// Coordinates $w$ of a grid: $x = c + A w$, with $A A^\top$ the covariance of the normal that has the same curvature.
#[derive(Debug, Clone)]
struct Frame {
    /// `[D]`.
    centre: Vec<f64>,
    /// $A$ and its inverse, `[D, D]`.
    out: Vec<f64>,
    back: Vec<f64>,
}

impl Frame {
    /// Along the main axes of this Hessian of a log density, `[D, D]`; `None` where that is not negative definite.
    fn around(centre: Vec<f64>, hessian: &[f64]) -> Option<Self> {
        let dim = centre.len();
        let precision: Vec<f64> = hessian.iter().map(|h| -h).collect();
        let eigen = syevd(MatRef::row_major(&precision, dim, dim)).ok()?;
        if eigen.values.iter().any(|v| *v <= 0.0) {
            return None;
        }
        let (mut out, mut back) = (vec![0.0; dim * dim], vec![0.0; dim * dim]);
        for (j, value) in eigen.values.iter().enumerate() {
            for i in 0..dim {
                let entry = eigen.vectors[i * dim + j];
                out[i * dim + j] = entry / value.sqrt();
                back[j * dim + i] = entry * value.sqrt();
            }
        }
        Some(Self { centre, out, back })
    }

    /// A point `w` in the unknowns, `[D]`.
    fn point(&self, w: &[f64]) -> Vec<f64> {
        self.centre.iter().zip(self.direction(w)).map(|(c, v)| c + v).collect()
    }

    /// A direction `w` in the unknowns, `[D]`.
    fn direction(&self, w: &[f64]) -> Vec<f64> {
        self.out.chunks_exact(w.len()).map(|row| dot(row, w)).collect()
    }

    /// A point of the unknowns on the grid, `[D]`.
    fn place(&self, x: &[f64]) -> Vec<f64> {
        let from: Vec<f64> = x.iter().zip(&self.centre).map(|(x, c)| x - c).collect();
        self.back.chunks_exact(x.len()).map(|row| dot(row, &from)).collect()
    }
}

/// The score of the same density in the coordinates of a frame.
struct Framed<'a> {
    score: FullScore<'a>,
    frame: &'a Frame,
}

impl Score for Framed<'_> {
    fn dim(&self) -> usize {
        self.score.dim()
    }

    fn rows(&self) -> usize {
        0
    }

    fn score(&self, w: &[f64], rows: &[usize], gradient: &mut [f64]) {
        let dim = w.len();
        let mut slope = vec![0.0; dim];
        self.score.score(&self.frame.point(w), rows, &mut slope);
        for (j, g) in gradient.iter_mut().enumerate() {
            *g = (0..dim).map(|i| self.frame.out[i * dim + j] * slope[i]).sum();
        }
    }
}

/// What the log density rises by from a point of the grid to the middle of an edge, and from there to the next point.
#[derive(Debug, Clone, Copy)]
struct Edge {
    half: f64,
    rest: f64,
}

/// The edges along one axis, by the point they begin at, by Simpson's rule over both halves; NaN where there is none.
fn rises(score: &dyn Score, axes: &[Axis], nodes: usize, along: usize) -> Vec<Edge> {
    let spacing = axes[along].spacing;
    let edge = |node: usize| {
        if axes[along].index(node) + 1 == axes[along].size {
            return Edge { half: f64::NAN, rest: f64::NAN };
        }
        let start: Vec<f64> = axes.iter().map(|axis| axis.low + axis.index(node) as f64 * axis.spacing).collect();
        let slope = |t: f64| {
            let (mut x, mut s) = (start.clone(), vec![0.0; start.len()]);
            x[along] += t * spacing;
            score.score(&x, &[], &mut s);
            s[along]
        };
        let [a, b, c, d, e] = [0.0, 0.25, 0.5, 0.75, 1.0].map(slope);
        Edge { half: spacing / 12.0 * (a + 4.0 * b + c), rest: spacing / 12.0 * (c + 4.0 * d + e) }
    };
    (0..nodes).map(edge).collect()
}

/// Central differences of a function on the grid along an axis, one-sided at its ends.
fn slopes(f: &[f64], axis: &Axis) -> Vec<f64> {
    let slope = |node: usize| {
        let before = if axis.index(node) > 0 { node - axis.stride } else { node };
        let after = if axis.index(node) + 1 < axis.size { node + axis.stride } else { node };
        (f[after] - f[before]) / ((axis.index(after) - axis.index(before)) as f64 * axis.spacing)
    };
    (0..f.len()).map(slope).collect()
}

impl Velocity for Lawgd {
    fn velocity(&self, _: &dyn Score, _: &[usize], points: &[f64], _: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        let dim = self.axes.len();
        let place = |x: &[f64]| self.frame.as_ref().map_or_else(|| x.to_vec(), |frame| frame.place(x));
        let corners: Vec<_> = points.chunks_exact(dim).map(|x| self.corners(&place(x))).collect();
        let at = |row: &[f64], corners: &[(usize, f64)]| -> f64 { corners.iter().map(|(i, w)| w * row[*i]).sum() };
        for ((f, slopes), value) in self.functions.iter().zip(&self.derivatives).zip(&self.values) {
            let mean = corners.iter().map(|c| at(f, c)).sum::<f64>() / corners.len() as f64;
            for (out, corners) in out.chunks_exact_mut(dim).zip(&corners) {
                out.iter_mut().zip(slopes).for_each(|(o, slope)| *o -= mean * at(slope, corners) / value);
            }
        }
        if let Some(frame) = &self.frame {
            for v in out.chunks_exact_mut(dim) {
                let direction = frame.direction(v);
                v.copy_from_slice(&direction);
            }
        }
    }
}
