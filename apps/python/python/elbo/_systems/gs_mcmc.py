"""`gs-mcmc`, of the family splat. Written by `apps/python/generate.py`; do not edit."""

from __future__ import annotations

from typing import Any

from .._parts import Choice
from .._verbs import Renders


class GSMCMC(Renders):
    """3D Gaussian Splatting as Markov Chain Monte Carlo.

    Photographs of a scene that does not move, with their cameras, become a cloud of coloured, partly
    transparent Gaussians that can be drawn from anywhere. The Gaussians are taken as samples of a
    distribution that the loss defines: after every step of Adam their means get noise.

    Needs a scene: a folder with pictures and their cameras (transforms.json or a COLMAP model). Source: Kheradmand, Rebain, Sharma, Sun, Tseng, Isack, Kar, Tagliasacchi and Yi (2024).

    Parameters
    ----------
    steps : whole number at least 1; default 3000
        Steps, one picture each; the paper's are 30000.
    size : whole number at least 8; default 256
        Pictures are reduced until the longer side has this many pixels.
    degree : whole number at most 3; default 3
        Degree of the spherical harmonics of the colour, 0 to 3.
    similarity : number; default 0.2
        Weight of 1 - SSIM in the loss; the rest is the absolute error's.
    background : one of black, white; default 'black'
        What is behind everything: black or white.
    antialias : true or false; default False
        Whether thin Gaussians lose opacity instead of growing to a pixel.
    start : one of auto, points, random; default 'auto'
        Where the first Gaussians come from: auto, points or random.
    points : whole number at least 1; default 5000
        Gaussians that a random start has.
    cube : number; default 0.4
        Half the side of the cube of a random start, as a share of the cameras' distance from what they look
        at.
    test_every : whole number; default 8
        Of the pictures, every so many-th is kept back to judge by; zero keeps none.
    lpips : text, or none; default None
        A safetensors file with the weights of LPIPS (torchvision's AlexNet or VGG-16, and the heads), by
        which pictures kept back are judged too.
    refine_every : whole number at least 1; default 50
        Steps between two changes of the number of Gaussians.
    rate_mean : number; default 0.00016
        Rate of the means at the start, in a fit of 30000 steps; a shorter one moves as much faster, up to
        fifteen times.
    rate_mean_end : number; default 1.6e-06
        Rate of the means at the end, in the same way.
    rate_scale : number; default 0.005
        Rate of the logarithms of the scales.
    rate_rotation : number; default 0.001
        Rate of the quaternions.
    rate_opacity : number; default 0.05
        Rate of the logits of the opacities.
    rate_colour : number; default 0.0025
        Rate of the colours; what depends on the direction gets a twentieth.
    near : number; default 0.01
        What is nearer to a camera than this is not drawn.
    cap : whole number at least 100; default 20000
        Most Gaussians there may be; the number grows to exactly this.
    noise : number; default 500000.0
        Strength of the noise on the means, as a multiple of their rate; zero turns it off.
    opacity_weight : number; default 0.01
        Weight of the mean opacity in the loss.
    scale_weight : number; default 0.01
        Weight of the mean scale in the loss, in units of the scene's extent.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'gs-mcmc'

    def __init__(
        self,
        *,
        steps: int = 3000,
        size: int = 256,
        degree: int = 3,
        similarity: float = 0.2,
        background: Choice = 'black',
        antialias: bool = False,
        start: Choice = 'auto',
        points: int = 5000,
        cube: float = 0.4,
        test_every: int = 8,
        lpips: str | None = None,
        refine_every: int = 50,
        rate_mean: float = 0.00016,
        rate_mean_end: float = 1.6e-06,
        rate_scale: float = 0.005,
        rate_rotation: float = 0.001,
        rate_opacity: float = 0.05,
        rate_colour: float = 0.0025,
        near: float = 0.01,
        cap: int = 20000,
        noise: float = 500000.0,
        opacity_weight: float = 0.01,
        scale_weight: float = 0.01,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.steps = steps
        self.size = size
        self.degree = degree
        self.similarity = similarity
        self.background = background
        self.antialias = antialias
        self.start = start
        self.points = points
        self.cube = cube
        self.test_every = test_every
        self.lpips = lpips
        self.refine_every = refine_every
        self.rate_mean = rate_mean
        self.rate_mean_end = rate_mean_end
        self.rate_scale = rate_scale
        self.rate_rotation = rate_rotation
        self.rate_opacity = rate_opacity
        self.rate_colour = rate_colour
        self.near = near
        self.cap = cap
        self.noise = noise
        self.opacity_weight = opacity_weight
        self.scale_weight = scale_weight
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose
