"""TLS as a receiver's `tls_config` wants it."""

import ssl
import tempfile
from pathlib import Path
from typing import Final

from pgwatch.errors import PgwatchError
from pgwatch.notify.http_settings import TlsSettings

_VERSIONS: Final = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}


def tls_context(settings: TlsSettings, authorities: str | None = None) -> ssl.SSLContext:
    """Return the context for clients; `authorities` is the file of those trusted where none are named.

    Files are read now. Raises PgwatchError, without what is in them.
    """
    try:
        return _context(settings, authorities)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or "not usable"
        named = [settings.ca_file, settings.cert_file, settings.key_file]
        files = ", ".join(str(one) for one in named if one) or "its certificates"
        raise PgwatchError(f"tls_config: {files}: {reason}") from None


def _context(settings: TlsSettings, authorities: str | None) -> ssl.SSLContext:
    own = settings.ca_file or settings.ca
    context = ssl.create_default_context(
        cafile=settings.ca_file or (None if own else authorities), cadata=settings.ca or None
    )
    if settings.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if settings.min_version:
        context.minimum_version = _VERSIONS[settings.min_version]
    if settings.max_version:
        context.maximum_version = _VERSIONS[settings.max_version]
    if settings.cert_file or settings.cert:
        _load_certificate(context, settings)
    return context


def _load_certificate(context: ssl.SSLContext, settings: TlsSettings) -> None:
    """Load the client's certificate; the library takes files only, so PEM text is one for a moment."""
    with tempfile.TemporaryDirectory() as folder:  # only ours to read
        certificate, key = settings.cert_file, settings.key_file
        if settings.cert:
            certificate = Path(folder) / "cert.pem"
            certificate.write_text(settings.cert, encoding="utf-8")
        if settings.key is not None:
            key = Path(folder) / "key.pem"
            key.write_text(settings.key.reveal(), encoding="utf-8")
        assert certificate is not None
        context.load_cert_chain(certificate, key)
