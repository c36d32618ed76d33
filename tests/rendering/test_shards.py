"""Shards of hands: their bytes follow from the plan, and training reads them (`data.shards`)."""

import contextlib
from typing import Any, Literal, cast

import cv2
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from dcmls_tf import config, hand
from dcmls_tf.data import pipeline, preparation, raw
from dcmls_tf.data import shards as shard_data
from dcmls_tf.errors import UserError
from dcmls_tf.rendering import mix, scene, shards, studio

COUNTS = {"training": 5, "evaluation": 2}


def render(folder, counts=COUNTS, **options):
    options = {"seed": 3, "crop_size": 96, "frames_a_shard": 2, "progress": False, **options}
    shards.render_shards(str(folder), counts, **options)


def files(folder):
    return {p.name: p.read_bytes() for p in folder.iterdir() if "tfrecord" in p.name}


@contextlib.contextmanager
def in_this_process(work, tasks, workers):
    """As `workers.results`, for tests that are not about processes: those take seconds to start."""
    yield map(work, tasks)


def render_here(folder, counts=COUNTS, **options):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shards, "results", in_this_process)
        render(folder, counts, **options)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hands")
    render_here(folder)
    return folder


@pytest.fixture(scope="module")
def annotations(tmp_path_factory):
    folder = tmp_path_factory.mktemp("annotations")
    counts = {"training": 40, "evaluation": 4}
    render_here(folder, counts, annotations_only=True, frames_a_shard=32)
    return folder


def plan(split, **options):
    fields = {"frames": COUNTS[split], "seed": 3, "annotations_only": True, "crop_size": 96}
    return shards.Plan(split=split, **{**fields, "photographs": (), "frames_a_shard": 2, **options})


def test_tfds_reads_the_folder(rendered):
    builder = tfds.builder_from_directory(str(rendered))
    assert builder.info.splits["training"].num_shards == 3
    examples = list(cast(Any, builder).as_dataset("training"))
    assert len(examples) == builder.info.splits["training"].num_examples >= 5
    for example in examples:
        assert set(example) == set(raw.features(images=True))
        assert max(example["image"].shape[:2]) <= 96


def test_examples_are_the_scenes(annotations):
    builder = shard_data.ShardBuilder(str(annotations), images=False)
    examples = pipeline.canonical_examples(builder, "training", images=False)
    found = list(examples.as_numpy_iterator())
    assert found[0]["id"] == b"rendered/training/000000/left"
    frames = [int(example["id"].split(b"/")[2]) for example in found]
    assert frames == sorted(frames)
    assert set(frames) == set(range(40))
    for example, frame in list(zip(found, frames, strict=True))[:6]:
        drawn = scene.sample_scene(3, "training", frame, mix.PHOTOS)
        joints = drawn.camera.to_camera(drawn.figure.joints[example["side"]])
        np.testing.assert_allclose(example["xyz_mm"], 1000 * joints, atol=1e-2)


def test_shards_of_a_studio_show_its_scenes(tmp_path):
    render_here(tmp_path, {"training": 3}, scenes="studio")
    builder = shard_data.ShardBuilder(str(tmp_path), images=True)
    found = list(cast(Any, builder).as_dataset("training").as_numpy_iterator())
    assert [example["id"].split(b"/")[3] for example in found] == [b"right"] * 3
    for number, example in enumerate(found):
        drawn = studio.sample_scene(3, "training", number)
        joints = drawn.camera.to_camera(drawn.figure.joints[hand.RIGHT])
        np.testing.assert_allclose(example["xyz_mm"], 1000 * joints, atol=1e-2)
    with pytest.raises(UserError, match="scenes=studio, not photos"):
        render_here(tmp_path, {"training": 4})


def test_uv_is_xyz_projected_by_the_crops_K(rendered, annotations):
    for folder in (rendered, annotations):
        builder = shard_data.ShardBuilder(str(folder), images=False)
        for example in pipeline.canonical_examples(builder, "training", images=False):
            homogeneous = example["xyz_mm"].numpy() @ example["K"].numpy().T
            expected = homogeneous[:, :2] / homogeneous[:, 2:]
            np.testing.assert_allclose(example["uv"], expected, rtol=1e-3, atol=0.05)


