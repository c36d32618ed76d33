# Sourced by quickstart.sh and test.sh: makes an environment with everything locked, or reuses it.
# Their first argument may name another one than .venv: `--stack=addons` is .venv-addons, with
# TensorFlow Addons, `--stack=beam` .venv-beam, with Apache Beam, `--stack=onnx` .venv-onnx, with
# tf2onnx; `--python=3.12` is .venv-3.12. Ends with status 69 without such a Python.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=.venv requirements=requirements.txt versions="3.13 3.12 3.11"
case "${1:-}" in
  --stack=default) shift ;;
  --stack=addons) venv=.venv-addons requirements=requirements-addons.txt versions=3.11; shift ;;
  --stack=beam) venv=.venv-beam requirements=requirements/beam.txt; shift ;;
  --stack=onnx) venv=.venv-onnx requirements=requirements/onnx.txt; shift ;;
  --stack=*) echo "error: $1: use --stack=default, addons, beam or onnx" >&2; exit 1 ;;
  --python=3.1[123]) versions="${1#--python=}" venv=".venv-${1#--python=}"; shift ;;
  --python=*) echo "error: $1: use --python=3.11, 3.12 or 3.13" >&2; exit 1 ;;
esac

supported() { [[ " $versions " == *" $("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) "* ]]; }

# The interpreters of pyenv and uv are looked for where these keep them.
candidates() {
  echo "${PYTHON:-python3}"
  for version in $versions; do
    echo "python$version"
    compgen -G "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version.*/bin/python" || true
    compgen -G "$HOME/.local/share/uv/python/cpython-$version.*/bin/python" || true
  done
}

if [ ! -x "$venv/bin/python" ]; then
  for python in $(candidates) none; do
    supported "$python" && break
  done
  [ "$python" != none ] || { echo "error: needs Python ${versions// / or }; set PYTHON to one" >&2; exit 69; }
  "$python" -m venv "$venv"
fi
# A stamp, so that a second call with the same requirements starts at once.
if ! cat "$requirements" setup.py | cmp -s - "$venv/installed.txt"; then
  "$venv/bin/python" -m pip install --quiet --upgrade pip
  "$venv/bin/python" -m pip install --quiet --require-hashes -r "$requirements"
  "$venv/bin/python" -m pip install --quiet --no-deps -e .
  cat "$requirements" setup.py > "$venv/installed.txt"
fi
export PATH="$PWD/$venv/bin:$PATH"
