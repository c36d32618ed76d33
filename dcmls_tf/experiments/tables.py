"""The paper's tables and figures as rows of options; `jobs` trains them.

A row is some options on top of a data set's flagfile. Each method trains with options found for
it on the validation split (`tuning`), kept in `assets/tuned.json`; a row of an ablation has its
method's.
"""

import json
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from dcmls_tf.config import Config

# Option of `Config` → value; row → options.
Options = Mapping[str, Any]
Rows = Mapping[str, Options]

TUNED_FILE = pathlib.Path(__file__).parents[1] / "assets" / "tuned.json"
FULL = "full (DCMLS)"
UNIFIED = "unified (ULS)"
DIRECT = "direct regression"
# ULS takes pairs of modalities in turn; the row after it is its latent space alone.
METHODS: Rows = {
    DIRECT: {"latent": "none"},
    UNIFIED: {"latent": "unified", "schedule": "pairs"},
    FULL: {},
}
LATENT_SPACES: Rows = {
    **METHODS,
    "unified, one sum of all terms": {"latent": "unified"},
    "context of x split off": {"latent": "rgb_context"},
}
PARTS: Rows = {
    FULL: {},
    "without D_h": {"use_disc_h": False},
    "without D_c": {"use_disc_c": False},
    "without D_h and D_c": {"use_disc_h": False, "use_disc_c": False},
    "without T": {"use_translator": False},
}
# The default's share is the method as it is.
SHARES: Rows = {
    f"γ_z = {share}": {} if share == Config.gamma_z else {"gamma_z": share}
    for share in (0.2, 0.4, 0.5, 0.6, 0.8)
}
LABELS: Rows = {
    f"{name}, {percent} % of the pairs": {**options, "labelled_percent": percent}
    for percent in (1, 10, 100)
    for name, options in METHODS.items()
}


class Experiment(NamedTuple):
    """A table or a figure: its title and its rows."""

    title: str
    rows: Rows


# Figures 6 and 7 show one run of the full method.
EXPERIMENTS = {
    "table1": Experiment("Table 1: the share of z_h in the code", SHARES),
    "table2": Experiment("Table 2: methods compared", METHODS),
    "fig2": Experiment("Figure 2: what is split off as context", LATENT_SPACES),
    "fig3": Experiment("Figure 3: discriminators and translator", PARTS),
    "fig4": Experiment("Figure 4: PCK of the methods (in the paper on RHD)", METHODS),
    "fig5": Experiment("Figure 5: PCK of the methods (in the paper on STB)", METHODS),
    "fig6": Experiment("Figure 6: walks in the latent space", {FULL: {}}),
    "fig7": Experiment("Figure 7: predictions beside the truth", {FULL: {}}),
    "labels": Experiment("Fewer pairs, the rest of x and y unpaired", LABELS),
}


def method_of(options: Options) -> str:
    """`direct`, `unified` or `full`: whose tuned options a row has."""
    return {"none": "direct", "unified": "unified"}.get(str(options.get("latent")), "full")


def tuned_options(dataset: str, modality: str, method: str) -> dict[str, Any]:
    """Options for comparing methods on a data set: what all have in common, then the method's.

    A data set that is `like` another has that one's, with its own on top.
    """
    with open(TUNED_FILE, encoding="utf-8") as file:
        tuned = json.load(file)
    entry = tuned.get(f"{dataset} {modality}", {})
    return {**_options_in(tuned.get(entry.get("like"), {}), method), **_options_in(entry, method)}


def _options_in(entry: dict[str, Any], method: str) -> dict[str, Any]:
    return {**entry.get("common", {}), **entry.get(method, {}).get("options", {})}
