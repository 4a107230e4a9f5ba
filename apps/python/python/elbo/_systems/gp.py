"""The family gp. Written by `apps/python/generate.py`; do not edit."""

# ruff: noqa: E501
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .._parts import Choice
from .._tabular import Classifier, Regressor, Tabular
from .._verbs import Updates
from ..kernels import Kernel

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
]


class GPR(Regressor):
    """Gaussian process regression.

    Exact regression with a Gaussian process and Gaussian noise. The function is a draw from a process with
    kernel `k`; the posterior after seeing `N` rows has a closed form, and so has the probability of the data,
    which learns lengthscales, variance and noise.

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
    it.

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
        Updates of the sites of memory and batch, at most, each time they settle.
    rho : number; default 0.7
        Length of a site update, in (0, 1]; halved while the bound would fall.
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
    k(X, X) + \\varepsilon I$ and $d = y^\\top K^{-1} y$.

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
