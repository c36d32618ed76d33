"""LiteRT's interpreter on a file of one operation."""

import sys

import numpy as np
import pytest
import tensorflow as tf

from dcmls_tf import litert
from dcmls_tf.errors import UserError


@pytest.fixture(scope="module")
def content():
    """A TFLite file that doubles two numbers."""
    double = tf.function(lambda x: 2 * x, input_signature=[tf.TensorSpec([1, 2], tf.float32)])
    functions = [double.get_concrete_function()]
    return tf.lite.TFLiteConverter.from_concrete_functions(functions).convert()


def test_an_interpreter_is_ready_to_run(content):
    interpreter = litert.interpreter(content)
    x = np.array([[1, -2]], np.float32)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], x)
    interpreter.invoke()
    output = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    np.testing.assert_array_equal(output, [[2, -4]])


def test_times_are_one_a_run_and_the_latency_is_their_median(content, monkeypatch):
    times = litert.times_ms(litert.interpreter(content), 5)
    assert len(times) == 5
    assert min(times) > 0
    runs = []
    monkeypatch.setattr(litert, "times_ms", lambda ready, n: runs.append(n) or [9.0, 1.0, 2.0])
    assert litert.latency_ms(content, num_threads=1, runs=3) == 2.0
    assert runs == [litert.WARM_UP_RUNS, 3]


def test_without_litert_it_is_said_how_to_get_it(content, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    with pytest.raises(UserError, match=r"pip install '\.\[export\]'"):
        litert.interpreter(content)
