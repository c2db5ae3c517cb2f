#!/usr/bin/env bash
# Gaussian processes beside scikit-learn's, and how many samples a map of the cliff takes when models choose them: some
# minutes, and Python 3. Prints what docs/results/cliff.md has. Argument: samples to begin with [default: 250].
set -eu
. "$(dirname "$0")/setup.sh"
begin=${1:-250}
work=$PWD/target/surrogate
run=target/release/caligo-run
cargo build --release --locked -p caligo-runtime -p caligo-surrogate --bins --examples
[ -x "$work/python/bin/python" ] || python3 -m venv "$work/python"
"$work/python/bin/python" -c 'import sklearn' 2>/dev/null ||
    limited 600 "$work/python/bin/pip" install -q --disable-pip-version-check scikit-learn

# campaign NAME SAMPLES SEED
campaign() {
    sed -e "s/target_samples: .*/target_samples: $2/" -e "s/  sampler:/  sampler:\n    seed: $3/" docs/config/demo.yaml >"$work/$1.yaml"
    "$run" campaign run -c "$work/$1.yaml" --out "$work/$1" >/dev/null 2>&1
}

campaign large 8000 42
campaign test 6000 1001
"$run" campaign export "$work/large" --to "$work/large.csv"
echo "## Beside scikit-learn"
echo
"$work/python/bin/python" benches/surrogate/compare.py target/release/examples/fit "$work/large.csv" 2000
echo
echo "## Wrong calls by number of samples"
echo
echo "| samples | how | baseline wrong, % | blind wrong, % |"
echo "|---|---|---|---|"

# line FOLDER SAMPLES HOW
line() {
    "$run" campaign train "$work/$1" --against "$work/test" --json | python3 -c '
import json, sys
of = json.load(sys.stdin)
wrong = ["%.2f" % (100 * (1 - of[s]["against"]["signs"])) for s in ("baseline", "blind")]
print("|", " | ".join(sys.argv[1:] + wrong), "|")' "$2" "$3"
}

for count in 250 500 1000 2000 4000 8000; do
    [ $count = 8000 ] && { line large 8000 hypercube; break; }
    campaign "lhs$count" $count 42
    line "lhs$count" $count hypercube
done
campaign active "$begin" 42
for iterations in 10 20 30 40; do
    "$run" campaign learn "$work/active" --iterations $iterations >/dev/null 2>&1
    line active $((begin + 16 * iterations)) chosen
done
