"""`cvtgp`, of the family gp. Written by `apps/python/generate.py`; do not edit."""

from __future__ import annotations

from typing import Any

from .._parts import Choice
from .._tabular import Regressor
from ..kernels import Kernel


class CVTGP(Regressor):
    """A Coreset-based, Tempered Variational Posterior for Accurate and Scalable Stochastic Gaussian Process Inference.

    Sparse regression whose posterior is that of an ordinary Gaussian process on `M` learned pseudo-
    observations: an input, an output and a weight each. The weight says for how many rows the pseudo-
    observation speaks; its noise is the model's noise divided by the weight. That takes $(D + 2) M$ numbers
    where a free Gaussian over `M` inducing variables takes $M + \\tfrac12 M(M+1)$ besides its inputs, and
    every factorisation goes through a matrix whose eigenvalues are at least one, so repeated points do no
    harm. Trained on minibatches with Adam.

    Needs a table with a numeric target. Source: Ketenci, Perotte, Elhadad and Urteaga (2023).

    Parameters
    ----------
    kernel : expression, table, or a kernel of `elbo.kernels`; default 'matern52'
        The kernel, as an expression: `matern52`, `rbf + linear`.
    mean : one of zero, constant, linear, polynomial; default 'zero'
        The mean function: zero, constant, linear or polynomial.
    points : whole number at least 1; default 100
        Number of pseudo-observations, `M`.
    noise : number; default 0.1
        Noise variance at the start, as a share of the target's variance.
    batch : whole number at least 1; default 256
        Rows a step.
    steps : whole number at least 1; default 1500
        Steps.
    rate : number; default 0.01
        Adam's rate at the start; it falls to a tenth along half a cosine.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'cvtgp'

    def __init__(
        self,
        *,
        kernel: Kernel | Choice = 'matern52',
        mean: Choice = 'zero',
        points: int = 100,
        noise: float = 0.1,
        batch: int = 256,
        steps: int = 1500,
        rate: float = 0.01,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.kernel = kernel
        self.mean = mean
        self.points = points
        self.noise = noise
        self.batch = batch
        self.steps = steps
        self.rate = rate
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose
