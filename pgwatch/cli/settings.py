"""The settings for commands that need no database."""

import argparse
import os

from pgwatch.config.choose import Inputs, find_file


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
