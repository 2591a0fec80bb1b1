"""The GRANT that cures a refusal, as exactly as the server's message and catalogue allow."""

import re
from collections.abc import Iterable
from datetime import timedelta

from pgwatch.errors import PgwatchError
from pgwatch.targets.session import Session, SessionBrokenError

_LIMIT = timedelta(seconds=1)
_DENIED = re.compile(
    r"permission denied for (?P<kind>[a-z ]+?) \"?(?P<name>[^\s\"]+)\"?(?:$|[\s,.;])"
)
_ROLE = re.compile(r"\bpg_(?:read_all_\w+|monitor|stat_scan_tables|read_server_files|maintain)\b")
_ROW_SECURITY = re.compile(r"\brow-level security\b")
_ON = {
    "schema": "GRANT USAGE ON SCHEMA %I TO %I;",
    "sequence": "GRANT SELECT ON SEQUENCE %s TO %I;",
    "function": "GRANT EXECUTE ON FUNCTION %s TO %I;",
}
_ON_RELATION = "GRANT SELECT ON %s TO %I;"


async def find_grant(
    session: Session, sql: str, message: str, relations: Iterable[str] = ()
) -> str:
    """Return the SQL that cures the refusal `message` (SQLSTATE 42501) of `sql`.

    The message tells the object's bare name: its schema, or a function's arguments, come from the
    catalogue, and from `sql` where several objects share the name. With a relation come those of
    `relations` that may not be read either: the server names the first one only. In a language other
    than English, or where nothing is found, it is the membership in pg_monitor.
    """
    statement = grant_statement(sql, message, relations)
    try:
        answer = await session.run(statement, limit=_LIMIT)
        if answer.rows and answer.rows[0][0]:
            return str(answer.rows[0][0])
        answer = await session.run(_format_role("pg_monitor"), limit=_LIMIT)
        return str(answer.rows[0][0])
    except SessionBrokenError:
        raise
    except PgwatchError:
        return "GRANT pg_monitor TO CURRENT_USER;"


def grant_statement(sql: str, message: str, relations: Iterable[str] = ()) -> str:
    """Return a SELECT of one row and column: the cure for `message`, spelt out by the server."""
    if role := _ROLE.search(message):
        return _format_role(role[0])
    if _ROW_SECURITY.search(message):
        return "SELECT pg_catalog.format('ALTER ROLE %I BYPASSRLS;', current_user)"
    match = _DENIED.search(message)
    if match is None:
        return _format_role("pg_monitor")
    kind, name = match["kind"], _literal(match["name"])
    if kind == "schema":
        return f"SELECT pg_catalog.format('{_ON['schema']}', {name}, current_user)"
    template = _ON.get(kind, _ON_RELATION)
    if kind == "function":
        return f"""
SELECT pg_catalog.string_agg(
  pg_catalog.format(
    '{template}',
    pg_catalog.format(
      '%I.%I(%s)', n.nspname, p.proname, pg_catalog.pg_get_function_identity_arguments(p.oid)
    ),
    current_user
  ),
  ' ' ORDER BY p.oid
)
FROM pg_catalog.pg_proc AS p
JOIN pg_catalog.pg_namespace AS n ON n.oid = p.pronamespace
WHERE p.proname = {name}
  AND NOT pg_catalog.has_function_privilege(p.oid, 'EXECUTE'){_calls(sql, match["name"])}
"""  # noqa: S608
    others = "" if kind == "sequence" else _unreadable(relations)
    return f"""
WITH refused AS (
  SELECT c.oid
  FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
  WHERE c.relname = {name} AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
  ORDER BY
    pg_catalog.strpos({_literal(sql.replace('"', ""))}, n.nspname || '.' || c.relname) > 0 DESC,
    pg_catalog.pg_table_is_visible(c.oid) DESC,
    c.oid
  LIMIT 1
)
SELECT pg_catalog.format(
  '{template}',
  pg_catalog.string_agg(
    pg_catalog.format('%I.%I', n.nspname, c.relname), ', ' ORDER BY n.nspname, c.relname
  ),
  current_user
)
FROM pg_catalog.pg_class AS c
JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.oid IN (SELECT r.oid FROM refused AS r){others}
HAVING pg_catalog.count(*) > 0
"""  # noqa: S608


def _unreadable(relations: Iterable[str]) -> str:
    """Return the condition that `c` is one of `relations`, and our role may not read it."""
    names = ",".join(_literal(relation.replace('"', "")) for relation in relations)
    if not names:
        return ""
    return f"""
  OR n.nspname || '.' || c.relname IN ({names})
  AND NOT pg_catalog.has_table_privilege(c.oid, 'SELECT')"""


def _calls(sql: str, name: str) -> str:
    """Return the condition that `p` takes as many arguments as a call in `sql` gives; "" if none is found."""
    counts = sorted(
        {_arguments(sql[found.end() :]) for found in re.finditer(rf"\b{re.escape(name)}\(", sql)}
    )
    if not counts:
        return ""
    ways = " OR ".join(f"{n} BETWEEN p.pronargs - p.pronargdefaults AND p.pronargs" for n in counts)
    return f" AND (p.provariadic <> 0 OR {ways})"


def _arguments(text: str) -> int:
    """Return the number of arguments before the parenthesis that closes a call; literals are skipped."""
    depth = commas = 0
    words = re.sub(r"'(?:[^']|'')*'", "x", text)
    for at, sign in enumerate(words):
        if sign in ")]" and depth == 0:
            return commas + 1 if words[:at].strip() else 0
        depth += (sign in "([") - (sign in ")]")
        commas += sign == "," and depth == 0
    return commas + 1


def _format_role(role: str) -> str:
    return f"SELECT pg_catalog.format('GRANT {role} TO %I;', current_user)"


def _literal(text: str) -> str:
    doubled = text.replace("'", "''").replace("\\", "\\\\")
    return f" E'{doubled}'"
