//! Flows driven by the target: proper weights on the extended space, gradients, and bounds that tighten with steps.

use crate::common::assert_close;
use elbo_core::{Rng, Run};
use elbo_infer::family::{InfinitesimalFlow, MeanField};
use elbo_infer::fit::{Method, MethodSettings, ViSettings, infer, vi};
use elbo_infer::glm::{Glm, GlmLikelihood};
use elbo_infer::{Estimate, Estimator, Explicit, LogDensity, Objective, Variational};
use elbo_tensor::{Parameters, Tensor};
use std::f64::consts::TAU;
use std::sync::Arc;

type Target = Arc<dyn LogDensity + Send>;

/// The posterior of a Gaussian mean under a Gaussian prior, as the normalised joint: z ~ N(0, I), y | z ~ N(A z, I) with y = (1, 0).
struct Conjugate;

const A: [f64; 4] = [2.0, 2.0, 0.0, 0.5];
const Y: [f64; 2] = [1.0, 0.0];

impl Conjugate {
    /// log N(y; 0, I + A A').
    fn log_evidence() -> f64 {
        let [a, b, c, d] = A;
        let [s11, s12, s22] = [1.0 + a * a + b * b, a * c + b * d, 1.0 + c * c + d * d];
        let det = s11 * s22 - s12 * s12;
        let square = (s22 * Y[0] * Y[0] - 2.0 * s12 * Y[0] * Y[1] + s11 * Y[1] * Y[1]) / det;
        -TAU.ln() - 0.5 * det.ln() - 0.5 * square
    }
}

impl LogDensity for Conjugate {
    fn dim(&self) -> usize {
        2
    }

    fn log_prob(&self, z: &Tensor) -> Tensor {
        let residual = Tensor::from_slice(&Y, &[2]) - z.matmul(&Tensor::from_slice(&A, &[2, 2]).t());
        (z.square() + residual.square()).sum_axis(-1, false) * -0.5 - 2.0 * TAU.ln()
    }
}

/// z1 ~ N(0, 1), z2 | z1 ~ N(z1^2, 0.5^2); normalised.
struct Banana;

impl LogDensity for Banana {
    fn dim(&self) -> usize {
        2
    }

    fn log_prob(&self, z: &Tensor) -> Tensor {
        let (a, b) = (z.select(-1, 0), z.select(-1, 1));
        let residual = (b - a.square()) * 2.0;
        (a.square() + residual.square()) * -0.5 - (TAU.ln() - 2f64.ln())
    }
}

/// exp(-cosh z1), of mass 2 K_0(1), and z2 | z1 ~ N(sin z1, 0.5^2).
struct Wave;

impl Wave {
    fn log_evidence() -> f64 {
        f64::ln(2.0 * 0.421_024_438_240_708_3)
    }
}

impl LogDensity for Wave {
    fn dim(&self) -> usize {
        2
    }

    fn log_prob(&self, z: &Tensor) -> Tensor {
        let (a, b) = (z.select(-1, 0), z.select(-1, 1));
        let residual = (b - a.sin()) * 2.0;
        (a.exp() + (-&a).exp() + residual.square()) * -0.5 - (0.5 * TAU.ln() - 2f64.ln())
    }
}

/// Both kinds, with every parameter away from its start.
fn both(target: &Target, mean: &[f64], sd: &[f64], steps: usize) -> Vec<(&'static str, InfinitesimalFlow)> {
    let moved = |mut flow: InfinitesimalFlow| {
        let packed: Vec<f64> = flow.pack().iter().enumerate().map(|(i, p)| p + 0.1 * (1.7 * i as f64).sin()).collect();
        flow.unpack(&packed);
        flow
    };
    vec![
        ("Hamiltonian", moved(InfinitesimalFlow::hamiltonian(Arc::clone(target), mean, sd, steps).unwrap())),
        ("Langevin", moved(InfinitesimalFlow::langevin(Arc::clone(target), mean, sd, steps).unwrap())),
    ]
}

