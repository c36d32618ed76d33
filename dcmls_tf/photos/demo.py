"""A page to try a model: a photo in, joints over it and in 3D, and the latent space to walk in."""

import dataclasses
import functools
import os
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8

from dcmls_tf import hand
from dcmls_tf.drawing import pages
from dcmls_tf.errors import UserError
from dcmls_tf.photos import boxes, drawn, hands, photo
from dcmls_tf.photos.detection import Detector
from dcmls_tf.photos.hands import HandPose, HandRegion
from dcmls_tf.photos.photo import Photo
from dcmls_tf.photos.predictor import PosePredictor
from dcmls_tf.photos.sliders import PICTURE_PX, SLIDERS, LatentSliders

AUTOMATIC = "automatic"
BUTTONS = ["download", "fullscreen"]
INTRODUCTION = """# Hands in 3D
Drop a photo or use the camera. Hands are found automatically, or give a box around one.
"""


@dataclasses.dataclass(frozen=True)
class DrawnPoses:
    """What the page shows of a photo: the poses, the drawn picture, and how long it took."""

    photo: Photo
    poses: list[HandPose]
    picture: UInt8[np.ndarray, "H W 3"]
    detection_ms: float
    model_ms: float

    def summary(self) -> str:
        """The same in words."""
        sides = ", ".join(drawn.label(pose.region) for pose in self.poses)
        return (
            f"{len(self.poses)} hand{'' if len(self.poses) == 1 else 's'}: {sides or 'none found'}."
            f" Finding {self.detection_ms:.0f} ms, model {self.model_ms:.0f} ms."
        )


class Demo:
    """Answers for the page, by one predictor."""

    def __init__(self, predictor: PosePredictor):
        self.predictor = predictor

    def warm_up(self) -> None:
        """Answers once for a blank photo: the first answer builds graphs, which takes seconds."""
        size = 2 * PICTURE_PX, 2 * PICTURE_PX
        pixels = np.zeros([*size, 3], np.uint8)
        blank = Photo("blank", pixels, size, *photo.camera(size))
        angles = np.linspace(0, 6, hand.NUM_JOINTS)
        around = PICTURE_PX + 50 * np.stack([np.cos(angles), np.sin(angles)], -1)
        poses = self.predictor(blank, [HandRegion.from_keypoints(around)])
        self.show(DrawnPoses(blank, poses, pixels, 0.0, 0.0), 0)

    @functools.cached_property
    def _detector(self) -> Detector:
        return Detector()

    def find(self, path: str, side: str, box: str) -> DrawnPoses:
        """The poses in a photo's file, of a side or `AUTOMATIC`, in a box as text or none.

        Raises `UserError` for a photo or box that is not good.
        """
        picture = photo.read(path)
        number = None if side == AUTOMATIC else hand.SIDES.index(side)
        hand_boxes = [boxes.parse(box)] if box.strip() else []
        if hand_boxes and self.predictor.needs_keypoints:
            raise UserError("this model reads 2D keypoints: leave the box empty")
        start = time.perf_counter()
        detector = None if hand_boxes else self._detector
        regions = hands.finder(hand_boxes, None, number, detector)(picture)
        detected = time.perf_counter()
        poses = self.predictor(picture, regions)
        done = time.perf_counter()
        pixels = drawn.draw(picture, poses)[0]
        return DrawnPoses(
            picture, poses, pixels, 1000 * (detected - start), 1000 * (done - detected)
        )

    def show(self, answer: DrawnPoses, number: int) -> tuple[Any, LatentSliders | None]:
        """A hand by its number: its 3D figure, and its sliders where the model has codes."""
        if not 0 <= number < len(answer.poses):
            return None, None
        pose = answer.poses[number]
        figure = pages.skeleton(pose.joints_mm, pose.std_mm, names=self.predictor.joint_names)
        if not self.predictor.has_codes:
            return figure, None
        return figure, LatentSliders(self.predictor, answer.photo, pose.region)

    def slide(
        self, sliders: LatentSliders, positions: Sequence[float]
    ) -> tuple[Any, UInt8[np.ndarray, "H W 3"]]:
        """Where the sliders are → the pose's 3D figure and a picture of x."""
        joints_mm, picture = sliders.at(positions[:SLIDERS], positions[SLIDERS:])
        return pages.skeleton(joints_mm, names=self.predictor.joint_names), picture


