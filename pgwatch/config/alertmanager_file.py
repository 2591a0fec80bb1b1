"""What an alertmanager.yml may contain: Alertmanager's keys, those that pgwatch honours typed.

A key that Alertmanager has and pgwatch has no use for is of type `Ignored`: it loads, and a warning says
so where the user would notice. Any other key is an error. (Source: Alertmanager `config/config.go`, up to
0.34.)
"""

from typing import Annotated

from pydantic import Field

from pgwatch.config.alertmanager_fields import Duration, Ignored, Interval, Section, Word
from pgwatch.config.receiver_sections import Globals, ReceiverConfig


class RouteConfig(Section):
    """`route`, and each entry of `routes`."""

    receiver: str = ""
    group_by: tuple[str, ...] | None = None
    group_wait: Duration | None = None
    group_interval: Interval | None = None
    repeat_interval: Interval | None = None
    match: dict[str, Word] = {}
    match_re: dict[str, Word] = {}
    matchers: tuple[str, ...] = ()
    continues: Annotated[bool, Field(alias="continue")] = False
    mute_time_intervals: tuple[str, ...] = ()
    active_time_intervals: tuple[str, ...] = ()
    routes: tuple["RouteConfig", ...] = ()
    labels: Ignored = None


class InhibitRuleConfig(Section):
    """An entry of `inhibit_rules`."""

    name: str = ""
    source_match: dict[str, Word] = {}
    source_match_re: dict[str, Word] = {}
    source_matchers: tuple[str, ...] = ()
    target_match: dict[str, Word] = {}
    target_match_re: dict[str, Word] = {}
    target_matchers: tuple[str, ...] = ()
    equal: tuple[str, ...] = ()


class IntervalConfig(Section):
    """An entry of `time_intervals` inside a named one."""

    times: tuple[dict[str, str], ...] = ()
    weekdays: tuple[str, ...] = ()
    days_of_month: tuple[Word, ...] = ()
    months: tuple[Word, ...] = ()
    years: tuple[Word, ...] = ()
    location: str = ""


class NamedIntervals(Section):
    """An entry of the file's `time_intervals`."""

    name: str = ""
    time_intervals: tuple[IntervalConfig, ...] = ()


class AlertmanagerFile(Section):
    """The whole file."""

    globals: Annotated[Globals, Field(alias="global")] = Globals()
    route: RouteConfig | None = None
    receivers: tuple[ReceiverConfig, ...] = ()
    templates: tuple[str, ...] = ()
    inhibit_rules: tuple[InhibitRuleConfig, ...] = ()
    time_intervals: tuple[NamedIntervals, ...] = ()
    mute_time_intervals: tuple[NamedIntervals, ...] = ()  # the older name of the same
