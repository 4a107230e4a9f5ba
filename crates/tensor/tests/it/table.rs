//! The table of operations. One row an operation: the shapes of its inputs, the operation, and the same in loops. `table_tests.rs`
//! checks values, first and second derivatives, strides, f32 and empty tensors for each row.

use elbo_tensor::{DType, Tensor, special};

use crate::nd::Nd;

type Operation = Box<dyn Fn(&[Tensor]) -> Tensor>;
type Reference = Box<dyn Fn(&[Nd]) -> Nd>;

pub struct Row {
    pub name: String,
    /// Several lists of input shapes.
    pub shapes: Vec<Vec<Vec<usize>>>,
    /// The inputs' elements are uniform on this interval.
    pub domain: (f64, f64),
    pub operation: Operation,
    pub reference: Reference,
    /// Relative error allowed in f64 values.
    pub tolerance: f64,
    /// Whether first derivatives are checked, and second ones.
    pub derivatives: bool,
}

impl Row {
    fn on(mut self, shapes: &[&[&[usize]]]) -> Self {
        self.shapes = shapes.iter().map(|inputs| inputs.iter().map(|s| s.to_vec()).collect()).collect();
        self
    }
    fn within(mut self, low: f64, high: f64) -> Self {
        self.domain = (low, high);
        self
    }
    fn flat(mut self) -> Self {
        self.derivatives = false;
        self
    }
    fn to(mut self, tolerance: f64) -> Self {
        self.tolerance = tolerance;
        self
    }
}

fn row(
    name: &str,
    operation: impl Fn(&[Tensor]) -> Tensor + 'static,
    reference: impl Fn(&[Nd]) -> Nd + 'static,
) -> Row {
    Row {
        name: name.into(),
        shapes: vec![],
        domain: (-1.5, 1.5),
        operation: Box::new(operation),
        reference: Box::new(reference),
        tolerance: 1e-13,
        derivatives: true,
    }
}

const UNARY: &[&[&[usize]]] = &[&[&[2, 3]], &[&[]], &[&[1]], &[&[0]], &[&[2, 0, 3]], &[&[2, 2, 3]]];
const BINARY: &[&[&[usize]]] = &[
    &[&[2, 3], &[2, 3]],
    &[&[2, 3], &[3]],
    &[&[2, 1], &[1, 3]],
    &[&[], &[3]],
    &[&[2, 3], &[]],
    &[&[3, 1, 2], &[2, 1]],
    &[&[1], &[1]],
    &[&[0], &[1]],
    &[&[2, 0], &[2, 1]],
];
const SQUARE: &[&[&[usize]]] = &[&[&[3, 3]], &[&[1, 1]], &[&[0, 0]], &[&[2, 3, 3]]];

fn unary(name: &str, f: fn(&Tensor) -> Tensor, g: fn(f64) -> f64) -> Row {
    row(name, move |x| f(&x[0]), move |x| x[0].map(g)).on(UNARY)
}

fn binary(name: &str, f: fn(&Tensor, &Tensor) -> Tensor, g: fn(f64, f64) -> f64) -> Row {
    row(name, move |x| f(&x[0], &x[1]), move |x| x[0].zip(&x[1], g)).on(BINARY)
}

/// A comparison as numbers.
fn comparison(name: &str, f: fn(&Tensor, &Tensor) -> Tensor, g: fn(f64, f64) -> bool) -> Row {
    row(
        name,
        move |x| f(&x[0].round(), &x[1].round()).cast(DType::F64),
        move |x| x[0].zip(&x[1], |a, b| f64::from(u8::from(g(a.round(), b.round())))),
    )
    .on(BINARY)
    .flat()
}

/// A well-conditioned positive definite matrix from any square one.
fn spd(x: &Tensor) -> Tensor {
    x.matmul(&x.t()) + Tensor::eye(x.size(-1), x.dtype())
}

fn spd_nd(x: &Nd) -> Nd {
    let n = x.shape[0];
    x.matmul(&x.t()).zip(&Nd::build(&[n, n], |i| f64::from(u8::from(i[0] == i[1]))), |a, b| a + b)
}

/// A matrix that is safely invertible.
fn dominant(x: &Tensor) -> Tensor {
    x + Tensor::eye(x.size(-1), x.dtype()) * 6.0
}

fn dominant_nd(x: &Nd) -> Nd {
    let n = x.shape[0];
    x.zip(&Nd::build(&[n, n], |i| if i[0] == i[1] { 6.0 } else { 0.0 }), |a, b| a + b)
}

/// A tall matrix that safely has full column rank.
fn tall(x: &Tensor) -> Tensor {
    x + Tensor::eye(x.size(-2), x.dtype()).narrow(1, 0, x.size(-1)) * 3.0
}

