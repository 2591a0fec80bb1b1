"""What people and other programs ask of the alerting half; all of it on the alerting thread."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pgwatch.alerts.alert import AlertState
from pgwatch.alerts.posted import PostedAlert
from pgwatch.daemon.deciding import Deciding
from pgwatch.notify.acknowledged import news_of, tell_owner, tell_unowned
from pgwatch.notify.interventions import Acknowledgement
from pgwatch.notify.matcher import matches
from pgwatch.notify.silence import Silence
from pgwatch.samples.labels import Labels, Matcher
from pgwatch.state.history import acknowledgement_end, acknowledgement_event, silence_event


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """Takes requests at `now`; each raises StateError if it cannot be saved, and then nothing has changed."""

    deciding: Deciding
    now: datetime

    def put_silence(self, wanted: Silence) -> str:
        """Make or change a silence; returns its id. Raises SilenceError, KeyError for an unknown id."""
        said, silence_id = self.deciding.interventions.with_silence(
            wanted, str(uuid.uuid4()), self.now
        )
        kind = "silence_changed" if wanted.id == silence_id else "silence_made"
        happened = [silence_event(said.silences[silence_id], kind, self.now)]
        self.deciding.decide(self.now, interventions=said, happened=happened)
        return silence_id

    def expire_silence(self, silence_id: str) -> None:
        """End a silence; raises KeyError if it is not known."""
        said = self.deciding.interventions.without_silence(silence_id, self.now)
        happened = [silence_event(said.silences[silence_id], "silence_ended", self.now)]
        self.deciding.decide(self.now, interventions=said, happened=happened)

    def acknowledge(
        self, matchers: Sequence[Matcher], owner: str, comment: str, until: datetime | None
    ) -> list[Labels]:
        """Note that `owner` looks after the firing alerts that match; returns those alerts.

        Those who were told of them are told so, once.
        """
        labels = [
            one.labels
            for one in self.deciding.everything(self.now)
            if one.state is AlertState.FIRING and matches(matchers, one.labels)
        ]
        new = [
            Acknowledgement(labels=one, owner=owner, comment=comment, at=self.now, until=until)
            for one in dict.fromkeys(labels)
        ]
        if new:
            self._catch_up()
            before = self.deciding.interventions
            said = before.with_acknowledgements(new)
            events = [acknowledgement_event(one) for one in new]
            tell = tell_owner(
                news_of(new, before, self.now),
                self.deciding.routing,
                self.deciding.dispatch,
                said,
                self.now,
            )
            self.deciding.decide(self.now, interventions=said, happened=events, tell=tell)
        return [one.labels for one in new]

    def _catch_up(self) -> None:
        """Tell what is due, so that nothing else is decided together with what follows."""
        while (due := self.deciding.next_look(self.now)) is not None and due <= self.now:
            self.deciding.decide(self.now)

    def release(self, matchers: Sequence[Matcher]) -> list[Labels]:
        """Note that nobody looks after the alerts that match; returns those somebody did.

        Those who were told of them are told so.
        """
        known = self.deciding.interventions
        labels = [one for one in known.acknowledgements if matches(matchers, one)]
        if labels:
            self._catch_up()
            known = self.deciding.interventions
            said = known.without_acknowledgements(labels)
            events = [acknowledgement_end(one, self.now) for one in labels]
            over = [one for i in labels if (one := known.acknowledgements.get(i))]
            tell = tell_unowned(over, self.deciding.routing, self.deciding.dispatch, said, self.now)
            self.deciding.decide(self.now, interventions=said, happened=events, tell=tell)
        return labels

    def post(self, alerts: Iterable[PostedAlert]) -> None:
        """Take alerts that another program posts."""
        self.deciding.decide(self.now, posted=alerts)
