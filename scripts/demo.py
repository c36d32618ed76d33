"""A page to try a model in a browser: photo or camera in, joints, 3D and the latent space out.

    python scripts/demo.py
    python scripts/demo.py --model=runs/rendered

then open http://127.0.0.1:7860. Without `--model` the shipped models answer, which have no latent
space to walk in. Needs `pip install '.[demo]'`.
"""

from absl import flags

from dcmls_tf import app
from dcmls_tf.errors import UserError

FLAGS = flags.FLAGS


def define_flags() -> None:
    """The options of the page."""
    flags.DEFINE_string("model", None, "A run, a SavedModel or a .tflite file (the shipped).")
    flags.DEFINE_string("host", "127.0.0.1", "Address to serve at; 0.0.0.0: to everybody.")
    flags.DEFINE_integer("port", 7860, "Port to serve at.", lower_bound=1, upper_bound=65535)


def main(_: list[str]) -> None:
    """Flags → a server, until Ctrl-C."""
    from dcmls_tf import api
    from dcmls_tf.photos import demo

    page = demo.build(api.load(FLAGS.model).predictor)
    try:
        demo.launch(page, FLAGS.host, FLAGS.port)
    except OSError as error:
        raise UserError(f"--port={FLAGS.port}: cannot be served at ({error})") from None


def cli() -> None:
    """The command `dcmls-demo`."""
    define_flags()
    app.run(main)


if __name__ == "__main__":
    cli()
