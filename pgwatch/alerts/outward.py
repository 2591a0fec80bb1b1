"""Alerts as others see them: with the labels that say which pgwatch speaks."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from pgwatch.alerts.alert import Alert
from pgwatch.rules.functions import table_link
from pgwatch.samples.labels import Labels


def outward(
    alerts: Mapping[str, Sequence[Alert]], external_labels: Mapping[str, str]
) -> dict[str, tuple[Alert, ...]]:
    """Return `alerts` (by rule) with `external_labels`, which give way to labels that an alert has itself.

    As Prometheus's notifier does: routing, silences and messages see them; rules, ALERTS and the API of
    rules and alerts do not.
    """
    return {rule: tuple(_outward(of_rule, external_labels)) for rule, of_rule in alerts.items()}


def outward_labels(labels: Labels, external_labels: Mapping[str, str]) -> Labels:
    """Return `labels` of an alert with the `external_labels` that it has not itself."""
    missing = {name: external_labels[name] for name in external_labels if name not in labels}
    return labels.merged(missing) if missing else labels


def _outward(alerts: Iterable[Alert], external_labels: Mapping[str, str]) -> Iterator[Alert]:
    for alert in alerts:
        labels = outward_labels(alert.labels, external_labels)
        yield alert if labels is alert.labels else replace(alert, labels=labels)


def generator_url(external_url: str, query: str) -> str:
    """Return where a person sees the table of `query`, "" where pgwatch's address is not known."""
    return external_url and external_url + table_link(query)
