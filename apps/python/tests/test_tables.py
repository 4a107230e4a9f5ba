"""Tables in the forms that users have them."""

from __future__ import annotations

import datetime
import decimal
import json
import warnings
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
import quick

import elbo
from elbo import _arrays, _native, _tables

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


def test_layouts_and_widths_of_arrays_do_not_matter() -> None:
    x = np.arange(12.0).reshape(4, 3)
    forms = [np.asfortranarray(x), x[::-1][::-1], np.repeat(x, 2, 1)[:, ::2], x.astype(">f8"), x.astype("<f4"), x.astype(">i2")]
    for form in [*forms, x.astype(object), x.tolist()]:
        assert read(form) == {f"x{d}": x[:, d].tolist() for d in range(3)}
    assert read({"large": np.array([2**63 + 2**12], ">u8")}) == {"large": [2.0**63 + 2**12]}


def test_missing_objects_are_missing_whatever_wrote_them() -> None:
    frame = pd.DataFrame(
        {
            "n": pd.Series([1.0, pd.NA, None], dtype=object),
            "s": pd.Series(["u", pd.NA, np.nan], dtype=object),
            "d": pd.Series([pd.Timestamp("2020-01-02"), pd.NaT, None], dtype=object),
        }
    )
    assert read(frame) == {"n": [1.0, None, None], "s": ["u", None, None], "d": ["2020-01-02T00:00:00", None, None]}
    assert read(np.ma.masked_equal([[1.0, 2.0], [3.0, 1.0]], 1.0)) == {"x0": [None, 3.0], "x1": [2.0, None]}
    assert read({"s": np.ma.array(["u", "v"], mask=[True, False])}) == {"s": [None, "v"]}


def test_decimals_are_numbers_and_bytes_are_texts() -> None:
    cells = [decimal.Decimal("-1.25"), None, decimal.Decimal("300.5")]
    numbers = [-1.25, None, 300.5]
    wide = pa.table({"a": pa.array(cells, pa.decimal256(50, 4))})
    frames = [pl.DataFrame({"a": cells}), pa.table({"a": cells}), wide, wide.to_pandas(types_mapper=pd.ArrowDtype)]
    for frame in [*frames, pd.DataFrame({"a": cells})]:
        assert read(frame) == {"a": numbers}
    assert read({"b": np.array([b"u", b"v"])}) == {"b": ["u", "v"]}


def test_columns_of_one_name_are_refused() -> None:
    for frame in (pd.DataFrame([[1, 2]], columns=["a", "a"]), pa.table([[1], [2]], names=["a", "a"]), {1: [1], "1": [2]}):
        with pytest.raises(elbo.DataError, match="two columns are named `"):
            _tables.table(frame)


def test_targets_are_checked_with_their_cells() -> None:
    x = [[0.0], [1.0], [2.0]]
    with pytest.raises(elbo.DataError, match='target `y` holds text, such as "b"'):
        elbo.GPR().fit(x, np.array([1, "b", 2], dtype=object))
    with pytest.raises(elbo.DataError, match="y contains NaN, row 2"):
        elbo.GPR().fit(x, pd.Series([1, None, 2], dtype="Int64"))
    with pytest.raises(elbo.DataError, match="holds dates or times"):
        elbo.GPR().fit(x, np.array(["2020-01-01", "2020-01-02", "2020-01-03"], "datetime64[D]"))
    with pytest.raises(elbo.DataError, match="y contains NaN"):
        elbo.SVGPClassifier().fit(x, ["u", None, "v"])
    with pytest.raises(elbo.DataError, match='row 2 has class "w", which the training data did not have'):
        many, _ = quick.table()
        quick.made(elbo.SVGPClassifier).fit(many, np.where(many[:, 0] > 0, "u", "v")).evaluate(many[:3], ["u", "w", "v"])
    with pytest.raises(elbo.DataError, match="texts among numbers"):
        elbo.SVGPClassifier().fit(x, np.array(["u", 1, "v"], dtype=object))
    model = elbo.GPR(starts=1, iterations=5).fit(x, [0.0, 1.0, 0.5])
    with pytest.raises(elbo.DataError, match="X has 3 rows, y has 1"):
        model.score(x, [1.0])


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


