"""Test bounds of the systems with a code for each picture, as a table in Markdown.

    cargo build --release -p elbo-cli
    target/release/elbo data get mnist10k
    python benches/bounds.py target/release/elbo PATH/mnist10k.npz > bounds.md

Every system is fitted with several seeds. A fifth of the pictures is kept back, the same ones for all, drawn as black or white once a seed, and scored: the
evidence lower bound on all of them, and the importance-weighted bound of 5000 draws, in nats a picture, on the first ones, beside the evidence lower
bound on these: within a row the two compare only where they are of the same pictures. All systems binarise alike and have the same networks, so that their
numbers compare. `flow-vi` is the amortised model of its paper: planar layers that the encoder gives each picture. Draws are made and forgotten in blocks of a few thousand. The defaults are sized for some 20 minutes on one core. Uses the standard library only.
"""

import argparse
import ast
import json
import os
import random
import statistics
import struct
import subprocess
import tempfile
import zipfile

# The name in the table, the system that is fitted, and its settings.
SYSTEMS = {
    "aevb": ("aevb", []),
    "iwae": ("iwae", ["draws=5"]),
    "flow-vi": ("aevb", ["flow=planar:10"]),
    "infovae": ("infovae", ["alpha=0", "lambda=100"]),
}
COMMON = ["latent=50", "hidden=[200,200]", "activation=tanh", "binarise=dynamic", "batch=100", "decay=cosine"]
BOUNDS = ["ELBO", "se", "ELBO of the same pictures", "importance-weighted bound", "se"]
COLUMNS = ["system", "settings", *BOUNDS, "active units", "seconds"]


def run(command):
    # What a command that fails has to say goes to the terminal.
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def read_pictures(path):
    """The name, type, shape of one picture, and bytes of each picture of the first array with two axes or more."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            raw = archive.read(member)
            if raw[:6] != b"\x93NUMPY":
                continue
            wide = raw[6] > 1
            (length,) = struct.unpack("<I" if wide else "<H", raw[8 : 12 if wide else 10])
            start = (12 if wide else 10) + length
            header = ast.literal_eval(raw[start - length : start].decode("latin1"))
            shape = header["shape"]
            if len(shape) < 2 or header["fortran_order"]:
                continue
            size = (len(raw) - start) // shape[0]
            rows = [raw[start + i * size : start + (i + 1) * size] for i in range(shape[0])]
            return member, header["descr"], shape[1:], rows
    raise SystemExit(f"{path} holds no pictures: an array [N, H, W] in row-major order is needed")


def write_pictures(path, member, kind, shape, rows):
    header = repr({"descr": kind, "fortran_order": False, "shape": (len(rows), *shape)}).encode("latin1")
    # Magic, version and length take ten bytes; the data begin at a multiple of 64.
    header += b" " * (-(10 + len(header) + 1) % 64) + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"".join(rows))


def split(arguments, folder):
    """Files of the pictures to learn from, of those kept back, and of the first ones of these."""
    member, kind, shape, rows = read_pictures(arguments.data)
    # Files may be sorted by what the pictures show.
    random.Random(0).shuffle(rows)
    kept = len(rows) // 5
    if not 2 <= arguments.pictures <= kept:
        raise SystemExit(f"--pictures is {arguments.pictures}; give 2 to {kept}, a fifth of the {len(rows)} pictures")
    parts = {"train": rows[kept:], "test": rows[:kept], "few": rows[: arguments.pictures]}
    paths = {name: os.path.join(folder, name + ".npz") for name in parts}
    for name, part in parts.items():
        write_pictures(paths[name], member, kind, shape, part)
    return paths, kept


def measured(arguments, system, settings, seed, files, folder):
    """One fit and its bounds."""
    model = os.path.join(folder, "model")
    command = [arguments.elbo, "fit", system, files["train"], "--seed", str(seed), "--out", model, "--json"]
    settings = COMMON + [f"epochs={arguments.epochs}"] + settings
    fit = run(command + [part for setting in settings for part in ("--set", setting)])
    all_kept = run([arguments.elbo, "evaluate", model, files["test"], "--iwae", "10", "--json"])
    few = run([arguments.elbo, "evaluate", model, files["few"], "--iwae", str(arguments.draws), "--json"])
    return {
        "elbo": all_kept["elbo"],
        "elbo_se": all_kept["elbo_se"],
        "elbo_of_few": few["elbo"],
        "iwae": few["iwae"]["value"],
        "iwae_se": few["iwae"]["se"],
        "units": fit["metrics"]["active_units"],
        "seconds": fit["seconds"],
    }


def cells(name, settings, rows):
    def spread(key):
        values = [row[key] for row in rows]
        mean = f"{statistics.mean(values):.2f}"
        return f"{mean} ± {statistics.stdev(values):.2f}" if len(values) > 1 else mean

    def mean(key):
        return f"{statistics.mean(row[key] for row in rows):.2f}"

    bounds = [spread("elbo"), mean("elbo_se"), spread("elbo_of_few"), spread("iwae"), mean("iwae_se")]
    return [f"`{name}`", " ".join(settings), *bounds, spread("units"), spread("seconds")]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("elbo")
    parser.add_argument("data")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--draws", type=int, default=5000, help="importance draws a picture")
    parser.add_argument("--pictures", type=int, default=150, help="pictures scored with that many draws")
    parser.add_argument("--systems", nargs="+", choices=list(SYSTEMS), default=list(SYSTEMS))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files, kept = split(arguments, folder)
        print(
            f"{os.path.basename(arguments.data)}, {arguments.epochs} epochs, {arguments.seeds} seeds; nats a picture, mean ± standard "
            f"deviation over the seeds, and mean standard error over pictures. The evidence lower bound is of the {kept} pictures kept "
            f"back, the importance-weighted bound of {arguments.pictures} of them with {arguments.draws} draws each; the evidence lower "
            f"bound of these {arguments.pictures} stands before it."
        )
        print()
        print("| " + " | ".join(COLUMNS) + " |")
        print("|---|---|" + "---:|" * (len(COLUMNS) - 2), flush=True)
        for name in arguments.systems:
            system, settings = SYSTEMS[name]
            seeds = range(arguments.seeds)
            rows = [measured(arguments, system, settings, seed, files, folder) for seed in seeds]
            print("| " + " | ".join(cells(name, settings, rows)) + " |", flush=True)


if __name__ == "__main__":
    main()
