"""`bayesian-gpr`, of the family gp. Written by `apps/python/generate.py`; do not edit."""

from __future__ import annotations

from typing import Any

from .._parts import Choice
from .._tabular import Regressor
from .._verbs import Draws


class BayesianGPR(Draws, Regressor):
    """Approximate Inference for Fully Bayesian Gaussian Process Regression.

    Exact regression with a squared-exponential process whose lengthscales, variance and noise are not fixed
    at their likeliest values but integrated over.

    Needs a table with a numeric target. Source: Lalchand and Rasmussen (2020), AABI.

    Parameters
    ----------
    infer : one of nuts, vi-mf, vi-full, ml2; default 'nuts'
        `nuts`, `vi-full`, `vi-mf`, or `ml2` for the likeliest hyperparameters.
    lengthscale : one of normal, log_normal, normal_on_log, gamma, inverse_gamma, half_normal, half_cauchy, beta, uniform, or none; default None
        Prior of each lengthscale, for inputs of unit variance; log-normal with median √D and log deviation 1
        without one.
    variance : one of normal, log_normal, normal_on_log, gamma, inverse_gamma, half_normal, half_cauchy, beta, uniform; default {"type": "log_normal", "mu": 0.0, "sigma": 1.0}
        Prior of the process variance, for a target of unit variance.
    noise : one of normal, log_normal, normal_on_log, gamma, inverse_gamma, half_normal, half_cauchy, beta, uniform; default {"type": "log_normal", "mu": -2.0, "sigma": 1.5}
        Prior of the noise variance, for a target of unit variance.
    noise_held : number, or none; default None
        Noise variance to hold, as a share of the target's variance, instead of inferring it.
    chains : whole number at least 1; default 4
        Chains of the sampler.
    warmup : whole number; default 300
        Transitions of each chain that only adapt.
    draws : whole number at least 4; default 500
        Draws kept of each chain.
    steps : whole number at least 1; default 3000
        Steps of a variational fit, at most.
    mixed : whole number at least 1; default 100
        Draws that predictions are mixed from.
    starts : whole number at least 1; default 5
        Starting points of the search for the likeliest values.
    iterations : whole number at least 1; default 200
        L-BFGS iterations a start, at most.
    inducing : whole number at least 1, or none; default None
        Inducing points that carry the process, whose lower bound then stands for its likelihood: for more
        rows. Without a number it is exact.
    most_rows : whole number; default 1000
        Rows beyond which an exact fit is refused, since every gradient takes time with N³.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'bayesian-gpr'
    _tables = frozenset(['variance', 'noise'])

    def __init__(
        self,
        *,
        infer: Choice = 'nuts',
        lengthscale: Choice | None = None,
        variance: Choice | None = None,
        noise: Choice | None = None,
        noise_held: float | None = None,
        chains: int = 4,
        warmup: int = 300,
        draws: int = 500,
        steps: int = 3000,
        mixed: int = 100,
        starts: int = 5,
        iterations: int = 200,
        inducing: int | None = None,
        most_rows: int = 1000,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.infer = infer
        self.lengthscale = lengthscale
        self.variance = variance
        self.noise = noise
        self.noise_held = noise_held
        self.chains = chains
        self.warmup = warmup
        self.draws = draws
        self.steps = steps
        self.mixed = mixed
        self.starts = starts
        self.iterations = iterations
        self.inducing = inducing
        self.most_rows = most_rows
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose
