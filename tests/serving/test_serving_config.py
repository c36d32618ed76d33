"""The files that TensorFlow Serving reads, parsed as it parses them."""

import os
from typing import Any

import yaml
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from tensorflow_serving.config import model_server_config_pb2

from dcmls_tf.serving import warm_up

SERVING = os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "export/serving"
)


def test_the_batching_parameters_parse_and_fit():
    """BatchingParameters is not among the protos that can be installed: its fields, by hand."""
    file = descriptor_pb2.FileDescriptorProto(name="batching.proto", syntax="proto3")
    file.dependency.append("google/protobuf/wrappers.proto")
    message = file.message_type.add(name="BatchingParameters")
    kinds = descriptor_pb2.FieldDescriptorProto
    wrapped = ("max_batch_size", "batch_timeout_micros", "max_enqueued_batches",
               "num_batch_threads")  # fmt: skip
    for number, name in enumerate(wrapped, start=1):
        field = message.field.add(name=name, number=number, label=kinds.LABEL_OPTIONAL)
        field.type, field.type_name = kinds.TYPE_MESSAGE, ".google.protobuf.Int64Value"
    sizes = message.field.add(name="allowed_batch_sizes", number=6, label=kinds.LABEL_REPEATED)
    sizes.type = kinds.TYPE_INT64
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    message_type = pool.FindMessageTypeByName("BatchingParameters")
    parameters: Any = message_factory.GetMessageClass(message_type)()
    with open(os.path.join(SERVING, "batching.config")) as text:
        text_format.Parse(text.read(), parameters)
    sizes = list(parameters.allowed_batch_sizes)
    assert sizes == sorted(set(sizes))
    assert sizes[-1] == parameters.max_batch_size.value
    assert set(warm_up.WARM_UP_BATCHES) <= set(sizes)


def test_the_compose_file_mounts_what_the_server_is_told_to_read():
    with open(os.path.join(SERVING, "docker-compose.yml")) as file:
        service = yaml.safe_load(file)["services"]["hands"]
    mounted = {volume.split(":")[-2]: volume.rsplit(":", 2)[0] for volume in service["volumes"]}
    for argument in service["command"]:
        name, value = argument.removeprefix("--").split("=")
        if name.endswith("_file"):
            assert os.path.isfile(os.path.join(SERVING, mounted[value]))
    # One bad request would refuse those of others that are batched with it.
    assert not any("enable_batching" in argument for argument in service["command"])
    with open(os.path.join(SERVING, "models.config")) as file:
        config = text_format.Parse(file.read(), model_server_config_pb2.ModelServerConfig())
    assert {m.base_path for m in config.model_config_list.config} <= set(mounted)
    assert {p.split(":")[0] for p in service["ports"]} == {"8500", "8501"}
