"""What all statements on rows share: the body they stand in, and what may be stored where. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pgwatch.migration.preflight.asking import assignable
from pgwatch.migration.preflight.objects import Column
from pgwatch.migration.preflight.stage import Stage
from pgwatch.migration.preflight.standin import StandIn


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """The function in whose body a statement stands."""

    function: str = ""
    parameters: Mapping[str, str] = field(default_factory=dict)
    positions: Sequence[str] = ()
    runs: bool = False  # now, as against when the function is called

    def stand_in(self, stage: Stage) -> StandIn:
        """Return what rewrites queries of the body."""
        return StandIn(
            stage,
            parameters=self.parameters,
            positions=self.positions,
            function=self.function,
        )


def check_type(stage: Stage, column: Column, type_: str) -> None:
    """Fail where a value of `type_` cannot be stored in a column."""
    if not assignable(stage, type_, column.type):
        raise stage.fail(
            "42804",
            f'column "{column.name}" is of type {column.type} but expression is of type {type_}',
        )
