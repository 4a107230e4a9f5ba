"""`scale-mixture-nngp`, of the family gp. Written by `apps/python/generate.py`; do not edit."""

from __future__ import annotations

from typing import Any

from .._parts import Choice
from .._tabular import Classifier, Regressor, Tabular
from .._verbs import Encodes
from ..kernels import Kernel


class _ScaleMixtureNNGP(Encodes, Tabular):
    """Scale Mixtures of Neural Network Gaussian Processes.

    The function of an infinitely wide network is a Gaussian process. Put a prior on the scale `s` of the last
    layer's weights and it becomes a mixture over scales: $s \\sim p(s)$, $f \\mid s \\sim \\mathcal{GP}(0,
    s\\,k)$. An inverse gamma prior makes it a Student-t process, whose evidence is closed form. With $K =
    k(X, X) + \\varepsilon I$ and $d = y^\\top K^{-1} y$.

    Needs a table with a target, numeric or of classes. Source: Lee, Yun, Yang and Lee (2022), ICLR.

    Parameters
    ----------
    kernel : expression, table, or a kernel of `elbo.kernels`; default 'nngp'
        The kernel, as an expression: `nngp(depth = 4)`, or any other.
    tails : one of gauss, inverse_gamma, burr; default 'inverse_gamma'
        The prior over the scale.
    alpha : number; default 2.0
        Shape of the inverse gamma prior; degrees of freedom are twice this plus the number of rows.
    beta : number; default 2.0
        Scale of the inverse gamma prior.
    burr_c : number; default 2.0
        First shape of the Burr prior.
    burr_k : number; default 1.0
        Second shape of the Burr prior; its tail falls as `s^(-c k - 1)`.
    learn_tails : true or false; default False
        Whether alpha and beta are learned too. One data set says little about the spread of its own scale, so
        alpha tends to infinity.
    noise : number; default 0.01
        Numbers: noise variance at the start, as a share of the target's variance; it is scaled with the
        function.
    starts : whole number at least 1; default 3
        Numbers: starting points of the search for hyperparameters.
    iterations : whole number at least 1; default 100
        Numbers: L-BFGS iterations a start, at most.
    most_rows : whole number; default 5000
        Numbers: rows beyond which the fit is refused.
    inducing : whole number at least 1; default 100
        Classes: inducing points, `M`.
    steps : whole number at least 1; default 2000
        Classes: steps of Adam.
    batch : whole number at least 1; default 128
        Classes: rows a step, `B`.
    rate : number; default 0.01
        Classes: learning rate at the start; it falls to a tenth.
    draws : whole number at least 1; default 2
        Classes: draws of the latent values for each of the scale's eight nodes.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'scale-mixture-nngp'

    def __init__(
        self,
        *,
        kernel: Kernel | Choice = 'nngp',
        tails: Choice = 'inverse_gamma',
        alpha: float = 2.0,
        beta: float = 2.0,
        burr_c: float = 2.0,
        burr_k: float = 1.0,
        learn_tails: bool = False,
        noise: float = 0.01,
        starts: int = 3,
        iterations: int = 100,
        most_rows: int = 5000,
        inducing: int = 100,
        steps: int = 2000,
        batch: int = 128,
        rate: float = 0.01,
        draws: int = 2,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.kernel = kernel
        self.tails = tails
        self.alpha = alpha
        self.beta = beta
        self.burr_c = burr_c
        self.burr_k = burr_k
        self.learn_tails = learn_tails
        self.noise = noise
        self.starts = starts
        self.iterations = iterations
        self.most_rows = most_rows
        self.inducing = inducing
        self.steps = steps
        self.batch = batch
        self.rate = rate
        self.draws = draws
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class ScaleMixtureNNGPRegressor(_ScaleMixtureNNGP, Regressor):
    pass


class ScaleMixtureNNGPClassifier(_ScaleMixtureNNGP, Classifier):
    pass
