"""Writes rendered hands as TFRecord shards that TensorFlow Datasets reads as they are.

    out_dir/hands-{training,evaluation}.tfrecord-00000, ...
    out_dir/dataset_info.json, features.json    written last; without them the set is unfinished

A record is one hand, a canonical example (`data.examples`): a JPEG crop around it, or joints
alone. A shard is a function of its plan and number, `shard`, so that any runner may make it; its
file appears under its name when it is complete. The order of records is that of frames.
"""

import dataclasses
import glob
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import tqdm

from dcmls_tf import files, hand
from dcmls_tf.data import rhd, shards
from dcmls_tf.data.examples import RawExample
from dcmls_tf.errors import UserError
from dcmls_tf.rendering import backgrounds, crops, dataset, mix, studio
from dcmls_tf.rendering.scene import generator, sample_scene
from dcmls_tf.rendering.workers import results

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import (  # pyright: ignore[reportMissingImports]
        PipelineOptions,
    )

VERSION = 4
PHOTOS, STUDIO = mix.SCENES
FRAMES_A_SHARD, ANNOTATIONS_A_SHARD = 256, 2048
_CROPS = 2  # a stage in `generator`


@dataclasses.dataclass(frozen=True)
class Plan:
    """What decides a shard's bytes, besides its number.

    photographs: paths of the split's; scenes: of `mix.SCENES`.
    """

    split: str
    frames: int
    seed: int
    annotations_only: bool
    crop_size: int
    photographs: tuple[str, ...]
    frames_a_shard: int
    scenes: str = PHOTOS

    @property
    def num_shards(self) -> int:
        """The number of shards of the split."""
        return -(-self.frames // self.frames_a_shard)

    def indices(self, number: int) -> range:
        """The frames of a shard."""
        first = number * self.frames_a_shard
        return range(first, min(first + self.frames_a_shard, self.frames))


def shard(plan: Plan, number: int) -> bytes:
    """The bytes of one shard, a TFRecord file."""
    return shards.file_of(
        shards.serialized(example, not plan.annotations_only)
        for index in plan.indices(number)
        for example in examples(plan, index)
    )


def examples(plan: Plan, index: int) -> Iterator[RawExample]:
    """Canonical examples of a frame: the hand that it is made for, and the other if well seen."""
    draw = _of_studio if plan.scenes == STUDIO else _of_photos
    scene, look, paints = draw(plan, index)
    for side in scene.sides:
        name = f"rendered/{plan.split}/{index:06d}/{hand.SIDES[side]}"
        if plan.annotations_only:
            yield {**rhd.one_hand(vars(scene.annotation), side), "id": name}
        else:
            crop = crops.render_crop(
                scene, side, paints(side), plan.photographs, plan.crop_size, look
            )
            yield {**crop.fields, "image": crop.encoded, "id": name}


def _of_photos(plan, index):
    """A frame's scene, what its pictures have, and what draws all that is left of a side's."""
    numbers = plan.seed, plan.split, index
    scene = sample_scene(*numbers, mix.PHOTOS)
    return scene, mix.PHOTOS, lambda side: generator(*numbers, _CROPS, side)


def _of_studio(plan, index):
    """The same where one person stands before a camera."""
    scene = studio.sample_scene(plan.seed, plan.split, index)
    return scene, mix.RHD, lambda _: studio.place(plan.seed, index)


class ShardJob:
    """Makes one shard's file in a worker; returns its number of frames."""

    def __init__(self, out_dir: str) -> None:
        self.out_dir = out_dir

    def __call__(self, task: tuple[Plan, int]) -> int:
        plan, number = task
        files.write(shards.shard_path(self.out_dir, plan.split, number), shard(plan, number))
        return len(plan.indices(number))


def render_shards(
    out_dir: str,
    counts: Mapping[str, int],
    seed: int,
    workers: int = 1,
    background_dir: str | None = None,
    annotations_only: bool = False,
    crop_size: int = 256,
    scenes: str = PHOTOS,
    frames_a_shard: int | None = None,
    progress: bool = True,
    beam_options: "PipelineOptions | None" = None,
) -> None:
    """Renders what is missing of a data set of hands.

    Args:
        out_dir: folder to write; with `beam_options` one that all machines see under this path.
        counts: `{split: number of frames}`, each of which gives one hand or two.
        seed: every frame follows from it.
        workers: processes of this machine.
        background_dir: photographs, default scikit-image's own.
        annotations_only: no images.
        crop_size: longest side of a picture, px.
        scenes: `photos`, people as photos and RHD's frames have them, or `studio` (see `studio`).
        frames_a_shard: default `FRAMES_A_SHARD`, or `ANNOTATIONS_A_SHARD`.
        progress: shows a bar.
        beam_options: what renders instead of `workers` (see `dcmls_tf.beam`).

    Raises `UserError` when `out_dir` holds a set made with other settings or cannot be written,
    or when `background_dir` does not serve.
    """
    photographs = [] if annotations_only else backgrounds.photographs(background_dir)
    frames_a_shard = frames_a_shard or (ANNOTATIONS_A_SHARD if annotations_only else FRAMES_A_SHARD)
    settings = {
        "version": VERSION,
        "format": "shards",
        "seed": seed,
        "annotations_only": annotations_only,
        "crop_size": crop_size,
        "frames_a_shard": frames_a_shard,
        "backgrounds": backgrounds.digest(photographs),
        "scenes": scenes,
    }
    plans = [
        Plan(
            split, frames, seed, annotations_only, crop_size,
            tuple(backgrounds.of_split(photographs, split)) if photographs else (), frames_a_shard,
            scenes,
        )
        for split, frames in counts.items()
        if frames
    ]  # fmt: skip
    try:
        dataset.claim(out_dir, settings)
        for plan in plans:
            _extend(out_dir, plan)
        tasks = _missing(out_dir, plans)
        if tasks:
            shards.remove_info(out_dir)
            _remove_partial(out_dir)
        if tasks and beam_options:
            from dcmls_tf.rendering import beam

            beam.run(ShardJob(os.path.abspath(out_dir)), tasks, beam_options)
        elif tasks:
            _render(ShardJob(out_dir), tasks, sum(p.frames for p in plans), workers, progress)
        shards.write_info(out_dir, not annotations_only)
    except OSError as error:
        raise UserError(
            f"--out_dir={out_dir}: cannot write to {error.filename or out_dir} ({error.strerror})"
        ) from None


def _extend(out_dir: str, plan: Plan) -> None:
    """Makes room for more frames than before: a last shard that was not full is made again."""
    path = os.path.join(out_dir, f".frames-{plan.split}.json")
    if os.path.exists(path):
        with open(path, encoding="utf-8") as file:
            before = json.load(file)["frames"]
        if before > plan.frames:
            raise UserError(
                f"--{plan.split}={plan.frames}: {out_dir} was made for {before} frames; ask for as "
                "many as before or more, or give another folder"
            )
        if before < plan.frames:
            shards.remove_info(out_dir)
            if before % plan.frames_a_shard:
                _remove(shards.shard_path(out_dir, plan.split, before // plan.frames_a_shard))
    files.write_json(path, {"frames": plan.frames})


def _remove(path: str) -> None:
    if os.path.exists(path):
        os.remove(path)


def _remove_partial(out_dir: str) -> None:
    for path in glob.glob(os.path.join(glob.escape(out_dir), "*.partial")):
        os.remove(path)


def _missing(out_dir: str, plans: Sequence[Plan]) -> list[tuple[Plan, int]]:
    """The shards that are not there."""
    return [
        (plan, number)
        for plan in plans
        for number in range(plan.num_shards)
        if not os.path.exists(shards.shard_path(out_dir, plan.split, number))
    ]


def _render(
    job: ShardJob, tasks: Sequence[tuple[Plan, int]], frames: int, workers: int, progress: bool
) -> None:
    """Renders in processes of this machine, under a bar of all `frames`."""
    initial = frames - sum(len(plan.indices(number)) for plan, number in tasks)
    bar = tqdm.tqdm(
        total=frames, initial=initial, unit="frame", disable=not progress, smoothing=0.05
    )
    with bar, results(job, tasks, workers) as done:
        for count in done:
            bar.update(count)
