import numpy as np

import elbo

rng = np.random.default_rng(0)
wave = np.sin(0.1 * np.arange(100))[:, np.newaxis] * np.array([1.0, -1.0, 1.0, -1.0, 1.0, -1.0])
counts = rng.poisson(np.exp(0.3 + 0.8 * wave), (3, 100, 6))     # trials, bins, neurons

model = elbo.CVHM(trajectories=1, rounds=5).fit(counts)
codes = model.encode(counts)     # `latent_1` and `latent_1_sd`, [3, 100]
rates = model.reconstruct(counts)
