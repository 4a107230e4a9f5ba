"""What the machine can do, for the floors: matrix products in f64 and f32 (GFLOP/s) and copying memory (GB/s).

    python peak.py [--size N] [--seconds S]
"""

import argparse
import json

import common
import numpy as np

parser = argparse.ArgumentParser()
parser.add_argument("--size", type=int, default=2000)
parser.add_argument("--seconds", type=float, default=3.0)
options = parser.parse_args()
found = {"engine": "numpy", "version": np.__version__, "work": "peak", "size": options.size, "threads": common.THREADS}
for kind in ("float64", "float32"):
    a = np.random.default_rng(0).standard_normal((options.size, options.size)).astype(kind)
    out = np.empty_like(a)
    best = common.measure(lambda: np.matmul(a, a, out=out), options.seconds)["min_ms"]
    found[f"gflops_{kind}"] = round(2e-6 * options.size**3 / best, 1)
source = np.ones(32 * options.size**2 // 4)
target = np.empty_like(source)
best = common.measure(lambda: np.copyto(target, source), options.seconds)["min_ms"]
found["copy_gb_per_s"] = round(2e-6 * source.nbytes / best, 1)
print(json.dumps(found))
