#!/usr/bin/env bash
# The whole job on data that the project makes itself: render, train, evaluate.
source "$(dirname "$0")/setup.sh"

python scripts/render.py --out_dir=rendered --training=2500 --evaluation=250 --workers="$(nproc)"
python scripts/train.py --flagfile=configs/rendered.cfg
python scripts/evaluate.py --run_dir=runs/rendered --report=runs/rendered/report.json
