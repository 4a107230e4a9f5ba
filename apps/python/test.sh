#!/usr/bin/env bash
# Installs the built package with what its tests need into an environment under the target folder, and passes the tests.
# `--locked --workspace` builds it as the other tests were built; other words are handed to pytest.
set -euo pipefail
cd "$(dirname "$0")/../.."

python="${PYTHON:-python3}"
remedy="install Python 3.10 or newer with its venv module, or name one with PYTHON=/path/to/python3"
"$python" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 10))' || { echo "missing: Python; $remedy" >&2; exit 1; }

target="${CARGO_TARGET_DIR:-target}"
# With the tests of the workspace, so that nothing is compiled twice for other features.
cargo test --locked --no-run --quiet ${ELBO_PYTHON_BUILD:---workspace}

environment="$target/python"
[ -x "$environment/bin/python" ] || "$python" -m venv "$environment"
"$environment/bin/python" -m pip install --quiet --disable-pip-version-check -r apps/python/tests/requirements.txt

# The package as `pip install .` lays it out, with the module that was built above.
place="$("$environment/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')/elbo"
rm -rf "$place"
cp -R apps/python/python/elbo "$place"
library="$target/debug/deps/libelbo_python.so"
[ -f "$library" ] || library="$target/debug/deps/libelbo_python.dylib"
cp "$library" "$place/_native.abi3.so"
# As pip does.
"$environment/bin/python" -m compileall -q "$place"

"$environment/bin/python" -m pytest -q -p no:cacheprovider "$@"
