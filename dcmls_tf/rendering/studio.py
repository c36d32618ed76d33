"""Scenes as STB has them: one person's right hand, held up before a camera, in a few places.

The person and the places are those of the seed, in both splits: what differs are the gestures and,
by a few degrees, the view. Such pictures are easy, so that a latent space learns soon to draw them.
"""

import dataclasses
import functools

import numpy as np
from jaxtyping import Float

from dcmls_tf import hand
from dcmls_tf.rendering import camera as camera_lib
from dcmls_tf.rendering import clothing, scene
from dcmls_tf.rendering.body import Person, default_body, rotation
from dcmls_tf.rendering.camera import SIZE, Camera
from dcmls_tf.rendering.lighting import unit
from dcmls_tf.rendering.poses import sample_pose
from dcmls_tf.rendering.scene import Figure, Scene

PLACES = 6  # of light and background, as STB has
MAX_TILT, ROLL = 35.0, 10.0  # degrees from facing the palm, and of the camera's roll
_FOCAL, _SHARE = 1.0 * SIZE, 0.55  # px; of the frame, that a stretched hand spans
_WHO, _GESTURE, _PLACE = 4, 5, 6  # stages of `scene.generator`


def sample_scene(seed: int, split: str, index: int) -> Scene:
    """The `Scene` of frame `index`; draws until the hand is well seen."""
    rng = scene.generator(seed, split, index, _GESTURE)
    person, outfit = _model(seed)
    while True:
        figure = Figure(person, outfit, sample_pose(rng, split, person))
        camera = _facing(rng, figure.joints[hand.RIGHT])
        shown = scene.scene_if_good(figure, camera, hand.RIGHT, near=True)
        if shown is not None:
            return dataclasses.replace(shown, sides=(hand.RIGHT,))


def place(seed: int, index: int) -> np.random.Generator:
    """What draws the light and the background of frame `index`."""
    return scene.generator(seed, "training", index % PLACES, _PLACE)


@functools.lru_cache(maxsize=4)
def _model(seed: int) -> tuple[Person, clothing.Outfit]:
    rng = scene.generator(seed, "training", 0, _WHO)
    body = default_body()
    return body.person(rng.choice(body.identities("training"))), clothing.sample_outfit(rng)


def _facing(rng: np.random.Generator, joints: Float[np.ndarray, "21 3"]) -> Camera:
    """A camera before the palm of a right hand, fingers up."""
    wrist, index, middle, little = (
        joints[hand.INDEX[name]] for name in ("wrist", "index_mcp", "middle_mcp", "little_mcp")
    )
    towards = unit(np.cross(index - wrist, little - wrist))
    right = unit(np.cross(middle - wrist, towards))
    upright = np.stack([right, np.cross(right, towards), -towards])
    turn = rotation(2, rng.normal(0, ROLL)) @ _tilt(rng)
    target = joints.mean(0)
    reach = 2 * np.linalg.norm(joints - target, axis=1).max()
    view = turn @ upright
    position = target - _FOCAL * reach / (_SHARE * SIZE) * view[2]
    return Camera(camera_lib.intrinsics(_FOCAL), view, position)


def _tilt(rng: np.random.Generator) -> Float[np.ndarray, "3 3"]:
    """By up to `MAX_TILT` out of the image plane."""
    axis = rng.uniform(-180, 180)
    tilt = rotation(0, MAX_TILT * np.sqrt(rng.random()))
    return rotation(2, axis) @ tilt @ rotation(2, -axis)
