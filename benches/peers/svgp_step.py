"""One step of whitened SVGP with a Gaussian likelihood: bound, its gradient by everything, and Adam. f64.

    python svgp_step.py FOLDER --engine gpytorch|jax --size BATCH [--seconds S]

The value is the bound for all N data in nats, before the first step. Both peers add 1e-6 to the diagonal of K_zz.
"""

import argparse
from importlib.metadata import version

import common
import numpy as np

JITTER = 1e-6


def gpytorch(x, y, z, m, r, batch, seconds):
    torch = common.torch_f64()
    import warnings

    warnings.filterwarnings("ignore", category=FutureWarning)
    import gpytorch as gp

    class Svgp(gp.models.ApproximateGP):
        def __init__(self):
            q = gp.variational.CholeskyVariationalDistribution(len(z))
            strategy = gp.variational.VariationalStrategy(self, torch.from_numpy(z), q, learn_inducing_locations=True, jitter_val=JITTER)
            super().__init__(strategy)
            q.variational_mean.data.copy_(torch.from_numpy(m))
            q.chol_variational_covar.data.copy_(torch.from_numpy(r))
            strategy.variational_params_initialized.fill_(1)
            self.mean_module = gp.means.ZeroMean()
            self.covar_module = gp.kernels.ScaleKernel(gp.kernels.RBFKernel(ard_num_dims=x.shape[1]))
            self.covar_module.outputscale = common.VARIANCE
            self.covar_module.base_kernel.lengthscale = common.NLL_LENGTHSCALE

        def forward(self, inputs):
            return gp.distributions.MultivariateNormal(self.mean_module(inputs), self.covar_module(inputs))

    model, likelihood = Svgp(), gp.likelihoods.GaussianLikelihood()
    likelihood.noise = common.NOISE
    model.train()
    objective = gp.mlls.VariationalELBO(likelihood, model, num_data=len(y))
    optimiser = torch.optim.Adam([*model.parameters(), *likelihood.parameters()], lr=0.01)
    xb, yb = torch.from_numpy(x[:batch]), torch.from_numpy(y[:batch])

    def step():
        optimiser.zero_grad()
        loss = -objective(model(xb), yb)
        loss.backward()
        optimiser.step()
        return loss.item()

    value = -step() * len(y)
    common.row("gpytorch", "gpytorch", "svgp-step", batch, common.measure(step, seconds), value)


def jax(x, y, z, m, r, batch, seconds):
    import jax
    import jax.numpy as jnp
    import optax
    from jax.scipy.linalg import solve_triangular

    jax.config.update("jax_enable_x64", True)
    total, inducing = len(y), len(z)

    def gram(a, b, log_lengthscale, log_variance):
        a, b = a / jnp.exp(log_lengthscale), b / jnp.exp(log_lengthscale)
        squares = (a * a).sum(1)[:, None] + (b * b).sum(1)[None] - 2 * a @ b.T
        return jnp.exp(log_variance - 0.5 * jnp.maximum(squares, 0.0))

    def loss(p, xb, yb):
        r = jnp.tril(p["r"])
        chol = jnp.linalg.cholesky(gram(p["z"], p["z"], p["lengthscale"], p["variance"]) + JITTER * jnp.eye(inducing))
        a = solve_triangular(chol, gram(p["z"], xb, p["lengthscale"], p["variance"]), lower=True)
        mean = a.T @ p["m"]
        variance = jnp.exp(p["variance"]) - (a * a).sum(0) + ((r.T @ a) ** 2).sum(0)
        noise = jnp.exp(p["noise"])
        expected = -0.5 * jnp.log(2 * jnp.pi * noise) - 0.5 * ((yb - mean) ** 2 + variance) / noise
        kl = 0.5 * ((r * r).sum() + p["m"] @ p["m"] - inducing) - jnp.log(jnp.abs(jnp.diagonal(r))).sum()
        return kl / total - expected.mean()

    logs = {"lengthscale": jnp.full(x.shape[1], np.log(common.NLL_LENGTHSCALE)), "variance": jnp.log(common.VARIANCE), "noise": jnp.log(common.NOISE)}
    parameters = {"z": jnp.array(z), "m": jnp.array(m), "r": jnp.array(r), **logs}
    optimiser = optax.adam(0.01)
    state = [parameters, optimiser.init(parameters)]
    xb, yb = jnp.array(x[:batch]), jnp.array(y[:batch])

    @jax.jit
    def update(parameters, memory):
        value, gradient = jax.value_and_grad(loss)(parameters, xb, yb)
        change, memory = optimiser.update(gradient, memory)
        return optax.apply_updates(parameters, change), memory, value

    def step():
        state[0], state[1], value = update(*state)
        return value.block_until_ready()

    value = -float(step()) * total
    common.row("jax", "jax", "svgp-step", batch, common.measure(step, seconds), value, optax=version("optax"))


parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("--engine", choices=["gpytorch", "jax"], required=True)
parser.add_argument("--size", type=int, required=True)
parser.add_argument("--seconds", type=float, default=5.0)
options = parser.parse_args()
arrays = [common.load(options.folder, f"svgp_{part}") for part in "xyzmr"]
globals()[options.engine](*arrays, options.size, options.seconds)
