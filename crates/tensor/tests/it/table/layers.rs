//! Activations, log probabilities from logits, normalisation, linear layers, embeddings and attention.

use elbo_tensor::{Attention, Tensor, special};

use super::{Row, UNARY, row, unary};
use crate::nd::Nd;

pub fn rows() -> Vec<Row> {
    [activations(), losses(), norms(), layers(), attentions()].into_iter().flatten().collect()
}

fn activations() -> Vec<Row> {
    let tanh_gelu = |x: f64| {
        let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
        0.5 * x * (1.0 + inner.tanh())
    };
    vec![
        unary("silu", Tensor::silu, |x| x / (1.0 + (-x).exp())),
        unary("leaky_relu", |x| x.leaky_relu(0.1), |x| if x > 0.0 { x } else { 0.1 * x }),
        unary("elu", |x| x.elu(0.7), |x| if x > 0.0 { x } else { 0.7 * x.exp_m1() }),
        unary("gelu", Tensor::gelu, |x| x * special::ndtr(x)),
        unary("gelu_tanh", Tensor::gelu_tanh, tanh_gelu),
        row(
            "glu",
            |x| x[0].glu(1),
            |x| {
                Nd::build(&[x[0].shape[0], 2], |i| x[0].at(&[i[0], i[1]]) / (1.0 + (-x[0].at(&[i[0], i[1] + 2])).exp()))
            },
        )
        .on(&[&[&[3, 4]], &[&[0, 4]]]),
        row(
            "dropout",
            |x| {
                x[0].dropout(
                    &Tensor::from_vec((0..x[0].len()).map(|i| (i % 5) as f64 / 5.0).collect(), x[0].shape()),
                    0.3,
                )
            },
            |x| {
                let mut y = x[0].clone();
                y.data.iter_mut().enumerate().for_each(|(i, v)| *v = if i % 5 < 2 { 0.0 } else { *v / 0.7 });
                y
            },
        )
        .on(UNARY),
    ]
}

fn labels(n: usize) -> Tensor {
    Tensor::from_i64((0..n).map(|i| (i * 2 % 3) as i64).collect(), &[n])
}

fn log_softmax_at(x: &Nd, row: usize, label: usize) -> f64 {
    let logits: Vec<f64> = (0..3).map(|k| x.at(&[row, k])).collect();
    logits[label] - logits.iter().map(|l| l.exp()).sum::<f64>().ln()
}

fn losses() -> Vec<Row> {
    vec![
        row(
            "bernoulli_log_prob",
            |x| x[0].bernoulli_log_prob(&x[1]),
            |x| x[0].zip(&x[1], |l, t| t * l - l.exp().ln_1p()),
        )
        .on(&[&[&[2, 3], &[2, 3]], &[&[], &[]], &[&[0], &[0]]]),
        row(
            "categorical_log_prob",
            |x| x[0].categorical_log_prob(&labels(x[0].size(0))),
            |x| Nd::build(&[x[0].shape[0]], |i| log_softmax_at(&x[0], i[0], i[0] * 2 % 3)),
        )
        .on(&[&[&[4, 3]], &[&[0, 3]]]),
        row(
            "cross_entropy",
            |x| x[0].cross_entropy(&labels(x[0].size(0))),
            |x| {
                let n = x[0].shape[0];
                Nd::scalar(-(0..n).map(|i| log_softmax_at(&x[0], i, i * 2 % 3)).sum::<f64>() / n as f64)
            },
        )
        .on(&[&[&[4, 3]]]),
    ]
}

const EPSILON: f64 = 1e-3;

/// Standardised over the elements for which `same(i, j)` holds, then scaled and shifted by channel.
fn normalised(x: &[Nd], channel: impl Fn(&[usize]) -> usize, same: impl Fn(&[usize], &[usize]) -> bool) -> Nd {
    let shape = &x[0].shape;
    let indices: Vec<Vec<usize>> = (0..x[0].data.len()).map(|i| crate::nd::unravel(i, shape)).collect();
    Nd::build(shape, |i| {
        let set: Vec<f64> = indices.iter().filter(|j| same(i, j)).map(|j| x[0].at(j)).collect();
        let mean = set.iter().sum::<f64>() / set.len() as f64;
        let variance = set.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / set.len() as f64;
        let c = channel(i);
        (x[0].at(i) - mean) / (variance + EPSILON).sqrt() * x[1].data[c] + x[2].data[c]
    })
}

fn norms() -> Vec<Row> {
    let group = |groups: usize| {
        row(
            &format!("group_norm_{groups}"),
            move |x| x[0].group_norm(groups, Some(&x[1]), Some(&x[2]), EPSILON),
            move |x| {
                let each = x[0].shape[1] / groups;
                normalised(x, |i| i[1], |i, j| i[0] == j[0] && i[1] / each == j[1] / each)
            },
        )
        .on(&[
            &[&[2, 4, 3], &[4], &[4]],
            &[&[2, 4, 2, 2], &[4], &[4]],
            &[&[3, 4], &[4], &[4]],
            &[&[0, 4, 3], &[4], &[4]],
        ])
    };
    vec![
        row(
            "layer_norm",
            |x| x[0].layer_norm(&x[1], Some(&x[2]), EPSILON),
            |x| normalised(x, |i| i[2], |i, j| i[0] == j[0] && i[1] == j[1]),
        )
        .on(&[&[&[2, 3, 5], &[5], &[5]], &[&[1, 2, 19], &[19], &[19]], &[&[0, 2, 3], &[3], &[3]]]),
        group(1),
        group(2),
        // Groups of a single number are all equal to the shift, whose derivative by x is zero.
        group(4).on(&[&[&[2, 4, 3], &[4], &[4]], &[&[1, 4, 21], &[4], &[4]]]),
        row(
            "batch_norm",
            |x| x[0].batch_norm(Some(&x[1]), Some(&x[2]), EPSILON).0,
            |x| normalised(x, |i| i[1], |i, j| i[1] == j[1]),
        )
        .on(&[&[&[3, 2, 4], &[2], &[2]], &[&[4, 2], &[2], &[2]], &[&[2, 2, 2, 2], &[2], &[2]]]),
        row(
            "group_norm_plain",
            |x| x[0].group_norm(2, None, None, EPSILON),
            |x| {
                let (one, zero) = (Nd::build(&[4], |_| 1.0), Nd::build(&[4], |_| 0.0));
                normalised(&[x[0].clone(), one, zero], |i| i[1], |i, j| i[0] == j[0] && i[1] / 2 == j[1] / 2)
            },
        )
        .on(&[&[&[2, 4, 3]]]),
    ]
}

fn layers() -> Vec<Row> {
    let ids = || Tensor::from_i64(vec![2, 0, 2, 1], &[2, 2]);
    const IDS: [usize; 4] = [2, 0, 2, 1];
    vec![
        row("linear", |x| x[0].linear(&x[1], Some(&x[2])), |x| x[0].matmul(&x[1].t()).zip(&x[2], |a, b| a + b)).on(&[
            &[&[2, 3], &[4, 3], &[4]],
            &[&[2, 2, 3], &[4, 3], &[4]],
            &[&[0, 3], &[4, 3], &[4]],
        ]),
        row(
            "embedding",
            move |x| x[0].embedding(&ids()),
            |x| Nd::build(&[2, 2, x[0].shape[1]], |i| x[0].at(&[IDS[i[0] * 2 + i[1]], i[2]])),
        )
        .on(&[&[&[3, 2]], &[&[4, 1]]]),
    ]
}

fn attention_nd(x: &[Nd], scale: f64, allowed: impl Fn(usize, usize) -> bool) -> Nd {
    let (rank, keys) = (x[0].shape.len(), x[1].shape[x[1].shape.len() - 2]);
    let scores = x[0].matmul(&x[1].t());
    let weights = Nd::build(&scores.shape, |i| {
        let at = |k: usize| (scale * scores.at(&[&i[..rank - 1], &[k]].concat())).exp();
        let seen: f64 = (0..keys).filter(|k| allowed(i[rank - 2], *k)).map(at).sum();
        if allowed(i[rank - 2], i[rank - 1]) { at(i[rank - 1]) / seen } else { 0.0 }
    });
    weights.matmul(&x[2])
}

fn attentions() -> Vec<Row> {
    let shapes: &[&[&[usize]]] =
        &[&[&[3, 2], &[3, 2], &[3, 4]], &[&[2, 3, 2], &[2, 3, 2], &[2, 3, 1]], &[&[0, 3, 2], &[0, 3, 2], &[0, 3, 1]]];
    let mask = || {
        let seen = (0..9).map(|i| i % 3 == 0 || i % 2 == 1).collect();
        Attention { scale: Some(0.3), mask: Some(Tensor::from_bool(seen, &[3, 3])), causal: false }
    };
    vec![
        row(
            "attention",
            |x| x[0].attention(&x[1], &x[2], &Attention::default()),
            |x| attention_nd(x, 1.0 / 2f64.sqrt(), |_, _| true),
        )
        .on(shapes)
        .on(&[&[&[2, 2], &[4, 2], &[4, 3]], &[&[2, 3, 2], &[2, 1, 2], &[2, 1, 1]]]),
        row(
            "attention_causal",
            |x| x[0].attention(&x[1], &x[2], &Attention::causal()),
            |x| attention_nd(x, 1.0 / 2f64.sqrt(), |i, j| j <= i),
        )
        .on(shapes),
        row(
            "attention_masked",
            move |x| x[0].attention(&x[1], &x[2], &mask()),
            |x| attention_nd(x, 0.3, |i, j| (3 * i + j) % 3 == 0 || (3 * i + j) % 2 == 1),
        )
        .on(shapes),
    ]
}
