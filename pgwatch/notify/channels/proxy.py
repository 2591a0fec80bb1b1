"""Which proxy leads to an address."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit


def proxy_of_environment(url: str, environment: Mapping[str, str]) -> str:
    """Return the proxy that `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` name for `url`; "" for none."""
    scheme = urlsplit(url).scheme
    found = {
        name: environment.get(name.upper()) or environment.get(name) or ""
        for name in (f"{scheme}_proxy", "no_proxy")
    }
    proxy = found[f"{scheme}_proxy"]
    return "" if is_exempt(url, found["no_proxy"]) else proxy


def is_exempt(url: str, no_proxy: str) -> bool:
    """Return whether `url` is reached without a proxy, as Go reads `NO_PROXY`.

    An entry is `*`, a domain (with those below it; only those if it begins with a dot), an IP address or a
    network, each perhaps with a port. This machine is always exempt.
    Source: golang.org/x/net/http/httpproxy.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    entries = (entry.strip().lower() for entry in no_proxy.split(","))
    return any(_covers(entry, host, address, port) for entry in entries if entry)


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _covers(entry: str, host: str, address: _Address | None, port: int) -> bool:
    if entry == "*":
        return True
    if "/" in entry:
        try:
            return address is not None and address in ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
    name, colon, wanted = entry.rpartition(":")
    if colon and wanted.isdecimal() and _address(entry) is None:
        if int(wanted) != port:
            return False
        entry = name
    own = _address(entry.strip("[]"))
    if own is not None:
        return own == address
    entry = entry.removeprefix("*")
    return host.endswith(entry if entry.startswith(".") else f".{entry}") or host == entry


def _address(text: str) -> _Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
