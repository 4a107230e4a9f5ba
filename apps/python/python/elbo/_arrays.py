"""Arrays on their way to the native half and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import DataError

#: Name, type, shape, bytes, levels of text.
Sent = tuple[str, str, list[int], bytes, list[str]]
Floats = npt.NDArray[np.float64]
Array = npt.NDArray[Any]

#: Types of pandas for what is missing; pandas itself may not be installed.
_MISSING = ("NAType", "NaTType")
#: Units of time, `generic` of NaT alone, that have no fraction of a second.
_COARSE = ("generic", "Y", "M", "W", "D", "h", "m", "s")
_TYPES = {"f8": np.float64, "f4": np.float32, "i8": np.int64, "u1": np.uint8}


def floats(data: bytes | bytearray) -> Floats:
    """Numbers that the native half made."""
    return np.frombuffer(data, np.float64)


def read(values: Any) -> Array:
    """What NumPy makes of values. Masked cells are missing; missing objects are NaN."""
    found = np.asarray(values)
    if isinstance(values, np.ma.MaskedArray) and np.ma.is_masked(values):
        is_time = found.dtype.kind == "M"
        found = found.copy() if is_time else found.astype(object)
        found[np.ma.getmaskarray(values)] = "NaT" if is_time else None
    if found.dtype == object:
        missing = np.array([is_missing(cell) for cell in found.ravel().tolist()], bool)
        found = np.where(missing.reshape(found.shape), np.nan, found)
    return found


def is_missing(cell: Any) -> bool:
    """Whether a cell is None, NaN, or what pandas writes for either."""
    if cell is None or type(cell).__name__ in _MISSING:
        return True
    return isinstance(cell, (float, np.generic)) and bool(cell != cell)


def text(name: str, values: Sequence[Any]) -> Sent:
    """A column of texts; None and NaN are missing."""
    index: dict[str, int] = {}
    codes = np.empty(len(values), np.int64)
    for row, value in enumerate(values):
        label = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        codes[row] = -1 if is_missing(value) else index.setdefault(label, len(index))
    return coded(name, codes, list(index))


def coded(name: str, codes: npt.ArrayLike, levels: Sequence[Any]) -> Sent:
    """A column of codes into levels; negative codes are missing."""
    whole = np.ascontiguousarray(codes, np.int64)
    return name, "text", [len(whole)], whole.tobytes(), [str(level) for level in levels]


def array(name: str, values: Array) -> Sent:
    """An array of numbers, or a column of anything else."""
    if values.dtype.kind == "c":
        raise DataError(f"Complex data not supported: array `{name}` is complex", "give real numbers")
    if values.dtype.kind == "M" and values.ndim == 1:
        return text(name, [None if cell == "NaT" else cell for cell in times(values)])
    if values.dtype.kind in "OUST":
        return objects(name, values)
    if values.dtype == np.float32 or values.dtype == np.uint8:
        kind = values.dtype.str[-2:]
    elif values.dtype.kind == "i" or (values.dtype.kind == "u" and values.dtype.itemsize < 8):
        kind = "i8"
    elif values.dtype.kind in "fiub":
        kind = "f8"
    else:
        raise DataError(f"array `{name}` is of type {values.dtype}", "give numbers, or columns of texts or dates")
    sent = np.ascontiguousarray(values, _TYPES[kind])
    return name, kind, list(values.shape), sent.tobytes(), []


def times(values: Array) -> list[str]:
    """Dates with times as texts, with the fraction of a second where there is one, whatever the unit; `NaT` where missing."""
    fine = values.astype("datetime64[s]") if np.datetime_data(values.dtype)[0] in _COARSE else values
    return [cell.rstrip("0").rstrip(".") if "." in cell else cell for cell in fine.astype(str).tolist()]


def objects(name: str, values: Array) -> Sent:
    """Objects that are all numbers become numbers, and texts become categories."""
    cells = [_cell(cell) for cell in values.ravel().tolist()]
    strange = next((c for c in cells if not isinstance(c, (str, bytes, int, float, np.generic, type(None)))), None)
    if strange is not None:
        raise TypeError(f"array `{name}`: an argument must be a string or a number, not {type(strange).__name__!r}")
    if any(isinstance(cell, (str, bytes)) for cell in cells):
        if values.ndim != 1:
            raise DataError(f"array `{name}` is a matrix of text", "give text as separate columns")
        return text(name, cells)
    return array(name, np.array([np.nan if c is None else c for c in cells], np.float64).reshape(values.shape))


def _cell(cell: Any) -> Any:
    """An object as a number or a text where it means one, None where it is missing."""
    if is_missing(cell):
        return None
    if isinstance(cell, date):
        return cell.isoformat()
    # A period of pandas is written as a date is.
    return float(cell) if isinstance(cell, Decimal) else str(cell) if type(cell).__name__ == "Period" else cell


def named(data: Mapping[str, Any]) -> list[Sent]:
    """Named arrays of any shape."""
    return [array(str(name), read(values)) for name, values in data.items()]


def received(taken: Sequence[tuple[str, str, list[int], bytearray, list[str]]]) -> dict[str, Array]:
    """Arrays that the native half made, by name; texts are arrays of objects, None where missing."""
    out: dict[str, Array] = {}
    for name, kind, shape, data, levels in taken:
        if kind == "text":
            cells = np.array([*levels, None], dtype=object)
            out[name] = cells[np.frombuffer(data, np.int64)]
        else:
            out[name] = np.frombuffer(data, _TYPES[kind]).reshape(shape)
    return out
