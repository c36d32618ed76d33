"""What an exported model answers: its signatures, preprocessing in the graph and core ops only.

`saved_model` writes them to disk. The batch dimension is free, inputs and outputs are named:

| Signature | For | Inputs | Outputs |
|---|---|---|---|
| `serving_default` | RGB | a photo | `joints`, `joints_mm`, `uv`, `root_mm` |
| `serving_default`, `keypoints` | 2D | keypoints | `joints`, `joints_mm` |
| `crops`, `crops_float` | RGB | crops | `joints`, `joints_mm` |
| `encode` | both | as `serving_default` | `z_h`, `z_c`, `z_h_std`, `z_c_std` |
| `decode` | both | `z_h`, `z_c` (x's own) | `joints`, `joints_mm`, and `x`'s reconstruction |
| `hypotheses` | both | as `serving_default`, `seed` | K poses, and `std`, `std_mm` |

Inputs, `B` hands at once; all but the first have a default:

    image      [B] text: encoded PNG, JPEG, BMP or GIF; EXIF orientation is not applied
    box        [B, 4] float32: left, top, right, bottom px of the joints' tight box; the crop's
               margin is added here. Zeros: the whole image is the crop
    keypoints  [B, 21, 2] float32 px, joint 0 the wrist
    palm       [B, 2] float32 px, for models whose root is the palm. Zeros: midway between the
               two joints that the training data has it between
    image_size [B, 2] float32: width, height of the keypoints' image. Zeros: not known
    side       [B] int32: 0 left, 1 right (default)
    K          [B, 3, 3] float32 intrinsics. Zeros: not known, see below
    crops      [B, S, S, 3] uint8, square crops around the hand, as in the photo: left hands are
               mirrored here. `crops_float`: float32 in [-0.5, 0.5]
    seed       [B] int32: the same seed gives the same samples

Outputs:

    joints     [B, 21, 3]: relative to the root, in scale bones, in the frame of the photo's
               camera (x right, y down, z forward); in the crop's frame for `crops` and `decode`
    joints_mm  the same times the training set's mean scale bone
    root_mm    [B, 3]: where the root is in the camera's frame, if the hand fills its box and has
               the mean scale bone; no better than those two guesses
    uv         [B, 21, 2] px: `joints_mm` there, projected into the photo
    std        [B, 21]: root mean square distance of a joint's samples from their mean

Without K a camera is taken to see 53° over its image's longer side, principal point in the
middle; where `image_size` is missing too, to look straight at the hand. Models trained with
--perspective_crop need K to know how far off the axis the hand is: a wrong one turns the whole
pose by the error of that angle, nothing in the middle of the image and most near its edge.

A SignatureDef holds the defaults, but servers older than it demand every input, and batching
demands the same number of rows in all of them: a careful client sends them all.
"""

import tensorflow as tf

from dcmls_tf import addons, geometry, hand
from dcmls_tf.data import pipeline
from dcmls_tf.model import side_input

SERVING_DEFAULT = "serving_default"
HYPOTHESES = 16
# Networks that a prediction, a reconstruction or a sample needs.
SERVED = ("encoder_x", "translator", "decoder_y", "decoder_x")

PHOTO = {
    "image": tf.TensorSpec([None], tf.string, "image"),
    "box": tf.TensorSpec([None, 4], tf.float32, "box"),
    "side": tf.TensorSpec([None], tf.int32, "side"),
    "K": tf.TensorSpec([None, 3, 3], tf.float32, "K"),
}
KEYPOINTS = {
    "keypoints": tf.TensorSpec([None, hand.NUM_JOINTS, 2], tf.float32, "keypoints"),
    "palm": tf.TensorSpec([None, 2], tf.float32, "palm"),
    "image_size": tf.TensorSpec([None, 2], tf.float32, "image_size"),
    "side": PHOTO["side"],
    "K": PHOTO["K"],
}
SEED = tf.TensorSpec([None], tf.int32, "seed")
# Of one row each, so that they spread over a batch.
NO_BOX, NO_PALM, NO_SIZE = tf.zeros([1, 4]), tf.zeros([1, 2]), tf.zeros([1, 2])
NO_K = tf.zeros([1, 3, 3])
RIGHT_HAND, FIRST_SEED = tf.fill([1], hand.RIGHT), tf.zeros([1], tf.int32)


