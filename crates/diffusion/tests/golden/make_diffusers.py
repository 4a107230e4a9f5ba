"""Makes `unet/` (a random UNet2DModel) and `unet.json` (what it returns) with diffusers 0.35.2 and torch 2.x.

Run it in this folder. Half of the attention layers get their names of before 2023, which the loader also takes.
"""
import json
import os

import torch
from diffusers.models.unets.unet_2d import UNet2DModel
from safetensors.torch import save_file

torch.manual_seed(0)
config = dict(
    in_channels=1, out_channels=1, layers_per_block=1, block_out_channels=[4, 8], norm_num_groups=2, attention_head_dim=4,
    down_block_types=["DownBlock2D", "AttnDownBlock2D"], up_block_types=["AttnUpBlock2D", "UpBlock2D"],
    downsample_padding=0, flip_sin_to_cos=False, freq_shift=1, norm_eps=1e-6,
)
model = UNet2DModel(sample_size=8, **config).eval()
with torch.no_grad():
    for p in model.parameters():
        p.add_(0.2 * torch.randn_like(p))
    x = torch.randn(2, 1, 8, 8)
    times = [0, 37, 999]
    outputs = [model(x, torch.tensor(t)).sample.flatten().tolist() for t in times]
old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
weights = {}
for name, value in model.state_dict().items():
    if name.startswith("mid_block.attentions"):
        for new, before in old.items():
            name = name.replace(new, before)
    weights[name] = value.contiguous()
os.makedirs("unet", exist_ok=True)
save_file(weights, "unet/diffusion_pytorch_model.safetensors")
json.dump({"_class_name": "UNet2DModel", **config}, open("unet/config.json", "w"), indent=1)
json.dump({"x": x.flatten().tolist(), "times": times, "outputs": outputs}, open("unet.json", "w"))
