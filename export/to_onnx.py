"""An exported TFLite file as ONNX, checked against it by ONNX Runtime.

    bash scripts/test.sh --stack=onnx tests/serving/test_onnx_file.py
    .venv-onnx/bin/python export/to_onnx.py --model=models/hands/lite/1/float32.tflite --out=a.onnx

tf2onnx and ONNX Runtime have an environment of their own, which the first line makes.
"""

from absl import flags

from dcmls_tf import app

FLAGS = flags.FLAGS


def define_flags() -> None:
    """The options of a conversion."""
    flags.DEFINE_string("model", None, "A .tflite file of export/export.py.", required=True)
    flags.DEFINE_string("out", None, "The .onnx file to write.", required=True)


def main(_: list[str]) -> None:
    """Flags → one file."""
    from dcmls_tf.serving import onnx_file

    off = onnx_file.convert(FLAGS.model, FLAGS.out)
    print(f"written: {FLAGS.out}, whose answers differ by {off:.2g} scale bones at most")


if __name__ == "__main__":
    define_flags()
    app.run(main)
