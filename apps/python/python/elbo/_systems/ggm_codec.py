"""`ggm-codec`, of the family codec. Written by `apps/python/generate.py`; do not edit."""

from __future__ import annotations

from typing import Any

from .._parts import Choice
from .._verbs import Compresses


class GGMCodec(Compresses):
    """Generalized Gaussian Model for Learned Image Compression.

    The codec of `hyperprior` with another density of the latents: the generalised Gaussian, whose shape
    $\\beta$ is learned.

    Needs photographs of any size. Source: Zhang, Li, Liu and others (2024).

    Parameters
    ----------
    latents : whole number; default 96
        Latents for each eight by eight pixels.
    second : whole number; default 32
        Second latents, which say how wide the first are, for each 32 by 32 pixels.
    transform : one of lapped, gdn; default 'lapped'
        How pixels become latents: lapped, filters of sixteen pixels and a residual block; or gdn, three
        convolutions with divisive normalisation between them.
    width : whole number; default 64
        Channels between the layers of the transform.
    hyper : whole number; default 48
        Channels between the second latents and the scales.
    context : one of none, checkerboard, channels, serial; default 'none'
        Latents that say more about the next ones: none, checkerboard, channels, or serial, which is slow.
    steps : whole number; default 1200
        Steps of training.
    batch : whole number; default 8
        Parts of photographs a step.
    crop : whole number; default 64
        Side of these parts in pixels, a multiple of 32.
    rate : number; default 0.001
        Adam's rate at the start.
    loss : one of mse, ms-ssim; default 'mse'
        What is weighed against the rate: mse, the squared error, or ms-ssim, the structural similarity over
        several scales.
    variant : one of m, c, e; default 'c'
        What has a shape of its own: m, the model; c, every channel; or e, every latent.
    entropy_steps : whole number; default 400
        Steps in which the entropy model alone is trained with learned shapes, after `steps` of everything
        with Gaussians.
    rectify : true or false; default True
        Whether the shape also gets the gradient of the least scale where that lowers the loss, and its long
        gradients are shortened.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'ggm-codec'

    def __init__(
        self,
        *,
        latents: int = 96,
        second: int = 32,
        transform: Choice = 'lapped',
        width: int = 64,
        hyper: int = 48,
        context: Choice = 'none',
        steps: int = 1200,
        batch: int = 8,
        crop: int = 64,
        rate: float = 0.001,
        loss: Choice = 'mse',
        variant: Choice = 'c',
        entropy_steps: int = 400,
        rectify: bool = True,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.latents = latents
        self.second = second
        self.transform = transform
        self.width = width
        self.hyper = hyper
        self.context = context
        self.steps = steps
        self.batch = batch
        self.crop = crop
        self.rate = rate
        self.loss = loss
        self.variant = variant
        self.entropy_steps = entropy_steps
        self.rectify = rectify
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose
