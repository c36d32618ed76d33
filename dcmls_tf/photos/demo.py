"""A page to try a model: a photo in, joints over it and in 3D, and the latent space to walk in.

The sliders move the codes of one hand along the directions that, there, move the pose (for z_h)
or the reconstruction (for z_c) the most, and what they show is decoded anew.
"""

import dataclasses
import functools
import os
import time

import numpy as np

from dcmls_tf import hand
from dcmls_tf.drawing import figures as visualization
from dcmls_tf.drawing import pages
from dcmls_tf.errors import UserError
from dcmls_tf.photos import detection
from dcmls_tf.photos import output as predictions
from dcmls_tf.photos import photo as photos
from dcmls_tf.photos import predictor as inference

SLIDERS = 4
# What a slider's 1 moves, root mean square over joints (mm) or values of x (of its range), as
# far as the decoder is linear; and the longest that a slider's 1 is in the latent space.
POSE_MM, APPEARANCE, LONGEST_STEP = 25.0, 0.1, 2.0
PROBE = 0.5
AUTOMATIC = "automatic"
PICTURE_PX = 256
BUTTONS = ["download", "fullscreen"]
INTRODUCTION = """# Hands in 3D
Drop a photo or use the camera. Hands are found automatically, or give a box around one.
"""


@dataclasses.dataclass(frozen=True)
class Found:
    """What the page shows of a photo: the drawn picture, its `Pose`s, and how long it took."""

    photo: photos.Photo
    poses: list
    picture: np.ndarray
    detection_ms: float
    model_ms: float

    def told(self):
        """The same in words."""
        sides = ", ".join(predictions.label(pose.hand) for pose in self.poses)
        return (
            f"{len(self.poses)} hand{'' if len(self.poses) == 1 else 's'}: {sides or 'none found'}."
            f" Finding {self.detection_ms:.0f} ms, model {self.model_ms:.0f} ms."
        )


class Walk:
    """The latent space around one hand.

    `directions`: of z_h and of z_c, `[SLIDERS or fewer, D]`, what a slider's 1 adds to the code.
    """

    def __init__(self, predictor, photo, one):
        self._predictor, self._mirrored = predictor, predictor.mirrors(one)
        self._codes = predictor.encode(photo, one)
        self.directions = [self._directions(part) for part in range(len(self._codes))]

    def at(self, *positions):
        """Positions of z_h's and z_c's sliders → pose `[21, 3]` mm and a picture of x.

        Both are in the crop's frame, left hands as they are.
        """
        codes = [
            np.float32(z + np.float64(p[: len(d)]) @ d)
            for z, p, d in zip(self._codes, positions, self.directions, strict=True)
        ]
        joints_mm, x = (values[0] for values in self._predictor.decode(*codes))
        if self._mirrored:
            joints_mm = joints_mm * [-1, 1, 1]
            x = x[:, ::-1] if x.ndim == 3 else x * [-1, 1]
        return joints_mm, visualization.source_picture(x, PICTURE_PX)

    def _directions(self, part):
        """The singular directions of z_h → pose (part 0) or z_c → x (part 1), strongest first."""
        size = self._codes[part].shape[1]
        if not size:
            return np.zeros([0, 0])
        codes = [np.repeat(z, size + 1, axis=0) for z in self._codes]
        codes[part][1:] += np.float32(PROBE * np.eye(size))
        found = np.float64(self._predictor.decode(*codes)[part])
        changes = (found[1:] - found[0]).reshape(size, -1) / PROBE
        along, strengths, _ = np.linalg.svd(changes, full_matrices=False)
        # Of a pose, a joint's three coordinates move together.
        of_pose = part == 0
        rms = strengths / np.sqrt(changes.shape[1] / (3 if of_pose else 1))
        wanted = POSE_MM if of_pose else APPEARANCE * (255 if found.ndim == 4 else 1)
        steps = np.minimum(wanted / np.maximum(rms, 1e-9), LONGEST_STEP)
        return (along * steps).T[:SLIDERS]


