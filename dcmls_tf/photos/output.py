"""Predictions for any number of pictures and videos, written as files that people open.

    <name>.hands.png, .mp4    the skeletons over the picture or video
    predictions.json          everything, a record a picture or frame
    predictions.csv           a row a joint
    index.html                the skeletons to turn around, in a browser, without a network

A picture that cannot be read gets a sentence on stderr and in the JSON file; the rest goes on.
"""

import csv
import io
import os
import sys

import numpy as np
from PIL import Image
from tqdm import tqdm

from dcmls_tf import files, hand
from dcmls_tf.drawing import figures as visualization
from dcmls_tf.drawing import pages
from dcmls_tf.errors import UserError
from dcmls_tf.photos import keypoints
from dcmls_tf.photos import photo as photos
from dcmls_tf.photos import predictor as inference

SUFFIX = photos.DRAWN.rstrip(".")
# Longer side of a drawn picture, at most and at least; a small one is magnified for it, a little.
DRAWN_SIDE, SMALLEST_SIDE, MAGNIFIED = 1600, 640, 4
UNITS = {
    "uv": "px of the upright picture, from its upper left corner",
    "joints_mm": "mm relative to the root joint; camera frame: x right, y down, z forward",
    "root_mm": "mm in the camera frame, if the hand has the training set's mean size",
    "std_mm": "mm, spread of sampled poses; null where the model cannot sample",
}
COLUMNS = ("file", "frame", "hand", "side", "joint", "name")
COLUMNS += ("u_px", "v_px", "x_mm", "y_mm", "z_mm", "std_mm")


def parse_box(text):
    """`left,top,right,bottom` px as four numbers. Raises `UserError`."""
    try:
        left, top, right, bottom = (float(value) for value in text.split(","))
    except ValueError:
        raise UserError(f"box {text}: give left,top,right,bottom in px") from None
    if not (left < right and top < bottom):
        raise UserError(f"box {text}: give left < right and top < bottom, in px")
    return [left, top, right, bottom]


def finder(boxes=(), keypoints_path=None, side=None, detector=None):
    """Which hands of a photo: `find(photo)` → list of `inference.Hand`.

    Args:
        boxes: `[4]` px each; a hand a box.
        keypoints_path: a file of keypoints instead (see `keypoints`).
        side: 0 left, 1 right; `None`: the detector's, or a right hand.
        detector: a `detection.Detector` where neither boxes nor keypoints are given.
    """
    known = {} if side is None else {"side": side, "side_from": "given"}
    if keypoints_path:
        by_picture = keypoints.read(keypoints_path)
        return lambda photo: [
            inference.of_keypoints(one, **known)
            for one in keypoints.of_picture(by_picture, photo.source)
        ]
    if boxes:
        return lambda photo: [inference.Hand(np.float32(box), **known) for box in boxes]
    return lambda photo: [
        inference.of_detection(one, photo, **known) for one in detector(photo.pixels)
    ]


class Predictions:
    """Runs a predictor over sources and writes what it says into a folder.

    Args:
        predictor: an `inference.Predictor`.
        find_hands: what `finder` returns.
        out_dir: where to; made when it is not there. Raises `UserError` when it cannot be.
        focal: the cameras' focal length in px, if known.
        max_frames: frames taken of each video or camera; 0: all.
    """

    def __init__(self, predictor, find_hands, out_dir, focal=None, max_frames=0):
        try:
            os.makedirs(out_dir, exist_ok=True)
        except OSError as error:
            raise UserError(f"--out_dir={out_dir}: cannot be made ({error.strerror})") from None
        self._predictor, self._find_hands = predictor, find_hands
        self._out_dir, self._focal, self._max_frames = out_dir, focal, max_frames
        self._records, self._names = [], set()
        self._gallery = pages.Gallery(predictor.joint_names)
        self.failures = 0

    def run(self, sources):
        """Every `photos.Source`, under a progress bar; the files are written at the end.

        An interrupt ends a camera's recording; elsewhere it is raised after the files of what
        was done are written.
        """
        try:
            with tqdm(total=len(sources), unit=" pictures") as self._bar:
                for source in sources:
                    self._guarded(
                        self._picture if source.kind == "picture" else self._video, source
                    )
        finally:
            self._write()

    def summary(self):
        """What was done, in a line."""
        done = [record for record in self._records if "error" not in record]
        hands = sum(len(record["hands"]) for record in done)
        without = sum(not record["hands"] for record in done)
        return f"{hands} hands in {len(done)} pictures, {without} of them without a hand"

    def _guarded(self, work, source):
        try:
            work(source)
        except UserError as error:
            self._report(source.name, str(error))

    def _report(self, name, sentence):
        sentence = sentence if sentence.startswith(name) else f"{name}: {sentence}"
        self.failures += 1
        self._records.append({"file": name, "error": sentence})
        self._bar.write(f"error: {sentence}", file=sys.stderr)

    def _picture(self, source):
        path = self._path(source.name, ".png")
        try:
            drawn = self._predict(photos.read(source.name, self._focal), path)
        finally:
            self._bar.update(1)
        content = io.BytesIO()
        Image.fromarray(drawn).save(content, format="png")
        self._save(path, content.getvalue())

    def _video(self, source):
        video = photos.Video(source, self._focal)
        self._bar.total += self._frames(video) - 1
        path = self._path(source.name if source.kind == "video" else f"camera{source.name}", ".mp4")
        with VideoFile(path, video.fps) as out:
            try:
                for photo in video:
                    out.add(self._predict(photo, path))
                    self._bar.update(1)
                    if photo.frame + 1 == self._max_frames:
                        return
            except KeyboardInterrupt:
                if source.kind != "camera":
                    raise
        if video.lost:
            lost = f"{video.lost} of {video.frames} frames do not decode and are left out"
            self._report(source.name, lost)

    def _frames(self, video):
        known = [n for n in (video.frames, self._max_frames) if n]
        return min(known, default=1)

    def _predict(self, photo, path):
        """Predicts and records a photo; the drawn picture, which goes to `path`."""
        poses = self._predictor(photo, self._find_hands(photo))
        self._records.append({**record(photo, poses), "drawn": os.path.basename(path)})
        drawn, scale = draw(photo, poses)
        for number, pose in enumerate(poses):
            self._gallery.add(title(photo, number), drawn, scale * pose.hand.box, pose)
        return drawn

    def _path(self, source_name, extension):
        """A file of its own for a source, even where two folders have files of one name."""
        stem = os.path.splitext(os.path.basename(source_name))[0] + SUFFIX
        name, copies = stem, 1
        while name in self._names:
            copies += 1
            name = f"{stem}.{copies}"
        self._names.add(name)
        return os.path.join(self._out_dir, name + extension)

    def _write(self):
        names = list(self._predictor.joint_names)
        found = {"joint_names": names, "units": UNITS, "pictures": self._records}
        contents = {
            "predictions.json": files.as_json(found),
            "predictions.csv": table(self._records, names),
            "index.html": self._gallery.page(),
        }
        for name, content in contents.items():
            self._save(os.path.join(self._out_dir, name), content)

    def _save(self, path, content):
        try:
            files.write(path, content)
        except OSError as error:
            raise _not_written(path, error) from None


