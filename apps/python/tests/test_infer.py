"""Inference of a log density that is a Python function."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import pytest
import quick

import elbo

COVARIANCE = np.array([[1.0, 0.6], [0.6, 2.0]])
MEAN = np.array([1.0, -2.0])
PRECISION = np.linalg.inv(COVARIANCE)


def normal(z: Any) -> tuple[float, Any]:
    slope = -PRECISION @ (z - MEAN)
    return 0.5 * float((z - MEAN) @ slope), slope


def test_draws_have_the_moments_of_the_density() -> None:
    draws = elbo.infer.nuts(normal, 2, chains=2, warmup=300, draws=500, names=["a", "b"], random_state=1)
    assert draws.values.shape == (2, 500, 2) and draws.stats["diverging"].shape == (2, 500)
    for i, name in enumerate(["a", "b"]):
        found = draws.summary[name]
        assert abs(found["mean"] - MEAN[i]) < 5 * found["mcse_mean"]
        assert abs(found["sd"] / np.sqrt(COVARIANCE[i, i]) - 1.0) < 0.15
        assert found["r_hat"] < 1.05
    again = elbo.infer.nuts(normal, 2, chains=2, warmup=300, draws=500, random_state=1)
    np.testing.assert_array_equal(draws.values, again.values)


def test_notebooks_show_the_summary() -> None:
    draws = elbo.infer.nuts(normal, 2, chains=2, warmup=100, draws=50, names=["a", "<b>"])
    page = draws._repr_html_()
    assert "2 chains of 50 draws" in page and "<th>r_hat</th>" in page and "<th>&lt;b&gt;</th>" in page
    assert f"<td>{draws.summary['a']['mean']:.4g}</td>" in page
    assert draws.warnings and all(html.escape(text) in page for text in draws.warnings)
    found = elbo.infer.vi(normal, 2, "full-rank", random_state=2)
    assert "can be trusted" in found._repr_html_() and f"<td>{found.mean[0]:.4g}</td>" in found._repr_html_()
    many = elbo._html.heart("many", [], {str(i): {"mean": 0.0} for i in range(25)})
    assert many.count("<tr>") == 21 and "and 5 more" in many


def test_arviz_reads_the_draws() -> None:
    arviz = pytest.importorskip("arviz")
    draws = elbo.infer.nuts(normal, 2, chains=2, warmup=100, draws=50, names=["a", "b"])
    data = draws.to_arviz()
    assert data.posterior["a"].shape == (2, 50)
    assert data.sample_stats["diverging"].dtype == bool
    assert "a" in arviz.summary(data).index
    found = elbo.infer.vi(normal, 2, "full-rank", draws=500, names=["a", "b"]).to_arviz()
    assert found.posterior["b"].shape == found.sample_stats["weight"].shape == (1, 500)
    assert abs(float(found.sample_stats["weight"].sum()) - 1.0) < 1e-9


def test_arviz_reads_the_chains_of_a_sampled_model(tmp_path: Any) -> None:
    arviz = pytest.importorskip("arviz")
    x, y = quick.table(30)
    model = elbo.BayesianGPR(chains=2, warmup=50, draws=40, mixed=10).fit(x, y)
    data = model.to_arviz()
    names = list(data.posterior.data_vars)
    assert len(names) == 4 and all(data.posterior[name].shape == (2, 40) for name in names)
    assert data.sample_stats["diverging"].dtype == bool and data.sample_stats["tree_depth"].dtype.kind == "i"
    # The page's table is of the same draws, to its four digits.
    for row in model.tables_["posterior"]:
        mean = float(data.posterior[row["unknown"]].mean())
        assert abs(float(row["mean"]) - mean) < 1e-4 * max(1.0, mean)
    assert set(arviz.summary(data).index) == set(names)
    model.save(tmp_path / "model.elbo")
    again = elbo.load(tmp_path / "model.elbo").to_arviz()
    for name in names:
        np.testing.assert_array_equal(again.posterior[name], data.posterior[name])
    approximated = elbo.BayesianGPR(infer="vi-mf", steps=50).fit(x, y).to_arviz()
    assert approximated.posterior[names[0]].shape[0] == 1
    with pytest.raises(elbo.DataError, match="no draws of them"):
        elbo.BayesianGPR(infer="ml2", starts=1, iterations=5).fit(x, y).to_arviz()


@pytest.mark.parametrize("name", ["FBGVIRegressor", "FlowVIRegressor", "CoinSamplingRegressor", "FBGVIClassifier"])
def test_arviz_reads_the_draws_of_weights(name: str) -> None:
    pytest.importorskip("arviz")
    x, y = quick.table(60)
    model = quick.made(getattr(elbo, name)).fit(x, y if name.endswith("Regressor") else y > 0)
    data = model.to_arviz(n_samples=200, random_state=1)
    drawn = model.sample(200, random_state=1)
    assert set(data.posterior.data_vars) == set(drawn)
    for unknown, values in drawn.items():
        np.testing.assert_array_equal(data.posterior[unknown], values[np.newaxis])


def test_every_class_that_draws_unknowns_has_them_for_arviz() -> None:
    drawing = {c._system for c in quick.classes() if issubclass(c, elbo._verbs.Draws)}
    of_targets = {name for name, s in elbo.systems().items() if "sample" in s["verbs"] and s["data"] in ("target", "series")}
    assert drawing == of_targets == {"bayesian-gpr", "coin-sampling", "fb-gvi", "flow-vi"}


def test_a_gaussian_is_found_by_variational_inference() -> None:
    found = elbo.infer.vi(normal, 2, "full-rank", random_state=2)
    assert found.doubt is None and found.k_hat < found.threshold
    np.testing.assert_allclose(found.mean, MEAN, atol=0.15)
    np.testing.assert_allclose(np.cov(found.values.T), COVARIANCE, atol=0.3)
    # The density lacks its constant: the bound is the logarithm of that.
    assert abs(found.elbo - 0.5 * np.log(np.linalg.det(2 * np.pi * COVARIANCE))) < 0.05
    assert abs(found.weights.sum() - 1.0) < 1e-9
    with pytest.raises(elbo.SettingError, match="elbo.infer.nuts"):
        elbo.infer.vi(normal, 2, "nuts")


def test_the_function_s_own_errors_come_through() -> None:
    def broken(z: Any) -> tuple[float, Any]:
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        elbo.infer.nuts(broken, 2)
    with pytest.raises(elbo.DataError, match=r"shape \[3\], expected \[2\]"):
        elbo.infer.vi(lambda z: (0.0, np.zeros(3)), 2)
    with pytest.raises(elbo.NumericalError, match="not finite"):
        elbo.infer.nuts(lambda z: (float("nan"), z), 2)
    with pytest.raises(elbo.DataError, match="one name"):
        elbo.infer.nuts(normal, 2, names=["a", "a"])
    with pytest.raises(elbo.DataError, match="2 points for 4 chains"):
        elbo.infer.nuts(normal, 2, start=[[0.0, 0.0], [1.0, 1.0]])
    with pytest.raises(elbo.SettingError, match="target_accept"):
        elbo.infer.nuts(normal, 2, target_accept=2.0)
