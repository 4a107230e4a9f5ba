"""Systems for tables with a target, as scikit-learn's regressors and classifiers."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, overload

import numpy as np

from . import _arrays, _native
from ._arrays import Array, Floats, Sent
from ._base import Estimator, seed_of
from ._parts import whole, within
from ._tables import Layout, Table, as_fitted, check_finite, layout_of, names_of, packed, refuse_missing, table
from ._targets import (
    are_truth_values,
    classes_named,
    classes_of,
    coded,
    codes_of,
    labels_of,
    numbers,
    quoted,
    target_name,
    vector,
)
from .errors import DataError, VerbError


@dataclass(frozen=True)
class Distribution:
    """Predictive distributions of a number, one a row, of an observation (noise included), in the target's unit."""

    _native: _native.Prediction

    def __len__(self) -> int:
        return len(self._native)

    @property
    def mean(self) -> Floats:
        """Means; medians where there is no mean."""
        return _arrays.floats(self._native.mean)

    @property
    def sd(self) -> Floats:
        """Standard deviations; infinite where there is no variance."""
        return _arrays.floats(self._native.sd)

    def quantile(self, p: float) -> Floats:
        """Smallest values whose distribution function reaches `p`."""
        return _arrays.floats(self._native.quantile(within("p", p)))

    def interval(self, level: float = 0.9) -> tuple[Floats, Floats]:
        """Lower and upper ends of the central intervals that hold this share of the probability."""
        half = 0.5 * within("level", level)
        return self.quantile(0.5 - half), self.quantile(0.5 + half)

    def cdf(self, y: Any) -> Floats:
        """Distribution functions at `y`, one value a row."""
        return _arrays.floats(self._native.cdf(self._values(y)))

    def log_prob(self, y: Any) -> Floats:
        """Log densities, or log probabilities of counts, at `y`, one value a row; in nats."""
        return _arrays.floats(self._native.log_prob(self._values(y)))

    def _values(self, y: Any) -> list[float]:
        values = np.asarray(y, np.float64)
        if values.shape != (len(self),):
            raise DataError(f"`y` has the shape {list(values.shape)}; there are {len(self)} rows", "give one value a row")
        listed: list[float] = values.tolist()
        return listed


class Tabular(Estimator):
    """A system for a table with a target."""

    n_features_in_: int
    feature_names_in_: Array
    _layout: Layout
    _finite: ClassVar[bool] = True

    def _read(self, x: Any) -> Table:
        found = table(x)
        if self._finite:
            check_finite(found)
        return found

    def _fit_table(self, found: Table, target: Sent, task: str | None, has_truth_values: bool = False) -> dict[str, Any]:
        self._check_rows(found, target[2][0])
        also = self._implied(found)
        told = self._fit([*found.columns, target], target[0], task, also=also, has_truth_values=has_truth_values)
        self.n_features_in_, self._layout = len(found.columns), [(name, None) for name in found.names]
        if found.has_names:
            self.feature_names_in_ = np.array(found.names, dtype=object)
        elif "feature_names_in_" in vars(self):
            del self.feature_names_in_
        return told

    def _check_rows(self, found: Table, targets: int) -> None:
        _check_length(found.rows, targets)
        if found.rows < 2 and self._finite:
            known = "Found array with 1 sample(s) while a minimum of 2 is required"
            raise DataError(f"the table has one usable row: {known}", "give at least two rows, better fifty")

    def _implied(self, found: Table) -> dict[str, Any]:
        """Settings that follow from the form of the table."""
        return {}

    def _known(self, x: Any) -> list[Sent]:
        """Rows in the model's arrays; they may come without the column of known noise, which is no input."""
        found, layout = self._read(x), self._layout
        noise = getattr(self, "noise_column", None)
        if noise is not None and len(found.columns) < len(names_of(layout)):
            layout = [(name, width) for name, width in layout if name != noise]
        known = as_fitted(found, names_of(layout), "feature_names_in_" in vars(self), type(self).__name__)
        return packed(known.columns, layout)

    def _predict(self, x: Any) -> _native.Prediction:
        model = self._fitted()
        return model.predict(self._known(x))

    def evaluate(self, X: Any, y: Any) -> dict[str, Any]:
        """Scores on rows with their targets, as the program's `evaluate` gives them."""
        scores: dict[str, Any] = json.loads(self._fitted().scores(self._with_target(X, y)))
        return scores

    def report(self, X: Any = None, y: Any = None) -> str:
        """The report as an HTML page, judged on rows `X`, `y` that the fit has not seen, where they are given."""
        return self._fitted().report(None if X is None else self._with_target(X, y), False)

    def _with_target(self, x: Any, y: Any) -> list[Sent]:
        """Rows in the model's columns, and the target under its name."""
        rows = self._known(x)
        target = self._target(y, names_of(self._layout))
        return [*rows, (json.loads(self._fitted().record)["target"], *target[1:])]

    def _target(self, y: Any, taken: list[str]) -> Sent:
        raise NotImplementedError

    def _restore(self, record: dict[str, Any], model: _native.Model) -> None:
        """Takes over a model that was read from a file."""
        self.model_, self._layout = model, layout_of(record)
        names = names_of(self._layout)
        self.n_features_in_ = len(names)
        is_named = names != [f"x{d}" for d in range(len(names))] and any(width is None for _, width in self._layout)
        if is_named:
            self.feature_names_in_ = np.array(names, dtype=object)


