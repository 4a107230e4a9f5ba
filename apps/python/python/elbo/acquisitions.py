"""Acquisition functions: how much it is worth to measure at a place, from the mean and the spread of what is believed there.

`LogEI()(mean, sd, best=y.min())` scores places; larger is better. The same objects are the setting `acquisition` of `elbo.BO`:
`BO(acquisition=LogEI())`. `mean` and `sd` are arrays of one shape, in the unit of the target, and `sd` is that of the function, without
noise. Scores that look at several places together, at draws or at the whole belief are settings only.

| score | choose it for |
|---|---|
| `LogEI` | one point, little noise: the default |
| `LogNEI` | noise |
| `Thompson` | many trials at once |
| `KnowledgeGradient` | noise, and a final choice by the posterior mean |
| `MaxValueEntropy`, `PredictiveEntropy`, `JointEntropy` | information about the best value, its place, or both |
| `LCB` | a bound with a schedule |
| `EI`, `PI`, `LogPI` | comparison |
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import _arrays, _native
from ._arrays import Floats
from ._parts import Part, finite, finites, number, reals, shaped, together
from .errors import DataError, SettingError

#: By how much an experiment asks `PI` to improve, in standard deviations of the target.
_MARGIN = 0.01


class Acquisition(Part):
    """A score of places, as the setting `acquisition`."""

    def to_setting(self) -> str:
        """The score's name in settings."""
        return self._type


class Analytic(Acquisition):
    """A score of the mean and the standard deviation at one place."""

    def __call__(self, mean: Any, sd: Any, best: float | None = None, *, goal: str = "minimise") -> Floats:
        """Scores of places, in the shape of `mean` and `sd`; `best` is the value to improve on, `goal` `minimise` or `maximise`."""
        shape, _, (value, _, _) = self._evaluated(mean, sd, best, goal)
        return shaped(value, shape)

    def gradient(self, mean: Any, sd: Any, best: float | None = None, *, goal: str = "minimise") -> tuple[Floats, Floats]:
        """Derivatives of the scores by `mean` and by `sd`."""
        shape, sign, (_, by_mean, by_variance) = self._evaluated(mean, sd, best, goal)
        spread = np.broadcast_to(reals("sd", sd), shape)
        return sign * shaped(by_mean, shape), 2.0 * spread * shaped(by_variance, shape)

    def _parameter(self) -> float:
        return 0.0

    def _needs_best(self) -> bool:
        return True

    def _evaluated(self, mean: Any, sd: Any, best: float | None, goal: str) -> tuple[tuple[int, ...], float, list[bytearray]]:
        if goal not in ("minimise", "maximise"):
            raise SettingError(f"setting `goal` is {goal!r}", "give 'minimise' or 'maximise'")
        if best is None and self._needs_best():
            raise DataError(f"{type(self).__name__} needs `best`", "give the best value so far, or the best posterior mean")
        sign = 1.0 if goal == "minimise" else -1.0
        spread = finites("sd", sd)
        with np.errstate(over="ignore", under="ignore"):
            square = spread**2
        if not ((spread > 0.0) & (square > 0.0)).all():
            raise DataError("`sd` holds a number that is not positive", "leave out places whose value is known")
        if not np.isfinite(square).all():
            raise DataError("`sd` holds a number that is too large to be squared", "give the target in a larger unit")
        shape, (center, variance) = together(mean=sign * finites("mean", mean), variance=square)
        incumbent = 0.0 if best is None else sign * finite("best", best)
        return shape, sign, _native.acquisition_scores(self._type, self._parameter(), center, variance, incumbent)


class LogEI(Analytic):
    """The logarithm of expected improvement, accurate however small that is."""

    _type = "log_ei"


class EI(Analytic):
    """Expected improvement, in the unit of the target."""

    _type = "ei"


class _Improvement(Analytic):
    def __init__(self, margin: float = 0.0) -> None:
        super().__init__(margin=number("margin", margin, lambda v: v >= 0.0, "a number of at least 0"))

    def _parameter(self) -> float:
        return float(self._settings["margin"])


class PI(_Improvement):
    """Probability of improving by more than `margin`, in the unit of the target.

    As a setting the margin must be left out: an experiment takes 0.01 standard deviations of its target.
    """

    _type = "pi"

    def to_setting(self) -> str:
        """The score's name in settings."""
        if self._parameter() != 0.0:
            raise SettingError(
                f"{self!r} is no setting", f"leave `margin` out; it is {_MARGIN} of the target's sd in an experiment"
            )
        return self._type


class LogPI(_Improvement):
    """The logarithm of the probability of improving by more than `margin`; no setting, an experiment has `PI`."""

    _type = "log_pi"

    def to_setting(self) -> str:
        """Raises: experiments have no such score."""
        raise SettingError(f"{self!r} is no setting", "give `PI()` or `LogEI()`")


class LCB(Analytic):
    """A confidence bound, `sqrt(beta) sd - mean` where small is good, and `mean + sqrt(beta) sd` where large is.

    As a setting `beta` must be left out: it grows with the trials of an experiment.
    """

    _type = "lcb"

    def __init__(self, beta: float | None = None) -> None:
        allowed = None if beta is None else number("beta", beta, lambda v: v >= 0.0, "a number of at least 0")
        super().__init__(beta=allowed)

    def to_setting(self) -> str:
        """The score's name in settings."""
        if self._settings["beta"] is not None:
            raise SettingError(f"{self!r} is no setting", "leave `beta` out; it grows with the trials of an experiment")
        return self._type

    def _parameter(self) -> float:
        if self._settings["beta"] is None:
            raise SettingError("setting `beta` is None", "give the squared width of the bound, such as 4.0")
        return float(self._settings["beta"])

    def _needs_best(self) -> bool:
        return False


class LogNEI(Acquisition):
    """Log expected improvement over the noise-free values of the trials; a setting only."""

    _type = "log_nei"


class Thompson(Acquisition):
    """The best place of a function drawn from the belief; a setting only."""

    _type = "thompson"


class KnowledgeGradient(Acquisition):
    """How much the best posterior mean is expected to improve; a setting only. See :func:`knowledge_gradient`."""

    _type = "knowledge_gradient"


class MaxValueEntropy(Acquisition):
    """Information about the best value; a setting only."""

    _type = "max_value_entropy"


class PredictiveEntropy(Acquisition):
    """Information about the place of the best value; a setting only."""

    _type = "predictive_entropy"


class JointEntropy(Acquisition):
    """Information about the best value and its place; a setting only."""

    _type = "joint_entropy"


def knowledge_gradient(mean: Any, slope: Any) -> tuple[float, Floats]:
    """`E max_i (mean_i + slope_i Z) - max_i mean_i` for a standard normal `Z`, exact, and its derivatives `[A]` by the slopes.

    `mean: [A]` are the posterior means at a finite set of places, where large is good; `slope: [A]` is how far each moves with the
    standardised outcome of one more measurement: `cov(f_i, f(x)) / sqrt(var(f(x)) + noise)`. Frazier, Powell and Dayanik (2009).
    """
    heights, slopes = finites("mean", mean), finites("slope", slope)
    if heights.ndim != 1 or heights.shape != slopes.shape or len(heights) == 0:
        raise DataError(f"`mean` and `slope` have the shapes {heights.shape} and {slopes.shape}", "give numbers, [A] each")
    value, gradient = _native.knowledge_gradient(heights.tobytes(), slopes.tobytes())
    return value, _arrays.floats(gradient)
