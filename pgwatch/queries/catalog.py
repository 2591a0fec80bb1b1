"""The catalogue: all queries of some folders of packs."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pgwatch.errors import InputError, Problem
from pgwatch.files import files_below, locked_below, not_a_folder, unreadable
from pgwatch.queries.header import parse_query
from pgwatch.queries.query import Query
from pgwatch.samples.sample import Family


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """Every query that was loaded, in the order of their names."""

    queries: Mapping[str, Query]  # by name, such as core/activity
    by_metric: Mapping[str, tuple[Query, ...]]  # metric name → the queries that bring it
    benchmarks: Mapping[str, Query] = field(default_factory=dict)
    # by name; they are timed by the gate and never polled
    evidence: Mapping[str, Query] = field(default_factory=dict)
    # by name; they are asked when an alert fires and never polled

    @property
    def settings(self) -> frozenset[str]:
        """The names of the settings that some query requires, to be read from each server."""
        return frozenset(
            name for query in self.queries.values() for name in query.requires.settings
        )

    def of_packs(self, packs: Iterable[str]) -> tuple[Query, ...]:
        """Return the queries of `packs`, all of them if it names none.

        Raises InputError on a pack that no folder has.
        """
        wanted = self._known(packs)
        return tuple(query for query in self.queries.values() if query.pack in wanted)

    def benchmarks_of(self, packs: Iterable[str]) -> tuple[Query, ...]:
        """Return the benchmarks of `packs`, as `of_packs` the queries."""
        wanted = self._known(packs)
        return tuple(query for query in self.benchmarks.values() if query.pack in wanted)

    def _known(self, packs: Iterable[str]) -> set[str]:
        everything = (self.queries, self.benchmarks, self.evidence)
        known = {query.pack for kind in everything for query in kind.values()}
        wanted = set(packs) or known
        if unknown := sorted(wanted - known):
            message = f"unknown pack {', '.join(unknown)}; there are {', '.join(sorted(known))}"
            raise InputError([Problem(file="packs", message=message)])
        return wanted


def load_catalog(folders: Sequence[Path]) -> Catalog:
    """Return the catalogue of all `<pack>/<name>.sql` below `folders`.

    Raises InputError with every problem of every file: unreadable, malformed, a query name that two
    folders have, or a metric that two queries declare differently.
    """
    problems: list[Problem] = []
    queries: dict[str, Query] = {}
    for folder in folders:
        for path in _files(folder, problems):
            name = path.relative_to(folder).with_suffix("").as_posix()
            try:
                query = parse_query(path.read_text(encoding="utf-8"), name=name, path=path)
            except InputError as error:
                problems.extend(error.problems)
            except (OSError, UnicodeDecodeError) as error:
                problems.append(Problem(file=str(path), message=unreadable(path, error)))
            else:
                problems.extend(_placing(query, queries.get(name)))
                queries[name] = query
    problems.extend(_disagreements(queries.values()))
    if problems:
        raise InputError(problems)
    by_metric: defaultdict[str, tuple[Query, ...]] = defaultdict(tuple)
    queries = dict(sorted(queries.items()))
    for query in queries.values():
        for metric in query.metrics:
            by_metric[metric.family.name] += (query,)
    return Catalog(
        queries={
            name: query
            for name, query in queries.items()
            if query.benchmark is None and not query.is_evidence
        },
        by_metric=dict(by_metric),
        benchmarks={name: query for name, query in queries.items() if query.benchmark is not None},
        evidence={name: query for name, query in queries.items() if query.is_evidence},
    )


def _files(folder: Path, problems: list[Problem]) -> list[Path]:
    if problem := not_a_folder(folder):
        problems.append(Problem(file=str(folder), message=problem))
        return []
    problems += [
        Problem(file=str(locked), message=unreadable(locked, PermissionError()))
        for locked in locked_below(folder)
    ]
    return sorted(files_below(folder, ".sql"))


def _placing(query: Query, other: Query | None) -> list[Problem]:
    """Return what is wrong with where the file stands."""
    if other is not None:
        message = f"query {query.name} exists already: {other.path}"
    elif not query.pack:
        message = "a query stands in the folder of its pack: <pack>/<name>.sql"
    else:
        return []
    return [Problem(file=str(query.path), message=message)]


def _disagreements(queries: Iterable[Query]) -> list[Problem]:
    """Return the metrics that two queries declare with another type or help."""
    first: dict[str, tuple[Family, Query]] = {}
    problems = []
    for query in queries:
        for metric in query.metrics:
            family, declared = first.setdefault(metric.family.name, (metric.family, query))
            if family != metric.family:
                message = f"type and help must be those of {declared.path}: {family.type}, {family.help!r}"
                path = f"metrics.{family.name}"
                problems.append(Problem(file=str(query.path), path=path, message=message))
    return problems
