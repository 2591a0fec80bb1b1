"""What pgwatch.yml adds to an alertmanager.yml, whose strict readers know none of it; and both together."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path as FilePath
from typing import TYPE_CHECKING, Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator

from pgwatch.config.alertmanager import load_alertmanager
from pgwatch.config.fields import SecretFile, SecretValue
from pgwatch.config.nearest import nearest
from pgwatch.config.section import Section
from pgwatch.errors import InputError, PgwatchError, Problem
from pgwatch.notify.channels.apprise import NOT_INSTALLED, is_installed
from pgwatch.notify.receiver import ChannelSettings, Receiver
from pgwatch.notify.route import Routing, log_only
from pgwatch.notify.services import AlertmanagerSettings, AppriseSettings
from pgwatch.secret import Secret
from pgwatch.yamlfile import Path

if TYPE_CHECKING:
    from pgwatch.config.schema import Settings

_KEY: Final = "overrides"
ALERTMANAGERS: Final = "alertmanagers"  # the receiver that no route leads to


def _http_address(secret: Secret) -> Secret:
    try:
        url = urlsplit(secret.reveal())
        good = url.scheme in ("http", "https") and bool(url.hostname) and not url.query
    except (ValueError, PgwatchError):
        good = False
    if not good:
        raise ValueError("expected an address such as http://am-1:9093")
    return secret


HttpAddress = Annotated[SecretValue, AfterValidator(_http_address)]  # may hold a password


class AppriseOverride(Section):
    """An entry of `apprise`: services in Apprise's notation."""

    urls: tuple[SecretValue, ...] = ()
    url_files: tuple[SecretFile, ...] = ()
    send_resolved: bool = True


class OverrideSettings(Section):
    """What one receiver has beside its entries in alertmanager.yml."""

    apprise: tuple[AppriseOverride, ...] = ()


def routing_of(settings: "Settings", place: Callable[[Path, str], Problem]) -> Routing:
    """Return the routes and receivers of `settings`, without pgwatch's own address.

    Raises InputError with what is wrong in alertmanager.yml and in what is added to it.
    """
    problems = list(_problems(settings, place))
    if problems:
        raise InputError(problems)
    routing = _read(settings)
    unknown = [
        place((_KEY, name), f"there is no receiver {name!r}; {nearest(name, routing.receivers)}")
        for name in settings.overrides
        if name not in routing.receivers
    ]
    if unknown:
        raise InputError(unknown)
    hidden = _alertmanagers(settings.alertmanagers)
    return replace(routing, hidden=(hidden,) if hidden.channels else ())


def added_channels(settings: "Settings") -> dict[str, tuple[ChannelSettings, ...]]:
    """Return the channels that `overrides` adds, by receiver."""
    return {name: _channels(one) for name, one in settings.overrides.items()}


def _read(settings: "Settings") -> Routing:
    mode = settings.alertmanager_mode
    if settings.alertmanager_config is None:
        return replace(log_only(), mode=mode)
    file = FilePath(settings.alertmanager_config)
    return load_alertmanager(file, added_channels(settings), mode)


def _channels(override: OverrideSettings) -> tuple[ChannelSettings, ...]:
    return tuple(
        AppriseSettings(
            index=index, send_resolved=one.send_resolved, urls=(*one.urls, *one.url_files)
        )
        for index, one in enumerate(override.apprise)
    )


def _alertmanagers(urls: tuple[Secret, ...]) -> Receiver:
    channels = tuple(AlertmanagerSettings(index=i, url=url) for i, url in enumerate(urls))
    return Receiver(name=ALERTMANAGERS, channels=channels)


def _problems(settings: "Settings", place: Callable[[Path, str], Problem]) -> Any:
    overrides: Mapping[str, OverrideSettings] = settings.overrides
    if overrides and settings.alertmanager_config is None:
        message = "there are no receivers to add to: alertmanager_config is not set"
        yield place((_KEY,), message)
    for name, override in overrides.items():
        for index, one in enumerate(override.apprise):
            path: Path = (_KEY, name, "apprise", index)
            if not one.urls and not one.url_files:
                yield place(path, "expected urls or url_files")
            elif not is_installed():
                yield place(path, NOT_INSTALLED)
