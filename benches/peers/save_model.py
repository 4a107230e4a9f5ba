"""Fits scikit-learn's Gaussian process on `concrete` and saves it for `first_prediction.py`.

    python save_model.py FOLDER
"""

import sys
import warnings
from pathlib import Path

import common
import joblib
import numpy as np
import tables
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

x, y, _ = tables.read("concrete")
kernel = ConstantKernel(common.VARIANCE) * RBF(np.full(x.shape[1], x.shape[1] ** 0.5)) + WhiteKernel(common.NOISE)
# The hyperparameters stay at the start: prediction costs the same, and nobody waits for a fit.
model = make_pipeline(StandardScaler(), GaussianProcessRegressor(kernel, optimizer=None, normalize_y=True))
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    model.fit(x, y)
joblib.dump(model, Path(sys.argv[1]) / "sklearn.joblib")
