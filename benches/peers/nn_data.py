"""Writes weights, inputs and noise of the network timings to a folder, so that both sides start from the same numbers.

    python nn_data.py FOLDER [--tiny]      (--tiny: the same sizes; the time is in the seconds spent)
"""

import argparse
import json
from pathlib import Path

import common
import numpy as np

SEED = 4


def linear(out, inputs):
    return [(out, inputs), (out,)]


def conv(out, inputs, kernel):
    return [(out, inputs, kernel, kernel), (out,)]


def transposed(inputs, out, kernel):
    return [(inputs, out, kernel, kernel), (out,)]


def norm(channels):
    return ["ones", (channels,)], ["zeros", (channels,)]


# In the order in which both sides use them.
NETWORKS = {
    "vae": [*linear(400, 784), *linear(20, 400), *linear(20, 400), *linear(400, 20), *linear(784, 400)],
    "conv_vae": [
        *conv(32, 1, 3), *conv(64, 32, 3), *linear(16, 3136), *linear(16, 3136), *linear(3136, 16), *transposed(64, 32, 4), *transposed(32, 1, 4),
    ],
    "denoiser": [
        *conv(32, 3, 3), *norm(32), *conv(64, 32, 3), *norm(64), *conv(64, 64, 3), *conv(64, 64, 3), *transposed(64, 32, 4), *conv(32, 64, 3),
        *conv(3, 32, 3),
    ],
    "conv": conv(64, 64, 3),
}  # fmt: skip
INPUTS = {"vae": (128, 784), "conv_vae": (64, 1, 28, 28), "denoiser": (16, 3, 32, 32), "conv": (8, 64, 64, 64)}
NOISE = {"vae": (128, 20), "conv_vae": (64, 16)}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(SEED)
    save = lambda name, array: np.save(options.folder / f"{name}.npy", np.ascontiguousarray(array, dtype="float32"))
    for name, shapes in NETWORKS.items():
        save(f"{name}_x", rng.random(INPUTS[name]))
        if name in NOISE:
            save(f"{name}_noise", rng.standard_normal(NOISE[name]))
        for i, shape in enumerate(shapes):
            if isinstance(shape, list):
                save(f"{name}_{i}", getattr(np, shape[0])(shape[1]))
            elif len(shape) == 1:
                save(f"{name}_{i}", 0.01 * rng.standard_normal(shape))
            else:
                save(f"{name}_{i}", rng.uniform(-1, 1, shape) / np.sqrt(np.prod(shape[1:])))
    sizes = {"vae-step": [128], "conv-vae-step": [64], "conv-both": [8], "denoiser-step": [16]}
    (options.folder / "nn_sizes.json").write_text(json.dumps(sizes))


if __name__ == "__main__":
    main()
