"""Writes arviz.json: inputs and what ArviZ 0.23.4 says about them.

Run: python make_arviz.py   (with arviz==0.23.4, numpy, scipy)
"""

import json
from pathlib import Path

import arviz as az
import numpy as np

assert az.__version__ == "0.23.4", az.__version__
rng = np.random.default_rng(7)


def autoregressive(chains, draws, coefficient, shift=0.0):
    out = np.zeros((chains, draws))
    state = rng.normal(size=chains) / np.sqrt(1 - coefficient**2)
    for t in range(draws):
        state = coefficient * state + rng.normal(size=chains)
        out[:, t] = state
    return out + shift * np.arange(chains)[:, None]


inputs = {
    "independent": rng.normal(size=(4, 60)),
    "sticky": autoregressive(4, 75, 0.9),
    "antithetic": autoregressive(2, 80, -0.6),
    "disagreeing": autoregressive(3, 50, 0.3, shift=0.8),
    "heavy tails, ties": np.round(rng.standard_t(1.5, size=(4, 41)), 1),
    "one chain": autoregressive(1, 90, 0.5),
    "short": rng.normal(size=(2, 5)),
}
chains = []
for name, draws in inputs.items():
    draws = np.round(draws, 6)
    chains.append(
        {
            "name": name,
            "chains": draws.shape[0],
            "draws": draws.ravel().tolist(),
            "ess_bulk": float(az.ess(draws, method="bulk")),
            "ess_tail": float(az.ess(draws, method="tail")),
            "ess_mean": float(az.ess(draws, method="mean")),
            "ess_median": float(az.ess(draws, method="quantile", prob=0.5)),
            # ArviZ wants two chains here; one chain is compared with itself by its own parts.
            "r_hat": float(az.rhat(draws)) if draws.shape[0] > 1 else None,
            "mcse_mean": float(az.mcse(draws, method="mean")),
            "mcse_q90": float(az.mcse(draws, method="quantile", prob=0.9)),
            "bfmi": [float(b) for b in az.bfmi(draws)],
        }
    )

weights = []
for name, values in {
    "normal": rng.normal(size=300),
    "thin": 0.2 * rng.normal(size=200),
    "exponential 0.5": 0.5 * rng.exponential(size=400),
    "exponential 1.1": 1.1 * rng.exponential(size=250) - 700.0,
    "bounded": np.log(rng.uniform(size=150)),
    "few": rng.normal(size=30),
    "too few": rng.normal(size=10),
}.items():
    # Tied weights would be smoothed in an order of their own.
    values = np.round(values, 9)
    assert len(np.unique(values)) == len(values)
    smoothed, k = az.psislw(values.copy())
    weights.append(
        {
            "name": name,
            "log_weights": values.tolist(),
            "smoothed": np.asarray(smoothed).tolist(),
            "k": float(k) if np.isfinite(k) else None,
        }
    )

Path(__file__).with_name("arviz.json").write_text(json.dumps({"arviz": az.__version__, "chains": chains, "psis": weights}))
