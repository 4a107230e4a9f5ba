"""Likelihoods of Gaussian processes: how observations come from latent values, by hand or as the setting `likelihood`.

`StudentT(4.0, scale=0.3).log_prob(y, f)`, `SVGPRegressor(likelihood=StudentT())`. As a setting, numbers are where the search for
hyperparameters starts. Logarithms are natural, values in nats; arrays of observations and latent values broadcast.

| target | likelihood | latent value is |
|---|---|---|
| any number | `Gaussian`; with outliers `StudentT`, `Laplace` | the mean or median |
| any number, noise that varies | `Heteroscedastic`, two latents, for the setting `multi` | mean, and log standard deviation |
| a positive number | `LogGaussian`; `Gamma`, `Exponential`, `Weibull` | mean of the logarithm; log scale |
| a share in (0, 1) | `Beta` | logit of the mean |
| a count | `Poisson`; overdispersed `NegativeBinomial`; many zeros `ZeroInflatedPoisson` | log mean |
| successes in a number of trials | `Binomial` | logit of the probability |
| one of two classes, -1 and 1 | `BernoulliProbit`, `BernoulliLogit` | probit or logit |
| ordered classes 0, 1, ... | `Ordinal` | position on a line cut by edges |
| one of C classes 0, 1, ... | `Softmax`, `RobustMax`, C latents, for the setting `multi` | score of each class |

An observation outside the support raises :class:`elbo.DataError` with its row, a setting out of range :class:`elbo.SettingError`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from . import _arrays, _native
from ._arrays import Floats
from ._base import seed_of
from ._parts import Part, finite, finites, number, positive, reals, shaped, together, vectors, whole, within
from .errors import DataError, VerbError

#: Least noise variance of Gaussian noise.
_FLOOR = 1e-6


class Expected(NamedTuple):
    """An expectation under a normal distribution of the latent value, with its derivatives."""

    #: `E[log p(y | f)]`, nats.
    value: Floats
    #: Its derivative by the mean.
    by_mean: Floats
    #: Its derivative by the variance.
    by_variance: Floats


class Likelihood(Part):
    """How an observation `y` comes from one latent value `f`."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self._likelihood()

    def _likelihood(self) -> _native.Likelihood:
        return _native.Likelihood(self._json())

    def log_prob(self, y: Any, f: Any) -> Floats:
        """`log p(y | f)`."""
        return self._derivative(y, f, 0)

    def gradient(self, y: Any, f: Any) -> Floats:
        """The first derivative of `log p(y | f)` by `f`."""
        return self._derivative(y, f, 1)

    def curvature(self, y: Any, f: Any) -> Floats:
        """The second derivative of `log p(y | f)` by `f`."""
        return self._derivative(y, f, 2)

    def _derivative(self, y: Any, f: Any, order: int) -> Floats:
        shape, arrays = together(y=y, f=finites("f", f))
        return shaped(self._likelihood().log_prob(*arrays)[order], shape)

    def expected_log_prob(self, y: Any, mean: Any, variance: Any) -> Expected:
        """The variational expectation of `log p(y | f)` under `f ~ N(mean, variance)`: closed, or Gauss-Hermite with 20 nodes."""
        shape, arrays = together(y=y, **_latents(mean, variance))
        return Expected(*(shaped(data, shape) for data in self._likelihood().expected(*arrays)))

    def log_predictive(self, y: Any, mean: Any, variance: Any) -> Floats:
        """The log predictive density `log E[p(y | f)]` under `f ~ N(mean, variance)`."""
        shape, arrays = together(y=y, **_latents(mean, variance))
        return shaped(self._likelihood().log_density(*arrays), shape)

    def predict(self, mean: Any, variance: Any) -> tuple[Floats, Floats]:
        """Means and variances of observations under `f ~ N(mean, variance)`; infinite or NaN where there are none."""
        shape, arrays = together(**_latents(mean, variance))
        found = self._likelihood().predict(*arrays)
        return shaped(found[0], shape), shaped(found[1], shape)

    def cdf(self, y: Any, mean: Any, variance: Any) -> Floats:
        """The predictive distribution function at `y` under `f ~ N(mean, variance)`."""
        shape, arrays = together(y=y, **_latents(mean, variance))
        return shaped(self._likelihood().cdf(*arrays), shape)

    def quantile(self, p: float, mean: Any, variance: Any) -> Floats:
        """Smallest observations whose predictive distribution function reaches `p`, strictly between 0 and 1."""
        share = within("p", p)
        shape, arrays = together(**_latents(mean, variance))
        return shaped(self._likelihood().quantile(share, *arrays), shape)

    def probability(self, mean: Any, variance: Any) -> Floats:
        """For two classes, the probability of the class 1 under `f ~ N(mean, variance)`."""
        shape, arrays = together(**_latents(mean, variance))
        found = self._likelihood().probability(*arrays)
        if found is None:
            raise VerbError(f"{type(self).__name__} is no likelihood of two classes", "ask for `predict` or `log_predictive`")
        return shaped(found, shape)

    def sample(self, f: Any, random_state: Any = 0) -> Floats:
        """One observation for each latent value; the same seed gives the same observations."""
        shape, (data,) = together(f=finites("f", f))
        return shaped(self._likelihood().sample(data, seed_of(random_state)), shape)


