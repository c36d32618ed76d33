#!/usr/bin/env bash
# The quick tests; arguments go to pytest, such as `-m slow`. `--stack=addons` before them runs
# these on TensorFlow Addons' stack, `--stack=beam` beside Apache Beam, `--stack=onnx` with tf2onnx,
# `--python=3.12` on another Python.
source "$(dirname "$0")/setup.sh"

python -m pytest "$@"
