"""`/graph`: where the link of an alert leads, as in Prometheus; `g0.expr` is the expression."""

from collections.abc import Callable
from datetime import UTC, datetime

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from pgwatch.promql.engine import Engine, Kind
from pgwatch.promql.errors import PromqlError
from pgwatch.promql.parser import MAX_BYTES, parse
from pgwatch.samples.store import Store
from pgwatch.web.api_adhoc import AdHoc, CheckTime
from pgwatch.web.api_answer import ApiError
from pgwatch.web.api_query import LOOKBACK
from pgwatch.web.graph_page import Panel, graph_page

_MAX_PANELS = 10
# The only script-free way to ask another question is a form that leads back here.
_SECURITY = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


async def graph(request: Request, store: Callable[[], Store], adhoc: AdHoc) -> Response:
    """Answer with the table of each expression `g0.expr`, `g1.expr` … at this moment."""
    now = datetime.now(UTC)
    given = (request.query_params.get(f"g{place}.expr", "") for place in range(_MAX_PANELS))
    panels = []
    for query in filter(None, given):
        try:
            panels.append(await adhoc.run(_work(store(), query, round(now.timestamp() * 1000))))
        except ApiError as error:
            panels.append(Panel(query=query[:MAX_BYTES], error=str(error)))
    return HTMLResponse(await run_in_threadpool(graph_page, panels, now), headers=_SECURITY)


def _work(store: Store, query: str, now_ms: int) -> Callable[[CheckTime], Panel]:
    def ask(check_time: CheckTime) -> Panel:
        try:
            result = Engine(store, LOOKBACK).instant(parse(query), now_ms, check_time=check_time)
        except PromqlError as error:
            return Panel(query=query[:MAX_BYTES], error=str(error))
        rows, notes = result.vector, result.warnings
        if result.kind is Kind.MATRIX:
            rows = tuple((one.labels, float(one.values[-1])) for one in result.matrix)
            notes = (*notes, "of a range vector, the newest samples")
        return Panel(query=query, rows=rows, text=result.text, notes=notes)

    return ask
