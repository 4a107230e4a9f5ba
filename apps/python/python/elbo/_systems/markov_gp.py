"""`markov-gp`, of the family temporal. Written by `apps/python/generate.py`; do not edit."""

from __future__ import annotations

from typing import Any

from .._tabular import Series


class MarkovGP(Series):
    """Gaussian process regression on series in linear time.

    Exact Gaussian process regression of one number on time. Kernels of time have a twin as a linear
    stochastic differential equation, whose values at the rows are a Markov chain with a state of a few
    numbers.

    Needs a table with a column of times (numbers or dates) and a numeric target. Source: Hartikainen and Särkkä (2010).

    Parameters
    ----------
    time : text, or none; default None
        The column of times: numbers, or ISO dates, which become days. The only other column by default, or
        one named `time`, `date` or `t`.
    kernel : text, or none; default None
        The kernel, as an expression of time: `linear + matern52 + matern32 * periodic(period=12)`. Numbers
        given are starts, with `!` held. By default a trend that goes on as it last rose, a smooth Matérn
        term, a drifting repetition where a period is known or found, and a short Matérn term.
    period : number, or none; default None
        The period of the default kernel, in the unit of the time column (days for dates); found from the data
        by default.
    noise : number, or none; default None
        Noise variance at the start, as a share of the target's variance; by default half of what a trend and
        the found period leave.
    starts : whole number at least 1; default 3
        Starting points of the search for hyperparameters; the best end is kept.
    iterations : whole number at least 1; default 100
        L-BFGS iterations a start, at most.
    horizon : number; default 0.2
        How far the figures look beyond the last row, as a share of the series' span.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'markov-gp'

    def __init__(
        self,
        *,
        time: str | None = None,
        kernel: str | None = None,
        period: float | None = None,
        noise: float | None = None,
        starts: int = 3,
        iterations: int = 100,
        horizon: float = 0.2,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.time = time
        self.kernel = kernel
        self.period = period
        self.noise = noise
        self.starts = starts
        self.iterations = iterations
        self.horizon = horizon
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose
