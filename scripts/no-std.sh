#!/usr/bin/env bash
# Builds caligo-core and its C interface for a target that has no standard library, and checks that the core depends on libm
# alone, or with its feature `serde` on that besides.
set -eu
CALIGO_CORE_ONLY=1
. "$(dirname "$0")/setup.sh"

target=thumbv7em-none-eabihf
# Apart from the other builds: a second compiler must not invalidate them.
dir="${CARGO_TARGET_DIR:-target}/no-std"

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

# Asks the compiler that will be used, so that it also holds for a Rust that is not rustup's.
has_target() {
    local lib
    lib=$(rustc --print target-libdir --target "$target") && ls "$lib"/libcore-*.rlib >/dev/null 2>&1
}

# build CARGO STD-CRATES: STD-CRATES are compiled along if non-empty.
build() {
    local features std
    for features in "" alloc serde; do
        std=
        [ -z "$2" ] || std="-Zbuild-std=core,alloc"
        echo "no-std: building for $target, features: ${features:-none}"
        "$1" build --locked --package caligo-core --no-default-features --features "$features" \
            --target "$target" --target-dir "$dir" $std
    done
    std=
    [ -z "$2" ] || std="-Zbuild-std=core,alloc"
    echo "no-std: building the C interface for $target"
    # A static library would want a panic handler, which is the firmware's.
    "$1" rustc --locked --package caligo-capi --no-default-features --lib --crate-type rlib \
        --target "$target" --target-dir "$dir" $std
}

packages="rustc-web cargo-web rust-web-src"

install_debian() {
    local root=
    # shellcheck disable=SC2086
    dpkg -s $packages >/dev/null 2>&1 && return
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "error: installing $packages needs root, and there is no sudo" >&2
            return 1
        fi
        root="sudo -n"
    fi
    echo "no-std: installing Debian's $packages"
    # The lists may be stale or missing; whether that matters is seen at the installation.
    $root apt-get update -q || true
    # No removals: rustc-web conflicts with Debian's rustc and rustup.
    # shellcheck disable=SC2086
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends --no-remove $packages
}

if has_target; then
    echo "no-std: way 1, target already installed"
    build cargo ""
elif command -v rustup >/dev/null && limited 20 rustup target add "$target" && has_target; then
    echo "no-std: way 2, target added by rustup"
    build cargo ""
elif command -v apt-get >/dev/null && install_debian; then
    echo "no-std: way 3, Debian's compiler with core built from source"
    # Building core is an unstable feature of cargo.
    export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1
    build /usr/bin/cargo core
else
    echo "error: no way to build for $target; run: rustup target add $target" >&2
    echo "       or, on Debian as root: apt-get install $packages" >&2
    exit 1
fi
echo "no-std: passed"
