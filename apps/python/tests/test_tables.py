"""Tables in the forms that users have them."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import elbo
from elbo import _arrays, _tables

CELLS: dict[str, list[Any]] = {
    "number": [1.5, None, 3.0],
    "whole": [1, 2, 3],
    "text": ["x", "a text of more than twelve letters", None],
    "flag": [True, False, None],
    "day": [datetime.date(2020, 1, 2), None, datetime.date(1960, 1, 1)],
}
READ: dict[str, list[Any]] = {**CELLS, "flag": [1.0, 0.0, None], "day": ["2020-01-02", None, "1960-01-01"]}


def read(frame: Any) -> dict[str, list[Any]]:
    columns = _tables.table(frame).columns
    arrays = _arrays.received([(n, k, s, bytearray(b), levels) for n, k, s, b, levels in columns])
    return {name: [None if cell != cell else cell for cell in a.tolist()] for name, a in arrays.items()}


@pytest.mark.parametrize(
    "frame", [pl.DataFrame(CELLS), pa.table(CELLS), pd.DataFrame(CELLS), pa.concat_tables([pa.table(CELLS)] * 2).slice(3)]
)
def test_frames_are_read_alike(frame: Any) -> None:
    assert read(frame) == READ


def test_slices_and_categories_keep_their_cells() -> None:
    frame = pl.DataFrame(CELLS).with_columns(
        category=pl.Series(["u", "v", "u"]).cast(pl.Categorical), fixed=pl.Series(["u", "v", "u"]).cast(pl.Enum(["v", "u"]))
    )
    rest = read(frame[1:])
    assert rest["category"] == rest["fixed"] == ["v", "u"]
    assert rest["text"] == CELLS["text"][1:] and rest["number"] == [None, 3.0]
    arrow = pa.table({"c": pa.array(["u", None, "v"]).dictionary_encode(), "l": pa.array(["p", "q", None], pa.large_string())})
    assert read(arrow) == {"c": ["u", None, "v"], "l": ["p", "q", None]}
    pandas = pd.DataFrame(
        {"c": pd.Categorical(["u", None, "v"]), "i": pd.array([1, None, 3], "Int64"), "s": pd.array(["a", None, "b"], "string")}
    )
    assert read(pandas) == {"c": ["u", None, "v"], "i": [1.0, None, 3.0], "s": ["a", None, "b"]}


def test_types_that_mean_nothing_here_are_named() -> None:
    with pytest.raises(elbo.DataError, match="column `x` is of the Arrow type"):
        _tables.table(pl.DataFrame({"x": [[1], [2]]}))


def mixed(rows: int = 80) -> tuple[pd.DataFrame, Any]:
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"size": rng.uniform(0, 1, rows), "site": pd.Categorical(rng.choice(["north", "south"], rows))})
    return frame, frame["size"] + 2.0 * (frame["site"] == "south") + rng.normal(0, 0.05, rows)


def test_categories_are_inputs_and_names_are_kept() -> None:
    frame, y = mixed()
    model = elbo.GPR(starts=1, iterations=30).fit(frame, y)
    assert list(model.feature_names_in_) == ["size", "site"]
    assert model.score(frame, y) > 0.97
    alike = model.predict(pl.from_pandas(frame))
    np.testing.assert_array_equal(model.predict(frame), alike)
    np.testing.assert_array_equal(model.predict(pa.Table.from_pandas(frame, preserve_index=False)), alike)
    with pytest.raises(elbo.DataError, match="feature names should match"):
        model.predict(frame.rename(columns={"size": "length"}))


@pytest.mark.parametrize("make", [pl.DataFrame, pa.table, dict])
def test_fits_do_not_depend_on_the_frame(make: Any) -> None:
    x, y = np.linspace(0, 1, 30), np.sin(np.linspace(0, 6, 30))
    expected = elbo.GPR(starts=1, iterations=20).fit(x[:, np.newaxis], y).predict(x[:5, np.newaxis])
    model = elbo.GPR(starts=1, iterations=20).fit(make({"x": x}), y)
    np.testing.assert_allclose(model.predict(make({"x": x[:5]})), expected, rtol=1e-12)


def test_missing_cells_are_refused_with_their_place() -> None:
    with pytest.raises(elbo.DataError, match="`a` has no value in row 2"):
        elbo.GPR().fit(pd.DataFrame({"a": [1.0, np.nan, 2.0]}), [1.0, 2.0, 3.0])


def test_what_a_reader_noted_is_a_warning(tmp_path: Any) -> None:
    rows = "".join(f"{row:05d},{row / 7}\n" for row in range(1, 30))
    (tmp_path / "codes.csv").write_text("code,size\n" + rows)
    with pytest.warns(elbo.ReadWarning, match="leading zeros"):
        found = elbo.read(tmp_path / "codes.csv")
    assert found["code"][0] == "00001"
