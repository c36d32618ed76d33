"""`export/serving/client.py`: what it makes of the pictures that people have."""

import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import ExifTags, Image
from pillow_heif import register_heif_opener

from dcmls_tf.errors import UserError
from dcmls_tf.serving import encoded

SCRIPT = Path(__file__).parents[2] / "export" / "serving" / "client.py"
FORMATS = ("png", "jpeg", "bmp", "tiff", "webp", "avif", "heif")
# EXIF's orientation → how pixels that are upright are stored under it.
STORED = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    6: lambda p: np.rot90(p),
    8: lambda p: np.rot90(p, -1),
}


@pytest.fixture(scope="module")
def client():
    specification = importlib.util.spec_from_file_location("client", SCRIPT)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def upright():
    """A picture whose corners differ, RGB."""
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    return np.stack(np.broadcast_arrays(ramp, ramp[:48, None], 128), -1).astype(np.uint8)


def sent(client, path):
    """The picture in a request as the graph decodes it, which refuses what is not upright."""
    inputs = client.request_inputs(client.read_photo(str(path)), [0, 0, 9, 9], 1, 0.0)
    image, size = encoded.checked(tf.constant(inputs["image"]))
    pixels = tf.io.decode_image(image[0], channels=3).numpy()
    assert size.numpy().tolist() == [[pixels.shape[1], pixels.shape[0]]]
    return pixels.astype(int)


@pytest.mark.parametrize("form", FORMATS)
def test_a_photo_of_any_kind_is_sent_as_what_the_graph_takes(form, client, tmp_path):
    register_heif_opener()  # To write it.
    path = tmp_path / f"photo.{form}"
    Image.fromarray(upright()).save(path, form.upper())
    assert np.abs(sent(client, path) - upright()).mean() < 4


@pytest.mark.parametrize("form", ["jpeg", "tiff"])
@pytest.mark.parametrize("orientation", STORED)
def test_a_turned_photo_is_sent_upright(form, orientation, client, tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    stored = np.ascontiguousarray(STORED[orientation](upright()))
    path = tmp_path / f"photo.{form}"
    Image.fromarray(stored).save(path, form.upper(), exif=exif)
    assert np.abs(sent(client, path) - upright()).mean() < 4


def test_an_animation_and_garbage_are_named(client, tmp_path):
    frames = [Image.fromarray(upright()), Image.fromarray(255 - upright())]
    content = io.BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:])
    for name, data, said in (
        ("two.gif", content.getvalue(), "holds several pictures"),
        ("text.jpg", b"no picture", "is no picture"),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match=f"--image=.*{name}: {said}"):
            client.read_photo(str(tmp_path / name))
