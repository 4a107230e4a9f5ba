"""`aevb`, of the family inference. Written by `apps/python/generate.py`; do not edit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .._parts import Choice
from .._verbs import Bounds, Encodes, Reconstructs, Samples


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
    encoder : one of mlp, conv, gru, layers, table, gradient_origin, operator, or none; default None
        The encoder in full, in place of `hidden` and `channels`.
    decoder : one of mlp, conv, gru, layers, or none; default None
        The decoder in full, in place of `hidden` and `channels`.
    family : one of gauss_diag, gauss_full, sigma_points, dirac, categorical, vmf, dirichlet; default 'gauss_diag'
        Family of the posterior: gauss_diag or gauss_full; sigma_points for a Gaussian without noise in
        training, dirac for points, without a spread; categorical for one of `latent` classes, vmf for points
        on a sphere, dirichlet for shares of a whole.
    flow : text, or none; default None
        A flow that its draws go through, with parameters from the encoder for each data point: planar:8,
        iaf:2x32, realnvp:4x32, nice:4x32 or spline:4x8; without one, the posterior is Gaussian.
    topk : whole number at least 1, or none; default None
        How many numbers of a code are kept, those of the largest size, with zeros for the others; without it,
        all.
    prior : one of standard, diagonal, mixture, class_conditional, vamp, hierarchical, shares, dirichlet, samples; default 'standard'
        The prior of the code: standard, diagonal, mixture, class_conditional (with the column of classes as
        target), vamp, hierarchical or samples (with their points); for classes standard or shares, on a
        sphere standard or vamp, for shares standard, dirichlet or vamp.
    density : one of mixture, vae, or none; default None
        What is fitted to the codes of the training data afterwards, for `sample` to draw from in place of the
        prior: mixture, of normals with full covariances, or vae, a second autoencoder. Without it, the prior.
    likelihood : one of bernoulli, continuous_bernoulli, gaussian, laplace, categorical, poisson, negative_binomial, zero_inflated_negative_binomial, multinomial, discretised_logistic, discretised_logistic_mixture, white_noise, similarity, or none; default None
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
    features : one of pca-16, cnn-32; default 'pca-16'
        What samples are compared with the data by: pca-16, the leading principal components; or cnn-32, the
        features of a small network that learns to tell the classes of pictures (with the column of classes as
        target).
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
        topk: int | None = None,
        prior: Choice = 'standard',
        density: Choice | None = None,
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
        features: Choice = 'pca-16',
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
        self.topk = topk
        self.prior = prior
        self.density = density
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
        self.features = features
        self.divergence = divergence
        self.draws = draws
        self.random_state = random_state
        self.max_time = max_time
        self.verbose = verbose
