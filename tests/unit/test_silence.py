"""Silences: their states, and what a change of one leaves (Alertmanager's rules)."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pgwatch.notify.interventions import Interventions, Silencer
from pgwatch.notify.matcher import parse_matchers
from pgwatch.notify.silence import (
    Silence,
    SilenceError,
    SilenceState,
    changed,
    checked,
    expired,
    forgotten,
)
from pgwatch.notify.window import parse_window
from pgwatch.samples.labels import Labels

NOW = datetime(2026, 8, 3, 3, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def silence(start: float = 0, end: float = 60, text: str = "a=b", **more: Any) -> Silence:
    full = Silence(
        id="one",
        matchers=parse_matchers(text).matchers,
        starts_at=at(start),
        ends_at=at(end),
        updated_at=NOW,
        created_by="ada",
        comment="moving house",
    )
    return replace(full, **more)


@pytest.mark.parametrize(
    ("minute", "state"),
    [
        (-0.1, SilenceState.PENDING),
        (0, SilenceState.ACTIVE),
        (59.9, SilenceState.ACTIVE),
        (60, SilenceState.EXPIRED),
    ],
)
def test_state(minute: float, state: SilenceState) -> None:
    assert silence().state(at(minute)) is state


def test_window_is_quiet_inside_only() -> None:
    one = silence(0, 24 * 60, window=parse_window("mon 04:00-05:00"))
    assert [one.is_quiet(at(m)) for m in (0, 60, 119, 120)] == [False, True, True, False]
    assert one.state(at(0)) is SilenceState.ACTIVE
    assert one.quiet_until(at(70)) == at(120)
    assert replace(one, ends_at=at(90)).quiet_until(at(70)) == at(90)
    assert one.quiet_until(at(0)) is None


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (silence(text="{}"), "at least one matcher required"),
        (silence(text='a=~".*",b!="c"'), "at least one matcher must not match the empty string"),
        (silence(10, 10), "start time must be before end time"),
        (silence(-20, -10), "end time can't be in the past"),
    ],
)
def test_what_cannot_be_a_silence(wrong: Silence, why: str) -> None:
    with pytest.raises(SilenceError, match=why):
        checked(wrong, NOW)


def test_start_that_is_past_is_now() -> None:
    assert checked(silence(-10), NOW).starts_at == NOW
    assert checked(silence(10), NOW).starts_at == at(10)


@pytest.mark.parametrize(
    ("before", "wanted", "ids"),
    [
        pytest.param(silence(-10), silence(-10, 90), ["one"], id="longer"),
        pytest.param(silence(-10), silence(-10, 5), ["one"], id="shorter"),
        pytest.param(silence(-10), silence(-10, 5, "a=c"), ["one", "new"], id="other matchers"),
        pytest.param(silence(-10), silence(5, 60), ["one", "new"], id="active begins later"),
        pytest.param(silence(10), silence(20), ["one"], id="pending begins later"),
        pytest.param(silence(10), silence(-5), ["one", "new"], id="pending begins at once"),
        pytest.param(silence(-20, -10), silence(0, 60), ["new"], id="expired stays as it was"),
        pytest.param(
            silence(-10), replace(silence(-10, 90), starts_at=at(-10.01)), ["one"], id="rounded"
        ),
    ],
)
def test_change(before: Silence, wanted: Silence, ids: list[str]) -> None:
    saved = changed(before, wanted, "new", NOW)
    assert [one.id for one in saved] == ids
    if ids == ["one", "new"]:
        assert saved[0].state(NOW) is SilenceState.EXPIRED
    if ids == ["one"] and before.state(NOW) is SilenceState.ACTIVE:
        assert saved[0].starts_at == before.starts_at
    assert saved[-1].ends_at == wanted.ends_at


def test_expiring_again_changes_nothing() -> None:
    ended = expired(silence(), at(5))
    assert ended.ends_at == at(5)
    assert expired(ended, at(10)) == ended
    assert expired(silence(10), at(5)).state(at(5)) is SilenceState.EXPIRED


def test_silencer_names_what_keeps_an_alert_quiet() -> None:
    silences = [silence(), silence(id="two"), silence(text="a=c", id="x"), silence(-9, -1, id="y")]
    silencer = Silencer(silences, NOW)
    assert [one.id for one in silencer.silencing(Labels({"a": "b"}))] == ["one", "two"]
    assert silencer.ids == {"one", "two", "x"}


def test_next_change_is_the_first_end_that_may_be_told() -> None:
    silences = [silence(0, 60), silence(0, 30, id="two"), silence(5, 10, id="pending")]
    said = Interventions(silences={one.id: one for one in silences})
    assert said.next_change(NOW) == at(30)
    deploy = silence(-10, -5, deploy=True)
    assert Interventions(silences={"one": deploy}).next_change(NOW) == at(-5)
    told = replace(deploy, reported_at=NOW)
    assert Interventions(silences={"one": told}).next_change(NOW) is None


def test_deploy_that_never_began_has_no_end_to_tell() -> None:
    never = expired(silence(10, 60, deploy=True), at(5))
    assert not never.is_unreported
    assert Interventions(silences={"one": never}).next_change(at(6)) is None
    assert not Interventions(silences={"one": never}).unreported_deploys(at(6))


def test_forever_is_not_forgotten() -> None:
    forever = silence(ends_at=datetime.max.replace(tzinfo=UTC))
    assert not forgotten([forever], NOW)
    assert forgotten([forever, silence(-9, -8, id="old")], NOW + timedelta(days=30)) == ("old",)
