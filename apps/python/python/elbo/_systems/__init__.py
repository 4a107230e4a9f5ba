"""A class for each registered system, by family. Written by `apps/python/generate.py`; do not edit."""

# ruff: noqa: F403, I001
from . import gp, inference, vae, bayesnn, temporal, inverse, codec, splat, decision, stats
from .gp import *
from .inference import *
from .vae import *
from .bayesnn import *
from .temporal import *
from .inverse import *
from .codec import *
from .splat import *
from .decision import *
from .stats import *

__all__: list[str] = []
__all__ += gp.__all__
__all__ += inference.__all__
__all__ += vae.__all__
__all__ += bayesnn.__all__
__all__ += temporal.__all__
__all__ += inverse.__all__
__all__ += codec.__all__
__all__ += splat.__all__
__all__ += decision.__all__
__all__ += stats.__all__
