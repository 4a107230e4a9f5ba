"""Makes `torch/`: random small networks under the names of public checkpoints, and what they return, with PyTorch.

Run it in this folder; it needs torch and safetensors, and `torch/networks.json` names the version of torch that ran. Weights are single precision,
results double precision. The networks are written out here by their formulas:

- DnCNN under the names of KAIR (`model.0`, with batch norm), of the authors' training code (`module.dncnn.0`, the first convolution alone with a bias), of
  DnCNN-PyTorch (`dncnn.0`, no biases) and of DeepInverse (`in_conv`, no batch norm, the noise with the other sign);
- DDPM++ under the names of EDM (`model.enc.8x8_block0`), with arrays that a loader passes over;
- the network of the DDPM paper under its names in PyTorch (`down.0.block.0`), with the `config.json` of diffusers that says its groups.
"""
import json
import math
import os

import torch
from safetensors.torch import save_file
from torch.nn import functional as F

torch.manual_seed(0)
arrays = {}


def array(name, *shape, mean=0.0, sd=None):
    """A random array, drawn where it is asked for first."""
    if name not in arrays:
        sd = sd if sd is not None else 1.5 / math.sqrt(max(1, math.prod(shape[1:])))
        arrays[name] = (mean + sd * torch.randn(shape)).float().contiguous()
    return arrays[name].double()


def take():
    """All arrays since the last call."""
    taken = dict(arrays)
    arrays.clear()
    return taken


