# shellcheck shell=bash
# Sourced after scripts/setup.sh by scripts that build for another target.
#
#   cross TARGET STD-CRATES   finds a way to build for TARGET: installed already, by rustup, or Debian's compiler with
#                             STD-CRATES (core,alloc) built from source. Fails with a message that says what to do. Sets:
#     cross_cargo   the cargo to call
#     cross_flags   an array of flags for its `build` and `rustc`: the target, and the crates to build from source
#     cross_way     which way it is, in words

# Asks the compiler that will be used, so that it also holds for a Rust that is not rustup's.
cross_has() {
    local lib
    lib=$(rustc --print target-libdir --target "$1" 2>/dev/null) && ls "$lib"/libcore-*.rlib >/dev/null 2>&1
}

cross_packages="rustc-web cargo-web rust-web-src lld-19"

# Debian's packages, if they are as recent as the workspace asks for.
cross_debian() {
    local least found
    least=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
    # shellcheck disable=SC2086
    if ! dpkg -s $cross_packages >/dev/null 2>&1; then
        # The lists may be stale or missing; whether that matters is seen at the installation.
        { [ "$(id -u)" != 0 ] && sudo -n apt-get update -q || apt-get update -q; } >/dev/null 2>&1 || true
        found=$(apt-cache policy rustc-web 2>/dev/null | sed -n 's/^ *Candidate: \([0-9.]*\).*/\1/p')
        if [ "$(printf '%s\n' "$least" "${found:-0}" | sort -V | head -n 1)" != "$least" ]; then
            echo "cross: Debian's rustc-web is ${found:-not there}; Rust $least or later is needed" >&2
            return 1
        fi
        # rustc-web conflicts with Debian's rustc and rustup: `debian` removes nothing.
        # shellcheck disable=SC2086
        debian $cross_packages || return
    fi
    [ "$(printf '%s\n' "$least" "$(/usr/bin/rustc --version | cut -d ' ' -f 2)" | sort -V | head -n 1)" = "$least" ]
}

cross() {
    local target=$1 crates=$2 name linker
    cross_cargo=cargo
    cross_flags=(--target "$target")
    if cross_has "$target"; then
        cross_way="target already installed"
    elif command -v rustup >/dev/null && limited 60 rustup target add "$target" && cross_has "$target"; then
        cross_way="target added by rustup"
    elif command -v apt-get >/dev/null && cross_debian; then
        cross_way="Debian's compiler, $crates from source"
        cross_cargo=/usr/bin/cargo
        cross_flags+=("-Zbuild-std=$crates")
        # Building core is an unstable feature of cargo; Debian has no rust-lld.
        name=$(printf '%s' "$target" | tr 'a-z.-' 'A-Z__')
        linker=ld.lld-19
        case $target in wasm32-*) linker=wasm-ld-19 ;; esac
        export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 "CARGO_TARGET_${name}_LINKER=$linker"
    else
        echo "error: no way to build for $target; run: rustup target add $target" >&2
        echo "       or, on Debian as root: apt-get install $cross_packages" >&2
        return 1
    fi
}
