"""Makes the NPZ files of sparse matrices that the reader's tests read.

    python3 -m venv env && env/bin/pip install numpy==2.4.6 scipy==1.17.1
    env/bin/python crates/data/tests/golden/make_sparse.py
"""

from pathlib import Path

import numpy as np
import scipy.sparse as sparse

HERE = Path(__file__).parent


def main():
    counts = np.array([[0, 2, 0, 0], [1, 0, 0, 3], [0, 0, 0, 0], [0, 0, 4, 0], [5, 0, 0, 6]])
    sparse.save_npz(HERE / "csr.npz", sparse.csr_matrix(counts))
    sparse.save_npz(HERE / "csc.npz", sparse.csc_matrix(counts))
    sparse.save_npz(HERE / "csr_none.npz", sparse.csr_matrix((3, 4), dtype="f4"), compressed=False)
    # What a user does to put a target beside it.
    x = sparse.csr_array(counts.astype("f4"))
    parts = {"format": b"csr", "shape": x.shape, "data": x.data, "indices": x.indices, "indptr": x.indptr}
    np.savez(HERE / "csr_target.npz", **parts, y=np.array([1.0, 2.0, 3.0, 4.0, 5.0]))


if __name__ == "__main__":
    main()
