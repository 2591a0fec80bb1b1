"""`/alert/<fingerprint>`: where the link of a message leads, and what its forms send."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Final
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from pgwatch.alerts.alert import Alert
from pgwatch.errors import PgwatchError
from pgwatch.notify.interventions import Silencer
from pgwatch.notify.silence import Silence, SilenceError
from pgwatch.samples.labels import Labels, Matcher, MatchType
from pgwatch.units import parse_duration
from pgwatch.web.access import USER, not_our_form
from pgwatch.web.alert_page import ACK_TIMES, SILENCE_TIMES, AlertPage, alert_page
from pgwatch.web.body import body_of
from pgwatch.web.office import Office, Snapshot
from pgwatch.web.view import AlertView, alert_view

_MAX_BODY: Final = 64 * 1024
_MAX_TEXT: Final = 500
_SECURITY: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # with `no-referrer` a browser hides from which site a form is
    "Cache-Control": "no-store",
}

Form = Mapping[str, str]
Act = Callable[[Office, Snapshot, Labels, Form], Awaitable[None]]


class _UnusableError(PgwatchError):
    """What was sent cannot be done."""


def alert_page_routes(office: Callable[[], Office | None]) -> list[BaseRoute]:
    """Return the routes, to be mounted at `/alert`."""

    async def show(request: Request) -> Response:
        asked = office()
        return _starting() if asked is None else await _page(request, asked)

    def change(act: Act) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            asked = office()
            return _starting() if asked is None else await _change(request, asked, act)

        return endpoint

    return [
        Route("/{fingerprint}", show),
        Route("/{fingerprint}/acknowledge", change(_acknowledge), methods=["POST"]),
        Route("/{fingerprint}/release", change(_release), methods=["POST"]),
        Route("/{fingerprint}/silence", change(_silence), methods=["POST"]),
    ]


def _starting() -> Response:
    return PlainTextResponse("pgwatch is starting\n", status_code=503)


async def _page(request: Request, office: Office, error: str = "") -> Response:
    known = await office.snapshot()
    fingerprint = str(request.path_params["fingerprint"])
    alert = await run_in_threadpool(known.find, fingerprint)
    refusal = not_our_form(request, known.routing.external_url)
    page = AlertPage(
        now=known.now,
        fingerprint=fingerprint,
        alert=_view(known, alert) if alert else None,
        refusal=(refusal or "").strip(),
        error=error,
        user=request.scope.get(USER, ""),
        base=""
        if request.method in {"GET", "HEAD"}
        else "../",  # the answer to a form is below the alert
    )
    status = 400 if error else 200 if alert else 404
    return HTMLResponse(alert_page(page), status_code=status, headers=_SECURITY)


async def _change(request: Request, office: Office, act: Act) -> Response:
    known = await office.snapshot()
    if refusal := not_our_form(request, known.routing.external_url):
        return PlainTextResponse(refusal, status_code=403)
    fingerprint = str(request.path_params["fingerprint"])
    alert = await run_in_threadpool(known.find, fingerprint)
    if alert is None:
        return await _page(request, office)
    try:
        await act(office, known, alert.labels, await _form(request))
    except (PgwatchError, SilenceError) as error:
        return await _page(request, office, error=str(error))
    # Seen from `/alert/<fingerprint>/<action>`; a reload of the page does not send the form again.
    return RedirectResponse(f"../{fingerprint}", status_code=303)


def _view(known: Snapshot, alert: Alert) -> AlertView:
    said = known.interventions
    silencer = Silencer(said.silences.values(), known.now)
    acknowledged = said.held_acknowledgements(known.now).get(alert.labels)
    return alert_view(alert, silencer.silencing(alert.labels), acknowledged)


async def _form(request: Request) -> Form:
    body = await body_of(request, _MAX_BODY)
    if body is None:
        raise _UnusableError(f"the form is longer than {_MAX_BODY} bytes")
    fields = parse_qs(body.decode("utf-8", "replace"))
    return {name: " ".join(values[-1].split()) for name, values in fields.items()}


async def _acknowledge(office: Office, known: Snapshot, labels: Labels, form: Form) -> None:
    pause = _time(form, ACK_TIMES)
    until = known.now + pause if pause else None
    owner, comment = _text(form, "owner"), form.get("comment", "")[:_MAX_TEXT]
    await office.acknowledge(_exactly(labels), owner, comment, until)


async def _release(office: Office, _: Snapshot, labels: Labels, __: Form) -> None:
    await office.release(_exactly(labels))


async def _silence(office: Office, known: Snapshot, labels: Labels, form: Form) -> None:
    silence = Silence(
        id="",
        matchers=_exactly(labels),
        starts_at=known.now,
        ends_at=known.now + (_time(form, SILENCE_TIMES) or timedelta(hours=1)),
        updated_at=known.now,
        created_by=_text(form, "owner"),
        comment=_text(form, "comment"),
    )
    await office.put_silence(silence)


def _exactly(labels: Labels) -> tuple[Matcher, ...]:
    return tuple(Matcher(name, MatchType.EQUAL, value) for name, value in labels.items())


def _text(form: Form, name: str) -> str:
    if not (text := form.get(name, "")):
        words = {"owner": "name: say who you are", "comment": "comment: say why"}
        raise _UnusableError(words[name])
    return text[:_MAX_TEXT]


def _time(form: Form, choices: Mapping[str, str]) -> timedelta | None:
    text = form.get("for", "")
    if text not in choices:
        raise _UnusableError(f"for: expected one of {', '.join(filter(None, choices))}")
    return parse_duration(text) if text else None
