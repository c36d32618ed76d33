"""A hand's animation as Biovision's BVH: a hierarchy, and angles at a constant frame rate.

Lengths are metres, +Y is up, angles are degrees in the order Z, X, Y (see `skeleton`).
"""

import numpy as np

from dcmls_tf.formats import skeleton
from dcmls_tf.formats.skeleton import NODES, Animation

_ANGLES = "Zrotation Xrotation Yrotation"


def text(animation: Animation, frame_time_s: float) -> str:
    """The file of an animation whose frames are `frame_time_s` apart."""
    lines = ["HIERARCHY", *_node(animation, 0, 0), "MOTION"]
    angles = np.degrees(skeleton.euler_zxy(animation.rotations))
    # `NODES` are in the order in which the hierarchy names them.
    numbers = np.concatenate([animation.places, angles.reshape(len(angles), -1)], axis=1)
    lines += [f"Frames: {len(numbers)}", f"Frame Time: {frame_time_s:.6f}"]
    lines += [" ".join(f"{value:.6f}" for value in row) for row in numbers]
    return "\n".join(lines) + "\n"


def _node(animation: Animation, number: int, depth: int) -> list[str]:
    node, indent = NODES[number], "  " * depth
    kind, channels = ("ROOT", f"6 Xposition Yposition Zposition {_ANGLES}") if number == 0 else (
        "JOINT", f"3 {_ANGLES}"
    )  # fmt: skip
    lines = [f"{indent}{kind} {node.name}", f"{indent}{{"]
    lines += [f"{indent}  {_offset(animation, node.joint)}"]
    lines += [f"{indent}  CHANNELS {channels}"]
    children = [n for n, other in enumerate(NODES) if other.parent == number]
    for child in children:
        lines += _node(animation, child, depth + 1)
    if not children:
        end = _offset(animation, node.end)
        lines += [f"{indent}  End Site", f"{indent}  {{", f"{indent}    {end}", f"{indent}  }}"]
    return [*lines, f"{indent}}}"]


def _offset(animation: Animation, joint: int) -> str:
    return "OFFSET " + " ".join(f"{value:.6f}" for value in animation.offsets[joint])
