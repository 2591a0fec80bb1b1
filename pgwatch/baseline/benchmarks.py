"""Timings of benchmarks beside their limits and those of the baseline. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from pgwatch.baseline.compared import Change, Compared, Limits, State, duration, skipped
from pgwatch.baseline.model import NotTimed, Timed, Timing
from pgwatch.rules.rule import Severity


def judge_benchmarks(timed: Sequence[Timed], old: Iterable[Timing], limits: Limits) -> Compared:
    """Return which benchmarks do not keep their limit, became slower, or have another plan.

    `old` are the baseline's, empty without one.
    """
    if not timed:
        return skipped("no benchmark is in the target's packs")
    before = {one.name: one for one in old}
    changes = [change for one in timed for change in _changes(one, before.get(one.name), limits)]
    measured = [one for one in timed if isinstance(one, Timing)]
    absent = [one for one in timed if isinstance(one, NotTimed) and not one.applies]
    untold = [
        one for one in timed if isinstance(one, NotTimed) and one.applies and not one.too_slow
    ]
    if untold:
        return Compared(
            changes=tuple(changes),
            state=State.UNKNOWN,
            reason="; ".join(f"{short(one.name)}: {one.reason}" for one in untold),
            cure="\n".join(dict.fromkeys(one.cure for one in untold if one.cure)),
        )
    if len(absent) == len(timed):
        return skipped("; ".join(dict.fromkeys(one.reason for one in absent)))
    told = ", ".join(
        f"{short(one.name)} {duration(one.p95_seconds)} of {duration(one.limit_seconds)}"
        for one in measured
    )
    return Compared(changes=tuple(changes), reason=f"p95: {told}" if told else "")


def short(name: str) -> str:
    """Return a benchmark's name without its pack: `dashboard` of app/roofing/benchmark_dashboard."""
    return name.rpartition("/")[2].removeprefix("benchmark_")


def _changes(one: Timed, before: Timing | None, limits: Limits) -> Iterator[Change]:
    if isinstance(one, NotTimed):
        if one.too_slow:
            yield _change(one.name, "over_limit", one.reason, Severity.CRITICAL)
        return
    if one.p95_seconds > one.limit_seconds:
        yield _change(
            one.name,
            "over_limit",
            f"95 % of {one.runs} runs took up to {duration(one.p95_seconds)},"
            f" {duration(one.limit_seconds)} is the limit",
            Severity.CRITICAL,
            value=one.p95_seconds,
            new=before is None or before.p95_seconds <= one.limit_seconds,
        )
    if before is None:
        return
    more = one.p50_seconds - before.p50_seconds
    if (
        one.p50_seconds >= limits.slower * before.p50_seconds
        and more >= limits.slower_by.total_seconds()
    ):
        yield _change(
            one.name,
            "slower",
            f"half of the runs took {duration(one.p50_seconds)} and more,"
            f" {duration(before.p50_seconds)} before",
            Severity.WARNING,
            value=one.p50_seconds,
        )
    if one.plan and before.plan and one.plan != before.plan:
        yield _change(
            one.name,
            "another_plan",
            f"another plan: {_planned(before.plan, one.plan)}",
            Severity.INFO,
        )


def _change(
    name: str,
    problem: str,
    text: str,
    severity: Severity,
    *,
    value: float | None = None,
    new: bool = True,
) -> Change:
    return Change(
        summary=f"{short(name)}: {text}",
        severity=severity,
        labels={"benchmark": name, "problem": problem},
        value=value,
        object=name,
        new=new,
    )


def _planned(before: Sequence[str], now: Sequence[str]) -> str:
    """Return in which nodes two plans differ."""
    then, today = (Counter(line.strip() for line in plan) for plan in (before, now))
    came, went = list((today - then).elements()), list((then - today).elements())
    if not came and not went:
        return "the same nodes in another order"
    return f"{', '.join(came) or 'nothing'} instead of {', '.join(went) or 'nothing'}"
