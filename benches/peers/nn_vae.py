"""A training step of the autoencoder 784-400-20, batch 128, f32, PyTorch eager.

    python nn_vae.py FOLDER [--seconds S]
"""

import torch
import torch.nn.functional as F
from nn_common import array, negative_bound, parameters, train

x, noise = array("vae_x"), array("vae_noise")


def loss(p):
    layer = lambda x, i: F.linear(x, p[2 * i], p[2 * i + 1])
    hidden = F.relu(layer(x, 0))
    mean, log_variance = layer(hidden, 1), layer(hidden, 2)
    z = mean + torch.exp(0.5 * log_variance) * noise
    return negative_bound(layer(F.relu(layer(z, 3)), 4), x, mean, log_variance)


train("vae-step", parameters("vae", 10), loss)
