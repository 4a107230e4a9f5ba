//! Distributions, transforms, flows, quadrature, low-discrepancy points and scores.
//!
//! | to | use |
//! |---|---|
//! | evaluate, sample or invert a distribution of one number | the value types of [`univariate`], through [`Distribution`] |
//! | work with tensors of parameters: differentiable densities, reparameterised draws, divergences | the families of [`batched`] |
//! | constrain or reshape unknowns by bijections | [`transform`] |
//! | learn a bijection, and so a distribution | [`flow`] |
//! | differentiate through a rejection sampler | [`rejection`] |
//! | work with a dense Gaussian | [`MultivariateNormal`] |
//! | compare two distributions in closed form | [`divergence`] |
//! | integrate against a Gaussian, or over an interval | [`Rule`], [`tanh_sinh`] |
//! | fill a box evenly | [`Sobol`] |
//! | choose representative rows | [`kmeans`](kmeans()) |
//! | fit a mixture of normals to points | [`GaussianMixture`] |
//! | compare clusters with classes, or match two sets | [`ClusterScores`], [`assignment`] |
//! | score an order of items | [`ranking`] |
//! | estimate a density, climb to its modes | [`kde`] |
//! | put a prior on a model's parameter | [`Prior`] |
//! | describe predictions, one distribution a row | [`Normals`], [`StudentTs`], [`GaussianMixtures`] |
//! | take a quantile of a sample | [`quantile`](quantile()) |
//! | tell how heavy the tail of a sample is | [`hill`] |
//! | score predictions | [`scores`], [`crps`], [`calibration`] |
//!
//! Families of one number come in two forms of the same law: plain values in [`univariate`], for predictions, priors and quantiles; tensors in
//! [`batched`], where gradients are needed. The formulas are written in each form, since one looks after the ends of the support and the
//! other after slopes; `tests/it/two_forms.rs` holds them to the same numbers, as it does [`divergence`] and [`batched::Kl`].
//!
//! To add a distribution, write one file in `univariate` that implements [`Distribution`], and add it to the list of constructors in
//! `tests/it/univariate.rs`, whose laws it must then obey. One whose parameters are learnt gets its tensor form as [`batched`] says, and a
//! line in `tests/it/two_forms.rs`.

pub mod batched;
pub mod calibration;
mod clusters;
pub mod crps;
pub mod divergence;
pub mod flow;
mod gaussian_mixture;
pub mod kde;
mod kmeans;
mod marginals;
mod multivariate_normal;
mod prior;
mod prior_expression;
mod quadrature;
mod quantile;
pub mod ranking;
pub mod rejection;
pub mod scores;
mod sobol;
mod sobol_table;
mod tail;
mod tanh_sinh;
pub mod transform;
pub mod univariate;

pub use clusters::{ClusterScores, assignment};
pub use gaussian_mixture::{GaussianMixture, GaussianMixtureConfig, GaussianMixtureFit};
pub use kmeans::{KMeans, KMeansConfig, kmeans};
pub use marginals::{GaussianMixtures, Normals, StudentTs, mixture_quantile};
pub use multivariate_normal::MultivariateNormal;
pub use prior::{Jacobian, Prior};
pub use quadrature::Rule;
pub use quantile::quantile;
pub use sobol::{Scramble, Sobol};
pub use tail::{TailIndex, hill, hill_curve};
pub use tanh_sinh::tanh_sinh;
pub use univariate::{
    Bernoulli, Beta, Binomial, Categorical, Distribution, Exponential, Gamma, GeneralisedNormal, Geometric, Gumbel,
    HalfCauchy, HalfNormal, Hurdle, InverseGamma, InverseGaussian, Kumaraswamy, Laplace, LogNormal, Logistic,
    NegativeBinomial, Normal, NormalScaleMixture, Pareto, Poisson, StudentT, Uniform, VonMises, Weibull, ZeroInflated,
};
