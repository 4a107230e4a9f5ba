"""Likelihoods, acquisition functions, distributions, flows and coders, composed by hand."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from scipy import integrate, stats
from sklearn.base import clone

import elbo
from elbo import acquisitions, coders, distributions, flows, likelihoods

LAWS: list[tuple[Any, Any]] = [
    (distributions.Normal(1.0, 2.0), stats.norm(1.0, 2.0)),
    (distributions.StudentT(5.0, location=1.0, scale=2.0), stats.t(5.0, 1.0, 2.0)),
    (distributions.Laplace(0.5, 1.5), stats.laplace(0.5, 1.5)),
    (distributions.GeneralisedNormal(0.5, 1.5, exponent=1.3), stats.gennorm(1.3, 0.5, 1.5)),
    (distributions.Logistic(0.5, 1.5), stats.logistic(0.5, 1.5)),
    (distributions.Gumbel(0.5, 1.5), stats.gumbel_r(0.5, 1.5)),
    (distributions.Uniform(-1.0, 3.0), stats.uniform(-1.0, 4.0)),
    (distributions.Gamma(3.0, 2.0), stats.gamma(3.0, scale=0.5)),
    (distributions.InverseGamma(4.0, 2.0), stats.invgamma(4.0, scale=2.0)),
    (distributions.LogNormal(0.2, 0.5), stats.lognorm(0.5, scale=np.exp(0.2))),
    (distributions.HalfNormal(2.0), stats.halfnorm(scale=2.0)),
    (distributions.HalfCauchy(2.0), stats.halfcauchy(scale=2.0)),
    (distributions.Exponential(2.0), stats.expon(scale=0.5)),
    (distributions.Weibull(1.5, 2.0), stats.weibull_min(1.5, scale=2.0)),
    (distributions.InverseGaussian(2.0, 3.0), stats.invgauss(2.0 / 3.0, scale=3.0)),
    (distributions.Pareto(2.0, 5.0), stats.pareto(5.0, scale=2.0)),
    (distributions.Beta(2.0, 3.0), stats.beta(2.0, 3.0)),
    (distributions.VonMises(0.5, 2.0), stats.vonmises(2.0, 0.5)),
]
COUNTS: list[tuple[Any, Any]] = [
    (distributions.Poisson(3.0), stats.poisson(3.0)),
    (distributions.NegativeBinomial(3.0, 2.0), stats.nbinom(2.0, 2.0 / 5.0)),
    (distributions.Binomial(8, 0.3), stats.binom(8, 0.3)),
    (distributions.Geometric(0.3), stats.geom(0.3, loc=-1)),
    (distributions.Bernoulli(0.3), stats.bernoulli(0.3)),
]


def name_of(value: Any) -> str:
    return type(value).__name__ if isinstance(value, distributions.Univariate) else ""


@pytest.mark.parametrize("law, peer", LAWS, ids=name_of)
def test_densities_are_scipy_s(law: Any, peer: Any) -> None:
    shares = np.array([[0.01, 0.2, 0.5], [0.7, 0.9, 0.99]])
    x = law.quantile(shares)
    assert x.shape == (2, 3)
    np.testing.assert_allclose(law.cdf(x), shares, atol=1e-9)
    np.testing.assert_allclose(law.log_prob(x), peer.logpdf(x), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(peer.cdf(x), shares, atol=1e-7)
    draws = law.sample(20_000, random_state=1)
    # The Kolmogorov distance is above 2 / sqrt(20000) once in fifteen hundred times.
    assert stats.kstest(draws, law.cdf).statistic < 0.0142
    np.testing.assert_array_equal(draws, law.sample(20_000, random_state=1))


@pytest.mark.parametrize(
    "law, peer", [pair for pair in LAWS if name_of(pair[0]) not in ("HalfCauchy", "VonMises")], ids=name_of
)
def test_moments_and_entropies_are_scipy_s(law: Any, peer: Any) -> None:
    np.testing.assert_allclose([law.mean, law.variance, law.sd], [peer.mean(), peer.var(), peer.std()], rtol=1e-8, atol=1e-10)
    if law.entropy is not None:
        np.testing.assert_allclose(law.entropy, peer.entropy(), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("law, peer", COUNTS, ids=name_of)
def test_probabilities_of_counts_are_scipy_s(law: Any, peer: Any) -> None:
    counts = np.arange(0.0, 9.0) if law.variance > 1 else np.array([0.0, 1.0])
    np.testing.assert_allclose(law.log_prob(counts), peer.logpmf(counts), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(law.cdf(counts), peer.cdf(counts), rtol=1e-9)
    np.testing.assert_allclose([law.mean, law.variance], [peer.mean(), peer.var()], rtol=1e-10)
    np.testing.assert_array_equal(law.quantile([0.1, 0.5, 0.9]), peer.ppf([0.1, 0.5, 0.9]))
    assert law.log_prob(0.5) == -np.inf
    # Five standard errors of a mean of 4000 draws.
    assert abs(law.sample((40, 100), random_state=2).mean() - law.mean) < 5 * law.sd / np.sqrt(4000)


@pytest.mark.parametrize("law", [law for law, _ in [*LAWS, *COUNTS]], ids=name_of)
def test_nothing_is_left_at_infinity(law: Any) -> None:
    np.testing.assert_array_equal(law.log_prob([np.inf, -np.inf]), -np.inf)
    np.testing.assert_array_equal(law.cdf([np.inf, -np.inf]), [1.0, 0.0])


def test_mixed_and_listed_probabilities_are_those_of_their_parts() -> None:
    inflated = distributions.ZeroInflated(0.2, distributions.Poisson(2.0))
    expected = 0.8 * stats.poisson(2.0).pmf([0, 1, 4]) + [0.2, 0.0, 0.0]
    np.testing.assert_allclose(np.exp(inflated.log_prob([0, 1, 4])), expected, rtol=1e-10)
    assert inflated.entropy is None
    listed = distributions.Categorical([0.2, 0.5, 0.3])
    np.testing.assert_allclose(np.exp(listed.log_prob([0, 1, 2])), [0.2, 0.5, 0.3], rtol=1e-12)
    assert abs(listed.entropy - stats.entropy([0.2, 0.5, 0.3])) < 1e-12
    curved = distributions.Kumaraswamy(2.0, 3.0)
    np.testing.assert_allclose(curved.cdf(0.3), 1 - (1 - 0.3**2) ** 3, rtol=1e-12)


#: Direction of the second of two laws of angles.
TURNED = 1.0
KL_PAIRS: list[tuple[Any, Any]] = [
    (distributions.Normal(0.0, 1.0), distributions.Normal(1.0, 2.0)),
    (distributions.Laplace(0.0, 1.0), distributions.Laplace(0.5, 2.0)),
    (distributions.Gamma(3.0, 2.0), distributions.Gamma(2.0, 1.0)),
    (distributions.InverseGamma(3.0, 2.0), distributions.InverseGamma(2.0, 1.0)),
    (distributions.Exponential(2.0), distributions.Exponential(0.5)),
    (distributions.LogNormal(0.0, 0.5), distributions.LogNormal(0.3, 1.0)),
    (distributions.Beta(2.0, 3.0), distributions.Beta(1.5, 1.5)),
    (distributions.VonMises(0.0, 2.0), distributions.VonMises(TURNED, 0.5)),
]


@pytest.mark.parametrize("q, p", KL_PAIRS, ids=name_of)
def test_divergences_are_the_integral(q: Any, p: Any) -> None:
    ends = q.quantile([1e-12, 1e-3, 0.5, 0.999, 1 - 1e-12])

    def integrand(x: float) -> float:
        log_q = float(q.log_prob(x))
        # The same direction as an angle within half a turn of the other law's.
        near = TURNED + (x - TURNED + np.pi) % (2 * np.pi) - np.pi if isinstance(p, distributions.VonMises) else x
        return float(np.exp(log_q) * (log_q - float(p.log_prob(near))))

    pieces = [integrate.quad(integrand, a, b, limit=200)[0] for a, b in zip(ends[:-1], ends[1:], strict=True)]
    assert abs(distributions.kl(q, p) - sum(pieces)) < 1e-6
    assert abs(distributions.kl(q, q)) < 1e-12


def test_divergences_of_counts_and_vectors_have_their_formulas() -> None:
    counts = distributions.kl(distributions.Poisson(3.0), distributions.Poisson(2.0))
    assert abs(counts - (3.0 * np.log(1.5) - 1.0)) < 1e-12
    spread = np.array([[2.0, 0.5], [0.5, 1.0]])
    q, p = distributions.MultivariateNormal([1.0, 0.0], spread), distributions.MultivariateNormal([0.0, 0.0], np.eye(2))
    expected = 0.5 * (np.trace(spread) + 1.0 - 2.0 - np.log(np.linalg.det(spread)))
    assert abs(distributions.kl(q, p) - expected) < 1e-10
    with pytest.raises(elbo.DataError, match="no closed form"):
        distributions.kl(distributions.Normal(), distributions.Laplace())
    with pytest.raises(elbo.DataError, match="2 dimensions"):
        distributions.kl(q, distributions.MultivariateNormal(np.zeros(3), np.eye(3)))


def test_vectors_are_scipy_s() -> None:
    mean, spread = np.array([1.0, -1.0, 0.5]), np.array([[2.0, 0.5, 0.1], [0.5, 1.0, -0.2], [0.1, -0.2, 0.7]])
    normal, peer = distributions.MultivariateNormal(mean, spread), stats.multivariate_normal(mean, spread)
    x = normal.sample(4000, random_state=3)
    assert x.shape == (4000, 3)
    np.testing.assert_allclose(normal.log_prob(x), peer.logpdf(x), rtol=1e-9)
    np.testing.assert_allclose(normal.entropy, peer.entropy(), rtol=1e-10)
    np.testing.assert_allclose(normal.variance, np.diag(spread), rtol=1e-12)
    # Five standard errors of means of 4000 draws.
    assert (np.abs(x.mean(0) - mean) < 5 * np.sqrt(np.diag(spread) / 4000)).all()
    shares, other = distributions.Dirichlet([2.0, 3.0, 4.0]), stats.dirichlet([2.0, 3.0, 4.0])
    z = shares.sample(50, random_state=4)
    np.testing.assert_allclose(shares.log_prob(z), [other.logpdf(row) for row in z], rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(shares.mean, other.mean(), rtol=1e-12)
    np.testing.assert_allclose(shares.variance, other.var(), rtol=1e-10)
    np.testing.assert_allclose(shares.entropy, other.entropy(), rtol=1e-10)
    again = pickle.loads(pickle.dumps(normal))
    np.testing.assert_array_equal(again.sample(2), normal.sample(2))
    with pytest.raises(elbo.NumericalError, match="positive definite"):
        distributions.MultivariateNormal([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]])
    with pytest.raises(elbo.DataError, match="not symmetric"):
        distributions.MultivariateNormal([0.0, 0.0], [[1.0, 0.5], [0.0, 1.0]])


def test_parameters_and_points_out_of_range_are_refused() -> None:
    with pytest.raises(elbo.SettingError, match="`sd` is -1.0"):
        distributions.Normal(0.0, -1.0)
    with pytest.raises(elbo.SettingError, match="`high`"):
        distributions.Uniform(1.0, 1.0)
    with pytest.raises(elbo.SettingError, match="the sum 1"):
        distributions.Categorical([0.5, 0.6])
    with pytest.raises(elbo.DataError, match="NaN"):
        distributions.Normal().log_prob([0.0, np.nan])
    with pytest.raises(elbo.DataError, match=r"\(0, 1\)"):
        distributions.Normal().quantile([0.5, 1.0])
    with pytest.raises(elbo.DataError, match="no list of shares"):
        distributions.Dirichlet([1.0, 1.0]).log_prob([0.5, 0.6])


def test_a_distribution_is_a_prior() -> None:
    x = np.linspace(0, 3, 20)
    by_hand = {"lengthscale": distributions.Gamma(3.0, 6.0), "noise": distributions.LogNormal(-4.0, 1.0)}
    by_text = {"lengthscale": "gamma(3, 6)", "noise": "log_normal(-4, 1)"}
    found = [
        elbo.GPR(priors=priors, starts=1, iterations=20).fit(x[:, None], np.sin(x)).predict([[1.1]])
        for priors in (by_hand, by_text)
    ]
    np.testing.assert_array_equal(found[0], found[1])
    with pytest.raises(elbo.SettingError, match="no prior"):
        distributions.Poisson(1.0).to_setting()


TARGETS: list[tuple[Any, float]] = [
    (likelihoods.Gaussian(0.4), 0.7),
    (likelihoods.StudentT(5.0, scale=0.5), 2.0),
    (likelihoods.LogGaussian(0.3), 1.5),
    (likelihoods.Exponential(), 0.8),
    (likelihoods.Gamma(2.0), 0.8),
    (likelihoods.Weibull(1.5), 0.8),
    (likelihoods.Beta(8.0), 0.3),
    (likelihoods.Poisson(2.0), 3.0),
    (likelihoods.NegativeBinomial(2.0), 3.0),
    (likelihoods.ZeroInflatedPoisson(0.2), 2.0),
    (likelihoods.Binomial(6), 4.0),
    (likelihoods.BernoulliProbit(), -1.0),
    (likelihoods.BernoulliLogit(), 1.0),
    (likelihoods.Ordinal([-0.5, 0.8]), 1.0),
]


@pytest.mark.parametrize(
    "likelihood, y", TARGETS, ids=lambda v: type(v).__name__ if isinstance(v, likelihoods.Likelihood) else ""
)
def test_likelihoods_agree_with_differences_and_integrals(likelihood: Any, y: float) -> None:
    f, h = 0.3, 1e-4
    values = likelihood.log_prob(y, np.array([f - h, f, f + h]))
    assert abs((values[2] - values[0]) / (2 * h) - likelihood.gradient(y, f)) < 1e-5
    assert abs((values[2] - 2 * values[1] + values[0]) / h**2 - likelihood.curvature(y, f)) < 1e-4
    mean, variance = 0.2, 0.25
    nodes, weights = np.polynomial.hermite_e.hermegauss(60)
    latent = mean + np.sqrt(variance) * nodes
    log_probs = likelihood.log_prob(y, latent)
    weights = weights / weights.sum()
    found = likelihood.expected_log_prob(y, mean, variance)
    # Twenty nodes here against sixty there.
    assert abs(found.value - weights @ log_probs) < 1e-4
    assert abs(found.by_mean - weights @ likelihood.gradient(y, latent)) < 1e-3
    assert abs(found.by_variance - 0.5 * weights @ likelihood.curvature(y, latent)) < 1e-3
    assert abs(likelihood.log_predictive(y, mean, variance) - np.log(weights @ np.exp(log_probs))) < 1e-4


def test_predictions_are_those_of_the_observation() -> None:
    gaussian = likelihoods.Gaussian(0.4)
    mean, variance = np.array([0.0, 1.0]), np.array([0.1, 2.0])
    found = gaussian.predict(mean, variance)
    np.testing.assert_allclose(found[0], mean, rtol=1e-12)
    np.testing.assert_allclose(found[1], variance + 0.4, rtol=1e-12)
    peer = stats.norm(mean, np.sqrt(variance + 0.4))
    np.testing.assert_allclose(gaussian.cdf(0.5, mean, variance), peer.cdf(0.5), rtol=1e-10)
    np.testing.assert_allclose(gaussian.quantile(0.9, mean, variance), peer.ppf(0.9), rtol=1e-9)
    probit = likelihoods.BernoulliProbit().probability(mean, variance)
    np.testing.assert_allclose(probit, stats.norm.cdf(mean / np.sqrt(1.0 + variance)), rtol=1e-9)
    draws = likelihoods.Poisson().sample(np.full(4000, np.log(3.0)), random_state=5)
    assert abs(draws.mean() - 3.0) < 5 * np.sqrt(3.0 / 4000)
    with pytest.raises(elbo.VerbError, match="two classes"):
        gaussian.probability(mean, variance)
    with pytest.raises(elbo.DataError, match="row 2"):
        likelihoods.Poisson().log_prob([1.0, -1.0], 0.0)
    with pytest.raises(elbo.SettingError, match="`dof`"):
        likelihoods.StudentT(1.0)
    with pytest.raises(elbo.DataError, match="shapes differ"):
        gaussian.log_prob([1.0, 2.0], [0.0, 0.0, 0.0])
    with pytest.raises(elbo.DataError, match="`f` holds an infinite number"):
        likelihoods.Poisson().log_prob(1.0, np.inf)
    with pytest.raises(elbo.DataError, match="`p` is 1.0"):
        gaussian.quantile(1.0, mean, variance)
    with pytest.raises(elbo.DataError, match="`p` is 'half'"):
        gaussian.quantile("half", mean, variance)
    assert gaussian.cdf(np.inf, 0.0, 1.0) == likelihoods.NegativeBinomial().cdf(np.inf, 0.0, 1.0) == 1.0


def test_likelihoods_of_several_latent_values_are_softmax_and_noise() -> None:
    rng = np.random.default_rng(0)
    y, f = np.array([0.0, 2.0, 1.0]), rng.normal(size=(3, 3))
    expected = f[np.arange(3), y.astype(int)] - np.log(np.exp(f).sum(1))
    np.testing.assert_allclose(likelihoods.Softmax().log_prob(y, f), expected, rtol=1e-10)
    variance = np.full((3, 3), 0.3)
    bound = likelihoods.SoftmaxBound().expected_log_prob(y, f, variance)
    assert (bound.value <= likelihoods.Softmax(2000).expected_log_prob(y, f, variance).value + 0.02).all()
    h, at = 1e-5, np.eye(3)
    shifted = [likelihoods.SoftmaxBound().expected_log_prob(y, f + s * h * at, variance).value for s in (1, -1)]
    np.testing.assert_allclose((shifted[0] - shifted[1]) / (2 * h), np.diag(bound.by_mean), atol=1e-6)
    two = f[:, :2]
    noisy = likelihoods.Heteroscedastic().log_prob(y, two)
    np.testing.assert_allclose(noisy, stats.norm(two[:, 0], np.exp(two[:, 1])).logpdf(y), rtol=1e-9)
    with pytest.raises(elbo.DataError, match="has 2"):
        likelihoods.Heteroscedastic().log_prob(y, f)
    with pytest.raises(elbo.DataError, match="class numbers"):
        likelihoods.RobustMax().log_prob([3.0], f[:1])


def test_likelihoods_are_settings_of_a_process() -> None:
    x = np.linspace(0, 4, 80)
    y = np.sin(2 * x)
    y[::15] += 5.0
    robust = likelihoods.StudentT(4.0, scale=0.3)
    model = elbo.SVGPRegressor(likelihood=robust, inducing=15, steps=400, batch=40)
    copied = clone(model)
    assert copied.likelihood == robust and copy.deepcopy(robust) == robust and "StudentT" in repr(model)
    error = np.abs(model.fit(x[:, None], y).predict(x[:, None]) - np.sin(2 * x))
    assert np.median(error) < 0.3
    by_table = elbo.SVGPRegressor(
        likelihood={"type": "student_t", "dof": 4.0, "scale": 0.3}, inducing=15, steps=400, batch=40
    ).fit(x[:, None], y)
    np.testing.assert_array_equal(model.predict(x[:, None]), by_table.predict(x[:, None]))
    with pytest.raises(elbo.SettingError):
        elbo.SVGPRegressor(likelihood=acquisitions.EI()).fit(x[:, None], y)
    with pytest.raises(elbo.DataError, match="has 2 classes and `likelihood` is student_t") as caught:
        elbo.SVGPClassifier(likelihood=robust).fit(x[:, None], np.where(y > 0, "up", "down"))
    assert "bernoulli_probit" in caught.value.remedy
    with pytest.raises(elbo.DataError, match="is numeric and `likelihood` is bernoulli_logit"):
        elbo.SVGPRegressor(likelihood=likelihoods.BernoulliLogit()).fit(x[:, None], np.where(y > 0, 1.0, -1.0))


def test_scores_have_their_closed_forms() -> None:
    mean, sd, best = np.array([0.0, 1.0, -0.5]), np.array([1.0, 0.5, 0.2]), 0.2
    z = (best - mean) / sd
    improvement = sd * (z * stats.norm.cdf(z) + stats.norm.pdf(z))
    np.testing.assert_allclose(acquisitions.EI()(mean, sd, best), improvement, rtol=1e-10)
    np.testing.assert_allclose(acquisitions.LogEI()(mean, sd, best), np.log(improvement), rtol=1e-9)
    np.testing.assert_allclose(acquisitions.PI()(mean, sd, best), stats.norm.cdf(z), rtol=1e-10)
    np.testing.assert_allclose(acquisitions.LogPI(0.1)(mean, sd, best), stats.norm.logcdf(z - 0.1 / sd), rtol=1e-9)
    np.testing.assert_allclose(acquisitions.LCB(4.0)(mean, sd), 2.0 * sd - mean, rtol=1e-12)
    np.testing.assert_allclose(acquisitions.LCB(4.0)(mean, sd, goal="maximise"), 2.0 * sd + mean, rtol=1e-12)
    np.testing.assert_allclose(acquisitions.EI()(-mean, sd, -best, goal="maximise"), improvement, rtol=1e-10)
    # Forty deviations away improvement is no number any more, and its logarithm is.
    far = acquisitions.LogEI()(40.0, 1.0, best=0.0)
    assert np.isfinite(far) and abs(far - (stats.norm.logpdf(40.0) - 2 * np.log(40.0))) < 0.01
    with pytest.raises(elbo.DataError, match="needs `best`"):
        acquisitions.EI()(mean, sd)
    with pytest.raises(elbo.DataError, match="not positive"):
        acquisitions.EI()(mean, 0.0 * sd, best)
    with pytest.raises(elbo.DataError, match="not positive"):
        acquisitions.EI()(mean, 1e-200 * sd, best)
    with pytest.raises(elbo.DataError, match="too large to be squared"):
        acquisitions.EI()(mean, 1e200 * sd, best)
    with pytest.raises(elbo.DataError, match="`mean` holds an infinite number"):
        acquisitions.EI()(np.inf, sd, best)


@pytest.mark.parametrize("goal", ["minimise", "maximise"])
@pytest.mark.parametrize(
    "score",
    [acquisitions.EI(), acquisitions.LogEI(), acquisitions.PI(0.1), acquisitions.LogPI(), acquisitions.LCB(2.0)],
    ids=repr,
)
def test_gradients_of_scores_are_differences(score: Any, goal: str) -> None:
    mean, sd, best, h = 0.4, 0.7, 0.1, 1e-6
    by_mean, by_sd = score.gradient(mean, sd, best, goal=goal)
    assert abs((score(mean + h, sd, best, goal=goal) - score(mean - h, sd, best, goal=goal)) / (2 * h) - by_mean) < 1e-6
    assert abs((score(mean, sd + h, best, goal=goal) - score(mean, sd - h, best, goal=goal)) / (2 * h) - by_sd) < 1e-6


def test_the_knowledge_gradient_is_the_expected_rise() -> None:
    mean, slope = np.array([0.0, 0.2, -0.3]), np.array([1.0, 0.1, -0.5])
    value, gradient = acquisitions.knowledge_gradient(mean, slope)
    z = np.linspace(-9, 9, 200_001)
    rise = (mean[:, None] + slope[:, None] * z).max(0) - mean.max()
    assert abs(value - integrate.trapezoid(rise * stats.norm.pdf(z), z)) < 1e-6
    shifted = [acquisitions.knowledge_gradient(mean, slope + s * np.array([1e-6, 0, 0]))[0] for s in (1, -1)]
    assert abs((shifted[0] - shifted[1]) / 2e-6 - gradient[0]) < 1e-6


def test_scores_are_settings_of_an_experiment() -> None:
    space = [{"name": "rate", "type": "real", "low": 0.0, "high": 1.0}]
    trials, results = {"rate": [0.1, 0.3, 0.5, 0.7, 0.9, 0.2]}, [0.8, 0.4, 0.3, 0.5, 0.7, 0.6]
    names = {
        "log_ei": acquisitions.LogEI(),
        "lcb": acquisitions.LCB(),
        "pi": acquisitions.PI(),
        "thompson": acquisitions.Thompson(),
    }
    for name, score in names.items():
        found = [elbo.BO(space=space, acquisition=a, starts=1).fit(trials, results).suggest(1)["rate"] for a in (name, score)]
        np.testing.assert_array_equal(found[0], found[1])
    for score in (acquisitions.LCB(4.0), acquisitions.PI(0.1), acquisitions.LogPI()):
        with pytest.raises(elbo.SettingError, match="no setting"):
            elbo.BO(space=space, acquisition=score).fit(trials, results)


SPECS = [flows.spline(3), flows.realnvp(3), flows.nice(3), flows.maf(2), flows.iaf(2), flows.radial(4), flows.householder(2)]
SPECS += [flows.continuous(4)]


@pytest.mark.parametrize("spec", SPECS)
def test_flows_invert_and_know_their_volume(spec: str) -> None:
    flow = flows.Flow(spec, 3, shift=[1.0, 2.0, 3.0], scale=[0.5, 2.0, 1.0], random_state=1)
    u = np.random.default_rng(0).normal(size=(6, 3))
    x, log_det = flow.forward(u)
    back, inverse_log_det = flow.inverse(x)
    np.testing.assert_allclose(back, u, atol=1e-7)
    np.testing.assert_allclose(inverse_log_det, -log_det, atol=1e-7)
    h = 1e-5
    jacobian = np.stack([(flow.forward(u + h * e)[0] - flow.forward(u - h * e)[0]) / (2 * h) for e in np.eye(3)], -1)
    np.testing.assert_allclose(np.linalg.slogdet(jacobian)[1], log_det, atol=1e-5)
    density = stats.norm.logpdf(u).sum(1) - log_det
    np.testing.assert_allclose(flow.log_prob(x), density, atol=1e-7)
    drawn, log_prob = flow.sample_with_log_prob(5, random_state=2)
    np.testing.assert_allclose(flow.log_prob(drawn), log_prob, atol=1e-7)
    again = pickle.loads(pickle.dumps(flow))
    np.testing.assert_array_equal(again.forward(u)[0], x)


def test_flows_without_an_inverse_have_the_density_of_their_draws() -> None:
    flow = flows.Flow(flows.planar(4), 2, random_state=1)
    u = np.random.default_rng(1).normal(size=(4, 2))
    x, log_det = flow.forward(u)
    assert x.shape == (4, 2) and np.isfinite(log_det).all()
    assert np.isfinite(flow.sample_with_log_prob(4)[1]).all()
    with pytest.raises(elbo.VerbError, match="no closed inverse"):
        flow.log_prob(x)
    with pytest.raises(elbo.DataError, match="no closed inverse"):
        flows.fit(x, flows.planar(2))
    with pytest.raises(elbo.SettingError, match="flow"):
        flows.Flow("coupling:3", 2)
    with pytest.raises(elbo.SettingError, match="one unknown"):
        flows.Flow(flows.realnvp(2), 1)


def test_a_fitted_flow_beats_the_gaussian_on_a_bent_density() -> None:
    rng = np.random.default_rng(2)
    a = rng.normal(size=2000)
    rows = 10.0 + 3.0 * np.column_stack([a, a**2 + 0.3 * rng.normal(size=2000)])
    train, test = rows[:1500], rows[1500:]
    flow = flows.fit(train, flows.realnvp(4), steps=500, rate=0.01, random_state=1)
    gaussian = stats.multivariate_normal(train.mean(0), np.cov(train.T)).logpdf(test).mean()
    truth = (
        stats.norm.logpdf(a[1500:]) + stats.norm.logpdf((rows[1500:, 1] - 10) / 3 - a[1500:] ** 2, scale=0.3)
    ).mean() - 2 * np.log(3)
    found = flow.log_prob(test).mean()
    # Half of what a Gaussian loses on the truth, at least; the standard error of both means is about 0.04.
    assert found > gaussian + 0.5 * (truth - gaussian)
    assert len(flow.history) == 500 and abs(flow.history[-100:].mean() - flow.log_prob(train).mean()) < 0.2
    first, second = (flows.fit(train, flows.spline(2), steps=10, random_state=1) for _ in range(2))
    np.testing.assert_array_equal(first.parameters, second.parameters)


def test_symbols_come_back_exactly() -> None:
    rng = np.random.default_rng(3)
    shares = np.array([0.7, 0.2, 0.09, 0.01])
    symbols = rng.choice(4, 5000, p=shares)
    table = coders.Table(shares)
    assert table.frequencies.sum() == 2**16 and len(table) == 4
    for lanes in (1, 2, 4, 8):
        data = table.encode(symbols, lanes=lanes)
        np.testing.assert_array_equal(table.decode(data, 5000, lanes=lanes), symbols)
        # The state of each lane is eight bytes; the coder itself loses next to nothing.
        assert abs(8 * len(data) - table.costs[symbols].sum()) < 64 * lanes + 40
    np.testing.assert_allclose(table.costs, -np.log2(table.frequencies / 2**16), rtol=1e-12)
    entropy = stats.entropy(shares, base=2)
    assert abs(table.costs @ shares - entropy) < 1e-4
    assert pickle.loads(pickle.dumps(table)) == table == coders.Table.from_frequencies(table.frequencies)
    np.testing.assert_array_equal(table.decode(table.encode([]), 0), [])


def test_integers_outside_their_alphabet_come_back_too() -> None:
    rng = np.random.default_rng(4)
    narrow, wide = coders.Alphabet(-2, [0.1, 0.2, 0.4, 0.2]), coders.Alphabet(-20, np.full(41, 0.02))
    which = rng.integers(0, 2, 3000)
    values = np.where(which == 0, rng.integers(-2, 3, 3000), rng.integers(-25, 26, 3000))
    values[:4] = [2**31 - 1, -(2**31), 1000, -1000]
    data = coders.encode_integers(values, [narrow, wide], which)
    np.testing.assert_array_equal(coders.decode_integers(data, [narrow, wide], which), values)
    bits = sum(alphabet.costs(values[which == k]).sum() for k, alphabet in enumerate([narrow, wide]))
    assert abs(8 * len(data) - bits) < 64 * 4 + 60
    alone = coders.encode_integers(values[which == 0], narrow)
    np.testing.assert_array_equal(coders.decode_integers(alone, narrow, int((which == 0).sum())), values[which == 0])
    assert pickle.loads(pickle.dumps(narrow)) == narrow


def test_the_range_coder_takes_large_tables_and_several() -> None:
    rng = np.random.default_rng(5)
    large, small = coders.Table(np.full(1000, 1e-3)), coders.Table([0.9, 0.1], bits=12)
    which = rng.integers(0, 2, 2000)
    symbols = np.where(which == 0, rng.integers(0, 1000, 2000), rng.integers(0, 2, 2000))
    data = coders.encode_range(symbols, [large, small], which)
    np.testing.assert_array_equal(coders.decode_range(data, [large, small], which), symbols)
    with pytest.raises(elbo.DataError, match="encode_range"):
        large.encode(symbols)


def test_damaged_bytes_are_refused() -> None:
    rng = np.random.default_rng(6)
    table, alphabet = coders.Table([0.5, 0.3, 0.2]), coders.Alphabet(0, [0.5, 0.3, 0.1])
    symbols = rng.choice(3, 1000, p=[0.5, 0.3, 0.2])

    def decoders(data: list[bytes]) -> list[Any]:
        return [
            lambda: table.decode(data[0], 1000),
            lambda: coders.decode_integers(data[1], alphabet, 1000),
            lambda: coders.decode_range(data[2], table, 1000),
        ]

    whole = [table.encode(symbols), coders.encode_integers(symbols, alphabet), coders.encode_range(symbols, table)]
    for decode in decoders(whole):
        np.testing.assert_array_equal(decode(), symbols)
    changed = [data[:40] + bytes([data[40] ^ 1]) + data[41:] for data in whole]
    for damaged in ([data[:-4] for data in whole], [data + bytes(4) for data in whole], [data[:3] for data in whole], changed):
        for decode in decoders(damaged):
            with pytest.raises(elbo.DataError, match="damaged"):
                decode()


def test_bad_symbols_and_tables_are_refused() -> None:
    table = coders.Table([0.5, 0.5])
    with pytest.raises(elbo.DataError, match="holds 2 at 1"):
        table.encode([0, 2])
    with pytest.raises(elbo.DataError, match="whole numbers"):
        table.encode([0.5])
    with pytest.raises(elbo.SettingError, match="the sum 0.9"):
        coders.Table([0.5, 0.4])
    with pytest.raises(elbo.SettingError, match="`bits`"):
        coders.Table([0.5, 0.5], bits=8)
    with pytest.raises(elbo.SettingError, match="`lanes`"):
        table.encode([0, 1], lanes=3)
    with pytest.raises(elbo.DataError, match="the sum 3"):
        coders.Table.from_frequencies([1, 2])
    with pytest.raises(elbo.DataError, match="no `which`"):
        coders.encode_range([0, 1], [table, table])


def test_diagnostics_tell_good_draws_from_bad() -> None:
    rng = np.random.default_rng(7)
    good = rng.normal(size=(4, 500, 2))
    apart = good + np.arange(4.0)[:, None, None]
    assert elbo.infer.r_hat(good).shape == (2,)
    assert (elbo.infer.r_hat(good) < 1.02).all() and (elbo.infer.r_hat(apart) > 1.5).all()
    assert (elbo.infer.ess(good) > 1500).all() and (elbo.infer.ess(good, "tail") > 1200).all()
    slow = np.repeat(good[:, :50], 10, axis=1)
    assert (elbo.infer.ess(slow, "mean") < 600).all()
    np.testing.assert_allclose(elbo.infer.mcse(good), good.std((0, 1)) / np.sqrt(elbo.infer.ess(good, "mean")), rtol=1e-3)
    even = elbo.infer.psis(0.1 * rng.normal(size=1000))
    assert even.is_reliable and abs(even.weights.sum() - 1.0) < 1e-9 and even.effective_size > 900
    heavy = elbo.infer.psis(1.5 * rng.exponential(size=4000))
    assert not heavy.is_reliable and heavy.k_hat > 0.9
    with pytest.raises(elbo.SettingError, match="bulk, tail, mean"):
        elbo.infer.ess(good, "all")


@pytest.mark.parametrize("module", ["acquisitions", "coders", "distributions", "flows", "infer", "kernels", "likelihoods"])
def test_parts_are_imported_when_they_are_asked_for(module: str) -> None:
    import subprocess
    import sys

    script = (
        f"import sys, elbo; assert 'elbo.{module}' not in sys.modules; elbo.{module}; assert 'elbo.{module}' in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", script]).returncode == 0
