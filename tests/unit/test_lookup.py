"""Alerts by the fingerprint that stands in a link."""

from pgwatch.alerts.lookup import Lookup
from pgwatch.samples.labels import Labels

SETS = [Labels({"alertname": "A", "n": str(number)}) for number in range(5)]


def test_each_fingerprint_is_computed_once() -> None:
    asked = list[Labels]()

    def seen_as(labels: Labels) -> Labels:
        asked.append(labels)
        return labels.merged({"site": "here"})

    lookup = Lookup(seen_as)
    text = SETS[3].merged({"site": "here"}).fingerprint()
    for count in (4, 4, 5, 5):
        collection = SETS[:count]
        for _ in range(2):
            assert lookup.find(collection, collection, text) is SETS[3]
            assert lookup.find(collection, collection, SETS[3].fingerprint()) is None
    assert asked == SETS


def test_what_is_gone_is_not_found() -> None:
    lookup = Lookup(lambda labels: labels)
    for collection, found in ((SETS[:2], True), (SETS[1:], False), (SETS[:2], True)):
        known = lookup.find(collection, collection, SETS[0].fingerprint())
        assert (known == SETS[0]) is found
