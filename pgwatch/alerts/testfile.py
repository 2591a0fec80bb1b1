"""What a test of rules says: the files that `promtool test rules` reads.

Source: the page "Unit testing for rules" of Prometheus's documentation. Histograms and `start_timestamp` are
not supported, and refused.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from pgwatch import yamlfile
from pgwatch.errors import InputError, Problem
from pgwatch.files import matching, unreadable
from pgwatch.promql.ast import Expr, VectorSelector
from pgwatch.promql.errors import PromqlError
from pgwatch.promql.parser import parse
from pgwatch.samples.labels import Labels, MatchType
from pgwatch.units import parse_duration

STALE = "stale"  # in a series: the series ends here

_NUMBER = r"(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|[iI]nf|[nN]a[nN])"
_VALUES = re.compile(rf"([+-]?{_NUMBER}|_|stale)([+-]{_NUMBER})?(?:x(\d+))?")
_MAX_VALUES = 1_000_000  # of one series

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSeries:
    """One series and its values, one per interval from time 0; None is a missing one."""

    labels: Labels
    values: tuple[float | str | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedAlert:
    """A firing alert."""

    labels: Labels
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertTest:
    """Which alerts called `alertname` fire at a time: exactly these."""

    eval_time: timedelta
    alertname: str
    expected: tuple[ExpectedAlert, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExprTest:
    """What an expression is at a time: exactly these elements, in any order."""

    eval_time: timedelta
    expr: Expr
    expected: tuple[tuple[Labels, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTest:
    """One entry of `tests`."""

    name: str
    interval: timedelta
    series: tuple[InputSeries, ...]
    alerts: tuple[AlertTest, ...]
    exprs: tuple[ExprTest, ...]
    external_labels: Mapping[str, str] = field(default_factory=dict)
    external_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTestFile:
    """One file of tests."""

    file: str
    rule_files: tuple[Path, ...]
    evaluation_interval: timedelta
    group_eval_order: tuple[str, ...]
    fuzzy_compare: bool
    tests: tuple[RuleTest, ...]


def load_tests(path: Path) -> RuleTestFile:
    """Return the tests of the file `path`; raises InputError with all problems of it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        problem = Problem(file=str(path), message=unreadable(path, error))
        raise InputError([problem]) from error
    return _Reader(yamlfile.load(text, file=str(path), texts=True)).read(path.parent)


def read_values(text: str) -> tuple[float | str | None, ...]:
    """Return the values that `text` writes, such as `1 _ 2x3 0+10x5 stale`; raises ValueError."""
    values: list[float | str | None] = []
    for item in text.split():
        match = _VALUES.fullmatch(item)
        if match is None:
            raise ValueError(
                f"{item!r} is no value; write it like 1, -2.5, 0+10x5, 3x4, _, _x3 or stale"
            )
        start, increment, times = match.groups()
        count = int(times or 0)
        if len(values) + count >= _MAX_VALUES:
            raise ValueError(f"a series may have {_MAX_VALUES} values at most")
        if start == "_":
            values += [None] * (count or 1)
        elif start == STALE:
            values += [STALE] * (count + 1)
        else:
            if increment and times is None:
                raise ValueError(f"{item!r} has an increment, and no `x` and number of times")
            by = float(increment or 0)
            values += [float(start) + by * index for index in range(count + 1)]
    return tuple(values)


def read_labels(text: str) -> Labels:
    """Return the label set that `text` writes as `name{label="value"}`; raises ValueError."""
    if text.strip() in ("", "{}"):
        return Labels()
    try:
        selector = parse(text)
    except PromqlError as error:
        raise ValueError(str(error)) from None
    if not isinstance(selector, VectorSelector) or any(
        matcher.type is not MatchType.EQUAL for matcher in selector.matchers
    ):
        raise ValueError(f'{text!r} is no series; write it like up{{job="x"}}')
    return Labels((matcher.name, matcher.value) for matcher in selector.matchers)


