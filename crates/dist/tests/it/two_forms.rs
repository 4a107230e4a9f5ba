//! The two forms of a family, plain values and tensors, are one law.

use super::assert_close;
use elbo_dist as plain;
use elbo_dist::batched::{self, Batched, Kl};
use elbo_dist::{Distribution, divergence};
use elbo_tensor::special::logit;
use elbo_tensor::{DType, Tensor, grad};

fn s(value: f64) -> Tensor {
    Tensor::scalar(value)
}

fn t(values: &[f64]) -> Tensor {
    Tensor::from_slice(values, &[values.len()])
}

fn pair(
    value: impl Distribution + 'static,
    tensors: impl Batched + 'static,
) -> (Box<dyn Distribution>, Box<dyn Batched>) {
    (Box::new(value), Box::new(tensors))
}

/// Every family of one number that has both forms. A new one gets a line here.
fn pairs() -> Vec<(Box<dyn Distribution>, Box<dyn Batched>)> {
    vec![
        pair(plain::Normal { mean: -1.0, sd: 2.5 }, batched::Normal::new(s(-1.0), s(2.5))),
        pair(plain::StudentT { location: 0.5, scale: 0.7, dof: 6.5 }, batched::StudentT::new(s(0.5), s(0.7), s(6.5))),
        pair(plain::Laplace { location: 0.4, scale: 1.3 }, batched::Laplace::new(s(0.4), s(1.3))),
        pair(
            plain::GeneralisedNormal { mean: 0.4, scale: 1.3, exponent: 1.6 },
            batched::GeneralisedNormal::new(s(0.4), s(1.3), s(1.6)),
        ),
        pair(plain::Exponential { rate: 0.7 }, batched::Exponential::new(s(0.7))),
        pair(plain::Weibull { shape: 1.7, scale: 0.6 }, batched::Weibull::new(s(1.7), s(0.6))),
        pair(plain::HalfNormal { sd: 1.3 }, batched::HalfNormal::new(s(1.3))),
        pair(plain::HalfCauchy { scale: 1.3 }, batched::HalfCauchy::new(s(1.3))),
        pair(plain::Pareto { scale: 0.7, shape: 6.5 }, batched::Pareto::new(s(0.7), s(6.5))),
        pair(plain::Kumaraswamy { a: 2.3, b: 1.4 }, batched::Kumaraswamy::new(s(2.3), s(1.4))),
        pair(plain::InverseGaussian { mean: 1.3, shape: 2.1 }, batched::InverseGaussian::new(s(1.3), s(2.1))),
        pair(plain::Geometric { probability: 0.2 }, batched::Geometric::new(s(logit(0.2)))),
        pair(plain::Gumbel { location: 0.4, scale: 1.3 }, batched::Gumbel::new(s(0.4), s(1.3))),
        pair(plain::Logistic { location: 0.4, scale: 1.3 }, batched::Logistic::new(s(0.4), s(1.3))),
        pair(plain::Uniform { low: -2.0, high: 0.5 }, batched::Uniform::new(s(-2.0), s(0.5))),
        pair(plain::Gamma { shape: 2.4, rate: 3.0 }, batched::Gamma::new(s(2.4), s(3.0))),
        pair(plain::InverseGamma { shape: 6.5, scale: 2.0 }, batched::InverseGamma::new(s(6.5), s(2.0))),
        pair(plain::LogNormal { mu: 0.3, sigma: 0.4 }, batched::LogNormal::new(s(0.3), s(0.4))),
        pair(plain::Beta { a: 2.0, b: 3.5 }, batched::Beta::new(s(2.0), s(3.5))),
        pair(plain::VonMises { direction: 0.4, concentration: 1.3 }, batched::VonMises::new(s(0.4), s(1.3))),
        pair(plain::Poisson { mean: 4.2 }, batched::Poisson::new(s(4.2))),
        pair(plain::NegativeBinomial { mean: 3.0, dispersion: 0.8 }, batched::NegativeBinomial::new(s(3.0), s(0.8))),
        pair(plain::Binomial { trials: 12.0, probability: 0.35 }, batched::Binomial::new(s(12.0), s(logit(0.35)))),
        pair(
            plain::ZeroInflated { zero: 0.3, base: plain::Poisson { mean: 4.0 } },
            batched::ZeroInflated::new(s(logit(0.3)), batched::Poisson::new(s(4.0))),
        ),
        pair(
            plain::Hurdle { zero: 0.3, base: plain::Poisson { mean: 4.0 } },
            batched::Hurdle::new(s(logit(0.3)), batched::Poisson::new(s(4.0))),
        ),
        pair(plain::Bernoulli { probability: 0.3 }, batched::Bernoulli::new(s(logit(0.3)))),
        pair(
            plain::Categorical { probabilities: vec![0.2, 0.5, 0.3] },
            batched::Categorical::new(&t(&[0.2, 0.5, 0.3]).log()),
        ),
    ]
}

#[test]
fn densities_entropies_and_moments_of_both_forms_agree() {
    // Both are closed forms in double precision: rounding only.
    for (value, tensors) in pairs() {
        let x: Vec<f64> = [0.1, 0.4, 0.7, 0.95].iter().map(|p| value.quantile(*p)).collect();
        for (x, found) in x.iter().zip(tensors.log_prob(&t(&x)).to_vec()) {
            assert_close(&format!("{value:?} at {x}"), found, value.log_prob(*x), 1e-12);
        }
        let entropies = value.entropy().zip(tensors.entropy());
        let means = tensors.mean().map(|found| (value.mean(), found));
        let variances = tensors.variance().map(|found| (value.variance(), found));
        for (exact, found) in [entropies, means, variances].into_iter().flatten() {
            assert_close(&format!("a moment of {value:?}"), found.item(), exact, 1e-12);
        }
    }
}

#[test]
fn divergences_of_both_forms_agree() {
    let same = |name: &str, value: f64, tensor: Tensor| assert_close(name, tensor.item(), value, 1e-12);
    let (q, p) = (plain::Normal { mean: 0.3, sd: 0.8 }, plain::Normal { mean: -0.5, sd: 1.7 });
    let form = |d: &plain::Normal| batched::Normal::new(s(d.mean), s(d.sd));
    same("normal", divergence::normal(&q, &p), form(&q).kl(&form(&p)));
    let (q, p) = (plain::Gamma { shape: 3.2, rate: 1.1 }, plain::Gamma { shape: 2.0, rate: 0.6 });
    let form = |d: &plain::Gamma| batched::Gamma::new(s(d.shape), s(d.rate));
    same("gamma", divergence::gamma(&q, &p), form(&q).kl(&form(&p)));
    let (q, p) = (plain::InverseGamma { shape: 4.2, scale: 1.1 }, plain::InverseGamma { shape: 2.0, scale: 0.6 });
    let form = |d: &plain::InverseGamma| batched::InverseGamma::new(s(d.shape), s(d.scale));
    same("inverse gamma", divergence::inverse_gamma(&q, &p), form(&q).kl(&form(&p)));
    let (q, p) = (plain::Beta { a: 3.2, b: 1.1 }, plain::Beta { a: 2.0, b: 1.6 });
    let form = |d: &plain::Beta| batched::Beta::new(s(d.a), s(d.b));
    same("beta", divergence::beta(&q, &p), form(&q).kl(&form(&p)));
    let (q, p) = (plain::Laplace { location: 0.2, scale: 1.1 }, plain::Laplace { location: -0.4, scale: 0.6 });
    let form = |d: &plain::Laplace| batched::Laplace::new(s(d.location), s(d.scale));
    same("laplace", divergence::laplace(&q, &p), form(&q).kl(&form(&p)));
    let general = |scale: f64, exponent: f64| plain::GeneralisedNormal { mean: 0.2, scale, exponent };
    let (q, p) = (general(1.1, 1.7), general(0.8, 2.6));
    let form = |d: &plain::GeneralisedNormal| batched::GeneralisedNormal::new(s(d.mean), s(d.scale), s(d.exponent));
    same("generalised normal", divergence::generalised_normal(&q, &p), form(&q).kl(&form(&p)));
    let (q, p) = (plain::Gumbel { location: 0.2, scale: 1.1 }, plain::Gumbel { location: -0.4, scale: 0.6 });
    let form = |d: &plain::Gumbel| batched::Gumbel::new(s(d.location), s(d.scale));
    same("gumbel", divergence::gumbel(&q, &p), form(&q).kl(&form(&p)));
    let (q, p) = (plain::Uniform { low: -0.5, high: 0.8 }, plain::Uniform { low: -1.0, high: 2.0 });
    let form = |d: &plain::Uniform| batched::Uniform::new(s(d.low), s(d.high));
    same("uniform", divergence::uniform(&q, &p), form(&q).kl(&form(&p)));
    let von_mises = |direction: f64, concentration: f64| plain::VonMises { direction, concentration };
    let (q, p) = (von_mises(0.2, 2.0), von_mises(0.6, 0.7));
    let form = |d: &plain::VonMises| batched::VonMises::new(s(d.direction), s(d.concentration));
    same("von mises", divergence::von_mises(&q, &p), form(&q).kl(&form(&p)));
    let (q, p) = (plain::Poisson { mean: 2.2 }, plain::Poisson { mean: 3.0 });
    let form = |d: &plain::Poisson| batched::Poisson::new(s(d.mean));
    same("poisson", divergence::poisson(&q, &p), form(&q).kl(&form(&p)));
    let (q, p) = (plain::Bernoulli { probability: 0.3 }, plain::Bernoulli { probability: 0.8 });
    let form = |d: &plain::Bernoulli| batched::Bernoulli::new(s(logit(d.probability)));
    same("bernoulli", divergence::bernoulli(&q, &p), form(&q).kl(&form(&p)));
    let (q, p) = ([0.2, 0.5, 0.3], [0.4, 0.1, 0.5]);
    let form = |d: &[f64]| batched::Categorical::new(&t(d).log());
    same("categorical", divergence::categorical(&q, &p), form(&q).kl(&form(&p)));
    let form = |d: &[f64]| batched::Multinomial::new(7, &t(d).log());
    same("multinomial", divergence::multinomial(7, &q, &p), form(&q).kl(&form(&p)));
    let form = |d: &[f64]| batched::Dirichlet::new(t(d));
    same("dirichlet", divergence::dirichlet(&q, &p), form(&q).kl(&form(&p)));
    let chol = |scale: f64| vec![0.9 * scale, 0.0, -0.4, 1.3 * scale];
    let dense = |mean: [f64; 2], scale: f64| plain::MultivariateNormal::new(mean.to_vec(), chol(scale));
    let (q, p) = (dense([0.1, -0.3], 0.9), dense([0.4, 0.5], 1.2));
    let form = |d: &plain::MultivariateNormal| {
        batched::MultivariateNormal::new(t(d.mean()), Tensor::from_slice(d.chol(), &[2, 2]))
    };
    same("dense normal", divergence::dense(&q, &p), form(&q).kl(&form(&p)));
}