def _not_written(path, error):
    return UserError(f"--out_dir: {path} cannot be written ({error.strerror})")


def record(photo, poses):
    """A photo's predictions as JSON takes them."""
    return {
        "file": photo.source,
        "frame": photo.frame,
        "time_s": photo.time_s,
        "width": photo.size[0],
        "height": photo.size[1],
        "focal_px": float(photo.K[0, 0]),
        "focal_from": photo.focal_from,
        "hands": [
            {
                "side": hand.SIDES[pose.hand.side],
                "side_from": pose.hand.side_from,
                "score": pose.hand.score,
                "box": _rounded(pose.hand.box),
                "uv": _rounded(pose.uv),
                "joints_mm": _rounded(pose.joints_mm),
                "root_mm": _rounded(pose.root_mm),
                "std_mm": None if pose.std_mm is None else _rounded(pose.std_mm),
            }
            for pose in poses
        ],
    }


def table(records, joint_names):
    """The same as CSV, a row a joint."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in records:
        for number, pose in enumerate(one.get("hands", ())):
            spread = pose["std_mm"] or [""] * len(joint_names)
            for joint, name in enumerate(joint_names):
                where = one["file"], one["frame"], number, pose["side"], joint, name
                numbers = *pose["uv"][joint], *pose["joints_mm"][joint], spread[joint]
                writer.writerow([*where, *numbers])
    return text.getvalue()


def draw(photo, poses):
    """The photo with its poses, large enough to see them, and its px per px of the file's."""
    pixels = photo.pixels
    longer = max(pixels.shape[:2])
    factor = min(DRAWN_SIDE / longer, max(1, min(-(-SMALLEST_SIDE // longer), MAGNIFIED)))
    if factor != 1:
        size = [max(1, round(side * factor)) for side in pixels.shape[1::-1]]
        how = Image.Resampling.BOX if factor < 1 else Image.Resampling.BICUBIC
        pixels = np.array(Image.fromarray(pixels).resize(size, how))
    scale = pixels.shape[1] / photo.size[0]
    for pose in poses:
        uv, box = scale * pose.uv, scale * pose.hand.box
        pixels = visualization.draw_hand(pixels, uv, box, label(pose.hand))
    return pixels, scale


def label(one):
    """A hand in few words: its side, and how it is known."""
    score = "" if one.score is None else f" {one.score:.2f}"
    return f"{hand.SIDES[one.side]} ({one.side_from}){score}"


def title(photo, number):
    """A hand's name in the page: file, frame, which hand."""
    frame = "" if photo.frame is None else f", frame {photo.frame}"
    return f"{os.path.basename(photo.source)}{frame}, hand {number + 1}"


class VideoFile:
    """An MP4 file that is complete or absent: `add` frames within `with`."""

    def __init__(self, path, fps):
        self._path, self._fps, self._writer = path, fps, None
        self._partial = f"{os.path.splitext(path)[0]}.partial.mp4"

    def __enter__(self):
        return self

    def add(self, picture):
        """A frame, uint8 RGB `[H, W, 3]`, all of one size. Raises `UserError`."""
        if self._writer is None:
            cv2 = photos.opencv()
            code = cv2.VideoWriter.fourcc(*"mp4v")
            size = picture.shape[1::-1]
            self._writer = cv2.VideoWriter(self._partial, code, self._fps, size)
            if not self._writer.isOpened():
                raise UserError(f"--out_dir: {self._path} cannot be written by OpenCV")
        self._writer.write(np.ascontiguousarray(picture[..., ::-1]))

    def __exit__(self, kind, *_):
        if self._writer is None:
            return
        self._writer.release()
        if kind is None or kind is KeyboardInterrupt:  # What was asked for until then.
            try:
                os.replace(self._partial, self._path)
            except OSError as error:
                raise _not_written(self._path, error) from None
        else:
            os.remove(self._partial)


def _rounded(values):
    return np.round(np.asarray(values, float), 3).tolist()
