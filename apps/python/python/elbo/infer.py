"""Sampling and variational inference of a log density of your own: a Python function that returns its value and its gradient.

def normal(z):
    return -0.5 * z @ z, -z

draws = elbo.infer.nuts(normal, 3)

Draws from anywhere are judged by `r_hat`, `ess` and `mcse`, importance weights by `psis`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import _arrays, _html, _native, _progress
from ._arrays import Array, Floats
from ._arviz import inference_data, shaped
from ._base import _limit, seed_of, to_json
from ._diagnostics import Psis, ess, mcse, psis, r_hat
from ._parts import reals
from .errors import DataError, tell

__all__ = ["Approximation", "Draws", "LogDensity", "Psis", "ess", "mcse", "nuts", "psis", "r_hat", "vi"]

#: Takes a point `[D]`; returns the log density up to a constant, and its gradient `[D]`.
LogDensity = Callable[[Floats], "tuple[float, Any]"]


def _density(function: LogDensity, dim: int) -> Callable[[bytearray], tuple[float, bytes]]:
    def density(point: bytearray) -> tuple[float, bytes]:
        value, gradient = function(_arrays.floats(point))
        slope = np.ascontiguousarray(gradient, np.float64)
        if slope.shape != (dim,):
            raise DataError(f"the gradient has the shape {list(slope.shape)}, expected [{dim}]", "return one slope an unknown")
        return float(value), slope.tobytes()

    return density


def _named(names: Sequence[str] | None, dim: int) -> list[str]:
    if not isinstance(dim, (int, np.integer)) or dim < 1:
        raise DataError(f"`dim` is {dim!r}", "give the number of unknowns, at least 1")
    if names is not None and len(names) != dim:
        raise DataError(f"{len(names)} names for {dim} unknowns", "give one name an unknown")
    if names is not None and len(set(names)) != dim:
        raise DataError("two unknowns have one name", "give each a name of its own")
    return [f"z[{i}]" for i in range(dim)] if names is None else list(names)


def _tell(told: dict[str, Any], labels: list[str]) -> None:
    for i, label in enumerate(labels):
        told["warnings"] = [text.replace(f"`z[{i}]`", f"`{label}`") for text in told["warnings"]]
    tell(told, "what there was is returned")


@dataclass(frozen=True)
class Draws:
    """Draws of several chains, and what was noted of each."""

    #: `[chains, draws, D]`.
    values: Floats
    names: list[str]
    #: Arrays `[chains, draws]` under ArviZ's names: `lp`, `energy`, `acceptance_rate`, `tree_depth`, `n_steps`, `diverging`.
    stats: dict[str, Array] = field(repr=False)
    #: For each unknown: mean, sd, quantiles, R-hat, effective draws, Monte Carlo error.
    summary: dict[str, dict[str, float]] = field(repr=False)
    #: Step size of each chain.
    step_size: list[float] = field(repr=False)
    #: Gradients that were evaluated, warm-up included.
    gradients: int
    warnings: list[str]

    @property
    def mean(self) -> Floats:
        """Posterior means `[D]`."""
        return np.asarray(self.values.mean((0, 1)))

    @property
    def sd(self) -> Floats:
        """Posterior standard deviations `[D]`."""
        return np.asarray(self.values.std((0, 1)))

    def _repr_html_(self) -> str:
        """The summary, for notebooks."""
        chains, draws, _ = self.values.shape
        divergent = int(np.sum(self.stats["diverging"]))
        text = f"{self.gradients:,} gradients; {divergent} divergent draws."
        return _html.heart(f"{chains} chains of {draws} draws", [text], self.summary, self.warnings)

    def to_arviz(self) -> Any:
        """The draws as ArviZ has them; needs `arviz`."""
        posterior = {name: self.values[:, :, i] for i, name in enumerate(self.names)}
        return inference_data(posterior, self.stats)


@dataclass(frozen=True)
class Approximation:
    """What a variational fit found: draws of the approximation, and how far to trust them."""

    #: `[S, D]`.
    values: Floats
    names: list[str]
    #: Normalised importance weights of the draws, smoothed.
    weights: Floats = field(repr=False)
    #: The evidence lower bound, and its standard error.
    elbo: float
    elbo_error: float
    #: How heavy the tail of the weights posterior/approximation is; below `threshold` the draws can be trusted.
    k_hat: float
    threshold: float
    #: Why the answer is not to be trusted; None when it is.
    doubt: str | None
    gradients: int
    warnings: list[str]

    @property
    def mean(self) -> Floats:
        """Means of the approximation `[D]`."""
        return np.asarray(self.values.mean(0))

    @property
    def sd(self) -> Floats:
        """Standard deviations of the approximation `[D]`."""
        return np.asarray(self.values.std(0))

    def _repr_html_(self) -> str:
        """What was found and how far to trust it, for notebooks."""
        trust = "can be trusted" if self.doubt is None else f"not to be trusted: {self.doubt}"
        text = f"Evidence lower bound {self.elbo:.4g} ± {self.elbo_error:.2g}; Pareto k {self.k_hat:.2f}, at most {self.threshold:.2f}."
        rows = {name: {"mean": mean, "sd": sd} for name, mean, sd in zip(self.names, self.mean.tolist(), self.sd.tolist())}
        return _html.heart(f"An approximation, {trust}", [text], rows, self.warnings)

    def to_arviz(self) -> Any:
        """The draws as one chain of ArviZ, with their importance weights; needs `arviz`."""
        posterior = {name: self.values[np.newaxis, :, i] for i, name in enumerate(self.names)}
        return inference_data(posterior, {"weight": self.weights[np.newaxis]})


def nuts(
    log_density: LogDensity,
    dim: int,
    *,
    chains: int = 4,
    warmup: int = 1000,
    draws: int = 1000,
    target_accept: float = 0.8,
    max_depth: int = 10,
    metric: str = "diagonal",
    start: Any = None,
    names: Sequence[str] | None = None,
    random_state: Any = 0,
    max_time: float | None = None,
    verbose: bool | None = None,
) -> Draws:
    """Draws from a log density over `dim` unconstrained unknowns by the no-U-turn sampler.

    `metric` is `identity`, `diagonal`, `gradient`, `low_rank` or `dense`; `start` is a point `[D]`, or one for each chain.
    """
    labels = _named(names, dim)
    starts = _starts(start, dim)
    if starts is not None and len(starts) not in (1, chains):
        raise DataError(f"`start` has {len(starts)} points for {chains} chains", "give one point, or one for each chain")
    options = {
        "chains": chains,
        "warmup": warmup,
        "draws": draws,
        "target_accept": target_accept,
        "metric": metric,
        "trajectory": {"type": "no_u_turn", "max_depth": max_depth},
    }
    values, stats, rest = _native.nuts(
        _density(log_density, dim),
        dim,
        to_json(options),
        starts,
        seed_of(random_state),
        _limit(max_time),
        _progress.watcher(verbose, "nuts"),
    )
    told = json.loads(rest)
    _tell(told, labels)
    shape = (told["chains"], told["draws"])
    return Draws(
        _arrays.floats(values).reshape(*shape, dim),
        labels,
        shaped(stats, shape),
        {label: {key: _real(value) for key, value in found.items()} for label, found in zip(labels, told["summaries"])},
        [_real(size) for size in told["step_size"]],
        told["gradients"],
        told["warnings"],
    )


def _real(value: float | None) -> float:
    """A number from JSON, which has no NaN."""
    return float("nan") if value is None else value


def _starts(start: Any, dim: int) -> list[list[float]] | None:
    if start is None:
        return None
    points = np.atleast_2d(reals("start", start))
    if points.ndim != 2 or points.shape[1] != dim:
        raise DataError(f"`start` has the shape {list(points.shape)}", f"give points of {dim} numbers")
    listed: list[list[float]] = points.tolist()
    return listed


def vi(
    log_density: LogDensity,
    dim: int,
    method: str = "full-rank",
    *,
    steps: int = 20_000,
    rate: float = 0.05,
    gradient_draws: int = 10,
    draws: int = 4000,
    tolerance: float = 0.03,
    start: Any = None,
    names: Sequence[str] | None = None,
    random_state: Any = 0,
    max_time: float | None = None,
    verbose: bool | None = None,
) -> Approximation:
    """Fits a named family to a log density over `dim` unconstrained unknowns by ascending the evidence lower bound.

    `method` is `mean-field`, `full-rank`, `low-rank:R`, `mixture:K`, or a flow such as `spline:4x8`; `start` is a point `[D]`.
    """
    labels = _named(names, dim)
    options = {"steps": steps, "rate": rate, "draws": gradient_draws, "evaluated": draws, "tolerance": tolerance}
    starts = _starts(start, dim)
    if starts is not None and len(starts) != 1:
        raise DataError(f"`start` has {len(starts)} points", "give one point; the family has one centre")
    values, weights, rest = _native.vi(
        _density(log_density, dim),
        dim,
        method,
        to_json(options),
        starts[0] if starts else None,
        seed_of(random_state),
        _limit(max_time),
        _progress.watcher(verbose, method),
    )
    told = json.loads(rest)
    _tell(told, labels)
    k_hat = float("inf") if told["k_hat"] is None else told["k_hat"]
    elbo, error = map(_real, told["elbo"])
    return Approximation(
        _arrays.floats(values).reshape(-1, dim),
        labels,
        np.exp(_arrays.floats(weights)),
        elbo,
        error,
        k_hat,
        told["threshold"],
        told["doubt"],
        told["gradients"],
        told["warnings"],
    )
