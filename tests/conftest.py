"""Two logical CPU devices for all tests, so that MirroredStrategy has replicas; raw data."""

import pytest
import raw_trees
import tensorflow as tf

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


@pytest.fixture(scope="session")
def rhd_tree(tmp_path_factory):
    """A small raw folder in RHD's layout: 12 training and 6 evaluation frames."""
    return raw_trees.write_rhd(tmp_path_factory.mktemp("rhd"))


@pytest.fixture(scope="session")
def stb_tree(tmp_path_factory):
    """A small raw folder in STB's layout: 16 training and 8 evaluation frames."""
    return raw_trees.write_stb(tmp_path_factory.mktemp("stb"))


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """A folder for prepared data that all tests share."""
    return str(tmp_path_factory.mktemp("prepared"))
