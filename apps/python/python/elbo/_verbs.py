"""Verbs of fitted models beside `predict`; a class has those that its system offers."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from . import _arrays, _native, _progress
from ._arrays import Array, Floats, Sent
from ._arviz import inference_data, shaped
from ._base import Estimator, seed_of, to_json
from ._parts import whole
from ._tables import layout_of, table
from ._targets import numbers, target_name
from .errors import DataError, ReadWarning, VerbError, warn


def sent(x: Any, any_size: bool = False, keep_missing: bool = False) -> list[Sent]:
    """Data of any form: a path, an array, pictures that differ in size, named arrays, a frame."""
    if isinstance(x, (str, os.PathLike)):
        notes, arrays = _native.read(os.fspath(x), None, any_size, keep_missing)
        for note in notes:
            warn(note, ReadWarning)
        return [(name, kind, shape, bytes(data), levels) for name, kind, shape, data, levels in arrays]
    if isinstance(x, Mapping):
        return _arrays.named(x)
    if any_size and isinstance(x, Sequence):
        return [_arrays.array(f"image{i}", np.asarray(picture)[np.newaxis]) for i, picture in enumerate(x)]
    if _is_frame(x):
        return table(x).columns
    found = np.asarray(x)
    return [_arrays.array("image", found)] if found.ndim > 2 else table(found).columns


def _is_frame(x: Any) -> bool:
    return hasattr(x, "columns") or hasattr(x, "__arrow_c_stream__")


def _is_plain(x: Any) -> bool:
    """Whether data come as one array, or as what NumPy makes one of."""
    return not isinstance(x, (str, os.PathLike, Mapping)) and not _is_frame(x)


class Points(Estimator):
    """A system for data without a target."""

    #: `array` for pictures in one array, `matrix` for rows of numbers, `named` for everything else.
    _form: str
    _any_size = False

    def _sent(self, x: Any) -> list[Sent]:
        """The data, with its empty cells where they count as missing."""
        return sent(x, self._any_size, getattr(self, "nan_is_missing", False) is True)

    def fit(self: Any, X: Any, y: Any = None) -> Any:
        """Fits the model to the data `X`; `y` is not used."""
        return self._fit_points(X)

    def _fit_points(self: Any, X: Any, held_out: Any = None) -> Any:
        arrays, held = self._sent(X), None if held_out is None else self._sent(held_out)
        form = ("array" if np.ndim(X) > 2 else "matrix") if _is_plain(X) and not self._any_size else "named"
        told = self._fit(arrays, source=os.fspath(X) if isinstance(X, (str, os.PathLike)) else "memory", held_out=held)
        self._form = form
        self._tell(told)
        return self

    def _known(self, x: Any) -> list[Sent]:
        """New data for the model. A plain matrix takes the place of the one that it was fitted to, which a file gave a name."""
        layout = layout_of(json.loads(self._fitted().record))
        if len(layout) == 1 and layout[0][1] is not None and _is_plain(x):
            (name, width), found = layout[0], _arrays.read(x)
            if found.ndim == 2 and found.shape[1] == width:
                return [_arrays.array(name, found)]
        return self._sent(x)

    def _shaped(self, arrays: dict[str, Array]) -> Any:
        """Arrays in the form of the data that the model was fitted to."""
        if self._form == "named" or not arrays:
            return arrays
        return next(iter(arrays.values())) if self._form == "array" else np.column_stack(list(arrays.values()))

    def _restore(self, record: dict[str, Any], model: _native.Model) -> None:
        self.model_, self._form = model, "named"


class Photographs(Points):
    """A system for pictures that may differ in size: a folder, or a list of arrays `[H, W]` or `[H, W, 3]` of bytes."""

    _any_size = True


class Samples(Points):
    """The verb `sample`."""

    def sample(self, n_samples: int = 1, random_state: Any = 0) -> Any:
        """New draws, in the form of the data; arrays by name from a model of a file, which does not keep that form."""
        return self._shaped(_arrays.received(self._fitted().sample(whole("n_samples", n_samples, 1), seed_of(random_state))))

    def decode(self, codes: Any) -> Any:
        """Data points of codes, in the form that `sample` has: means, so that decoding what was encoded is reconstructing.

        `codes` are the columns `z1`, `z2` and so on that `encode` gives, of which others are not read, or an array `[N, L]`. For models
        with a code of free numbers for each data point: `AEVB`, `IWAE`, `InfoVAE`.
        """
        names = self._code_columns()
        if _is_plain(codes):
            found = _arrays.read(codes)
            if found.ndim != 2 or found.shape[1] != len(names):
                raise DataError(
                    f"codes have the shape {list(found.shape)}; the model's are of {len(names)} numbers",
                    f"give an array [N, {len(names)}], or the columns that `encode` gives",
                )
            codes = dict(zip(names, found.T))
        # Columns that are not read may have empty cells, as `pareto_k` has.
        return self._shaped(_arrays.received(self._fitted().decode(sent(codes, keep_missing=True))))

    def traverse(self, steps: int = 9) -> dict[str, Array]:
        """Codes for `decode` that move one number at a time, from -3 to 3 standard deviations of the prior, with the others in the middle.

        There are `steps` rows for each number, one number after the other.
        """
        self._code_columns()
        return _arrays.received(self._fitted().traverse(whole("steps", steps, 2)))

    def _code_columns(self) -> list[str]:
        names = self._fitted().code_columns
        if names is None:
            raise VerbError(
                f"models of `{self._system}` draw from no codes that could be given",
                "use `sample`, or `AEVB`, `IWAE` or `InfoVAE`",
            )
        return names


class Draws(Estimator):
    """The verb `sample` of a model with a target."""

    def sample(self, n_samples: int = 1, random_state: Any = 0) -> dict[str, Array]:
        """Draws of the posterior's unknowns, for standardised inputs and target: columns by name."""
        return _arrays.received(self._fitted().sample(whole("n_samples", n_samples, 1), seed_of(random_state)))

    def to_arviz(self, n_samples: int = 1000, random_state: Any = 0) -> Any:
        """The posterior's unknowns as ArviZ has them, for standardised inputs and target; needs `arviz`.

        Where a sampler fitted the model, all of its chains with what it noted of each draw; otherwise `n_samples` draws as one chain.
        """
        kept = self._fitted().chains
        if kept is None:
            drawn = self.sample(n_samples, random_state)
            return inference_data({name: column[np.newaxis] for name, column in drawn.items()}, {})
        chains, draws, unknowns, stats = kept
        return inference_data(shaped(unknowns, (chains, draws)), shaped(stats, (chains, draws)))


