"""`pgwatch version`: what is installed."""

import argparse
import json
import platform

from pgwatch import __version__


def configure(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the common options are enough."""
    parser.description = "Print the version of pgwatch and of the Python that runs it."


def run(arguments: argparse.Namespace) -> int:
    """Print the versions in one line, or as JSON."""
    if arguments.json:
        print(json.dumps({"pgwatch": __version__, "python": platform.python_version()}))
    else:
        print(f"pgwatch {__version__} (Python {platform.python_version()})")
    return 0
