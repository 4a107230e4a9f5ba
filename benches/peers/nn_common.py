"""What the network scripts share: arguments, the arrays of `nn_data.py`, and a training step with Adam in PyTorch eager."""

import argparse

import common

parser = argparse.ArgumentParser()
parser.add_argument("folder")
parser.add_argument("--engine", choices=["torch"], default="torch")
parser.add_argument("--size", type=int, default=0)  # The batch is in the data; the table shows it.
parser.add_argument("--seconds", type=float, default=5.0)
options = parser.parse_args()

import torch

torch.set_num_threads(common.THREADS)
STEPS = 3


def array(name):
    return torch.from_numpy(common.load(options.folder, name))


def parameters(name, count):
    return [array(f"{name}_{i}").requires_grad_() for i in range(count)]


def negative_bound(logits, x, mean, log_variance):
    likelihood = torch.nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    return (likelihood - 0.5 * (1 + log_variance - mean * mean - log_variance.exp()).sum()) / x.shape[0]


def train(work, network, loss):
    optimiser = torch.optim.Adam(network, lr=1e-3)

    def step():
        optimiser.zero_grad()
        value = loss(network)
        value.backward()
        optimiser.step()
        return value.item()

    value = [step() for _ in range(STEPS + 1)][-1]
    common.row("torch", "torch", work, options.size, common.measure(step, options.seconds, warm=5), value)