/// Checks both forms of a family with two parameters at the ends of its support and outside of it, beside a point inside.
fn assert_ends(
    value: &dyn Distribution,
    parameters: [f64; 2],
    build: fn([Tensor; 2]) -> Box<dyn Batched>,
    ends: &[f64],
    outside: &[f64],
) {
    let inside = value.quantile(0.4);
    for (dtype, tolerance) in [(DType::F64, 1e-12), (DType::F32, 1e-5)] {
        let parameters = parameters.map(|p| s(p).cast(dtype).variable());
        let tensors = build(parameters.clone());
        let slopes_at = |values: &[f64]| {
            let x = t(values).cast(dtype).variable();
            let found = tensors.log_prob(&x);
            let slopes = grad(&found.sum(), &[&x, &parameters[0], &parameters[1]]);
            (found.to_vec(), slopes.iter().map(Tensor::to_vec).collect::<Vec<_>>())
        };
        let (_, alone) = slopes_at(&[inside]);
        for at in ends.iter().chain(outside) {
            let name = format!("{value:?} at {at}, {dtype}");
            let exact = value.log_prob(*at);
            let (found, slopes) = slopes_at(&[*at]);
            assert!(found[0] == exact || (found[0] - exact).abs() < tolerance, "{name}: {}, not {exact}", found[0]);
            assert!(slopes.iter().all(|slope| slope[0].is_finite()), "{name}: {slopes:?}");
            assert_eq!(slopes[0], [0.0], "{name}");
            if outside.contains(at) {
                assert_eq!((exact, &slopes[1], &slopes[2]), (f64::NEG_INFINITY, &vec![0.0], &vec![0.0]), "{name}");
            }
            // A point inside keeps its slope beside it.
            let (_, both) = slopes_at(&[*at, inside]);
            assert_eq!(both[0][0], 0.0, "{name}");
            assert_close(&name, both[0][1], alone[0][0], tolerance);
        }
    }
}

