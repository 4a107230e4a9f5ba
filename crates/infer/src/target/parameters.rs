//! Models made of [`Parameters`] as log densities: a Gaussian process's hyperparameters, a small network's weights.

use super::{LogDensity, with_gradient};
use elbo_core::Result;
use elbo_tensor::{Parameters, Tensor, with_grad};
use std::sync::Mutex;

/// The posterior of a model's free parameters: a closure's log likelihood, plus the log priors that parameters carry, plus the
/// log-Jacobians of their constraints.
///
/// The tensor form has first derivatives only. Where the closure fails the density is minus infinity, so that a sampler rejects the point.
pub struct ParametersDensity<M, N, F> {
    /// Idle copies: evaluations at the same time each take their own.
    idle: Mutex<Vec<M>>,
    make: N,
    density: F,
    dim: usize,
}

impl<M, N, F> ParametersDensity<M, N, F>
where
    M: Parameters + Send,
    N: Fn() -> M + Send + Sync,
    F: Fn(&M) -> Result<Tensor> + Send + Sync,
{
    /// From a maker of models, called once for each evaluation that runs at the same time, and the log likelihood of one model, a
    /// number without axes.
    pub fn new(make: N, density: F) -> Self {
        let first = make();
        let dim = first.pack().len();
        Self { idle: Mutex::new(vec![first]), make, density, dim }
    }

    /// A model with the parameters at `z: [D]`.
    pub fn at(&self, z: &[f64]) -> M {
        let mut model = (self.make)();
        model.unpack(z);
        model
    }

    fn evaluate(&self, model: &M) -> Result<(f64, Vec<f64>)> {
        let total = (self.density)(model)? + model.log_prior() + model.log_jacobian();
        Ok((total.item(), model.gradient(&total)))
    }
}

impl<M, N, F> LogDensity for ParametersDensity<M, N, F>
where
    M: Parameters + Send,
    N: Fn() -> M + Send + Sync,
    F: Fn(&M) -> Result<Tensor> + Send + Sync,
{
    fn dim(&self) -> usize {
        self.dim
    }

    fn log_prob(&self, z: &Tensor) -> Tensor {
        let (values, gradient) = self.values_and_gradients(&z.as_f64());
        with_gradient("log density of parameters", z, values, gradient)
    }

    fn value_and_gradient(&self, z: &[f64], gradient: &mut [f64]) -> f64 {
        let idle = self.idle.lock().expect("no evaluation panics with the lock held").pop();
        let mut model = idle.unwrap_or_else(|| (self.make)());
        let outcome = with_grad(|| {
            model.unpack(z);
            self.evaluate(&model)
        });
        self.idle.lock().expect("no evaluation panics with the lock held").push(model);
        match outcome {
            Ok((value, slope)) => {
                gradient.copy_from_slice(&slope);
                value
            }
            Err(_) => {
                gradient.fill(0.0);
                f64::NEG_INFINITY
            }
        }
    }

    fn hessian(&self, _: &[f64]) -> Option<Vec<f64>> {
        None
    }

    fn labels(&self) -> Vec<String> {
        let mut labels = vec![];
        (self.make)().visit(&mut |name, p| {
            if !p.is_frozen() {
                let one = p.shape().is_empty();
                labels.extend((0..p.len()).map(|i| if one { name.to_owned() } else { format!("{name}[{i}]") }));
            }
        });
        labels
    }

    fn natural(&self, draws: &[f64]) -> Vec<f64> {
        let mut model = (self.make)();
        let mut natural = Vec::with_capacity(draws.len());
        for z in draws.chunks_exact(self.dim.max(1)) {
            model.unpack(z);
            model.visit(&mut |_, p| {
                if !p.is_frozen() {
                    natural.extend(p.value());
                }
            });
        }
        natural
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use elbo_tensor::{Parameter, no_grad};

    struct One {
        x: Parameter,
    }

    elbo_tensor::parameters!(One { "x": x });

    #[test]
    fn a_thread_that_records_nothing_still_gets_the_gradient() {
        let make = || One { x: Parameter::real(&Tensor::scalar(0.0)) };
        let density = ParametersDensity::new(make, |m: &One| Ok(m.x.get().square() * -0.5));
        let mut gradient = [f64::NAN];
        let value = no_grad(|| density.value_and_gradient(&[3.0], &mut gradient));
        assert_eq!((value, gradient), (-4.5, [-3.0]));
    }
}
