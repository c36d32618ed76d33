"""The package from Python: train a model, evaluate it, export it, load it, ask it for poses.

The commands (`scripts/`, `export/export.py`) do no more than call these functions. What a user
can get wrong raises `errors.UserError`, whose sentence names the option or file and what to do.

    >>> import dcmls_tf
    >>> config = dcmls_tf.Config(
    ...     raw_dir="rendered", modality="2d", epochs=1, learning_rate=1e-3, run_dir="runs/hands"
    ... )
    >>> run = dcmls_tf.train(config)
      validation EPE ... mm, AUC ...
    >>> report = dcmls_tf.evaluate("runs/hands")
    >>> report["samples"], report["epe_mm"] < 200
    (20, True)
    >>> dcmls_tf.export("runs/hands", "models/hands", formats=["saved_model"])
    ['models/hands/1']

A run, a SavedModel and a `.tflite` file are loaded and asked alike:

    >>> model = dcmls_tf.load("models/hands")
    >>> (pose,) = model.predict("photo.png", keypoints=keypoints, side="right")
    >>> pose.joints_mm.shape, pose.uv.shape, model.joint_names[8]
    ((21, 3), (21, 2), 'index_tip')

A flagfile says a `Config` too:

    >>> from dcmls_tf import config
    >>> config.from_flagfile("configs/stb_2d.cfg").replace(raw_dir="STB").epochs
    30
"""

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from numpy.typing import ArrayLike

from dcmls_tf import hand, memory
from dcmls_tf.config import Config
from dcmls_tf.errors import UserError
from dcmls_tf.photos import photo as photo_files
from dcmls_tf.photos import predictor
from dcmls_tf.photos.detection import Detector
from dcmls_tf.photos.hands import HandPose, HandRegion
from dcmls_tf.photos.photo import Photo
from dcmls_tf.photos.predictor import PosePredictor
from dcmls_tf.photos.roads import ShippedPredictor
from dcmls_tf.serving import shipped
from dcmls_tf.serving.names import DEFAULT_HYPOTHESES

if TYPE_CHECKING:  # What brings TensorFlow is imported by what needs it: `load` may do without.
    from dcmls_tf import runs
    from dcmls_tf.evaluation.report import Report

SAVED_MODEL, TFLITE = FORMATS = ("saved_model", "tflite")

Path = str | os.PathLike[str]
Picture = Path | UInt8[np.ndarray, "H W 3"] | Photo


def train(config: Config) -> "runs.Run":
    """Trains a run to its end, or goes on with the one in `config.run_dir`; returns it.

    It uses all visible devices. `best_epe_mm()` is its lowest validation error in mm.
    """
    memory.bound_arenas()
    from dcmls_tf import distribution, runs

    run = runs.Run(config, distribution.strategy())
    run.train()
    return run


def evaluate(
    run_dir: str,
    report_path: str | None = None,
    *,
    split: str = "evaluation",
    joints: str = "visible",
    batch_size: int = 64,
    **options: Any,
) -> "Report":
    """A run's best model on a data set of its modality: the report, which is written as well.

    Args:
        run_dir: the run's folder.
        report_path: the report's file, default `report.json` in the run's folder; the PCK curve
            and a page of predictions are written beside it.
        split: `evaluation`, `training`, `validation`, or a part such as `evaluation[:10%]`.
        joints: which count, `visible` or `all`.
        batch_size: samples predicted at once.
        options: `dataset`, `raw_dir`, `data_dir`, `stb_views`, `turns`, `rays` and `unit_bone`,
            where they are not the run's.
    """
    from dcmls_tf import runs

    report_path = report_path or os.path.join(run_dir, "report.json")
    return runs.evaluate_run(run_dir, report_path, split, joints, batch_size, **options)


