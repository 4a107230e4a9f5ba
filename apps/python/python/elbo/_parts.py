"""What parts of models composed by hand share: their table, and the checks of numbers and arrays."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Union

import numpy as np

from . import _arrays
from ._arrays import Floats
from .errors import DataError, SettingError


class Part:
    """A part with a name and settings of its own. Equal settings are equal parts; copies and pickles are the settings."""

    #: The part's name in settings.
    _type: ClassVar[str] = ""
    _settings: dict[str, Any]

    def __init__(self, **settings: Any) -> None:
        self._settings = settings

    def to_setting(self) -> Any:
        """The part as a setting of a system: a table with its `type`."""
        return self._table()

    def _table(self) -> dict[str, Any]:
        return {"type": self._type, **self._settings}

    def _json(self) -> str:
        return json.dumps(self._table())

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and isinstance(other, Part) and self._settings == other._settings

    def __hash__(self) -> int:
        return hash(self._json())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self._settings.items())})"


#: A part chosen by its name, by a table with a `type` and its own settings, or by an object of `elbo.likelihoods` and its like.
Choice = Union[str, float, Mapping[str, Any], Part]


def _is_finite(value: Any) -> bool:
    is_number = isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def number(name: str, value: Any, holds: Callable[[float], bool], expected: str) -> float:
    """A finite number that satisfies a condition."""
    if not _is_finite(value) or not holds(value):
        raise SettingError(f"setting `{name}` is {value!r}", f"give {expected}")
    return float(value)


def finite(name: str, value: Any) -> float:
    """A finite number."""
    return number(name, value, lambda _: True, "a finite number")


def positive(name: str, value: Any) -> float:
    """A positive number."""
    return number(name, value, lambda v: v > 0.0, "a positive number")


def share(name: str, value: Any) -> float:
    """A number in [0, 1]."""
    return number(name, value, lambda v: 0.0 <= v <= 1.0, "a number from 0 to 1")


def whole(name: str, value: Any, low: int, high: int = 2**31 - 1) -> int:
    """A whole number from `low` to `high`."""
    is_whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_whole or not low <= value <= high:
        raise SettingError(f"setting `{name}` is {value!r}", f"give a whole number from {low} to {high}")
    return int(value)


def reals(name: str, values: Any) -> Floats:
    """An array of numbers of any shape; infinite ones are allowed, missing ones are not."""
    try:
        read = _arrays.read(values)
        # Complex numbers would lose a part, and dates would become counts of days.
        found = np.asarray(read, np.float64) if read.dtype.kind not in "cmM" else None
    except (TypeError, ValueError):
        found = None
    if found is None:
        raise DataError(f"`{name}` is no array of numbers", "give numbers, or an array of them")
    if np.isnan(found).any():
        raise DataError(f"`{name}` holds NaN", "leave missing values out")
    return found


def finites(name: str, values: Any) -> Floats:
    """An array of finite numbers of any shape."""
    found = reals(name, values)
    if not np.isfinite(found).all():
        raise DataError(f"`{name}` holds an infinite number", "give finite numbers")
    return found


def within(name: str, value: Any) -> float:
    """A share strictly between 0 and 1."""
    if not _is_finite(value) or not 0.0 < value < 1.0:
        raise DataError(f"`{name}` is {value!r}", "give a share strictly between 0 and 1")
    return float(value)


def vectors(name: str, values: Any, size: int) -> Floats:
    """Rows `[N, size]` of finite numbers; one row may come as `[size]`."""
    found = reals(name, values)
    found = found[np.newaxis] if found.ndim == 1 else found
    if found.ndim != 2 or found.shape[1] != size or len(found) == 0 or not np.isfinite(found).all():
        raise DataError(f"`{name}` has the shape {list(found.shape)}", f"give finite numbers, [N, {size}]")
    return found


def together(**arrays: Any) -> tuple[tuple[int, ...], list[bytes]]:
    """Arrays of one common shape after broadcasting: the shape, and each as bytes."""
    found = {name: reals(name, values) for name, values in arrays.items()}
    try:
        shape = np.broadcast_shapes(*(values.shape for values in found.values()))
    except ValueError:
        listed = ", ".join(f"`{name}` {list(values.shape)}" for name, values in found.items())
        raise DataError(f"shapes differ: {listed}", "give arrays of one shape, or numbers") from None
    return shape, [np.broadcast_to(values, shape).tobytes() for values in found.values()]


def shaped(data: bytes | bytearray, shape: tuple[int, ...]) -> Floats:
    """Numbers of the native half in a shape."""
    return _arrays.floats(data).reshape(shape)
