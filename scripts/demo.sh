#!/usr/bin/env bash
# The main job on a demonstration: a campaign of some hundred oblivious transfers, and its report.
# A campaign that is there is gone on with; arguments go to campaign run.
set -eu
. "$(dirname "$0")/setup.sh"
cargo build --release --locked -p caligo-runtime
caligo() {
    echo "\$ caligo-run $*"
    target/release/caligo-run "$@"
}
caligo campaign run -c docs/config/demo.yaml --out target/demo/campaign "$@"
caligo campaign report target/demo/campaign
