"""How disentangled a model's codes are, measured by small probes.

A probe is fitted on one half of the samples' codes and scored on the other: a pose that it
recovers from z_h and not from z_c, and an identity or background that it recovers from z_c
and not from z_h, are disentangled. Probes are scikit-learn's, with one hidden layer.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import NotRequired, TypedDict, cast

import numpy as np
import tensorflow as tf
from jaxtyping import Float, Int, Shaped
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dcmls_tf import hand, latent, objective
from dcmls_tf.config import Config
from dcmls_tf.data import shards
from dcmls_tf.data.examples import Batch
from dcmls_tf.evaluation import provenance
from dcmls_tf.model import DCMLS

NETWORK = {
    "hidden_layer_sizes": (128,),
    "learning_rate_init": 3e-3,
    "max_iter": 1000,
    "early_stopping": True,  # on a tenth of the fitting half
    "n_iter_no_change": 30,
}
# A finger that reaches this part of its bones' length is counted as extended.
EXTENDED = 0.85
Labels = Shaped[np.ndarray, " N"]


class PartScores(TypedDict):
    """A probe's score on each part of the code, and what no information would give."""

    z_h: float
    z_c: float
    chance: NotRequired[float]


class Measurements(TypedDict):
    """`measure`'s result; identity and background are known on rendered frames alone.

    pose_r2: as `pose_r2`; identity, background: as `label_accuracy`; disc_h_accuracy: `None`
    without D_h.
    """

    samples: int
    pose_r2: PartScores
    identity: NotRequired[PartScores]
    background: NotRequired[PartScores]
    disc_h_accuracy: float | None
    modality_accuracy: float


@dataclasses.dataclass(frozen=True)
class Codes:
    """The codes of N examples, with their poses.

    z_h_x, z_c_x, z_h_y: posterior means; drawn_h_x, drawn_h_y: a sample of each z_h; y: poses in
    scale bones, in the crop's frame; ids: text.
    """

    z_h_x: Float[np.ndarray, "N z_h"]
    z_c_x: Float[np.ndarray, "N z_c"]
    z_h_y: Float[np.ndarray, "N z_h"]
    drawn_h_x: Float[np.ndarray, "N z_h"]
    drawn_h_y: Float[np.ndarray, "N z_h"]
    y: Float[np.ndarray, "N 21 3"]
    ids: Shaped[np.ndarray, " N"]


def collect(model: DCMLS, batches: Iterable[Batch]) -> Codes:
    """`Codes` of a model on the pipeline's evaluation batches."""
    parts = [_codes(model, batch, tf.constant([0, i])) for i, batch in enumerate(batches)]
    names = [field.name for field in dataclasses.fields(Codes)]
    return Codes(**{name: np.concatenate([part[name] for part in parts]) for name in names})


def _codes(model: DCMLS, batch: Batch, seed: Int[tf.Tensor, "2"]) -> dict[str, np.ndarray]:
    encoded = objective.encode(model, batch)
    x, y = encoded.x, encoded.y
    return {
        "z_h_x": x.z_h.numpy(),
        "z_c_x": x.z_c.numpy(),
        "z_h_y": y.z_h.numpy(),
        "drawn_h_x": latent.sample(x.q_h, seed).numpy(),
        "drawn_h_y": latent.sample(y.q_h, seed + 1).numpy(),
        "y": batch["y"].numpy(),
        "ids": np.array([i.decode() for i in batch["id"].numpy()]),
    }


def pose_r2(z: Float[np.ndarray, "N D"], y: Float[np.ndarray, "N 21 3"], seed: int = 0) -> float:
    """R² of poses recovered from codes: 1 when recovered exactly, 0 for a constant guess.

    Coordinates weigh by their variance.
    """
    train_z, test_z, train_y, test_y = train_test_split(
        z, y.reshape(len(y), -1), test_size=0.5, random_state=seed
    )
    network = MLPRegressor(**NETWORK, random_state=seed)
    probe = make_pipeline(StandardScaler(), network)
    predicted = probe.fit(train_z, train_y).predict(test_z)
    return float(r2_score(test_y, predicted, multioutput="variance_weighted"))


def label_accuracy(
    z: Float[np.ndarray, "N D"], labels: Labels, seed: int = 0
) -> tuple[float, float]:
    """(accuracy, chance): the part of labels recovered from codes, and by the commonest alone.

    Labels that occur once are left out.
    """
    values, counts = np.unique(labels, return_counts=True)
    kept = np.isin(labels, values[counts > 1])
    train_z, test_z, train_l, test_l = train_test_split(
        z[kept], labels[kept], test_size=0.5, random_state=seed, stratify=labels[kept]
    )
    network = MLPClassifier(**NETWORK, random_state=seed)
    probe = make_pipeline(StandardScaler(), network)
    accuracy = probe.fit(train_z, train_l).score(test_z, test_l)
    commonest = values[np.argmax([np.sum(train_l == v) for v in values])]
    return float(accuracy), float(np.mean(test_l == commonest))


