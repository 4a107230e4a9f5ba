"""Kernels composed by hand: `Matern52(0.5) * Periodic(1.0) + White(0.1)`, for the setting `kernel` of Gaussian processes.

Numbers are where the search for hyperparameters starts, in units of the standardised inputs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Union

import numpy as np

from . import _arrays, _native
from ._arrays import Floats
from ._base import plain
from ._parts import reals
from .errors import DataError

Number = Union[int, float]


class Kernel:
    """A covariance function. Kernels add, multiply, and take a number as an outer variance."""

    _table: dict[str, Any]

    def __init__(self, table: Mapping[str, Any]) -> None:
        self._table = plain(table)

    def to_setting(self) -> dict[str, Any]:
        """The kernel as settings have it."""
        return self._table

    def __add__(self, other: Kernel) -> Kernel:
        return _joined("sum", self, other) if isinstance(other, Kernel) else NotImplemented

    def __mul__(self, other: Kernel | Number) -> Kernel:
        return _joined("product", self, other) if isinstance(other, Kernel) else self.__rmul__(other)

    def __rmul__(self, other: Number) -> Kernel:
        is_number = isinstance(other, (int, float)) and not isinstance(other, bool)
        return _scaled(other, self) if is_number else NotImplemented

    def on(self, *columns: str | int) -> Kernel:
        """The same kernel over these columns only, by name or by position from 0."""
        return Kernel({"type": "active", "columns": list(columns), "kernel": self._table})

    def __call__(self, x: Any, z: Any = None) -> Floats:
        """Covariances between rows of `x: [N, D]` and of `z: [M, D]`, or of `x` again: `[N, M]`."""
        left = _rows(x)
        right = left if z is None else _rows(z)
        if left.shape[1] != right.shape[1]:
            raise DataError(f"x has {left.shape[1]} columns, z has {right.shape[1]}", "give rows of the same columns")
        others = None if z is None else right.tobytes()
        values = _native.kernel_matrix(json.dumps(self._table), left.shape[1], left.tobytes(), others)
        return _arrays.floats(values).reshape(len(left), len(right))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Kernel) and self._table == other._table

    def __hash__(self) -> int:
        return hash(_frozen(self._table))

    def __repr__(self) -> str:
        return _shown(self._table)


def _frozen(value: Any) -> Any:
    """A setting that can be hashed; as numbers are, 1 and 1.0 are one."""
    if isinstance(value, Mapping):
        return tuple((name, _frozen(value[name])) for name in sorted(value))
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _rows(x: Any) -> Floats:
    rows = reals("x", x)
    rows = rows[:, np.newaxis] if rows.ndim == 1 else rows
    if rows.ndim != 2 or rows.shape[1] == 0 or not np.isfinite(rows).all():
        raise DataError(f"the points have the shape {list(rows.shape)}", "give finite numbers, [N] or [N, D]")
    return rows


def _joined(kind: str, left: Kernel, right: Kernel) -> Kernel:
    terms: list[dict[str, Any]] = []
    for side in (left._table, right._table):
        terms += side["terms"] if side["type"] == kind else [side]
    return Kernel({"type": kind, "terms": terms})


def _scaled(variance: Number, kernel: Kernel) -> Kernel:
    return Kernel({"type": "scaled", "variance": float(variance), "kernel": kernel._table})


def _shown(table: Mapping[str, Any]) -> str:
    kind = table["type"]
    if kind in ("sum", "product"):
        parts = [f"({_shown(t)})" if kind == "product" and t["type"] == "sum" else _shown(t) for t in table["terms"]]
        return (" + " if kind == "sum" else " * ").join(parts)
    if kind == "scaled":
        inner = _shown(table["kernel"])
        return f"{table['variance']} * {f'({inner})' if table['kernel']['type'] == 'sum' else inner}"
    if kind == "active":
        inner = _shown(table["kernel"])
        inner = f"({inner})" if table["kernel"]["type"] in ("sum", "product", "scaled") else inner
        return f"{inner}.on({', '.join(map(repr, table['columns']))})"
    fields = ", ".join(
        f"{k}={Kernel(v) if isinstance(v, dict) else v!r}" for k, v in table.items() if k != "type" and v is not None
    )
    name = {"rbf": "RBF", "nngp": "NNGP"}.get(kind) or "".join(part.capitalize() for part in kind.split("_"))
    return f"{name}({fields})"


class _Stationary(Kernel):
    _type = ""

    def __init__(self, lengthscale: float | None = None, *, variance: float = 1.0, ard: bool = True) -> None:
        super().__init__({"type": self._type, "lengthscale": lengthscale, "ard": ard, "variance": variance})


class RBF(_Stationary):
    """Infinitely smooth functions."""

    _type = "rbf"


class Matern12(_Stationary):
    """Continuous, nowhere differentiable functions."""

    _type = "matern12"


class Matern32(_Stationary):
    """Functions with one derivative."""

    _type = "matern32"


class Matern52(_Stationary):
    """Functions with two derivatives."""

    _type = "matern52"


class RationalQuadratic(Kernel):
    """A mixture of RBF kernels over lengthscales; a large `alpha` is an RBF."""

    def __init__(
        self, lengthscale: float | None = None, *, alpha: float = 1.0, variance: float = 1.0, ard: bool = True
    ) -> None:
        super().__init__(
            {"type": "rational_quadratic", "lengthscale": lengthscale, "ard": ard, "variance": variance, "alpha": alpha}
        )


class Periodic(Kernel):
    """Functions that repeat: `v exp(-2 sin²(π Δ / period) / lengthscale²)`."""

    def __init__(self, period: float = 1.0, *, lengthscale: float = 1.0, variance: float = 1.0) -> None:
        super().__init__({"type": "periodic", "period": period, "lengthscale": lengthscale, "variance": variance})


class Linear(Kernel):
    """Linear functions; `offset` is the variance of the intercept."""

    def __init__(self, variance: float = 1.0, *, offset: float = 1.0, ard: bool = True) -> None:
        super().__init__({"type": "linear", "variance": variance, "offset": offset, "ard": ard})


class Polynomial(Kernel):
    """Polynomials: `v (x x' / D + offset)^degree`."""

    def __init__(self, degree: int = 2, *, offset: float = 1.0, variance: float = 1.0) -> None:
        super().__init__({"type": "polynomial", "degree": degree, "offset": offset, "variance": variance})


class Constant(Kernel):
    """An unknown constant."""

    def __init__(self, variance: float = 1.0) -> None:
        super().__init__({"type": "constant", "variance": variance})


class White(Kernel):
    """Independent noise, equal for equal rows only."""

    def __init__(self, variance: float = 1.0) -> None:
        super().__init__({"type": "white", "variance": variance})


class ArcCosine(Kernel):
    """One infinitely wide hidden layer; `order` 0 for steps, 1 for rectified linear units, 2 for their squares."""

    def __init__(
        self, order: int = 1, *, variance: float = 1.0, weight_variance: float = 1.0, bias_variance: float = 1.0
    ) -> None:
        super().__init__(
            {
                "type": "arc_cosine",
                "order": order,
                "variance": variance,
                "weight_variance": weight_variance,
                "bias_variance": bias_variance,
            }
        )


class NNGP(Kernel):
    """A deep network of infinite width."""

    def __init__(
        self,
        depth: int = 4,
        *,
        activation: str = "relu",
        weight_variance: float = 2.0,
        bias_variance: float = 0.01,
        variance: float = 1.0,
    ) -> None:
        super().__init__(
            {
                "type": "nngp",
                "activation": activation,
                "depth": depth,
                "weight_variance": weight_variance,
                "bias_variance": bias_variance,
                "variance": variance,
            }
        )


class SpectralMixture(Kernel):
    """A mixture of bumps in the frequency domain, with means up to `highest` cycles per unit."""

    def __init__(self, components: int = 4, *, highest: float = 1.0, variance: float = 1.0) -> None:
        super().__init__({"type": "spectral_mixture", "components": components, "highest": highest, "variance": variance})


class Exchangeable(Kernel):
    """Categories that are all equally alike."""

    def __init__(self, correlation: float = 0.5) -> None:
        super().__init__({"type": "exchangeable", "correlation": correlation})


class Hamming(Kernel):
    """Categories compared by the share of columns that differ."""

    def __init__(self, lengthscale: float = 1.0) -> None:
        super().__init__({"type": "hamming", "lengthscale": lengthscale})


class Index(Kernel):
    """A free covariance between the levels of one categorical column."""

    def __init__(self, rank: int = 1) -> None:
        super().__init__({"type": "index", "rank": rank})


class Tanimoto(Kernel):
    """Likeness of count vectors, as for molecular fingerprints."""

    def __init__(self, variance: float = 1.0) -> None:
        super().__init__({"type": "tanimoto", "variance": variance})


class Changepoint(Kernel):
    """One kernel before a point of the first numeric column, another after it."""

    def __init__(self, before: Kernel, after: Kernel, *, location: float = 0.0, steepness: float = 1.0) -> None:
        tables = {"before": before.to_setting(), "after": after.to_setting()}
        super().__init__({"type": "changepoint", "location": location, "steepness": steepness, **tables})


def parse(expression: str | Sequence[Any] | Mapping[str, Any]) -> Kernel:
    """The kernel of an expression such as `rbf + periodic(period = 12)`."""
    checked = json.loads(_native.check("gpr", json.dumps({"kernel": expression})))
    return Kernel(checked["kernel"])
