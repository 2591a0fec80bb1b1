"""Reads an alertmanager.yml, strictly: every problem at once, each with file, line and what was expected."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path as FilePath
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from pgwatch import yamlfile
from pgwatch.config.alertmanager_file import OTHER_RECEIVERS, AlertmanagerFile, RouteConfig
from pgwatch.config.nearest import nearest
from pgwatch.config.receivers import ReceiverBuilder
from pgwatch.errors import InputError, Problem
from pgwatch.notify.matcher import (
    MatcherError,
    in_order,
    is_classic_name,
    matcher,
    parse_matchers,
)
from pgwatch.notify.receiver import Receiver
from pgwatch.notify.route import Route, Routing, child_key
from pgwatch.samples.labels import Matcher, MatchType
from pgwatch.yamlfile import Document, Path

_NOT_BUILT: Final = {
    "inhibit_rules": "pgwatch does not inhibit alerts yet",
    "time_intervals": "pgwatch does not know time intervals yet",
    "mute_time_intervals": "pgwatch does not know time intervals yet",
    "active_time_intervals": "pgwatch does not know time intervals yet",
    "templates": "pgwatch does not read notification templates yet",
}
_DEFAULTS: Final = Route(receiver="")
_EVERYTHING: Final = "..."  # in group_by: all labels


def load_alertmanager(path: FilePath) -> Routing:
    """Return the routes and receivers of the file at `path`.

    Raises InputError with every problem; what loads but has no effect is in the result's `warnings`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InputError([Problem(file=str(path), message=f"cannot read it: {reason}")]) from error
    return parse_alertmanager(text, path)


def parse_alertmanager(text: str, path: FilePath) -> Routing:
    """Return the routes and receivers of `text`, which stands in the file at `path`."""
    document = yamlfile.load(text, file=str(path))
    value = _without_nulls(document.value)
    reader = _Reader(document)
    reader.refuse_what_is_not_built(value)
    reader.set_other_receivers_apart(value)
    try:
        file = AlertmanagerFile.model_validate(value)
    except ValidationError as error:
        for one in error.errors():
            reader.problems.append(_explained(one, document))
        raise InputError(reader.problems) from None
    routing = reader.read(file, path.parent)
    if reader.problems:
        raise InputError(reader.problems)
    return routing


class _Reader:
    """Builds the routing from a file that has the right shape; collects problems and warnings."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self.problems: list[Problem] = []
        self._warnings: list[str] = []
        self._others: list[list[str]] = []  # by receiver

    def refuse_what_is_not_built(self, value: Any) -> None:
        """Tell what would be ignored, and remove it, so that it is told once."""
        for path, mapping in [((), value), *_routes_of(value)]:
            for key, reason in _NOT_BUILT.items():
                if isinstance(mapping, dict) and mapping.pop(key, None):
                    self._problem(
                        (*path, key), f"{reason}; remove this, or use a real Alertmanager"
                    )

    def set_other_receivers_apart(self, value: Any) -> None:
        """Remove the channels that pgwatch does not deliver, and remember which receivers had them."""
        receivers = value.get("receivers") if isinstance(value, dict) else None
        for receiver in receivers if isinstance(receivers, list) else ():
            found = OTHER_RECEIVERS.intersection(receiver) if isinstance(receiver, dict) else ()
            self._others.append([key for key in sorted(found) if receiver.pop(key)])

    def read(self, file: AlertmanagerFile, folder: FilePath) -> Routing:
        builder = ReceiverBuilder(file.globals, folder, self._problem, self._warn)
        receivers: dict[str, Receiver] = {}
        for index, config in enumerate(file.receivers):
            path: Path = ("receivers", index)
            if not config.name:
                self._problem(path, "a receiver needs a name")
            elif config.name in receivers:
                self._problem((*path, "name"), f"there are two receivers called {config.name!r}")
            receivers[config.name] = builder.build(config, self._others[index], path)
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
            resolve_timeout=file.globals.resolve_timeout,
            warnings=tuple(self._warnings),
        )

    def _check_root(self, config: RouteConfig) -> None:
        if not config.receiver:
            self._problem(("route",), "the root route needs a receiver")
        if config.match or config.match_re or config.matchers:
            self._problem(("route",), "the root route must not have matchers: it takes every alert")
        if config.continues:
            self._problem(("route", "continue"), "the root route has no siblings to continue with")

    def _route(self, config: RouteConfig, parent: Route, parent_key: str, path: Path) -> Route:
        matchers = in_order(self._matchers(config, path))
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
        )
        children = tuple(
            self._route(child, route, key, (*path, "routes", index))
            for index, child in enumerate(config.routes)
        )
        return _with_routes(route, children)

    def _group_by(
        self, config: RouteConfig, parent: Route, path: Path
    ) -> tuple[bool, frozenset[str]]:
        if config.group_by is None:
            return parent.group_by_all, parent.group_by
        place = (*path, "group_by")
        for index, name in enumerate(config.group_by):
            if not name:
                self._problem((*place, index), "expected a label name")
            elif name in config.group_by[:index]:
                self._problem((*place, index), f"label {name} stands twice")
        if _EVERYTHING in config.group_by:
            if len(config.group_by) > 1:
                self._problem(place, "'...' means all labels; it must stand alone")
            return True, frozenset()
        return False, frozenset(config.group_by)

    def _matchers(self, config: RouteConfig, path: Path) -> Iterator[Matcher]:
        old = (
            ("match", config.match, MatchType.EQUAL),
            ("match_re", config.match_re, MatchType.REGEX),
        )
        for key, pairs, kind in old:
            for name, value in pairs.items():
                place = (*path, key, name)
                if not is_classic_name(name):
                    self._problem(place, f"{name!r} is not a label name")
                    continue
                # Alertmanager shows these with their anchors, and group keys are made of what it shows.
                text = f"^(?:{value})$" if kind is MatchType.REGEX else value
                try:
                    yield matcher(name, kind, text)
                except MatcherError as error:
                    self._problem(place, str(error))
        for index, text in enumerate(config.matchers):
            place = (*path, "matchers", index)
            try:
                parsed = parse_matchers(text)
            except MatcherError as error:
                self._problem(place, f"not a matcher: {error}")
                continue
            if parsed.warning:
                self._warn(place, parsed.warning)
            yield from parsed.matchers

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
                    "add a webhook, slack or email config to it",
                )

    def _problem(self, path: Path, message: str) -> None:
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


def _routes_of(value: Any) -> Iterator[tuple[Path, Any]]:
    """Return the raw mappings of all routes with their paths."""
    found: list[tuple[Path, Any]] = []
    if isinstance(value, dict):
        found.append((("route",), value.get("route")))
    while found:
        path, route = found.pop(0)
        yield path, route
        children = route.get("routes") if isinstance(route, dict) else None
        if isinstance(children, list):
            found += [((*path, "routes", index), child) for index, child in enumerate(children)]


def _or(value: timedelta | None, inherited: timedelta) -> timedelta:
    return inherited if value is None else value


def _without_nulls(value: Any) -> Any:
    """Return `value` without keys that have no value: to Alertmanager they are as if absent."""
    if isinstance(value, dict):
        return {str(k): _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return {} if value is None else value


_EXPECTED: Final = {
    "tuple_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "string_type": "a string",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
}


def _explained(error: Any, document: Document) -> Problem:
    """Return pydantic's error in our words; the value itself is never quoted, it may be a secret."""
    path: Path = tuple(error["loc"])
    if error["type"] == "extra_forbidden":
        return document.problem(path, f"unknown key; {nearest(str(path[-1]), _known_keys(path))}")
    if error["type"] == "value_error":
        return document.problem(path, str(error["ctx"]["error"]))
    expected = _EXPECTED.get(error["type"], error["msg"].removeprefix("Input should be "))
    return document.problem(path, f"expected {expected}")


def _known_keys(path: Path) -> list[str]:
    """Return the keys that may stand where the last part of `path` stands."""
    section: type[BaseModel] = AlertmanagerFile
    for part in path[:-1]:
        if isinstance(part, int):
            continue
        field = next(
            (f for name, f in section.model_fields.items() if (f.alias or name) == part), None
        )
        if field is None:
            return []
        section = _section_in(field.annotation) or section
    return [f.alias or name for name, f in section.model_fields.items()]


def _section_in(annotation: Any) -> type[BaseModel] | None:
    """Return the section that a field's type names, inside `X | None` or `tuple[X, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    inside = (_section_in(argument) for argument in getattr(annotation, "__args__", ()))
    return next((section for section in inside if section is not None), None)
