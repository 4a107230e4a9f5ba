"""Makes the NPY and NPZ files that the reader's tests read.

    python3 -m venv env && env/bin/pip install numpy==2.4.6
    env/bin/python crates/data/tests/golden/make_npy.py
"""

import io
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def main():
    grid = np.arange(12).reshape(3, 4) - 2.5
    np.save(HERE / "f8.npy", grid)
    np.save(HERE / "f8_fortran.npy", np.asfortranarray(grid))
    np.save(HERE / "f8_big.npy", grid.astype(">f8"))
    np.save(HERE / "f4_cube_fortran.npy", np.asfortranarray(np.arange(24, dtype="f4").reshape(2, 3, 4)))
    np.save(HERE / "i4.npy", np.array([-1, 0, 2**31 - 1], dtype="i4"))
    np.save(HERE / "i8.npy", np.array([-(2**63), 7, 2**63 - 1], dtype="i8"))
    np.save(HERE / "u1.npy", np.arange(6, dtype="u1").reshape(2, 3))
    np.save(HERE / "bool.npy", np.array([True, False, True]))
    np.save(HERE / "f2.npy", np.array([0.5, -2.0, 65504.0, 6e-8, np.nan], dtype="f2"))
    np.save(HERE / "text.npy", np.array(["red", "grün", "red"]))
    np.save(HERE / "object.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    np.save(HERE / "scalar.npy", np.float64(1.5))
    for version in [(2, 0), (3, 0)]:
        with open(HERE / f"version{version[0]}.npy", "wb") as file:
            np.lib.format.write_array(file, grid, version=version)
    table = {"a": np.array([1.5, np.nan, 3.0, 4.0]), "b": np.arange(8, dtype="f4").reshape(4, 2), "y": np.array([1, 0, 1, 0])}
    np.savez(HERE / "table.npz", **table)
    np.savez_compressed(HERE / "table_compressed.npz", **table)


if __name__ == "__main__":
    main()
