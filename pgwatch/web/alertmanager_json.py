"""The shapes of Alertmanager's API v2 (`api/v2/openapi.yaml`), from our own types and back."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final

from starlette.requests import Request

from pgwatch.alerts.posted import PostedAlert, received
from pgwatch.notify.interventions import Acknowledgement
from pgwatch.notify.matcher import MatcherError, MatcherMode, go_quote, matcher
from pgwatch.notify.silence import Silence, SilenceState
from pgwatch.notify.status import AlertStatus
from pgwatch.notify.window import Window, parse_window
from pgwatch.samples.labels import Labels, Matcher, MatchType
from pgwatch.web.body import body_of

_ZERO: Final = datetime(1, 1, 1, tzinfo=UTC)  # Go's zero time, which amtool sends for none
_MAX_BODY: Final = 16 << 20  # bytes; a thousand alerts have about one
_FRACTION: Final = re.compile(r"(\.\d{6})\d+")
_TYPES: Final = {
    (True, False): MatchType.EQUAL,
    (False, False): MatchType.NOT_EQUAL,
    (True, True): MatchType.REGEX,
    (False, True): MatchType.NOT_REGEX,
}


class InvalidError(ValueError):
    """A body that is not what the API wants; `code` is go-openapi's, 0 where there is none."""

    def __init__(self, message: str, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


async def read_json(request: Request) -> Any:
    """Return the JSON body of `request`; raises InvalidError."""
    body = await body_of(request, _MAX_BODY)
    if body is None:
        raise InvalidError(f"body is longer than {_MAX_BODY} bytes")
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidError("body is no JSON", 400) from None


def api_time(at: datetime) -> str:
    """Return `at` as the API writes times: RFC 3339 in milliseconds."""
    text = at.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"


def read_time(value: Any, name: str) -> datetime | None:
    """Return a time of a body; None where it is absent or Go's zero time. Raises InvalidError."""
    if value in (None, ""):
        return None
    try:
        at = datetime.fromisoformat(_FRACTION.sub(r"\1", value))
        if at.tzinfo is not None:
            return None if at <= _ZERO else at.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):
        pass
    raise InvalidError(f"{name} in body must be of type date-time: {value!r}", 601)


# Alerts


def alert_json(
    status: AlertStatus, *, updated_at: datetime, ends_at: datetime, receivers: Iterable[str]
) -> dict[str, Any]:
    """Return a `gettableAlert`, with who has acknowledged it."""
    alert = status.alert
    body = {
        "annotations": dict(alert.annotations),
        "endsAt": api_time(ends_at),
        "fingerprint": alert.fingerprint,
        "receivers": [{"name": name} for name in receivers],
        "startsAt": api_time(alert.fired_at or alert.active_at),
        "status": {
            "inhibitedBy": list(status.inhibited_by),
            "mutedBy": [],
            "silencedBy": list(status.silenced_by),
            "state": "suppressed" if status.is_suppressed else "active",
        },
        "updatedAt": api_time(updated_at),
        "generatorURL": alert.generator_url,
        "labels": alert.labels.to_dict(),
    }
    if alert.no_data_since:
        body["noDataSince"] = api_time(alert.no_data_since)
    if status.acknowledged:
        body["acknowledgement"] = acknowledgement_json(status.acknowledged)
    return body


def acknowledgement_json(one: Acknowledgement) -> dict[str, Any]:
    """Return who looks after an alert."""
    return {
        "labels": one.labels.to_dict(),
        "owner": one.owner,
        "comment": one.comment,
        "at": api_time(one.at),
        "until": api_time(one.until) if one.until else None,
    }


def posted_alert(
    body: Any,
    *,
    resolve_timeout: timedelta,
    now: datetime,
    mode: MatcherMode = MatcherMode.FALLBACK,
) -> PostedAlert:
    """Return a `postableAlert`; raises InvalidError."""
    if not isinstance(body, dict):
        raise InvalidError("alerts in body must be objects")
    labels, annotations = (_texts(body.get(key) or {}, key) for key in ("labels", "annotations"))
    for texts, what in ((labels, "label set"), (annotations, "annotations")):
        for name in texts:
            if not mode.has_name(name):
                raise InvalidError(f"invalid {what}: invalid name {go_quote(name)}")
    try:
        return received(
            Labels(labels),
            annotations,
            starts_at=read_time(body.get("startsAt"), "startsAt"),
            ends_at=read_time(body.get("endsAt"), "endsAt"),
            generator_url=str(body.get("generatorURL") or ""),
            resolve_timeout=resolve_timeout,
            now=now,
        )
    except InvalidError:
        raise
    except ValueError as error:
        raise InvalidError(str(error)) from None


