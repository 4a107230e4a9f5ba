"""`flow-vi`, of the family inference. Written by `apps/python/generate.py`; do not edit."""

from __future__ import annotations

from typing import Any

from .._parts import Choice
from .._tabular import Classifier, Regressor, Tabular
from .._verbs import Draws


class _FlowVI(Draws, Tabular):
    """Variational Inference with Normalizing Flows.

    A posterior of almost any shape, made by pushing a Gaussian through a chain of invertible maps whose
    parameters are learnt. The density of a draw follows from the base and the log-determinants.

    Needs a table with a target, numeric or of classes. Source: Rezende and Mohamed (2015), ICML.

    Parameters
    ----------
    flow : text; default 'planar:16'
        The flow: `planar:32`, `radial:8`, `sylvester:4x2`, `householder:4`, `nice:4x32`, `realnvp:4x32`,
        `iaf:4x32`, `spline:4x8`, `continuous:8x32`.
    steps : whole number at least 1; default 2000
        Steps.
    batch : whole number at least 1; default 64
        Draws a step.
    rate : number; default 0.005
        Adam's rate; it falls linearly to zero in the second half.
    annealing : number; default 0.5
        Share of the steps in which the posterior's weight rises from 0.01 to 1; zero keeps it at 1.
    draws : whole number at least 100; default 2000
        Posterior draws kept for predictions.
    starts : whole number at least 1 and at most 100; default 1
        Fits from different random numbers, of which the one with the highest bound is kept: means that
        disagree tell that modes were dropped.
    likelihood : one of gaussian, bernoulli, poisson, categorical, or none; default None
        The likelihood: gaussian, bernoulli, poisson or categorical; without one, by the target.
    weight_sd : number; default 2.5
        Prior standard deviation of the weights, for inputs of unit variance.
    intercept_sd : number; default 5.0
        Prior standard deviation of the intercept.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'flow-vi'

    def __init__(
        self,
        *,
        flow: str = 'planar:16',
        steps: int = 2000,
        batch: int = 64,
        rate: float = 0.005,
        annealing: float = 0.5,
        draws: int = 2000,
        starts: int = 1,
        likelihood: Choice | None = None,
        weight_sd: float = 2.5,
        intercept_sd: float = 5.0,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.flow = flow
        self.steps = steps
        self.batch = batch
        self.rate = rate
        self.annealing = annealing
        self.draws = draws
        self.starts = starts
        self.likelihood = likelihood
        self.weight_sd = weight_sd
        self.intercept_sd = intercept_sd
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class FlowVIRegressor(_FlowVI, Regressor):
    pass


class FlowVIClassifier(_FlowVI, Classifier):
    pass
