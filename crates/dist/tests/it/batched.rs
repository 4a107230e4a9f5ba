//! Laws that every batched family obeys, over one list.

use super::assert_close;
use elbo_core::Rng;
use elbo_dist::batched::*;
use elbo_dist::tanh_sinh;
use elbo_tensor::{DType, Tensor, grad};

/// Where the points of a family lie.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Support {
    Line,
    Positive,
    /// Continuous points of several numbers.
    Vector,
    Discrete,
}

/// A family at one setting: natural parameters, which of them are differentiable reals, and how to build it.
pub struct Case {
    pub name: &'static str,
    pub parameters: Vec<Tensor>,
    pub build: fn(&[Tensor]) -> Box<dyn Batched>,
    pub support: Support,
}

fn t(values: &[f64], shape: &[usize]) -> Tensor {
    Tensor::from_slice(values, shape)
}

fn s(value: f64) -> Tensor {
    Tensor::scalar(value)
}

fn case(
    name: &'static str,
    support: Support,
    parameters: Vec<Tensor>,
    build: fn(&[Tensor]) -> Box<dyn Batched>,
) -> Case {
    Case { name, parameters, build, support }
}

fn chol3() -> Tensor {
    t(&[0.9, 0.0, 0.0, -0.4, 1.3, 0.0, 0.7, 0.2, 0.6], &[3, 3])
}

/// Every family. A new one gets a line here.
pub fn families() -> Vec<Case> {
    use Support::*;
    vec![
        case("normal", Line, vec![s(0.4), s(1.3)], |p| Box::new(Normal::new(p[0].clone(), p[1].clone()))),
        case("diagonal normal", Vector, vec![t(&[0.4, -1.0], &[2]), t(&[1.3, 0.5], &[2])], |p| {
            Box::new(Normal::new(p[0].clone(), p[1].clone()).to_event(1))
        }),
        case("multivariate normal", Vector, vec![t(&[0.4, -1.0, 0.2], &[3]), chol3()], |p| {
            Box::new(MultivariateNormal::new(p[0].clone(), p[1].clone()))
        }),
        case(
            "low-rank normal",
            Vector,
            vec![t(&[0.4, -1.0, 0.2], &[3]), t(&[0.5, 1.5, 0.8], &[3]), t(&[0.3, -0.8, 0.5, 0.1, 1.0, -0.2], &[3, 2])],
            |p| Box::new(LowRankNormal::new(p[0].clone(), p[1].clone(), p[2].clone()).unwrap()),
        ),
        case("gamma", Positive, vec![s(2.3), s(1.7)], |p| Box::new(Gamma::new(p[0].clone(), p[1].clone()))),
        case("gamma of small shape", Positive, vec![s(0.4), s(0.6)], |p| {
            Box::new(Gamma::new(p[0].clone(), p[1].clone()))
        }),
        case("inverse gamma", Positive, vec![s(6.5), s(2.0)], |p| {
            Box::new(InverseGamma::new(p[0].clone(), p[1].clone()))
        }),
        case("bernoulli", Discrete, vec![t(&[0.7, -1.2], &[2])], |p| Box::new(Bernoulli::new(p[0].clone()))),
        case("categorical", Discrete, vec![t(&[0.3, -0.2, 1.1], &[3])], |p| Box::new(Categorical::new(&p[0]))),
    ]
}

/// `E f(x)` by quadrature, for families of one number.
pub fn expectation(d: &dyn Batched, support: Support, f: impl Fn(f64) -> f64) -> f64 {
    let weighted = |x: f64| d.log_prob(&s(x)).item().exp() * f(x);
    let line = |f: &dyn Fn(f64) -> f64| {
        tanh_sinh(
            |t| {
                let rest = 1.0 - t * t;
                let value = f(t / rest) * (1.0 + t * t) / (rest * rest);
                if value.is_finite() { value } else { 0.0 }
            },
            -1.0,
            1.0,
            1e-12,
        )
    };
    match support {
        Support::Line => line(&weighted),
        Support::Positive => line(&|u| {
            let x = u.exp();
            if x > 0.0 && x.is_finite() { weighted(x) * x } else { 0.0 }
        }),
        Support::Vector | Support::Discrete => panic!("quadrature is for one continuous number"),
    }
}