class Reconstructs(Points):
    """The verb `reconstruct`."""

    def reconstruct(self, X: Any) -> Any:
        """What the model makes of the codes of `X`, in the form that `sample` has."""
        return self._shaped(_arrays.received(self._fitted().reconstruct(self._known(X))))


class Encodes(Estimator):
    """The verb `encode`, also as scikit-learn's `transform`."""

    def encode(self, X: Any, bounds: bool = False, draws: int = 100) -> dict[str, Array]:
        """Codes of the data points: columns by name.

        With `bounds` also what a model of data points thinks of each, in nats, by `draws` importance draws: `elbo`, the tighter `iwae`, how
        many of the draws count (`effective_draws`), and `pareto_k` where there are draws enough; their means are what `evaluate` gives.
        """
        asked = whole("draws", draws, 1) if bounds else None
        return _arrays.received(self._fitted().encode(self._rows(X), asked))

    def transform(self, X: Any) -> Floats:
        """Codes of the data points, `[N, L]`."""
        return np.column_stack([column.astype(np.float64) for column in self.encode(X).values()])

    def fit_transform(self: Any, X: Any, y: Any = None) -> Floats:
        """Fits the model and gives the codes of the data."""
        codes: Floats = self.fit(X, y).transform(X)
        return codes

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import TransformerTags

        tags = super().__sklearn_tags__()
        tags.transformer_tags = TransformerTags(preserves_dtype=[])
        return tags

    def _rows(self, x: Any) -> list[Sent]:
        own: Any = getattr(self, "_known", sent)
        arrays: list[Sent] = own(x)
        return arrays


