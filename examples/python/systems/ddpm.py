import numpy as np
import pandas as pd

import elbo

pixels = pd.read_csv("examples/data/small/digits8.csv.gz").filter(like="pixel").to_numpy()
images = (15 * pixels[:300]).astype(np.uint8).reshape(-1, 8, 8)

model = elbo.DDPM(widths=(8, 8), iterations=60, steps=10, measured=0).fit(images)
drawn = model.sample(4)     # [4, 8, 8]

mask = np.zeros((1, 8, 8), np.uint8)
mask[:, :4] = 255     # the upper half is missing
restored = model.restore(images[:1], mask=mask, steps=20)
