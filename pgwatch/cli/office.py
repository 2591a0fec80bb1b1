"""Where silences, acknowledgements, history and outbox are: in a running pgwatch, else in its state file.

Both answer in the shapes of the HTTP API.
"""

import argparse
import getpass
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from pgwatch.cli.client import ApiClient, UnansweredError
from pgwatch.cli.settings import settings_inputs
from pgwatch.errors import InputError, PgwatchError, Problem
from pgwatch.notify.matcher import MatcherError, parse_matchers
from pgwatch.samples.labels import Matcher, MatchType

Json = Any


class Office(Protocol):
    """What the commands about alerts ask; raises PgwatchError where it is refused."""

    def silences(self) -> Sequence[Json]:
        """Return all silences."""

    def put_silence(self, body: Mapping[str, Json]) -> str:
        """Make a silence; returns its id."""

    def expire_silence(self, silence_id: str) -> None:
        """End a silence."""

    def acknowledgements(self) -> Sequence[Json]:
        """Return who looks after which alert."""

    def acknowledge(self, body: Mapping[str, Json]) -> Sequence[Json]:
        """Note that somebody looks after alerts; returns the labels of those."""

    def release(self, matchers: Sequence[str]) -> Sequence[Json]:
        """Note that nobody looks after alerts; returns the labels of those that somebody did."""

    def history(self, parameters: Mapping[str, str]) -> Sequence[Json]:
        """Return events, newest first."""

    def messages(self, states: Sequence[str], limit: int) -> Sequence[Json]:
        """Return messages of the outbox, newest first."""

    def change(self, what: str, ids: Sequence[int]) -> Sequence[int]:
        """`retry` or `drop` messages; returns the ids of those for which that was done."""


@contextmanager
def open_office(arguments: argparse.Namespace) -> Iterator[Office]:
    """Give the running pgwatch, or its state file where nothing answers and no `--url` was named."""
    client = ApiClient(arguments)
    remote = RemoteOffice(client)
    try:
        client.call("GET", "api/v2/receivers")
    except UnansweredError:
        if arguments.url:
            raise
    else:
        yield remote
        return
    from pgwatch.cli.office_file import FileOffice  # noqa: PLC0415 - brings SQLAlchemy
    from pgwatch.state.lock import InUseError  # noqa: PLC0415 - brings SQLAlchemy
    from pgwatch.state.store import State  # noqa: PLC0415 - brings SQLAlchemy

    path = state_path(arguments)
    if not path.exists():
        raise PgwatchError(
            f"nothing answers at {client.url}, and there is no state file {path}: start `pgwatch run`, "
            "or name its configuration with --config"
        )
    try:
        state = State.open(path)
    except InUseError as error:
        raise PgwatchError(
            f"nothing answers at {client.url}, and {error.said}: name its configuration with --config, or"
            " its address with --url"
        ) from error
    try:
        yield FileOffice(state, external_labels(arguments))
    finally:
        state.close()


class RemoteOffice:
    """Asks the HTTP API."""

    def __init__(self, client: ApiClient) -> None:
        self._client = client

    def silences(self) -> Sequence[Json]:
        """Return all silences."""
        return list(self._client.call("GET", "api/v2/silences"))

    def put_silence(self, body: Mapping[str, Json]) -> str:
        """Make a silence; returns its id."""
        return str(self._client.call("POST", "api/v2/silences", json=body)["silenceID"])

    def expire_silence(self, silence_id: str) -> None:
        """End a silence."""
        self._client.call("DELETE", f"api/v2/silence/{silence_id}")

    def acknowledgements(self) -> Sequence[Json]:
        """Return who looks after which alert."""
        return list(self._client.call("GET", "api/pgwatch/v1/acknowledgements"))

    def acknowledge(self, body: Mapping[str, Json]) -> Sequence[Json]:
        """Note that somebody looks after alerts; returns the labels of those."""
        answer = self._client.call("POST", "api/pgwatch/v1/acknowledgements", json=body)
        return list(answer["acknowledged"])

    def release(self, matchers: Sequence[str]) -> Sequence[Json]:
        """Note that nobody looks after alerts; returns the labels of those that somebody did."""
        filters = {"filter": list(matchers)}
        path = "api/pgwatch/v1/acknowledgements"
        return list(self._client.call("DELETE", path, params=filters)["released"])

    def history(self, parameters: Mapping[str, str]) -> Sequence[Json]:
        """Return events, newest first."""
        return list(self._client.call("GET", "api/pgwatch/v1/history", params=parameters))

    def messages(self, states: Sequence[str], limit: int) -> Sequence[Json]:
        """Return messages of the outbox, newest first."""
        wanted = {"state": list(states), "limit": str(limit)}
        return list(self._client.call("GET", "api/pgwatch/v1/outbox", params=wanted))

    def change(self, what: str, ids: Sequence[int]) -> Sequence[int]:
        """`retry` or `drop` messages; returns the ids of those for which that was done."""
        answer = self._client.call("POST", f"api/pgwatch/v1/outbox/{what}", json={"ids": list(ids)})
        return list(answer["retried" if what == "retry" else "dropped"])


def read_matchers(texts: Sequence[str]) -> list[dict[str, Json]]:
    """Return the matchers of a command line in the API's shape; raises InputError."""
    found: list[Matcher] = []
    problems: list[Problem] = []
    for text in texts:
        try:
            found += parse_matchers(text).matchers
        except MatcherError as error:
            message = f"{text!r} is not a matcher such as alertname=PostgresDown: {error}"
            problems.append(Problem(file="command line", path="MATCHER", message=message))
    if problems:
        raise InputError(problems)
    return [
        {
            "name": one.name,
            "value": one.value,
            "isRegex": one.type in (MatchType.REGEX, MatchType.NOT_REGEX),
            "isEqual": one.type in (MatchType.EQUAL, MatchType.REGEX),
        }
        for one in found
    ]


def moment(text: str) -> datetime:
    """Return the point in time that an option writes, for argparse; without a zone it is local."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        message = f"{text!r} is not a time; write it like 2026-05-01T12:00 or 2026-05-01T12:00:00Z"
        raise argparse.ArgumentTypeError(message) from None


def local_time(text: str, form: str = "%Y-%m-%d %H:%M %Z") -> str:
    """Return a time of the API as this machine's clock shows it."""
    at = datetime.fromisoformat(text)
    try:
        return at.astimezone().strftime(form)
    except OverflowError:  # `until 9999-12-31`, in a zone where that is a day later
        return at.strftime(form)


def person() -> str:
    """Return who gives the command, as far as the system knows."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def in_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return lines in which the cells of each column stand below each other."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def state_path(arguments: argparse.Namespace) -> Path:
    """Return where the state of the configured pgwatch is."""
    from pgwatch.config.state import default_state_path  # noqa: PLC0415 - seldom needed

    inputs = settings_inputs(arguments)
    configured = inputs.settings.state if inputs and inputs.settings else None
    return Path(configured) if configured else default_state_path()


def external_labels(arguments: argparse.Namespace) -> Mapping[str, str]:
    """Return the labels that the configuration adds to all alerts."""
    inputs = settings_inputs(arguments)
    return inputs.settings.external_labels if inputs and inputs.settings else {}