def _check_length(rows: int, targets: int) -> None:
    if rows != targets:
        raise DataError(f"X has {rows} rows, y has {targets}", "give one target value a row")


class Regressor(Tabular):
    """A system that predicts a number."""

    _estimator_type = "regressor"
    _missing_target: ClassVar[bool] = False

    def fit(self: Any, X: Any, y: Any = None) -> Any:
        """Fits the model to rows `X` and one number a row, `y`."""
        found = self._read(X)
        target = self._target(y, found.names)
        self._tell(self._fit_table(found, target, "regression"))
        return self

    def _target(self, y: Any, taken: list[str]) -> Sent:
        return _arrays.array(target_name(y, taken), self._numbers(y))

    def _numbers(self, y: Any) -> Floats:
        values, name = numbers(y), target_name(y, [])
        if not self._missing_target:
            refuse_missing([(name, np.isnan(values))], len(values), "y")
        infinite = np.flatnonzero(np.isinf(values))
        if infinite.size:
            where = f"column `{name}` has an infinite value in row {infinite[0] + 1}"
            raise DataError(f"{where}: Input y contains infinity", "remove the row, or mend the cell")
        return values

    @overload
    def predict(self, X: Any, return_std: Literal[False] = False) -> Floats: ...
    @overload
    def predict(self, X: Any, return_std: Literal[True]) -> tuple[Floats, Floats]: ...
    def predict(self, X: Any, return_std: bool = False) -> Floats | tuple[Floats, Floats]:
        """Predicted means, and with `return_std` the standard deviations of an observation."""
        found = self.predict_distribution(X)
        return (found.mean, found.sd) if return_std else found.mean

    def predict_distribution(self, X: Any) -> Distribution:
        """The predictive distribution of each row."""
        return Distribution(self._predict(X))

    def predict_interval(self, X: Any, level: float = 0.9) -> tuple[Floats, Floats]:
        """Lower and upper ends of the central intervals that hold this share of the probability."""
        return self.predict_distribution(X).interval(level)

    def predict_quantile(self, X: Any, p: float) -> Floats:
        """Quantiles of the rows at `p`."""
        return self.predict_distribution(X).quantile(p)

    def sample_y(self, X: Any, n_samples: int = 1, random_state: Any = 0) -> Floats:
        """Joint draws of the regression function at the rows, `[N, n_samples]`, without an observation's noise."""
        model, rows = self._fitted(), self._known(X)
        count = whole("n_samples", n_samples, 1)
        paths = model.sample_paths(rows, count, seed_of(random_state))
        if paths is None:
            raise VerbError(
                f"`{self._system}` has no sample paths with these settings", "draw from `predict_distribution`, row by row"
            )
        drawn: Floats = _arrays.floats(paths).reshape(count, -1).T
        return drawn

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The coefficient of determination of the means, R²; rows without a target count for nothing."""
        mean, y = self.predict(X), self._numbers(y)
        _check_length(len(mean), len(y))
        weight = np.ones(len(y)) if sample_weight is None else np.asarray(sample_weight, np.float64)
        known = ~np.isnan(y)
        mean, y, weight = mean[known], y[known], weight[known]
        total = float(np.sum(weight * (y - np.average(y, weights=weight)) ** 2))
        rest = float(np.sum(weight * (y - mean) ** 2))
        return 1.0 - rest / total if total > 0.0 else float(rest == 0.0)

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import RegressorTags

        tags = super().__sklearn_tags__()
        tags.estimator_type, tags.regressor_tags, tags.target_tags.required = "regressor", RegressorTags(), True
        return tags


class Series(Regressor):
    """A system that predicts a number from one column, of times."""

    _missing_target = True
    time: str | None

    def _implied(self, found: Table) -> dict[str, Any]:
        # Nothing tells columns without names apart but their order.
        is_open = self.time is None and not found.has_names and len(found.columns) > 1
        return {"time": found.names[0]} if is_open else {}

    def _fit_table(self, found: Table, target: Sent, task: str | None, has_truth_values: bool = False) -> dict[str, Any]:
        told = super()._fit_table(found, target, task, has_truth_values)
        if name := self._implied(found).get("time"):
            others = len(found.columns) - 1
            text = f"no column has a name: the first, `{name}`, is taken for the times, and the other {others} are not used"
            told["warnings"] = [f"{text}; `time=` names another", *told["warnings"]]
        return told

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        # scikit-learn's word for a regressor that is not to be tried on a target of many columns: this one sees one column.
        tags.regressor_tags.poor_score = True
        return tags


class Classifier(Tabular):
    """A system that predicts one of two or more classes."""

    _estimator_type = "classifier"
    #: Whether more than two classes can be told apart.
    _many_classes: ClassVar[bool] = True
    classes_: Array
    _labels: list[str]

    def fit(self: Any, X: Any, y: Any = None) -> Any:
        """Fits the model to rows `X` and one class a row, `y`."""
        found = self._read(X)
        values, name = vector(y), target_name(y, found.names)
        self._check_rows(found, len(values))
        classes = classes_of(values, name)
        labels = labels_of(classes)
        if len(classes) < 2:
            raise DataError(f"target `{name}` has a single class, {quoted(labels[0])}", "give rows of at least two classes")
        if len(classes) > 2 and not self._many_classes:
            known = "Only binary classification is supported. The type of the target is multiclass."
            raise DataError(
                f"the target has {len(classes)} classes; this system separates two: {known}", "use `SVGPClassifier`"
            )
        target = coded(name, values, classes, labels)
        told = self._fit_table(found, target, "classification", are_truth_values(classes))
        self.classes_, self._labels = classes, labels
        self._tell(told)
        return self

    def _target(self, y: Any, taken: list[str]) -> Sent:
        return coded(target_name(y, taken), vector(y), self.classes_, self._labels)

    def predict_proba(self, X: Any) -> Floats:
        """Probabilities `[N, C]`, in the order of `classes_`."""
        found = self._predict(X)
        named = found.classes
        if named is None:
            raise VerbError(
                f"the model of `{self._system}` predicts a number, and no classes, with these settings",
                "leave `likelihood` out, or give one of classes, and fit again; for a number use a regressor",
            )
        order = [named.index(label) for label in self._labels]
        shares: Floats = _arrays.floats(found.probabilities).reshape(-1, len(order))[:, order]
        return shares

    def predict_log_proba(self, X: Any) -> Floats:
        """Logarithms of the probabilities."""
        with np.errstate(divide="ignore"):
            logarithms: Floats = np.log(self.predict_proba(X))
        return logarithms

    def predict(self, X: Any) -> Array:
        """The most probable class of each row."""
        shares = self.predict_proba(X)
        best: Array = self.classes_[np.argmax(shares, axis=1)]
        return best

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The share of rows whose most probable class is right; a class that the fit did not see counts as wrong.

        When none of `y` is a class of the fit it is refused, as by `evaluate`: texts beside numbers would be wrong everywhere.
        """
        found, y = self.predict(X), vector(y)
        _check_length(len(found), len(y))
        if not set(y.tolist()) & set(self.classes_.tolist()):
            codes_of(y, self.classes_, self._labels)
        return float(np.average(found == y, weights=sample_weight))

    def _restore(self, record: dict[str, Any], model: _native.Model) -> None:
        super()._restore(record, model)
        labels = model.classes
        # Files of earlier versions and of the program do not say: classes are texts or numbers there.
        classes = classes_named(labels, record.get("has_truth_values", False))
        # scikit-learn's scores take the columns of probabilities to be in the order of the sorted classes.
        order = np.argsort(classes)
        self.classes_, self._labels = classes[order], [labels[i] for i in order]

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import ClassifierTags

        tags = super().__sklearn_tags__()
        tags.classifier_tags = ClassifierTags(multi_class=self._many_classes)
        tags.estimator_type, tags.target_tags.required = "classifier", True
        return tags
