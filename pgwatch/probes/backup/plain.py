r"""Plain SQL dumps: what the header and the last lines say. Pure.

pg_dump writes its comment at the head, and "… dump complete" at the end when all went well; since the
security releases of August 2025 (13.22 to 17.6, and 18) \restrict follows the one, \unrestrict the other.
"""

import re

from pgwatch.probes.backup.inspection import Form
from pgwatch.probes.backup.stream import Ends

_HEAD = re.compile(rb"^-- PostgreSQL database (cluster )?dump\r?$", re.MULTILINE)
_SERVER = re.compile(rb"^-- Dumped from database version (\S+)", re.MULTILINE)
_CONNECT = re.compile(rb'^\\connect (?:-reuse-previous=on )?"?([^"\s]+)"?\s*$', re.MULTILINE)
_LAST = re.compile(
    rb"^-- PostgreSQL database (cluster )?dump complete\r?\n--\s*(?:\\unrestrict \w+\s*)?\Z",
    re.MULTILINE,
)


def form_of(head: bytes) -> Form | None:
    """Return which of pg_dump's and pg_dumpall's plain dumps begins so; None: neither."""
    match = _HEAD.search(head[:4096])
    if match is None:
        return None
    return Form.CLUSTER if match[1] else Form.PLAIN


def problem_of(ends: Ends, form: Form) -> str:
    """Return why the dump is not whole, "" if it is, as far as both ends tell."""
    match = _LAST.search(ends.tail)
    word = "cluster dump" if form is Form.CLUSTER else "dump"
    if match is not None and bool(match[1]) == (form is Form.CLUSTER):
        return ""
    return f"it does not end with “-- PostgreSQL database {word} complete”: it breaks off, or text was added"


def database_of(head: bytes) -> str:
    """Return the database of a dump that was made with --create, "" where it does not say."""
    match = _CONNECT.search(head)
    return match[1].decode("utf-8", "replace") if match else ""


def server_version_of(head: bytes) -> str:
    """Return the version of the server that was dumped."""
    match = _SERVER.search(head)
    return match[1].decode("ascii", "replace") if match else ""
