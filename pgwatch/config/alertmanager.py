"""Reads an alertmanager.yml, strictly: every problem at once, each with file, line and what was expected."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path as FilePath
from typing import Any, Final

from pydantic import ValidationError

from pgwatch import yamlfile
from pgwatch.config.alertmanager_errors import explain
from pgwatch.config.alertmanager_file import (
    AlertmanagerFile,
    InhibitRuleConfig,
    NamedIntervals,
    RouteConfig,
)
from pgwatch.config.alertmanager_rest import Rest, without
from pgwatch.config.masked import masked
from pgwatch.config.nearest import nearest
from pgwatch.config.receiver_sections import OTHER_RECEIVERS, Globals
from pgwatch.config.receivers import DELIVERED, ReceiverBuilder
from pgwatch.config.template_files import check_texts, read_templates
from pgwatch.errors import InputError, Problem
from pgwatch.notify.inhibit import InhibitRule
from pgwatch.notify.interval import Schedule, TimeInterval, parse_interval
from pgwatch.notify.matcher import (
    MatcherError,
    MatcherMode,
    in_order,
    is_classic_name,
    matcher,
    parse_matchers,
)
from pgwatch.notify.receiver import ChannelSettings, Receiver
from pgwatch.notify.route import Route, Routing, child_key
from pgwatch.samples.labels import Matcher, MatchType
from pgwatch.yamlfile import Document, Path

_DEFAULTS: Final = Route(receiver="")
_NONE: Final[Mapping[str, Sequence[ChannelSettings]]] = {}
_EVERYTHING: Final = "..."  # in group_by: all labels


More = Mapping[str, Sequence[ChannelSettings]]  # by receiver


def load_alertmanager(
    path: FilePath, more: More = _NONE, mode: MatcherMode = MatcherMode.FALLBACK
) -> Routing:
    """Return the routes and receivers of the file at `path`; `more` are channels that pgwatch.yml adds.

    Raises InputError with every problem; what loads but has no effect is in the result's `warnings`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError([Problem(file=str(path), message=f"cannot read it: {reason}")]) from error
    return parse_alertmanager(text, path, more, mode)


def parse_alertmanager(
    text: str, path: FilePath, more: More = _NONE, mode: MatcherMode = MatcherMode.FALLBACK
) -> Routing:
    """Return the routes and receivers of `text`, which stands in the file at `path`."""
    document = yamlfile.load(text, file=str(path))
    value = _without_nulls(document.value)
    reader = _Reader(document, mode)
    reader.set_other_receivers_apart(value)
    try:
        file = AlertmanagerFile.model_validate(value)
    except ValidationError as error:
        found = error.errors()
        reader.problems += [explain(one, document) for one in found]
        reader.rest = without(value, (tuple(one["loc"]) for one in found))
        with suppress(ValidationError):  # what lacks a key cannot be read without more
            reader.read(AlertmanagerFile.model_validate(reader.rest.value), path.parent, more)
        raise InputError(reader.problems) from None
    routing = reader.read(file, path.parent, more)
    if reader.problems:
        raise InputError(reader.problems)
    return replace(routing, original=masked(document.value))


