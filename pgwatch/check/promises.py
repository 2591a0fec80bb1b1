"""The gate's check of a runbook: what it names must be there, or be made by somebody."""

import json
import re
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path

from pgwatch.check.extra import Visit, result, untold, without_accepted
from pgwatch.check.place import shown
from pgwatch.check.runbook import Promise, Runbook, Typed, read_runbook
from pgwatch.check.session import in_session
from pgwatch.check.shell import Used
from pgwatch.check.verdict import CheckResult, Finding, Verdict
from pgwatch.errors import InputError, Problem
from pgwatch.files import unreadable
from pgwatch.migration.mentioned import Mention, Named
from pgwatch.migration.objects import RELATIONS, Declarations, Kind
from pgwatch.rules.accepted import Accepted
from pgwatch.secret import mask_passwords
from pgwatch.targets.describe import Described
from pgwatch.targets.session import Session
from pgwatch.targets.target import ServerInfo

PROMISES = "documentation_promises"

_SQL = (Path(__file__).parent / "promises.sql").read_text(encoding="utf-8")
_LIMIT = timedelta(seconds=10)
_DECLARED_AS = {
    **dict.fromkeys(RELATIONS, Named.RELATION),
    Kind.FUNCTION: Named.FUNCTION,
    Kind.CONSTRAINT: Named.CONSTRAINT,
    Kind.TRIGGER: Named.TRIGGER,
}
# What a message names: a column, qualified or not, or a function.
_NAME = re.compile(r'column "?(?:\w+\.)?(\w+)"?|function (?:\w+\.)?(\w+)\(')
_MORE = 5  # further lines that a finding names


@dataclass(frozen=True, slots=True, kw_only=True)
class PromiseCheck:
    """Compares a runbook with the DSN's own database, the migrations and the files of this machine."""

    runbook: Runbook
    declared: frozenset[Mention]  # what the migrations make
    columns: frozenset[str] = frozenset()  # columns that they make
    accepted: Sequence[Accepted] = ()
    names: tuple[str, ...] = (PROMISES,)

    async def run(self, visit: Visit) -> list[CheckResult]:
        """Look for everything that is named; a catalogue that cannot be read leaves it unknown."""
        started = time.perf_counter()
        found = await _live(visit, self.runbook)
        elapsed = time.perf_counter() - started
        if isinstance(found, str):
            return untold(self.names, visit, found, elapsed=elapsed)
        live, answers = found
        findings = _missing(self.runbook, live | self.declared)
        findings += self._failing(live, answers)
        findings += [_unlisted(self.runbook, one) for one in self.runbook.unlisted]
        findings.sort(key=lambda one: int(one.labels["line"]))
        counted, waived = without_accepted(PROMISES, findings, self.accepted, visit.now)
        return [
            result(
                PROMISES,
                visit,
                Verdict.WARN if counted else _quiet(self.runbook),
                reason="; ".join((*waived, *_notes(self.runbook))),
                findings=counted,
                elapsed=elapsed,
            )
        ]

    def _failing(
        self, live: Collection[Mention], answers: Sequence[Described]
    ) -> Iterator[Finding]:
        """Yield the queries of which the server says that they fail, whatever the migrations still make."""
        functions = {one.name for one in live if one.kind is Named.FUNCTION}
        for query, answer in zip(self.runbook.queries, answers, strict=True):
            name = _NAME.search(answer.message)
            what = name[1] or name[2] if name else ""
            counts = {
                "42703": what not in self.columns,
                "42883": not what or what in functions,  # one that is not there is told as such
            }
            if counts.get(answer.sqlstate):
                yield _query(self.runbook, query, answer, what)


def load_runbook(path: Path) -> Runbook:
    """Return what the file at `path` promises; raises InputError if it cannot be read."""
    try:
        return read_runbook(path.read_text(encoding="utf-8-sig"), path)
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem(file=str(path), message=unreadable(path, error))
        raise InputError([problem]) from error


def declared_names(declarations: Declarations) -> frozenset[Mention]:
    """Return what migrations leave behind, as a runbook may name it."""
    return frozenset(
        Mention(
            _DECLARED_AS[one.key.kind], one.key.name.partition("(")[0], one.key.schema or "public"
        )
        for one in declarations.objects
        if one.key.kind in _DECLARED_AS and not one.gone
    )


def declared_columns(declarations: Declarations) -> frozenset[str]:
    """Return the names of the columns that migrations leave behind."""
    return frozenset(
        one.key.name
        for one in declarations.objects
        if one.key.kind is Kind.COLUMN and one.created and not one.gone
    )


_Found = tuple[frozenset[Mention], list[Described]]