def _texts(value: Any, name: str) -> Mapping[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise InvalidError(f"{name} in body must be an object of strings")
    return {str(key): text for key, text in value.items()}


# Silences


def silence_json(silence: Silence, now: datetime) -> dict[str, Any]:
    """Return a `gettableSilence`; our own keys `window` and `deploy` are there where they are set."""
    body: dict[str, Any] = {
        "id": silence.id,
        "status": {"state": silence.state(now)},
        "updatedAt": api_time(silence.updated_at),
        "comment": silence.comment,
        "createdBy": silence.created_by,
        "endsAt": api_time(silence.ends_at),
        "matchers": [
            {
                "isEqual": one.type in (MatchType.EQUAL, MatchType.REGEX),
                "isRegex": one.type in (MatchType.REGEX, MatchType.NOT_REGEX),
                "name": one.name,
                "value": one.value,
            }
            for one in silence.matchers
        ],
        "startsAt": api_time(silence.starts_at),
    }
    if silence.window:
        body["window"] = str(silence.window)
    if silence.deploy:
        body["deploy"] = True
    return body


def posted_silence(
    body: Any,
    now: datetime,
    known: Mapping[str, Silence] = MappingProxyType({}),
    mode: MatcherMode = MatcherMode.FALLBACK,
) -> Silence:
    """Return a `postableSilence` with our own keys `window` (`mon-fri 22:00-06:00 UTC`) and `deploy`.

    Its id is empty for a new one. A client that does not know our keys leaves those of a `known` silence
    as they are. Raises InvalidError.
    """
    if not isinstance(body, dict):
        raise InvalidError("silence in body is required", 602)
    for key in ("comment", "createdBy", "endsAt", "matchers", "startsAt"):
        if body.get(key) is None:
            raise InvalidError(f"{key} in body is required", 602)
    starts_at, ends_at = (read_time(body[key], key) or _ZERO for key in ("startsAt", "endsAt"))
    before = known.get(str(body.get("id")))
    ours = {"window": str(before.window or ""), "deploy": before.deploy} if before else {}
    body = {**ours, **body}
    return Silence(
        id=str(body.get("id") or ""),
        matchers=_matchers(body["matchers"], mode),
        starts_at=starts_at,
        ends_at=ends_at,
        updated_at=now,
        created_by=str(body["createdBy"]),
        comment=str(body["comment"]),
        window=_window(body.get("window")),
        deploy=body.get("deploy") is True,
    )


def silences_in_order(silences: Iterable[Silence], now: datetime) -> Sequence[Silence]:
    """Return `silences` as the API lists them: active by end, pending by start, expired newest first."""
    order = (SilenceState.ACTIVE, SilenceState.PENDING, SilenceState.EXPIRED)

    def place(one: Silence) -> tuple[int, float]:
        state = one.state(now)
        match state:
            case SilenceState.ACTIVE:
                at = one.ends_at.timestamp()
            case SilenceState.PENDING:
                at = one.starts_at.timestamp()
            case SilenceState.EXPIRED:
                at = -one.ends_at.timestamp()
        return order.index(state), at

    return sorted(silences, key=place)


def _matchers(value: Any, mode: MatcherMode) -> tuple[Matcher, ...]:
    if not isinstance(value, list) or not value:
        raise InvalidError("matchers in body should have at least 1 items", 612)
    found = []
    for index, one in enumerate(value):
        if not isinstance(one, dict):
            raise InvalidError("matchers in body must be objects", 601)
        for key in ("name", "value", "isRegex"):
            if one.get(key) is None:
                raise InvalidError(f"matchers.{key} in body is required", 602)
        kind = _TYPES[one.get("isEqual") is not False, bool(one["isRegex"])]
        name, wrong = str(one["name"]), f"invalid silence: invalid label matcher {index}"
        if not mode.has_name(name):
            raise InvalidError(f"{wrong}: invalid label name {go_quote(name)}")
        try:
            found.append(matcher(name, kind, str(one["value"])))
        except MatcherError as error:
            raise InvalidError(f"{wrong}: {error}") from None
    return tuple(found)


def _window(value: Any) -> Window | None:
    if value in (None, ""):
        return None
    words, _, zone = str(value).rpartition(" ")
    try:
        return parse_window(words, zone)
    except ValueError as error:
        raise InvalidError(f"window in body: {error}") from None
