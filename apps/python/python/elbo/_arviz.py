"""Draws as ArviZ has them, where that is installed."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

from . import _arrays
from ._arrays import Array

#: Notes of a draw that are no real numbers.
_KINDS = {"diverging": bool, "n_steps": int, "tree_depth": int}


def shaped(columns: Iterable[tuple[str, bytearray]], shape: tuple[int, int]) -> dict[str, Array]:
    """Columns of the native half, `[chains, draws]`, each of its kind."""
    found: dict[str, Array] = {}
    for name, data in columns:
        values = _arrays.floats(data).reshape(shape)
        found[name] = values.astype(_KINDS[name]) if name in _KINDS else values
    return found


def inference_data(posterior: Mapping[str, Array], stats: Mapping[str, Array]) -> Any:
    """ArviZ' `InferenceData`, or the tree of groups that it has from version 1 on."""
    import arviz

    groups: dict[str, Any] = {"posterior": dict(posterior), **({"sample_stats": dict(stats)} if stats else {})}
    # ArviZ 1 takes all groups as one dictionary, earlier ones take each by its name.
    by_name = "posterior" in inspect.signature(arviz.from_dict).parameters
    return arviz.from_dict(**groups) if by_name else arviz.from_dict(groups)
