//! What holds of one family, or of a few.

use super::assert_means;
use super::families::{chol3, s, t};
use crate::assert_close;
use elbo_core::Rng;
use elbo_dist::batched::*;
use elbo_dist::tanh_sinh;
use elbo_tensor::{DType, Tensor, grad};

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

/// Checks a density at points off its support and at one inside: minus infinity, slopes of zero, and the same density beside them.
fn assert_outside(
    name: &str,
    parameter: &Tensor,
    build: fn(&Tensor) -> Box<dyn Batched>,
    inside: &Tensor,
    outside: &[Tensor],
) {
    for dtype in [DType::F64, DType::F32] {
        let parameter = parameter.clone().cast(dtype).variable();
        let density = build(&parameter);
        let alone = density.log_prob(&inside.clone().cast(dtype));
        assert!(alone.is_finite(), "{name}: {alone:?}");
        for point in outside {
            let both = Tensor::stack(&[point.clone(), inside.clone()], 0).cast(dtype).variable();
            let found = density.log_prob(&both);
            assert_eq!(found.row(0).to_vec(), [f64::NEG_INFINITY], "{name} at {point:?}");
            assert_close(&format!("{name} beside {point:?}"), found.row(1).item(), alone.item(), 1e-5);
            let slopes = grad(&found.row(0).sum(), &[&both, &parameter]);
            assert!(slopes.iter().all(|g| g.to_vec().iter().all(|v| *v == 0.0)), "{name} at {point:?}: {slopes:?}");
            assert!(grad(&found.sum(), &[&both, &parameter]).iter().all(Tensor::is_finite), "{name} beside {point:?}");
        }
    }
}

#[test]
fn off_supports_of_other_families_densities_are_minus_infinity_with_slopes_of_zero() {
    let far = [s(-0.3), s(1.2), s(f64::INFINITY), s(f64::NEG_INFINITY)];
    let logit_normal = |p: &Tensor| -> Box<dyn Batched> { Box::new(LogitNormal::new(p.clone(), p.full_like(0.8))) };
    assert_outside("logit-normal", &s(0.2), logit_normal, &s(0.3), &[&far[..], &[s(0.0), s(1.0)]].concat());
    let pixel = |p: &Tensor| -> Box<dyn Batched> { Box::new(ContinuousBernoulli::new(p.clone())) };
    assert_outside("continuous bernoulli", &s(1.7), pixel, &s(0.3), &far);
    let level =
        |p: &Tensor| -> Box<dyn Batched> { Box::new(DiscretisedLogistic::new(p.clone(), p.full_like(-1.5), 16)) };
    assert_outside("discretised logistic", &s(0.1), level, &s(1.0), &[s(-1.2), s(1.1), s(f64::INFINITY)]);
    let shares = |points: &[[f64; 3]]| points.iter().map(|p| t(p, &[3])).collect::<Vec<_>>();
    let concentration = t(&[1.4, 0.7, 3.0], &[3]);
    let dirichlet = |p: &Tensor| -> Box<dyn Batched> { Box::new(Dirichlet::new(p.clone())) };
    let inside = t(&[0.2, 0.5, 0.3], &[3]);
    let outside = shares(&[[-0.2, 0.7, 0.5], [1.3, 0.2, 0.1], [0.0, 0.6, 0.4], [0.0, 0.0, 1.0]]);
    assert_outside("dirichlet", &concentration, dirichlet, &inside, &outside);
    // A share of zero at a concentration below one, and at one of exactly one, where it is like any other share.
    assert_eq!(dirichlet(&concentration).log_prob(&t(&[0.5, 0.0, 0.5], &[3])).item(), f64::INFINITY);
    let flat = dirichlet(&Tensor::ones(&[3], DType::F64));
    assert_close("flat", flat.log_prob(&t(&[0.5, 0.0, 0.5], &[3])).item(), 2f64.ln(), 1e-14);
    let concrete = |p: &Tensor| -> Box<dyn Batched> { Box::new(Concrete::new(p, 0.8)) };
    let outside = shares(&[[-0.2, 0.7, 0.5], [1.3, 0.2, 0.1], [0.0, 0.6, 0.4]]);
    assert_outside("concrete", &concentration, concrete, &inside, &outside);
    let multinomial = |p: &Tensor| -> Box<dyn Batched> { Box::new(Multinomial::new(5, p)) };
    let outside = shares(&[[-1.0, 3.0, 3.0], [1.5, 2.5, 1.0], [1.0, 2.0, 1.0], [f64::INFINITY, 0.0, 0.0]]);
    assert_outside("multinomial", &concentration, multinomial, &t(&[2.0, 0.0, 3.0], &[3]), &outside);
    let wishart = |p: &Tensor| -> Box<dyn Batched> { Box::new(Wishart::new(s(5.5).cast(p.dtype()), p.clone())) };
    let inside = chol3().matmul(&chol3().t());
    let outside = [Tensor::eye(3, DType::F64) * -1.0, &inside - Tensor::eye(3, DType::F64) * 2.0];
    let spread = |p: &Tensor| -> Box<dyn Batched> {
        let factor = Tensor::eye(3, p.dtype()) * p;
        Box::new(Wishart::new(Tensor::full(&[2], 5.5, p.dtype()), Tensor::stack(&[factor.clone(), factor], 0)))
    };
    assert_eq!(wishart(&chol3()).log_prob(&outside[0]).item(), f64::NEG_INFINITY);
    let both = Tensor::stack(&[outside[1].clone(), inside.clone()], 0).variable();
    let scale = s(0.8).variable();
    let found = spread(&scale).log_prob(&both);
    assert_eq!(found.row(0).item(), f64::NEG_INFINITY);
    let slopes = grad(&found.sum(), &[&both, &scale]);
    assert!(slopes.iter().all(Tensor::is_finite) && slopes[0].row(0).to_vec() == [0.0; 9], "{slopes:?}");
    assert!(wishart(&chol3()).log_prob(&(&inside * f64::NAN)).item().is_nan());
    let lkj = Lkj::new(3, 1.5, DType::F64);
    let factor = lkj.sample(&[], &mut Rng::new(3));
    assert!(lkj.log_prob(&factor).is_finite());
    assert_eq!(lkj.log_prob(&(factor * -1.0)).item(), f64::NEG_INFINITY);
    // A mixture off the supports of all of its components.
    let mixture = |p: &Tensor| -> Box<dyn Batched> {
        let components: Box<dyn Batched> = Box::new(Gamma::new(p.clone(), p.full_like(1.7)));
        Box::new(Mixture::new(Categorical::new(&p.zeros_like()), components))
    };
    assert_outside("mixture", &t(&[2.3, 0.9], &[2]), mixture, &s(0.4), &[s(-0.3), s(f64::INFINITY)]);
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
