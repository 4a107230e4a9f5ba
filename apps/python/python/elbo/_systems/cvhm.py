"""`cvhm`, of the family temporal. Written by `apps/python/generate.py`; do not edit."""

from __future__ import annotations

from typing import Any

from .._parts import Choice
from .._verbs import Encodes, Reconstructs


class CVHM(Encodes, Reconstructs):
    """Linear Time GPs for Inferring Latent Trajectories from Neural Spike Trains.

    A few smooth latent trajectories behind the counts of many channels, such as spikes of neurons in bins of
    time.

    Needs counts: a table with one bin a row and one channel a column, or an array [trials, bins, channels]. Source: Dowling, Zhao and Park (2023).

    Parameters
    ----------
    trajectories : whole number at least 1; default 2
        Latent trajectories, `L`.
    kernel : text; default 'matern32'
        The kernel of every latent, as an expression of time in the unit of `width`: `matern32`, `matern32 *
        cosine(period=1)` (Hida-Matérn); or as many as there are latents, with `;` between them.
    likelihood : one of poisson, bernoulli, negative_binomial, gaussian; default 'poisson'
        How numbers follow from the latents: poisson, bernoulli, negative_binomial or gaussian.
    width : number; default 1.0
        Width of a bin, where the data have no times.
    rounds : whole number at least 1; default 30
        Rounds of inference, readout and kernels, at most.
    sweeps : whole number at least 1; default 5
        Updates of all sites a round.
    rate : number; default 0.5
        Share of the way that a site moves in an update, in (0, 1]; halved when the bound falls twice.
    ridge : number; default 0.1
        Penalty on the squares of loadings.
    learn : one of whittle, bound, off; default 'whittle'
        How kernels are learned: whittle, bound or off.
    paths : whole number at least 1; default 5
        Posterior draws for Whittle's likelihood.
    smoother : one of passes, bidirectional; default 'passes'
        How posteriors are computed: passes or bidirectional.
    tolerance : number; default 0.001
        Converged when loadings and offsets change by less than this share, twice in a row.
    held_out : number; default 0.0
        Share of the trials, or of the last bins of a single one, that the fit does not see: they give
        `held_out_bits`, what channels tell of each other through the latents.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'cvhm'

    def __init__(
        self,
        *,
        trajectories: int = 2,
        kernel: str = 'matern32',
        likelihood: Choice = 'poisson',
        width: float = 1.0,
        rounds: int = 30,
        sweeps: int = 5,
        rate: float = 0.5,
        ridge: float = 0.1,
        learn: Choice = 'whittle',
        paths: int = 5,
        smoother: Choice = 'passes',
        tolerance: float = 0.001,
        held_out: float = 0.0,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.trajectories = trajectories
        self.kernel = kernel
        self.likelihood = likelihood
        self.width = width
        self.rounds = rounds
        self.sweeps = sweeps
        self.rate = rate
        self.ridge = ridge
        self.learn = learn
        self.paths = paths
        self.smoother = smoother
        self.tolerance = tolerance
        self.held_out = held_out
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose
