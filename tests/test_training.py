"""Algorithm 1: who moves, replicas, and whether it learns."""

import numpy as np
import pytest
import tensorflow as tf

from dcmls_tf import addons, config, distribution, losses, objective, training
from dcmls_tf.errors import UserError

rng = np.random.default_rng(0)
TERMS = tuple(equation.name for equation in objective.EQUATIONS)


def trainer(replicas=1, total_steps=100, **options):
    options = {"modality": "2d", "joint_width": 16, "disc_width": 8, "batch_size": 8, **options}
    one_device = tf.distribute.MirroredStrategy(["/cpu:0"])
    strategy = {1: one_device, 2: distribution.strategy()}[replicas]
    return training.Trainer(config.Config(**options), strategy, total_steps)


def hands(count):
    """Poses with the size of a hand in scale-bone units, and their orthographic projections."""
    y = rng.normal(size=(count, 21, 3)).astype(np.float32)
    return {"x": 0.2 * y[..., :2], "y": y}


def batches(of, data):
    """Distributed batches of all of `data`, endlessly."""
    size = len(data["y"])
    dataset = tf.data.Dataset.from_tensor_slices(data).batch(size, drop_remainder=True).repeat()
    return iter(of.strategy.experimental_distribute_dataset(dataset))


def take_step(t, data=None):
    """One step of a trainer with one replica; its terms."""
    return t.train_step(tf.nest.map_structure(tf.constant, data or hands(8)))


def weights(of):
    return {
        name: [v.numpy() for v in network.trainable_variables]
        for name, network in of.networks.items()
    }


@pytest.fixture(scope="module")
def shared():
    """One trainer for the tests that take single steps."""
    return trainer()


def changed(before, after):
    """The networks whose weights differ."""
    return {
        n for n in before if any(np.any(a != b) for a, b in zip(before[n], after[n], strict=True))
    }


def networks_moved_by(t, term, schedule):
    """The networks whose weights one step changes when only `term` has a weight."""
    only = {f"weight_{name}": float(name == term) for name in TERMS}
    t.config = t.config.replace(schedule=schedule, **only)
    for optimizer in t.optimizers.values():
        forget(optimizer)
    before = weights(t)
    take_step(t)
    return changed(before, weights(t))


def forget(optimizer):
    """Clears Adam's moments, which would move networks that have no gradient."""
    for variable in addons.tf_variables(optimizer):
        variable.assign(tf.zeros_like(variable))


@pytest.fixture
def eagerly():
    """Steps run eagerly: tracing a step for its sake alone would take longer."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("schedule", ["alternate", "sequential"])
@pytest.mark.parametrize(
    ("term", "moved"),
    [
        ("d_vae_x", {"encoder_x", "decoder_x"}),
        ("d_vae_y", {"encoder_y", "decoder_y"}),
        ("disc_h", {"disc_h"}),
        ("align", {"encoder_x", "encoder_y"}),
        ("disc_c", {"disc_c"}),
        ("translate", {"translator"}),
        ("pose", {"encoder_x", "translator", "decoder_y"}),
    ],
)
def test_each_equation_moves_exactly_its_networks(shared, term, moved, schedule):
    assert networks_moved_by(shared, term, schedule) == moved


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    "options",
    [
        {"latent": "unified"},
        {"latent": "unified", "schedule": "pairs"},
        {"latent": "rgb_context"},
        {"latent": "rgb_context", "schedule": "sequential"},
        {"use_disc_h": False},
        {"use_disc_c": False},
        {"use_translator": False},
        {"use_translator": False, "use_disc_h": False, "schedule": "sequential"},
    ],
)
def test_every_variant_moves_all_its_networks(options):
    t = trainer(**options)
    before = weights(t)
    take_step(t)
    assert changed(before, weights(t)) == set(before)


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("schedule", ["alternate", "sequential"])
def test_unpaired_examples_train_what_they_may(schedule):
    t = trainer(schedule=schedule, weight_pose=0.0, weight_translate=0.0)
    before = weights(t)
    take_step(t, {**hands(8), "unpaired": hands(8)})
    after = weights(t)
    moved = changed(before, after)
    assert {"encoder_x", "decoder_x", "encoder_y", "decoder_y", "disc_h", "disc_c"} <= moved
    assert all(np.isfinite(w).all() for of in after.values() for w in of)


def moved_by_updates(t, monkeypatch):
    """The sets of networks that one step's updates change, in the order in which they come."""
    updates = []
    update = training.Trainer._update

    def watched(self, *arguments):
        before = weights(self)
        update(self, *arguments)
        updates.append(changed(before, weights(self)))

    monkeypatch.setattr(training.Trainer, "_update", watched)
    take_step(t)
    return updates


