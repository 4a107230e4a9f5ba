import numpy as np

import elbo

# Nine cameras on a circle around a bright spot. A folder does as well: .fit("scene"), with transforms.json or a COLMAP model.
angle = np.linspace(0.0, 2.0 * np.pi, 9, endpoint=False)
nought, one, place = np.zeros(9), np.ones(9), np.arange(16) - 7.5
right = np.stack([-np.sin(angle), nought, np.cos(angle), nought], axis=1)
down = np.stack([nought, one, nought, nought], axis=1)
forward = np.stack([-np.cos(angle), nought, -np.sin(angle), 3.0 * one], axis=1)
spot = 220.0 * np.exp(-(place[:, np.newaxis] ** 2 + place**2) / 8.0)
scene = {
    "image": np.broadcast_to(spot[:, :, np.newaxis], (9, 16, 16, 3)).astype(np.uint8),
    "pose": np.stack([right, down, forward], axis=1),     # world to camera, [9, 3, 4]
    "intrinsics": np.tile([16.0, 16.0, 8.0, 8.0], (9, 1)),
}

model = elbo.GSMCMC(steps=30, points=100, cap=150).fit(scene)
views = model.render(orbit=2, size=(24, 20))     # `image` [2, 20, 24, 3] and `depth`
