"""The parser of every command: shared options, and a module that is imported when it is chosen."""

import argparse
import importlib
import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

from pgwatch import __version__
from pgwatch.secret import mask_passwords
from pgwatch.units import parse_duration

LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("logfmt", "json")

_COMMON = "common options"
_OPTION = re.compile(r"--?[a-z][a-z-]*")
_CHOICE = re.compile(r"invalid choice: '(.*)' \(choose", re.DOTALL)
_WORD = re.compile(r"[a-z-]+")


class CommandParser(argparse.ArgumentParser):
    """A parser that takes the common options and, if `module` is named, imports it only when chosen.

    The module's `configure(parser)` adds the options. Its own `add_subparsers()` makes parsers of
    this class again, so the common options may stand anywhere behind the command.
    """

    def __init__(self, *args: Any, module: str | None = None, **kwargs: Any) -> None:
        kwargs.setdefault("allow_abbrev", False)
        super().__init__(*args, **kwargs)
        self._module = module
        add_common_options(self)

    def parse_known_args(  # type: ignore[override]  # argparse's overloads differ only in the namespace's type
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Parse `args`, importing the command's module first."""
        if self._module is not None:
            module = importlib.import_module(self._module)
            self._module = None
            module.configure(self)
            self.set_defaults(module=module)
        known, left = super().parse_known_args(args, namespace)
        return known, self._taken(known, left)

    def _taken(self, known: argparse.Namespace, left: list[str]) -> list[str]:
        """Add words of `left` to the arguments that may be many; returns what is left over then.

        argparse takes those of the first place only: of `save FILE --timeout 9s DSN` none.
        """
        many = (one for one in self._actions if not one.option_strings and one.nargs in {"*", "+"})
        if (action := next(many, None)) is None:
            return left
        words = [word for word in left if not word.startswith("-")]
        if words:
            convert = action.type if callable(action.type) else str
            more = [convert(word) for word in words]
            setattr(known, action.dest, [*getattr(known, action.dest), *more])
        return [word for word in left if word.startswith("-")]

    def format_help(self) -> str:
        """Return the help, with what every command takes at its end."""
        self._action_groups.sort(key=lambda group: group.title == _COMMON)
        return super().format_help()

    def parse_args(  # type: ignore[override]  # as above
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> argparse.Namespace:
        """Parse `args`; what is left over is a usage error that names options only."""
        known, left = self.parse_known_args(args, namespace)
        if left:
            words = [word.partition("=")[0] for word in left]
            options = [word for word in words if _OPTION.fullmatch(word)]
            # Anything else may be a connection string, however malformed, with its password.
            more = len(left) - len(options)
            named = [*options, *([f"{more} more (not shown)"] if more else [])]
            self.error(f"unexpected arguments: {', '.join(named)}")
        return known

    def error(self, message: str) -> NoReturn:
        """End with status 2 and argparse's message, in which no DSN shows its password."""
        message = _CHOICE.sub(
            lambda choice: choice[0] if _WORD.fullmatch(choice[1]) else "invalid choice (choose",
            message,
        )
        super().error(mask_passwords(message))


def add_common_options(parser: argparse.ArgumentParser) -> None:
    """Add what every command takes; an option that is not given leaves no attribute (see `defaults`)."""
    group = parser.add_argument_group(_COMMON)
    absent = argparse.SUPPRESS  # a default here would overwrite what stood before the command
    group.add_argument(
        "--config",
        metavar="FILE",
        type=Path,
        default=absent,
        help="the configuration file (else $PGWATCH_CONFIG, ./pgwatch.yml, /etc/pgwatch/pgwatch.yml)",
    )
    group.add_argument(
        "--log-level", choices=LOG_LEVELS, default=absent, help="the least severe log lines to show"
    )
    group.add_argument(
        "--log-format",
        choices=LOG_FORMATS,
        default=absent,
        help="how log lines on standard error are written (default: logfmt)",
    )
    group.add_argument(
        "--json", action="store_true", default=absent, help="print data as JSON where there is any"
    )
    group.add_argument("--version", action="version", version=f"pgwatch {__version__}")


def defaults() -> argparse.Namespace:
    """Return the common options as they are when nobody gives them; `log_level` is up to the command."""
    return argparse.Namespace(config=None, log_level=None, log_format="logfmt", json=False)


def duration_option(text: str) -> timedelta:
    """Return the time that an option writes, for argparse; none at all is a mistake."""
    try:
        found = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not found:
        raise argparse.ArgumentTypeError("expected more than nothing, such as 30s")
    return found
