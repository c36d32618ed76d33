"""DCMLS: 3D hand pose with a disentangled cross-modal latent space (Gu et al., WACV 2020)."""

import os

# TensorFlow's start-up messages hide a program's own; a user's setting wins.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
