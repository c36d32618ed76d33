# Sourced by quickstart.sh and test.sh: makes .venv with everything locked, or reuses it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

supported() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null; }

if [ ! -x .venv/bin/python ]; then
  for python in "${PYTHON:-python3}" python3.13 python3.12 python3.11; do
    supported "$python" && break
  done
  supported "$python" || { echo "error: needs Python 3.11, 3.12 or 3.13; set PYTHON to one" >&2; exit 1; }
  "$python" -m venv .venv
fi
# A stamp, so that a second call with the same requirements starts at once.
if ! cat requirements.txt setup.py | cmp -s - .venv/installed.txt; then
  .venv/bin/python -m pip install --quiet --upgrade pip
  .venv/bin/python -m pip install --quiet --require-hashes -r requirements.txt
  .venv/bin/python -m pip install --quiet --no-deps -e .
  cat requirements.txt setup.py > .venv/installed.txt
fi
export PATH="$PWD/.venv/bin:$PATH"
