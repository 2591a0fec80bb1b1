"""pgwatch's own HTTP API: acknowledgements, the history and the outbox, which no API of others has."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from pgwatch.errors import PgwatchError
from pgwatch.notify.explain import explain
from pgwatch.notify.matcher import MatcherError, parse_matchers
from pgwatch.samples.labels import Labels, Matcher
from pgwatch.state.history import Event
from pgwatch.state.outbox import OutboxMessage, OutboxState
from pgwatch.web.access import not_allowed
from pgwatch.web.alertmanager_json import (
    InvalidError,
    acknowledgement_json,
    api_time,
    read_json,
    read_time,
)
from pgwatch.web.explanation_json import explanation_json
from pgwatch.web.office import Office

_LIMIT: Final = 100  # rows, unless the request names another number
_MOST: Final = 10_000
_LAST_ID: Final = 2**63 - 1  # the state holds them in 64 bits

Handle = Callable[[Request, Office], Awaitable[Any]]


def own_routes(office: Callable[[], Office | None]) -> list[BaseRoute]:
    """Return the routes of the API, to be mounted at `/api/pgwatch/v1`."""
    return [
        _route(
            "/acknowledgements",
            office,
            GET=_acknowledgements,
            POST=_acknowledge,
            DELETE=_release,
        ),
        _route("/route", office, GET=_explanation),
        _route("/history", office, GET=_history),
        _route("/samples", office, GET=_samples),
        _route("/outbox", office, GET=_outbox),
        _route("/outbox/retry", office, POST=_retry),
        _route("/outbox/drop", office, POST=_drop),
    ]


def _route(path: str, office: Callable[[], Office | None], **handles: Handle) -> Route:
    async def endpoint(request: Request) -> Response:
        asked = office()
        if asked is None:
            return _error("pgwatch is starting", 503)
        if request.method in ("POST", "DELETE") and (refusal := not_allowed(request)):
            return _error(refusal.strip(), 403)
        try:
            handle = handles["GET" if request.method == "HEAD" else request.method]
            answer = await handle(request, asked)
            return answer if isinstance(answer, Response) else JSONResponse(answer)
        except (InvalidError, MatcherError) as error:
            return _error(str(error), 400)
        except PgwatchError as error:
            return _error(str(error), 500)

    return Route(path, endpoint, methods=list(handles))


async def _acknowledgements(_: Request, office: Office) -> Any:
    known = await office.snapshot()
    held = known.interventions.held_acknowledgements(known.now)
    return [acknowledgement_json(held[labels]) for labels in sorted(held)]


async def _acknowledge(request: Request, office: Office) -> Any:
    body = await _object(request)
    owner = body.get("owner")
    if not isinstance(owner, str) or not owner.strip():
        raise InvalidError("owner is required: who looks after the alert")
    until = read_time(body.get("until"), "until")
    if until is not None and until <= (await office.snapshot()).now:
        raise InvalidError("until must lie in the future")
    matchers = _matchers(body.get("matchers"))
    comment = str(body.get("comment") or "")
    labels = await office.acknowledge(matchers, owner.strip(), comment, until)
    return {"acknowledged": [dict(one) for one in labels]}


async def _release(request: Request, office: Office) -> Any:
    labels = await office.release(_matchers(request.query_params.getlist("filter")))
    return {"released": [dict(one) for one in labels]}


async def _explanation(request: Request, office: Office) -> Any:
    labels = dict(request.query_params.multi_items())
    if not labels:
        raise InvalidError("expected the labels of an alert as parameters: ?alertname=PostgresDown")
    known = await office.snapshot()
    explanation = explain(
        known.routing,
        Labels(labels),
        known.now,
        groups=known.groups,
        said=known.interventions,
        alerts=known.alerts,
        delayed_until=known.delayed_until,
    )
    return explanation_json(explanation, known.now)


async def _history(request: Request, office: Office) -> Any:
    query = request.query_params
    events = await office.events(
        limit=_limit(request),
        kind=query.get("kind") or None,
        since=read_time(query.get("since"), "since"),
        about=query.get("about", ""),
    )
    return [event_json(one) for one in events]


async def _samples(_: Request, office: Office) -> Response:
    return Response(await office.samples(), media_type="application/octet-stream")


async def _outbox(request: Request, office: Office) -> Any:
    texts = request.query_params.getlist("state")
    try:
        states = [OutboxState(text) for text in texts] or list(OutboxState)
    except ValueError:
        raise InvalidError(f"state must be one of {', '.join(OutboxState)}") from None
    return [message_json(one) for one in await office.messages(states, _limit(request))]


async def _retry(request: Request, office: Office) -> Any:
    return {"retried": await office.retry(_ids(await _object(request)))}


async def _drop(request: Request, office: Office) -> Any:
    return {"dropped": await office.drop(_ids(await _object(request)))}


def event_json(event: Event) -> dict[str, Any]:
    """Return an event of the history."""
    return {
        "time": api_time(event.time),
        "kind": event.kind,
        "subject": event.subject,
        "detail": dict(event.detail),
        "message": event.message,
    }


def message_json(message: OutboxMessage) -> dict[str, Any]:
    """Return a message of the outbox, without its text."""
    body = asdict(message)
    return {
        key: api_time(value) if isinstance(value, datetime) else value
        for key, value in body.items()
    }


async def _object(request: Request) -> Mapping[str, Any]:
    body = await read_json(request)
    if not isinstance(body, dict):
        raise InvalidError("the body must be an object")
    return body


def _matchers(texts: Any) -> tuple[Matcher, ...]:
    if not isinstance(texts, list) or not texts:
        raise InvalidError('expected matchers such as alertname="PostgresDown"')
    return tuple(one for text in texts for one in parse_matchers(str(text)).matchers)


def _ids(body: Mapping[str, Any]) -> list[int]:
    ids = body.get("ids")
    if not isinstance(ids, list) or not all(
        isinstance(one, int) and 0 < one <= _LAST_ID for one in ids
    ):
        raise InvalidError(f"ids must be a list of numbers from 1 to {_LAST_ID}")
    return ids


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", str(_LIMIT))
    if not text.isdecimal() or len(text) > len(str(_MOST)) or not 1 <= int(text) <= _MOST:
        raise InvalidError(f"limit must be a number from 1 to {_MOST}")
    return int(text)


def _error(message: str, status: int) -> Response:
    return JSONResponse({"error": message}, status_code=status)
