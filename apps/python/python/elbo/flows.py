"""Normalising flows: learnable bijections that make any density of standard normal noise.

A flow is named by a text, as in settings: `realnvp(4)` is `'realnvp:4x32'`. `Flow(text, D)` is one near the identity, `fit(X, text)` one
fitted to rows by maximum likelihood. The same texts are variational families: `elbo.infer.vi(density, D, spline(4))`,
`FlowVIRegressor(flow=planar(8))`.

| flow | density of any point | use it |
|---|---|---|
| `spline`, `realnvp`, `nice` | one pass | the general choice |
| `maf` | one pass; `D` passes for draws | density estimation |
| `iaf` | `D` passes; one pass for draws | sampling |
| `continuous` | four passes a step, as for draws; to the error of the steps | smooth bends |
| `radial`, `householder` | one pass | posteriors; the second is a Gaussian with dense covariance |
| `planar`, `sylvester` | no closed inverse: of own draws only | posteriors, cheap |

Logarithms are natural. Points are rows `[N, D]`.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from . import _native, _progress
from ._arrays import Floats, floats
from ._base import _limit, seed_of
from ._parts import positive, reals, shaped, vectors, whole
from .errors import DataError, VerbError, tell

#: Most layers, and largest size of one; the native half has limits on both together.
_MOST = 10_000


def _text(name: str, layers: int, **size: int) -> str:
    count = whole("layers", layers, 0, _MOST)
    return f"{name}:{count}" + "".join(f"x{whole(key, value, 1, _MOST)}" for key, value in size.items())


def planar(layers: int = 8) -> str:
    """Planar maps `z + u tanh(w z + b)`. Rezende and Mohamed (2015)."""
    return _text("planar", layers)


def radial(layers: int = 8) -> str:
    """Radial maps around learned centres."""
    return _text("radial", layers)


def householder(layers: int = 4) -> str:
    """Reflections: a Gaussian with dense covariance."""
    return _text("householder", layers)


def sylvester(layers: int = 4, *, reflections: int = 2) -> str:
    """Planar maps of several directions at once."""
    return _text("sylvester", layers, reflections=reflections)


def nice(layers: int = 4, *, hidden: int = 32) -> str:
    """Additive couplings, which keep volumes; two or more coordinates."""
    return _text("nice", layers, hidden=hidden)


def realnvp(layers: int = 4, *, hidden: int = 32) -> str:
    """Affine couplings with conditioners of two layers of `hidden` units; two or more coordinates. Dinh et al. (2017)."""
    return _text("realnvp", layers, hidden=hidden)


def iaf(layers: int = 4, *, hidden: int = 32) -> str:
    """Inverse autoregressive layers: quick to sample. Kingma et al. (2016)."""
    return _text("iaf", layers, hidden=hidden)


def maf(layers: int = 4, *, hidden: int = 32) -> str:
    """Masked autoregressive layers: quick to evaluate. Papamakarios et al. (2017)."""
    return _text("maf", layers, hidden=hidden)


def spline(layers: int = 4, *, bins: int = 8) -> str:
    """Couplings of rational-quadratic splines; any number of coordinates."""
    return _text("spline", layers, bins=whole("bins", bins, 2, 500))


def continuous(steps: int = 8, *, hidden: int = 32) -> str:
    """A differential equation in Runge-Kutta steps, its velocity of two layers of `hidden` units. Chen et al. (2018)."""
    return f"continuous:{whole('steps', steps, 0, _MOST)}x{whole('hidden', hidden, 1, _MOST)}"


class Flow:
    """A flow over `D` coordinates: `x = shift + scale * T(u)` for standard normal noise `u`.

    `spec` is its text; the start is at or near the identity and drawn from the seed. `shift` and `scale`, `[D]`, put the flow into the
    unit of the data.
    """

    #: Mean log likelihoods of the minibatches of a fit, in nats a row, in the unit of the data; empty without one.
    history: Floats
    _shift: Floats
    _scale: Floats

    def __init__(self, spec: str, dimension: int, *, shift: Any = 0.0, scale: Any = 1.0, random_state: Any = 0) -> None:
        self.spec, self.dimension = str(spec), whole("dimension", dimension, 1)
        self._shift = self._one_each("shift", shift)
        self._scale = self._one_each("scale", scale)
        if not (self._scale > 0.0).all():
            raise DataError("`scale` holds a number that is not positive", "give positive numbers, [D]")
        self._seed = seed_of(random_state)
        self._flow = _native.Flow(self.spec, self.dimension, self._seed)
        self.history = np.empty(0)

    def _one_each(self, name: str, values: Any) -> Floats:
        found = reals(name, values)
        if found.shape not in ((), (self.dimension,)) or not np.isfinite(found).all():
            raise DataError(f"`{name}` has the shape {list(found.shape)}", f"give finite numbers, [{self.dimension}]")
        each: Floats = np.broadcast_to(found, self.dimension).copy()
        return each

    @property
    def shift(self) -> Floats:
        """What is added, `[D]`."""
        return np.array(self._shift)

    @property
    def scale(self) -> Floats:
        """What multiplies before that, `[D]`."""
        return np.array(self._scale)

    @property
    def parameters(self) -> Floats:
        """All learned numbers, unconstrained, one after the other."""
        return floats(self._flow.parameters)

    def forward(self, u: Any) -> tuple[Floats, Floats]:
        """Images `x: [N, D]` of noise `u: [N, D]`, and `log|det dx/du|`, `[N]`."""
        noise = vectors("u", u, self.dimension)
        image, log_det = self._flow.forward(noise.tobytes())
        points = self._shift + self._scale * shaped(image, noise.shape)
        return points, floats(log_det) + self._log_scale()

    def inverse(self, x: Any) -> tuple[Floats, Floats]:
        """Noise `u: [N, D]` of points `x: [N, D]`, and `log|det du/dx|`, `[N]`.

        Raises :class:`elbo.VerbError` for flows without a closed inverse, `planar` and `sylvester`.
        """
        points = vectors("x", x, self.dimension)
        found = self._flow.inverse(self._standardised(points))
        if found is None:
            raise self._refused()
        return shaped(found[0], points.shape), floats(found[1]) - self._log_scale()

    def log_prob(self, x: Any) -> Floats:
        """Log densities `[N]` in nats at `x: [N, D]`; raises as :meth:`inverse` does."""
        points = vectors("x", x, self.dimension)
        found = self._flow.log_prob(self._standardised(points))
        if found is None:
            raise self._refused()
        return floats(found) - self._log_scale()

    def sample(self, size: int = 1, random_state: Any = 0) -> Floats:
        """Independent draws `[size, D]`; the same seed gives the same draws."""
        return self.sample_with_log_prob(size, random_state)[0]

    def sample_with_log_prob(self, size: int = 1, random_state: Any = 0) -> tuple[Floats, Floats]:
        """Draws `[size, D]` and their log densities `[size]` in nats, which every flow has."""
        count = whole("size", size, 1)
        drawn, log_prob = self._flow.sample(count, seed_of(random_state))
        points = self._shift + self._scale * shaped(drawn, (count, self.dimension))
        return points, floats(log_prob) - self._log_scale()

    def _standardised(self, points: Floats) -> bytes:
        return ((points - self._shift) / self._scale).tobytes()

    def _log_scale(self) -> float:
        return float(np.log(self._scale).sum())

    def _refused(self) -> VerbError:
        return VerbError(f"`{self.spec}` has no closed inverse", "ask `sample_with_log_prob`, or take `spline` or `realnvp`")

    def __getstate__(self) -> dict[str, Any]:
        state = {name: value for name, value in vars(self).items() if name != "_flow"}
        return {**state, "parameters": self.parameters}

    def __setstate__(self, state: dict[str, Any]) -> None:
        parameters = state.pop("parameters")
        vars(self).update(state)
        self._flow = _native.Flow(self.spec, self.dimension, self._seed, parameters.tobytes())

    def __repr__(self) -> str:
        return f"Flow({self.spec!r}, {self.dimension})"


def fit(
    X: Any,
    spec: str = "spline:4x8",
    *,
    steps: int = 2000,
    batch: int = 256,
    rate: float = 0.005,
    random_state: Any = 0,
    max_time: float | None = None,
    verbose: bool | None = None,
) -> Flow:
    """The flow of largest likelihood for rows `X: [N, D]`: `steps` of Adam on minibatches of `batch` rows.

    The rate falls from `rate` to its hundredth along half a cosine. Columns are standardised first; the flow's `shift` and `scale` undo it.
    `history` has the log likelihoods on the way. Raises :class:`elbo.DataError` for flows without a closed inverse and for columns
    without spread. Ctrl-C and `max_time` (seconds) keep what there is.
    """
    found = reals("X", X)
    rows = vectors("X", found, found.shape[1] if found.ndim == 2 else 0)
    if len(rows) < 2:
        raise DataError("`X` has 1 row", "give more rows, better hundreds")
    shift, scale = rows.mean(0), rows.std(0)
    if not (scale > 0.0).all():
        raise DataError(f"column {int(np.argmin(scale))} of `X` is constant", "leave it out")
    flow = Flow(spec, rows.shape[1], shift=shift, scale=scale, random_state=random_state)
    flow._flow, rest = _native.fit_flow(
        flow.spec,
        flow.dimension,
        flow._standardised(rows),
        whole("steps", steps, 1),
        whole("batch", batch, 1),
        positive("rate", rate),
        flow._seed,
        _limit(max_time),
        _progress.watcher(verbose, "flow"),
    )
    told = json.loads(rest)
    tell(told, "the flow at that step is returned")
    (losses,) = told["metrics"].values()
    flow.history = -np.array([loss for _, loss in losses]) - flow._log_scale()
    return flow