class Served(tf.Module):
    """A model with its signatures; holds each weight once, and nothing that training needs.

    Args:
        model: what `runs.load_model` returns.
        mean_scale_mm: mean scale bone of the training set.
        hypotheses: samples that the signature of that name draws.
    """

    def __init__(self, model, mean_scale_mm, hypotheses=HYPOTHESES):
        super().__init__(name="dcmls")
        networks = model.networks()
        self.weights = {
            name: addons.tf_variables(networks[name]) for name in SERVED if name in networks
        }
        self._model = _Hidden(model)
        self._mean_scale_mm = mean_scale_mm
        self._hypotheses = hypotheses

    @property
    def config(self):
        """The `Config` of the model."""
        return self._model.it.config

    def signatures(self):
        """Signature name → `tf.function`."""
        rgb = self.config.modality == "rgb"
        source, seeded = (
            (self._of_photo, self._of_photo_and_seed)
            if rgb
            else (self._of_keypoints, self._of_keypoints_and_seed)
        )
        found = {SERVING_DEFAULT: source(self._pose)}
        if rgb:
            found |= {"crops": self._of_crops(tf.uint8), "crops_float": self._of_crops(tf.float32)}
        else:
            found["keypoints"] = source(self._pose)
        if self.config.latent != "none":
            found["encode"] = source(self._codes)
            found["decode"] = self._of_codes()
            found["hypotheses"] = seeded(self._samples)
        return found

    # What a signature takes.

    def _of_photo(self, answer):
        @tf.function(input_signature=list(PHOTO.values()))
        def signature(image, box=NO_BOX, side=RIGHT_HAND, K=NO_K):
            return answer(self._from_photo(image, box, side, K))

        return signature

    def _of_photo_and_seed(self, answer):
        @tf.function(input_signature=[*PHOTO.values(), SEED])
        def signature(image, box=NO_BOX, side=RIGHT_HAND, K=NO_K, seed=FIRST_SEED):
            return answer(self._from_photo(image, box, side, K), seed)

        return signature

    def _of_keypoints(self, answer):
        @tf.function(input_signature=list(KEYPOINTS.values()))
        def signature(keypoints, palm=NO_PALM, image_size=NO_SIZE, side=RIGHT_HAND, K=NO_K):
            return answer(self._from_keypoints(keypoints, palm, image_size, side, K))

        return signature

    def _of_keypoints_and_seed(self, answer):
        @tf.function(input_signature=[*KEYPOINTS.values(), SEED])
        def signature(
            keypoints,
            palm=NO_PALM,
            image_size=NO_SIZE,
            side=RIGHT_HAND,
            K=NO_K,
            seed=FIRST_SEED,
        ):
            return answer(self._from_keypoints(keypoints, palm, image_size, side, K), seed)

        return signature

    def _of_crops(self, dtype):
        size = self.config.input_size
        crops_spec = tf.TensorSpec([None, size, size, 3], dtype, "crops")

        @tf.function(input_signature=[crops_spec, PHOTO["side"]])
        def signature(crops, side=RIGHT_HAND):
            side = _rows_like(side, crops)
            x = tf.cast(crops, tf.float32) / 255 - 0.5 if dtype == tf.uint8 else crops
            return self._pose(self._mirrored(x, side))

        return signature

    def _of_codes(self):
        z_h_dim, z_c_dim = self.config.z_h_dim, self.config.z_c_dim
        specs = [tf.TensorSpec([None, z_h_dim], tf.float32, "z_h")]
        if not z_c_dim:
            return tf.function(lambda z_h: self._decoded(z_h, z_h[:, :0]), input_signature=specs)
        specs.append(tf.TensorSpec([None, z_c_dim], tf.float32, "z_c"))
        return tf.function(lambda z_h, z_c: self._decoded(z_h, z_c), input_signature=specs)

    # From an input to what the networks take: x, side, A, and the place in the photo if any.

    def _from_photo(self, image, box, side, K):
        hands = {"image": image, "box": box, "side": side, "K": K}
        hands = {name: _rows_like(value, image) for name, value in hands.items()}
        size = self.config.input_size
        floats = {"x": [size, size, 3], "A": [3, 3], "K": [3, 3], "box": [4]}
        found = tf.map_fn(
            lambda one: crop_photo(one, self.config),
            hands,
            fn_output_signature={k: tf.TensorSpec(v, tf.float32) for k, v in floats.items()},
        )
        return {**found, "side": hands["side"]}

    def _from_keypoints(self, keypoints, palm, image_size, side, K):
        hands = {"palm": palm, "image_size": image_size, "side": side, "K": K}
        hands = {name: _rows_like(value, keypoints) for name, value in hands.items()}
        return normalised_keypoints({"keypoints": keypoints, **hands}, self.config)

    def _mirrored(self, x, side):
        """Crops as in the photo → what the network takes."""
        A = tf.eye(3, batch_shape=[tf.shape(x)[0]])
        if self.config.side == "mirror":
            left = (side == hand.LEFT)[:, None, None]
            x = tf.where(left[..., None], tf.reverse(x, [2]), x)
            A = tf.where(left, A * [[-1.0], [1.0], [1.0]], A)
        return {"x": x, "side": side, "A": A}

    # What a signature gives.

    def _pose(self, hands):
        y = self._model.it(hands["x"], side_input(self.config, hands), training=False)
        answer = self._in_camera_frame(y, hands["A"])
        if "box" in hands:
            answer |= _placed(answer["joints_mm"], hands)
        return answer

    def _in_camera_frame(self, y, A):
        joints = tf.matmul(y, A)  # Row vectors, and A is orthogonal.
        return {"joints": joints, "joints_mm": self._mean_scale_mm * joints}

    def _codes(self, hands):
        found = {}
        for name, q in zip(("z_h", "z_c"), self._posteriors(hands), strict=True):
            if q.event_shape[0]:
                found |= {name: q.mean(), f"{name}_std": q.stddev()}
        return found

    def _posteriors(self, hands):
        return self._model.it.encode_x(hands["x"], side_input(self.config, hands))

    def _decoded(self, z_h, z_c):
        model = self._model.it
        y = model.decode_y(z_h, model.context_for_y(z_c, model.translate(z_c)))
        answer = {"joints": y, "joints_mm": self._mean_scale_mm * y}
        x = model.decode_x(z_h, z_c)
        if self.config.modality == "rgb":
            return {**answer, "image": tf.cast(tf.round(255 * (x + 0.5)), tf.uint8)}
        return {**answer, "keypoints": x}

    def _samples(self, hands, seed):
        q_h, q_c = self._posteriors(hands)
        seed = _rows_like(seed, hands["x"])
        y = self._sampled_poses(q_h, q_c, seed)
        answer = self._in_camera_frame(y, hands["A"][:, None])
        spread = tf.math.reduce_variance(answer["joints"], axis=1)
        std = tf.sqrt(tf.reduce_sum(spread, -1))
        return {**answer, "std": std, "std_mm": self._mean_scale_mm * std}

    def _sampled_poses(self, q_h, q_c, seed):
        """`[B, K, 21, 3]`: z_h and both contexts sampled."""
        model, count = self._model.it, self._hypotheses
        z_h_dim, z_c_dim = self.config.z_h_dim, self.config.z_c_dim
        noise = _noise(seed, count, z_h_dim + z_c_dim + model.y_context_dim)
        in_h, in_c, in_c_y = tf.split(noise, [z_h_dim, z_c_dim, model.y_context_dim], -1)
        z_h = _flat(q_h.mean()[:, None] + q_h.stddev()[:, None] * in_h)
        z_c_x = _flat(q_c.mean()[:, None] + q_c.stddev()[:, None] * in_c)
        q_c_y = model.translate(z_c_x)
        z_c_y = model.context_for_y(z_c_x, q_c_y)
        if q_c_y is not None:
            z_c_y += q_c_y.stddev() * _flat(in_c_y)
        poses = self._model.it.decode_y(z_h, z_c_y)
        return tf.reshape(poses, [-1, count, *poses.shape[1:]])


class _Hidden:
    """Keeps a Keras model out of `tf.Module`'s sight, which would save its weights again."""

    def __init__(self, it):
        self.it = it


def crop_photo(one, config):
    """One hand of one photo → x `[S, S, 3]`, A and K `[3, 3]`, and its box `[4]` px.

    `one` holds `image`, `box`, `side` and `K` as the signatures take them, without `B`. The
    crop is the training pipeline's.
    """
    pixels = tf.io.decode_image(one["image"], channels=3, expand_animations=False)
    pixels = tf.ensure_shape(pixels, [None, None, 3])
    height, width = tf.unstack(tf.shape(pixels)[:2])
    K = tf.where(one["K"][2, 2] == 0, geometry.typical_camera(height, width), one["K"])
    box = _checked_box(one["box"], height, width, config)
    corners = {"uv": tf.reshape(box, [2, 2]), "K": K, "side": one["side"]}
    H, A = pipeline.crop_to_hand(corners, config)
    x = geometry.warp_image(pixels, H, config.input_size) - 0.5
    return {"x": x, "A": A, "K": K, "box": box}


def _checked_box(box, height, width, config):
    size = tf.cast([width, height], tf.float32)
    reach = tf.reduce_max(size) / config.crop_margin / 2
    whole = tf.concat([size / 2 - reach, size / 2 + reach], -1)
    box = tf.where(tf.reduce_all(box == 0), whole, box)
    seen = tf.reduce_all((box[:2] < box[2:]) & (box[:2] < size) & (box[2:] > 0))
    wanted = "box: give left < right and top < bottom, in px and over the image, or four zeros"
    with tf.control_dependencies([tf.debugging.Assert(seen, [wanted, box, "in", size])]):
        return tf.identity(box)


def normalised_keypoints(hands, config):
    """Keypoints of `B` hands → x `[B, 21, 2]` and A `[B, 3, 3]`, as in the training pipeline.

    `hands` holds `keypoints`, `palm`, `side` and `K` as the signatures take them, and
    `image_size` where it may be needed.
    """
    uv, K = tf.convert_to_tensor(hands["keypoints"]), tf.convert_to_tensor(hands["K"])
    size = tf.convert_to_tensor(hands.get("image_size", NO_SIZE))
    typical = geometry.typical_camera(size[:, 1], size[:, 0])
    guess = tf.where(size[:, :1, None] == 0, _straight_camera(uv), typical)
    K = tf.where(K[:, 2:, 2:] == 0, guess, K)
    H, A = pipeline.crop_to_hand({"uv": uv, "K": K, "side": hands["side"]}, config)
    if config.root == "palm":
        first, second = hand.PALM_JOINTS[config.dataset]
        midway = (uv[:, first] + uv[:, second]) / 2
        given = tf.reduce_any(hands["palm"] != 0, -1, keepdims=True)
        palm = tf.where(given, hands["palm"], midway)
        uv = tf.concat([palm[:, None], uv[:, 1:]], 1)
    x = geometry.to_unit_square(geometry.apply_homography(uv, H), config.input_size)
    return {"x": x, "A": A, "side": hands["side"]}


def _straight_camera(uv):
    """Intrinsics `[B, 3, 3]` of a camera that looks at the middle of `uv` `[B, N, 2]`."""
    near, far = tf.reduce_min(uv, 1), tf.reduce_max(uv, 1)
    # The crop does not depend on this focal length; a box of this width is one it allows.
    focal = tf.maximum(tf.reduce_max(far - near, -1), 1.0)
    middle = (near + far) / 2
    to_middle = tf.pad(middle[..., None], [[0, 0], [0, 1], [2, 0]])
    return tf.linalg.diag(tf.stack([focal, focal, tf.ones_like(focal)], -1)) + to_middle


def _placed(joints_mm, hands):
    shift = geometry.place_in_box(joints_mm, hands["box"], hands["K"])
    uv = geometry.project(joints_mm + shift[:, None], hands["K"])
    return {"uv": uv, "root_mm": shift}


def _rows_like(value, first):
    """An input, or its default of one row, with as many rows as the first input."""
    rows = tf.shape(first)[0]
    return tf.broadcast_to(value, tf.concat([[rows], tf.shape(value)[1:]], 0))


def _noise(seed, count, dim):
    """Standard normal `[B, count, dim]`; each hand's depends on its own seed alone."""
    return tf.map_fn(
        lambda s: tf.random.stateless_normal([count, dim], tf.stack([s, 0])),
        seed,
        fn_output_signature=tf.TensorSpec([count, dim], tf.float32),
    )


def _flat(samples):
    """`[B, K, D]` → `[B · K, D]`."""
    return tf.reshape(samples, [-1, samples.shape[-1]])
