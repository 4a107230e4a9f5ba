"""Settings with which each system is fitted within a second, and small data."""

from __future__ import annotations

from typing import Any

import numpy as np

import elbo

SETTINGS: dict[str, dict[str, Any]] = {
    "gpr": {"starts": 1, "iterations": 30},
    "sgpr": {"inducing": 20, "iterations": 30},
    "svgp": {"inducing": 15, "steps": 200, "batch": 64},
    "bayesian-gpr": {"infer": "ml2", "starts": 1, "iterations": 30},
    "cvi-ep-hyper": {"rounds": 5},
    "cvtgp": {"points": 15, "steps": 200, "batch": 64},
    "memory-dual-gp": {"inducing": 15, "batches": 2, "rounds": 1, "moves": 3},
    "sdd-gp": {"method": "exact", "iterations": 20, "samples": 16, "frequencies": 100},
    "scale-mixture-nngp": {"starts": 1, "iterations": 20, "inducing": 15, "steps": 100},
    "vbll": {"steps": 300, "hidden": (16,), "rate": 0.01, "draws": 20},
    "coin-sampling": {"steps": 100},
    "fb-gvi": {"steps": 300, "kept": 200},
    "flow-vi": {"steps": 300, "draws": 200, "batch": 16, "flow": "planar:2"},
    "markov-gp": {"starts": 1, "iterations": 20},
    "aevb": {"hidden": (16,), "latent": 2, "epochs": 2},
    "iwae": {"hidden": (16,), "latent": 2, "epochs": 2},
    "infovae": {"hidden": (16,), "latent": 2, "epochs": 2},
    "ddpm": {"widths": (4, 8), "hidden": (8,), "iterations": 20, "steps": 5, "measured": 0},
    "red-diff": {"rows": 20, "steps": 5},
    "hyperprior": {"latents": 8, "second": 4, "width": 8, "hyper": 8, "steps": 3, "crop": 32, "batch": 1},
    "ggm-codec": {"latents": 8, "second": 4, "width": 8, "hyper": 8, "steps": 3, "entropy_steps": 3, "crop": 32, "batch": 1},
    "markovian-gpvae": {"latents": 2, "steps": 5},
    "cvhm": {"trajectories": 1, "rounds": 3},
    "rsvi": {"layers": (3,), "steps": 30},
    "gs-mcmc": {"steps": 30, "points": 100, "cap": 150, "test_every": 3},
    "gaussian-splatting": {"steps": 30, "points": 100, "cap": 150, "test_every": 3},
    "kde-mode": {"starts": 5},
    "lsnm": {"resamples": 5, "permutations": 19},
}


def classes() -> list[Any]:
    """All classes of systems."""
    return [c for system in elbo.systems().values() for c in system["estimators"]]


def made(cls: Any) -> Any:
    """An object of a class with quick settings."""
    known = cls().get_params()
    settings = {name: value for name, value in SETTINGS.get(cls._system, {}).items() if name in known}
    return cls(**settings)


def table(rows: int = 60, seed: int = 0) -> tuple[Any, Any]:
    """Two inputs and a noisy smooth target."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, (rows, 2))
    return x, np.sin(2 * x[:, 0]) + 0.5 * x[:, 1] + rng.normal(0, 0.1, rows)
