"""`gaussian-splatting`, of the family splat. Written by `apps/python/generate.py`; do not edit."""

from __future__ import annotations

from typing import Any

from .._parts import Choice
from .._verbs import Renders


class GaussianSplatting(Renders):
    """3D Gaussian splatting with adaptive density control.

    Photographs of a scene that does not move, with their cameras, become a cloud of coloured, partly
    transparent Gaussians that can be drawn from anywhere. Where the loss pulls hardest at centres in the
    picture, small Gaussians are doubled and large ones replaced by two; faint and oversized ones are deleted,
    and opacities are lowered from time to time so that what is not needed dies. The baseline of `gs-mcmc`, on
    the same rasteriser and rates.

    Needs a scene: a folder with pictures and their cameras (transforms.json or a COLMAP model). Source: Kerbl, Kopanas, Leimkühler and Drettakis (2023).

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
    threshold : number; default 0.0002
        Mean derivative in a Gaussian's centre from which on it is doubled, in halves of the picture's sides.
    absolute : true or false; default False
        Whether absolute derivatives are added up over pixels, so that opposite ones do not cancel; wants a
        threshold some four times higher.
    cap : whole number at least 100; default 100000
        Most Gaussians there may be.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'gaussian-splatting'

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
        threshold: float = 0.0002,
        absolute: bool = False,
        cap: int = 100000,
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
        self.threshold = threshold
        self.absolute = absolute
        self.cap = cap
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose
