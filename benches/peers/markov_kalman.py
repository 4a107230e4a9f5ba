"""Matérn-3/2 process on 10,000 times: log likelihood, its gradient, smoothed means and variances, f64.

    python markov_kalman.py [--seconds S]

A Kalman filter and RTS smoother as `jax.lax.scan` with `jax.value_and_grad`, compiled before it is timed. markov_dynamax.py does the same with
dynamax. Beside both: `cargo run --release -p elbo-markov --example linear_time -- --peer`.
"""

import common  # Before jax: sets the threads.

import argparse
import os

os.environ["JAX_PLATFORMS"] = "cpu"
import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)


def series(irregular):
    k = np.arange(10_000.0)
    times = k + (0.3 * np.sin(1.7 * k) if irregular else 0.0)
    return times, np.sin(0.05 * times) + 0.5 * np.cos(0.9 * times)


def transition(rate, gap):
    """Exact transition of a unit Matérn-3/2 process in the coordinates (f, f' / rate); Q = I - A A'."""
    u = rate * gap
    a = jnp.exp(-u) * jnp.array([[1 + u, u], [-u, 1 - u]])
    return a, jnp.eye(2) - a @ a.T


def filtered(theta, gaps, y, regular):
    variance, lengthscale, noise = jnp.exp(theta)
    rate = jnp.sqrt(3.0) / lengthscale
    h = jnp.array([jnp.sqrt(variance), 0.0])
    fixed = transition(rate, gaps[1])

    def step(carry, now):
        mean, cov, first = carry
        gap, value = now
        a, q = fixed if regular else transition(rate, gap)
        mean = jnp.where(first, mean, a @ mean)
        cov = jnp.where(first, cov, a @ cov @ a.T + q)
        predicted = (mean, cov)
        gain = cov @ h
        total = h @ gain + noise
        v = value - h @ mean
        mean = mean + gain * v / total
        cov = cov - jnp.outer(gain, gain) / total
        log = -0.5 * (v * v / total + jnp.log(2 * jnp.pi * total))
        return (mean, cov, False), (log, mean, cov, *predicted)

    _, out = jax.lax.scan(step, (jnp.zeros(2), jnp.eye(2), True), (gaps, y))
    return out[0].sum(), (out[1:], fixed, rate, h)


def smoothed(extra, gaps, regular):
    (mean, cov, mean_pred, cov_pred), fixed, rate, h = extra

    def step(carry, now):
        ms, ps = carry
        m, p, m_next, p_next, gap = now
        a = fixed[0] if regular else transition(rate, gap)[0]
        gain = jnp.linalg.solve(p_next, a @ p).T
        ms = m + gain @ (ms - m_next)
        ps = p + gain @ (ps - p_next) @ gain.T
        return (ms, ps), (h @ ms, h @ ps @ h)

    last = (mean[-1], cov[-1])
    _, (m, v) = jax.lax.scan(step, last, (mean[:-1], cov[:-1], mean_pred[1:], cov_pred[1:], gaps[1:]), reverse=True)
    return jnp.append(m, h @ last[0]), jnp.append(v, h @ last[1] @ h)


def rows(engine, build, seconds):
    """One row for regular and one for irregular times; `build(regular)` makes a compiled function of parameters, gaps and values."""
    theta = jnp.log(jnp.array([1.0, 20.0, 0.1]))
    for irregular in [False, True]:
        times, y = series(irregular)
        gaps, y = jnp.asarray(np.diff(times, prepend=times[0] - 1.0)), jnp.asarray(y)
        all_of_it = build(not irregular)
        call = lambda: jax.block_until_ready(all_of_it(theta, gaps, y))
        timing = common.measure(call, seconds)
        value, gradient, mean, variance = call()
        common.row(
            engine,
            engine,
            "markov",
            "10000 irregular" if irregular else "10000 regular",
            timing,
            float(value),
            gradient=[float(g) for g in gradient],
            smoothed=[float(mean[5000]), float(variance[5000])],
        )


def seconds():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=5.0)
    return parser.parse_args().seconds


def build(regular):
    @jax.jit
    def all_of_it(theta, gaps, y):
        (value, extra), gradient = jax.value_and_grad(filtered, has_aux=True)(theta, gaps, y, regular)
        return value, gradient, *smoothed(extra, gaps, regular)

    return all_of_it


if __name__ == "__main__":
    rows("jax", build, seconds())
