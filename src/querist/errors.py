"""Errors that a person can act on."""


class QueristError(Exception):
    """Something the user can put right; the command line prints it and exits with code 2.

    Args:
        what: what went wrong, naming the file, line or unit.
        fix: what to do about it.
    """

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__(f"{what}\n  fix: {fix}" if fix else what)
        self.what = what
        self.fix = fix


class UnlabelledError(QueristError):
    """A label was to be looked at that nobody has given."""
