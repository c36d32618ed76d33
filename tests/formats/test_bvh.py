"""BVH, read by bvhio, which knows nothing of this package."""

import answer_files
import bvhio
import numpy as np
import pytest

from dcmls_tf import hand
from dcmls_tf.formats import bvh, skeleton


@pytest.mark.parametrize("side", [hand.LEFT, hand.RIGHT])
def test_joints_are_in_their_places_in_every_frame(tmp_path, side):
    animation = skeleton.animate(answer_files.motion(5, side), side)
    path = tmp_path / "hand.bvh"
    path.write_text(bvh.text(animation, 1 / 25))
    read = bvhio.readAsBvh(str(path))
    assert (read.FrameCount, read.FrameTime) == (5, pytest.approx(1 / 25))
    root = bvhio.readAsHierarchy(str(path))
    for frame, joints in enumerate(animation.joints()):
        root.loadPose(frame)
        places = {joint.Name: np.array(joint.PositionWorld) for joint, _, _ in root.layout()}
        seen = [n for n, name in enumerate(hand.JOINTS) if name in places]
        assert len(seen) == 16  # the tips are end sites, which have no name
        found = np.array([places[hand.JOINTS[n]] for n in seen])
        np.testing.assert_allclose(found, joints[seen], atol=2e-6)


def test_the_hierarchy_ends_in_the_tips():
    animation = skeleton.animate(answer_files.motion(1, hand.RIGHT), hand.RIGHT)
    text = bvh.text(animation, 1 / 30)
    ends = [part.split("OFFSET")[1].split("}")[0] for part in text.split("End Site")[1:]]
    tips = animation.offsets[list(hand.TIPS)]
    np.testing.assert_allclose([[float(v) for v in end.split()] for end in ends], tips, atol=1e-6)
