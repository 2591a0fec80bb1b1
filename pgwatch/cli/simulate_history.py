"""What `pgwatch simulate` plays if no samples are given: what a running pgwatch holds, or a file of it."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pgwatch.cli.client import ApiClient, UnansweredError
from pgwatch.cli.office import Json, RemoteOffice, state_path
from pgwatch.errors import PgwatchError
from pgwatch.files import unreadable
from pgwatch.samples.history import HistoryError, Kept, decode

RULES: Final = "rule/"  # what rules have brought they bring again


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Samples that were observed, and the silences that there are."""

    name: str  # where they come from, for people
    kept: Sequence[Kept]
    silences: Sequence[Json] = ()  # as the API has them


def read_history(arguments: argparse.Namespace) -> History:
    """Return what the running pgwatch holds, else (or with `--history`) what a file keeps."""
    if arguments.history is None:
        client = ApiClient(arguments)
        try:
            read = client.download("api/pgwatch/v1/samples")
        except UnansweredError:
            if arguments.url:
                raise
        else:
            name = f"the history of {client.url}"
            silences = RemoteOffice(client).silences()
            return History(name=name, kept=_decoded(read, name), silences=silences)
    path = arguments.history
    if path is None:
        state = state_path(arguments)
        path = state.with_name(state.name + ".history")
    return History(name=f"the history {path}", kept=_decoded(_read(path), f"the history {path}"))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise PgwatchError(
            f"there is no kept history {path}: `pgwatch run` writes it each minute; name another file with "
            "--history, a running pgwatch with --url, or samples with --samples"
        ) from None
    except OSError as error:
        raise PgwatchError(f"the history {path} {unreadable(path, error)}") from error


def _decoded(read: bytes, name: str) -> Sequence[Kept]:
    now_ms = round(datetime.now(UTC).timestamp() * 1000)
    try:
        kept = decode(memoryview(read), since_ms=0, now_ms=now_ms)
    except HistoryError as error:
        raise PgwatchError(f"{name} cannot be used: {error}") from error
    kept = [one for one in kept if not one.source.query.startswith(RULES)]
    if not kept:
        raise PgwatchError(f"{name} has no samples")
    return kept
