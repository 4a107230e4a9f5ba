"""Columns of any object with Arrow's PyCapsule stream interface, read through the C data interface."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from ctypes import CFUNCTYPE, POINTER, Structure, c_char_p, c_int, c_int64, c_void_p
from typing import Any

import numpy as np

from . import _arrays
from ._arrays import Array, Sent
from .errors import DataError


class _Schema(Structure):
    pass


class _Array(Structure):
    pass


class _Stream(Structure):
    pass


_Schema._fields_ = [
    ("format", c_char_p),
    ("name", c_char_p),
    ("metadata", c_char_p),
    ("flags", c_int64),
    ("n_children", c_int64),
    ("children", POINTER(POINTER(_Schema))),
    ("dictionary", POINTER(_Schema)),
    ("release", CFUNCTYPE(None, POINTER(_Schema))),
    ("private_data", c_void_p),
]
_Array._fields_ = [
    ("length", c_int64),
    ("null_count", c_int64),
    ("offset", c_int64),
    ("n_buffers", c_int64),
    ("n_children", c_int64),
    ("buffers", POINTER(c_void_p)),
    ("children", POINTER(POINTER(_Array))),
    ("dictionary", POINTER(_Array)),
    ("release", CFUNCTYPE(None, POINTER(_Array))),
    ("private_data", c_void_p),
]
_Stream._fields_ = [
    ("get_schema", CFUNCTYPE(c_int, POINTER(_Stream), POINTER(_Schema))),
    ("get_next", CFUNCTYPE(c_int, POINTER(_Stream), POINTER(_Array))),
    ("get_last_error", CFUNCTYPE(c_char_p, POINTER(_Stream))),
    ("release", CFUNCTYPE(None, POINTER(_Stream))),
    ("private_data", c_void_p),
]

_NUMBERS = {
    b"c": np.int8,
    b"C": np.uint8,
    b"s": np.int16,
    b"S": np.uint16,
    b"i": np.int32,
    b"I": np.uint32,
    b"l": np.int64,
    b"L": np.uint64,
    b"e": np.float16,
    b"f": np.float32,
    b"g": np.float64,
}
_UNITS = {b"s": "s", b"m": "ms", b"u": "us", b"n": "ns"}


def columns(frame: Any) -> list[Sent]:
    """The columns of a frame, in order."""
    capsule = frame.__arrow_c_stream__()
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = c_void_p, [ctypes.py_object, c_char_p]
    stream = _Stream.from_address(pointer(capsule, b"arrow_array_stream"))
    schema = _Schema()
    _ask(stream, stream.get_schema(ctypes.byref(stream), ctypes.byref(schema)))
    try:
        if schema.format != b"+s":
            raise DataError("the Arrow stream is no table", "give a frame with named columns")
        fields = [schema.children[i].contents for i in range(schema.n_children)]
        parts: list[list[Any]] = [[] for _ in fields]
        for batch in _batches(stream):
            for part, field, i in zip(parts, fields, range(batch.n_children)):
                part.extend(_cells(field, batch.children[i].contents, batch.offset, batch.length))
        return [_column(field, part) for field, part in zip(fields, parts)]
    finally:
        schema.release(ctypes.byref(schema))


def _ask(stream: _Stream, code: int) -> None:
    if code != 0:
        message = stream.get_last_error(ctypes.byref(stream)) or b"without a reason"
        raise DataError(f"the Arrow stream failed: {message.decode(errors='replace')}", "see where the frame comes from")


def _batches(stream: _Stream) -> Iterator[_Array]:
    while True:
        batch = _Array()
        _ask(stream, stream.get_next(ctypes.byref(stream), ctypes.byref(batch)))
        if not batch.release:
            return
        try:
            yield batch
        finally:
            batch.release(ctypes.byref(batch))


def _column(field: _Schema, cells: list[Any]) -> Sent:
    name = (field.name or b"").decode()
    if field.format in _NUMBERS and not field.dictionary:
        return _arrays.array(name, np.concatenate(cells) if cells else np.empty(0))
    if field.format == b"b" or field.format.startswith(b"d:"):
        return _arrays.array(name, np.array([np.nan if c is None else float(c) for c in cells]))
    return _arrays.text(name, cells)


def _cells(field: _Schema, data: _Array, skip: int, count: int) -> list[Any]:
    """Cells of a chunk: one array of numbers, or a value for each row, None where missing."""
    start, form = data.offset + skip, field.format
    known = _bits(data.buffers[0], start, count) if data.null_count != 0 and data.n_buffers > 0 else None
    if field.dictionary:
        kinds = _cells(field.dictionary.contents, data.dictionary.contents, 0, data.dictionary.contents.length)
        levels = kinds[0].tolist() if kinds and isinstance(kinds[0], np.ndarray) else kinds
        codes = _view(data.buffers[1], _NUMBERS[form], start, count)
        cells = [levels[code] if known is None or known[row] else None for row, code in enumerate(codes.tolist())]
        return cells
    if form in _NUMBERS:
        numbers = _view(data.buffers[1], _NUMBERS[form], start, count)
        if known is not None and not known.all():
            numbers = np.where(known, numbers.astype(np.float64), np.nan)
        return [numbers.copy()]
    if form == b"n":
        return [None] * count
    if form == b"vu":
        # The view of a missing text may point anywhere.
        rows = range(start, start + count)
        return [_viewed(data, row) if known is None or known[row - start] else None for row in rows]
    cells = _others(field, data, start, count)
    return cells if known is None else [cell if is_known else None for cell, is_known in zip(cells, known)]


def _others(field: _Schema, data: _Array, start: int, count: int) -> list[Any]:
    form = field.format
    if form == b"b":
        return list(_bits(data.buffers[1], start, count))
    if form in (b"u", b"U"):
        offsets = _view(data.buffers[1], np.int32 if form == b"u" else np.int64, start, count + 1).tolist()
        base = data.buffers[2] or 0
        return [ctypes.string_at(base + a, b - a).decode() for a, b in zip(offsets, offsets[1:])]
    if form == b"tdD":
        return _dates(_view(data.buffers[1], np.int32, start, count), "D")
    if form == b"tdm":
        return _dates(_view(data.buffers[1], np.int64, start, count), "ms")
    if form.startswith(b"ts"):
        return _dates(_view(data.buffers[1], np.int64, start, count), _UNITS[form[2:3]])
    if form.startswith(b"d:"):
        return _decimals(form, data.buffers[1] or 0, range(start, start + count))
    raise DataError(
        f"column `{(field.name or b'').decode()}` is of the Arrow type {form.decode()!r}",
        "give numbers, texts, categories or dates",
    )


def _decimals(form: bytes, address: int, rows: range) -> list[float]:
    """Numbers written `d:precision,scale`, or with a third number for their bits: integers to be divided by ten to the scale."""
    _, scale, *bits = (int(part) for part in form[2:].split(b","))
    width = bits[0] // 8 if bits else 16
    raw = [ctypes.string_at(address + width * row, width) for row in rows]
    return [int.from_bytes(cell, sys.byteorder, signed=True) / 10**scale for cell in raw]


def _dates(numbers: Array, unit: str) -> list[Any]:
    found = numbers.astype(np.int64).astype(f"datetime64[{unit}]")
    return list(found.astype(str)) if unit == "D" else _arrays.times(found)


def _viewed(data: _Array, row: int) -> str:
    """A text of Arrow's view layout: short ones stand in place, others in one of the further buffers."""
    at = data.buffers[1] + 16 * row
    length = c_int.from_address(at).value
    if length <= 12:
        return ctypes.string_at(at + 4, length).decode()
    buffer, offset = c_int.from_address(at + 8).value, c_int.from_address(at + 12).value
    return ctypes.string_at(data.buffers[2 + buffer] + offset, length).decode()


def _view(address: int | None, dtype: Any, start: int, count: int) -> Array:
    """Numbers in memory that the frame owns; copy what outlives it."""
    if count == 0 or address is None:
        return np.empty(0, dtype)
    width = np.dtype(dtype).itemsize
    memory = (ctypes.c_char * (width * count)).from_address(address + width * start)
    return np.frombuffer(memory, dtype)


def _bits(address: int | None, start: int, count: int) -> Array:
    if address is None:
        return np.ones(count, bool)
    packed = _view(address, np.uint8, 0, (start + count + 7) // 8)
    return np.unpackbits(packed, bitorder="little")[start : start + count].astype(bool)
