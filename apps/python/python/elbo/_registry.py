"""Which systems there are, and models from files."""

from __future__ import annotations

import json
import os
from typing import Any

from . import _arrays, _native, _systems
from ._arrays import Array
from ._base import Estimator
from .errors import ReadWarning, warn


def _classes() -> list[type[Estimator]]:
    return [getattr(_systems, name) for name in _systems.__all__]


def systems() -> dict[str, dict[str, Any]]:
    """All systems by id: title, family, source, needs, verbs, settings, and their classes."""
    all_of = {system["id"]: system for system in json.loads(_native.systems())}
    for system in all_of.values():
        system["estimators"] = [c for c in _classes() if c._system == system["id"]]
    return all_of


def load(path: str | os.PathLike[str]) -> Any:
    """The fitted object of a model file, written by `save` or by the program."""
    model = _native.Model.load(os.fspath(path))
    record = json.loads(model.record)
    found = [c for c in _classes() if c._system == model.system]
    if len(found) > 1:
        is_classifier = bool(model.classes)
        found = [c for c in found if (getattr(c, "_estimator_type", "") == "classifier") == is_classifier]
    cls: Any = found[0]
    known = cls._defaults()
    settings = {name if name in known else f"{name}_": value for name, value in (record["settings"] or {}).items()}
    made = cls(**settings, random_state=record["seed"])
    made._restore(record, model)
    return made


def read(path: str | os.PathLike[str]) -> dict[str, Array]:
    """The arrays of a file (CSV, Parquet, NPY, NPZ, IDX), or of a folder of pictures or of a scene.

    What a reader should know, such as numbers that had to be rounded, is a :class:`elbo.ReadWarning`.
    """
    notes, arrays = _native.read(os.fspath(path), None, False, True)
    for note in notes:
        warn(note, ReadWarning)
    return _arrays.received(arrays)
