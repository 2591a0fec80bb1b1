"""Migrations beside a database: read both, compare, and ask the server where only it can tell."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pgwatch.errors import InputError
from pgwatch.errors import Problem as InputProblem
from pgwatch.migration.compare import Answer, Problem, Question, compare
from pgwatch.migration.declared import declare
from pgwatch.migration.equivalence import ask
from pgwatch.migration.folder import migration_name
from pgwatch.migration.live import read_live
from pgwatch.migration.objects import Declarations
from pgwatch.migration.parse import without_collector
from pgwatch.migration.sqlfile import read_statements
from pgwatch.targets.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """What was found, and how much was looked at."""

    problems: tuple[Problem, ...]
    objects: int


def read_migrations(paths: Iterable[Path]) -> Declarations:
    """Return what the files declare together; raises InputError for those that cannot be read."""
    statements = []
    problems = []
    for path in paths:
        try:
            name = migration_name(path)
            statements += [(name, one) for one in read_statements(path)]
        except OSError as error:
            problems.append(InputProblem(file=str(path), message=error.strerror or str(error)))
    if problems:
        raise InputError(problems)
    with without_collector():
        return declare(statements)


async def verify(session: Session, declarations: Declarations) -> Verification:
    """Return what of `declarations` the database of `session` does not have, or has differently.

    Takes one read of the catalogue, and a few plans of what only the server can compare. Raises what
    `Session.run` raises where the catalogue cannot be read.
    """
    session.schemas = tuple(dict.fromkeys((*session.schemas, *declarations.schemas)))
    live = await read_live(session, declarations)
    answers: dict[Question, Answer] = {}
    with without_collector():
        comparison = compare(declarations, live, answers)
    while comparison.questions:  # an answer may lead to one more: is it under another name?
        answers.update(await ask(session, comparison.questions))
        with without_collector():
            comparison = compare(declarations, live, answers)
    return Verification(
        problems=comparison.problems,
        objects=len(declarations.objects),
    )
