"""Predictions for any number of pictures and videos, written as files that people open.

    <name>.hands.png, .mp4    the skeletons over the picture or video
    predictions.json          everything, a record a picture or frame
    predictions.csv           a row a joint
    index.html                the skeletons to turn around, in a browser, without a network

A picture that cannot be read gets a sentence on stderr and in the JSON file; the rest goes on.
"""

import io
import os
import sys
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image
from tqdm import tqdm

from dcmls_tf import files
from dcmls_tf.drawing import pages
from dcmls_tf.errors import UserError, in_a_line
from dcmls_tf.photos import drawn, photo, records, remote, sequences, smoothing, sources
from dcmls_tf.photos.asked import HandsAsked
from dcmls_tf.photos.hands import HandPose, RegionFinder
from dcmls_tf.photos.photo import Photo
from dcmls_tf.photos.predictor import PosePredictor
from dcmls_tf.photos.records import Record
from dcmls_tf.photos.sources import Source
from dcmls_tf.photos.video import Video
from dcmls_tf.photos.video_file import VideoFile, not_written
from dcmls_tf.photos.webcam import Webcam

SUFFIX = sources.DRAWN.rstrip(".")
Frames = Video | Webcam | sequences.Animation
FRAMES: dict[str, Callable[[Source, float | None], Frames]] = {
    sources.VIDEO: Video,
    sources.STREAM: Video,
    sources.CAMERA: Webcam,
    sequences.ANIMATION: sequences.Animation,
}


