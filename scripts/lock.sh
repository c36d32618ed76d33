#!/usr/bin/env bash
# Locks the requirements by PyPI's hashes, from the ranges in setup.py: requirements.txt, which the
# tests run with, its parts in requirements/, requirements-addons.txt, which they run with beside
# TensorFlow Addons, requirements/beam.txt, beside Apache Beam, and requirements/onnx.txt, for ONNX.
# A version stays as it is locked unless setup.py forbids it; `bash scripts/lock.sh --upgrade` takes
# the newest ones.
set -euo pipefail
cd "$(dirname "$0")/.."

lock() {
  uv pip compile --quiet --universal --python-version=3.11 --generate-hashes --no-emit-package=dcmls-tf \
    --default-index=https://pypi.org/simple --no-config --custom-compile-command="bash scripts/lock.sh" "$@"
}

lock "$@" requirements/{run,experiments,dev}.in --output-file=requirements.txt
for part in run experiments dev docs; do
  lock --constraints=requirements.txt "requirements/$part.in" --output-file="requirements/$part.txt"
done
lock "$@" requirements/addons.in --output-file=requirements-addons.txt
lock "$@" requirements/beam.in --output-file=requirements/beam.txt
lock --constraints=requirements.txt requirements/onnx.in --output-file=requirements/onnx.txt
lock "$@" requirements/benchmarks.in --output-file=requirements/benchmarks.txt
lock "$@" requirements/audit.in --output-file=requirements/audit.txt
