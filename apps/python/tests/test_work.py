"""Work in progress: Ctrl-C, time limits, threads, bars, warnings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import warnings
from typing import Any

import numpy as np
import pytest
import quick

import elbo

LONG = """
import sys, numpy as np, warnings
import elbo
rng = np.random.default_rng(0)
x = rng.uniform(-2, 2, (2000, 2))
y = np.sin(2 * x[:, 0]) + rng.normal(0, 0.1, 2000)
model = elbo.VBLLRegressor(steps=10_000_000)
print("ready", flush=True)
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    model.fit(x, y)
print("kept", model.stopped_early_, any(w.category is elbo.StoppedEarlyWarning for w in told), np.isfinite(model.predict(x)).all())
"""


def interrupted(script: str, interrupts: int = 1) -> "subprocess.CompletedProcess[str]":
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "ready\n"
        time.sleep(2.0)
        for _ in range(interrupts):
            os.kill(child.pid, signal.SIGINT)
            time.sleep(0.3)
        out, err = child.communicate(timeout=60)
    finally:
        child.kill()
    return subprocess.CompletedProcess(script, child.returncode, out, err)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send")
def test_ctrl_c_keeps_the_best_state() -> None:
    done = interrupted(LONG)
    assert done.stdout == "kept True True True\n", done.stderr


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send")
def test_ctrl_c_before_there_is_anything_to_keep_raises() -> None:
    script = textwrap.dedent(
        """
        import elbo, numpy as np, time
        def slow(z):
            time.sleep(0.001)
            return -0.5 * float(z @ z), -z
        print("ready", flush=True)
        elbo.infer.nuts(slow, 2, warmup=10**6)
        """
    )
    done = interrupted(script)
    assert "KeyboardInterrupt" in done.stderr and done.returncode != 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send")
def test_a_second_ctrl_c_raises_although_there_is_something_to_keep() -> None:
    script = textwrap.dedent(
        """
        import elbo, numpy as np, time
        def slow(z):
            # One step takes ten of these: it is still on its way when the second interrupt comes.
            time.sleep(0.2)
            return -0.5 * float(z @ z), -z
        print("ready", flush=True)
        elbo.infer.vi(slow, 2)
        """
    )
    done = interrupted(script, interrupts=2)
    assert "KeyboardInterrupt" in done.stderr and done.returncode != 0


def test_a_bug_is_an_exception_like_others() -> None:
    x, y = quick.table(20)
    found = elbo.GPR(starts=1, iterations=5).fit(x, y).predict_distribution(x)
    with pytest.raises(elbo.InternalError, match="this is a bug in elbo .*index out of bounds") as caught:
        # The package itself never asks this.
        found._native.log_prob([0.0])
    assert "report it" in caught.value.remedy
    assert np.isfinite(found.mean).all()


def test_a_time_limit_keeps_the_best_state() -> None:
    x, y = quick.table(500)
    model = elbo.VBLLRegressor(steps=10_000_000, max_time=0.5).fit(x, y)
    assert model.stopped_early_ and np.isfinite(model.predict(x)).all()
    with pytest.raises(elbo.SettingError, match="max_time"):
        elbo.GPR(max_time=-1.0).fit(x, y)


def test_other_threads_run_while_it_works() -> None:
    x, y = quick.table(500)
    ticks = 0
    done = threading.Event()

    def count() -> None:
        nonlocal ticks
        while not done.wait(0.01):
            ticks += 1

    thread = threading.Thread(target=count)
    thread.start()
    elbo.VBLLRegressor(steps=10_000_000, max_time=1.0).fit(x, y)
    done.set()
    thread.join()
    assert ticks > 20


def test_fits_in_threads_give_the_same_model() -> None:
    x, y = quick.table()
    alone = elbo.GPR(starts=1, iterations=10).fit(x, y).predict(x)
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(elbo.GPR(starts=1, iterations=10).fit(x, y).predict(x))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    for predicted in found:
        np.testing.assert_array_equal(predicted, alone)


def test_progress_is_told(capsys: Any, monkeypatch: Any) -> None:
    x, y = quick.table()
    quick.made(elbo.VBLLRegressor).set_params(verbose=True).fit(x, y)
    assert "vbll: " in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    elbo.VBLLRegressor(steps=10_000_000, max_time=0.4, verbose=True).fit(x, y)
    assert "vbll: " in capsys.readouterr().err
    quick.made(elbo.VBLLRegressor).set_params(verbose=False).fit(x, y)
    assert capsys.readouterr().err == ""


def test_progress_is_a_bar_of_tqdm_where_that_is_installed(monkeypatch: Any) -> None:
    from tqdm import auto

    bars: list[Any] = []

    class Bar(auto.tqdm):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            bars.append(self)

    monkeypatch.setattr(auto, "tqdm", Bar)
    x, y = quick.table()
    quick.made(elbo.VBLLRegressor).set_params(verbose=True).fit(x, y)
    assert bars and all(bar.desc.startswith("vbll: ") for bar in bars)
    assert max(bar.n for bar in bars) > 0


def test_what_the_fit_warns_of_is_a_warning() -> None:
    x, y = quick.table()
    with pytest.warns(elbo.FitWarning, match="`x2` is constant"):
        elbo.GPR(starts=1, iterations=5).fit(np.column_stack([x, np.ones(len(x))]), y)


def test_what_a_verb_warns_of_is_a_warning_at_the_user_s_line() -> None:
    x, y = quick.table()
    frame = {"a": x[:, 0], "site": np.where(x[:, 1] > 0, "north", "south")}
    model = elbo.GPR(starts=1, iterations=5).fit(frame, y)
    rows = {"a": np.array([0.1, 1000.0, 0.3, 2000.0]), "site": ["north", "west", "south", "north"]}
    verbs: list[Any] = [
        lambda: model.predict(rows),
        lambda: model.predict_interval(rows),
        lambda: model.evaluate(rows, np.arange(4.0)),
        lambda: model.sample_y(rows),
    ]
    for verb in verbs:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            verb()
        told = [warning for warning in caught if warning.category is elbo.VerbWarning]
        assert sorted(str(warning.message).split(" rows ")[0] for warning in told) == ["1 of 4", "2 of 4"]
        assert {warning.filename for warning in told} == {__file__}
    with warnings.catch_warnings():
        # Rows like those of the fit are nothing to warn of.
        warnings.simplefilter("error")
        expected = model.predict({name: column[:4] for name, column in frame.items()})
        with pytest.raises(elbo.VerbWarning, match="of 4 rows"):
            model.predict(rows)
        # The model is as it was.
        np.testing.assert_array_equal(model.predict({name: column[:4] for name, column in frame.items()}), expected)


def warned() -> tuple[Any, Any]:
    """A table that every fit warns of, and labels of two classes."""
    x, y = quick.table(80)
    return np.column_stack([x, np.ones(len(x))]), y


@pytest.mark.parametrize("make", [lambda: elbo.GPR(starts=1, iterations=5), lambda: quick.made(elbo.SVGPClassifier)])
def test_a_warning_that_is_an_error_leaves_a_whole_model(make: Any) -> None:
    x, y = warned()
    y = y if isinstance(make(), elbo.GPR) else np.where(y > 0, "high", "low")
    model, quiet = make(), make()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(elbo.FitWarning, match="is constant"):
            model.fit(x, y)
        assert model.n_features_in_ == 3 and not model.stopped_early_ and model.fit_seconds_ > 0.0
        # Refitted to another table, it is of that one through and through.
        frame = {"a": x[:, 0], "b": x[:, 2]}
        with pytest.raises(elbo.FitWarning, match="is constant"):
            quiet.fit({"c": x[:, 1], "d": x[:, 0]}, y).fit(frame, y)
        assert list(quiet.feature_names_in_) == ["a", "b"]
        assert len(quiet.predict(frame)) == len(y)
    again = make()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again.fit(x, y)
    np.testing.assert_array_equal(model.predict(x), again.predict(x))


def test_a_warning_of_points_or_trials_that_is_an_error_leaves_a_whole_model() -> None:
    def told(model: Any, *data: Any) -> Any:
        run = model._fit

        def noisy(*arguments: Any, **named: Any) -> Any:
            return {**run(*arguments, **named), "warnings": ["something"]}

        model._fit = noisy
        with pytest.raises(elbo.FitWarning, match="something"):
            model.fit(*data)
        return model

    x = np.random.default_rng(0).normal(size=(60, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error", elbo.FitWarning)
        assert told(quick.made(elbo.AEVB), x).sample(3).shape == (3, 2)
        trials = told(elbo.BO(starts=1), {"rate": [0.1, 0.5, 0.9]}, [0.8, 0.3, 0.7])
        assert len(trials.suggest(1)["rate"]) == 1
        assert trials.stopped_early_ is False
