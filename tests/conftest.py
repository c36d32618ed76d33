"""Two logical CPU devices for all tests, so that MirroredStrategy has replicas; raw data."""

import os

import pytest

# BLAS's threads wait for each other's cores: small fits take ten times as long beside other work.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # as the package does, which comes later


def pytest_configure(config):
    """Sets up TensorFlow, but not in the process that only hands tests to its workers."""
    if config.getoption("numprocesses", None):
        return
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    if "PYTEST_XDIST_WORKER" in os.environ:  # a core each
        tf.config.threading.set_intra_op_parallelism_threads(1)


@pytest.fixture(autouse=True)
def seeded():
    """The same weights and draws whatever ran before, so that a test passes always or never."""
    import keras

    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def rhd_tree(tmp_path_factory):
    """A small raw folder in RHD's layout: 12 training and 6 evaluation frames."""
    import raw_trees

    return raw_trees.write_rhd(tmp_path_factory.mktemp("rhd"))


@pytest.fixture(scope="session")
def stb_tree(tmp_path_factory):
    """A small raw folder in STB's layout: 16 training and 8 evaluation frames."""
    import raw_trees

    return raw_trees.write_stb(tmp_path_factory.mktemp("stb"))


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """A folder for prepared data that all tests share."""
    return str(tmp_path_factory.mktemp("prepared"))
