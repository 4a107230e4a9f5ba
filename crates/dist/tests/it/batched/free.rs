//! Unconstrained numbers give every family its parameters.

use super::assert_gradients;
use super::families::{families, s, t};
use crate::assert_close;
use elbo_core::Rng;
use elbo_dist::batched::*;
use elbo_tensor::{DType, Tensor};

/// The free form of a family in the list. A new one gets a line here.
fn form_of(name: &str) -> FreeForm {
    match name {
        "normal" => Normal::free_form(),
        "diagonal normal" => Independent::<Normal>::free_form(),
        "multivariate normal" => MultivariateNormal::free_form(),
        "low-rank normal" => LowRankNormal::free_form(),
        "gamma" | "gamma of small shape" => Gamma::free_form(),
        "inverse gamma" => InverseGamma::free_form(),
        "laplace" => Laplace::free_form(),
        "gumbel" => Gumbel::free_form(),
        "logistic" => Logistic::free_form(),
        "student t" => StudentT::free_form(),
        "generalised normal" => GeneralisedNormal::free_form(),
        "multivariate student t" => MultivariateStudentT::free_form(),
        "exponential" => Exponential::free_form(),
        "weibull" => Weibull::free_form(),
        "half-normal" => HalfNormal::free_form(),
        "inverse gaussian" => InverseGaussian::free_form(),
        "kumaraswamy" => Kumaraswamy::free_form(),
        "half-cauchy" => HalfCauchy::free_form(),
        "pareto" => Pareto::free_form(),
        "log-normal" => LogNormal::free_form(),
        "logit-normal" => LogitNormal::free_form(),
        "beta" | "beta of small exponents" => Beta::free_form(),
        "continuous bernoulli" | "flat continuous bernoulli" => ContinuousBernoulli::free_form(),
        "mixture of normals" => Mixture::<Normal>::free_form(),
        "mixture of vectors" => Mixture::<Independent<Normal>>::free_form(),
        "dirichlet" => Dirichlet::free_form(),
        "concrete" => Concrete::free_form(),
        "von mises" => VonMises::free_form(),
        "von mises-fisher" => VonMisesFisher::free_form(),
        "wishart" => Wishart::free_form(),
        "poisson" => Poisson::free_form(),
        "negative binomial" => NegativeBinomial::free_form(),
        "zero-inflated" => ZeroInflated::<NegativeBinomial>::free_form(),
        "hurdle" => Hurdle::<Poisson>::free_form(),
        "hurdle of overdispersed counts" => Hurdle::<NegativeBinomial>::free_form(),
        "geometric" => Geometric::free_form(),
        "ordered classes" => Categorical::ordered_free_form(),
        "binomial" => Binomial::free_form(),
        "multinomial" => Multinomial::free_form(),
        "discretised logistic" => DiscretisedLogistic::free_form(),
        "bernoulli" => Bernoulli::free_form(),
        "categorical" => Categorical::free_form(),
        "uniform" => Uniform::free_form(),
        other => panic!("`{other}` has no free form here"),
    }
}

/// The elements of parameters that are free: of factors those on and below the diagonal.
fn coordinates(form: &FreeForm, natural: &[Tensor]) -> Vec<f64> {
    let of = |(range, value): (Range, &Tensor)| {
        let all = value.to_vec();
        let Range::Factor = range else { return all };
        let d = value.size(-1);
        (0..d * d).filter(|k| k % d <= k / d).map(|k| all[k]).collect()
    };
    form.ranges().zip(natural).flat_map(of).collect()
}

/// Tensors in the shapes of others, from one vector.
fn unpacked(values: &[f64], like: &[Tensor]) -> Vec<Tensor> {
    let mut rest = values;
    let take = |x: &Tensor| {
        let (own, others) = rest.split_at(x.len());
        rest = others;
        t(own, x.shape())
    };
    like.iter().map(take).collect()
}

fn packed(tensors: &[Tensor]) -> Vec<f64> {
    tensors.iter().flat_map(Tensor::to_vec).collect()
}

#[test]
fn the_parameters_of_every_family_come_back_from_their_free_numbers() {
    for case in families() {
        let form = form_of(case.name);
        assert_eq!((form.names().len(), form.ranges().len()), (case.parameters.len(), case.parameters.len()));
        let free = form.free(&case.parameters);
        let back = form.natural(&free).0;
        for (back, parameter) in back.iter().zip(&case.parameters) {
            assert_eq!(back.shape(), parameter.shape(), "{}", case.name);
            for (b, p) in back.to_vec().iter().zip(parameter.to_vec()) {
                assert_close(case.name, *b, p, 1e-14);
            }
        }
    }
}

