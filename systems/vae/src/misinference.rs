//! The smallest model that infers wrongly because its bound says so, with every integral by quadrature.
//!
//! Two data points x = ±1, q(z | ±1) = N(±m, s²), decoder N(tanh(k z), σ²) with σ above a floor, prior N(0, 1). By symmetry x = 1 stands
//! for both. Free are m, s, k and σ.

use elbo_core::step::Snapshot;
use elbo_core::{ModelFile, Result, Run, Stop, drive};
use elbo_tensor::optim::Lbfgs;
use elbo_tensor::{Constraint, Parameter, Parameters, Tensor};

/// Half the width of the grid of codes, and its points. The integrands are smooth and vanish at its ends, so the trapezoid rule is
/// accurate to rounding.
const RANGE: f64 = 8.0;
const POINTS: usize = 3201;
const STEPS: usize = 500;

/// The model.
pub struct Toy {
    /// m.
    pub mean: Parameter,
    /// s.
    pub sd: Parameter,
    /// k.
    pub gain: Parameter,
    /// σ.
    pub noise: Parameter,
}

elbo_tensor::parameters!(Toy { mean, sd, gain, noise });

impl Snapshot for Toy {
    fn save(&self, file: &mut ModelFile, prefix: &str) {
        self.write_to(file, prefix);
    }

    fn restore(&mut self, file: &ModelFile, prefix: &str) -> Result<()> {
        self.read_from(file, prefix)
    }
}

/// What is integrated: log densities on the grid, and expectations from them.
struct Grid {
    log_prior: Tensor,
    log_q: Tensor,
    log_q_mirrored: Tensor,
    log_likelihood: Tensor,
}

fn log_normal(x: &Tensor, mean: &Tensor, sd: &Tensor) -> Tensor {
    ((x - mean) / sd).square() * -0.5 - sd.log() - 0.5 * std::f64::consts::TAU.ln()
}

fn integral(f: &Tensor) -> Tensor {
    f.sum() * (2.0 * RANGE / (POINTS - 1) as f64)
}

impl Grid {
    fn new(toy: &Toy) -> Self {
        let z = Tensor::linspace(-RANGE, RANGE, POINTS);
        let (mean, sd) = (toy.mean.get(), toy.sd.get());
        let (zero, one) = (Tensor::scalar(0.0), Tensor::scalar(1.0));
        Self {
            log_prior: log_normal(&z, &zero, &one),
            log_q: log_normal(&z, &mean, &sd),
            log_q_mirrored: log_normal(&z, &-&mean, &sd),
            log_likelihood: log_normal(&(&z * toy.gain.get()).tanh(), &one, &toy.noise.get()),
        }
    }

    /// E_q of values on the grid.
    fn expectation(&self, f: &Tensor) -> Tensor {
        integral(&(self.log_q.exp() * f))
    }

    fn reconstruction(&self) -> Tensor {
        self.expectation(&self.log_likelihood)
    }

    fn kl_to_prior(&self) -> Tensor {
        self.expectation(&(&self.log_q - &self.log_prior))
    }

    /// KL(q(z) || p(z)), the same under both halves of the mixture.
    fn aggregated(&self) -> Tensor {
        let log_mixture = self.log_q.logaddexp(&self.log_q_mirrored) - std::f64::consts::LN_2;
        self.expectation(&(log_mixture - &self.log_prior))
    }

    fn log_evidence(&self) -> Tensor {
        integral(&(&self.log_prior + &self.log_likelihood).exp()).log()
    }
}

/// Figures of merit at an optimum.
#[derive(Debug, Clone, Copy)]
pub struct Found {
    /// KL(q(z | x) || p(z | x)).
    pub to_posterior: f64,
    /// KL(q(z) || p(z)).
    pub aggregated: f64,
    /// log p(x).
    pub log_evidence: f64,
    /// m, s, k, σ.
    pub parameters: [f64; 4],
}

/// The optimum of E_q log p(x | z) - (1 - a) KL(q(z | x) || p) - (a + l - 1) KL(q(z) || p) with noise above `floor`.
///
/// # Errors
/// When the optimiser fails.
pub fn optimum(alpha: f64, lambda: f64, floor: f64, run: &Run) -> Result<Found> {
    let scalar = Parameter::scalar;
    let mut toy = Toy {
        mean: scalar(0.7, Constraint::Real),
        sd: scalar(0.6, Constraint::Positive),
        gain: scalar(1.0, Constraint::Real),
        noise: scalar(floor.max(0.3) + 0.3, Constraint::Above(floor)),
    };
    let loss = |toy: &Toy, _: &mut Run| {
        let grid = Grid::new(toy);
        let divergences = grid.kl_to_prior() * (1.0 - alpha) + grid.aggregated() * (alpha + lambda - 1.0);
        Ok(divergences - grid.reconstruction())
    };
    drive(&Lbfgs::default().on(loss), &mut toy, &Stop::after(STEPS, "toy", "loss"), &mut run.child(run.seed))?;
    let grid = Grid::new(&toy);
    let log_evidence = grid.log_evidence();
    let to_posterior = grid.kl_to_prior() - grid.reconstruction() + &log_evidence;
    Ok(Found {
        to_posterior: to_posterior.item(),
        aggregated: grid.aggregated().item(),
        log_evidence: log_evidence.item(),
        parameters: [&toy.mean, &toy.sd, &toy.gain, &toy.noise].map(|p| p.value()[0]),
    })
}