ENCODERS = {"encoder_x", "encoder_y"}
AUTOENCODERS = ENCODERS | {"decoder_x", "decoder_y"}


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    ("options", "updates"),
    [
        ({"schedule": "alternate"}, [{"disc_h", "disc_c"}, AUTOENCODERS | {"translator"}]),
        ({"schedule": "alternate", "latent": "unified"}, [AUTOENCODERS]),
        (
            {"schedule": "sequential"},
            [
                AUTOENCODERS,
                {"disc_h"},
                ENCODERS,
                {"disc_c"},
                {"translator"},
                {"encoder_x", "translator", "decoder_y"},
            ],
        ),
        (
            {"schedule": "pairs", "latent": "unified"},
            [{"encoder_x", "decoder_x"}, {"encoder_y", "decoder_y"}, {"encoder_x", "decoder_y"}],
        ),
        ({"latent": "none"}, [{"encoder_x"}]),
    ],
)
def test_a_schedule_is_these_updates_in_this_order(options, updates, monkeypatch):
    assert moved_by_updates(trainer(**options), monkeypatch) == updates


@pytest.mark.usefixtures("eagerly")
def test_everything_else_is_judged_by_the_discriminators_of_after_their_update(monkeypatch):
    monkeypatch.setattr(training.Trainer, "_seed", lambda self: None)
    t = trainer(disc_learning_rate=0.1)  # a step that shows
    data = hands(8)
    terms = take_step(t, data)
    fresh = trainer(disc_learning_rate=0.1)
    encoded = objective.encode(fresh.model, {k: tf.constant(v) for k, v in data.items()})

    def align(d_h):
        return float(np.mean(losses.align(d_h(encoded.x.z_h), d_h(encoded.y.z_h))))

    before, after = (of.model.adversaries["disc_h"] for of in (fresh, t))
    assert float(terms["align"]) == pytest.approx(align(after), rel=1e-4)
    assert float(terms["align"]) != pytest.approx(align(before), rel=0.01)


@pytest.mark.parametrize(
    "schedule", ["alternate", pytest.param("sequential", marks=pytest.mark.slow)]
)
def test_it_overfits_16_samples_to_under_5_mm(schedule):
    scale_bone_mm = 30.0
    t = trainer(
        batch_size=16,
        joint_width=96,
        disc_width=32,
        schedule=schedule,
        learning_rate=3e-3,
        total_steps=300,
        weight_kl=1e-5,
        weight_align=1e-3,
        weight_translate=1e-2,
    )
    data = hands(16)
    epe_mm = epe(t, data, scale_bone_mm)
    assert epe_mm > 20  # not solved before it starts
    source = batches(t, data)
    for _ in range(300):
        t.train_step(next(source))
    assert epe(t, data, scale_bone_mm) < 5


def epe(of, data, scale_bone_mm):
    error = np.linalg.norm(of.model(data["x"]).numpy() - data["y"], axis=-1)
    return scale_bone_mm * error.mean()


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize("spectral_norm", [False, True])
def test_two_replicas_do_what_one_does(spectral_norm):
    data = hands(8)
    ends = []
    for replicas in (1, 2):
        t = trainer(replicas, spectral_norm=spectral_norm)
        assert t.strategy.num_replicas_in_sync == replicas
        source = batches(t, data)
        for _ in range(3):
            terms = t.train_step(next(source))
        ends.append((weights(t), {n: float(v) for n, v in terms.items()}))
    (one, terms_one), (two, terms_two) = ends
    assert terms_one == pytest.approx(terms_two, rel=1e-4)
    for name in one:
        for a, b in zip(one[name], two[name], strict=True):
            np.testing.assert_allclose(a, b, atol=2e-5, err_msg=name)


@pytest.mark.usefixtures("eagerly")
def test_a_steps_seed_is_of_the_run_and_the_step_and_every_replicas():
    t = trainer(replicas=2, latent="none")

    def seeds():
        per_replica = t.strategy.run(t._seed)
        return {tuple(s.numpy()) for s in t.strategy.experimental_local_results(per_replica)}

    first = seeds()
    assert len(first) == 1
    assert seeds() == first
    t.step.assign_add(1)
    assert not seeds() & first
    t.step.assign(0)
    t.config = t.config.replace(seed=t.config.seed + 1)
    assert not seeds() & first


