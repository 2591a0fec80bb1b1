"""Read what the database has of everything that migrations name: one statement, whatever the number."""

from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

from pgwatch.migration.catalogue import live_objects
from pgwatch.migration.objects import Declarations, Expression, Key, LiveObject
from pgwatch.migration.parse import without_collector
from pgwatch.targets.session import Session

_SQL = (Path(__file__).parent / "catalogue.sql").read_text(encoding="utf-8")
_LIMIT = timedelta(seconds=30)


async def read_live(session: Session, declarations: Declarations) -> dict[Key, LiveObject]:
    """Return the live objects whose names `declarations` mention, and those of their tables.

    Raises what `Session.run` raises, and UnparsableError.
    """
    names = sorted(set(_names(declarations)))
    answer = await session.run(_SQL.replace(":names", _array(names)), limit=_LIMIT)
    with without_collector():
        return live_objects(answer.rows)


def _names(declarations: Declarations) -> Iterable[str]:
    for declared in declarations.objects:
        key = declared.key
        yield key.name.split("(")[0]
        if key.table:
            yield key.table
        if (table := declared.facets.get("table")) is not None:
            yield str(table.value).rsplit(".", 1)[-1]
        for facet in declared.facets.values():
            if isinstance(facet.value, Expression) and facet.value.table:
                yield facet.value.table


def _array(names: Iterable[str]) -> str:
    quoted = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
    return f"(ARRAY[{quoted}])"
