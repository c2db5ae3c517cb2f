#!/usr/bin/env bash
# Gaussian processes beside scikit-learn's, time to choose samples, how many samples a map of the cliff takes when models choose
# them, and whom the guardrail skips: about an hour, and Python 3. Prints what docs/results/cliff.md has. Arguments: which of the
# parts fit, think, samples, space, guardrail [default: all].
set -eu
. "$(dirname "$0")/setup.sh"
work=$PWD/target/surrogate
run=target/release/caligo-run
cargo build --release --locked -p caligo-runtime -p caligo-surrogate --bins --examples
mkdir -p "$work"

# Around the cliff; and the default ranges, where one transfer of 1100 succeeds: all of it, or what a formula calls feasible.
narrow=docs/config/demo.yaml
for infeasible in run replace; do
    printf 'campaign:\n  name: wide\nphase1:\n  target_samples: 2000\n  sampler:\n    infeasible: %s\n' $infeasible >"$work/$infeasible.yaml"
done

# campaign NAME SAMPLES SEED [REPEATS [FILE]]
campaign() {
    sed -e "s/target_samples: .*/target_samples: $2/" \
        -e "s/  sampler:/  sampler:\n    seed: $3\n    repeats: ${4:-1}/" "${5:-$narrow}" >"$work/$1.yaml"
    "$run" campaign run -c "$work/$1.yaml" --out "$work/$1" >/dev/null 2>&1
}

# judge FOLDER SAMPLES SEED HOW: a line of $calls
judge() {
    "$run" campaign train "$work/$1" --against "$work/test" --json | python3 -c '
import json, sys
of = json.load(sys.stdin)
print(",".join(sys.argv[1:] + ["%.5f" % of[s]["calls"][what] for what in ("wrong", "told") for s in ("baseline", "blind")]))' "$4" "$2" "$3" >>"$calls"
}

# need NAME SAMPLES SEED [REPEATS [FILE]]: the campaign, if it is not there
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

# curves NAME FILE FIRST COUNT...: wrong calls of hypercubes of COUNT samples, and of maps that begin with FIRST
curves() {
    local name=$1 file=$2 first=$3 seed count iterations
    shift 3
    calls=$work/$name.csv
    echo how,samples,seed,baseline,blind,baseline_told,blind_told >"$calls"
    for seed in 42 43 44; do
        for count in "$@"; do
            need "$name$count-$seed" "$count" $seed 1 "$file"
            judge "$name$count-$seed" "$count" $seed hypercube
        done
        rm -rf "$work/$name-active-$seed"
        campaign "$name-active-$seed" "$first" $seed 1 "$file"
        for iterations in 5 10 20 30 40; do
            "$run" campaign learn "$work/$name-active-$seed" --iterations $iterations >/dev/null 2>&1
            judge "$name-active-$seed" $((first + 16 * iterations)) $seed chosen
        done
    done
}

samples() {
    echo "## Wrong calls by number of samples"
    echo
    need test 64000 1003
    need large 8000 42
    need chance 9000 1002 9
    curves narrow "$narrow" 100 250 500 1000 2000 4000
    judge large 8000 42 hypercube
    python3 benches/surrogate/samples.py "$calls"
    "$run" campaign train "$work/large" --against "$work/chance" | grep calls
}

space() {
    local seed count
    echo "## The same in the whole space"
    echo
    need test 64000 1003
    curves wide "$work/run.yaml" 200 1000 4000 8000
    need wide64000 64000 42 1 "$work/run.yaml"
    judge wide64000 64000 42 hypercube
    for seed in 42 43 44; do
        for count in 500 2000 8000; do
            need "feasible$count-$seed" $count $seed 1 "$work/replace.yaml"
            judge "feasible$count-$seed" $count $seed "feasible points"
        done
    done
    python3 benches/surrogate/samples.py "$calls"
}

guardrail() {
    echo "## Guardrail"
    echo
    need large 8000 42
    need test 64000 1003
    "$run" campaign train "$work/large" --against "$work/test" | grep -A 1 guardrail
}

[ $# -gt 0 ] || set -- fit think samples space guardrail
for part in "$@"; do
    case $part in
        fit | think | samples | space | guardrail) "$part" && echo ;;
        *)
            echo "usage: scripts/surrogate.sh [fit|think|samples|space|guardrail ...]" >&2
            exit 2
            ;;
    esac
done
