#!/usr/bin/env bash
# Sourced by the other scripts: moves to the repository's root and checks what they need: cargo, a C compiler, and, unless
# CALIGO_CORE_ONLY is set, CMake, which is installed if it is missing or too old.
set -eu
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# A fresh rustup installation is on the PATH of new shells only.
if ! command -v cargo >/dev/null && [ -x "${CARGO_HOME:-${HOME:-}/.cargo}/bin/cargo" ]; then
    PATH="${CARGO_HOME:-${HOME:-}/.cargo}/bin:$PATH"
    export PATH
fi
if ! cargo --version >/dev/null 2>&1; then
    echo "error: no working cargo found; install Rust $(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml) or later, for example with rustup" >&2
    exit 1
fi
# rustc links through cc.
if ! command -v cc >/dev/null; then
    echo "error: no C compiler (cc) found; install one, on Debian: apt-get install build-essential" >&2
    exit 1
fi

# limited SECONDS COMMAND...: without coreutils' timeout, no limit.
limited() {
    local seconds=$1
    shift
    if command -v timeout >/dev/null; then
        timeout -k 5 "$seconds" "$@"
    else
        "$@"
    fi
}

# Builds the C library of the feature hdf5; that library refuses earlier ones.
cmake_least=3.26
cmake_tools=$PWD/target/tools/cmake

# recent VERSION: at least $cmake_least.
recent() {
    [ -n "$1" ] && [ "$(printf '%s\n' "$cmake_least" "$1" | sort -V | head -n 1)" = "$cmake_least" ]
}

cmake_version() {
    "${CMAKE:-cmake}" --version 2>/dev/null | sed -n 's/^cmake version \([0-9.]*\).*/\1/p'
}

# debian PACKAGE...: as root, or by sudo without a password.
debian() {
    local root=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null && sudo -n true 2>/dev/null || return
        root="sudo -n"
    fi
    echo "setup: apt-get install $*"
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends --no-remove "$@" >/dev/null
}

# Debian 13 and Ubuntu 24.04 have one that is recent, Debian 12 has not.
cmake_by_apt() {
    command -v apt-get >/dev/null || return
    # A fresh image has no lists.
    if [ -z "$(apt-cache policy cmake 2>/dev/null)" ]; then
        { [ "$(id -u)" != 0 ] && sudo -n apt-get update -q || apt-get update -q; } >/dev/null 2>&1 || true
    fi
    recent "$(apt-cache policy cmake 2>/dev/null | sed -n 's/^ *Candidate: \([0-9.]*\).*/\1/p')" && debian cmake
}

cmake_by_pip() {
    local make="python3 -m venv $cmake_tools"
    rm -rf "$cmake_tools"
    if ! python3 -m venv "$cmake_tools" >/dev/null 2>&1; then
        command -v apt-get >/dev/null && debian python3-venv && $make >/dev/null || return
    fi
    echo "setup: pip install cmake, into target/tools/cmake"
    limited 300 "$cmake_tools/bin/pip" install -q --disable-pip-version-check "cmake>=$cmake_least,<5"
}

if [ -z "${CALIGO_CORE_ONLY:-}" ] && ! recent "$(cmake_version)"; then
    PATH="$cmake_tools/bin:$PATH"
    export PATH
    unset CMAKE
    if ! recent "$(cmake_version)"; then
        echo "setup: HDF5's C library is built by CMake $cmake_least or later; found: $(cmake_version || true)"
        cmake_by_apt || cmake_by_pip || true
        hash -r
        if ! recent "$(cmake_version)"; then
            echo "error: no CMake $cmake_least or later, and it could not be installed; with network access and Python 3:" >&2
            echo "       pip install cmake; or build without HDF5: cargo build --release --locked --no-default-features" >&2
            exit 1
        fi
        echo "setup: CMake $(cmake_version); HDF5 is then built once for each of cargo's profiles, about two minutes"
    fi
fi
