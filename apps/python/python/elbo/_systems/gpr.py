"""`gpr`, of the family gp. Written by `apps/python/generate.py`; do not edit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._parts import Choice
from .._tabular import Regressor
from ..kernels import Kernel


class GPR(Regressor):
    """Gaussian process regression.

    Exact regression with a Gaussian process and Gaussian noise. The function is a draw from a process with
    kernel `k`; the posterior after seeing `N` rows has a closed form, and so has the probability of the data,
    which learns lengthscales, variance and noise.

    Needs a table with a numeric target. Source: Rasmussen and Williams (2006).

    Parameters
    ----------
    kernel : expression, table, or a kernel of `elbo.kernels`; default 'matern52'
        The kernel, as an expression: `matern52`, `rbf + periodic(period = 12)`, `matern32 * linear`.
    mean : one of zero, constant, linear, polynomial; default 'constant'
        The mean function: zero, constant, linear or polynomial.
    coefficients : one of optimised, integrated; default 'optimised'
        The coefficients of the mean function: `optimised`, or `integrated` out under a flat prior.
    noise : number; default 0.1
        Noise variance at the start, as a share of the target's variance.
    noise_column : text, or none; default None
        A column of standard deviations in the target's unit, the known noise of each row, besides the learned
        noise; it is no input then.
    priors : table; default None
        Priors on hyperparameters: `dimension_scaled`, or a table such as `{lengthscale = "gamma(3, 6)", noise
        = "log_normal(-4, 1)"}`.
    starts : whole number at least 1; default 5
        Starting points of the search for hyperparameters; the best end is kept.
    iterations : whole number at least 1; default 200
        L-BFGS iterations a start, at most.
    errors : one of normal, leave_one_out, cross_validation; default 'cross_validation'
        The errors of predictions: `cross_validation` and `leave_one_out` fit their width and tails to
        residuals of rows left out, `normal` keeps the process's own.
    copies : one of auto, keep, once; default 'auto'
        Rows that are equal to others in every input and in the target: `auto`, `keep` or `once`.
    most_rows : whole number; default 10000
        Rows beyond which the fit is refused, since time grows with N³ and memory with N².
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'gpr'
    _tables = frozenset(['priors'])

    def __init__(
        self,
        *,
        kernel: Kernel | Choice = 'matern52',
        mean: Choice = 'constant',
        coefficients: Choice = 'optimised',
        noise: float = 0.1,
        noise_column: str | None = None,
        priors: Mapping[str, Any] | None = None,
        starts: int = 5,
        iterations: int = 200,
        errors: Choice = 'cross_validation',
        copies: Choice = 'auto',
        most_rows: int = 10000,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.kernel = kernel
        self.mean = mean
        self.coefficients = coefficients
        self.noise = noise
        self.noise_column = noise_column
        self.priors = priors
        self.starts = starts
        self.iterations = iterations
        self.errors = errors
        self.copies = copies
        self.most_rows = most_rows
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose
