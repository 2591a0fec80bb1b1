"""Asks a database in such a way that a bug of ours ends one run alone, and never the worker."""

import logging

from pgwatch.collect.execute import execute
from pgwatch.collect.line import Line
from pgwatch.collect.outcome import Failed, Outcome
from pgwatch.collect.report import UP
from pgwatch.queries.query import Query
from pgwatch.targets.connect import ConnectError
from pgwatch.targets.session import RefusedError, SessionBrokenError, SilentServerError

logger = logging.getLogger(__name__)


async def attempt(line: Line, database: str, query: Query) -> Outcome:
    """Return how `query` ends in `database`."""
    try:
        return await execute(line, database, query)
    except Exception as error:  # noqa: BLE001 - a bug ends this one run alone
        return bug(error, query.name)


async def refresh(line: Line, database: str) -> str:
    """Return why there is no session with `database`, the empty string if there is one."""
    reason = ""
    for _ in range(2):  # a session that broke while it was idle says nothing about the server
        try:
            await line.refresh(database)
        except ConnectError as error:
            return str(error)
        except (SessionBrokenError, SilentServerError) as error:
            reason = str(error)
        except RefusedError:
            return ""  # an error is an answer
        except Exception as error:  # noqa: BLE001 - a bug must not end the worker
            return bug(error, UP).reason
        else:
            return ""
    return reason


def bug(error: Exception, query: str) -> Failed:
    """Log a bug of ours, and return it as the end of a run."""
    logger.error("query run meets a bug", exc_info=error, extra={"query": query})
    return Failed(reason=f"a bug in pgwatch: {type(error).__name__}")
