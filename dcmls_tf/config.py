"""Every option of an experiment, defined once: a frozen `Config` and its absl flags.

Nothing below the scripts reads flags: `from_flags()` turns them into a `Config`, which is
passed down and stored beside each run as `config.json`.
"""

import dataclasses
import json
import math
import os
from typing import Any, Literal, Self, get_args

from absl import flags

from dcmls_tf import files
from dcmls_tf.errors import UserError

SPOILS_PICTURES = (
    "augment_cover", "augment_blur", "augment_grey", "augment_noise", "augment_jpeg",
)  # fmt: skip
CONFIG_FILE = "config.json"
# Options that say how a trained model reads a hand; nothing that is learnt depends on them.
READING = ("turns", "rays", "unit_bone")


def option(
    default: Any, help_text: str, *, lower: float | None = None, upper: float | None = None
) -> Any:
    """A dataclass field that is also a flag. `lower` and `upper` are inclusive.

    A field of type `Literal` takes only the values that its type lists.
    """
    metadata = {"help": help_text, "lower": lower, "upper": upper}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Config:
    """One experiment. Raises `UserError` naming the flag when a value is out of range."""

    # Data (Sec. 4.1).
    dataset: Literal["rhd", "stb", "freihand", "interhand", "own"] = option(
        "rhd", "Reader of the raw folder; `own` is for anybody's pictures (docs/formats.md)."
    )
    raw_dir: str = option("rendered", "Folder with the dataset in its official layout.")
    data_dir: str = option("data", "Folder for prepared data (TensorFlow Datasets).")
    modality: Literal["rgb", "2d"] = option("rgb", "Source modality x.")
    root: Literal["palm", "wrist", "middle_mcp"] = option(
        "palm", "Joint that poses are relative to; with `palm`, joint 0 is the palm centre."
    )
    stb_views: Literal["left", "both", "color"] = option(
        "left", "STB's images: left or both stereo views, or colour."
    )
    side: Literal["mirror", "input", "none"] = option(
        "mirror",
        "What is done about handedness: left hands mirrored to right, the side given to "
        "encoder_x as an input, or nothing.",
    )
    validation_percent: int = option(
        5, "Last part of the training split that is held out for validation.", lower=0, upper=50
    )

    labelled_percent: float = option(
        100.0,
        "Part of the training pairs that stay pairs; see use_unpaired.",
        lower=0.1,
        upper=100,
    )
    use_unpaired: bool = option(
        True, "Train the other x and y as well, unpaired, by all terms but those of a pair."
    )
    unpaired_dir: str = option(
        "", "For rgb: a folder of pictures, each filled by a right hand, trained as x without pose."
    )

    # Crop and augmentation.
    input_size: int = option(256, "Side of encoder_x's input crop in px.", lower=32, upper=512)
    reconstruction_size: int = option(
        128, "Side of decoder_x's image in px: a power of two.", lower=16, upper=512
    )
    crop_margin: float = option(
        1.5, "Side of the crop over the longer side of the joints' box.", lower=1.0, upper=4.0
    )
    perspective_crop: bool = option(
        True,
        "Crop with a virtual camera that looks at the hand (needs K); otherwise an affine crop.",
    )
    augment_rotation: float = option(45.0, "In-plane rotation, ± degrees.", lower=0, upper=180)
    augment_shift: float = option(0.1, "Shift of the crop, ± part of its side.", lower=0, upper=0.5)
    augment_scale: float = option(
        0.15, "Scale of the crop, ± part of its side.", lower=0, upper=0.5
    )
    augment_hue: float = option(
        0.1, "Hue, ± turns; colour changes need it above 0.", lower=0, upper=0.5
    )
    augment_cover: float = option(
        0.0, "For rgb: part of the pictures that have something before the hand.", lower=0, upper=1
    )
    augment_blur: float = option(
        0.0,
        "For rgb: standard deviation of blur, by motion or focus, up to this part of the side.",
        lower=0,
        upper=0.2,
    )
    augment_grey: float = option(
        0.0, "For rgb: part of the pictures that lose their colour.", lower=0, upper=1
    )
    augment_noise: float = option(
        0.0,
        "For rgb: standard deviation of noise, up to this part of the full range.",
        lower=0,
        upper=0.5,
    )
    augment_jpeg: float = option(
        0.0, "For rgb: part of JPEG's quality that is lost, up to this.", lower=0, upper=1
    )
    augment_focal: float = option(
        0.0,
        "Error of the focal length that K is taken to have, ± its logarithm; for pictures whose "
        "camera is not known.",
        lower=0,
        upper=1,
    )
    augment_keypoints: float = option(
        0.0,
        "For 2d: a detector's errors in x, up to this part of the joints' box, some joints more.",
        lower=0,
        upper=0.5,
    )
    augment_bones: float = option(
        0.0,
        "For 2d: length of each bone, ± part of it; x is projected anew.",
        lower=0,
        upper=0.5,
    )
    augment_view: float = option(
        0.0,
        "For 2d: rotation of the hand out of the image plane, ± degrees; x is projected anew.",
        lower=0,
        upper=180,
    )

    # Prediction.
    turns: str = option(
        "0",
        "Degrees by which a hand is turned, in the plane of its crop, before it is read; of "
        "several, -30,0,30, the mean of the poses counts.",
    )
    rays: float = option(
        0.0,
        "For 2d: joints whose distance from the rays of their keypoints is this, in scale bones, "
        "go half of the way on to them in x and y; 0 for none, 1 for exact keypoints.",
        lower=0,
        upper=1,
    )
    unit_bone: float = option(
        0.0,
        "Part of the way, 0 to 1, that poses are scaled for their scale bone to have length 1.",
        lower=0,
        upper=1,
    )

    # Model (Sec. 3, Sec. 4.2).
    encoder: Literal["resnet18", "resnet18_small", "mobilenet_v3_small", "mobilenet_v3_large"] = (
        option(
            "resnet18",
            "Network that reads images: the paper's ResNet-18, it in small, or one that is "
            "made for devices.",
        )
    )
    encoder_weights: Literal["random", "imagenet"] = option(
        "random", "Weights that a MobileNetV3 starts with; `imagenet` downloads them once."
    )
    latent: Literal["full", "rgb_context", "unified", "none"] = option(
        "full",
        "What is split off as context: in both modalities, in x only, or nothing (ULS); "
        "`none` has no latent code at all: direct regression.",
    )
    z_dim: int = option(30, "Size of a latent code z_h + z_c (Sec. 4.2).", lower=2)
    gamma_z: float = option(0.5, "Part of the code that is z_h (Table 1).", lower=0.01, upper=0.99)
    initial_std: float = option(
        0.1,
        "Standard deviation that posteriors start with; 1 is the prior's, less is less noise.",
        lower=1e-3,
        upper=1.0,
    )
    use_disc_h: bool = option(True, "Train D_h and align z_h with it (Eqs. 4, 5).")
    use_disc_c: bool = option(True, "Train D_c and judge T with it (Eqs. 6, 7).")
    use_translator: bool = option(
        True, "Translate x's context with T; without, it goes straight to G^y."
    )
    joint_width: int = option(512, "Width of joint encoders and decoders.", lower=1)
    disc_width: int = option(256, "Width of D_h, D_c and T.", lower=1)
    spectral_norm: bool = option(
        False, "Divide each kernel of D_h and D_c by its spectral norm, which keeps them smooth."
    )
    dropout: float = option(0.0, "Dropout between fully-connected stacks.", lower=0, upper=0.9)

    # Objective.
    norm: Literal["plain", "squared"] = option(
        "plain",
        "Error of joints in Eqs. 3 and 8: their mean distance, as printed, or its square.",
    )
    schedule: Literal["alternate", "sequential", "pairs"] = option(
        "alternate",
        "One discriminator update then one of all else; Algorithm 1's sub-steps; or, for "
        "`unified`, one update a pair of modalities in turn, as ULS does.",
    )
    weight_d_vae_x: float = option(0.1, "Weight of Eq. 3 for x.", lower=0)
    weight_d_vae_y: float = option(0.1, "Weight of Eq. 3 for y.", lower=0)
    weight_disc_h: float = option(1.0, "Weight of Eq. 4.", lower=0)
    weight_align: float = option(1e-3, "Weight of Eq. 5.", lower=0)
    weight_disc_c: float = option(1.0, "Weight of Eq. 6.", lower=0)
    weight_translate: float = option(0.1, "Weight of Eq. 7.", lower=0)
    weight_pose: float = option(1.0, "Weight of Eq. 8.", lower=0)
    weight_kl: float = option(1e-6, "Weight of every KL term inside Eqs. 3 and 8.", lower=0)

    # Optimisation.
    optimizer: Literal["adam", "lamb"] = option(
        "adam", "What takes the steps: Adam, or LAMB for large batches on many devices."
    )
    initial_run: str = option(
        "",
        "Folder of another run, whose best networks this one starts from, or rgb_small: those in "
        "the box; for fine-tuning.",
    )
    learning_rate: float = option(5e-4, "Step size for the VAEs.", lower=0)
    disc_learning_rate: float = option(1e-4, "Step size for D_h, D_c and T.", lower=0)
    learning_rate_decay: Literal["constant", "cosine"] = option(
        "cosine", "Schedule of both step sizes over the run."
    )
    precision: Literal["float32", "mixed_bfloat16"] = option(
        "float32",
        "What image networks compute in while training; weights and all else stay float32.",
    )
    sync_batch_norm: bool = option(
        False, "Normalise by the statistics of the whole batch, not of each device's part of it."
    )
    batch_size: int = option(64, "Batch over all devices.", lower=1)
    epochs: int = option(100, "Passes over the training data.", lower=1)
    seed: int = option(
        0, "Seed of weights, order, augmentation and latent samples.", lower=0, upper=2**32 - 1
    )
    deterministic: bool = option(
        False,
        "Bit-equal runs on machines of one kind, by slower operations where TensorFlow has a "
        "faster one that is not.",
    )

    # Run.
    run_dir: str = option("runs/default", "Folder of checkpoints, logs and reports.")
    checkpoint_steps: int = option(
        500, "Steps between checkpoints; an epoch's end makes one too.", lower=1
    )

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check_range(field, getattr(self, field.name))
        _check_combinations(self)

    @property
    def has_unpaired(self) -> bool:
        """Whether batches bring unpaired x and y beside their pairs."""
        others = self.unpaired_dir or (self.labelled_percent < 100 and self.use_unpaired)
        return bool(others) and self.latent != "none"

    @property
    def z_h_dim(self) -> int:
        """Size of z_h: γ_z · z_dim; the whole code when the latent space is unified."""
        return self.z_dim if self.latent == "unified" else round(self.gamma_z * self.z_dim)

    @property
    def z_c_dim(self) -> int:
        """Size of z_c: the rest of the code; 0 when the latent space is unified."""
        return self.z_dim - self.z_h_dim

    @property
    def z_c_y_dim(self) -> int:
        """Size of y's z_c: x's, or 0 where x alone has a context."""
        return self.z_c_dim if self.latent == "full" else 0

    @property
    def turn_angles(self) -> tuple[float, ...]:
        """`turns` as numbers, degrees."""
        try:
            return tuple(float(angle) for angle in self.turns.split(","))
        except ValueError:
            raise UserError(
                f"--turns={self.turns}: give degrees with commas between them, such as -30,0,30"
            ) from None

    def replace(self, **changes: Any) -> Self:
        """A copy with some options changed."""
        return dataclasses.replace(self, **changes)

    def of_joints(self) -> Self:
        """A copy whose x are 2D keypoints, with what makes sense for pictures alone left out."""
        return self.replace(modality="2d", **dict.fromkeys(SPOILS_PICTURES, 0.0))

    def save(self, run_dir: files.StrPath) -> None:
        """Writes `config.json` into `run_dir` atomically."""
        files.write_json(os.path.join(run_dir, CONFIG_FILE), dataclasses.asdict(self))


