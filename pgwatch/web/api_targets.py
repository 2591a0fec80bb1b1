"""The API's targets: each watched server and HTTP probe, as if Prometheus scraped it."""

from datetime import datetime, timedelta
from typing import Any

from pgwatch.web.api_answer import Answer, rfc3339, to_json
from pgwatch.web.api_parameters import Parameters, invalid
from pgwatch.web.view import ProbeView, StatusView, TargetView

_HEALTH = {True: "up", False: "down", None: "unknown"}
POOLS = _POSTGRESQL, _HTTP = "pgwatch", "pgwatch/http"  # the two kinds, as scrape pools


def targets(view: StatusView, parameters: Parameters) -> Answer:
    """Answer `targets`; nothing is ever dropped here."""
    state, pool = parameters.text("state").lower(), parameters.text("scrapePool")
    if state not in ("", "active", "dropped", "any"):
        raise invalid("state", f'not supported value "{state}"')
    active = [_target(one) for one in view.targets] + [_probe(one) for one in view.probes]
    if pool:
        active = [one for one in active if one["scrapePool"] == pool]
    shown: dict[str, Any] = {
        "activeTargets": [] if state == "dropped" else active,
        "droppedTargets": [],
    }
    if state != "active":
        shown["droppedTargetCounts"] = dict.fromkeys(POOLS, 0)
    return Answer(data=to_json(shown))


def _target(target: TargetView) -> dict[str, Any]:
    runs = [(query.at, query.elapsed) for query in target.queries if query.at is not None]
    at, elapsed = max(runs, default=(None, timedelta(0)))
    return _row(
        name=target.name,
        instance=target.instance,
        url=f"postgresql://{target.instance}",
        pool=_POSTGRESQL,
        up=target.up,
        error=target.error,
        at=at,
        elapsed=elapsed,
    )


def _probe(probe: ProbeView) -> dict[str, Any]:
    return _row(
        name=probe.name,
        instance="",
        url="",
        pool=_HTTP,
        up=probe.success,
        error=probe.reason if probe.success is False else "",
        at=probe.at,
        elapsed=probe.elapsed,
    )


def _row(
    *,
    name: str,
    instance: str,
    url: str,
    pool: str,
    up: bool | None,
    error: str,
    at: datetime | None,
    elapsed: timedelta,
) -> dict[str, Any]:
    labels = {"instance": instance, "job": "pgwatch", "target": name}
    return {
        "discoveredLabels": {"__address__": instance, "job": "pgwatch"},
        "labels": {label: value for label, value in labels.items() if value},
        "scrapePool": pool,
        "scrapeUrl": url,
        "globalUrl": url,
        "lastError": error,
        "lastScrape": rfc3339(at),
        "lastScrapeDuration": elapsed.total_seconds(),
        "health": _HEALTH[up],
        # Each query has an interval and a limit of its own.
        "scrapeInterval": "",
        "scrapeTimeout": "",
    }
