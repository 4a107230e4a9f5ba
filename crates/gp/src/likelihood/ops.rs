//! Sums over data as tensor operations, differentiable in the marginals and in the likelihood's parameters.

use super::{Likelihood, MultiLikelihood};
use elbo_tensor::{Parameters, Tensor};
use rayon::prelude::*;

/// Rows of one parallel task; a constant, so that sums do not depend on the number of threads.
const CHUNK: usize = 256;

/// The value of a chunk of rows: the sum, derivatives by mean and variance, and derivatives by the parameters.
struct Part {
    value: f64,
    dm: Vec<f64>,
    dv: Vec<f64>,
    parameters: Vec<f64>,
}

/// `sum of E[log p(y_n | f_n)]`, nats, a scalar. `y`, `mean` and `variance` have `N` entries; row `n` is [`Likelihood::row`] `n`.
///
/// Differentiable once in `mean`, `variance` and the parameters that are not frozen.
pub fn expected_log_prob(likelihood: &dyn Likelihood, y: &[f64], mean: &Tensor, variance: &Tensor) -> Tensor {
    sum("expected_log_prob", likelihood, y, mean, variance, 1, |n, m, v, wants| {
        let row = likelihood.row(n);
        let expected = row.expected(y[n], m[0], v[0]);
        let parameters = if wants { row.d_expected(y[n], m[0], v[0]) } else { vec![] };
        Part { value: expected.value, dm: vec![expected.dm], dv: vec![expected.dv], parameters }
    })
}

/// `sum of log E[p(y_n | f_n)^alpha]`, nats, a scalar; shapes and derivatives as for [`expected_log_prob`].
pub fn log_tilted_sum(likelihood: &dyn Likelihood, y: &[f64], mean: &Tensor, variance: &Tensor, alpha: f64) -> Tensor {
    sum("log_tilted_sum", likelihood, y, mean, variance, 1, |n, m, v, wants| {
        let row = likelihood.row(n);
        let tilted = row.log_tilted(y[n], m[0], v[0], alpha);
        let parameters = if wants { row.d_log_tilted(y[n], m[0], v[0], alpha) } else { vec![] };
        Part { value: tilted.value, dm: vec![tilted.d1], dv: vec![tilted.dv], parameters }
    })
}

/// [`expected_log_prob`] for a likelihood of `P` latents; `mean` and `variance` are `[N, P]`.
pub fn expected_log_prob_multi(
    likelihood: &dyn MultiLikelihood,
    y: &[f64],
    mean: &Tensor,
    variance: &Tensor,
) -> Tensor {
    sum("expected_log_prob_multi", likelihood, y, mean, variance, likelihood.latents(), |n, m, v, wants| {
        multi_part(likelihood, y[n], m, v, wants)
    })
}

/// `sum of w_n E[log p(y_n | f_n)]` for weights `[N]`; else as [`expected_log_prob_multi`].
pub fn expected_log_prob_weighted(
    likelihood: &dyn MultiLikelihood,
    y: &[f64],
    weights: &[f64],
    mean: &Tensor,
    variance: &Tensor,
) -> Tensor {
    assert_eq!(weights.len(), y.len(), "expected_log_prob_weighted: a weight for every target");
    sum("expected_log_prob_weighted", likelihood, y, mean, variance, likelihood.latents(), |n, m, v, wants| {
        let mut part = multi_part(likelihood, y[n], m, v, wants);
        part.value *= weights[n];
        for slopes in [&mut part.dm, &mut part.dv, &mut part.parameters] {
            slopes.iter_mut().for_each(|slope| *slope *= weights[n]);
        }
        part
    })
}

/// One row of a likelihood of several latents, with derivatives by the parameters if they are wanted.
fn multi_part(likelihood: &dyn MultiLikelihood, y: f64, mean: &[f64], variance: &[f64], wants: bool) -> Part {
    let (mut dm, mut dv) = (vec![0.0; mean.len()], vec![0.0; mean.len()]);
    let value = likelihood.expected(y, mean, variance, &mut dm, &mut dv);
    let parameters = if wants { likelihood.d_expected(y, mean, variance) } else { vec![] };
    Part { value, dm, dv, parameters }
}

fn sum<L: Parameters + ?Sized>(
    name: &'static str,
    likelihood: &L,
    y: &[f64],
    mean: &Tensor,
    variance: &Tensor,
    latents: usize,
    term: impl Fn(usize, &[f64], &[f64], bool) -> Part + Sync,
) -> Tensor {
    let (m, v) = (mean.to_vec(), variance.to_vec());
    assert!(
        m.len() == y.len() * latents && v.len() == m.len(),
        "{name}: {} targets, means {:?}, variances {:?}",
        y.len(),
        mean.shape(),
        variance.shape()
    );
    let mut inputs = vec![mean.clone(), variance.clone()];
    likelihood.visit(&mut |_, p| inputs.push(p.get()));
    let sizes: Vec<Vec<usize>> = inputs[2..].iter().map(|p| p.shape().to_vec()).collect();
    let wants = inputs[2..].iter().any(Tensor::is_tracked);
    let parts: Vec<Part> = (0..y.len().div_ceil(CHUNK))
        .into_par_iter()
        .map(|chunk| {
            let rows = chunk * CHUNK..((chunk + 1) * CHUNK).min(y.len());
            let terms = rows.map(|n| {
                let span = n * latents..(n + 1) * latents;
                term(n, &m[span.clone()], &v[span], wants)
            });
            terms.fold(Part { value: 0.0, dm: vec![], dv: vec![], parameters: vec![] }, combine)
        })
        .collect();
    let total = parts.into_iter().fold(Part { value: 0.0, dm: vec![], dv: vec![], parameters: vec![] }, combine);
    let (shape, v_shape) = (mean.shape().to_vec(), variance.shape().to_vec());
    let (dm, dv) = (Tensor::from_vec(total.dm, &shape), Tensor::from_vec(total.dv, &v_shape));
    let mut slopes = vec![dm, dv];
    let mut rest = total.parameters.as_slice();
    for size in &sizes {
        let count: usize = size.iter().product();
        let (head, tail) = if wants { rest.split_at(count.min(rest.len())) } else { (rest, rest) };
        // Without rows there is nothing to sum.
        let head = if head.len() == count { head.to_vec() } else { vec![0.0; count] };
        slopes.push(Tensor::from_vec(head, size));
        rest = tail;
    }
    Tensor::custom(name, inputs, Tensor::scalar(total.value), move |g, wanted| {
        slopes.iter().zip(wanted).map(|(slope, wanted)| wanted.then(|| g * slope)).collect()
    })
}

/// Appends rows, and adds values.
fn combine(mut sum: Part, next: Part) -> Part {
    sum.value += next.value;
    sum.dm.extend(next.dm);
    sum.dv.extend(next.dv);
    if sum.parameters.is_empty() {
        sum.parameters = next.parameters;
    } else {
        sum.parameters.iter_mut().zip(next.parameters).for_each(|(s, p)| *s += p);
    }
    sum
}
