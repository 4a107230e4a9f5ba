"""Variational and Gaussian probabilistic machine learning: models that know what they do not know.

Every system of the program `elbo` is a class: :class:`GPR`, :class:`SVGPClassifier`, :class:`BO` and so on; `systems()` lists them, and
`fit("svgp", X, y, inducing=128)` fits one by its id.
Regressors and classifiers are scikit-learn's in manner, without needing it.

Parts for models composed by hand: :mod:`elbo.kernels`, :mod:`elbo.likelihoods`, :mod:`elbo.acquisitions`, :mod:`elbo.distributions`,
:mod:`elbo.flows`, :mod:`elbo.coders`; inference of a density of your own: :mod:`elbo.infer`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import _systems
from .errors import (
    DataError,
    Error,
    FileError,
    FitWarning,
    InternalError,
    ModelFileError,
    NotFittedError,
    NumericalError,
    ReadWarning,
    SettingError,
    StoppedEarlyWarning,
    StoppedError,
    UnknownError,
    VerbError,
    VerbWarning,
)

if TYPE_CHECKING:
    from . import acquisitions, coders, distributions, flows, infer, kernels, likelihoods
    from ._native import __version__
    from ._registry import fit, load, read, systems
    from ._systems import *  # noqa: F403
    from ._tabular import Distribution

#: Modules that are imported when they are first asked for.
_LATER = ("acquisitions", "coders", "distributions", "flows", "infer", "kernels", "likelihoods")
#: The modules of other names. They too wait until they are asked for, since they need NumPy and the native half, whose import takes longer
#: than all else.
_PLACES = {
    **dict.fromkeys(_systems.__all__, "_systems"),
    **dict.fromkeys(("fit", "load", "read", "systems"), "_registry"),
    "Distribution": "_tabular",
    "__version__": "_native",
}

__all__ = [
    "DataError",
    "Distribution",
    "Error",
    "FileError",
    "FitWarning",
    "InternalError",
    "ModelFileError",
    "NotFittedError",
    "NumericalError",
    "ReadWarning",
    "SettingError",
    "StoppedEarlyWarning",
    "StoppedError",
    "UnknownError",
    "VerbError",
    "VerbWarning",
    "__version__",
    "acquisitions",
    "coders",
    "distributions",
    "fit",
    "flows",
    "infer",
    "kernels",
    "likelihoods",
    "load",
    "read",
    "systems",
]
__all__ += _systems.__all__


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return import_module(f".{name}", __name__)
    if name in _PLACES:
        found = globals()[name] = getattr(import_module(f".{_PLACES[name]}", __name__), name)
        return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER, *_PLACES})
