"""Flags → an exported model; installed as `dcmls_tf.commands.export`."""
