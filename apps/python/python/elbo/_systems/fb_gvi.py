"""`fb-gvi`, of the family inference. Written by `apps/python/generate.py`; do not edit."""

from __future__ import annotations

from typing import Any

from .._parts import Choice
from .._tabular import Classifier, Regressor, Tabular
from .._verbs import Draws


class _FBGVI(Draws, Tabular):
    """Forward-backward Gaussian variational inference via JKO in the Bures-Wasserstein space.

    Finds the Gaussian nearest to a posterior, mean and full covariance, by a proximal-gradient scheme in the
    Wasserstein metric. A step is explicit in the energy $V = -\\log p$ and implicit, in closed form, in the
    entropy.

    Needs a table with a target, numeric or of classes. Source: Diao, Balasubramanian, Chewi and Salim (2023), ICML.

    Parameters
    ----------
    likelihood : one of gaussian, bernoulli, poisson, categorical, or none; default None
        Gaussian, bernoulli, poisson or categorical; without one, by the target.
    weight_sd : number; default 2.5
        Prior standard deviation of the weights, for inputs of unit variance.
    intercept_sd : number; default 5.0
        Prior standard deviation of the intercept.
    rule : one of forward-backward, bures-wasserstein, natural, newton, location-scale, diagonal; default 'forward-backward'
        The update: forward-backward, diagonal for independent weights, or bures-wasserstein, natural, newton,
        location-scale to compare with.
    eta : number, or none; default None
        Step length; without one, the inverse of the largest curvature at the mode, times the share of the
        rows in a batch.
    batch : whole number at least 1, or none; default None
        Rows of the table that a step is taken from, drawn anew; without a number, all.
    rank : whole number at least 1, or none; default None
        Largest curvatures that a step keeps, all others being replaced by their mean; without a number, all.
    steps : whole number at least 1; default 1000
        Steps.
    draws : whole number at least 1; default 1
        Random draws a step.
    kept : whole number at least 100; default 2000
        Draws of the posterior that are kept, for predictions and for k-hat.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'fb-gvi'

    def __init__(
        self,
        *,
        likelihood: Choice | None = None,
        weight_sd: float = 2.5,
        intercept_sd: float = 5.0,
        rule: Choice = 'forward-backward',
        eta: float | None = None,
        batch: int | None = None,
        rank: int | None = None,
        steps: int = 1000,
        draws: int = 1,
        kept: int = 2000,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.likelihood = likelihood
        self.weight_sd = weight_sd
        self.intercept_sd = intercept_sd
        self.rule = rule
        self.eta = eta
        self.batch = batch
        self.rank = rank
        self.steps = steps
        self.draws = draws
        self.kept = kept
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class FBGVIRegressor(_FBGVI, Regressor):
    pass


class FBGVIClassifier(_FBGVI, Classifier):
    pass
