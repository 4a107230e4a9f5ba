"""A picture of 20 000 Gaussians at 256 x 256 pixels and its derivative, in plain PyTorch.

    python splat_render.py gaussians.ply [--engine torch|gsplat] [--seconds S]

The file is the one that `cargo run --release -p elbo-splat --example render_speed -- gaussians.ply` writes. Projection, harmonics and thresholds are
those of gsplat's pure-PyTorch reference; compositing is by tiles of 16 x 16 pixels with dense arrays of pixels by Gaussians and a
cumulative product, all derivatives by autograd. With `--engine gsplat` covariances, projection and harmonics are gsplat's own functions
(gsplat 1.5.3, `cuda/_torch_impl.py`); its compositing finds the pairs of pixel and Gaussian with a CUDA kernel and cannot run here. `value` is the mean square of the picture, `gradient` the norms of its derivative in means,
scales, rotations, opacities and harmonics.
"""

import argparse
import math

import common
import numpy as np
import torch

torch.set_num_threads(common.THREADS)
SIDE, TILE = 256, 16

parser = argparse.ArgumentParser()
parser.add_argument("file")
parser.add_argument("--engine", choices=["torch", "gsplat"], default="torch")
parser.add_argument("--seconds", type=float, default=2.0)
options = parser.parse_args()

raw = open(options.file, "rb").read()
head, body = raw.split(b"end_header\n", 1)
names = [line.split()[2] for line in head.decode().splitlines() if line.startswith("property")]
table = np.frombuffer(body, "<f4").reshape(-1, len(names))


def columns(*wanted):
    return torch.tensor(np.stack([table[:, names.index(name)] for name in wanted], 1).copy())


mean = columns("x", "y", "z")
scale = columns(*(f"scale_{k}" for k in range(3)))
rotation = columns(*(f"rot_{k}" for k in range(4)))
opacity = columns("opacity")[:, 0]
rest = columns(*(f"f_rest_{k}" for k in range(45))).reshape(-1, 3, 15).transpose(1, 2)
sh = torch.cat([columns("f_dc_0", "f_dc_1", "f_dc_2")[:, None], rest], 1).contiguous()
parameters = [p.requires_grad_() for p in (mean, scale, rotation, opacity, sh)]


def unit(v):
    return v / np.linalg.norm(v)


eye = np.array([0.4, -3.0, 1.2])
forward = unit(-eye)
right = unit(np.cross(forward, [0.0, 0.0, 1.0]))
down = np.cross(forward, right)
R64 = np.stack([right, down, forward])
R = torch.tensor(R64, dtype=torch.float32)
tau = torch.tensor(-R64 @ eye, dtype=torch.float32)
position = torch.tensor(eye, dtype=torch.float32)
focal, centre = 0.5 * SIDE / math.tan(0.4), 0.5 * SIDE


def harmonics(n):
    x, y, z = n.unbind(1)
    xx, yy, zz = x * x, y * y, z * z
    return torch.stack(
        [
            torch.full_like(x, 0.28209479177387814),
            -0.4886025119029199 * y,
            0.4886025119029199 * z,
            -0.4886025119029199 * x,
            1.0925484305920792 * x * y,
            -1.0925484305920792 * y * z,
            0.31539156525252005 * (2 * zz - xx - yy),
            -1.0925484305920792 * x * z,
            0.5462742152960396 * (xx - yy),
            -0.5900435899266435 * y * (3 * xx - yy),
            2.890611442640554 * x * y * z,
            -0.4570457994644658 * y * (4 * zz - xx - yy),
            0.3731763325901154 * z * (2 * zz - 3 * xx - 3 * yy),
            -0.4570457994644658 * x * (4 * zz - xx - yy),
            1.445305721320277 * z * (xx - yy),
            -0.5900435899266435 * x * (xx - 3 * yy),
        ],
        1,
    )


