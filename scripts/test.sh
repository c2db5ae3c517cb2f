#!/usr/bin/env bash
# All tests, documentation examples included. Arguments go to cargo test.
set -eu
. "$(dirname "$0")/setup.sh"
exec cargo test --workspace --locked --no-fail-fast "$@"