/// Checks a gradient by central differences, for each element of each input. Cholesky factors move below their diagonal only.
fn assert_gradients(name: &str, inputs: &[Tensor], f: &dyn Fn(&[Tensor]) -> Tensor) {
    let variables: Vec<Tensor> = inputs.iter().map(|p| p.clone().variable()).collect();
    let gradients = grad(&f(&variables).sum(), &variables.iter().collect::<Vec<_>>());
    for (k, input) in inputs.iter().enumerate() {
        let values = input.to_vec();
        for i in 0..values.len() {
            let square = input.rank() == 2 && input.size(0) == input.size(1);
            if square && i % input.size(1) > i / input.size(1) {
                continue;
            }
            let h = 1e-5 * values[i].abs().max(0.01);
            let at = |delta: f64| {
                let mut moved = values.clone();
                moved[i] += delta;
                let mut all = inputs.to_vec();
                all[k] = t(&moved, input.shape());
                f(&all).sum().item()
            };
            let numeric = (at(h) - at(-h)) / (2.0 * h);
            assert_close(&format!("{name}: input {k}, element {i}"), gradients[k].to_vec()[i], numeric, 1e-6);
        }
    }
}

#[test]
fn gradients_of_densities_entropies_and_moments_agree_with_differences() {
    let mut rng = Rng::new(3);
    for case in families() {
        let x = (case.build)(&case.parameters).sample(&[4], &mut rng);
        let n = case.parameters.len();
        if case.support == Support::Discrete {
            assert_gradients(case.name, &case.parameters, &|p| (case.build)(p).log_prob(&x));
        } else {
            let inputs = [&case.parameters[..], std::slice::from_ref(&x)].concat();
            assert_gradients(case.name, &inputs, &|p| (case.build)(&p[..n]).log_prob(&p[n]));
        }
        let d = (case.build)(&case.parameters);
        if d.entropy().is_some() {
            assert_gradients(case.name, &case.parameters, &|p| (case.build)(p).entropy().unwrap());
        }
        if d.mean().is_some() {
            assert_gradients(case.name, &case.parameters, &|p| (case.build)(p).mean().unwrap());
        }
        if d.variance().is_some() {
            assert_gradients(case.name, &case.parameters, &|p| (case.build)(p).variance().unwrap());
        }
    }
}

#[test]
fn shapes_types_and_values_of_draws_are_as_stated() {
    for case in families() {
        for dtype in [DType::F64, DType::F32] {
            let parameters: Vec<Tensor> = case.parameters.iter().map(|p| p.cast(dtype)).collect();
            let d = (case.build)(&parameters);
            assert_eq!(d.dtype(), dtype, "{}", case.name);
            let x = d.sample(&[3, 2], &mut Rng::new(5));
            let expected = [&[3, 2], &d.batch_shape()[..], &d.event_shape()].concat();
            assert_eq!(x.shape(), expected, "{}", case.name);
            let log_prob = d.log_prob(&x);
            assert_eq!(log_prob.shape(), [&[3, 2], &d.batch_shape()[..]].concat(), "{}", case.name);
            assert_eq!(log_prob.dtype(), dtype, "{}", case.name);
            if let Some(again) = d.rsample(&[3, 2], &mut Rng::new(5)) {
                assert_eq!(again.to_vec(), x.to_vec(), "{}: sample and rsample are the same draws", case.name);
            }
            for moment in [d.mean(), d.variance()].into_iter().flatten() {
                assert_eq!(moment.shape(), [&d.batch_shape()[..], &d.event_shape()].concat(), "{}", case.name);
            }
            if let Some(entropy) = d.entropy() {
                assert_eq!(entropy.shape(), d.batch_shape(), "{}", case.name);
            }
            // The same density in both types, to single precision.
            let wide = (case.build)(&case.parameters).log_prob(&if case.support == Support::Discrete {
                x.clone().cast(if x.dtype() == DType::I64 { DType::I64 } else { DType::F64 })
            } else {
                x.to_f64()
            });
            for (a, b) in log_prob.to_vec().iter().zip(wide.to_vec()) {
                assert_close(case.name, *a, b, if dtype == DType::F64 { 1e-14 } else { 2e-5 });
            }
        }
    }
}

