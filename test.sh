#!/usr/bin/env bash
# Installs what the tests need and passes them: formatting, lints, layers, documentation, unit, integration and doc tests, Python.
set -euo pipefail
cd "$(dirname "$0")"

say() { printf '\n== %s\n' "$*"; }
need() { command -v "$1" > /dev/null || { echo "missing: $1; $2" >&2; exit 1; }; }

need cargo "install Rust 1.95 or newer with rustup"
need "${PYTHON:-python3}" "install Python 3.10 or newer with its venv module, or name one with PYTHON=/path/to/python3"
for component in rustfmt clippy; do
    cargo "${component/rustfmt/fmt}" --version > /dev/null 2>&1 || rustup component add "$component"
done

say "formatting";            cargo fmt --all --check
# With the feature there is more to lint and nothing less.
say "lints";                 cargo clippy --workspace --all-targets --features elbo-splat/cuda --locked -- -D warnings
say "tests";                 cargo test --workspace --locked --no-fail-fast
# The tests have built the tool; `cargo run -p` would resolve other features and compile the dependencies again.
say "layers and documents"
target="${CARGO_TARGET_DIR:-target}"
"$target/debug/elbo-dev" layers
"$target/debug/elbo-dev" supply
"$target/debug/elbo-dev" generate --check
say "pages, as wide as a desktop and as a phone"
"${PYTHON:-python3}" apps/dev/look.py "$target/site" --seconds 300
# Compiling cargo-deny takes longer than all tests. `supply` checks licences, bans and sources of the same deny.toml without it; what only
# cargo-deny knows are published advisories, withdrawn versions and the texts of licences.
if command -v cargo-deny > /dev/null; then
    say "licences, bans, sources, advisories"
    cargo deny --offline check licenses bans sources
    databases="${CARGO_HOME:-$HOME/.cargo}/advisory-dbs"
    if cargo deny fetch db > /dev/null 2>&1 || [ -n "$(ls -A "$databases" 2> /dev/null)" ]; then
        cargo deny --offline check advisories
    else
        echo "advisories: NOT CHECKED, the database cannot be had; licences, bans and sources were"
    fi
else
    echo "advisories: NOT CHECKED; licences, bans and sources were, by \`elbo-dev supply\`. \`cargo install cargo-deny --locked\` brings what does"
fi
say "python";                apps/python/test.sh
say "documentation";         RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked
say "all passed"
