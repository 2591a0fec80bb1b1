"""What people and programs ask, with the state file beneath; only the clock is made up."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pgwatch.alerts.posted import PostedAlert, received
from pgwatch.daemon.deciding import Deciding, Told
from pgwatch.daemon.desk import Desk
from pgwatch.notify.matcher import parse_matchers
from pgwatch.notify.notification import News, Notification, Reason
from pgwatch.notify.outbox import ChannelId
from pgwatch.notify.route import Routing
from pgwatch.notify.silence import SilenceError, SilenceState
from pgwatch.samples.labels import Labels
from pgwatch.state.outbox import OutboxState
from pgwatch.state.store import State
from tests.timeline import at, routing, silence

MINUTES = timedelta(minutes=1)


class House:
    """A state file, and who decides over it; `restart` is a `kill -9` and a start."""

    def __init__(self, path: Path, config: Routing) -> None:
        self.path, self.config = path, config
        self.state = State.open(path)
        self.deciding = self._begin(0, started=True)

    def _begin(self, seconds: float, *, started: bool) -> Deciding:
        told = Told(routing=self.config, external_labels={"site": "here"})
        deciding = Deciding(told, state=self.state, on_enqueued=lambda: None)
        deciding.restore({}, at(seconds), started=started)
        return deciding

    def restart(self, seconds: float) -> None:
        self.state.close()
        self.state = State.open(self.path)
        self.deciding = self._begin(seconds, started=True)

    def reload(self, seconds: float) -> None:
        self.deciding = self._begin(seconds, started=False)

    def desk(self, seconds: float) -> Desk:
        return Desk(deciding=self.deciding, now=at(seconds))

    def post(self, seconds: float, name: str = "P", *, end: float | None = None) -> None:
        self.desk(seconds).post([posted(seconds, name, end=end)])

    def pass_time(self, seconds: float) -> list[str]:
        """Look at that time; returns the reasons of what is told."""
        known = {one.id for one in self.state.messages()}
        self.deciding.decide(at(seconds))
        return [one.reason for one in reversed(self.state.messages()) if one.id not in known]

    def acknowledge(self, seconds: float, owner: str, comment: str = "") -> list[str]:
        """Let `owner` look after P; returns the reasons of what is told."""
        known = {one.id for one in self.state.messages()}
        self.desk(seconds).acknowledge(MATCHERS, owner, comment, None)
        return [one.reason for one in reversed(self.state.messages()) if one.id not in known]

    def arrive(self, seconds: float) -> Notification:
        """Deliver the oldest message; returns what it says."""
        (told,) = self.state.take([ChannelId("log", "log[0]")], at(seconds))
        self.state.delivered(told, "", at(seconds))
        return told.notification

    @property
    def firing(self) -> list[str]:
        posted = self.deciding.posted.values()
        return sorted(one.labels["alertname"] for one in posted if one.ends_at > one.updated_at)

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in reversed(self.state.events())]


def posted(seconds: float, name: str = "P", *, end: float | None = None) -> PostedAlert:
    return received(
        Labels({"alertname": name}),
        {"summary": "from afar"},
        starts_at=None,
        ends_at=None if end is None else at(end),
        generator_url="",
        resolve_timeout=5 * MINUTES,
        now=at(seconds),
    )


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    house = House(tmp_path / "state.db", routing())
    yield house
    house.state.close()


MATCHERS = parse_matchers("alertname=P").matchers


class TestPosted:
    def test_it_goes_the_way_of_all_alerts(self, house: House) -> None:
        house.post(0)
        assert house.pass_time(30) == [Reason.FIRST]
        house.post(100, end=100)
        assert house.pass_time(330) == [Reason.ALL_RESOLVED]
        assert house.kinds == ["alert_firing", "alert_resolved"]

    def test_without_news_it_ends_after_resolve_timeout(self, house: House) -> None:
        house.post(0)
        house.pass_time(30)
        house.post(200)  # renewed: until 500
        assert house.deciding.next_look(at(300)) == at(330)
        assert house.pass_time(330) == []
        assert house.deciding.next_look(at(331)) == at(500)
        house.pass_time(500)
        assert house.firing == []
        assert house.pass_time(630) == [Reason.ALL_RESOLVED]

    def test_restart_forgets_neither_it_nor_what_was_told(self, house: House) -> None:
        house.post(0)
        house.pass_time(30)
        house.restart(60)
        assert house.firing == ["P"]
        house.post(200)
        assert house.pass_time(330) == []

    def test_lease_that_ended_while_nobody_listened_proves_nothing(self, house: House) -> None:
        house.post(0)
        house.pass_time(30)
        house.restart(3600)
        assert house.pass_time(3600) == []
        assert house.firing == ["P"]
        house.pass_time(3600 + 300)
        assert house.firing == [], "nobody renewed it after that"

    def test_reload_is_no_reason_to_renew(self, house: House) -> None:
        house.post(0)
        house.reload(3600)
        house.pass_time(3600)
        assert house.firing == []

    def test_it_is_forgotten_a_while_after_its_end(self, house: House) -> None:
        house.post(0, end=1)
        house.pass_time(2)
        house.post(3600, "Q")
        assert [one["alertname"] for one in house.deciding.posted] == ["Q"]
        house.restart(3601)
        assert [one["alertname"] for one in house.deciding.posted] == ["Q"]

    def test_posted_alerts_keep_their_labels(self, house: House) -> None:
        house.post(0)
        (alert,) = house.deciding.everything(at(1))
        assert "site" not in alert.labels, "external labels are for what is our own"


class TestSilences:
    def test_it_holds_over_a_restart_and_its_end_is_told(self, house: House) -> None:
        wanted = replace(silence("alertname=P", 0, 250), id="")
        silence_id = house.desk(0).put_silence(wanted)
        house.post(10)
        house.restart(20)
        assert house.pass_time(40) == []
        assert house.deciding.next_look(at(41)) == at(250)
        house.restart(100)
        assert house.pass_time(250) == []
        assert house.pass_time(280) == [Reason.FIRST]
        assert (
            house.deciding.interventions.silences[silence_id].state(at(280)) is SilenceState.EXPIRED
        )
        assert house.kinds == ["silence_made", "alert_firing"]

    def test_change_keeps_its_id_where_it_may(self, house: House) -> None:
        first = house.desk(0).put_silence(replace(silence("a=b", 0, 100), id=""))
        same = house.desk(10).put_silence(replace(silence("a=b", 0, 900), id=first))
        other = house.desk(20).put_silence(replace(silence("a=c", 0, 900), id=first))
        assert same == first != other
        assert house.kinds == ["silence_made", "silence_changed", "silence_made"]
        house.restart(30)
        states = {i: one.state(at(30)) for i, one in house.deciding.interventions.silences.items()}
        assert states == {first: SilenceState.EXPIRED, other: SilenceState.ACTIVE}

    def test_what_cannot_be_changes_nothing(self, house: House) -> None:
        with pytest.raises(SilenceError):
            house.desk(100).put_silence(replace(silence("a=b", 0, 50), id=""))
        with pytest.raises(KeyError):
            house.desk(0).put_silence(silence("a=b", 0, 50))
        with pytest.raises(KeyError):
            house.desk(0).expire_silence("nothing")
        assert house.kinds == []

    def test_end_of_a_deploy_is_told_once_over_a_restart(self, house: House) -> None:
        house.desk(0).put_silence(replace(silence("alertname=P", 0, 200), id="", deploy=True))
        house.post(10)
        house.pass_time(40)
        house.restart(100)
        assert house.pass_time(200) == [Reason.DEPLOY_OVER]
        house.restart(210)
        house.post(250)
        assert house.pass_time(400) == []


def test_that_a_silence_ends_soon_is_told_once_over_a_restart(house: House) -> None:
    house.desk(0).put_silence(replace(silence("alertname=P", 0, 7200), id=""))
    house.post(10)
    assert house.pass_time(40) == []
    house.post(6200)
    assert house.deciding.next_look(at(6299)) is not None
    assert house.pass_time(6300) == [Reason.SILENCE_ENDS]
    house.restart(6301)
    assert house.pass_time(6302) == []


class TestAcknowledgements:
    def test_it_holds_over_a_restart_and_ends_with_the_alert(self, house: House) -> None:
        house.post(0)
        house.pass_time(30)
        labels = house.desk(40).acknowledge(MATCHERS, "ada", "on it", None)
        assert labels == [Labels({"alertname": "P"})]
        house.restart(50)
        (one,) = house.deciding.interventions.acknowledgements.values()
        assert (one.owner, one.comment) == ("ada", "on it")
        house.post(60, end=60)
        assert not house.deciding.interventions.acknowledgements
        house.restart(70)
        assert not house.deciding.interventions.acknowledgements
        assert "alert_acknowledged" in house.kinds

    def test_those_who_were_told_are_told_once_who_looks_after_it(self, house: House) -> None:
        house.post(0)
        house.pass_time(30)
        house.arrive(31)
        assert house.acknowledge(40, "ada", "on it") == [Reason.ACKNOWLEDGED]
        (alert,) = house.arrive(41).alerts
        assert (alert.owner, alert.owner_comment, alert.news) == ("ada", "on it", News.TAKEN)
        assert house.acknowledge(50, "ada", "still on it") == [], "they know that it is hers"
        assert house.acknowledge(60, "bob") == [Reason.ACKNOWLEDGED]
        house.post(3900)
        assert house.pass_time(4000) == [], "and it is not repeated"

    def test_who_was_not_told_of_it_is_not_told_who_looks_after_it(self, house: House) -> None:
        house.post(0)
        assert house.acknowledge(10, "ada") == []
        assert house.pass_time(30) == [Reason.FIRST]
        house.arrive(31)
        house.desk(40).put_silence(replace(silence("alertname=P", 40, 900), id=""))
        assert house.acknowledge(50, "bob") == [], "it is silenced"

    def test_what_is_due_is_told_before(self, house: House) -> None:
        house.post(0)
        house.acknowledge(30, "ada")
        told = house.arrive(31)
        assert told.reason is Reason.FIRST
        assert [(one.owner, one.news) for one in told.alerts] == [("ada", News.NEW)]

    def test_message_that_waits_takes_up_the_owner_and_loses_nothing(self, house: House) -> None:
        house.post(0)
        house.post(0, "Q")
        house.pass_time(30)
        house.post(60, "P", end=60)
        house.post(61, "P")  # it ended and fires again before its group is looked at
        house.acknowledge(70, "ada")
        waiting = {one.group_key: one for one in house.state.messages([OutboxState.PENDING])}
        assert sorted(waiting) == ['{}:{alertname="P"}', '{}:{alertname="Q"}']
        assert {one.reason for one in waiting.values()} == {Reason.FIRST}

    def test_what_does_not_fire_cannot_be_acknowledged(self, house: House) -> None:
        assert house.desk(0).acknowledge(MATCHERS, "ada", "", None) == []
        house.post(0, end=1)
        assert house.desk(10).acknowledge(MATCHERS, "ada", "", None) == []

    def test_those_who_were_told_are_told_that_it_is_given_back(self, house: House) -> None:
        house.post(0)
        house.pass_time(30)
        house.arrive(31)
        house.acknowledge(40, "ada", "on it")
        house.arrive(41)
        house.desk(50).release(MATCHERS)
        told = house.arrive(51)
        assert told.reason is Reason.UNOWNED
        assert [(one.owner, one.news) for one in told.alerts] == [("", News.LEFT)]
        assert told.extra["acknowledged_by"] == "ada"
        assert house.pass_time(60) == []

    def test_those_who_were_told_are_told_when_its_time_is_over(self, house: House) -> None:
        house.post(0)
        house.pass_time(30)
        house.arrive(31)
        house.desk(40).acknowledge(MATCHERS, "ada", "", at(100))
        house.arrive(41)
        assert house.deciding.next_look(at(99)) == at(100)
        house.restart(99)
        assert house.pass_time(100) == [Reason.UNOWNED]
        assert not house.deciding.interventions.acknowledgements
        assert house.kinds.count("acknowledgement_ended") == 1
        house.restart(101)
        assert house.pass_time(102) == []

    def test_who_was_told_nothing_is_not_told_that_it_is_given_back(self, house: House) -> None:
        house.post(0)
        house.desk(1).acknowledge(MATCHERS, "ada", "", None)
        house.desk(2).release(MATCHERS)
        assert house.pass_time(30) == [Reason.FIRST]

    def test_it_can_be_given_back(self, house: House) -> None:
        house.post(0)
        house.desk(1).acknowledge(MATCHERS, "ada", "", None)
        assert house.desk(2).release(MATCHERS) == [Labels({"alertname": "P"})]
        assert house.desk(3).release(MATCHERS) == []
        house.restart(10)
        assert not house.deciding.interventions.acknowledgements


def test_posted_alert_is_found_by_its_fingerprint_while_it_fires(house: House) -> None:
    house.post(0)
    fingerprint = Labels({"alertname": "P"}).fingerprint()
    found = house.deciding.find(fingerprint, at(1))
    assert found is not None
    assert found.labels == Labels({"alertname": "P"})
    assert house.deciding.find("0" * 16, at(1)) is None
    house.post(2, end=2)
    assert house.deciding.find(fingerprint, at(3)) is None
