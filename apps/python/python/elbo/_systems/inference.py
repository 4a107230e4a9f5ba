"""The family inference. Written by `apps/python/generate.py`; do not edit."""

# ruff: noqa: E501
from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._parts import Choice
from .._tabular import Classifier, Regressor, Tabular
from .._verbs import Bounds, Draws, Encodes, Reconstructs, Samples

__all__ = [
    'FBGVIRegressor',
    'FBGVIClassifier',
    'FlowVIRegressor',
    'FlowVIClassifier',
    'RSVI',
    'AEVB',
    'IWAE',
    'CoinSamplingRegressor',
    'CoinSamplingClassifier',
]


class _FBGVI(Draws, Tabular):
    """Forward-backward Gaussian variational inference via JKO in the Bures-Wasserstein space.

    Finds the Gaussian nearest to a posterior, mean and full covariance, by a proximal-gradient scheme in the
    Wasserstein metric. A step is explicit in the energy $V = -\\log p$ and implicit, in closed form, in the
    entropy.

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


class _FlowVI(Draws, Tabular):
    """Variational Inference with Normalizing Flows.

    A posterior of almost any shape, made by pushing a Gaussian through a chain of invertible maps whose
    parameters are learnt. The density of a draw follows from the base and the log-determinants.

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

    A model of data points with a code for each, and a network that infers the codes.

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
    family : one of gauss_diag, gauss_full, categorical, vmf, dirichlet; default 'gauss_diag'
        Family of the posterior: gauss_diag or gauss_full; categorical for one of `latent` classes, vmf for
        points on a sphere, dirichlet for shares of a whole.
    flow : text, or none; default None
        A flow that its draws go through, with parameters from the encoder for each data point: planar:8,
        iaf:2x32, realnvp:4x32, nice:4x32 or spline:4x8; without one, the posterior is Gaussian.
    prior : one of standard, diagonal, mixture, vamp, hierarchical, shares, dirichlet; default 'standard'
        The prior of the code: standard, diagonal, mixture, vamp or hierarchical; for classes standard or
        shares, on a sphere standard or vamp, for shares standard, dirichlet or vamp.
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
    start_log_variance : number; default 0.0
        About the log variance of Gaussian posteriors when training begins.
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
        start_log_variance: float = 0.0,
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
        self.start_log_variance = start_log_variance
        self.divergence = divergence
        self.draws = draws
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class IWAE(Bounds, Samples, Reconstructs, Encodes):
    """Importance Weighted Autoencoders.

    The model of `aevb` with a tighter bound: `K` draws of the code are averaged as importance weights inside
    the logarithm.

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
    family : one of gauss_diag, gauss_full, categorical, vmf, dirichlet; default 'gauss_diag'
        Family of the posterior: gauss_diag or gauss_full; categorical for one of `latent` classes, vmf for
        points on a sphere, dirichlet for shares of a whole.
    flow : text, or none; default None
        A flow that its draws go through, with parameters from the encoder for each data point: planar:8,
        iaf:2x32, realnvp:4x32, nice:4x32 or spline:4x8; without one, the posterior is Gaussian.
    prior : one of standard, diagonal, mixture, vamp, hierarchical, shares, dirichlet; default 'standard'
        The prior of the code: standard, diagonal, mixture, vamp or hierarchical; for classes standard or
        shares, on a sphere standard or vamp, for shares standard, dirichlet or vamp.
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
    start_log_variance : number; default 0.0
        About the log variance of Gaussian posteriors when training begins.
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
        start_log_variance: float = 0.0,
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
        self.start_log_variance = start_log_variance
        self.draws = draws
        self.groups = groups
        self.beta = beta
        self.gradient = gradient
        self.resample = resample
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose


class _CoinSampling(Draws, Tabular):
    """Coin Sampling: Gradient-Based Bayesian Inference without Learning Rates.

    A few points, moved together until they stand for a posterior, without a learning rate. Each point follows
    a velocity that pulls it to where the posterior is large and pushes it from the other points.

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
