//! Objectives: their limits, order, gradients, and bounds on conjugate models in closed form.

use crate::common::{assert_close, numeric_gradient};
use elbo_core::Rng;
use elbo_infer::objective::{
    LogMeanExp, combined, doubly_reparameterised, effective_draws, elbo_with_entropy, elbo_with_kl, grouped, power,
    thermodynamic_integral,
};
use elbo_infer::{Estimate, Objective};
use elbo_tensor::{Tensor, grad};

fn log_weights(draws: usize, data: usize, seed: u64) -> Tensor {
    Tensor::from_vec(Rng::new(seed).normals(draws * data), &[draws, data])
}

fn every_objective() -> Vec<Objective> {
    vec![
        Objective::ELBO,
        Objective::IWAE,
        Objective::renyi(0.5),
        Objective::renyi(-2.0),
        Objective::cubo(2.0),
        Objective::VR_MAX,
        Objective::renyi(f64::INFINITY),
        Objective::VarGrad,
        Objective::Thermodynamic { betas: vec![0.0, 0.3, 1.0] },
    ]
}

#[test]
fn weights_are_the_derivatives_of_values() {
    let l = log_weights(4, 2, 1);
    for objective in every_objective() {
        let value = |flat: &[f64]| objective.value(&Tensor::from_slice(flat, &[4, 2])).sum().item();
        let numeric = numeric_gradient(value, &l.to_vec());
        assert_close(&objective.weights(&l).to_vec(), &numeric, 1e-8, &format!("{objective:?}"));
    }
}

#[test]
fn named_objectives_are_points_of_one_family() {
    let l = log_weights(5, 3, 2);
    let mean = l.mean_axis(0, false).to_vec();
    assert_close(&power(&l, 1e-7).to_vec(), &mean, 1e-6, "order to zero");
    assert_close(&Objective::renyi(1.0).value(&l).to_vec(), &mean, 1e-15, "Renyi at one is the ELBO");
    assert_eq!(Objective::renyi(0.0), Objective::IWAE);
    assert_close(&grouped(&l, 1).to_vec(), &Objective::IWAE.value(&l).to_vec(), 1e-14, "one group");
    assert_close(&grouped(&l, 5).to_vec(), &mean, 1e-14, "as many groups as draws");
    assert_close(&combined(&l, 1, 1.0).to_vec(), &mean, 1e-14, "all ELBO");
    assert_eq!(combined(&l, 1, 0.0).to_vec(), Objective::IWAE.value(&l).to_vec(), "no ELBO");
    assert_close(&combined(&l, 5, 0.3).to_vec(), &mean, 1e-14, "as many groups as draws, with a share");
    let halfway = (Objective::IWAE.value(&l) + Objective::ELBO.value(&l)) * 0.5;
    assert_close(&combined(&l, 1, 0.5).to_vec(), &halfway.to_vec(), 1e-14, "half of each");
    let one_step = Objective::Thermodynamic { betas: vec![0.0, 1.0] };
    assert_close(&one_step.value(&l).to_vec(), &mean, 1e-14, "one interval of temperatures");
    // The order is monotone on every sample, by Jensen.
    let values: Vec<f64> = [-3.0, -1.0, 0.0, 0.5, 1.0, 2.0, 5.0].iter().map(|r| power(&l, *r).sum().item()).collect();
    assert!(values.windows(2).all(|w| w[0] < w[1]), "{values:?}");
}

#[test]
fn orders_without_end_are_the_largest_and_the_least_log_weight() {
    let (draws, log_draws) = (5, 5f64.ln());
    let l = log_weights(draws, 3, 7);
    let (largest, least) = (l.max_axis(0, false).to_vec(), l.min_axis(0, false).to_vec());
    let of = |alpha: f64| Objective::renyi(alpha).value(&l).to_vec();
    assert_eq!(Objective::renyi(f64::NEG_INFINITY), Objective::VR_MAX);
    assert_eq!((of(f64::NEG_INFINITY), of(f64::INFINITY)), (largest.clone(), least.clone()));
    // A mean of powers lies below the largest by log K over the order at most.
    for size in [1e2, 1e4, 1e6] {
        let gap = log_draws / (size - 1.0) + 1e-12;
        for b in 0..3 {
            let (high, low) = (of(1.0 - size)[b], of(1.0 + size)[b]);
            assert!(high <= largest[b] + 1e-12 && high >= largest[b] - gap, "{size}: {high} and {}", largest[b]);
            assert!(low >= least[b] - 1e-12 && low <= least[b] + gap, "{size}: {low} and {}", least[b]);
        }
    }
    let orders = [f64::NEG_INFINITY, -1e3, -2.0, 0.0, 0.5, 1.0, 3.0, 1e3, f64::INFINITY];
    let values: Vec<Vec<f64>> = orders.iter().map(|alpha| of(*alpha)).collect();
    for pair in values.windows(2) {
        assert!(pair[0].iter().zip(&pair[1]).all(|(a, b)| a > b), "falling in alpha: {values:?}");
    }
    // Within log K of the importance-weighted bound, from above; without log K, from below.
    for (high, bound) in largest.iter().zip(Objective::IWAE.value(&l).to_vec()) {
        assert!(*high >= bound && high - log_draws <= bound, "{high} and {bound}");
    }
    let single = log_weights(1, 3, 8);
    assert_eq!(Objective::VR_MAX.value(&single).to_vec(), single.to_vec());
    // Weights are those of the limit, and one of equals has all of it, in the gradient too.
    let chosen = Objective::VR_MAX.weights(&l);
    assert_eq!((chosen.shape(), chosen.sum_axis(0, false).to_vec()), (&[draws, 3][..], vec![1.0; 3]));
    assert_close(&Objective::renyi(-1e6).weights(&l).to_vec(), &chosen.to_vec(), 1e-12, "the limit of weights");
    let equals = Tensor::from_vec(vec![1.0, 2.0, 2.0, 1.0], &[4, 1]).variable();
    for (objective, expected) in
        [(Objective::VR_MAX, [0.0, 1.0, 0.0, 0.0]), (Objective::renyi(f64::INFINITY), [1.0, 0.0, 0.0, 0.0])]
    {
        assert_eq!(objective.weights(&equals).to_vec(), expected);
        assert_eq!(grad(&objective.value(&equals).sum(), &[&equals])[0].to_vec(), expected);
    }
}

