#!/usr/bin/env bash
# Counts the instructions of each kernel under valgrind and compares them with docs/results/instructions.csv: more than
# 5 % above fails, more than 5 % below asks for new figures. Another rustc than the file's widens 5 % to 25 %.
#
#   scripts/instructions.sh            counts and compares; 5 seconds once built, two minutes from nothing
#   scripts/instructions.sh --write    counts and writes the file
#   scripts/instructions.sh ready      whether valgrind is there, or can be installed
set -eu
. "$(dirname "$0")/setup.sh"

file=docs/results/instructions.csv
kernels="syndrome sliced-swift sliced-sturdy corrected sum-product tag toeplitz errors pairs"

install_valgrind() {
    local root=
    command -v apt-get >/dev/null || return
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || return
        root="sudo -n"
    fi
    echo "instructions: installing valgrind"
    limited 120 $root apt-get update -q || true
    limited 300 $root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends --no-remove valgrind
}

if [ "$(uname -sm)" != "Linux x86_64" ]; then
    echo "error: the figures are those of x86-64 Linux" >&2
    exit 1
fi
command -v valgrind >/dev/null || install_valgrind || true
if ! command -v valgrind >/dev/null; then
    echo "error: valgrind is missing; install it, on Debian: apt-get install valgrind" >&2
    exit 1
fi
[ "${1:-}" != ready ] || exit 0

# Flags for this machine would change the counts.
unset RUSTFLAGS CARGO_ENCODED_RUSTFLAGS
cargo build --release --locked -p caligo-benches --bin instructions
binary="${CARGO_TARGET_DIR:-target}/release/instructions"

# count KERNEL PORTABLE -> kernel,path,instructions. Path is what the program saw: valgrind may hide instruction sets.
count() {
    local log path collected
    log=$(mktemp)
    if ! path=$(CALIGO_PORTABLE=$2 valgrind --tool=callgrind --callgrind-out-file=/dev/null \
        --toggle-collect='*instructions::counted*' "$binary" "$1" 2>"$log"); then
        cat "$log" >&2
        rm -f "$log"
        return 1
    fi
    collected=$(sed -n 's/^==.*Collected : \([0-9]*\).*/\1/p' "$log")
    rm -f "$log"
    if [ "${collected:-0}" = 0 ]; then
        echo "error: $1: nothing was counted" >&2
        return 1
    fi
    echo "$1,$path,$collected"
}

rustc=$(rustc --version)
counted=$(
    for kernel in $kernels; do
        count "$kernel" 0 && count "$kernel" 1 || exit
    done
)

if [ "${1:-}" = --write ]; then
    {
        echo "# scripts/instructions.sh --write, $rustc"
        echo "kernel,path,instructions"
        echo "$counted"
    } >"$file.new"
    mv "$file.new" "$file"
    cat "$file"
    exit
fi

margin=5
recorded=$(sed -n 's/^# scripts\/instructions.sh --write, //p' "$file")
if [ "$rustc" != "$recorded" ]; then
    margin=25
    echo "instructions: figures are of $recorded, this is $rustc: margin $margin %"
fi
echo "$counted" | awk -F, -v margin=$margin '
    FNR == NR { if (!/^#/) want[$1, $2] = $3; next }
    !(($1, $2) in want) { print "note: no figure for " $1 " as " $2; next }
    {
        compared++
        committed = want[$1, $2]
        change = 100 * ($3 / committed - 1)
        printf "%-14s %-9s %10d, committed %10d, %+.1f %%\n", $1, $2, $3, committed, change
        if (change > margin) {
            printf "error: %s (%s) takes %d instructions, committed are %d\n", $1, $2, $3, committed
            failed = 1
        } else if (change < -margin)
            printf "note: %s (%s) takes fewer than committed: scripts/instructions.sh --write\n", $1, $2
    }
    END {
        if (!compared) print "error: nothing to compare"
        exit failed || !compared
    }' "$file" -
echo "instructions: passed"
