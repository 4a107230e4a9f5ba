//! Networks of atoms: how features turn, who is near whom, and energies with their slopes.

mod network;
mod parts;

use elbo_core::Rng;
use elbo_nn::equivariant::Matrix3;
use elbo_tensor::Tensor;

/// An orthogonal matrix, a rotation or one with a reflection.
fn orthogonal(seed: u64, is_flipped: bool) -> Matrix3 {
    let (q, _) = Tensor::from_vec(Rng::new(seed).normals(9), &[3, 3]).qr();
    let (sign, _) = q.sign_and_log_det().unwrap();
    let turn = if (sign.item() < 0.0) == is_flipped { 1.0 } else { -1.0 };
    let values = (q * turn).to_vec();
    std::array::from_fn(|i| std::array::from_fn(|j| values[3 * i + j]))
}

fn tensor(matrix: &Matrix3) -> Tensor {
    Tensor::from_vec(matrix.iter().flatten().copied().collect(), &[3, 3])
}

fn distance(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.shape(), b.shape());
    (a - b).abs().max().item()
}
