"""Which systems there are, fitting one by its id, and models from files."""

from __future__ import annotations

import json
import os
import re
from typing import Any

from . import _arrays, _native, _systems
from ._arrays import Array
from ._base import Estimator, to_json
from ._tables import table
from ._targets import target_name, vector
from .errors import ReadWarning, SettingError, warn

#: What a class is to scikit-learn, by the task that it does.
_TASKS = {"regression": "regressor", "classification": "classifier"}


def _classes() -> list[type[Estimator]]:
    return [getattr(_systems, name) for name in _systems.__all__]


def systems() -> dict[str, dict[str, Any]]:
    """All systems by id: title, family, source, needs, verbs, settings, and their classes."""
    all_of = {system["id"]: system for system in json.loads(_native.systems())}
    for system in all_of.values():
        system["estimators"] = [c for c in _classes() if c._system == system["id"]]
    return all_of


def fit(system: str, X: Any = None, y: Any = None, *, task: str | None = None, **settings: Any) -> Any:
    """A fitted object of the system with this id: `elbo.fit("svgp", X, y, inducing=128)` is `elbo.SVGPRegressor(inducing=128).fit(X, y)`.

    Of a system with two classes, the target decides as in the program: texts, truth values or just two whole numbers are classes.
    `task`, "regression" or "classification", says otherwise. The id "auto" leaves the choice of the system to the table; `reasons_` of
    the object then says why. Settings are those of the class, `random_state`, `max_time` and `verbose` among them.
    """
    if task is not None and task not in _TASKS:
        raise SettingError(f"setting `task` is {task!r}", "give 'regression', 'classification', or None")
    reasons: list[str] = []
    if system == "auto" and settings.get("time") is not None:
        system, reasons = "markov-gp", ["a column of times is named"]
    elif system == "auto":
        system, task, reasons = _chosen(X, y, task)
    found = _of_system(system)
    if task is None and len(found) > 1:
        task = _chosen(None, y, None)[1]
    cls = _of_task(found, task)
    made = cls(**_named(cls, settings)).fit(X, y)
    if reasons:
        made.reasons_ = reasons
    return made


def _chosen(x: Any, y: Any, task: str | None) -> tuple[str, str, list[str]]:
    """The system, the task and the reasons that the program would give for a table; of the target alone, its task."""
    found, values = [] if x is None else table(x).columns, vector(y)
    name = target_name(y, [column[0] for column in found])
    system, task, reasons = _native.auto([*found, _arrays.array(name, values)], name, task)
    return system, task, [re.sub(r"--(?:set )?(\w+)[ =](\w+)", r'`\1="\2"`', reason) for reason in reasons]


def _of_system(system: str) -> list[Any]:
    found = [c for c in _classes() if c._system == system]
    if not found:
        # The program's words for an id that nothing answers to.
        _native.check(system, "{}")
    return found


def _of_task(found: list[Any], task: str | None) -> Any:
    """The class that does a task; the only one where none is named."""
    able = [c for c in found if task is None or getattr(c, "_estimator_type", "") == _TASKS[task]]
    if not able:
        raise SettingError(
            f"setting `task` is {task!r}, which `{found[0]._system}` does not do", "leave it out, or choose another system"
        )
    return able[0]


def _named(cls: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """Settings under the names of the class, which end in an underscore where they are words of Python."""
    known = cls._defaults()
    for name in settings:
        if name not in known and f"{name}_" not in known:
            # The program's words for a setting that is none, with the nearest name.
            _native.check(cls._system, to_json({name: settings[name]}))
    return {name if name in known else f"{name}_": value for name, value in settings.items()}


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
    """The arrays of a file (CSV, JSON lines, Parquet, NPY, NPZ, IDX, WAV), or of a folder of pictures, recordings or a scene.

    What a reader should know, such as numbers that had to be rounded, is a :class:`elbo.ReadWarning`.
    """
    notes, arrays = _native.read(os.fspath(path), None, False, True)
    for note in notes:
        warn(note, ReadWarning)
    return _arrays.received(arrays)
