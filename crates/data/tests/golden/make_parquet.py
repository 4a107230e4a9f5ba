"""Makes the Parquet files that the reader's tests read.

    python3 -m venv env && env/bin/pip install pyarrow==26.0.1
    env/bin/python crates/data/tests/golden/make_parquet.py
"""

import datetime
import decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

HERE = Path(__file__).parent


def main():
    table = pa.table({
        "whole": pa.array([1, 2, 3, 4, 5, 6], pa.int32()),
        "long": pa.array([10, None, 30, 40, 50, 60], pa.int64()),
        "real": pa.array([0.5, 1.5, None, 3.5, 4.5, 1e300], pa.float64()),
        "single": pa.array([0.25, 0.5, 0.75, 1.0, 1.25, 1.5], pa.float32()),
        "byte": pa.array([0, 1, 2, 250, 251, 255], pa.uint8()),
        "colour": pa.array(["red", "grün", "red", "blue", "red", "blue"]),
        "flag": pa.array([True, False, True, True, False, False]),
        "price": pa.array([decimal.Decimal(t) for t in ["1.25", "-2.50", "3.75", "0.01", "99.99", "0.10"]], pa.decimal128(9, 2)),
        "half": pa.array([0.5, 1.5, 2.5, 3.5, 4.5, -5.5], pa.float16()),
    })
    for compression in ["none", "snappy", "gzip", "zstd"]:
        pq.write_table(table, HERE / f"{compression}.parquet", compression=compression, row_group_size=4)
    plain = table.select(["whole", "long", "real", "colour"])
    pq.write_table(plain, HERE / "plain_v2.parquet", use_dictionary=False, data_page_version="2.0", compression="snappy")
    encodings = {"whole": "DELTA_BINARY_PACKED", "real": "BYTE_STREAM_SPLIT", "colour": "DELTA_BYTE_ARRAY"}
    pq.write_table(plain, HERE / "encodings.parquet", use_dictionary=False, column_encoding=encodings, version="2.6")
    day = datetime.date(2020, 1, 5)
    pq.write_table(pa.table({"when": [day, day], "y": [1.0, 2.0]}), HERE / "date.parquet")
    pq.write_table(pa.table({"at": pa.array([0, 1], pa.timestamp("us")), "y": [1.0, 2.0]}), HERE / "timestamp.parquet")
    pq.write_table(pa.table({"list": [[1, 2], [3]], "y": [1.0, 2.0]}), HERE / "nested.parquet")
    pq.write_table(pa.table({"a": [1.0, float("inf")], "y": [1.0, 2.0]}), HERE / "infinite.parquet")
    pq.write_table(pa.table({"a": pa.array([], pa.float64())}), HERE / "empty.parquet")
    pq.write_table(pa.table({"a": [1.0, 2.0], "__index_level_0__": [0, 1]}), HERE / "index.parquet")
    pq.write_table(pa.table({"a": [1.0, 2.0]}), HERE / "brotli.parquet", compression="brotli")


if __name__ == "__main__":
    main()
