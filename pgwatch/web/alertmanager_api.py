"""Alertmanager's HTTP API v2: for amtool, Karma, Grafana, and every Prometheus that posts alerts.

Source: Alertmanager `api/v2/api.go`. Errors are JSON strings with status 400, and objects with go-openapi's
code where a body or parameter has not the right shape.
"""

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pgwatch import __version__
from pgwatch.errors import PgwatchError
from pgwatch.notify.matcher import MatcherError, MatcherMode, matches, parse_matchers
from pgwatch.notify.notification import place_of_labels
from pgwatch.notify.silence import Silence, SilenceError, forgotten
from pgwatch.notify.status import AlertStatus, alert_statuses
from pgwatch.promql.errors import PromqlError
from pgwatch.promql.regex import compile_regex
from pgwatch.samples.labels import Labels, Matcher
from pgwatch.web.access import not_allowed
from pgwatch.web.alertmanager_json import (
    InvalidError,
    alert_json,
    api_time,
    posted_alert,
    posted_silence,
    read_json,
    silence_json,
    silences_in_order,
)
from pgwatch.web.office import Office, Snapshot

# The API's version that clients may expect; amtool compares it with its own and only warns.
API_VERSION: Final = "0.28.0"
_UUID: Final = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

Handle = Callable[[Request, Office], Awaitable[Response]]


class _RefusedError(Exception):
    def __init__(self, status: int, body: object) -> None:
        super().__init__(str(body))
        self.response = _json(body, status)


def alertmanager_routes(office: Callable[[], Office | None]) -> list[BaseRoute]:
    """Return the routes of the API, to be mounted at `/api/v2`."""
    return [
        _route("/status", office, GET=_status),
        _route("/receivers", office, GET=_receivers),
        _route("/alerts", office, GET=_alerts, POST=_post_alerts),
        _route("/alerts/groups", office, GET=_groups),
        _route("/silences", office, GET=_silences, POST=_post_silence),
        _route("/silence/{id}", office, GET=_silence, DELETE=_delete_silence),
    ]


def _route(path: str, office: Callable[[], Office | None], **handles: Handle) -> Route:
    async def endpoint(request: Request) -> Response:
        handle = handles["GET" if request.method == "HEAD" else request.method]
        asked = office()
        if asked is None:
            return _json("pgwatch is starting", 503)
        if request.method in ("POST", "DELETE") and (refusal := not_allowed(request)):
            return _json(refusal.strip(), 403)
        try:
            return await handle(request, asked)
        except _RefusedError as refused:
            return refused.response
        except InvalidError as error:
            return _invalid(error)
        except PgwatchError as error:
            return _json(str(error), 500)

    return Route(path, endpoint, methods=list(handles))


# About ourselves


async def _status(_: Request, office: Office) -> Response:
    known = await office.snapshot()
    return _json(
        {
            "cluster": {"name": "", "peers": [], "status": "disabled"},
            "config": {"original": known.routing.original},
            "uptime": api_time(known.started),
            "versionInfo": {
                "branch": "",
                "buildDate": "",
                "buildUser": "",
                "goVersion": "",
                "revision": f"pgwatch {__version__}",
                "version": API_VERSION,
            },
        }
    )


async def _receivers(_: Request, office: Office) -> Response:
    return _json([{"name": name} for name in office.routing().receivers])


# Alerts


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """The filters of a request for alerts."""

    matchers: tuple[Matcher, ...]
    receiver: re.Pattern[str] | None
    active: bool
    silenced: bool
    inhibited: bool
    muted: bool

    def has(self, status: AlertStatus) -> bool:
        return (
            (self.active or status.is_suppressed)
            and (self.silenced or not status.silenced_by)
            and (self.inhibited or not status.inhibited_by)
            and (self.muted or not status.muted)
            and matches(self.matchers, status.alert.labels)
        )

    def receivers(self, names: Iterable[str]) -> list[str]:
        pattern = self.receiver
        return [name for name in names if pattern is None or pattern.fullmatch(name)]


async def _alerts(request: Request, office: Office) -> Response:
    wanted = _wanted(request, office.routing().mode)
    return _text(await run_in_threadpool(_list_alerts, await office.snapshot(), wanted))


async def _groups(request: Request, office: Office) -> Response:
    wanted = _wanted(request, office.routing().mode)
    return _text(await run_in_threadpool(_list_groups, await office.snapshot(), wanted))


def _list_alerts(known: Snapshot, wanted: _Wanted) -> str:
    statuses = alert_statuses(known.routing, known.interventions, known.alerts, known.now)
    shown = [
        _alert(known, one, one.receivers)
        for one in statuses
        if wanted.receivers(one.receivers) and wanted.has(one)
    ]
    return json.dumps(sorted(shown, key=lambda one: str(one["fingerprint"])), ensure_ascii=False)


