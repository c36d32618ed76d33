"""Flags → one call of the Python API; installed as `dcmls_tf.commands`."""