def export(
    run_dir: str,
    out_dir: str,
    *,
    version: int | None = None,
    formats: Sequence[str] = FORMATS,
    warm_up: bool = True,
    hypotheses: int = DEFAULT_HYPOTHESES,
    split: str = "evaluation",
    **options: Any,
) -> list[str]:
    """Writes a run's best model for servers and devices; returns the folders.

    Args:
        run_dir: the run's folder.
        out_dir: the model's folder: `<version>/` is what TensorFlow Serving loads,
            `lite/<version>/` has the TFLite files and `MODEL_CARD.md`.
        version: a number that is not there yet; default one more than the highest.
        formats: `saved_model`, `tflite`, or both. TFLite files are calibrated and evaluated on
            the run's data, which has to be there.
        warm_up: whether to write requests for TensorFlow Serving to warm up with.
        hypotheses: poses that the signature of that name samples.
        split: what the model card's errors are measured on.
        options: `raw_dir`, `data_dir`, `turns`, `rays` and `unit_bone`, where they are not
            the run's.
    """
    from dcmls_tf import checkpoints
    from dcmls_tf.data import preparation
    from dcmls_tf.data.statistics import TrainingStatistics
    from dcmls_tf.serving import metadata, saved_model, tflite
    from dcmls_tf.serving.signatures import ServedModel

    model, config, step = checkpoints.load_model(run_dir, options)
    statistics = TrainingStatistics.load(run_dir)
    config = config.replace(**options)
    description = metadata.describe(config, statistics, run_dir, step)
    version = saved_model.new_version(out_dir, version)
    written = []
    if TFLITE in formats:
        builder = preparation.from_config(config)
        folder = os.path.join(out_dir, saved_model.LITE_FOLDER, str(version))
        tflite.export(model, config, description, folder, builder, split)
        written.append(folder)
    if SAVED_MODEL in formats:
        served = ServedModel(model, statistics.mean_scale_mm, hypotheses)
        written.append(saved_model.save(served, description, out_dir, version, warm_up))
    return written


def release(
    name: str,
    run_dir: str,
    out_dir: str = shipped.FOLDER,
    *,
    also: Sequence[str] = (),
    split: str = "evaluation",
    **options: Any,
) -> str:
    """Makes a run's best model one that ships; returns its file. A card is written beside it.

    Args:
        name: which, of `shipped.NAMES`.
        run_dir: the run's folder.
        out_dir: where to.
        also: folders of other data, of the run's dataset, that the card tells of too.
        split: what the card's errors are measured on.
        options: `raw_dir`, `data_dir`, `turns`, `rays` and `unit_bone`, where they are not
            the run's.
    """
    from dcmls_tf import checkpoints
    from dcmls_tf.data import preparation
    from dcmls_tf.data.statistics import TrainingStatistics
    from dcmls_tf.serving import metadata
    from dcmls_tf.serving import release as releases

    model, config, step = checkpoints.load_model(run_dir, options)
    config = config.replace(**options)
    description = metadata.describe(config, TrainingStatistics.load(run_dir), run_dir, step)
    builders = {
        f"`{os.path.basename(os.path.normpath(folder))}`, {split}": preparation.from_config(
            config.replace(raw_dir=folder)
        )
        for folder in (config.raw_dir, *also)
    }
    training = next(iter(builders.values()))
    return releases.release(name, model, description, training, builders, split, out_dir)


def load(path: Path | None = None) -> "PoseModel":
    """The model of a run's folder, a SavedModel or a `.tflite` file; without one, the shipped."""
    return PoseModel(ShippedPredictor() if path is None else predictor.load(os.fspath(path)))


class HandOptions(TypedDict, total=False):
    """Which hands of a picture are meant; without box and keypoints, those that are detected.

    box: `[4]` or `[N, 4]` px: left, top, right, bottom, tight around a hand's joints.
    keypoints: `[21, 2]` or `[N, 21, 2]` px, which models of 2D keypoints read.
    side: `left` or `right`; default the detector's, and a right hand where it is given.
    focal: the camera's focal length in px; default EXIF's, or that of a usual camera.
    """

    box: ArrayLike
    keypoints: ArrayLike
    side: str
    focal: float


