#!/usr/bin/env bash
# Builds the wheel as `pip install .` does, installs it where there is nothing but NumPy, and fits a model; the same wheel in every Python
# that is found. Compiles the library for release, and fetches maturin and NumPy.
set -euo pipefail
cd "$(dirname "$0")/../.."

python="${PYTHON:-python3}"
place="$(mktemp -d)"
trap 'rm -rf "$place"' EXIT

"$python" -m venv "$place/build"
"$place/build/bin/python" -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir "$place/wheels" .
wheels=("$place"/wheels/*.whl)
name="$(basename "${wheels[0]}")"
case "$name" in
    elbo_ml-*-cp310-abi3-*.whl) echo "wheel: $name" ;;
    *) echo "the wheel is named $name, not elbo_ml-VERSION-cp310-abi3-PLATFORM.whl" >&2; exit 1 ;;
esac

cat > "$place/use.py" <<'END'
import sys
from importlib.metadata import distributions

import elbo
import numpy as np

rng = np.random.default_rng(0)
x = rng.uniform(-3, 3, (60, 1))
y = np.sin(x[:, 0]) + rng.normal(0, 0.1, 60)
mean, sd = elbo.GPR(starts=1).fit(x, y).predict(x, return_std=True)
assert np.abs(mean - np.sin(x[:, 0])).mean() < 0.15 and (sd > 0).all()
names = {found.metadata["Name"].lower() for found in distributions()} - {"pip", "setuptools"}
assert names == {"elbo-ml", "numpy"}, names
print(f"fitted in Python {sys.version.split()[0]} with NumPy {np.__version__}")
END

seen=""
for other in "$python" python3.10 python3.11 python3.12 python3.13 python3.14; do
    command -v "$other" > /dev/null || continue
    # A name on the path may be a stand-in for a version that is not chosen.
    version="$("$other" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2> /dev/null)" || { echo "$other: does not start, left out"; continue; }
    case " $seen " in *" $version "*) continue ;; esac
    seen="$seen $version"
    "$other" -m venv "$place/$version"
    "$place/$version/bin/python" -m pip install --quiet --disable-pip-version-check "${wheels[0]}"
    # From elsewhere, so that nothing of the clone is imported.
    (cd "$place" && "$place/$version/bin/python" use.py)
done
