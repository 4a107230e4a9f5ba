"""Kernels composed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

import elbo
from elbo.kernels import RBF, Changepoint, Kernel, Linear, Matern52, Periodic, White, parse


def test_values_are_those_of_the_formulas() -> None:
    x = np.array([0.0, 0.3, 1.0])
    distance = np.abs(x[:, None] - x[None, :])
    np.testing.assert_allclose(RBF(0.5, variance=2.0)(x), 2.0 * np.exp(-0.5 * (distance / 0.5) ** 2), rtol=1e-12)
    periodic = np.exp(-2.0 * np.sin(np.pi * distance / 0.7) ** 2)
    np.testing.assert_allclose(Periodic(0.7)(x), periodic, rtol=1e-12)
    both = RBF(0.5)(x) * periodic + 0.1 * np.eye(3)
    np.testing.assert_allclose((RBF(0.5) * Periodic(0.7) + White(0.1))(x), both, rtol=1e-12)
    np.testing.assert_allclose((3.0 * RBF(0.5))(x, x[:2]), 3.0 * RBF(0.5)(x)[:, :2], rtol=1e-12)


def test_a_composed_kernel_is_the_expression_s() -> None:
    by_hand = Matern52() + Periodic(12.0) * Linear()
    assert parse("matern52 + periodic(period = 12) * linear") == by_hand
    assert eval(repr(by_hand)) == by_hand
    nested = (Matern52(0.5) + White(0.1)) * Changepoint(RBF(), Linear(), location=1.0)
    assert eval(repr(nested)) == nested
    assert RBF(1) == RBF(1.0) and hash(RBF(1)) == hash(RBF(1.0))
    counted = Periodic(np.int64(12))
    assert counted == Periodic(12.0) and eval(repr(counted)) == counted
    np.testing.assert_array_equal(counted([0.0, 1.0]), Periodic(12.0)([0.0, 1.0]))


def test_kernels_are_settings_of_a_process() -> None:
    x = np.linspace(0, 4, 60)
    y = np.sin(2 * np.pi * x) + 0.3 * x
    model = elbo.GPR(kernel=Matern52(0.5) * Periodic(1.0) + White(0.1), starts=1, iterations=40)
    copy = clone(model)
    assert copy.kernel == model.kernel
    assert model.fit(x[:, None], y).score(x[:, None], y) > 0.95
    named = elbo.GPR(kernel=RBF(1.0).on("age"), starts=1, iterations=5)
    named.fit({"age": x, "other": x[::-1] ** 2}, y)
    here, there = ({"age": x[:5], "other": np.full(5, value)} for value in (0.0, 9.0))
    np.testing.assert_array_equal(named.predict(here), named.predict(there))
    assert np.ptp(named.predict(here)) > 0.0


def test_what_is_no_kernel_is_refused() -> None:
    with pytest.raises(TypeError):
        RBF() + 1  # type: ignore[operator]
    with pytest.raises(elbo.SettingError, match="kernel"):
        elbo.GPR(kernel="matern53").fit([[0.0], [1.0], [2.0]], [0.0, 1.0, 0.5])
    with pytest.raises(elbo.SettingError):
        RBF(-1.0)(np.arange(3.0))
    assert isinstance(parse("rbf"), Kernel)
