"""`sgpr`, of the family gp. Written by `apps/python/generate.py`; do not edit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._parts import Choice
from .._tabular import Regressor
from ..kernels import Kernel


class SGPR(Regressor):
    """Sparse Gaussian process regression.

    Regression through `M` inducing points: the posterior of the function at those points carries everything.
    The collapsed bound is what is maximised, over hyperparameters and the points' positions; the best
    Gaussian at the points is found in closed form. The bound is below the exact log likelihood, and a
    companion above it is computed at the end, so the report can say how much the `M` points lose.

    Needs a table with a numeric target. Source: Titsias (2009).

    Parameters
    ----------
    kernel : expression, table, or a kernel of `elbo.kernels`; default 'matern52'
        The kernel, as an expression: `matern52`, `rbf + linear`.
    mean : one of zero, constant, linear, polynomial; default 'constant'
        The mean function: zero, constant, linear or polynomial.
    inducing : whole number at least 1; default 200
        Number of inducing points, `M`.
    move_inducing : true or false; default True
        Whether the inducing points move with the hyperparameters.
    power : number at least 0 and at most 1; default 0.0
        What is maximised and how rows are seen, from the collapsed bound at 0 to FITC at 1; between them is
        power expectation propagation.
    noise : number; default 0.1
        Noise variance at the start, as a share of the target's variance.
    noise_column : text, or none; default None
        A column of standard deviations in the target's unit, the known noise of each row, besides the learned
        noise; it is no input then.
    priors : table; default None
        Priors on hyperparameters: `dimension_scaled`, or a table such as `{lengthscale = "gamma(3, 6)", noise
        = "log_normal(-4, 1)"}`.
    starts : whole number at least 1; default 1
        Starting points of the search for hyperparameters; the best end is kept.
    iterations : whole number at least 1; default 100
        L-BFGS iterations a start, at most.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'sgpr'
    _tables = frozenset(['priors'])

    def __init__(
        self,
        *,
        kernel: Kernel | Choice = 'matern52',
        mean: Choice = 'constant',
        inducing: int = 200,
        move_inducing: bool = True,
        power: float = 0.0,
        noise: float = 0.1,
        noise_column: str | None = None,
        priors: Mapping[str, Any] | None = None,
        starts: int = 1,
        iterations: int = 100,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.kernel = kernel
        self.mean = mean
        self.inducing = inducing
        self.move_inducing = move_inducing
        self.power = power
        self.noise = noise
        self.noise_column = noise_column
        self.priors = priors
        self.starts = starts
        self.iterations = iterations
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose
