import numpy as np
from PIL import Image

import elbo

rocket = np.asarray(Image.open("examples/data/photos/rocket.png"))
photos = [rocket[:96, :128], rocket[96:192, 128:256]]     # or a folder: "photos/"

model = elbo.GGMCodec(latents=16, second=8, width=16, hyper=8, steps=10, entropy_steps=3, batch=1).fit(photos)
file = model.compress(photos[0], quality=5)
again = model.decompress(file)     # [96, 128, 3]
print(len(file), "bytes")