async def _live(visit: Visit, runbook: Runbook) -> _Found | str:
    """Return which named objects there are and what the server says of the queries, or why not."""
    names = sorted({promise.mention.name for promise in runbook.objects})
    queries = [query.sql for query in runbook.queries]
    if not names and not queries:
        return frozenset(), []

    async def found(session: Session, _: ServerInfo) -> _Found:
        answer = await session.run(_SQL.replace(":names", _array(names)), limit=_LIMIT)
        there = frozenset(Mention(Named(kind), name, schema) for kind, schema, name in answer.rows)
        return there, await session.describe(queries, limit=_LIMIT)

    return await in_session(visit.target, visit.database, found)


def _array(names: Iterable[str]) -> str:
    quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
    return f"(ARRAY[{quoted}]::text[])"


def _missing(runbook: Runbook, there: Collection[Mention]) -> list[Finding]:
    made = {(one.kind, one.name) for one in runbook.made_objects}
    anywhere = {(one.kind, one.name) for one in there} | made
    findings = [
        _object(runbook, promise)
        for promise in runbook.objects
        if (
            promise.mention not in there
            if promise.mention.schema
            else (promise.mention.kind, promise.mention.name) not in anywhere
        )
        and (promise.mention.kind, promise.mention.name) not in made
    ]
    return findings + [_file(runbook, used) for used in runbook.files if _is_absent(runbook, used)]


def _object(runbook: Runbook, promise: Promise) -> Finding:
    name, kind = str(promise.mention), promise.mention.kind
    first, *more = promise.lines
    also = f" (and in line {', '.join(map(str, more[:_MORE]))})" if more else ""
    text = promise.text if len(promise.text) <= 200 else promise.text[:199] + "…"
    return _finding(
        runbook,
        line=first,
        kind=str(kind),
        name=name,
        summary=f"the runbook names the {kind} {name}, which is not there and which no migration makes",
        description=f"{text}{also}",
    )


def _file(runbook: Runbook, used: Used) -> Finding:
    kind = "script" if used.of_package else "file"
    what = f"package.json has no script {used.path}" if used.of_package else "the file is not there"
    return _finding(
        runbook,
        line=used.line,
        kind=kind,
        name=used.path,
        summary=f"the runbook runs {used.path}: {what}",
        description=used.command,
    )


def _query(runbook: Runbook, query: Typed, answer: Described, name: str) -> Finding:
    return _finding(
        runbook,
        line=query.line,
        kind="query",
        name=name,
        summary=f"a query of the runbook fails: {answer.message}",
        description=" ".join(query.sql.split()),
    )


def _unlisted(runbook: Runbook, used: Used) -> Finding:
    return _finding(
        runbook,
        line=used.line,
        kind="command",
        name=used.path,
        summary=f"pg_restore cannot read {used.path} if it is plain SQL: psql restores that,"
        " and pg_dump --format=custom makes what pg_restore lists",
        description=used.command,
    )


def _finding(
    runbook: Runbook, *, line: int, kind: str, name: str, summary: str, description: str
) -> Finding:
    return Finding(
        summary=summary,
        description=f"{shown(runbook.path)}:{line}: {mask_passwords(description)}",
        labels={
            "file": shown(runbook.path),
            "line": str(line),
            "kind": kind,
            "object": name,
            "problem": "missing",
        },
        object=name,
    )


def _is_absent(runbook: Runbook, used: Used) -> bool:
    folders = [top / used.folder for top in _tops(runbook.path)]
    if used.of_package:
        return not any(used.path in _scripts(folder / "package.json") for folder in folders)
    name = Path(used.path).name
    if any(
        fnmatchcase(used.path, path) or fnmatchcase(name, Path(path).name)
        for path in runbook.made_files
    ):
        return False
    return not any(_may_be(folder / used.path) for folder in folders)


def _may_be(path: Path) -> bool:
    """Return whether something is at `path`, or nobody may look."""
    try:
        return path.exists()
    except PermissionError:
        return True
    except OSError:  # a name that no file has, being too long
        return False


def _tops(runbook: Path) -> Iterator[Path]:
    """Iterate over where commands may be typed: here, and in the runbook's folder up to its repository's."""
    yield Path.cwd()
    for folder in runbook.resolve().parents:
        yield folder
        if (folder / ".git").exists():
            return


def _scripts(package: Path) -> Collection[str]:
    try:
        scripts = json.loads(package.read_text(encoding="utf-8")).get("scripts", {})
    except (OSError, ValueError, AttributeError):
        return ()
    return scripts if isinstance(scripts, dict) else ()


def _quiet(runbook: Runbook) -> Verdict:
    """Return the verdict where nothing is missing: a pass is of something."""
    if runbook.objects or runbook.files:
        return Verdict.PASS
    return Verdict.UNKNOWN if runbook.unread else Verdict.SKIPPED


def _notes(runbook: Runbook) -> Iterator[str]:
    if not (runbook.objects or runbook.files or runbook.unread):
        yield "the runbook names no object and no script"
    if runbook.unread:
        lines = ", ".join(map(str, runbook.unread[:_MORE]))
        more = ", …" if len(runbook.unread) > _MORE else ""
        yield f"SQL that PostgreSQL does not know, in line {lines}{more}"
