#!/usr/bin/env bash
# Sourced by the other scripts: moves to the repository's root and checks the two things they all need.
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