#[test]
fn densities_of_one_number_integrate_to_one_and_to_their_moments() {
    for case in families().iter().filter(|c| matches!(c.support, Support::Line | Support::Positive)) {
        let d = (case.build)(&case.parameters);
        let e = |f: &dyn Fn(f64) -> f64| expectation(&*d, case.support, f);
        assert_close(&format!("{}: mass", case.name), e(&|_| 1.0), 1.0, 1e-8);
        if let Some(mean) = d.mean() {
            assert_close(&format!("{}: mean", case.name), mean.item(), e(&|x| x), 1e-6);
            if let Some(variance) = d.variance() {
                let m = mean.item();
                assert_close(&format!("{}: variance", case.name), variance.item(), e(&|x| (x - m).powi(2)), 1e-5);
            }
        }
        if let Some(entropy) = d.entropy() {
            let exact = e(&|x| -d.log_prob(&s(x)).item());
            assert_close(&format!("{}: entropy", case.name), entropy.item(), exact, 1e-7);
        }
    }
}

/// Mean and its standard error, column by column of `[n, ...]`.
fn column_means(x: &Tensor) -> Vec<(f64, f64)> {
    let n = x.size(0);
    let width = x.len() / n;
    let values = x.to_vec();
    (0..width)
        .map(|j| {
            let column: Vec<f64> = (0..n).map(|i| values[i * width + j]).collect();
            let mean = column.iter().sum::<f64>() / n as f64;
            let variance = column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1) as f64;
            (mean, (variance / n as f64).sqrt())
        })
        .collect()
}

/// Every column's mean within five standard errors of what is expected.
fn assert_means(what: &str, x: &Tensor, expected: &Tensor) {
    for ((mean, error), exact) in column_means(x).into_iter().zip(expected.to_vec()) {
        assert!((mean - exact).abs() < 5.0 * error + 1e-12, "{what}: {mean} +- {error}, expected {exact}");
    }
}

#[test]
fn draws_have_the_stated_moments_and_entropy() {
    let mut rng = Rng::new(17);
    for case in families() {
        let d = (case.build)(&case.parameters);
        let x = d.sample(&[20_000], &mut rng);
        let real = if x.dtype() == DType::I64 { x.to_f64() } else { x.clone() };
        if let Some(mean) = d.mean() {
            assert_means(&format!("mean of {}", case.name), &real, &mean);
            if let Some(variance) = d.variance() {
                assert_means(&format!("variance of {}", case.name), &(&real - mean).square(), &variance);
            }
        }
        if let Some(entropy) = d.entropy() {
            assert_means(&format!("entropy of {}", case.name), &(-d.log_prob(&x)), &entropy);
        }
    }
}

#[test]
fn finite_supports_are_enumerated_with_all_their_mass() {
    for case in families() {
        let d = (case.build)(&case.parameters);
        if let Some(all) = d.enumerate() {
            assert_eq!(all.shape()[1..], [&d.batch_shape()[..], &d.event_shape()].concat());
            let mass = d.log_prob(&all).exp().sum_axis(0, false);
            for m in mass.to_vec() {
                assert_close(&format!("mass of {}", case.name), m, 1.0, 1e-14);
            }
        }
    }
}

/// The mean over draws of q of log q - log p is the divergence, within five standard errors.
fn assert_divergence<D: Batched + Kl>(name: &str, q: &D, p: &D) {
    let x = q.sample(&[40_000], &mut Rng::new(23));
    assert_means(&format!("KL of {name}"), &(q.log_prob(&x) - p.log_prob(&x)), &q.kl(p));
    for own in q.kl(q).to_vec() {
        assert_close(&format!("KL of {name} to itself"), own, 0.0, 1e-13);
    }
}

