"""The golden values of `scales.rs`: pytorch-msssim on two pictures made by integer arithmetic.

    pip install torch pytorch-msssim
    python make_similarity.py
"""

from importlib.metadata import version

import numpy as np
import torch
from pytorch_msssim import ms_ssim


def picture(salt):
    h, w = 176, 208
    i = np.arange(h * w * 3, dtype=np.int64)
    y, x, k = i // (w * 3), i // 3 % w, i % 3
    smooth = (y * (3 + k) + x * 2 + (y * x) // 29) % 512
    smooth = np.where(smooth < 256, smooth, 511 - smooth)
    noise = (i * 2_654_435_761 + salt * 40_503) % 2**32 // 2**24
    values = np.minimum((smooth * 6 + noise * (1 + salt)) // 8, 255)
    return torch.tensor(values.reshape(1, h, w, 3).transpose(0, 3, 1, 2).astype(np.float64))


# Its own window is made in single precision.
window = torch.exp(-((torch.arange(11, dtype=torch.float64) - 5) ** 2) / (2 * 1.5**2))
window = (window / window.sum()).reshape(1, 1, 1, 11).repeat(3, 1, 1, 1)

print("pytorch-msssim", version("pytorch-msssim"), "torch", torch.__version__)
for a, b in [(0, 1), (0, 3)]:
    print(a, b, repr(ms_ssim(picture(a), picture(b), data_range=255, size_average=True, win=window).item()))
