"""`cvi-ep-hyper`, of the family gp. Written by `apps/python/generate.py`; do not edit."""

from __future__ import annotations

from typing import Any

from .._parts import Choice
from .._tabular import Classifier, Regressor, Tabular
from ..kernels import Kernel


class _CVIEPHyper(Tabular):
    """Improving Hyperparameter Learning under Approximate Inference in Gaussian Process Models.

    A Gaussian process with a likelihood that is not Gaussian, whose posterior is found by variational
    inference and whose hyperparameters are learned by another yardstick. The variational bound is what makes
    inference steady, but as a function of the hyperparameters it leans towards small amplitudes, since the
    bound is loosest where the posterior is least Gaussian. Expectation propagation's estimate of the marginal
    likelihood leans far less, and it can be evaluated at *any* Gaussian sites. So: sites by conjugate-
    computation variational inference, hyperparameters on EP's energy at those same sites, in turn.

    Needs a table with a target, numeric or of classes. Source: Li, John and Solin (2023), ICML.

    Parameters
    ----------
    kernel : expression, table, or a kernel of `elbo.kernels`; default 'matern52'
        The kernel, as an expression: `matern52`, `rbf + linear`.
    mean : one of zero, constant, linear, polynomial; default 'zero'
        The mean function: zero, constant, linear or polynomial.
    likelihood : one of gaussian, student_t, laplace, log_gaussian, exponential, gamma, weibull, beta, poisson, negative_binomial, zero_inflated_poisson, binomial, bernoulli_probit, bernoulli_logit, ordinal, or none; default None
        The likelihood; without one, probit for two classes and Student-t for numbers.
    infer : one of hybrid, vi, ep, laplace; default 'hybrid'
        How sites are found and which evidence the hyperparameters climb.
    rho : number; default 0.5
        Share of the new site in a sweep, in (0, 1].
    alpha : number; default 1.0
        Power of the EP energy, in (0, 1].
    most_dense_rows : whole number; default 1500
        Rows beyond which the posterior is carried by inducing points.
    inducing : whole number at least 1; default 300
        Number of inducing points then.
    sweeps : whole number at least 1; default 20
        Sweeps over the sites a round.
    moves : whole number at least 1; default 5
        L-BFGS iterations a round.
    rounds : whole number at least 1; default 100
        Rounds, at most.
    grid : whole number; default 0
        Points a side of a grid of log lengthscale and log variance around the learned ones, where evidences
        are compared with importance sampling; zero for none.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'cvi-ep-hyper'

    def __init__(
        self,
        *,
        kernel: Kernel | Choice = 'matern52',
        mean: Choice = 'zero',
        likelihood: Choice | None = None,
        infer: Choice = 'hybrid',
        rho: float = 0.5,
        alpha: float = 1.0,
        most_dense_rows: int = 1500,
        inducing: int = 300,
        sweeps: int = 20,
        moves: int = 5,
        rounds: int = 100,
        grid: int = 0,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.kernel = kernel
        self.mean = mean
        self.likelihood = likelihood
        self.infer = infer
        self.rho = rho
        self.alpha = alpha
        self.most_dense_rows = most_dense_rows
        self.inducing = inducing
        self.sweeps = sweeps
        self.moves = moves
        self.rounds = rounds
        self.grid = grid
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class CVIEPHyperRegressor(_CVIEPHyper, Regressor):
    pass


class CVIEPHyperClassifier(_CVIEPHyper, Classifier):
    _many_classes = False
