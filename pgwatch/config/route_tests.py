"""Reads files of route tests, strictly: every problem at once, each with file, line and what was expected."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path as FilePath
from typing import Any, Final, TypeVar

import yaml

from pgwatch import yamlfile
from pgwatch.config.alertmanager import load_alertmanager, parse_alertmanager
from pgwatch.config.nearest import nearest
from pgwatch.errors import InputError, Problem
from pgwatch.notify.matcher import MatcherError, parse_matchers
from pgwatch.notify.route import Routing, log_only
from pgwatch.notify.routetest import (
    DEFAULT_START,
    ExpectedAlert,
    ExpectedMessage,
    ExpectedRoute,
    Posting,
    RouteTest,
    Silencing,
    Step,
)
from pgwatch.samples.labels import Labels, Matcher
from pgwatch.units import parse_duration
from pgwatch.yamlfile import Document, Path

_ZERO: Final = timedelta(0)
_TEST: Final = (
    "name",
    "alertmanager_config",
    "start",
    "start_delay",
    "end",
    "routes",
    "input",
    "expect",
)
_STEPS: Final = ("alerts", "silence", "expire", "reload")
_STATUS: Final = {"firing": True, "resolved": False}
_Read = TypeVar("_Read")


def load_route_tests(path: FilePath) -> tuple[RouteTest, ...]:
    """Return the tests of the file at `path`; raises InputError with every problem."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError([Problem(file=str(path), message=f"cannot read it: {reason}")]) from error
    return _Reader(yamlfile.load(text, file=str(path)), path).read()


