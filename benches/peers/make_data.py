"""Writes the inputs of every timing to a folder, so that both sides read the same numbers.

    python make_data.py FOLDER [--tiny]      (--tiny: the small sizes of a trial run)
"""

import argparse
import json
from pathlib import Path

import common
import numpy as np
import tables

SEED = 1


def smooth(rng, count, inputs=8):
    x = rng.uniform(-2.0, 2.0, (count, inputs))
    return x, np.sin(x).sum(1) + 0.1 * rng.standard_normal(count)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    save = lambda name, array: np.save(options.folder / f"{name}.npy", np.ascontiguousarray(array))
    sizes = {"gp-nll": [1000, 2000], "svgp-step": [256, 1024], "tiny-ops": [1000], "first-prediction": [10]}
    rows, inducing = 10_000, 500
    if options.tiny:
        sizes |= {"gp-nll": [50, 80], "svgp-step": [16, 32], "tiny-ops": [100]}
        rows, inducing = 300, 20

    for count in sizes["gp-nll"]:
        x, y = smooth(np.random.default_rng(SEED), count)
        save(f"gp_{count}_x", x)
        save(f"gp_{count}_y", y)

    rng = np.random.default_rng(SEED + 1)
    x, y = smooth(rng, rows)
    save("svgp_x", x)
    save("svgp_y", y)
    save("svgp_z", x[:inducing])
    save("svgp_m", 0.1 * rng.standard_normal(inducing))
    save("svgp_r", np.eye(inducing) + np.tril(0.01 * rng.standard_normal((inducing, inducing)), -1))

    rng = np.random.default_rng(SEED + 2)
    save("tiny_w", (0.2 * rng.standard_normal((16, 16))).astype("float32"))
    save("tiny_b", (0.1 * rng.standard_normal((16, 16))).astype("float32"))

    x, y, _ = tables.read("concrete")
    if options.tiny:
        x, y = x[::10], y[::10]
    sizes["gp-fit"] = [len(y)]
    save("concrete_x", tables.standardise(x, x))
    save("concrete_y", tables.standardise(y, y))
    lines = ["cement,slag,fly_ash,water,superplasticizer,coarse_aggregate,fine_aggregate,age"]
    lines += [",".join(repr(float(value)) for value in line) for line in x[:10]]
    (options.folder / "rows.csv").write_text("\n".join(lines) + "\n")
    (options.folder / "sizes.json").write_text(json.dumps(sizes))


if __name__ == "__main__":
    main()
