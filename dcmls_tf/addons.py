"""The few places where Keras versions differ; nothing else in the package knows which runs."""

import contextlib
import itertools
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from dcmls_tf.errors import UserError

# The package chooses TensorFlow, if Keras is not there before it.
if keras.backend.backend() != "tensorflow":
    raise UserError(
        f"Keras runs on {keras.backend.backend()} in this process, and dcmls_tf on TensorFlow: "
        "import dcmls_tf before keras, or set KERAS_BACKEND=tensorflow"
    )
# What a user's `keras.json` may say otherwise, and the networks are not made for.
keras.backend.set_floatx("float32")
keras.backend.set_image_data_format("channels_last")

KERAS_3 = keras.__version__.startswith("3")
BETA_2 = 0.999

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
    """Adam by TensorFlow's fused kernel, one pass over a variable and its two moments; Keras 3's.

    Keras 3 composes its update from a dozen operations, each a pass over memory. Same arithmetic,
    about three times as fast. Keras 2's, composed as well, takes no longer there (docs/stack.md).
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


def adam(learning_rate: float, beta_1: float, variables: Sequence[Any]) -> Any:
    """Adam over `variables`, its slots built at once, as MirroredStrategy needs under Keras 3.

    Where Keras 2 sees a GPU it would compile the update with XLA, which replicas refuse.
    """
    if KERAS_3:
        optimizer = FusedAdam(learning_rate, beta_1=beta_1, beta_2=BETA_2)
    else:
        optimizer = keras.optimizers.Adam(learning_rate, beta_1, BETA_2, jit_compile=False)
    optimizer.build(variables)
    return optimizer


def lamb(learning_rate: float, beta_1: float, variables: Sequence[Any]) -> Any:
    """LAMB over `variables` (You et al. 2020), its slots built at once: for large batches.

    Adam's update, of each variable scaled to the norm that the variable has itself. Keras 3's, or
    TensorFlow Addons', which is the same arithmetic. Raises `UserError` without either.
    """
    options = {"beta_1": beta_1, "beta_2": BETA_2, "epsilon": 1e-6}
    if KERAS_3:
        optimizer = keras.optimizers.Lamb(learning_rate, **options)
        optimizer.build(variables)
    else:
        optimizer = tensorflow_addons().optimizers.LAMB(learning_rate, **options)
        optimizer._create_all_weights(variables)  # a legacy optimiser: it has no `build`
    return optimizer


def tensorflow_addons() -> Any:
    """The module, which needs Keras 2; that its life has ended is not said again.

    Raises `UserError` when it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import tensorflow_addons
    except ImportError:
        raise UserError(
            "--optimizer=lamb: needs TensorFlow Addons beside Keras 2: pip install '.[addons]'"
        ) from None
    return tensorflow_addons


def tf_variables(owner: Any) -> list[tf.Variable]:
    """The `tf.Variable`s of a layer, model or optimiser, in the same order on every stack.

    That is Keras 3's: a layer's own, then those of each layer in it; an optimiser's count of
    steps and step size, then each variable's moments. Keras 3 wraps variables in a class of its
    own, which `tf.train.Checkpoint` does not follow.
    """
    if KERAS_3:
        return [v.value for v in owner.variables]
    if isinstance(owner, keras.layers.Layer):
        return list({id(v): v for v in _layer_by_layer(owner)}.values())
    if isinstance(owner, keras.optimizers.legacy.Optimizer):
        count, *slots = owner.variables()  # all first moments, then all second ones
        half = len(slots) // 2
        moments = zip(slots[:half], slots[half:], strict=True)
        return [count, owner.learning_rate, *itertools.chain.from_iterable(moments)]
    count, *slots = owner.variables
    return [count, owner.learning_rate, *slots]


def _layer_by_layer(layer: Any) -> Iterator[tf.Variable]:
    """Keras 2's own list has everything that is trained before everything that is not."""
    yield from (*layer._trainable_weights, *layer._non_trainable_weights)
    for inner in layer._flatten_layers(recursive=False, include_self=False):
        yield from _layer_by_layer(inner)


def variables_by_name(owners: Mapping[str, Any]) -> dict[str, list[tf.Variable]]:
    """Networks or optimisers by name → their `tf.Variable`s by name, for a checkpoint."""
    return {name: tf_variables(owner) for name, owner in owners.items()}
