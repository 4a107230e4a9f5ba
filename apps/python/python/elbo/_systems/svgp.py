"""`svgp`, of the family gp. Written by `apps/python/generate.py`; do not edit."""

from __future__ import annotations

from typing import Any

from .._parts import Choice
from .._tabular import Classifier, Regressor, Tabular
from ..kernels import Kernel


class _SVGP(Tabular):
    """Stochastic variational Gaussian process.

    A sparse Gaussian process for any likelihood, trained on minibatches. `M` inducing variables, whitened by
    their prior, have a free Gaussian posterior; the bound is a sum over rows, so a few hundred rows estimate
    it.

    Needs a table with a target, numeric or of classes. Source: Hensman, Matthews and Ghahramani (2015).

    Parameters
    ----------
    kernel : expression, table, or a kernel of `elbo.kernels`; default 'matern52'
        The kernel, as an expression: `matern52`, `rbf + linear`.
    mean : one of zero, constant, linear, polynomial; default 'zero'
        The mean function: zero, constant, linear or polynomial.
    likelihood : one of gaussian, student_t, laplace, log_gaussian, exponential, gamma, weibull, beta, poisson, negative_binomial, zero_inflated_poisson, binomial, bernoulli_probit, bernoulli_logit, ordinal, or none; default None
        The likelihood of a numeric target or of two classes; without one, Gaussian and probit.
    multi : one of softmax, softmax_bound, robust_max, heteroscedastic, or none; default None
        The likelihood of more than two classes, or `heteroscedastic` for a numeric target whose noise varies.
    inducing : whole number at least 1; default 128
        Number of inducing points, `M`.
    start : one of kmeans, pivoted, random; default 'kmeans'
        Where the inducing points start: centres of k-means, pivots of the kernel, or random rows.
    move_inducing : true or false; default True
        Whether the inducing points move with the hyperparameters.
    posterior : one of full, diagonal; default 'full'
        The posterior's covariance: `full`, or `diagonal` in whitened coordinates.
    batch : whole number at least 1; default 256
        Rows a step.
    steps : whole number at least 1; default 1500
        Steps.
    rho : number; default 0.1
        Length of the natural-gradient step on the posterior, in (0, 1].
    rate : number; default 0.02
        Adam's rate for everything else at the start; it falls to a tenth along half a cosine.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'svgp'

    def __init__(
        self,
        *,
        kernel: Kernel | Choice = 'matern52',
        mean: Choice = 'zero',
        likelihood: Choice | None = None,
        multi: Choice | None = None,
        inducing: int = 128,
        start: Choice = 'kmeans',
        move_inducing: bool = True,
        posterior: Choice = 'full',
        batch: int = 256,
        steps: int = 1500,
        rho: float = 0.1,
        rate: float = 0.02,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.kernel = kernel
        self.mean = mean
        self.likelihood = likelihood
        self.multi = multi
        self.inducing = inducing
        self.start = start
        self.move_inducing = move_inducing
        self.posterior = posterior
        self.batch = batch
        self.steps = steps
        self.rho = rho
        self.rate = rate
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class SVGPRegressor(_SVGP, Regressor):
    pass


class SVGPClassifier(_SVGP, Classifier):
    pass
