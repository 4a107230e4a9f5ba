"""NUTS of NumPyro on three posteriors, for `elbo-dev peers infer`.

    python infer_nuts.py data FOLDER [--tiny]                      the inputs, read by both sides
    python infer_nuts.py run FOLDER --model NAME --seed S          one line of JSON; draws to FOLDER/NAME-draws.npy

Draws are in the free numbers of both sides (logarithms for positive unknowns), so that both sides' effective sizes are computed by the
same function. The sampler is compiled before it is timed. A leapfrog step is one gradient.

The chains themselves fill the threads. JAX factorises and solves with SciPy's BLAS, which would split every solve of 60 rows between threads
of its own that wait for each other, at many times the cost. So that BLAS, which is loaded later than numpy, gets one.
"""

import common  # Before numpy: sets the threads.

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ[_name] = "1"

CHAINS = 4
J, Y, SIGMA = 8, [28.0, 8.0, -3.0, 7.0, -1.0, 1.0, 18.0, 12.0], [15.0, 10.0, 16.0, 11.0, 9.0, 11.0, 10.0, 18.0]


def make(folder, tiny):
    from sklearn.datasets import load_breast_cancer

    folder.mkdir(parents=True, exist_ok=True)
    cancer = load_breast_cancer()
    x = (cancer.data - cancer.data.mean(0)) / cancer.data.std(0)
    rows = 100 if tiny else len(x)
    np.save(folder / "logistic_x.npy", np.hstack([np.ones((rows, 1)), x[:rows]]))
    np.save(folder / "logistic_y.npy", cancer.target[:rows].astype(float))
    rng = np.random.default_rng(3)
    n = 30 if tiny else 60
    x = rng.uniform(-1.7, 1.7, size=(n, 1))
    y = np.sin(2 * x[:, 0]) + 0.5 * x[:, 0] ** 2 + 0.3 * rng.normal(size=n)
    np.save(folder / "gp_x.npy", x)
    np.save(folder / "gp_y.npy", (y - y.mean()) / y.std())


def models(folder):
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist

    def schools():
        mu = numpyro.sample("mu", dist.Normal(0, 5))
        tau = numpyro.sample("tau", dist.HalfCauchy(5))
        raw = numpyro.sample("raw", dist.Normal(0, 1).expand([J]))
        numpyro.sample("y", dist.Normal(mu + tau * raw, jnp.array(SIGMA)), obs=jnp.array(Y))

    lx, ly = jnp.array(common.load(folder, "logistic_x")), jnp.array(common.load(folder, "logistic_y"))

    def logistic():
        w = numpyro.sample("w", dist.Normal(0, 2.5).expand([lx.shape[1]]))
        numpyro.sample("y", dist.Bernoulli(logits=lx @ w), obs=ly)

    gx, gy = jnp.array(common.load(folder, "gp_x")), jnp.array(common.load(folder, "gp_y"))

    def gp():
        scale = numpyro.sample("lengthscale", dist.LogNormal(0, 1).expand([gx.shape[1]]))
        variance = numpyro.sample("variance", dist.LogNormal(0, 1))
        noise = numpyro.sample("noise", dist.LogNormal(-2, 1.5))
        d = (gx[:, None, :] - gx[None, :, :]) / scale
        k = variance * jnp.exp(-0.5 * (d**2).sum(-1)) + noise * jnp.eye(len(gx))
        numpyro.sample("y", dist.MultivariateNormal(jnp.zeros(len(gx)), k), obs=gy)

    # Name, model, and the unknowns in our order with those that are logarithms.
    return {
        "schools": (schools, [("mu", False), ("tau", True), ("raw", False)]),
        "logistic": (logistic, [("w", False)]),
        "gp": (gp, [("lengthscale", True), ("variance", True), ("noise", True)]),
    }


def run(folder, name, seed, warmup, draws, method):
    import jax
    import numpyro
    from numpyro.infer import MCMC, NUTS

    numpyro.enable_x64()
    numpyro.set_host_device_count(CHAINS)
    model, unknowns = models(folder)[name]

    def chain(key):
        kernel = NUTS(model, target_accept_prob=0.8, max_tree_depth=10)
        mcmc = MCMC(kernel, num_warmup=warmup, num_samples=draws, num_chains=1, progress_bar=False)
        mcmc.run(key, extra_fields=("num_steps", "diverging"))
        return mcmc.get_samples(), mcmc.get_extra_fields()

    # MCMC.run traces and compiles anew at every call, so the whole chain is compiled here.
    chains = jax.pmap(chain) if method == "parallel" else jax.jit(jax.vmap(chain))
    keys = jax.random.split(jax.random.PRNGKey(seed), CHAINS)
    compiled = chains.lower(keys).compile()
    start = time.perf_counter()
    samples, extra = jax.block_until_ready(compiled(keys))
    seconds = time.perf_counter() - start
    columns = []
    for unknown, is_log in unknowns:
        values = np.asarray(samples[unknown]).reshape(CHAINS, draws, -1)
        columns.append(np.log(values) if is_log else values)
    np.save(folder / f"{name}-draws.npy", np.concatenate(columns, axis=-1))
    line = {
        "engine": "numpyro",
        "version": numpyro.__version__,
        "model": name,
        "method": method,
        "gradients": int(np.asarray(extra["num_steps"]).sum()),
        "divergences": int(np.asarray(extra["diverging"]).sum()),
        "seconds": seconds,
    }
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["data", "run"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--model", choices=["schools", "logistic", "gp"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--warmup", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--method", choices=["parallel", "vectorized"], default="parallel")
    options = parser.parse_args()
    os.environ["JAX_PLATFORMS"] = "cpu"
    if options.what == "data":
        make(options.folder, options.tiny)
    else:
        run(options.folder, options.model, options.seed, options.warmup, options.draws, options.method)
