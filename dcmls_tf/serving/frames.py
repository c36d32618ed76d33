"""A network's poses → answers in the camera's frame, and placed in their photo.

Of tensors in a graph, and of NumPy's arrays where a TFLite file is run without TensorFlow.
"""

from jaxtyping import Float

from dcmls_tf import arrays, geometry, placement
from dcmls_tf.arrays import Array
from dcmls_tf.serving import checks
from dcmls_tf.serving.preprocessing import NetworkInputs

Answer = dict[str, Array]


def sample_answer(
    y: Float[Array, "B K 21 3"], inputs: NetworkInputs, mean_scale_mm: float
) -> Answer:
    """Sampled poses in the camera's frame, and each joint's spread."""
    xp = arrays.of(y)
    answer = in_camera_frame(y, inputs["A"][:, None], mean_scale_mm)
    spread = xp.math.reduce_variance(answer["joints"], axis=1)
    std = xp.sqrt(xp.reduce_sum(spread, -1))
    return checks.answer({**answer, "std": std, "std_mm": mean_scale_mm * std})


def pose_answer(y: Float[Array, "B 21 3"], inputs: NetworkInputs, mean_scale_mm: float) -> Answer:
    """A network's poses in the camera's frame, and placed in their photo where it is known."""
    answer = in_camera_frame(y, inputs["A"], mean_scale_mm)
    if "box" in inputs and "K" in inputs:
        answer |= _placed(answer["joints_mm"], inputs["box"], inputs["K"])
    return checks.answer(answer)


def in_camera_frame(
    y: Float[Array, "*B 21 3"], A: Float[Array, "*B 3 3"], mean_scale_mm: float
) -> Answer:
    """`joints`: poses turned from the crop's frame; `joints_mm`: of the mean hand's size."""
    xp = arrays.of(y)
    joints = xp.matmul(y, A)  # Row vectors, and A is orthogonal.
    return {"joints": joints, "joints_mm": mean_scale_mm * joints}


def _placed(joints_mm, box, K) -> Answer:
    """Where a hand's root is if it just fills its box, and its joints there in px."""
    root_mm = placement.place_in_box(joints_mm, box, K)
    return {"uv": geometry.project(joints_mm + root_mm[:, None], K), "root_mm": root_mm}