def _latents(mean: Any, variance: Any) -> dict[str, Floats]:
    return {"mean": finites("mean", mean), "variance": _variances(variance)}


def _variances(variance: Any) -> Floats:
    values = reals("variance", variance)
    if not np.isfinite(values).all() or (values < 0.0).any():
        raise DataError("`variance` holds a negative or infinite number", "give variances, squares of standard deviations")
    return values


class Gaussian(Likelihood):
    """Gaussian noise of a variance above 1e-6."""

    _type = "gaussian"

    def __init__(self, variance: float = 0.1) -> None:
        super().__init__(variance=_noise(variance))


class StudentT(Likelihood):
    """Student-t noise, for outliers; more than two degrees of freedom."""

    _type = "student_t"

    def __init__(self, dof: float = 4.0, *, scale: float = 0.3) -> None:
        super().__init__(dof=number("dof", dof, lambda v: v > 2.0, "a number above 2"), scale=positive("scale", scale))


class Laplace(Likelihood):
    """Laplace noise, for outliers."""

    _type = "laplace"

    def __init__(self, scale: float = 0.3) -> None:
        super().__init__(scale=positive("scale", scale))


class LogGaussian(Likelihood):
    """Gaussian noise on the logarithm of a positive target."""

    _type = "log_gaussian"

    def __init__(self, variance: float = 0.1) -> None:
        super().__init__(variance=_noise(variance))


class Exponential(Likelihood):
    """Exponential waiting times of scale `exp(f)`."""

    _type = "exponential"

    def __init__(self) -> None:
        super().__init__()


class Gamma(Likelihood):
    """Gamma, for positive targets of constant relative spread."""

    _type = "gamma"

    def __init__(self, shape: float = 1.0) -> None:
        super().__init__(shape=positive("shape", shape))


class Weibull(Likelihood):
    """Weibull, for lifetimes."""

    _type = "weibull"

    def __init__(self, shape: float = 1.0) -> None:
        super().__init__(shape=positive("shape", shape))


class Beta(Likelihood):
    """Beta, for shares in (0, 1); a larger precision is less spread."""

    _type = "beta"

    def __init__(self, precision: float = 10.0) -> None:
        super().__init__(precision=positive("precision", precision))


class Poisson(Likelihood):
    """Counts of mean `exposure exp(f)`."""

    _type = "poisson"

    def __init__(self, exposure: float = 1.0) -> None:
        super().__init__(exposure=positive("exposure", exposure))


class NegativeBinomial(Likelihood):
    """Overdispersed counts; a smaller dispersion is more spread."""

    _type = "negative_binomial"

    def __init__(self, dispersion: float = 1.0) -> None:
        super().__init__(dispersion=positive("dispersion", dispersion))


class ZeroInflatedPoisson(Likelihood):
    """Counts with many zeros; `zero` is the probability of a structural one, in (0, 1)."""

    _type = "zero_inflated_poisson"

    def __init__(self, zero: float = 0.1) -> None:
        super().__init__(zero=number("zero", zero, lambda v: 0.0 < v < 1.0, "a number in (0, 1)"))


class Binomial(Likelihood):
    """Successes in a number of trials."""

    _type = "binomial"

    def __init__(self, trials: int) -> None:
        super().__init__(trials=whole("trials", trials, 1))


class BernoulliProbit(Likelihood):
    """Two classes, -1 and 1, through the normal distribution function."""

    _type = "bernoulli_probit"

    def __init__(self) -> None:
        super().__init__()


