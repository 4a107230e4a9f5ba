"""Golden values of kernels, from independent implementations.

    python make_kernels.py > kernels.json

scikit-learn gives the stationary, periodic and linear kernels, GPyTorch the spectral mixture, the index kernel and covariances with
gradients, SciPy's quadrature the kernels of wide networks from their definition as expectations.
"""

import json
import platform

import gpytorch
import numpy as np
import scipy
import sklearn
import torch
from scipy.integrate import dblquad
from scipy.special import erf
from sklearn.gaussian_process import kernels as sk

torch.set_default_dtype(torch.float64)
rng = np.random.default_rng(11)
x, z = rng.normal(size=(4, 2)), rng.normal(size=(3, 2))
z[0] = x[0]
one_x, one_z = x[:, :1].copy(), z[:, :1].copy()
scales = [0.7, 1.9]


def flat(a):
    return np.asarray(a).ravel().tolist()


cases = {
    "rbf": sk.RBF(scales)(x, z),
    "matern12": sk.Matern(scales, nu=0.5)(x, z),
    "matern32": sk.Matern(scales, nu=1.5)(x, z),
    "matern52": sk.Matern(scales, nu=2.5)(x, z),
    "rational_quadratic": sk.RationalQuadratic(length_scale=0.8, alpha=1.7)(x, z),
    "periodic": sk.ExpSineSquared(length_scale=0.8, periodicity=1.3)(one_x, one_z),
    "linear": 2.0 * x @ z.T + 0.25,
    "linear_sklearn": sk.DotProduct(sigma_0=0.5)(x, z),
    "polynomial": 1.5 * (x @ z.T / 2 + 0.6) ** 3,
}

spectral = gpytorch.kernels.SpectralMixtureKernel(num_mixtures=2, ard_num_dims=2)
spectral.mixture_weights = torch.tensor([0.7, 1.1])
spectral.mixture_means = torch.tensor([[[0.1, 0.4]], [[0.9, 0.2]]])
spectral.mixture_scales = torch.tensor([[[0.3, 0.2]], [[0.15, 0.6]]])
cases["spectral_mixture"] = spectral(torch.tensor(x), torch.tensor(z)).to_dense().detach().numpy()

index = gpytorch.kernels.IndexKernel(num_tasks=3, rank=2)
w = torch.tensor([[0.3, -0.5], [1.2, 0.4], [-0.7, 0.9]])
index.covar_factor.data = w
index.var = torch.tensor([0.2, 0.5, 0.9])
cases["index"] = index.covar_matrix.to_dense().detach().numpy()

# GPyTorch orders value and gradient point by point; ours has all values first.
for name, kind in {"rbf_gradient": gpytorch.kernels.RBFKernelGrad, "matern52_gradient": gpytorch.kernels.Matern52KernelGrad}.items():
    kernel = kind(ard_num_dims=2)
    kernel.lengthscale = torch.tensor([scales])
    dense = kernel(torch.tensor(x), torch.tensor(z)).to_dense().detach().numpy()
    n, m, p = len(x), len(z), 3
    blocks = dense.reshape(n, p, m, p)
    rows = [(i, 0) for i in range(n)] + [(i, d) for i in range(n) for d in (1, 2)]
    columns = [(j, 0) for j in range(m)] + [(j, d) for j in range(m) for d in (1, 2)]
    cases[name] = np.array([[blocks[i, a, j, b] for j, b in columns] for i, a in rows])


def expected(kuu, kvv, kuv, f):
    """Mean of f(u) f(v) for a pair of normals."""
    factor = np.linalg.cholesky(np.array([[kuu, kuv], [kuv, kvv]]))

    def integrand(r, angle):
        a, b = r * np.cos(angle), r * np.sin(angle)
        u, v = factor @ np.array([a, b])
        return f(u) * f(v) * np.exp(-0.5 * r * r) * r / (2 * np.pi)

    # Split where u or v changes sign, so that the integrand is smooth on each piece.
    edges = sorted(
        {0.0, 2 * np.pi}
        | {t % (2 * np.pi) for t in (np.pi / 2, 3 * np.pi / 2)}
        | {(np.arctan2(-factor[1, 0], factor[1, 1]) + k * np.pi) % (2 * np.pi) for k in (0, 1)}
    )
    return sum(dblquad(integrand, lo, hi, 0, 12, epsabs=1e-11, epsrel=1e-11)[0] for lo, hi in zip(edges, edges[1:]))


def network(f, depth, w, b):
    """The kernel of a network with `depth` wide hidden layers, layer by layer from its definition."""
    out = np.zeros((2, 2))
    for i in range(2):
        for j in range(2):
            u, v = x[i], z[j + 1]
            kuu, kvv, kuv = (b + w * (p @ q) / 2 for p, q in ((u, u), (v, v), (u, v)))
            for _ in range(depth):
                kuu, kvv, kuv = (b + w * expected(*args, f) for args in ((kuu, kuu, kuu * (1 - 1e-13)), (kvv, kvv, kvv * (1 - 1e-13)), (kuu, kvv, kuv)))
            out[i, j] = kuv
    return out


cases["nngp_relu"] = network(lambda t: max(t, 0.0), 2, 1.6, 0.3)
cases["nngp_erf"] = network(erf, 2, 1.6, 0.3)
for order in (0, 1, 2):
    out = np.zeros((2, 2))
    for i in range(2):
        for j in range(2):
            u, v = x[i], z[j + 1]
            ws = np.array([0.5, 1.5])
            kuu, kvv, kuv = (0.4 + (ws * p) @ q for p, q in ((u, u), (v, v), (u, v)))
            out[i, j] = 2 * expected(kuu, kvv, kuv, lambda t: float(t > 0) * t**order)
    cases[f"arc_cosine{order}"] = out

print(
    json.dumps(
        {
            "versions": {
                "python": platform.python_version(),
                "numpy": np.__version__,
                "scipy": scipy.__version__,
                "scikit-learn": sklearn.__version__,
                "gpytorch": gpytorch.__version__,
            },
            "x": flat(x),
            "z": flat(z),
            "cases": {name: flat(value) for name, value in cases.items()},
        },
        indent=1,
    )
)
