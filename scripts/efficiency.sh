#!/usr/bin/env bash
# Measures the interactive figures of docs/results/README.md again: docs/results/{efficiency,restart,side_info}.csv and
# efficiency.svg. About 45 minutes on two cores.
set -eu
. "$(dirname "$0")/setup.sh"
cargo build --release --locked -p caligo-runtime
frames=${CALIGO_FRAMES:-8192}
results=docs/results
work=target/efficiency
mkdir -p "$work"
run() {
    echo "caligo-run $*" >&2
    target/release/caligo-run "$@"
}
measure() {
    run efficiency "$@" --seed 2 --csv
}

# f against QBER, the error rate known beforehand or not.
qber=0.02,0.03,0.05,0.08
{
    echo "# scripts/efficiency.sh: caligo-run efficiency ... --seed 2 --csv"
    measure --strategy blind --rounds 3 --qber $qber --decoder precise --frames "$frames"
    measure --strategy blind --rounds 10 --qber $qber --decoder precise --frames "$frames" | tail -n +2
    measure --strategy symmetric --rounds 32 --qber $qber --decoder precise --frames $((frames / 2)) | tail -n +2
    for strategy in blind symmetric; do
        measure --strategy $strategy --prior none --qber 0.01,0.02,0.03,0.05,0.08,0.1 --frames $((frames / 2)) |
            tail -n +2
    done
} >"$work/efficiency.csv"

# A short run of all strategies for the plot.
measure --strategy baseline,blind,symmetric --qber 0.01,0.015,0.02,0.03,0.04,0.05,0.06,0.08,0.1 --frames 512 \
    --svg "$work/efficiency.svg" >/dev/null

# Hot against cold restarts by iterations for each round.
{
    echo "# scripts/efficiency.sh: caligo-run efficiency --strategy blind --qber 0.05 --decoder fast ... --frames 1024 --seed 2 --csv"
    echo "restart,max_iterations,f_mean,fer,rounds_mean,iterations_mean"
    for restart in hot cold; do
        for iterations in 5 10 20 40 100; do
            measure --strategy blind --qber 0.05 --decoder fast --frames 1024 --restart $restart \
                --max-iterations $iterations | tail -n 1 | cut -d, -f 7,9,12,14 | sed "s/^/$restart,$iterations,/"
        done
    done
} >"$work/restart.csv"

# Keys that are not one symmetric channel, decoded as if they were, at their known mean, and as they are, with
# nothing known beforehand.
keys() {
    local name=$1
    shift
    run demo-keys --bits 8000000 --seed 2 "$@" --alice "$work/$name.a" --bob "$work/$name.b" | tail -n 2 >&2
}
# row NAME HOW ARGUMENT...
row() {
    local name=$1 how=$2 report f qber failed
    shift 2
    report=$(run reconcile --code 4096 --alice "$work/$name.a" --bob "$work/$name.b" --strategy blind --seed 2 --json "$@" || true)
    f=$(sed -n 's/^  "f": \(.*\),$/\1/p' <<<"$report")
    qber=$(sed -n 's/^  "qber_observed": \(.*\),$/\1/p' <<<"$report")
    failed=$(grep -c '"reason"' <<<"$report" || true)
    echo "$name,$how,$qber,$f,$failed"
}
{
    echo "# scripts/efficiency.sh: caligo-run reconcile --strategy blind --seed 2 ... of 8,000,000 bits"
    echo "key,decoded,qber_observed,f,blocks_failed"
    keys bases --class-qber 0.051,0.012 --side-info "$work/bases.classes"
    row bases one_rate --qber 0.0315 --one-rate
    row bases one_rate_learnt
    row bases by_class_and_value --side-info "$work/bases.classes"
    keys asymmetric --error-given 0.0185,0.0325
    row asymmetric one_rate --qber 0.0255 --one-rate
    row asymmetric by_value
    keys drift --qber 0.03 --drift 0.8 --bursts 20 --burst-length 500
    row drift one_rate_learnt
    run demo-keys --bits 8000000 --seed 2 --qber 0.0306 --alice "$work/even.a" --bob "$work/even.b" >&2
    row even one_rate_learnt
} >"$work/side_info.csv"
mv "$work"/*.csv "$work"/*.svg $results
