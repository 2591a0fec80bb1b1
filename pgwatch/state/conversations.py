"""What a channel must know to go on with what it has said of a group, such as a message's id."""

from datetime import datetime

from sqlalchemy import Connection, delete, select

from pgwatch.state.schema import conversation


def recall(connection: Connection, group: str) -> str:
    """Return what was remembered for the digest `group` of receiver, channel and group key; "" if nothing."""
    known = select(conversation.c.memory).where(conversation.c.digest == group)
    return connection.execute(known).scalar() or ""


def remember(connection: Connection, group: str, memory: str, now: datetime) -> None:
    """Remember `memory` instead of what was; the empty one forgets."""
    connection.execute(delete(conversation).where(conversation.c.digest == group))
    if memory:
        row = {"digest": group, "updated_at": now, "memory": memory}
        connection.execute(conversation.insert().values(row))


def prune(connection: Connection, before: datetime) -> None:
    """Forget conversations that nobody went on with since `before`."""
    connection.execute(delete(conversation).where(conversation.c.updated_at < before))
