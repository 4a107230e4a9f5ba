"""Targets as users have them: one number or one class a row."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

from . import _arrays
from ._arrays import Array, Floats, Sent
from ._tables import refuse_missing
from .errors import DataError, warn

_COLUMN = (
    "A column-vector y was passed when a 1d array was expected. Please change the shape of y to (n_samples, ), for "
    "example using ravel()."
)


def target_name(y: Any, taken: list[str]) -> str:
    """The target's name: the series' own where it has one that is free."""
    own = getattr(y, "name", None)
    name = own if isinstance(own, str) and own else "y"
    while name in taken:
        name = f"{name}_"
    return name


def vector(y: Any) -> Array:
    """The target as one value a row; missing objects are NaN."""
    if y is None:
        raise ValueError("requires y to be passed, but the target y is None")
    values = _arrays.read(y)
    if values.ndim == 2 and values.shape[1] == 1:
        # scikit-learn's own class, where it is in use.
        warn(_COLUMN, getattr(sys.modules.get("sklearn.exceptions"), "DataConversionWarning", UserWarning))
        values = values[:, 0]
    if values.ndim != 1:
        raise DataError(f"y should be a 1d array, got an array of shape {values.shape} instead")
    if values.dtype.kind == "c":
        raise DataError("Complex data not supported: y", "give real numbers or classes")
    return values


def numbers(y: Any) -> Floats:
    """The target as real numbers, NaN where one is missing."""
    values, name = vector(y), target_name(y, [])
    if values.dtype.kind in "mM":
        raise DataError(f"target `{name}` holds dates or times, such as {quoted(next(iter(values), ''))}", "give numbers")
    strange = next((cell for cell in values.tolist() if not _is_number(cell)), None) if values.dtype.kind in "OUST" else None
    if strange is not None:
        raise DataError(f"target `{name}` holds text, such as {quoted(strange)}", "give numbers; for classes use a classifier")
    return np.asarray(values.astype(np.float64))


def quoted(cell: Any) -> str:
    """A cell in double quotes, as the program shows it."""
    return json.dumps(cell.decode(errors="replace") if isinstance(cell, bytes) else str(cell), ensure_ascii=False)


def _is_number(cell: Any) -> bool:
    try:
        float(cell)
    except (TypeError, ValueError):
        return False
    return True


def classes_of(values: Array, name: str) -> Array:
    """The classes of the target of that name, sorted."""
    refuse_missing([(name, np.array([_arrays.is_missing(cell) for cell in values.tolist()], bool))], len(values), "y")
    strange = np.isinf(values) | (values != np.floor(values)) if values.dtype.kind == "f" else np.zeros(0, bool)
    if strange.any():
        row = int(np.flatnonzero(strange)[0])
        known = "Input y contains infinity" if np.isinf(values[row]) else "Unknown label type: continuous"
        raise DataError(
            f"target `{name}` is {values[row].item()} in row {row + 1}, which is no class: {known}",
            "use a regressor for quantities; classes are texts or whole numbers",
        )
    try:
        return np.unique(values)
    except TypeError:
        raise DataError(f"target `{name}` holds texts among numbers", "give classes of one kind") from None


def labels_of(classes: Array) -> list[str]:
    """Class names for the native half, which must differ."""
    labels = [str(int(c)) if isinstance(c, (float, np.floating)) else str(c) for c in classes.tolist()]
    return labels if len(set(labels)) == len(labels) else [str(i) for i in range(len(labels))]


def are_truth_values(classes: Array) -> bool:
    """Whether classes are truth values of Python or NumPy."""
    return all(isinstance(value, (bool, np.bool_)) for value in classes.tolist())


def classes_named(labels: list[str], has_truth_values: bool) -> Array:
    """The classes of a model file: truth values where the fit saw such, whole numbers where all names are, else texts."""
    if has_truth_values:
        return np.array([label == str(True) for label in labels])
    return np.array([int(label) for label in labels] if all(map(_is_whole, labels)) else labels)


def _is_whole(label: str) -> bool:
    """Whether a class name is a whole number as it is written; one with leading zeros is a text."""
    digits = label.removeprefix("-")
    return digits.isascii() and digits.isdigit() and str(int(label)) == label


def coded(name: str, values: Array, classes: Array, labels: list[str]) -> Sent:
    """A target of known classes as codes."""
    return _arrays.coded(name, codes_of(values, classes, labels), labels)


def codes_of(values: Array, classes: Array, labels: list[str]) -> list[int]:
    """The place of each value among the known classes."""
    known = classes.tolist()
    code = {value: code for code, value in enumerate(known)}
    codes = [code.get(value, -1) for value in values.tolist()]
    if -1 in codes:
        row = codes.index(-1)
        strange = values.tolist()[row]
        # A class of the same name is of another kind, as the text "True" is beside the truth value.
        is_named = str(strange) in [str(value) for value in known]
        shown = repr(strange) if is_named else quoted(strange)
        listed = [repr(value) for value in known] if is_named else labels
        where = f"row {row + 1} has class {shown}"
        raise DataError(f"{where}, which the training data did not have", f"classes are: {', '.join(listed)}")
    return codes
