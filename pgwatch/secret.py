"""Passwords, tokens and addresses that must never be shown, also those in a text that somebody else wrote.

A `Secret` prints as `<secret>` everywhere; only `reveal()` gives the text, at the moment of use, so a
file or variable that was rotated is read anew.
"""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from pgwatch.errors import PgwatchError

MASK = "<secret>"
_SHORTEST = 4  # characters of a secret that is masked wherever it stands

# A URL's password reaches to the last @ of the word, also where the user forgot to escape an @ in it.
# Bounded, and from `://` on, so that a megabyte without a space takes no longer than one with.
_URL_PASSWORD = re.compile(r"(?<=\w)(://[^\s/?#:@]*:)\S{0,1000}@")
# The value of `password=`: up to a closing quote, else (in a URL or unquoted) to the next separator.
# An opening quote without its end takes all the rest: where the password ends cannot be known.
_KEY_PASSWORD = re.compile(
    r"((?:ssl)?password\s*:?=>?\s*)(?:''[^']+(?:''|$)|'(?:[^'\\]|\\.)*(?:'|$)|(?:\\.|[^\s&'\\])+)",
    re.IGNORECASE | re.DOTALL,
)
# SQL's `PASSWORD 'x'`, also inside a string (`''x''`); without a quote it is a column of that name.
_SQL_PASSWORD = re.compile(
    r"(\bpassword\s+)(?:''[^']+(?:''|$)|E?'(?:[^'\\]|''|\\.)*(?:'|$)|\$(\w*)\$.*?(?:\$\2\$|$))",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A secret by value, or by the file or environment variable that holds it (exactly one of them)."""

    value: str | None = field(default=None, repr=False)
    file: Path | None = None
    variable: str | None = None

    def reveal(self) -> str:
        """Return the secret's text now; a trailing newline of a file is dropped.

        Raises PgwatchError, naming the file or the variable, if it cannot be read.
        """
        if self.value is not None:
            return self.value
        if self.variable is not None:
            if (text := os.environ.get(self.variable)) is None:
                raise PgwatchError(f"environment variable {self.variable} is not set")
            return text
        if self.file is None:
            raise PgwatchError("a secret has neither a value, a file nor a variable")
        try:
            return self.file.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise PgwatchError(f"cannot read secret file {self.file}: {error.strerror}") from error
        except UnicodeDecodeError:
            # Not chained: it holds what was read.
            raise PgwatchError(f"secret file {self.file} is not UTF-8 text") from None

    def __repr__(self) -> str:
        """Return where the secret comes from, never its text."""
        if self.file is not None:
            return f"Secret(file={str(self.file)!r})"
        if self.variable is not None:
            return f"Secret(variable={self.variable!r})"
        return f"Secret({MASK})"

    __str__ = __repr__


def mask_passwords(text: str) -> str:
    """Return `text` with the passwords of connection strings and of SQL statements in it masked."""
    for pattern in (_URL_PASSWORD, _KEY_PASSWORD, _SQL_PASSWORD):
        end = "@" if pattern is _URL_PASSWORD else ""
        text = pattern.sub(rf"\1{MASK}{end}", text)
    return text


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return `text` with each of `secrets` (longest first; empty ones are ignored) masked.

    One of up to three characters stands in words that are no secret, and masking it there would garble the
    text and spell it out by the gaps: it is masked only where a message has a value, quoted, after `=`, or
    between `:` and `@`.
    """
    for secret in sorted({s for s in secrets if s}, key=len, reverse=True):
        if len(secret) < _SHORTEST:
            text = re.sub(rf"(?<=[=:\"']){re.escape(secret)}(?=[\"'@&\s]|$)", MASK, text)
        else:
            text = text.replace(secret, MASK)
    return text
