"""Who is in a rendered frame and before which photograph, found again from its seed.

RHD's layout has no room for these; a frame's scene follows from the folder's seed alone, so
they can be drawn again without rendering.
"""

import json
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

from dcmls_tf.data.rhd_layout import RENDER_SETTINGS
from dcmls_tf.errors import UserError
from dcmls_tf.rendering import appearance, backgrounds, dataset, lighting
from dcmls_tf.rendering.scene import generator, sample_scene

PROCEDURAL = -1


def settings(raw_dir: str) -> dict[str, Any]:
    """What a folder was rendered with. Raises `UserError` when it was not rendered."""
    path = os.path.join(raw_dir, RENDER_SETTINGS)
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        raise UserError(
            f"--raw_dir={raw_dir}: has no {RENDER_SETTINGS}; only frames of scripts/render.py "
            "tell who is in them"
        ) from None


def identities_and_backgrounds(
    raw_dir: str, split: str, indices: Iterable[int], background_dir: str | None = None
) -> tuple[Int[np.ndarray, " N"], Int[np.ndarray, " N"]]:
    """Identity and background of frames.

    A background is the number of its photograph among the split's, or `PROCEDURAL`.
    background_dir: as when rendered; `None` for the default photographs. Raises `UserError`
    when the photographs are not those of then, or the frames were made by another version.
    """
    made = settings(raw_dir)
    if made.get("format") == "shards":
        raise UserError(
            f"--raw_dir={raw_dir}: shards of hands do not tell who is in them; render with "
            "--format=rhd"
        )
    photographs = [] if made["annotations_only"] else backgrounds.photographs(background_dir)
    if made["version"] != dataset.VERSION:
        raise UserError(
            f"--raw_dir={raw_dir}: was rendered by version {made['version']}; render it again"
        )
    if made["backgrounds"] != backgrounds.digest(photographs):
        raise UserError(f"--backgrounds={background_dir}: not the photographs of {raw_dir}")
    paths = backgrounds.of_split(photographs, split) if photographs else []
    shared = made["annotations_only"]
    pairs = [_of_frame(made["seed"], split, int(index), paths, shared) for index in indices]
    identities, numbers = np.array(pairs, int).reshape(-1, 2).T
    return identities, numbers


def _of_frame(
    seed: int, split: str, index: int, paths: Sequence[str], shared: bool
) -> tuple[int, int]:
    scene = sample_scene(seed, split, index, shared=shared)
    # As `frame.render` draws: light, colours, then the background.
    rng = generator(seed, split, index, 1)
    lighting.sample_lighting(rng, scene.camera)
    appearance.sample_look(rng, scene.person)
    return scene.person.identity, backgrounds.pick(rng, paths)
