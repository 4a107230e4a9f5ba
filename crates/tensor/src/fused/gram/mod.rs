//! Gram matrices of stationary kernels: value and pullback in one pass each, from direct differences.

mod points;
mod pullback;
mod value;
mod wide;

pub(super) use points::Points;
use pullback::Wanted;
pub(super) use pullback::{Pull, pull_symmetric};
pub(super) use value::fill_lower;

use super::radial::{Radial, with_profile};
use super::{all_f64, shaped};
use crate::tensor::Tensor;

/// What a stationary kernel needs besides the points, as numbers.
#[derive(Clone)]
pub(super) struct Hyper {
    pub radial: Radial,
    pub lengthscales: Vec<f64>,
    pub variance: f64,
    pub alpha: f64,
}

impl Hyper {
    /// `lengthscales: [D]` or `[1]` or a scalar; `variance` and `alpha` hold one number.
    pub fn new(radial: Radial, dims: usize, lengthscales: &Tensor, variance: &Tensor, alpha: Option<&Tensor>) -> Self {
        let count = lengthscales.len();
        assert!(count == 1 || count == dims, "{count} lengthscales for {dims} dimensions");
        let found = lengthscales.to_vec();
        let lengthscales = if count == dims { found } else { vec![found[0]; dims] };
        let alpha = match (radial, alpha) {
            (Radial::RationalQuadratic, Some(alpha)) => alpha.item(),
            (Radial::RationalQuadratic, None) => panic!("the rational quadratic has a shape `alpha`"),
            _ => 1.0,
        };
        Self { radial, lengthscales, variance: variance.item(), alpha }
    }

    /// Turns derivatives with respect to log lengthscales into those with respect to a tensor of `count` lengthscales.
    pub fn lengthscale_gradient(&self, by_log: &[f64], count: usize) -> Vec<f64> {
        let each = by_log.iter().zip(&self.lengthscales).map(|(g, l)| g / l);
        if count == 1 { vec![each.sum()] } else { each.collect() }
    }
}

/// The inputs of the operation in the graph: points first, then lengthscales, variance and, if there is one, the shape.
pub(super) fn hyper_inputs(points: &[&Tensor], rest: [&Tensor; 2], alpha: Option<&Tensor>) -> Vec<Tensor> {
    points.iter().chain(&rest).copied().chain(alpha).cloned().collect()
}

/// Gradients of the inputs after the points, in the order of [`hyper_inputs`], each times `scale`.
pub(super) fn hyper_gradients(pull: &Pull, hyper: &Hyper, shapes: &[Vec<usize>]) -> Vec<Option<Tensor>> {
    let count = shapes[0].iter().product();
    let mut out = vec![shaped(hyper.lengthscale_gradient(&pull.log_lengthscales, count), &shapes[0])];
    out.push(shaped(vec![pull.variance], &shapes[1]));
    if let Some(shape) = shapes.get(2) {
        out.push(shaped(vec![pull.alpha], shape));
    }
    out
}

/// Covariances between two sets of points under a stationary kernel, `v g(r)`.
///
/// # Shapes
/// `x: [N, D]`, `z: [M, D]`, `lengthscales: [D]` or `[1]` or `[]`, `variance: []` or `[1]`, `alpha` (rational quadratic only) the
/// same; returns `[N, M]`, differentiable in all of them.
///
/// # Numbers
/// Distances are sums of squared differences: exactly zero for equal rows. Where two points coincide, the Matern-1/2's
/// derivative with respect to them is taken for zero. The gradient of an RBF keeps the covariances, which spare it the distances.
pub fn stationary_gram(
    radial: Radial,
    x: &Tensor,
    z: &Tensor,
    lengthscales: &Tensor,
    variance: &Tensor,
    alpha: Option<&Tensor>,
) -> Tensor {
    check_points(x);
    check_points(z);
    assert_eq!(x.size(1), z.size(1), "points of {} and {} dimensions", x.size(1), z.size(1));
    let inputs = hyper_inputs(&[x, z], [lengthscales, variance], alpha);
    if !all_f64(&inputs.iter().collect::<Vec<_>>()) {
        return composed(radial, &inputs);
    }
    let hyper = Hyper::new(radial, x.size(1), lengthscales, variance, alpha);
    let (n, m) = (x.size(0), z.size(0));
    let (px, pz) = (Points::new(&x.as_f64(), n, &hyper), Points::new(&z.as_f64(), m, &hyper));
    let value = with_profile!(radial, hyper.alpha, p => value::rectangle(p, &px, &pz, &hyper));
    let value = Tensor::from_vec(value, &[n, m]);
    let values = with_profile!(radial, hyper.alpha, p => pullback::needs_values(p, &hyper)).then(|| value.clone());
    let shapes: Vec<Vec<usize>> = inputs.iter().map(|t| t.shape().to_vec()).collect();
    let backward = move |grad: &Tensor, wanted: &[bool]| {
        let (weights, values) = (grad.as_f64(), values.as_ref().map(Tensor::row_major::<f64>));
        let points = Wanted::of(wanted[0], wanted[1]);
        let pull = with_profile!(radial, hyper.alpha, p => {
            pullback::pull(p, &px, &pz, &weights, values, &hyper, points)
        });
        let of = |wanted: bool, values: &Vec<f64>, shape| wanted.then(|| shaped(values.clone(), shape)).flatten();
        let mut out = vec![of(wanted[0], &pull.x, &shapes[0]), of(wanted[1], &pull.z, &shapes[1])];
        out.extend(hyper_gradients(&pull, &hyper, &shapes[2..]));
        out.into_iter().zip(wanted).map(|(g, w)| g.filter(|_| *w)).collect()
    };
    Tensor::custom("stationary_gram", inputs, value, backward).with_twin(move |inputs| composed(radial, inputs))
}

