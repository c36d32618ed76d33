"""Labels drawn again are what the renderer drew."""

import json

import pytest

from dcmls_tf.data.rhd_layout import RENDER_SETTINGS
from dcmls_tf.errors import UserError
from dcmls_tf.rendering import appearance, backgrounds, dataset, frame, labels


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("rendered")
    photographs = backgrounds.photographs(None)
    made = {"version": dataset.VERSION, "seed": 3, "annotations_only": False}
    made["backgrounds"] = backgrounds.digest(photographs)
    (path / RENDER_SETTINGS).write_text(json.dumps(made))
    return path


def test_labels_are_what_is_rendered(folder, monkeypatch):
    photographs = backgrounds.of_split(backgrounds.photographs(None), "training")
    picked, people = [], []
    pick, sample_look = backgrounds.pick, appearance.sample_look
    frames = [2, 5, 9]
    identities, numbers = labels.identities_and_backgrounds(str(folder), "training", frames)
    monkeypatch.setattr(backgrounds, "pick", lambda *a: picked.append(pick(*a)) or picked[-1])
    monkeypatch.setattr(
        appearance,
        "sample_look",
        lambda rng, person: people.append(person.identity) or sample_look(rng, person),
    )
    for index in frames:
        frame.render_frame(3, "training", index, photographs)
    assert picked == numbers.tolist()
    assert people == identities.tolist()
    assert len(set(people)) > 1


def test_other_photographs_and_folders_are_refused(folder, tmp_path):
    with pytest.raises(UserError, match=r"render_settings\.json"):
        labels.identities_and_backgrounds(str(tmp_path), "training", [0])
    made = json.loads((folder / RENDER_SETTINGS).read_text())
    for key, value, words in (
        ("backgrounds", "other", "not the photographs"),
        ("version", 0, "again"),
    ):
        (tmp_path / RENDER_SETTINGS).write_text(json.dumps({**made, key: value}))
        with pytest.raises(UserError, match=words):
            labels.identities_and_backgrounds(str(tmp_path), "training", [0])
