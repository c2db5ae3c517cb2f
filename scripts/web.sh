#!/usr/bin/env bash
# The page.
#
#   scripts/web.sh build    web/dist: static files, for any host
#   scripts/web.sh serve    builds it if it is not there and serves it on this machine, port 8080 or $PORT
#   scripts/web.sh test     builds it and tests it: modules and WebAssembly in Node, the page in Chromium
#   scripts/web.sh speed    WebAssembly's decoders in Node beside this machine's own
#   scripts/web.sh ready    whether what the tests need is there or can be installed
set -eu
CALIGO_CORE_ONLY=1
. "$(dirname "$0")/setup.sh"
. scripts/cross.sh

wasm=wasm32-unknown-unknown
target="${CARGO_TARGET_DIR:-target}"
case $target in /*) ;; *) target="$PWD/$target" ;; esac
dist=web/dist
# No paths of the machine that builds.
remap="--remap-path-prefix=$PWD=caligo --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=cargo"
# Of the module with vectors, before compression.
budget=200000

# Where functions become one another's part, and loops are laid out, the module grows more than it gains: the kernels say
# themselves what is to be inlined.
lean=(-C llvm-args=-inline-threshold=5 -C llvm-args=-unroll-threshold=60)

# one NAME FLAGS FEATURES DIRECTORY: a module. Apart from the other builds, which have other flags. As a library for Rust too,
# it would not be optimized as one program.
one() {
    echo "web: building the $1 module"
    RUSTFLAGS="$2 $remap" CARGO_TARGET_DIR="$target/web/$1" \
        "$cross_cargo" rustc --locked --profile web --package caligo-wasm --features "$3" --lib --crate-type cdylib \
        "${cross_flags[@]}" -- "${lean[@]}"
    "$bundle" "$target/web/$1/$wasm/web/caligo_wasm.wasm" "$target/web/$1/out" caligo
    cp "$target/web/$1/out/caligo_bg.wasm" "$4/$1.wasm"
    # One glue serves both.
    [ ! -f "$4/caligo.js" ] || cmp "$target/web/$1/out/caligo.js" "$4/caligo.js"
    cp "$target/web/$1/out/caligo.js" "$4/"
}

# both FEATURES DIRECTORY
both() {
    rm -rf "$2"
    mkdir -p "$2"
    one simd "-C target-feature=+simd128" "$1" "$2"
    one scalar "" "$1" "$2"
}

# What builds and bundles a module.
tools() {
    local version
    version=$(sed -n '/^name = "wasm-bindgen"$/{n;s/^version = "\(.*\)"/\1/p}' Cargo.lock)
    if ! grep -q "^wasm-bindgen-cli-support = \"=$version\"" web/bundle/Cargo.toml; then
        echo "error: web/bundle/Cargo.toml: expected wasm-bindgen-cli-support = \"=$version\", the version in Cargo.lock" >&2
        return 1
    fi
    (unset RUSTC RUSTC_BOOTSTRAP
    cargo build --release --locked --manifest-path web/bundle/Cargo.toml --target-dir "$target/web/bundle")
    bundle="$target/web/bundle/release/caligo-bundle"
    cross $wasm std,panic_abort
    echo "web: $cross_way"
}

build() {
    tools
    rm -rf "$dist"
    both "" "$dist/wasm"
    cp -r web/index.html web/style.css web/icon.svg web/js "$dist/"
    local files version
    files=$(cd "$dist" && find . -type f | LC_ALL=C sort | sed 's|^\./||')
    version=$(cd "$dist" && printf '%s\n' "$files" | xargs cat | cksum | tr ' ' -)
    # "./" is what most addresses end in.
    sed -e "s|@VERSION@|caligo-$version|" -e "s|\"@FILES@\"|\"./\"$(printf '%s\n' "$files" | sed 's|.*|, "&"|' | tr -d '\n')|" web/sw.js >"$dist/sw.js"
    for name in simd scalar; do
        echo "web: $name.wasm $(wc -c <"$dist/wasm/$name.wasm") bytes, $(gzip -9 -c "$dist/wasm/$name.wasm" | wc -c) compressed"
    done
    within || echo "warning: $over" >&2
    echo "web: $dist is ready"
}

# Whether the module is as small as it has to be. Another compiler may make it larger: that keeps nobody from the page.
within() {
    local size
    size=$(wc -c <"$dist/wasm/simd.wasm")
    over="simd.wasm: expected at most $budget bytes, found $size"
    [ "$size" -le $budget ]
}

# Packages of the tests.
packages() {
    [ web/node_modules/.package-lock.json -nt web/package-lock.json ] && return
    echo "web: npm ci"
    (cd web && limited 300 npm ci --no-audit --no-fund --silent)
}

chromium() {
    local path
    for path in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
        # Not this function, which has the name of a program.
        [ -n "$path" ] && type -P "$path" && return
    done
    return 1
}

ready() {
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        echo "error: the page's tests need Node 20 or later with npm" >&2
        return 1
    fi
    chromium >/dev/null && return
    echo "web: installing chromium"
    command -v apt-get >/dev/null && limited 120 debian_root apt-get update -q >/dev/null 2>&1 || true
    command -v apt-get >/dev/null && debian chromium && chromium >/dev/null && return
    echo "error: the page's tests need Chromium: apt-get install chromium, or CHROMIUM=path" >&2
    return 1
}

debian_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

test_all() {
    ready
    packages
    build
    within || { echo "error: $over" >&2; return 1; }
    echo "web: modules and WebAssembly in Node"
    node --test web/test/*.test.mjs
    echo "web: the page in Chromium"
    CHROMIUM=$(chromium) WEB_SHOTS="$target/web/shots" node web/test/page.mjs
}

speed() {
    tools
    both speed "$target/web/speed"
    (unset RUSTC RUSTC_BOOTSTRAP
    cargo build --release --locked --package caligo-sim --example speed)
    node web/test/speed.mjs "$target/release/examples/speed" "$target/web/speed"
}

case ${1:-} in
    build) build ;;
    serve)
        [ -f $dist/index.html ] || build
        if command -v node >/dev/null; then exec node web/serve.mjs "${PORT:-8080}"; fi
        echo "web: http://127.0.0.1:${PORT:-8080}/"
        exec python3 -m http.server --bind 127.0.0.1 --directory $dist "${PORT:-8080}"
        ;;
    test) test_all ;;
    speed) speed ;;
    ready) ready ;;
    *)
        echo "usage: scripts/web.sh build|serve|test|speed|ready" >&2
        exit 2
        ;;
esac
