"""The family of errors that pgwatch raises on purpose; their messages are safe to show.

A message names the thing, what was expected, what was got, and the next step if there is one. It
never holds a password, a token or a webhook's address.
"""

from collections.abc import Iterable
from dataclasses import dataclass


class PgwatchError(Exception):
    """Base of all errors that pgwatch raises on purpose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong in what a user wrote."""

    file: str  # as the user named it; "environment" or "command line" where there is no file
    line: int | None = None  # from 1
    column: int | None = None  # from 1
    path: str = ""  # where inside the document, such as `targets[0].dsn`
    message: str  # what is wrong, what was expected, and the cure

    def __str__(self) -> str:
        """Return `file:line:column: path: message`, without the parts that are not known."""
        place = self.file
        if self.line is not None:
            place += f":{self.line}"
            if self.column is not None:
                place += f":{self.column}"
        return f"{place}: {self.path}: {self.message}" if self.path else f"{place}: {self.message}"


class InputError(PgwatchError):
    """What a user wrote (a file, an option, the environment) cannot be used; holds every problem found.

    Commands answer it with exit status 2.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
