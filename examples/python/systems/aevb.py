import numpy as np
import pandas as pd

import elbo

pixels = pd.read_csv("examples/data/small/digits8.csv.gz").filter(like="pixel").to_numpy()
images = (15 * pixels[:400]).astype(np.uint8).reshape(-1, 8, 8)

model = elbo.AEVB(latent=4, hidden=(64,), epochs=3).fit(images[:300])
print(model.evaluate(images[300:], draws=20))     # ELBO, importance-weighted bound, bits per dimension
drawn = model.sample(10)     # [10, 8, 8], bytes as the data are
codes = model.encode(images, bounds=True)     # what the model thinks of each picture stands beside its code
again = model.reconstruct(images[:5])
moved = model.decode(model.traverse(5))     # [20, 8, 8]: one number of the code after the other
