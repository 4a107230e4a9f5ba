"""What all systems share: parameters as scikit-learn keeps them, fitting, saving, what the fit found."""

from __future__ import annotations

import html
import inspect
import json
import os
from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

import numpy as np

from . import _html, _native, _progress
from ._arrays import Sent
from .errors import SettingError, not_fitted, tell

#: Parameters that every class has besides its system's settings.
COMMON = ("random_state", "max_time", "verbose")

Self = TypeVar("Self", bound="Estimator")


def plain(value: Any) -> Any:
    """A setting as JSON has it."""
    if hasattr(value, "to_setting"):
        return plain(value.to_setting())
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value


def to_json(settings: Mapping[str, Any]) -> str:
    """Settings for the native half."""
    for name, value in settings.items():
        try:
            json.dumps(plain(value), allow_nan=False)
        except (TypeError, ValueError):
            raise SettingError(
                f"setting `{name}` is {value!r}", "give a finite number, a text, a list or a dictionary"
            ) from None
    return json.dumps(plain(settings))


def seed_of(random_state: Any) -> int:
    """A seed from what scikit-learn calls a random state."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31))
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**31))
    if isinstance(random_state, (int, np.integer)) and 0 <= random_state < 2**64:
        return int(random_state)
    raise SettingError(f"setting `random_state` is {random_state!r}", "give a whole number from 0 to 2^64 - 1, or None")


class Estimator:
    """A system with its settings, and once fitted its model."""

    #: The system's id.
    _system: ClassVar[str] = ""
    #: Settings whose default is a table, shown as None.
    _tables: ClassVar[frozenset[str]] = frozenset()

    random_state: Any
    max_time: float | None
    verbose: bool | None
    model_: _native.Model
    stopped_early_: bool
    fit_seconds_: float

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        parameters = inspect.signature(cls.__init__).parameters.values()
        return {p.name: p.default for p in parameters if p.name != "self"}

    @classmethod
    def _get_param_names(cls) -> list[str]:
        return sorted(cls._defaults())

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name."""
        return {name: getattr(self, name) for name in self._get_param_names()}

    def set_params(self: Self, **params: Any) -> Self:
        """Sets parameters by name."""
        known = self._get_param_names()
        for name, value in params.items():
            if name not in known:
                raise ValueError(f"Invalid parameter {name!r} for estimator {self!r}. Valid parameters are: {known!r}.")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        given = {k: v for k, v in self.get_params().items() if repr(v) != repr(self._defaults()[k])}
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in given.items())})"

    def _settings(self) -> dict[str, Any]:
        """Settings that differ from their defaults, under the system's names."""
        given = {}
        for name, default in self._defaults().items():
            value = plain(getattr(self, name))
            if name in COMMON or (name in self._tables and value is None) or value == plain(default):
                continue
            given[name.rstrip("_")] = value
        return given

    def _fit(
        self,
        arrays: list[Sent],
        target: str | None = None,
        task: str | None = None,
        source: str = "memory",
        also: Mapping[str, Any] | None = None,
        held_out: list[Sent] | None = None,
        has_truth_values: bool = False,
    ) -> dict[str, Any]:
        """Fits and keeps the model. Returns what the run has to tell, for `_tell` once all else is in place.

        `also` holds settings that follow from the data; from rows `held_out` the fit learns nothing. The model file keeps whether
        the classes are truth values.
        """
        settings, seed = to_json({**self._settings(), **(also or {})}), seed_of(self.random_state)
        limit = _limit(self.max_time)
        watch = _progress.watcher(self.verbose, self._system)
        fitted = _native.fit(
            self._system, settings, arrays, target, task, source, seed, limit, watch, held_out, has_truth_values
        )
        return self._keep(*fitted)

    def _keep(self, model: _native.Model, told: str) -> dict[str, Any]:
        """Takes over the model of a run, and reads what the run has to tell."""
        found: dict[str, Any] = json.loads(told)
        self.model_, self.stopped_early_, self.fit_seconds_ = model, found["stopped_early"], found["seconds"]
        return found

    def _tell(self, told: dict[str, Any]) -> None:
        """Warns of what a run had to tell. The last act of a fit: where warnings are errors, it raises."""
        tell(told, "the best state was kept")

    def __sklearn_is_fitted__(self) -> bool:
        return "model_" in vars(self)

    def _fitted(self) -> _native.Model:
        if "model_" not in vars(self):
            raise not_fitted(type(self).__name__)
        return self.model_

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(estimator_type=None, target_tags=TargetTags(required=False), input_tags=InputTags(string=True))

    @property
    def summary_(self) -> dict[str, Any]:
        """What the fit found: objective, metrics, relevance of the inputs, parameters, a sentence."""
        summary: dict[str, Any] = json.loads(self._fitted().record)["summary"]
        summary["metrics"] = dict(summary["metrics"])
        summary["relevance"] = dict(summary["relevance"])
        return summary

    @property
    def tables_(self) -> dict[str, list[dict[str, str]]]:
        """The model's own tables: rows by column name."""
        tables = json.loads(self._fitted().tables)
        return {t["name"]: [dict(zip(t["columns"], row)) for row in t["rows"]] for t in tables}

    @property
    def figures_(self) -> dict[str, str]:
        """The model's own figures, as SVG."""
        return {name: drawing for name, _, drawing in self._fitted().figures}

    def report(self) -> str:
        """The report as an HTML page."""
        return self._fitted().report(None, False)

    def _repr_html_(self) -> str:
        """The report's heart, for notebooks."""
        if "model_" not in vars(self):
            return f"<pre>{html.escape(repr(self))}</pre>"
        if self.model_.has_report:
            return self.model_.report(None, True)
        # A model of a file has lost what its report needs.
        found = self.summary_
        numbers = dict([found["objective"]] if found["objective"] else []) | found["metrics"]
        return _html.heart(repr(self), [found["text"]], {name: {"": value} for name, value in numbers.items()})

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the model file, which the program `elbo` and :func:`elbo.load` read."""
        self._fitted().save(os.fspath(path))


def _limit(seconds: float | None) -> float | None:
    is_number = isinstance(seconds, (int, float, np.integer, np.floating)) and not isinstance(seconds, bool)
    if seconds is None or (is_number and 0.0 < seconds < 1e9):
        return None if seconds is None else float(seconds)
    raise SettingError(f"setting `max_time` is {seconds!r}", "give seconds above 0, or None")