def test_both_hands_where_both_are_seen(annotations):
    builder = shard_data.ShardBuilder(str(annotations), images=False)
    sides = [int(example["side"]) for example in cast(Any, builder).as_dataset("training")]
    assert len(sides) > 40
    assert min(sides.count(hand.LEFT), sides.count(hand.RIGHT)) > 15


@pytest.mark.parametrize(
    "again", [render_here, pytest.param(render, marks=pytest.mark.slow)], ids=["here", "processes"]
)
def test_bytes_do_not_depend_on_workers_or_interruptions(rendered, tmp_path, again):
    render_here(tmp_path, {"training": 3, "evaluation": 2})
    kept = tmp_path / "hands-training.tfrecord-00000"
    before = kept.stat().st_mtime_ns
    (tmp_path / "hands-evaluation.tfrecord-00000").unlink()
    (tmp_path / "hands-training.tfrecord-00009.123.partial").write_bytes(b"killed")
    again(tmp_path, workers=2)
    assert kept.stat().st_mtime_ns == before
    assert files(tmp_path) == files(rendered)
    lengths = [
        shard_data.ShardBuilder(str(folder), images=True).info.splits["training"].shard_lengths
        for folder in (tmp_path, rendered)
    ]
    assert lengths[0] == lengths[1]


def test_a_shard_is_a_function_of_its_plan_and_number(tmp_path):
    made = shards.shard(plan("training"), 2)
    assert made == shards.shard(plan("training"), 2)
    path = tmp_path / "shard"
    path.write_bytes(made)
    ids = [
        tf.train.Example.FromString(r.numpy()).features.feature["id"].bytes_list.value[0]
        for r in tf.data.TFRecordDataset(str(path))
    ]
    assert {one.split(b"/")[2] for one in ids} == {b"000004"}


def test_training_needs_no_preparation(rendered, annotations, tmp_path):
    cases: list[tuple[Any, Literal["rgb", "2d"], int]]
    cases = [(rendered, "rgb", 32), (annotations, "2d", 256)]
    for folder, modality, size in cases:
        options = config.Config(
            raw_dir=str(folder), data_dir=str(tmp_path / "data"), modality=modality,
            input_size=size, reconstruction_size=32, batch_size=4, validation_percent=20,
        )  # fmt: skip
        builder = preparation.from_config(options)
        batch = next(iter(pipeline.training_batches(builder, options)))
        shape = (4, 32, 32, 3) if modality == "rgb" else (4, 21, 2)
        assert batch["x"].shape == shape
        assert batch["y"].shape == (4, 21, 3)
        last = next(iter(pipeline.evaluation_batches(builder, options, "evaluation", 2)))
        assert last["x"].shape[1:] == shape[1:]
    assert not list((tmp_path / "data").rglob("*.tfrecord*"))


def test_visible_joints_lie_in_the_picture(rendered):
    builder = shard_data.ShardBuilder(str(rendered), images=True)
    for example in pipeline.canonical_examples(builder, "training"):
        image = cv2.imdecode(np.frombuffer(example["image"].numpy(), np.uint8), cv2.IMREAD_COLOR)
        assert image is not None
        height, width = image.shape[:2]
        uv, seen = example["uv"].numpy(), example["visible"].numpy()
        assert (uv[seen] >= 0).all()
        assert (uv[seen] < (width, height)).all()
        assert seen.sum() >= scene.MIN_VISIBLE - 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 4}, "seed=3, not 4"),
        ({"crop_size": 128}, "crop_size=96, not 128"),
        ({"counts": {"training": 2}}, "--training=2: .* made for 5 frames"),
    ],
)
def test_other_settings_in_the_same_folder(rendered, options, message):
    with pytest.raises(UserError, match=message):
        render(rendered, **options)


def test_unfinished_sets_and_missing_images_are_named(rendered, annotations, tmp_path):
    for path in rendered.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    shard_data.remove_info(str(tmp_path))
    with pytest.raises(UserError, match=r"--raw_dir=.*not finished.*scripts/render\.py"):
        preparation.prepare("rhd", str(tmp_path), "unused", True)
    with pytest.raises(UserError, match="--modality=2d"):
        preparation.prepare("rhd", str(annotations), "unused", True)
