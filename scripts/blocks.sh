#!/usr/bin/env bash
# tests/data/blocks.csv: blocks of 100 seeds, which every instruction set, native and in the browser, has to reproduce.
set -eu
CALIGO_CORE_ONLY=1
. "$(dirname "$0")/setup.sh"

run() {
    cargo run --quiet --release --locked --no-default-features -p caligo-runtime -- block --csv --count 100 --qber 0.05 "$@"
}

file=tests/data/blocks.csv
{
    echo "# scripts/blocks.sh"
    run --strategy baseline --decoder fast,balanced,precise
    run --strategy blind --decoder fast,balanced | tail -n +2
    run --strategy symmetric --decoder fast | tail -n +2
} >"$file.new"
mv "$file.new" "$file"
