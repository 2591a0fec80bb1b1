"""Where the files that ship with pgwatch are: inside the wheel, else in the repository's root."""

from pathlib import Path
from typing import Literal

from pgwatch.errors import PgwatchError


def share(kind: Literal["queries", "alerts", "grafana"]) -> Path:
    """Return the folder of shipped `kind`; `pgwatch/share/<kind>` of the wheel comes first.

    Raises PgwatchError if neither place has it (a broken installation).
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "share" / kind, package.parent / kind):
        if folder.is_dir():
            return folder
    raise PgwatchError(f"the shipped {kind!r} folder is missing from this installation of pgwatch")
