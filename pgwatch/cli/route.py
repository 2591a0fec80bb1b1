"""`pgwatch route`: why an alert goes where it goes, and tests of routes."""

import argparse

from pgwatch.cli import route_explain, route_test
from pgwatch.cli.options import CommandParser


def configure(parser: CommandParser) -> None:
    """Add the subcommands."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    route_explain.configure(
        commands.add_parser(
            "explain", help="the path of an alert, its group, its timers, and what keeps it quiet"
        )
    )
    route_test.configure(
        commands.add_parser("test", help="run tests of routes, inhibition, silences and timing")
    )


def run(arguments: argparse.Namespace) -> int:
    """Run the chosen subcommand."""
    return int(arguments.act(arguments))
