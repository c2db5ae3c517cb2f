#!/usr/bin/env bash
# Builds the C interface and its example as their users do, with every warning an error, and runs the example: as it is,
# under the address and undefined-behaviour sanitizers, and under valgrind. The header has to be C++ too.
#
#   scripts/capi.sh         all of it
#   scripts/capi.sh ready   whether valgrind is there, or can be installed (scripts/instructions.sh installs it)
set -eu
CALIGO_CORE_ONLY=1
. "$(dirname "$0")/setup.sh"

if [ "${1:-}" = ready ]; then
    exec bash scripts/instructions.sh ready
fi
target="${CARGO_TARGET_DIR:-target}"
out="$target/capi"
mkdir -p "$out"
cargo build --release --locked --package caligo-capi
library="$target/release/libcaligo.a"
cc=${CC:-cc}
warnings="-std=c11 -Wall -Wextra -Werror -pedantic -Wconversion -Wshadow -Icapi/include"

# expect FILE: the end of what the example printed.
expect() {
    cat "$1"
    [ "$(tail -n 1 "$1")" = "the keys are equal" ]
}

# shellcheck disable=SC2086
{
    $cc $warnings -O2 capi/examples/socketpair.c "$library" -lpthread -ldl -lm -o "$out/socketpair"
    "$out/socketpair" >"$out/plain.txt" && expect "$out/plain.txt"
    echo "capi: built with the shared library"
    $cc $warnings -O2 capi/examples/socketpair.c -L"$target/release" -lcaligo -o "$out/socketpair-shared"
    LD_LIBRARY_PATH="$target/release" "$out/socketpair-shared" >"$out/shared.txt" && expect "$out/shared.txt"
    echo "capi: under the sanitizers"
    $cc $warnings -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all \
        capi/examples/socketpair.c "$library" -lpthread -ldl -lm -o "$out/socketpair-asan"
    "$out/socketpair-asan" >"$out/asan.txt" && expect "$out/asan.txt"
    echo "capi: under valgrind"
    $cc $warnings -g -O1 capi/examples/socketpair.c "$library" -lpthread -ldl -lm -o "$out/socketpair-debug"
    valgrind --quiet --leak-check=full --errors-for-leak-kinds=all --error-exitcode=1 --trace-children=yes \
        "$out/socketpair-debug" >"$out/valgrind.txt" && expect "$out/valgrind.txt"
    if command -v "${CXX:-c++}" >/dev/null; then
        "${CXX:-c++}" -std=c++17 -Wall -Wextra -Werror -pedantic -Icapi/include capi/examples/header.cpp "$library" \
            -lpthread -ldl -lm -o "$out/header"
        "$out/header"
        echo "capi: the header is C++ too"
    fi
}
