"""The SQL that the gate sends to a server, for a script that does nothing else with it."""

import asyncio

from pgwatch.config.choose import choose_inputs
from pgwatch.gate.options import GateOptions
from pgwatch.gate.plan import check_plan
from pgwatch.queries.query import Runnable, plan
from pgwatch.targets.connect import open_session
from pgwatch.targets.server_info import Asked


def gate_statements(url: str) -> list[str]:
    """Return the statements of one `check --once` with all packs, as they apply to the server of `url`."""
    return asyncio.run(_statements(url))


async def _statements(url: str) -> list[str]:
    (subject,) = check_plan(choose_inputs(dsns=[url]), GateOptions()).subjects
    relations = frozenset(name for q in subject.queries for name in q.requires.relations)
    session, info = await open_session(subject.target, asked=Asked(relations=relations))
    await session.close()
    applicable = [
        query
        for query in subject.queries
        if not info.absent_relations.intersection(query.requires.relations)
    ]
    planned = (plan(query, info) for query in applicable)
    return [one.sql for one in planned if isinstance(one, Runnable)]
