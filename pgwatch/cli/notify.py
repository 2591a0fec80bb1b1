"""`pgwatch notify`: whether messages arrive."""

import argparse
from datetime import UTC, datetime
from pathlib import Path

from pgwatch.cli import logs
from pgwatch.cli.options import CommandParser
from pgwatch.cli.settings import settings_inputs
from pgwatch.config.alertmanager import load_alertmanager
from pgwatch.errors import InputError, Problem
from pgwatch.notify.channels.base import DeliveryError
from pgwatch.notify.channels.build import build_channel
from pgwatch.notify.receiver import Receiver
from pgwatch.notify.route import Routing
from pgwatch.notify.trial import trial

LOG_LEVEL = "error"  # how each channel answered is printed


def configure(parser: CommandParser) -> None:
    """Add the subcommands."""
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    test = commands.add_parser(
        "test", help="send a test message through each channel of a receiver"
    )
    test.add_argument("receiver", metavar="RECEIVER", help="its name in alertmanager.yml")
    test.add_argument(
        "--alertmanager-config",
        type=Path,
        metavar="FILE",
        help="read the receiver from FILE (default: the key alertmanager_config of pgwatch.yml)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Send the test message; 1 if a channel did not take it."""
    receiver = _find(_routing(arguments), arguments.receiver)
    for key in receiver.undeliverable:
        print(f"{receiver.name}/{key}: not deliverable here: pgwatch has no such channel")
    delivered = [_deliver(receiver, index) for index in range(len(receiver.channels))]
    if not delivered:
        print(f"{receiver.name} has no channel, so nothing was sent")
    return 0 if delivered and all(delivered) else 1


def _routing(arguments: argparse.Namespace) -> Routing:
    file: Path | None = arguments.alertmanager_config
    if file is None:
        inputs = settings_inputs(arguments)
        if inputs and inputs.settings and inputs.settings.alertmanager_config:
            file = Path(inputs.settings.alertmanager_config)
    if file is None:
        message = "no alertmanager.yml: name one with --alertmanager-config, or in pgwatch.yml"
        raise InputError([Problem(file="command line", message=message)])
    return load_alertmanager(file)


def _find(routing: Routing, name: str) -> Receiver:
    if (receiver := routing.receivers.get(name)) is not None:
        return receiver
    known = ", ".join(sorted(routing.receivers))
    message = f"there is no receiver {name!r}; there are {known}"
    raise InputError([Problem(file="command line", message=message)])


def _deliver(receiver: Receiver, index: int) -> bool:
    settings = receiver.channels[index]
    where = f"{receiver.name}/{settings.name}"
    channel = build_channel(settings)
    try:
        receipt = channel.deliver(trial(receiver.name, settings.name, datetime.now(UTC)))
    except DeliveryError as error:
        print(f"{where}: not delivered: {logs.redacted(str(error))}")
        return False
    finally:
        channel.close()
    print(f"{where}: delivered" + (f" ({receipt.answer})" if receipt.answer else ""))
    return True
