"""The HTTP application: metrics, health, service discovery, reload, the status page and the API."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
)
from starlette.routing import BaseRoute, Mount, Route

from pgwatch.export.openmetrics import wants_openmetrics
from pgwatch.export.prometheus import Page
from pgwatch.web.access import not_allowed
from pgwatch.web.alert_forms import alert_page_routes
from pgwatch.web.alertmanager_api import alertmanager_routes
from pgwatch.web.api_adhoc import AdHoc
from pgwatch.web.graph import graph
from pgwatch.web.office import Office
from pgwatch.web.own_api import own_routes
from pgwatch.web.pages import status_page
from pgwatch.web.prometheus_api import ApiSources, api_routes
from pgwatch.web.view import StatusView

# The page is one document: nothing is loaded, no script runs, nobody may frame it.
_SECURITY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Providers:
    """What the application asks the daemon for; all are called on the event loop."""

    page: Callable[[str | None, bool], Page | None]
    # metrics of all targets or of one, and whether in OpenMetrics; None: unknown
    status: Callable[[], StatusView]
    unhealthy: Callable[[], Sequence[str]]  # why the process should be restarted; empty: it is fine
    unready: Callable[[], Sequence[str]]  # why it does not see everything yet; empty: it does
    reload: Callable[
        [], Awaitable[str]
    ]  # returns why the old configuration stays; empty: it does not
    api: ApiSources = field(default_factory=ApiSources)
    office: Callable[[], Office | None] = lambda: None  # None: the daemon is starting


def create_app(providers: Providers, *, prefix: str = "") -> Starlette:
    """Return the ASGI application over `providers`; every path begins with `prefix`, such as `/pgwatch`."""
    adhoc = AdHoc()  # one for the API and the page: queries are asked one at a time

    async def metrics(request: Request) -> Response:
        target = request.path_params.get("target")
        page = providers.page(target, wants_openmetrics(request.headers.get("accept", "")))
        if page is None:
            return PlainTextResponse(f"no target is called {target!r}\n", status_code=404)
        return _metrics_response(request, page)

    async def discovery(request: Request) -> Response:
        # How this request reached us is how a scrape will; targets keep their own `target` label.
        address = request.headers.get("host", "")
        view = providers.status()
        instances = {probe.name: "" for probe in view.probes}
        instances.update({target.name: target.instance for target in view.targets})
        return JSONResponse(
            [
                {
                    "targets": [address],
                    "labels": {
                        "__metrics_path__": f"{prefix}/metrics/{name}",
                        "__meta_pgwatch_target": name,
                        "__meta_pgwatch_instance": instance,
                    },
                }
                for name, instance in sorted(instances.items())
            ]
        )

    async def healthy(_: Request) -> Response:
        return _reasons("healthy", providers.unhealthy())

    async def ready(_: Request) -> Response:
        return _reasons("ready", providers.unready())

    async def reload(request: Request) -> Response:
        if (refusal := not_allowed(request)) is not None:
            return PlainTextResponse(refusal, status_code=403)
        if refused := await providers.reload():
            message = f"the configuration is not in force, the previous one stays:\n{refused}\n"
            return PlainTextResponse(message, status_code=500)
        return PlainTextResponse("reloaded\n")

    async def asked(request: Request) -> Response:
        return await graph(request, lambda: providers.api.store, adhoc)

    async def status(_: Request) -> Response:
        # The view is made on the event loop, which owns what it shows; a hundred targets take 60 ms
        # to render, for which no scrape should wait.
        page = await run_in_threadpool(status_page, providers.status())
        return HTMLResponse(page, headers=_SECURITY)

    routes: list[BaseRoute] = [
        Route("/", status),
        Route("/metrics", metrics),
        Route("/metrics/{target:path}", metrics),
        Route("/sd", discovery),
        Route("/-/healthy", healthy),
        Route("/-/ready", ready),
        Route("/-/reload", reload, methods=["POST", "PUT"]),
        Route("/graph", asked),
        Mount("/alert", routes=alert_page_routes(providers.office)),
        Mount("/api/v2", routes=alertmanager_routes(providers.office)),
        Mount("/api/pgwatch/v1", routes=own_routes(providers.office)),
        Mount("/api/v1", routes=api_routes(lambda: providers.api, providers.status, adhoc)),
    ]
    return Starlette(routes=_below(prefix, routes))


def _below(prefix: str, routes: list[BaseRoute]) -> list[BaseRoute]:
    """Return `routes` with `prefix` before their paths; who asks without it for the page is led there."""
    if not prefix:
        return routes

    async def there(_: Request) -> Response:
        return RedirectResponse(f"{prefix}/", status_code=302)

    return [Route("/", there), Route(prefix, there), Mount(prefix, routes=routes)]


def _metrics_response(request: Request, page: Page) -> Response:
    headers = {"Vary": "Accept, Accept-Encoding"}
    if _takes_gzip(request.headers.get("accept-encoding", "")):
        headers["Content-Encoding"] = "gzip"
        return Response(page.gzip, media_type=page.content_type, headers=headers)
    return Response(page.body, media_type=page.content_type, headers=headers)


def _takes_gzip(accept_encoding: str) -> bool:
    for part in accept_encoding.split(","):
        coding, _, parameters = part.partition(";")
        if coding.strip().lower() in ("gzip", "*"):
            quality = parameters.replace(" ", "").removeprefix("q=")
            return quality.strip("0.") != "" or not quality
    return False


def _reasons(word: str, against: Sequence[str]) -> Response:
    if not against:
        return PlainTextResponse(f"pgwatch is {word}\n")
    lines = "".join(f"- {reason}\n" for reason in against)
    return PlainTextResponse(f"pgwatch is not {word}:\n{lines}", status_code=503)
