//! What every row of the table of operations must pass.

use elbo_core::Rng;
use elbo_tensor::{DType, Tensor, grad, hvp, jvp};

use crate::nd::Nd;
use crate::table::{Row, rows};

/// Inputs of each of the row's shapes, from a seed that depends on the name.
fn cases(row: &Row) -> impl Iterator<Item = Vec<Tensor>> + '_ {
    let seed = row.name.bytes().fold(7u64, |h, b| (h * 31 + u64::from(b)) % 1_000_000);
    row.shapes.iter().enumerate().map(move |(case, shapes)| {
        let mut rng = Rng::new(seed).split(case as u64);
        shapes
            .iter()
            .map(|shape| {
                let n = shape.iter().product();
                Tensor::from_vec((0..n).map(|_| rng.range(row.domain.0, row.domain.1)).collect(), shape)
            })
            .collect()
    })
}

/// The same values among others, with large strides and an offset.
fn strided(x: &Tensor) -> Tensor {
    let junk = x.full_like(f64::NAN);
    let view = Tensor::stack(&[junk.clone(), x.clone(), junk], -1).select(-1, 1);
    if view.rank() >= 2 { view.t().contiguous().t() } else { view }
}

/// Weights that make a scalar of an operation's output.
fn weights(shape: &[usize]) -> Tensor {
    let n = shape.iter().product();
    Tensor::from_vec(Rng::new(1).uniforms(n).into_iter().map(|u| u + 0.5).collect(), shape)
}

fn objective(row: &Row, inputs: &[Tensor]) -> Tensor {
    let y = (row.operation)(inputs);
    (&y * weights(y.shape())).sum()
}

fn variables(inputs: &[Tensor]) -> Vec<Tensor> {
    inputs.iter().map(|x| x.clone().variable()).collect()
}

fn refs(inputs: &[Tensor]) -> Vec<&Tensor> {
    inputs.iter().collect()
}

fn directions(inputs: &[Tensor]) -> Vec<Tensor> {
    let mut rng = Rng::new(2);
    inputs.iter().map(|x| Tensor::from_vec((0..x.len()).map(|_| rng.normal()).collect(), x.shape())).collect()
}

/// Central difference of fourth order; its error is far below the tolerances here.
fn difference<T>(at: impl Fn(f64) -> T, combine: impl Fn([T; 4], [f64; 4]) -> T) -> T {
    let h = 2e-4;
    combine([at(h), at(-h), at(2.0 * h), at(-2.0 * h)], [8.0, -8.0, -1.0, 1.0].map(|c| c / (12.0 * h)))
}

fn of_tensors(at: impl Fn(f64) -> Tensor) -> Tensor {
    difference(at, |[a, b, c, d], [p, q, r, s]| a * p + b * q + c * r + d * s)
}

fn moved(inputs: &[Tensor], along: &[Tensor], by: f64) -> Vec<Tensor> {
    inputs.iter().zip(along).map(|(x, d)| x + d * by).collect()
}

#[track_caller]
fn assert_close(name: &str, what: &str, found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{name}: {what} has another length");
    for (i, (f, e)) in found.iter().zip(expected).enumerate() {
        let both_nan = f.is_nan() && e.is_nan();
        let close = both_nan || f == e || (f - e).abs() <= tolerance * e.abs().max(1.0);
        assert!(close, "{name}: {what} [{i}] is {f}, expected {e}");
    }
}

#[test]
fn values_equal_the_loops_for_contiguous_and_strided_inputs() {
    for row in rows() {
        for inputs in cases(&row) {
            let name = format!("{} of {:?}", row.name, inputs.iter().map(|x| x.shape()).collect::<Vec<_>>());
            let plain: Vec<Nd> = inputs.iter().map(|x| Nd { shape: x.shape().to_vec(), data: x.to_vec() }).collect();
            let expected = (row.reference)(&plain);
            let found = (row.operation)(&inputs);
            if !expected.data.is_empty() {
                assert_eq!(found.shape(), expected.shape, "{name}");
            }
            assert_close(&name, "value", &found.to_vec(), &expected.data, row.tolerance);
            let views: Vec<Tensor> = inputs.iter().map(strided).collect();
            assert_close(&name, "strided", &(row.operation)(&views).to_vec(), &expected.data, row.tolerance);
        }
    }
}

#[test]
fn single_precision_agrees_to_its_rounding() {
    for row in rows().iter().filter(|r| r.derivatives) {
        for inputs in cases(row) {
            let exact = (row.operation)(&inputs).to_vec();
            let single: Vec<Tensor> = inputs.iter().map(|x| x.to_f32()).collect();
            let found = (row.operation)(&single);
            assert_eq!(found.dtype(), DType::F32, "{}", row.name);
            assert_close(&row.name, "f32", &found.to_vec(), &exact, 2e-4);
        }
    }
}

#[test]
fn first_derivatives_agree_with_central_differences() {
    for row in rows().iter().filter(|r| r.derivatives) {
        for inputs in cases(row) {
            let tracked = variables(&inputs);
            let gradients = grad(&objective(row, &tracked), &refs(&tracked));
            for (i, gradient) in gradients.iter().enumerate() {
                assert_eq!(gradient.shape(), inputs[i].shape(), "{}", row.name);
                let numeric: Vec<f64> = (0..inputs[i].len())
                    .map(|k| {
                        let at = |delta: f64| {
                            let mut values = inputs[i].to_vec();
                            values[k] += delta;
                            let mut shifted = inputs.clone();
                            shifted[i] = Tensor::from_vec(values, inputs[i].shape());
                            objective(row, &shifted).item()
                        };
                        difference(at, |v, c| v.iter().zip(c).map(|(v, c)| v * c).sum())
                    })
                    .collect();
                assert_close(&row.name, &format!("gradient {i}"), &gradient.to_vec(), &numeric, 1e-8);
            }
            let views = variables(&inputs.iter().map(strided).collect::<Vec<_>>());
            for (a, b) in grad(&objective(row, &views), &refs(&views)).iter().zip(&gradients) {
                assert_close(&row.name, "gradient of strided inputs", &a.to_vec(), &b.to_vec(), 1e-11);
            }
        }
    }
}

#[test]
fn forward_derivatives_agree_with_central_differences() {
    for row in rows().iter().filter(|r| r.derivatives) {
        for inputs in cases(row) {
            let tracked = variables(&inputs);
            let along = directions(&inputs);
            let exact = jvp(&(row.operation)(&tracked), &refs(&tracked), &refs(&along));
            let numeric = of_tensors(|by| (row.operation)(&moved(&inputs, &along, by)));
            assert_close(&row.name, "jvp", &exact.to_vec(), &numeric.to_vec(), 1e-7);
        }
    }
}

#[test]
fn second_derivatives_agree_with_differences_of_first_ones() {
    for row in rows().iter().filter(|r| r.derivatives) {
        for inputs in cases(row) {
            let along = directions(&inputs);
            let tracked = variables(&inputs);
            let exact = hvp(&objective(row, &tracked), &refs(&tracked), &refs(&along));
            for (i, exact) in exact.iter().enumerate() {
                let numeric = of_tensors(|by| {
                    let shifted = variables(&moved(&inputs, &along, by));
                    grad(&objective(row, &shifted), &refs(&shifted)).swap_remove(i)
                });
                assert_close(&row.name, &format!("hvp {i}"), &exact.to_vec(), &numeric.to_vec(), 1e-7);
            }
        }
    }
}
