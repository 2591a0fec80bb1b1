"""The messages of libpq and psycopg, which have several lines, as one."""

import re

# psycopg tells the last attempt first, and then each of them again.
_ATTEMPTS = re.compile(r".*\nMultiple connection attempts failed\. All failures were:\n", re.DOTALL)
_ATTEMPT = re.compile(r"^- host: .*?, port: .*?, hostaddr: .*?: (?=connection )")
_BEGINNING = re.compile(r"^connection (?:failed|is bad): (?=connection to server )")


def one_line(message: str) -> str:
    """Return `message` in one line: attempts at several addresses with semicolons, hints in brackets.

    libpq sets a hint off by a tab at the beginning of its lines: `Connection refused`, and below it
    `Is the server running on that host …?`
    """
    said: list[str] = []
    hint: list[str] = []
    for line in [*_ATTEMPTS.sub("", message).splitlines(), ""]:
        if line.startswith("\t"):
            hint += line.split()
            continue
        if hint:
            words = " ".join(hint).removesuffix(".")
            said.append(f"({words[0].lower()}{words[1:]})")
            hint = []
        if said and _ATTEMPT.match(line):
            said[-1] += ";"
        said += _BEGINNING.sub("", _ATTEMPT.sub("", line)).split()
    return " ".join(said)