def conv(name, x, out, kernel=3, stride=1, padding=None, bias=True):
    weight = array(f"{name}.weight", out, x.shape[1], kernel, kernel)
    bias = array(f"{name}.bias", out, sd=0.1) if bias else None
    return F.conv2d(x, weight, bias, stride=stride, padding=kernel // 2 if padding is None else padding)


def linear(name, x, out):
    return F.linear(x, array(f"{name}.weight", out, x.shape[1]), array(f"{name}.bias", out, sd=0.1))


def group_norm(name, x, groups):
    scale, shift = array(f"{name}.weight", x.shape[1], mean=1.0, sd=0.2), array(f"{name}.bias", x.shape[1], sd=0.2)
    return F.group_norm(x, groups, scale, shift, 1e-6)


def batch_norm(name, x, epsilon):
    c = x.shape[1]
    scale, shift = array(f"{name}.weight", c, mean=1.0, sd=0.2), array(f"{name}.bias", c, sd=0.2)
    mean = array(f"{name}.running_mean", c, sd=0.2)
    if f"{name}.running_var" not in arrays:
        arrays[f"{name}.running_var"] = 0.5 + torch.rand(c)
        arrays[f"{name}.num_batches_tracked"] = torch.tensor(7)
    return F.batch_norm(x, mean, arrays[f"{name}.running_var"].double(), scale, shift, eps=epsilon)


def sines(values, half):
    frequencies = 1e4 ** (-torch.arange(half).double() / (half - 1))
    angles = values[:, None] * frequencies[None]
    return torch.cat([angles.sin(), angles.cos()], 1)


def attention(query, key, value):
    """[B, C, P] each, one head."""
    weights = torch.softmax(query.transpose(1, 2) @ key / math.sqrt(query.shape[1]), 2)
    return value @ weights.transpose(1, 2)


# DnCNN: depth 4, width 6.


def dncnn(x, front, epsilon, has_bias):
    """The clean picture; batch norm where there is an epsilon."""
    h, place = F.relu(conv(f"{front}.0", x, 6, bias=has_bias(0))), 2
    for i in (1, 2):
        h, place = conv(f"{front}.{place}", h, 6, bias=has_bias(i)), place + 1
        if epsilon is not None:
            h, place = batch_norm(f"{front}.{place}", h, epsilon), place + 1
        h, place = F.relu(h), place + 1
    return x - conv(f"{front}.{place}", h, x.shape[1], bias=has_bias(3))


def deep_inverse(x):
    h = F.relu(conv("in_conv", x, 6))
    for i in (0, 1):
        h = F.relu(conv(f"conv_list.{i}", h, 6))
    return x + conv("out_conv", h, x.shape[1])


# DDPM++ of EDM: 8 x 8 grey pixels, widths 4 and 8, one block each, attention at 4 x 4.


def edm_block(name, x, out, level, size="same", attends=False):
    def resized(x):
        if size == "half":
            return F.avg_pool2d(x, 2)
        return F.interpolate(x, scale_factor=2) if size == "double" else x

    if size != "same":
        for part in ("conv0", "skip"):
            arrays[f"{name}.{part}.resample_filter"] = torch.full((1, 1, 2, 2), 0.25)

    def norm(part, x):
        return group_norm(f"{name}.{part}", x, min(32, x.shape[1] // 4))

    h = conv(f"{name}.conv0", resized(F.silu(norm("norm0", x))), out)
    h = F.silu(norm("norm1", h + linear(f"{name}.affine", level, out)[:, :, None, None]))
    h = conv(f"{name}.conv1", h, out)
    skip = conv(f"{name}.skip", resized(x), out, kernel=1) if x.shape[1] != out or size != "same" else x
    x = (h + skip) * math.sqrt(0.5)
    if not attends:
        return x
    b, c, height, width = x.shape
    # Channel by channel: its query, key and value.
    query, key, value = conv(f"{name}.qkv", norm("norm2", x), 3 * c, kernel=1).reshape(b, c, 3, -1).unbind(2)
    mixed = attention(query, key, value).reshape(b, c, height, width)
    return (conv(f"{name}.proj", mixed, c, kernel=1) + x) * math.sqrt(0.5)


def edm(x, level):
    level = F.silu(linear("model.map_layer0", sines(level, 2), 16))
    level = F.silu(linear("model.map_layer1", level, 16))
    array("model.map_augment.weight", 4, 9)
    e, d = "model.enc.", "model.dec."
    kept = [conv(e + "8x8_conv", x, 4)]
    kept.append(edm_block(e + "8x8_block0", kept[-1], 4, level))
    kept.append(edm_block(e + "4x4_down", kept[-1], 4, level, size="half"))
    kept.append(edm_block(e + "4x4_block0", kept[-1], 8, level, attends=True))
    h = edm_block(d + "4x4_in0", kept[-1], 8, level, attends=True)
    h = edm_block(d + "4x4_in1", h, 8, level)
    for i in (0, 1):
        h = edm_block(d + f"4x4_block{i}", torch.cat([h, kept.pop()], 1), 8, level, attends=i == 1)
    h = edm_block(d + "8x8_up", h, 8, level, size="double")
    for i in (0, 1):
        h = edm_block(d + f"8x8_block{i}", torch.cat([h, kept.pop()], 1), 4, level)
    return conv(d + "8x8_aux_conv", F.silu(group_norm(d + "8x8_aux_norm", h, 1)), 1)


def edm_clean(x, sigma, sd=0.5):
    total = math.sqrt(sigma**2 + sd**2)
    raw = edm(x / total, torch.full((x.shape[0],), math.log(sigma) / 4).double())
    return (sd / total) ** 2 * x + sigma * sd / total * raw


# The paper's network: widths 4 and 8, one block each, attention at 4 x 4, two groups.


def ddpm_block(name, x, out, time):
    h = conv(f"{name}.conv1", F.silu(group_norm(f"{name}.norm1", x, 2)), out)
    h = h + linear(f"{name}.temb_proj", F.silu(time), out)[:, :, None, None]
    h = conv(f"{name}.conv2", F.silu(group_norm(f"{name}.norm2", h, 2)), out)
    return h + (conv(f"{name}.nin_shortcut", x, out, kernel=1) if x.shape[1] != out else x)


def ddpm_attend(name, x):
    normal = group_norm(f"{name}.norm", x, 2)
    query, key, value = (conv(f"{name}.{part}", normal, x.shape[1], kernel=1).flatten(2) for part in "qkv")
    return x + conv(f"{name}.proj_out", attention(query, key, value).reshape(x.shape), x.shape[1], kernel=1)


def ddpm(x, time):
    time = linear("temb.dense.1", F.silu(linear("temb.dense.0", sines(torch.full((x.shape[0],), time).double(), 2), 16)), 16)
    kept = [conv("conv_in", x, 4)]
    kept.append(ddpm_block("down.0.block.0", kept[-1], 4, time))
    kept.append(conv("down.0.downsample.conv", F.pad(kept[-1], (0, 1, 0, 1)), 4, stride=2, padding=0))
    kept.append(ddpm_attend("down.1.attn.0", ddpm_block("down.1.block.0", kept[-1], 8, time)))
    h = ddpm_block("mid.block_1", kept[-1], 8, time)
    h = ddpm_block("mid.block_2", ddpm_attend("mid.attn_1", h), 8, time)
    for i in (0, 1):
        h = ddpm_attend(f"up.1.attn.{i}", ddpm_block(f"up.1.block.{i}", torch.cat([h, kept.pop()], 1), 8, time))
    h = conv("up.1.upsample.conv", F.interpolate(h, scale_factor=2), 8)
    for i in (0, 1):
        h = ddpm_block(f"up.0.block.{i}", torch.cat([h, kept.pop()], 1), 4, time)
    return conv("conv_out", F.silu(group_norm("norm_out", h, 2)), 1)


def numbers(x):
    return x.flatten().tolist()


os.makedirs("torch/ddpm", exist_ok=True)
made = {"torch": torch.__version__, "dncnn": []}
for file, network, front in [
    ("kair", lambda x: dncnn(x, "model", 1e-4, lambda i: True), ""),
    ("authors", lambda x: dncnn(x, "dncnn", 1e-4, lambda i: i == 0), "module."),
    ("dncnn_pytorch", lambda x: dncnn(x, "dncnn", 1e-5, lambda i: False), ""),
    ("deep_inverse", deep_inverse, ""),
]:
    x = torch.rand(2, 3, 5, 4).double()
    made["dncnn"].append({"file": f"{file}.safetensors", "x": numbers(x), "clean": numbers(network(x))})
    save_file({front + name: value for name, value in take().items()}, f"torch/{file}.safetensors")

x, sigmas = torch.randn(2, 1, 8, 8).double(), [0.1, 0.7, 5.0]
made["edm"] = {"x": numbers(x), "sigmas": sigmas, "clean": [numbers(edm_clean(x, s)) for s in sigmas]}
save_file(take(), "torch/edm.safetensors")

x, times = torch.randn(2, 1, 8, 8).double(), [0, 37, 999]
made["ddpm"] = {"x": numbers(x), "times": times, "outputs": [numbers(ddpm(x, t)) for t in times]}
save_file(take(), "torch/ddpm/diffusion_pytorch_model.safetensors")
config = dict(
    in_channels=1, out_channels=1, layers_per_block=1, block_out_channels=[4, 8], norm_num_groups=2, attention_head_dim=None,
    down_block_types=["DownBlock2D", "AttnDownBlock2D"], up_block_types=["AttnUpBlock2D", "UpBlock2D"],
    downsample_padding=0, flip_sin_to_cos=False, freq_shift=1, norm_eps=1e-6,
)
json.dump({"_class_name": "UNet2DModel", **config}, open("torch/ddpm/config.json", "w"), indent=1)
json.dump(made, open("torch/networks.json", "w"))