#[test]
fn divergences_agree_with_their_definition() {
    let normal = |m: f64, sd: f64| Normal::new(t(&[m, -m], &[2]), t(&[sd, 2.0 * sd], &[2]));
    assert_divergence("normal", &normal(0.3, 0.8), &normal(-0.4, 1.5));
    assert_divergence("diagonal normal", &normal(0.3, 0.8).to_event(1), &normal(-0.4, 1.5).to_event(1));
    let dense = |m: f64, scale: f64| MultivariateNormal::new(t(&[m, 0.5, -m], &[3]), chol3() * scale);
    assert_divergence("multivariate normal", &dense(0.1, 0.9), &dense(0.4, 1.3));
    let low_rank = |m: f64, scale: f64| {
        let factor = t(&[0.3, -0.8, 0.5, 0.1, 1.0, -0.2], &[3, 2]) * scale;
        LowRankNormal::new(t(&[m, 0.5, -m], &[3]), t(&[0.5, 0.9, 0.7], &[3]) * scale, factor).unwrap()
    };
    assert_divergence("low-rank normal", &low_rank(0.1, 0.9), &low_rank(0.4, 1.3));
    let dense_of =
        |d: &LowRankNormal| MultivariateNormal::from_covariance(d.location().clone(), &d.covariance()).unwrap();
    let (q, p) = (low_rank(0.1, 0.9), low_rank(0.4, 1.3));
    assert_close("low rank as dense", q.kl(&p).item(), dense_of(&q).kl(&dense_of(&p)).item(), 1e-12);
    assert_close("to standard", q.kl_standard().item(), dense_of(&q).kl_standard().item(), 1e-12);
    let standard = MultivariateNormal::new(Tensor::zeros(&[3], DType::F64), Tensor::eye(3, DType::F64));
    assert_close(
        "dense to standard",
        dense(0.1, 0.9).kl_standard().item(),
        dense(0.1, 0.9).kl(&standard).item(),
        1e-13,
    );
    let unit = Normal::standard(&[2], DType::F64).to_event(1);
    let q = normal(0.3, 0.8).to_event(1);
    assert_close("diagonal to standard", q.kl_standard().item(), q.kl(&unit).item(), 1e-14);
    assert_divergence("gamma", &Gamma::new(s(2.2), s(1.1)), &Gamma::new(s(1.4), s(0.6)));
    assert_divergence("inverse gamma", &InverseGamma::new(s(4.2), s(1.1)), &InverseGamma::new(s(3.4), s(0.6)));
    assert_divergence("bernoulli", &Bernoulli::new(s(0.8)), &Bernoulli::new(s(-0.6)));
    let q = Categorical::new(&t(&[0.3, -0.2, 1.1], &[3]));
    assert_divergence("categorical", &q, &Categorical::new(&t(&[-0.3, 0.2, 0.1], &[3])));
    let certain = Categorical::new(&t(&[0.0, f64::NEG_INFINITY], &[2]));
    assert_eq!(
        (certain.entropy().unwrap().item(), certain.kl(&Categorical::new(&t(&[0.0, 0.0], &[2]))).item()),
        (0.0, 2f64.ln())
    );
}

#[test]
fn parameterisations_of_the_dense_normal_convert_into_each_other() {
    let d = MultivariateNormal::new(t(&[0.4, -1.0, 0.2], &[3]), chol3());
    let same = |what: &str, other: &MultivariateNormal| {
        for (a, b) in [(d.location(), other.location()), (d.chol(), other.chol())] {
            for (a, b) in a.to_vec().iter().zip(b.to_vec()) {
                assert_close(what, *a, b, 1e-12);
            }
        }
    };
    same("covariance", &MultivariateNormal::from_covariance(d.location().clone(), &d.covariance()).unwrap());
    same("precision", &MultivariateNormal::from_precision(d.location().clone(), &d.precision()).unwrap());
    let (eta1, eta2) = d.natural();
    same("natural", &MultivariateNormal::from_natural(&eta1, &eta2).unwrap());
    let (mu1, mu2) = d.expectation();
    same("expectation", &MultivariateNormal::from_expectation(&mu1, &mu2).unwrap());
    // The gradient of the log partition function is the expectation parameters.
    let (eta1, eta2) = (eta1.variable(), eta2.variable());
    let partition = MultivariateNormal::log_partition(&eta1, &eta2).unwrap();
    let gradients = grad(&partition, &[&eta1, &eta2]);
    for (g, mu) in gradients.iter().zip([mu1, mu2]) {
        for (a, b) in g.to_vec().iter().zip(mu.to_vec()) {
            assert_close("duality", *a, b, 1e-12);
        }
    }
    assert!(MultivariateNormal::from_precision(t(&[0.0; 2], &[2]), &t(&[1.0, 2.0, 2.0, 1.0], &[2, 2])).is_err());
}

#[test]
fn batches_of_dense_normals_are_their_members() {
    let chols = Tensor::stack(&[chol3(), chol3() * 0.5], 0);
    let means = t(&[0.4, -1.0, 0.2, 1.0, 1.0, 1.0], &[2, 3]);
    let both = MultivariateNormal::new(means.clone(), chols.clone());
    let x = both.sample(&[5], &mut Rng::new(2));
    let all = both.log_prob(&x);
    for k in 0..2 {
        let one = MultivariateNormal::new(means.row(k), chols.row(k).contiguous());
        for i in 0..5 {
            assert_close("member", all.row(i).select(0, k).item(), one.log_prob(&x.row(i).row(k)).item(), 1e-13);
        }
    }
}
