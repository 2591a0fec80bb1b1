"""The settings for commands that need no database."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from pgwatch.config.choose import Inputs, find_file

if TYPE_CHECKING:
    from pgwatch.notify.route import Routing


def settings_inputs(arguments: argparse.Namespace) -> Inputs | None:
    """Return what is configured, without any target; None where nothing is, so the defaults hold.

    Raises InputError with every problem of the configuration.
    """
    file = find_file(arguments.config)
    if file is None and not any(name.startswith("PGWATCH__") for name in os.environ):
        return None
    from pgwatch.config.load import read  # noqa: PLC0415 - brings pydantic

    settings, tree = read(file)
    return Inputs(targets=(), settings=settings, file=file, tree=tree)


def routing_of_file(arguments: argparse.Namespace, file: Path) -> "Routing":
    """Return the routing of `file`, an alertmanager.yml, under the pgwatch.yml that the command has.

    That adds channels to receivers and says how matchers are read. Raises InputError.
    """
    from pgwatch.config.alertmanager import load_alertmanager  # noqa: PLC0415 - brings pydantic
    from pgwatch.config.overrides import added_channels  # noqa: PLC0415 - brings pydantic

    inputs = settings_inputs(arguments)
    settings = inputs.settings if inputs else None
    if settings is None:
        return load_alertmanager(file)
    return load_alertmanager(file, added_channels(settings), settings.alertmanager_mode)
