"""The settings for commands that need no database."""

import argparse
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pgwatch.config.choose import Inputs, find_file

if TYPE_CHECKING:
    from pgwatch.notify.receiver import ChannelSettings


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


def channels_beside(arguments: argparse.Namespace) -> "Mapping[str, Sequence[ChannelSettings]]":
    """Return the channels that pgwatch.yml adds to receivers of an alertmanager.yml, by receiver."""
    inputs = settings_inputs(arguments)
    if inputs is None or inputs.settings is None:
        return {}
    from pgwatch.config.overrides import added_channels  # noqa: PLC0415 - brings pydantic

    return added_channels(inputs.settings)
