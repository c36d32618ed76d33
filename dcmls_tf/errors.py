"""Errors that are the user's to mend: one clear sentence each, which a script ends with."""


class UserError(Exception):
    """A wrong flag, file or folder. The message names it and says what to do."""


class Diverged(UserError):
    """A loss or a prediction that is not finite: the training's settings do not work."""


class Terminated(SystemExit):
    """The process was told to end by SIGTERM; its exit status is what shells count for that."""

    STATUS = 128 + 15

    def __init__(self) -> None:
        super().__init__(self.STATUS)


def in_a_line(text: str) -> str:
    """Text as one line for a terminal: what does not print, such as a name's escapes, is spelt."""
    line = " ".join(text.split())
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)
