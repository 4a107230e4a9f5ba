"""Tables as users have them: arrays, frames of pandas, Polars or anything that speaks Arrow, dictionaries of columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import numpy as np

from . import _arrays, _arrow
from ._arrays import Array, Sent
from .errors import DataError, warn


#: Names of the arrays that a fit was given, in order, with the widths of those that are matrices `[N, D]`.
Layout = list[tuple[str, "int | None"]]


@dataclass(frozen=True)
class Table:
    """Columns in order; `has_names` where the user named them."""

    columns: list[Sent]
    rows: int
    has_names: bool

    @property
    def names(self) -> list[str]:
        return [column[0] for column in self.columns]

    def renamed(self, names: list[str]) -> Table:
        return replace(self, columns=[(name, *column[1:]) for name, column in zip(names, self.columns)])


def table(x: Any) -> Table:
    """The columns of `x`."""
    if hasattr(x, "toarray") and hasattr(x, "nnz"):
        raise TypeError("Sparse data was passed, but dense data is required; use `x.toarray()`")
    if isinstance(x, Mapping):
        return _of_columns([column for name, cells in x.items() for column in _columns(str(name), cells)])
    if hasattr(x, "iloc") and hasattr(x, "dtypes") and hasattr(x, "columns"):
        return _of_pandas(x)
    if hasattr(x, "__arrow_c_stream__"):
        return _of_columns(_arrow.columns(x))
    return _of_matrix(_arrays.read(x))


def _columns(name: str, cells: Any) -> list[Sent]:
    """A column, or those of a matrix `x`, which are named `x[0]`, `x[1]` and so on, as the program names them."""
    found = _arrays.read(cells)
    if found.ndim == 2:
        return [_arrays.array(f"{name}[{d}]", found[:, d]) for d in range(found.shape[1])]
    if found.ndim != 1:
        raise DataError(f"column `{name}` has the shape {list(found.shape)}", "give one value a row, or a matrix [N, D]")
    return [_arrays.array(name, found)]


def _of_columns(columns: list[Sent]) -> Table:
    if not columns:
        raise DataError("0 feature(s) (shape=(0, 0)) while a minimum of 1 is required.")
    rows = columns[0][2][0]
    for name, _, shape, _, _ in columns:
        if shape[0] != rows:
            raise DataError(f"column `{name}` has {shape[0]} rows, others have {rows}", "columns of a table are equally long")
    return _enough(Table(columns, rows, True))


def _of_matrix(x: Array) -> Table:
    if x.ndim != 2:
        raise DataError(
            f"Expected 2D array, got {x.ndim}D array instead",
            "Reshape your data either using array.reshape(-1, 1) if it has a single feature or array.reshape(1, -1) if it "
            "is a single row",
        )
    if x.dtype.kind == "c":
        raise DataError("Complex data not supported", "give real numbers")
    if x.shape[1] == 0:
        raise DataError(f"0 feature(s) (shape={x.shape}) while a minimum of 1 is required.")
    return _enough(Table([_arrays.array(f"x{d}", x[:, d]) for d in range(x.shape[1])], len(x), False))


def _of_pandas(frame: Any) -> Table:
    names = list(frame.columns)
    texts = [isinstance(name, str) for name in names]
    if any(texts) and not all(texts):
        raise TypeError("Feature names are only supported if all input features have string names; rename the others")
    has_names = all(texts) and bool(names)
    columns = []
    for d, name in enumerate(names):
        series = frame.iloc[:, d]
        label = name if has_names else f"x{d}"
        if hasattr(series, "cat"):
            columns.append(_arrays.coded(label, series.cat.codes.to_numpy(), list(series.cat.categories)))
        elif series.dtype.kind == "b" or (series.dtype.kind in "iuf" and not isinstance(series.dtype, np.dtype)):
            columns.append(_arrays.array(label, series.to_numpy(dtype=float, na_value=np.nan)))
        elif series.dtype.kind == "M":
            columns.append(_arrays.array(label, series.to_numpy(dtype=_time_type(series.dtype))))
        elif isinstance(series.dtype, np.dtype):
            columns.append(_arrays.array(label, series.to_numpy()))
        else:
            columns.append(_arrays.objects(label, series.to_numpy(object, na_value=None)))
    if not columns:
        raise DataError(f"0 feature(s) (shape={frame.shape}) while a minimum of 1 is required.")
    return _enough(Table(columns, len(frame), has_names))


def _time_type(dtype: Any) -> Any:
    """NumPy's type for times of pandas, as fine as they are; those with a zone are in UTC."""
    found = getattr(dtype, "numpy_dtype", dtype)
    return found if isinstance(found, np.dtype) else f"datetime64[{found.unit}]"


def _enough(found: Table) -> Table:
    if found.rows == 0:
        shape = f"(shape=(0, {len(found.columns)}))"
        raise DataError(f"the table has no rows: Found array with 0 sample(s) {shape} while a minimum of 1 is required.")
    twice = next((name for d, name in enumerate(found.names) if name in found.names[:d]), None)
    if twice is not None:
        raise DataError(f"two columns are named `{twice}`", "rename one of them")
    return found


def check_finite(found: Table) -> None:
    """Refuses missing and infinite cells, with their place."""
    masks = [(name, mask) for name, kind, _, data, _ in found.columns if (mask := _missing(kind, data)).any()]
    refuse_missing(masks, found.rows, "X")
    for name, kind, _, data, _ in found.columns:
        if kind in ("f8", "f4"):
            infinite = np.flatnonzero(np.isinf(np.frombuffer(data, _arrays._TYPES[kind])))
            if infinite.size:
                where = f"column `{name}` has an infinite value in row {infinite[0] + 1}"
                raise DataError(f"{where}: Input X contains infinity", "remove the row, or mend the cell")


def _missing(kind: str, data: bytes) -> Array:
    """Which cells of a column are missing; none where none can be."""
    marked: Array = np.zeros(0, bool)
    if kind == "text":
        marked = np.frombuffer(data, np.int64) < 0
    elif kind in ("f8", "f4"):
        marked = np.isnan(np.frombuffer(data, _arrays._TYPES[kind]))
    return marked


def refuse_missing(masks: list[tuple[str, Array]], rows: int, what: str) -> None:
    """Refuses missing cells, marked by column, of the inputs "X" or of the target "y".

    The program's words come first, then those by which scikit-learn knows the cause, then the first cell's place.
    """
    found = [(name, mask) for name, mask in masks if mask.any()]
    if not found:
        return
    known = f"Input {what} contains NaN"
    empty = next((name for name, mask in found if mask.all()), None)
    if empty is not None:
        raise DataError(f"column `{empty}` has no value in any row: {known}", "leave it out, or check where it comes from")
    lost = int(np.logical_or.reduce([mask for _, mask in found]).sum())
    counts = sorted(((int(mask.sum()), name) for name, mask in found), key=lambda counted: -counted[0])
    shown = [f"{'target ' if what == 'y' else ''}`{name}`: {count}" for count, name in counts]
    which = ", ".join(shown[:5]) + (f" and {len(shown) - 5} more columns" if len(shown) > 5 else "")
    name, mask = found[0]
    row = int(np.flatnonzero(mask)[0]) + 1
    place = f"row {row}" if what == "y" else f"column `{name}` has no value in row {row}"
    raise DataError(
        f"{lost} of {rows} rows have missing cells ({which}): {known}, {place}", "fill the cells, or leave these rows out"
    )


def as_fitted(found: Table, names: list[str], had_names: bool, model: str) -> Table:
    """The same table as the model knows it: columns by name where both have names, by position otherwise."""
    if found.has_names and found.names == names:
        return found
    if found.has_names and had_names:
        raise DataError(_differing(found.names, names))
    if len(found.columns) != len(names):
        raise DataError(f"X has {len(found.columns)} features, but {model} is expecting {len(names)} features as input.")
    if found.has_names:
        warn(f"X has feature names, but {model} was fitted without feature names", UserWarning)
    elif had_names:
        warn(f"X does not have valid feature names, but {model} was fitted with feature names", UserWarning)
    return found.renamed(names)


def layout_of(record: Mapping[str, Any]) -> Layout:
    """The arrays besides the target that a fit was given."""
    widths = record.get("widths", {})
    return [(name, widths.get(name)) for name in record["columns"]]


def names_of(layout: Layout) -> list[str]:
    """Names of all columns, those of matrices too."""
    each = [[name] if width is None else [f"{name}[{d}]" for d in range(width)] for name, width in layout]
    return [name for names in each for name in names]


def packed(columns: list[Sent], layout: Layout) -> list[Sent]:
    """Columns in the order of `names_of(layout)` as the arrays that the fit was given."""
    left = iter(columns)
    return [next(left) if width is None else _matrix(name, list(islice(left, width))) for name, width in layout]


def _matrix(name: str, columns: list[Sent]) -> Sent:
    text = next((column[0] for column in columns if column[1] == "text"), None)
    if text is not None:
        raise DataError(f"column `{text}` holds text; the model was fitted with numbers there", "mend these cells")
    cells = [np.frombuffer(data, _arrays._TYPES[kind]).astype(np.float64) for _, kind, _, data, _ in columns]
    return _arrays.array(name, np.column_stack(cells))


def _differing(found: list[str], names: list[str]) -> str:
    """The message of scikit-learn, which other code looks for."""
    text = "The feature names should match those that were passed during fit.\n"

    def listed(some: list[str]) -> str:
        shown = "".join(f"- {name}\n" for name in some[:5])
        return shown + ("- ...\n" if len(some) > 5 else "")

    unseen, absent = sorted(set(found) - set(names)), sorted(set(names) - set(found))
    if unseen:
        text += f"Feature names unseen at fit time:\n{listed(unseen)}"
    if absent:
        text += f"Feature names seen at fit time, yet now missing:\n{listed(absent)}"
    if not unseen and not absent:
        text += "Feature names must be in the same order as they were in fit.\n"
    return text
