//! The table of operations. One row an operation: the shapes of its inputs, the operation, and the same in loops. `table_tests.rs`
//! checks values, first and second derivatives, strides, f32 and empty tensors for each row.

mod algebra;
mod arrays;
mod elements;
mod layers;
mod windows;

use elbo_tensor::Tensor;

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

fn triangle(x: &Nd, keep: impl Fn(usize, usize) -> bool) -> Nd {
    Nd::build(&x.shape, |i| if keep(i[i.len() - 2], i[i.len() - 1]) { x.at(i) } else { 0.0 })
}

pub fn rows() -> Vec<Row> {
    [elements::rows(), arrays::rows(), algebra::rows(), windows::rows(), layers::rows()].into_iter().flatten().collect()
}
