import numpy as np

import elbo

rng = np.random.default_rng(0)
shares = rng.gamma(1.0, 1.0, (100, 3))     # how much each of 100 texts has of three topics
words = rng.gamma(1.0, 2.0, (3, 12))
counts = rng.poisson(shares @ words)

model = elbo.RSVI(layers=(3,), steps=200).fit(counts)
codes = model.encode(counts)     # columns by name; model.transform gives the array
drawn = model.sample(10)