fn tall_nd(x: &Nd) -> Nd {
    Nd::build(&x.shape, |i| x.at(i) + if i[0] == i[1] { 3.0 } else { 0.0 })
}

fn triangle(x: &Nd, keep: impl Fn(usize, usize) -> bool) -> Nd {
    Nd::build(&x.shape, |i| if keep(i[i.len() - 2], i[i.len() - 1]) { x.at(i) } else { 0.0 })
}

pub fn rows() -> Vec<Row> {
    [
        arithmetic(),
        functions(),
        special_functions(),
        comparisons(),
        reductions(),
        shapes(),
        indices(),
        products(),
        linalg(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn arithmetic() -> Vec<Row> {
    vec![
        binary("add", |a, b| a + b, |a, b| a + b),
        binary("sub", |a, b| a - b, |a, b| a - b),
        binary("mul", |a, b| a * b, |a, b| a * b),
        binary("div", |a, b| a / b, |a, b| a / b).within(0.5, 2.0),
        binary("pow", Tensor::pow, f64::powf).within(0.5, 2.0),
        binary("maximum", Tensor::maximum, f64::max),
        binary("minimum", Tensor::minimum, f64::min),
        binary("logaddexp", Tensor::logaddexp, |a, b| (a.exp() + b.exp()).ln()),
        binary("owned", |a, b| (a * 1.0) + b - (b * 2.0) * a, |a, b| a + b - 2.0 * b * a),
        unary("neg", |x| -x, |x| -x),
        unary("add_scalar", |x| x + 2.5, |x| x + 2.5),
        unary("scalar_sub", |x| 2.5 - x, |x| 2.5 - x),
        unary("mul_scalar", |x| -3.0 * x, |x| -3.0 * x),
        unary("div_scalar", |x| x / 3.0, |x| x / 3.0),
        unary("scalar_div", |x| 3.0 / x, |x| 3.0 / x).within(0.5, 2.0),
        unary("affine", |x| x.affine(2.0, -1.0), |x| 2.0 * x - 1.0),
        unary("powi_4", |x| x.powi(4), |x| x.powi(4)),
        unary("powi_-2", |x| x.powi(-2), |x| x.powi(-2)).within(0.5, 2.0),
        unary("powi_0", |x| x.powi(0), |_| 1.0),
        unary("powi_1", |x| x.powi(1), |x| x),
        unary("powf", |x| x.powf(1.7), |x| x.powf(1.7)).within(0.5, 2.0),
        unary("square", Tensor::square, |x| x * x),
        unary("recip", Tensor::recip, |x| 1.0 / x).within(0.5, 2.0),
        unary("clamp", |x| x.clamp(-0.5, 0.7), |x| x.clamp(-0.5, 0.7)),
        row(
            "where",
            |x| x[0].detach().gt_scalar(0.0).where_(&x[1], &x[0]),
            |x| x[0].zip(&x[1], |a, b| if a > 0.0 { b } else { a }),
        )
        .on(BINARY),
        row("broadcast_to", |x| x[0].broadcast_to(&[2, 3, 2]), |x| Nd::build(&[2, 3, 2], |i| x[0].at(i))).on(&[
            &[&[3, 1]],
            &[&[2]],
            &[&[]],
            &[&[2, 3, 2]],
        ]),
        row(
            "sum_to",
            |x| x[0].sum_to(&[3, 1]),
            |x| x[0].fold(0, |v| v.iter().sum()).fold(2, |v| v.iter().sum()).reshaped(&[3, 1]),
        )
        .on(&[&[&[2, 3, 4]], &[&[1, 3, 1]], &[&[2, 3, 0]]]),
    ]
}

fn functions() -> Vec<Row> {
    vec![
        unary("exp", Tensor::exp, f64::exp),
        unary("expm1", Tensor::expm1, f64::exp_m1),
        unary("log", Tensor::log, f64::ln).within(0.3, 3.0),
        unary("log1p", Tensor::log1p, f64::ln_1p).within(-0.5, 2.0),
        unary("sqrt", Tensor::sqrt, f64::sqrt).within(0.3, 3.0),
        unary("abs", Tensor::abs, f64::abs),
        unary("sin", Tensor::sin, f64::sin),
        unary("cos", Tensor::cos, f64::cos),
        unary("tan", Tensor::tan, f64::tan).within(-1.0, 1.0),
        unary("asin", Tensor::asin, f64::asin).within(-0.8, 0.8),
        unary("acos", Tensor::acos, f64::acos).within(-0.8, 0.8),
        unary("atan", Tensor::atan, f64::atan),
        unary("sinh", Tensor::sinh, f64::sinh),
        unary("cosh", Tensor::cosh, f64::cosh),
        unary("tanh", Tensor::tanh, f64::tanh),
        unary("sigmoid", Tensor::sigmoid, |x| 1.0 / (1.0 + (-x).exp())),
        unary("softplus", Tensor::softplus, |x| x.exp().ln_1p()),
        unary("log_sigmoid", Tensor::log_sigmoid, |x| -(-x).exp().ln_1p()),
        unary("relu", Tensor::relu, |x| x.max(0.0)),
        unary("sign", Tensor::sign, f64::signum).flat(),
        unary("floor", Tensor::floor, f64::floor).flat(),
        unary("round", Tensor::round, f64::round).flat(),
    ]
}

fn special_functions() -> Vec<Row> {
    vec![
        unary("erf", Tensor::erf, special::erf),
        unary("erfc", Tensor::erfc, special::erfc),
        unary("ndtr", Tensor::ndtr, special::ndtr),
        unary("log_ndtr", Tensor::log_ndtr, special::log_ndtr).within(-3.0, 2.0),
        unary("ndtri", Tensor::ndtri, special::ndtri).within(0.2, 0.8),
        unary("lgamma", Tensor::lgamma, special::lgamma).within(0.5, 4.0),
        unary("digamma", Tensor::digamma, special::digamma).within(0.8, 4.0),
        unary("polygamma", |x| x.polygamma(2), |x| special::polygamma(2, x)).within(0.8, 4.0),
    ]
}

fn comparisons() -> Vec<Row> {
    vec![
        comparison("eq", Tensor::eq, |a, b| a == b),
        comparison("ne", Tensor::ne, |a, b| a != b),
        comparison("lt", Tensor::lt, |a, b| a < b),
        comparison("le", Tensor::le, |a, b| a <= b),
        comparison("gt", Tensor::gt, |a, b| a > b),
        comparison("ge", Tensor::ge, |a, b| a >= b),
        unary(
            "masks",
            |x| x.gt_scalar(0.0).and(&x.lt_scalar(1.0).not()).or(&x.le_scalar(-1.0)).cast(DType::F64),
            |x| f64::from(u8::from(x >= 1.0 || x <= -1.0)),
        )
        .flat(),
    ]
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

fn products() -> Vec<Row> {
    vec![
        row("matmul", |x| x[0].matmul(&x[1]), |x| x[0].matmul(&x[1])).on(&[
            &[&[2, 3], &[3, 4]],
            &[&[1, 1], &[1, 1]],
            &[&[7, 5], &[5, 19]],
            &[&[1, 3], &[3, 4]],
            &[&[4, 3], &[3, 1]],
            &[&[0, 3], &[3, 2]],
            &[&[2, 0], &[0, 2]],
            &[&[2, 3, 2], &[2, 2, 3]],
            &[&[2, 3, 2], &[2, 3]],
            &[&[3, 2], &[2, 2, 3]],
            &[&[2, 1, 3, 2], &[3, 2, 2]],
        ]),
        row("matmul_transposed", |x| x[0].t().matmul(&x[1].t()), |x| x[0].t().matmul(&x[1].t()))
            .on(&[&[&[3, 2], &[4, 3]], &[&[2, 3, 2], &[2, 4, 3]]]),
        row(
            "matrix_vector",
            |x| x[0].matmul(&x[1]),
            |x| x[0].matmul(&x[1].clone().reshaped(&[3, 1])).reshaped(&[x[0].shape[0]]),
        )
        .on(&[&[&[2, 3], &[3]], &[&[0, 3], &[3]]]),
        row(
            "vector_matrix",
            |x| x[0].matmul(&x[1]),
            |x| x[0].clone().reshaped(&[1, 3]).matmul(&x[1]).reshaped(&[x[1].shape[1]]),
        )
        .on(&[&[&[3], &[3, 2]]]),
        row("dot", |x| x[0].dot(&x[1]), |x| Nd::scalar(x[0].data.iter().zip(&x[1].data).map(|(a, b)| a * b).sum()))
            .on(&[&[&[3], &[3]], &[&[0], &[0]], &[&[19], &[19]]]),
        row(
            "outer",
            |x| x[0].outer(&x[1]),
            |x| Nd::build(&[x[0].shape[0], x[1].shape[0]], |i| x[0].data[i[0]] * x[1].data[i[1]]),
        )
        .on(&[&[&[3], &[2]], &[&[0], &[2]]]),
    ]
}

fn linalg() -> Vec<Row> {
    let systems: &[&[&[usize]]] = &[
        &[&[3, 3], &[3, 2]],
        &[&[2, 3, 3], &[3, 2]],
        &[&[3, 3], &[2, 3, 1]],
        &[&[1, 1], &[1, 1]],
        &[&[3, 3], &[3, 0]],
    ];
    let solve = |lower: bool, transposed: bool| {
        let name = format!("solve_triangular_{lower}_{transposed}");
        row(
            &name,
            move |x| dominant(&x[0]).solve_triangular(&x[1], lower, transposed),
            move |x| {
                let inverse = x[0].each_matrix(|a| {
                    let a = triangle(&dominant_nd(a), |i, j| if lower { j <= i } else { j >= i });
                    if transposed { a.t().inverse() } else { a.inverse() }
                });
                inverse.matmul(&x[1])
            },
        )
        .on(systems)
    };
    // Signs and orders of factors are arbitrary, so combinations without that freedom are compared.
    vec![
        solve(true, false),
        solve(true, true),
        solve(false, false),
        solve(false, true),
        row("cholesky", |x| spd(&x[0]).cholesky().unwrap(), |x| x[0].each_matrix(|a| spd_nd(a).cholesky()))
            .on(SQUARE)
            .to(1e-12),
        row(
            "cholesky_solve",
            |x| spd(&x[0]).cholesky().unwrap().cholesky_solve(&x[1]),
            |x| x[0].each_matrix(|a| spd_nd(a).inverse()).matmul(&x[1]),
        )
        .on(systems)
        .to(1e-12),
        row(
            "cholesky_log_det",
            |x| spd(&x[0]).cholesky().unwrap().cholesky_log_det(),
            |x| {
                let lead = &x[0].shape[..x[0].shape.len() - 2];
                let logs = x[0].each_matrix(|a| {
                    let (l, n) = (spd_nd(a).cholesky(), a.shape[0]);
                    Nd::scalar((0..n).map(|i| 2.0 * l.data[i * n + i].ln()).sum()).reshaped(&[1, 1])
                });
                if logs.data.is_empty() { Nd::scalar(0.0) } else { logs.reshaped(lead) }
            },
        )
        .on(SQUARE)
        .to(1e-12),
        row("inverse_spd", |x| spd(&x[0]).inverse_spd().unwrap(), |x| x[0].each_matrix(|a| spd_nd(a).inverse()))
            .on(SQUARE)
            .to(1e-12),
        row(
            "solve",
            |x| dominant(&x[0]).solve(&x[1]).unwrap(),
            |x| x[0].each_matrix(|a| dominant_nd(a).inverse()).matmul(&x[1]),
        )
        .on(systems),
        row("inverse", |x| dominant(&x[0]).inverse().unwrap(), |x| x[0].each_matrix(|a| dominant_nd(a).inverse()))
            .on(&[&[&[3, 3]], &[&[1, 1]], &[&[2, 3, 3]]]),
        row(
            "log_det",
            |x| spd(&x[0]).sign_and_log_det().unwrap().1,
            |x| {
                let (l, n) = (spd_nd(&x[0]).cholesky(), x[0].shape[0]);
                Nd::scalar((0..n).map(|i| 2.0 * l.data[i * n + i].ln()).sum())
            },
        )
        .on(&[&[&[3, 3]], &[&[1, 1]]])
        .to(1e-12),
        // log A = V log(w) V', through both outputs.
        row(
            "eigh",
            |x| {
                let (w, v) = spd(&x[0]).eigh().unwrap();
                (&v * w.square().unsqueeze(-2)).matmul(&v.t()) + w.log().sum_axis(-1, false).unsqueeze(-1).unsqueeze(-1)
            },
            |x| {
                x[0].each_matrix(|a| {
                    let s = spd_nd(a);
                    let (l, n) = (s.cholesky(), a.shape[0]);
                    let log: f64 = (0..n).map(|i| 2.0 * l.data[i * n + i].ln()).sum();
                    s.matmul(&s).map(|v| v + log)
                })
            },
        )
        .on(SQUARE)
        .to(1e-11),
        row(
            "svd",
            |x| {
                let (u, s, v) = x[0].svd().unwrap();
                (&u * s.powi(3).unsqueeze(-2)).matmul(&v.t())
            },
            |x| x[0].each_matrix(|a| a.matmul(&a.t()).matmul(a)),
        )
        .on(&[&[&[4, 3]], &[&[3, 4]], &[&[1, 1]], &[&[2, 3, 2]], &[&[2, 0]]])
        .to(1e-12),
        row(
            "qr",
            |x| {
                let (q, r) = tall(&x[0]).qr();
                let r_inverse = r.solve_triangular(&Tensor::eye(r.size(-1), r.dtype()), false, false);
                // Q Q' is the projection on the columns, R^-1 R^-T the inverse of A'A.
                q.matmul(&q.t()).sum_axis(-1, true).sum_axis(-2, true) + r_inverse.matmul(&r_inverse.t())
            },
            |x| {
                x[0].each_matrix(|a| {
                    let a = &tall_nd(a);
                    let inverse = a.t().matmul(a).inverse();
                    let total: f64 = a.matmul(&inverse).matmul(&a.t()).data.iter().sum();
                    inverse.map(|v| v + total)
                })
            },
        )
        .on(&[&[&[4, 2]], &[&[2, 2]], &[&[2, 3, 2]]])
        .to(1e-10),
    ]
}