X, Y = [1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 5.0]
#: Tables that no model can use: the system, inputs, the target, the task.
BAD: dict[str, tuple[str, dict[str, list[Any]], list[Any], str | None]] = {
    "a missing cell": ("gpr", {"a": [1.0, None, 3.0, 4.0]}, Y, None),
    "missing cells in columns": ("gpr", {"a": [1.0, None, 3.0, 4.0], "b": [None, None, 2.0, 1.0], "c": X}, Y, None),
    "a missing text": ("gpr", {"a": ["u", None, "v", "u"]}, Y, None),
    "seven incomplete columns": ("gpr", {f"x{d}": [None, *X[1:]] for d in range(7)}, Y, None),
    "a column without any value": ("gpr", {"a": X, "b": [None] * 4}, Y, None),
    "a missing target": ("gpr", {"a": X}, [1.0, None, 3.0, 5.0], None),
    "a target without any value": ("gpr", {"a": X}, [None] * 4, None),
    "an infinite cell": ("gpr", {"a": [1.0, 2.0, np.inf, 4.0]}, Y, None),
    "an infinite target": ("gpr", {"a": X}, [1.0, 2.0, -np.inf, 4.0], None),
    "a constant target": ("gpr", {"a": X}, [2.0] * 4, None),
    "constant inputs": ("gpr", {"a": [5.0] * 4}, Y, None),
    "a text target": ("gpr", {"a": X}, ["red", "blue", "red", "blue"], None),
    "one row": ("gpr", {"a": [1.0]}, [2.0], None),
    "one row to classify": ("svgp", {"a": [1.0]}, ["u"], "classification"),
    "one class": ("svgp", {"a": X}, ["u"] * 4, "classification"),
    "one class, a number": ("svgp", {"a": X}, [7] * 4, "classification"),
    "a missing class": ("svgp", {"a": X}, ["u", None, "v", "u"], "classification"),
    "a fraction for a class": ("svgp", {"a": X}, [1.0, 0.5, 1.0, 2.0], "classification"),
    "three classes where two are told apart": ("cvi-ep-hyper", {"a": X}, ["u", "v", "w", "u"], "classification"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_with_a_table_is_said_in_the_program_s_words(case: str, tmp_path: Any) -> None:
    system, inputs, y, task = BAD[case]
    path = str(tmp_path / "bad.parquet")
    whole = {**inputs, "y": y}
    columns = {name: pa.array(cells, pa.float64() if cells == [None] * 4 else None) for name, cells in whole.items()}
    parquet.write_table(pa.table(columns), path)
    with pytest.raises(elbo.Error) as theirs:
        # What the program does with the file.
        _, arrays = _native.read(path, "y")
        sent = [(name, kind, shape, bytes(data), levels) for name, kind, shape, data, levels in arrays]
        _native.fit(system, "{}", sent, "y", task, path, 0, None, None)
    role = "classifier" if task else "regressor"
    cls = next(c for c in elbo.systems()[system]["estimators"] if c._estimator_type == role)
    with pytest.raises(elbo.DataError) as ours:
        cls().fit(pd.DataFrame(inputs), y)
    # A file has a name; a frame has none.
    said, found = theirs.value.message.removesuffix(f": {path}"), ours.value.message
    # What scikit-learn looks for may follow.
    assert found == said or found.startswith(f"{said}: "), (said, found)
    assert type(theirs.value) is elbo.DataError and "np." not in str(ours.value) and ours.value.remedy


def test_what_a_reader_noted_is_a_warning(tmp_path: Any) -> None:
    rows = "".join(f"{row:05d},{row / 7}\n" for row in range(1, 30))
    (tmp_path / "codes.csv").write_text("code,size\n" + rows)
    with pytest.warns(elbo.ReadWarning, match="leading zeros"):
        found = elbo.read(tmp_path / "codes.csv")
    assert found["code"][0] == "00001"


STAMPS = ["2020-01-02T03:04:05.125", None, "2020-01-02T03:04:06", "1969-12-31T23:59:59.000001"]


def test_times_keep_their_fractions_of_a_second() -> None:
    fine = np.array([cell or "NaT" for cell in STAMPS], "datetime64[ns]")
    arrow = pa.table({"t": pa.array(fine.astype("datetime64[us]"))})
    zoned = pd.DataFrame({"t": pd.Series(fine).dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")})
    typed = arrow.to_pandas(types_mapper=pd.ArrowDtype)
    for frame in [{"t": fine}, pd.DataFrame({"t": fine}), pl.DataFrame({"t": fine}), arrow, zoned, typed]:
        assert read(frame) == {"t": STAMPS}
    assert read({"t": np.array(["2020-01-02T03:04:05.120000001"], "datetime64[ns]")}) == {
        "t": ["2020-01-02T03:04:05.120000001"]
    }
    assert read({"t": np.array(["2020-01-02"], "datetime64[D]")}) == {"t": ["2020-01-02T00:00:00"]}


def test_times_below_a_second_are_told_apart() -> None:
    milliseconds = np.arange(80)
    times = np.datetime64("2024-03-01T12:00:00", "ms") + 25 * milliseconds
    y = np.sin(milliseconds / 5.0)
    model = quick.made(elbo.MarkovGP).fit({"time": times}, y)
    assert np.corrcoef(model.predict({"time": times}), y)[0, 1] > 0.95


def program_s(tmp_path: Any, system: str, arrays: dict[str, Any], target: str | None, task: str | None, **settings: Any) -> Any:
    """The model that the program writes for the arrays of an NPZ file."""
    sent = _arrays.named(arrays)
    model, _ = _native.fit(system, json.dumps(settings), sent, target, task, "t.npz", 0, None, None)
    model.save(str(tmp_path / "model.elbo"))
    return elbo.load(tmp_path / "model.elbo")


def test_models_of_a_matrix_in_a_file_take_arrays(tmp_path: Any) -> None:
    x, y = quick.table()
    x = np.column_stack([x, np.ones(len(x))])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", elbo.FitWarning)
        expected = elbo.GPR(starts=1, iterations=20).fit(x, y)
    model = program_s(tmp_path, "gpr", {"x": x, "y": y}, "y", "regression", starts=1, iterations=20)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.n_features_in_ == 3 and not hasattr(model, "feature_names_in_")
        for rows in [x, x.astype(object), {"x": x}, {f"x[{d}]": x[:, d] for d in range(3)}]:
            np.testing.assert_allclose(model.predict(rows), expected.predict(x), rtol=1e-9)
        assert model.evaluate(x, y)["rmse"] == pytest.approx(expected.evaluate(x, y)["rmse"])
    for rows in (x[:, :2], {"x": x[:, :2]}):
        with pytest.raises(elbo.DataError, match="X has 2 features, but GPR is expecting 3"):
            model.predict(rows)
    with pytest.raises(elbo.DataError, match=r"column `x\[1\]` holds text"):
        model.predict({"x[0]": x[:, 0], "x[1]": ["u"] * len(x), "x[2]": x[:, 2]})


def test_columns_beside_a_matrix_keep_their_names(tmp_path: Any) -> None:
    x, y = quick.table()
    arrays = {"x": x, "age": np.arange(len(y)) / 10.0, "y": np.where(y > 0, "high", "low")}
    model = program_s(tmp_path, "svgp", arrays, "y", "classification", inducing=10, steps=20)
    assert list(model.feature_names_in_) == ["x[0]", "x[1]", "age"]
    rows = {"x": x, "age": arrays["age"]}
    shares = model.predict_proba(rows)
    np.testing.assert_array_equal(
        model.predict_proba(pd.DataFrame({"x[0]": x[:, 0], "x[1]": x[:, 1], "age": rows["age"]})), shares
    )
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        np.testing.assert_array_equal(model.predict_proba(np.column_stack([x, rows["age"]])), shares)


def test_matrices_in_a_dictionary_are_columns(tmp_path: Any) -> None:
    x, y = quick.table()
    model = elbo.GPR(starts=1, iterations=20).fit({"x": x}, y)
    assert list(model.feature_names_in_) == ["x[0]", "x[1]"]
    np.testing.assert_allclose(model.predict({"x": x}), elbo.GPR(starts=1, iterations=20).fit(x, y).predict(x), rtol=1e-9)
    with pytest.raises(elbo.DataError, match=r"column `x` has the shape \[60, 2, 1\]"):
        model.predict({"x": x[:, :, np.newaxis]})


def test_models_of_points_in_a_file_take_arrays(tmp_path: Any) -> None:
    x = np.random.default_rng(0).normal(size=(60, 3))
    model = program_s(tmp_path, "aevb", {"x": x}, None, None, hidden=[8], latent=2, epochs=2)
    own = elbo.AEVB(hidden=(8,), latent=2, epochs=2).fit(x)
    np.testing.assert_allclose(model.transform(x), own.transform(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(model.transform({"x": x}), model.transform(x))
    assert model.evaluate(x, draws=5)["rows"] == 60
    assert len(model.reconstruct(x)) == 3