def _list_groups(known: Snapshot, wanted: _Wanted) -> str:
    statuses = alert_statuses(known.routing, known.interventions, known.alerts, known.now)
    groups: dict[tuple[Labels, str, str], list[dict[str, Any]]] = {}
    for one in statuses:
        if not wanted.has(one):
            continue
        shown = _alert(known, one, sorted(wanted.receivers(one.receivers)))
        for route in one.routes:
            if wanted.receivers([route.receiver]):
                labels = route.group_labels(one.alert.labels)
                groups.setdefault((labels, route.receiver, route.key), []).append(shown)
    return json.dumps(
        [
            {"labels": dict(labels), "receiver": {"name": receiver}, "alerts": alerts}
            for (labels, receiver, _), alerts in sorted(groups.items(), key=_place_of_group)
        ],
        ensure_ascii=False,
    )


def _place_of_group(item: tuple[tuple[Labels, str, str], object]) -> tuple[object, ...]:
    (labels, receiver, key), _ = item
    return place_of_labels(labels), receiver, key


def _alert(known: Snapshot, status: AlertStatus, receivers: Iterable[str]) -> dict[str, Any]:
    lease = known.leases.get(status.alert.labels)
    # An alert of our own rules ends when its rule says so; clients want a time that has not come.
    updated_at, ends_at = known.now, known.now + known.routing.resolve_timeout
    if lease is not None:
        updated_at, ends_at = lease.updated_at, lease.ends_at
    return alert_json(status, updated_at=updated_at, ends_at=ends_at, receivers=receivers)


async def _post_alerts(request: Request, office: Office) -> Response:
    bodies = await read_json(request)
    if not isinstance(bodies, list):
        raise InvalidError("alerts in body must be a list", 601)
    now, routing = datetime.now(UTC), office.routing()
    good, errors = [], []
    for body in bodies:
        try:
            timeout = routing.resolve_timeout
            good.append(posted_alert(body, resolve_timeout=timeout, now=now, mode=routing.mode))
        except InvalidError as error:
            errors.append(str(error))
    if good:
        await office.post(good)
    if errors:
        raise _RefusedError(400, "; ".join(dict.fromkeys(errors)))
    return Response(status_code=200)


def _wanted(request: Request, mode: MatcherMode) -> _Wanted:
    receiver = request.query_params.get("receiver")
    try:
        pattern = compile_regex(receiver, dot_newline=False) if receiver else None
    except PromqlError as error:
        raise _RefusedError(400, f"failed to parse receiver param: {error}") from None
    kinds = {
        name: _flag(request, name)
        for name in ("active", "silenced", "inhibited", "unprocessed", "muted")
    }
    del kinds["unprocessed"]  # ours are always processed
    return _Wanted(matchers=_filter(request, mode), receiver=pattern, **kinds)


def _flag(request: Request, name: str) -> bool:
    text = request.query_params.get(name, "true").lower()
    if text not in ("true", "1", "false", "0"):
        raise InvalidError(f'{name} in query must be of type bool: "{text}"', 601)
    return text in ("true", "1")


def _filter(request: Request, mode: MatcherMode) -> tuple[Matcher, ...]:
    found: list[Matcher] = []
    for text in request.query_params.getlist("filter"):
        try:
            found += parse_matchers(text, mode).matchers
        except MatcherError as error:
            raise _RefusedError(400, f"bad matcher format: {text}: {error}") from None
    return tuple(found)


# Silences


async def _silences(request: Request, office: Office) -> Response:
    known = await office.snapshot()
    wanted = frozenset(_filter(request, known.routing.mode))
    silences = known.interventions.silences.values()
    old = frozenset(forgotten(silences, known.now))
    chosen = [one for one in silences if one.id not in old and wanted <= frozenset(one.matchers)]
    return _json([silence_json(one, known.now) for one in silences_in_order(chosen, known.now)])


async def _post_silence(request: Request, office: Office) -> Response:
    body = await read_json(request)
    known = await office.snapshot()
    wanted = posted_silence(body, known.now, known.interventions.silences, known.routing.mode)
    try:
        silence_id = await office.put_silence(wanted)
    except SilenceError as error:
        raise _RefusedError(400, str(error)) from None
    except KeyError:
        raise _RefusedError(404, "silence not found") from None
    return _json({"silenceID": silence_id})


async def _silence(request: Request, office: Office) -> Response:
    silence_id = _id(request)
    known = await office.snapshot()
    silence: Silence | None = known.interventions.silences.get(silence_id)
    if silence is None:
        return Response(status_code=404)
    return _json(silence_json(silence, known.now))


async def _delete_silence(request: Request, office: Office) -> Response:
    try:
        await office.expire_silence(_id(request))
    except KeyError:
        return Response(status_code=404)
    return Response(status_code=200)


def _id(request: Request) -> str:
    text = str(request.path_params["id"])
    if not _UUID.fullmatch(text):
        raise InvalidError(f'silenceID in path must be of type uuid: "{text}"', 601)
    return text


# Answers


def _invalid(error: InvalidError) -> Response:
    if not error.code:
        return _json(str(error), 400)
    return _json({"code": error.code, "message": str(error)}, 400 if error.code == 400 else 422)


def _json(value: Mapping[str, Any] | Sequence[Any] | object, status: int = 200) -> Response:
    return _text(json.dumps(value, ensure_ascii=False), status)


def _text(text: str, status: int = 200) -> Response:
    return Response(
        text.encode("utf-8", "replace") + b"\n",
        status_code=status,
        media_type="application/json",
        headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
    )
