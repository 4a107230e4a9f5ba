"""A class for each registered system. Written by `apps/python/generate.py`; do not edit."""

# ruff: noqa: E501
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Union

from ._parts import Part
from ._tabular import Classifier, Regressor, Tabular
from ._verbs import Bounds, Compresses, Encodes, Points, Reconstructs, Renders, Restores, Samples, Suggests, Updates
from .kernels import Kernel

#: A part chosen by its name, by a table with a `type` and its own settings, or by an object of `elbo.likelihoods` and its like.
Choice = Union[str, float, Mapping[str, Any], Part]

__all__ = [
    'GPR',
    'SGPR',
    'SVGPRegressor',
    'SVGPClassifier',
    'BayesianGPR',
    'CVIEPHyperRegressor',
    'CVIEPHyperClassifier',
    'CVTGP',
    'MemoryDualGPRegressor',
    'MemoryDualGPClassifier',
    'SDDGP',
    'ScaleMixtureNNGPRegressor',
    'ScaleMixtureNNGPClassifier',
    'FBGVIRegressor',
    'FBGVIClassifier',
    'FlowVIRegressor',
    'FlowVIClassifier',
    'RSVI',
    'AEVB',
    'IWAE',
    'CoinSamplingRegressor',
    'CoinSamplingClassifier',
    'InfoVAE',
    'VBLLRegressor',
    'VBLLClassifier',
    'MarkovGP',
    'MarkovianGPVAE',
    'CVHM',
    'DDPM',
    'RedDiff',
    'Hyperprior',
    'GGMCodec',
    'GSMCMC',
    'GaussianSplatting',
    'BO',
    'BOMean',
    'KDEMode',
    'LSNM',
]


