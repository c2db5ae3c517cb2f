#!/usr/bin/env bash
# Measures what each mother code discloses for keys of several lengths: docs/results/codes.csv. About ten minutes on two
# cores.
set -eu
. "$(dirname "$0")/setup.sh"
cargo build --release --locked -p caligo-runtime
out=docs/results/codes.csv
work=target/codes
mkdir -p "$work"
# row STRATEGY QBER BITS CODE ARGUMENT...: with the key at $work/a and $work/b.
row() {
    local line=$1,$2,$3,$4 code=$4 report seconds figure
    shift 4
    echo "$line" >&2
    TIMEFORMAT='%U'
    { time target/release/caligo-run reconcile --alice "$work/a" --bob "$work/b" --code "$code" --seed 2 --json "$@" \
        >"$work/report" 2>/dev/null || true; } 2>"$work/seconds"
    seconds=$(tail -n 1 "$work/seconds")
    report=$(cat "$work/report")
    figure() { sed -n "s/^  \"$1\": \(.*\),\$/\1/p" <<<"$report"; }
    echo "$line,$(figure code),$(figure blocks),$(grep -c '"reason"' <<<"$report" || true),$(figure f),$(figure f_with_tag),$seconds"
}
{
    echo "# scripts/codes.sh: caligo-run reconcile --seed 2 --json --strategy ... --code ..., keys by demo-keys --seed 2"
    echo "strategy,qber,bits,code,code_used,blocks,failed,f,f_with_tag,user_seconds"
    for qber in 0.005 0.01 0.03 0.06 0.09; do
        for bits in 20000 100000 1000000 4000000; do
            target/release/caligo-run demo-keys --bits $bits --qber $qber --seed 2 --alice "$work/a" --bob "$work/b" \
                >/dev/null
            for code in 4096 8192 16384 65536 auto; do
                row baseline $qber $bits $code --strategy baseline --qber $qber
                row blind $qber $bits $code --strategy blind
            done
        done
    done
} >"$out.new"
mv "$out.new" "$out"
rm -r "$work"
