import numpy as np

import elbo

rng = np.random.default_rng(0)
time = np.arange(30.0)[:, np.newaxis]
frames = np.sin(0.3 * time + np.arange(5)) + rng.normal(0, 0.1, (4, 30, 5))     # sequences, times, numbers

model = elbo.MarkovianGPVAE(latents=2, steps=50).fit(frames)
codes = model.encode(frames)     # smooth codes `z`, and frames `mean`, `sd`
smooth = model.reconstruct(frames)
drawn = model.sample(2)     # new sequences
