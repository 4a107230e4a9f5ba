"""Every registered system as a class."""

from __future__ import annotations

import inspect
import json
import pickle
import subprocess
import sys
import warnings
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
            assert not settings & set(inspect.signature(elbo.fit).parameters), "`elbo.fit` has an argument of that name"
            assert settings | set(elbo._base.COMMON) == {p.rstrip("_") if p != "random_state" else p for p in made.get_params()}
            assert made._settings() == {}, "defaults are not sent"
            assert system["title"] in inspect.getdoc(cls)
            for parameter in made.get_params():
                assert f"\n{parameter} : " in inspect.getdoc(cls)


def test_what_a_class_says_of_itself_is_whole_sentences() -> None:
    for cls in quick.classes():
        paragraphs = (inspect.getdoc(cls) or "").split("\n\n")
        needs = next(i for i, text in enumerate(paragraphs) if text.startswith("Needs "))
        assert needs > 0 and all(text.endswith(".") for text in paragraphs[:needs]), cls.__name__


def test_a_system_is_fitted_by_its_id() -> None:
    x, y = quick.table()
    settings: dict[str, Any] = {"inducing": 15, "steps": 100, "batch": 64, "random_state": 3}
    model = elbo.fit("svgp", x, y, **settings)
    assert type(model) is elbo.SVGPRegressor and not hasattr(model, "reasons_")
    np.testing.assert_array_equal(model.predict(x), elbo.SVGPRegressor(**settings).fit(x, y).predict(x))
    side = y > 0
    for classes in (side, np.where(side, "up", "down"), np.where(side, 7, 2)):
        assert type(elbo.fit("svgp", x, classes, **settings)) is elbo.SVGPClassifier
    told = elbo.fit("svgp", x, np.where(side, 7, 2), task="regression", **settings)
    assert type(told) is elbo.SVGPRegressor
    assert type(elbo.fit("gpr", x, side, starts=1, iterations=5)) is elbo.GPR, "a system of one class is not asked"
    vae = elbo.fit("infovae", pictures(20), epochs=1, hidden=(4,), latent=1, **{"lambda": 2.0})
    assert vae.get_params()["lambda_"] == 2.0 and vae.sample(2).shape == (2, 8, 8)


def test_a_table_chooses_its_system() -> None:
    x, y = quick.table()
    model = elbo.fit("auto", x, y, starts=1, iterations=5)
    assert type(model) is elbo.GPR and "few enough for an exact Gaussian process" in " ".join(model.reasons_)
    classifier = elbo.fit("auto", x, np.where(y > 0, 7, 2), rounds=2)
    assert type(classifier) is elbo.CVIEPHyperClassifier
    assert '`task="regression"` says otherwise' in classifier.reasons_[0]
    series = elbo.fit("auto", {"a": x[:, 0], "b": x[:, 1]}, y, time="b", starts=1, iterations=5)
    assert type(series) is elbo.MarkovGP and series.reasons_
    counts = elbo.fit("auto", x, np.floor(np.exp(y)).clip(0, 9), starts=1, iterations=5)
    assert any("counts" in reason for reason in counts.reasons_), counts.reasons_
    assert not any("--" in reason for reason in counts.reasons_), counts.reasons_


def test_new_rows_may_come_without_the_column_of_known_noise() -> None:
    x, y = quick.table()
    table = {"a": x[:, 0], "se": 0.1 + 0.1 * (np.arange(len(y)) % 3)}
    for cls in (elbo.GPR, elbo.SGPR):
        model = cls(noise_column="se", starts=1, iterations=5).fit(table, y)
        assert np.array_equal(model.predict(table), model.predict({"a": x[:, 0]}))
        assert model.evaluate({"a": x[:, 0]}, y) == model.evaluate(table, y)


