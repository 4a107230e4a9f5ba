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
    Unit,
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

/// Every family but [`Lkj`], which has no tensors for parameters. A new one gets a line here.
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
        case("laplace", Line, vec![s(0.4), s(1.3)], |p| Box::new(Laplace::new(p[0].clone(), p[1].clone()))),
        case("gumbel", Line, vec![s(0.4), s(1.3)], |p| Box::new(Gumbel::new(p[0].clone(), p[1].clone()))),
        case("logistic", Line, vec![s(0.4), s(1.3)], |p| Box::new(Logistic::new(p[0].clone(), p[1].clone()))),
        case("student t", Line, vec![s(0.4), s(1.3), s(6.5)], |p| {
            Box::new(StudentT::new(p[0].clone(), p[1].clone(), p[2].clone()))
        }),
        case("generalised normal", Line, vec![s(0.4), s(1.3), s(1.6)], |p| {
            Box::new(GeneralisedNormal::new(p[0].clone(), p[1].clone(), p[2].clone()))
        }),
        case("multivariate student t", Vector, vec![t(&[0.4, -1.0, 0.2], &[3]), chol3(), s(9.5)], |p| {
            Box::new(MultivariateStudentT::new(&p[0], p[1].clone(), &p[2]))
        }),
        case("exponential", Positive, vec![s(0.7)], |p| Box::new(Exponential::new(p[0].clone()))),
        case("weibull", Positive, vec![s(1.7), s(0.6)], |p| Box::new(Weibull::new(p[0].clone(), p[1].clone()))),
        case("half-normal", Positive, vec![s(1.3)], |p| Box::new(HalfNormal::new(p[0].clone()))),
        case("inverse gaussian", Positive, vec![s(1.3), s(2.1)], |p| {
            Box::new(InverseGaussian::new(p[0].clone(), p[1].clone()))
        }),
        case("kumaraswamy", Unit, vec![s(1.7), s(2.4)], |p| Box::new(Kumaraswamy::new(p[0].clone(), p[1].clone()))),
        // One has no moments, the other a density that jumps at its threshold: neither is for quadrature.
        case("half-cauchy", Vector, vec![s(1.3)], |p| Box::new(HalfCauchy::new(p[0].clone()))),
        case("pareto", Vector, vec![s(0.7), s(9.0)], |p| Box::new(Pareto::new(p[0].clone(), p[1].clone()))),
        case("log-normal", Positive, vec![s(0.2), s(0.4)], |p| Box::new(LogNormal::new(p[0].clone(), p[1].clone()))),
        case("logit-normal", Unit, vec![s(0.2), s(0.8)], |p| Box::new(LogitNormal::new(p[0].clone(), p[1].clone()))),
        case("beta", Unit, vec![s(2.3), s(1.2)], |p| Box::new(Beta::new(p[0].clone(), p[1].clone()))),
        case("beta of small exponents", Unit, vec![s(0.6), s(0.8)], |p| {
            Box::new(Beta::new(p[0].clone(), p[1].clone()))
        }),
        case("continuous bernoulli", Unit, vec![s(1.7)], |p| Box::new(ContinuousBernoulli::new(p[0].clone()))),
        case("flat continuous bernoulli", Unit, vec![s(-0.01)], |p| Box::new(ContinuousBernoulli::new(p[0].clone()))),
        case(
            "mixture of normals",
            Line,
            vec![t(&[0.3, -0.4], &[2]), t(&[1.0, -2.0], &[2]), t(&[0.6, 1.1], &[2])],
            |p| Box::new(Mixture::new(Categorical::new(&p[0]), Normal::new(p[1].clone(), p[2].clone()))),
        ),
        case(
            "mixture of vectors",
            Vector,
            vec![t(&[0.3, -0.4], &[2]), t(&[1.0, -2.0, 0.5, 0.5], &[2, 2]), t(&[0.6, 1.1, 0.3, 0.8], &[2, 2])],
            |p| Box::new(Mixture::new(Categorical::new(&p[0]), Normal::new(p[1].clone(), p[2].exp()).to_event(1))),
        ),
        case("dirichlet", Vector, vec![t(&[1.4, 0.7, 3.0], &[3])], |p| Box::new(Dirichlet::new(p[0].clone()))),
        case("concrete", Vector, vec![t(&[0.3, -0.2, 1.1], &[3])], |p| Box::new(Concrete::new(&p[0], 0.8))),
        case("von mises", Vector, vec![s(0.4), s(2.5)], |p| Box::new(VonMises::new(p[0].clone(), p[1].clone()))),
        case("von mises-fisher", Vector, vec![t(&[0.6, -0.3, 1.1], &[3]), s(4.0)], |p| {
            Box::new(VonMisesFisher::new(&p[0], p[1].clone()))
        }),
        case("wishart", Vector, vec![s(5.5), chol3()], |p| Box::new(Wishart::new(p[0].clone(), p[1].clone()))),
        case("poisson", Discrete, vec![t(&[0.7, 3.2], &[2])], |p| Box::new(Poisson::new(p[0].clone()))),
        case("negative binomial", Discrete, vec![s(2.4), s(1.3)], |p| {
            Box::new(NegativeBinomial::new(p[0].clone(), p[1].clone()))
        }),
        case("zero-inflated", Discrete, vec![s(-0.4), s(2.4), s(1.3)], |p| {
            Box::new(ZeroInflated::new(p[0].clone(), NegativeBinomial::new(p[1].clone(), p[2].clone())))
        }),
        case("geometric", Discrete, vec![t(&[-0.4, 1.1], &[2])], |p| Box::new(Geometric::new(p[0].clone()))),
        case("ordered classes", Discrete, vec![t(&[0.3, -1.0], &[2]), t(&[-1.2, 0.1, 0.9], &[3])], |p| {
            Box::new(Categorical::ordered(&p[0], &p[1]))
        }),
        case("binomial", Discrete, vec![s(0.4)], |p| {
            Box::new(Binomial::new(Tensor::full(&[], 7.0, p[0].dtype()), p[0].clone()))
        }),
        case("multinomial", Discrete, vec![t(&[0.3, -0.2, 1.1], &[3])], |p| Box::new(Multinomial::new(5, &p[0]))),
        case("discretised logistic", Discrete, vec![s(0.1), s(-1.5)], |p| {
            Box::new(DiscretisedLogistic::new(p[0].clone(), p[1].clone(), 16))
        }),
        case("bernoulli", Discrete, vec![t(&[0.7, -1.2], &[2])], |p| Box::new(Bernoulli::new(p[0].clone()))),
        case("categorical", Discrete, vec![t(&[0.3, -0.2, 1.1], &[3])], |p| Box::new(Categorical::new(&p[0]))),
        // Its density jumps at both ends, which is no line for quadrature.
        case("uniform", Vector, vec![s(-0.7), s(1.9)], |p| Box::new(Uniform::new(p[0].clone(), p[1].clone()))),
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
        Support::Line => {
            // In two halves, since a density may have a kink at its centre.
            let centre = d.mean().map_or(0.0, |m| m.item());
            let half = |sign: f64| {
                let beyond = |u: f64| weighted(centre + sign * u / (1.0 - u)) / (1.0 - u).powi(2);
                tanh_sinh(|u| Some(beyond(u)).filter(|v| v.is_finite()).unwrap_or(0.0), 0.0, 1.0, 1e-12)
            };
            half(1.0) + half(-1.0)
        }
        Support::Positive => line(&|u| {
            let x = u.exp();
            if x > 0.0 && x.is_finite() { weighted(x) * x } else { 0.0 }
        }),
        Support::Unit => line(&|u| {
            let x = 1.0 / (1.0 + (-u).exp());
            if x > 0.0 && x < 1.0 { weighted(x) * x * (1.0 - x) } else { 0.0 }
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
        } else if x.rank() == 3 {
            // A matrix moves through its factor, so that it stays symmetric.
            let factor = x.row(0).cholesky().unwrap();
            let inputs = [&case.parameters[..], &[factor]].concat();
            assert_gradients(case.name, &inputs, &|p| (case.build)(&p[..n]).log_prob(&p[n].matmul(&p[n].t())));
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
fn a_count_of_zero_is_certain_under_a_mean_that_has_underflowed() {
    let (log_mean, dispersion) = (t(&[-800.0, -800.0, 0.5], &[3]).variable(), s(1.3).variable());
    let log_prob = NegativeBinomial::new(log_mean.exp(), dispersion.clone()).log_prob(&t(&[0.0, 2.0, 0.0], &[3]));
    let values = log_prob.to_vec();
    assert!(values[0].abs() < 1e-14 && values[1] == f64::NEG_INFINITY, "{values:?}");
    // -r log(1 + m / r) for the last.
    let (m, r) = (0.5f64.exp(), 1.3);
    assert_close("a usual mean", values[2], -r * (m / r).ln_1p(), 1e-14);
    let zeros = Tensor::zeros(&[3], DType::F64);
    let log_prob = NegativeBinomial::new(log_mean.exp(), dispersion.clone()).log_prob(&zeros);
    let slopes = grad(&log_prob.sum(), &[&log_mean, &dispersion]);
    assert_eq!(slopes[0].to_vec()[..2], [0.0, 0.0]);
    assert_close("slope of a usual mean", slopes[0].to_vec()[2], -m / (1.0 + m / r), 1e-14);
    assert!(slopes[1].is_finite());
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
    for case in families().iter().filter(|c| matches!(c.support, Support::Line | Support::Positive | Support::Unit)) {
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
    assert_divergence("laplace", &Laplace::new(s(0.2), s(1.1)), &Laplace::new(s(-0.6), s(0.8)));
    assert_divergence("log-normal", &LogNormal::new(s(0.2), s(1.1)), &LogNormal::new(s(-0.6), s(0.8)));
    assert_divergence("logit-normal", &LogitNormal::new(s(0.2), s(1.1)), &LogitNormal::new(s(-0.6), s(0.8)));
    assert_divergence("beta", &Beta::new(s(2.2), s(1.1)), &Beta::new(s(1.4), s(0.6)));
    assert_divergence(
        "dirichlet",
        &Dirichlet::new(t(&[2.2, 1.1, 0.8], &[3])),
        &Dirichlet::new(t(&[1.0, 0.6, 2.0], &[3])),
    );
    let kl = Dirichlet::new(t(&[0.5, 2.0], &[2])).kl(&Dirichlet::new(t(&[1.0, 3.0], &[2]))).item();
    assert_close("dirichlet, by hand", kl, 0.227_411_277_76, 1e-10);
    assert_divergence("von mises", &VonMises::new(s(0.2), s(1.1)), &VonMises::new(s(-0.6), s(3.0)));
    assert_divergence("wishart", &Wishart::new(s(5.5), chol3()), &Wishart::new(s(4.2), chol3() * 1.2));
    assert_divergence("exponential", &Exponential::new(s(0.7)), &Exponential::new(s(1.6)));
    assert_divergence("weibull", &Weibull::new(s(1.7), s(0.6)), &Weibull::new(s(0.9), s(1.1)));
    assert_divergence("half-normal", &HalfNormal::new(s(1.3)), &HalfNormal::new(s(0.8)));
    assert_divergence("half-cauchy", &HalfCauchy::new(s(1.3)), &HalfCauchy::new(s(0.4)));
    assert_divergence("pareto", &Pareto::new(s(1.2), s(2.5)), &Pareto::new(s(0.9), s(4.0)));
    assert_eq!(Pareto::new(s(0.9), s(4.0)).kl(&Pareto::new(s(1.2), s(2.5))).item(), f64::INFINITY);
    let inverse_gaussian = |mean: f64, shape: f64| InverseGaussian::new(s(mean), s(shape));
    assert_divergence("inverse gaussian", &inverse_gaussian(1.3, 2.1), &inverse_gaussian(0.8, 1.2));
    assert_divergence("geometric", &Geometric::new(s(-0.4)), &Geometric::new(s(0.3)));
    assert_divergence("poisson", &Poisson::new(s(2.2)), &Poisson::new(s(1.4)));
    assert_divergence("binomial", &Binomial::new(s(6.0), s(0.3)), &Binomial::new(s(6.0), s(-0.4)));
    // Divergences to the uniform distribution on the sphere of 32 dimensions, by a multi-precision library.
    for (k, exact) in [(13.0, 2.172591), (25.0, 5.755404), (50.0, 12.253369), (100.0, 20.758528), (200.0, 30.373301)] {
        let q = VonMisesFisher::new(&Tensor::ones(&[32], DType::F64), s(k));
        assert_close("von mises-fisher", q.kl_uniform().item(), exact, 1e-6);
    }
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
fn ordered_classes_split_the_logistic_law_at_the_edges() {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    let (location, edges) = (0.3, [-1.2, 0.1, 0.9]);
    let found = Categorical::ordered(&s(location), &t(&edges, &[3])).probs().to_vec();
    let below = [0.0, sigmoid(edges[0] - location), sigmoid(edges[1] - location), sigmoid(edges[2] - location), 1.0];
    for (k, p) in found.iter().enumerate() {
        assert_close("class", *p, below[k + 1] - below[k], 1e-14);
    }
    // Two classes are a logistic regression, and far from the edges nothing is lost to rounding.
    let far = Categorical::ordered(&s(40.0), &t(&[0.0], &[1])).log_probs().to_vec();
    assert_close("the class behind", far[0], -40.0, 1e-15);
    let far = Categorical::ordered(&s(800.0), &t(&[-1.0, 1.0], &[2])).log_probs().to_vec();
    assert_close("between", far[1], -799.0 + (-(-2f64).exp()).ln_1p(), 1e-15);
}

#[test]
fn special_cases_of_tensors_are_the_families_they_contain() {
    let x = t(&[-1.3, 0.4, 2.0], &[3]);
    let same = |what: &str, a: &dyn Batched, b: &dyn Batched| {
        a.log_prob(&x).to_vec().iter().zip(b.log_prob(&x).to_vec()).for_each(|(a, b)| assert_close(what, *a, b, 1e-13));
    };
    let general = |scale: f64, exponent: f64| GeneralisedNormal::new(s(0.4), s(scale), s(exponent));
    same("laplace", &general(1.3, 1.0), &Laplace::new(s(0.4), s(1.3)));
    same("normal", &general(1.3 * 2f64.sqrt(), 2.0), &Normal::new(s(0.4), s(1.3)));
    // At the centre, too, derivatives are numbers.
    let inputs = [s(0.4).variable(), s(1.3).variable(), s(1.6).variable()];
    let centre = GeneralisedNormal::new(inputs[0].clone(), inputs[1].clone(), inputs[2].clone()).log_prob(&s(0.4));
    assert!(grad(&centre, &[&inputs[0], &inputs[1], &inputs[2]]).iter().all(Tensor::is_finite));
    // One dimension of a Student-t vector, and a batch of degrees of freedom over one location.
    let vector = MultivariateStudentT::new(&t(&[0.5], &[1]), t(&[0.7], &[1, 1]), &t(&[6.5, 3.0], &[2]));
    let found = vector.log_prob(&t(&[0.2], &[1])).to_vec();
    for (found, dof) in found.iter().zip([6.5, 3.0]) {
        assert_close("student t", *found, StudentT::new(s(0.5), s(0.7), s(dof)).log_prob(&s(0.2)).item(), 1e-13);
    }
    assert_eq!(Exponential::new(s(2.0)).log_prob(&s(-0.1)).item(), f64::NEG_INFINITY);
    for x in [1.9, 0.0, -1.0] {
        let x = s(x).variable();
        let found = Pareto::new(s(2.0), s(3.0)).log_prob(&x);
        assert_eq!((found.item(), grad(&found, &[&x])[0].item()), (f64::NEG_INFINITY, 0.0));
    }
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

#[test]
fn densities_of_angles_integrate_to_one() {
    for k in [0.3, 4.0, 400.0] {
        let density = |x: f64| VonMises::new(s(0.5), s(k)).log_prob(&s(x)).item().exp();
        let mass = tanh_sinh(density, 0.5 - std::f64::consts::PI, 0.5, 1e-12) * 2.0;
        assert_close("mass", mass, 1.0, 1e-9);
    }
}

#[test]
fn the_mean_resultant_and_its_pathwise_slope_are_the_bessel_ratio_and_its_slope() {
    let n = 20_000;
    for k in [0.7, 5.0, 60.0] {
        let concentration = Tensor::full(&[n], k, DType::F64).contiguous().variable();
        let circle = VonMises::new(s(0.3), concentration.clone());
        let z = circle.rsample(&[], &mut Rng::new(41)).unwrap();
        let direction = t(&[0.0, 0.6, 0.8], &[3]);
        let sphere = VonMisesFisher::new(&direction, concentration.clone());
        let x = sphere.rsample(&[], &mut Rng::new(42)).unwrap();
        assert_means("unit length", &x.square().sum_axis(-1, false), &s(1.0));
        let along =
            [((z - 0.3).cos(), circle.resultant()), ((&x * &direction).sum_axis(-1, false), sphere.resultant())];
        for (cosine, resultant) in along {
            assert_means("resultant", &cosine.detach(), &resultant.detach().narrow(0, 0, 1));
            let pathwise = grad(&cosine.sum(), &[&concentration]).remove(0);
            let exact = grad(&resultant.sum(), &[&concentration]).remove(0);
            assert_means(&format!("slope at {k}"), &pathwise, &exact.narrow(0, 0, 1));
        }
    }
}

#[test]
fn lkj_correlations_have_the_stated_variance() {
    // Each correlation is 2 Beta(s, s) - 1 with s = eta + (D - 2) / 2, so its variance is 1 / (2 s + 1).
    for (d, eta) in [(2, 1.0), (4, 0.8), (5, 3.0)] {
        let factor = Lkj::new(d, eta, DType::F64).sample(&[20_000], &mut Rng::new(13));
        let correlation = factor.matmul(&factor.t());
        let s = eta + 0.5 * (d as f64 - 2.0);
        for i in 1..d {
            let r = correlation.select(-2, i).select(-1, i - 1);
            assert_means("variance", &r.square(), &Tensor::scalar(1.0 / (2.0 * s + 1.0)));
        }
    }
}

#[test]
fn draws_of_parameters_that_are_not_numbers_are_not_numbers() {
    let nan = || t(&[f64::NAN; 2], &[2]);
    let families: [Box<dyn Batched>; 6] = [
        Box::new(Bernoulli::new(nan())),
        Box::new(Binomial::new(s(3.0), nan())),
        Box::new(Poisson::new(nan())),
        Box::new(Multinomial::new(3, &nan())),
        Box::new(Gamma::new(nan(), s(1.0))),
        Box::new(VonMises::new(s(0.0), nan())),
    ];
    for d in families {
        assert!(d.sample(&[3], &mut Rng::new(1)).to_vec().iter().all(|v| v.is_nan()), "{d:?}");
    }
    // Concentrations next to zero give angles, and come to an end.
    for k in [1e-8, 1.2e-8, 1e-7, 1e-6] {
        let angles = VonMises::new(s(0.0), s(k)).sample(&[100], &mut Rng::new(1)).to_vec();
        assert!(angles.iter().all(|v| v.abs() <= std::f64::consts::PI), "{k}: {angles:?}");
    }
}

#[test]
fn zero_counts_have_no_logarithm_of_zero() {
    assert_eq!(Poisson::new(s(0.0)).log_prob(&s(0.0)).item(), 0.0);
    assert_eq!(Poisson::new(s(0.0)).kl(&Poisson::new(s(2.0))).item(), 2.0);
    let rate = s(0.0).variable();
    assert_eq!(grad(&Poisson::new(rate.clone()).log_prob(&s(0.0)), &[&rate])[0].item(), -1.0);
}

#[test]
fn straight_through_draws_are_one_hot_and_carry_the_relaxed_gradient() {
    let logits = t(&[0.3, -0.2, 1.1], &[3]).variable();
    let hard = Concrete::new(&logits, 0.5).straight_through(&[50], &mut Rng::new(3));
    assert!(hard.to_vec().iter().all(|v| (v - v.round()).abs() < 1e-12));
    hard.sum_axis(-1, false).to_vec().iter().for_each(|v| assert_close("one", *v, 1.0, 1e-12));
    let weights = t(&[1.0, 2.0, 3.0], &[3]);
    let slope = grad(&(&hard * &weights).sum(), &[&logits]).remove(0).to_vec();
    let soft = Concrete::new(&logits, 0.5).rsample(&[50], &mut Rng::new(3)).unwrap();
    let relaxed = grad(&(soft * weights).sum(), &[&logits]).remove(0).to_vec();
    slope.iter().zip(relaxed).for_each(|(a, b)| assert_close("slope", *a, b, 1e-12));
}

#[test]
fn stratified_draws_average_to_the_mixture() {
    let mixture = Mixture::new(
        Categorical::new(&t(&[0.3, -0.4], &[2])),
        Normal::new(t(&[1.0, -2.0], &[2]), t(&[0.6, 1.1], &[2])),
    );
    let (z, weights) = mixture.stratified(&[20_000], &mut Rng::new(9)).unwrap();
    assert_eq!(z.shape(), [20_000, 2]);
    assert_means("mean", &(z * weights).sum_axis(-1, false), &mixture.mean().unwrap());
}

#[test]
fn draws_at_given_noise_are_the_draws() {
    let sphere = VonMisesFisher::new(&t(&[0.2, -1.0, 0.4], &[3]), t(&[0.3, 7.0], &[2]));
    let noise = sphere.noise(&[4], &mut Rng::new(3));
    assert_eq!(noise.shape(), &[4, 2, 4]);
    assert_eq!(sphere.at(&noise).to_vec(), sphere.sample(&[4], &mut Rng::new(3)).to_vec());
    let shares = Dirichlet::new(t(&[1.4, 0.7, 3.0], &[3]));
    let log_draws = shares.log_at(&shares.noise(&[4], &mut Rng::new(3)));
    assert_eq!(log_draws.to_vec(), shares.log_rsample(&[4], &mut Rng::new(3)).to_vec());
    let both = shares.log_prob_at_log(&log_draws).to_vec().into_iter().zip(shares.log_prob(&log_draws.exp()).to_vec());
    both.for_each(|(at_log, at)| assert_close("density", at_log, at, 1e-12));
}
