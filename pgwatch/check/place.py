"""Where a finding about a migration is."""

from pathlib import Path

from pgwatch.migration.objects import Place
from pgwatch.secret import mask_passwords


def shown(file: Path) -> str:
    """Return the path as a person in the working folder writes it."""
    folder = Path.cwd()
    return str(file.relative_to(folder) if file.is_relative_to(folder) else file)


def place_labels(place: Place) -> dict[str, str]:
    """Return the labels that lead from a finding to its statement."""
    return {"migration": place.migration, "file": shown(place.file), "line": str(place.line)}


def quoted(place: Place) -> str:
    """Return the place with the statement's first line: `a.sql:7: ALTER TABLE users`."""
    line = mask_passwords(place.sql).split("\n", 1)[0].strip()
    line = line if len(line) <= 100 else line[:99] + "…"
    return f"{shown(place.file)}:{place.line}: {line}"
