"""`lsnm`, of the family stats. Written by `apps/python/generate.py`; do not edit."""

from __future__ import annotations

from typing import Any

from .._parts import Choice
from .._verbs import Points


class LSNM(Points):
    """On the Identifiability and Estimation of Causal Location-Scale Noise Models.

    Which of two variables is the cause? If the effect is $Y = f(X) + g(X) N$, with noise that is independent
    of the cause, then (but for pathological cases) no such model describes the pair the other way round. Both
    directions are fitted, and compared by their likelihood, or by how much the residuals $(y - f)/g$ still
    depend on the supposed cause.

    Needs a table of two numeric columns, or of many such pairs named by a column `pair`. Source: Immer, Schultheiss, Vogt, Schölkopf, Bühlmann and Marx (2023), ICML.

    Parameters
    ----------
    estimator : one of splines, network, homoscedastic, two_step; default 'splines'
        The conditional law: splines (jointly concave), network, or a baseline: homoscedastic, two_step.
    rule : one of likelihood, independence; default 'likelihood'
        What decides: likelihood, or independence (of residuals and cause).
    decide : number; default 1.96
        Standard errors by which the directions must differ; below, the verdict is `undecided`.
    level : number; default 0.05
        Level of the residual test: a direction with a p-value up to it is rejected.
    knots : whole number at least 2; default 12
        Knots of the splines.
    degree : whole number at least 1; default 3
        Degree of the splines.
    ridge : one of evidence, number; default 1e-05
        Prior precision of the splines' weights: the weight of half their squared norm beside the sum of log
        likelihoods. Or `evidence`: of 1e-6, 1e-5 ... 10 the one with the largest Laplace evidence, for each
        direction by itself.
    hidden : whole number at least 1; default 100
        Hidden units of the network.
    steps : whole number at least 1; default 5000
        Steps of the network's training.
    resamples : whole number; default 40
        Half-samples for the standard error; zero for the likelihood's spread over rows alone.
    permutations : whole number; default 199
        Orders tried for the p-value of the residual test.
    rows : whole number; default 5000
        Rows of a pair, at most, for the fits; more are drawn at random.
    test_rows : whole number; default 500
        Rows of a pair, at most, for the residual test.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'lsnm'

    def __init__(
        self,
        *,
        estimator: Choice = 'splines',
        rule: Choice = 'likelihood',
        decide: float = 1.96,
        level: float = 0.05,
        knots: int = 12,
        degree: int = 3,
        ridge: Choice = 1e-05,
        hidden: int = 100,
        steps: int = 5000,
        resamples: int = 40,
        permutations: int = 199,
        rows: int = 5000,
        test_rows: int = 500,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.estimator = estimator
        self.rule = rule
        self.decide = decide
        self.level = level
        self.knots = knots
        self.degree = degree
        self.ridge = ridge
        self.hidden = hidden
        self.steps = steps
        self.resamples = resamples
        self.permutations = permutations
        self.rows = rows
        self.test_rows = test_rows
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose
