"""Connection strings in every form that libpq reads, in a type that cannot print its password.

libpq's own parse errors quote the password, and an unescaped `@` in a password puts its tail into the
host, which every later message shows. So a malformed string is refused here, in our own words.
"""

import os
import pwd
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from urllib.parse import quote, urlencode

import psycopg
from psycopg import pq
from psycopg.conninfo import make_conninfo

from pgwatch.errors import PgwatchError
from pgwatch.secret import Secret
from pgwatch.targets.libpqfiles import passfile_passwords, read_service

_SCHEMES = ("postgresql://", "postgres://")
_SECRETS = frozenset({"password", "sslpassword", "oauth_client_secret", "scram_client_key"})
_KEYWORDS: Mapping[str, str] = {  # keyword → environment variable, as this libpq knows them
    option.keyword.decode(): (option.envvar or b"").decode()
    for option in pq.Conninfo.get_defaults()
}
# Keys that other programs keep in the same URL; safe to name in a message, since they are words of ours.
_FOREIGN = frozenset(
    {"schema", "connection_limit", "pool_timeout", "pgbouncer", "socket_timeout", "sslaccept"}
)
# What people write for libpq's keywords, too far from them to be found by likeness.
_OTHER_WORDS = {
    "database": "dbname",
    "db": "dbname",
    "hostname": "host",
    "server": "host",
    "username": "user",
    "pass": "password",
    "pwd": "password",
}
_PAIR = re.compile(r"([^\s=]+)\s*=\s*('(?:\\.|[^'\\])*'|(?:\\.|[^\s\\])*)\s*", re.DOTALL)
_ENCODE = "in a user or password, write @ as %40, : as %3A, / as %2F and % as %25"


@dataclass(frozen=True, slots=True)
class Dsn:
    """How to reach one PostgreSQL database; prints as its address, without the password.

    What it does not name comes from the service file, the PG* environment and .pgpass, all read anew
    at each use, as libpq does it.
    """

    _given: tuple[tuple[str, str], ...] = field(repr=False)  # keyword, value: what the user wrote
    _password: Secret | None = None  # from password_file or a variable; wins over all others

    @classmethod
    def parse(cls, text: str, *, password: Secret | None = None) -> "Dsn":
        """Return the Dsn that `text` writes: a URL, `key=value …`, `service=…`, or empty (environment).

        Raises PgwatchError if libpq could not use it; the message never quotes `text`.
        """
        text = text.strip()
        if problem := _malformed(text):
            raise PgwatchError(f"the connection string is not usable: {problem}")
        try:
            options = pq.Conninfo.parse(text.encode())
        except psycopg.Error:
            # Not chained: libpq's message quotes parts of the string, its password too.
            raise PgwatchError(f"the connection string is not usable: {_diagnose(text)}") from None
        given = {o.keyword.decode(): o.val.decode() for o in options if o.val is not None}
        dsn = cls(tuple(sorted(given.items())), password)
        if problem := dsn._misplaced():
            raise PgwatchError(f"the connection string is not usable: {problem}")
        return dsn

    def value(self, keyword: str) -> str:
        """Return what libpq would use for `keyword`, the empty string for nothing and for secrets."""
        return "" if keyword in _SECRETS else self._resolve(keyword)

    @property
    def user(self) -> str:
        """The role to connect as; libpq takes the operating system's user where none is named."""
        return self._resolve("user") or _system_user()

    @property
    def dbname(self) -> str:
        """The database; libpq takes the user's name where none is named."""
        return self._resolve("dbname") or self.user

    @property
    def host_port(self) -> str:
        """The label `instance`: `db1:5432`; several hosts are joined by commas, a socket is its folder."""
        hosts = (self._resolve("host") or self._resolve("hostaddr") or "localhost").split(",")
        ports = (self._resolve("port") or "5432").split(",")
        if len(ports) < len(hosts):
            ports = [ports[0]] * len(hosts)
        return ",".join(
            f"[{host}]:{port or 5432}" if ":" in host else f"{host or 'localhost'}:{port or 5432}"
            for host, port in zip(hosts, ports, strict=False)
        )

    @property
    def redacted(self) -> str:
        """The effective address as a URL that may be shown, without any secret."""
        hosts = self._resolve("host")
        query = {
            keyword: value
            for keyword, value in self._parameters().items()
            if keyword not in _SECRETS | {"user", "dbname", "host", "port", "options"}
        }
        address = self.host_port
        if hosts.startswith(("/", "@")):
            address, query["host"] = "", hosts
            query["port"] = self._resolve("port") or "5432"
        tail = f"?{urlencode(query, safe='/')}" if query else ""
        return f"postgresql://{quote(self.user)}@{address}/{quote(self.dbname)}{tail}"

    def conninfo(self, *, database: str = "", **settings: str) -> str:
        """Return the string that libpq connects with, **password included**, to `database` if named.

        `settings` go over what the user wrote. Only for the moment of connecting: never keep or show
        it. Raises PgwatchError if the password's file or variable, or the service, cannot be read.
        """
        parameters = self._parameters()
        if self._password is not None:
            parameters["password"] = self._password.reveal()
        if database:
            parameters["dbname"] = database
        try:
            return make_conninfo("", **{**parameters, **settings})
        except (psycopg.Error, ValueError):
            raise PgwatchError("a connection parameter holds what libpq cannot read") from None

    def secrets(self) -> frozenset[str]:
        """Return every password that a connection may use now, to redact messages with."""
        found = {value for key, value in self._given if key in _SECRETS}
        found.add(os.environ.get("PGPASSWORD", ""))
        try:
            found.update(v for k, v in self._service().items() if k in _SECRETS)
            if self._password is not None:
                found.add(self._password.reveal())
        except PgwatchError:
            pass  # what cannot be read was not sent to anybody
        found.update(passfile_passwords(self._resolve("passfile"), self.user))
        return frozenset(found - {""})

    def __repr__(self) -> str:
        """Return the address alone."""
        return f"Dsn({self})"

    def __str__(self) -> str:
        """Return `redacted`, also where the service file has gone."""
        try:
            return self.redacted
        except PgwatchError:
            return "postgresql://?"

    def _resolve(self, keyword: str) -> str:
        if value := self._parameters().get(keyword):
            return value
        variable = _KEYWORDS.get(keyword)
        return os.environ.get(variable, "") if variable else ""

    def _parameters(self) -> dict[str, str]:
        """Given ones over those of the service; the service itself is spelt out by them."""
        merged = {**self._service(), **dict(self._given)}
        merged.pop("service", None)
        return merged

    def _service(self) -> Mapping[str, str]:
        name = dict(self._given).get("service") or os.environ.get("PGSERVICE", "")
        return read_service(name, _KEYWORDS) if name else {}

    def _misplaced(self) -> str:
        """Say which part holds something that belongs elsewhere, such as a password's tail in the host."""
        for host in self._resolve("host").split(","):
            if "@" in host[1:] or "://" in host or (host.startswith("@") and "/" in host):
                return f"the host holds '@' or '://'; {_ENCODE}, or use password_file"
        for port in self._resolve("port").split(","):
            if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
                return f"the port is not a number from 1 to 65535; {_ENCODE}"
        if "://" in self._resolve("dbname"):
            return "dbname (or PGDATABASE) holds a whole URL; write the URL itself instead"
        return ""


