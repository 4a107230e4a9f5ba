"""Variational and Gaussian probabilistic machine learning: models that know what they do not know.

Every system of the program `elbo` is a class: :class:`GPR`, :class:`SVGPClassifier`, :class:`BO` and so on; `systems()` lists them.
Regressors and classifiers are scikit-learn's in manner, without needing it.
"""

from . import infer, kernels
from ._native import __version__
from ._registry import load, read, systems
from ._systems import *  # noqa: F403
from ._systems import __all__ as _classes
from ._tabular import Distribution
from .errors import (
    DataError,
    Error,
    FileError,
    FitWarning,
    ModelFileError,
    NotFittedError,
    NumericalError,
    SettingError,
    StoppedEarlyWarning,
    StoppedError,
    UnknownError,
    VerbError,
)

__all__ = [
    "DataError",
    "Distribution",
    "Error",
    "FileError",
    "FitWarning",
    "ModelFileError",
    "NotFittedError",
    "NumericalError",
    "SettingError",
    "StoppedEarlyWarning",
    "StoppedError",
    "UnknownError",
    "VerbError",
    "__version__",
    "infer",
    "kernels",
    "load",
    "read",
    "systems",
]
__all__ += _classes
