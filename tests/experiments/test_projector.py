"""TensorBoard's projector gets a vector and a line of labels for each code."""

import csv

import numpy as np
import tensorflow as tf

from dcmls_tf.experiments import projector
from dcmls_tf.experiments.probes import Codes

rng = np.random.default_rng(0)


def test_the_projector_has_a_row_and_a_vector_for_each_code(tmp_path):
    names = ("z_h_x", "z_c_x", "z_h_y", "drawn_h_x", "drawn_h_y")
    means = {name: rng.normal(size=(100, 15)).astype(np.float32) for name in names}
    ids = np.array([f"rhd/training/{i:05d}" for i in range(100)])
    codes = Codes(**means, y=rng.normal(size=(100, 21, 3)), ids=ids)
    folder = projector.write(str(tmp_path / "p"), codes, {"identity": np.arange(100)})
    with open(tmp_path / "p" / "metadata.tsv", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert [row["modality"] for row in rows] == ["x"] * 100 + ["y"] * 100
    assert rows[103]["identity"] == "3"
    assert rows[103]["id"] == ids[3]
    text = (tmp_path / "p" / "projector_config.pbtxt").read_text()
    name = text.split('tensor_name: "')[1].split('"')[0]
    vectors = tf.train.load_variable(tf.train.latest_checkpoint(folder), name)
    np.testing.assert_array_equal(vectors, np.concatenate([codes.z_h_x, codes.z_h_y]))
