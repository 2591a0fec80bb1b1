"""Prometheus's HTTP API v1 over the recent history: for Grafana, promtool, and people with curl.

Source: the page "HTTP API" of Prometheus's documentation and `web/api/v1/api.go`. Everything is read from
memory; nothing here asks a database or changes anything.
"""

import asyncio
import platform
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from pgwatch import __version__
from pgwatch.samples.store import Store
from pgwatch.units import format_duration
from pgwatch.web import api_parse, api_query, api_rules, api_series, api_targets
from pgwatch.web.api_adhoc import AdHoc, CheckTime
from pgwatch.web.api_answer import Answer, ApiError, ErrorKind, failure, rfc3339, success, to_json
from pgwatch.web.api_parameters import Parameters, read_parameters
from pgwatch.web.view import StatusView

# What clients may expect of the query language; Grafana switches features by it.
LANGUAGE_VERSION = "3.13.0"

Handle = Callable[[Request, Parameters], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSources:
    """What the API reads; the functions are called on the event loop."""

    store: Store = field(default_factory=Store)
    groups: Callable[[], Sequence[api_rules.GroupView]] = tuple
    retention: timedelta = timedelta(hours=1)


def api_routes(
    sources: Callable[[], ApiSources],
    status: Callable[[], StatusView],
    adhoc: AdHoc | None = None,
) -> list[BaseRoute]:
    """Return the routes of the API, to be mounted at `/api/v1`; `adhoc` runs the queries."""
    api = _Api(sources, status, adhoc or AdHoc())
    both = {
        "/query": api.query,
        "/query_range": api.query_range,
        "/query_exemplars": api.nothing,
        "/format_query": api.format_query,
        "/parse_query": api.parse_query,
        "/labels": api.labels,
        "/series": api.series,
    }
    readable = {
        "/label/{name}/values": api.label_values,
        "/metadata": api.metadata,
        "/rules": api.rules,
        "/alerts": api.alerts,
        "/targets": api.targets,
        "/scrape_pools": api.scrape_pools,
        "/alertmanagers": api.alertmanagers,
        "/status/buildinfo": api.build_info,
        "/status/runtimeinfo": api.runtime_info,
    }
    routes = [_route(path, handle, "GET", "POST") for path, handle in both.items()]
    routes += [_route(path, handle, "GET") for path, handle in readable.items()]
    # Also `status/flags`: whoever answers that is taken for Thanos by Grafana.
    return [*routes, Route("/{path:path}", _not_found)]


def _route(path: str, handle: Handle, *methods: str) -> Route:
    async def endpoint(request: Request) -> Response:
        if request.method == "OPTIONS":
            return Response(status_code=204, headers={"Allow": ", ".join((*methods, "OPTIONS"))})
        try:
            return success(await handle(request, await read_parameters(request)))
        except ApiError as error:
            return failure(error)

    return Route(path, endpoint, methods=[*methods, "OPTIONS"])


async def _not_found(_: Request) -> Response:
    return failure(ApiError(ErrorKind.NOT_FOUND, "pgwatch has no such endpoint"))


class _Api:
    """The endpoints: what reads samples runs on the ad-hoc thread, the rest does not wait for it."""

    def __init__(
        self, sources: Callable[[], ApiSources], status: Callable[[], StatusView], adhoc: AdHoc
    ) -> None:
        self._sources = sources
        self._status = status
        self._adhoc = adhoc

    async def query(self, _: Request, parameters: Parameters) -> Answer:
        store, now_ms = self._sources().store, round(time.time() * 1000)
        work = partial(api_query.instant, store, parameters, now_ms)
        return await self._adhoc.run(work, api_query.time_limit(parameters))

    async def query_range(self, _: Request, parameters: Parameters) -> Answer:
        work = partial(api_query.over_range, self._sources().store, parameters)
        return await self._adhoc.run(work, api_query.time_limit(parameters))

    async def nothing(self, _: Request, __: Parameters) -> Answer:
        return Answer(data="[]")

    async def format_query(self, _: Request, parameters: Parameters) -> Answer:
        return await self._adhoc.run(lambda _: api_query.formatted(parameters))

    async def parse_query(self, _: Request, parameters: Parameters) -> Answer:
        return await self._adhoc.run(lambda _: api_parse.parsed(parameters))

    async def labels(self, _: Request, parameters: Parameters) -> Answer:
        work = partial(api_series.label_names, self._sources().store, parameters)
        return await self._adhoc.run(work)

    async def label_values(self, request: Request, parameters: Parameters) -> Answer:
        store, name = self._sources().store, request.path_params["name"]

        def work(check_time: CheckTime) -> Answer:
            return api_series.label_values(store, name, parameters, check_time)

        return await self._adhoc.run(work)

    async def series(self, _: Request, parameters: Parameters) -> Answer:
        work = partial(api_series.series, self._sources().store, parameters)
        return await self._adhoc.run(work)

    async def metadata(self, _: Request, parameters: Parameters) -> Answer:
        return api_series.metadata(self._sources().store, parameters)

    async def rules(self, _: Request, parameters: Parameters) -> Answer:
        groups = self._sources().groups()
        return await asyncio.to_thread(api_rules.rules, groups, parameters)

    async def alerts(self, _: Request, __: Parameters) -> Answer:
        return await asyncio.to_thread(api_rules.alerts, self._sources().groups())

    async def targets(self, _: Request, parameters: Parameters) -> Answer:
        return api_targets.targets(self._status(), parameters)

    async def scrape_pools(self, _: Request, __: Parameters) -> Answer:
        return Answer(data=to_json({"scrapePools": api_targets.POOLS}))

    async def alertmanagers(self, _: Request, __: Parameters) -> Answer:
        return Answer(data='{"activeAlertmanagers":[],"droppedAlertmanagers":[]}')

    async def build_info(self, _: Request, __: Parameters) -> Answer:
        # No key `features`: Grafana would take us for Mimir and look for its ruler.
        return Answer(
            data=to_json(
                {
                    "version": LANGUAGE_VERSION,
                    "revision": f"pgwatch {__version__}",
                    "branch": "",
                    "buildUser": "",
                    "buildDate": "",
                    "goVersion": f"Python {platform.python_version()}",
                }
            )
        )

    async def runtime_info(self, _: Request, __: Parameters) -> Answer:
        return Answer(
            data=to_json(
                {
                    "startTime": rfc3339(self._status().started),
                    "serverTime": rfc3339(datetime.now(UTC)),
                    "storageRetention": format_duration(self._sources().retention),
                    "timeSeriesCount": self._sources().store.series_count,
                }
            )
        )
