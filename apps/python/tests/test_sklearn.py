"""scikit-learn's own checks of estimators, and its tools around them."""

from __future__ import annotations

import pickle
import warnings
from typing import Any

import joblib
import numpy as np
import pytest
import quick
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import StackingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import elbo

TABULAR = [c for c in quick.classes() if issubclass(c, (elbo._tabular.Regressor, elbo._tabular.Classifier))]
REGRESSORS = [c for c in TABULAR if issubclass(c, elbo._tabular.Regressor)]
#: Systems that are regressions on one column, of times.
IN_TIME = {"markov-gp"}


@parametrize_with_checks([quick.made(c) for c in TABULAR])
def test_scikit_learn_s_checks(estimator: Any, check: Any) -> None:
    with warnings.catch_warnings():
        for category in (elbo.FitWarning, elbo.VerbWarning):
            warnings.simplefilter("ignore", category)
        check(estimator)


def test_a_regression_on_times_takes_the_first_of_several_columns_without_names_and_says_so() -> None:
    x, y = quick.table()
    x = np.column_stack([np.sort(x[:, 0]), x])
    model = quick.made(elbo.MarkovGP)
    with pytest.warns(elbo.FitWarning, match="the first, `x0`, is taken for the times, and the other 2 are not used"):
        model.fit(x, y)
    assert model.time is None
    told = quick.made(elbo.MarkovGP).set_params(time="x0").fit(x, y)
    np.testing.assert_array_equal(model.predict(x), told.predict(x))
    # Names that say nothing are not guessed at.
    with pytest.raises(elbo.DataError, match="which column holds the times"):
        quick.made(elbo.MarkovGP).fit({"a": x[:, 0], "b": x[:, 1]}, y)
    # One column is the times, named or not.
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        quick.made(elbo.MarkovGP).fit(x[:, :1], y)
    assert not any("is taken for the times" in str(warning.message) for warning in caught)


def gpr() -> elbo.GPR:
    return elbo.GPR(starts=1, iterations=30)


def test_an_interval_holds_its_share() -> None:
    x, y = quick.table(80)
    test_x, test_y = quick.table(400, seed=9)
    model = gpr().set_params(errors="normal").fit(x, y)
    mean, sd = model.predict(test_x, return_std=True)
    lower, upper = model.predict_interval(test_x, level=0.9)
    np.testing.assert_allclose(upper - mean, 1.6448536 * sd, rtol=1e-6)
    share = np.mean((lower <= test_y) & (test_y <= upper))
    # Three standard errors of a share of 0.9 among 400 rows are 0.045; the fit itself is an estimate too.
    assert 0.8 < share < 0.98
    found = model.predict_distribution(test_x)
    np.testing.assert_allclose(found.cdf(found.quantile(0.3)), 0.3, atol=1e-9)
    density = -0.5 * ((test_y - mean) / sd) ** 2 - np.log(sd * np.sqrt(2 * np.pi))
    np.testing.assert_allclose(found.log_prob(test_y), density, rtol=1e-9)
    scores = model.evaluate(test_x, test_y)
    assert abs(scores["rmse"] - np.sqrt(np.mean((mean - test_y) ** 2))) < 1e-9
    assert abs(scores["nlpd"] + density.mean()) < 1e-9


def test_sample_paths_have_the_posterior_s_mean() -> None:
    x, y = quick.table()
    model = gpr().fit(x, y)
    paths = model.sample_y(x[:5], n_samples=400, random_state=1)
    assert paths.shape == (5, 400)
    error = np.abs(paths.mean(1) - model.predict(x[:5]))
    assert (error < 5 * paths.std(1) / np.sqrt(400)).all()
    np.testing.assert_array_equal(paths, model.sample_y(x[:5], n_samples=400, random_state=1))


