"""Errors that are the user's to mend: one clear sentence each, which a script ends with."""


class UserError(Exception):
    """A wrong flag, file or folder. The message names it and says what to do."""


class Diverged(UserError):
    """A loss or a prediction that is not finite: the training's settings do not work."""
