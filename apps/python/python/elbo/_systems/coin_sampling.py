"""`coin-sampling`, of the family inference. Written by `apps/python/generate.py`; do not edit."""

from __future__ import annotations

from typing import Any

from .._parts import Choice
from .._tabular import Classifier, Regressor, Tabular
from .._verbs import Draws


class _CoinSampling(Draws, Tabular):
    """Coin Sampling: Gradient-Based Bayesian Inference without Learning Rates.

    A few points, moved together until they stand for a posterior, without a learning rate. Each point follows
    a velocity that pulls it to where the posterior is large and pushes it from the other points.

    Needs a table with a target, numeric or of classes. Source: Sharrock and Nemeth (2023), ICML.

    Parameters
    ----------
    particles : whole number at least 1; default 20
        Points that stand for the posterior; one finds its mode.
    steps : whole number at least 1; default 1000
        Steps.
    batch : whole number at least 1; default 1000
        Rows behind each score; with a table no longer than this, scores are exact.
    field : one of svgd, ksdd, lawgd; default 'svgd'
        What moves the points: svgd, ksdd, which descends their kernel Stein discrepancy, or lawgd, by the
        spectrum of the posterior of one unknown or two.
    kernel : one of median, rbf, inverse_multiquadric; default 'median'
        How points see each other under svgd: `median`, or an `rbf` or `inverse_multiquadric` kernel of a
        fixed width.
    alpha : number, or none; default None
        The first moves are one unit over this, and half a unit at most, as with 0. Without one, 0, and 100
        for a network.
    hidden : whole number; default 0
        Hidden units of a network for a numeric target; 0 for a generalised linear model.
    likelihood : one of gaussian, bernoulli, poisson, categorical, or none; default None
        The likelihood of a generalised linear model: `gaussian`, `bernoulli`, `poisson` or `categorical`; by
        the target without one.
    weight_sd : number; default 2.5
        Prior standard deviation of the linear model's weights, for inputs of unit variance.
    intercept_sd : number; default 5.0
        Prior standard deviation of the linear model's intercept.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'coin-sampling'

    def __init__(
        self,
        *,
        particles: int = 20,
        steps: int = 1000,
        batch: int = 1000,
        field: Choice = 'svgd',
        kernel: Choice = 'median',
        alpha: float | None = None,
        hidden: int = 0,
        likelihood: Choice | None = None,
        weight_sd: float = 2.5,
        intercept_sd: float = 5.0,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.particles = particles
        self.steps = steps
        self.batch = batch
        self.field = field
        self.kernel = kernel
        self.alpha = alpha
        self.hidden = hidden
        self.likelihood = likelihood
        self.weight_sd = weight_sd
        self.intercept_sd = intercept_sd
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class CoinSamplingRegressor(_CoinSampling, Regressor):
    pass


class CoinSamplingClassifier(_CoinSampling, Classifier):
    pass
