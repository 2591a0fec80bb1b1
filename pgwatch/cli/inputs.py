"""The options by which commands name what they work on, and the reading of it."""

import argparse

from pgwatch.cli import logs
from pgwatch.config.choose import Inputs, choose_inputs


def add_target_options(parser: argparse.ArgumentParser) -> None:
    """Add connection strings and `-t TARGET`, as many as wanted."""
    parser.add_argument(
        "dsn",
        nargs="*",
        default=[],  # or argparse counts it among the arguments that are required
        metavar="DSN",
        help="a connection string (postgresql://…, key=value …, service=…); without one: $PGWATCH_DSN,"
        " else the targets of the configuration file, else libpq's PG* variables. With one, only a"
        " configuration file that --config names is read",
    )
    add_target_names(parser)


def add_target_names(parser: argparse.ArgumentParser) -> None:
    """Add `-t TARGET`, as many as wanted."""
    parser.add_argument(
        "-t",
        "--target",
        action="append",
        default=[],
        metavar="TARGET",
        help="a target of the configuration file; may be repeated",
    )


def read_inputs(arguments: argparse.Namespace) -> Inputs:
    """Return what the options of `add_target_options` and `--config` name; its secrets are hidden in logs.

    Raises InputError with every problem.
    """
    inputs = choose_inputs(dsns=arguments.dsn, names=arguments.target, config=arguments.config)
    for target in inputs.targets:
        logs.hide(target.dsn.secrets())
    if inputs.settings is not None:
        from pgwatch.config.load import secrets_of  # noqa: PLC0415  # imported already by the settings

        logs.hide(secrets_of(inputs.settings))
    return inputs