#[test]
fn weights_on_the_extended_space_have_the_evidence_for_a_mean() {
    // Bases wide enough for weights with a variance.
    type Case = (&'static str, Target, f64, [f64; 2], [f64; 2]);
    let targets: [Case; 2] = [
        ("conjugate", Arc::new(Conjugate), Conjugate::log_evidence(), [0.3, 0.0], [0.9, 0.8]),
        ("wave", Arc::new(Wave), Wave::log_evidence(), [0.0, 0.0], [1.0, 0.9]),
    ];
    for (title, target, exact, mean, sd) in targets {
        for (name, flow) in both(&target, &mean, &sd, 3) {
            let (z, log_q) = flow.sample(40_000, &mut Rng::new(5));
            let log_weights = (target.log_prob(&z) - log_q).to_vec();
            let found = Estimate::log_mean(&log_weights);
            assert!((found.value - exact).abs() < 5.0 * found.error, "{name}, {title}: {found:?} and {exact}");
            // Wrong volumes or momenta would be seen: the estimate is sharp.
            assert!(found.error < 0.05, "{name}, {title}: {found:?}");
            let bound = Estimate::mean(&log_weights);
            assert!(bound.value < exact + 4.0 * bound.error, "{name}, {title}: {bound:?} and {exact}");
        }
    }
}

#[test]
fn gradients_are_those_of_differences() {
    let mut rng = Rng::new(2);
    let x = rng.normals(20);
    let y: Vec<f64> = (0..10).map(|i| f64::from(u8::from(x[2 * i] + 0.5 * rng.normal() > 0.0))).collect();
    // The tensor form of a regression has first derivatives only, and its Hessian is by hand.
    let regression = Glm::new(GlmLikelihood::Bernoulli, x, y, vec![1.0; 2]);
    let targets: [(&str, Target); 2] = [("banana", Arc::new(Banana)), ("regression", Arc::new(regression))];
    for (title, target) in targets {
        for (name, mut flow) in both(&target, &[0.2, 0.7], &[0.6, 0.8], 2) {
            let noise = Tensor::from_vec(rng.normals(4 * flow.noise()), &[4, flow.noise()]);
            for objective in [Objective::ELBO, Objective::IWAE] {
                let surrogate = |flow: &InfinitesimalFlow| {
                    Estimator::Reparameterised.surrogate(&objective, &*target, flow, &noise, 2).unwrap().tensor
                };
                let gradient = flow.gradient(&surrogate(&flow));
                let at = flow.pack();
                let mut moved = vec![];
                for i in 0..at.len() {
                    let h = 1e-5;
                    let mut value = |delta: f64| {
                        let mut packed = at.clone();
                        packed[i] += delta;
                        flow.unpack(&packed);
                        surrogate(&flow).item()
                    };
                    moved.push((value(h) - value(-h)) / (2.0 * h));
                }
                flow.unpack(&at);
                assert_close(&gradient, &moved, 1e-6, &format!("{name}, {title}, {objective:?}"));
            }
        }
    }
}

#[test]
fn bounds_stay_below_the_evidence_and_tighten_with_steps() {
    let exact = Conjugate::log_evidence();
    let settings = ViSettings { steps: 800, rate: 0.03, ..ViSettings::default() };
    let (mean, sd) = ([0.0; 2], [0.6; 2]);
    for seed in [1, 2, 3] {
        let fitted = |flow: elbo_core::Result<InfinitesimalFlow>| {
            vi(&Conjugate, Box::new(flow.unwrap()), &settings, &mut Run::new(seed)).unwrap().elbo
        };
        let base = fitted(InfinitesimalFlow::hamiltonian(Arc::new(Conjugate), &mean, &sd, 0));
        for (name, bound) in [
            ("Hamiltonian", fitted(InfinitesimalFlow::hamiltonian(Arc::new(Conjugate), &mean, &sd, 3))),
            ("Langevin", fitted(InfinitesimalFlow::langevin(Arc::new(Conjugate), &mean, &sd, 3))),
        ] {
            assert!(bound.value < exact + 4.0 * bound.error, "{name}, seed {seed}: {bound:?} and {exact}");
            // Half of what independence costs, at least.
            let (left, lost) = (exact - bound.value, exact - base.value);
            let error = bound.error.hypot(base.error);
            assert!(left < 0.5 * lost + 4.0 * error, "{name}, seed {seed}: {bound:?}, {base:?}, {exact}");
            assert!(lost - left > 4.0 * error, "{name}, seed {seed}: {bound:?}, {base:?}, {exact}");
        }
    }
}

#[test]
fn without_steps_it_is_the_base() {
    let base = MeanField::new(&[0.1, -0.3], &[0.5, 2.0]);
    let noise = Tensor::from_vec(Rng::new(4).normals(10), &[5, 2]);
    let expected = base.draw(&noise);
    for flow in [
        InfinitesimalFlow::hamiltonian(Arc::new(Banana), &[0.1, -0.3], &[0.5, 2.0], 0).unwrap(),
        InfinitesimalFlow::langevin(Arc::new(Banana), &[0.1, -0.3], &[0.5, 2.0], 0).unwrap(),
    ] {
        assert_eq!((flow.noise(), flow.dim()), (2, 2));
        let drawn = flow.draw(&noise);
        assert_close(&drawn.z.to_vec(), &expected.z.to_vec(), 1e-14, "draws");
        assert_close(&drawn.log_prob.to_vec(), &expected.log_prob.to_vec(), 1e-13, "densities");
        assert!(flow.log_prob(&noise).is_none());
    }
}

#[test]
fn one_step_of_both_kinds_is_the_same_step() {
    let flows = both(&(Arc::new(Banana) as Target), &[0.0, 1.0], &[0.7, 0.9], 1);
    let noise = Tensor::from_vec(Rng::new(6).normals(12), &[3, 4]);
    let [first, second] = [flows[0].1.draw(&noise), flows[1].1.draw(&noise)];
    assert_eq!(first.z.to_vec(), second.z.to_vec());
    assert_eq!(first.log_prob.to_vec(), second.log_prob.to_vec());
}

#[test]
fn what_cannot_drive_a_flow_is_refused() {
    let refused = |target: Target, mean: &[f64], sd: &[f64], steps: usize, part: &str| {
        for flow in [
            InfinitesimalFlow::hamiltonian(Arc::clone(&target), mean, sd, steps),
            InfinitesimalFlow::langevin(Arc::clone(&target), mean, sd, steps),
        ] {
            let error = flow.err().expect("refused").to_string();
            assert!(error.contains(part), "{error}");
        }
    };
    let without = Explicit::new(2, |z: &[f64], g: &mut [f64]| {
        g.copy_from_slice(&[-z[0], -z[1]]);
        -0.5 * (z[0] * z[0] + z[1] * z[1])
    });
    refused(Arc::new(without), &[0.0; 2], &[1.0; 2], 2, "first derivatives only");
    refused(Arc::new(Banana), &[0.0; 3], &[1.0; 3], 2, "of 3 unknowns");
    refused(Arc::new(Banana), &[0.0; 2], &[1.0], 2, "of 1 unknowns");
    refused(Arc::new(Banana), &[0.0, f64::NAN], &[1.0; 2], 2, "`mean` is NaN");
    refused(Arc::new(Banana), &[0.0; 2], &[1.0, 0.0], 2, "`sd` is 0");
    refused(Arc::new(Banana), &[0.0; 2], &[1.0; 2], 1001, "`steps` is 1001");
}

#[test]
fn words_name_flows_that_the_target_drives() {
    let exact = Conjugate::log_evidence();
    let target: Target = Arc::new(Conjugate);
    let settings = MethodSettings { flow_rate: 0.03, flow_steps: 800, ..MethodSettings::default() };
    let base = infer(&Conjugate, Method::MeanField, &settings, &mut Run::new(1)).unwrap().elbo.unwrap();
    for word in ["hamiltonian:3", "langevin:3"] {
        let found = infer(&target, word.parse().unwrap(), &settings, &mut Run::new(1)).unwrap();
        assert_eq!(found.method.to_string(), word);
        let bound = found.elbo.unwrap();
        assert!(bound.value < exact + 4.0 * bound.error, "{word}: {bound:?} and {exact}");
        // Half of what independence costs, at least.
        let (left, lost, error) = (exact - bound.value, exact - base.value, bound.error.hypot(base.error));
        assert!(left < 0.5 * lost + 4.0 * error && lost - left > 4.0 * error, "{word}: {bound:?}, {base:?}, {exact}");
    }
}

#[test]
fn words_of_flows_that_nothing_can_drive_are_refused() {
    for word in ["hamiltonian", "hamiltonian:0", "hamiltonian:1001", "langevin:two", "langevin:2x3"] {
        let error = word.parse::<Method>().unwrap_err().to_string();
        assert!(error.contains(&format!("`{word}`")) && error.contains("hamiltonian:K"), "{error}");
    }
    let refused = |target: &dyn LogDensity, part: &str| {
        let method = Method::Hamiltonian { steps: 3 };
        let error = infer(target, method, &MethodSettings::default(), &mut Run::new(1)).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(&Conjugate, "only lent, for `hamiltonian:3`");
    let without: Target = Arc::new(Explicit::new(1, |z: &[f64], g: &mut [f64]| {
        g[0] = -z[0];
        -0.5 * z[0] * z[0]
    }));
    refused(&without, "first derivatives only");
}

#[test]
fn a_shared_target_is_the_target() {
    let (shared, at): (Target, _) = (Arc::new(Banana), [0.3, -0.7]);
    let both: [&dyn LogDensity; 2] = [&shared, &Banana];
    let [found, expected] = both.map(|target| {
        let mut gradient = [0.0; 2];
        let value = target.value_and_gradient(&at, &mut gradient);
        let rows = target.log_prob(&Tensor::from_slice(&at, &[1, 2])).to_vec();
        let many = target.values_and_gradients(&at);
        (value, gradient, rows, many, target.hessian(&at), target.labels(), target.natural(&at))
    });
    assert_eq!(found, expected);
    assert_eq!((shared.dim(), shared.shared().is_some(), Banana.shared().is_none()), (2, true, true));
}
