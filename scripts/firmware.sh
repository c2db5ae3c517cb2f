#!/usr/bin/env bash
# The Cortex-M4F image of firmware/: both machines of a reconciliation in static memory, in QEMU.
#
#   scripts/firmware.sh build   links it: fails if any panic is reachable
#   scripts/firmware.sh run     builds it and runs it in QEMU
#   scripts/firmware.sh host    the same program on this machine: the same lines, but no counts
#   scripts/firmware.sh check   builds it; what host and QEMU print has to be firmware/golden.txt, the engine's 8-bit decoder
#                               has to give the same by every set of instructions, counts and sizes have to be below their
#                               limits, and a panic has to break the build
#   scripts/firmware.sh golden  writes firmware/golden.txt from what the host prints
#   scripts/firmware.sh ready   whether QEMU is there, or can be installed
set -eu
CALIGO_CORE_ONLY=1
. "$(dirname "$0")/setup.sh"
. scripts/cross.sh

target=thumbv7em-none-eabihf
dir="${CARGO_TARGET_DIR:-target}/firmware"
image="$dir/$target/release/caligo-firmware"
mkdir -p "$dir"

# cargo finds no manifest above the directory it is told.
manifest="--manifest-path firmware/Cargo.toml --locked --release --target-dir $dir"

# build FLAGS...
build() {
    # shellcheck disable=SC2086
    "$cross_cargo" build $manifest "${cross_flags[@]}" "$@"
}

qemu() {
    command -v qemu-system-arm >/dev/null || { command -v apt-get >/dev/null && debian qemu-system-arm; }
}

run() {
    # A nanosecond an instruction, so that counts are the same everywhere.
    limited 600 qemu-system-arm -machine mps2-an386 -nographic -monitor none -serial none \
        -semihosting-config enable=on,target=native -icount shift=0 -kernel "$image"
}

host() {
    # shellcheck disable=SC2086
    cargo run --quiet $manifest
}

engine() {
    cargo test --quiet --manifest-path firmware/Cargo.toml --locked --target-dir "$dir" --test engine
}

golden() {
    grep -v '^#' firmware/golden.txt
}

# at_most WHAT LIMIT: the measured value, rounded down, is no more.
at_most() {
    local value
    value=$(sed -n "s/^measured: $1: \([0-9]*\).*/\1/p" "$dir/image.txt")
    if [ -z "$value" ] || [ "$value" -gt "$2" ]; then
        echo "error: $1: ${value:-not measured}, allowed $2" >&2
        return 1
    fi
}

# symbols PATTERN [BUT]: bytes of code and tables whose names match.
symbols() {
    nm -C -S --defined-only "$image" | awk -v pattern="$1" -v but="${2:-^$}" '
        function hex(s,  i, v) { v = 0; for (i = 1; i <= length(s); i++) v = 16 * v + index("0123456789abcdef", substr(s, i, 1)) - 1; return v }
        $3 ~ /^[tTrR]$/ && $4 ~ pattern && $4 !~ but { sum += hex($2) }
        END { print sum + 0 }'
}

# flash DECODER OTHER: codec, tables, machines and one decoder are below the limit. The image has besides another decoder and
# the program that runs and measures all.
flash() {
    local other program flash
    other=$(symbols "decode_$2|decode::$2")
    program=$(symbols '^start$|^failed$|caligo_firmware' 'caligo_firmware::blocks::decode_')
    flash=$(($(sed -n 's/^measured: flash, all of the image: \([0-9]*\).*/\1/p' "$dir/image.txt") - program - other))
    echo "measured: flash of codec, tables, both machines and decode::${1^}: $flash bytes"
    if [ "$other" -lt 1000 ] || [ "$flash" -gt 65536 ]; then
        echo "error: flash: expected at most 65536 bytes" >&2
        return 1
    fi
}

check() {
    build
    host >"$dir/host.txt"
    if ! golden | diff - "$dir/host.txt" >&2; then
        echo "error: this machine's output is not firmware/golden.txt; if that was meant: scripts/firmware.sh golden" >&2
        return 1
    fi
    engine || { echo "error: the engine's decisions are not those in firmware/golden.txt" >&2; return 1; }
    run >"$dir/image.txt" || { cat "$dir/image.txt" >&2; echo "error: the image failed in QEMU" >&2; return 1; }
    cat "$dir/image.txt"
    if ! grep -v '^measured:' "$dir/image.txt" | diff "$dir/host.txt" - >&2; then
        echo "error: the image's output differs from this machine's" >&2
        return 1
    fi
    at_most "decoding, an edge and iteration" 20
    at_most "decoding with 8 bits, an edge and iteration" 39
    # Of that 21824 bytes are the larger decoder's.
    at_most "static memory" 48000
    at_most stack 12000
    flash compact packed
    flash packed compact
    if nm -C "$image" | grep -E 'core::fmt|core::panicking'; then
        echo "error: the image contains formatting or panics" >&2
        return 1
    fi
    # The check that finds panics has to find one.
    if build --features a-panic >"$dir/panic.txt" 2>&1; then
        echo "error: an image with a panic in it was linked" >&2
        return 1
    fi
    grep -q 'undefined symbol: a_panic_is_reachable' "$dir/panic.txt" || {
        cat "$dir/panic.txt" >&2
        echo "error: the image with a panic failed for another reason" >&2
        return 1
    }
    echo "firmware: passed"
}

case ${1:-check} in
ready) qemu ;;
build) cross "$target" core && build ;;
run) qemu && cross "$target" core && build && run ;;
host) host ;;
golden)
    {
        echo "# What the image says, but for counts and sizes. Made by: scripts/firmware.sh golden"
        host
    } >"$dir/golden.txt" && cp "$dir/golden.txt" firmware/golden.txt
    ;;
check) qemu && cross "$target" core && echo "firmware: $cross_way" && check ;;
*)
    echo "usage: $0 build|run|host|check|golden|ready" >&2
    exit 2
    ;;
esac