class GPR(Regressor):
    """Gaussian process regression.

    Exact regression with a Gaussian process and Gaussian noise. The function is a draw from a process with
    kernel `k`; the posterior after seeing `N` rows has a closed form, and so has the probability of the data,
    which learns lengthscales, variance and noise:

    Needs a table with a numeric target. Source: Rasmussen and Williams (2006).

    Parameters
    ----------
    kernel : expression, table, or a kernel of `elbo.kernels`; default 'matern52'
        The kernel, as an expression: `matern52`, `rbf + periodic(period = 12)`, `matern32 * linear`.
    mean : one of zero, constant, linear, polynomial; default 'constant'
        The mean function: zero, constant, linear or polynomial.
    noise : number; default 0.1
        Noise variance at the start, as a share of the target's variance.
    priors : table; default None
        Priors on hyperparameters: `dimension_scaled`, or a table such as `{lengthscale = "gamma(3, 6)", noise
        = "log_normal(-4, 1)"}`.
    starts : whole number at least 1; default 3
        Starting points of the search for hyperparameters; the best end is kept.
    iterations : whole number at least 1; default 200
        L-BFGS iterations a start, at most.
    most_rows : whole number; default 10000
        Rows beyond which the fit is refused, since time grows with N³ and memory with N².
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'gpr'
    _tables = frozenset(['priors'])

    def __init__(
        self,
        *,
        kernel: Kernel | Choice = 'matern52',
        mean: Choice = 'constant',
        noise: float = 0.1,
        priors: Mapping[str, Any] | None = None,
        starts: int = 3,
        iterations: int = 200,
        most_rows: int = 10000,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.kernel = kernel
        self.mean = mean
        self.noise = noise
        self.priors = priors
        self.starts = starts
        self.iterations = iterations
        self.most_rows = most_rows
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class SGPR(Regressor):
    """Sparse Gaussian process regression.

    Regression through `M` inducing points: the posterior of the function at those points carries everything.
    The collapsed bound is what is maximised, over hyperparameters and the points' positions; the best
    Gaussian at the points is found in closed form. The bound is below the exact log likelihood, and a
    companion above it is computed at the end, so the report can say how much the `M` points lose.

    Needs a table with a numeric target. Source: Titsias (2009).

    Parameters
    ----------
    kernel : expression, table, or a kernel of `elbo.kernels`; default 'matern52'
        The kernel, as an expression: `matern52`, `rbf + linear`.
    mean : one of zero, constant, linear, polynomial; default 'constant'
        The mean function: zero, constant, linear or polynomial.
    inducing : whole number at least 1; default 200
        Number of inducing points, `M`.
    move_inducing : true or false; default True
        Whether the inducing points move with the hyperparameters.
    noise : number; default 0.1
        Noise variance at the start, as a share of the target's variance.
    priors : table; default None
        Priors on hyperparameters: `dimension_scaled`, or a table such as `{lengthscale = "gamma(3, 6)", noise
        = "log_normal(-4, 1)"}`.
    iterations : whole number at least 1; default 100
        L-BFGS iterations, at most.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'sgpr'
    _tables = frozenset(['priors'])

    def __init__(
        self,
        *,
        kernel: Kernel | Choice = 'matern52',
        mean: Choice = 'constant',
        inducing: int = 200,
        move_inducing: bool = True,
        noise: float = 0.1,
        priors: Mapping[str, Any] | None = None,
        iterations: int = 100,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.kernel = kernel
        self.mean = mean
        self.inducing = inducing
        self.move_inducing = move_inducing
        self.noise = noise
        self.priors = priors
        self.iterations = iterations
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class _SVGP(Tabular):
    """Stochastic variational Gaussian process.

    A sparse Gaussian process for any likelihood, trained on minibatches. `M` inducing variables, whitened by
    their prior, have a free Gaussian posterior; the bound is a sum over rows, so a few hundred rows estimate
    it:

    Needs a table with a target, numeric or of classes. Source: Hensman, Matthews and Ghahramani (2015).

    Parameters
    ----------
    kernel : expression, table, or a kernel of `elbo.kernels`; default 'matern52'
        The kernel, as an expression: `matern52`, `rbf + linear`.
    mean : one of zero, constant, linear, polynomial; default 'zero'
        The mean function: zero, constant, linear or polynomial.
    likelihood : one of gaussian, student_t, laplace, log_gaussian, exponential, gamma, weibull, beta, poisson, negative_binomial, zero_inflated_poisson, binomial, bernoulli_probit, bernoulli_logit, ordinal, or none; default None
        The likelihood of a numeric target or of two classes; without one, Gaussian and probit.
    multi : one of softmax, softmax_bound, robust_max, heteroscedastic, or none; default None
        The likelihood of more than two classes, or `heteroscedastic` for a numeric target whose noise varies.
    inducing : whole number at least 1; default 128
        Number of inducing points, `M`.
    move_inducing : true or false; default True
        Whether the inducing points move with the hyperparameters.
    batch : whole number at least 1; default 256
        Rows a step.
    steps : whole number at least 1; default 1500
        Steps.
    rho : number; default 0.1
        Length of the natural-gradient step on the posterior, in (0, 1].
    rate : number; default 0.02
        Adam's rate for everything else at the start; it falls to a tenth along half a cosine.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'svgp'

    def __init__(
        self,
        *,
        kernel: Kernel | Choice = 'matern52',
        mean: Choice = 'zero',
        likelihood: Choice | None = None,
        multi: Choice | None = None,
        inducing: int = 128,
        move_inducing: bool = True,
        batch: int = 256,
        steps: int = 1500,
        rho: float = 0.1,
        rate: float = 0.02,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.kernel = kernel
        self.mean = mean
        self.likelihood = likelihood
        self.multi = multi
        self.inducing = inducing
        self.move_inducing = move_inducing
        self.batch = batch
        self.steps = steps
        self.rho = rho
        self.rate = rate
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class SVGPRegressor(_SVGP, Regressor):
    pass


class SVGPClassifier(_SVGP, Classifier):
    pass


class BayesianGPR(Regressor):
    """Approximate Inference for Fully Bayesian Gaussian Process Regression.

    Exact regression with a squared-exponential process whose lengthscales, variance and noise are not fixed
    at their likeliest values but integrated over. With $\\theta$ their logarithms, the posterior

    Needs a table with a numeric target. Source: Lalchand and Rasmussen (2020), AABI.

    Parameters
    ----------
    infer : one of nuts, vi-mf, vi-full, ml2; default 'nuts'
        `nuts`, `vi-full`, `vi-mf`, or `ml2` for the likeliest hyperparameters.
    lengthscale : one of normal, log_normal, normal_on_log, gamma, inverse_gamma, half_normal, half_cauchy, beta, uniform, or none; default None
        Prior of each lengthscale, for inputs of unit variance; log-normal with median √D and log deviation 1
        without one.
    variance : one of normal, log_normal, normal_on_log, gamma, inverse_gamma, half_normal, half_cauchy, beta, uniform; default {"type": "log_normal", "mu": 0.0, "sigma": 1.0}
        Prior of the process variance, for a target of unit variance.
    noise : one of normal, log_normal, normal_on_log, gamma, inverse_gamma, half_normal, half_cauchy, beta, uniform; default {"type": "log_normal", "mu": -2.0, "sigma": 1.5}
        Prior of the noise variance, for a target of unit variance.
    noise_held : number, or none; default None
        Noise variance to hold, as a share of the target's variance, instead of inferring it.
    chains : whole number at least 1; default 4
        Chains of the sampler.
    warmup : whole number; default 300
        Transitions of each chain that only adapt.
    draws : whole number at least 4; default 500
        Draws kept of each chain.
    steps : whole number at least 1; default 3000
        Steps of a variational fit, at most.
    mixed : whole number at least 1; default 100
        Draws that predictions are mixed from.
    starts : whole number at least 1; default 5
        Starting points of the search for the likeliest values.
    iterations : whole number at least 1; default 200
        L-BFGS iterations a start, at most.
    most_rows : whole number; default 1000
        Rows beyond which the fit is refused, since every gradient takes time with N³.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'bayesian-gpr'
    _tables = frozenset(['variance', 'noise'])

    def __init__(
        self,
        *,
        infer: Choice = 'nuts',
        lengthscale: Choice | None = None,
        variance: Choice | None = None,
        noise: Choice | None = None,
        noise_held: float | None = None,
        chains: int = 4,
        warmup: int = 300,
        draws: int = 500,
        steps: int = 3000,
        mixed: int = 100,
        starts: int = 5,
        iterations: int = 200,
        most_rows: int = 1000,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.infer = infer
        self.lengthscale = lengthscale
        self.variance = variance
        self.noise = noise
        self.noise_held = noise_held
        self.chains = chains
        self.warmup = warmup
        self.draws = draws
        self.steps = steps
        self.mixed = mixed
        self.starts = starts
        self.iterations = iterations
        self.most_rows = most_rows
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class _CVIEPHyper(Tabular):
    """Improving Hyperparameter Learning under Approximate Inference in Gaussian Process Models.

    A Gaussian process with a likelihood that is not Gaussian, whose posterior is found by variational
    inference and whose hyperparameters are learned by another yardstick. The variational bound is what makes
    inference steady, but as a function of the hyperparameters it leans towards small amplitudes, since the
    bound is loosest where the posterior is least Gaussian. Expectation propagation's estimate of the marginal
    likelihood leans far less, and it can be evaluated at *any* Gaussian sites. So: sites by conjugate-
    computation variational inference, hyperparameters on EP's energy at those same sites, in turn.

    Needs a table with a target, numeric or of classes. Source: Li, John and Solin (2023), ICML.

    Parameters
    ----------
    kernel : expression, table, or a kernel of `elbo.kernels`; default 'matern52'
        The kernel, as an expression: `matern52`, `rbf + linear`.
    mean : one of zero, constant, linear, polynomial; default 'zero'
        The mean function: zero, constant, linear or polynomial.
    likelihood : one of gaussian, student_t, laplace, log_gaussian, exponential, gamma, weibull, beta, poisson, negative_binomial, zero_inflated_poisson, binomial, bernoulli_probit, bernoulli_logit, ordinal, or none; default None
        The likelihood; without one, probit for two classes and Student-t for numbers.
    infer : one of hybrid, vi, ep, laplace; default 'hybrid'
        How sites are found and which evidence the hyperparameters climb.
    rho : number; default 0.5
        Share of the new site in a sweep, in (0, 1].
    alpha : number; default 1.0
        Power of the EP energy, in (0, 1].
    most_dense_rows : whole number; default 1500
        Rows beyond which the posterior is carried by inducing points.
    inducing : whole number at least 1; default 300
        Number of inducing points then.
    sweeps : whole number at least 1; default 20
        Sweeps over the sites a round.
    moves : whole number at least 1; default 5
        L-BFGS iterations a round.
    rounds : whole number at least 1; default 100
        Rounds, at most.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'cvi-ep-hyper'

    def __init__(
        self,
        *,
        kernel: Kernel | Choice = 'matern52',
        mean: Choice = 'zero',
        likelihood: Choice | None = None,
        infer: Choice = 'hybrid',
        rho: float = 0.5,
        alpha: float = 1.0,
        most_dense_rows: int = 1500,
        inducing: int = 300,
        sweeps: int = 20,
        moves: int = 5,
        rounds: int = 100,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.kernel = kernel
        self.mean = mean
        self.likelihood = likelihood
        self.infer = infer
        self.rho = rho
        self.alpha = alpha
        self.most_dense_rows = most_dense_rows
        self.inducing = inducing
        self.sweeps = sweeps
        self.moves = moves
        self.rounds = rounds
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class CVIEPHyperRegressor(_CVIEPHyper, Regressor):
    pass


class CVIEPHyperClassifier(_CVIEPHyper, Classifier):
    _many_classes = False


class CVTGP(Regressor):
    """A Coreset-based, Tempered Variational Posterior for Accurate and Scalable Stochastic Gaussian Process Inference.

    Sparse regression whose posterior is that of an ordinary Gaussian process on `M` learned pseudo-
    observations: an input, an output and a weight each. The weight says for how many rows the pseudo-
    observation speaks; its noise is the model's noise divided by the weight. That takes $(D + 2) M$ numbers
    where a free Gaussian over `M` inducing variables takes $M + \\tfrac12 M(M+1)$ besides its inputs, and
    every factorisation goes through a matrix whose eigenvalues are at least one, so repeated points do no
    harm. Trained on minibatches with Adam.

    Needs a table with a numeric target. Source: Ketenci, Perotte, Elhadad and Urteaga (2023).

    Parameters
    ----------
    kernel : expression, table, or a kernel of `elbo.kernels`; default 'matern52'
        The kernel, as an expression: `matern52`, `rbf + linear`.
    mean : one of zero, constant, linear, polynomial; default 'zero'
        The mean function: zero, constant, linear or polynomial.
    points : whole number at least 1; default 100
        Number of pseudo-observations, `M`.
    noise : number; default 0.1
        Noise variance at the start, as a share of the target's variance.
    batch : whole number at least 1; default 256
        Rows a step.
    steps : whole number at least 1; default 1500
        Steps.
    rate : number; default 0.01
        Adam's rate at the start; it falls to a tenth along half a cosine.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'cvtgp'

    def __init__(
        self,
        *,
        kernel: Kernel | Choice = 'matern52',
        mean: Choice = 'zero',
        points: int = 100,
        noise: float = 0.1,
        batch: int = 256,
        steps: int = 1500,
        rate: float = 0.01,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.kernel = kernel
        self.mean = mean
        self.points = points
        self.noise = noise
        self.batch = batch
        self.steps = steps
        self.rate = rate
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class _MemoryDualGP(Updates, Tabular):
    """Memory-Based Dual Gaussian Processes for Sequential Learning.

    A sparse Gaussian process that learns from batches and never looks back. What the data said is kept as
    sums of Gaussian sites seen through the inducing points; sums can be moved onto new inducing points when
    the stream wanders into new regions. Three things go wrong when the past is gone: the posterior was
    computed under old inducing points, hyperparameters only see the present batch, and errors add up. A small
    memory of past rows, chosen by leverage (site precision times marginal variance), repairs all three: its
    sites are renewed at every batch, and in the objective of the hyperparameters it stands for all rows seen.

    Needs a table with a target, numeric or of classes. Source: Chang, Verma, John, Solin and Khan (2023), ICML.

    Parameters
    ----------
    kernel : expression, table, or a kernel of `elbo.kernels`; default 'matern52'
        The kernel, as an expression: `matern52`, `rbf + linear`.
    likelihood : one of gaussian, student_t, laplace, log_gaussian, exponential, gamma, weibull, beta, poisson, negative_binomial, zero_inflated_poisson, binomial, bernoulli_probit, bernoulli_logit, ordinal, or none; default None
        The likelihood of a numeric target or of two classes; without one, Gaussian and probit.
    multi : one of softmax, softmax_bound, robust_max, heteroscedastic, or none; default None
        The likelihood of more than two classes, or `heteroscedastic` for a numeric target whose noise varies.
    batches : whole number at least 1; default 20
        Parts in which `fit` reads its table, in the table's order.
    inducing : whole number at least 1; default 100
        Inducing points, at most.
    remembered : whole number; default 10
        Rows of each batch that join the memory.
    memory : whole number; default 400
        Rows in memory, at most.
    sweeps : whole number at least 1; default 4
        Site updates a batch.
    rho : number; default 0.7
        Length of a site update, in (0, 1].
    moves : whole number; default 10
        L-BFGS iterations on the hyperparameters a round; zero holds them.
    rounds : whole number at least 1; default 3
        Rounds a batch, at most, of placing inducing points, updating sites and moving hyperparameters.
    by_leverage : true or false; default True
        Whether rows join the memory in proportion to their leverage; otherwise all alike.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'memory-dual-gp'

    def __init__(
        self,
        *,
        kernel: Kernel | Choice = 'matern52',
        likelihood: Choice | None = None,
        multi: Choice | None = None,
        batches: int = 20,
        inducing: int = 100,
        remembered: int = 10,
        memory: int = 400,
        sweeps: int = 4,
        rho: float = 0.7,
        moves: int = 10,
        rounds: int = 3,
        by_leverage: bool = True,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.kernel = kernel
        self.likelihood = likelihood
        self.multi = multi
        self.batches = batches
        self.inducing = inducing
        self.remembered = remembered
        self.memory = memory
        self.sweeps = sweeps
        self.rho = rho
        self.moves = moves
        self.rounds = rounds
        self.by_leverage = by_leverage
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class MemoryDualGPRegressor(_MemoryDualGP, Regressor):
    pass


class MemoryDualGPClassifier(_MemoryDualGP, Classifier):
    pass


class SDDGP(Regressor):
    """Stochastic Gradient Descent for Gaussian Processes Done Right.

    Gaussian process regression on tables too large to factorise, without inducing points. The posterior needs
    the solution of one linear system, $(K + \\sigma^2 I)\\,\\alpha = y$. It minimises the *dual* quadratic

    Needs a table with a numeric target. Source: Lin, Padhy, Antorán, Tripp, Terenin, Szepesvári, Hernández-Lobato and Janz (2024), ICLR.

    Parameters
    ----------
    kernel : expression, table, or a kernel of `elbo.kernels`; default 'matern32'
        The kernel, as an expression: `matern32`, `rbf + matern12`; `tanimoto` for columns of counts.
    mean : one of zero, constant, linear, polynomial; default 'constant'
        The mean function: zero, constant, linear or polynomial.
    method : one of auto, sdd, exact; default 'auto'
        How the linear system is solved.
    noise : number; default 0.1
        Noise variance at the start, as a share of the target's variance.
    priors : table; default None
        Priors on hyperparameters: `dimension_scaled`, or a table such as `{lengthscale = "gamma(3, 6)", noise
        = "log_normal(-4, 1)"}`.
    subset : whole number at least 10; default 2000
        Rows on which hyperparameters are learned by the exact marginal likelihood.
    subsets : whole number at least 1; default 1
        Random subsets whose hyperparameters are averaged.
    starts : whole number at least 1; default 1
        Starting points of the search for hyperparameters on each subset.
    iterations : whole number at least 1; default 100
        L-BFGS iterations a start, at most.
    steps : whole number at least 100; default 10000
        Steps of the descent, at most, `T`.
    batch : whole number at least 1; default 512
        Rows a step, `B`.
    momentum : number; default 0.9
        Momentum, `ρ`, in [0, 1).
    step_scale : number; default 1.0
        Factor on the length of a step; above 1 it may diverge.
    tolerance : number; default 0.01
        The descent ends when the relative residual of every right-hand side is estimated below this.
    samples : whole number at least 2; default 64
        Posterior samples, `S`, which the standard deviations come from.
    frequencies : whole number at least 10; default 2000
        Random frequencies of the prior draws.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'sdd-gp'
    _tables = frozenset(['priors'])

    def __init__(
        self,
        *,
        kernel: Kernel | Choice = 'matern32',
        mean: Choice = 'constant',
        method: Choice = 'auto',
        noise: float = 0.1,
        priors: Mapping[str, Any] | None = None,
        subset: int = 2000,
        subsets: int = 1,
        starts: int = 1,
        iterations: int = 100,
        steps: int = 10000,
        batch: int = 512,
        momentum: float = 0.9,
        step_scale: float = 1.0,
        tolerance: float = 0.01,
        samples: int = 64,
        frequencies: int = 2000,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.kernel = kernel
        self.mean = mean
        self.method = method
        self.noise = noise
        self.priors = priors
        self.subset = subset
        self.subsets = subsets
        self.starts = starts
        self.iterations = iterations
        self.steps = steps
        self.batch = batch
        self.momentum = momentum
        self.step_scale = step_scale
        self.tolerance = tolerance
        self.samples = samples
        self.frequencies = frequencies
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class _ScaleMixtureNNGP(Tabular):
    """Scale Mixtures of Neural Network Gaussian Processes.

    The function of an infinitely wide network is a Gaussian process. Put a prior on the scale `s` of the last
    layer's weights and it becomes a mixture over scales: $s \\sim p(s)$, $f \\mid s \\sim \\mathcal{GP}(0,
    s\\,k)$. An inverse gamma prior makes it a Student-t process, whose evidence is closed form. With $K =
    k(X, X) + \\varepsilon I$ and $d = y^\\top K^{-1} y$,

    Needs a table with a target, numeric or of classes. Source: Lee, Yun, Yang and Lee (2022), ICLR.

    Parameters
    ----------
    kernel : expression, table, or a kernel of `elbo.kernels`; default 'nngp'
        The kernel, as an expression: `nngp(depth = 4)`, or any other.
    tails : one of gauss, inverse_gamma, burr; default 'inverse_gamma'
        The prior over the scale.
    alpha : number; default 2.0
        Shape of the inverse gamma prior; degrees of freedom are twice this plus the number of rows.
    beta : number; default 2.0
        Scale of the inverse gamma prior.
    burr_c : number; default 2.0
        First shape of the Burr prior.
    burr_k : number; default 1.0
        Second shape of the Burr prior; its tail falls as `s^(-c k - 1)`.
    learn_tails : true or false; default False
        Whether alpha and beta are learned too. One data set says little about the spread of its own scale, so
        alpha tends to infinity.
    noise : number; default 0.01
        Numbers: noise variance at the start, as a share of the target's variance; it is scaled with the
        function.
    starts : whole number at least 1; default 3
        Numbers: starting points of the search for hyperparameters.
    iterations : whole number at least 1; default 100
        Numbers: L-BFGS iterations a start, at most.
    most_rows : whole number; default 5000
        Numbers: rows beyond which the fit is refused.
    inducing : whole number at least 1; default 100
        Classes: inducing points, `M`.
    steps : whole number at least 1; default 2000
        Classes: steps of Adam.
    batch : whole number at least 1; default 128
        Classes: rows a step, `B`.
    rate : number; default 0.01
        Classes: learning rate at the start; it falls to a tenth.
    draws : whole number at least 1; default 2
        Classes: draws of the latent values for each of the scale's eight nodes.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'scale-mixture-nngp'

    def __init__(
        self,
        *,
        kernel: Kernel | Choice = 'nngp',
        tails: Choice = 'inverse_gamma',
        alpha: float = 2.0,
        beta: float = 2.0,
        burr_c: float = 2.0,
        burr_k: float = 1.0,
        learn_tails: bool = False,
        noise: float = 0.01,
        starts: int = 3,
        iterations: int = 100,
        most_rows: int = 5000,
        inducing: int = 100,
        steps: int = 2000,
        batch: int = 128,
        rate: float = 0.01,
        draws: int = 2,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.kernel = kernel
        self.tails = tails
        self.alpha = alpha
        self.beta = beta
        self.burr_c = burr_c
        self.burr_k = burr_k
        self.learn_tails = learn_tails
        self.noise = noise
        self.starts = starts
        self.iterations = iterations
        self.most_rows = most_rows
        self.inducing = inducing
        self.steps = steps
        self.batch = batch
        self.rate = rate
        self.draws = draws
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class ScaleMixtureNNGPRegressor(_ScaleMixtureNNGP, Regressor):
    pass


class ScaleMixtureNNGPClassifier(_ScaleMixtureNNGP, Classifier):
    pass


class _FBGVI(Tabular):
    """Forward-backward Gaussian variational inference via JKO in the Bures-Wasserstein space.

    Finds the Gaussian nearest to a posterior, mean and full covariance, by a proximal-gradient scheme in the
    Wasserstein metric. A step is explicit in the energy $V = -\\log p$ and implicit, in closed form, in the
    entropy:

    Needs a table with a target, numeric or of classes. Source: Diao, Balasubramanian, Chewi and Salim (2023), ICML.

    Parameters
    ----------
    likelihood : one of gaussian, bernoulli, poisson, categorical, or none; default None
        Gaussian, bernoulli, poisson or categorical; without one, by the target.
    weight_sd : number; default 2.5
        Prior standard deviation of the weights, for inputs of unit variance.
    intercept_sd : number; default 5.0
        Prior standard deviation of the intercept.
    rule : one of forward-backward, bures-wasserstein, natural, newton; default 'forward-backward'
        The update: forward-backward, or bures-wasserstein, natural, newton to compare with.
    eta : number, or none; default None
        Step length; without one, the inverse of the largest curvature at the mode.
    steps : whole number at least 1; default 1000
        Steps.
    draws : whole number at least 1; default 1
        Random draws a step.
    kept : whole number at least 100; default 2000
        Draws of the posterior that are kept, for predictions and for k-hat.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'fb-gvi'

    def __init__(
        self,
        *,
        likelihood: Choice | None = None,
        weight_sd: float = 2.5,
        intercept_sd: float = 5.0,
        rule: Choice = 'forward-backward',
        eta: float | None = None,
        steps: int = 1000,
        draws: int = 1,
        kept: int = 2000,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.likelihood = likelihood
        self.weight_sd = weight_sd
        self.intercept_sd = intercept_sd
        self.rule = rule
        self.eta = eta
        self.steps = steps
        self.draws = draws
        self.kept = kept
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class FBGVIRegressor(_FBGVI, Regressor):
    pass


class FBGVIClassifier(_FBGVI, Classifier):
    pass


class _FlowVI(Tabular):
    """Variational Inference with Normalizing Flows.

    A posterior of almost any shape, made by pushing a Gaussian through a chain of invertible maps whose
    parameters are learnt. The density of a draw follows from the base and the log-determinants,

    Needs a table with a target, numeric or of classes. Source: Rezende and Mohamed (2015), ICML.

    Parameters
    ----------
    flow : text; default 'planar:16'
        The flow: `planar:32`, `radial:8`, `sylvester:4x2`, `householder:4`, `nice:4x32`, `realnvp:4x32`,
        `iaf:4x32`, `spline:4x8`.
    steps : whole number at least 1; default 2000
        Steps.
    batch : whole number at least 1; default 64
        Draws a step.
    rate : number; default 0.005
        Adam's rate; it falls linearly to zero in the second half.
    annealing : number; default 0.5
        Share of the steps in which the posterior's weight rises from 0.01 to 1; zero keeps it at 1.
    draws : whole number at least 100; default 2000
        Posterior draws kept for predictions.
    likelihood : one of gaussian, bernoulli, poisson, categorical, or none; default None
        The likelihood: gaussian, bernoulli, poisson or categorical; without one, by the target.
    weight_sd : number; default 2.5
        Prior standard deviation of the weights, for inputs of unit variance.
    intercept_sd : number; default 5.0
        Prior standard deviation of the intercept.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'flow-vi'

    def __init__(
        self,
        *,
        flow: str = 'planar:16',
        steps: int = 2000,
        batch: int = 64,
        rate: float = 0.005,
        annealing: float = 0.5,
        draws: int = 2000,
        likelihood: Choice | None = None,
        weight_sd: float = 2.5,
        intercept_sd: float = 5.0,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.flow = flow
        self.steps = steps
        self.batch = batch
        self.rate = rate
        self.annealing = annealing
        self.draws = draws
        self.likelihood = likelihood
        self.weight_sd = weight_sd
        self.intercept_sd = intercept_sd
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class FlowVIRegressor(_FlowVI, Regressor):
    pass


class FlowVIClassifier(_FlowVI, Classifier):
    pass


class RSVI(Encodes, Samples):
    """Reparameterization Gradients through Acceptance-Rejection Sampling Algorithms.

    Gradients of low variance for distributions that are drawn by rejection: gamma, beta, Dirichlet. A
    proposal $z = h(\\varepsilon, \\theta)$ is accepted or not; the accepted noise has a density of its own,
    which depends on the parameters only weakly, and

    Needs a table of numbers, one point a row. Source: Naesseth, Ruiz, Linderman and Blei (2017), AISTATS.

    Parameters
    ----------
    layers : list of whole number; default (10,)
        Widths of the layers from the counts up: `[10]` is gamma-Poisson factorisation, `[30, 15, 8]` a deep
        exponential family.
    gradient : one of rejection, implicit, standardised, score; default {"type": "rejection", "augmentation": 4}
        How gradients are estimated: rejection, implicit, standardised or score.
    draws : whole number at least 1; default 1
        Draws a step.
    steps : whole number at least 1; default 800
        Steps.
    rate : number; default 0.75
        Length of the steps at the start; they fall with the root of their number, and with the size of recent
        gradients.
    shape : number; default 0.1
        Shape of the gamma distributions of codes: small values make them sparse.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'rsvi'
    _tables = frozenset(['gradient'])

    def __init__(
        self,
        *,
        layers: Sequence[int] = (10,),
        gradient: Choice | None = None,
        draws: int = 1,
        steps: int = 800,
        rate: float = 0.75,
        shape: float = 0.1,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.layers = layers
        self.gradient = gradient
        self.draws = draws
        self.steps = steps
        self.rate = rate
        self.shape = shape
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class AEVB(Bounds, Samples, Reconstructs, Encodes):
    """Auto-Encoding Variational Bayes.

    A model of data points with a code for each, and a network that infers the codes:

    Needs pictures of one size, or a table of numbers. Source: Kingma and Welling (2014).

    Parameters
    ----------
    latent : whole number at least 1; default 20
        Dimensions of the code.
    hidden : list of whole number; default (400,)
        Widths of the linear layers of the encoder; the decoder's are the same, backwards.
    channels : list of whole number; default ()
        Channels of convolutions before them, each of which halves the picture; none for linear layers alone.
    activation : one of identity, relu, leaky_relu, tanh, sigmoid, softplus, elu, gelu, silu; default 'relu'
        The nonlinear function: relu, tanh, silu, gelu, ...
    encoder : one of mlp, conv, gru, layers, or none; default None
        The encoder in full, in place of `hidden` and `channels`.
    decoder : one of mlp, conv, gru, layers, or none; default None
        The decoder in full, in place of `hidden` and `channels`.
    family : one of gauss_diag, gauss_full; default 'gauss_diag'
        Family of the posterior: gauss_diag or gauss_full.
    flow : text, or none; default None
        A flow that its draws go through, with parameters from the encoder for each data point: planar:8,
        iaf:2x32, realnvp:4x32, nice:4x32 or spline:4x8; without one, the posterior is Gaussian.
    prior : one of standard, diagonal, mixture, vamp, hierarchical; default 'standard'
        The prior of the code: standard, diagonal, mixture, vamp or hierarchical.
    likelihood : one of bernoulli, continuous_bernoulli, gaussian, categorical, poisson, negative_binomial, zero_inflated_negative_binomial, multinomial, discretised_logistic, or none; default None
        The distribution of each element; without one, bernoulli for pictures, gaussian for tables.
    binarise : one of none, static, dynamic, threshold; default 'none'
        What becomes of grey values: none, static, dynamic or threshold.
    nan_is_missing : true or false; default False
        Whether an empty cell or NaN counts as missing: it drops out of the likelihood, and the encoder sees
        which elements are there. Without, it is refused.
    init : one of torch, kaiming_uniform, kaiming_normal, xavier_uniform, xavier_normal, normal, orthogonal, zeros; default 'torch'
        How weights start.
    epochs : whole number at least 1; default 50
        Passes over the data.
    batch : whole number at least 1; default 100
        Data points a step.
    rate : number; default 0.001
        Adam's rate at the start.
    decay : one of none, cosine, stairs; default 'none'
        How the rate falls: none, cosine or stairs.
    weight_precision : number; default 1.0
        Precision of a normal prior over the decoder's weights; zero for none.
    weights : one of point, posterior; default 'point'
        The decoder's weights: point, or posterior, with a normal distribution for each and the divergence
        from their prior in the bound.
    epsilon : number; default 1e-08
        Added to the root of Adam's second moment.
    clip : number, or none; default None
        Largest norm of a gradient; longer ones are shortened.
    least_log_variance : number; default -30.0
        Smallest log variance of a posterior.
    divergence : one of closed, sampled, sticking_the_landing; default 'closed'
        How the divergence is estimated: closed (the paper's estimator B), sampled (its estimator A), or
        sticking_the_landing.
    draws : whole number at least 1; default 1
        Draws of the code for each data point, `L`.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'aevb'

    def __init__(
        self,
        *,
        latent: int = 20,
        hidden: Sequence[int] = (400,),
        channels: Sequence[int] = (),
        activation: Choice = 'relu',
        encoder: Choice | None = None,
        decoder: Choice | None = None,
        family: Choice = 'gauss_diag',
        flow: str | None = None,
        prior: Choice = 'standard',
        likelihood: Choice | None = None,
        binarise: Choice = 'none',
        nan_is_missing: bool = False,
        init: Choice = 'torch',
        epochs: int = 50,
        batch: int = 100,
        rate: float = 0.001,
        decay: Choice = 'none',
        weight_precision: float = 1.0,
        weights: Choice = 'point',
        epsilon: float = 1e-08,
        clip: float | None = None,
        least_log_variance: float = -30.0,
        divergence: Choice = 'closed',
        draws: int = 1,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.latent = latent
        self.hidden = hidden
        self.channels = channels
        self.activation = activation
        self.encoder = encoder
        self.decoder = decoder
        self.family = family
        self.flow = flow
        self.prior = prior
        self.likelihood = likelihood
        self.binarise = binarise
        self.nan_is_missing = nan_is_missing
        self.init = init
        self.epochs = epochs
        self.batch = batch
        self.rate = rate
        self.decay = decay
        self.weight_precision = weight_precision
        self.weights = weights
        self.epsilon = epsilon
        self.clip = clip
        self.least_log_variance = least_log_variance
        self.divergence = divergence
        self.draws = draws
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class IWAE(Bounds, Samples, Reconstructs, Encodes):
    """Importance Weighted Autoencoders.

    The model of `aevb` with a tighter bound: `K` draws of the code are averaged as importance weights inside
    the logarithm,

    Needs pictures of one size, or a table of numbers. Source: Burda, Grosse and Salakhutdinov (2016).

    Parameters
    ----------
    latent : whole number at least 1; default 50
        Dimensions of the code.
    hidden : list of whole number; default (200, 200)
        Widths of the linear layers of the encoder; the decoder's are the same, backwards.
    channels : list of whole number; default ()
        Channels of convolutions before them, each of which halves the picture; none for linear layers alone.
    activation : one of identity, relu, leaky_relu, tanh, sigmoid, softplus, elu, gelu, silu; default 'tanh'
        The nonlinear function: relu, tanh, silu, gelu, ...
    encoder : one of mlp, conv, gru, layers, or none; default None
        The encoder in full, in place of `hidden` and `channels`.
    decoder : one of mlp, conv, gru, layers, or none; default None
        The decoder in full, in place of `hidden` and `channels`.
    family : one of gauss_diag, gauss_full; default 'gauss_diag'
        Family of the posterior: gauss_diag or gauss_full.
    flow : text, or none; default None
        A flow that its draws go through, with parameters from the encoder for each data point: planar:8,
        iaf:2x32, realnvp:4x32, nice:4x32 or spline:4x8; without one, the posterior is Gaussian.
    prior : one of standard, diagonal, mixture, vamp, hierarchical; default 'standard'
        The prior of the code: standard, diagonal, mixture, vamp or hierarchical.
    likelihood : one of bernoulli, continuous_bernoulli, gaussian, categorical, poisson, negative_binomial, zero_inflated_negative_binomial, multinomial, discretised_logistic, or none; default None
        The distribution of each element; without one, bernoulli for pictures, gaussian for tables.
    binarise : one of none, static, dynamic, threshold; default 'dynamic'
        What becomes of grey values: none, static, dynamic or threshold.
    nan_is_missing : true or false; default False
        Whether an empty cell or NaN counts as missing: it drops out of the likelihood, and the encoder sees
        which elements are there. Without, it is refused.
    init : one of torch, kaiming_uniform, kaiming_normal, xavier_uniform, xavier_normal, normal, orthogonal, zeros; default 'torch'
        How weights start.
    epochs : whole number at least 1; default 50
        Passes over the data.
    batch : whole number at least 1; default 20
        Data points a step.
    rate : number; default 0.001
        Adam's rate at the start.
    decay : one of none, cosine, stairs; default 'stairs'
        How the rate falls: none, cosine or stairs.
    weight_precision : number; default 0.0
        Precision of a normal prior over the decoder's weights; zero for none.
    weights : one of point, posterior; default 'point'
        The decoder's weights: point, or posterior, with a normal distribution for each and the divergence
        from their prior in the bound.
    epsilon : number; default 0.0001
        Added to the root of Adam's second moment.
    clip : number, or none; default None
        Largest norm of a gradient; longer ones are shortened.
    least_log_variance : number; default -30.0
        Smallest log variance of a posterior.
    draws : whole number at least 1; default 5
        Draws inside the logarithm, `K`; one is the evidence lower bound.
    groups : whole number at least 1; default 1
        Groups of these draws, each with a logarithm of its own, whose bounds are averaged (MIWAE). A divisor
        of draws.
    beta : number at least 0 and at most 1; default 0.0
        Share of the evidence lower bound beside the importance-weighted one (CIWAE), from 0 to 1.
    gradient : one of plain, doubly_reparameterised, sticking_the_landing, held; default 'doubly_reparameterised'
        The estimator of the encoder's gradient: doubly_reparameterised, plain (the paper's), or
        sticking_the_landing.
    resample : whole number; default 50
        Draws among which a code is resampled by its weight; zero gives the encoder's own.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'iwae'

    def __init__(
        self,
        *,
        latent: int = 50,
        hidden: Sequence[int] = (200, 200),
        channels: Sequence[int] = (),
        activation: Choice = 'tanh',
        encoder: Choice | None = None,
        decoder: Choice | None = None,
        family: Choice = 'gauss_diag',
        flow: str | None = None,
        prior: Choice = 'standard',
        likelihood: Choice | None = None,
        binarise: Choice = 'dynamic',
        nan_is_missing: bool = False,
        init: Choice = 'torch',
        epochs: int = 50,
        batch: int = 20,
        rate: float = 0.001,
        decay: Choice = 'stairs',
        weight_precision: float = 0.0,
        weights: Choice = 'point',
        epsilon: float = 0.0001,
        clip: float | None = None,
        least_log_variance: float = -30.0,
        draws: int = 5,
        groups: int = 1,
        beta: float = 0.0,
        gradient: Choice = 'doubly_reparameterised',
        resample: int = 50,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.latent = latent
        self.hidden = hidden
        self.channels = channels
        self.activation = activation
        self.encoder = encoder
        self.decoder = decoder
        self.family = family
        self.flow = flow
        self.prior = prior
        self.likelihood = likelihood
        self.binarise = binarise
        self.nan_is_missing = nan_is_missing
        self.init = init
        self.epochs = epochs
        self.batch = batch
        self.rate = rate
        self.decay = decay
        self.weight_precision = weight_precision
        self.weights = weights
        self.epsilon = epsilon
        self.clip = clip
        self.least_log_variance = least_log_variance
        self.draws = draws
        self.groups = groups
        self.beta = beta
        self.gradient = gradient
        self.resample = resample
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class _CoinSampling(Tabular):
    """Coin Sampling: Gradient-Based Bayesian Inference without Learning Rates.

    A few points, moved together until they stand for a posterior, without a learning rate. Each point follows
    a velocity that pulls it to where the posterior is large and pushes it from the other points,

    Needs a table with a target, numeric or of classes. Source: Sharrock and Nemeth (2023), ICML.

    Parameters
    ----------
    particles : whole number at least 1; default 20
        Points that stand for the posterior; one finds its mode.
    steps : whole number at least 1; default 1000
        Steps.
    batch : whole number at least 1; default 1000
        Rows behind each score; with a table no longer than this, scores are exact.
    field : one of svgd, ksdd; default 'svgd'
        What moves the points: svgd, or ksdd, which descends their kernel Stein discrepancy.
    kernel : one of median, rbf, inverse_multiquadric; default 'median'
        How points see each other under svgd: `median`, or an `rbf` or `inverse_multiquadric` kernel of a
        fixed width.
    alpha : number, or none; default None
        The first moves are one unit over this, and half a unit at most, as with 0. Without one, 0, and 100
        for a network.
    hidden : whole number; default 0
        Hidden units of a network for a numeric target; 0 for a generalised linear model.
    likelihood : one of gaussian, bernoulli, poisson, categorical, or none; default None
        The likelihood of a generalised linear model: `gaussian`, `bernoulli`, `poisson` or `categorical`; by
        the target without one.
    weight_sd : number; default 2.5
        Prior standard deviation of the linear model's weights, for inputs of unit variance.
    intercept_sd : number; default 5.0
        Prior standard deviation of the linear model's intercept.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'coin-sampling'

    def __init__(
        self,
        *,
        particles: int = 20,
        steps: int = 1000,
        batch: int = 1000,
        field: Choice = 'svgd',
        kernel: Choice = 'median',
        alpha: float | None = None,
        hidden: int = 0,
        likelihood: Choice | None = None,
        weight_sd: float = 2.5,
        intercept_sd: float = 5.0,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.particles = particles
        self.steps = steps
        self.batch = batch
        self.field = field
        self.kernel = kernel
        self.alpha = alpha
        self.hidden = hidden
        self.likelihood = likelihood
        self.weight_sd = weight_sd
        self.intercept_sd = intercept_sd
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class CoinSamplingRegressor(_CoinSampling, Regressor):
    pass


class CoinSamplingClassifier(_CoinSampling, Classifier):
    pass


class InfoVAE(Bounds, Samples, Reconstructs, Encodes):
    """InfoVAE: Information Maximizing Variational Autoencoders.

    The model of `aevb` with an objective that weighs two things apart which the evidence lower bound ties
    together: how far each posterior is from the prior, and how far the posteriors of all data points together
    are, $q(z) = \\mathbb E_x q(z \\mid x)$:

    Needs pictures of one size, or a table of numbers. Source: Zhao, Song and Ermon (2019).

    Parameters
    ----------
    latent : whole number at least 1; default 20
        Dimensions of the code.
    hidden : list of whole number; default (400,)
        Widths of the linear layers of the encoder; the decoder's are the same, backwards.
    channels : list of whole number; default ()
        Channels of convolutions before them, each of which halves the picture; none for linear layers alone.
    activation : one of identity, relu, leaky_relu, tanh, sigmoid, softplus, elu, gelu, silu; default 'relu'
        The nonlinear function: relu, tanh, silu, gelu, ...
    encoder : one of mlp, conv, gru, layers, or none; default None
        The encoder in full, in place of `hidden` and `channels`.
    decoder : one of mlp, conv, gru, layers, or none; default None
        The decoder in full, in place of `hidden` and `channels`.
    family : one of gauss_diag, gauss_full; default 'gauss_diag'
        Family of the posterior: gauss_diag or gauss_full.
    flow : text, or none; default None
        A flow that its draws go through, with parameters from the encoder for each data point: planar:8,
        iaf:2x32, realnvp:4x32, nice:4x32 or spline:4x8; without one, the posterior is Gaussian.
    prior : one of standard, diagonal, mixture, vamp, hierarchical; default 'standard'
        The prior of the code: standard, diagonal, mixture, vamp or hierarchical.
    likelihood : one of bernoulli, continuous_bernoulli, gaussian, categorical, poisson, negative_binomial, zero_inflated_negative_binomial, multinomial, discretised_logistic, or none; default None
        The distribution of each element; without one, bernoulli for pictures, gaussian for tables.
    binarise : one of none, static, dynamic, threshold; default 'none'
        What becomes of grey values: none, static, dynamic or threshold.
    nan_is_missing : true or false; default False
        Whether an empty cell or NaN counts as missing: it drops out of the likelihood, and the encoder sees
        which elements are there. Without, it is refused.
    init : one of torch, kaiming_uniform, kaiming_normal, xavier_uniform, xavier_normal, normal, orthogonal, zeros; default 'torch'
        How weights start.
    epochs : whole number at least 1; default 50
        Passes over the data.
    batch : whole number at least 1; default 100
        Data points a step.
    rate : number; default 0.001
        Adam's rate at the start.
    decay : one of none, cosine, stairs; default 'none'
        How the rate falls: none, cosine or stairs.
    weight_precision : number; default 0.0
        Precision of a normal prior over the decoder's weights; zero for none.
    weights : one of point, posterior; default 'point'
        The decoder's weights: point, or posterior, with a normal distribution for each and the divergence
        from their prior in the bound.
    epsilon : number; default 1e-08
        Added to the root of Adam's second moment.
    clip : number, or none; default None
        Largest norm of a gradient; longer ones are shortened.
    least_log_variance : number; default -10.0
        Smallest log variance of a posterior.
    alpha : number; default 1.0
        How much information codes may hold: one less alpha is the weight of each data point's divergence. At
        most 1.
    lambda_ : number; default 1000.0
        Weight of the aggregated divergence: alpha + lambda - 1.
    divergence : one of mmd, stein, adversarial; default 'mmd'
        The aggregated divergence: mmd, stein or adversarial.
    kernel : one of inverse_multiquadric, rbf, rbf_median, original; default 'inverse_multiquadric'
        The kernel of mmd and stein: inverse_multiquadric, rbf, rbf_median, or original.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'infovae'

    def __init__(
        self,
        *,
        latent: int = 20,
        hidden: Sequence[int] = (400,),
        channels: Sequence[int] = (),
        activation: Choice = 'relu',
        encoder: Choice | None = None,
        decoder: Choice | None = None,
        family: Choice = 'gauss_diag',
        flow: str | None = None,
        prior: Choice = 'standard',
        likelihood: Choice | None = None,
        binarise: Choice = 'none',
        nan_is_missing: bool = False,
        init: Choice = 'torch',
        epochs: int = 50,
        batch: int = 100,
        rate: float = 0.001,
        decay: Choice = 'none',
        weight_precision: float = 0.0,
        weights: Choice = 'point',
        epsilon: float = 1e-08,
        clip: float | None = None,
        least_log_variance: float = -10.0,
        alpha: float = 1.0,
        lambda_: float = 1000.0,
        divergence: Choice = 'mmd',
        kernel: Choice = 'inverse_multiquadric',
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.latent = latent
        self.hidden = hidden
        self.channels = channels
        self.activation = activation
        self.encoder = encoder
        self.decoder = decoder
        self.family = family
        self.flow = flow
        self.prior = prior
        self.likelihood = likelihood
        self.binarise = binarise
        self.nan_is_missing = nan_is_missing
        self.init = init
        self.epochs = epochs
        self.batch = batch
        self.rate = rate
        self.decay = decay
        self.weight_precision = weight_precision
        self.weights = weights
        self.epsilon = epsilon
        self.clip = clip
        self.least_log_variance = least_log_variance
        self.alpha = alpha
        self.lambda_ = lambda_
        self.divergence = divergence
        self.kernel = kernel
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class _VBLL(Updates, Encodes, Tabular):
    """Variational Bayesian Last Layers.

    A network whose last layer alone has a posterior. Features $\\phi(x)$ are deterministic; each output's
    weights are Gaussian, $q(w_k) = N(\\bar w_k, S_k)$, so the bound on the evidence is in closed form and is
    trained together with the features, at nearly the price of the network itself. For a number with noise
    $\\sigma$:

    Needs a table with a target, numeric or of classes. Source: Harrison, Willes and Snoek (2024).

    Parameters
    ----------
    hidden : list of whole number; default (64, 64)
        Widths of the layers before the last; none for a linear model of the inputs.
    activation : one of identity, relu, leaky_relu, tanh, sigmoid, softplus, elu, gelu, silu; default 'silu'
        The nonlinear function: relu, tanh, silu, gelu, ...
    covariance : one of point, diagonal, dense, low_rank, dense_precision; default 'dense'
        Covariance of the last layer's weights: dense, diagonal, low_rank, dense_precision, or point for none.
    rank : whole number at least 1; default 3
        Common directions of a low-rank covariance.
    classifier : one of discriminative, generative; default 'discriminative'
        Head of a target of classes: discriminative or generative.
    bound : one of jensen, tilted; default 'jensen'
        Bound of the discriminative head: jensen or tilted.
    noise : one of gaussian, student_t, heteroscedastic; default 'gaussian'
        Noise of a numeric target: gaussian, student_t or heteroscedastic.
    prior_scale : number; default 1.0
        Variance of the prior of an output's weights together.
    wishart_dof : number; default 1.0
        Degrees of freedom of the noise's inverse Wishart prior.
    wishart_scale : number; default 0.01
        Scale of that prior, in the unit of the scaled target.
    kl_weight : number; default 1.0
        What the divergence is multiplied by; anything but 1 is tempered, not Bayes' rule.
    steps : whole number at least 1; default 3000
        Minibatches.
    batch : whole number at least 1; default 64
        Rows a step.
    rate : number; default 0.001
        Adam's rate at the start; it falls to a hundredth along half a cosine.
    weight_decay : number; default 1.0
        Decay of the weights before the last layer.
    clip : number; default 1.0
        Largest norm of a gradient.
    draws : whole number at least 1; default 100
        Draws of the logits in a prediction of the discriminative head.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'vbll'

    def __init__(
        self,
        *,
        hidden: Sequence[int] = (64, 64),
        activation: Choice = 'silu',
        covariance: Choice = 'dense',
        rank: int = 3,
        classifier: Choice = 'discriminative',
        bound: Choice = 'jensen',
        noise: Choice = 'gaussian',
        prior_scale: float = 1.0,
        wishart_dof: float = 1.0,
        wishart_scale: float = 0.01,
        kl_weight: float = 1.0,
        steps: int = 3000,
        batch: int = 64,
        rate: float = 0.001,
        weight_decay: float = 1.0,
        clip: float = 1.0,
        draws: int = 100,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.hidden = hidden
        self.activation = activation
        self.covariance = covariance
        self.rank = rank
        self.classifier = classifier
        self.bound = bound
        self.noise = noise
        self.prior_scale = prior_scale
        self.wishart_dof = wishart_dof
        self.wishart_scale = wishart_scale
        self.kl_weight = kl_weight
        self.steps = steps
        self.batch = batch
        self.rate = rate
        self.weight_decay = weight_decay
        self.clip = clip
        self.draws = draws
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class VBLLRegressor(_VBLL, Regressor):
    pass


class VBLLClassifier(_VBLL, Classifier):
    pass


class MarkovGP(Regressor):
    """Gaussian process regression on series in linear time.

    Exact Gaussian process regression of one number on time. Kernels of time have a twin as a linear
    stochastic differential equation, whose values at the rows are a Markov chain with a state of a few
    numbers:

    Needs a table with a column of times (numbers or dates) and a numeric target. Source: Hartikainen and Särkkä (2010).

    Parameters
    ----------
    time : text, or none; default None
        The column of times: numbers, or ISO dates, which become days. The only other column by default, or
        one named `time`, `date` or `t`.
    kernel : text, or none; default None
        The kernel, as an expression of time: `linear + matern52 + matern32 * periodic(period=12)`. Numbers
        given are starts, with `!` held. By default a trend that goes on as it last rose, a smooth Matérn
        term, a drifting repetition where a period is known or found, and a short Matérn term.
    period : number, or none; default None
        The period of the default kernel, in the unit of the time column (days for dates); found from the data
        by default.
    noise : number, or none; default None
        Noise variance at the start, as a share of the target's variance; by default half of what a trend and
        the found period leave.
    starts : whole number at least 1; default 3
        Starting points of the search for hyperparameters; the best end is kept.
    iterations : whole number at least 1; default 100
        L-BFGS iterations a start, at most.
    horizon : number; default 0.2
        How far the figures look beyond the last row, as a share of the series' span.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'markov-gp'
    _missing_target = True

    def __init__(
        self,
        *,
        time: str | None = None,
        kernel: str | None = None,
        period: float | None = None,
        noise: float | None = None,
        starts: int = 3,
        iterations: int = 100,
        horizon: float = 0.2,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.time = time
        self.kernel = kernel
        self.period = period
        self.noise = noise
        self.starts = starts
        self.iterations = iterations
        self.horizon = horizon
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class MarkovianGPVAE(Samples, Reconstructs, Encodes):
    """Markovian Gaussian Process Variational Autoencoders.

    A variational autoencoder of sequences: every frame $y_k$ (a vector or a picture) comes from a few latent
    functions of time, $y_k \\sim p(y \\mid g(z(t_k)))$, and these are Gaussian processes with a Markov form
    (Matérn). The encoder turns each frame into a pseudo-observation $\\tilde y_k$ of the codes with a
    variance $\\tilde V_k$; one Kalman filter and smoother turns these into the posterior of whole functions,
    so that training takes time linear in the number of frames, at any times, with any frames missing:

    Needs a table of numbers with one row a time, or arrays [sequences, times, ...] of vectors or pictures. Source: Zhu, Balsells Rodas and Li (2023), ICML.

    Parameters
    ----------
    latents : whole number at least 1; default 15
        Latent functions, `L`.
    kernel : one of matern12, matern32, matern52, matern72; default 'matern32'
        Their kernel: matern12, matern32, matern52 or matern72.
    lengthscale : number; default 50.0
        Lengthscale at the start, in steps (the median gap between times).
    learn_lengthscale : true or false; default True
        Whether lengthscales are learnt.
    encoder : list of whole number; default (32,)
        Widths of the encoder's linear layers.
    decoder : list of whole number; default (16,)
        Widths of the decoder's linear layers.
    channels : list of whole number; default ()
        Channels of convolutions before and after them, for pictures; none for linear layers alone.
    activation : one of identity, relu, leaky_relu, tanh, sigmoid, softplus, elu, gelu, silu; default 'relu'
        The nonlinear function.
    likelihood : one of gaussian, bernoulli; default 'gaussian'
        The distribution of a frame's numbers: gaussian, or bernoulli for shares of black.
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


class CVHM(Encodes, Reconstructs):
    """Linear Time GPs for Inferring Latent Trajectories from Neural Spike Trains.

    A few smooth latent trajectories behind the counts of many channels, such as spikes of neurons in bins of
    time:

    Needs counts: a table with one bin a row and one channel a column, or an array [trials, bins, channels]. Source: Dowling, Zhao and Park (2023).

    Parameters
    ----------
    trajectories : whole number at least 1; default 2
        Latent trajectories, `L`.
    kernel : text; default 'matern32'
        The kernel of every latent, as an expression of time in the unit of `width`: `matern32`, `matern32 *
        cosine(period=1)` (Hida-Matérn).
    width : number; default 1.0
        Width of a bin.
    rounds : whole number at least 1; default 30
        Rounds of inference, readout and kernels, at most.
    sweeps : whole number at least 1; default 5
        Updates of all sites a round.
    rate : number; default 0.5
        Share of the way that a site moves in an update, in (0, 1]; halved when the bound falls twice.
    ridge : number; default 0.1
        Penalty on the squares of loadings.
    learn : one of whittle, bound, off; default 'whittle'
        How kernels are learned: whittle, bound or off.
    paths : whole number at least 1; default 5
        Posterior draws for Whittle's likelihood.
    smoother : one of passes, bidirectional; default 'passes'
        How posteriors are computed: passes or bidirectional.
    tolerance : number; default 0.001
        Converged when loadings and offsets change by less than this share, twice in a row.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'cvhm'

    def __init__(
        self,
        *,
        trajectories: int = 2,
        kernel: str = 'matern32',
        width: float = 1.0,
        rounds: int = 30,
        sweeps: int = 5,
        rate: float = 0.5,
        ridge: float = 0.1,
        learn: Choice = 'whittle',
        paths: int = 5,
        smoother: Choice = 'passes',
        tolerance: float = 0.001,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.trajectories = trajectories
        self.kernel = kernel
        self.width = width
        self.rounds = rounds
        self.sweeps = sweeps
        self.rate = rate
        self.ridge = ridge
        self.learn = learn
        self.paths = paths
        self.smoother = smoother
        self.tolerance = tolerance
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class DDPM(Samples, Restores):
    """Denoising diffusion probabilistic model.

    A generative model of pictures or rows of numbers. Noise is added to the data at many levels, $x = x_0 +
    \\sigma \\varepsilon$, a network learns to say what the noise was, and samples are made from pure noise by
    removing it level by level:

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
        A folder with a U-Net of the library diffusers (`config.json` and weights as safetensors), which is
        taken as it is instead of training one; the data then say what pictures look like.
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
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class RedDiff(Samples, Restores):
    """A Variational Perspective on Solving Inverse Problems with Diffusion Models.

    Restores pictures with a denoiser as the prior. The posterior of the clean picture given a measurement $y
    = H(x) + n$ is approximated by a narrow Gaussian $N(\\mu, s^2)$; minimising its divergence from the
    diffusion posterior is stochastic optimisation with a denoising regulariser (RED-Diff). At a noise level
    $\\sigma$ of a falling schedule,

    Needs pictures of one size, or a table of numbers. Source: Mardani, Song, Kautz and Vahdat (2024), ICLR.

    Parameters
    ----------
    prior : one of network, empirical, gaussian; default 'empirical'
        The prior: empirical (the data points themselves), gaussian (their mean and covariance) or network
        (trained).
    rows : whole number at least 1; default 2000
        Data points that an empirical prior keeps at most.
    widths : list of whole number; default (16, 32)
        Channels at each level of the U-shaped network of pictures; each level after the first halves them.
    hidden : list of whole number; default (128, 128)
        Widths of the fully connected layers for rows of numbers.
    embedding : whole number; default 32
        Length of the vector that stands for the noise level; even.
    weights : text, or none; default None
        A folder with a U-Net of the library diffusers (`config.json` and weights as safetensors), which is
        taken as it is instead of training one; the data then say what pictures look like.
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
    measured : whole number; default 0
        Samples that are compared with the data after the fit; zero for none.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'red-diff'

    def __init__(
        self,
        *,
        prior: Choice = 'empirical',
        rows: int = 2000,
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
        measured: int = 0,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.prior = prior
        self.rows = rows
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
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class Hyperprior(Compresses):
    """Variational image compression with a scale hyperprior.

    A learned codec of photographs, and the baseline of its family. A transform turns each eight by eight
    pixels into a vector of latents $y$, which are rounded and written by an entropy coder. A second, smaller
    latent $z$ is written first; it says where each $y$ lies and how widely,

    Needs photographs of any size. Source: Ballé, Minnen, Singh, Hwang and Johnston (2018); Minnen, Ballé and Toderici (2018).

    Parameters
    ----------
    latents : whole number; default 96
        Latents for each eight by eight pixels.
    second : whole number; default 32
        Second latents, which say how wide the first are, for each 32 by 32 pixels.
    width : whole number; default 64
        Channels of the residual blocks of the transform.
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
    density : one of gaussian, laplace, logistic; default 'gaussian'
        The density of a latent around its mean: gaussian, laplace or logistic.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'hyperprior'

    def __init__(
        self,
        *,
        latents: int = 96,
        second: int = 32,
        width: int = 64,
        hyper: int = 48,
        context: Choice = 'none',
        steps: int = 1200,
        batch: int = 8,
        crop: int = 64,
        rate: float = 0.001,
        loss: Choice = 'mse',
        density: Choice = 'gaussian',
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.latents = latents
        self.second = second
        self.width = width
        self.hyper = hyper
        self.context = context
        self.steps = steps
        self.batch = batch
        self.crop = crop
        self.rate = rate
        self.loss = loss
        self.density = density
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class GGMCodec(Compresses):
    """Generalized Gaussian Model for Learned Image Compression.

    The codec of `hyperprior` with another density of the latents: the generalised Gaussian, whose shape
    $\\beta$ is learned,

    Needs photographs of any size. Source: Zhang, Li, Liu and others (2024).

    Parameters
    ----------
    latents : whole number; default 96
        Latents for each eight by eight pixels.
    second : whole number; default 32
        Second latents, which say how wide the first are, for each 32 by 32 pixels.
    width : whole number; default 64
        Channels of the residual blocks of the transform.
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


class GSMCMC(Renders):
    """3D Gaussian Splatting as Markov Chain Monte Carlo.

    Photographs of a scene that does not move, with their cameras, become a cloud of coloured, partly
    transparent Gaussians that can be drawn from anywhere. The Gaussians are taken as samples of a
    distribution that the loss defines: after every step of Adam their means get noise,

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


class BO(Suggests):
    """Bayesian optimisation.

    What to try next in an experiment whose trials are expensive. A Gaussian process with a Matern-5/2 kernel
    says for every place what value to expect and how sure that is; a score weighs a good expectation against
    an uncertain one, and the place of the largest score is suggested. The default score is the logarithm of
    the expected improvement on the best value so far,

    Needs a table of trials with a numeric target; rows without a target value are pending. Source: Jones, Schonlau and Welch (1998); Ament et al. (2023).

    Parameters
    ----------
    goal : one of minimise, maximise; default 'minimise'
        Whether to `minimise` or to `maximise` the target.
    space : list of table, or none; default None
        What may be varied, a list of variables; the ranges of the data where `null`.
    limits : list of table; default ()
        Limits on other measured columns, such as `{column = "purity", at_least = 0.9}`.
    acquisition : one of log_ei, log_nei, ei, pi, lcb, thompson, knowledge_gradient, max_value_entropy, predictive_entropy, joint_entropy; default 'log_ei'
        The score that chooses: `log_ei`, `log_nei` for noisy trials, `ei`, `pi`, `lcb`, `thompson`,
        `knowledge_gradient`, `max_value_entropy`, `predictive_entropy`, `joint_entropy`.
    initial : whole number, or none; default None
        Trials before the model takes over; `max(5, 2 D)` where `null`.
    design : one of sobol, latin_hypercube, halton, uniform; default 'sobol'
        How these are spread.
    mean : one of arithmetic, median, best, worst, linear, quadratic, forest, rbf, learned; default 'learned'
        The mean function of the surrogate: `learned`, the constant of largest likelihood, `worst`,
        `arithmetic`, `median`, `best`, `linear`, `quadratic`, `forest` or `rbf`.
    output : one of standardise, log, box_cox, yeo_johnson, rank_normal; default 'standardise'
        What happens to values before they are standardised: nothing (`standardise`), `log`, `box_cox`,
        `yeo_johnson` or `rank_normal`.
    noise : number, or none; default None
        Noise variance as a share of the target's variance; learned where `null`.
    starts : whole number at least 1; default 4
        Starting points of the search for hyperparameters.
    iterations : whole number at least 1; default 100
        L-BFGS steps a start, at most.
    maximise : table; default {"raw": 128, "starts": 8, "steps": 100, "enumerate": 2000}
        How hard the best place of the score is looked for.
    trust_region : true or false, or none; default None
        Whether to keep to a trust region around the best trial; with more than 15 variables where `null`.
    samples : whole number; default 128
        Samples of the scores of several points.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'bo'
    _tables = frozenset(['maximise'])

    def __init__(
        self,
        *,
        goal: Choice = 'minimise',
        space: Sequence[Any] | None = None,
        limits: Sequence[Any] = (),
        acquisition: Choice = 'log_ei',
        initial: int | None = None,
        design: Choice = 'sobol',
        mean: Choice = 'learned',
        output: Choice = 'standardise',
        noise: float | None = None,
        starts: int = 4,
        iterations: int = 100,
        maximise: Mapping[str, Any] | None = None,
        trust_region: bool | None = None,
        samples: int = 128,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.goal = goal
        self.space = space
        self.limits = limits
        self.acquisition = acquisition
        self.initial = initial
        self.design = design
        self.mean = mean
        self.output = output
        self.noise = noise
        self.starts = starts
        self.iterations = iterations
        self.maximise = maximise
        self.trust_region = trust_region
        self.samples = samples
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class BOMean(Suggests):
    """What do you Mean? The Role of the Mean Function in Bayesian Optimisation.

    A Gaussian process returns to its mean function far from data, so the mean decides how attractive the
    unknown is. With the mean of the observed values, the usual choice, a place far from all trials looks
    average; with the *worst* observed value it looks bad, and the search stays near good trials until these
    are used up. In five or more variables, where everything is far from data, that is the better choice on
    synthetic problems. On real tasks richer means, fitted before the process, can win.

    Needs a table of trials with a numeric target; rows without a target value are pending. Source: De Ath, Fieldsend and Everson, GECCO Companion 2020.

    Parameters
    ----------
    goal : one of minimise, maximise; default 'minimise'
        Whether to `minimise` or to `maximise` the target.
    space : list of table, or none; default None
        What may be varied, a list of variables; the ranges of the data where `null`.
    limits : list of table; default ()
        Limits on other measured columns, such as `{column = "purity", at_least = 0.9}`.
    acquisition : one of log_ei, log_nei, ei, pi, lcb, thompson, knowledge_gradient, max_value_entropy, predictive_entropy, joint_entropy; default 'ei'
        The score that chooses: `log_ei`, `log_nei` for noisy trials, `ei`, `pi`, `lcb`, `thompson`,
        `knowledge_gradient`, `max_value_entropy`, `predictive_entropy`, `joint_entropy`.
    initial : whole number, or none; default None
        Trials before the model takes over; `max(5, 2 D)` where `null`.
    design : one of sobol, latin_hypercube, halton, uniform; default 'latin_hypercube'
        How these are spread.
    mean : one of arithmetic, median, best, worst, linear, quadratic, forest, rbf, learned; default 'worst'
        The mean function of the surrogate: `learned`, the constant of largest likelihood, `worst`,
        `arithmetic`, `median`, `best`, `linear`, `quadratic`, `forest` or `rbf`.
    output : one of standardise, log, box_cox, yeo_johnson, rank_normal; default 'standardise'
        What happens to values before they are standardised: nothing (`standardise`), `log`, `box_cox`,
        `yeo_johnson` or `rank_normal`.
    noise : number, or none; default 1e-06
        Noise variance as a share of the target's variance; learned where `null`.
    starts : whole number at least 1; default 10
        Starting points of the search for hyperparameters.
    iterations : whole number at least 1; default 100
        L-BFGS steps a start, at most.
    maximise : table; default {"raw": 1000, "starts": 10, "steps": 100, "enumerate": 2000}
        How hard the best place of the score is looked for.
    trust_region : true or false, or none; default None
        Whether to keep to a trust region around the best trial; with more than 15 variables where `null`.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'bo-mean'
    _tables = frozenset(['maximise'])

    def __init__(
        self,
        *,
        goal: Choice = 'minimise',
        space: Sequence[Any] | None = None,
        limits: Sequence[Any] = (),
        acquisition: Choice = 'ei',
        initial: int | None = None,
        design: Choice = 'latin_hypercube',
        mean: Choice = 'worst',
        output: Choice = 'standardise',
        noise: float | None = 1e-06,
        starts: int = 10,
        iterations: int = 100,
        maximise: Mapping[str, Any] | None = None,
        trust_region: bool | None = None,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.goal = goal
        self.space = space
        self.limits = limits
        self.acquisition = acquisition
        self.initial = initial
        self.design = design
        self.mean = mean
        self.output = output
        self.noise = noise
        self.starts = starts
        self.iterations = iterations
        self.maximise = maximise
        self.trust_region = trust_region
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class KDEMode(Points):
    """Dimensionality Reduction for General KDE Mode Finding.

    The place where points lie densest, by a kernel density estimate $\\tfrac1n \\sum_i \\kappa(\\|x -
    p_i\\|^2 / h^2)$, in many dimensions. A random projection to few dimensions nearly preserves all
    distances, and with them the density's maximum: so the points are projected, mean shift climbs from the
    densest of them where that is cheap, and the modes it finds are lifted back as averages of the original
    points with the projected weights. The densest then climbs on in all dimensions.

    Needs a table of numbers, one point a row. Source: Luo, Musco and Widdershoven (2023), ICML.

    Parameters
    ----------
    kernel : one of gaussian, logistic, sigmoid, generalised_gaussian, cauchy, box; default 'gaussian'
        The kernel.
    exponent : number; default 1.0
        Exponent of the generalised Gaussian kernel: 2 is smooth, 1 has a peak at every point.
    h : one of auto, number; default 'auto'
        Bandwidth in the points' unit, or `auto`: the median distance to the √n-th nearest neighbour.
    k : one of auto, whole number; default 'auto'
        Dimensions to project to, or `auto`: 20, or what the guarantee asks for.
    guarantee : true or false; default False
        Whether `k` follows from the theorem and the mode is lifted back by it.
    epsilon : number; default 0.5
        Relative error `ε` of distances under the guarantee.
    delta : number; default 0.1
        Probability `δ` that the guarantee does not hold.
    constant : number; default 4.0
        The theorem's universal constant `c` in `k = c ln(n/δ) / ε²`, which it does not name.
    starts : whole number at least 1; default 200
        Points to climb from: those of the greatest density after the projection.
    lifts : whole number at least 1; default 10
        Different modes that are lifted back; the densest is kept.
    polish : true or false; default True
        Whether the lifted mode climbs on in all dimensions.
    shifts : whole number at least 1; default 500
        Shifts a climb, at most.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'kde-mode'

    def __init__(
        self,
        *,
        kernel: Choice = 'gaussian',
        exponent: float = 1.0,
        h: Choice = 'auto',
        k: Choice = 'auto',
        guarantee: bool = False,
        epsilon: float = 0.5,
        delta: float = 0.1,
        constant: float = 4.0,
        starts: int = 200,
        lifts: int = 10,
        polish: bool = True,
        shifts: int = 500,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.kernel = kernel
        self.exponent = exponent
        self.h = h
        self.k = k
        self.guarantee = guarantee
        self.epsilon = epsilon
        self.delta = delta
        self.constant = constant
        self.starts = starts
        self.lifts = lifts
        self.polish = polish
        self.shifts = shifts
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class LSNM(Points):
    """On the Identifiability and Estimation of Causal Location-Scale Noise Models.

    Which of two variables is the cause? If the effect is $Y = f(X) + g(X) N$, with noise that is independent
    of the cause, then (but for pathological cases) no such model describes the pair the other way round. Both
    directions are fitted, and compared by their likelihood, or by how much the residuals $(y - f)/g$ still
    depend on the supposed cause.

    Needs a table of two numeric columns, or of many such pairs named by a column `pair`. Source: Immer, Schultheiss, Vogt, Schölkopf, Bühlmann and Marx (2023), ICML.

    Parameters
    ----------
    estimator : one of splines, network, homoscedastic, two_step; default 'splines'
        The conditional law: splines (jointly concave), network, or a baseline: homoscedastic, two_step.
    rule : one of likelihood, independence; default 'likelihood'
        What decides: likelihood, or independence (of residuals and cause).
    decide : number; default 1.96
        Standard errors by which the directions must differ; below, the verdict is `undecided`.
    level : number; default 0.05
        Level of the residual test: a direction with a p-value up to it is rejected.
    knots : whole number at least 2; default 12
        Knots of the splines.
    degree : whole number at least 1; default 3
        Degree of the splines.
    ridge : number; default 1e-05
        Prior precision of the splines' weights: the weight of half their squared norm beside the sum of log
        likelihoods.
    hidden : whole number at least 1; default 100
        Hidden units of the network.
    steps : whole number at least 1; default 5000
        Steps of the network's training.
    resamples : whole number; default 40
        Half-samples for the standard error; zero for the likelihood's spread over rows alone.
    permutations : whole number; default 199
        Orders tried for the p-value of the residual test.
    rows : whole number; default 5000
        Rows of a pair, at most, for the fits; more are drawn at random.
    test_rows : whole number; default 500
        Rows of a pair, at most, for the residual test.
    random_state : default 0
        Seed of everything random: the same seed gives the same model.
    max_time : default None
        Seconds after which an iterative fit stops and keeps its best state.
    verbose : default None
        Progress: True, False, or None for a bar where tqdm is installed and somebody looks.
    """

    _system = 'lsnm'

    def __init__(
        self,
        *,
        estimator: Choice = 'splines',
        rule: Choice = 'likelihood',
        decide: float = 1.96,
        level: float = 0.05,
        knots: int = 12,
        degree: int = 3,
        ridge: float = 1e-05,
        hidden: int = 100,
        steps: int = 5000,
        resamples: int = 40,
        permutations: int = 199,
        rows: int = 5000,
        test_rows: int = 500,
        random_state: Any = 0,
        max_time: float | None = None,
        verbose: bool | None = None,
    ) -> None:
        self.estimator = estimator
        self.rule = rule
        self.decide = decide
        self.level = level
        self.knots = knots
        self.degree = degree
        self.ridge = ridge
        self.hidden = hidden
        self.steps = steps
        self.resamples = resamples
        self.permutations = permutations
        self.rows = rows
        self.test_rows = test_rows
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose
