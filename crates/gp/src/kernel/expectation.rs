//! Expectations of the RBF kernel over normal inputs, for uncertain inputs and latent variable models.
//!
//! For `x_n ~ N(μ_n, diag(s_n))`: `ψ0 = E k(x, x)`, `ψ1 = E k(x, z)`, `ψ2 = E k(z, x) k(x, z')`.

use elbo_tensor::Tensor;

use super::radial::{Profile, differences};
use super::stationary::Stationary;

/// The three expectations, summed over data where the collapsed bound needs sums.
pub struct Expectations {
    /// `Σ_n ψ0_n`, a scalar.
    pub psi0: Tensor,
    /// `ψ1`, `[N, M]`.
    pub psi1: Tensor,
    /// `Σ_n ψ2_n`, `[M, M]`.
    pub psi2: Tensor,
}

fn lengthscale_squares(kernel: &Stationary, dims: usize) -> Tensor {
    assert!(kernel.profile() == Profile::Rbf, "closed expectations exist for the RBF kernel only");
    kernel.lengthscale.get().square().broadcast_to(&[dims])
}

/// All three. `mean: [N, D]`, `variance: [N, D]` positive, `z: [M, D]`; differentiable in all of them and the kernel's parameters.
///
/// # Source
/// Titsias and Lawrence (2010).
pub fn expectations(kernel: &Stationary, mean: &Tensor, variance: &Tensor, z: &Tensor) -> Expectations {
    Expectations {
        psi0: psi0(kernel, mean).sum(),
        psi1: psi1(kernel, mean, variance, z),
        psi2: psi2(kernel, mean, variance, z),
    }
}

/// `E k(x_n, x_n) = v`, `[N]`.
pub fn psi0(kernel: &Stationary, mean: &Tensor) -> Tensor {
    kernel.variance.get().broadcast_to(&[mean.size(0)])
}

/// `E k(x_n, z_m) = v Π_d (1 + s_nd/l_d²)^-½ exp(-½ Σ_d (μ_nd - z_md)² / (l_d² + s_nd))`, `[N, M]`.
pub fn psi1(kernel: &Stationary, mean: &Tensor, variance: &Tensor, z: &Tensor) -> Tensor {
    let dims = mean.size(1);
    let squares = lengthscale_squares(kernel, dims);
    let widths = variance + &squares;
    let mut exponent =
        ((variance / &squares).log1p().sum_axis(1, true) * -0.5).broadcast_to(&[mean.size(0), z.size(0)]);
    for d in 0..dims {
        exponent = exponent - differences(mean, z, d).square() / (widths.narrow(1, d, 1) * 2.0);
    }
    exponent.exp() * kernel.variance.get()
}

/// `Σ_n E k(z_m, x_n) k(x_n, z_m')`, `[M, M]`, with the terms
/// `v² Π_d (1 + 2 s_nd/l_d²)^-½ exp(-Σ_d (z_d - z'_d)²/(4 l_d²) - Σ_d (μ_nd - z̄_d)²/(l_d² + 2 s_nd))`, z̄ the midpoint.
pub fn psi2(kernel: &Stationary, mean: &Tensor, variance: &Tensor, z: &Tensor) -> Tensor {
    let (n, m, dims) = (mean.size(0), z.size(0), mean.size(1));
    let squares = lengthscale_squares(kernel, dims);
    let widths = variance * 2.0 + &squares;
    let determinant = (variance * 2.0 / &squares).log1p().sum_axis(1, false) * -0.5;
    // One block of data at a time keeps the [block, M, M] terms small.
    let block = (1 << 22) / (m * m).max(1);
    let block = block.clamp(1, n.max(1));
    let mut sum = Tensor::zeros(&[m, m], mean.dtype());
    for start in (0..n).step_by(block) {
        let rows = block.min(n - start);
        let mut exponent = determinant.narrow(0, start, rows).reshape(&[rows, 1, 1]).broadcast_to(&[rows, m, m]);
        for d in 0..dims {
            let zd = z.narrow(1, d, 1);
            let midpoint = ((&zd + zd.t()) * 0.5).unsqueeze(0);
            let centre = mean.narrow(0, start, rows).narrow(1, d, 1).unsqueeze(2);
            let width = widths.narrow(0, start, rows).narrow(1, d, 1).unsqueeze(2);
            exponent = exponent - (centre - midpoint).square() / width;
        }
        sum = sum + exponent.exp().sum_axis(0, false);
    }
    let mut apart = Tensor::zeros(&[m, m], mean.dtype());
    for d in 0..dims {
        apart = apart + differences(z, z, d).square() / (squares.narrow(0, d, 1) * 4.0);
    }
    sum * (-apart).exp() * kernel.variance.get().square()
}