class PoseModel:
    """A trained model that is asked about hands: a picture and `HandOptions` → an answer each.

    A picture is a file's path, an upright RGB array, or a `photo.Photo`. Where neither `box` nor
    `keypoints` is given, MediaPipe's detector finds the hands, the surest first.

        >>> model = dcmls_tf.load("runs/rendered")
        >>> pixels = np.asarray(Image.open("photo.png"))
        >>> (pose,) = model.predict(pixels, box=box, side="left", focal=300.0)
        >>> pose.root_mm.shape, pose.std_mm.shape, pose.region.side_from
        ((3,), (21,), 'given')
        >>> model.sample(pixels, box=[box, box]).shape
        (2, 16, 21, 3)

    Codes of two hands, and what lies between them:

        >>> z_h, z_c = model.encode(pixels, box=[box, box])
        >>> z_h.shape, z_c.shape
        ((2, 15), (2, 15))
        >>> joints_mm, images = model.decode(z_h.mean(axis=0, keepdims=True), z_c[:1])
        >>> joints_mm.shape, images.shape
        ((1, 21, 3), (1, 16, 16, 3))
    """

    def __init__(self, pose_predictor: PosePredictor):
        self.predictor = pose_predictor
        self._detector: Detector | None = None

    @property
    def config(self) -> Config:
        """The options that the model was trained with."""
        return self.predictor.config

    @property
    def joint_names(self) -> Sequence[str]:
        """Names of the 21 joints, the first of them as the model's root asks."""
        return self.predictor.joint_names

    def predict(self, picture: Picture, **options: Unpack[HandOptions]) -> list[HandPose]:
        """The pose of each hand."""
        return self.predictor(*self._hands(picture, options))

    def encode(
        self, picture: Picture, **options: Unpack[HandOptions]
    ) -> tuple[Float[np.ndarray, "N z_h"], Float[np.ndarray, "N z_c"]]:
        """z_h and z_c of each hand; a code that the model does not have is empty."""
        photo, regions = self._some_hands(picture, options)
        z_h, z_c = zip(*(self.predictor.encode(photo, r) for r in regions), strict=True)
        return np.concatenate(z_h), np.concatenate(z_c)

    def decode(
        self, z_h: Float[np.ndarray, "N z_h"], z_c: Float[np.ndarray, "N z_c"]
    ) -> tuple[Float[np.ndarray, "N 21 3"], Shaped[np.ndarray, "N *x"]]:
        """Codes → poses in mm in the crop's frame, and x: uint8 images, or keypoints in ±0.5."""
        return self.predictor.decode(z_h, z_c)

    def sample(
        self, picture: Picture, seed: int = 0, **options: Unpack[HandOptions]
    ) -> Float[np.ndarray, "N K 21 3"]:
        """K poses of each hand that the model holds possible, in mm, in the camera's frame.

        The same seed gives the same poses.
        """
        photo, regions = self._some_hands(picture, options)
        return np.stack([self.predictor.sample(photo, r, seed) for r in regions])

    def _some_hands(self, picture: Picture, options: HandOptions) -> tuple[Photo, list[HandRegion]]:
        photo, regions = self._hands(picture, options)
        if not regions:
            raise UserError(f"{photo.source}: no hand is detected in it; give its box")
        return photo, regions

    def _hands(self, picture: Picture, options: HandOptions) -> tuple[Photo, list[HandRegion]]:
        photo = _photo(picture, options.get("focal"))
        if "keypoints" in options:
            uvs = _rows("keypoints", options["keypoints"], (hand.NUM_JOINTS, 2))
            regions = [HandRegion.from_keypoints(uv) for uv in uvs]
        elif "box" in options:
            regions = [HandRegion(box) for box in _rows("box", options["box"], (4,))]
        else:
            self._detector = self._detector or Detector()
            detections = self._detector(photo.pixels)
            regions = [HandRegion.from_detection(detection, photo) for detection in detections]
        if "side" not in options:
            return photo, regions
        return photo, [region.of_side(_side(options["side"])) for region in regions]


def _photo(picture: Picture, focal: float | None) -> Photo:
    if isinstance(picture, Photo):
        return picture
    if not isinstance(picture, np.ndarray):
        return photo_files.read(os.fspath(picture), focal)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise UserError(f"picture: is {picture.dtype} {picture.shape}; give uint8 [H, W, 3] in RGB")
    size = (picture.shape[1], picture.shape[0])
    return Photo("array", picture, size, *photo_files.camera(size, focal))


def _rows(name: str, values: ArrayLike, shape: tuple[int, ...]) -> Float[np.ndarray, "N ..."]:
    rows = np.asarray(values, np.float32)
    if rows.shape[-len(shape) :] != shape:
        wanted = ", ".join(map(str, shape))
        raise UserError(f"{name}: is {rows.shape}; give [{wanted}] px of a hand, or [N, {wanted}]")
    return rows.reshape(-1, *shape)


def _side(name: str) -> int:
    if name not in hand.SIDES:
        raise UserError(f"side={name}: use one of {', '.join(hand.SIDES)}")
    return hand.SIDES.index(name)