def load(run_dir: files.StrPath) -> Config:
    """The `Config` of a run. Raises `UserError` when there is none or it is not readable."""
    path = os.path.join(run_dir, CONFIG_FILE)
    try:
        with open(path, encoding="utf-8") as file:
            options = json.load(file)
        _check_types(options)
        return Config(**options)
    except (FileNotFoundError, NotADirectoryError):
        raise UserError(
            f"--run_dir: {path} does not exist; give the folder of a training run"
        ) from None
    except (OSError, ValueError, TypeError, RecursionError, UserError) as error:
        raise UserError(f"--run_dir: {path} is not a run's configuration ({error})") from None


def _check_types(options: Any) -> None:
    """Raises `TypeError` naming an option whose value is of another type than its field."""
    for field in dataclasses.fields(Config):
        kind = str if get_args(field.type) else field.type
        value = options.get(field.name, field.default) if isinstance(options, dict) else None
        if type(value) is not kind and not (kind is float and type(value) is int):
            raise TypeError(f"{field.name} is {value!r}")


def define_flags(flag_values: flags.FlagValues = flags.FLAGS) -> None:
    """Defines one absl flag per option."""
    define = {bool: flags.DEFINE_boolean, int: flags.DEFINE_integer, float: flags.DEFINE_float}
    for field in dataclasses.fields(Config):
        default: Any = field.default
        help_text, choices = field.metadata["help"], get_args(field.type)
        if choices:
            flags.DEFINE_enum(field.name, default, choices, help_text, flag_values=flag_values)
        else:
            define_one = define.get(field.type, flags.DEFINE_string)
            define_one(field.name, default, help_text, flag_values=flag_values)


