"""`vbll`, of the family bayesnn. Written by `apps/python/generate.py`; do not edit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._parts import Choice
from .._tabular import Classifier, Regressor, Tabular
from .._verbs import Encodes, Updates


class _VBLL(Updates, Encodes, Tabular):
    """Variational Bayesian Last Layers.

    A network whose last layer alone has a posterior. Features $\\phi(x)$ are deterministic; each output's
    weights are Gaussian, $q(w_k) = N(\\bar w_k, S_k)$, so the bound on the evidence is in closed form and is
    trained together with the features, at nearly the price of the network itself. For a number with noise
    $\\sigma$.

    Needs a table with a target, numeric or of classes. Source: Harrison, Willes and Snoek (2024).

    Parameters
    ----------
    hidden : list of whole number; default (64, 64)
        Widths of the layers before the last; none for a linear model of the inputs.
    activation : one of identity, relu, leaky_relu, tanh, sigmoid, softplus, elu, gelu, silu; default 'silu'
        The nonlinear function: relu, tanh, silu, gelu, ...
    covariance : one of point, diagonal, dense, low_rank, dense_precision; default 'dense'
        Covariance of the last layer's weights: dense, diagonal, low_rank, dense_precision, or point for none.
    rank : whole number at least 1; default 3
        Common directions of a low-rank covariance.
    classifier : one of discriminative, generative; default 'discriminative'
        Head of a target of classes: discriminative or generative.
    bound : one of jensen, tilted; default 'jensen'
        Bound of the discriminative head: jensen or tilted.
    noise : one of gaussian, student_t, heteroscedastic; default 'gaussian'
        Noise of a numeric target: gaussian, student_t or heteroscedastic.
    prior_scale : number; default 1.0
        Variance of the prior of an output's weights together.
    wishart_dof : number; default 1.0
        Degrees of freedom of the noise's inverse Wishart prior.
    wishart_scale : number; default 0.01
        Scale of that prior, in the unit of the scaled target.
    kl_weight : number; default 1.0
        What the divergence is multiplied by; anything but 1 is tempered, not Bayes' rule.
    body : one of point, mean_field; default 'point'
        Weights before the last layer: point, or mean_field for independent normal distributions, of which
        predictions take 20 draws.
    collapsed : true or false; default False
        Whether each step has the best posterior of the last layer inside its bound, from all rows; for
        numbers with Gaussian noise and a dense covariance.
    steps : whole number at least 1; default 3000
        Minibatches.
    batch : whole number at least 1; default 64
        Rows a step.
    rate : number; default 0.001
        Adam's rate at the start; it falls to a hundredth along half a cosine.
    weight_decay : number; default 1.0
        Decay of the weights before the last layer.
    clip : number; default 1.0
        Largest norm of a gradient.
    draws : whole number at least 1; default 100
        Draws of the logits in a prediction of the discriminative head.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'vbll'

    def __init__(
        self,
        *,
        hidden: Sequence[int] = (64, 64),
        activation: Choice = 'silu',
        covariance: Choice = 'dense',
        rank: int = 3,
        classifier: Choice = 'discriminative',
        bound: Choice = 'jensen',
        noise: Choice = 'gaussian',
        prior_scale: float = 1.0,
        wishart_dof: float = 1.0,
        wishart_scale: float = 0.01,
        kl_weight: float = 1.0,
        body: Choice = 'point',
        collapsed: bool = False,
        steps: int = 3000,
        batch: int = 64,
        rate: float = 0.001,
        weight_decay: float = 1.0,
        clip: float = 1.0,
        draws: int = 100,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.covariance = covariance
        self.rank = rank
        self.classifier = classifier
        self.bound = bound
        self.noise = noise
        self.prior_scale = prior_scale
        self.wishart_dof = wishart_dof
        self.wishart_scale = wishart_scale
        self.kl_weight = kl_weight
        self.body = body
        self.collapsed = collapsed
        self.steps = steps
        self.batch = batch
        self.rate = rate
        self.weight_decay = weight_decay
        self.clip = clip
        self.draws = draws
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class VBLLRegressor(_VBLL, Regressor):
    pass


class VBLLClassifier(_VBLL, Classifier):
    pass
