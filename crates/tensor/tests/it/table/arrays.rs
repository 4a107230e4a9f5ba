//! Reductions, shapes and indices.

use elbo_tensor::{DType, Tensor};

use super::{Row, SQUARE, UNARY, row, triangle};
use crate::nd::Nd;

pub fn rows() -> Vec<Row> {
    [reductions(), shapes(), indices()].into_iter().flatten().collect()
}

fn largest(v: &[f64]) -> f64 {
    v.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

fn log_sum_exp(v: &[f64]) -> f64 {
    v.iter().map(|x| x.exp()).sum::<f64>().ln()
}

fn variance(v: &[f64], dof: usize) -> f64 {
    let mean = v.iter().sum::<f64>() / v.len() as f64;
    v.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (v.len() - dof) as f64
}

fn reductions() -> Vec<Row> {
    let axes: &[&[&[usize]]] = &[&[&[2, 3, 2]], &[&[1, 4, 1]], &[&[2, 3, 0]], &[&[0, 2, 3]]];
    let middle = |name: &str, f: fn(&Tensor) -> Tensor, g: fn(&[f64]) -> f64| {
        row(name, move |x| f(&x[0]), move |x| x[0].fold(1, g)).on(axes)
    };
    let all = |name: &str, f: fn(&Tensor) -> Tensor, g: fn(&[f64]) -> f64| {
        row(name, move |x| f(&x[0]), move |x| Nd::scalar(g(&x[0].data)))
    };
    vec![
        all("sum", Tensor::sum, |v| v.iter().sum()).on(UNARY),
        all("mean", Tensor::mean, |v| v.iter().sum::<f64>() / v.len() as f64).on(&[&[&[2, 3]], &[&[]]]),
        all("variance", |x| x.variance(1), |v| variance(v, 1)).on(&[&[&[2, 3]]]),
        all("max", Tensor::max, largest).on(&[&[&[2, 3]], &[&[]]]),
        all("min", Tensor::min, |v| -largest(&v.iter().map(|x| -x).collect::<Vec<_>>())).on(&[&[&[2, 3]], &[&[1]]]),
        all("norm", Tensor::norm, |v| v.iter().map(|x| x * x).sum::<f64>().sqrt()).on(&[&[&[2, 3]]]),
        middle("sum_axis", |x| x.sum_axis(1, true), |v| v.iter().sum()),
        middle("mean_axis", |x| x.mean_axis(-2, true), |v| v.iter().sum::<f64>() / v.len() as f64),
        middle("variance_axis", |x| x.variance_axis(1, true, 0), |v| variance(v, 0)),
        middle("prod_axis", |x| x.prod_axis(1, true), |v| v.iter().product()).within(0.5, 1.5),
        middle("max_axis", |x| x.max_axis(1, true), largest),
        middle("log_sum_exp", |x| x.log_sum_exp(1, true), log_sum_exp),
        row(
            "sum_axes",
            |x| x[0].sum_axes(&[0, -1], false),
            |x| {
                let sum = |v: &[f64]| v.iter().sum();
                x[0].fold(0, sum).fold(2, sum).reshaped(&[x[0].shape[1]])
            },
        )
        .on(axes),
        row(
            "squeezed",
            |x| x[0].sum_axis(1, false) + x[0].max_axis(1, false),
            |x| x[0].fold(1, |v| v.iter().sum::<f64>() + largest(v)).reshaped(&[x[0].shape[0], x[0].shape[2]]),
        )
        .on(&[&[&[2, 3, 2]]]),
        row(
            "argmax",
            |x| x[0].argmax(1, true).cast(DType::F64),
            |x| x[0].fold(1, |v| (0..v.len()).rev().max_by(|a, b| v[*a].total_cmp(&v[*b])).unwrap_or(0) as f64),
        )
        .on(axes)
        .flat(),
        row(
            "cumsum",
            |x| x[0].cumsum(1),
            |x| Nd::build(&x[0].shape, |i| (0..=i[1]).map(|k| x[0].at(&[i[0], k, i[2]])).sum()),
        )
        .on(axes),
        row("log_softmax", |x| x[0].log_softmax(1), |x| x[0].zip(&x[0].fold(1, log_sum_exp), |a, b| a - b)).on(axes),
        row("softmax", |x| x[0].softmax(1), |x| x[0].zip(&x[0].fold(1, log_sum_exp), |a, b| (a - b).exp())).on(axes),
    ]
}

fn shapes() -> Vec<Row> {
    let cube: &[&[&[usize]]] = &[&[&[2, 3, 4]], &[&[1, 1, 1]], &[&[2, 0, 4]]];
    vec![
        row("reshape", |x| x[0].reshape(&[x[0].len()]), |x| x[0].clone().reshaped(&[x[0].data.len()])).on(cube),
        row(
            "permute",
            |x| x[0].permute(&[2, 0, 1]),
            |x| {
                let s = &x[0].shape;
                Nd::build(&[s[2], s[0], s[1]], |i| x[0].at(&[i[1], i[2], i[0]]))
            },
        )
        .on(cube),
        row("t", |x| x[0].t(), |x| x[0].t()).on(cube),
        row(
            "unsqueeze",
            |x| x[0].unsqueeze(-1).unsqueeze(1).squeeze(1),
            |x| x[0].clone().reshaped(&[&x[0].shape[..], &[1]].concat()),
        )
        .on(cube),
        row("narrow", |x| x[0].narrow(1, 1, 2), |x| Nd::build(&[2, 2, 4], |i| x[0].at(&[i[0], i[1] + 1, i[2]])))
            .on(&[&[&[2, 3, 4]]]),
        row("select", |x| x[0].select(-1, 1), |x| Nd::build(&[2, 3], |i| x[0].at(&[i[0], i[1], 1])))
            .on(&[&[&[2, 3, 4]]]),
        row(
            "pad",
            |x| x[0].pad(&[(1, 0), (0, 2)]),
            |x| {
                let s = &x[0].shape;
                Nd::build(
                    &[s[0] + 1, s[1] + 2],
                    |i| if i[0] > 0 && i[1] < s[1] { x[0].at(&[i[0] - 1, i[1]]) } else { 0.0 },
                )
            },
        )
        .on(&[&[&[2, 3]], &[&[0, 3]], &[&[1, 1]]]),
        row(
            "cat",
            |x| Tensor::cat(x, 1),
            |x| {
                let s = &x[0].shape;
                Nd::build(&[s[0], s[1] + x[1].shape[1]], |i| {
                    if i[1] < s[1] { x[0].at(i) } else { x[1].at(&[i[0], i[1] - s[1]]) }
                })
            },
        )
        .on(&[&[&[2, 3], &[2, 1]], &[&[2, 0], &[2, 2]], &[&[0, 1], &[0, 1]]]),
        row(
            "stack",
            |x| Tensor::stack(x, -1),
            |x| Nd::build(&[&x[0].shape[..], &[2]].concat(), |i| x[i[i.len() - 1]].at(&i[..i.len() - 1])),
        )
        .on(&[&[&[2, 3], &[2, 3]], &[&[], &[]], &[&[0], &[0]]]),
        row(
            "split",
            |x| {
                let p = x[0].split(0, &[1, 2]);
                p[0].sum() * &p[1]
            },
            |x| {
                let s: f64 = x[0].data[..2].iter().sum();
                Nd::build(&[2, 2], |i| s * x[0].at(&[i[0] + 1, i[1]]))
            },
        )
        .on(&[&[&[3, 2]]]),
        row(
            "flip",
            |x| x[0].flip(1),
            |x| {
                let s = &x[0].shape;
                Nd::build(s, |i| x[0].at(&[i[0], s[1] - 1 - i[1], i[2]]))
            },
        )
        .on(cube),
        row("tril", |x| x[0].tril(0), |x| triangle(&x[0], |i, j| j <= i)).on(cube).on(SQUARE),
        row("tril_-1", |x| x[0].tril(-1), |x| triangle(&x[0], |i, j| j < i)).on(cube),
        row("tril_2", |x| x[0].tril(2), |x| triangle(&x[0], |i, j| j <= i + 2)).on(cube),
        row("triu", |x| x[0].triu(1), |x| triangle(&x[0], |i, j| j > i)).on(cube),
        row(
            "diag",
            |x| x[0].diag(),
            |x| {
                let n = *x[0].shape.last().unwrap();
                let shape = [&x[0].shape[..], &[n]].concat();
                Nd::build(&shape, |i| {
                    let r = i.len();
                    if i[r - 1] == i[r - 2] { x[0].at(&i[..r - 1]) } else { 0.0 }
                })
            },
        )
        .on(&[&[&[3]], &[&[2, 3]], &[&[1]], &[&[0]]]),
        row(
            "diagonal",
            |x| x[0].diagonal(),
            |x| Nd::build(&x[0].shape[..x[0].shape.len() - 1], |i| x[0].at(&[i, &[i[i.len() - 1]]].concat())),
        )
        .on(SQUARE),
        row(
            "trace",
            |x| x[0].trace(),
            |x| {
                let (r, n) = (x[0].shape.len(), *x[0].shape.last().unwrap());
                Nd::build(&x[0].shape[..r - 2], |i| (0..n).map(|k| x[0].at(&[i, &[k, k]].concat())).sum())
            },
        )
        .on(SQUARE),
        row("contiguous", |x| x[0].t().contiguous(), |x| x[0].t()).on(cube),
    ]
}

fn indices() -> Vec<Row> {
    let places = || Tensor::from_i64(vec![2, 0, 2, 1], &[4]);
    let picks = || Tensor::from_i64(vec![0, 2, 1, 1, 2, 0], &[2, 3]);
    const PLACES: [usize; 4] = [2, 0, 2, 1];
    const PICKS: [usize; 6] = [0, 2, 1, 1, 2, 0];
    vec![
        row(
            "index_select",
            move |x| x[0].index_select(1, &places()),
            |x| Nd::build(&[x[0].shape[0], 4, 2], |i| x[0].at(&[i[0], PLACES[i[1]], i[2]])),
        )
        .on(&[&[&[2, 3, 2]], &[&[0, 3, 2]]]),
        row(
            "index_add",
            move |x| x[0].index_add(0, &places(), &x[1]),
            |x| {
                Nd::build(&[3, 2], |i| {
                    x[0].at(i) + (0..4).filter(|k| PLACES[*k] == i[0]).map(|k| x[1].at(&[k, i[1]])).sum::<f64>()
                })
            },
        )
        .on(&[&[&[3, 2], &[4, 2]]]),
        row(
            "gather",
            move |x| x[0].gather(1, &picks()),
            |x| Nd::build(&[2, 3], |i| x[0].at(&[i[0], PICKS[i[0] * 3 + i[1]]])),
        )
        .on(&[&[&[2, 3]], &[&[2, 4]]]),
        row(
            "scatter_add",
            move |x| x[0].scatter_add(1, &picks(), &x[1]),
            |x| {
                Nd::build(&[2, 4], |i| {
                    let hits = (0..3).filter(|k| PICKS[i[0] * 3 + k] == i[1]);
                    x[0].at(i) + hits.map(|k| x[1].at(&[i[0], k])).sum::<f64>()
                })
            },
        )
        .on(&[&[&[2, 4], &[2, 3]]]),
        row(
            "one_hot",
            move |x| x[0].matmul(&picks().one_hot(4, x[0].dtype()).t()),
            |x| Nd::build(&[2, 3, 3], |i| x[0].at(&[i[1], PICKS[i[0] * 3 + i[2]]])),
        )
        .on(&[&[&[3, 4]]]),
        row(
            "masked_fill",
            |x| x[0].masked_fill(&x[0].gt_scalar(0.0), 0.25),
            |x| x[0].map(|v| if v > 0.0 { 0.25 } else { v }),
        )
        .on(UNARY),
    ]
}