def define_reading_flags() -> None:
    """Defines the flags of `READING`, for what reads hands by a finished run."""
    flags.DEFINE_string("turns", None, "Angles that hands are read at, degrees (the run's).")
    flags.DEFINE_float(
        "rays", None, "How far poses reach for the rays of 2D keypoints (the run's)."
    )
    flags.DEFINE_float("unit_bone", None, "How far poses go for their unit's length (the run's).")


def from_flags(flag_values: flags.FlagValues = flags.FLAGS) -> Config:
    """The `Config` that the command line asks for. Raises `UserError`."""
    return Config(**{f.name: getattr(flag_values, f.name) for f in dataclasses.fields(Config)})


def from_flagfile(path: str) -> Config:
    """The `Config` that `--flagfile=path` alone asks for. Raises `UserError`."""
    flag_values = flags.FlagValues()
    flags.DEFINE_string("flagfile", "", "absl's own.", flag_values=flag_values)
    define_flags(flag_values)
    try:
        flag_values([path, f"--flagfile={path}"])
    except flags.Error as error:
        raise UserError(f"--flagfile={path}: {error}") from None
    return from_flags(flag_values)


def _check_range(field: dataclasses.Field[Any], value: Any) -> None:
    choices = get_args(field.type)
    if choices and value not in choices:
        raise UserError(f"--{field.name}={value}: use one of {', '.join(choices)}")
    lower, upper = field.metadata["lower"], field.metadata["upper"]
    if isinstance(value, float) and not math.isfinite(value):
        raise UserError(f"--{field.name}={value}: must be finite")
    if (lower is not None and not value >= lower) or (upper is not None and not value <= upper):
        bounds = f"at least {lower}" if upper is None else f"from {lower} to {upper}"
        raise UserError(f"--{field.name}={value}: must be {bounds}")


