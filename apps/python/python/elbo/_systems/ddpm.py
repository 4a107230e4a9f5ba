"""`ddpm`, of the family inverse. Written by `apps/python/generate.py`; do not edit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._parts import Choice
from .._verbs import Restores, Samples


class DDPM(Samples, Restores):
    """Denoising diffusion probabilistic model.

    A generative model of pictures or rows of numbers. Noise is added to the data at many levels, $x = x_0 +
    \\sigma \\varepsilon$, a network learns to say what the noise was, and samples are made from pure noise by
    removing it level by level.

    Needs pictures of one size, or a table of numbers. Source: Ho, Jain and Abbeel (2020).

    Parameters
    ----------
    widths : list of whole number; default (16, 32)
        Channels at each level of the U-shaped network of pictures; each level after the first halves them.
    hidden : list of whole number; default (128, 128)
        Widths of the fully connected layers for rows of numbers.
    embedding : whole number; default 32
        Length of the vector that stands for the noise level; even.
    weights : text, or none; default None
        A U-Net that was trained elsewhere, which is taken as it is instead of training one: a folder of the
        library diffusers (`config.json` and weights as safetensors), or a safetensors file with the names of
        the DDPM paper's network or of EDM's DDPM++; the data then say what pictures look like.
    iterations : whole number at least 1; default 4000
        Steps of training, each on one batch.
    batch : whole number at least 1; default 32
        Data points a step.
    rate : number; default 0.002
        Adam's rate at the start; it falls to a hundredth along half a cosine.
    average : number; default 0.999
        Share of the old average in the new one, of the weights that are kept in the end.
    parameterisation : one of noise, data, v, edm; default 'noise'
        What the network says: noise (DDPM), data, v or edm.
    weighting : one of simple, min_snr, edm, elbo; default 'simple'
        What an error at a level weighs: simple, min_snr, edm or elbo.
    noise_law : one of time, log_normal; default 'time'
        Where the noise levels of training come from: time (of a path) or log_normal.
    sampler : one of ancestral, ddim, dpm_solver_2m, heun; default 'ancestral'
        How samples are drawn: ancestral, ddim, dpm_solver_2m or heun.
    steps : whole number at least 1; default 100
        Noise levels that a sample passes.
    schedule : one of karras, log, time, ddpm; default 'ddpm'
        How those levels are spread: ddpm, karras, log or time (of a path).
    conditional : true or false; default False
        Whether the network is told the class of a data point, from the column named by --target; samples then
        come with one.
    withheld : number; default 0.1
        Share of the training points whose class is withheld, so that the network does without it too.
    guidance : number; default 1.0
        How closely samples keep to their class: 1 as the data do, above 1 the more typical ones, at twice the
        cost; 0 not at all.
    distil : whole number; default 0
        Further steps of training, in which a second network learns where the flow of the first one ends; zero
        for none. Samples are then drawn by it.
    student : one of consistency, mean_velocity; default 'consistency'
        How that second network learns: consistency, from the first one; or mean_velocity, from the data
        alone.
    jumps : whole number at least 1; default 2
        Evaluations of that second network for a sample.
    measured : whole number; default 256
        Samples that are compared with the data after the fit; zero for none.
    features : one of pca-16, cnn-32; default 'pca-16'
        What they are compared by: pca-16, the leading principal components of the data; or cnn-32, the
        features of a small network that learns to tell the classes of pictures, from the column named by
        --target.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'ddpm'

    def __init__(
        self,
        *,
        widths: Sequence[int] = (16, 32),
        hidden: Sequence[int] = (128, 128),
        embedding: int = 32,
        weights: str | None = None,
        iterations: int = 4000,
        batch: int = 32,
        rate: float = 0.002,
        average: float = 0.999,
        parameterisation: Choice = 'noise',
        weighting: Choice = 'simple',
        noise_law: Choice = 'time',
        sampler: Choice = 'ancestral',
        steps: int = 100,
        schedule: Choice = 'ddpm',
        conditional: bool = False,
        withheld: float = 0.1,
        guidance: float = 1.0,
        distil: int = 0,
        student: Choice = 'consistency',
        jumps: int = 2,
        measured: int = 256,
        features: Choice = 'pca-16',
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.widths = widths
        self.hidden = hidden
        self.embedding = embedding
        self.weights = weights
        self.iterations = iterations
        self.batch = batch
        self.rate = rate
        self.average = average
        self.parameterisation = parameterisation
        self.weighting = weighting
        self.noise_law = noise_law
        self.sampler = sampler
        self.steps = steps
        self.schedule = schedule
        self.conditional = conditional
        self.withheld = withheld
        self.guidance = guidance
        self.distil = distil
        self.student = student
        self.jumps = jumps
        self.measured = measured
        self.features = features
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose
