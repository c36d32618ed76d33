"""Errors that are the user's to mend: one clear sentence, exit status 1, no traceback."""

import sys

from absl import app, flags, logging


class UserError(Exception):
    """A wrong flag, file or folder. The message names it and says what to do."""


def run(main):
    """Runs `main(argv)` as an absl app; a `UserError` becomes one line on stderr, status 1.

    A bad flag value is reported the same way. An interrupt (Ctrl-C) exits with 130.
    """

    def guarded(argv):
        logging.set_verbosity(logging.WARNING)
        try:
            if len(argv) > 1:
                raise UserError(
                    f"unexpected argument {argv[1]!r}: options are given as --name=value"
                )
            main(argv)
        except UserError as error:
            sys.exit(_one_line(error))
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            sys.exit(130)

    app.run(guarded, flags_parser=_parse)


def _parse(argv):
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        sys.exit(_one_line(error))


def _one_line(error):
    return f"error: {' '.join(str(error).split())}"