#[test]
fn at_the_ends_of_a_support_and_outside_both_forms_agree_and_slopes_are_numbers() {
    let far = [-0.3, f64::NEG_INFINITY, f64::INFINITY];
    let open = [&far[..], &[0.0]].concat();
    for [a, b] in [[0.6, 1.0], [1.0, 0.6], [1.7, 2.4], [1.0, 1.0]] {
        let weibull = plain::Weibull { shape: a, scale: b };
        assert_ends(&weibull, [a, b], |[shape, scale]| Box::new(batched::Weibull::new(shape, scale)), &[0.0], &far);
        let gamma = plain::Gamma { shape: a, rate: b };
        assert_ends(&gamma, [a, b], |[shape, rate]| Box::new(batched::Gamma::new(shape, rate)), &[0.0], &far);
        let inverse = plain::InverseGamma { shape: a, scale: b };
        assert_ends(&inverse, [a, b], |[a, b]| Box::new(batched::InverseGamma::new(a, b)), &[], &open);
        let log_normal = plain::LogNormal { mu: a, sigma: b };
        assert_ends(&log_normal, [a, b], |[mu, sigma]| Box::new(batched::LogNormal::new(mu, sigma)), &[], &open);
        let inverse = plain::InverseGaussian { mean: a, shape: b };
        assert_ends(&inverse, [a, b], |[a, b]| Box::new(batched::InverseGaussian::new(a, b)), &[], &open);
        let (ends, outside) = ([0.0, 1.0], [&far[..], &[1.4]].concat());
        let kumaraswamy = plain::Kumaraswamy { a, b };
        assert_ends(&kumaraswamy, [a, b], |[a, b]| Box::new(batched::Kumaraswamy::new(a, b)), &ends, &outside);
        let beta = plain::Beta { a, b };
        assert_ends(&beta, [a, b], |[a, b]| Box::new(batched::Beta::new(a, b)), &ends, &outside);
    }
}

#[test]
fn outside_of_other_supports_both_forms_are_minus_infinity_with_slopes_of_zero() {
    let far = [-0.3, f64::NEG_INFINITY, f64::INFINITY];
    let one = [1.3, 0.7];
    assert_ends(&plain::Exponential { rate: 1.3 }, one, |[r, _]| Box::new(batched::Exponential::new(r)), &[], &far);
    assert_ends(&plain::HalfNormal { sd: 1.3 }, one, |[sd, _]| Box::new(batched::HalfNormal::new(sd)), &[], &far);
    assert_ends(&plain::HalfCauchy { scale: 1.3 }, one, |[s, _]| Box::new(batched::HalfCauchy::new(s)), &[], &far);
    let below = [&far[..], &[0.0, 0.6]].concat();
    let pareto = plain::Pareto { scale: 0.7, shape: 1.3 };
    assert_ends(&pareto, [0.7, 1.3], |[scale, shape]| Box::new(batched::Pareto::new(scale, shape)), &[], &below);
    let (ends, outside) = ([-2.0, 0.5], [-2.1, 0.6, f64::NEG_INFINITY, f64::INFINITY]);
    let uniform = plain::Uniform { low: -2.0, high: 0.5 };
    assert_ends(&uniform, [-2.0, 0.5], |[low, high]| Box::new(batched::Uniform::new(low, high)), &ends, &outside);
    let between = [&far[..], &[-1.0, 1.5]].concat();
    assert_ends(&plain::Poisson { mean: 1.3 }, one, |[mean, _]| Box::new(batched::Poisson::new(mean)), &[], &between);
    let geometric = plain::Geometric { probability: 0.2 };
    assert_ends(&geometric, [logit(0.2), 0.7], |[l, _]| Box::new(batched::Geometric::new(l)), &[], &between);
    let negative = plain::NegativeBinomial { mean: 3.0, dispersion: 0.8 };
    assert_ends(&negative, [3.0, 0.8], |[m, r]| Box::new(batched::NegativeBinomial::new(m, r)), &[], &between);
    let inflated = plain::ZeroInflated { zero: 0.3, base: plain::Poisson { mean: 4.0 } };
    let build = |[gate, mean]: [Tensor; 2]| -> Box<dyn Batched> {
        Box::new(batched::ZeroInflated::new(gate, batched::Poisson::new(mean)))
    };
    assert_ends(&inflated, [logit(0.3), 4.0], build, &[], &between);
    let hurdle = plain::Hurdle { zero: 0.3, base: plain::Poisson { mean: 4.0 } };
    let build = |[gate, mean]: [Tensor; 2]| -> Box<dyn Batched> {
        Box::new(batched::Hurdle::new(gate, batched::Poisson::new(mean)))
    };
    assert_ends(&hurdle, [logit(0.3), 4.0], build, &[], &between);
    let beyond = [&between[..], &[13.0]].concat();
    let binomial = plain::Binomial { trials: 12.0, probability: 0.35 };
    let build = |[trials, l]: [Tensor; 2]| -> Box<dyn Batched> { Box::new(batched::Binomial::new(trials, l)) };
    assert_ends(&binomial, [12.0, logit(0.35)], build, &[], &beyond);
}