def build(predictor: PosePredictor) -> Any:
    """The page, a `gradio.Blocks`. Raises `UserError` without Gradio."""
    gr = _gradio()
    demo = Demo(predictor)
    demo.warm_up()

    def find(path, side, box):
        if not path:
            raise gr.Error("Give a photo first.")
        try:
            answer = demo.find(path, side, box or "")
        except UserError as error:
            raise gr.Error(str(error).replace(path, os.path.basename(path))) from None
        names = [f"hand {n + 1}" for n in range(len(answer.poses))]
        first = names[0] if names else None
        choices = gr.Radio(choices=names, value=first)
        return answer, answer.picture, answer.summary(), choices, *show(answer, first)

    def show(answer, name):
        number = int(name.split()[1]) - 1 if name else -1
        figure, latent = demo.show(answer, number) if answer else (None, None)
        decoded = demo.slide(latent, [0.0] * (2 * SLIDERS)) if latent else (None, None)
        positions = [
            gr.Slider(value=0, interactive=latent is not None and n < len(directions))
            for directions in (latent.directions if latent else ((), ()))
            for n in range(SLIDERS)
        ]
        return figure, latent, *decoded, *positions

    def slide(latent, *positions):
        return demo.slide(latent, positions) if latent else (None, None)

    with gr.Blocks(title="Hands in 3D", analytics_enabled=False) as page:
        answer, latent = gr.State(), gr.State()
        gr.Markdown(INTRODUCTION)
        with gr.Row():
            with gr.Column():
                photo_input, side, box = _photo_inputs(gr)
                button = gr.Button("Find hands", variant="primary", elem_id="find")
            with gr.Column():
                joints = _picture(gr, "Joints", "joints", height=340)
                summary = gr.Markdown(elem_id="told")
                choice = gr.Radio([], label="Hand")
            with gr.Column():
                figure = gr.Plot(label="3D, drag to turn", elem_id="pose")
        gr.Markdown("## Latent walk\nMove the code of this hand; what it decodes to follows.")
        with gr.Row():
            with gr.Column():
                positions = [
                    gr.Slider(-3, 3, 0, step=0.05, label=f"{of} {n + 1}", elem_id=f"{of}_{n + 1}")
                    for of in ("z_h", "z_c")
                    for n in range(SLIDERS)
                ]
            decoded_pose = gr.Plot(label="decoder_y: pose", elem_id="decoded_pose")
            decoded_x = _picture(gr, "decoder_x: appearance", "decoded_x")
        shown = [figure, latent, decoded_pose, decoded_x, *positions]
        button.click(find, [photo_input, side, box], [answer, joints, summary, choice, *shown])
        choice.input(show, [answer, choice], shown)
        for position in positions:
            position.input(
                slide,
                [latent, *positions],
                [decoded_pose, decoded_x],
                show_progress="hidden",
                trigger_mode="always_last",
            )
    return page


def _photo_inputs(gr: Any) -> tuple[Any, Any, Any]:
    """The photo, and which hand of it: its side and its box."""
    photo_input = gr.Image(
        type="filepath",
        sources=["upload", "webcam"],
        label="Photo",
        height=340,
        elem_id="photo",
    )
    with gr.Row():
        side = gr.Radio([AUTOMATIC, *hand.SIDES], value=AUTOMATIC, label="Side", elem_id="side")
        box = gr.Textbox(label="Box", placeholder="left,top,right,bottom px", elem_id="box")
    return photo_input, side, box


def _picture(gr: Any, label: str, elem_id: str, **options: Any) -> Any:
    """A picture that the page shows."""
    return gr.Image(label=label, interactive=False, elem_id=elem_id, buttons=BUTTONS, **options)


def _gradio() -> Any:
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    try:
        import gradio
    except ImportError:
        raise UserError("the page needs Gradio: pip install '.[demo]'") from None
    return gradio
