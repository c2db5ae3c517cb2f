#!/usr/bin/env bash
# target/release/caligo-run. Arguments go to cargo build.
set -eu
. "$(dirname "$0")/setup.sh"
exec cargo build --release --locked "$@"
