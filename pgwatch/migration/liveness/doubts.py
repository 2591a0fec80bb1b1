"""What a body does not find now, and may well find when it is called. Pure."""

import re
from collections.abc import Collection, Iterable

from pgwatch.migration.liveness.checks import Failure
from pgwatch.migration.liveness.routine import Routine

_RELATION = "42P01"
_LOOKED_UP = frozenset({_RELATION, "42883", "42704", "3F000", "42703"})
_NAME = re.compile(
    r'\b(?:relation|type|schema|function|procedure|column|sequence) "?((?:"[^"]+"|[\w$.])+)'
)
_MAKES_PATH = re.compile(
    r"\bset_config\b[^;]*\bsearch_path\b|\bset\s+(?:local\s+|session\s+)?search_path\b",
    re.IGNORECASE,
)
_READS_CATALOGUE = re.compile(
    r"\bpg_(?:class|namespace|proc|type|extension|attribute|tables|views|indexes|matviews)\b"
    r"|\binformation_schema\b|\bto_reg(?:class|proc|procedure|type|namespace)\b",
    re.IGNORECASE,
)


def may_be_there(
    failure: Failure,
    routine: Routine,
    *,
    relations: Iterable[str],
    conditions: Collection[str],
    created: Collection[str],
    attached: bool,
) -> bool:
    """Return whether a name that is not found may be found in the call.

    `relations` are those that the statement names without a schema, `conditions` those under which it
    is reached, `created` what bodies make themselves; `attached`: a trigger is known that calls it.
    """
    if failure.sqlstate not in _LOOKED_UP:
        return False
    match = _NAME.search(failure.message)
    parts = [part.strip('"').lower() for part in match[1].split(".")] if match else []
    if failure.sqlstate == _RELATION and {*relations, *parts[-1:]} & set(created):
        return True  # a body makes it first, for as long as a session or a call lasts
    if len(parts) == 1 and failure.sqlstate != "42703":
        if _MAKES_PATH.search(routine.source):
            return True  # it is looked up where the body wants it
        if failure.sqlstate == _RELATION and routine.returns == "trigger" and not attached:
            return True  # a transition table is named by the trigger
    # The body asks first whether it is there.
    asked = bool(conditions) and bool(_READS_CATALOGUE.search(routine.source))
    return asked and any(f"'{part}'" in routine.source.lower() for part in parts)
