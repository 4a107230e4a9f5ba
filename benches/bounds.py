"""Test bounds of the systems with a code for each picture, as a table in Markdown.

    cargo build --release -p elbo-cli
    target/release/elbo data get mnist10k
    python benches/bounds.py target/release/elbo PATH/mnist10k.npz > bounds.md

Every system is fitted with three seeds; a fifth of the pictures is kept back, drawn as black or white once, and scored: the evidence
lower bound and the importance-weighted bound of 100 draws, in nats a picture. All systems binarise alike and have the same networks, so
that their numbers compare. Uses the standard library only.
"""

import argparse
import json
import subprocess
import statistics
import tempfile
import os

SYSTEMS = {
    "aevb": [],
    "iwae": ["draws=5"],
    "infovae": ["alpha=0", "lambda=100"],
}
COMMON = ["latent=50", "hidden=[200,200]", "activation=tanh", "binarise=dynamic", "batch=100", "decay=cosine"]


def run(command):
    # What a command that fails has to say goes to the terminal.
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("elbo")
    parser.add_argument("data")
    parser.add_argument("--epochs", type=int, default=50)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--target", default="label")
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS), default=list(SYSTEMS))
    arguments = parser.parse_args()
    print(f"{os.path.basename(arguments.data)}, {arguments.epochs} epochs, {arguments.seeds} seeds, a fifth kept back; nats a picture")
    print()
    print("| system | settings | ELBO | importance-weighted bound | draws | active units | seconds |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for system in arguments.systems:
        rows = []
        for seed in range(arguments.seeds):
            with tempfile.TemporaryDirectory() as folder:
                settings = COMMON + [f"epochs={arguments.epochs}"] + SYSTEMS[system]
                command = [arguments.elbo, "fit", system, arguments.data, "--target", arguments.target, "--holdout", "0.2"]
                command += ["--seed", str(seed), "--out", os.path.join(folder, "model"), "--json"]
                rows.append(run(command + [part for s in settings for part in ("--set", s)]))

        def column(path):
            values = []
            for row in rows:
                for key in path:
                    row = row[key]
                values.append(row)
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            return f"{statistics.mean(values):.2f} ± {spread:.2f}"

        print("| " + " | ".join([
            f"`{system}`",
            " ".join(SYSTEMS[system]),
            column(["metrics", "elbo"]),
            column(["metrics", "iwae", "value"]),
            str(rows[0]["metrics"]["iwae"]["k"]),
            column(["metrics", "active_units"]),
            column(["seconds"]),
        ]) + " |", flush=True)


if __name__ == "__main__":
    main()
