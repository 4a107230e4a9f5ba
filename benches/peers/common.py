"""What all peer scripts share: the number of threads, timing, rows of results, and the data. Import it before numpy."""

import os

THREADS = int(os.environ.get("ELBO_PEERS_THREADS", "2"))
for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC"):  # NPROC sizes XLA's thread pool.
    os.environ[_name] = str(THREADS)
os.environ["XLA_FLAGS"] = f"--xla_cpu_multi_thread_eigen={str(THREADS > 1).lower()} intra_op_parallelism_threads={THREADS}"
for _name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):  # Left by a system BLAS, they choose slow kernels in current builds.
    os.environ.pop(_name, None)

import json
import statistics
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np

# Where every exact-GP measurement and fit starts, on standardised data: variance, lengthscale, noise variance.
VARIANCE, NOISE = 1.0, 0.1
NLL_LENGTHSCALE = 1.5


def load(folder, name):
    return np.load(Path(folder) / f"{name}.npy")


def cpu_seconds():
    """Busy seconds of the whole machine and of this process."""
    fields = [int(field) for field in open("/proc/stat").readline().split()[1:9]]
    own = os.times()
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK"), own.user + own.system


def measure(call, seconds, least=5, warm=2):
    """Times `call` again and again for `seconds`, at least `least` times. Returns median and fastest in ms, and the
    number of cores that other processes kept busy meanwhile: above about 0.2 the figures are not trustworthy."""
    for _ in range(warm):
        call()
    times = []
    machine, own = cpu_seconds()
    start = time.perf_counter()
    while len(times) < least or time.perf_counter() - start < seconds:
        before = time.perf_counter()
        call()
        times.append(time.perf_counter() - before)
    wall = time.perf_counter() - start
    machine, own = cpu_seconds()[0] - machine, cpu_seconds()[1] - own
    return {
        "median_ms": round(1e3 * statistics.median(times), 4),
        "min_ms": round(1e3 * min(times), 4),
        "repeats": len(times),
        "foreign_cores": round(max(0.0, machine - own) / wall, 2),
    }


def row(engine, package, work, size, timing, value, **more):
    """One line of JSON. `value` lets the other side check that it computed the same thing."""
    line = {"engine": engine, "version": version(package), "work": work, "size": size, "threads": THREADS}
    print(json.dumps({**line, **timing, "value": value, **more}), flush=True)


def torch_f64():
    import torch

    torch.set_num_threads(THREADS)
    torch.set_default_dtype(torch.float64)
    return torch
