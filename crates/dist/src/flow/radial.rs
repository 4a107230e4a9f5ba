use crate::transform::Bijector;
use elbo_core::Rng;
use elbo_tensor::{Parameter, Tensor};

/// $z' = z + \beta h(r)(z - z_0)$ with $h = 1/(\alpha + r)$, $r = \|z - z_0\|$: contraction or expansion about a centre. $\alpha > 0$ and $\beta > -\alpha$ through
/// softplus.
///
/// $$ \log|\det| = (D - 1) \log(1 + \beta h) + \log(1 + \beta h - \beta h^2 r) $$
///
/// The image's distance is $r (1 + \beta h)$, a quadratic equation for $r$: the inverse is closed.
///
/// # Source
/// Rezende and Mohamed (2015); inverse derived here.
#[derive(Debug, Clone)]
pub struct Radial {
    centre: Parameter,
    alpha: Parameter,
    beta: Parameter,
}

impl Radial {
    /// From the centre `[D]` and the raw values of alpha and beta, before softplus.
    pub fn new(centre: &[f64], alpha: f64, beta: f64) -> Self {
        Self {
            centre: Parameter::real(&Tensor::from_slice(centre, &[centre.len()])),
            alpha: Parameter::real(&Tensor::scalar(alpha)),
            beta: Parameter::real(&Tensor::scalar(beta)),
        }
    }

    /// The identity (raw alpha and beta equal), about a random centre.
    pub fn random(dimension: usize, rng: &mut Rng) -> Self {
        let centre: Vec<f64> = (0..dimension).map(|_| rng.normal()).collect();
        Self::new(&centre, 0.5, 0.5)
    }

    fn strengths(&self) -> (Tensor, Tensor) {
        let alpha = self.alpha.get().softplus();
        let beta = self.beta.get().softplus() - &alpha;
        (alpha, beta)
    }

    fn log_det(&self, r: &Tensor, alpha: &Tensor, beta: &Tensor) -> Tensor {
        let h = (r + alpha).recip();
        let scaled = &h * beta;
        scaled.log1p() * (self.centre.len() as f64 - 1.0) + (&scaled - &scaled * (h * r)).log1p()
    }
}

elbo_tensor::parameters!(Radial { centre, alpha, beta });

/// Lengths of vectors in the last axis. The tiny number keeps the slope finite at zero.
fn length(v: &Tensor) -> Tensor {
    (v.square().sum_axis(-1, false) + 1e-300).sqrt()
}

impl Bijector for Radial {
    fn ranks(&self) -> (usize, usize) {
        (1, 1)
    }
    fn forward(&self, x: &Tensor) -> (Tensor, Tensor) {
        let (alpha, beta) = self.strengths();
        let offset = x - self.centre.get();
        let r = length(&offset);
        let scale = &beta / (&r + &alpha);
        (x + scale.unsqueeze(-1) * offset, self.log_det(&r, &alpha, &beta))
    }
    fn inverse(&self, y: &Tensor) -> Option<(Tensor, Tensor)> {
        let (alpha, beta) = self.strengths();
        let centre = self.centre.get();
        let offset = y - &centre;
        let length = length(&offset);
        // r^2 + (alpha + beta - length) r - alpha length = 0; the positive root, in the form without cancellation.
        let half = (&alpha + &beta - &length) * 0.5;
        let root = (half.square() + &length * &alpha).sqrt();
        let away = &length * &alpha / (&root + &half.abs());
        let r = half.gt_scalar(0.0).where_(&away, &(&root - &half));
        let scale = &beta / (&r + &alpha) + 1.0;
        let x = &centre + offset / scale.unsqueeze(-1);
        Some((x, -self.log_det(&r, &alpha, &beta)))
    }
}