def test_ids_and_settings_that_nothing_answers_to_are_named() -> None:
    x, y = quick.table()
    with pytest.raises(elbo.UnknownError, match="unknown system `svpg`; did you mean `svgp`"):
        elbo.fit("svpg", x, y)
    with pytest.raises(elbo.UnknownError, match="unknown setting `inducng`; did you mean `inducing`"):
        elbo.fit("svgp", x, y, inducng=3)
    with pytest.raises(elbo.SettingError, match="setting `task` is 'rank'"):
        elbo.fit("svgp", x, y, task="rank")
    with pytest.raises(elbo.SettingError, match="which `gpr` does not do"):
        elbo.fit("gpr", x, y, task="classification")
    with pytest.raises(ValueError, match="the target y is None"):
        elbo.fit("svgp", x)


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


@pytest.mark.parametrize("name", ["AEVB", "IWAE", "InfoVAE"])
def test_codes_have_bounds_and_are_decoded_and_moved(name: str, tmp_path: Path) -> None:
    x = pictures()
    model = quick.made(getattr(elbo, name)).fit(x)
    bare, codes = model.encode(x), model.encode(x, bounds=True, draws=50)
    assert list(codes) == [*bare, "elbo", "iwae", "effective_draws", "pareto_k"]
    assert all(np.array_equal(codes[column], bare[column]) for column in bare)
    whole = model.evaluate(x, draws=50)
    # The same draws, summed in another order.
    np.testing.assert_allclose([codes["elbo"].mean(), codes["iwae"].mean()], [whole["elbo"], whole["iwae"]["value"]], rtol=1e-9)
    assert "pareto_k" not in model.encode(x, bounds=True, draws=5), "five draws have no tail"

    decoded = model.decode(codes)
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, model.decode(np.column_stack([codes["z1"], codes["z2"]])))
    moved = model.traverse(5)
    np.testing.assert_allclose(moved["z1"], [-3.0, -1.5, 0.0, 1.5, 3.0, *[0.0] * 5])
    np.testing.assert_allclose(moved["z2"], np.roll(moved["z1"], 5))
    pictures_of = model.decode(moved)
    assert pictures_of.shape == (10, 8, 8)
    np.testing.assert_array_equal(pictures_of[2], pictures_of[7])

    # A model of a file gives arrays by name.
    model.save(tmp_path / "m.elbo")
    again = elbo.load(tmp_path / "m.elbo")
    np.testing.assert_array_equal(next(iter(again.decode(moved).values())).reshape(10, 8, 8), pictures_of)

    with pytest.raises(elbo.DataError, match=r"codes have the shape \[40, 4\]; the model's are of 2 numbers"):
        model.decode(model.transform(x))
    with pytest.raises(elbo.DataError, match="no column of numbers `z2`"):
        model.decode({"z1": codes["z1"]})
    with pytest.raises(elbo.SettingError, match="setting `steps` is 1"):
        model.traverse(1)


def test_decoding_what_was_encoded_is_reconstructing() -> None:
    x = pictures()
    model = quick.made(elbo.AEVB).fit(x)
    np.testing.assert_array_equal(model.decode(model.encode(x)), model.reconstruct(x))


def test_models_without_codes_or_bounds_of_their_own_say_so() -> None:
    diffusion = quick.made(elbo.DDPM).fit(pictures(30))
    for refused in (lambda: diffusion.decode(np.zeros((1, 2))), diffusion.traverse):
        with pytest.raises(elbo.VerbError, match="models of `ddpm` draw from no codes"):
            refused()
    counts = np.random.default_rng(0).poisson([1.0, 4.0, 2.0, 6.0], (60, 4))
    with pytest.raises(elbo.VerbError, match="`rsvi` cannot bound the likelihood of data points"):
        quick.made(elbo.RSVI).fit(counts).encode(counts, bounds=True)


def test_a_fit_is_followed_on_data_that_it_does_not_learn_from() -> None:
    x = pictures(60)
    alone = quick.made(elbo.AEVB).fit(x[:40])
    model = quick.made(elbo.AEVB).fit(x[:40], held_out=x[40:])
    assert "history" not in alone.tables_
    history = model.tables_["history"]
    assert [row["epoch"] for row in history] == ["1", "2"]
    assert all(np.isfinite(float(row["elbo of held-out rows"])) for row in history)
    np.testing.assert_array_equal(model.sample(3), alone.sample(3))
    told = "on 20 points it has not seen"
    assert told in model.report(x[40:]) and told not in model.report()
    with pytest.raises(elbo.DataError):
        quick.made(elbo.AEVB).fit(x[:40], held_out=np.zeros((5, 4, 4), np.uint8))


def test_diffusion_draws_and_restores() -> None:
    x = pictures(30)
    model = quick.made(elbo.DDPM).fit(x)
    assert model.sample(2).shape == (2, 8, 8)
    mask = np.zeros((1, 8, 8), np.uint8)
    mask[:, :4] = 255
    restorer = quick.made(elbo.RedDiff).fit(x)
    restored = restorer.restore(x[:1], mask=mask)
    assert next(iter(restored.values())).shape[1:3] == (8, 8)
    with pytest.warns(elbo.VerbWarning, match="the mask is not used"):
        restorer.restore(x[:1], mask=mask, operator="denoise")


@pytest.mark.parametrize("name", ["Hyperprior", "GGMCodec"])
def test_codecs_give_the_same_picture_back(name: str) -> None:
    rng = np.random.default_rng(0)
    photos = [np.cumsum(rng.integers(0, 3, (64, 80, 3)), 1).astype(np.uint8), rng.integers(0, 99, (70, 64, 3), dtype=np.uint8)]
    model = quick.made(getattr(elbo, name)).fit(photos)
    file = model.compress(photos[0])
    picture = model.decompress(file)
    assert picture.shape == (64, 80, 3) and picture.dtype == np.uint8
    np.testing.assert_array_equal(picture, model.decompress(model.compress(photos[0])))
    other = model.compress(photos[0], coder="range", skip_zeros=True)
    assert other != file
    np.testing.assert_array_equal(picture, model.decompress(other))
    with pytest.raises(elbo.DataError):
        model.decompress(file[: len(file) // 2])
    whole, lost = model.salvage(file)
    np.testing.assert_array_equal(whole, picture)
    assert lost == []
    # The last chunk ends where the digest of 32 bytes begins.
    hurt = file[:-40] + bytes([file[-40] ^ 1]) + file[-39:]
    with pytest.raises(elbo.DataError, match="chunk 2 of 2"):
        model.decompress(hurt)
    with warnings.catch_warnings():
        # What is handed back is not told twice.
        warnings.simplefilter("error")
        left, lost = model.salvage(hurt)
    assert left.shape == picture.shape and "chunk 2 of 2 is damaged" in lost[0]


def test_counts_of_channels_have_latents_and_rates() -> None:
    rng = np.random.default_rng(0)
    wave = np.sin(0.1 * np.arange(60))[:, np.newaxis] * [1.0, -1.0, 1.0, -1.0, 1.0, -1.0]
    counts = rng.poisson(np.exp(0.3 + 0.8 * wave), (2, 60, 6))
    model = quick.made(elbo.CVHM).fit(counts)
    codes = model.encode(counts)
    assert codes["latent_1"].shape == (2, 60) and (codes["latent_1_sd"] > 0.0).all()
    rates = model.reconstruct(counts)
    assert rates.shape == (2, 60, 6) and (rates > 0.0).all()
    # A table is one trial, a row a bin.
    alone = quick.made(elbo.CVHM).fit(counts[0])
    assert alone.encode(counts[0])["latent_1"].shape == (60,) and alone.reconstruct(counts[0]).shape == (60, 6)
    with pytest.raises(elbo.DataError, match="not a count"):
        quick.made(elbo.CVHM).fit(counts - 0.5)


def test_sequences_have_codes_and_frames() -> None:
    rng = np.random.default_rng(0)
    frames = np.sin(0.3 * np.arange(20.0)[:, np.newaxis] + np.arange(5.0)) + rng.normal(0, 0.1, (3, 20, 5))
    model = quick.made(elbo.MarkovianGPVAE).fit(frames)
    codes = model.encode(frames)
    assert codes["z"].shape == (3, 20, 2) and codes["mean"].shape == (3, 20, 5)
    assert (codes["z_sd"] > 0.0).all() and (codes["sd"] > 0.0).all()
    assert model.reconstruct(frames).shape == (3, 20, 5)
    drawn = model.sample(2, random_state=1)
    assert drawn.shape == (2, 20, 5)
    np.testing.assert_array_equal(drawn, model.sample(2, random_state=1))


def test_factors_of_counts_have_codes_and_draw_counts() -> None:
    counts = np.random.default_rng(0).poisson([1.0, 4.0, 2.0, 6.0], (60, 4))
    model = quick.made(elbo.RSVI).fit(counts)
    codes = model.transform(counts)
    assert codes.shape == (60, 3) and (codes > 0.0).all()
    drawn = model.sample(5, random_state=1)
    assert drawn.shape == (5, 4) and (drawn >= 0.0).all() and (drawn == np.round(drawn)).all()


def scene(views: int = 9, size: int = 16) -> dict[str, Any]:
    """A bright spot at the origin, seen by cameras on a circle of radius 3 around it."""
    angle = np.linspace(0.0, 2.0 * np.pi, views, endpoint=False)
    nought, one = np.zeros(views), np.ones(views)
    # Rows are the camera's axes: right, down, forward.
    axes = [[-np.sin(angle), nought, np.cos(angle)], [nought, one, nought], [-np.cos(angle), nought, -np.sin(angle)]]
    rotation = np.moveaxis(np.array(axes), -1, 0)
    pose = np.concatenate([rotation, np.tile([[0.0], [0.0], [3.0]], (views, 1, 1))], axis=2)
    place = np.arange(size) + 0.5 - size / 2
    spot = 220.0 * np.exp(-(place[:, np.newaxis] ** 2 + place**2) / 8.0)
    image = np.broadcast_to(spot[np.newaxis, :, :, np.newaxis], (views, size, size, 3)).astype(np.uint8)
    return {"image": image, "pose": pose, "intrinsics": np.tile([size, size, size / 2, size / 2], (views, 1))}


@pytest.mark.parametrize("name", ["GSMCMC", "GaussianSplatting"])
def test_scenes_are_seen_from_elsewhere(name: str, tmp_path: Path) -> None:
    given = scene()
    model = quick.made(getattr(elbo, name)).fit(given)
    around = model.render(orbit=2, size=(24, 20))
    assert around["image"].shape == (2, 20, 24, 3) and around["image"].dtype == np.uint8
    assert around["depth"].shape == (2, 20, 24) and np.isfinite(around["depth"]).all()
    again = model.render(views=given)["image"]
    assert again.shape == given["image"].shape
    model.save(tmp_path / "scene.elbo")
    np.testing.assert_array_equal(elbo.load(tmp_path / "scene.elbo").render(views=given)["image"], again)
    with pytest.raises(elbo.DataError, match="this is no scene"):
        quick.made(getattr(elbo, name)).fit({"image": given["image"]})


@pytest.mark.parametrize("cls", [elbo.BO, elbo.BOMean], ids=lambda cls: cls.__name__)
def test_an_experiment_suggests_inside_its_space(cls: Any) -> None:
    space = [
        {"name": "rate", "type": "real", "low": 0.0, "high": 1.0},
        {"name": "depth", "type": "integer", "low": 1, "high": 4},
    ]
    first = cls(space=space).fit().suggest(3)
    assert set(first) >= {"rate", "depth"} and len(first["rate"]) == 3
    rng = np.random.default_rng(1)
    trials = {"rate": rng.uniform(0, 1, 12), "depth": rng.integers(1, 5, 12)}
    y = (trials["rate"] - 0.3) ** 2 + 0.1 * trials["depth"]
    y[-1] = np.nan
    next_ones = cls(space=space, goal="minimise", starts=2).fit(trials, y).suggest(2, random_state=1)
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
