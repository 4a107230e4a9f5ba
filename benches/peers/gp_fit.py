"""Exact Gaussian process on standardised `concrete`: fit to convergence, one start, RBF-ARD, zero mean, f64.

    python gp_fit.py FOLDER --engine gpytorch|gpytorch-adam|sklearn

The value is the final log marginal likelihood; time excludes imports and reading. Every engine starts from variance 1,
lengthscales sqrt(D), noise 0.1, and stops by its own rule.
"""

import argparse
import time
import warnings

import common
import numpy as np


def gpytorch(x, y, name):
    import gpytorch_models as models

    model = models.Regression(x, y, "rbf", x.shape[1] ** 0.5)
    with models.cholesky():
        model.train()
        model.loss().backward()  # The first call sets up threads and kernels; the peer is timed warm.
        start = time.perf_counter()
        evaluations = models.fit_adam(model) if name.endswith("adam") else models.fit_lbfgs(model)
        seconds = time.perf_counter() - start
        value = -model.loss().item() * len(y)
    return "gpytorch", seconds, evaluations, value


def sklearn(x, y, _):
    from scipy.optimize import minimize
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    evaluations = 0

    def default_optimiser(objective, start, bounds):
        """What scikit-learn calls by default, and a count."""
        nonlocal evaluations
        result = minimize(objective, start, method="L-BFGS-B", jac=True, bounds=bounds)
        evaluations = result.nfev
        return result.x, result.fun

    kernel = ConstantKernel(common.VARIANCE) * RBF(np.full(x.shape[1], x.shape[1] ** 0.5)) + WhiteKernel(common.NOISE)
    model = GaussianProcessRegressor(kernel, optimizer=default_optimiser)
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lengthscales of useless inputs end on scikit-learn's bound, as they should.
        model.fit(x, y)
    return "scikit-learn", time.perf_counter() - start, evaluations, model.log_marginal_likelihood_value_


parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("--engine", choices=["gpytorch", "gpytorch-adam", "sklearn"], required=True)
parser.add_argument("--seconds", type=float, help="has no effect: a fit is timed once")
parser.add_argument("--size", type=int, help="number of rows, only to be checked")
options = parser.parse_args()
x, y = (common.load(options.folder, f"concrete_{part}") for part in "xy")
assert options.size in (None, len(y)), f"the folder holds {len(y)} rows"
machine, own = common.cpu_seconds()
package, seconds, evaluations, value = (sklearn if options.engine == "sklearn" else gpytorch)(x, y, options.engine)
foreign = max(0.0, common.cpu_seconds()[0] - machine - (common.cpu_seconds()[1] - own)) / seconds
timing = {"median_ms": 1e3 * seconds, "min_ms": 1e3 * seconds, "repeats": 1, "foreign_cores": round(foreign, 2)}
common.row(options.engine, package, "gp-fit", len(y), timing, value, seconds=seconds, evaluations=evaluations)
