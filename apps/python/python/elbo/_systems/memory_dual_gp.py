"""`memory-dual-gp`, of the family gp. Written by `apps/python/generate.py`; do not edit."""

from __future__ import annotations

from typing import Any

from .._parts import Choice
from .._tabular import Classifier, Regressor, Tabular
from .._verbs import Updates
from ..kernels import Kernel


class _MemoryDualGP(Updates, Tabular):
    """Memory-Based Dual Gaussian Processes for Sequential Learning.

    A sparse Gaussian process that learns from batches and never looks back. What the data said is kept as
    sums of Gaussian sites seen through the inducing points; sums can be moved onto new inducing points when
    the stream wanders into new regions. Three things go wrong when the past is gone: the posterior was
    computed under old inducing points, hyperparameters only see the present batch, and errors add up. A small
    memory of past rows, chosen half by leverage (site precision times marginal variance) and half at random,
    repairs all three: its sites are renewed at every batch, and in the objective of the hyperparameters it
    stands for all rows seen.

    Needs a table with a target, numeric or of classes. Source: Chang, Verma, John, Solin and Khan (2023), ICML.

    Parameters
    ----------
    kernel : expression, table, or a kernel of `elbo.kernels`; default 'matern52'
        The kernel, as an expression: `matern52`, `rbf + linear`.
    likelihood : one of gaussian, student_t, laplace, log_gaussian, exponential, gamma, weibull, beta, poisson, negative_binomial, zero_inflated_poisson, binomial, bernoulli_probit, bernoulli_logit, ordinal, or none; default None
        The likelihood of a numeric target or of two classes; without one, Gaussian and probit.
    multi : one of softmax, softmax_bound, robust_max, heteroscedastic, or none; default None
        The likelihood of more than two classes, or `heteroscedastic` for a numeric target whose noise varies.
    batches : whole number at least 1; default 20
        Parts in which `fit` reads its table, in the table's order.
    inducing : whole number at least 1; default 100
        Inducing points, at most.
    remembered : whole number; default 10
        Rows of each batch that join the memory.
    memory : whole number; default 400
        Rows in memory, at most.
    sweeps : whole number at least 1; default 4
        Updates of the sites of memory and batch, at most, each time they settle.
    rho : number; default 0.7
        Length of a site update, in (0, 1]; halved while the bound would fall.
    moves : whole number; default 10
        L-BFGS iterations on the hyperparameters a round; zero holds them.
    rounds : whole number at least 1; default 3
        Rounds a batch, at most, of placing inducing points, updating sites and moving hyperparameters.
    by_leverage : true or false; default True
        Whether half of the chances to join the memory are in proportion to leverage; otherwise all rows are
        alike.
    fixed_inducing : true or false; default False
        Whether inducing points are chosen once, among the rows of the table that is fitted, and stay there;
        otherwise they follow the stream.
    check_scale : true or false; default True
        Whether `update` refuses a batch in which a column varies more than 100 times as much as in the table
        that was fitted.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'memory-dual-gp'

    def __init__(
        self,
        *,
        kernel: Kernel | Choice = 'matern52',
        likelihood: Choice | None = None,
        multi: Choice | None = None,
        batches: int = 20,
        inducing: int = 100,
        remembered: int = 10,
        memory: int = 400,
        sweeps: int = 4,
        rho: float = 0.7,
        moves: int = 10,
        rounds: int = 3,
        by_leverage: bool = True,
        fixed_inducing: bool = False,
        check_scale: bool = True,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.kernel = kernel
        self.likelihood = likelihood
        self.multi = multi
        self.batches = batches
        self.inducing = inducing
        self.remembered = remembered
        self.memory = memory
        self.sweeps = sweeps
        self.rho = rho
        self.moves = moves
        self.rounds = rounds
        self.by_leverage = by_leverage
        self.fixed_inducing = fixed_inducing
        self.check_scale = check_scale
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class MemoryDualGPRegressor(_MemoryDualGP, Regressor):
    pass


class MemoryDualGPClassifier(_MemoryDualGP, Classifier):
    pass
