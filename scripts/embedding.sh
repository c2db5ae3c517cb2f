#!/usr/bin/env bash
# Does what docs/embedding.md says under "The first block", line by line: its commands and files, in an empty directory beside
# a link to this checkout. It has to print what is said there.
set -eu
CALIGO_CORE_ONLY=1
. "$(dirname "$0")/setup.sh"
. scripts/cross.sh

cross thumbv7em-none-eabihf core
if [ "$cross_cargo" != cargo ]; then
    echo "embedding: skipped, the text is written for a Rust that has the target"
    exit 0
fi
repository=$PWD
mkdir -p "${CARGO_TARGET_DIR:-target}/embedding"
target=$(cd "${CARGO_TARGET_DIR:-target}/embedding" && pwd)
# Not below the checkout, whose workspace `cargo new` would make it a member of.
here=$(mktemp -d)
trap 'rm -rf "$here"' EXIT
cd "$here"
ln -s "$repository" caligo
# Commands and files of the section, as a script.
awk '
    /^### / { on = ($0 == "### The first block") }
    !on { next }
    /^File `/ { file = $0; sub(/^File `/, "", file); sub(/`:$/, "", file) }
    /^```/ && open { if (file != "") { print "CALIGO_END"; file = "" } open = 0; next }
    /^```sh/ { open = 1; next }
    /^```/ { open = 1; print "cat >" file " <<'"'"'CALIGO_END'"'"'"; next }
    open { print }
' "$repository/docs/embedding.md" >first-block.sh
export CARGO_TARGET_DIR="$target"
limited 600 bash -eu first-block.sh >first-block.txt 2>first-block.log || { cat first-block.log >&2; exit 1; }
said=$(sed -n 's/^It prints `\([^`]*\)`.*/\1/p' "$repository/docs/embedding.md")
if [ -z "$said" ] || [ "$(cat first-block.txt)" != "$said" ]; then
    echo "error: docs/embedding.md: expected '$said', found '$(cat first-block.txt)'" >&2
    exit 1
fi
echo "embedding: $said"
