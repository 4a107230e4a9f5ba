"""Exact Gaussian process: negative log marginal likelihood and its gradient, RBF-ARD, f64.

    python gp_nll.py FOLDER --engine gpytorch|sklearn --size N [--seconds S]
"""

import argparse

import common
import numpy as np


def gpytorch(x, y, seconds):
    import gpytorch_models as models

    model = models.Regression(x, y, "rbf", common.NLL_LENGTHSCALE)
    model.train()

    def call():
        model.zero_grad()
        loss = model.loss()
        loss.backward()
        return loss.item()

    with models.cholesky():
        timing = common.measure(call, seconds)
        value = call() * len(y)
    common.row("gpytorch", "gpytorch", "gp-nll", len(y), timing, value, gradient=model.log_gradient())


def sklearn(x, y, seconds):
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    kernel = ConstantKernel(common.VARIANCE) * RBF(np.full(x.shape[1], common.NLL_LENGTHSCALE)) + WhiteKernel(common.NOISE)
    model = GaussianProcessRegressor(kernel, optimizer=None).fit(x, y)
    call = lambda: model.log_marginal_likelihood(model.kernel_.theta, eval_gradient=True, clone_kernel=False)
    timing = common.measure(call, seconds)
    value, gradient = call()
    common.row("sklearn", "scikit-learn", "gp-nll", len(y), timing, -value, gradient=(-gradient).tolist())


parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("--engine", choices=["gpytorch", "sklearn"], required=True)
parser.add_argument("--size", type=int, required=True)
parser.add_argument("--seconds", type=float, default=5.0)
options = parser.parse_args()
globals()[options.engine](*(common.load(options.folder, f"gp_{options.size}_{part}") for part in "xy"), options.seconds)
