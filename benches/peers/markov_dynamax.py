"""The work of markov_kalman.py by dynamax: filter, gradient and smoother of a linear Gaussian state-space model, f64.

    python markov_dynamax.py [--seconds S]

`lgssm_filter` for the value and its gradient, `lgssm_smoother` for the moments, compiled together before they are timed. The model has one set of
dynamics where times are regular and one for each step where they are not.
"""

from markov_kalman import rows, seconds, transition  # Before jax: sets threads and f64.

import jax
import jax.numpy as jnp

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


def build(regular):
    @jax.jit
    def all_of_it(theta, gaps, y):
        emissions = y[:, None]
        log = lambda theta: lgssm_filter(model(theta, gaps, regular), emissions).marginal_loglik
        value, gradient = jax.value_and_grad(log)(theta)
        found = lgssm_smoother(model(theta, gaps, regular), emissions)
        variance = jnp.exp(theta[0])
        return value, gradient, jnp.sqrt(variance) * found.smoothed_means[:, 0], variance * found.smoothed_covariances[:, 0, 0]

    return all_of_it


if __name__ == "__main__":
    rows("dynamax", build, seconds())
