"""Silences, acknowledgements, history and outbox in the state file of a pgwatch that does not run."""

import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pgwatch.alerts.alert import AlertState
from pgwatch.alerts.outward import outward
from pgwatch.errors import PgwatchError
from pgwatch.notify.interventions import Acknowledgement
from pgwatch.notify.matcher import matches, parse_matchers
from pgwatch.notify.silence import SilenceError
from pgwatch.samples.labels import Labels
from pgwatch.state.history import acknowledgement_event, silence_event
from pgwatch.state.outbox import OutboxState
from pgwatch.state.store import State
from pgwatch.web.alertmanager_json import (
    InvalidError,
    acknowledgement_json,
    posted_silence,
    read_time,
    silence_json,
    silences_in_order,
)
from pgwatch.web.own_api import event_json, message_json

Json = Any


class FileOffice:
    """Works on the state of a pgwatch that does not run; it finds what was changed when it starts."""

    def __init__(self, state: State, external_labels: Mapping[str, str]) -> None:
        self._state = state
        self._external_labels = external_labels

    def silences(self) -> Sequence[Json]:
        """Return all silences."""
        now = datetime.now(UTC)
        known = self._state.load_interventions().silences.values()
        return [silence_json(one, now) for one in silences_in_order(known, now)]

    def put_silence(self, body: Mapping[str, Json]) -> str:
        """Make a silence; returns its id."""
        now, known = datetime.now(UTC), self._state.load_interventions()
        try:
            wanted = posted_silence(body, now)
            said, silence_id = known.with_silence(wanted, str(uuid.uuid4()), now)
        except (InvalidError, SilenceError) as error:
            raise PgwatchError(str(error)) from None
        with self._state.transaction() as changes:
            changes.save_silences([said.silences[silence_id]])
            changes.record(silence_event(said.silences[silence_id], "silence_made", now))
        return silence_id

    def expire_silence(self, silence_id: str) -> None:
        """End a silence."""
        now, known = datetime.now(UTC), self._state.load_interventions()
        ended = known.without_silence(silence_id, now).silences[silence_id]
        with self._state.transaction() as changes:
            changes.save_silences([ended])
            changes.record(silence_event(ended, "silence_ended", now))

    def acknowledgements(self) -> Sequence[Json]:
        """Return who looks after which alert."""
        held = self._state.load_interventions().held_acknowledgements(datetime.now(UTC))
        return [acknowledgement_json(held[labels]) for labels in sorted(held)]

    def acknowledge(self, body: Mapping[str, Json]) -> Sequence[Json]:
        """Note that somebody looks after alerts; returns the labels of those."""
        now = datetime.now(UTC)
        chosen = _matching(self._firing(now), body["matchers"])
        until = read_time(body.get("until"), "until")
        with self._state.transaction() as changes:
            for labels in chosen:
                one = Acknowledgement(
                    labels=labels,
                    owner=body["owner"],
                    comment=body["comment"],
                    at=now,
                    until=until,
                )
                changes.save_acknowledgement(one)
                changes.record(acknowledgement_event(one))
        return [dict(labels) for labels in chosen]

    def release(self, matchers: Sequence[str]) -> Sequence[Json]:
        """Note that nobody looks after alerts; returns the labels of those that somebody did."""
        known = self._state.load_interventions().acknowledgements
        chosen = _matching(known, matchers)
        with self._state.transaction() as changes:
            changes.release(chosen)
        return [dict(labels) for labels in chosen]

    def history(self, parameters: Mapping[str, str]) -> Sequence[Json]:
        """Return events, newest first."""
        events = self._state.events(
            limit=int(parameters["limit"]),
            kind=parameters.get("kind"),
            since=read_time(parameters.get("since"), "since"),
            about=parameters.get("about", ""),
        )
        return [event_json(one) for one in events]

    def messages(self, states: Sequence[str], limit: int) -> Sequence[Json]:
        """Return messages of the outbox, newest first."""
        wanted = [OutboxState(state) for state in states] or list(OutboxState)
        return [message_json(one) for one in self._state.messages(wanted, limit=limit)]

    def change(self, what: str, ids: Sequence[int]) -> Sequence[int]:
        """`retry` or `drop` messages; returns the ids of those for which that was done."""
        change = self._state.retry if what == "retry" else self._state.drop
        return change(ids, datetime.now(UTC))

    def _firing(self, now: datetime) -> Sequence[Labels]:

        by_rule = outward(self._state.load_alerts(), self._external_labels)
        alerts = [one for of_rule in by_rule.values() for one in of_rule]
        alerts += [one.as_alert(now) for one in self._state.load_posted().values()]
        return [one.labels for one in alerts if one.state is AlertState.FIRING]


def _matching(alerts: Iterable[Labels], texts: Sequence[str]) -> list[Labels]:

    matchers = [one for text in texts for one in parse_matchers(text).matchers]
    return [labels for labels in dict.fromkeys(alerts) if matches(matchers, labels)]
