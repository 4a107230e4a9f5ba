"""The work of markov_kalman.py by dynamax: filter, gradient and smoother of a linear Gaussian state-space model, f64.

    python markov_dynamax.py [--seconds S]

`lgssm_filter` for the value and its gradient, `lgssm_smoother` for the moments, compiled together before they are timed. The model has one set of
dynamics where times are regular and one for each step where they are not.
"""

import common  # Before jax: sets the threads.

import argparse

import jax
import jax.numpy as jnp
import numpy as np
from markov_kalman import series, transition  # Switches jax to f64.

from dynamax.linear_gaussian_ssm.inference import (
    ParamsLGSSM,
    ParamsLGSSMDynamics,
    ParamsLGSSMEmissions,
    ParamsLGSSMInitial,
    lgssm_filter,
    lgssm_smoother,
)


def model(theta, gaps, regular):
    variance, lengthscale, noise = jnp.exp(theta)
    rate = jnp.sqrt(3.0) / lengthscale
    if regular:
        a, q = transition(rate, gaps[1])
        nothing = jnp.zeros(2)
    else:
        # Row t leads to time t; the first one is not used.
        a, q = jax.vmap(transition, in_axes=(None, 0))(rate, gaps)
        nothing = jnp.zeros((len(gaps), 2))
    return ParamsLGSSM(
        initial=ParamsLGSSMInitial(mean=jnp.zeros(2), cov=jnp.eye(2)),
        dynamics=ParamsLGSSMDynamics(weights=a, bias=nothing, input_weights=jnp.zeros((2, 0)), cov=q),
        emissions=ParamsLGSSMEmissions(
            weights=jnp.array([[jnp.sqrt(variance), 0.0]]),
            bias=jnp.zeros(1),
            input_weights=jnp.zeros((1, 0)),
            cov=noise[None, None],
        ),
    )


def main(seconds):
    theta = jnp.log(jnp.array([1.0, 20.0, 0.1]))
    for irregular in [False, True]:
        times, y = series(irregular)
        gaps = jnp.asarray(np.diff(times, prepend=times[0] - 1.0))
        emissions = jnp.asarray(y)[:, None]

        @jax.jit
        def all_of_it(theta, gaps, emissions):
            log = lambda theta: lgssm_filter(model(theta, gaps, not irregular), emissions).marginal_loglik
            value, gradient = jax.value_and_grad(log)(theta)
            found = lgssm_smoother(model(theta, gaps, not irregular), emissions)
            variance = jnp.exp(theta[0])
            return value, gradient, jnp.sqrt(variance) * found.smoothed_means[:, 0], variance * found.smoothed_covariances[:, 0, 0]

        call = lambda: jax.block_until_ready(all_of_it(theta, gaps, emissions))
        timing = common.measure(call, seconds)
        value, gradient, mean, variance = call()
        common.row(
            "dynamax",
            "dynamax",
            "markov",
            "10000 irregular" if irregular else "10000 regular",
            timing,
            float(value),
            gradient=[float(g) for g in gradient],
            smoothed=[float(mean[5000]), float(variance[5000])],
        )


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=5.0)
    main(parser.parse_args().seconds)
