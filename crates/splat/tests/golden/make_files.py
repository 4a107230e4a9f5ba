"""Files of twelve Gaussians for tests/it/files.rs: a PLY file written here, and what another program makes of it.

    python make_files.py

Needs Node.js; `npx` fetches @playcanvas/splat-transform 3.7.0, whose SPZ files come from Niantic's own library.
"""

import math
import pathlib
import struct
import subprocess

HERE = pathlib.Path(__file__).parent
COUNT, REST = 12, 24
names = ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2", *(f"f_rest_{k}" for k in range(REST)), "opacity"]
names += [*(f"scale_{k}" for k in range(3)), *(f"rot_{k}" for k in range(4))]


def wave(i, k, size):
    """Numbers from -size to size that look like nothing in particular."""
    return size * math.sin(1.7 * i + 2.3 * k * k + 0.4 * i * k)


header = "ply\nformat binary_little_endian 1.0\n" + f"element vertex {COUNT}\n"
body = b""
for i in range(COUNT):
    row = [wave(i, k, 3.0) for k in range(3)] + [0.0] * 3
    row += [wave(i, 3 + k, 1.5) for k in range(3)] + [wave(i, 6 + k, 0.9) for k in range(REST)]
    row += [wave(i, 40, 4.0)] + [wave(i, 41 + k, 2.0) - 3.0 for k in range(3)]
    turn = [wave(i, 50 + k, 1.0) for k in range(4)]
    length = math.sqrt(sum(v * v for v in turn))
    row += [v / length for v in turn]
    body += struct.pack(f"<{len(row)}f", *row)
path = HERE / "twelve.ply"
path.write_bytes((header + "".join(f"property float {n}\n" for n in names) + "end_header\n").encode() + body)
tool = ["npx", "--yes", "@playcanvas/splat-transform@3.7.0", "--overwrite"]
subprocess.run([*tool, "--spz-version", "3", path, HERE / "twelve.spz"], check=True)
subprocess.run([*tool, path, HERE / "twelve.compressed.ply"], check=True)
