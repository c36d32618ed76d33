"""Small raw folders in the layouts of RHD, STB, FreiHAND and one's own, of plausible hands."""

import json
import pickle
from pathlib import Path

import numpy as np
import scipy.io
import tensorflow as tf

from dcmls_tf import hand

RHD_SIDE = 320
RHD_K = np.array([[280.0, 0, 160], [0, 280, 160], [0, 0, 1]], np.float32)
STB_SIZE = (480, 640)
STB_K = np.array([[822.79041, 0, 318.47345], [0, 822.79041, 250.31296], [0, 0, 1]])

SEQUENCES = {"B1Counting": 4, "B1Random": 4, "B2Counting": 8, "B3Random": 8}

# A right hand seen from its back, fingers up, wrist at 0, in mm: bases and bone lengths.
BASES = np.array([[-25, -25, 5], [-25, -90, 0], [0, -93, 0], [20, -86, 0], [38, -76, 0.0]])
BONES = np.array([[35, 30, 25], [42, 25, 20], [46, 29, 21], [42, 27, 21], [34, 20, 18.0]])
SPREAD = np.radians([-45, -12, 0, 10, 20])


def random_hand(rng, side=hand.RIGHT):
    """Canonical joints `[21, 3]` mm about the wrist: random curl of each finger, any view."""
    joints = [np.zeros(3)]
    for base, bones, spread in zip(BASES, BONES, SPREAD, strict=True):
        bends = np.cumsum(rng.uniform(0, 1.1, 3))
        points = [base]
        for length, bend in zip(bones, bends, strict=True):
            direction = [
                np.sin(spread) * np.cos(bend),
                -np.cos(spread) * np.cos(bend),
                np.sin(bend),
            ]
            points.append(points[-1] + length * np.array(direction))
        joints += points
    joints = np.array(joints) * rng.uniform(0.85, 1.1)
    if side == hand.LEFT:
        joints[:, 0] *= -1
    return joints @ random_rotation(rng).T


def random_rotation(rng):
    """A rotation matrix, uniform over all orientations."""
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


def placed_hand(rng, K, size, depth_mm, side=hand.RIGHT):
    """Canonical joints `[21, 3]` mm, camera frame, projecting into the middle of an image."""
    height, width = size
    u, v = rng.uniform(0.4, 0.6, 2) * (width, height)
    centre = np.linalg.inv(K) @ [u, v, 1] * rng.uniform(*depth_mm)
    joints = random_hand(rng, side)
    return joints - joints.mean(0) + centre


def project(xyz, K):
    """Points `[N, 3]` → `[N, 2]` px."""
    homogeneous = xyz @ np.asarray(K, float).T
    return homogeneous[:, :2] / homogeneous[:, 2:]


def disc(size, uv, radius):
    """The pixels `(rows, columns)` of an image whose middle is within `radius` of `uv`."""
    middle = np.floor(uv).astype(int)
    reach = np.arange(-radius, radius + 1)
    v, u = (axis.ravel() for axis in np.meshgrid(middle[1] + reach, middle[0] + reach))
    inside = (u + 0.5 - uv[0]) ** 2 + (v + 0.5 - uv[1]) ** 2 < radius**2
    inside &= (v >= 0) & (v < size[0]) & (u >= 0) & (u < size[1])
    return v[inside], u[inside]


def drawn(size, uv, radius):
    """An image uint8 `[h, w, 3]` with a disc in each joint's colour on a dark ramp."""
    image = np.zeros((*size, 3), np.uint8)
    image[..., 2] = np.linspace(20, 60, size[1]).astype(np.uint8)
    for joint, point in enumerate(uv):
        image[disc(size, point, radius)] = hand.joint_colour(joint)
    return image


def write_png(path, image):
    """Writes uint8 `[h, w, channels]`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(tf.io.encode_png(image).numpy())


def write_rhd(root, training=12, evaluation=6, seed=0, images=True):
    """RHD's layout under `root`; frame i shows its larger hand on the side i % 2.

    The other hand is there too, half hidden and with the smaller mask. Returns `root`.
    """
    rng = np.random.default_rng(seed)
    for split, count in (("training", training), ("evaluation", evaluation)):
        if count:
            frames = {i: _rhd_frame(rng, Path(root) / split, i, images) for i in range(count)}
            folder = Path(root) / split
            folder.mkdir(parents=True, exist_ok=True)
            with open(folder / f"anno_{split}.pickle", "wb") as file:
                pickle.dump(frames, file, protocol=2)
    return root


def _rhd_frame(rng, folder, number, images):
    size, shown = (RHD_SIDE, RHD_SIDE), number % 2
    hands = [placed_hand(rng, RHD_K, size, (350, 600), side) for side in (hand.LEFT, hand.RIGHT)]
    uvs = [project(xyz, RHD_K) for xyz in hands]
    visible = np.ones((2, hand.NUM_JOINTS))
    visible[1 - shown, 5:] = 0
    if images:
        mask = np.zeros(size, np.uint8)
        for side, radius in ((1 - shown, 2), (shown, 6)):
            for point in uvs[side]:
                mask[disc(size, point, radius)] = (7, 23)[side]
        write_png(folder / "color" / f"{number:05d}.png", drawn(size, uvs[shown], 4))
        write_png(folder / "mask" / f"{number:05d}.png", mask[..., None])
    native = [joints[hand.CANONICAL_TO_RHD] for joints in hands]
    uv_native = [uv[hand.CANONICAL_TO_RHD] for uv in uvs]
    flags = np.concatenate([v[hand.CANONICAL_TO_RHD] for v in visible])
    return {
        "xyz": np.float32(np.concatenate(native) / 1000),
        "uv_vis": np.float32(np.c_[np.concatenate(uv_native), flags]),
        "K": RHD_K,
    }


def write_stb(root, frames=None, seed=0, images=True, suffix="BB"):
    """STB's layout under `root`: labels, and the images of the cameras that `suffix` names.

    `frames` maps a sequence to its number of frames. Returns `root`.
    """
    rng = np.random.default_rng(seed)
    frames = SEQUENCES if frames is None else frames
    for sequence, count in frames.items():
        labels = np.stack([_stb_label(rng) for _ in range(count)])
        (Path(root) / "labels").mkdir(parents=True, exist_ok=True)
        scipy.io.savemat(
            Path(root) / "labels" / f"{sequence}_{suffix}.mat",
            {"handPara": labels.transpose(2, 1, 0)},
        )
        names = {"BB": ("BB_left", "BB_right"), "SK": ("SK_color",)}[suffix] if images else ()
        for view, name in enumerate(names):
            for i, label in enumerate(labels):
                joints = label[hand.STB_TO_CANONICAL] - [120.054 * view, 0, 0]
                uv = project(joints, STB_K)
                write_png(Path(root) / sequence / f"{name}_{i}.png", drawn(STB_SIZE, uv, 6))
    return root


def _stb_label(rng):
    """A left hand in STB's own joint order, with the palm's centre for the wrist."""
    joints = placed_hand(rng, STB_K, STB_SIZE, (550, 750), hand.LEFT)
    palm = (joints[hand.WRIST] + joints[hand.INDEX["ring_mcp"]]) / 2
    native = joints[hand.CANONICAL_TO_STB]
    native[0] = palm
    return native


FREIHAND_SIDE = 224
FREIHAND_K = np.array([[480.0, 0, 112], [0, 480, 112], [0, 0, 1]])


def write_freihand(root, training=4, evaluation=3, versions=4, seed=0, images=True):
    """FreiHAND's layout under `root`; training pictures in `versions`. Returns `root`."""
    rng = np.random.default_rng(seed)
    size = (FREIHAND_SIDE, FREIHAND_SIDE)
    for split, count in (("training", training), ("evaluation", evaluation)):
        hands = [placed_hand(rng, FREIHAND_K, size, (500, 800)) for _ in range(count)]
        Path(root).mkdir(parents=True, exist_ok=True)
        for kind, values in (
            ("xyz", [(xyz / 1000).tolist() for xyz in hands]),
            ("K", [FREIHAND_K.tolist()] * count),
            ("scale", [float(np.linalg.norm(xyz[9] - xyz[10]) / 1000) for xyz in hands]),
        ):
            (Path(root) / f"{split}_{kind}.json").write_text(json.dumps(values))
        folder = Path(root) / split / "rgb"
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count * (versions if split == "training" else 1) if images else 0):
            image = drawn(size, project(hands[number % count], FREIHAND_K), 4)
            image[:4] = 60 * (number // count)  # the version
            content = tf.io.encode_jpeg(image, quality=98).numpy()
            (folder / f"{number:08d}.jpg").write_bytes(content)
    return root


OWN_SIZE = (240, 320)
OWN_K = np.array([[300.0, 0, 160], [0, 300, 120], [0, 0, 1]])


def write_own(root, training=4, evaluation=2, seed=0, form="plain", posed=True):
    """One's own layout under `root`: a left and a right hand in each picture. Returns `root`.

    form: `plain` or `coco`; posed: whether hands have `xyz_mm`.
    """
    rng = np.random.default_rng(seed)
    for split, count in (("training", training), ("evaluation", evaluation)):
        pictures = {}
        for number in range(count):
            hands = [placed_hand(rng, OWN_K, OWN_SIZE, (400, 600), side) for side in (0, 1)]
            name = f"photos/{split}_{number}.png"
            uvs = [project(xyz, OWN_K) for xyz in hands]
            write_png(Path(root) / name, np.maximum(*(drawn(OWN_SIZE, uv, 4) for uv in uvs)))
            pictures[name] = list(zip((0, 1), uvs, hands, strict=True))
        content = (_own_coco if form == "coco" else _own_plain)(pictures, posed)
        if count:
            (Path(root) / f"{split}.json").write_text(json.dumps(content))
    return root


def _own_plain(pictures, posed):
    def fields(side, uv, xyz):
        pose = {"xyz_mm": xyz.tolist()} if posed else {}
        return {"side": hand.SIDES[side], "uv": uv.tolist(), **pose}

    return {
        name: {"K": OWN_K.tolist(), "hands": [fields(*one) for one in hands]}
        for name, hands in pictures.items()
    }


def _own_coco(pictures, posed):
    """COCO's annotations, their joints in the order of RHD."""
    order = hand.CANONICAL_TO_RHD
    annotations = []
    for image, hands in enumerate(pictures.values()):
        for side, uv, xyz in hands:
            keypoints = np.c_[uv[order], np.full(21, 2)].ravel().tolist()
            pose = {"xyz_mm": xyz[order].tolist()} if posed else {}
            annotations.append(
                {"id": len(annotations), "image_id": image, "category_id": side + 1,
                 "keypoints": keypoints, **pose}
            )  # fmt: skip
    images = [
        {"id": n, "file_name": name, "width": 320, "height": 240, "K": OWN_K.tolist()}
        for n, name in enumerate(pictures)
    ]
    names = [hand.JOINTS[joint] for joint in order]
    categories = [
        {"id": s + 1, "name": f"{hand.SIDES[s]}_hand", "keypoints": names} for s in (0, 1)
    ]
    return {"images": images, "annotations": annotations, "categories": categories}
