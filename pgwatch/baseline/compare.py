"""A snapshot beside an earlier one: each check of the comparison, by name. Pure."""

from collections.abc import Sequence
from itertools import chain

from pgwatch.baseline.announced import Announced
from pgwatch.baseline.compared import Compared, Limits, unknown
from pgwatch.baseline.figures import compare_health, compare_rows, compare_settings, compare_sizes
from pgwatch.baseline.model import Baseline, Snapshot, Timing
from pgwatch.baseline.objects import compare_objects
from pgwatch.baseline.statements import compare_performance, compare_statements

CHECKS = (
    "baseline_objects",
    "baseline_rows",
    "baseline_sizes",
    "baseline_settings",
    "baseline_health",
    "baseline_statements",
    "baseline_performance",
)


def earlier(baseline: Baseline, *, target: str, database: str, identifier: str) -> Snapshot | None:
    """Return the baseline's snapshot of the same database, None if it has none.

    By the target's name, else by the server (`identifier`: of its cluster, "" if it may not be read),
    however it was called then.
    """
    of_database = [one for one in baseline.snapshots if one.database == database]
    named = (one for one in of_database if one.target == target)
    same = (one for one in of_database if identifier == one.server.system_identifier != "")
    return next(chain(named, same), None)


def timings_before(
    baseline: Baseline, *, target: str, database: str, identifier: str
) -> Sequence[Timing]:
    """Return the baseline's timings of the same database of the same cluster."""
    before = earlier(baseline, target=target, database=database, identifier=identifier)
    if before is None or _is_another(before.server.system_identifier, identifier):
        return ()
    return before.benchmarks


def compare(
    old: Snapshot | None, new: Snapshot, *, limits: Limits, announced: Announced | None
) -> dict[str, Compared]:
    """Return what each of CHECKS found; all are unknown where the baseline is of something else."""
    if old is None:
        return _all(f"the baseline has no database {new.database} of target {new.target}")
    if reason := _another(old, new):
        return _all(reason)
    return {
        "baseline_objects": compare_objects(old.objects, new.objects, announced),
        "baseline_rows": compare_rows(old.extents, new.extents, announced),
        "baseline_sizes": compare_sizes(old.extents, new.extents),
        "baseline_settings": compare_settings(old.settings, new.settings),
        "baseline_health": compare_health(old.health, new.health, then=old.taken, now=new.taken),
        "baseline_statements": compare_statements(old.statements, new.statements, limits),
        "baseline_performance": compare_performance(old.statements, new.statements, limits),
    }


def _another(old: Snapshot, new: Snapshot) -> str:
    before, now = old.server.system_identifier, new.server.system_identifier
    if _is_another(before, now):
        return f"the baseline is of another cluster: its system identifier is {before}, this one's {now}"
    if new.taken < old.taken:
        return "the baseline is younger than what it is compared with"
    return ""


def _is_another(before: str, now: str) -> bool:
    """Return whether two identifiers are of different clusters; one that could not be read is of neither."""
    return bool(before and now) and before != now


def _all(reason: str) -> dict[str, Compared]:
    return dict.fromkeys(CHECKS, unknown(reason))
