"""`kde-mode`, of the family stats. Written by `apps/python/generate.py`; do not edit."""

from __future__ import annotations

from typing import Any

from .._parts import Choice
from .._verbs import Points


class KDEMode(Points):
    """Dimensionality Reduction for General KDE Mode Finding.

    The place where points lie densest, by a kernel density estimate $\\sum_i w_i\\, \\kappa(\\|x - p_i\\|^2 /
    h^2)$ with weights $w_i$, $\\tfrac1n$ unless others are given, in many dimensions. A random projection to
    few dimensions nearly preserves all distances, and with them the density's maximum: so the points are
    projected, mean shift climbs from the densest of them where that is cheap, and the modes it finds are
    lifted back as averages of the original points with the projected weights. The densest then climbs on in
    all dimensions.

    Needs a table of numbers, one point a row. Source: Luo, Musco and Widdershoven (2023), ICML.

    Parameters
    ----------
    kernel : one of gaussian, logistic, sigmoid, generalised_gaussian, cauchy, box; default 'gaussian'
        The kernel.
    exponent : number; default 1.0
        Exponent of the generalised Gaussian kernel: 2 is smooth, 1 has a peak at every point.
    h : one of auto, number; default 'auto'
        Bandwidth in the points' unit, or `auto`: the median distance to the √n-th nearest neighbour.
    weights : text, or none; default None
        A column of positive weights of the points, which is no coordinate then; without one all weigh the
        same.
    k : one of auto, whole number; default 'auto'
        Dimensions to project to, or `auto`: 20, or what the guarantee asks for.
    guarantee : true or false; default False
        Whether `k` follows from the theorem and the mode is lifted back by it.
    epsilon : number; default 0.5
        Relative error `ε` of distances under the guarantee.
    delta : number; default 0.1
        Probability `δ` that the guarantee does not hold.
    constant : number; default 4.0
        The theorem's universal constant `c` in `k = c ln(n/δ) / ε²`, which it does not name.
    starts : whole number at least 1; default 200
        Points to climb from: those of the greatest density after the projection.
    lifts : whole number at least 1; default 10
        Different modes that are lifted back; the densest is kept.
    polish : true or false; default True
        Whether the lifted mode climbs on in all dimensions.
    shifts : whole number at least 1; default 500
        Shifts a climb, at most.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'kde-mode'

    def __init__(
        self,
        *,
        kernel: Choice = 'gaussian',
        exponent: float = 1.0,
        h: Choice = 'auto',
        weights: str | None = None,
        k: Choice = 'auto',
        guarantee: bool = False,
        epsilon: float = 0.5,
        delta: float = 0.1,
        constant: float = 4.0,
        starts: int = 200,
        lifts: int = 10,
        polish: bool = True,
        shifts: int = 500,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.kernel = kernel
        self.exponent = exponent
        self.h = h
        self.weights = weights
        self.k = k
        self.guarantee = guarantee
        self.epsilon = epsilon
        self.delta = delta
        self.constant = constant
        self.starts = starts
        self.lifts = lifts
        self.polish = polish
        self.shifts = shifts
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose
