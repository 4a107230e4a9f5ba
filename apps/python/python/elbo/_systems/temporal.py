"""The family temporal. Written by `apps/python/generate.py`; do not edit."""

# ruff: noqa: E501
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._parts import Choice
from .._tabular import Regressor
from .._verbs import Encodes, Reconstructs, Samples

__all__ = [
    'MarkovGP',
    'MarkovianGPVAE',
    'CVHM',
]


class MarkovGP(Regressor):
    """Gaussian process regression on series in linear time.

    Exact Gaussian process regression of one number on time. Kernels of time have a twin as a linear
    stochastic differential equation, whose values at the rows are a Markov chain with a state of a few
    numbers.

    Needs a table with a column of times (numbers or dates) and a numeric target. Source: Hartikainen and Särkkä (2010).

    Parameters
    ----------
    time : text, or none; default None
        The column of times: numbers, or ISO dates, which become days. The only other column by default, or
        one named `time`, `date` or `t`.
    kernel : text, or none; default None
        The kernel, as an expression of time: `linear + matern52 + matern32 * periodic(period=12)`. Numbers
        given are starts, with `!` held. By default a trend that goes on as it last rose, a smooth Matérn
        term, a drifting repetition where a period is known or found, and a short Matérn term.
    period : number, or none; default None
        The period of the default kernel, in the unit of the time column (days for dates); found from the data
        by default.
    noise : number, or none; default None
        Noise variance at the start, as a share of the target's variance; by default half of what a trend and
        the found period leave.
    starts : whole number at least 1; default 3
        Starting points of the search for hyperparameters; the best end is kept.
    iterations : whole number at least 1; default 100
        L-BFGS iterations a start, at most.
    horizon : number; default 0.2
        How far the figures look beyond the last row, as a share of the series' span.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'markov-gp'
    _missing_target = True

    def __init__(
        self,
        *,
        time: str | None = None,
        kernel: str | None = None,
        period: float | None = None,
        noise: float | None = None,
        starts: int = 3,
        iterations: int = 100,
        horizon: float = 0.2,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.time = time
        self.kernel = kernel
        self.period = period
        self.noise = noise
        self.starts = starts
        self.iterations = iterations
        self.horizon = horizon
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class MarkovianGPVAE(Samples, Reconstructs, Encodes):
    """Markovian Gaussian Process Variational Autoencoders.

    A variational autoencoder of sequences: every frame $y_k$ (a vector or a picture) comes from a few latent
    functions of time, $y_k \\sim p(y \\mid g(z(t_k)))$, and these are Gaussian processes with a Markov form
    (Matérn). The encoder turns each frame into a pseudo-observation $\\tilde y_k$ of the codes with a
    variance $\\tilde V_k$; one Kalman filter and smoother turns these into the posterior of whole functions,
    so that training takes time linear in the number of frames, at any times, with any frames missing.

    Needs a table of numbers with one row a time, or arrays [sequences, times, ...] of vectors or pictures. Source: Zhu, Balsells Rodas and Li (2023), ICML.

    Parameters
    ----------
    latents : whole number at least 1; default 15
        Latent functions, `L`.
    kernel : one of matern12, matern32, matern52, matern72; default 'matern32'
        Their kernel: matern12, matern32, matern52 or matern72.
    lengthscale : number; default 50.0
        Lengthscale at the start, in steps (the median gap between times).
    learn_lengthscale : true or false; default True
        Whether lengthscales are learnt.
    encoder : list of whole number; default (32,)
        Widths of the encoder's linear layers.
    decoder : list of whole number; default (16,)
        Widths of the decoder's linear layers.
    channels : list of whole number; default ()
        Channels of convolutions before and after them, for pictures; none for linear layers alone.
    activation : one of identity, relu, leaky_relu, tanh, sigmoid, softplus, elu, gelu, silu; default 'relu'
        The nonlinear function.
    likelihood : one of gaussian, bernoulli; default 'gaussian'
        The distribution of a frame's numbers: gaussian, or bernoulli for shares of black.
    noise : number; default 0.2
        Variance of the decoder at the start, of standardised numbers.
    steps : whole number at least 1; default 2000
        Steps of Adam.
    batch : whole number at least 1; default 16
        Sequences a step.
    rate : number; default 0.003
        Adam's rate at the start.
    clip : number; default 100.0
        Largest norm of a gradient; longer ones are shortened.
    draws : whole number at least 1; default 20
        Draws of the codes behind every predicted frame.
    nan_is_missing : true or false; default False
        Whether a frame with a NaN counts as missing; without, it is refused.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'markovian-gpvae'

    def __init__(
        self,
        *,
        latents: int = 15,
        kernel: Choice = 'matern32',
        lengthscale: float = 50.0,
        learn_lengthscale: bool = True,
        encoder: Sequence[int] = (32,),
        decoder: Sequence[int] = (16,),
        channels: Sequence[int] = (),
        activation: Choice = 'relu',
        likelihood: Choice = 'gaussian',
        noise: float = 0.2,
        steps: int = 2000,
        batch: int = 16,
        rate: float = 0.003,
        clip: float = 100.0,
        draws: int = 20,
        nan_is_missing: bool = False,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.latents = latents
        self.kernel = kernel
        self.lengthscale = lengthscale
        self.learn_lengthscale = learn_lengthscale
        self.encoder = encoder
        self.decoder = decoder
        self.channels = channels
        self.activation = activation
        self.likelihood = likelihood
        self.noise = noise
        self.steps = steps
        self.batch = batch
        self.rate = rate
        self.clip = clip
        self.draws = draws
        self.nan_is_missing = nan_is_missing
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


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
        cosine(period=1)` (Hida-Matérn).
    width : number; default 1.0
        Width of a bin.
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
        width: float = 1.0,
        rounds: int = 30,
        sweeps: int = 5,
        rate: float = 0.5,
        ridge: float = 0.1,
        learn: Choice = 'whittle',
        paths: int = 5,
        smoother: Choice = 'passes',
        tolerance: float = 0.001,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.trajectories = trajectories
        self.kernel = kernel
        self.width = width
        self.rounds = rounds
        self.sweeps = sweeps
        self.rate = rate
        self.ridge = ridge
        self.learn = learn
        self.paths = paths
        self.smoother = smoother
        self.tolerance = tolerance
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose
