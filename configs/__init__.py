"""Flagfiles; installed as `dcmls_tf.configs`."""
