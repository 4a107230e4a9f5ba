import numpy as np
import pandas as pd

import elbo

pixels = pd.read_csv("examples/data/small/digits8.csv.gz").filter(like="pixel").to_numpy()
images = (15 * pixels[:301]).astype(np.uint8).reshape(-1, 8, 8)

model = elbo.RedDiff().fit(images[:300])     # the images themselves are the prior
mask = np.zeros((1, 8, 8), np.uint8)
mask[:, :4] = 255     # the upper half is missing
restored = model.restore(images[300:], mask=mask, steps=50)
drawn = model.sample(4)
