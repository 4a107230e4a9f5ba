"""`sdd-gp`, of the family gp. Written by `apps/python/generate.py`; do not edit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._parts import Choice
from .._tabular import Regressor
from ..kernels import Kernel


class SDDGP(Regressor):
    """Stochastic Gradient Descent for Gaussian Processes Done Right.

    Gaussian process regression on tables too large to factorise, without inducing points. The posterior needs
    the solution of one linear system, $(K + \\sigma^2 I)\\,\\alpha = y$.

    Needs a table with a numeric target. Source: Lin, Padhy, Antorán, Tripp, Terenin, Szepesvári, Hernández-Lobato and Janz (2024), ICLR.

    Parameters
    ----------
    kernel : expression, table, or a kernel of `elbo.kernels`; default 'matern32'
        The kernel, as an expression: `matern32`, `rbf + matern12`; `tanimoto` for columns of counts.
    mean : one of zero, constant, linear, polynomial; default 'constant'
        The mean function: zero, constant, linear or polynomial.
    method : one of auto, sdd, exact; default 'auto'
        How the linear system is solved.
    noise : number; default 0.1
        Noise variance at the start, as a share of the target's variance.
    priors : table; default None
        Priors on hyperparameters: `dimension_scaled`, or a table such as `{lengthscale = "gamma(3, 6)", noise
        = "log_normal(-4, 1)"}`.
    subset : whole number at least 10; default 2000
        Rows on which hyperparameters are learned by the exact marginal likelihood.
    subsets : whole number at least 1; default 1
        Random subsets whose hyperparameters are averaged.
    starts : whole number at least 1; default 1
        Starting points of the search for hyperparameters on each subset.
    iterations : whole number at least 1; default 100
        L-BFGS iterations a start, at most.
    steps : whole number at least 100; default 10000
        Steps of the descent, at most, `T`.
    batch : whole number at least 1; default 512
        Rows a step, `B`.
    momentum : number; default 0.9
        Momentum, `ρ`, in [0, 1).
    step_scale : number; default 1.0
        Factor on the length of a step; above 1 it may diverge.
    tolerance : number; default 0.01
        The descent ends when the relative residual of every right-hand side is estimated below this.
    samples : whole number at least 2; default 64
        Posterior samples, `S`, which the standard deviations come from.
    frequencies : whole number at least 10; default 2000
        Random frequencies of the prior draws.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'sdd-gp'
    _tables = frozenset(['priors'])

    def __init__(
        self,
        *,
        kernel: Kernel | Choice = 'matern32',
        mean: Choice = 'constant',
        method: Choice = 'auto',
        noise: float = 0.1,
        priors: Mapping[str, Any] | None = None,
        subset: int = 2000,
        subsets: int = 1,
        starts: int = 1,
        iterations: int = 100,
        steps: int = 10000,
        batch: int = 512,
        momentum: float = 0.9,
        step_scale: float = 1.0,
        tolerance: float = 0.01,
        samples: int = 64,
        frequencies: int = 2000,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.kernel = kernel
        self.mean = mean
        self.method = method
        self.noise = noise
        self.priors = priors
        self.subset = subset
        self.subsets = subsets
        self.starts = starts
        self.iterations = iterations
        self.steps = steps
        self.batch = batch
        self.momentum = momentum
        self.step_scale = step_scale
        self.tolerance = tolerance
        self.samples = samples
        self.frequencies = frequencies
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose
