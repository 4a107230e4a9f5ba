//! Arithmetic and functions of one or two elements.

use elbo_tensor::{DType, Tensor, special};

use super::{BINARY, Row, binary, row, unary};
use crate::nd::Nd;

pub fn rows() -> Vec<Row> {
    [arithmetic(), functions(), special_functions(), comparisons()].into_iter().flatten().collect()
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
        binary("owens_t", Tensor::owens_t, special::owens_t),
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
