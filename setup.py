"""Installs the package; `requirements.txt` locks the versions that it is tested with.

The scripts and flagfiles travel as `dcmls_tf.commands` and `dcmls_tf.configs`.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
NAMES = [
    "train",
    "evaluate",
    "predict",
    "convert",
    "batch",
    "demo",
    "prepare",
    "render",
    "detect",
    "fit_depths",
    "reproduce",
    "tune",
    "probe",
]
# Package → its folder here.
MOVED = {
    "dcmls_tf.commands": "scripts",
    "dcmls_tf.commands.export": "export",
    "dcmls_tf.configs": "configs",
}

LITERT = ["ai-edge-litert>=2.3,<3"]
# Both ends are tested: the second stack has OpenCV 4.11, and NumPy 1.
OPENCV = ["opencv-python-headless>=4.11,<6"]
# Two stacks: TensorFlow 2.21 with Keras 3, and 2.15 with Keras 2, the last for TensorFlow Addons.
NOT_BETWEEN = ",".join(f"!=2.{minor}.*" for minor in range(16, 21))
SERVING = [f"tensorflow-serving-api>=2.15.1,<2.22,{NOT_BETWEEN}"]
TRIMESH = ["trimesh>=4.4"]
# Embree has no wheel for Linux on Arm; all but rendering works there.
EMBREE = 'embreex>=4.4,<5; platform_machine != "aarch64"'
PREDICT = [
    "av>=18,<19",  # older FFmpegs crash on FLV whose options are given
    "OneEuroFilter>=0.2.1,<0.3",
    *LITERT,
    *OPENCV,
    "pillow-heif>=1.1,<2",
    "plotly>=6",
]

setup(
    name="dcmls_tf",
    version=re.findall(r'__version__ = "(.+)"', (ROOT / "dcmls_tf/__init__.py").read_text())[0],
    description="3D hand pose with a disentangled cross-modal latent space, in TensorFlow",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=[*find_packages(include=["dcmls_tf", "dcmls_tf.*"]), *MOVED],
    package_dir=MOVED,
    package_data={
        "dcmls_tf": ["assets/*", "assets/models/*", "py.typed"],
        "dcmls_tf.configs": ["*.cfg"],
        "dcmls_tf.rendering": ["assets/*"],
    },
    entry_points={
        "console_scripts": [
            *(f"dcmls-{name} = dcmls_tf.commands.{name}:cli" for name in NAMES),
            "dcmls-export = dcmls_tf.commands.export.export:cli",
        ]
    },
    python_requires=">=3.11,<3.14",
    install_requires=[
        "absl-py>=2.1",
        "filelock>=3.16",
        "importlib_resources>=6",  # TFDS imports it and does not say so
        "jaxtyping>=0.3",
        "keras>=2.15,<4," + ",".join(f"!=3.{minor}.*" for minor in range(15)),
        "matplotlib>=3.9",
        "numpy>=1.26",
        "pillow>=11.3",
        "scikit-learn>=1.5",
        "scipy>=1.13",
        f"tensorboard>=2.15.2,<2.22,{NOT_BETWEEN}",
        f"tensorflow>=2.15.1,<2.22,{NOT_BETWEEN}",
        "tensorflow-datasets>=4.9.10,<5",
        "tensorflow-probability>=0.23,<0.26,!=0.24.*",
        f"tf-keras>=2.15.1,<2.22,{NOT_BETWEEN}",
        "tqdm>=4.66",
    ],
    extras_require={
        "render": [EMBREE, *OPENCV, "scikit-image>=0.24", *TRIMESH],
        "export": [*LITERT, *SERVING],
        "predict": PREDICT,
        "detect": PREDICT,
        "fit_depths": PREDICT,
        "demo": [*PREDICT, "gradio>=6,<7"],
        "serving": ["requests>=2.32", *SERVING],
        "addons": [
            "keras<3",
            "pyarrow<24",  # newer ones need NumPy 2, and do not say so
            "setuptools<81",  # TensorBoard 2.15 imports pkg_resources and does not say so
            "tensorflow<2.16",
            "tensorflow-addons==0.23.0",
            "tensorflow-metadata<1.16",  # newer ones need protobuf 5, and do not say so
            "tensorflow-probability<0.24",
        ],
        # Needs protobuf 6, where requirements.txt has 7: see requirements/beam.txt.
        "beam": ["apache-beam>=2.77,<2.78"],
        # For another environment than training's: see requirements/onnx.txt.
        "onnx": [*LITERT, "onnxruntime>=1.20", "tf2onnx>=1.17,<2"],
        "tune": ["optuna>=4"],
        "bake": ["anny==0.6.2", "torch>=2.4", *TRIMESH],
        "docs": ["mkdocs>=1.6,<2", "mkdocs-material>=9.8,<10", "mkdocstrings-python>=2,<3"],
        "dev": [
            "bvhio>=1.5,<2",
            "hypothesis>=6.140",
            "import-linter>=2.17,<3",
            "ipykernel>=6.29",
            "nbclient>=0.10",
            "pre-commit>=4",
            "pycocotools>=2.0.8",
            "pygltflib>=1.16",
            "pyright==1.1.414",
            "pytest>=9",
            "pytest-cov>=7",
            "pytest-xdist>=3.8",
            "pyyaml>=6",
            "ruff==0.17.6",
            "selenium>=4.30",
            "uv>=0.9",
        ],
    },
)
