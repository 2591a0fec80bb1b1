"""The part of the seam over the Go-template library that renders notifications.

Source: Alertmanager `template/template.go` and the page "Notification template reference".
"""

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from datetime import datetime
from typing import Any, Final, TypeVar
from urllib.parse import unquote_plus

import gotpl

from pgwatch.rules.functions import humanize_duration, match, replace_all, title
from pgwatch.rules.gotemplate import BUILTINS, printf
from pgwatch.rules.gotime import METHODS, GoDuration, GoTime
from pgwatch.rules.template import TemplateError

_BUDGET: Final = gotpl.ExecutionBudget(
    max_output_chars=524_288,
    max_iterations=200_000,
    max_template_depth=100,
    max_function_calls=200_000,
)
Result = TypeVar("Result")
_now: ContextVar[datetime] = ContextVar("now")


class _Pair:
    """One label or annotation."""

    __slots__ = ("Name", "Value")

    def __init__(self, name: str, value: str) -> None:
        self.Name = name
        self.Value = value


class _Strings(list[str]):
    def Join(self, separator: str) -> str:  # noqa: N802 (Go's name)
        return separator.join(self)


class _Pairs(list[_Pair]):
    def Names(self) -> _Strings:  # noqa: N802 (Go's name)
        return _Strings(pair.Name for pair in self)

    def Values(self) -> _Strings:  # noqa: N802 (Go's name)
        return _Strings(pair.Value for pair in self)


class _KeyValues(gotpl.TypedMap[str, str]):
    """Labels or annotations: a missing one is the empty text, and methods come before names."""

    __slots__ = ()

    def __gotemplate_lookup__(self, field: str) -> object:
        if field in ("SortedPairs", "Remove", "Names", "Values"):
            return getattr(self, field)
        return self.data.get(field, "")

    def SortedPairs(self) -> _Pairs:  # noqa: N802 (Go's name)
        """Return the pairs by name, `alertname` first."""
        names = sorted(self.data, key=lambda name: (name != "alertname", name))
        return _Pairs(_Pair(name, self.data[name]) for name in names)

    def Remove(self, names: Sequence[str]) -> "_KeyValues":  # noqa: N802 (Go's name)
        return _key_values({k: v for k, v in self.data.items() if k not in names})

    def Names(self) -> _Strings:  # noqa: N802 (Go's name)
        return self.SortedPairs().Names()

    def Values(self) -> _Strings:  # noqa: N802 (Go's name)
        return self.SortedPairs().Values()


class _Alert:
    __slots__ = (
        *("Annotations", "EndsAt", "Fingerprint", "GeneratorURL", "Labels", "StartsAt", "Status"),
    )

    def __init__(self, alert: Mapping[str, Any]) -> None:
        self.Status = alert["status"]
        self.Labels = _key_values(alert["labels"])
        self.Annotations = _key_values(alert["annotations"])
        self.StartsAt = GoTime(alert["starts_at"])
        self.EndsAt = GoTime(alert["ends_at"])
        self.GeneratorURL = alert["generator_url"]
        self.Fingerprint = alert["fingerprint"]


class _Alerts(list[_Alert]):
    def Firing(self) -> "_Alerts":  # noqa: N802 (Go's name)
        return _Alerts(one for one in self if one.Status == "firing")

    def Resolved(self) -> "_Alerts":  # noqa: N802 (Go's name)
        return _Alerts(one for one in self if one.Status == "resolved")


class _Data:
    __slots__ = (
        *("Alerts", "CommonAnnotations", "CommonLabels", "ExternalURL", "GroupLabels"),
        *("NotificationReason", "Receiver", "RouteLabels", "Status"),
    )

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.Receiver = data["receiver"]
        self.Status = data["status"]
        self.Alerts = _Alerts(_Alert(one) for one in data["alerts"])
        self.GroupLabels = _key_values(data["group_labels"])
        self.CommonLabels = _key_values(data["common_labels"])
        self.CommonAnnotations = _key_values(data["common_annotations"])
        self.RouteLabels = _key_values({})
        self.ExternalURL = data["external_url"]
        self.NotificationReason = data["reason"]


def _key_values(values: Mapping[str, str]) -> _KeyValues:
    return _KeyValues(dict(values), "", "string", "string")


def _plain(value: object) -> Any:
    """Return what JSON shows of `value`, as Go's encoder would."""
    if isinstance(value, GoTime):
        return value.moment.isoformat().replace("+00:00", "Z")
    if isinstance(value, GoDuration):
        return int(value.value.total_seconds() * 1e9)
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in sorted(value.items())}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, _Alert | _Data | _Pair):
        names = type(value).__slots__
        return {_json_name(name): _plain(getattr(value, name)) for name in names}
    return value


def _json_name(name: str) -> str:
    known = {"GeneratorURL": "generatorURL", "ExternalURL": "externalURL"}
    return known.get(name, name[:1].lower() + name[1:])


def _to_json(value: object) -> str:
    text = json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"))
    for char in "<>&":  # as Go does, so that it may stand in HTML
        text = text.replace(char, f"\\u{ord(char):04x}")
    return text


def _humanize_duration(value: object) -> str:
    return humanize_duration(value.Seconds() if isinstance(value, GoDuration) else value)


def _dict(*pairs: object) -> dict[str, object]:
    if len(pairs) % 2 or not all(isinstance(name, str) for name in pairs[::2]):
        raise ValueError("dict expects names and values in turns")
    return {str(name): value for name, value in zip(pairs[::2], pairs[1::2], strict=True)}


_FUNCTIONS: dict[str, Callable[..., object]] = {
    "append": lambda values, *more: [*values, *more],
    "base64Decode": lambda text: base64.b64decode(text).decode(),
    "base64Encode": lambda text: base64.b64encode(text.encode()).decode(),
    "date": lambda layout, time: time.Format(layout),
    "dict": _dict,
    "humanizeDuration": _humanize_duration,
    "join": lambda separator, texts: separator.join(texts),
    "list": lambda *values: list(values),
    "match": match,
    "now": lambda: GoTime(_now.get()),
    "printf": printf,
    "reReplaceAll": replace_all,
    "safeHtml": gotpl.HTML,
    "safeUrl": gotpl.URL,
    "since": lambda time: GoDuration(_now.get() - time.moment),
    "stringSlice": lambda *texts: _Strings(texts),
    "title": title,
    "toJson": _to_json,
    "toLower": lambda text: text.lower(),
    "toUpper": lambda text: text.upper(),
    "trimSpace": lambda text: text.strip(),
    "tz": lambda zone, time: GoTime(time.moment, zone),
    "urlUnescape": unquote_plus,
}
_METHODS: Final = ("Firing", "Join", "Names", "Remove", "Resolved", "SortedPairs", "Values")
_ENVIRONMENT = gotpl.Environment(
    functions=_FUNCTIONS,
    missing_key="zero",
    sandbox=gotpl.SandboxPolicy(
        allow_functions=[*_FUNCTIONS, *BUILTINS],
        allow_attributes=[*_Data.__slots__, *_Alert.__slots__, *_Pair.__slots__],
        allow_methods=[*METHODS, *_METHODS],
        allow_custom_lookup=True,
        max_template_chars=524_288,
        default_budget=_BUDGET,
    ),
)


class MessageTemplates:
    """Named templates that may use each other, and texts that use them."""

    def __init__(self, sources: Mapping[str, str]) -> None:
        """Parse `sources` by name; later ones win. Raises TemplateError, told as `name:line:column: …`."""
        self._sources = dict(sources)
        self._texts = _guarded(lambda: _ENVIRONMENT.from_sources(self._sources))
        self._html: gotpl.HTMLTemplate | None = None

    def check(self, text: str) -> None:
        """Raise TemplateError if `text` does not parse."""
        _guarded(lambda: self._texts.with_source(text, name="text"))

    def text(self, text: str, data: Mapping[str, Any], now: datetime) -> str:
        """Return `text` expanded for `data`; raises TemplateError."""
        return self._rendered(
            lambda: self._texts.render_source(text, _Data(data), name="text"), now
        )

    def html(self, text: str, data: Mapping[str, Any], now: datetime) -> str:
        """Return `text` expanded for `data`, each value escaped as its place in the HTML wants it."""

        def render() -> str:
            if self._html is None:
                self._html = _ENVIRONMENT.from_html_sources(self._sources)
            return self._html.render_source(text, _Data(data), name="text")

        return self._rendered(render, now)

    @staticmethod
    def _rendered(render: Callable[[], str], now: datetime) -> str:
        token = _now.set(now)
        try:
            return _guarded(render)
        finally:
            _now.reset(token)


def _guarded(work: Callable[[], Result]) -> Result:
    try:
        return work()
    except gotpl.TemplateSyntaxError as error:
        raise TemplateError(str(error), line=error.line, column=error.column) from error
    except gotpl.TemplateError as error:
        raise TemplateError(str(error)) from error