def project():
    t = mean @ R.T + tau
    z = t[:, 2]
    u = focal * t[:, 0] / z + centre
    v = focal * t[:, 1] / z + centre
    q = rotation / rotation.norm(dim=1, keepdim=True)
    w, x, y, zq = q.unbind(1)
    turn = torch.stack(
        [
            1 - 2 * (y * y + zq * zq), 2 * (x * y - w * zq), 2 * (x * zq + w * y),
            2 * (x * y + w * zq), 1 - 2 * (x * x + zq * zq), 2 * (y * zq - w * x),
            2 * (x * zq - w * y), 2 * (y * zq + w * x), 1 - 2 * (x * x + y * y),
        ],
        1,
    ).reshape(-1, 3, 3)  # fmt: skip
    root = R @ (turn * scale.exp()[:, None, :])
    limit = 1.3 * 0.5 * SIDE / focal
    rx, ry = (t[:, 0] / z).clamp(-limit, limit), (t[:, 1] / z).clamp(-limit, limit)
    zero = torch.zeros_like(z)
    J = torch.stack([focal / z, zero, -focal * rx / z, zero, focal / z, -focal * ry / z], 1).reshape(-1, 2, 3)
    A = J @ root
    S = A @ A.transpose(1, 2)
    a, b, c = S[:, 0, 0] + 0.3, S[:, 0, 1], S[:, 1, 1] + 0.3
    det = a * c - b * b
    o = torch.sigmoid(opacity)
    n = mean - position
    n = n / n.norm(dim=1, keepdim=True)
    colour = ((harmonics(n)[:, :, None] * sh).sum(1) + 0.5).clamp_min(0)
    reach = (2 * torch.log(255 * o)).clamp_min(0).sqrt()
    return u, v, z, c / det, -b / det, a / det, o, colour, reach * a.sqrt(), reach * c.sqrt()


def project_by_gsplat():
    from gsplat.cuda import _torch_impl as gsplat

    covariance, _ = gsplat._quat_scale_to_covar_preci(rotation, scale.exp(), compute_preci=False)
    view, lens = torch.eye(4), torch.tensor([[focal, 0.0, centre], [0.0, focal, centre], [0.0, 0.0, 1.0]])
    view[:3, :3], view[:3, 3] = R, tau
    _, at, z, conic, _ = gsplat._fully_fused_projection(mean, covariance, view[None], lens[None], SIDE, SIDE)
    q11, q12, q22 = conic[0].unbind(1)
    det = q11 * q22 - q12 * q12
    o = torch.sigmoid(opacity)
    colour = (gsplat._spherical_harmonics(3, mean - position, sh) + 0.5).clamp_min(0)
    reach = (2 * torch.log(255 * o)).clamp_min(0).sqrt()
    halves = reach * (q22 / det).sqrt(), reach * (q11 / det).sqrt()
    return *at[0].unbind(1), z[0], q11, q12, q22, o, colour, *halves


def picture():
    u, v, z, q11, q12, q22, o, colour, hx, hy = (project_by_gsplat if options.engine == "gsplat" else project)()
    with torch.no_grad():
        seen = (z > 0.01) & (o > 1 / 255) & (u + hx > 0) & (u - hx < SIDE) & (v + hy > 0) & (v - hy < SIDE)
        order = torch.nonzero(seen)[:, 0]
        order = order[z[order].argsort()]
        low_x, high_x = (u - hx)[order], (u + hx)[order]
        low_y, high_y = (v - hy)[order], (v + hy)[order]
        corners = [(left, top) for top in range(0, SIDE, TILE) for left in range(0, SIDE, TILE)]
        lists = [
            order[(high_x > left) & (low_x < left + TILE) & (high_y > top) & (low_y < top + TILE)] for left, top in corners
        ]
    # One gather for all tiles: its derivative is one scatter.
    wide = torch.cat([torch.stack([u, v, q11, q12, q22, o], 1), colour], 1)
    parts = wide[torch.cat(lists)].split([len(ids) for ids in lists])
    steps = torch.arange(TILE) + 0.5
    tiles = []
    for (left, top), part in zip(corners, parts):
        px, py = (left + steps).repeat(TILE), (top + steps).repeat_interleave(TILE)
        dx, dy = part[:, 0] - px[:, None], part[:, 1] - py[:, None]
        sigma = 0.5 * (part[:, 2] * dx * dx + part[:, 4] * dy * dy) + part[:, 3] * dx * dy
        alpha = (part[:, 5] * torch.exp(-sigma)).clamp_max(0.99)
        alpha = torch.where((sigma >= 0) & (alpha >= 1 / 255), alpha, torch.zeros_like(alpha))
        after = torch.cumprod(1 - alpha, 1)
        before = torch.cat([torch.ones_like(after[:, :1]), after[:, :-1]], 1)
        weight = torch.where(after >= 1e-4, alpha * before, torch.zeros_like(alpha))
        tiles.append((weight @ part[:, 6:]).reshape(TILE, TILE, 3))
    side = SIDE // TILE
    return torch.cat([torch.cat(tiles[k * side : (k + 1) * side], 1) for k in range(side)], 0)


def call():
    for p in parameters:
        p.grad = None
    value = picture().square().mean()
    value.backward()
    return value.item()


timing = common.measure(call, options.seconds, least=3, warm=1)
value = call()
norms = [p.grad.norm().item() for p in parameters]
common.row(options.engine, options.engine, "splat-render", len(table), timing, value, gradient=norms)
