#!/usr/bin/env bash
# Packs what can be published, without a word of complaint from cargo, and looks whether licences and READMEs are in it.
set -eu
CALIGO_CORE_ONLY=1
. "$(dirname "$0")/setup.sh"

dir="${CARGO_TARGET_DIR:-target}/packages"
mkdir -p "$dir"
# Both together, for the second needs the first, which no registry has. What is packed is what is there, committed or not.
cargo package --locked --no-verify --allow-dirty --target-dir "$dir" -p caligo-core -p caligo-capi 2>"$dir/log.txt" || {
    cat "$dir/log.txt" >&2
    exit 1
}
if grep -q '^warning' "$dir/log.txt"; then
    cat "$dir/log.txt" >&2
    echo "error: cargo warns about a package" >&2
    exit 1
fi
for package in core capi; do
    for file in README.md LICENSE-MIT LICENSE-APACHE; do
        cargo package --list --allow-dirty -p "caligo-$package" | grep -qx "$file" || {
            echo "error: caligo-$package: $file is not in the package" >&2
            exit 1
        }
    done
done
echo "package: passed"
