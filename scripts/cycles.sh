#!/usr/bin/env bash
# Measures the decoders' iterations in cycles, counts their instructions, and writes docs/results/cycles.md. About a
# minute on two idle cores once built. Hardware counters are not needed; ptrace, objdump and Python are.
set -eu
. "$(dirname "$0")/setup.sh"

python=${PYTHON:-python3}
if [ "$(uname -sm)" != "Linux x86_64" ]; then
    echo "error: bounds are known for x86-64 Linux only" >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null || ! command -v objdump >/dev/null; then
    echo "error: Python 3.10 or later and objdump are needed, on Debian: apt-get install python3 binutils;" >&2
    echo "       or name a Python: PYTHON=python3.12 bash scripts/cycles.sh" >&2
    exit 1
fi
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
cargo build --release --locked -p caligo-benches --bin cycles
PYTHONDONTWRITEBYTECODE=1 "$python" benches/cycles/report.py "${CARGO_TARGET_DIR:-target}/release/cycles" \
    docs/results/cycles.md
cat docs/results/cycles.md
