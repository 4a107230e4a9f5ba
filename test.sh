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

# What takes minutes, a nightly compiler or the network is asked for by name (CONTRIBUTING.md), and is said to be left out where it is not.
if [ -n "${ELBO_WHEEL:-}" ]; then
    say "wheel";             apps/python/wheel.sh
else
    echo "wheel: NOT BUILT; ELBO_WHEEL=1 builds and uses it"
fi
if [ -n "${ELBO_LOOK:-}" ]; then
    say "pages, as wide as a desktop and as a phone"
    "${PYTHON:-python3}" apps/dev/look.py "$target/site" --seconds 600
else
    echo "pages: NOT LOOKED AT in a browser; ELBO_LOOK=1 opens each at two widths"
fi
if [ -z "${ELBO_MIRI:-}" ]; then
    echo "Miri: NOT RUN; ELBO_MIRI=1 runs its tests"
elif cargo +nightly miri --version > /dev/null 2>&1; then
    say "Miri";              cargo +nightly miri --version
    # The commands of CONTRIBUTING.md, which a test compares with the list of modules with unsafe code.
    grep -E '^    .*cargo \+nightly miri test ' CONTRIBUTING.md | while read -r line; do
        echo "$line"
        bash -c "$line" < /dev/null
    done
else
    echo "missing: Miri; rustup toolchain install nightly --component miri" >&2
    exit 1
fi
if [ -z "${ELBO_CARGO_FUZZ:-}" ]; then
    echo "fuzzing guided by coverage: NOT RUN; ELBO_CARGO_FUZZ=5 gives each target five seconds"
elif cargo +nightly fuzz --version > /dev/null 2>&1; then
    say "fuzzing guided by coverage, $ELBO_CARGO_FUZZ seconds a target"
    "$target/debug/examples/corpus" > /dev/null
    for file in apps/fuzz/libfuzzer/fuzz_targets/*.rs; do
        cargo +nightly fuzz run "$(basename "$file" .rs)" --fuzz-dir apps/fuzz/libfuzzer -- \
            -max_total_time="$ELBO_CARGO_FUZZ" -max_len=65536 -rss_limit_mb=8192
    done
else
    echo "missing: cargo-fuzz; cargo install cargo-fuzz, and rustup toolchain install nightly" >&2
    exit 1
fi
[ -n "${ELBO_COOKBOOK:-}" ] || echo "cookbook: its long examples were NOT RUN; ELBO_COOKBOOK=1 runs them too"
say "all passed"
