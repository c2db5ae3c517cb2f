#!/usr/bin/env bash
# Gaussian processes beside scikit-learn's, time to choose samples, how many samples a map of the cliff takes when models choose
# them, and whom the guardrail skips: about 25 minutes, and Python 3. Prints what docs/results/cliff.md has. Arguments: which of the
# parts fit, think, samples, guardrail [default: all].
set -eu
. "$(dirname "$0")/setup.sh"
work=$PWD/target/surrogate
run=target/release/caligo-run
cargo build --release --locked -p caligo-runtime -p caligo-surrogate --bins --examples
mkdir -p "$work"

# campaign NAME SAMPLES SEED [REPEATS]
campaign() {
    sed -e "s/target_samples: .*/target_samples: $2/" \
        -e "s/  sampler:/  sampler:\n    seed: $3\n    repeats: ${4:-1}/" docs/config/demo.yaml >"$work/$1.yaml"
    "$run" campaign run -c "$work/$1.yaml" --out "$work/$1" >/dev/null 2>&1
}

# judge FOLDER SAMPLES SEED HOW: a line of calls.csv
judge() {
    "$run" campaign train "$work/$1" --against "$work/test" --json | python3 -c '
import json, sys
of = json.load(sys.stdin)
print(",".join(sys.argv[1:] + ["%.5f" % of[s]["calls"]["wrong"] for s in ("baseline", "blind")]))' "$4" "$2" "$3" >>"$work/calls.csv"
}

# need NAME SAMPLES SEED: the campaign, if it is not there
need() {
    [ -f "$work/$1/exploration_data.h5" ] || campaign "$@"
}

fit() {
    echo "## Beside scikit-learn"
    echo
    [ -x "$work/python/bin/python" ] || python3 -m venv "$work/python"
    "$work/python/bin/python" -c 'import sklearn' 2>/dev/null ||
        limited 600 "$work/python/bin/pip" install -q --disable-pip-version-check scikit-learn
    need large 8000 42
    "$run" campaign export "$work/large" --to "$work/large.csv"
    "$work/python/bin/python" -W ignore benches/surrogate/compare.py target/release/examples/fit "$work/large.csv" 2000
}

think() {
    echo "## Choosing"
    echo
    for samples in 10000 100000; do target/release/examples/think $samples; done
}

samples() {
    local seed count iterations
    echo "## Wrong calls by number of samples"
    echo
    need large 8000 42
    need test 16000 1001
    need chance 9000 1002 9
    echo how,samples,seed,baseline,blind >"$work/calls.csv"
    for seed in 42 43 44; do
        for count in 250 500 1000 2000 4000; do
            need "lhs$count-$seed" $count $seed
            judge "lhs$count-$seed" $count $seed hypercube
        done
        rm -rf "$work/active-$seed"
        campaign "active-$seed" 100 $seed
        for iterations in 5 10 20 30 40; do
            "$run" campaign learn "$work/active-$seed" --iterations $iterations >/dev/null 2>&1
            judge "active-$seed" $((100 + 16 * iterations)) $seed chosen
        done
    done
    judge large 8000 42 hypercube
    python3 benches/surrogate/samples.py "$work/calls.csv"
    "$run" campaign train "$work/large" --against "$work/chance" | grep calls
}

guardrail() {
    echo "## Guardrail"
    echo
    need large 8000 42
    need test 16000 1001
    "$run" campaign train "$work/large" --against "$work/test" | grep -A 1 guardrail
}

[ $# -gt 0 ] || set -- fit think samples guardrail
for part in "$@"; do
    case $part in
        fit | think | samples | guardrail) "$part" && echo ;;
        *)
            echo "usage: scripts/surrogate.sh [fit|think|samples|guardrail ...]" >&2
            exit 2
            ;;
    esac
done
