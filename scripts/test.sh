#!/usr/bin/env bash
# The quick tests; arguments go to pytest, such as `-m slow`.
source "$(dirname "$0")/setup.sh"

python -m pytest "$@"
