"""Policies of row security. Pure."""

from functools import partial

from pgwatch.migration.parse import Node
from pgwatch.migration.preflight.asking import columns_of
from pgwatch.migration.preflight.objects import Policy, Relation
from pgwatch.migration.preflight.references import references
from pgwatch.migration.preflight.stage import Stage
from pgwatch.migration.preflight.standin import StandIn


def create_policy(stage: Stage, node: Node) -> None:
    """CREATE POLICY."""
    table = stage.relation(node.table)
    assert table is not None
    if table.kind not in "rp":
        raise stage.fail("42809", f'"{table.name}" is not a table')
    for item in node.roles:
        stage.role(item.role_spec)
    _policy_expressions(stage, node, table)
    key = (table.oid, node.policy_name)
    if key in stage.scene.policies:
        raise stage.fail(
            "42710",
            f'policy "{node.policy_name}" for table "{table.name}" already exists',
            harmless=True,
        )
    stage.scene.policies[key] = Policy(
        table=table.oid, name=node.policy_name, uses=_policy_uses(stage, node, table)
    )


def alter_policy(stage: Stage, node: Node) -> None:
    """ALTER POLICY."""
    table = stage.relation(node.table)
    assert table is not None
    for item in node.roles:
        stage.role(item.role_spec)
    _policy_expressions(stage, node, table)
    if (table.oid, node.policy_name) not in stage.scene.policies:
        raise stage.fail(
            "42704", f'policy "{node.policy_name}" for table "{table.name}" does not exist'
        )


def _policy_expressions(stage: Stage, node: Node, table: Relation) -> None:
    for field in ("qual", "with_check"):
        if node.HasField(field):
            expression = getattr(node, field)
            columns_of(stage, partial(StandIn(stage).expression, expression, table))


def _policy_uses(stage: Stage, node: Node, table: Relation) -> frozenset[tuple[str, int, int]]:
    found: frozenset[tuple[str, int, int]] = frozenset()
    for field in ("qual", "with_check"):
        if node.HasField(field):
            found |= references(stage, getattr(node, field), [table])
    return found
