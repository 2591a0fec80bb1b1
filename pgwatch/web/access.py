"""Who may change something."""

import ipaddress

from starlette.requests import Request


def not_local(request: Request) -> str | None:
    """Return why `request` may not change anything, None if it may.

    Without authentication only programs on this machine may: no browser, which any web site can
    make send a POST here (it then says its Origin), and nothing that a proxy on this machine passes on.
    """
    host = request.client.host if request.client is not None else ""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "only clients on this machine may do this\n"
    mapped = getattr(address, "ipv4_mapped", None)
    if not (mapped or address).is_loopback:
        return "only clients on this machine may do this\n"
    for header in ("origin", "forwarded", "x-forwarded-for"):
        if header in request.headers:
            return f"a request with the header {header} may not do this\n"
    return None
