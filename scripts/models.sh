#!/usr/bin/env bash
# Makes the models in the box anew: renders hands, lets the detector look at them, trains, and
# exports to dcmls_tf/assets/models. Hours on 2 cores; started again, it goes on where it stopped.
source "$(dirname "$0")/setup.sh"

python scripts/render.py --annotations_only --out_dir=annotations --training=240000 \
  --evaluation=2000 --seed=21 --workers=2
python scripts/render.py --format=shards --out_dir=hands_seen --training=25600 --evaluation=1536 \
  --seed=31 --workers=2
python scripts/detect.py --raw_dir=hands_seen --out_dir=hands_detected --workers=2
for model in keypoints_exact keypoints; do
  python scripts/train.py "--flagfile=configs/$model.cfg"
done
python export/release.py --keypoints=runs/keypoints --also=hands_seen
python scripts/fit_depths.py --raw_dir=hands_seen --out_dir=hands_looked_at --workers=2
# Pixels need more hands than keypoints do.
python scripts/render.py --format=shards --out_dir=hands --training=80000 --evaluation=1024 \
  --seed=31 --workers=2
python scripts/train.py --flagfile=configs/rgb_small.cfg
python export/release.py --rgb_small=runs/rgb_small
