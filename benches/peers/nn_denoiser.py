"""A training step of a small U-shaped denoiser of 3x32x32 images, batch 16, f32, PyTorch eager.

    python nn_denoiser.py FOLDER [--seconds S]
"""

import torch
import torch.nn.functional as F
from nn_common import array, parameters, train

x = array("denoiser_x")


def loss(p):
    conv = lambda x, i, stride=1: F.conv2d(x, p[2 * i], p[2 * i + 1], stride=stride, padding=1)
    norm = lambda x, i: F.group_norm(x, 8, p[2 * i], p[2 * i + 1], 1e-5)
    fine = F.silu(norm(conv(x, 0), 1))
    coarse = F.silu(norm(conv(fine, 2, 2), 3))
    coarse = coarse + conv(F.silu(conv(coarse, 4)), 5)
    up = F.conv_transpose2d(coarse, p[12], p[13], stride=2, padding=1)
    joined = F.silu(conv(torch.cat([up, fine], 1), 7))
    return (conv(joined, 8) - x).square().mean()


train("denoiser-step", parameters("denoiser", 18), loss)
