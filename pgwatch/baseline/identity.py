"""Which server a session is on, whatever it is called."""

from datetime import timedelta

from pgwatch.baseline import sql
from pgwatch.targets.session import RefusedError, Session

_LIMIT = timedelta(seconds=30)
_NOW = "SELECT extract(epoch FROM pg_catalog.clock_timestamp())::double precision AS now"


async def identity(session: Session) -> tuple[float, str]:
    """Return the server's Unix time, and its cluster's identifier, "" where that may not be read."""
    try:
        answer = await session.run(sql.SERVER, limit=_LIMIT)
    except RefusedError:  # a provider took the right away: its server cannot be told from another
        answer = await session.run(_NOW, limit=_LIMIT)
        return float(answer.rows[0][0]), ""
    now, identifier = answer.rows[0]
    return float(now), str(identifier)
