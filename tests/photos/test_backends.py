"""Models on disk of three kinds, which agree; and what is no model.

Covers `graph_backends` and `lite_backend`.
"""

import hand_files
import numpy as np
import pytest
from hand_files import photo_of

from dcmls_tf.errors import UserError
from dcmls_tf.photos import backends, predictor
from dcmls_tf.photos.hands import HandRegion


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda path: None, "does not exist"),
        (lambda path: path.mkdir(), "holds no SavedModel"),
        (lambda path: path.write_bytes(b"no model"), "no readable TFLite file"),
    ],
)
def test_what_is_no_model_is_named(make, said, tmp_path):
    make(tmp_path / "model")
    with pytest.raises(UserError, match=said) as raised:
        backends.load(str(tmp_path / "model"))
    assert str(raised.value).startswith(f"--model={tmp_path / 'model'}: ")


def test_a_saved_model_is_said_to_be_a_program_before_it_is_loaded(tmp_path, caplog):
    with pytest.raises(UserError):
        backends.load(str(tmp_path))
    assert "can read and write your files" in caplog.text


def test_what_a_run_refuses_is_one_sentence(tmp_path):
    run_dir = hand_files.write_run(tmp_path / "run", modality="2d")
    uv = np.full([1, 21, 2], np.nan, np.float32)
    with pytest.raises(UserError, match=r"refuses its input: keypoints: row 0 ") as raised:
        backends.load(run_dir).answer("serving_default", keypoints=uv)
    assert "\n" not in str(raised.value)


@pytest.mark.slow
@pytest.mark.parametrize("modality", ["2d", "rgb"])
def test_what_exports_refuse_is_one_sentence(modality, tmp_path):
    run_dir = hand_files.write_run(tmp_path / "run", modality=modality)
    name = "image" if modality == "rgb" else "keypoints"
    bad = np.array([b"none"], object) if modality == "rgb" else np.full([1, 21, 2], np.inf)
    for path in hand_files.write_exports(run_dir, tmp_path):
        given = bad if modality == "rgb" else bad.astype(np.float32)
        with pytest.raises(UserError, match=f"refuses its input: {name}: row 0 ") as raised:
            backends.load(path).answer("serving_default", **{name: given})
        assert "\n" not in str(raised.value)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [{"modality": "2d"}, {}, {"side": "input", "latent": "unified"}],
    ids=str,
)
def test_three_kinds_of_models_agree_on_a_photo(options, tmp_path):
    run_dir = hand_files.write_run(tmp_path / "run", **options)
    exports = hand_files.write_exports(run_dir, tmp_path)
    pixels, uv, side = hand_files.rendered_frame()
    photo = photo_of(pixels)
    hands = [HandRegion.from_keypoints(uv, s, "given") for s in (side, 1 - side)]
    of_run, *others = (predictor.load(path)(photo, hands) for path in (run_dir, *exports))
    # They look at what they are given, if only a little.
    other = [HandRegion.from_keypoints(uv[::-1] + [9, 0], side, "given")]
    (changed,) = predictor.load(run_dir)(photo, other)
    assert np.abs(of_run[0].joints_mm - changed.joints_mm).max() > 0.1
    for poses in others:
        for pose, expected in zip(poses, of_run, strict=True):
            np.testing.assert_allclose(pose.joints_mm, expected.joints_mm, atol=2e-3)
            np.testing.assert_allclose(pose.uv, expected.uv, atol=0.05)
            np.testing.assert_allclose(pose.root_mm, expected.root_mm, rtol=1e-3)
    of_saved_model, of_lite = others
    assert of_saved_model[0].std_mm is not None
    assert of_run[0].std_mm is not None
    np.testing.assert_allclose(of_saved_model[0].std_mm, of_run[0].std_mm, rtol=1e-3)
    # Its noise is another generator's: 16 other samples of the same posterior.
    assert of_lite[0].std_mm is not None
    ratio = of_lite[0].std_mm.mean() / of_run[0].std_mm.mean()
    assert 0.7 < ratio < 1.4
