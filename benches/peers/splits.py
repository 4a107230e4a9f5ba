"""Accuracy of GPyTorch's regression on the fixed splits: one line of JSON per table, kernel and split.

    python splits.py [--tables concrete yacht ...] [--kernels rbf matern52] [--splits 10] [--sgpr] [--device cuda] [--out FILE]

With `--out` each line is added to the file as it comes, and what the file holds already is not done again.
Exact (Cholesky) with a constant mean by default; `--sgpr` uses 500 inducing points, started at rows drawn by seed and learned.
Inputs and target are standardised by the training part; scores are in the target's units. L-BFGS from variance 1,
lengthscales sqrt(D), noise 0.1; a start that breaks down is repeated with Adam, and said so. On a GPU the sums are the same in
another order; the seconds are its own.
"""

import argparse
import contextlib
import json
import math
import sys
import time
from importlib.metadata import version
from pathlib import Path

import common
import numpy as np
import tables

import gpytorch_models as models
from gpytorch_models import torch
from linear_operator.utils.errors import NanError, NotPSDError

INDUCING = 500
Z95 = 1.959963984540054


def build(x, y, kernel, split, sgpr):
    inducing = x[np.random.default_rng(split).permutation(len(x))[:INDUCING]] if sgpr else None
    return models.Regression(x, y, kernel, x.shape[1] ** 0.5, constant_mean=True, inducing=inducing)


def fit(x, y, kernel, split, sgpr):
    """SGPR has thousands of parameters and stops when the bound per datum gains less than 1e-7 in a step."""
    model = build(x, y, kernel, split, sgpr)
    try:
        evaluations = models.fit_lbfgs(model, *((1e-7, 200) if sgpr else ()))
        if math.isfinite(model.loss().item()):
            return model, "lbfgs", evaluations
    except (NanError, NotPSDError):
        pass
    model = build(x, y, kernel, split, sgpr)
    return model, "adam", models.fit_adam(model)


def scores(model, x, y, mean, scale):
    model.eval()
    with torch.no_grad():
        f = model.likelihood(model(torch.as_tensor(x)))
    centre, deviation = mean + scale * f.mean.cpu().numpy(), scale * f.variance.sqrt().cpu().numpy()
    z = (y - centre) / deviation
    return {
        "rmse": float(np.sqrt(np.mean((y - centre) ** 2))),
        "nlpd": float(np.mean(0.5 * z**2 + np.log(deviation) + 0.5 * math.log(2 * math.pi))),
        "coverage95": float(np.mean(np.abs(z) <= Z95)),
    }


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tables", nargs="+", default=["concrete", "airfoil", "yacht", "wine-red"])
    parser.add_argument("--kernels", nargs="+", default=["rbf", "matern52"])
    parser.add_argument("--splits", type=int, default=10)
    parser.add_argument("--sgpr", action="store_true")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, help="a file of lines to go on with, instead of standard output")
    options = parser.parse_args()
    torch.set_default_device(options.device)
    kind = "sgpr" if options.sgpr else "exact"
    done = set()
    if options.out and options.out.exists():
        lines = map(json.loads, options.out.read_text().splitlines())
        done = {(line["kind"], line["table"], line["kernel"], line["split"]) for line in lines}
    for name in options.tables:
        x, y, is_test = tables.read(name)
        for kernel in options.kernels:
            for split in range(options.splits):
                if (kind, name, kernel, split) in done:
                    continue
                test = is_test[:, split]
                train_x, train_y = x[~test], y[~test]
                started = time.perf_counter()
                with models.low_rank() if options.sgpr else models.cholesky():
                    arguments = tables.standardise(train_x, train_x), tables.standardise(train_y, train_y)
                    model, optimiser, evaluations = fit(*arguments, kernel, split, options.sgpr)
                    objective = -model.loss().item() * len(train_y)
                    seconds = time.perf_counter() - started
                    result = scores(model, tables.standardise(x[test], train_x), y[test], train_y.mean(), train_y.std())
                line = {"engine": "gpytorch", "version": version("gpytorch"), "work": "splits", "table": name, "kernel": kernel,
                        "kind": kind, "split": split, "rows": int(test.sum()), **result, "objective": objective,
                        "device": options.device, "optimiser": optimiser, "evaluations": evaluations, "seconds": round(seconds, 2)}
                with options.out.open("a") if options.out else contextlib.nullcontext(sys.stdout) as file:
                    print(json.dumps(line), file=file, flush=True)


if __name__ == "__main__":
    main()
