"""Powers of largest likelihood for `outputs.rs`, by scipy 1.17."""

import numpy as np
from scipy import optimize, stats


def best(log_likelihood, low, high):
    return optimize.minimize_scalar(lambda l: -log_likelihood(l), bounds=(low, high), method="bounded", options={"xatol": 1e-10}).x


positive = np.array([0.3, 0.5, 0.9, 1.2, 1.9, 2.5, 4.0, 7.5, 11.0, 30.0])
print("Box-Cox", best(lambda l: stats.boxcox_llf(l, positive), -2, 2))
any_sign = np.array([-1.0, -0.6, -0.4, -0.1, 0.2, 0.3, 0.8, 1.4, 2.0, 3.5])
unit = (any_sign - any_sign.mean()) / any_sign.std(ddof=1)
print("Yeo-Johnson", best(lambda l: stats.yeojohnson_llf(l, unit), 0, 2))
