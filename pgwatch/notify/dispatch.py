"""From alerts to decisions: who joins which group, which groups are due, and what each channel is told.

Everything here is pure. The caller saves a `Decisions` in one transaction and only then takes its
`state` as the current one; a crash before that is as if nothing had been decided.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from pgwatch.alerts.alert import Alert, AlertState
from pgwatch.notify.deploy import Report, report_deploys
from pgwatch.notify.expiring import reminders
from pgwatch.notify.flap import DEFAULT_LIMITS, Flap, FlapLimits, outdated
from pgwatch.notify.flush import Decision, Flushed, Muting, digest_of, flush
from pgwatch.notify.group import Group, GroupId, LogEntry, LogKey, MemberId, Quiet
from pgwatch.notify.inhibit import Inhibitor
from pgwatch.notify.interventions import Interventions, Silencer
from pgwatch.notify.members import Flaps, Groups, calmed, join, leave, route_of
from pgwatch.notify.route import Route, Routing, walk
from pgwatch.notify.silence import Silence
from pgwatch.samples.labels import Labels

_NOBODY = Interventions()
_AT_ONCE = 300  # alerts of groups that are told in one step
_QUIET_HOURS = "the time intervals of its route"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartDelay:
    """A while after the start in which no group is told: who posts alerts posts all of them again."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DispatchState:
    """All groups, the notification log, how often alerts ended lately, and when telling begins."""

    groups: Mapping[GroupId, Group] = field(default_factory=dict)
    log: Mapping[LogKey, LogEntry] = field(default_factory=dict)
    flaps: Mapping[MemberId, Flap] = field(default_factory=dict)
    delay: StartDelay | None = None  # None: groups are told as soon as they are due

    def is_waiting(self, now: datetime) -> bool:
        """Return whether it is too early to tell anybody."""
        # A time before the start is one to which the clock was set back.
        return self.delay is not None and self.delay.since <= now < self.delay.until

    def next_flush(self) -> datetime | None:
        """Return when the next group is due; None: there is no group."""
        return min((group.next_flush for group in self.groups.values()), default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decisions:
    """What `advance` decided; the transaction that saves it holds all of it."""

    state: DispatchState
    saved: tuple[Group, ...] = ()  # groups that are new or changed
    ended: tuple[GroupId, ...] = ()  # groups that are no more
    logged: Mapping[LogKey, LogEntry] = field(default_factory=dict)
    enqueue: tuple[Decision, ...] = ()
    flapped: Mapping[MemberId, Flap] = field(default_factory=dict)  # counters that are new
    calm: tuple[MemberId, ...] = ()  # counters that are no more
    reported: Mapping[str, datetime] = field(default_factory=dict)
    # silences: when the end of a deploy was told
    reminded: Mapping[str, datetime] = field(default_factory=dict)
    # silences: when it was told that they end soon
    released: tuple[Labels, ...] = ()  # alerts whose acknowledgement ended with them

    def left_of(self, said: Interventions) -> Interventions:
        """Return what people `said` without what ended with its alert, and with what has been told of it."""
        if not self.released and not self.reported and not self.reminded:
            return said
        told = {i: replace(said.silences[i], reported_at=at) for i, at in self.reported.items()}
        told |= {i: replace(said.silences[i], reminded_at=at) for i, at in self.reminded.items()}
        left = {i: one for i, one in said.acknowledgements.items() if i not in self.released}
        return Interventions(silences={**said.silences, **told}, acknowledgements=left)


def next_look(state: DispatchState, interventions: Interventions, now: datetime) -> datetime | None:
    """Return when `advance` must be called next though no alert changes; None: not before one does."""
    times = (state.next_flush(), interventions.next_change(now))
    due = min((time for time in times if time is not None), default=None)
    if due is None or state.delay is None or not state.is_waiting(now):
        return due
    return max(due, state.delay.until)


def advance(
    routing: Routing,
    state: DispatchState,
    alerts: Mapping[str, Sequence[Alert]],
    now: datetime,
    *,
    changed: Sequence[Alert] = (),
    interventions: Interventions = _NOBODY,
    limits: FlapLimits = DEFAULT_LIMITS,
) -> Decisions:
    """Return what follows from the new `alerts` and from the time being `now`.

    `alerts` has, for each rule (by id) that was evaluated, *all* its alerts; a firing alert that is no
    longer among them counts as resolved. A rule that is gone is passed with no alerts. `changed` are
    alerts of no rule here (posted ones): what is not among them is as it was. `interventions`
    are what holds now; what ends with it (`reported`, `released`) is among the decisions.
    """
    groups: Groups = dict(state.groups)
    flaps = Flaps(limits, dict(state.flaps))
    acknowledgements = interventions.held_acknowledgements(now)
    leave(groups, alerts, flaps, acknowledgements, now, changed=changed)
    everything = (*changed, *(one for of_rule in alerts.values() for one in of_rule))
    join(groups, routing.root, everything, flaps, now)
    silencer = Silencer(interventions.silences.values(), now)
    ended: tuple[Silence, ...] = ()
    ending: tuple[Silence, ...] = ()
    due = frozenset[GroupId]()
    if not state.is_waiting(now):
        ended, ending = interventions.unreported_deploys(now), interventions.ending(now)
        _bring_forward(groups, routing.root, silencer.ids.union(one.id for one in ended), now)
        due = _due(groups, routing.root, now)
    muting = Muting(
        inhibitor=Inhibitor(
            routing.inhibit_rules, _all_firing(groups.values()) if due or ended or ending else ()
        ),
        silencer=silencer,
        acknowledgements=acknowledgements,
    )
    awake = (
        tuple(g for g in groups.values() if not _is_quiet(g, routing.root, now))
        if ended or ending
        else ()
    )
    soon = reminders(ending, awake, routing, muting=muting)
    report = report_deploys(ended, awake, routing, muting=muting, log=state.log, now=now)
    _forget_quiet(groups, report)
    log = {**state.log, **report.logged}
    flushed = _flush(groups, due | report.due, routing, muting=muting, log=log, now=now)
    logged = {**report.logged, **flushed.logged}
    calm = outdated(flaps.known, now, limits) if flaps.changed else ()
    after = DispatchState(
        groups=groups,
        log={**log, **flushed.logged},
        flaps={i: one for i, one in flaps.known.items() if i not in calm},
        delay=state.delay,
    )
    return replace(
        _decisions(state, after, logged, (*report.enqueue, *soon, *flushed.enqueue)),
        flapped=flaps.changed,
        calm=calm,
        reported=dict.fromkeys(report.reported, now),
        reminded=dict.fromkeys((one.id for one in ending), now),
        released=_released(interventions, groups.values(), now),
    )


def restore(
    routing: Routing,
    state: DispatchState,
    alerts: Iterable[Alert],
    now: datetime,
    *,
    reloaded: bool = False,
) -> Decisions:
    """Return the groups after a start or a reload: `alerts` under `routing`, with the timers they had.

    `alerts` are all that were saved, also those of rules that are gone; `advance` with no alerts for such
    a rule then announces their end. A group whose route or receiver is gone is dropped, and its firing
    alerts join the groups of the new tree. After a reload timers begin anew, as Alertmanager's do: what
    has waited for `group_wait` is looked at now.
    """
    known = {(route.receiver, route.key) for route in walk(routing.root)}
    groups = {
        i: replace(g, members=g.own)
        for i, g in state.groups.items()
        if (i.receiver, g.route_key) in known
    }
    firing = (one for one in alerts if one.state is AlertState.FIRING)
    join(groups, routing.root, firing, Flaps(DEFAULT_LIMITS, dict(state.flaps)), now)
    groups = {i: group for i, group in groups.items() if group.members}
    if reloaded:
        groups = {i: _begun_anew(g, route_of(routing.root, g, now), now) for i, g in groups.items()}
    return _decisions(state, replace(state, groups=groups), {}, ())


def _begun_anew(group: Group, route: Route, now: datetime) -> Group:
    first = min(one.starts_at for one in group.members.values())
    waited = first + route.group_wait < now
    return replace(group, next_flush=now if waited else now + route.group_wait)


def _due(groups: Groups, root: Route, now: datetime) -> frozenset[GroupId]:
    """Return which groups are told now: of many that are due, the first ones.

    The others are due at the next look, so that nobody waits until ten thousand alerts are decided about.
    """
    # Nothing waits longer than this; what does was set before the clock was set back.
    longest = max(max(one.group_wait, one.group_interval) for one in walk(root))
    due = {i for i, one in groups.items() if one.next_flush > now + longest}
    alerts = 0
    for i in sorted(_over(groups, now), key=lambda i: (groups[i].next_flush, i)):
        if alerts >= _AT_ONCE:
            break
        due.add(i)
        alerts += len(groups[i].members)
    return frozenset(due)


def _over(groups: Groups, now: datetime) -> Iterable[GroupId]:
    return (i for i, one in groups.items() if one.next_flush <= now)


def _flush(
    groups: Groups,
    due: Iterable[GroupId],
    routing: Routing,
    *,
    muting: Muting,
    log: Mapping[LogKey, LogEntry],
    now: datetime,
) -> Flushed:
    """Flush the groups that are `due`, each at its turn; those without members are gone then."""
    logged: dict[LogKey, LogEntry] = {}
    enqueue: list[Decision] = []
    for group_id in sorted(due, key=lambda i: (groups[i].next_flush, i)):
        group = calmed(groups[group_id], now)
        route = route_of(routing.root, group, now)
        left = {i: member for i, member in group.members.items() if member.ends_at is None}
        if route.schedule.is_quiet(now):
            quiet: Mapping[str, Quiet] = _quiet_hours(group, now)
            if _was_told(group, log):
                left = dict(group.members)  # what ended meanwhile is told afterwards
        else:
            told = flush(group, route, routing, muting=muting, log=log, now=now)
            quiet = told.quiet
            logged |= told.logged
            enqueue += told.enqueue
        if left:
            next_flush = now + route.group_interval
            groups[group_id] = replace(group, members=left, next_flush=next_flush, quiet=quiet)
        else:
            del groups[group_id]
    return Flushed(logged=logged, enqueue=tuple(enqueue))


def _decisions(
    before: DispatchState,
    after: DispatchState,
    logged: Mapping[LogKey, LogEntry],
    enqueue: Iterable[Decision],
) -> Decisions:
    """Return what changed since `before`; the log of a group ends with the group, when nothing fires."""
    groups = after.groups
    log = {k: e for k, e in after.log.items() if GroupId(k.receiver, k.group_key) in groups}
    saved = (g for i, g in groups.items() if _differs(g, before.groups.get(i)))
    return Decisions(
        state=replace(after, log=log),
        saved=tuple(saved),
        ended=tuple(i for i in before.groups if i not in groups),
        logged={k: e for k, e in logged.items() if GroupId(k.receiver, k.group_key) in groups},
        enqueue=tuple(enqueue),
    )


def _differs(group: Group, before: Group | None) -> bool:
    """Return whether what is saved of a group (its firing members are the alerts') is new."""
    if group is before:
        return False
    return before is None or (
        (group.next_flush, group.route_key, group.own, group.quiet)
        != (before.next_flush, before.route_key, before.own, before.quiet)
    )


def _bring_forward(groups: Groups, root: Route, holding: frozenset[str], now: datetime) -> None:
    """Let groups whose silence is over be told as a new group would be: after `group_wait`.

    `holding` are the ids of silences that are not over, or whose end is told apart.
    """
    for group in list(groups.values()):
        if any(_is_over(quiet, holding) for quiet in group.quiet.values()):
            soon = now + route_of(root, group, now).group_wait
            if soon < group.next_flush:
                groups[group.id] = replace(group, next_flush=soon)


def _is_over(quiet: Quiet, holding: frozenset[str]) -> bool:
    return bool(quiet.silences) and holding.isdisjoint(quiet.silences)


def _forget_quiet(groups: Groups, report: Report) -> None:
    """Let what a deploy's report has told not be told as unmuted by its group."""
    for group_id, digests in report.told.items():
        group = groups[group_id]
        if not digests.isdisjoint(group.quiet) and group_id not in report.due:
            left = {digest: one for digest, one in group.quiet.items() if digest not in digests}
            groups[group_id] = replace(group, quiet=left)


def _quiet_hours(group: Group, now: datetime) -> dict[str, Quiet]:
    """Return what fires and is not told now; a silence that ends meanwhile ends nothing."""
    firing = (digest_of(one.labels) for one in group.members.values() if one.ends_at is None)
    quiet = Quiet(since=now, because=_QUIET_HOURS)
    return {digest: replace(group.quiet.get(digest, quiet), silences=()) for digest in firing}


def _all_firing(groups: Iterable[Group]) -> Iterable[Labels]:
    for group in groups:
        for member in group.members.values():
            if member.ends_at is None and member.held_until is None:
                yield member.labels


def _was_told(group: Group, log: Mapping[LogKey, LogEntry]) -> bool:
    return any((key.receiver, key.group_key) == group.id for key in log)


def _released(
    interventions: Interventions, groups: Iterable[Group], now: datetime
) -> tuple[Labels, ...]:
    """Return the alerts that somebody looked after and that are over, and those nobody does any more."""
    if not interventions.acknowledgements:
        return ()
    firing = {m.labels for g in groups for m in g.members.values() if m.ends_at is None}
    known = interventions.acknowledgements
    return tuple(i for i, one in known.items() if i not in firing or not one.holds(now))


def _is_quiet(group: Group, root: Route, now: datetime) -> bool:
    return route_of(root, group, now).schedule.is_quiet(now)
