#!/usr/bin/env bash
# Two keys of a million bits that differ in 3 %, one reconciled key.
set -eu
. "$(dirname "$0")/setup.sh"
cargo build --release --locked -p caligo-runtime
mkdir -p target/demo
caligo() {
    echo "\$ caligo-run $*"
    target/release/caligo-run "$@"
}
caligo demo-keys --bits 1000000 --qber 0.03 --seed 1 --alice target/demo/alice.key --bob target/demo/bob.key
caligo reconcile --alice target/demo/alice.key --bob target/demo/bob.key --qber 0.03 --out target/demo/key
cmp target/demo/alice.key target/demo/key
echo "Bob's corrected key, target/demo/key, equals Alice's."