def _check_combinations(c: Config) -> None:
    if not all(-360 <= angle <= 360 for angle in c.turn_angles):
        raise UserError(f"--turns={c.turns}: each must be from -360 to 360 degrees")
    if c.reconstruction_size & (c.reconstruction_size - 1):
        raise UserError(f"--reconstruction_size={c.reconstruction_size}: must be a power of two")
    if c.latent in ("full", "rgb_context") and not 0 < c.z_h_dim < c.z_dim:
        raise UserError(
            f"--gamma_z={c.gamma_z}: leaves no room for z_h or z_c in --z_dim={c.z_dim}"
        )
    if c.encoder_weights == "imagenet" and c.encoder.startswith("resnet18"):
        raise UserError(
            f"--encoder_weights=imagenet: there are none for --encoder={c.encoder}, which starts "
            "from random weights; use --encoder=mobilenet_v3_small or mobilenet_v3_large"
        )
    if c.schedule == "pairs" and c.latent != "unified":
        raise UserError(f"--schedule=pairs: is for --latent=unified, not {c.latent}")
    if c.unpaired_dir and c.side == "input":
        raise UserError(
            f"--unpaired_dir={c.unpaired_dir}: the side of pictures without poses is not known, so "
            "they are not for --side=input"
        )
    if c.rays and c.modality != "2d":
        raise UserError(f"--rays={c.rays}: there are none in an image; use --modality=2d")
    for name in ("augment_keypoints", "augment_bones", "augment_view"):
        if getattr(c, name) and c.modality != "2d":
            raise UserError(
                f"--{name}={getattr(c, name)}: changes joints, which an image would not follow; "
                "use --modality=2d"
            )
    for name in SPOILS_PICTURES:
        if getattr(c, name) and c.modality != "rgb":
            raise UserError(
                f"--{name}={getattr(c, name)}: spoils pictures, which --modality={c.modality} has "
                "none of; use --modality=rgb"
            )
