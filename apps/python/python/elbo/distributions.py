"""Distributions of one number and of vectors: log densities, draws, quantiles, moments, entropies and divergences.

`Normal(0.0, 2.0).log_prob([0.0, 1.0])`. Logarithms are natural and everything about information is in nats. Parameters are numbers,
points are arrays of any shape. A parameter out of range raises :class:`elbo.SettingError`; points that cannot be read, or probabilities
outside (0, 1), raise :class:`elbo.DataError`. A distribution is also a prior: `GPR(priors={"lengthscale": Gamma(3, 6)})`.

| on | distributions |
|---|---|
| the line | `Normal`, `StudentT`, `Laplace`, `GeneralisedNormal`, `Logistic`, `Gumbel`, `Uniform` on an interval |
| the positive numbers | `Gamma`, `InverseGamma`, `LogNormal`, `HalfNormal`, `HalfCauchy`, `Exponential`, `Weibull`, `InverseGaussian`, `Pareto` |
| the unit interval, the circle | `Beta`, `Kumaraswamy`; `VonMises` |
| counts, events, classes | `Poisson`, `NegativeBinomial`, `Binomial`, `Geometric`, `ZeroInflated`, `Bernoulli`, `Categorical` |
| vectors, shares | `MultivariateNormal`, `Dirichlet` |
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Union

import numpy as np

from . import _arrays, _native
from ._arrays import Floats
from ._base import seed_of
from ._parts import Part, finite, finites, number, positive, reals, shaped, share, vectors, whole
from .errors import DataError, FitWarning, SettingError, warn

Size = Union[int, Sequence[int]]

#: By how much probabilities may miss the sum of one.
_SUM = 1e-6
#: Distributions that a prior may be, by the names of settings.
_PRIORS = ("normal", "log_normal", "gamma", "inverse_gamma", "half_normal", "half_cauchy", "beta", "uniform")


class Univariate(Part):
    """A distribution of one number."""

    def to_setting(self) -> str:
        """The distribution as a prior: `gamma(3.0, 6.0)`. Raises :class:`elbo.SettingError` for one that priors do not offer."""
        if self._type not in _PRIORS:
            raise SettingError(f"{self!r} is no prior", f"priors are: {', '.join(_PRIORS)}")
        return f"{self._type}({', '.join(map(repr, self._settings.values()))})"

    def _law(self) -> _native.Univariate:
        return _native.Univariate(self._json())

    @property
    def mean(self) -> float:
        """The mean; infinite or NaN where there is none."""
        return self._law().mean

    @property
    def variance(self) -> float:
        """The variance; infinite where there is none."""
        return self._law().variance

    @property
    def sd(self) -> float:
        """The standard deviation."""
        return float(np.sqrt(self.variance))

    @property
    def entropy(self) -> float | None:
        """The (differential) entropy in nats; None where it has no closed form."""
        return self._law().entropy

    def log_prob(self, x: Any) -> Floats:
        """Log densities, or log probabilities of counts, at `x` of any shape; minus infinity off the support."""
        points = reals("x", x)
        return shaped(self._law().log_prob(points.tobytes()), points.shape)

    def cdf(self, x: Any) -> Floats:
        """Probabilities of values up to `x`, of any shape."""
        points = reals("x", x)
        return shaped(self._law().cdf(points.tobytes()), points.shape)

    def quantile(self, p: Any) -> Floats:
        """Smallest values whose distribution function reaches `p`, of any shape, strictly between 0 and 1."""
        shares = reals("p", p)
        if not ((shares > 0.0) & (shares < 1.0)).all():
            raise DataError("`p` holds a number outside (0, 1)", "give shares strictly between 0 and 1")
        return shaped(self._law().quantile(shares.tobytes()), shares.shape)

    def sample(self, size: Size = 1, random_state: Any = 0) -> Floats:
        """Independent draws of this shape; the same seed gives the same draws."""
        shape = (size,) if isinstance(size, (int, np.integer)) else tuple(size)
        lengths = tuple(whole("size", length, 0) for length in shape)
        count = int(np.prod(lengths, dtype=np.int64))
        return shaped(self._law().sample(count, seed_of(random_state)), lengths)


class Bernoulli(Univariate):
    """1 with a probability, else 0."""

    _type = "bernoulli"

    def __init__(self, probability: float) -> None:
        super().__init__(probability=share("probability", probability))


class Beta(Univariate):
    """Density in proportion to `x^(a-1) (1-x)^(b-1)` on (0, 1)."""

    _type = "beta"

    def __init__(self, a: float, b: float) -> None:
        super().__init__(a=positive("a", a), b=positive("b", b))


class Binomial(Univariate):
    """Successes in a number of trials."""

    _type = "binomial"

    def __init__(self, trials: int, probability: float) -> None:
        super().__init__(trials=whole("trials", trials, 1), probability=share("probability", probability))


class Categorical(Univariate):
    """One of the classes 0, 1, ..., K - 1, with probabilities `[K]` that sum to one."""

    _type = "categorical"

    def __init__(self, probabilities: Any) -> None:
        shares = reals("probabilities", probabilities)
        if shares.ndim != 1 or len(shares) == 0 or (shares < 0.0).any() or abs(shares.sum() - 1.0) > _SUM:
            raise SettingError(f"setting `probabilities` is {probabilities!r}", "give a list of numbers with the sum 1")
        super().__init__(probabilities=shares.tolist())


class Exponential(Univariate):
    """Waiting times of a rate, the reciprocal of the mean."""

    _type = "exponential"

    def __init__(self, rate: float = 1.0) -> None:
        super().__init__(rate=positive("rate", rate))


class Gamma(Univariate):
    """Shape and rate; the mean is `shape / rate`."""

    _type = "gamma"

    def __init__(self, shape: float, rate: float = 1.0) -> None:
        super().__init__(shape=positive("shape", shape), rate=positive("rate", rate))


class GeneralisedNormal(Univariate):
    """Density in proportion to `exp(-(|x - mean| / scale)^exponent)`."""

    _type = "generalised_normal"

    def __init__(self, mean: float = 0.0, scale: float = 1.0, *, exponent: float = 2.0) -> None:
        super().__init__(mean=finite("mean", mean), scale=positive("scale", scale), exponent=positive("exponent", exponent))


class Geometric(Univariate):
    """Failures before the first success, which has this probability, in (0, 1]."""

    _type = "geometric"

    def __init__(self, probability: float) -> None:
        super().__init__(probability=number("probability", probability, lambda p: 0.0 < p <= 1.0, "a number in (0, 1]"))


class Gumbel(Univariate):
    """Largest values: mode and scale."""

    _type = "gumbel"

    def __init__(self, location: float = 0.0, scale: float = 1.0) -> None:
        super().__init__(location=finite("location", location), scale=positive("scale", scale))


class HalfCauchy(Univariate):
    """A Cauchy distribution folded at zero; the scale is the median."""

    _type = "half_cauchy"

    def __init__(self, scale: float = 1.0) -> None:
        super().__init__(scale=positive("scale", scale))


class HalfNormal(Univariate):
    """A normal distribution folded at zero, of this standard deviation before."""

    _type = "half_normal"

    def __init__(self, sd: float = 1.0) -> None:
        super().__init__(sd=positive("sd", sd))


class InverseGamma(Univariate):
    """The reciprocal of a gamma variable: shape and scale."""

    _type = "inverse_gamma"

    def __init__(self, shape: float, scale: float = 1.0) -> None:
        super().__init__(shape=positive("shape", shape), scale=positive("scale", scale))


class InverseGaussian(Univariate):
    """Mean and shape; the variance is `mean³ / shape`."""

    _type = "inverse_gaussian"

    def __init__(self, mean: float, shape: float = 1.0) -> None:
        super().__init__(mean=positive("mean", mean), shape=positive("shape", shape))


class Kumaraswamy(Univariate):
    """Distribution function `1 - (1 - x^a)^b` on (0, 1)."""

    _type = "kumaraswamy"

    def __init__(self, a: float, b: float) -> None:
        super().__init__(a=positive("a", a), b=positive("b", b))


class Laplace(Univariate):
    """Density in proportion to `exp(-|x - location| / scale)`."""

    _type = "laplace"

    def __init__(self, location: float = 0.0, scale: float = 1.0) -> None:
        super().__init__(location=finite("location", location), scale=positive("scale", scale))


class LogNormal(Univariate):
    """The exponential of a normal variable of mean `mu` and standard deviation `sigma`."""

    _type = "log_normal"

    def __init__(self, mu: float = 0.0, sigma: float = 1.0) -> None:
        super().__init__(mu=finite("mu", mu), sigma=positive("sigma", sigma))


class Logistic(Univariate):
    """Distribution function `1 / (1 + exp(-(x - location) / scale))`."""

    _type = "logistic"

    def __init__(self, location: float = 0.0, scale: float = 1.0) -> None:
        super().__init__(location=finite("location", location), scale=positive("scale", scale))


class NegativeBinomial(Univariate):
    """Counts of variance `mean + mean² / dispersion`."""

    _type = "negative_binomial"

    def __init__(self, mean: float, dispersion: float = 1.0) -> None:
        super().__init__(mean=positive("mean", mean), dispersion=positive("dispersion", dispersion))


class Normal(Univariate):
    """Mean and standard deviation."""

    _type = "normal"

    def __init__(self, mean: float = 0.0, sd: float = 1.0) -> None:
        super().__init__(mean=finite("mean", mean), sd=positive("sd", sd))


class Pareto(Univariate):
    """Values above `scale` with a tail of index `shape`."""

    _type = "pareto"

    def __init__(self, scale: float, shape: float) -> None:
        super().__init__(scale=positive("scale", scale), shape=positive("shape", shape))


class Poisson(Univariate):
    """Counts of this mean."""

    _type = "poisson"

    def __init__(self, mean: float) -> None:
        super().__init__(mean=positive("mean", mean))


class StudentT(Univariate):
    """Location, scale and degrees of freedom; the variance is `scale² dof / (dof - 2)`."""

    _type = "student_t"

    def __init__(self, dof: float, *, location: float = 0.0, scale: float = 1.0) -> None:
        super().__init__(location=finite("location", location), scale=positive("scale", scale), dof=positive("dof", dof))


class Uniform(Univariate):
    """Constant density from `low` to `high`."""

    _type = "uniform"

    def __init__(self, low: float = 0.0, high: float = 1.0) -> None:
        low = finite("low", low)
        super().__init__(low=low, high=number("high", high, lambda v: v > low, "a finite number above `low`"))


class VonMises(Univariate):
    """Angles in radians: mean direction and concentration; zero is uniform on the circle."""

    _type = "von_mises"

    def __init__(self, direction: float = 0.0, concentration: float = 1.0) -> None:
        super().__init__(
            direction=finite("direction", direction),
            concentration=number("concentration", concentration, lambda v: v >= 0.0, "a number of at least 0"),
        )


class Weibull(Univariate):
    """Lifetimes: shape and scale; the hazard falls for shapes below one, and rises above."""

    _type = "weibull"

    def __init__(self, shape: float, scale: float = 1.0) -> None:
        super().__init__(shape=positive("shape", shape), scale=positive("scale", scale))


class ZeroInflated(Univariate):
    """Zero with the probability `zero`, else a draw of `base`: a `Poisson`, `NegativeBinomial` or `Binomial`."""

    def __init__(self, zero: float, base: Univariate) -> None:
        if not isinstance(base, (Poisson, NegativeBinomial, Binomial)):
            raise SettingError(f"setting `base` is {base!r}", "give a Poisson, NegativeBinomial or Binomial distribution")
        super().__init__(zero=number("zero", zero, lambda v: 0.0 <= v < 1.0, "a number in [0, 1)"), base=base)

    def _table(self) -> dict[str, Any]:
        base: Univariate = self._settings["base"]
        return {"type": f"zero_inflated_{base._type}", "zero": self._settings["zero"], "base": dict(base._settings)}


class Multivariate:
    """A distribution of a vector of `D` numbers."""

    _law: _native.Multivariate

    @property
    def dimension(self) -> int:
        """Number of coordinates, `D`."""
        return len(self.mean)

    @property
    def mean(self) -> Floats:
        """Means `[D]`."""
        return _arrays.floats(self._law.mean)

    @property
    def variance(self) -> Floats:
        """Variances of the coordinates, `[D]`."""
        return _arrays.floats(self._law.variance)

    @property
    def entropy(self) -> float:
        """The differential entropy in nats."""
        return self._law.entropy

    def log_prob(self, x: Any) -> Floats:
        """Log densities `[N]` at rows `x: [N, D]`, or at one point `[D]`."""
        return _arrays.floats(self._law.log_prob(self._points(x).tobytes()))

    def _points(self, x: Any) -> Floats:
        return vectors("x", x, self.dimension)

    def sample(self, size: int = 1, random_state: Any = 0) -> Floats:
        """Independent draws `[size, D]`; the same seed gives the same draws."""
        count = whole("size", size, 1)
        return shaped(self._law.sample(count, seed_of(random_state)), (count, self.dimension))


class MultivariateNormal(Multivariate):
    """Normal vectors with mean `[D]` and covariance `[D, D]`, symmetric and positive definite.

    Where the covariance can only be factored with a larger diagonal, a :class:`elbo.FitWarning` says by how much; where not even so,
    :class:`elbo.NumericalError` is raised.
    """

    _covariance: Floats

    def __init__(self, mean: Any, covariance: Any) -> None:
        center, spread = finites("mean", mean), finites("covariance", covariance)
        if center.ndim != 1 or len(center) == 0 or spread.shape != 2 * center.shape:
            shapes = f"`mean` has the shape {list(center.shape)}, `covariance` {list(spread.shape)}"
            raise DataError(shapes, "give a mean [D] and a covariance [D, D]")
        if not np.allclose(spread, spread.T, rtol=1e-9, atol=1e-12 * np.abs(spread).max()):
            raise DataError("`covariance` is not symmetric", "give (C + C.T) / 2 where the difference is rounding")
        self._covariance = spread.copy()
        self._law = _native.Multivariate.normal(center.tobytes(), spread.tobytes())
        if self._law.jitter is not None:
            warn(f"the covariance is singular; {self._law.jitter:.1e} was added to its diagonal", FitWarning)

    @property
    def covariance(self) -> Floats:
        """The covariance `[D, D]` that was given."""
        return np.array(self._covariance)

    def __reduce__(self) -> Any:
        return MultivariateNormal, (self.mean, self._covariance)

    def __repr__(self) -> str:
        return f"MultivariateNormal({self.mean.tolist()}, {self._covariance.tolist()})"


class Dirichlet(Multivariate):
    """Shares `[K]` that sum to one, with positive concentrations `[K]`; the density is that of the first `K - 1` shares."""

    def __init__(self, concentration: Any) -> None:
        found = reals("concentration", concentration)
        if found.ndim != 1 or len(found) < 2 or not np.isfinite(found).all() or not (found > 0.0).all():
            raise SettingError(f"setting `concentration` is {concentration!r}", "give two or more positive numbers")
        self._concentration = found.copy()
        self._law = _native.Multivariate.dirichlet(found.tobytes())

    def _points(self, x: Any) -> Floats:
        points = super()._points(x)
        if not (points > 0.0).all() or (np.abs(points.sum(1) - 1.0) > _SUM).any():
            raise DataError("`x` holds a row that is no list of shares", "give positive numbers with the sum 1 in each row")
        return points

    def __reduce__(self) -> Any:
        return Dirichlet, (self._concentration,)

    def __repr__(self) -> str:
        return f"Dirichlet({self._concentration.tolist()})"


def kl(q: Univariate | Multivariate, p: Univariate | Multivariate) -> float:
    """The Kullback-Leibler divergence `KL[q || p] = E_q[log q - log p]` in nats, in closed form.

    Raises :class:`elbo.DataError` for pairs without a closed form: those of two families, and of families that have none.
    """
    value: float | None = None
    if isinstance(q, Univariate) and isinstance(p, Univariate):
        value = q._law().kl(p._law())
    elif isinstance(q, Multivariate) and isinstance(p, Multivariate):
        if q.dimension != p.dimension:
            raise DataError(f"`q` has {q.dimension} dimensions, `p` has {p.dimension}", "give two of one dimension")
        value = q._law.kl(p._law)
    if value is None:
        pair = f"{type(q).__name__} and {type(p).__name__}"
        raise DataError(
            f"the divergence of {pair} has no closed form", "average `q.log_prob(x) - p.log_prob(x)` over draws of q"
        )
    return value
