"""1000 rounds of `x <- tanh(x w + b)` on 16x16 matrices in f32, forward and backward, PyTorch eager: overhead per operation.

    python tiny_ops.py FOLDER [--size ROUNDS] [--seconds S]

The value is the sum of the last `x`, and `gradient` the sums of the gradients of `w` and `b`.
"""

import argparse

import common

parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("--engine", choices=["torch"], default="torch")
parser.add_argument("--size", type=int, default=1000)
parser.add_argument("--seconds", type=float, default=5.0)
options = parser.parse_args()

import torch

torch.set_num_threads(common.THREADS)
w, b = (torch.from_numpy(common.load(options.folder, f"tiny_{part}")).requires_grad_() for part in "wb")


def call():
    w.grad = b.grad = None
    x = torch.ones(16, 16)
    for _ in range(options.size):
        x = torch.tanh(x @ w + b)
    total = x.sum()
    total.backward()
    return total.item()


timing = common.measure(call, options.seconds)
value = call()
common.row("torch", "torch", "tiny-ops", options.size, timing, value, gradient=[w.grad.sum().item(), b.grad.sum().item()])
