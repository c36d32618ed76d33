"""From a photo to poses: which hands, what the model says of each, and where that is in px.

A model gives joints relative to the root, in a hand of the training set's mean size. Where the
hand is follows from its box: it is put where its projection just fills the box
(`geometry.place_in_box`), or, for keypoints, where it lies over them (`geometry.place_over`).
So `uv` is the model's pose seen through the photo's camera, and `root_mm` is no better than the
two guesses that the hand has the mean size and the camera its focal length (`photos.camera`).

Exported models answer as `serving` says; a run's own model answers through the same signatures.
"""

import dataclasses
import os

import numpy as np
import tensorflow as tf

from dcmls_tf import config as config_lib
from dcmls_tf import geometry, hand, runs
from dcmls_tf.errors import UserError
from dcmls_tf.evaluation import report as evaluation
from dcmls_tf.serving import saved_model
from dcmls_tf.serving import signatures as serving
from dcmls_tf.serving import tflite as lite

# What is cut out of a photo around a hand, in sides of its crop: room for the crop to turn.
WINDOW = 2.0


@dataclasses.dataclass(frozen=True)
class Hand:
    """Which hand of a photo: `box` `[4]` left, top, right, bottom px, tight around the joints.

    `side`: 0 left, 1 right, known or not as `side_from` says: `given`, `detected`, `assumed`.
    `keypoints` `[21, 2]` px where they are known, `score` the detector's.
    """

    box: np.ndarray
    side: int = hand.RIGHT
    side_from: str = "assumed"
    keypoints: np.ndarray = None
    score: float = None


@dataclasses.dataclass(frozen=True)
class Pose:
    """What a model says of a `Hand`.

    uv: `[21, 2]` px. joints_mm: `[21, 3]` relative to the root, in the frame of the photo's
    camera (x right, y down, z forward). root_mm: `[3]` in that frame. std_mm: `[21]`, spread of
    the poses that the model samples, or `None` where it cannot sample.
    """

    hand: Hand
    uv: np.ndarray
    joints_mm: np.ndarray
    root_mm: np.ndarray
    std_mm: np.ndarray = None


def of_keypoints(keypoints, **known):
    """A `Hand` around keypoints `[21, 2]` px."""
    keypoints = np.asarray(keypoints, np.float32)
    box = np.concatenate([keypoints.min(axis=0), keypoints.max(axis=0)])
    return Hand(box, keypoints=keypoints, **known)


def of_detection(found, photo, **known):
    """A `Hand` from a `detection.Detection` in a photo's `pixels`; `known` overrides."""
    of_detector = {"side": found.side, "side_from": "detected", "score": found.score}
    return of_keypoints(found.uv / photo.reduction, **{**of_detector, **known})


def load(path):
    """The `Predictor` of a run's folder, a SavedModel's or a `.tflite` file. Raises `UserError`."""
    if os.path.isfile(os.path.join(path, config_lib.CONFIG_FILE)):
        return Predictor(OfRun(path))
    if os.path.isfile(path):
        return Predictor(OfLite(path))
    if os.path.isdir(path):
        return Predictor(OfSavedModel(path))
    raise UserError(f"--model={path}: does not exist; give a run, a SavedModel or a .tflite file")


class OfSavedModel:
    """A SavedModel: `config`, the joints' `names`, and its signatures by `answer`."""

    def __init__(self, path):
        self._loaded = saved_model.load(path)
        self.config = _config_of(self._loaded.metadata, path)
        self.signatures = frozenset(self._loaded.signatures)
        self.answer = self._loaded.answer


class OfRun:
    """A run's best model, behind the signatures that it would be exported with."""

    def __init__(self, path):
        model, self.config, _ = runs.load_model(path)
        statistics = evaluation.TrainingStatistics.load(path)
        self._served = serving.Served(model, statistics.mean_scale_mm)
        self._functions = self._served.signatures()
        self.signatures = frozenset(self._functions)

    def answer(self, signature, **inputs):
        """As `saved_model.Loaded.answer`."""
        function = self._functions[signature]
        specs = {spec.name: spec for spec in function.input_signature}
        given = {name: tf.cast(value, specs[name].dtype) for name, value in inputs.items()}
        return {name: value.numpy() for name, value in function(**given).items()}


class OfLite:
    """A TFLite file; what a SavedModel has in its graph is done around it. It cannot sample."""

    signatures = frozenset({serving.SERVING_DEFAULT})

    def __init__(self, path):
        self._model = lite.LiteModel(path)
        if self._model.metadata is None:
            raise UserError(f"--model={path}: has no metadata; export it with export/export.py")
        self.config = _config_of(self._model.metadata, path)
        self._mean_scale_mm = self._model.metadata["mean_scale_mm"]

    def answer(self, signature, **inputs):
        """`serving_default` of one hand, as `saved_model.Loaded.answer`."""
        del signature  # There is one.
        hands = {name: tf.constant(value) for name, value in inputs.items()}
        if self.config.modality == "rgb":
            one = {name: value[0] for name, value in hands.items()}
            found = serving.crop_photo(one, self.config)
            network = {"x": found["x"][None], "A": found["A"][None]}
        else:
            hands |= {"palm": serving.NO_PALM, "image_size": tf.zeros([1, 2])}
            network = serving.normalised_keypoints(hands, self.config)
        y = self._model.predict({"x": network["x"], "side": inputs["side"]})
        joints_mm = self._mean_scale_mm * tf.matmul(y, network["A"])
        if self.config.modality != "rgb":
            return {"joints_mm": joints_mm.numpy()}
        root_mm = geometry.place_in_box(joints_mm, found["box"][None], found["K"][None])
        uv = geometry.project(joints_mm + root_mm[:, None], found["K"])
        answer = {"joints_mm": joints_mm, "root_mm": root_mm, "uv": uv}
        return {name: value.numpy() for name, value in answer.items()}


