"""`pgwatch notify`: whether messages arrive."""

import argparse
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pgwatch.cli import logs
from pgwatch.cli.options import CommandParser
from pgwatch.cli.settings import routing_of_file, settings_inputs
from pgwatch.config.overrides import routing_of
from pgwatch.errors import InputError, Problem
from pgwatch.notify.channels.base import DeliveryError
from pgwatch.notify.channels.build import build_channel
from pgwatch.notify.receiver import ChannelSettings, Receiver, secrets_of
from pgwatch.notify.route import Routing
from pgwatch.notify.trial import trial
from pgwatch.rules.threshold import in_configuration
from pgwatch.wiring import surroundings_of

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
    routing = _routing(arguments)
    logs.hide(secrets_of((*routing.receivers.values(), *routing.hidden)))
    receiver = _find(routing, arguments.receiver)
    for key in receiver.undeliverable:
        print(f"{receiver.name}/{key}: not deliverable here: pgwatch has no such channel")
    delivered = [_deliver(routing, receiver, one) for one in receiver.channels]
    if not delivered:
        print(f"{receiver.name} has no channel, so nothing was sent")
    return 0 if delivered and all(delivered) else 1


def _routing(arguments: argparse.Namespace) -> Routing:
    file: Path | None = arguments.alertmanager_config
    inputs = settings_inputs(arguments)
    settings = inputs.settings if inputs else None
    if file is not None:
        routing = routing_of_file(arguments, file)
    elif settings is not None and settings.alertmanager_config:
        place = inputs.tree.problem if inputs and inputs.tree else in_configuration
        routing = routing_of(settings, place)
    else:
        message = "no alertmanager.yml: name one with --alertmanager-config, or in pgwatch.yml"
        raise InputError([Problem(file="command line", message=message)])
    return replace(routing, external_url=surroundings_of(settings).external_url)


def _find(routing: Routing, name: str) -> Receiver:
    if (receiver := routing.receivers.get(name)) is not None:
        return receiver
    known = ", ".join(sorted(routing.receivers))
    message = f"there is no receiver {name!r}; there are {known}"
    raise InputError([Problem(file="command line", message=message)])


def _deliver(routing: Routing, receiver: Receiver, settings: ChannelSettings) -> bool:
    where = f"{receiver.name}/{settings.name}"
    channel = build_channel(settings, routing.templates)
    now, url = datetime.now(UTC), routing.external_url
    try:
        receipt = channel.deliver(trial(receiver.name, settings.name, now, external_url=url))
    except DeliveryError as error:
        print(f"{where}: not delivered: {logs.redacted(str(error))}")
        return False
    finally:
        channel.close()
    print(f"{where}: delivered" + (f" ({logs.redacted(receipt.answer)})" if receipt.answer else ""))
    return True
