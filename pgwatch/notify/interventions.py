"""What people have said about alerts: silences and acknowledgements."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from pgwatch.notify.silence import Silence, changed, checked, expired
from pgwatch.samples.labels import Labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """Somebody looks after an alert: it is not repeated until it changes; it ends with the alert."""

    labels: Labels  # of the alert
    owner: str
    comment: str
    at: datetime
    until: datetime | None = None  # None: as long as the alert fires

    def holds(self, now: datetime) -> bool:
        """Return whether it still stands at `now`."""
        return self.until is None or now < self.until


@dataclass(frozen=True, slots=True, kw_only=True)
class Interventions:
    """All of them, by id and by the alert's labels."""

    silences: Mapping[str, Silence] = field(default_factory=dict)
    acknowledgements: Mapping[Labels, Acknowledgement] = field(default_factory=dict)

    def unreported_deploys(self, now: datetime) -> tuple[Silence, ...]:
        """Return the deploys that are over and whose end has not been told."""
        silences = self.silences.values()
        return tuple(one for one in silences if one.is_unreported and one.ends_at <= now)

    def ending(self, now: datetime) -> tuple[Silence, ...]:
        """Return the silences that are quiet, and of which it is to be told now that they end soon."""
        return tuple(
            one
            for one in self.silences.values()
            if one.remind_at is not None and one.remind_at <= now and one.is_quiet(now)
        )

    def held_acknowledgements(self, now: datetime) -> dict[Labels, Acknowledgement]:
        """Return the acknowledgements that stand at `now`, by the alert's labels."""
        return {i: one for i, one in self.acknowledgements.items() if one.holds(now)}

    def without_lapsed(self, now: datetime) -> tuple["Interventions", tuple[Acknowledgement, ...]]:
        """Return what still holds at `now`, and the acknowledgements that held until before."""
        over = tuple(one for one in self.acknowledgements.values() if not one.holds(now))
        return (self.without_acknowledgements(one.labels for one in over) if over else self), over

    def with_silence(
        self, wanted: Silence, new_id: str, now: datetime
    ) -> tuple["Interventions", str]:
        """Return what holds with a new or changed silence (`wanted.id` empty or known), and its id.

        Raises SilenceError, or KeyError for an id that is not known.
        """
        if wanted.id:
            saved = changed(self.silences[wanted.id], wanted, new_id, now)
        else:
            saved = (replace(checked(wanted, now), id=new_id),)
        silences = {**self.silences, **{one.id: one for one in saved}}
        return replace(self, silences=silences), saved[-1].id

    def without_silence(self, silence_id: str, now: datetime) -> "Interventions":
        """Return what holds when a silence has ended at `now`; raises KeyError if it is not known."""
        ended = expired(self.silences[silence_id], now)
        return replace(self, silences={**self.silences, silence_id: ended})

    def with_acknowledgements(self, new: Iterable[Acknowledgement]) -> "Interventions":
        """Return what holds with `new` acknowledgements, instead of older ones of the same alerts."""
        added = {one.labels: one for one in new}
        return replace(self, acknowledgements={**self.acknowledgements, **added})

    def without_acknowledgements(self, alerts: Iterable[Labels]) -> "Interventions":
        """Return what holds when nobody looks after `alerts` any more."""
        gone = frozenset(alerts)
        left = {i: one for i, one in self.acknowledgements.items() if i not in gone}
        return replace(self, acknowledgements=left)

    def next_change(self, now: datetime) -> datetime | None:
        """Return when the next silence or acknowledgement ends, or that is to be told; None: never."""
        silences = self.silences.values()
        ends = [end for one in silences if (end := one.quiet_until(now))]
        ends += [one.ends_at for one in silences if one.is_unreported]
        ends += [at for one in silences if (at := one.remind_at) and at > now]
        ends += [now] if self.ending(now) else []
        ends += [one.until for one in self.acknowledgements.values() if one.until]
        return min(ends, default=None)


class Silencer:
    """Says which silences keep an alert quiet at one time."""

    def __init__(self, silences: Iterable[Silence], now: datetime) -> None:
        self.now = now
        self._quiet = tuple(one for one in silences if one.is_quiet(now))
        self.ids = frozenset(one.id for one in self._quiet)

    def silencing(self, labels: Labels) -> tuple[Silence, ...]:
        """Return the silences that keep an alert with `labels` quiet."""
        return tuple(one for one in self._quiet if one.matches(labels))