class _Reader:
    """Turns a document into tests and keeps the problems."""

    def __init__(self, document: yamlfile.Document) -> None:
        self._document = document
        self._problems: list[Problem] = []

    def read(self, folder: Path) -> RuleTestFile:
        keys = ("rule_files", "evaluation_interval", "group_eval_order", "fuzzy_compare", "tests")
        top = self._mapping((), self._document.value or {}, keys)
        interval = self._duration((), top, "evaluation_interval", timedelta(minutes=1))
        tests = [self._test(path, item, interval) for path, item in self._items((), top, "tests")]
        files: list[Path] = []
        for path, item in self._items((), top, "rule_files"):
            pattern = str(folder / item) if isinstance(item, str) and item else ""
            found = matching(pattern)
            if not found:
                self._problem(path, f"no file matches {item!r}")
            files += found
        result = RuleTestFile(
            file=self._document.file,
            rule_files=tuple(files),
            evaluation_interval=interval,
            group_eval_order=tuple(
                str(item) for _, item in self._items((), top, "group_eval_order")
            ),
            fuzzy_compare=top.get("fuzzy_compare") == "true",
            tests=tuple(tests),
        )
        if self._problems:
            raise InputError(self._problems)
        return result

    def _test(self, path: yamlfile.Path, value: Any, interval: timedelta) -> RuleTest:
        keys = ("name", "interval", "input_series", "alert_rule_test", "promql_expr_test")
        test = self._mapping(path, value, (*keys, "external_labels", "external_url"))
        return RuleTest(
            name=self._text(path, test, "name"),
            interval=self._duration(path, test, "interval", interval),
            series=tuple(self._series(*item) for item in self._items(path, test, "input_series")),
            alerts=tuple(self._alert(*item) for item in self._items(path, test, "alert_rule_test")),
            exprs=tuple(self._expr(*item) for item in self._items(path, test, "promql_expr_test")),
            external_labels=self._texts(path, test, "external_labels"),
            external_url=self._text(path, test, "external_url"),
        )

    def _series(self, path: yamlfile.Path, value: Any) -> InputSeries:
        series = self._mapping(path, value, ("series", "values"))
        return InputSeries(
            labels=self._converted(path, series, "series", read_labels, Labels()),
            values=self._converted(path, series, "values", read_values, ()),
        )

    def _alert(self, path: yamlfile.Path, value: Any) -> AlertTest:
        test = self._mapping(path, value, ("eval_time", "alertname", "exp_alerts"))
        name = self._text(path, test, "alertname")
        if not name:
            self._problem(path, "expected the key alertname")
        expected = []
        for at, item in self._items(path, test, "exp_alerts"):
            alert = self._mapping(at, item, ("exp_labels", "exp_annotations"))
            labels = {**self._texts(at, alert, "exp_labels"), "alertname": name}
            annotations = self._texts(at, alert, "exp_annotations")
            expected.append(ExpectedAlert(labels=Labels(labels), annotations=annotations))
        return AlertTest(
            eval_time=self._duration(path, test, "eval_time", timedelta(0)),
            alertname=name,
            expected=tuple(expected),
        )

    def _expr(self, path: yamlfile.Path, value: Any) -> ExprTest:
        test = self._mapping(path, value, ("expr", "eval_time", "exp_samples"))
        expected = []
        for at, item in self._items(path, test, "exp_samples"):
            sample = self._mapping(at, item, ("labels", "value"))
            labels = self._converted(at, sample, "labels", read_labels, Labels())
            expected.append((labels, self._converted(at, sample, "value", _number, 0.0)))
        return ExprTest(
            eval_time=self._duration(path, test, "eval_time", timedelta(0)),
            expr=self._converted(path, test, "expr", _parsed, _ZERO),
            expected=tuple(expected),
        )

    # Parts of a document

    def _problem(self, path: yamlfile.Path, message: str) -> None:
        self._problems.append(self._document.problem(path, message))

    def _mapping(self, path: yamlfile.Path, value: Any, known: Sequence[str]) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._problem(path, "expected a mapping")
            return {}
        for key in value:
            if key not in known:
                self._problem((*path, key), f"unknown key; known are {', '.join(known)}")
        return value

    def _items(
        self, path: yamlfile.Path, value: Mapping[str, Any], key: str
    ) -> list[tuple[yamlfile.Path, Any]]:
        found = value.get(key) or []
        if not isinstance(found, list):
            self._problem((*path, key), "expected a list")
            return []
        return [((*path, key, index), item) for index, item in enumerate(found)]

    def _text(self, path: yamlfile.Path, value: Mapping[str, Any], key: str) -> str:
        found = value.get(key) or ""
        if isinstance(found, str):
            return found
        self._problem((*path, key), "expected a text")
        return ""

    def _texts(self, path: yamlfile.Path, value: Mapping[str, Any], key: str) -> dict[str, str]:
        inner = value.get(key) or {}
        if not isinstance(inner, dict):
            self._problem((*path, key), "expected a mapping of names to texts")
            return {}
        return {name: self._text((*path, key), inner, name) for name in inner}

    def _duration(
        self, path: yamlfile.Path, value: Mapping[str, Any], key: str, default: timedelta
    ) -> timedelta:
        return (
            self._converted(path, value, key, parse_duration, default) if key in value else default
        )

    def _converted(
        self,
        path: yamlfile.Path,
        value: Mapping[str, Any],
        key: str,
        convert: Callable[[str], _T],
        otherwise: _T,
    ) -> _T:
        try:
            return convert(self._text(path, value, key))
        except ValueError as error:
            self._problem((*path, key), str(error))
            return otherwise


_ZERO = parse("0")


def _parsed(text: str) -> Expr:
    try:
        return parse(text)
    except PromqlError as error:
        raise ValueError(str(error)) from None


def _number(text: str) -> float:
    plain = text.strip().lstrip("+").lower()
    if plain in (".nan", "nan"):
        return math.nan
    if plain.lstrip("-") in (".inf", "inf"):
        return -math.inf if plain.startswith("-") else math.inf
    try:
        return float(plain or "0")
    except ValueError:
        raise ValueError(f"{text!r} is no number") from None
