"""Strength of concrete with intervals: fits an exact Gaussian process, checks its intervals on mixes it has not seen, writes the report.

python examples/python/intervals.py report.html
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import elbo

DATA = Path(__file__).parents[1] / "data" / "concrete.csv"


def main(out: Path) -> None:
    table = elbo.read(DATA)
    strength = table.pop("strength")
    rows = np.random.default_rng(1).permutation(len(strength))
    train, test = rows[:300], rows[300:600]
    inputs = {name: column[train] for name, column in table.items()}
    unseen = {name: column[test] for name, column in table.items()}

    model = elbo.GPR(starts=1).fit(inputs, strength[train])
    lower, upper = model.predict_interval(unseen, level=0.9)
    held = np.mean((lower <= strength[test]) & (strength[test] <= upper))
    print(f"R² {model.score(unseen, strength[test]):.3f}; {100 * held:.0f} % of the intervals at 90 % hold their mix")

    out.write_text(model.report(unseen, strength[test]), encoding="utf-8")
    print(f"report: {out}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "report.html"))
