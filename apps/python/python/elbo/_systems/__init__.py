"""The classes of every registered system. Written by `apps/python/generate.py`; do not edit."""

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
