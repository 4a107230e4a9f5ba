//! Data points in another shape.

use super::{Built, Layer, Pass, refuse};
use elbo_core::Result;
use elbo_tensor::Tensor;

/// Gives every data point another shape with as many numbers.
pub struct Reshape {
    shape: Vec<usize>,
}

elbo_tensor::parameters!(Reshape {});

impl Reshape {
    /// To `shape`, or to one axis where it is empty.
    ///
    /// # Errors
    /// [`elbo_core::Error::Setting`] when the number of elements differs.
    pub fn build(shape: &[usize], before: &[usize]) -> Result<Built> {
        let count: usize = before.iter().product();
        let shape = if shape.is_empty() { vec![count] } else { shape.to_vec() };
        if shape.iter().product::<usize>() != count {
            return refuse("reshape", before, format!("as many numbers as {shape:?} has"));
        }
        Built::new(Self { shape: shape.clone() }, &shape)
    }
}

impl Layer for Reshape {
    fn forward(&self, x: &Tensor, _: &mut Pass<'_>) -> Tensor {
        x.reshape(&[&[x.size(0)], self.shape.as_slice()].concat())
    }
}
