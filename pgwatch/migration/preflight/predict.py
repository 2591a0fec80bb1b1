"""Which statements of migrations would fail now: each is tried on the scene that those before it leave."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pgwatch.migration.folder import migration_name
from pgwatch.migration.parse import words_of
from pgwatch.migration.preflight.load import load
from pgwatch.migration.preflight.oracle import Oracle
from pgwatch.migration.preflight.prediction import Prediction, Trouble
from pgwatch.migration.preflight.walk import Parsed, Walk, parse
from pgwatch.migration.sqlfile import read_statements, split_statements
from pgwatch.targets.session import Session

_CONCURRENTLY = re.compile(r"^((?:CREATE(?: UNIQUE)?|DROP) INDEX )CONCURRENTLY ", re.IGNORECASE)
_ROUNDS = 40  # of asking; each brings at least one statement to its end


@dataclass(frozen=True, slots=True, kw_only=True)
class Preflight:
    """The predictions in the statements' order, and how many statements were looked at."""

    predictions: tuple[Prediction, ...]
    statements: int
    round_trips: int


async def preflight(session: Session, paths: Sequence[Path]) -> Preflight:
    """Predict what `psql -f` would meet with each of `paths`, in order, on the session's database.

    Read only. Takes one read of the catalogue, a few batches of statements that the server analyses
    without running them, and a bounded look at the rows that new constraints are about. Raises what
    `Session.run` raises, and OSError.
    """
    return await _preflight(session, [_parsed(path) for path in paths])


async def refusals(session: Session, texts: Sequence[str]) -> list[str]:
    """Return for each of `texts`, SQL that somebody may run next, why it would fail; "" where it would not.

    Each is tried for itself; costs and raises as `preflight`.
    """
    files = []
    for number, text in enumerate(texts):
        tried = _CONCURRENTLY.sub(r"\1", text)  # which no transaction allows
        whole = split_statements(f"BEGIN; {tried}\n; ROLLBACK;", Path(str(number)))
        files.append([parse(one, "") for one in whole])
    found = [""] * len(texts)
    for one in reversed((await _preflight(session, files)).predictions):
        if one.trouble is not Trouble.UNVERIFIABLE:
            found[int(str(one.file))] = f"{one.reason} (SQLSTATE {one.sqlstate})"
    return found


async def _preflight(session: Session, files: Sequence[list[Parsed]]) -> Preflight:
    words = {word for file in files for one in file for word in words_of(one.statement.text)}
    scene, facts = await load(session, words)
    oracle = Oracle()
    predictions: list[Prediction] = []
    walk = Walk(scene, facts, oracle, files)
    for _ in range(_ROUNDS):
        predictions = walk.run()
        if not await oracle.ask(session):
            break
    return Preflight(
        predictions=tuple(predictions),
        statements=sum(map(len, files)),
        round_trips=oracle.round_trips + 1,
    )


def _parsed(path: Path) -> list[Parsed]:
    return [parse(one, migration_name(path)) for one in read_statements(path)]