class Demo:
    """Answers for the page, by one predictor."""

    def __init__(self, predictor):
        self.predictor = predictor

    def warm_up(self):
        """Answers once for a blank photo: the first answer builds graphs, which takes seconds."""
        size = 2 * PICTURE_PX, 2 * PICTURE_PX
        pixels = np.zeros([*size, 3], np.uint8)
        photo = photos.Photo("blank", pixels, size, *photos.camera(size))
        angles = np.linspace(0, 6, hand.NUM_JOINTS)
        around = PICTURE_PX + 50 * np.stack([np.cos(angles), np.sin(angles)], -1)
        poses = self.predictor(photo, [inference.of_keypoints(around)])
        self.show(Found(photo, poses, pixels, 0.0, 0.0), 0)

    @functools.cached_property
    def _detector(self):
        return detection.Detector()

    def find(self, path, side, box):
        """A photo's file, a side or `AUTOMATIC`, and a box as text or none → `Found`.

        Raises `UserError` for a photo or box that is not good.
        """
        photo = photos.read(path)
        number = None if side == AUTOMATIC else hand.SIDES.index(side)
        boxes = [predictions.parse_box(box)] if box.strip() else []
        if boxes and self.predictor.needs_keypoints:
            raise UserError("this model reads 2D keypoints: leave the box empty")
        start = time.perf_counter()
        detector = None if boxes else self._detector
        hands = predictions.finder(boxes, None, number, detector)(photo)
        found = time.perf_counter()
        poses = self.predictor(photo, hands)
        done = time.perf_counter()
        picture = predictions.draw(photo, poses)[0]
        return Found(photo, poses, picture, 1000 * (found - start), 1000 * (done - found))

    def show(self, found, number):
        """A hand of `Found` by its number: its 3D figure, and its `Walk` or `None`."""
        if not 0 <= number < len(found.poses):
            return None, None
        pose = found.poses[number]
        figure = pages.skeleton(pose.joints_mm, pose.std_mm, names=self.predictor.joint_names)
        has_codes = self.predictor.has_codes
        return figure, Walk(self.predictor, found.photo, pose.hand) if has_codes else None

    def walked(self, walk, positions):
        """Where the sliders are → the pose's 3D figure and a picture of x."""
        joints_mm, picture = walk.at(positions[:SLIDERS], positions[SLIDERS:])
        return pages.skeleton(joints_mm, names=self.predictor.joint_names), picture


def build(predictor):
    """The page, a `gradio.Blocks`. Raises `UserError` without Gradio."""
    gr = _gradio()
    demo = Demo(predictor)
    demo.warm_up()

    def find(path, side, box):
        if not path:
            raise gr.Error("Give a photo first.")
        try:
            found = demo.find(path, side, box or "")
        except UserError as error:
            raise gr.Error(str(error).replace(path, os.path.basename(path))) from None
        names = [f"hand {n + 1}" for n in range(len(found.poses))]
        chosen = gr.Radio(choices=names, value=names[0] if names else None)
        return found, found.picture, found.told(), chosen, *show(found, names[0] if names else "")

    def show(found, name):
        number = int(name.split()[1]) - 1 if name else -1
        figure, walk = demo.show(found, number) if found else (None, None)
        walked = demo.walked(walk, [0.0] * (2 * SLIDERS)) if walk else (None, None)
        sliders = [
            gr.Slider(value=0, interactive=walk is not None and n < len(directions))
            for directions in (walk.directions if walk else ((), ()))
            for n in range(SLIDERS)
        ]
        return figure, walk, *walked, *sliders

    def walked(walk, *positions):
        return demo.walked(walk, positions) if walk else (None, None)

    with gr.Blocks(title="Hands in 3D", analytics_enabled=False) as page:
        found, walk = gr.State(), gr.State()
        gr.Markdown(INTRODUCTION)
        with gr.Row():
            with gr.Column():
                photo = gr.Image(
                    type="filepath",
                    sources=["upload", "webcam"],
                    label="Photo",
                    height=340,
                    elem_id="photo",
                )
                with gr.Row():
                    side = gr.Radio(
                        [AUTOMATIC, *hand.SIDES], value=AUTOMATIC, label="Side", elem_id="side"
                    )
                    box = gr.Textbox(
                        label="Box", placeholder="left,top,right,bottom px", elem_id="box"
                    )
                button = gr.Button("Find hands", variant="primary", elem_id="find")
            with gr.Column():
                drawn = gr.Image(
                    label="Joints", interactive=False, height=340, elem_id="joints", buttons=BUTTONS
                )
                told = gr.Markdown(elem_id="told")
                chosen = gr.Radio([], label="Hand")
            with gr.Column():
                figure = gr.Plot(label="3D, drag to turn", elem_id="pose")
        gr.Markdown("## Latent walk\nMove the code of this hand; what it decodes to follows.")
        with gr.Row():
            with gr.Column():
                sliders = [
                    gr.Slider(-3, 3, 0, step=0.05, label=f"{of} {n + 1}", elem_id=f"{of}_{n + 1}")
                    for of in ("z_h", "z_c")
                    for n in range(SLIDERS)
                ]
            decoded_pose = gr.Plot(label="decoder_y: pose", elem_id="decoded_pose")
            decoded_x = gr.Image(
                label="decoder_x: appearance",
                interactive=False,
                elem_id="decoded_x",
                buttons=BUTTONS,
            )
        shown = [figure, walk, decoded_pose, decoded_x, *sliders]
        answers = [found, drawn, told, chosen, *shown]
        button.click(find, [photo, side, box], answers)
        chosen.input(show, [found, chosen], shown)
        for slider in sliders:
            slider.input(
                walked,
                [walk, *sliders],
                [decoded_pose, decoded_x],
                show_progress="hidden",
                trigger_mode="always_last",
            )
    return page


def _gradio():
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
    try:
        import gradio
    except ImportError:
        raise UserError("the page needs Gradio: pip install '.[demo]'") from None
    return gradio