class _Reader:
    def __init__(self, document: Document, file: FilePath) -> None:
        self._document = document
        self._file = file
        self._problems: list[Problem] = []

    def read(self) -> tuple[RouteTest, ...]:
        keys = ("alertmanager_config", "tolerance", "tests")
        top = self._mapping((), self._document.value, keys)
        routing = None
        if "alertmanager_config" in top:
            routing = self._routing(("alertmanager_config",), top["alertmanager_config"])
        tolerance = self._offset((), top, "tolerance", _ZERO)
        tests = [
            self._test(path, item, routing, tolerance, number)
            for number, (path, item) in enumerate(self._items((), top, "tests"), 1)
        ]
        if not tests:
            self._problem(("tests",), "expected at least one test")
        if self._problems:
            raise InputError(self._problems)
        return tuple(tests)

    def _test(
        self, path: Path, value: Any, routing: Routing | None, tolerance: timedelta, number: int
    ) -> RouteTest:
        test = self._mapping(path, value, _TEST)
        if "alertmanager_config" in test:
            routing = self._routing((*path, "alertmanager_config"), test["alertmanager_config"])
        elif routing is None:
            self._problem(path, "expected the key alertmanager_config, here or for the whole file")
        is_known, routing = routing is not None, routing or log_only()
        steps = self._steps(path, test, routing)
        receivers = set(routing.receivers).union(
            *(one.reload.receivers for one in steps if one.reload)
        )
        if not is_known:
            receivers = set()  # which there are nobody can say
        expected = [self._message(*item, receivers) for item in self._items(path, test, "expect")]
        latest = max((one.last for one in expected), default=_ZERO)
        latest = max((latest, *(one.at for one in steps)))
        return RouteTest(
            name=self._text(path, test, "name") or f"test {number}",
            routing=_with_receivers(routing, steps),
            start=self._start(path, test),
            tolerance=tolerance,
            start_delay=self._offset(path, test, "start_delay", _ZERO),
            routes=tuple(
                self._route(*item, receivers) for item in self._items(path, test, "routes")
            ),
            steps=tuple(steps),
            expected=tuple(expected) if "expect" in test else None,
            end=self._offset(path, test, "end", latest + tolerance),
        )

    # What happens

    def _steps(self, path: Path, test: Mapping[str, Any], routing: Routing) -> list[Step]:
        steps: list[Step] = []
        names: set[str] = set()
        for at, item in self._items(path, test, "input"):
            step = self._mapping(at, item, ("at", *_STEPS))
            if not set(_STEPS).intersection(step):
                self._problem(at, f"expected one of {', '.join(_STEPS)}")
            silence = (
                self._silence((*at, "silence"), step["silence"]) if "silence" in step else None
            )
            names |= {silence.name} if silence else set()
            if (expire := self._text(at, step, "expire")) and expire not in names:
                self._problem((*at, "expire"), f"no silence {expire!r} was made before")
            reload = None
            if "reload" in step:
                reload = self._reload((*at, "reload"), step["reload"], routing)
            steps.append(
                Step(
                    at=self._offset(at, step, "at", None),
                    alerts=tuple(self._posting(*one) for one in self._items(at, step, "alerts")),
                    silence=silence,
                    expire=expire,
                    reload=reload,
                )
            )
            routing = reload or routing
            if len(steps) > 1 and steps[-1].at < steps[-2].at:
                self._problem((*at, "at"), "the steps must stand in the order of their times")
        return steps

    def _posting(self, path: Path, value: Any) -> Posting:
        alert = self._mapping(path, value, ("labels", "annotations", "starts", "ends"))
        labels = self._labels(path, alert)
        if not labels:
            self._problem(path, "an alert needs labels")
        starts, ends = (self._offset_or_none(path, alert, key) for key in ("starts", "ends"))
        if starts is not None and ends is not None and ends < starts:
            self._problem((*path, "ends"), "it ends before it starts")
        return Posting(
            labels=labels,
            annotations=self._texts(path, alert, "annotations"),
            starts=starts,
            ends=ends,
        )

    def _silence(self, path: Path, value: Any) -> Silencing:
        silence = self._mapping(path, value, ("name", "matchers", "starts", "ends"))
        matchers: list[Matcher] = []
        for at, text in self._items(path, silence, "matchers"):
            try:
                matchers += parse_matchers(str(text)).matchers
            except MatcherError as error:
                self._problem(at, f"not a matcher: {error}")
        if not matchers:
            self._problem(path, "a silence needs matchers, such as ['alertname=\"A\"']")
        if not (name := self._text(path, silence, "name")):
            self._problem(path, "a silence needs a name")
        return Silencing(
            name=name,
            matchers=tuple(matchers),
            starts=self._offset(path, silence, "starts", None),
            ends=self._offset(path, silence, "ends", None),
        )

    def _reload(self, path: Path, value: Any, routing: Routing) -> Routing:
        return routing if value == "same" else self._routing(path, value) or routing

    # What is expected

    def _message(self, path: Path, value: Any, receivers: set[str]) -> ExpectedMessage:
        message = self._mapping(path, value, ("at", "between", "receiver", "alerts"))
        first, last = self._window(path, message)
        receiver = self._text(path, message, "receiver")
        self._check_receiver((*path, "receiver"), receiver, receivers)
        return ExpectedMessage(
            first=first,
            last=last,
            receiver=receiver,
            alerts=tuple(self._alert(*one) for one in self._items(path, message, "alerts")),
        )

    def _window(self, path: Path, message: Mapping[str, Any]) -> tuple[timedelta, timedelta]:
        if ("at" in message) == ("between" in message):
            self._problem(path, "expected either at or between")
        if "at" in message:
            at = self._offset(path, message, "at", None)
            return at, at
        window = message.get("between")
        if not isinstance(window, list) or len(window) != 2:
            self._problem((*path, "between"), "expected two times, such as [2, 2.5]")
            return _ZERO, _ZERO
        ends = {str(index): one for index, one in enumerate(window)}
        first, last = (self._offset((*path, "between"), ends, key, None) for key in ends)
        return first, last

    def _alert(self, path: Path, value: Any) -> ExpectedAlert:
        keys = ("labels", "status", "annotations", "starts", "ends")
        alert = self._mapping(path, value, keys)
        status = alert.get("status", "firing")
        if status not in _STATUS:
            self._problem((*path, "status"), "expected firing or resolved")
        return ExpectedAlert(
            labels=self._labels(path, alert),
            firing=status != "resolved",
            annotations=(
                self._texts(path, alert, "annotations") if "annotations" in alert else None
            ),
            starts=self._offset_or_none(path, alert, "starts"),
            ends=self._offset_or_none(path, alert, "ends"),
        )

    def _route(self, path: Path, value: Any, receivers: set[str]) -> ExpectedRoute:
        route = self._mapping(path, value, ("labels", "receivers", "group_keys"))
        names = [str(name) for _, name in self._items(path, route, "receivers")]
        for index, name in enumerate(names):
            self._check_receiver((*path, "receivers", index), name, receivers)
        return ExpectedRoute(
            labels=self._labels(path, route),
            receivers=tuple(names),
            group_keys=tuple(str(key) for _, key in self._items(path, route, "group_keys")),
        )

    def _check_receiver(self, path: Path, name: str, receivers: set[str]) -> None:
        if receivers and name not in receivers:
            self._problem(path, f"there is no receiver {name!r}; {nearest(name, receivers)}")

    # Parts of a document

    def _routing(self, path: Path, value: Any) -> Routing | None:
        """Return the configuration that `value` is, or that the file it names holds."""
        try:
            if isinstance(value, str):
                return load_alertmanager(self._file.parent / value)
            text = yaml.safe_dump(value, allow_unicode=True, sort_keys=False)
            return parse_alertmanager(text, self._file)
        except InputError as error:
            inline = not isinstance(value, str)
            for one in error.problems:
                where = self._document.problem(path, one.message)
                inside = f"{where.path}.{one.path}" if one.path else where.path
                self._problems.append(replace(where, path=inside) if inline else one)
            return None

    def _problem(self, path: Path, message: str) -> None:
        self._problems.append(self._document.problem(path, message))

    def _mapping(self, path: Path, value: Any, known: Sequence[str]) -> dict[str, Any]:
        if not isinstance(value, dict):
            self._problem(path, f"expected a mapping with {', '.join(known)}")
            return {}
        for key in value:
            if key not in known:
                self._problem((*path, key), f"unknown key; {nearest(str(key), known)}")
        return value

    def _items(self, path: Path, value: Mapping[str, Any], key: str) -> list[tuple[Path, Any]]:
        found = value.get(key) or []
        if not isinstance(found, list):
            self._problem((*path, key), "expected a list")
            return []
        return [((*path, key, index), item) for index, item in enumerate(found)]

    def _text(self, path: Path, value: Mapping[str, Any], key: str) -> str:
        return self._checked(path, value.get(key, ""), key, str, "a text; quote it")

    def _labels(self, path: Path, value: Mapping[str, Any]) -> Labels:
        pairs = self._texts(path, value, "labels")
        return Labels({name: text for name, text in pairs.items() if text})

    def _texts(self, path: Path, value: Mapping[str, Any], key: str) -> dict[str, str]:
        inner: dict[Any, Any] = self._checked(path, value.get(key) or {}, key, dict, "a mapping")
        return {str(name): self._text((*path, key), inner, name) for name in inner}

    def _start(self, path: Path, value: Mapping[str, Any]) -> datetime:
        start = value.get("start", DEFAULT_START)
        if isinstance(start, str):
            try:
                start = datetime.fromisoformat(start)
            except ValueError:
                start = None
        if isinstance(start, datetime) and start.tzinfo is not None:
            return start
        self._problem((*path, "start"), "expected a time with its zone: 2026-01-05T12:00:00Z")
        return DEFAULT_START

    def _offset_or_none(self, path: Path, value: Mapping[str, Any], key: str) -> timedelta | None:
        return self._offset(path, value, key, None) if key in value else None

    def _offset(
        self, path: Path, value: Mapping[str, Any], key: str, default: timedelta | None
    ) -> timedelta:
        found = value.get(key)
        if found is None and default is not None:
            return default
        try:
            if isinstance(found, int | float) and not isinstance(found, bool):
                return timedelta(seconds=found)
            if isinstance(found, str):
                return parse_duration(found)
            self._problem((*path, key), "expected seconds, or a duration such as 5m")
        except (ValueError, OverflowError) as error:
            self._problem((*path, key), str(error))
        return _ZERO

    def _checked(self, path: Path, value: Any, key: str, kind: type[_Read], what: str) -> _Read:
        if isinstance(value, kind):
            return value
        self._problem((*path, key), f"expected {what}")
        return kind()


def _with_receivers(routing: Routing, steps: Sequence[Step]) -> Routing:
    """Return `routing` that also knows the receivers which only a later configuration has."""
    later = [one.reload.receivers for one in steps if one.reload]
    receivers = dict(routing.receivers)
    for known in later:
        receivers = {**known, **receivers}
    return replace(routing, receivers=receivers)