class Bounds(Points):
    """The verb `evaluate` of a model without a target."""

    def fit(self: Any, X: Any, y: Any = None, held_out: Any = None) -> Any:
        """Fits the model to the data `X`; `y` is not used.

        Where data of the same form are `held_out`, from which the fit learns nothing, `tables_["history"]` follows their bound, epoch by
        epoch.
        """
        return self._fit_points(X, held_out)

    def report(self, X: Any = None) -> str:
        """The report as an HTML page, judged on data `X` that the fit has not seen, where they are given."""
        return self._fitted().report(None if X is None else self._known(X), False)

    def evaluate(self, X: Any, draws: int = 100) -> dict[str, Any]:
        """Bounds on the log likelihood of the data points, in nats a point, the tighter with `draws` importance draws."""
        bounds: dict[str, Any] = json.loads(self._fitted().evaluate(self._known(X), whole("draws", draws, 1)))
        return bounds

    def score(self, X: Any, y: Any = None) -> float:
        """The evidence lower bound, in nats a point."""
        return float(self.evaluate(X, 1)["elbo"])


class Restores(Points):
    """The verb `restore`."""

    def restore(self, X: Any, mask: Any = None, random_state: Any = 0, **settings: Any) -> dict[str, Array]:
        """Clean pictures from degraded ones; `mask` marks pixels that are missing. Settings say how they were degraded."""
        arrays = sent(X)
        if mask is not None:
            arrays.append(_arrays.array("mask", np.asarray(mask)))
        return _arrays.received(self._fitted().restore(arrays, to_json(settings), seed_of(random_state)))


class Compresses(Photographs):
    """The verb `compress` and its way back."""

    def compress(self, picture: Any, **settings: Any) -> bytes:
        """One picture `[H, W]` or `[H, W, 3]` of bytes, or its path, as a file that stands for itself.

        Settings: `quality`, 1 to 8; `coder`, `rans` or `range`; `skip_zeros`, whether channels of zeros are named instead of coded.
        """
        arrays = sent(picture if isinstance(picture, (str, os.PathLike)) else [picture], True)
        return self._fitted().compress(arrays, to_json(settings))

    def decompress(self, file: bytes) -> Array:
        """The picture of a compressed file, `[H, W, C]`."""
        pictures = next(iter(_arrays.received(self._fitted().decompress(file)).values()))
        return np.asarray(pictures[0])

    def salvage(self, file: bytes) -> tuple[Array, list[str]]:
        """As much of the picture as a damaged file still gives, and sentences about what was lost."""
        arrays, lost = self._fitted().salvage(file)
        return np.asarray(next(iter(_arrays.received(arrays).values()))[0]), lost


class Renders(Points):
    """The verb `render`."""

    def render(self, orbit: int = 8, size: tuple[int, int] | None = None, views: Any = None) -> dict[str, Array]:
        """Pictures `image` and distances `depth` from cameras on a circle, or from those of the scene `views`."""
        arrays = None if views is None else sent(views)
        return _arrays.received(self._fitted().render(whole("orbit", orbit, 1), list(size) if size else None, arrays))


class Suggests(Estimator):
    """The verb `suggest`: a system for trials of an experiment."""

    def fit(self: Any, X: Any = None, y: Any = None) -> Any:
        """Takes the trials so far: rows `X` and one result a row, `y`, NaN where it is pending. Without any, the space must be given."""
        columns = [] if X is None else table(X).columns
        values = np.empty(0) if y is None else numbers(y)
        if columns and values.shape != (columns[0][2][0],):
            raise DataError(
                f"X has {columns[0][2][0]} rows, y has the shape {list(values.shape)}", "give one result a row, NaN for none"
            )
        target = target_name(y, [column[0] for column in columns])
        self._tell(self._fit([*columns, _arrays.array(target, values)], target))
        return self

    def suggest(self, n_points: int = 1, random_state: Any = 0) -> dict[str, Array]:
        """The next points to try: columns by name, then what is expected there."""
        return _arrays.received(self._fitted().suggest(whole("n_points", n_points, 1), seed_of(random_state)))

    def _restore(self, record: dict[str, Any], model: _native.Model) -> None:
        self.model_ = model


class Updates(Estimator):
    """The verb `update`."""

    def update(self: Any, X: Any, y: Any) -> Any:
        """Absorbs new rows without the old ones."""
        model, arrays = self._fitted(), self._with_target(X, y)
        watch = _progress.watcher(self.verbose, self._system)
        self._tell(self._keep(*model.update(arrays, "memory", watch)))
        return self
