"""`markovian-gpvae`, of the family temporal. Written by `apps/python/generate.py`; do not edit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._parts import Choice
from .._verbs import Encodes, Reconstructs, Samples


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
    kernel : one of matern12, matern32, matern52, matern72, list of one of matern12, matern32, matern52, matern72; default 'matern32'
        Their kernels: matern12, matern32, matern52 or matern72, one for all or a list with one for each, such
        as matern32,matern12.
    lengthscale : number; default 50.0
        Lengthscale at the start, in steps (the median gap between times).
    learn_lengthscale : true or false; default True
        Whether lengthscales are learnt.
    learn_variance : true or false; default False
        Whether the latent functions have variances, which are learnt; without, they are one, since the
        decoder can scale its codes itself.
    encoder : list of whole number; default (32,)
        Widths of the encoder's linear layers.
    decoder : list of whole number; default (16,)
        Widths of the decoder's linear layers.
    channels : list of whole number; default ()
        Channels of convolutions before and after them, for pictures; none for linear layers alone.
    activation : one of identity, relu, leaky_relu, tanh, sigmoid, softplus, elu, gelu, silu; default 'relu'
        The nonlinear function.
    likelihood : one of gaussian, bernoulli, poisson; default 'gaussian'
        The distribution of a frame's numbers: gaussian, bernoulli for shares of black, or poisson for counts.
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
        learn_variance: bool = False,
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
        self.learn_variance = learn_variance
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