@pytest.mark.parametrize("cls", REGRESSORS, ids=lambda cls: cls.__name__)
def test_every_regressor_has_sample_paths(cls: Any) -> None:
    x, y = quick.table()
    rows: Any = x[:5]
    if cls._system in IN_TIME:
        x, rows = {"time": np.arange(60.0)}, {"time": np.arange(5.0)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", elbo.FitWarning)
        model = quick.made(cls).fit(x, y)
    paths = model.sample_y(rows, n_samples=3, random_state=1)
    assert paths.shape == (5, 3) and np.isfinite(paths).all()
    assert np.ptp(paths, axis=1).max() > 0.0
    np.testing.assert_array_equal(paths, model.sample_y(rows, n_samples=3, random_state=1))


def test_draws_of_the_unknowns_have_their_names_and_surround_the_weights() -> None:
    x, y = quick.table()
    model = quick.made(elbo.FBGVIRegressor).fit(x, y)
    drawn = model.sample(500, random_state=1)
    assert list(drawn)[0] == "intercept" and list(drawn)[-1] == "noise"
    assert all(column.shape == (500,) for column in drawn.values()) and (drawn["noise"] > 0).all()
    np.testing.assert_array_equal(drawn["noise"], model.sample(500, random_state=1)["noise"])
    assert (drawn["noise"] != model.sample(500, random_state=2)["noise"]).any()


def test_pipelines_searches_and_ensembles() -> None:
    x, y = quick.table()
    assert cross_val_score(make_pipeline(StandardScaler(), gpr()), x, y, cv=3).mean() > 0.8
    search = GridSearchCV(gpr(), {"kernel": ["linear", "matern52"], "noise": [0.1]}, cv=3, n_jobs=2).fit(x, y)
    assert search.best_params_["kernel"] == "matern52"
    stack = StackingRegressor([("gpr", gpr()), ("line", LinearRegression())], cv=2).fit(x, y)
    assert stack.score(x, y) > 0.8
    columns = ColumnTransformer([("all", StandardScaler(), [0, 1])])
    assert make_pipeline(columns, gpr()).fit(x, y).score(x, y) > 0.9


def test_copies_and_files_predict_the_same_bits(tmp_path: Any) -> None:
    x, y = quick.table()
    model = gpr().fit(x, y)
    expected_mean = model.predict(x)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(x), expected_mean)
    joblib.dump(model, tmp_path / "model.joblib")
    np.testing.assert_array_equal(joblib.load(tmp_path / "model.joblib").predict(x), expected_mean)
    model.save(tmp_path / "model.elbo")
    loaded = elbo.load(tmp_path / "model.elbo")
    assert type(loaded) is elbo.GPR and loaded.get_params() == model.get_params()
    np.testing.assert_array_equal(loaded.predict(x), expected_mean)
    assert clone(loaded).get_params() == model.get_params()
    with pytest.raises(elbo.NotFittedError):
        clone(loaded).predict(x)


def test_two_values_are_a_quantity_to_a_regressor() -> None:
    x, _ = quick.table(120)
    y = np.where(x[:, 0] + x[:, 1] > 0, 2.5, -1.0)
    mean, sd = quick.made(elbo.SVGPRegressor).fit(x, y).predict(x, return_std=True)
    assert np.mean((mean > 0.75) == (y > 0.75)) > 0.9 and (sd > 0.0).all()


def test_classes_keep_their_type(tmp_path: Any) -> None:
    x, _ = quick.table(120)
    side = x[:, 0] + x[:, 1] > 0
    for y in (np.where(side, "right", "left"), side.astype(int) + 3, side):
        model = quick.made(elbo.SVGPClassifier).fit(x, y)
        assert model.classes_.dtype == np.asarray(y).dtype
        assert model.score(x, y) > 0.9
        shares = model.predict_proba(x)
        np.testing.assert_allclose(shares.sum(1), 1.0, atol=1e-9)
        np.testing.assert_array_equal(model.classes_[shares.argmax(1)], model.predict(x))
        model.save(tmp_path / "model.elbo")
        loaded = elbo.load(tmp_path / "model.elbo")
        assert isinstance(loaded, elbo.SVGPClassifier) and loaded.classes_.dtype == model.classes_.dtype
        assert loaded.score(x, y) == model.score(x, y)
        np.testing.assert_array_equal(loaded.predict(x), model.predict(x))


def test_truth_values_are_told_from_texts_that_look_like_them(tmp_path: Any) -> None:
    x, _ = quick.table(120)
    truths = x[:, 0] + x[:, 1] > 0
    texts = truths.astype(str)
    for y, other, classes in (
        (truths, texts, [False, True]),
        (truths.astype(object), texts, [False, True]),
        (texts, truths, ["False", "True"]),
    ):
        model = quick.made(elbo.SVGPClassifier).fit(x, y)
        model.save(tmp_path / "model.elbo")
        loaded = elbo.load(tmp_path / "model.elbo")
        assert loaded.classes_.tolist() == model.classes_.tolist() == classes
        assert loaded.score(x, y) == model.score(x, y) > 0.9
        with pytest.raises(elbo.DataError, match="which the training data did not have"):
            loaded.score(x, other)


def test_a_class_that_the_fit_did_not_see_is_wrong_and_classes_of_another_kind_are_refused() -> None:
    x, _ = quick.table(60)
    side = np.where(x[:, 0] > 0, "right", "left")
    model = quick.made(elbo.SVGPClassifier).fit(x, side)
    strange = np.where(np.arange(60) == 2, "up", side)
    hits = model.predict(x) == side
    assert model.score(x, strange) == (hits.sum() - hits[2]) / 60
    with pytest.raises(elbo.DataError, match='row 3 has class "up", which the training data did not have'):
        model.evaluate(x, strange)
    with pytest.raises(elbo.DataError, match="training data did not have"):
        model.score(x, np.arange(60) % 2)
    counted = quick.made(elbo.SVGPClassifier).fit(x, (x[:, 0] > 0).astype(int))
    with pytest.raises(elbo.DataError, match="row 1 has class '[01]', .*; classes are: 0, 1"):
        counted.score(x, (x[:, 0] > 0).astype(int).astype(str))
    assert counted.score(x, (x[:, 0] > 0).astype(float)) == counted.score(x, x[:, 0] > 0) > 0.9


def test_probabilities_of_a_model_without_classes_are_refused_with_a_remedy() -> None:
    x, y = quick.table(60)
    model = quick.made(elbo.SVGPClassifier).fit(x, y > 0)
    number = quick.made(elbo.SVGPRegressor).fit(x, y)
    # As in files of versions that fitted classes with a likelihood of numbers, which is refused now.
    model._predict = number._predict
    for verb in (model.predict_proba, model.predict):
        with pytest.raises(elbo.VerbError, match="predicts a number, and no classes") as caught:
            verb(x)
        assert "`likelihood`" in caught.value.remedy


def test_messages_are_the_program_s() -> None:
    x, y = quick.table(20)
    with pytest.raises(elbo.SettingError, match="setting `noise` is"):
        elbo.GPR(noise=-1.0).fit(x, y)
    with pytest.raises(elbo.SettingError, match=r"expected in 1\.\.=100; the nearest allowed value is 100"):
        elbo.GPR(starts=500).fit(x, y)
    with pytest.raises(ValueError, match="Invalid parameter 'kernle'"):
        elbo.GPR().set_params(kernle="rbf")
    with pytest.raises(elbo.DataError, match='target `y` has a single class, "1"; give rows'):
        elbo.SVGPClassifier().fit(x, np.ones(20, int))
    with pytest.raises(elbo.DataError, match="is 2 in every row") as caught:
        elbo.GPR().fit(x, np.full(20, 2.0))
    assert caught.value.remedy
    with pytest.raises(elbo.VerbError, match="has no sample paths"):
        quick.made(elbo.FBGVIRegressor).set_params(likelihood="poisson").fit(x, np.arange(20) % 5).sample_y(x)
    with pytest.raises(elbo.FileError, match="cannot read the model file") as unread:
        elbo.load("nowhere.elbo")
    assert isinstance(unread.value, OSError) and unread.value.errno is None
    assert str(pickle.loads(pickle.dumps(unread.value))) == str(unread.value)


def test_classes_of_a_file_are_sorted_and_written_as_they_were(tmp_path: Any) -> None:
    x, _ = quick.table(60)
    model = quick.made(elbo.SVGPClassifier).fit(x, np.where(x[:, 0] > 0, "07", "12"))
    model.save(tmp_path / "model.elbo")
    loaded = elbo.load(tmp_path / "model.elbo")
    assert list(loaded.classes_) == ["07", "12"]
    np.testing.assert_array_equal(loaded.predict_proba(x), model.predict_proba(x))
