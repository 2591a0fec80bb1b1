"""What is to be said when a configuration comes into force."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pgwatch.config.web_file import ServerTls
from pgwatch.rules.evidence import unknown_evidence
from pgwatch.rules.reach import short_of_history
from pgwatch.wiring import House


def waiting_settings(first: House, house: House) -> tuple[str, ...]:
    """Return the settings that differ from those of the start, which stay until the process ends."""
    return tuple(
        setting
        for setting, before, after in (
            ("web.listen", first.listen, house.listen),
            ("web.route_prefix", first.route_prefix, house.route_prefix),
            ("tls_server_config", _fixed(first.web.tls), _fixed(house.web.tls)),
            ("state", first.state_path, house.state_path),
            ("retention", first.retention, house.retention),
            ("keep_history", first.keep_history, house.keep_history),
        )
        if before != after
    )


def shortcomings(first: House, house: House) -> Iterator[tuple[str, str]]:
    """Return what `house` asks for in vain: each an event of the log, and its reason."""
    for reason in house.routing.warnings:
        yield "alertmanager.yml is not honoured in full", reason
    for reason in short_of_history(house.groups, first.retention):
        yield "rule needs more history than is kept", reason
    for reason in unknown_evidence(house.groups, house.evidence.keys()):
        yield "alerts of a rule come without evidence", reason


def _fixed(tls: ServerTls | None) -> ServerTls | None:
    """Return what of `tls` a reload cannot change: all but certificate and key."""
    return replace(tls, cert_file=Path(), key_file=Path()) if tls else None
