"""Reads one query file: a leading block comment that holds YAML, then the SQL and its variants."""

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from pgwatch.errors import InputError, Problem
from pgwatch.queries.query import Benchmark, Extension, Metric, Query, Requires, Scope, Variant
from pgwatch.queries.version import ANY_VERSION, VersionRange, parse_range
from pgwatch.samples.sample import Family, MetricType
from pgwatch.targets.target import Role
from pgwatch.units import format_duration, parse_duration
from pgwatch.yamlfile import Document, load
from pgwatch.yamlfile import Path as Place

_KEYS = (
    "help",
    "kind",
    "interval",
    "timeout",
    "scope",
    "role",
    "requires",
    "max_series",
    "metrics",
    "limit",
    "runs",
)
_OF_METRICS = ("interval", "scope", "max_series", "metrics")  # keys that a benchmark cannot have
_OF_BENCHMARKS = ("limit", "runs")
_NOT_OF_EVIDENCE = ("interval", "max_series", "metrics", *_OF_BENCHMARKS)
_MAX_RUNS = 1000
_REQUIRES_KEYS = ("version", "extension", "relation", "privilege", "setting")
_METRIC_KEYS = ("type", "value", "labels", "help")
_METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*", re.ASCII)
_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*", re.ASCII)
# Set by pgwatch on every sample, or by a Prometheus that scrapes it.
_RESERVED_LABELS = ("target", "instance", "job")
_VARIANT = re.compile(r"^-- version:[ \t]*(.*?)[ \t]*$", re.MULTILINE)
_ANY_ROLE = "any"

_Choice = TypeVar("_Choice", bound=Enum)


def parse_query(text: str, *, name: str, path: Path) -> Query:
    """Return the Query that `text`, the content of `path`, declares as `name` (`<pack>/<file>`).

    Raises InputError with every problem of the file.
    """
    header, first_line, body, body_line = _split(text, path)
    reader = _Reader(load(header, file=str(path), first_line=first_line))
    sql, variants = _statements(body, body_line, reader)
    query = reader.query(name=name, path=path, sql=sql, variants=variants)
    query = replace(query, line=_first_line(body, body_line))
    if reader.problems:
        raise InputError(sorted(reader.problems, key=lambda problem: problem.line or 0))
    return query


def _split(text: str, path: Path) -> tuple[str, int, str, int]:
    """Return (header, its first line, body, its first line)."""
    start = len(text) - len(text.lstrip())
    first_line = text.count("\n", 0, start) + 1
    if not text.startswith("/*", start):
        message = "expected a leading block comment /* … */ that holds the YAML header"
        raise InputError([Problem(file=str(path), line=1, message=message)])
    end = text.find("*/", start + 2)
    if end < 0:
        message = "the comment is not closed: */ is missing behind the YAML header"
        raise InputError([Problem(file=str(path), line=first_line, message=message)])
    body_line = text.count("\n", 0, end) + 1
    # Blanks in the place of the comment mark keep the columns of an error right.
    return "  " + text[start + 2 : end], first_line, text[end + 2 :], body_line


def _statements(body: str, line: int, reader: "_Reader") -> tuple[str, tuple[Variant, ...]]:
    """Return the default statement and the variants."""
    marks = list(_VARIANT.finditer(body))
    ends = [mark.start() for mark in marks[1:]] + [len(body)]
    default = reader.statement(body[: marks[0].start()] if marks else body, line)
    variants = []
    for mark, end in zip(marks, ends, strict=False):
        mark_line = line + body.count("\n", 0, mark.start())
        text = body[mark.end() : end]
        sql = reader.statement(text, mark_line)
        try:
            versions = parse_range(mark[1])
            variants.append(Variant(versions=versions, sql=sql, line=_first_line(text, mark_line)))
        except ValueError as error:
            reader.add_line(mark_line, f"-- version: {error}")
    return default, tuple(variants)


def _first_line(text: str, line: int) -> int:
    """Return the line of the first word of `text`, which itself begins in `line`."""
    return line + text.count("\n", 0, len(text) - len(text.lstrip()))


class _Kind(Enum):
    METRICS = "metrics"
    BENCHMARK = "benchmark"
    EVIDENCE = "evidence"