class BernoulliLogit(Likelihood):
    """Two classes, -1 and 1, through the logistic function; with `bound`, expectations are the closed lower bound."""

    _type = "bernoulli_logit"

    def __init__(self, *, bound: bool = False) -> None:
        super().__init__(bound=bool(bound))


class Ordinal(Likelihood):
    """Ordered classes 0 .. K-1 between inner edges, ascending, one fewer than classes."""

    _type = "ordinal"

    def __init__(self, edges: Sequence[float]) -> None:
        super().__init__(edges=[finite("edges", edge) for edge in edges])


def _noise(variance: float) -> float:
    return number("variance", variance, lambda v: v > _FLOOR, f"a finite number above {_FLOOR}")


class MultiLikelihood(Part):
    """How an observation `y` comes from `P` latent values; `f`, `mean` and `variance` are `[N, P]`, `y` is `[N]`."""

    def _likelihood(self, latents: int) -> _native.MultiLikelihood:
        found = _native.MultiLikelihood(self._json(), latents, 0)
        if found.latents != latents:
            raise DataError(f"{latents} latent values a row, {type(self).__name__} has {found.latents}", "give as many columns")
        return found

    def log_prob(self, y: Any, f: Any) -> Floats:
        """`log p(y | f)`, `[N]`."""
        data, (values,) = _rows(y, f=finites("f", f))
        return _arrays.floats(self._likelihood(values.shape[1]).log_prob(data, values.tobytes()))

    def expected_log_prob(self, y: Any, mean: Any, variance: Any) -> Expected:
        """The variational expectation of `log p(y | f)`, or its documented lower bound, `[N]`; derivatives are `[N, P]`."""
        data, (center, spread) = _rows(y, **_latents(mean, variance))
        likelihood = self._likelihood(center.shape[1])
        value, by_mean, by_variance = likelihood.expected(data, center.tobytes(), spread.tobytes())
        return Expected(_arrays.floats(value), shaped(by_mean, center.shape), shaped(by_variance, center.shape))

    def log_predictive(self, y: Any, mean: Any, variance: Any) -> Floats:
        """The log predictive density or probability `log E[p(y | f)]`, `[N]`."""
        data, (center, spread) = _rows(y, **_latents(mean, variance))
        return _arrays.floats(self._likelihood(center.shape[1]).log_density(data, center.tobytes(), spread.tobytes()))

    def sample(self, f: Any, random_state: Any = 0) -> Floats:
        """One observation `[N]` for each row of latent values; the same seed gives the same observations."""
        found = reals("f", f)
        values = vectors("f", found, found.shape[-1] if found.ndim else 0)
        return _arrays.floats(self._likelihood(values.shape[1]).sample(values.tobytes(), seed_of(random_state)))


def _rows(y: Any, **found: Floats) -> tuple[bytes, list[Floats]]:
    """Observations `[N]` as bytes, and latent arrays `[N, P]` of one shape."""
    targets = np.atleast_1d(reals("y", y))
    shapes = {values.shape for values in found.values()}
    if len(shapes) != 1 or targets.ndim != 1 or any(len(s) != 2 or s[0] != len(targets) or s[1] == 0 for s in shapes):
        listed = ", ".join(f"`{name}` {list(values.shape)}" for name, values in {"y": targets, **found}.items())
        raise DataError(f"shapes do not go together: {listed}", "give `y` as [N] and latent values as [N, P]")
    return targets.tobytes(), list(found.values())


class Softmax(MultiLikelihood):
    """One of C classes by scores: expectations by antithetic pairs of `draws` common random numbers."""

    _type = "softmax"

    def __init__(self, draws: int = 32) -> None:
        super().__init__(draws=whole("draws", draws, 1, 1_000_000))


class SoftmaxBound(MultiLikelihood):
    """One of C classes by scores: expectations by a closed lower bound."""

    _type = "softmax_bound"

    def __init__(self) -> None:
        super().__init__()


class RobustMax(MultiLikelihood):
    """The class of the largest score, with a chance `epsilon` of an error, in (0, 1)."""

    _type = "robust_max"

    def __init__(self, epsilon: float = 1e-3) -> None:
        super().__init__(epsilon=number("epsilon", epsilon, lambda v: 0.0 < v < 1.0, "a number in (0, 1)"))


class Heteroscedastic(MultiLikelihood):
    """Gaussian noise whose log standard deviation is the second latent value."""

    _type = "heteroscedastic"

    def __init__(self) -> None:
        super().__init__()
