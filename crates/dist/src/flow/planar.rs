use crate::transform::Bijector;
use elbo_core::Rng;
use elbo_tensor::{Parameter, Tensor};

/// $z' = z + \hat u \tanh(w^\top z + b)$, where $\hat u$ is $u$ moved along $w$ so that $w^\top \hat u \ge -1$, which keeps the map invertible.
///
/// $$ \log|\det| = \log(1 + (1 - \tanh^2) \, w^\top \hat u) $$
///
/// # Source
/// Rezende and Mohamed (2015), with the appendix's $\hat u$.
#[derive(Debug, Clone)]
pub struct Planar {
    u: Parameter,
    w: Parameter,
    b: Parameter,
}

impl Planar {
    /// From `u: [D]`, `w: [D]` and the bias.
    pub fn new(u: &[f64], w: &[f64], b: f64) -> Self {
        let real = |v: &[f64]| Parameter::real(&Tensor::from_slice(v, &[v.len()]));
        Self { u: real(u), w: real(w), b: Parameter::real(&Tensor::scalar(b)) }
    }

    /// Near the identity: `u` and `w` normal with standard deviation 0.1, bias zero.
    pub fn random(dimension: usize, rng: &mut Rng) -> Self {
        let mut draw = || (0..dimension).map(|_| 0.1 * rng.normal()).collect::<Vec<_>>();
        let (u, w) = (draw(), draw());
        Self::new(&u, &w, 0.0)
    }
}

elbo_tensor::parameters!(Planar { u, w, b });

impl Bijector for Planar {
    fn ranks(&self) -> (usize, usize) {
        (1, 1)
    }
    fn forward(&self, x: &Tensor) -> (Tensor, Tensor) {
        planar(x, &self.u.get(), &self.w.get(), &self.b.get())
    }
    fn inverse(&self, _: &Tensor) -> Option<(Tensor, Tensor)> {
        None
    }
}

/// The planar map with parameters that may differ by point, as an amortised posterior needs them.
///
/// # Shapes
/// `x: [..., D]`; `u`, `w` broadcast to it, `b` to `[...]`. Returns images `[..., D]` and log-determinants `[...]`.
pub fn planar(x: &Tensor, u: &Tensor, w: &Tensor, b: &Tensor) -> (Tensor, Tensor) {
    let inner = |a: &Tensor, b: &Tensor| (a * b).sum_axis(-1, false);
    let wu = inner(w, u);
    // The small number keeps w = 0 harmless, where u is not moved.
    let square = w.square().sum_axis(-1, false) + 1e-12;
    let shift = (wu.softplus() - 1.0 - &wu) / &square;
    let u_hat = u + shift.unsqueeze(-1) * w;
    let w_u_hat = inner(w, &u_hat);
    let h = ((x * w).sum_axis(-1, false) + b).tanh();
    let log_det = ((1.0 - h.square()) * w_u_hat).log1p();
    (x + h.unsqueeze(-1) * u_hat, log_det)
}