class _Reader:
    """Takes the header apart and collects what is wrong with it."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.problems: list[Problem] = []

    def add(self, place: Place, message: str) -> None:
        self.problems.append(self.document.problem(place, message))

    def add_line(self, line: int, message: str) -> None:
        self.problems.append(Problem(file=self.document.file, line=line, message=message))

    def statement(self, text: str, line: int) -> str:
        sql = text.strip()
        if not sql.endswith(";"):
            what = "end the statement with ;" if sql else "expected a statement here"
            self.add_line(line + text.rstrip().count("\n"), f"{what}, so that psql runs it")
        return sql

    def query(self, *, name: str, path: Path, sql: str, variants: tuple[Variant, ...]) -> Query:
        header = self.mapping(self.document.value, (), _KEYS)
        match self.choice(header, "kind", _Kind):
            case _Kind.BENCHMARK:
                return self.benchmark(header, name=name, path=path, sql=sql, variants=variants)
            case _Kind.EVIDENCE:
                return self.evidence(header, name=name, path=path, sql=sql, variants=variants)
        self.refuse(header, _OF_BENCHMARKS, "belongs to kind: benchmark only")
        interval = self.duration(header, "interval", timedelta(seconds=60))
        timeout = self.duration(header, "timeout", timedelta(seconds=5))
        if timeout >= interval:
            limit = format_duration(interval)
            self.add(("timeout",), f"must be shorter than the interval of {limit}")
        scope = self.choice(header, "scope", Scope) or Scope.DATABASE
        return Query(
            name=name,
            pack=name.rpartition("/")[0],
            help=self.text(header, (), "help"),
            interval=interval,
            timeout=timeout,
            scope=scope,
            role=self.choice(header, "role", Role, also=_ANY_ROLE),
            requires=self.requires(header.get("requires", {})),
            max_series=self.positive(header, "max_series", 1000),
            metrics=self.metrics(header.get("metrics"), scope),
            sql=sql,
            variants=variants,
            path=path,
        )

    def benchmark(
        self,
        header: Mapping[str, Any],
        *,
        name: str,
        path: Path,
        sql: str,
        variants: tuple[Variant, ...],
    ) -> Query:
        self.refuse(header, _OF_METRICS, "means nothing in a benchmark: it is timed, not polled")
        if "limit" not in header:
            self.add(("limit",), "is missing: the time that 95 % of the runs must keep")
        limit = self.duration(header, "limit", timedelta(seconds=1))
        timeout = self.duration(header, "timeout", max(timedelta(seconds=5), 2 * limit))
        if timeout <= limit:
            self.add(("timeout",), f"must be longer than the limit of {format_duration(limit)}")
        runs = self.positive(header, "runs", 10)
        if runs > _MAX_RUNS:
            self.add(("runs",), f"at most {_MAX_RUNS}")
        return Query(
            name=name,
            pack=name.rpartition("/")[0],
            help=self.text(header, (), "help"),
            interval=timedelta.max,
            timeout=timeout,
            scope=Scope.DATABASE,
            role=self.choice(header, "role", Role, also=_ANY_ROLE),
            requires=self.requires(header.get("requires", {})),
            max_series=1,
            metrics=(),
            sql=sql,
            variants=variants,
            path=path,
            benchmark=Benchmark(limit=limit, runs=runs),
        )

    def evidence(
        self,
        header: Mapping[str, Any],
        *,
        name: str,
        path: Path,
        sql: str,
        variants: tuple[Variant, ...],
    ) -> Query:
        self.refuse(header, _NOT_OF_EVIDENCE, "means nothing here: it is asked when an alert fires")
        return Query(
            name=name,
            pack=name.rpartition("/")[0],
            help=self.text(header, (), "help"),
            interval=timedelta.max,
            timeout=self.duration(header, "timeout", timedelta(seconds=1)),
            scope=self.choice(header, "scope", Scope) or Scope.DATABASE,
            role=self.choice(header, "role", Role, also=_ANY_ROLE),
            requires=self.requires(header.get("requires", {})),
            max_series=1,
            metrics=(),
            sql=sql,
            variants=variants,
            path=path,
            is_evidence=True,
        )

    def refuse(self, header: Mapping[str, Any], keys: tuple[str, ...], why: str) -> None:
        for key in keys:
            if key in header:
                self.add((key,), why)

    def requires(self, value: Any) -> Requires:
        place = ("requires",)
        given = self.mapping(value, place, _REQUIRES_KEYS)
        settings = self.mapping(given.get("setting", {}), (*place, "setting"))
        for name, setting in settings.items():
            if not isinstance(setting, str):
                self.add((*place, "setting", name), 'write the value in quotes, such as "on"')
        return Requires(
            version=self.versions(given.get("version"), (*place, "version")),
            extensions=tuple(
                self.extension(text, (*place, "extension"))
                for text in self.texts(given.get("extension", []), (*place, "extension"))
            ),
            relations=self.texts(given.get("relation", []), (*place, "relation")),
            privileges=self.texts(given.get("privilege", []), (*place, "privilege")),
            settings=settings,
        )

    def extension(self, text: str, place: Place) -> Extension:
        match = re.fullmatch(r"([^\s<>=]+)\s*([<>=].*)?", text)
        if match is None:
            self.add(place, f"{text!r} is not an extension; write it like pg_stat_statements>=1.8")
            return Extension(name=text)
        return Extension(name=match[1], versions=self.versions(match[2], place))

    def versions(self, value: Any, place: Place) -> VersionRange:
        if value is None:
            return ANY_VERSION
        try:
            return parse_range(str(value))
        except ValueError as error:
            self.add(place, str(error))
            return ANY_VERSION

    def metrics(self, value: Any, scope: Scope) -> tuple[Metric, ...]:
        given = self.mapping(value, ("metrics",))
        if not given:
            self.add(("metrics",), "declare at least one metric")
        return tuple(self.metric(str(name), metric, scope) for name, metric in given.items())

    def metric(self, name: str, value: Any, scope: Scope) -> Metric:
        place = ("metrics", name)
        if not _METRIC_NAME.fullmatch(name):
            self.add(place, "is not a metric name; letters, digits, _ and : only")
        given = self.mapping(value, place, _METRIC_KEYS)
        if "type" not in given:
            self.add((*place, "type"), f"is missing; one of {_listed(MetricType)}")
        kind = self.choice(given, "type", MetricType, place=place) or MetricType.UNTYPED
        labels = self.texts(given.get("labels", []), (*place, "labels"))
        self.check_labels(labels, (*place, "labels"), scope)
        return Metric(
            family=Family(name, kind, self.text(given, place, "help")),
            value=self.text(given, place, "value"),
            labels=labels,
        )

    def check_labels(self, labels: tuple[str, ...], place: Place, scope: Scope) -> None:
        for label in labels:
            if not _LABEL_NAME.fullmatch(label) or label.startswith("__"):
                self.add(place, f"{label!r} is not a label name; letters, digits and _ only")
            elif label in _RESERVED_LABELS:
                self.add(place, f"the label {label} is set by pgwatch; rename the column")
            elif label == "datname" and scope is Scope.DATABASE:
                self.add(place, "scope: database adds the label datname; take it out here")
        if len(set(labels)) < len(labels):
            self.add(place, "names a label twice")

    # The kinds of values

    def mapping(
        self, value: Any, place: Place, known: tuple[str, ...] | None = None
    ) -> Mapping[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            self.add(place, "expected a mapping, key: value")
            return {}
        for key in value:
            if known is not None and key not in known:
                self.add((*place, key), f"unknown key; one of {', '.join(known)}")
        return value

    def text(self, given: Mapping[str, Any], place: Place, key: str) -> str:
        value = given.get(key)
        if not isinstance(value, str) or not value.strip():
            self.add((*place, key), "is missing" if value is None else "expected a text")
            return ""
        return value.strip()

    def texts(self, value: Any, place: Place) -> tuple[str, ...]:
        """Accept one text or a list of them."""
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
            self.add(place, "expected a text or a list of texts")
            return ()
        return tuple(items)

    def positive(self, given: Mapping[str, Any], key: str, default: int) -> int:
        value = given.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            self.add((key,), "expected a whole number from 1")
            return default
        return value

    def duration(self, given: Mapping[str, Any], key: str, default: timedelta) -> timedelta:
        if key not in given:
            return default
        try:
            value = parse_duration(str(given[key]))
        except ValueError as error:
            self.add((key,), str(error))
            return default
        if not value:
            self.add((key,), "must be longer than 0")
            return default
        return value

    def choice(
        self,
        given: Mapping[str, Any],
        key: str,
        choices: type[_Choice],
        *,
        place: Place = (),
        also: str = "",
    ) -> _Choice | None:
        """Return the member that `key` names; None if it is absent, `also`, or wrong."""
        value = given.get(key)
        if value is None or (also and value == also):
            return None
        for member in choices:
            if member.value == value:
                return member
        listed = _listed(choices) + (f", {also}" if also else "")
        self.add((*place, key), f"{value!r} is not one of {listed}")
        return None


def _listed(choices: type[Enum]) -> str:
    return ", ".join(str(member.value) for member in choices)
