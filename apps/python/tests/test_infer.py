"""Inference of a log density that is a Python function."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
import pytest

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
