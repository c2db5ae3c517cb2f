#!/usr/bin/env bash
# Builds caligo-core and its C interface for a target that has no standard library, the core and what firmware/ does for another
# (skipped where it cannot be had, but for CALIGO_CI_STRICT=1), and checks that the core depends on libm alone, or with its
# feature `serde` on that besides.
set -eu
CALIGO_CORE_ONLY=1
. "$(dirname "$0")/setup.sh"
. scripts/cross.sh

target=thumbv7em-none-eabihf
# Apart from the other builds: a second compiler must not invalidate them.
dir="${CARGO_TARGET_DIR:-target}/no-std"
export CARGO_PROFILE_DEV_DEBUG=false

# depends FEATURES ALLOWED: what caligo-core is linked with. Procedural macros run in the compiler.
depends() {
    local tree
    tree=$(cargo tree --locked --package caligo-core --no-default-features --features "$1" \
        --edges normal,no-proc-macro --target all --prefix none)
    if printf '%s\n' "$tree" | awk -v allowed=" caligo-core $2 " 'index(allowed, " " $1 " ") == 0 { bad = 1 } END { exit !bad }'; then
        echo "error: caligo-core with features '$1' may depend on $2 only, but has:" >&2
        printf '%s\n' "$tree" >&2
        exit 1
    fi
    echo "no-std: caligo-core with features '$1' depends on $2 only"
}
depends alloc libm
depends alloc,serde "libm serde serde_core"

# every_feature TARGET: the core, with any set of features.
every_feature() {
    local f32 large alloc serde features
    for f32 in "" f32; do for large in "" large-codes; do for alloc in "" alloc; do for serde in "" serde; do
        features="$f32 $large $alloc $serde"
        echo "no-std: building for $1, features: $features"
        "$cross_cargo" build --quiet --locked --package caligo-core --no-default-features --features "$features" \
            "${cross_flags[@]}" --target-dir "$dir"
    done; done; done; done
}

cross "$target" core,alloc
echo "no-std: $cross_way"
every_feature "$target"
echo "no-std: building the C interface for $target"
# A static library would want a panic handler, which is the firmware's.
"$cross_cargo" rustc --locked --package caligo-capi --no-default-features --lib --crate-type rlib \
    "${cross_flags[@]}" --target-dir "$dir"
# Another architecture, without floating point.
other=riscv32imac-unknown-none-elf
if cross "$other" core,alloc; then
    echo "no-std: $cross_way"
    every_feature "$other"
    echo "no-std: building the firmware's sessions and decoders for $other"
    "$cross_cargo" build --quiet --manifest-path firmware/Cargo.toml --lib --release --locked "${cross_flags[@]}" --target-dir "$dir"
elif [ "${CALIGO_CI_STRICT:-0}" != 0 ]; then
    exit 1
else
    echo "no-std: $other: SKIPPED" >&2
fi
echo "no-std: passed"
