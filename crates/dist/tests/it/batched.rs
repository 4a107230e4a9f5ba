//! Laws that every batched family obeys, over one list.

mod families;
mod fisher;
mod free;
mod hurdle;
mod members;
mod support;

pub use families::{Domain, chol3, families, s, t};

use super::assert_close;
use elbo_core::Rng;
use elbo_dist::batched::*;
use elbo_dist::tanh_sinh;
use elbo_tensor::{DType, Tensor, grad};

/// `E f(x)` by quadrature, for families of one number.
pub fn expectation(d: &dyn Batched, support: Domain, f: impl Fn(f64) -> f64) -> f64 {
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
        Domain::Line => {
            // In two halves, since a density may have a kink at its centre.
            let centre = d.mean().map_or(0.0, |m| m.item());
            let half = |sign: f64| {
                let beyond = |u: f64| weighted(centre + sign * u / (1.0 - u)) / (1.0 - u).powi(2);
                tanh_sinh(|u| Some(beyond(u)).filter(|v| v.is_finite()).unwrap_or(0.0), 0.0, 1.0, 1e-12)
            };
            half(1.0) + half(-1.0)
        }
        Domain::Positive => line(&|u| {
            let x = u.exp();
            if x > 0.0 && x.is_finite() { weighted(x) * x } else { 0.0 }
        }),
        Domain::Unit => line(&|u| {
            let x = 1.0 / (1.0 + (-u).exp());
            if x > 0.0 && x < 1.0 { weighted(x) * x * (1.0 - x) } else { 0.0 }
        }),
        Domain::Vector | Domain::Discrete => panic!("quadrature is for one continuous number"),
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
        if case.support == Domain::Discrete {
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
            let wide = (case.build)(&case.parameters).log_prob(&if case.support == Domain::Discrete {
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
    for case in families().iter().filter(|c| matches!(c.support, Domain::Line | Domain::Positive | Domain::Unit)) {
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
fn divergences_of_intervals_and_of_counts_of_classes_are_infinite_where_one_allows_what_the_other_excludes() {
    // Elements inside the other interval, below it and above it; the ratio of densities is the same for all draws.
    let inner = Uniform::new(t(&[-0.5, -1.2, 0.1], &[3]), t(&[0.8, 0.8, 2.1], &[3]));
    let outer = Uniform::new(s(-1.0), s(2.0));
    let found = inner.kl(&outer).to_vec();
    assert_close("uniform", found[0], (3.0f64 / 1.3).ln(), 1e-14);
    assert_eq!(found[1..], [f64::INFINITY; 2]);
    let x = inner.sample(&[4], &mut Rng::new(2));
    for ratio in (inner.log_prob(&x) - outer.log_prob(&x)).select(-1, 0).to_vec() {
        assert_close("ratio of densities", ratio, found[0], 1e-14);
    }
    assert_eq!(inner.kl(&inner).to_vec(), [0.0; 3]);
    assert!(inner.kl(&Uniform::new(s(f64::NAN), s(2.0))).to_vec()[0].is_nan());
    let build = |p: &[Tensor]| Uniform::new(p[0].clone(), p[1].clone()).kl(&Uniform::new(p[2].clone(), p[3].clone()));
    assert_gradients("KL of uniforms", &[s(-0.5), s(0.8), s(-1.0), s(2.0)], &build);
    let ends = [-1.2, 0.8, -1.0, 2.0].map(|end| s(end).variable());
    let slopes = grad(&build(&ends), &ends.iter().collect::<Vec<_>>());
    assert!(slopes.iter().all(|slope| slope.item() == 0.0), "{slopes:?}");

    let counts = |trials: usize, logits: &[f64]| Multinomial::new(trials, &t(logits, &[logits.len()]));
    let (q, p) = (counts(5, &[0.3, -0.2, 1.1]), counts(5, &[-0.3, 0.2, 0.1]));
    assert_divergence("multinomial", &q, &p);
    let inputs = [t(&[0.3, -0.2, 1.1], &[3]), t(&[-0.3, 0.2, 0.1], &[3])];
    assert_gradients("KL of multinomials", &inputs, &|p| Multinomial::new(5, &p[0]).kl(&Multinomial::new(5, &p[1])));
    let shifts = Multinomial::new(5, &t(&[0.3, -0.2, 1.1, 0.0, 0.0, 0.0], &[2, 3]));
    assert_eq!(shifts.kl(&p).shape(), [2]);
    assert_close("of a batch", shifts.kl(&p).to_vec()[0], q.kl(&p).item(), 1e-14);
    let without = [0.3, f64::NEG_INFINITY, 1.1];
    assert!(counts(5, &without).kl(&q).item().is_finite());
    assert_eq!(q.kl(&counts(5, &without)).item(), f64::INFINITY);
    assert_eq!(q.kl(&counts(4, &[0.3, -0.2, 1.1])).item(), f64::INFINITY);
    assert_eq!(counts(0, &[0.3, -0.2, 1.1]).kl(&counts(0, &without)).item(), 0.0);
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
    let general = |scale: f64, exponent: f64| GeneralisedNormal::new(s(0.3), s(scale), s(exponent));
    assert_divergence("generalised normal", &general(1.1, 1.7), &general(0.8, 2.6));
    let elsewhere = GeneralisedNormal::new(t(&[0.0, 0.3], &[2]), s(0.8), s(2.6));
    let found = general(1.1, 1.7).kl(&elsewhere).to_vec();
    assert!(found[0].is_nan(), "{found:?}");
    assert_close("one mean of two", found[1], general(1.1, 1.7).kl(&general(0.8, 2.6)).item(), 1e-14);
    assert_gradients("KL of generalised normals", &[s(1.1), s(1.7), s(0.8), s(2.6)], &|p| {
        let [q, p] = [&p[..2], &p[2..]].map(|p| GeneralisedNormal::new(s(0.3), p[0].clone(), p[1].clone()));
        q.kl(&p)
    });
    let gumbel = |location: f64, scale: f64| Gumbel::new(s(location), s(scale));
    assert_divergence("gumbel", &gumbel(0.2, 1.1), &gumbel(-0.6, 0.8));
    assert_gradients("KL of gumbels", &[s(0.2), s(1.1), s(-0.6), s(0.8)], &|p| {
        Gumbel::new(p[0].clone(), p[1].clone()).kl(&Gumbel::new(p[2].clone(), p[3].clone()))
    });
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