def _malformed(text: str) -> str:
    """Say what libpq would read without complaint, but not as it was meant."""
    if "\0" in text:
        return "it holds a NUL character"
    if not text.startswith(_SCHEMES):
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text):
            return "a URL starts with postgresql:// or postgres://"
        return ""
    rest = text.split("://", 1)[1]
    start = re.search(r"[@/]", rest)  # libpq looks for the credentials' end in the same way
    if start and start[0] == "@":
        rest = rest[start.end() :]
    path, _, query = rest.partition("?")
    foreign = [pair for pair in query.split("&") if not pair.startswith(("password=", "user="))]
    if "@" in path or any("@" in pair for pair in foreign):
        return f"there is an '@' after the host; {_ENCODE}"
    return ""


def _diagnose(text: str) -> str:
    """Say why libpq refuses `text`, without quoting anything that could be part of a password."""
    if text.startswith(_SCHEMES):
        return _diagnose_url(text)
    if text.count("'") % 2:
        return "a single quote is not closed; write a quote inside a value as \\'"
    if "=" not in text:
        return "expected a URL (postgresql://…) or key=value pairs (host=… dbname=…)"
    return _unknown_keyword(text) or (
        "expected key=value pairs with libpq's keywords; a value with spaces stands in single quotes"
    )


def _unknown_keyword(text: str) -> str:
    """Name the first keyword that libpq does not know, if it is one that was meant.

    Behind a password's space a part of the password looks like a keyword, and is neither shown nor judged.
    """
    end = 0
    for pair in _PAIR.finditer(text):
        if pair.start() != end:
            return ""
        end, keyword = pair.end(), pair[1]
        if keyword in _SECRETS and not pair[2].startswith("'"):
            return ""
        if keyword not in _KEYWORDS:
            meant = _OTHER_WORDS.get(keyword) or next(
                iter(get_close_matches(keyword, _KEYWORDS, n=1, cutoff=0.7)), None
            )
            return f"libpq has no keyword {keyword!r}; did you mean {meant}?" if meant else ""
    return ""


def _diagnose_url(text: str) -> str:
    if re.search(r"%(?![0-9A-Fa-f]{2})|%00", text):
        return "a '%' is not followed by two hexadecimal digits; write % itself as %25"
    keys = [pair.split("=", 1)[0] for pair in text.partition("?")[2].split("&")]
    for number, key in enumerate(keys, 1):
        if key in _FOREIGN:
            return f"{key!r} is not a parameter of libpq (another program's); remove it"
        if key and key not in _KEYWORDS:
            return f"parameter {number} after the '?' is not one that libpq knows; {_ENCODE}"
    return "expected postgresql://user:password@host:port/database?parameter=value"


def _system_user() -> str:
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container may run as a number that no file names
        return ""
