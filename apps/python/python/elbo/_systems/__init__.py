"""The classes of every registered system, each loaded when it is first asked for. Written by `apps/python/generate.py`; do not edit."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .gpr import GPR
    from .sgpr import SGPR
    from .svgp import SVGPRegressor, SVGPClassifier
    from .bayesian_gpr import BayesianGPR
    from .cvi_ep_hyper import CVIEPHyperRegressor, CVIEPHyperClassifier
    from .cvtgp import CVTGP
    from .memory_dual_gp import MemoryDualGPRegressor, MemoryDualGPClassifier
    from .sdd_gp import SDDGP
    from .scale_mixture_nngp import ScaleMixtureNNGPRegressor, ScaleMixtureNNGPClassifier
    from .fb_gvi import FBGVIRegressor, FBGVIClassifier
    from .flow_vi import FlowVIRegressor, FlowVIClassifier
    from .rsvi import RSVI
    from .aevb import AEVB
    from .iwae import IWAE
    from .coin_sampling import CoinSamplingRegressor, CoinSamplingClassifier
    from .infovae import InfoVAE
    from .vbll import VBLLRegressor, VBLLClassifier
    from .markov_gp import MarkovGP
    from .markovian_gpvae import MarkovianGPVAE
    from .cvhm import CVHM
    from .ddpm import DDPM
    from .red_diff import RedDiff
    from .hyperprior import Hyperprior
    from .ggm_codec import GGMCodec
    from .gs_mcmc import GSMCMC
    from .gaussian_splatting import GaussianSplatting
    from .bo import BO
    from .bo_mean import BOMean
    from .kde_mode import KDEMode
    from .lsnm import LSNM

__all__ = [
    "GPR",
    "SGPR",
    "SVGPRegressor",
    "SVGPClassifier",
    "BayesianGPR",
    "CVIEPHyperRegressor",
    "CVIEPHyperClassifier",
    "CVTGP",
    "MemoryDualGPRegressor",
    "MemoryDualGPClassifier",
    "SDDGP",
    "ScaleMixtureNNGPRegressor",
    "ScaleMixtureNNGPClassifier",
    "FBGVIRegressor",
    "FBGVIClassifier",
    "FlowVIRegressor",
    "FlowVIClassifier",
    "RSVI",
    "AEVB",
    "IWAE",
    "CoinSamplingRegressor",
    "CoinSamplingClassifier",
    "InfoVAE",
    "VBLLRegressor",
    "VBLLClassifier",
    "MarkovGP",
    "MarkovianGPVAE",
    "CVHM",
    "DDPM",
    "RedDiff",
    "Hyperprior",
    "GGMCodec",
    "GSMCMC",
    "GaussianSplatting",
    "BO",
    "BOMean",
    "KDEMode",
    "LSNM",
]

#: The module of each class.
_PLACES = {
    "GPR": "gpr",
    "SGPR": "sgpr",
    "SVGPRegressor": "svgp",
    "SVGPClassifier": "svgp",
    "BayesianGPR": "bayesian_gpr",
    "CVIEPHyperRegressor": "cvi_ep_hyper",
    "CVIEPHyperClassifier": "cvi_ep_hyper",
    "CVTGP": "cvtgp",
    "MemoryDualGPRegressor": "memory_dual_gp",
    "MemoryDualGPClassifier": "memory_dual_gp",
    "SDDGP": "sdd_gp",
    "ScaleMixtureNNGPRegressor": "scale_mixture_nngp",
    "ScaleMixtureNNGPClassifier": "scale_mixture_nngp",
    "FBGVIRegressor": "fb_gvi",
    "FBGVIClassifier": "fb_gvi",
    "FlowVIRegressor": "flow_vi",
    "FlowVIClassifier": "flow_vi",
    "RSVI": "rsvi",
    "AEVB": "aevb",
    "IWAE": "iwae",
    "CoinSamplingRegressor": "coin_sampling",
    "CoinSamplingClassifier": "coin_sampling",
    "InfoVAE": "infovae",
    "VBLLRegressor": "vbll",
    "VBLLClassifier": "vbll",
    "MarkovGP": "markov_gp",
    "MarkovianGPVAE": "markovian_gpvae",
    "CVHM": "cvhm",
    "DDPM": "ddpm",
    "RedDiff": "red_diff",
    "Hyperprior": "hyperprior",
    "GGMCodec": "ggm_codec",
    "GSMCMC": "gs_mcmc",
    "GaussianSplatting": "gaussian_splatting",
    "BO": "bo",
    "BOMean": "bo_mean",
    "KDEMode": "kde_mode",
    "LSNM": "lsnm",
}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        return getattr(import_module(f".{_PLACES[name]}", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