def disc_h_accuracy(model: DCMLS, codes: Codes) -> float | None:
    """How often D_h tells samples of q(z_h | x) from q(z_h | y); 0.5 is chance.

    `None` for a model without D_h.
    """
    disc_h = model.adversaries.get("disc_h")
    if disc_h is None:
        return None
    logits_x, logits_y = (disc_h(z).numpy() for z in (codes.drawn_h_x, codes.drawn_h_y))
    return float(0.5 * np.mean(logits_x < 0) + 0.5 * np.mean(logits_y > 0))


def modality_accuracy(codes: Codes, seed: int = 0) -> float:
    """How often a fresh linear probe tells samples of x's z_h from y's; 0.5 is chance."""
    z = np.concatenate([codes.drawn_h_x, codes.drawn_h_y])
    labels = np.repeat([0, 1], len(codes.drawn_h_x))
    train_z, test_z, train_l, test_l = train_test_split(
        z, labels, test_size=0.5, random_state=seed, stratify=labels
    )
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return float(probe.fit(train_z, train_l).score(test_z, test_l))


def gesture(pose: Float[np.ndarray, "21 3"]) -> str:
    """The extended fingers of a pose as text: "index middle", or "fist" when there are none."""
    extended = [
        name
        for f, name in enumerate(hand.FINGERS)
        if _reach(pose[1 + 4 * f : 5 + 4 * f]) > EXTENDED
    ]
    return " ".join(extended) or "fist"


def _reach(chain: Float[np.ndarray, "4 3"]) -> float:
    """The distance from a finger's base to its tip over the length of its bones."""
    bones = np.linalg.norm(np.diff(chain, axis=0), axis=1).sum()
    return float(np.linalg.norm(chain[-1] - chain[0]) / bones)


def rendered_labels(
    codes: Codes, config: Config, split: str, background_dir: str | None = None
) -> dict[str, Labels]:
    """`identity` and, for images, `background` of rendered samples; empty on other data.

    Shards are other data, as they do not say who is in them.
    Raises `UserError` as `rendering.labels` does.
    """
    if provenance.source_of(config) != "rendered" or shards.are_in(config.raw_dir):
        return {}
    # The renderer is needed here alone, and its ray caster is not everybody's.
    from dcmls_tf.rendering import labels

    numbers = [int(name.rsplit("/", 1)[-1]) for name in codes.ids]
    identity, background = labels.identities_and_backgrounds(
        config.raw_dir, split, numbers, background_dir
    )
    if config.modality == "2d":
        return {"identity": identity}
    return {"identity": identity, "background": background}


def measure(model: DCMLS, codes: Codes, labels: Mapping[str, Labels]) -> Measurements:
    """The scores of every probe; labels: by name, as from `rendered_labels`."""
    z_h, z_c = codes.z_h_x, codes.z_c_x
    measurements = {
        "samples": len(codes.y),
        "pose_r2": {"z_h": pose_r2(z_h, codes.y), "z_c": pose_r2(z_c, codes.y)},
        **{name: _label_scores(z_h, z_c, values) for name, values in labels.items()},
        "disc_h_accuracy": disc_h_accuracy(model, codes),
        "modality_accuracy": modality_accuracy(codes),
    }
    return cast(Measurements, measurements)


def _label_scores(
    z_h: Float[np.ndarray, "N z_h"], z_c: Float[np.ndarray, "N z_c"], labels: Labels
) -> PartScores:
    accuracy_h, chance = label_accuracy(z_h, labels)
    accuracy_c, _ = label_accuracy(z_c, labels)
    return {"z_h": accuracy_h, "z_c": accuracy_c, "chance": chance}


def table(measurements: Measurements) -> str:
    """`Measurements` as text: a line a probe."""
    lines = [f"{measurements['samples']} samples{'':<24}{'z_h':>8}{'z_c':>8}{'chance':>8}"]
    for name in ("pose_r2", "identity", "background"):
        row = measurements.get(name)
        if row is not None:
            cells = [row["z_h"], row["z_c"], row.get("chance", 0.0)]
            lines.append(f"{name:<36}" + "".join(f"{value:>8.3f}" for value in cells))
    lines += [
        f"{name:<36}{measurements[name]:>8.3f}{'':>8}{0.5:>8.3f}"
        for name in ("disc_h_accuracy", "modality_accuracy")
        if measurements[name] is not None
    ]
    return "\n".join(lines)