/// Covariances within one set of points: [`stationary_gram`] of `x: [N, D]` with itself at half the work, with exactly the variance
/// on the diagonal. Returns `[N, N]`.
pub fn stationary_gram_symmetric(
    radial: Radial,
    x: &Tensor,
    lengthscales: &Tensor,
    variance: &Tensor,
    alpha: Option<&Tensor>,
) -> Tensor {
    check_points(x);
    let inputs = hyper_inputs(&[x], [lengthscales, variance], alpha);
    if !all_f64(&inputs.iter().collect::<Vec<_>>()) {
        return composed_symmetric(radial, &inputs);
    }
    let hyper = Hyper::new(radial, x.size(1), lengthscales, variance, alpha);
    let n = x.size(0);
    let points = Points::new(&x.as_f64(), n, &hyper);
    // Every entry is written, those above the diagonal by the mirror.
    let mut value = crate::kernels::buffer::<f64>(n * n);
    fill_lower(&points, &hyper, |_| hyper.variance, &mut value);
    elbo_linalg::mirror_lower(elbo_linalg::MatMut::row_major(&mut value, n, n));
    let shapes: Vec<Vec<usize>> = inputs.iter().map(|t| t.shape().to_vec()).collect();
    let backward = move |grad: &Tensor, wanted: &[bool]| {
        let weights = grad.as_f64();
        // A pair stands in the matrix twice.
        let pairs = |i: usize, start: usize, out: &mut [f64]| {
            for (j, o) in (start..).zip(out.iter_mut()) {
                *o = weights[i * n + j] + weights[j * n + i];
            }
        };
        let pull = pull_symmetric(&points, &hyper, wanted[0], pairs, |i| weights[i * n + i]);
        let mut out = vec![shaped(pull.x.clone(), &shapes[0])];
        out.extend(hyper_gradients(&pull, &hyper, &shapes[1..]));
        out.into_iter().zip(wanted).map(|(g, w)| g.filter(|_| *w)).collect()
    };
    Tensor::custom("stationary_gram_symmetric", inputs, Tensor::from_vec(value, &[n, n]), backward)
        .with_twin(move |inputs| composed_symmetric(radial, inputs))
}

fn check_points(x: &Tensor) {
    assert!(x.rank() == 2 && x.size(1) > 0, "points are [N, D] with at least one dimension, found {:?}", x.shape());
}

fn composed(radial: Radial, inputs: &[Tensor]) -> Tensor {
    let (x, z) = (&inputs[0] / &inputs[2], &inputs[1] / &inputs[2]);
    let s = (x.unsqueeze(1) - z.unsqueeze(0)).square().sum_axis(-1, false);
    radial.composed(&s, inputs.get(4)) * &inputs[3]
}

/// The composed twin with one set of points.
pub(super) fn composed_symmetric(radial: Radial, inputs: &[Tensor]) -> Tensor {
    let mut both = vec![inputs[0].clone()];
    both.extend(inputs.iter().cloned());
    composed(radial, &both)
}
