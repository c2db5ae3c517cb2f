#!/usr/bin/env bash
# Measures the figures of docs/results/README.md again: docs/results/figures.csv. About ten minutes on two cores.
set -eu
. "$(dirname "$0")/setup.sh"
cargo build --release --locked -p caligo-runtime
mkdir -p target/demo
target/release/caligo-run demo-keys --bits 40000 --qber 0 --alice target/demo/a --bob target/demo/b >/dev/null
out=docs/results/figures.csv
frames=${CALIGO_FRAMES:-40000}
measure() {
    local name=$1
    shift
    echo "$name: caligo-run fer $*" >&2
    target/release/caligo-run fer "$@" --frames "$frames" --seed 2 --csv | sed -e "1s/^/name,/" -e "2s/^/$name,/"
}
{
    echo "# scripts/results.sh: caligo-run fer ... --frames $frames --seed 2 --csv"
    # Rate 1/2, f32, 100 layered iterations and no guesses.
    measure mother-0.1 --rate 0.5 --qber 0.0930 --decoder precise --guesses 0
    measure mother-0.01 --rate 0.5 --qber 0.0877 --decoder precise --guesses 0 | tail -n 1
    # Both arithmetics with the same iterations at the same points.
    for point in 0.5:0.0930 0.6:0.0630 0.7:0.0405 0.8:0.0215 0.9:0.0070; do
        for decoder in precise fast; do
            measure "i8-f32-${point%:*}" --rate "${point%:*}" --qber "${point#*:}" --decoder "$decoder" \
                --max-iterations 100 --guesses 0 | tail -n 1
        done
    done
    # Is a second mother code of higher rate worth having? Two of the best found, and what stands at these rates.
    second() {
        local rate=$1 qber=$2 n
        shift 2
        target/release/caligo-run code construct "$@" --seed 1 --out target/demo/second.qc >/dev/null
        measure "second-$rate" --matrix target/demo/second.qc --punctured 0 --qber "$qber" --guesses 0 | tail -n 1
        for n in 4096 8192 16384 65536; do
            measure "second-$rate-$n" --code "$n" --rate "$rate" --qber "$qber" --guesses 0 | tail -n 1
        done
    }
    frames=4000 second 0.75 0.0325 --rows 16 --degrees 2:15,3:32,4:3,6:1,14:13
    frames=4000 second 0.8125 0.0225 --rows 12 --degrees 2:11,3:36,12:17
    # Highest rates.
    measure high-0.8 --rate 0.8 --qber 0.0220 --decoder precise | tail -n 1
    measure high-0.9 --rate 0.9 --qber 0.0076 --decoder precise | tail -n 1
    # What baseline reconciliation chooses for a target of .01, by `caligo-run reconcile`.
    for decoder in precise balanced; do
        for qber in 0.02 0.03 0.05 0.08 0.10; do
            size=$(target/release/caligo-run reconcile --code 4096 --alice target/demo/a --bob target/demo/b --qber "$qber" \
                --target-fer 0.01 --decoder "$decoder" --json |
                sed -n 's/^ *"punctured": \([0-9]*\),*$/--punctured \1/p; s/^ *"shortened": \([0-9]*\),*$/--shortened \1/p' |
                tr '\n' ' ')
            # shellcheck disable=SC2086
            measure "baseline-$qber" $size --qber "$qber" --decoder "$decoder" | tail -n 1
        done
    done
} >"$out.new"
mv "$out.new" "$out"
