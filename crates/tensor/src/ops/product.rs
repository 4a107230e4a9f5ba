//! Products of vectors, matrices and batches of matrices.

use crate::dtype::with_real;
use crate::kernels;
use crate::tensor::Tensor;

impl Tensor {
    /// Matrix product.
    ///
    /// # Shapes
    /// `[..., m, k] x [..., k, n] -> [..., m, n]` with broadcast leading axes; a vector on the left is a row, on the right a column,
    /// and its axis disappears: `[k] x [k] -> []`, `[m, k] x [k] -> [m]`.
    pub fn matmul(&self, other: &Tensor) -> Tensor {
        kernels::same_type("matmul", self, other);
        let (ra, rb) = (self.rank(), other.rank());
        assert!(ra > 0 && rb > 0, "`matmul` of a scalar; use `*`");
        let (ka, kb) = (self.size(-1), other.size(if rb == 1 { 0 } else { -2 }));
        assert!(ka == kb, "`matmul`: {:?} x {:?}", self.shape(), other.shape());
        if ra == 1 {
            let product = self.unsqueeze(0).matmul(other);
            return product.squeeze(if rb == 1 { 0 } else { -2 });
        }
        if rb == 1 {
            return self.matmul(&other.unsqueeze(1)).squeeze(-1);
        }
        if ra > 2 && rb == 2 && self.is_contiguous() {
            // One tall product in place of a batch.
            let mut shape = self.layout.shape.clone();
            shape[ra - 1] = other.size(1);
            let rows = shape[..ra - 1].iter().product();
            return self.reshape(&[rows, ka]).matmul(other).reshape(&shape);
        }
        let (a, b) = (self.clone(), other.clone());
        let value = with_real!("matmul", self.dtype(), T => kernels::matmul::<T>(self, other));
        value.record("matmul", [self, other], move |g| {
            [
                g.when(0, || g.grad.matmul(&b.t()).sum_to(a.shape())),
                g.when(1, || a.t().matmul(g.grad).sum_to(b.shape())),
            ]
        })
    }

    /// Inner product of two vectors.
    pub fn dot(&self, other: &Tensor) -> Tensor {
        assert!(self.rank() == 1 && other.rank() == 1, "`dot`: {:?} and {:?}", self.shape(), other.shape());
        self.matmul(other)
    }

    /// Outer product of two vectors, `[m] x [n] -> [m, n]`.
    pub fn outer(&self, other: &Tensor) -> Tensor {
        assert!(self.rank() == 1 && other.rank() == 1, "`outer`: {:?} and {:?}", self.shape(), other.shape());
        self.unsqueeze(1) * other.unsqueeze(0)
    }
}
