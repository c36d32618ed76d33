"""Which examples a step sees, without any data."""

import numpy as np
import pytest
import tensorflow as tf

from dcmls_tf.config import Config
from dcmls_tf.data.order import HostShare, Order, Role, example_pool
from dcmls_tf.errors import UserError


def test_pools_of_pairs_and_of_others_part_the_examples():
    config = Config(labelled_percent=30)
    pools = {role: example_pool(20, config, role).numpy() for role in Role}
    assert len(pools[Role.PAIRS]) == 6
    assert sorted([*pools[Role.PAIRS], *pools[Role.UNPAIRED_X]]) == list(range(20))
    np.testing.assert_array_equal(pools[Role.UNPAIRED_X], pools[Role.UNPAIRED_Y])
    everything = example_pool(20, config.replace(labelled_percent=100), Role.PAIRS)
    np.testing.assert_array_equal(everything, range(20))


def test_shares_of_hosts_join_to_the_batches():
    values = tf.range(26)  # three steps of eight, two left over
    pieces = [
        HostShare(8, 2, index, 2).pieces(values, 3, tf.constant(1)).numpy().reshape(2, 4)
        for index in range(2)
    ]
    np.testing.assert_array_equal(np.concatenate(pieces, 1), np.arange(8, 24).reshape(2, 8))


@pytest.mark.parametrize("parts", [(3, 0, None), (2, 0, 3)])
def test_a_batch_that_does_not_divide_is_refused(parts):
    with pytest.raises(UserError, match=r"--batch_size: \d examples do not divide"):
        HostShare(8, *parts)


def test_roles_draw_in_orders_of_their_own():
    order = Order(Config(batch_size=4), 12, 0, HostShare(4))
    drawn = {
        role: np.concatenate([n for n, _ in order.draws(role, tf.range(12)).take(3)])
        for role in Role
    }
    for numbers in drawn.values():
        assert sorted(numbers) == list(range(12))
    assert len({tuple(numbers) for numbers in drawn.values()}) == len(Role)


def test_a_small_pool_is_drawn_from_again_and_evenly():
    order = Order(Config(batch_size=4), 12, 0, HostShare(4))
    draws = list(order.draws(Role.UNPAIRED_X, tf.range(5)).take(3))
    counts = np.bincount(np.concatenate([numbers for numbers, _ in draws]))
    assert set(counts) == {2, 3}
    noise = np.concatenate([noise for _, noise in draws])
    assert len(np.unique(noise, axis=0)) == 12
    assert np.abs(noise).max() <= 1


def test_noise_of_a_detector_leaves_all_other_noise_as_it_is():
    plain = Config(batch_size=4)
    noises = []
    for config in (plain, plain.replace(modality="2d", augment_keypoints=0.1)):
        draws = Order(config, 12, 0, HostShare(4)).draws(Role.PAIRS, tf.range(12)).take(3)
        noises.append(np.concatenate([noise for _, noise in draws]))
    np.testing.assert_array_equal(noises[1][:, : noises[0].shape[1]], noises[0])
    assert noises[1].shape[1] > noises[0].shape[1]