def test_a_seed_sets_the_first_weights():
    first, same, other = (
        trainer(latent="none", seed=seed).model.trainable_variables for seed in (1, 1, 2)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, same, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.usefixtures("eagerly")
@pytest.mark.parametrize(
    ("options", "reads"),
    [
        ({"schedule": "alternate"}, ["xy"]),
        ({"schedule": "sequential"}, ["xy", "xy", "xy", "xy", "xy", "x"]),
        ({"schedule": "pairs", "latent": "unified"}, ["x", "y", "x"]),
    ],
)
def test_a_pass_encodes_what_its_update_reads_with_numbers_of_its_own(options, reads, monkeypatch):
    passes = []
    encode = objective.encode

    def watched(*arguments):
        passes.append(encode(*arguments))
        return passes[-1]

    monkeypatch.setattr(objective, "encode", watched)
    take_step(trainer(**options))
    assert ["".join(sorted(p.codes)) for p in passes] == reads
    assert len({tuple(p.seed.numpy()) for p in passes}) == len(passes)
    assert all(p.training for p in passes)


@pytest.mark.parametrize(
    ("options", "players"),
    [({}, {"vae", "translator", "adversaries"}), ({"latent": "none"}, {"vae"})],
)
def test_each_player_has_an_adam_of_its_own(options, players):
    t = trainer(learning_rate=1e-3, disc_learning_rate=1e-4, **options)
    assert set(t.optimizers) == players
    for player, optimizer in t.optimizers.items():
        assert optimizer.beta_1 == (0.9 if player == "vae" else 0.5)
        rate = 1e-3 if player == "vae" else 1e-4
        assert float(optimizer.learning_rate.numpy()) == pytest.approx(rate)


@pytest.mark.usefixtures("eagerly")
def test_learning_rates_fall_along_a_cosine():
    rates = {"vae": 1e-3, "translator": 1e-4, "adversaries": 1e-4}
    t = trainer(total_steps=10, learning_rate=1e-3, disc_learning_rate=1e-4)
    for step, share in [(0, 1), (2, 0.5 * (1 + np.cos(0.2 * np.pi))), (5, 0.5), (10, 0), (12, 0)]:
        t.step.assign(step)
        for player, rate in rates.items():
            assert float(t.learning_rate(player)) == pytest.approx(share * rate, abs=1e-9)
    t.step.assign(5)
    take_step(t)
    for player, rate in rates.items():
        used = float(t.optimizers[player].learning_rate.numpy())
        assert used == pytest.approx(0.5 * rate, rel=1e-5)
    t.config = t.config.replace(learning_rate_decay="constant")
    assert {p: float(t.learning_rate(p)) for p in rates} == pytest.approx(rates)


@pytest.mark.usefixtures("eagerly")
def test_a_checkpoint_holds_all_that_changes(tmp_path):
    t, fresh = (trainer(latent="none", seed=seed) for seed in (1, 2))
    assert float(fresh.best_epe_mm) == np.inf
    assert not fresh.term_sums.numpy().any()
    terms = take_step(t)
    t.best_epe_mm.assign(17.0)
    path = t.checkpointed().save(str(tmp_path / "checkpoint"))
    fresh.checkpointed().restore(path).assert_consumed()
    assert fresh.step.numpy() == 1
    assert fresh.best_epe_mm.numpy() == 17
    np.testing.assert_array_equal(fresh.term_sums, [terms["pose"]])
    for owners in ("networks", "optimizers"):
        for name, owner in getattr(t, owners).items():
            restored = addons.tf_variables(getattr(fresh, owners)[name])
            for a, b in zip(addons.tf_variables(owner), restored, strict=True):
                np.testing.assert_array_equal(a, b)


def test_a_batch_must_divide_over_the_devices():
    with pytest.raises(UserError, match=r"^--batch_size=9: must be a multiple of the 2 devices"):
        trainer(replicas=2, batch_size=9)


@pytest.mark.slow
def test_a_small_encoder_trains_on_two_devices():
    t = trainer(
        replicas=2,
        modality="rgb",
        encoder="mobilenet_v3_small",
        input_size=32,
        reconstruction_size=16,
    )
    x = rng.uniform(-0.5, 0.5, size=(8, 32, 32, 3)).astype(np.float32)
    data = batches(t, {"x": x, "x_target": x[:, ::2, ::2], "y": hands(8)["y"]})
    norms = (of for of in t.model.encoder_x.backbone.layers if hasattr(of, "moving_mean"))
    statistics = next(norms).moving_mean
    before = statistics.numpy()
    first, *_, last = [float(t.train_step(next(data))["pose"]) for _ in range(12)]
    assert last < first
    assert np.abs(statistics.numpy() - before).max() > 0
