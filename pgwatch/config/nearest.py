"""What was probably meant, for messages about names that do not exist."""

import difflib
from collections.abc import Iterable

_MAX_KNOWN = 12  # listing more names than this helps nobody


def nearest(name: str, known: Iterable[str]) -> str:
    """Return what to say about an unknown `name`: the nearest of `known`, else all of them if few."""
    names = sorted(known)
    if close := difflib.get_close_matches(name, names, n=1, cutoff=0.6):
        return f"did you mean {close[0]}?"
    match names:
        case []:
            return "there are none"
        case [only]:
            return f"there is {only}"
        case _ if len(names) <= _MAX_KNOWN:
            return f"there are {', '.join(names)}"
    return f"none of the {len(names)} that there are is similar"
