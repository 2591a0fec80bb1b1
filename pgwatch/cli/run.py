"""`pgwatch run`: the daemon."""

import argparse
import asyncio

from pgwatch.cli import logs
from pgwatch.cli.inputs import add_target_options, read_inputs
from pgwatch.daemon.main import Daemon
from pgwatch.notify.receiver import secrets_of
from pgwatch.wiring import House, assemble

LOG_LEVEL = "info"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the daemon's options."""
    add_target_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the daemon until a signal stops it."""

    def build() -> House:
        house = assemble(read_inputs(arguments))
        logs.hide(secrets_of((*house.routing.receivers.values(), *house.routing.hidden)))
        return house

    asyncio.run(Daemon(build).run())
    return 0
