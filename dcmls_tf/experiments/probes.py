"""How disentangled a model's codes are, measured by small probes.

A probe is fitted on one half of the samples' codes and scored on the other: a pose that it
recovers from z_h and not from z_c, and an identity or background that it recovers from z_c
and not from z_h, are disentangled. Probes are scikit-learn's, with one hidden layer.
"""

import dataclasses

import numpy as np
import tensorflow as tf
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from dcmls_tf import latent, objective
from dcmls_tf.evaluation import report as evaluation

NETWORK = {
    "hidden_layer_sizes": (128,),
    "learning_rate_init": 3e-3,
    "max_iter": 1000,
    "early_stopping": True,  # on a tenth of the fitting half
    "n_iter_no_change": 30,
}
# A finger that reaches this part of its bones' length is counted as extended.
EXTENDED = 0.85


@dataclasses.dataclass(frozen=True)
class Codes:
    """N samples: posterior means, one sample each of z_h, poses and where they come from.

    z_h_x, z_h_y `[N, z_h]`, z_c_x `[N, z_c]`: means; drawn_h_x, drawn_h_y: samples; y
    `[N, 21, 3]`; ids `[N]` text.
    """

    z_h_x: np.ndarray
    z_c_x: np.ndarray
    z_h_y: np.ndarray
    drawn_h_x: np.ndarray
    drawn_h_y: np.ndarray
    y: np.ndarray
    ids: np.ndarray


def collect(model, batches):
    """`Codes` of a model on the pipeline's evaluation batches."""
    parts = [_codes(model, batch, tf.constant([0, i])) for i, batch in enumerate(batches)]
    names = [field.name for field in dataclasses.fields(Codes)]
    return Codes(**{name: np.concatenate([part[name] for part in parts]) for name in names})


def _codes(model, batch, seed):
    x, y = objective.Forward(model, batch, training=False).encode()
    return {
        "z_h_x": x.z_h.numpy(),
        "z_c_x": x.z_c.numpy(),
        "z_h_y": y.z_h.numpy(),
        "drawn_h_x": latent.sample(x.q_h, seed).numpy(),
        "drawn_h_y": latent.sample(y.q_h, seed + 1).numpy(),
        "y": batch["y"].numpy(),
        "ids": np.array([i.decode() for i in batch["id"].numpy()]),
    }


def pose_r2(z, y, seed=0):
    """R² of poses `[N, 21, 3]` recovered from codes `[N, D]`: 1 all of it, 0 nothing.

    Coordinates weigh by their variance.
    """
    train_z, test_z, train_y, test_y = train_test_split(
        z, y.reshape(len(y), -1), test_size=0.5, random_state=seed
    )
    network = MLPRegressor(**NETWORK, random_state=seed)
    probe = make_pipeline(StandardScaler(), network)
    predicted = probe.fit(train_z, train_y).predict(test_z)
    return float(r2_score(test_y, predicted, multioutput="variance_weighted"))


def label_accuracy(z, labels, seed=0):
    """How often labels `[N]` are recovered from codes `[N, D]`, and by always the commonest one.

    Labels that occur once are left out. Returns (accuracy, chance).
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


def judged_right(model, codes):
    """How often D_h tells samples of q(z_h | x) from q(z_h | y); 0.5 is chance.

    `None` for a model without D_h.
    """
    if model.disc_h is None:
        return None
    of_x, of_y = (model.disc_h(z).numpy() for z in (codes.drawn_h_x, codes.drawn_h_y))
    return float(0.5 * np.mean(of_x < 0) + 0.5 * np.mean(of_y > 0))


def modality_accuracy(codes, seed=0):
    """How often a fresh linear probe tells z_h of x from z_h of y, whatever D_h has learnt."""
    z = np.concatenate([codes.drawn_h_x, codes.drawn_h_y])
    labels = np.repeat([0, 1], len(codes.drawn_h_x))
    train_z, test_z, train_l, test_l = train_test_split(
        z, labels, test_size=0.5, random_state=seed, stratify=labels
    )
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return float(probe.fit(train_z, train_l).score(test_z, test_l))


def gesture(pose):
    """Which fingers of a pose `[21, 3]` are extended, as text: "index middle", or "fist"."""
    extended = [
        name
        for f, name in enumerate(("thumb", "index", "middle", "ring", "little"))
        if _reach(pose[1 + 4 * f : 5 + 4 * f]) > EXTENDED
    ]
    return " ".join(extended) or "fist"


def _reach(chain):
    bones = np.linalg.norm(np.diff(chain, axis=0), axis=1).sum()
    return np.linalg.norm(chain[-1] - chain[0]) / bones


def labels(codes, config, split, background_dir=None):
    """What else is known of rendered samples: `identity` and `background` `[N]`; else nothing."""
    if evaluation.source_of(config) != "rendered":
        return {}
    # The renderer is needed here alone, and its ray caster is not everybody's.
    from dcmls_tf.rendering import labels as rendered

    numbers = [int(name.rsplit("/", 1)[-1]) for name in codes.ids]
    identity, background = rendered.identities_and_backgrounds(
        config.raw_dir, split, numbers, background_dir
    )
    if config.modality == "2d":
        return {"identity": identity}
    return {"identity": identity, "background": background}


def measure(model, codes, known):
    """Every probe on `Codes`; `known` as from `labels`. A dict that JSON can hold."""
    parts = {"z_h": codes.z_h_x, "z_c": codes.z_c_x}
    found = {"samples": len(codes.y)}
    found["pose_r2"] = {name: pose_r2(z, codes.y) for name, z in parts.items()}
    for label, values in known.items():
        scores = {name: label_accuracy(z, values) for name, z in parts.items()}
        found[label] = {name: accuracy for name, (accuracy, _) in scores.items()}
        found[label]["chance"] = scores["z_h"][1]
    found["disc_h_accuracy"] = judged_right(model, codes)
    found["modality_accuracy"] = modality_accuracy(codes)
    return found


def table(found):
    """`measure`'s result as text."""
    lines = [f"{found['samples']} samples{'':<24}{'z_h':>8}{'z_c':>8}{'chance':>8}"]
    for name in ("pose_r2", "identity", "background"):
        if name in found:
            row = found[name]
            cells = [row["z_h"], row["z_c"], row.get("chance", 0.0)]
            lines.append(f"{name:<36}" + "".join(f"{value:>8.3f}" for value in cells))
    for name in ("disc_h_accuracy", "modality_accuracy"):
        if found[name] is not None:
            lines.append(f"{name:<36}{found[name]:>8.3f}{'':>8}{0.5:>8.3f}")
    return "\n".join(lines)
