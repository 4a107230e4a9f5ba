"""The tables in `examples/data/uci`: inputs, target, and the ten fixed splits."""

import csv
import gzip
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).resolve().parents[2] / "examples" / "data" / "uci"


def read(name):
    """`x: [N, D]`, `y: [N]`, `is_test: [N, 10]`."""
    with gzip.open(FOLDER / f"{name}.csv.gz", "rt") as file:
        _, *rows = csv.reader(file)
    numbers = np.array([[float(field) for field in row[:-1]] for row in rows])
    is_test = np.array([[flag == "1" for flag in row[-1]] for row in rows])
    return numbers[:, :-1], numbers[:, -1], is_test


def standardise(values, reference):
    """Mean 0 and standard deviation 1 over `reference`; a constant column is only centred."""
    scale = reference.std(0)
    return (values - reference.mean(0)) / np.where(scale > 0, scale, 1.0)
