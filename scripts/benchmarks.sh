#!/usr/bin/env bash
# Measures decoders and encoder beside published ones and writes docs/benchmarks.md. Under 10 minutes on an idle core
# once everything is built. --quick: under a minute, and the report goes to target/peers/quick.md.
# --report-only: the report from the last run's figures. --cpu N: the core to use, by default the last.
set -eu
. "$(dirname "$0")/setup.sh"

dir="${CARGO_TARGET_DIR:-target}/peers"
python=${PYTHON:-python3}
out=docs/benchmarks.md
work=$dir/full
for argument; do
    [ "$argument" != --quick ] || { out=$dir/quick.md work=$dir/quick; }
done

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "error: no Python 3.11 or later as $python; install one, on Debian: apt-get install python3 python3-venv," >&2
    echo "       or name it: PYTHON=python3.12 bash scripts/benchmarks.sh" >&2
    exit 1
fi
# Made anew if another Python or other versions are asked for.
wanted=$("$python" --version && cat benches/peers/requirements.txt)
if [ "$wanted" != "$(cat "$dir/venv/complete" 2>/dev/null)" ]; then
    rm -rf "$dir/venv"
    mkdir -p "$dir"
    if ! "$python" -m venv "$dir/venv"; then
        echo "error: Python's venv is missing or incomplete; on Debian: apt-get install python3-venv" >&2
        exit 1
    fi
    # Only wheels: building SciPy or numba from source takes an hour and other compilers.
    if ! "$dir/venv/bin/python" -m pip install --quiet --disable-pip-version-check --only-binary :all: \
        -r benches/peers/requirements.txt; then
        echo "error: the packages of benches/peers/requirements.txt could not be installed. That needs a network and" >&2
        echo "       a Python they have wheels for ($("$python" --version) may be too new); PYTHON=... names another." >&2
        exit 1
    fi
    echo "$wanted" >"$dir/venv/complete"
fi

cargo build --release --locked --manifest-path benches/peers/Cargo.toml --target-dir "$dir/build"

# No bytecode beside the sources; no threads that no setting of a peer asks for.
export PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 NUMBA_NUM_THREADS=1
exec "$dir/venv/bin/python" benches/peers/run.py --binary "$dir/build/release/caligo-peers" --work "$work" --out "$out" "$@"
