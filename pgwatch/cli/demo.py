"""`pgwatch demo`: the whole story on a private PostgreSQL server."""

import argparse
import signal
import sys
from types import FrameType

from pgwatch.demo import story


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.description = (
        "Starts a private PostgreSQL, applies five migrations as a deployment guide does it, lets the gate"
        " look, repairs the damage, then runs the daemon while things go wrong on a timer. Ctrl-C ends it and"
        " leaves nothing behind. Needs the extra: pip install 'pgwatch[demo]'."
    )
    parser.add_argument("--once", action="store_true", help="end after the gate's verdicts")


def run(arguments: argparse.Namespace) -> int:
    """Run the demo; 0 also when a person ended it."""
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        story.run(_say, once=arguments.once)
    except KeyboardInterrupt:
        _say("The demo has ended; nothing is left behind.")
    return 0


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - a handler's signature
    raise KeyboardInterrupt


def _say(line: str) -> None:
    print(line)
    sys.stdout.flush()
