//! Short forms for the parameters of kernels.

use elbo_tensor::{Constraint, Parameter};

/// A positive parameter of this shape.
pub(crate) fn positive(values: &[f64], shape: &[usize]) -> Parameter {
    Parameter::new(values, shape, Constraint::Positive)
}

/// An unconstrained parameter of this shape.
pub(crate) fn real(values: &[f64], shape: &[usize]) -> Parameter {
    Parameter::new(values, shape, Constraint::Real)
}

/// A parameter between two bounds.
pub(crate) fn between(values: &[f64], shape: &[usize], low: f64, high: f64) -> Parameter {
    Parameter::new(values, shape, Constraint::Interval(low, high))
}

/// Values for people: three digits, and not all of a long list.
pub(crate) fn show(parameter: &Parameter) -> String {
    let values = parameter.value();
    let text: Vec<String> = values.iter().take(6).map(|v| format!("{v:.3}")).collect();
    let more = if values.len() > 6 { ", ..." } else { "" };
    if values.len() == 1 { text[0].clone() } else { format!("[{}{more}]", text.join(", ")) }
}
