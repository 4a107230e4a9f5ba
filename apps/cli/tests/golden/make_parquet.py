"""Makes `table.parquet`: the 40 rows of `table(40)` in `tests/it/folder.rs`, as Arrow writes them.

    python3 -m venv env && env/bin/pip install pyarrow==26.0.1
    env/bin/python apps/cli/tests/golden/make_parquet.py
"""

import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def rows(count):
    for i in range(count):
        a = math.fmod(i * 0.618034, 1.0) * 4.0 - 2.0
        b = math.fmod(i * 0.414214, 1.0) * 2.0
        noise = (i * 7919 % 97 / 97.0 - 0.5) * 0.2
        yield [float(f"{v:.5f}") for v in (a, b, math.sin(1.5 * a) + 0.5 * b + noise)]


def main():
    columns = list(zip(*rows(40)))
    table = pa.table({name: pa.array(column, pa.float64()) for name, column in zip("aby", columns)})
    pq.write_table(table, Path(__file__).parent / "table.parquet", compression="zstd", row_group_size=16)


if __name__ == "__main__":
    main()
