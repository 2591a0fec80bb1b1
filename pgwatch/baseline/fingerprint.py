"""What identifies a statement whatever its queryid is, and a text of it that tells no secret. Pure."""

import hashlib
import re

from pgwatch.migration.parse import UnparsableError, fingerprint, normalised

_COMMENT = re.compile(r"/\*.*?\*/|--[^\n]*", re.DOTALL)
_COMPARED = re.compile(
    r"[\s(]*(?:select|insert|update|delete|merge|with|values|table|call|refresh)\b", re.IGNORECASE
)
_LITERAL = re.compile(r"'(?:[^']|'')*'|\b\d+(?:\.\d+)?\b|\$\d+")
_LONGEST = 4000  # characters of a text that are kept


def is_compared(text: str) -> bool:
    """Return whether a statement works on rows: those are compared.

    The others (roles, settings, DDL) run once, and their texts keep passwords in pg_stat_statements.
    """
    return _COMPARED.match(_COMMENT.sub(" ", text)) is not None


def identify(text: str) -> tuple[str, str]:
    """Return (fingerprint, text without any constant or comment; "" where it could hold one).

    A text that PostgreSQL's grammar does not know is identified by itself, without literals.
    """
    try:
        digest, plain = fingerprint(text), normalised(text)
    except UnparsableError:
        words = " ".join(_LITERAL.sub("?", _COMMENT.sub(" ", text)).lower().split())
        return f"text:{hashlib.sha256(words.encode()).hexdigest()[:16]}", ""
    plain = " ".join(_COMMENT.sub(" ", plain).split())
    if "'" in plain or re.search(r"\$\w*\$", plain):
        return digest, ""  # a literal that the library did not know as one
    return digest, plain if len(plain) <= _LONGEST else plain[: _LONGEST - 1] + "…"
