"""Every registered system as a class."""

from __future__ import annotations

import inspect
import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import quick

import elbo

ROOT = Path(__file__).parents[3]


def test_the_generated_classes_are_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "apps/python/generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_every_system_has_a_class_with_its_settings() -> None:
    for name, system in elbo.systems().items():
        assert system["estimators"], name
        for cls in system["estimators"]:
            made = cls()
            settings = {setting["name"] for setting in system["settings"]}
            assert settings | set(elbo._base.COMMON) == {p.rstrip("_") if p != "random_state" else p for p in made.get_params()}
            assert made._settings() == {}, "defaults are not sent"
            assert system["title"] in inspect.getdoc(cls)
            for parameter in made.get_params():
                assert f"\n{parameter} : " in inspect.getdoc(cls)


def pictures(count: int = 40, size: int = 8) -> Any:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, size, size), dtype=np.uint8)


@pytest.mark.parametrize("name", ["AEVB", "IWAE", "InfoVAE"])
def test_models_of_pictures(name: str) -> None:
    x = pictures()
    model = quick.made(getattr(elbo, name)).fit(x)
    assert model.sample(3, random_state=1).shape == (3, 8, 8)
    assert model.reconstruct(x[:4]).shape == (4, 8, 8)
    codes = model.transform(x)
    assert codes.shape[0] == 40 and np.isfinite(codes).all()
    bounds = model.evaluate(x, draws=10)
    assert bounds["rows"] == 40 and bounds["iwae"]["k"] == 10
    assert "<strong>" in model._repr_html_()


def test_diffusion_draws_and_restores() -> None:
    x = pictures(30)
    model = quick.made(elbo.DDPM).fit(x)
    assert model.sample(2).shape == (2, 8, 8)
    mask = np.zeros((1, 8, 8), np.uint8)
    mask[:, :4] = 255
    restored = quick.made(elbo.RedDiff).fit(x).restore(x[:1], mask=mask)
    assert next(iter(restored.values())).shape[1:3] == (8, 8)


@pytest.mark.parametrize("name", ["Hyperprior", "GGMCodec"])
def test_codecs_give_the_same_picture_back(name: str) -> None:
    rng = np.random.default_rng(0)
    photos = [np.cumsum(rng.integers(0, 3, (64, 80, 3)), 1).astype(np.uint8), rng.integers(0, 99, (70, 64, 3), dtype=np.uint8)]
    model = quick.made(getattr(elbo, name)).fit(photos)
    file = model.compress(photos[0])
    picture = model.decompress(file)
    assert picture.shape == (64, 80, 3) and picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, model.decompress(model.compress(photos[0])))
    with pytest.raises(elbo.DataError):
        model.decompress(file[: len(file) // 2])
    whole, lost = model.salvage(file)
    np.testing.assert_array_equal(whole, picture)
    assert lost == []
    # The last chunk ends where the digest of 32 bytes begins.
    hurt = file[:-40] + bytes([file[-40] ^ 1]) + file[-39:]
    with pytest.raises(elbo.DataError, match="chunk 2 of 2"):
        model.decompress(hurt)
    left, lost = model.salvage(hurt)
    assert left.shape == picture.shape and "chunk 2 of 2 is damaged" in lost[0]


def test_an_experiment_suggests_inside_its_space() -> None:
    space = [
        {"name": "rate", "type": "real", "low": 0.0, "high": 1.0},
        {"name": "depth", "type": "integer", "low": 1, "high": 4},
    ]
    first = elbo.BO(space=space).fit().suggest(3)
    assert set(first) >= {"rate", "depth"} and len(first["rate"]) == 3
    rng = np.random.default_rng(1)
    trials = {"rate": rng.uniform(0, 1, 12), "depth": rng.integers(1, 5, 12)}
    y = (trials["rate"] - 0.3) ** 2 + 0.1 * trials["depth"]
    y[-1] = np.nan
    next_ones = elbo.BO(space=space, goal="minimise").fit(trials, y).suggest(2, random_state=1)
    assert ((next_ones["rate"] >= 0) & (next_ones["rate"] <= 1)).all()
    assert np.isin(next_ones["depth"], [1, 2, 3, 4]).all()


def test_updates_absorb_rows() -> None:
    x, y = quick.table(120)
    half = quick.made(elbo.MemoryDualGPRegressor).fit(x[:60], y[:60])
    first, before = half.predict(x), half.score(x[60:], y[60:])
    assert half.update(x[60:], y[60:]).score(x[60:], y[60:]) > before - 0.05
    assert [rows["rows"] for rows in json.loads(half.model_.record)["updates"]] == [60]
    assert (half.predict(x) != first).any()


def test_series_with_dates() -> None:
    days = np.arange("2020-01-01", "2020-03-01", dtype="datetime64[D]")
    y = np.sin(np.arange(len(days)) / 5.0)
    y[10] = np.nan
    model = quick.made(elbo.MarkovGP).fit({"date": days}, y)
    known = ~np.isnan(y)
    assert np.corrcoef(model.predict({"date": days})[known], y[known])[0, 1] > 0.95


def test_points_and_pairs() -> None:
    x = np.random.default_rng(0).normal(size=(60, 2))
    for name in ("KDEMode", "LSNM"):
        assert quick.made(getattr(elbo, name)).fit(x).summary_["metrics"]


def test_the_report_judges_rows_that_the_fit_has_not_seen() -> None:
    x, y = quick.table()
    model = elbo.GPR(starts=1, iterations=20).fit(x, y)
    page = model.report(x + 0.01, y)
    assert page.startswith("<!DOCTYPE html>") and "60" in page
    heart = model._repr_html_()
    assert "<strong>" in heart and "data:image/svg+xml" in heart and "<html" not in heart
    assert "GPR()" in elbo.GPR()._repr_html_()
    # A copy has the summary, but not the rows that the report shows.
    copied = pickle.loads(pickle.dumps(model))._repr_html_()
    assert "GPR(" in copied and "log marginal likelihood" in copied and "on 60 rows" in copied


def test_an_experiment_may_have_a_variable_named_as_its_result() -> None:
    found = elbo.BO(starts=1).fit({"y": [0.1, 0.5, 0.9]}, [0.8, 0.3, 0.7]).suggest(1)
    assert 0.1 <= found["y"][0] <= 0.9