#[test]
fn any_free_numbers_give_every_family_parameters_in_both_types() {
    let mut rng = Rng::new(7);
    for case in families() {
        let form = form_of(case.name);
        let like = form.free(&case.parameters);
        for dtype in [DType::F64, DType::F32] {
            let free: Vec<Tensor> = like.iter().map(|x| t(&rng.normals(x.len()), x.shape()).cast(dtype)).collect();
            let (natural, log_jacobian) = form.natural(&free);
            assert!(natural.iter().all(|p| p.dtype() == dtype) && log_jacobian.dtype() == dtype, "{}", case.name);
            let d = (case.build)(&natural);
            let log_prob = d.log_prob(&d.sample(&[5], &mut rng)).to_vec();
            assert!(log_prob.iter().all(|v| !v.is_nan()), "{}: {log_prob:?} at {natural:?}", case.name);
            // Back to the same numbers, to the precision of the type.
            let tolerance = if dtype == DType::F64 { 1e-12 } else { 1e-4 };
            for (found, expected) in packed(&form.free(&natural)).iter().zip(packed(&free)) {
                assert_close(case.name, *found, expected, tolerance);
            }
        }
    }
}

#[test]
fn the_log_jacobian_of_every_family_is_that_of_differences() {
    for case in families() {
        let form = form_of(case.name);
        let like = form.free(&case.parameters);
        let at = packed(&like);
        let image = |x: &[f64]| coordinates(&form, &form.natural(&unpacked(x, &like)).0);
        let n = at.len();
        assert_eq!(image(&at).len(), n, "{}", case.name);
        let columns: Vec<f64> = (0..n)
            .flat_map(|i| {
                let moved = |by: f64| {
                    let mut x = at.clone();
                    x[i] += by;
                    image(&x)
                };
                let (above, below) = (moved(1e-5), moved(-1e-5));
                above.into_iter().zip(below).map(|(a, b)| (a - b) / 2e-5).collect::<Vec<_>>()
            })
            .collect();
        let numeric = t(&columns, &[n, n]).sign_and_log_det().unwrap().1.item();
        assert_close(case.name, form.natural(&like).1.item(), numeric, 1e-7);
    }
}

#[test]
fn densities_of_every_family_are_differentiable_in_the_free_numbers() {
    let mut rng = Rng::new(5);
    for case in families() {
        let form = form_of(case.name);
        let x = (case.build)(&case.parameters).sample(&[4], &mut rng);
        let free = form.free(&case.parameters);
        assert_gradients(case.name, &free, &|f| (case.build)(&form.natural(f).0).log_prob(&x));
        assert_gradients(case.name, &free, &|f| form.natural(f).1);
    }
}

#[test]
fn parameters_outside_their_range_have_no_free_numbers() {
    let is_finite = |form: FreeForm, natural: &[Tensor]| form.free(natural).iter().all(Tensor::is_finite);
    assert!(is_finite(Gamma::free_form(), &[s(2.0), s(1.0)]) && !is_finite(Gamma::free_form(), &[s(2.0), s(-1.0)]));
    assert!(!is_finite(Uniform::free_form(), &[s(2.0), s(1.0)]));
    // A Wishart of two rows needs more than one degree of freedom.
    let chol = t(&[1.0, 0.0, 0.5, 1.0], &[2, 2]);
    let of_wishart = |dof: f64, chol: &Tensor| is_finite(Wishart::free_form(), &[s(dof), chol.clone()]);
    assert!(of_wishart(1.1, &chol) && !of_wishart(0.9, &chol) && !of_wishart(3.0, &-&chol));
    let falling = t(&[0.3, 0.1], &[2]);
    assert!(!is_finite(Categorical::ordered_free_form(), &[s(0.0), falling]));
}

#[test]
#[should_panic(expected = "was given another number of them")]
fn a_missing_parameter_is_named() {
    let _ = Gamma::free_form().natural(&[s(0.0)]);
}

#[test]
#[should_panic(expected = "4 numbers fill no triangle")]
fn a_factor_needs_a_triangle_of_numbers() {
    let _ = MultivariateNormal::free_form().natural(&[t(&[0.0; 3], &[3]), t(&[0.0; 4], &[4])]);
}
