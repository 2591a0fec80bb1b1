"""`pgwatch demo`: the whole story on a private PostgreSQL server."""

import argparse
import os

from pgwatch.demo import story
from pgwatch.demo.interrupts import Interrupts


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
    _forget_other_servers()
    interrupts = Interrupts()
    try:
        interrupts.listen()
        story.run(_say, interrupts, once=arguments.once)
    except KeyboardInterrupt:
        _say("The demo has ended; nothing is left behind.")
    return 0


def _forget_other_servers() -> None:
    """Drop what this shell says about other databases and pgwatch: PGHOST, PGSSLMODE, PGWATCH__…."""
    for name in list(os.environ):
        if name.startswith("PG") or name == "STATE_DIRECTORY":
            del os.environ[name]


def _say(line: str) -> None:
    print(line, flush=True)
