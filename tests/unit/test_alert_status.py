"""Who keeps an alert quiet, as the API shows it (Alertmanager's TestAlertGetReturnsCurrentAlertStatus)."""

from dataclasses import replace

from pgwatch.notify.inhibit import InhibitRule
from pgwatch.notify.interval import Schedule, parse_interval
from pgwatch.notify.interventions import Acknowledgement, Interventions
from pgwatch.notify.matcher import parse_matchers
from pgwatch.notify.status import AlertStatus, alert_statuses
from tests.timeline import alert, at, routing, silence

RULE = InhibitRule(
    source=parse_matchers("severity=critical").matchers,
    target=parse_matchers("severity=warning").matchers,
    equal=("target",),
)
CONFIG = replace(routing(), inhibit_rules=(RULE,))
WARNING = alert("W", severity="warning", target="db")
NOTHING_SAID = Interventions()
CRITICAL = alert("C", severity="critical", target="db")


def status(said: Interventions = NOTHING_SAID, *, critical: bool = False) -> AlertStatus:
    alerts = [WARNING, CRITICAL] if critical else [WARNING]
    found = alert_statuses(CONFIG, said, alerts, at(10))
    return next(one for one in found if one.alert is WARNING)


def test_from_active_to_silenced_to_inhibited() -> None:
    quiet = Interventions(silences={"s": silence("alertname=W", 0, 100, id="s")})
    assert not status().is_suppressed
    assert status(quiet).silenced_by == ("s",)
    both = status(quiet, critical=True)
    assert (both.silenced_by, both.inhibited_by) == (("s",), (CRITICAL.fingerprint,))
    only = status(critical=True)
    assert (only.silenced_by, only.inhibited_by) == ((), (CRITICAL.fingerprint,))


def test_inhibition_ends_with_its_source() -> None:
    over = replace(alert("C", severity="critical", target="db", resolved=5))
    (left,) = alert_statuses(CONFIG, Interventions(), [WARNING, over], at(10))
    assert left.inhibited_by == ()


def test_acknowledged_until() -> None:
    one = Acknowledgement(labels=WARNING.labels, owner="ada", comment="", at=at(0), until=at(20))
    said = Interventions(acknowledgements={WARNING.labels: one})
    assert status(said).acknowledged == one
    late = Interventions(acknowledgements={WARNING.labels: replace(one, until=at(10))})
    assert status(late).acknowledged is None


def test_quiet_hours_are_no_suppression() -> None:
    always = parse_interval(times=[{"start_time": "00:00", "end_time": "24:00"}])
    config = routing(schedule=Schedule(mute=(always,)))
    (one,) = alert_statuses(config, Interventions(), [WARNING], at(10))
    assert (one.muted, one.is_suppressed, one.receivers) == (True, False, ("log",))