class PredictionWriter:
    """Runs a predictor over sources and writes what it says into a folder.

    `failures` counts what could not be read or predicted.

    Args:
        predictor: the model.
        find_hands: what `hands.finder` returns.
        out_dir: where to; made when it is not there. Raises `UserError` when it cannot be.
        focal: the cameras' focal length in px, if known.
        max_frames: frames taken of each video or camera; 0: all.
        follow: makes what says where the hands of a video's frames are, one for each video;
            default: `find_hands`, frame by frame.
        smooth: whether the poses of a video are made steady (`smoothing`).
        asked: what was asked for, which turns mirrored pictures back and is told in the answer.
    """

    def __init__(
        self,
        predictor: PosePredictor,
        find_hands: RegionFinder,
        out_dir: str,
        focal: float | None = None,
        max_frames: int = 0,
        follow: Callable[[], RegionFinder] | None = None,
        smooth: bool = True,
        asked: HandsAsked | None = None,
    ):
        try:
            os.makedirs(out_dir, exist_ok=True)
        except OSError as error:
            raise UserError(f"--out_dir={out_dir}: cannot be made ({error.strerror})") from None
        self._predictor, self._find_hands = predictor, find_hands
        self._out_dir, self._focal, self._max_frames = out_dir, focal, max_frames
        self._follow, self._smooth, self._asked = follow, smooth, asked or HandsAsked()
        self._records: list[Record] = []
        self._names: set[str] = set()
        self._gallery = pages.Gallery(predictor.joint_names)
        self.failures = 0

    def run(self, inputs: Sequence[Source]) -> None:
        """Every source, under a progress bar; the files are written at the end.

        An interrupt ends a camera's or a stream's recording; elsewhere it is raised after the files
        of what was done are written.
        """
        try:
            with tqdm(total=len(inputs), unit=" pictures") as self._bar:
                for source in inputs:
                    self._guarded(source)
        finally:
            self._write()

    def summary(self) -> str:
        """What was done, in a line."""
        done = [record for record in self._records if "error" not in record]
        hands = sum(len(record["hands"]) for record in done)
        without = sum(not record["hands"] for record in done)
        said = f"{hands} hands in {len(done)} pictures, {without} of them without a hand"
        full = sum(len(record["hands"]) >= self._asked.max_hands for record in done)
        if not self._asked.detects or not full:
            return said
        return f"{said}, {full} with as many as --max_hands={self._asked.max_hands} allows"

    def _guarded(self, source: Source) -> None:
        try:
            before = self._bar.n
            self._source(source)
        except (UserError, OSError) as error:
            self._report(source.name, str(error))
        self._bar.update(max(0, before + 1 - self._bar.n))

    def _report(self, name: str, sentence: str) -> None:
        sentence = sentence if sentence.startswith(name) else f"{name}: {sentence}"
        name, sentence = sources.shown(name), sources.shown(sentence)
        self.failures += 1
        self._records.append({"file": name, "error": sentence})
        self._bar.write(f"error: {in_a_line(sentence)}", file=sys.stderr)

    def _source(self, source: Source) -> None:
        """One input, by its kind."""
        if source.kind == sources.ADDRESS:
            with remote.fetched(source.name) as there:
                self._source(there)
            return
        kind = sequences.kind(source) if source.kind == sources.PICTURE else source.kind
        if kind == sequences.PICTURE:
            self._drawn(self._asked.upright(photo.read(source.content, self._focal, source.name)))
        elif kind == sequences.PAGES:
            for page in sequences.pages(source, self._focal):
                self._drawn(self._asked.upright(page))
        else:
            self._video(source, FRAMES[kind](source, self._focal))

    def _drawn(self, picture: Photo) -> None:
        """A picture's poses, and its drawing in a file of its own."""
        path = self._path(picture.source, ".png")
        poses = self._predictor(picture, self._find_hands(picture))
        content = io.BytesIO()
        drawing = Image.fromarray(self._record(picture, poses, path))
        # PNG's higher levels make a photograph hardly smaller, and took two thirds of the time.
        drawing.save(content, format="png", compress_level=1)
        self._save(path, content.getvalue())

    def _video(self, source: Source, frames: Frames) -> None:
        self._bar.total += self._frame_count(frames) - 1
        name = f"camera{source.name}" if source.kind == sources.CAMERA else source.name
        path = self._path(name, ".mp4")
        find_hands = self._follow() if self._follow else self._find_hands
        smoother = smoothing.Smoother() if self._smooth else None
        count = 0
        with VideoFile(path, frames.fps) as out:
            try:
                for count, frame in enumerate(map(self._asked.upright, frames), 1):
                    poses = self._predictor(frame, find_hands(frame))
                    time_s = frame.time_s or 0.0
                    if smoother:
                        poses = smoother(poses, time_s)
                    out.add(self._record(frame, poses, path), time_s)
                    self._bar.update(1)
                    if count == self._max_frames:
                        return
            except KeyboardInterrupt:
                if source.kind not in (sources.CAMERA, sources.STREAM):
                    raise
        if frames.lost:
            of = count + frames.lost
            lost = f"{frames.lost} of {of} frames do not decode and are left out"
            self._report(source.name, lost)
        if frames.incomplete:
            self._report(source.name, f"ends after {count} frames; the rest of it is missing")

    def _frame_count(self, frames: Frames) -> int:
        return min((n for n in (frames.frames, self._max_frames) if n), default=1)

    def _record(
        self, picture: Photo, poses: Sequence[HandPose], path: str
    ) -> UInt8[np.ndarray, "H W 3"]:
        """Records a photo's poses; the drawn picture, which goes to `path`."""
        record = records.record(picture, poses)
        self._records.append({**record, "drawn": os.path.basename(path)})
        pixels, scale = drawn.draw(picture, poses)
        for number, pose in enumerate(poses):
            self._gallery.add(
                title(picture, number),
                pixels,
                scale * pose.region.box,
                pose.region.side,
                pose.joints_mm,
                pose.std_mm,
            )
        return pixels

    def _path(self, source_name: str, extension: str) -> str:
        """A file of its own for a source, even where two folders have files of one name."""
        stem = os.path.splitext(sources.file_name(source_name))[0] + SUFFIX
        name, copies = stem, 1
        while name in self._names:
            copies += 1
            name = f"{stem}.{copies}"
        self._names.add(name)
        return os.path.join(self._out_dir, name + extension)

    def _write(self) -> None:
        names = self._predictor.joint_names
        contents = {
            "predictions.json": records.as_json(self._records, names, self._asked.said()),
            "predictions.csv": records.as_csv(self._records, names),
            "index.html": self._gallery.page(),
        }
        for name, content in contents.items():
            self._save(os.path.join(self._out_dir, name), content)

    def _save(self, path: str, content: str | bytes) -> None:
        try:
            files.write(path, content)
        except OSError as error:
            raise not_written(path, error) from None


def title(picture: Photo, number: int) -> str:
    """A hand's name in the page: file, frame, which hand."""
    frame = "" if picture.frame is None else f", frame {picture.frame}"
    return f"{sources.file_name(picture.source)}{frame}, hand {number + 1}"
