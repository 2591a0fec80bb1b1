"""Where the state file is when nobody says so."""

import os
from pathlib import Path


def default_state_path() -> Path:
    """Return `pgwatch.db` in systemd's `$STATE_DIRECTORY`, else in the user's XDG state folder.

    https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html#RuntimeDirectory= and
    https://specifications.freedesktop.org/basedir-spec/latest/
    """
    # systemd lists several folders with colons; a unit of ours has one.
    if folder := os.environ.get("STATE_DIRECTORY", "").split(":")[0]:
        return Path(folder) / "pgwatch.db"
    # The specification has a relative path ignored.
    xdg = Path(os.environ.get("XDG_STATE_HOME", ""))
    return (xdg if xdg.is_absolute() else Path.home() / ".local/state") / "pgwatch" / "pgwatch.db"
