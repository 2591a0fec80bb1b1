"""Functions that Prometheus gives to the templates of its rules.

Source: Prometheus 3 `template/template.go` and the page "Template reference" of its documentation.
"""

import ipaddress
import math
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote_plus

from pgwatch.promql.regex import translate
from pgwatch.promql.relabel import expand
from pgwatch.units import parse_duration

_UP = ("k", "M", "G", "T", "P", "E", "Z", "Y")
_DOWN = ("m", "u", "n", "p", "f", "a", "z", "y")


def to_number(value: object) -> float:
    """Return `value` as a number; text is read as Go reads a float. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"can't convert {type(value).__name__} to float")  # noqa: TRY004
    return float(value)


def humanize(value: object) -> str:
    """Return the number with four digits and a prefix of the SI: `1.235M`."""
    number = to_number(value)
    if number == 0 or not math.isfinite(number):
        return _digits(number)
    return "{}{}".format(
        *_scaled_up(number, 1000, _UP) if abs(number) >= 1 else _scaled_down(number)
    )


def humanize1024(value: object) -> str:
    """Return the number with four digits and a binary prefix: `1.5Ki`."""
    number = to_number(value)
    if abs(number) <= 1 or not math.isfinite(number):
        return _digits(number)
    prefixes = ("ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi")
    return "{}{}".format(*_scaled_up(number, 1024, prefixes))


def humanize_duration(value: object) -> str:
    """Return seconds as people say them: `1d 2h 3m 4s`, `12.5s`, `250ms`."""
    number = to_number(value)
    if not math.isfinite(number):
        return _digits(number)
    if number == 0:
        return "0s"
    if abs(number) < 1:
        digits, prefix = _scaled_down(number)
        return f"{digits}{prefix}s"
    sign = "-" if number < 0 else ""
    if abs(number) < 60:
        return f"{sign}{_digits(abs(number))}s"
    minutes, seconds = divmod(int(abs(number)), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [f"{days}d" if days else "", f"{hours}h" if days or hours else ""]
    return sign + " ".join(filter(None, [*parts, f"{minutes}m", f"{seconds}s"]))


def humanize_percentage(value: object) -> str:
    """Return a ratio as a percentage with four digits: `12.34%`."""
    return f"{_digits(to_number(value) * 100)}%"


def humanize_timestamp(value: object) -> str:
    """Return Unix seconds as Go prints a time in UTC: `2026-01-02 03:04:05.5 +0000 UTC`."""
    number = to_number(value)
    if not math.isfinite(number):
        return _digits(number)
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=round(number * 1000))
    except OverflowError:
        raise ValueError(f"{number} cannot be represented as a time") from None
    fraction = f".{moment.microsecond:06d}".rstrip("0") if moment.microsecond else ""
    return f"{moment:%Y-%m-%d %H:%M:%S}{fraction} +0000 UTC"


def title(text: str) -> str:
    """Return `text` with the first letter of each word in upper case, the rest as it is."""
    return re.sub(r"(?<![\w'’])\w", lambda match: match[0].upper(), text)


def strip_port(address: str) -> str:
    """Return the host of `host:port`; anything else as it is."""
    host, _ = _host_and_port(address)
    return host


def strip_domain(address: str) -> str:
    """Return the address without the domain of its host; an IP address as it is."""
    host, port = _host_and_port(address)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        host = host.partition(".")[0]
        return f"{host}:{port}" if port else host
    return address


def match(pattern: str, text: str) -> bool:
    """Return whether the RE2 `pattern` is found anywhere in `text`."""
    return re.search(translate(pattern, dot_newline=False), text) is not None


def replace_all(pattern: str, replacement: str, text: str) -> str:
    """Return `text` with each match of the RE2 `pattern` replaced; `$1` and `${name}` are its groups."""
    compiled = re.compile(translate(pattern, dot_newline=False))
    return compiled.sub(lambda found: expand(replacement, found), text)


def first(result: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """Return the first element of a query's result; raises ValueError if it is empty."""
    if not result:
        raise ValueError("first() called on vector with no elements")
    return result[0]


def sort_by_label(label: str, result: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return a query's result in the order of `label`."""
    return sorted(result, key=lambda sample: str(sample["Labels"].get(label, "")))


def table_link(expression: str) -> str:
    """Return the path of the expression browser's table for `expression`."""
    return f"/graph?g0.expr={quote_plus(expression)}&g0.tab=1"


def graph_link(expression: str) -> str:
    """Return the path of the expression browser's graph for `expression`."""
    return f"/graph?g0.expr={quote_plus(expression)}&g0.tab=0"


FUNCTIONS: dict[str, Callable[..., object]] = {
    "args": lambda *values: {f"arg{index}": value for index, value in enumerate(values)},
    "first": first,
    "graphLink": graph_link,
    "humanize": humanize,
    "humanize1024": humanize1024,
    "humanizeDuration": humanize_duration,
    "humanizePercentage": humanize_percentage,
    "humanizeTimestamp": humanize_timestamp,
    "label": lambda name, sample: sample["Labels"].get(name, ""),
    "match": match,
    "parseDuration": lambda text: parse_duration(text).total_seconds(),
    "reReplaceAll": replace_all,
    "safeHtml": lambda text: text,
    "sortByLabel": sort_by_label,
    "stripDomain": strip_domain,
    "stripPort": strip_port,
    "strvalue": lambda sample: sample["Labels"].get("__value__", ""),
    "tableLink": table_link,
    "title": title,
    "toLower": lambda text: text.lower(),
    "toUpper": lambda text: text.upper(),
    "value": lambda sample: sample["Value"],
}  # those that need nothing but their arguments


def _digits(number: float) -> str:
    """Return `number` as Go's %.4g."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    return f"{number:.4g}"


def _scaled_up(number: float, base: int, prefixes: Sequence[str]) -> tuple[str, str]:
    used = ""
    for prefix in prefixes:
        if abs(number) < base:
            break
        used = prefix
        number /= base
    return _digits(number), used


def _scaled_down(number: float) -> tuple[str, str]:
    used = ""
    for prefix in _DOWN:
        if abs(number) >= 1:
            break
        used = prefix
        number *= 1000
    return _digits(number), used


def _host_and_port(address: str) -> tuple[str, str]:
    bracketed = re.fullmatch(r"\[([^\]]*)\]:([^:]*)", address)
    plain = re.fullmatch(r"([^:\[\]]*):([^:]*)", address)
    found = bracketed or plain
    return (found[1], found[2]) if found else (address, "")
