"""What draws and weights are worth, by the measures of Vehtari et al. (2021, 2024); equal to ArviZ."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from . import _arrays, _native
from ._arrays import Floats
from ._parts import reals
from .errors import DataError, SettingError

#: Where in the native half's answer each kind of effective size stands.
_KINDS = {"bulk": 1, "tail": 2, "mean": 3}


def _diagnosed(draws: Any, at: int) -> Floats:
    """One diagnostic of every unknown: draws `[chains, draws, ...]`, or `[draws]` of one chain."""
    found = reals("draws", draws)
    found = found[np.newaxis] if found.ndim == 1 else found
    if found.ndim < 2 or found.size == 0:
        raise DataError(f"`draws` has the shape {list(found.shape)}", "give draws [chains, draws], or [chains, draws, D]")
    chains, unknowns = found.shape[0], found.shape[2:]
    columns = np.moveaxis(found.reshape(*found.shape[:2], -1), -1, 0)
    values = [_native.chain_diagnostics(np.ascontiguousarray(column).tobytes(), chains)[at] for column in columns]
    return np.array(values).reshape(unknowns)


def r_hat(draws: Any) -> Floats:
    """Rank-normalised split R-hat of draws `[chains, draws, ...]`, of location and spread, the larger; 1 where chains agree.

    One value an unknown, `[...]`; NaN with fewer than four draws a chain.
    """
    return _diagnosed(draws, 0)


def ess(draws: Any, kind: str = "bulk") -> Floats:
    """Effective draws among `[chains, draws, ...]`: for the `bulk`, for the `tail` (5 % and 95 % quantiles), or for the `mean`.

    One value an unknown, `[...]`; NaN with fewer than four draws a chain.
    """
    if kind not in _KINDS:
        raise SettingError(f"setting `kind` is {kind!r}", f"give one of {', '.join(_KINDS)}")
    return _diagnosed(draws, _KINDS[kind])


def mcse(draws: Any) -> Floats:
    """Monte Carlo standard errors of the means of draws `[chains, draws, ...]`, in the draws' unit; `[...]`."""
    return _diagnosed(draws, 4)


@dataclass(frozen=True)
class Psis:
    """Importance weights after Pareto smoothing, and whether to believe them."""

    #: Smoothed log weights `[S]`, whose exponentials sum to one.
    log_weights: Floats = field(repr=False)
    #: Shape of the tail of the largest weights; infinite where none could be fitted.
    k_hat: float
    #: The shape above which estimates with these weights are not to be trusted.
    threshold: float

    @property
    def is_reliable(self) -> bool:
        """Whether estimates with these weights can be trusted."""
        return self.k_hat <= self.threshold

    @property
    def weights(self) -> Floats:
        """The weights `[S]`, which sum to one."""
        return np.asarray(np.exp(self.log_weights))

    @property
    def effective_size(self) -> float:
        """Effective number of draws under the weights."""
        return float(1.0 / np.sum(self.weights**2))


def psis(log_weights: Any) -> Psis:
    """Smooths the largest of unnormalised log weights `[S]`, in nats; minus infinity is a weight of zero."""
    found = reals("log_weights", log_weights)
    if found.ndim != 1 or len(found) == 0 or not np.isfinite(found).any() or (found == np.inf).any():
        raise DataError(
            f"`log_weights` has the shape {list(found.shape)}", "give numbers, [S], some of them finite and none infinite"
        )
    smoothed, k_hat, threshold = _native.smoothed_weights(found.tobytes())
    return Psis(_arrays.floats(smoothed), k_hat, threshold)
