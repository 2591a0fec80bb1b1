"""What receivers were told during a storm, against what happened: every promise that was broken."""

from bisect import bisect
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.receivers import Request
from tests.storm import HOLD, Incident

_LATE = 1.0  # seconds by which a `for` may be over before somebody looks: one slot


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """The state file after a kill."""

    evaluated_at: datetime | None
    alerts: Mapping[str, Mapping[str, Any]]  # bodies by incident


@dataclass(slots=True)
class Verdict:
    """What was found; the storm was weathered if there are no `problems`."""

    problems: list[str] = field(default_factory=list)
    announcements: int = 0
    repeats: int = 0
    delays: list[float] = field(default_factory=list)
    # seconds from the later of an incident's commit and the daemon's start to the first message

    def fail(self, problem: str) -> None:
        self.problems.append(problem)


def judge(
    incidents: Sequence[Incident],
    heard: Mapping[str, Sequence[Request]],
    starts: Sequence[float],
    saved: Iterable[Saved],
) -> Verdict:
    """Return what is true of what each receiver got; `starts` are those of the daemon."""
    verdict = Verdict()
    by_name = {one.name: one for one in incidents}
    for receiver, requests in heard.items():
        _no_false_end(verdict, receiver, requests, by_name)
        accepted = [one for one in requests if _is_accepted(one)]
        verdict.announcements += len(accepted)
        _all_told(verdict, receiver, accepted, incidents)
        _few_repeats(verdict, receiver, accepted, starts)
    calm = next(iter(heard.values()))
    _count_delays(verdict, calm, by_name, starts)
    _timers(verdict, saved, by_name, starts)
    return verdict


def told(request: Request) -> dict[str, str]:
    """Return the status of each incident that a message tells of."""
    return {one["labels"]["incident"]: one["status"] for one in request.json["alerts"]}


def _is_accepted(request: Request) -> bool:
    return request.answer.status < 300 and not request.answer.hang_up


def _no_false_end(
    verdict: Verdict, receiver: str, requests: Sequence[Request], incidents: Mapping[str, Incident]
) -> None:
    for request in requests:
        for name, status in told(request).items():
            gone = incidents[name].deleting
            if status == "resolved" and (gone is None or request.at < gone):
                verdict.fail(f"{receiver}: {name} was told as over at {request.at}, and was not")
            if request.at < incidents[name].inserting:
                verdict.fail(f"{receiver}: {name} was told at {request.at}, before it was there")


def _all_told(
    verdict: Verdict, receiver: str, accepted: Sequence[Request], incidents: Sequence[Incident]
) -> None:
    """Each incident was told, its end last; a brief one may have been missed."""
    words: dict[str, list[str]] = defaultdict(list)
    for request in accepted:
        for name, status in told(request).items():
            words[name].append(status)
    for one in incidents:
        said = words[one.name]
        if not said and one.kind != "brief":
            verdict.fail(f"{receiver}: {one.name} ({one.kind}) was never told")
        if said and said[-1] != "resolved":
            verdict.fail(f"{receiver}: the end of {one.name} was never told")
        if "resolved" in said and "firing" in said[said.index("resolved") :]:
            verdict.fail(f"{receiver}: {one.name} was told as firing after its end")


def _few_repeats(
    verdict: Verdict, receiver: str, accepted: Sequence[Request], starts: Sequence[float]
) -> None:
    """A message was repeated at most once per crash and group: by its key, or by what it says."""
    keys: set[str] = set()
    said: dict[str, set[tuple[str, str, str]]] = {}
    repeats = Counter[tuple[int, str]]()
    for request in accepted:
        key, group = request.headers["Idempotency-Key"], request.json["groupKey"]
        says = {
            (one["labels"]["incident"], one["status"], one["startsAt"])
            for one in request.json["alerts"]
        }
        if key in keys or says == said.get(group):
            repeats[bisect(starts, request.at), group] += 1
        keys.add(key)
        said[group] = says
    verdict.repeats += repeats.total()
    for (life, group), count in repeats.items():
        if count > 1 or life <= 1:
            verdict.fail(f"{receiver}: {count} repeats to {group} in the daemon's life {life}")


def _count_delays(
    verdict: Verdict,
    requests: Sequence[Request],
    incidents: Mapping[str, Incident],
    starts: Sequence[float],
) -> None:
    seen: set[str] = set()
    for request in requests:
        began = starts[bisect(starts, request.at) - 1]
        for name in told(request).keys() - seen:
            seen.add(name)
            if incidents[name].kind == "now":
                verdict.delays.append(request.at - max(began, incidents[name].inserted))


def _timers(
    verdict: Verdict,
    saved: Iterable[Saved],
    incidents: Mapping[str, Incident],
    starts: Sequence[float],
) -> None:
    """`for` is over when it is over; no crash takes back what of it was over, and down time is none of it."""
    progress: dict[str, float] = {}
    ended: set[str] = set()
    for start, state in zip(starts, saved, strict=True):
        for name, alert in state.alerts.items():
            if incidents[name].kind != "held" or name in ended:
                continue
            before, began = progress.get(name, 0.0), datetime.fromisoformat(alert["active_at"])
            fired = datetime.fromisoformat(alert["fired_at"]) if alert["fired_at"] else None
            seen = alert["no_data_since"]
            until = fired or (datetime.fromisoformat(seen) if seen else state.evaluated_at)
            assert until is not None
            progress[name] = waited = (until - began).total_seconds()
            up = max(0.0, until.timestamp() - start)
            if not before - 0.005 <= waited <= before + up + 0.005:
                verdict.fail(
                    f"{name}: {before:.3f} s of its `for` were over, and {waited:.3f} s after a life"
                    f" of {up:.3f} s (alert {alert}, evaluated at {state.evaluated_at})"
                )
            if fired:
                ended.add(name)
                if not HOLD <= waited < HOLD + _LATE:
                    verdict.fail(f"{name}: fired after {waited:.3f} s, its `for` is {HOLD} s")
