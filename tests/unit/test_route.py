"""The routing tree, on the cases of Alertmanager's `dispatch/route_test.go` and our own."""

from dataclasses import replace

import pytest

from pgwatch.notify.matcher import in_order, parse_matchers
from pgwatch.notify.route import Route, child_key, find_routes, log_only
from pgwatch.samples.labels import Labels


def route(
    receiver: str, text: str, *children: Route, go_on: bool = False, parent: str = "{}"
) -> Route:
    matchers = in_order(parse_matchers(text).matchers)
    key = child_key(parent, matchers)
    return Route(
        receiver=receiver,
        matchers=matchers,
        key=key,
        continues=go_on,
        routes=tuple(replace(c, key=key + c.key.removeprefix("{}")) for c in children),
    )


TREE = Route(
    receiver="default",
    group_by=frozenset({"alertname"}),
    routes=(
        route(
            "team-a",
            'owner="team-a"',
            route("team-a-test", 'env="testing"'),
            route("team-a-prod", 'env="production"', go_on=True),
            route("team-a-page", 'severity="critical"'),
        ),
        route("everything", 'owner=~"team-[bc]"', go_on=True),
        route("team-b", "owner=team-b"),
    ),
)


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        pytest.param({"owner": "x"}, ["default"], id="nothing matches: the root"),
        pytest.param({"owner": "team-a"}, ["team-a"], id="no child matches: the node"),
        pytest.param(
            {"owner": "team-a", "env": "testing", "severity": "critical"},
            ["team-a-test"],
            id="first child wins",
        ),
        pytest.param(
            {"owner": "team-a", "env": "production", "severity": "critical"},
            ["team-a-prod", "team-a-page"],
            id="continue inside a branch",
        ),
        pytest.param({"owner": "team-b"}, ["everything", "team-b"], id="continue at the top"),
        pytest.param({"owner": "team-c"}, ["everything"], id="continue, and no other"),
    ],
)
def test_alert_ends_at(labels: dict[str, str], receivers: list[str]) -> None:
    assert [found.receiver for found in find_routes(TREE, Labels(labels))] == receivers


def test_group_key_is_alertmanagers() -> None:
    (found,) = find_routes(TREE, Labels({"owner": "team-a", "severity": "critical"}))
    key = found.group_key(Labels({"alertname": 'Al"ways', "b": "1"}))
    assert key == '{}/{owner="team-a"}/{severity="critical"}:{alertname="Al\\"ways", b="1"}'


def test_group_labels_are_those_of_group_by_that_the_alert_has() -> None:
    labels = Labels({"alertname": "A", "target": "t"})
    some = Route(receiver="r", group_by=frozenset({"alertname", "absent"}))
    everything = Route(receiver="r", group_by_all=True)
    assert some.group_labels(labels) == {"alertname": "A"}
    assert everything.group_labels(labels) == labels
    assert Route(receiver="r").group_labels(labels) == {}


def test_without_configuration_everything_goes_to_the_log() -> None:
    routing = log_only()
    (found,) = find_routes(routing.root, Labels({"alertname": "A"}))
    (channel,) = routing.receivers[found.receiver].channels
    assert channel.name == "log[0]"
