"""`pgwatch run`: the daemon."""

import argparse
import asyncio

from pgwatch.cli.inputs import add_target_options, read_inputs
from pgwatch.daemon.main import Daemon
from pgwatch.wiring import House, assemble

LOG_LEVEL = "info"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the daemon's options."""
    add_target_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run the daemon until a signal stops it."""

    def build() -> House:
        return assemble(read_inputs(arguments))

    asyncio.run(Daemon(build).run())
    return 0
