#!/usr/bin/env bash
# Every check. All steps run even if one fails; the exit code is 0 if none failed.
# A step whose tool is missing and cannot be installed is skipped, or fails if CALIGO_CI_STRICT=1.
set -eu
. "$(dirname "$0")/scripts/setup.sh"

failed=
skipped=

step() {
    local name=$1 start=$SECONDS result=passed
    shift
    echo "== $name"
    "$@" || { result=FAILED; failed="$failed $name"; }
    echo "== $name: $result, $((SECONDS - start)) s"
}

skip() {
    echo "== $1: SKIPPED, $2" >&2
    skipped="$skipped $1"
    [ "${CALIGO_CI_STRICT:-0}" = 0 ] || failed="$failed $1"
}

# component SUBCOMMAND RUSTUP-COMPONENT
component() {
    cargo "$1" --version >/dev/null 2>&1 && return
    command -v rustup >/dev/null && limited 60 rustup component add "$2" && cargo "$1" --version >/dev/null 2>&1
}

# Not on the user's PATH, and not of another version's configuration format.
deny_version=0.20.2
deny_root="$PWD/target/tools"

have_deny() {
    PATH="$deny_root/bin:$PATH"
    [ "$(cargo deny --version 2>/dev/null)" = "cargo-deny $deny_version" ] && return
    echo "== installing cargo-deny $deny_version, some minutes"
    limited 900 cargo install cargo-deny --locked --version "$deny_version" --root "$deny_root" --quiet
}

# Without advisories: their database is a git repository that offline machines cannot fetch.
run_deny() {
    # The graph spans all targets, so offline needs the sources of all of them.
    cargo fetch --locked && cargo deny --offline check licenses bans sources
}

# What no other step runs: the benchmarks need peers installed, and minutes.
syntax() {
    local script
    for script in ci.sh .ci/run scripts/*.sh; do
        bash -n "$script" || return
    done
    ! command -v python3 >/dev/null ||
        python3 -c 'import ast, sys; [ast.parse(open(f).read(), f) for f in sys.argv[1:]]' benches/*/*.py
}

step syntax syntax
if component fmt rustfmt; then
    step format cargo fmt --all --check
    step format-fuzz cargo fmt --manifest-path fuzz/Cargo.toml --check
    step format-peers cargo fmt --manifest-path benches/peers/Cargo.toml --check
    step format-firmware cargo fmt --manifest-path firmware/Cargo.toml --check
    step format-bundle cargo fmt --manifest-path web/bundle/Cargo.toml --check
else
    skip format "rustfmt is missing: rustup component add rustfmt"
fi
if component clippy clippy; then
    step clippy cargo clippy --workspace --all-targets --all-features --locked -- -D warnings
    step clippy-firmware cargo clippy --manifest-path firmware/Cargo.toml --locked --target-dir "${CARGO_TARGET_DIR:-target}/firmware" -- -D warnings
else
    skip clippy "clippy is missing: rustup component add clippy"
fi
step rustdoc env RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features --locked
# Nothing here builds the benchmarks' package, but its lock file has to follow the workspace's.
step lock-peers cargo fetch --locked --manifest-path benches/peers/Cargo.toml
step tests bash scripts/test.sh
step package bash scripts/package.sh
step no-std bash scripts/no-std.sh
if bash scripts/firmware.sh ready; then
    step firmware bash scripts/firmware.sh check
    step embedding bash scripts/embedding.sh
else
    skip firmware "QEMU is missing, on Debian: apt-get install qemu-system-arm"
fi
if bash scripts/capi.sh ready; then
    step capi bash scripts/capi.sh
else
    skip capi "it needs x86-64 Linux and valgrind, on Debian: apt-get install valgrind"
fi
if bash scripts/web.sh ready; then
    step web bash scripts/web.sh test
else
    skip web "it needs Node 20 or later with npm, and Chromium, on Debian: apt-get install chromium"
fi
if bash scripts/fuzz.sh ready; then
    ! component clippy clippy || step clippy-fuzz bash scripts/fuzz.sh lint
    step fuzz bash scripts/fuzz.sh 7
else
    skip fuzz "a C++ compiler is missing, on Debian: apt-get install g++"
fi
# Times vary with the machine and its load, counts of instructions do not.
if bash scripts/instructions.sh ready; then
    step instructions bash scripts/instructions.sh
else
    skip instructions "it needs x86-64 Linux and valgrind, on Debian: apt-get install valgrind"
fi
if have_deny; then
    step deny run_deny
else
    skip deny "cargo-deny is missing: cargo install cargo-deny --locked --version $deny_version"
fi

[ -z "$skipped" ] || echo "== skipped:$skipped"
if [ -n "$failed" ]; then
    echo "== FAILED:$failed, $SECONDS s"
    exit 1
fi
echo "== passed, $SECONDS s"
