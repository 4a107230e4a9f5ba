"""`rsvi`, of the family inference. Written by `apps/python/generate.py`; do not edit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._parts import Choice
from .._verbs import Encodes, Samples


class RSVI(Encodes, Samples):
    """Reparameterization Gradients through Acceptance-Rejection Sampling Algorithms.

    Gradients of low variance for distributions that are drawn by rejection: gamma, beta, Dirichlet.

    Needs a table of numbers, one point a row. Source: Naesseth, Ruiz, Linderman and Blei (2017), AISTATS.

    Parameters
    ----------
    layers : list of whole number; default (10,)
        Widths of the layers from the counts up: `[10]` is gamma-Poisson factorisation, `[30, 15, 8]` a deep
        exponential family.
    gradient : one of rejection, implicit, standardised, score; default {"type": "rejection", "augmentation": 4}
        How gradients are estimated: rejection, implicit, standardised or score.
    weight_gradient : one of rejection, implicit, standardised, score, or none; default None
        How gradients of the weights are estimated, where not as those of the codes.
    draws : whole number at least 1; default 1
        Draws a step.
    steps : whole number at least 1; default 800
        Steps.
    rate : number; default 0.75
        Length of the steps at the start; they fall with the root of their number, and with the size of recent
        gradients.
    shape : number; default 0.1
        Shape of the gamma distributions of codes: small values make them sparse.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'rsvi'
    _tables = frozenset(['gradient'])

    def __init__(
        self,
        *,
        layers: Sequence[int] = (10,),
        gradient: Choice | None = None,
        weight_gradient: Choice | None = None,
        draws: int = 1,
        steps: int = 800,
        rate: float = 0.75,
        shape: float = 0.1,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.layers = layers
        self.gradient = gradient
        self.weight_gradient = weight_gradient
        self.draws = draws
        self.steps = steps
        self.rate = rate
        self.shape = shape
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose
