"""Bayesian optimisation with BoTorch on the functions and from the first points of `bo_regret.rs`; writes the same rows.

    cargo run --release -p elbo-decide --example bo_regret -- ours.json
    python bo_regret.py ours.json theirs.json [SEEDS] [FUNCTION]

`elbo-dev peers bo` runs both and puts the table into docs/benchmarks.md.

Surrogate: SingleTaskGP with its defaults and standardised outcomes. Score: qLogExpectedImprovement with 128 Sobol samples, q = 1, from as many raw points and
starts as ours. Both minimise.
"""

import json
import math
import sys
import time
import warnings
from importlib.metadata import version

import common  # noqa: F401  sets the threads before numpy
import torch
from botorch.acquisition import qLogExpectedImprovement
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from botorch.models.transforms import Standardize
from botorch.optim import optimize_acqf
from botorch.sampling import SobolQMCNormalSampler
from botorch.test_functions import Ackley, Branin, Hartmann, Levy
from gpytorch.mlls import ExactMarginalLogLikelihood

torch.set_default_dtype(torch.float64)
torch.set_num_threads(common.THREADS)
warnings.filterwarnings("ignore")

FUNCTIONS = {
    "branin": lambda d: Branin(),
    "hartmann-6": lambda d: Hartmann(dim=6),
    "ackley": lambda d: Ackley(dim=d, bounds=[(-32.768, 32.768)] * d),
    "levy": lambda d: Levy(dim=d),
}


def loop(row):
    dims, seed = row["dims"], row["seed"]
    torch.manual_seed(seed)
    function = FUNCTIONS[row["function"]](dims)
    low, high = torch.tensor(row["bounds"]).T
    value = lambda cube: function(low + cube * (high - low)).reshape(-1)
    x = torch.tensor(row["start"])
    y = value(x)
    assert torch.allclose(y, torch.tensor(row["values"][: len(y)])), "the functions differ"
    box = torch.stack([torch.zeros(dims), torch.ones(dims)])
    wall, cpu = 0.0, 0.0
    while len(y) < row["trials"]:
        before = time.perf_counter(), time.process_time()
        model = SingleTaskGP(x, -y.unsqueeze(1), outcome_transform=Standardize(m=1))
        fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
        score = qLogExpectedImprovement(model, best_f=(-y).max(), sampler=SobolQMCNormalSampler(torch.Size([128]), seed=len(y)))
        point, _ = optimize_acqf(score, bounds=box, q=1, num_restarts=8, raw_samples=128 * min(dims, 8))
        wall += time.perf_counter() - before[0]
        cpu += time.process_time() - before[1]
        x = torch.cat([x, point.detach()])
        y = torch.cat([y, value(point.detach())])
    asked = row["trials"] - len(row["start"])
    regret = y.min().item() - row["optimum"]
    return {
        "engine": "botorch", "version": version("botorch"), "function": row["function"], "dims": dims, "trials": row["trials"], "seed": seed,
        "values": y.tolist(), "regret": regret, "wall_s": wall / asked, "cpu_s": cpu / asked,
    }


def main():
    ours = json.load(open(sys.argv[1]))
    seeds = int(sys.argv[3]) if len(sys.argv) > 3 else 10
    only = sys.argv[4] if len(sys.argv) > 4 else None
    rows = []
    for row in sorted(ours, key=lambda r: r["seed"]):
        if row["seed"] < seeds and only in (None, row["function"]):
            rows.append(loop(row))
            print(rows[-1]["function"], row["seed"], f"log10 regret {math.log10(max(rows[-1]['regret'], 1e-12)):.2f}",
                  f"{1e3 * rows[-1]['wall_s']:.0f} ms", flush=True)
            json.dump(rows, open(sys.argv[2], "w"))


if __name__ == "__main__":
    main()