class Predictor:
    """Poses of hands in photos, by any kind of model.

    `config` is the model's; `joint_names` its 21 joints, the first of them as its root asks;
    `has_codes` says whether it can `encode` and `decode`.
    """

    def __init__(self, model):
        self._model = model
        self.config = model.config
        self.joint_names = evaluation.joint_names(self.config.root)
        self.has_codes = {"encode", "decode"} <= model.signatures

    @property
    def needs_keypoints(self):
        """Whether a `Hand` has to bring keypoints: the model reads them, not the image."""
        return self.config.modality == "2d"

    def __call__(self, photo, hands):
        """A `photos.Photo` and its `Hand`s → a list of `Pose`. Raises `UserError` for a bad box."""
        return [self._pose(photo, one) for one in hands]

    def encode(self, photo, one):
        """z_h `[1, D]` and z_c `[1, D]` of a hand; a code that the model does not have is empty."""
        inputs, _ = self._inputs(photo, one)
        found = self._model.answer("encode", **inputs)
        return tuple(found.get(name, np.zeros([1, 0], np.float32)) for name in ("z_h", "z_c"))

    def decode(self, z_h, z_c):
        """Codes `[N, D]` → poses `[N, 21, 3]` mm in the crop's frame, and x as decoder_x has it.

        x: uint8 images `[N, R, R, 3]`, or keypoints `[N, 21, 2]` in ±0.5. A crop of a left hand
        is mirrored where the model was trained so (`mirrors`).
        """
        codes = {name: z for name, z in (("z_h", z_h), ("z_c", z_c)) if z.shape[-1]}
        found = self._model.answer("decode", **codes)
        return found["joints_mm"], found["image" if "image" in found else "keypoints"]

    def mirrors(self, one):
        """Whether the model sees a `Hand` mirrored."""
        return self.config.side == "mirror" and one.side == hand.LEFT

    def _pose(self, photo, one):
        inputs, to_window = self._inputs(photo, one)
        found = self._model.answer(serving.SERVING_DEFAULT, **inputs)
        std_mm = None
        if "hypotheses" in self._model.signatures:
            std_mm = self._model.answer("hypotheses", **inputs, seed=np.zeros(1))["std_mm"][0]
        joints_mm = found["joints_mm"][0]
        if self.needs_keypoints:
            uv, root_mm = self._placed(joints_mm, one.keypoints, photo.K)
        else:
            uv, root_mm = found["uv"][0], found["root_mm"][0]
            uv = (uv - to_window[:2, 2]) / np.diag(to_window)[:2]
        if not np.isfinite(uv).all():
            raise UserError("the model's pose is not finite; did its training diverge?")
        return Pose(one, uv, joints_mm, root_mm, std_mm)

    def _inputs(self, photo, one):
        """What the signatures take of one hand, and px of the photo → px of the window."""
        side = np.int32([one.side])
        if self.needs_keypoints:
            K = np.float32(photo.K)[None]
            return {"keypoints": np.float32(one.keypoints)[None], "side": side, "K": K}, None
        pixels, to_window = cut_window(photo, one.box, self.config.crop_margin)
        box = np.reshape(one.box, [2, 2]) * np.diag(to_window)[:2] + to_window[:2, 2]
        return {
            "image": np.array([tf.io.encode_png(pixels, compression=0).numpy()], object),
            "box": np.float32(box.reshape(1, 4)),
            "side": side,
            "K": np.float32(to_window @ photo.K)[None],
        }, to_window

    def _placed(self, joints_mm, keypoints, K):
        """Where joints lie over keypoints; a palm's centre is not among them."""
        first = 1 if self.config.root == "palm" else 0
        K, keypoints = np.float32(K), np.float32(keypoints)
        root_mm = geometry.place_over(joints_mm[first:], keypoints[first:], K)
        return geometry.project(joints_mm + root_mm, K).numpy(), root_mm.numpy()


def cut_window(photo, box, crop_margin):
    """The part of a photo that a hand's crop may see: pixels, and `[3, 3]` px of the file → its px.

    Raises `UserError` for a box that is empty or not over the photo.
    """
    width, height = photo.size
    near, far = np.reshape(np.float64(box), [2, 2])
    if not (np.isfinite(box).all() and (near < far).all()):
        raise UserError(f"box {_listed(box)}: give left < right and top < bottom, in px")
    if (far <= 0).any() or (near >= photo.size).any():
        raise UserError(f"box {_listed(box)}: lies outside of the {width}×{height} picture")
    reach = WINDOW / 2 * crop_margin * (far - near).max()
    scale = photo.reduction
    last = photo.pixels.shape[1::-1]
    first = np.clip(np.floor(scale * ((near + far) / 2 - reach)), 0, last).astype(int)
    end = np.clip(np.ceil(scale * ((near + far) / 2 + reach)), 0, last).astype(int)
    # A crop that keeps to its box may have its middle outside of the photo.
    first, end = np.minimum(first, np.array(last) - 1), np.maximum(end, 1)
    to_window = np.diag([scale, scale, 1.0])
    to_window[:2, 2] = -first
    return photo.pixels[first[1] : end[1], first[0] : end[0]], to_window


def _config_of(metadata, path):
    try:
        return config_lib.Config(**metadata["config"])
    except (KeyError, TypeError) as error:
        raise UserError(f"--model={path}: its metadata is of another version ({error})") from None


def _listed(box):
    return ",".join(f"{value:g}" for value in np.ravel(box))
