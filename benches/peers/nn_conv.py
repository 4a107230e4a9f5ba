"""A 3x3 convolution, 64 to 64 channels, on 64x64 images, batch 8, f32: forward, and backward by everything, PyTorch eager.

    python nn_conv.py FOLDER [--seconds S]

The value is the mean square, and `gradient` the norms of the gradients of filters, biases and images.
"""

import common
import torch.nn.functional as F
from nn_common import array, options

x, w, b = (array(name).requires_grad_() for name in ("conv_x", "conv_0", "conv_1"))


def call():
    x.grad = w.grad = b.grad = None
    value = F.conv2d(x, w, b, padding=1).square().mean()
    value.backward()
    return value.item()


timing = common.measure(call, options.seconds, warm=5)
value = call()
norms = [part.grad.norm().item() for part in (w, b, x)]
common.row("torch", "torch", "conv-both", options.size, timing, value, gradient=norms)
