"""What is known of signatures without TensorFlow: their names; `signatures` describes them."""

SERVING_DEFAULT, ENCODE, DECODE, HYPOTHESES = "serving_default", "encode", "decode", "hypotheses"
# Poses that `hypotheses` samples.
DEFAULT_HYPOTHESES = 16
