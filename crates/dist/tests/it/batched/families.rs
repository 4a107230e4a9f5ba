//! The list of batched families that laws are tested over.

use elbo_dist::batched::*;
use elbo_tensor::Tensor;

/// Where the points of a family lie.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Domain {
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
    pub support: Domain,
}

/// A tensor of these values.
pub fn t(values: &[f64], shape: &[usize]) -> Tensor {
    Tensor::from_slice(values, shape)
}

/// A scalar.
pub fn s(value: f64) -> Tensor {
    Tensor::scalar(value)
}

fn case(
    name: &'static str,
    support: Domain,
    parameters: Vec<Tensor>,
    build: fn(&[Tensor]) -> Box<dyn Batched>,
) -> Case {
    Case { name, parameters, build, support }
}

/// A Cholesky factor of three rows.
pub fn chol3() -> Tensor {
    t(&[0.9, 0.0, 0.0, -0.4, 1.3, 0.0, 0.7, 0.2, 0.6], &[3, 3])
}

/// Every family but [`Lkj`], which has no tensors for parameters. A new one gets a line here.
pub fn families() -> Vec<Case> {
    use Domain::*;
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
        case("hurdle", Discrete, vec![s(-0.4), s(2.4)], |p| {
            Box::new(Hurdle::new(p[0].clone(), Poisson::new(p[1].clone())))
        }),
        case("hurdle of overdispersed counts", Discrete, vec![s(0.3), s(2.4), s(1.3)], |p| {
            Box::new(Hurdle::new(p[0].clone(), NegativeBinomial::new(p[1].clone(), p[2].clone())))
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
