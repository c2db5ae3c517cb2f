#!/usr/bin/env bash
# Fuzzes the codec, both pairs of machines and their plans, each for so many seconds (default 10), beginning with the golden frames.
#
#   scripts/fuzz.sh [SECONDS]           all targets; what they learn stays in target/fuzz for the next time
#   scripts/fuzz.sh run TARGET FILE     one input once more, such as one that crashed
#   scripts/fuzz.sh ready               whether there is a C++ compiler (libFuzzer is C++), or one can be installed
#   scripts/fuzz.sh lint                clippy
#
# Exits with 1 on a crash, after naming the input.
set -eu
CALIGO_CORE_ONLY=1
. "$(dirname "$0")/setup.sh"

dir="${CARGO_TARGET_DIR:-$PWD/target}/fuzz"
host=$(rustc -vV | sed -n 's/^host: //p')
targets="wire machines plan transfer"

has_compiler() {
    command -v "${CXX:-c++}" >/dev/null
}

install_compiler() {
    local root=
    command -v apt-get >/dev/null || return
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null || return
        root="sudo -n"
    fi
    echo "fuzz: installing g++"
    $root apt-get update -q || true
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends --no-remove g++
}

# cargo with the instrumentation that libFuzzer reads. The explicit target keeps it out of build scripts.
instrumented() {
    local flags="-Cpasses=sancov-module" part
    for part in level=4 inline-8bit-counters pc-table trace-compares; do
        flags="$flags -Cllvm-args=-sanitizer-coverage-$part"
    done
    RUSTFLAGS="$flags -Cdebug-assertions -Coverflow-checks --cfg fuzzing" cargo "$1" --release --locked \
        --manifest-path fuzz/Cargo.toml --target "$host" --target-dir "$dir/build" "${@:2}"
}

# bytes HEX...
bytes() {
    local hex="$*"
    # shellcheck disable=SC2059
    printf "$(printf %s "${hex// /}" | sed 's/../\\x&/g')"
}

# sessions NAME HEX...: of each strategy, with these events, as fuzz/src/session.rs and world.rs read them. First
# come key and sample bits, classes, budget, strategy, policy, rounds, window, flags, plan, a seed for the keys.
sessions() {
    local name=$1 events=$2 strategy
    for strategy in 0 1 2; do
        bytes 018f 01 0020 02 00 "0$strategy" 00 08 03 3a 14 01 1e 03 08 10 10 08 01 "$events" \
            >"$dir/seeds/machines/$name-$strategy"
    done
}

# transfers NAME HEX...: with and without a commitment, a sample and a sound decoder, and then these events, as
# fuzz/src/transfer.rs reads them. First come rounds, flags, plan, policy, bits of a frame, a seed, errors.
transfers() {
    local name=$1 events=$2 flags
    for flags in 00 05 06 0f 27; do
        bytes 0190 "$flags" 1e 00 00 00 07 05 02 "$events" >"$dir/seeds/transfer/$name-$flags"
    done
}

# A golden frame is a seed for the codec as it is. For the machines it is an event, to Bob and to Alice.
seeds() {
    local name frame length
    rm -rf "$dir/seeds"
    mkdir -p "$dir/seeds/wire" "$dir/seeds/machines" "$dir/seeds/plan" "$dir/seeds/transfer"
    # Left alone; every decision wrong once; every decoding failed once; with the core's decoder.
    sessions alone ""
    sessions wrong 0103000503000903000d01020001
    sessions failed 0104000304080c01040003050709010200010200
    sessions decoded 01050005000105000500010500050001
    # Left alone; Delta t passes between frames; a decision wrong, another failed; a frame changed, lost, told again.
    transfers alone ""
    transfers waits 010c1a010c1a01
    transfers wrong 010d010d01030000040002000200
    transfers changed 0186000501010d0106000501
    transfers lost 01880108
    while read -r name _ frame _; do
        case $name in '#'* | '') continue ;; esac
        [ "$frame" != - ] || frame=
        bytes "$frame" >"$dir/seeds/wire/$name"
        length=$(((${#frame} - 24) / 2))
        [ "$length" -ge 0 ] && [ "$length" -lt 300 ] || continue
        length=$(printf %04x "$length")
        transfers "$name" "01 05${frame:2:2}$length${frame:24} 0d 01 85${frame:2:2}$length${frame:24}"
        sessions "$name" "01 06${frame:2:2}$length${frame:24} 86${frame:2:2}$length${frame:24}"
    done <tests/data/wire.txt
}

# run TARGET ARGUMENT...
run() {
    local binary="$dir/build/$host/release/$1"
    shift
    "$binary" -max_len=4096 -timeout=20 "$@"
}

has_compiler || install_compiler || true
if ! has_compiler; then
    echo "error: no C++ compiler (c++) found; install one, on Debian: apt-get install g++" >&2
    exit 1
fi
case ${1:-} in
    ready) exit ;;
    lint)
        instrumented clippy -- -D warnings
        exit
        ;;
esac
instrumented build
if [ "${1:-}" = run ]; then
    run "$2" "$3"
    exit
fi
seconds=${1:-10}
seeds
for target in $targets; do
    mkdir -p "$dir/corpus/$target" "$dir/crashes/$target"
    log="$dir/$target.log"
    echo "fuzz: $target, $seconds s"
    if run "$target" -max_total_time="$seconds" -artifact_prefix="$dir/crashes/$target/" \
        "$dir/corpus/$target" "$dir/seeds/$target" >"$log" 2>&1; then
        grep -E 'INITED|DONE' "$log"
    else
        grep -vE 'NEW|REDUCE|pulse' "$log" | tail -60
        file=$(sed -n 's/.*Test unit written to //p' "$log" | tail -1)
        echo "error: $target crashed on $file; again with: scripts/fuzz.sh run $target $file" >&2
        exit 1
    fi
done
echo "fuzz: passed"
