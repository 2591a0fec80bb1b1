"""The routing tree: which receivers hear of an alert, and in which group."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache

from pgwatch.notify.inhibit import InhibitRule
from pgwatch.notify.interval import ALWAYS, Schedule
from pgwatch.notify.matcher import MatcherMode, go_quote, matches, show
from pgwatch.notify.receiver import LogSettings, Receiver
from pgwatch.notify.template import SHIPPED, Templates
from pgwatch.samples.labels import Labels, Matcher

# An alertmanager.yml that says what `log_only` does, as far as that format can.
LOG_ONLY = "route:\n  receiver: log\n  group_by: [alertname]\nreceivers:\n  - name: log\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A node of the tree with everything it inherits filled in (source: Alertmanager `dispatch/route.go`)."""

    receiver: str
    matchers: tuple[Matcher, ...] = ()  # in Alertmanager's order; none: every alert
    key: str = "{}"  # the matchers from the root down to here: `{}/{severity="critical"}`
    group_by: frozenset[str] = frozenset()
    group_by_all: bool = False  # `group_by: ['...']`
    group_wait: timedelta = timedelta(seconds=30)
    group_interval: timedelta = timedelta(minutes=5)
    repeat_interval: timedelta = timedelta(hours=4)
    continues: bool = False  # the key `continue`: siblings after this one are tried too
    schedule: Schedule = ALWAYS  # when alerts that end here are not told; not inherited
    routes: tuple["Route", ...] = ()

    def group_labels(self, labels: Labels) -> Labels:
        """Return the labels that name the group of an alert with `labels`."""
        return labels if self.group_by_all else labels.only(self.group_by)

    def group_key(self, group_labels: Labels) -> str:
        """Return Alertmanager's group key: `{}/{severity="critical"}:{alertname="PostgresDown"}`."""
        return _group_key(self.key, group_labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """A whole configuration of routes and receivers, checked: every route's receiver exists."""

    root: Route
    receivers: Mapping[str, Receiver]
    inhibit_rules: tuple[InhibitRule, ...] = ()
    resolve_timeout: timedelta = timedelta(minutes=5)
    mode: MatcherMode = MatcherMode.FALLBACK  # of matchers and label names that come from outside
    external_url: str = ""  # of pgwatch's own pages, for links in messages
    templates: Templates = SHIPPED  # that the texts of channels may use
    hidden: tuple[Receiver, ...] = ()  # that no route leads to: real Alertmanagers
    original: str = LOG_ONLY  # the configuration as written, without its secrets
    warnings: tuple[str, ...] = field(
        default=()
    )  # what loads but is not honoured, with file and line


@lru_cache(maxsize=4096)  # ten thousand alerts of a few groups may come at once
def _group_key(route_key: str, group_labels: Labels) -> str:
    inside = ", ".join(f"{name}={go_quote(value)}" for name, value in group_labels.items())
    return f"{route_key}:{{{inside}}}"


def find_routes(root: Route, labels: Labels) -> tuple[Route, ...]:
    """Return the routes that an alert with `labels` ends at, in the tree's order; at least `root`'s own.

    Depth first: the first child that matches takes the alert, later ones only while `continue` is set;
    a node none of whose children match is the end itself.
    """
    if not matches(root.matchers, labels):
        return ()
    found: list[Route] = []
    for child in root.routes:
        inside = find_routes(child, labels)
        found += inside
        if inside and not child.continues:
            break
    return tuple(found) or (root,)


def walk(route: Route) -> Iterator[Route]:
    """Return `route` and all routes below it, in the tree's order."""
    yield route
    for child in route.routes:
        yield from walk(child)


def child_key(parent_key: str, matchers: tuple[Matcher, ...]) -> str:
    """Return the key of a route with `matchers` below the route with `parent_key`."""
    return f"{parent_key}/{show(matchers)}"


def log_only(receiver: str = "log") -> Routing:
    """Return the routing without an alertmanager.yml: everything to pgwatch's own log, at once."""
    root = Route(
        receiver=receiver,
        group_by=frozenset({"alertname"}),
        group_wait=timedelta(0),
        group_interval=timedelta(minutes=1),
    )
    log = Receiver(name=receiver, channels=(LogSettings(),))
    return Routing(root=root, receivers={receiver: log})
