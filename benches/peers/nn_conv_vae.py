"""A training step of the convolutional autoencoder (32 and 64 channels at stride 2, 16 latent numbers), batch 64, f32, PyTorch eager.

    python nn_conv_vae.py FOLDER [--seconds S]
"""

import torch
import torch.nn.functional as F
from nn_common import array, negative_bound, parameters, train

x, noise = array("conv_vae_x"), array("conv_vae_noise")


def loss(p):
    layer = lambda x, i: F.linear(x, p[2 * i], p[2 * i + 1])
    down = lambda x, i: F.conv2d(x, p[2 * i], p[2 * i + 1], stride=2, padding=1)
    up = lambda x, i: F.conv_transpose2d(x, p[2 * i], p[2 * i + 1], stride=2, padding=1)
    hidden = F.relu(down(F.relu(down(x, 0)), 1)).flatten(1)
    mean, log_variance = layer(hidden, 2), layer(hidden, 3)
    z = mean + torch.exp(0.5 * log_variance) * noise
    image = F.relu(layer(z, 4)).view(-1, 64, 7, 7)
    return negative_bound(up(F.relu(up(image, 5)), 6), x, mean, log_variance)


train("conv-vae-step", parameters("conv_vae", 14), loss)
