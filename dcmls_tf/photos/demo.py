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
from dcmls_tf.photos.page_guard import PageGuard, uploads_only
from dcmls_tf.photos.photo import Photo
from dcmls_tf.photos.predictor import PosePredictor
from dcmls_tf.photos.sliders import PICTURE_PX, SLIDERS, LatentSliders

AUTOMATIC = "automatic"
# The page takes photos from anyone. What it keeps of them: uploads of at most this size, for an
# hour, which is looked after every ten minutes; of a visitor, a few numbers a hand.
MOST_UPLOAD_BYTES = 25_000_000
CACHE_SECONDS = (600, 3600)
STATE_SECONDS, MOST_VISITORS = 3600, 200
# Who comes when as many wait is told so. One photo is answered at a time: the model has all cores.
MOST_WAITING = 20
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
            f"{' The photo is turned back.' if self.photo.mirrored else ''}"
            f" Finding {self.detection_ms:.0f} ms, model {self.model_ms:.0f} ms."
        )


@dataclasses.dataclass(frozen=True)
class ShownHand:
    """What the page keeps of a hand: its pose, and its sliders where the model has codes.

    The photo is not kept: it takes up to 50 MB a visitor.
    """

    pose: HandPose
    sliders: LatentSliders | None


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
        self.show(self.hands(DrawnPoses(blank, poses, pixels, 0.0, 0.0)), 0)

    @functools.cached_property
    def _detector(self) -> Detector:
        return Detector()

    def find(self, path: str, side: str, box: str, mirror: bool = False) -> DrawnPoses:
        """The poses in a photo's file, of a side or `AUTOMATIC`, in a box as text or none.

        mirror: the photo is mirrored, and is turned back first; the box is in that.

        Raises `UserError` for a photo or box that is not good.
        """
        picture = photo.read(path)
        picture = picture.unmirrored() if mirror else picture
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

    def hands(self, answer: DrawnPoses) -> list[ShownHand]:
        """The hands of a photo, without the photo."""
        return [ShownHand(pose, self._sliders(answer.photo, pose)) for pose in answer.poses]

    def _sliders(self, picture: Photo, pose: HandPose) -> LatentSliders | None:
        if not self.predictor.has_codes:
            return None
        return LatentSliders(self.predictor, picture, pose.region)

    def show(self, found: Sequence[ShownHand], number: int) -> tuple[Any, LatentSliders | None]:
        """A hand by its number: its 3D figure, and its sliders where the model has codes."""
        if not 0 <= number < len(found):
            return None, None
        pose, names = found[number].pose, self.predictor.joint_names
        return pages.skeleton(pose.joints_mm, pose.std_mm, names=names), found[number].sliders

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

    def find(path, side, box, mirror):
        if not path:
            raise gr.Error("Give a photo first.", print_exception=False)
        try:
            answer = demo.find(path, side, box or "", mirror)
        except UserError as error:
            told = str(error).replace(path, os.path.basename(path))
            raise gr.Error(told, print_exception=False) from None
        found = demo.hands(answer)
        names = [f"hand {n + 1}" for n in range(len(found))]
        first = names[0] if names else None
        choices = gr.Radio(choices=names, value=first)
        return found, answer.picture, answer.summary(), choices, *show(found, first)

    def show(found, name):
        number = int(name.split()[1]) - 1 if name else -1
        figure, latent = demo.show(found or [], number)
        decoded = demo.slide(latent, [0.0] * (2 * SLIDERS)) if latent else (None, None)
        positions = [
            gr.Slider(value=0, interactive=latent is not None and n < len(directions))
            for directions in (latent.directions if latent else ((), ()))
            for n in range(SLIDERS)
        ]
        return figure, latent, *decoded, *positions

    def slide(latent, *positions):
        return demo.slide(latent, positions) if latent else (None, None)

    options = {"analytics_enabled": False, "delete_cache": CACHE_SECONDS}
    with gr.Blocks(title="Hands in 3D", **options) as page:
        found, latent = (gr.State(time_to_live=STATE_SECONDS) for _ in range(2))
        gr.Markdown(INTRODUCTION)
        with gr.Row():
            with gr.Column():
                asked = _photo_inputs(gr)
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
        button.click(find, asked, [found, joints, summary, choice, *shown])
        choice.input(show, [found, choice], shown)
        for position in positions:
            position.input(
                slide,
                [latent, *positions],
                [decoded_pose, decoded_x],
                show_progress="hidden",
                trigger_mode="always_last",
            )
    return page.queue(max_size=MOST_WAITING, default_concurrency_limit=1, api_open=False)


def launch(page: Any, host: str, port: int) -> None:
    """Serves the page with its limits, until Ctrl-C. Raises `OSError` when the port is taken."""
    from starlette.middleware import Middleware  # Gradio's.

    page.launch(
        server_name=host,
        server_port=port,
        max_file_size=MOST_UPLOAD_BYTES,
        state_session_capacity=MOST_VISITORS,
        enable_monitoring=False,
        share=False,
        app_kwargs={"middleware": [Middleware(PageGuard, most_bytes=MOST_UPLOAD_BYTES)]},
        footer_links=[],
    )


def _photo_inputs(gr: Any) -> list[Any]:
    """The photo, and which hand of it: its side, its box, and whether it is mirrored."""
    photo_input = gr.Image(
        type="filepath",
        sources=["upload", "webcam"],
        # Gradio's mirroring turns round what is uploaded, not only what is shown.
        webcam_options=gr.WebcamOptions(mirror=False),
        label="Photo",
        height=340,
        elem_id="photo",
    )
    # Gradio would open the file, and decode it whole, before this page looks at its size.
    photo_input.preprocess = lambda payload: payload and payload.path
    move = photo_input.async_move_resource_to_block_cache
    photo_input.async_move_resource_to_block_cache = uploads_only(move)
    with gr.Row():
        side = gr.Radio([AUTOMATIC, *hand.SIDES], value=AUTOMATIC, label="Side", elem_id="side")
        box = gr.Textbox(label="Box", placeholder="left,top,right,bottom px", elem_id="box")
    mirror = gr.Checkbox(label="The photo is mirrored (selfie)", elem_id="mirror")
    return [photo_input, side, box, mirror]


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