#[test]
fn an_order_without_end_is_a_word_in_a_file() {
    let all = [Objective::VR_MAX, Objective::renyi(f64::INFINITY), Objective::IWAE, Objective::renyi(0.5)];
    for (objective, order) in all.iter().zip(["\"infinity\"", "\"-infinity\"", "1.0", "0.5"]) {
        let text = serde_json::to_string(objective).unwrap();
        assert_eq!(text, format!(r#"{{"type":"power","order":{order}}}"#));
        assert_eq!(serde_json::from_str::<Objective>(&text).unwrap(), *objective);
    }
    assert_eq!(serde_json::from_str::<Objective>(r#"{"type":"power","order":2}"#).unwrap(), Objective::cubo(2.0));
    let error = serde_json::from_str::<Objective>(r#"{"type":"power","order":"large"}"#).unwrap_err();
    assert!(error.to_string().contains("`-infinity`"), "{error}");
    let error = serde_json::from_str::<Objective>(r#"{"type":"power","order":true}"#).unwrap_err();
    assert!(error.to_string().contains("an order is a number, `infinity` or `-infinity`"), "{error}");
}

#[test]
fn weights_of_the_doubly_reparameterised_family_and_of_wake_steps() {
    let l = log_weights(4, 1, 3);
    let w = l.softmax(0).to_vec();
    let family = |a: f64| doubly_reparameterised(&l, a).to_vec();
    for k in 0..4 {
        assert!((family(0.0)[k] - w[k] * w[k]).abs() < 1e-15);
        assert!((family(0.5)[k] - 0.5 * w[k]).abs() < 1e-15);
        assert!((family(1.0)[k] - (w[k] - w[k] * w[k])).abs() < 1e-15);
        assert_eq!(Objective::ForwardKl.weights(&l).to_vec()[k], -w[k]);
    }
    let ess = effective_draws(&l).item();
    assert!((ess - 1.0 / w.iter().map(|w| w * w).sum::<f64>()).abs() < 1e-12);
    // Equal weights: no divergence, all draws count.
    let equal = Tensor::from_vec(vec![2.5; 4], &[4, 1]);
    assert!(Objective::ForwardKl.value(&equal).item().abs() < 1e-14);
    assert!((effective_draws(&equal).item() - 4.0).abs() < 1e-12);
}

#[test]
fn a_log_mean_in_blocks_is_the_log_mean() {
    let l = log_weights(12, 2, 4);
    let mut blocks = LogMeanExp::new(2);
    l.split(0, &[5, 4, 3]).iter().for_each(|block| blocks.add(block));
    assert_eq!(blocks.count(), 12);
    assert_close(&blocks.value(), &Objective::IWAE.value(&l).to_vec(), 1e-13, "blocks");
    let column = l.narrow(-1, 0, 1).to_vec();
    assert!((Estimate::log_mean(&column).value - blocks.value()[0]).abs() < 1e-13);
}

/// x ~ N(z, 1), z ~ N(0, 1), x observed; the approximation is N(m, s^2).
struct Toy {
    x: f64,
    m: f64,
    s: f64,
}

impl Toy {
    fn log_evidence(&self) -> f64 {
        -0.25 * self.x * self.x - 0.5 * (4.0 * std::f64::consts::PI).ln()
    }

    fn kl_to_posterior(&self) -> f64 {
        let (mean, variance) = (0.5 * self.x, 0.5);
        let ratio = self.s * self.s / variance;
        0.5 * (ratio + (mean - self.m).powi(2) / variance - 1.0 - ratio.ln())
    }

    /// Log likelihood, log prior and log q at draws.
    fn parts(&self, draws: usize, rng: &mut Rng) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
        let tau = (2.0 * std::f64::consts::PI).ln();
        let noise = rng.normals(draws);
        let z: Vec<f64> = noise.iter().map(|e| self.m + self.s * e).collect();
        (
            z.iter().map(|z| -0.5 * (self.x - z).powi(2) - 0.5 * tau).collect(),
            z.iter().map(|z| -0.5 * z * z - 0.5 * tau).collect(),
            noise.iter().map(|e| -0.5 * e * e - 0.5 * tau - self.s.ln()).collect(),
        )
    }

    fn log_weights(&self, draws: usize, rng: &mut Rng) -> Vec<f64> {
        let (likelihood, prior, q) = self.parts(draws, rng);
        (0..draws).map(|k| likelihood[k] + prior[k] - q[k]).collect()
    }
}

#[test]
fn bounds_are_ordered_and_tighten_towards_the_evidence() {
    // Wider than the posterior, so that second moments of the weights exist.
    let toy = Toy { x: 1.2, m: 0.2, s: 1.0 };
    for seed in [1, 2, 3] {
        let mut rng = Rng::new(seed);
        let log_evidence = toy.log_evidence();
        let mut previous = f64::NEG_INFINITY;
        for draws in [1, 5, 50] {
            let values: Vec<f64> =
                (0..20_000 / draws).map(|_| Estimate::log_mean(&toy.log_weights(draws, &mut rng)).value).collect();
            let bound = Estimate::mean(&values);
            assert!(bound.value < log_evidence + 4.0 * bound.error, "K = {draws}: {bound:?} above {log_evidence}");
            assert!(bound.value > previous, "K = {draws} does not tighten");
            if draws == 1 {
                let exact = log_evidence - toy.kl_to_posterior();
                assert!((bound.value - exact).abs() < 4.0 * bound.error, "ELBO {bound:?}, in closed form {exact}");
            }
            previous = bound.value;
        }
        // E w^2 in closed form gives the chi-square bound; its estimate has bias of order 1 / draws.
        let l = toy.log_weights(20_000, &mut rng);
        let doubled: Vec<f64> = l.iter().map(|l| 2.0 * l).collect();
        let cubo = Estimate::log_mean(&doubled);
        let estimate = power(&Tensor::from_vec(l, &[20_000, 1]), 2.0).item();
        assert!((estimate - 0.5 * cubo.value).abs() < 1e-12);
        assert!(0.5 * cubo.value > log_evidence - 2.0 * cubo.error, "{cubo:?} below the evidence {log_evidence}");
        assert!(0.5 * cubo.value - previous > 0.0);
    }
}

#[test]
fn three_forms_of_the_elbo_have_one_mean() {
    let toy = Toy { x: -0.7, m: -0.1, s: 0.6 };
    let draws = 40_000;
    let (likelihood, prior, q) = toy.parts(draws, &mut Rng::new(5));
    let entropy = 0.5 * (2.0 * std::f64::consts::PI * std::f64::consts::E).ln() + toy.s.ln();
    let kl = 0.5 * (toy.s * toy.s + toy.m * toy.m - 1.0) - toy.s.ln();
    let exact = toy.log_evidence() - toy.kl_to_posterior();
    let column = |v: Vec<f64>| Tensor::from_vec(v, &[draws, 1]);
    let joint: Vec<f64> = likelihood.iter().zip(&prior).map(|(a, b)| a + b).collect();
    let weights: Vec<f64> = joint.iter().zip(&q).map(|(a, b)| a - b).collect();
    let tolerance = |values: &[f64]| 4.0 * Estimate::mean(values).error;
    let forms = [
        (Objective::ELBO.value(&column(weights.clone())).item(), tolerance(&weights)),
        (elbo_with_entropy(&column(joint.clone()), &Tensor::from_vec(vec![entropy], &[1])).item(), tolerance(&joint)),
        (
            elbo_with_kl(&column(likelihood.clone()), &Tensor::from_vec(vec![kl], &[1]), 1.0).item(),
            tolerance(&likelihood),
        ),
    ];
    let tempered = elbo_with_kl(&column(likelihood.clone()), &Tensor::from_vec(vec![kl], &[1]), 0.25).item();
    assert!((tempered - forms[2].0 - 0.75 * kl).abs() < 1e-12, "a tempered bound pays that share of the divergence");
    for (value, tolerance) in forms {
        assert!((value - exact).abs() < tolerance, "{value} and {exact}, tolerance {tolerance}");
    }
}

#[test]
fn the_thermodynamic_integral_of_a_conjugate_model_is_its_evidence() {
    // Posterior at temperature t: precision 1 + t, mean t x / (1 + t).
    let x = 1.5;
    let expectation = |t: f64| {
        let (mean, variance) = (t * x / (1.0 + t), 1.0 / (1.0 + t));
        -0.5 * ((x - mean) * (x - mean) + variance) - 0.5 * (2.0 * std::f64::consts::PI).ln()
    };
    let t: Vec<f64> = (0..=400).map(|i| f64::from(i) / 400.0).collect();
    let e: Vec<f64> = t.iter().map(|t| expectation(*t)).collect();
    let found = thermodynamic_integral(&t, &e);
    let exact = Toy { x, m: 0.0, s: 1.0 }.log_evidence();
    // The trapezoid rule's error is of order h^2 / 12.
    assert!((found - exact).abs() < 1e-5, "{found} and {exact}");
}

#[test]
fn orders_and_temperatures_are_checked() {
    assert!(Objective::Power { order: f64::NAN }.check().is_err());
    assert!(Objective::Thermodynamic { betas: vec![0.0, 0.5] }.check().is_err());
    assert!(every_objective().iter().all(|o| o.check().is_ok()));
    assert!(Objective::ELBO.is_maximised() && !Objective::cubo(2.0).is_maximised());
    // Less a constant it is a lower bound.
    assert!(Objective::VR_MAX.is_maximised() && Objective::renyi(f64::INFINITY).is_maximised());
}
