"""The tables of the state, and how an older file becomes a newer one."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Dialect,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    inspect,
    text,
)

from pgwatch.errors import PgwatchError

VERSION: Final = 3
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class StateError(PgwatchError):
    """The state cannot be opened, read or written."""


class Instant(TypeDecorator[datetime]):
    """A point in time as whole microseconds since 1970: exact, sortable, the same in every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002
        """Return the number that is stored."""
        return None if value is None else (value - _EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        """Return the time, in UTC."""
        return None if value is None else _EPOCH + timedelta(microseconds=value)


metadata = MetaData()

meta = Table(
    "meta", metadata, Column("key", String, primary_key=True), Column("value", Text, nullable=False)
)

alert = Table(
    "alert",
    metadata,
    Column("rule", String, primary_key=True),
    Column("digest", String, primary_key=True),  # of the labels
    Column("state", String, nullable=False),
    Column("body", Text, nullable=False),  # JSON
)

alert_group = Table(
    "alert_group",
    metadata,
    Column("digest", String, primary_key=True),  # of receiver and group key, which may be long
    Column("receiver", String, nullable=False),
    Column("group_key", Text, nullable=False),
    Column("route_key", Text, nullable=False),
    Column("labels", Text, nullable=False),  # JSON
    Column("next_flush", Instant, nullable=False),
    Column("resolved", Text, nullable=False),  # JSON: members that the alerts do not bring again
    Column("quiet", Text, nullable=False, server_default="{}"),  # JSON: what fires and was muted
)

notification_log = Table(
    "notification_log",
    metadata,
    Column("digest", String, primary_key=True),  # the group's
    Column("channel", String, primary_key=True),
    Column("receiver", String, nullable=False),
    Column("group_key", Text, nullable=False),
    Column("time", Instant, nullable=False),
    Column("firing", Text, nullable=False),  # JSON: digests of labels
    Column("resolved", Text, nullable=False),
)

flap = Table(
    "flap",
    metadata,
    Column("rule", String, primary_key=True),
    Column("digest", String, primary_key=True),  # of the labels
    Column("labels", Text, nullable=False),  # JSON
    Column("ends", Text, nullable=False),  # JSON: when the alert ended lately
)

silence = Table(
    "silence",
    metadata,
    Column("id", String, primary_key=True),
    Column("starts_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("body", Text, nullable=False),  # JSON: matchers, who, why, window, deploy
    Column("reported_at", Instant),  # when a deploy's end was told
    Column("reminded_at", Instant),  # when it was told that it ends soon
)

acknowledgement = Table(
    "acknowledgement",
    metadata,
    Column("digest", String, primary_key=True),  # of the alert's labels
    Column("labels", Text, nullable=False),  # JSON
    Column("owner", Text, nullable=False),
    Column("comment", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("until", Instant),
)

posted_alert = Table(
    "posted_alert",
    metadata,
    Column("digest", String, primary_key=True),  # of the labels
    Column("ends_at", Instant, nullable=False),
    Column("body", Text, nullable=False),  # JSON
)

# What a channel must know to go on with what it has said of a group: a message's id, a thread.
conversation = Table(
    "conversation",
    metadata,
    Column("digest", String, primary_key=True),  # of receiver, channel and group key
    Column("updated_at", Instant, nullable=False),
    Column("memory", Text, nullable=False),  # the channel's own JSON
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("receiver", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("group_key", Text, nullable=False),
    Column("digest", String, nullable=False),  # of receiver, channel and group key
    Column("reason", String, nullable=False),
    Column("payload", Text, nullable=False),  # JSON: the notification; empty once superseded
    Column("state", String, nullable=False),  # OutboxState
    Column("queued_at", Instant, nullable=False),
    Column("attempts", Integer, nullable=False),  # that failed
    Column("left_out", Integer, nullable=False, server_default=text("0")),
    # of the attempts: those that are not in the history
    Column("next_at", Instant, nullable=False),
    Column("finished_at", Instant),
    Column("last_error", Text, nullable=False),
    Column("receipt", Text, nullable=False),  # what the receiver answered, such as a message's id
    # With next_at, so that what is due is found without reading the payloads.
    Index("outbox_by_channel", "state", "receiver", "channel", "id", "next_at"),
    Index("outbox_by_group", "digest", "state"),
    sqlite_autoincrement=True,
)

# Channels of which others were told that a person must mend them, and not yet that they work again.
broken_channel = Table(
    "broken_channel",
    metadata,
    Column("receiver", String, primary_key=True),
    Column("channel", String, primary_key=True),
    Column("since", Instant, nullable=False),
)

event = Table(
    "event",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("time", Instant, nullable=False),
    Column("kind", String, nullable=False),
    Column("subject", Text, nullable=False),
    Column("detail", Text, nullable=False),  # JSON: text by name
    Column("message", Integer),  # the outbox's, of what was told
    Index("event_by_time", "time"),
    sqlite_autoincrement=True,
)

Step = Callable[[Connection], None]


def _to_2(connection: Connection) -> None:
    """Add what people say (silences, acknowledgements), flaps, posted alerts and conversations."""
    for statement in (
        "ALTER TABLE alert_group ADD COLUMN quiet TEXT DEFAULT '{}' NOT NULL",
        "ALTER TABLE event ADD COLUMN message INTEGER",
        "CREATE TABLE flap (rule VARCHAR NOT NULL, digest VARCHAR NOT NULL, labels TEXT NOT NULL,"
        " ends TEXT NOT NULL, PRIMARY KEY (rule, digest))",
        "CREATE TABLE silence (id VARCHAR NOT NULL PRIMARY KEY, starts_at BIGINT NOT NULL,"
        " ends_at BIGINT NOT NULL, updated_at BIGINT NOT NULL, body TEXT NOT NULL, reported_at BIGINT)",
        "CREATE TABLE acknowledgement (digest VARCHAR NOT NULL PRIMARY KEY, labels TEXT NOT NULL,"
        " owner TEXT NOT NULL, comment TEXT NOT NULL, at BIGINT NOT NULL, until BIGINT)",
        "CREATE TABLE posted_alert (digest VARCHAR NOT NULL PRIMARY KEY, ends_at BIGINT NOT NULL,"
        " body TEXT NOT NULL)",
        "CREATE TABLE conversation (digest VARCHAR NOT NULL PRIMARY KEY, updated_at BIGINT NOT NULL,"
        " memory TEXT NOT NULL)",
    ):
        connection.exec_driver_sql(statement)


def _to_3(connection: Connection) -> None:
    """Add what was told of broken channels and of silences that end, and which attempts are not recorded."""
    for statement in (
        "ALTER TABLE outbox ADD COLUMN left_out INTEGER DEFAULT 0 NOT NULL",
        "ALTER TABLE silence ADD COLUMN reminded_at BIGINT",
        "CREATE TABLE broken_channel (receiver VARCHAR NOT NULL, channel VARCHAR NOT NULL,"
        " since BIGINT NOT NULL, PRIMARY KEY (receiver, channel))",
    ):
        connection.exec_driver_sql(statement)


# By the version that a step starts from; it ends at the next. A step never changes: it writes out what the
# tables were then.
STEPS: Final[Mapping[int, Step]] = {1: _to_2, 2: _to_3}


def prepare(
    connection: Connection,
    file: object,
    *,
    steps: Mapping[int, Step] = STEPS,
    version: int = VERSION,
) -> None:
    """Create the tables in an empty database, or bring those of an older version to `version`.

    Runs inside the caller's transaction, so a step that fails leaves the old version as it was.

    Raises StateError if the database is of a newer version or is not a state of pgwatch.
    """
    found = _version(connection, file)
    if found is None:
        metadata.create_all(connection)
        connection.execute(meta.insert().values(key="schema_version", value=str(version)))
        return
    if found > version:
        raise StateError(
            f"state file {file} was written by a newer pgwatch (schema {found}, this one knows {version}); "
            "install that version again, or start with a new state file"
        )
    for start in range(found, version):
        if start not in steps:
            raise StateError(
                f"state file {file} has schema {start}, too old for this pgwatch (it knows {version})"
            )
        steps[start](connection)
    if found < version:
        changed = meta.update().where(meta.c.key == "schema_version")
        connection.execute(changed.values(value=str(version)))


def _version(connection: Connection, file: object) -> int | None:
    tables = inspect(connection).get_table_names()
    if not tables:
        return None
    if "meta" not in tables:
        raise StateError(f"{file} is a database, but not a state of pgwatch; choose another file")
    row = connection.execute(meta.select().where(meta.c.key == "schema_version")).first()
    if row is None or not str(row.value).isdecimal():
        raise StateError(f"state file {file} has no schema version; choose another file")
    return int(row.value)
