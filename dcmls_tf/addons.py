"""The few places where Keras versions differ; nothing else in the package knows which runs."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

KERAS_3 = keras.__version__.startswith("3")

# For `add_weight`: each replica moves its own value, everybody keeps the mean.
MEAN_OVER_REPLICAS: dict[str, Any] = {
    "aggregation": "mean" if KERAS_3 else tf.VariableAggregation.MEAN
}
# For `add_weight`: stays float32 in a layer that computes in bfloat16.
KEEP_FLOAT32: dict[str, Any] = {"autocast" if KERAS_3 else "experimental_autocast": False}


@contextlib.contextmanager
def precision(policy: str) -> Iterator[None]:
    """Layers that are made inside compute with a Keras dtype policy, as `mixed_bfloat16`."""
    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(policy)
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(before)


class FusedAdam(keras.optimizers.Adam):
    """Adam by TensorFlow's fused kernel, one pass over a variable and its two moments.

    Keras 3 composes its update from a dozen operations, each a pass over memory; Keras 2 has
    the fused one under `tf.function` already. Same arithmetic, about three times as fast.
    """

    def update_step(self, gradient: tf.Tensor, variable: Any, learning_rate: Any) -> None:
        """Moves a variable, and its moments, in place; called by Keras for each of them."""
        index = self._get_variable_index(variable)
        moments = [slots[index].value.handle for slots in (self._momentums, self._velocities)]
        count = tf.cast(self.iterations.value + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=moments[0],
            v=moments[1],
            beta1_power=tf.pow(self.beta_1, count),
            beta2_power=tf.pow(self.beta_2, count),
            lr=tf.cast(learning_rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


def adam(learning_rate: Any, beta_1: float, variables: Sequence[Any]) -> keras.optimizers.Adam:
    """Adam over `variables`, its slots built at once, as MirroredStrategy needs under Keras 3.

    The learning rate is a number or a Keras schedule.
    """
    optimizer_class = FusedAdam if KERAS_3 else keras.optimizers.Adam
    optimizer = optimizer_class(learning_rate, beta_1=beta_1, beta_2=0.999)
    optimizer.build(variables)
    return optimizer


def tf_variables(owner: Any) -> list[tf.Variable]:
    """The `tf.Variable`s of a layer, model or optimiser, in creation order.

    Keras 3 wraps them in a class of its own, which `tf.train.Checkpoint` does not follow.
    """
    variables: Any = owner.variables
    variables = variables() if callable(variables) else variables  # a method in Keras 2
    return [v.value if KERAS_3 else v for v in variables]


def variables_by_name(owners: Mapping[str, Any]) -> dict[str, list[tf.Variable]]:
    """Networks or optimisers by name → their `tf.Variable`s by name, for a checkpoint."""
    return {name: tf_variables(owner) for name, owner in owners.items()}