class _Reader:
    """Builds the routing from a file that has the right shape; collects problems and warnings."""

    def __init__(self, document: Document, mode: MatcherMode) -> None:
        self._document = document
        self._mode = mode
        self.problems: list[Problem] = []
        self.rest = Rest(value=None)  # what is read, if some of the file cannot be
        self._warnings: list[str] = []
        self._intervals: dict[str, tuple[TimeInterval, ...]] = {}
        self._others: list[list[str]] = []  # by receiver

    def set_other_receivers_apart(self, value: Any) -> None:
        """Remove the channels that pgwatch does not deliver, and remember which receivers had them."""
        receivers = value.get("receivers") if isinstance(value, dict) else None
        for receiver in receivers if isinstance(receivers, list) else ():
            found = OTHER_RECEIVERS.intersection(receiver) if isinstance(receiver, dict) else ()
            self._others.append([key for key in sorted(found) if receiver.pop(key)])

    def read(self, file: AlertmanagerFile, folder: FilePath, more: More) -> Routing:
        self._check_globals(file.globals)
        builder = ReceiverBuilder(file.globals, folder, self._problem, self._warn)
        receivers: dict[str, Receiver] = {}
        for index, config in enumerate(file.receivers):
            path: Path = ("receivers", index)
            if not config.name:
                self._problem(path, "a receiver needs a name")
            elif config.name in receivers:
                self._problem((*path, "name"), f"there are two receivers called {config.name!r}")
            receivers[config.name] = builder.build(
                config, self._others[index], path, more.get(config.name, ())
            )
        templates = read_templates(file.templates, folder, self.problems, self._problem, self._warn)
        for index, config in enumerate(file.receivers):
            check_texts(config, ("receivers", index), templates, self._problem, self._warn)
        self._read_intervals(file)
        root = Route(receiver="")
        if file.route is None:
            self._problem((), "the key route is required")
        else:
            self._check_root(file.route)
            root = self._route(file.route, _DEFAULTS, "", ("route",))
            self._check_receivers(root, receivers)
        return Routing(
            root=root,
            receivers=receivers,
            inhibit_rules=tuple(
                self._inhibit_rule(config, ("inhibit_rules", index))
                for index, config in enumerate(file.inhibit_rules)
            ),
            resolve_timeout=file.globals.resolve_timeout,
            mode=self._mode,
            templates=templates,
            warnings=tuple(self._warnings),
        )

    def _check_globals(self, section: Globals) -> None:
        for key in type(section).model_fields:
            if getattr(section, key, None) and getattr(section, f"{key}_file", None):
                self._problem(("global", key), f"expected either {key} or {key}_file, not both")

    def _check_root(self, config: RouteConfig) -> None:
        if not config.receiver:
            self._problem(("route",), "the root route needs a receiver")
        if config.match or config.match_re or config.matchers:
            self._problem(("route",), "the root route must not have matchers: it takes every alert")
        for key in ("mute_time_intervals", "active_time_intervals"):
            if getattr(config, key):
                self._problem(
                    ("route", key), "the root route must not be muted: it takes every alert"
                )
        if config.continues:
            self._problem(("route", "continue"), "the root route has no siblings to continue with")

    def _route(self, config: RouteConfig, parent: Route, parent_key: str, path: Path) -> Route:
        matchers = self._read_matchers(config.match, config.match_re, config.matchers, path)
        key = child_key(parent_key, matchers) if parent_key else "{}"
        everything, names = self._group_by(config, parent, path)
        route = Route(
            receiver=config.receiver or parent.receiver,
            matchers=matchers,
            key=key,
            group_by=names,
            group_by_all=everything,
            group_wait=_or(config.group_wait, parent.group_wait),
            group_interval=_or(config.group_interval, parent.group_interval),
            repeat_interval=_or(config.repeat_interval, parent.repeat_interval),
            continues=config.continues,
            schedule=self._schedule(config, path),
        )
        children = tuple(
            self._route(child, route, key, (*path, "routes", index))
            for index, child in enumerate(config.routes)
        )
        return _with_routes(route, children)

    def _read_matchers(
        self,
        match: Mapping[str, str],
        match_re: Mapping[str, str],
        matchers: Sequence[str],
        path: Path,
        prefix: str = "",
    ) -> tuple[Matcher, ...]:
        """Return the matchers of the three keys that may hold them, in Alertmanager's order."""
        found: list[Matcher] = []
        old = (("match", match, MatchType.EQUAL), ("match_re", match_re, MatchType.REGEX))
        for key, pairs, kind in old:
            for name, value in pairs.items():
                place = (*path, prefix + key, name)
                if not is_classic_name(name):
                    self._problem(place, f"{name!r} is not a label name")
                    continue
                # Alertmanager shows these with their anchors, and group keys are made of what it shows.
                text = f"^(?:{value})$" if kind is MatchType.REGEX else value
                try:
                    found.append(matcher(name, kind, text))
                except MatcherError as error:
                    self._problem(place, str(error))
        for index, text in enumerate(matchers):
            place = (*path, prefix + "matchers", index)
            try:
                parsed = parse_matchers(text, self._mode)
            except MatcherError as error:
                self._problem(place, f"not a matcher: {error}")
                continue
            if parsed.warning:
                self._warn(place, parsed.warning)
            found += parsed.matchers
        return in_order(found)

    def _inhibit_rule(self, config: InhibitRuleConfig, path: Path) -> InhibitRule:
        source = self._read_matchers(
            config.source_match, config.source_match_re, config.source_matchers, path, "source_"
        )
        target = self._read_matchers(
            config.target_match, config.target_match_re, config.target_matchers, path, "target_"
        )
        for index, name in enumerate(config.equal):
            self._check_name((*path, "equal", index), name)
        return InhibitRule(source=source, target=target, equal=config.equal)

    def _read_intervals(self, file: AlertmanagerFile) -> None:
        for key, named in (
            ("mute_time_intervals", file.mute_time_intervals),
            ("time_intervals", file.time_intervals),
        ):
            for index, one in enumerate(named):
                path: Path = (key, index)
                if not one.name:
                    self._problem(path, "a time interval needs a name")
                elif one.name in self._intervals:
                    self._problem((*path, "name"), f"there are two intervals called {one.name!r}")
                self._intervals[one.name] = tuple(self._interval_parts(one, path))

    def _interval_parts(self, named: NamedIntervals, path: Path) -> Iterator[TimeInterval]:
        for index, one in enumerate(named.time_intervals):
            try:
                yield parse_interval(**dict(one))
            except ValueError as error:
                self._problem((*path, "time_intervals", index), str(error))

    def _schedule(self, config: RouteConfig, path: Path) -> Schedule:
        mute = self._named(config.mute_time_intervals, (*path, "mute_time_intervals"))
        active = self._named(config.active_time_intervals, (*path, "active_time_intervals"))
        return Schedule(mute=mute, active=active if config.active_time_intervals else None)

    def _named(self, names: Sequence[str], path: Path) -> tuple[TimeInterval, ...]:
        found: list[TimeInterval] = []
        for index, name in enumerate(names):
            if name in self._intervals:
                found += self._intervals[name]
            else:
                advice = nearest(name, self._intervals)
                self._problem((*path, index), f"there is no time interval {name!r}; {advice}")
        return tuple(found)

    def _group_by(
        self, config: RouteConfig, parent: Route, path: Path
    ) -> tuple[bool, frozenset[str]]:
        if config.group_by is None:
            return parent.group_by_all, parent.group_by
        place = (*path, "group_by")
        for index, name in enumerate(config.group_by):
            if name != _EVERYTHING:
                self._check_name((*place, index), name)
            if name in config.group_by[:index]:
                self._problem((*place, index), f"label {name} stands twice")
        if _EVERYTHING in config.group_by:
            if len(config.group_by) > 1:
                self._problem(place, "'...' means all labels; it must stand alone")
            return True, frozenset()
        return False, frozenset(config.group_by)

    def _check_name(self, path: Path, name: str) -> None:
        if not name:
            self._problem(path, "expected a label name")
        elif not self._mode.has_name(name):
            self._problem(path, f"{name!r} is no label name of alertmanager_mode {self._mode}")

    def _check_receivers(self, root: Route, receivers: dict[str, Receiver]) -> None:
        for path, route in _walk(root, ("route",)):
            receiver = receivers.get(route.receiver)
            if receiver is None:
                message = (
                    f"there is no receiver {route.receiver!r}; {nearest(route.receiver, receivers)}"
                )
                self._problem((*path, "receiver"), message)
            elif receiver.undeliverable and not receiver.channels and _is_reachable(route):
                kinds = ", ".join(receiver.undeliverable)
                self._problem(
                    (*path, "receiver"),
                    f"alerts can end here, and pgwatch can deliver nothing of {route.receiver!r} ({kinds}); "
                    f"add one of {', '.join(DELIVERED)}_configs to it",
                )

    def _problem(self, path: Path, message: str) -> None:
        if not self.rest.may_follow(path):
            self.problems.append(self._document.problem(path, message))

    def _warn(self, path: Path, message: str) -> None:
        self._warnings.append(str(self._document.problem(path, message)))


def _with_routes(route: Route, children: tuple[Route, ...]) -> Route:
    return replace(route, routes=children)


def _is_reachable(route: Route) -> bool:
    """Return whether an alert can end at `route`: no child takes everything."""
    return all(child.matchers for child in route.routes)


def _walk(route: Route, path: Path) -> Iterator[tuple[Path, Route]]:
    yield path, route
    for index, child in enumerate(route.routes):
        yield from _walk(child, (*path, "routes", index))


def _or(value: timedelta | None, inherited: timedelta) -> timedelta:
    return inherited if value is None else value


def _without_nulls(value: Any) -> Any:
    """Return `value` without keys that have no value: to Alertmanager they are as if absent."""
    if isinstance(value, dict):
        return {str(k): _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return {} if value is None else value
