"""Weights, inputs and outputs of PyTorch's layers, and of a small autoencoder saved by PyTorch.

Run with PyTorch 2.15.0 and safetensors 0.8.0:  python make_torch.py
Writes layers.safetensors (for each case `case/w/NAME`, `case/input`, `case/output`) and vae.safetensors (a state_dict) with
vae_expected.safetensors beside it.
"""

import os

import torch
from safetensors.torch import save_file
from torch import nn

HERE = os.path.dirname(os.path.abspath(__file__))
torch.manual_seed(0)
cases = {}


def case(name, module, x, output=None):
    with torch.no_grad():
        y = module(x) if output is None else output(module, x)
    for key, value in module.state_dict().items():
        if not key.endswith("num_batches_tracked"):
            cases[f"{name}/w/{key}"] = value.clone().contiguous()
    cases[f"{name}/input"] = x.clone().float().contiguous()
    cases[f"{name}/output"] = y.clone().contiguous()


def shaken(module):
    """Norms start at ones and zeros, which would hide a swapped pair."""
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.3 * torch.randn_like(p))
        for name, b in module.named_buffers():
            if name.endswith("running_mean"):
                b.add_(0.3 * torch.randn_like(b))
            if name.endswith("running_var"):
                b.mul_(0.5 + torch.rand_like(b))
    return module


def randn(*shape):
    return torch.randn(*shape)


case("linear", nn.Linear(5, 3), randn(4, 5))
case("linear_rank3", nn.Linear(5, 3, bias=False), randn(2, 3, 5))
case("conv", nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2), randn(2, 4, 7, 6))
case("conv_transpose", nn.ConvTranspose2d(4, 3, 3, stride=2, padding=1, output_padding=(0, 1)), randn(2, 4, 4, 3))
case("max_pool", nn.MaxPool2d(2), randn(2, 3, 5, 6))
case("mean_pool", nn.AvgPool2d(2), randn(2, 3, 5, 6))
case("nearest", nn.Upsample(scale_factor=2, mode="nearest"), randn(2, 3, 4, 3))
case("bilinear", nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False), randn(2, 3, 4, 3))
case("layer_norm", shaken(nn.LayerNorm([3, 4])), randn(2, 5, 3, 4))
case("group_norm", shaken(nn.GroupNorm(2, 6)), randn(2, 6, 3, 3))
case("batch_norm", shaken(nn.BatchNorm2d(3)).eval(), randn(4, 3, 5, 5))

training = shaken(nn.BatchNorm2d(3)).train()
before = {k: v.clone() for k, v in training.state_dict().items()}
x = randn(4, 3, 5, 5)
y = training(x).detach()
for key, value in before.items():
    if not key.endswith("num_batches_tracked"):
        cases[f"batch_norm_training/w/{key}"] = value
cases["batch_norm_training/input"], cases["batch_norm_training/output"] = x, y
cases["batch_norm_training/running_mean"] = training.running_mean.clone()
cases["batch_norm_training/running_var"] = training.running_var.clone()

case("embedding", nn.Embedding(7, 4), torch.randint(0, 7, (3, 5)))
case("gru_all", nn.GRU(3, 4, num_layers=2, batch_first=True), randn(2, 5, 3), lambda m, x: m(x)[0])
case("gru_last", nn.GRU(3, 4, num_layers=2, batch_first=True), randn(2, 5, 3), lambda m, x: m(x)[1][-1])
causal = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1)
attention = nn.MultiheadAttention(8, 2, batch_first=True)
with torch.no_grad():
    attention.in_proj_bias.normal_()
    attention.out_proj.bias.normal_()
case("attention", attention, randn(2, 5, 8), lambda m, x: m(x, x, x)[0])
case("attention_causal", attention, randn(2, 5, 8), lambda m, x: m(x, x, x, attn_mask=causal)[0])
block = shaken(nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, activation="gelu", batch_first=True, norm_first=True))
case("transformer", block.train(), randn(2, 5, 8))
for name, f in {
    "relu": nn.ReLU(), "leaky_relu": nn.LeakyReLU(0.01), "tanh": nn.Tanh(), "sigmoid": nn.Sigmoid(), "softplus": nn.Softplus(),
    "elu": nn.ELU(), "gelu": nn.GELU(), "silu": nn.SiLU(),
}.items():
    case(f"activation_{name}", f, 2 * randn(3, 7))
save_file(cases, os.path.join(HERE, "layers.safetensors"))


class Autoencoder(nn.Module):
    """A convolutional autoencoder as one writes it with PyTorch."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.BatchNorm2d(4), nn.ReLU(),
            nn.Conv2d(4, 6, 3, stride=2, padding=1), nn.BatchNorm2d(6), nn.ReLU(),
            nn.Flatten(), nn.Linear(6 * 2 * 2, 6))
        self.decoder = nn.Sequential(
            nn.Linear(3, 6 * 2 * 2), nn.ReLU(), nn.Unflatten(1, (6, 2, 2)),
            nn.ConvTranspose2d(6, 4, 3, stride=2, padding=1, output_padding=(1, 1)), nn.BatchNorm2d(4), nn.ReLU(),
            nn.ConvTranspose2d(4, 1, 3, stride=2, padding=1, output_padding=(1, 0)))


model = shaken(Autoencoder()).eval()
save_file({k: v.contiguous() for k, v in model.state_dict().items()}, os.path.join(HERE, "vae.safetensors"))
x, z = torch.rand(2, 1, 8, 7), randn(2, 3)
with torch.no_grad():
    raw = model.encoder(x)
    expected = {"x": x, "mean": raw[:, :3].contiguous(), "log_variance": raw[:, 3:].contiguous(), "z": z,
                "logits": model.decoder(z).contiguous()}
save_file(expected, os.path.join(HERE, "vae_expected.safetensors"))
