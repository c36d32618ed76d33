"""From a photo to poses: what a model says of each hand, and where that is in px.

A model gives joints relative to the root, in a hand of the training set's mean size. Where the
hand is follows from its box: it is put where its projection just fills the box
(`placement.place_in_box`), or, for keypoints, where it lies over them (`placement.place_over`).
So `uv` is the model's pose seen through the photo's camera, and `root_mm` is no better than the
two guesses that the hand has the mean size and the camera its focal length (`photo.camera`).
"""

import functools
import io
from collections.abc import Iterable

import numpy as np
from jaxtyping import Float, Shaped, UInt8
from PIL import Image

from dcmls_tf import geometry, hand, placement
from dcmls_tf.errors import Diverged, UserError
from dcmls_tf.photos import backends, boxes, sides
from dcmls_tf.photos.backends import PoseBackend
from dcmls_tf.photos.boxes import Window
from dcmls_tf.photos.hands import HandPose, HandRegion
from dcmls_tf.photos.photo import Photo
from dcmls_tf.serving.names import DECODE, ENCODE, HYPOTHESES, SERVING_DEFAULT


def load(path: str) -> "PosePredictor":
    """The predictor of a run's folder, a SavedModel's or a `.tflite` file. Raises `UserError`."""
    return PosePredictor(backends.load(path))


class PosePredictor:
    """Poses of hands in photos, by any kind of model.

    `config` is the model's; `joint_names` its 21 joints, the first of them as its root asks.
    `needs_keypoints`: a region has to bring keypoints, which the model reads instead of the
    image. `has_codes`: it can `encode` and `decode`. `can_sample`: it can `sample`.
    """

    def __init__(self, backend: PoseBackend):
        self._backend = backend
        self.config = backend.config
        self.joint_names = hand.joint_names(self.config.root)
        self.needs_keypoints = self.config.modality == "2d"
        self.has_codes = {ENCODE, DECODE} <= backend.signatures
        self.can_sample = HYPOTHESES in backend.signatures

    def __call__(self, photo: Photo, regions: Iterable[HandRegion]) -> list[HandPose]:
        """The pose of each hand. Raises `UserError` for a bad box or a pose that is not finite."""
        pose_of = functools.partial(self._pose, photo)
        if self.config.modality != "2d":
            return [pose_of(region) for region in regions]
        return [sides.explained(region, pose_of) for region in regions]

    def encode(
        self, photo: Photo, region: HandRegion
    ) -> tuple[Float[np.ndarray, "1 z_h"], Float[np.ndarray, "1 z_c"]]:
        """z_h and z_c of a hand; a code that the model does not have is empty."""
        _require(self.has_codes, "encode or decode")
        inputs, _ = self._inputs(photo, region)
        codes = self._backend.answer(ENCODE, **inputs)
        empty = np.zeros([1, 0], np.float32)
        return codes.get("z_h", empty), codes.get("z_c", empty)

    def decode(
        self, z_h: Float[np.ndarray, "N z_h"], z_c: Float[np.ndarray, "N z_c"]
    ) -> tuple[Float[np.ndarray, "N 21 3"], Shaped[np.ndarray, "N *x"]]:
        """Codes → poses in mm, in the crop's frame, and x as decoder_x has it.

        x: uint8 images `[N, R, R, 3]`, or keypoints `[N, 21, 2]` in ±0.5. A crop of a left hand
        is mirrored where the model was trained so (`mirrors`).
        """
        _require(self.has_codes, "encode or decode")
        codes = {name: z for name, z in (("z_h", z_h), ("z_c", z_c)) if z.shape[-1]}
        answer = self._backend.answer(DECODE, **codes)
        return answer["joints_mm"], answer["image" if "image" in answer else "keypoints"]

    def sample(
        self, photo: Photo, region: HandRegion, seed: int = 0
    ) -> Float[np.ndarray, "K 21 3"]:
        """Poses that the model holds possible: mm relative to the root, in the camera's frame.

        The same seed gives the same poses. Raises `UserError` where the model cannot sample.
        """
        _require(self.can_sample, "sample poses")
        return self._hypotheses(self._inputs(photo, region)[0], seed)["joints_mm"][0]

    def mirrors(self, region: HandRegion) -> bool:
        """Whether the model sees the hand mirrored."""
        return self.config.side == "mirror" and region.side == hand.LEFT

    def _pose(self, photo: Photo, region: HandRegion) -> HandPose:
        inputs, window = self._inputs(photo, region)
        answer = self._backend.answer(SERVING_DEFAULT, **inputs)
        std_mm = self._hypotheses(inputs)["std_mm"][0] if self.can_sample else None
        joints_mm = answer["joints_mm"][0]
        if window is None:
            uv, root_mm = self._placed(joints_mm, inputs["keypoints"][0], inputs["K"][0])
        else:
            uv, root_mm = window.outside(answer["uv"][0]), answer["root_mm"][0]
        if not np.isfinite(uv).all():
            raise Diverged("the model's pose is not finite; did its training diverge?")
        return HandPose(region, uv, joints_mm, root_mm, std_mm)

    def _hypotheses(self, inputs: dict[str, np.ndarray], seed: int = 0) -> dict[str, np.ndarray]:
        return self._backend.answer(HYPOTHESES, **inputs, seed=np.array([seed], np.int32))

    def _inputs(
        self, photo: Photo, region: HandRegion
    ) -> tuple[dict[str, np.ndarray], Window | None]:
        """What the signatures take of one hand; the window that the model sees of the photo."""
        side = np.array([region.side], np.int32)
        if self.config.modality == "2d":
            if region.keypoints is None:
                raise UserError("this model reads 2D keypoints: give those of the hand")
            keypoints, K = (np.asarray(v, np.float32)[None] for v in (region.keypoints, photo.K))
            return {"keypoints": keypoints, "side": side, "K": K}, None
        window = boxes.cut_window(photo, region.box, self.config.crop_margin)
        box = window.inside(boxes.corners(region.box))
        return {
            "image": np.array([_png(window.pixels)], object),
            "box": box.reshape(1, 4).astype(np.float32),
            "side": side,
            "K": (window.from_file @ photo.K)[None].astype(np.float32),
        }, window

    def _placed(
        self,
        joints_mm: Float[np.ndarray, "21 3"],
        keypoints: Float[np.ndarray, "21 2"],
        K: Float[np.ndarray, "3 3"],
    ) -> tuple[Float[np.ndarray, "21 2"], Float[np.ndarray, "3"]]:
        """`uv` and `root_mm` of joints over keypoints, which a palm's centre is not among."""
        first = 1 if self.config.root == "palm" else 0
        root_mm = placement.place_over(joints_mm[first:], keypoints[first:], K)
        return geometry.project(joints_mm + root_mm, K), root_mm


def _png(pixels: UInt8[np.ndarray, "h w 3"]) -> bytes:
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, format="png", compress_level=0)
    return content.getvalue()


def _require(able: bool, what: str) -> None:
    if not able:
        raise UserError(
            f"this model cannot {what}: give a run or SavedModel whose --latent is not none"
        )
